//! The one form of an answer. Whatever a plugin meant to say with the order, the exact place or the exact score of its boxes
//! is gone after this; what is left is counted in bits and bounded.
//!
//! A pure function of integers: the same answer gives the same bytes on every machine (EXF-22).
//!
//! **The bit budget.** With `L` labels, a grid of `nx` by `ny` cells over the frame and `S` steps at or above the minimum score, one
//! box is one of `L · nx(nx+1)/2 · ny(ny+1)/2 · S` values: a label, two ordered grid lines on each axis, a step. It is charged
//! `bits_per_box`, the logarithm of that number to base 2, rounded up. Since order and repetition carry nothing, `n` boxes of at
//! most `max` carry at most `n · bits_per_box + log2(max + 1)` bits, and that is what an answer is charged. Where the budget does
//! not reach for one box, no box leaves, and such an answer carries nothing.
//!
//! The counts of [`Dropped`] are the plugin's doing as well. They are for the conformance report and for breakers on the node; they
//! are not part of an answer and must not leave the node with it.

use std::collections::BTreeMap;

use vaern_door::{AdmittedDetection, Detection, Label, OutputRules, Rect, Size};

/// Candidates that are weighed against the masks, as a multiple of the detections kept: bounds the work of one answer.
const CANDIDATES: usize = 8;

/// An answer in its one form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// Strongest first.
    pub detections: Vec<AdmittedDetection>,
    /// What was left out.
    pub dropped: Dropped,
    /// Bits that the answer carries at most.
    pub bits: u32,
}

/// How many detections were left out, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// Not an index into the labels.
    pub unknown_label: u32,
    /// Reaches past the frame.
    pub outside_frame: u32,
    /// Below the least score.
    pub low_score: u32,
    /// The same label in the same cells as a detection that was at least as strong.
    pub duplicate: u32,
    /// More than half of it is masked.
    pub inside_mask: u32,
    /// More than the number kept.
    pub over_cap: u32,
    /// More than the bit budget.
    pub over_budget: u32,
}

impl Dropped {
    /// Each reason by its stable name, with its count.
    #[must_use]
    pub const fn by_reason(&self) -> [(&'static str, u32); 7] {
        [
            ("unknown_label", self.unknown_label),
            ("outside_frame", self.outside_frame),
            ("low_score", self.low_score),
            ("duplicate", self.duplicate),
            ("inside_mask", self.inside_mask),
            ("over_cap", self.over_cap),
            ("over_budget", self.over_budget),
        ]
    }

    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u32 {
        self.unknown_label
            + self.outside_frame
            + self.low_score
            + self.duplicate
            + self.inside_mask
            + self.over_cap
            + self.over_budget
    }
}

/// Makes an answer canonical. `masked` are the frame's masks, `labels` the granted ones in the order of the plugin's description.
///
/// Applying it to its own result changes nothing, and the order of `raw` does not matter.
#[must_use]
pub fn admit(raw: &[Detection], frame: Size, masked: &[Rect], labels: &[Label], rules: &OutputRules) -> Admitted {
    let mut dropped = Dropped::default();
    // Keyed by what a box is, so that order and repetition are gone at once; the value is the strongest score.
    let mut boxes: BTreeMap<(u16, Rect), u8> = BTreeMap::new();
    for detection in raw {
        if usize::from(detection.label) >= labels.len() {
            dropped.unknown_label += 1;
            continue;
        }
        let Some(rect) = snapped(detection.rect, frame, rules.grid) else {
            dropped.outside_frame += 1;
            continue;
        };
        let score = stepped(detection.score, rules.score_steps);
        if score < rules.min_score {
            dropped.low_score += 1;
            continue;
        }
        let slot = boxes.entry((detection.label, rect));
        if matches!(slot, std::collections::btree_map::Entry::Occupied(_)) {
            dropped.duplicate += 1;
        }
        let best = slot.or_insert(score);
        *best = score.max(*best);
    }
    // Strongest first; equals in the order of label and place.
    let mut boxes: Vec<(u8, u16, Rect)> =
        boxes.into_iter().map(|((label, rect), score)| (score, label, rect)).collect();
    boxes.sort_by_key(|(score, label, rect)| (std::cmp::Reverse(*score), *label, *rect));

    let cap = usize::from(rules.max_detections);
    let candidates = cap.saturating_mul(CANDIDATES);
    dropped.over_cap += count(boxes.len().saturating_sub(candidates));
    boxes.truncate(candidates);

    let mut kept = vec![];
    for (score, label, rect) in boxes {
        let covered = rect.covered_by(masked);
        if covered * 2 > rect.area() {
            dropped.inside_mask += 1;
        } else if let Some(label) = labels.get(usize::from(label)) {
            kept.push(AdmittedDetection { label: label.clone(), rect, score, delvist_maskeret: covered > 0 });
        }
    }
    dropped.over_cap += count(kept.len().saturating_sub(cap));
    kept.truncate(cap);

    let box_bits = bits_per_box(frame, labels.len(), rules);
    let count_bits = bits(u128::from(rules.max_detections) + 1);
    let left = rules.bits_per_frame.saturating_sub(count_bits);
    // A box of no bits, one label in one cell with one step, costs nothing but its place in the count.
    let affordable = if rules.bits_per_frame < count_bits { 0 } else { left.checked_div(box_bits).unwrap_or(u32::MAX) };
    let affordable = usize::try_from(affordable).unwrap_or(usize::MAX);
    dropped.over_budget += count(kept.len().saturating_sub(affordable));
    kept.truncate(affordable);

    let bits = if affordable == 0 || cap == 0 { 0 } else { count_bits + count(kept.len()) * box_bits };
    Admitted { detections: kept, dropped, bits }
}

/// Bits that one box can carry: see the head of this file.
#[must_use]
pub fn bits_per_box(frame: Size, labels: usize, rules: &OutputRules) -> u32 {
    let spans = |side: u16| {
        let cells = u128::from(side.div_ceil(rules.grid.max(1)));
        cells * (cells + 1) / 2
    };
    let steps = (0..=u8::MAX).filter(|s| stepped(*s, rules.score_steps) == *s && *s >= rules.min_score).count();
    let values = |n: usize| u128::try_from(n).unwrap_or(u128::MAX).max(1);
    bits(values(labels) * spans(frame.width()) * spans(frame.height()) * values(steps))
}

/// The least number of bits that tells `values` values apart.
const fn bits(values: u128) -> u32 {
    if values <= 1 { 0 } else { 128 - (values - 1).leading_zeros() }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// The smallest rectangle of whole cells around `rect`, clipped to the frame; none where `rect` reaches past the frame.
fn snapped(rect: Rect, frame: Size, grid: u16) -> Option<Rect> {
    if rect.x1() > frame.width() || rect.y1() > frame.height() {
        return None;
    }
    let grid = grid.max(1);
    let down = |v: u16| v / grid * grid;
    let up = |v: u16, side: u16| v.div_ceil(grid).checked_mul(grid).map_or(side, |v| v.min(side));
    Rect::new(down(rect.x0()), down(rect.y0()), up(rect.x1(), frame.width()), up(rect.y1(), frame.height())).ok()
}

/// The upper value of the step that a score lies in: 0 to 255 in `steps` equal steps.
fn stepped(score: u8, steps: u8) -> u8 {
    let steps = u32::from(steps.max(1));
    let step = u32::from(score) * steps / 256;
    u8::try_from(((step + 1) * 256).div_ceil(steps) - 1).unwrap_or(u8::MAX)
}

#[cfg(test)]
#[path = "output_tests.rs"]
mod tests;
