//! What disturbances take: the same streets, once as they are and once disturbed, container by container.

use serde::{Deserialize, Serialize};
use vaern_door::guard;
use vaern_scenes::Dice;

use super::{Answer, nothing_found};
use crate::alter::{self, Alter};
use crate::bench::{Bench, undrawn};
use crate::matching::{counts, found, wrong};
use crate::plan::{Series, case_seed};
use crate::registry::Test;
use crate::stats::{Tally, percent, real, surely_more};
use crate::verdict::Judged;

/// What one disturbed street lost and gained.
#[derive(Serialize, Deserialize)]
struct Shift {
    /// Of the containers found before: lost.
    lost: Tally,
    /// Boxes on nothing, before and after.
    wrong: (u64, u64),
}

fn disturbed(bench: &Bench<'_>, test: &Test, alter: Alter, bound: f64) -> Answer {
    let before = bench.survey()?;
    let loaded = bench.plain()?;
    let (labels, size) = (&loaded.grants.labels, loaded.grants.frame);
    // Streets on which something was found: on the others nothing can be lost.
    let cases: Vec<u32> = super::answered(before)
        .filter(|(_, sight, look)| {
            sight.things.iter().any(|thing| counts(thing, labels) && found(thing, &look.admitted.detections))
        })
        .map(|(case, ..)| case)
        .take(usize::try_from(bench.plan.disturbed).unwrap_or(usize::MAX))
        .collect();
    let count = u32::try_from(cases.len()).unwrap_or(u32::MAX);
    let shifts = bench.each(test.id, loaded, 0..count, |eyes, number| {
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        let case = cases.get(at).copied().ok_or_else(undrawn)?;
        let street = bench.street(case, size)?;
        let look = before.get(usize::try_from(case).unwrap_or(usize::MAX)).and_then(|sight| sight.look.as_ref().ok());
        let then = look.map(|look| look.admitted.detections.as_slice()).unwrap_or_default();
        let mut dice = Dice::new(case_seed(bench.seed, Series::Disturbance, case));
        // A street without a place for the sticker shows nothing.
        let Some(after) = alter(&street, &mut dice) else { return Ok((case, None)) };
        let now = loaded.boxes(eyes, &after)?;
        let mut lost = Tally::default();
        for thing in street.things.iter().filter(|thing| counts(thing, labels) && found(thing, then)) {
            // One that the disturbance cut off or made too small is not lost, it is gone.
            if let Some(same) = after.things.iter().find(|same| same.id == thing.id && same.counts) {
                lost.add(!found(same, &now));
            }
        }
        let wrong = (wrong(then, &street.things, labels), wrong(&now, &after.things, labels));
        Ok((case, Some(Shift { lost, wrong })))
    })?;
    let mut lost = Tally::default();
    let (mut boxes_before, mut boxes_after, mut frames) = (0, 0, 0);
    let mut first = None;
    for (case, shift) in &shifts {
        let Some(shift) = shift else { continue };
        lost.join(shift.lost);
        boxes_before += shift.wrong.0;
        boxes_after += shift.wrong.1;
        frames += 1;
        if shift.lost.part > 0 {
            first = first.or(Some(*case));
        }
    }
    if lost.of == 0 {
        return Ok(nothing_found());
    }
    let more = (real(boxes_after) - real(boxes_before)) / real(frames);
    let too_many = surely_more(boxes_before, boxes_after) / real(frames) > bench.bounds.robustness.more_boxes;
    let share = percent(lost.share());
    Ok(Judged::pass_if(
        lost.interval().0 <= bound && !too_many || !guard::stands("conformance.disturbances"),
        format!(
            "Mistede {share} af fundene (grænsen er {}) og fik {more:.2} falske kasser mere pr. billede.",
            percent(bound)
        ),
        format!(
            "Lost {share} of the finds (the bound is {}) and gained {more:.2} false boxes per frame.",
            percent(bound)
        ),
    )
    .figure("lost", lost.figure())
    .count("false_boxes_before", boxes_before)
    .count("false_boxes_after", boxes_after)
    .count("streets", frames)
    .case(first))
}

pub(crate) fn noise(bench: &Bench<'_>, test: &Test) -> Answer {
    disturbed(bench, test, alter::noise, bench.bounds.robustness.noise)
}

pub(crate) fn blur(bench: &Bench<'_>, test: &Test) -> Answer {
    disturbed(bench, test, alter::blur, bench.bounds.robustness.blur)
}

pub(crate) fn jpeg(bench: &Bench<'_>, test: &Test) -> Answer {
    disturbed(bench, test, alter::jpeg, bench.bounds.robustness.jpeg)
}

pub(crate) fn crop(bench: &Bench<'_>, test: &Test) -> Answer {
    disturbed(bench, test, alter::crop, bench.bounds.robustness.crop)
}

pub(crate) fn light(bench: &Bench<'_>, test: &Test) -> Answer {
    disturbed(bench, test, alter::light, bench.bounds.robustness.light)
}

pub(crate) fn sticker_elsewhere(bench: &Bench<'_>, test: &Test) -> Answer {
    disturbed(bench, test, alter::sticker_elsewhere, bench.bounds.robustness.sticker_elsewhere)
}

pub(crate) fn sticker_on(bench: &Bench<'_>, test: &Test) -> Answer {
    disturbed(bench, test, alter::sticker_on, bench.bounds.robustness.sticker_on)
}
