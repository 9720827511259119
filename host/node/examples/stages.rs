//! Time per stage, side by side in one run: frame sizes × inference engines, on drawn scenes.
//!
//! `cargo run --release -p vaern-node --example stages -- [--frames N] [--runtime LIBONNXRUNTIME] [--models DIR] [--road NAME] [--size WxH]`
//!
//! One thread. The engines take turns frame by frame, so that a busy machine is equally busy for both. Printed: median
//! and spread (25th to 75th percentile) in milliseconds. With `--models`, the detectors for real streets are timed too.
//! `models` is the part of `detect` that the engine takes; `besides` is what the road adds to decoding and that: the search's own work,
//! masking and scaling. Its last line gives it as a share of decoding and models. `--road` takes those roads alone whose names hold the
//! given text, and `--size` one size: for a look at one of them under a profiler.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a measurement, not a library")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use jiff::Timestamp;
use vaern_door::{Grants, Name};
use vaern_inference::{Backend, BackendName, InferenceError, Model, ModelLimits, Tensor, TensorInfo};
use vaern_node::gate;
use vaern_node::store::ModelStore;
use vaern_policy::{CitySet, PolicySet};
use vaern_privacy::{Capture, FenceSet, Gate, MaskingPolicy};
use vaern_sandbox::{Compiled, Engine, InProcess, ReceivedFrame, Runner};
use vaern_scenes::{encode_jpeg, sample};

const STAGES: [&str; 10] =
    ["decode", "detect", "models", "mask", "scale", "besides", "plugin", "admit", "encode", "whole"];

/// An engine whose runs are timed.
struct Timed<'a> {
    inner: &'a dyn Backend,
    nanoseconds: Arc<AtomicU64>,
}

struct TimedModel {
    inner: Arc<dyn Model>,
    nanoseconds: Arc<AtomicU64>,
}

impl Backend for Timed<'_> {
    fn name(&self) -> BackendName {
        self.inner.name()
    }

    fn load(&self, bytes: &[u8], limits: &ModelLimits) -> Result<Arc<dyn Model>, InferenceError> {
        let inner = self.inner.load(bytes, limits)?;
        Ok(Arc::new(TimedModel { inner, nanoseconds: Arc::clone(&self.nanoseconds) }))
    }
}

impl Model for TimedModel {
    fn inputs(&self) -> &[TensorInfo] {
        self.inner.inputs()
    }

    fn outputs(&self) -> &[TensorInfo] {
        self.inner.outputs()
    }

    fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, InferenceError> {
        let begun = Instant::now();
        let outputs = self.inner.run(inputs);
        self.nanoseconds.fetch_add(u64::try_from(begun.elapsed().as_nanos()).unwrap(), Ordering::Relaxed);
        outputs
    }

    fn backend(&self) -> BackendName {
        self.inner.backend()
    }
}

struct Road {
    name: String,
    gate: Gate,
    runner: InProcess,
    grants: Arc<Grants>,
    /// In the gate's models, since the last look.
    models: Arc<AtomicU64>,
    times: BTreeMap<&'static str, Vec<f64>>,
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let option = |name: &str| args.iter().position(|a| a == name).map(|i| args[i + 1].clone());
    let frames: u64 = option("--frames").map_or(9, |v| v.parse().unwrap());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut backends: Vec<Box<dyn Backend>> = vec![Box::new(vaern_inference::tract())];
    match option("--runtime").or_else(|| std::env::var("ORT_DYLIB_PATH").ok()) {
        Some(library) => backends.push(Box::new(vaern_inference::onnx_runtime(Path::new(&library)).unwrap())),
        None => println!("SKIP ONNX Runtime: no --runtime and no ORT_DYLIB_PATH"),
    }
    let mut policies = vec![("drawn", "policies", ModelStore::new(None))];
    match option("--models") {
        Some(dir) => {
            let dir = Dir::open_ambient_dir(dir, ambient_authority()).unwrap();
            policies.push(("real", "conformance-tests/policies/real-pictures", ModelStore::new(Some(dir))));
        }
        None => println!("SKIP the detectors for real streets: no --models"),
    }
    let city = Dir::open_ambient_dir(root.join("policies"), ambient_authority()).unwrap();
    let city = CitySet::load(&city).unwrap();
    let engine = Engine::new().unwrap();
    let component = std::fs::read(root.join("plugins/prebuilt/container-model.wasm")).unwrap();
    let only = option("--road").unwrap_or_default();
    let sizes = option("--size").map_or(vec![(1920, 1080), (4000, 3000)], |size| {
        let (width, height) = size.split_once('x').unwrap();
        vec![(width.parse().unwrap(), height.parse().unwrap())]
    });
    for size in sizes {
        let mut roads = Vec::new();
        for (kind, path, store) in &policies {
            let dir = Dir::open_ambient_dir(root.join(path), ambient_authority()).unwrap();
            // The city's requirements and rules, under this directory's purpose and quantities.
            let mut files = city.files().clone();
            files.extend(CitySet::load(&dir).unwrap().files().clone());
            let set = CitySet::of(files).unwrap().choose(None).unwrap();
            let grants = Arc::new(grants(&set, &root));
            let compiled = engine.compile(&component, &grants.limits).unwrap();
            for backend in &backends {
                let name = format!("{kind} detectors, {}", backend.name());
                if !name.contains(&only) {
                    continue;
                }
                let models = Arc::new(AtomicU64::new(0));
                let timed = Timed { inner: backend.as_ref(), nanoseconds: Arc::clone(&models) };
                let gate = gate(&set, store, &timed);
                let runner = runner(&engine, &compiled, &grants, backend.as_ref(), &root);
                let (grants, times) = (Arc::clone(&grants), BTreeMap::new());
                roads.push(Road { name, gate, runner, grants, models, times });
            }
        }
        for seed in 0..frames {
            let scene = sample(9_500_000 + seed, size).unwrap();
            let jpeg = encode_jpeg(&scene.rgb, size, 90, None).unwrap();
            for road in &mut roads {
                drive(road, jpeg.clone());
            }
        }
        println!(
            "\n{} x {} ({:.1} megapixels), {frames} frames, one thread: median (25 % to 75 %) in ms",
            size.0,
            size.1,
            f64::from(size.0) * f64::from(size.1) / 1e6
        );
        for road in &roads {
            println!("  {}", road.name);
            for stage in STAGES {
                let mut samples = road.times[stage].clone();
                samples.sort_by(f64::total_cmp);
                let at = |share: f64| samples[((samples.len() - 1) as f64 * share).round() as usize];
                println!("    {stage:<8} {:>9.2}  ({:.2} to {:.2})", at(0.5), at(0.25), at(0.75));
            }
            let of = |stage| &road.times[stage];
            let mut shares: Vec<f64> = (0..of("besides").len())
                .map(|n| of("besides")[n] / (of("decode")[n] + of("models")[n]) * 100.0)
                .collect();
            shares.sort_by(f64::total_cmp);
            let at = |share: f64| shares[((shares.len() - 1) as f64 * share).round() as usize];
            println!("    besides, of decode and models: {:.1} %  ({:.1} to {:.1})", at(0.5), at(0.25), at(0.75));
        }
    }
}

fn drive(road: &mut Road, jpeg: Vec<u8>) {
    road.models.store(0, Ordering::Relaxed);
    let start = Instant::now();
    let admitted = road.gate.admit(Capture::unlocated(jpeg), Timestamp::now()).unwrap();
    let mut note = |stage, ms| road.times.entry(stage).or_default().push(ms);
    let ms = |d: std::time::Duration| d.as_secs_f64() * 1e3;
    note("decode", ms(admitted.times.decode));
    note("detect", ms(admitted.times.detect));
    note("mask", ms(admitted.times.mask));
    let models = road.models.load(Ordering::Relaxed) as f64 / 1e6;
    note("models", models);
    let (searching, masking) = (ms(admitted.times.detect) - models, ms(admitted.times.mask));
    let at = Instant::now();
    let grants = Arc::clone(&road.grants);
    let frame = admitted.frame.scaled_to(grants.frame).unwrap();
    let scaling = ms(at.elapsed());
    note("scale", scaling);
    note("besides", searching + masking + scaling);
    let received = ReceivedFrame::new(frame.size(), frame.rgb().into(), frame.masked().into(), None).unwrap();
    let at = Instant::now();
    let answer = road.runner.detect(&received).unwrap();
    note("plugin", ms(at.elapsed()));
    let at = Instant::now();
    let admitted =
        vaern_sandbox::admit(&answer.detections, frame.size(), frame.masked(), &grants.labels, &grants.output);
    note("admit", ms(at.elapsed()));
    std::hint::black_box(admitted);
    let at = Instant::now();
    std::hint::black_box(frame.encode_jpeg(88).unwrap());
    note("encode", ms(at.elapsed()));
    note("whole", ms(start.elapsed()));
}

fn gate(set: &PolicySet, store: &ModelStore, backend: &dyn Backend) -> Gate {
    let detectors = gate::detectors(set, store, backend).unwrap();
    // Scenes have no position: the masking policy runs with that one switch turned.
    let masking =
        std::str::from_utf8(set.masking()).unwrap().replace("allow_unlocated = false", "allow_unlocated = true");
    let masking = MaskingPolicy::parse(&masking).unwrap();
    Gate::new(masking, FenceSet::default(), vaern_privacy::CameraSet::default(), detectors).unwrap()
}

fn runner(engine: &Engine, compiled: &Compiled, grants: &Arc<Grants>, backend: &dyn Backend, root: &Path) -> InProcess {
    let bytes = std::fs::read(root.join("models/container.onnx")).unwrap();
    let model = backend.load(&bytes, &ModelLimits::default()).unwrap();
    let models = BTreeMap::from([(Name::new("container").unwrap(), model)]);
    InProcess::new(engine, compiled, Arc::clone(grants), models).unwrap()
}

/// The grants of the reference plugin under a policy set.
fn grants(set: &PolicySet, root: &Path) -> Grants {
    let text = std::fs::read_to_string(root.join("plugins/container-model/vaern.toml")).unwrap();
    let mut table: toml::Table = text.parse().unwrap();
    table.remove("models");
    table.remove("model_card");
    set.grants(&table.try_into().unwrap()).unwrap()
}
