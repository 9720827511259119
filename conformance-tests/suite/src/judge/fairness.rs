//! Whether finds depend on people nearby. Drawn people only: no attribute of a real person is ever known here (LIG-01).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vaern_door::guard;

use super::{Answer, nothing_found};
use crate::bench::{Bench, undrawn};
use crate::corpus::{Somebody, pair};
use crate::fault::Fault;
use crate::matching::{counts, found, wrong};
use crate::registry::Test;
use crate::stats::{Pairs, percent, real, surely_more};
use crate::verdict::Judged;

/// One container, seen with people about and without: who stood beside it, and whether it was found.
#[derive(Serialize, Deserialize)]
struct Compared {
    case: u32,
    beside: Option<Somebody>,
    without: bool,
    with: bool,
}

/// All pairs of a run.
pub(crate) struct Meetings {
    compared: Vec<Compared>,
    /// Boxes on nothing, without people and with them.
    wrong: (u64, u64),
    streets: u64,
}

/// Looks at every street with its people and without.
pub(crate) fn meet(bench: &Bench<'_>) -> Result<Meetings, Fault> {
    bench.survey()?;
    let loaded = bench.plain()?;
    let (labels, size) = (&loaded.grants.labels, loaded.grants.frame);
    let streets = bench.each("pair", loaded, 0..bench.plan.pairs, |eyes, case| {
        let (with, without) = pair(bench.seed, case, size).ok_or_else(undrawn)?;
        let (seen_with, seen_without) = (loaded.boxes(eyes, &with)?, loaded.boxes(eyes, &without)?);
        let mut compared = Vec::new();
        for thing in with.things.iter().filter(|thing| counts(thing, labels)) {
            let same = without.things.iter().find(|same| same.id == thing.id);
            let Some(same) = same.filter(|same| counts(same, labels)) else { continue };
            // What people or their masks hide cannot be seen, by anyone: that is not prejudice.
            if thing.masked <= 0.1 && thing.visible >= 0.9 * same.visible {
                let (without, with) = (found(same, &seen_without), found(thing, &seen_with));
                compared.push(Compared { case, beside: thing.beside, without, with });
            }
        }
        Ok((compared, wrong(&seen_without, &without.things, labels), wrong(&seen_with, &with.things, labels)))
    })?;
    let mut all = Meetings { compared: Vec::new(), wrong: (0, 0), streets: 0 };
    for (compared, without, with) in streets {
        all.compared.extend(compared);
        all.wrong.0 += without;
        all.wrong.1 += with;
        all.streets += 1;
    }
    Ok(all)
}

fn pairs<'c>(compared: impl Iterator<Item = &'c Compared>) -> Pairs {
    let mut pairs = Pairs::default();
    compared.for_each(|one| pairs.add(one.without, one.with));
    pairs
}

pub(crate) fn nobody_and_somebody(bench: &Bench<'_>, _: &Test) -> Answer {
    let meetings = bench.meetings()?;
    let all = pairs(meetings.compared.iter());
    if !meetings.compared.iter().any(|one| one.without || one.with) {
        return Ok(nothing_found());
    }
    let bound = bench.bounds.fairness.net_loss;
    let (net, low, _) = all.net_loss();
    let net = percent(net);
    let first = meetings.compared.iter().find(|one| one.without && !one.with).map(|one| one.case);
    Ok(Judged::pass_if(
        low <= bound || !guard::stands("conformance.people"),
        format!("Med mennesker i nærheden findes {net} færre; grænsen er {}.", percent(bound)),
        format!("With people nearby {net} fewer are found; the bound is {}.", percent(bound)),
    )
    .figure("net_loss", all.figure())
    .count("lost", all.lost)
    .count("gained", all.gained)
    .case(first))
}

pub(crate) fn no_false_boxes(bench: &Bench<'_>, _: &Test) -> Answer {
    let meetings = bench.meetings()?;
    let (without, with) = meetings.wrong;
    let more = (real(with) - real(without)) / real(meetings.streets.max(1));
    let bound = bench.bounds.fairness.more_boxes;
    Ok(Judged::pass_if(
        surely_more(without, with) / real(meetings.streets.max(1)) <= bound,
        format!("Mennesker giver {more:.2} falske kasser mere pr. billede; grænsen er {bound:.2}."),
        format!("People add {more:.2} false boxes per frame; the bound is {bound:.2}."),
    )
    .count("false_boxes_without", without)
    .count("false_boxes_with", with)
    .count("streets", meetings.streets))
}

/// The groups that the drawing knows.
fn group_of(somebody: Option<Somebody>) -> Vec<&'static str> {
    let Some(somebody) = somebody else { return vec!["nobody beside"] };
    let skin = match somebody.skin {
        0..=3 => "skin light",
        4..=6 => "skin medium",
        _ => "skin dark",
    };
    let age = if somebody.child { "child" } else { "adult" };
    let aid = if somebody.aid { "with an aid" } else { "without an aid" };
    vec!["somebody beside", skin, age, aid]
}

pub(crate) fn groups(bench: &Bench<'_>, _: &Test) -> Answer {
    let meetings = bench.meetings()?;
    let beside = pairs(meetings.compared.iter().filter(|one| one.beside.is_some()));
    if !meetings.compared.iter().any(|one| one.without || one.with) {
        return Ok(nothing_found());
    }
    let mut groups: BTreeMap<&str, Vec<&Compared>> = BTreeMap::new();
    for one in &meetings.compared {
        for group in group_of(one.beside) {
            groups.entry(group).or_default().push(one);
        }
    }
    let bound = bench.bounds.fairness.group_gap;
    let (whole, ..) = beside.net_loss();
    let mut apart = Vec::new();
    let mut figures = Vec::new();
    for (name, members) in groups {
        let group = pairs(members.iter().copied());
        let (_, low, high) = group.net_loss();
        // Apart is a group whose whole interval lies beyond the bound from all people, on either side.
        if name != "nobody beside" && (low > whole + bound || high < whole - bound) {
            apart.push(name);
        }
        figures.push((name, group.figure()));
    }
    let list = apart.join(", ");
    let mut judged =
        Judged::pass_if(list.is_empty(), format!("Skiller sig ud: {list}."), format!("Stand apart: {list}."));
    for (name, figure) in figures {
        judged = judged.figure(name, figure);
    }
    Ok(judged)
}
