//! The host under test too: every hostile plugin against this very build, inside the process and behind the wall.
//!
//! An approval is for a release on a host line. That a host stops what must be stopped is as much a part of the evidence as what the
//! release does, and is shown on the machine that will run it: which parts of the wall the kernel gives is different on each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vaern_door::{Channels, Fit, Grants, Interface, Label, Limits, Name, OutputRules, Scale, Size, TensorSpec};
use vaern_inference::{Backend, Model, ModelLimits};
use vaern_sandbox::wall::{Vendor, Wall, WallError, WallSettings};
use vaern_sandbox::{Engine, InProcess, ReceivedFrame, Runner as _, SandboxError};

use crate::fault::{Fault, Step};
use crate::result::HostBuild;
use crate::table::{Row, Table};

/// Name of the form.
pub const HOST_FORMAT: &str = "vaern-conformance-host/1";

/// Why a host could not be tested at all.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A fault of this build.
    #[error("the table of hostile plugins cannot be read: {0}")]
    Table(#[from] toml::de::Error),
    /// A fault of this build.
    #[error("a hostile plugin cannot be made: {0}")]
    Guest(#[from] vaern_hostile::Error),
    /// A fault of this build.
    #[error("a name of the test's own is none")]
    Name(#[from] vaern_door::NameError),
    /// A fault of this build.
    #[error("a size of the test's own is none")]
    Size(#[from] vaern_door::GeometryError),
    /// The wall does not stand here.
    #[error("the wall does not stand on this machine: {0}")]
    Wall(SandboxError),
    /// The model that guests open is refused.
    #[error("the reference model is refused: {0}")]
    Model(#[from] vaern_inference::InferenceError),
}

/// What one hostile plugin came to. The words are ids of tests that a release fails so, `answers`, or a fault of the host's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stopped {
    /// Its name.
    pub guest: String,
    /// What must become of it.
    pub expected: String,
    /// What became of it in this process.
    pub in_process: String,
    /// What became of it behind the wall.
    pub walled: String,
    /// Whether all three are one.
    pub holds: bool,
}

/// What a host build did with all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostRun {
    /// [`HOST_FORMAT`].
    pub format: String,
    /// Which host.
    pub host: HostBuild,
    /// Parts of the wall in force here.
    pub in_force: BTreeSet<String>,
    /// Parts that this machine does not give.
    pub missing: BTreeSet<String>,
    /// Every hostile plugin.
    pub guests: Vec<Stopped>,
    /// Whether everything holds, and no part of the wall is missing.
    pub holds: bool,
}

/// Runs every hostile plugin against this host. `model` is the model that some of them open; `told` hears each when it is done.
///
/// # Errors
/// [`HostError`] where nothing can be said.
pub fn host(
    build: HostBuild,
    settings: &WallSettings,
    backend: &dyn Backend,
    model: &[u8],
    told: &mut dyn FnMut(&Stopped),
) -> Result<HostRun, HostError> {
    let named = Name::new("container")?;
    let loaded = backend.load(model, &ModelLimits::default())?;
    let (mut in_force, mut missing) = (BTreeSet::new(), BTreeSet::new());
    let mut guests = Vec::new();
    for row in Table::of_this_build()?.guest {
        let component = vaern_hostile::component(&row.name)?;
        let grants = Arc::new(grants(&row)?);
        let frame = frame(grants.frame)?;
        let here = in_process(&component, &grants, BTreeMap::from([(named.clone(), Arc::clone(&loaded))]), &frame);
        let models = BTreeMap::from([(named.clone(), model.to_vec())]);
        let vendor = Vendor { component, models, grants: Arc::clone(&grants) };
        let there = match Wall::build(settings.clone(), vendor) {
            Ok(wall) => {
                let report = wall.report();
                in_force.extend(report.in_force.iter().map(|part| part.as_str().to_owned()));
                missing.extend(report.missing.iter().map(|part| part.as_str().to_owned()));
                wall.runner().and_then(|mut runner| runner.detect(&frame).map(|_| ()))
            }
            Err(WallError::Sandbox(error @ SandboxError::WallIncomplete(_))) => return Err(HostError::Wall(error)),
            Err(WallError::Sandbox(error)) => Err(error),
            Err(WallError::Model { source, .. }) => return Err(source.into()),
        };
        let expected = row.stopped_by().unwrap_or(ANSWERS).to_owned();
        let (in_process, walled) = (word(&here), word(&there));
        let holds = in_process == expected && walled == expected;
        let stopped = Stopped { guest: row.name, expected, in_process, walled, holds };
        told(&stopped);
        guests.push(stopped);
    }
    let holds = missing.is_empty() && guests.iter().all(|guest| guest.holds);
    Ok(HostRun { format: HOST_FORMAT.to_owned(), host: build, in_force, missing, guests, holds })
}

const ANSWERS: &str = "answers";

fn word(ended: &Result<(), SandboxError>) -> String {
    match ended {
        Ok(()) => ANSWERS.to_owned(),
        Err(error) => {
            let fault = Fault::sandbox(error, Step::Looked);
            if fault.owner == crate::fault::HOST { error.reason().to_owned() } else { fault.owner.to_owned() }
        }
    }
}

fn in_process(
    component: &[u8],
    grants: &Arc<Grants>,
    models: BTreeMap<Name, Arc<dyn Model>>,
    frame: &ReceivedFrame,
) -> Result<(), SandboxError> {
    let engine = Engine::new()?;
    let compiled = engine.compile(component, &grants.limits)?;
    InProcess::new(&engine, &compiled, Arc::clone(grants), models)?.detect(frame).map(|_| ())
}

/// Everything granted: what is tested is the host's limits, not the city's rules.
fn grants(row: &Row) -> Result<Grants, HostError> {
    use Interface::{Diagnostics, Models, Pixels, Zoom};
    // Short only for those that never end: a busy machine must not make an honest one late.
    let endless = row.stopped_by() == Some("KT-LIM-001N");
    let limits = Limits {
        memory_bytes: 32 << 20,
        table_elements: 10_000,
        instances: 16,
        deadline_ms: if endless { 300 } else { 30_000 },
        hostcall_bytes: 1 << 20,
        handles: 64,
        stack_bytes: 512 << 10,
        log_bytes: 100,
        zoom_pixels: 1000,
        component_bytes: 4 << 20,
        model_bytes: 4 << 20,
    };
    let output = OutputRules {
        grid: 8,
        score_steps: 16,
        min_score: 0,
        max_detections: 64,
        bits_per_frame: 4000,
        bits_per_hour: 20_000,
    };
    let tensor = TensorSpec {
        size: Size::new(32, 32)?,
        fit: Fit::LetterboxTopLeft,
        scale: Scale::ZeroToOne,
        channels: Channels::Rgb,
    };
    Ok(Grants {
        interfaces: BTreeSet::from([Pixels, Zoom, Models, Diagnostics]),
        frame: Size::new(640, 360)?,
        tensors: vec![tensor],
        labels: vec![Label::new("affaldscontainer")?],
        limits,
        output,
    })
}

/// A frame whose samples tell where they are.
fn frame(size: Size) -> Result<ReceivedFrame, HostError> {
    let rgb: Vec<u8> = (0..=250).cycle().take(size.rgb_bytes()).collect();
    ReceivedFrame::new(size, rgb.into(), Arc::from([]), None).map_err(HostError::Wall)
}
