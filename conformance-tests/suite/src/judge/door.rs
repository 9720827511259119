//! Package, door and limits.

use std::sync::Arc;

use vaern_door::Size;
use vaern_sandbox::{PluginFault, ReceivedFrame, SandboxError};
use vaern_scenes::Dice;

use super::Answer;
use crate::bench::{Bench, undrawn};
use crate::candidate::Signature;
use crate::fault::{Fault, HOST, Step, step_of};
use crate::plan::{Series, case_seed};
use crate::registry::Test;
use crate::verdict::Judged;

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

/// Shows frames one by one; a plugin may decline what it cannot read, and may do nothing else.
fn copes(bench: &Bench<'_>, frames: Vec<(String, Size, Vec<u8>)>) -> Answer {
    bench.survey()?;
    let loaded = bench.plain()?;
    let mut eyes = loaded.eyes()?;
    let mut declined = 0;
    let shown = u64::try_from(frames.len()).unwrap_or(u64::MAX);
    for ((name, size, rgb), case) in frames.into_iter().zip(0..) {
        let frame = ReceivedFrame::new(size, rgb.into(), Arc::from([]), None).map_err(|_| undrawn())?;
        match loaded.look(&mut eyes, &frame) {
            Ok(_) => {}
            Err(SandboxError::PluginFailed(PluginFault::Frame)) => declined += 1,
            Err(error) => {
                let fault = Fault::sandbox(&error, Step::Looked);
                return Ok(Judged::fail(format!("{name}: {}.", fault.said.da), format!("{name}: {}.", fault.said.en))
                    .case(Some(case)));
            }
        }
    }
    Ok(Judged::pass().count("frames", shown).count("declined", declined))
}

pub(crate) fn odd_sizes(bench: &Bench<'_>, _: &Test) -> Answer {
    let full = bench.plain()?.grants.frame;
    let (w, h) = (full.width(), full.height());
    let sizes = [(16, 16), (64, 48), (w, 16), (16, h), (w - w % 2 - 1, h - h % 2 - 1), (w / 3, h), (w, h / 3)];
    let mut frames = Vec::new();
    for (w, h) in sizes {
        let size = Size::new(w.max(16), h.max(16)).map_err(|_| undrawn())?;
        let street = bench.street(0, size)?;
        frames.push((format!("{}x{}", size.width(), size.height()), size, street.rgb));
    }
    copes(bench, frames)
}

pub(crate) fn pressure(bench: &Bench<'_>, _: &Test) -> Answer {
    let size = bench.plain()?.grants.frame;
    let mut dice = Dice::new(case_seed(bench.seed, Series::Disturbance, u32::MAX));
    let noise: Vec<u8> = (0..size.rgb_bytes()).map(|_| u8::try_from(dice.whole(0, 255)).unwrap_or_default()).collect();
    let stripes: Vec<u8> = (0..size.rgb_bytes()).map(|i| if i / 3 % 2 == 0 { 0 } else { 255 }).collect();
    copes(
        bench,
        vec![
            ("black".to_owned(), size, vec![0; size.rgb_bytes()]),
            ("white".to_owned(), size, vec![255; size.rgb_bytes()]),
            ("noise".to_owned(), size, noise),
            ("stripes".to_owned(), size, stripes),
        ],
    )
}
