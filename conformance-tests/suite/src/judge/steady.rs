//! The same frame, the same answer: whenever, after whatever, and whoever measures.

use super::Answer;
use crate::bench::{Bench, Loaded, Look};
use crate::registry::Test;
use crate::verdict::Judged;

/// Looks at the first streets once more, and holds the answers to those of the survey.
fn same(bench: &Bench<'_>, loaded: &Loaded, cases: impl Iterator<Item = u32>) -> Answer {
    let before = bench.survey()?;
    let size = loaded.grants.frame;
    let mut eyes = loaded.eyes()?;
    let mut compared = 0;
    for case in cases {
        let street = bench.street(case, size)?;
        let now = loaded.see(&mut eyes, &street);
        let Some(then) = before.get(usize::try_from(case).unwrap_or(usize::MAX)) else { continue };
        compared += 1;
        if said(&then.look) != said(&now) {
            return Ok(Judged::fail(
                format!("Gade {case} fik et andet svar end første gang."),
                format!("Street {case} got another answer than the first time."),
            )
            .case(Some(case)));
        }
    }
    Ok(Judged::pass().count("compared", compared))
}

/// What counts as the same: boxes raw and let out, or the fault.
fn said(look: &Result<Look, vaern_sandbox::SandboxError>) -> Result<(usize, &vaern_sandbox::Admitted), &'static str> {
    match look {
        Ok(look) => Ok((look.boxes, &look.admitted)),
        Err(error) => Err(error.reason()),
    }
}

pub(crate) fn again(bench: &Bench<'_>, _: &Test) -> Answer {
    same(bench, bench.plain()?, 0..bench.plan.again)
}

pub(crate) fn any_order(bench: &Bench<'_>, _: &Test) -> Answer {
    // Backwards, and the first one last but one and last.
    let order = (0..bench.plan.again).rev().chain([0, 0]);
    same(bench, bench.plain()?, order)
}

pub(crate) fn both_engines(bench: &Bench<'_>, _: &Test) -> Answer {
    bench.survey()?;
    same(bench, bench.metered()?, 0..bench.plan.again)
}

pub(crate) fn same_cost(bench: &Bench<'_>, _: &Test) -> Answer {
    bench.survey()?;
    let loaded = bench.metered()?;
    let size = loaded.grants.frame;
    let mut eyes = loaded.eyes()?;
    for case in 0..bench.plan.again.min(3) {
        let frame = bench.street(case, size)?;
        let fuel = |look: Result<Look, _>| look.ok().and_then(|look: Look| look.usage.fuel);
        let (first, second) = (fuel(loaded.see(&mut eyes, &frame)), fuel(loaded.see(&mut eyes, &frame)));
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
