//! Boxes against the truth: a hit overlaps a container by half (IoU).

use vaern_door::{AdmittedDetection, Label};
use vaern_scenes::ContainerKind;

use crate::corpus::Thing;
use crate::stats::Tally;

const HIT: f64 = 0.5;

/// Whether a label of the city's vocabulary names this kind.
pub(crate) fn names(label: &Label, kind: ContainerKind) -> bool {
    match kind {
        ContainerKind::Affaldscontainer => label.as_str() == "affaldscontainer",
        ContainerKind::Glascontainer => label.as_str() == "glascontainer",
        ContainerKind::Nedgravet => label.as_str() == "nedgravet_container",
        ContainerKind::Byggecontainer | ContainerKind::Lukketcontainer => label.as_str() == "byggecontainer",
    }
}

/// Whether this container must be found by a plugin with these labels.
pub(crate) fn counts(thing: &Thing, labels: &[Label]) -> bool {
    thing.counts && labels.iter().any(|label| names(label, thing.kind))
}

/// Whether it was found.
pub(crate) fn found(thing: &Thing, boxes: &[AdmittedDetection]) -> bool {
    boxes.iter().any(|one| one.rect.iou(thing.rect) >= HIT)
}

/// Whether a box is on a container: `None` where it is on one that does not count, which is neither right nor wrong.
pub(crate) fn right(one: &AdmittedDetection, things: &[Thing], labels: &[Label]) -> Option<bool> {
    let best = things
        .iter()
        .filter(|thing| one.rect.iou(thing.rect) >= HIT)
        .max_by(|a, b| one.rect.iou(a.rect).total_cmp(&one.rect.iou(b.rect)));
    match best {
        Some(thing) if !counts(thing, labels) => None,
        other => Some(other.is_some()),
    }
}

/// Boxes that are on nothing.
pub(crate) fn wrong(boxes: &[AdmittedDetection], things: &[Thing], labels: &[Label]) -> u64 {
    boxes.iter().map(|one| u64::from(right(one, things, labels) == Some(false))).sum()
}

/// Recall over those of `things` that count and that `which` picks.
pub(crate) fn recall(
    things: &[Thing],
    boxes: &[AdmittedDetection],
    labels: &[Label],
    which: impl Fn(&Thing) -> bool,
) -> Tally {
    let mut tally = Tally::default();
    for thing in things.iter().filter(|thing| counts(thing, labels) && which(thing)) {
        tally.add(found(thing, boxes));
    }
    tally
}

/// Precision over all boxes.
pub(crate) fn precision(things: &[Thing], boxes: &[AdmittedDetection], labels: &[Label]) -> Tally {
    let mut tally = Tally::default();
    for one in boxes {
        if let Some(right) = right(one, things, labels) {
            tally.add(right);
        }
    }
    tally
}
