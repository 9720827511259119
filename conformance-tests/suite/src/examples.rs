//! Which drawn streets a report shows: some with finds, one with a miss, one with a box on nothing. Drawn streets only: nothing of a
//! labelled corpus, open or sealed, is ever shown.

use serde::{Deserialize, Serialize};
use vaern_door::{Label, Rect, Size};

use crate::bench::{Bench, Sight};
use crate::matching::{counts, found, right};

/// Why a street is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shows {
    /// Everything that counts was found.
    Found,
    /// Something that counts was missed.
    Missed,
    /// A box lies on nothing that is a container.
    Wrong,
}

/// One street that a report shows. The picture is drawn anew from the run's seed: it is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// Why.
    pub shows: Shows,
    /// Number of the street.
    pub case: u32,
    /// Size of the frame.
    pub frame: Size,
    /// Containers that count and were found: left, top, right, bottom.
    pub found: Vec<[u16; 4]>,
    /// Containers that count and were missed.
    pub missed: Vec<[u16; 4]>,
    /// Boxes of the plugin.
    pub boxes: Vec<[u16; 4]>,
    /// How many of them lie on nothing.
    pub wrong: u32,
}

fn sides(rect: Rect) -> [u16; 4] {
    [rect.x0(), rect.y0(), rect.x1(), rect.y1()]
}

fn example(sight: &Sight, case: u32, frame: Size, labels: &[Label]) -> Option<Example> {
    let boxes = &sight.look.as_ref().ok()?.admitted.detections;
    let of = |hit: bool| {
        let counted = sight.things.iter().filter(|thing| counts(thing, labels) && found(thing, boxes) == hit);
        counted.map(|thing| sides(thing.rect)).collect::<Vec<_>>()
    };
    let (hits, missed) = (of(true), of(false));
    let wrong = boxes.iter().filter(|one| right(one, &sight.things, labels) == Some(false)).count();
    let shows = match (wrong, missed.is_empty(), hits.is_empty()) {
        (1.., ..) => Shows::Wrong,
        (0, false, _) => Shows::Missed,
        (0, true, false) => Shows::Found,
        (0, true, true) => return None,
    };
    let boxes = boxes.iter().map(|one| sides(one.rect)).collect();
    Some(Example { shows, case, frame, found: hits, missed, boxes, wrong: u32::try_from(wrong).unwrap_or(u32::MAX) })
}

/// Two streets with finds, two with a miss and two with a box on nothing, where there are such: the first of each.
pub(crate) fn examples(bench: &Bench<'_>) -> Vec<Example> {
    let (Some(sights), Ok(loaded)) = (bench.surveyed(), bench.plain()) else { return Vec::new() };
    let (frame, labels) = (loaded.grants.frame, &loaded.grants.labels);
    let all: Vec<Example> =
        sights.iter().zip(0..).filter_map(|(sight, case)| example(sight, case, frame, labels)).collect();
    let first = |shows| all.iter().filter(move |one| one.shows == shows).take(2).cloned();
    [Shows::Found, Shows::Missed, Shows::Wrong].into_iter().flat_map(first).collect()
}
