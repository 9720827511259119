//! What a frame costs, in numbers that are the same on every machine.

use super::{Answer, answered};
use crate::bench::Bench;
use crate::corpus::share;
use crate::registry::Test;
use crate::stats::percent;
use crate::verdict::Judged;

pub(crate) fn fuel(bench: &Bench<'_>, test: &Test) -> Answer {
    bench.survey()?;
    let loaded = bench.metered()?;
    let size = loaded.grants.frame;
    let spent = bench.each(test.id, loaded, 0..bench.plan.again, |eyes, case| {
        let street = bench.street(case, size)?;
        loaded.fuel(eyes, &street)
    })?;
    let counted: Vec<u64> = spent.iter().copied().flatten().collect();
    let most = counted.iter().copied().max().unwrap_or_default();
    let mean = counted.iter().sum::<u64>().checked_div(u64::try_from(counted.len()).unwrap_or(u64::MAX));
    let bound = bench.set.profile.fuel_per_frame;
    let first = spent.iter().zip(0..).find(|(fuel, _)| fuel.is_some_and(|fuel| fuel > bound)).map(|(_, case)| case);
    Ok(Judged::pass_if(
        most <= bound && !counted.is_empty(),
        format!("Et billede kostede {most} instruktioner; reglen giver {bound}."),
        format!("One frame cost {most} instructions; the rule gives {bound}."),
    )
    .count("instructions_most", most)
    .count("instructions_mean", mean.unwrap_or_default())
    .count("instructions_per_1000_frames", mean.unwrap_or_default().saturating_mul(1000))
    .case(first))
}

pub(crate) fn memory(bench: &Bench<'_>, _: &Test) -> Answer {
    let most = answered(bench.survey()?).map(|(_, _, look)| look.usage.memory_bytes).max().unwrap_or_default();
    let granted = bench.plain()?.grants.limits.memory_bytes;
    let bound = bench.bounds.cost.memory;
    Ok(Judged::pass_if(
        share(most, granted) <= bound,
        format!("Brugte {} af hukommelsen; grænsen er {}.", percent(share(most, granted)), percent(bound)),
        format!("Used {} of the memory; the bound is {}.", percent(share(most, granted)), percent(bound)),
    )
    .count("memory_bytes_most", most)
    .count("memory_bytes_granted", granted))
}
