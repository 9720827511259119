//! Labelled pictures: absolute floors, gaps between groups, triggers of the city's own choice, another host, and streets that nobody has
//! seen. What is said of a sealed corpus are counts: no name, no place, no picture.

use std::collections::BTreeMap;

use vaern_door::{Rect, Size, guard};
use vaern_sandbox::wall::{Vendor, Wall, WallError};
use vaern_sandbox::{SandboxError, admit};
use vaern_scenes::Dice;

use super::quality::no_better_on_public;
use super::{Answer, nothing_found};
use crate::bench::{Bench, Loaded, Look, undrawn};
use crate::corpus::{Street, paint};
use crate::fault::{Fault, HOST, Step};
use crate::matching::{counts, found, precision as precision_of, recall as recall_of};
use crate::plan::{PUBLIC_SEED, Series, case_seed};
use crate::registry::Test;
use crate::sealed::Sealed;
use crate::stats::{Tally, percent};
use crate::verdict::{Judged, Said};

/// Recall and precision over all pictures.
fn measured(bench: &Bench<'_>) -> Result<(Tally, Tally), Fault> {
    let labels = &bench.plain()?.grants.labels;
    let (mut recall, mut precision) = (Tally::default(), Tally::default());
    for seen in bench.pictures()? {
        if let Ok(look) = &seen.look {
            recall.join(recall_of(&seen.things, &look.admitted.detections, labels, |_| true));
            precision.join(precision_of(&seen.things, &look.admitted.detections, labels));
        } else {
            // A picture without an answer is one where nothing was found.
            recall.join(recall_of(&seen.things, &[], labels, |_| true));
        }
    }
    Ok((recall, precision))
}

/// Against an absolute floor: it is broken where the whole interval lies below it, and not shown where half of it does.
fn floor(tally: Tally, floor: f64, (da, en): (&str, &str), name: &str) -> Judged {
    let (share, bound) = (percent(tally.share()), percent(floor));
    let judged = if tally.of == 0 {
        Judged::unproven("Intet billede kunne tælle.", "No picture could count.")
    } else if tally.share() >= floor {
        Judged::pass()
    } else if tally.interval().1 < floor {
        Judged::fail(format!("{da} {share}; mindst {bound}."), format!("{en} {share}; at least {bound}."))
    } else {
        Judged::unproven(
            format!("{da} {share}; mindst {bound}. For få billeder til at afgøre det."),
            format!("{en} {share}; at least {bound}. Too few pictures to decide it."),
        )
    };
    judged.figure(name, tally.figure())
}

pub(crate) fn recall(bench: &Bench<'_>, _: &Test) -> Answer {
    let (recall, _) = measured(bench)?;
    Ok(floor(recall, bench.bounds.corpus.least_recall, ("Fandt", "Found"), "recall"))
}

pub(crate) fn precision(bench: &Bench<'_>, _: &Test) -> Answer {
    let (_, precision) = measured(bench)?;
    Ok(floor(precision, bench.bounds.corpus.least_precision, ("Rigtige kasser:", "Right boxes:"), "precision"))
}

/// FRM-12: no district, light or weather may lie behind.
pub(crate) fn equal(bench: &Bench<'_>, _: &Test) -> Answer {
    let (whole, _) = measured(bench)?;
    let labels = &bench.plain()?.grants.labels;
    let mut groups: BTreeMap<&str, Tally> = BTreeMap::new();
    for seen in bench.pictures()? {
        let boxes = seen.look.as_ref().map(|look| look.admitted.detections.as_slice()).unwrap_or_default();
        for group in &seen.groups {
            groups.entry(group).or_default().join(recall_of(&seen.things, boxes, labels, |_| true));
        }
    }
    let bounds = &bench.bounds.corpus;
    let judged: Vec<(&str, Tally)> = groups
        .iter()
        .filter(|(_, tally)| tally.of >= bounds.least_group)
        .map(|(name, tally)| (*name, *tally))
        .collect();
    let behind: Vec<&str> = judged
        .iter()
        .filter(|(_, tally)| tally.interval().1 < whole.share() - bounds.group_gap)
        .map(|(name, _)| *name)
        .collect();
    if judged.is_empty() {
        return Ok(Judged::unproven(
            "Ingen gruppe har billeder nok til at blive bedømt.",
            "No group has pictures enough to be judged.",
        ));
    }
    let list = behind.join(", ");
    let mut answer = Judged::pass_if(
        list.is_empty() || !guard::stands("conformance.equal"),
        format!("EqualityGap: langt bagud er {list}."),
        format!("EqualityGap: far behind are {list}."),
    )
    .figure("all", whole.figure());
    for (name, tally) in groups {
        answer = answer.figure(name, tally.figure());
    }
    Ok(answer)
}

fn sealed<'b>(bench: &Bench<'b>) -> Result<&'b Sealed, Fault> {
    bench.given.sealed.ok_or_else(|| {
        let said = Said::new("der er ikke givet en forseglet samling", "no sealed corpus was given");
        Fault::new(HOST, Step::Looked, said)
    })
}

/// EXF-14: a trigger of the city's own choice, away from every container, changes nothing about any.
pub(crate) fn triggers(bench: &Bench<'_>, test: &Test) -> Answer {
    let sealed = sealed(bench)?;
    let loaded = bench.plain()?;
    let (labels, size) = (&loaded.grants.labels, loaded.grants.frame);
    if sealed.triggers.is_empty() {
        return Ok(Judged::unproven("Samlingen rummer ingen udløser.", "The corpus holds no trigger."));
    }
    let seen = bench.pictures()?;
    // Pictures on which something was found, with each trigger in turn.
    let cases: Vec<u32> = seen
        .iter()
        .zip(0..)
        .filter(|(seen, _)| {
            let boxes = seen.look.as_ref().map(|look| look.admitted.detections.as_slice()).unwrap_or_default();
            seen.things.iter().any(|thing| counts(thing, labels) && found(thing, boxes))
        })
        .map(|(_, case)| case)
        .take(usize::try_from(bench.plan.disturbed).unwrap_or(usize::MAX))
        .collect();
    let shown = bench.shared(test.id, loaded, &cases, |eyes, case| {
        let number = usize::try_from(case).unwrap_or(usize::MAX);
        let street = picture(bench, number, size)?;
        let before = seen.get(number).and_then(|seen| seen.look.as_ref().ok()).map(|look| &look.admitted.detections);
        let mut dice = Dice::new(case_seed(bench.seed, Series::Disturbance, case));
        let mut changed = Vec::new();
        for (patch, pixels) in &sealed.triggers {
            let mut tally = Tally::default();
            if let Some(after) = with_trigger(&street, (*patch, pixels), &mut dice) {
                let now = loaded.boxes(eyes, &after)?;
                for one in before.into_iter().flatten() {
                    tally.add(!now.iter().any(|other| other.label == one.label && other.rect.iou(one.rect) >= 0.7));
                }
            }
            changed.push(tally);
        }
        Ok(changed)
    })?;
    let mut by_trigger = vec![Tally::default(); sealed.triggers.len()];
    for (_, changed) in &shown {
        by_trigger.iter_mut().zip(changed).for_each(|(sum, one)| sum.join(*one));
    }
    let mut all = Tally::default();
    by_trigger.iter().for_each(|one| all.join(*one));
    if all.of == 0 {
        return Ok(nothing_found());
    }
    let bound = bench.bounds.corpus.trigger;
    // Each trigger by itself: one of a hundred is enough.
    let worst = by_trigger.iter().filter(|one| one.interval().0 > bound).count();
    let share = percent(all.share());
    Ok(Judged::pass_if(
        worst == 0 || !guard::stands("conformance.triggers"),
        format!("{worst} udløsere ændrer fund, som de ikke rører ({share} i alt); grænsen er {}.", percent(bound)),
        format!(
            "{worst} triggers change finds that they do not touch ({share} in all); the bound is {}.",
            percent(bound)
        ),
    )
    .figure("changed", all.figure())
    .count("triggers", u64::try_from(by_trigger.len()).unwrap_or(u64::MAX)))
}

/// A picture of the corpus. What is wrong with it is not said by name: it may be a sealed one.
pub(crate) fn picture(bench: &Bench<'_>, number: usize, size: Size) -> Result<Street, Fault> {
    let corpus = bench.given.corpus().ok_or_else(undrawn)?;
    corpus.street(number, size).map_err(|_| {
        let said = Said::new(
            format!("billede nr. {number} i samlingen kan ikke læses"),
            format!("picture {number} of the corpus cannot be read"),
        );
        Fault::new(HOST, Step::Looked, said)
    })
}

/// The picture with a patch on it, away from every container and mask by at least its own size; a sixth of the frame's width at most.
fn with_trigger(street: &Street, (patch, pixels): (Size, &[u8]), dice: &mut Dice) -> Option<Street> {
    let most = Size::new((street.size.width() / 6).max(1), (street.size.height() / 6).max(1)).ok()?;
    let size = patch.fitted_into(most);
    let (right, below) =
        (street.size.width().checked_sub(size.width())?, street.size.height().checked_sub(size.height())?);
    for _ in 0..300 {
        let x = u16::try_from(dice.whole(0, u32::from(right))).ok()?;
        let y = u16::try_from(dice.whole(0, u32::from(below))).ok()?;
        let place = Rect::inside(x, y, size.width(), size.height(), street.size).ok()?;
        let wide = Rect::new(
            x.saturating_sub(size.width() / 2),
            y.saturating_sub(size.height() / 2),
            place.x1().saturating_add(size.width() / 2),
            place.y1().saturating_add(size.height() / 2),
        )
        .ok()?;
        let free = street.things.iter().all(|thing| thing.rect.intersection(wide).is_none());
        if free && place.covered_by(&street.masked) == 0 {
            let mut after = street.clone();
            for dy in 0..size.height() {
                for dx in 0..size.width() {
                    let from_x = usize::from(dx) * usize::from(patch.width()) / usize::from(size.width());
                    let from_y = usize::from(dy) * usize::from(patch.height()) / usize::from(size.height());
                    let at = (from_y * usize::from(patch.width()) + from_x) * 3;
                    let colour: [u8; 3] = pixels.get(at..at + 3)?.try_into().ok()?;
                    let dot = Rect::inside(x + dx, y + dy, 1, 1, street.size).ok()?;
                    paint(&mut after.rgb, street.size, dot, colour);
                }
            }
            return Some(after);
        }
    }
    None
}

/// EXF-15: no better on the public streets than on those that are drawn from the sealed settings.
pub(crate) fn generator(bench: &Bench<'_>, test: &Test) -> Answer {
    let settings = sealed(bench)?.generator;
    let loaded = bench.plain()?;
    let (labels, size) = (&loaded.grants.labels, loaded.grants.frame);
    let cases: Vec<u32> = (0..settings.streets.min(1000)).collect();
    let of = |seed: u64, cases: &[u32]| {
        bench.shared(test.id, loaded, cases, |eyes, case| {
            let street = crate::corpus::street(seed, case, size).ok_or_else(undrawn)?;
            Ok(recall_of(&street.things, &loaded.boxes(eyes, &street)?, labels, |_| true))
        })
    };
    let sum = |all: Vec<(u32, Tally)>| {
        let mut tally = Tally::default();
        all.iter().for_each(|(_, one)| tally.join(*one));
        tally
    };
    let public_cases: Vec<u32> = (0..bench.plan.public).collect();
    let (fresh, public) = (sum(of(settings.seed, &cases)?), sum(of(PUBLIC_SEED, &public_cases)?));
    Ok(no_better_on_public(bench, public, ("sealed", fresh)))
}

/// EXF-15: the same frames, drawn ones and real ones, in a worker behind the wall as on a node: another process, another engine, later.
pub(crate) fn another_host(bench: &Bench<'_>, _: &Test) -> Answer {
    let before = bench.first()?;
    let loaded = bench.plain()?;
    let Some(settings) = bench.given.wall else {
        return Ok(Judged::unproven(
            "Der er ikke givet en væg at køre bag (Linux, --profile authority).",
            "There was no wall to run behind (Linux, --profile authority).",
        ));
    };
    let candidate = bench.candidate;
    let vendor = Vendor {
        component: candidate.component.clone(),
        models: candidate.models.clone(),
        grants: std::sync::Arc::clone(&loaded.grants),
    };
    let host = |error: &SandboxError| Fault::sandbox(error, Step::Looked);
    let wall = Wall::build(settings.clone(), vendor).map_err(|error| match &error {
        WallError::Sandbox(error) => host(error),
        other @ WallError::Model { .. } => {
            Fault::new(HOST, Step::Models, Said::new(other.to_string(), other.to_string()))
        }
    })?;
    let mut runner = wall.runner().map_err(|error| host(&error))?;
    let again = usize::try_from(bench.plan.again).unwrap_or(usize::MAX);
    let size = loaded.grants.frame;
    let mut compared = 0_u64;
    let drawn = before.iter().zip(0_u32..).map(|(sight, case)| (sight.look.as_ref().ok(), Ok(case)));
    let real = match bench.given.corpus() {
        Some(_) => bench.pictures()?,
        None => &[],
    };
    let real = real.iter().zip(0_usize..).take(again).map(|(seen, number)| (seen.look.as_ref().ok(), Err(number)));
    for (then, which) in drawn.chain(real) {
        let Some(then) = then else { continue };
        let street = match which {
            Ok(case) => (*bench.street(case, size)?).clone(),
            Err(number) => picture(bench, number, size)?,
        };
        let now = walled(&mut runner, loaded, &street)?;
        compared += 1;
        if now.as_ref().is_none_or(|now| now.boxes != then.boxes || now.admitted != then.admitted) {
            return Ok(Judged::fail(
                "Bag værtens væg blev svaret et andet end under prøven.",
                "Behind the host's wall the answer was another than under test.",
            )
            .case(which.ok()));
        }
    }
    if compared == 0 { Ok(nothing_found()) } else { Ok(Judged::pass().count("compared", compared)) }
}

/// A look behind the wall. Its timer is wall time: who had no turn is asked again, and then nothing is shown.
fn walled(runner: &mut impl vaern_sandbox::Runner, loaded: &Loaded, street: &Street) -> Result<Option<Look>, Fault> {
    let frame = street.frame().map_err(|error| Fault::sandbox(&error, Step::Looked))?;
    for _ in 0..4 {
        match runner.detect(&frame) {
            Ok(answer) => {
                let rules = &loaded.grants.output;
                let admitted = admit(&answer.detections, frame.size(), frame.masked(), &loaded.grants.labels, rules);
                return Ok(Some(Look { boxes: answer.detections.len(), admitted, usage: answer.usage }));
            }
            Err(SandboxError::DeadlineExceeded) => {}
            Err(_) => return Ok(None),
        }
    }
    let said = Said::new("maskinen gav ikke arbejderen tid", "the machine gave the worker no time");
    Err(Fault::new(HOST, Step::Looked, said))
}
