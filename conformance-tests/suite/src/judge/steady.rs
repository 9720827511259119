//! The same frame, the same answer: whenever, after whatever, and whoever measures.

use super::Answer;
use crate::bench::{Bench, Eyes, Loaded, Look};
use crate::fault::{Fault, HOST, Step};
use crate::registry::Test;
use crate::verdict::Judged;

/// Whether a street gets the answer that it got in the survey; `None` where the survey did not come to it.
fn as_before(bench: &Bench<'_>, loaded: &Loaded, eyes: &mut Eyes, case: u32) -> Result<Option<bool>, Fault> {
    let before = bench.survey()?;
    let street = bench.street(case, loaded.grants.frame)?;
    let now = match loaded.see(eyes, &street).map_err(|stopped| stopped.fault(Step::Looked)) {
        Err(fault) if fault.owner == HOST => return Err(fault),
        now => now,
    };
    let then = before.get(usize::try_from(case).unwrap_or(usize::MAX));
    Ok(then.map(|then| said(&then.look) == said(&now)))
}

/// What counts as the same: boxes raw and let out, or the fault.
fn said(look: &Result<Look, Fault>) -> Result<(usize, &vaern_sandbox::Admitted), &'static str> {
    match look {
        Ok(look) => Ok((look.boxes, &look.admitted)),
        Err(fault) => Err(fault.owner),
    }
}

fn judged(held: impl Iterator<Item = (u32, Option<bool>)>) -> Judged {
    let mut compared = 0;
    for (case, same) in held {
        match same {
            None => {}
            Some(true) => compared += 1,
            Some(false) => {
                return Judged::fail(
                    format!("Gade {case} fik et andet svar end første gang."),
                    format!("Street {case} got another answer than the first time."),
                )
                .case(Some(case));
            }
        }
    }
    Judged::pass().count("compared", compared)
}

/// Looks at the first streets once more, and holds the answers to those of the survey.
fn same(bench: &Bench<'_>, test: &Test, loaded: &Loaded) -> Answer {
    bench.survey()?;
    let cases = 0..bench.plan.again;
    let held = bench.each(test.id, loaded, cases.clone(), |eyes, case| as_before(bench, loaded, eyes, case))?;
    Ok(judged(cases.zip(held)))
}

pub(crate) fn again(bench: &Bench<'_>, test: &Test) -> Answer {
    same(bench, test, bench.plain()?)
}

pub(crate) fn any_order(bench: &Bench<'_>, _: &Test) -> Answer {
    bench.survey()?;
    let loaded = bench.plain()?;
    // One after the other: the order is what is tested. Backwards, and the first one last but one and last.
    let mut eyes = loaded.eyes()?;
    let order = (0..bench.plan.again).rev().chain([0, 0]);
    let held = order.map(|case| Ok((case, as_before(bench, loaded, &mut eyes, case)?)));
    Ok(judged(held.collect::<Result<Vec<_>, Fault>>()?.into_iter()))
}

pub(crate) fn both_engines(bench: &Bench<'_>, test: &Test) -> Answer {
    bench.survey()?;
    same(bench, test, bench.metered()?)
}

pub(crate) fn same_cost(bench: &Bench<'_>, test: &Test) -> Answer {
    bench.survey()?;
    let loaded = bench.metered()?;
    let size = loaded.grants.frame;
    let spent = bench.each(test.id, loaded, 0..bench.plan.again.min(3), |eyes, case| {
        let street = bench.street(case, size)?;
        Ok((loaded.fuel(eyes, &street)?, loaded.fuel(eyes, &street)?))
    })?;
    for ((first, second), case) in spent.into_iter().zip(0..) {
        if first != second {
            return Ok(Judged::fail(
                format!("Gade {case} kostede {first:?} og så {second:?} instruktioner."),
                format!("Street {case} cost {first:?} and then {second:?} instructions."),
            )
            .case(Some(case)));
        }
    }
    Ok(Judged::pass())
}
