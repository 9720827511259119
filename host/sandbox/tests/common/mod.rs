//! Grants, frames and models for the tests of this crate.
#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use vaern_door::{Channels, Fit, Grants, Interface, Label, Limits, Name, OutputRules, Scale, Size, TensorSpec};
use vaern_inference::{BackendName, InferenceError, Model, Tensor, TensorInfo};
use vaern_sandbox::{Engine, InProcess, ReceivedFrame, Runner, SandboxError};

pub(crate) fn size(w: u16, h: u16) -> Size {
    Size::new(w, h).unwrap()
}

pub(crate) fn spec() -> TensorSpec {
    TensorSpec { size: size(32, 32), fit: Fit::LetterboxTopLeft, scale: Scale::ZeroToOne, channels: Channels::Rgb }
}

pub(crate) const LIMITS: Limits = Limits {
    memory_bytes: 32 << 20,
    table_elements: 10_000,
    instances: 16,
    deadline_ms: 10_000,
    hostcall_bytes: 1 << 20,
    handles: 64,
    stack_bytes: 512 << 10,
    log_bytes: 100,
    zoom_pixels: 1000,
    component_bytes: 4 << 20,
    model_bytes: 4 << 20,
};

/// Everything granted, the frame and the label of the hostile guests.
pub(crate) fn grants() -> Grants {
    use Interface::{Diagnostics, Models, Pixels, Zoom};
    Grants {
        interfaces: BTreeSet::from([Pixels, Zoom, Models, Diagnostics]),
        frame: size(1280, 720),
        tensors: vec![spec()],
        labels: vec![Label::new("affaldscontainer").unwrap()],
        limits: LIMITS,
        output: OutputRules {
            grid: 8,
            score_steps: 16,
            min_score: 0,
            max_detections: 64,
            bits_per_frame: 4000,
            bits_per_hour: 20_000,
        },
    }
}

pub(crate) fn with(interfaces: &[Interface]) -> Grants {
    Grants { interfaces: interfaces.iter().copied().collect(), ..grants() }
}

pub(crate) fn limited(change: impl FnOnce(&mut Limits)) -> Grants {
    let mut grants = grants();
    change(&mut grants.limits);
    grants
}

/// A frame whose samples tell where they are.
pub(crate) fn frame(w: u16, h: u16) -> ReceivedFrame {
    let rgb: Vec<u8> = (0..size(w, h).rgb_bytes()).map(|i| (i % 251) as u8).collect();
    ReceivedFrame::new(size(w, h), rgb.into(), Arc::new([]), None).unwrap()
}

/// A model that answers with the mean of its input, or misbehaves.
pub(crate) struct Mean {
    ports: Vec<TensorInfo>,
    pub(crate) runs: AtomicU32,
    pub(crate) fails: Option<InferenceError>,
}

impl Mean {
    pub(crate) fn new(fails: Option<InferenceError>) -> Arc<Self> {
        let ports = vec![TensorInfo { name: "x".into(), shape: vec![1, 3, 32, 32] }];
        Arc::new(Self { ports, runs: AtomicU32::new(0), fails })
    }
}

impl Model for Mean {
    fn inputs(&self) -> &[TensorInfo] {
        &self.ports
    }
    fn outputs(&self) -> &[TensorInfo] {
        &self.ports
    }
    fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, InferenceError> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        if let Some(error) = &self.fails {
            return Err(error.clone());
        }
        let [input] = inputs else { return Err(InferenceError::BadInput("the number of tensors")) };
        if input.shape() != self.ports[0].shape {
            return Err(InferenceError::BadInput("the shape of a tensor"));
        }
        let mean = input.data().iter().sum::<f32>() / input.data().len() as f32;
        Ok(vec![Tensor::new(vec![1], vec![mean])?])
    }
    fn backend(&self) -> BackendName {
        BackendName::Tract
    }
}

pub(crate) fn models(model: Arc<dyn Model>) -> BTreeMap<Name, Arc<dyn Model>> {
    BTreeMap::from([(Name::new("container").unwrap(), model)])
}

pub(crate) fn load(component: &[u8], grants: Grants, model: Arc<dyn Model>) -> Result<InProcess, SandboxError> {
    let engine = Engine::new()?;
    let compiled = engine.compile(component, &grants.limits)?;
    InProcess::new(&engine, &compiled, Arc::new(grants), models(model))
}

/// Loads a hostile guest and shows it one frame.
pub(crate) fn attack(name: &str, grants: Grants) -> Result<vaern_sandbox::Answer, SandboxError> {
    let component = vaern_hostile::component(name).unwrap();
    load(&component, grants, Mean::new(None))?.detect(&frame(640, 360))
}
