//! What an answer says beyond what it may.

use serde::{Deserialize, Serialize};
use vaern_door::{AdmittedDetection, Rect, Size};
use vaern_sandbox::Dropped;
use vaern_scenes::Dice;

use super::{Answer, answered, nothing_found};
use crate::alter::{self, Unseen};
use crate::bench::{Bench, undrawn};
use crate::corpus::{Street, paint};
use crate::plan::{Series, case_seed};
use crate::registry::Test;
use crate::stats::{Tally, percent};
use crate::verdict::Judged;

/// Boxes that the output rules dropped for one reason, over all streets, and the first street with one.
fn dropped(bench: &Bench<'_>, which: impl Fn(&Dropped) -> u32) -> Result<(Tally, Option<u32>), crate::fault::Fault> {
    let (mut tally, mut first) = (Tally::default(), None);
    for (case, _, look) in answered(bench.survey()?) {
        let count = which(&look.admitted.dropped);
        tally.join(Tally { part: count.into(), of: u64::try_from(look.boxes).unwrap_or(u64::MAX) });
        if count > 0 {
            first = first.or(Some(case));
        }
    }
    Ok((tally, first))
}

pub(crate) fn labels(bench: &Bench<'_>, _: &Test) -> Answer {
    let (tally, first) = dropped(bench, |d| d.unknown_label)?;
    let (n, of) = (tally.part, tally.of);
    let da = format!("{n} af {of} kasser bar en mærkat, som plugin'et ikke har oplyst.");
    Ok(Judged::pass_if(n == 0, da, format!("{n} of {of} boxes had a label that was not declared.")).case(first))
}

pub(crate) fn inside(bench: &Bench<'_>, _: &Test) -> Answer {
    let (tally, first) = dropped(bench, |d| d.outside_frame)?;
    let (n, of) = (tally.part, tally.of);
    let da = format!("{n} af {of} kasser rakte ud over billedet.");
    Ok(Judged::pass_if(n == 0, da, format!("{n} of {of} boxes reached past the frame.")).case(first))
}

pub(crate) fn masked(bench: &Bench<'_>, _: &Test) -> Answer {
    let (tally, first) = dropped(bench, |d| d.inside_mask)?;
    let bound = bench.bounds.output.masked;
    let share = percent(tally.share());
    Ok(Judged::pass_if(
        tally.interval().0 <= bound,
        format!("{share} af kasserne lå mest under masker; grænsen er {}.", percent(bound)),
        format!("{share} of the boxes lay mostly under masks; the bound is {}.", percent(bound)),
    )
    .figure("mostly_masked", tally.figure())
    .case(first))
}

pub(crate) fn few(bench: &Bench<'_>, _: &Test) -> Answer {
    let most = usize::from(bench.set.profile.output.max_detections);
    let (mut over, mut first) = (0_u64, None);
    let (mut bits_most, mut bits_sum, mut answers) = (0, 0, 0);
    for (case, _, look) in answered(bench.survey()?) {
        let dropped = &look.admitted.dropped;
        // Weak boxes are the threshold's business; everything else that does not fit was meant to leave.
        let meant = look.boxes.saturating_sub(usize::try_from(dropped.low_score).unwrap_or(usize::MAX));
        let surplus = u64::try_from(meant.saturating_sub(most)).unwrap_or(u64::MAX);
        let surplus = surplus.max(u64::from(dropped.over_cap + dropped.over_budget));
        over += surplus;
        if surplus > 0 {
            first = first.or(Some(case));
        }
        bits_most = bits_most.max(u64::from(look.admitted.bits));
        bits_sum += u64::from(look.admitted.bits);
        answers += 1;
    }
    Ok(Judged::pass_if(
        over == 0,
        format!("{over} kasser var flere, end et svar må rumme."),
        format!("{over} boxes were more than an answer may hold."),
    )
    .count("bits_most", bits_most)
    .count("bits_sum", bits_sum)
    .count("answers", answers)
    .case(first))
}

/// Whether `boxes` hold a box that says the same: the same label, all but the same place.
fn kept(one: &AdmittedDetection, boxes: &[AdmittedDetection]) -> bool {
    boxes.iter().any(|other| other.label == one.label && other.rect.iou(one.rect) >= 0.7)
}

/// What one unseen change did to the boxes of one street: how many moved away, and how many differ at all.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Moved {
    moved: Tally,
    differ: Tally,
}

impl Moved {
    fn join(&mut self, other: Self) {
        self.moved.join(other.moved);
        self.differ.join(other.differ);
    }
}

pub(crate) fn invisible(bench: &Bench<'_>, test: &Test) -> Answer {
    let before = bench.survey()?;
    let loaded = bench.plain()?;
    let size = loaded.grants.frame;
    // Streets with something on them, as many as are to be looked at again.
    let cases: Vec<u32> = answered(before)
        .filter(|(_, _, look)| !look.admitted.detections.is_empty())
        .map(|(case, ..)| case)
        .take(usize::try_from(bench.plan.again).unwrap_or(usize::MAX))
        .collect();
    let ways = u32::try_from(Unseen::ALL.len()).unwrap_or(u32::MAX);
    let count = u32::try_from(cases.len()).unwrap_or(u32::MAX).saturating_mul(ways);
    let at = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let shown = bench.each(test.id, loaded, 0..count, |eyes, number| {
        let case = cases.get(at(number / ways)).copied().ok_or_else(undrawn)?;
        let way = Unseen::ALL.get(at(number % ways)).copied().ok_or_else(undrawn)?;
        let street = bench.street(case, size)?;
        let mut dice = Dice::new(case_seed(bench.seed, Series::Disturbance, case));
        let now = loaded.boxes(eyes, &alter::unseen(&street, way, &mut dice))?;
        let then = before.get(at(case)).and_then(|sight| sight.look.as_ref().ok());
        let mut all = Moved::default();
        for one in then.map(|look| look.admitted.detections.as_slice()).unwrap_or_default() {
            all.moved.add(!kept(one, &now));
            all.differ.add(!now.contains(one));
        }
        Ok(all)
    })?;
    let first =
        shown.iter().zip(0..).find(|(one, _)| one.moved.part > 0).and_then(|(_, n)| cases.get(at(n / ways)).copied());
    let mut by_way = [Moved::default(); Unseen::ALL.len()];
    let mut all = Moved::default();
    for (one, number) in shown.iter().zip(0_u32..) {
        if let Some(way) = by_way.get_mut(at(number % ways)) {
            way.join(*one);
        }
        all.join(*one);
    }
    if all.moved.of == 0 {
        return Ok(nothing_found());
    }
    let bounds = &bench.bounds.output;
    // Each way by itself: a plugin that hangs on one thing alone is moved by one way alone.
    let moved = by_way.iter().zip(Unseen::ALL).find(|(way, _)| way.moved.interval().0 > bounds.invisible);
    let differ = all.differ.interval().0 > bounds.unsteady;
    let (da, en) = match moved {
        Some((way, name)) => {
            let (share, bound) = (percent(way.moved.share()), percent(bounds.invisible));
            (
                format!(
                    "{share} af kasserne flyttede sig ved en ændring, som ingen kan se ({}); grænsen er {bound}.",
                    name.name()
                ),
                format!(
                    "{share} of the boxes moved at a change that nobody can see ({}); the bound is {bound}.",
                    name.name()
                ),
            )
        }
        None => {
            let (share, bound) = (percent(all.differ.share()), percent(bounds.unsteady));
            (
                format!(
                    "{share} af kasserne blev lidt anderledes ved ændringer, som ingen kan se; grænsen er {bound}."
                ),
                format!(
                    "{share} of the boxes came out a little otherwise at changes that nobody can see; the bound is {bound}."
                ),
            )
        }
    };
    let mut judged = Judged::pass_if(moved.is_none() && !differ, da, en)
        .figure("moved", all.moved.figure())
        .figure("differ", all.differ.figure())
        .case(first);
    for (way, name) in by_way.iter().zip(Unseen::ALL) {
        judged = judged.figure(format!("moved {}", name.name()), way.moved.figure());
        judged = judged.figure(format!("differ {}", name.name()), way.differ.figure());
    }
    Ok(judged)
}

pub(crate) fn blank(bench: &Bench<'_>, test: &Test) -> Answer {
    bench.survey()?;
    let loaded = bench.plain()?;
    let size = loaded.grants.frame;
    let whole = |fill: [u8; 3]| fill.iter().copied().cycle().take(size.rgb_bytes()).collect::<Vec<u8>>();
    let found = bench.each(test.id, loaded, 0..4, |eyes, case| {
        let rgb = match case {
            0 => whole([114, 114, 114]),
            1 => whole([0, 0, 0]),
            2 => whole([255, 255, 255]),
            _ => only_masks(size, whole([90, 90, 90])),
        };
        loaded.boxes(eyes, &Street::blank(size, rgb)).map(|boxes| u64::try_from(boxes.len()).unwrap_or(u64::MAX))
    })?;
    let boxes: u64 = found.iter().sum();
    let first = found.iter().zip(0..).find(|(boxes, _)| **boxes > 0).map(|(_, case)| case);
    Ok(Judged::pass_if(
        boxes <= bench.bounds.output.blank_boxes,
        format!("{boxes} kasser på fire billeder uden indhold."),
        format!("{boxes} boxes on four frames that hold nothing."),
    )
    .count("boxes", boxes)
    .case(first))
}

/// A grey frame with fills in the colours of masks, and nothing else.
fn only_masks(size: Size, mut rgb: Vec<u8>) -> Vec<u8> {
    let step = size.width() / 8;
    let fills = [[60, 110, 180], [40, 90, 160], [200, 160, 40]];
    for (number, fill) in (0..).zip(fills.iter().cycle().take(6)) {
        let x = step + number * step;
        if let Ok(rect) = Rect::inside(x, size.height() / 3, step / 2, size.height() / 3, size) {
            paint(&mut rgb, size, rect, *fill);
        }
    }
    rgb
}
