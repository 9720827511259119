//! Package, door and limits.

use serde::{Deserialize, Serialize};
use vaern_door::Size;
use vaern_sandbox::{PluginFault, SandboxError};
use vaern_scenes::Dice;

use super::Answer;
use crate::bench::{Bench, Stopped, undrawn};
use crate::candidate::Signature;
use crate::corpus::{self, Street};
use crate::fault::{Fault, HOST, Step, step_of};
use crate::plan::{Series, case_seed};
use crate::registry::Test;
use crate::verdict::{Judged, Said};

pub(crate) fn package(bench: &Bench<'_>, _: &Test) -> Answer {
    let candidate = bench.candidate;
    let ports = match &candidate.ports {
        Ok(ports) => ports,
        Err(error) => return Ok(Judged::fail(format!("Komponenten kan ikke pakkes: {error}."), format!("{error}."))),
    };
    let hidden: Vec<&str> = ports
        .needs
        .iter()
        .filter(|need| !candidate.manifest.capabilities.contains(need))
        .map(|need| need.as_str())
        .collect();
    let list = hidden.join(", ");
    Ok(Judged::pass_if(
        hidden.is_empty(),
        format!("Manifestet tier om: {list}."),
        format!("The manifest is silent about: {list}."),
    )
    .count("imports", u64::try_from(ports.imports.len()).unwrap_or(u64::MAX)))
}

pub(crate) fn signature(bench: &Bench<'_>, _: &Test) -> Answer {
    Ok(match &bench.candidate.signature {
        Signature::Holds => Judged::pass(),
        Signature::Broken(why) => Judged::fail(format!("Underskriften holder ikke: {why}."), format!("{why}.")),
        Signature::NotAsked => Judged::unproven(
            "Ingen har sagt, hvis underskrift der gælder (--trust).",
            "Nobody said whose signature counts (--trust).",
        ),
    })
}

/// The tests that the sandbox itself judges: each answers for one kind of fault.
pub(crate) fn holds(bench: &Bench<'_>, test: &Test) -> Answer {
    let (faults, answered) = bench.faults();
    if let Some((case, fault)) = faults.iter().find(|(_, fault)| fault.owner == test.id) {
        let failed = u64::try_from(faults.iter().filter(|(_, f)| f.owner == test.id).count()).unwrap_or(u64::MAX);
        let judged = Judged::fail(sentence(&fault.said.da), sentence(&fault.said.en)).count("cases_failed", failed);
        return Ok(judged.case(Some(*case).filter(|_| fault.step == Step::Looked)));
    }
    match faults.into_iter().next() {
        Some((_, fault)) if fault.owner == HOST => Err(fault),
        Some((_, fault)) if !answered && step_of(test.id) >= fault.step => Err(fault),
        _ => Ok(Judged::pass()),
    }
}

pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

pub(crate) fn unused(bench: &Bench<'_>, _: &Test) -> Answer {
    let candidate = bench.candidate;
    let Ok(ports) = &candidate.ports else {
        return Ok(Judged::unproven("Komponenten kan ikke læses.", "The component cannot be read."));
    };
    let idle = candidate.manifest.capabilities.iter().filter(|asked| !ports.needs.contains(asked));
    let list: Vec<&str> = idle.map(|interface| interface.as_str()).collect();
    let list = list.join(", ");
    Ok(Judged::pass_if(list.is_empty(), format!("Bruges aldrig: {list}."), format!("Never used: {list}.")))
}

/// What became of one frame.
#[derive(Serialize, Deserialize)]
enum Shown {
    Answered,
    Declined,
    Failed(Said),
}

/// Shows frames of names and contents; a plugin may decline what it cannot read, and may do nothing else.
fn copes(
    bench: &Bench<'_>,
    test: &Test,
    names: &[String],
    draw: impl Fn(u32) -> Result<Street, Fault> + Sync,
) -> Answer {
    bench.survey()?;
    let loaded = bench.plain()?;
    let count = u32::try_from(names.len()).unwrap_or(u32::MAX);
    let shown = bench.each(test.id, loaded, 0..count, |eyes, case| {
        let frame = draw(case)?.frame().map_err(|_| undrawn())?;
        match loaded.look(eyes, &frame) {
            Ok(_) => Ok(Shown::Answered),
            Err(Stopped::Sandbox(SandboxError::PluginFailed(PluginFault::Frame))) => Ok(Shown::Declined),
            Err(stopped) => {
                let fault = stopped.fault(Step::Looked);
                if fault.owner == HOST { Err(fault) } else { Ok(Shown::Failed(fault.said)) }
            }
        }
    })?;
    let mut declined = 0;
    for ((name, shown), case) in names.iter().zip(&shown).zip(0..) {
        match shown {
            Shown::Answered => {}
            Shown::Declined => declined += 1,
            Shown::Failed(said) => {
                return Ok(
                    Judged::fail(format!("{name}: {}.", said.da), format!("{name}: {}.", said.en)).case(Some(case))
                );
            }
        }
    }
    Ok(Judged::pass().count("frames", count.into()).count("declined", declined))
}

pub(crate) fn odd_sizes(bench: &Bench<'_>, test: &Test) -> Answer {
    let full = bench.plain()?.grants.frame;
    let (w, h) = (full.width(), full.height());
    let sizes = [(16, 16), (64, 48), (w, 16), (16, h), (w - w % 2 - 1, h - h % 2 - 1), (w / 3, h), (w, h / 3)]
        .map(|(w, h)| (w.max(16), h.max(16)));
    let names = sizes.map(|(w, h)| format!("{w}x{h}"));
    copes(bench, test, &names, |case| {
        let at = usize::try_from(case).unwrap_or(usize::MAX);
        let size = sizes.get(at).and_then(|(w, h)| Size::new(*w, *h).ok()).ok_or_else(undrawn)?;
        // Drawn here and not kept: nothing else looks at these.
        corpus::street(bench.seed, 0, size).ok_or_else(undrawn)
    })
}

pub(crate) fn pressure(bench: &Bench<'_>, test: &Test) -> Answer {
    let size = bench.plain()?.grants.frame;
    let names = ["black", "white", "noise", "stripes"].map(str::to_owned);
    copes(bench, test, &names, |case| {
        let mut dice = Dice::new(case_seed(bench.seed, Series::Disturbance, u32::MAX));
        let samples = 0..size.rgb_bytes();
        let rgb = match case {
            0 => vec![0; size.rgb_bytes()],
            1 => vec![255; size.rgb_bytes()],
            2 => samples.map(|_| u8::try_from(dice.whole(0, 255)).unwrap_or_default()).collect(),
            _ => samples.map(|i| if i / 3 % 2 == 0 { 0 } else { 255 }).collect(),
        };
        Ok(Street::blank(size, rgb))
    })
}
