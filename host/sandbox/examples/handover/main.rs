//! What the sandbox costs, side by side in one run: `cargo run --release -p vaern-sandbox --example handover -- [--rounds N]
//! [--extism PEER] [--native PEER]`. The peers are built in `conformance-tests/bench-peers` (`docs/sandbox.md` says how).
//!
//! Every line of the table is measured once in each round, in turn, so that a noisy machine is noisy for all. Printed are the median
//! and the quartiles; ratios are medians of ratios within a round.
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a measurement, not a library"
)]

mod guests;
mod table;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use vaern_door::{Channels, Fit, Grants, Interface, Label, Limits, Name, OutputRules, Scale, Size, TensorSpec};
use vaern_inference::{Backend as _, ModelLimits};
use vaern_sandbox::wall::{Launch, Vendor, Wall, WallSettings, WorkerSetup};
use vaern_sandbox::{Engine, InProcess, Runner};

use table::Table;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    if args.get(1).is_some_and(|arg| arg == "worker") {
        let memory_bytes = args[3].parse().unwrap();
        return vaern_sandbox::wall::worker(&WorkerSetup { runtime: None, memory_bytes, probe: None });
    }
    let option = |name: &str| args.iter().position(|a| a == name).map(|i| args[i + 1].clone());
    let rounds: usize = option("--rounds").map_or(60, |n| n.parse().unwrap());
    let mut extism = option("--extism").map(|path| Peer::start(&path, &[]));
    for (name, width, height) in [("640x640", 640, 640), ("1920x1080", 1920, 1080)] {
        hand_over(name, Size::new(width, height).unwrap(), rounds, extism.as_mut());
    }
    birth(rounds, extism.as_mut());
    model(rounds.min(30));
    if let Some(path) = option("--native") {
        classic(rounds, &path);
    }
    ExitCode::SUCCESS
}

/// Another program that measures one thing for each line it is sent.
struct Peer {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Peer {
    fn start(path: &str, args: &[&str]) -> Self {
        let mut child =
            Command::new(path).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the peer");
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, to, from }
    }

    fn ask(&mut self, line: &str) -> Duration {
        writeln!(self.to, "{line}").unwrap();
        let mut answer = String::new();
        self.from.read_line(&mut answer).unwrap();
        Duration::from_nanos(answer.split_whitespace().next().expect("an answer").parse().unwrap())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let begun = Instant::now();
    black_box(work());
    begun.elapsed()
}

fn grants(frame: Size, interfaces: &[Interface], labels: &[&str], tensors: Vec<TensorSpec>) -> Grants {
    Grants {
        interfaces: interfaces.iter().copied().collect(),
        frame,
        tensors,
        labels: labels.iter().map(|label| Label::new(*label).unwrap()).collect(),
        limits: Limits {
            memory_bytes: 64 << 20,
            table_elements: 10_000,
            instances: 16,
            deadline_ms: 10_000,
            hostcall_bytes: 1 << 20,
            handles: 64,
            stack_bytes: 1 << 20,
            log_bytes: 0,
            zoom_pixels: 0,
            component_bytes: 8 << 20,
            model_bytes: 16 << 20,
        },
        output: OutputRules {
            grid: 4,
            score_steps: 16,
            min_score: 64,
            max_detections: 32,
            bits_per_frame: 1200,
            bits_per_hour: 20_000,
        },
    }
}

/// The same release in this process and behind the wall.
struct Both {
    here: InProcess,
    walled: Box<dyn Runner>,
}

impl Both {
    fn of(component: &[u8], granted: Grants, models: BTreeMap<Name, Vec<u8>>) -> Self {
        let granted = Arc::new(granted);
        let engine = Engine::new().unwrap();
        let compiled = engine.compile(component, &granted.limits).unwrap();
        let backend = vaern_inference::tract();
        let load = |bytes: &Vec<u8>| backend.load(bytes, &ModelLimits::default()).unwrap();
        let loaded = models.iter().map(|(name, bytes)| (name.clone(), load(bytes))).collect();
        let here = InProcess::new(&engine, &compiled, granted.clone(), loaded).unwrap();
        let vendor = Vendor { component: component.to_vec(), models, grants: granted };
        let wall = Wall::build(WallSettings::strict(Launch::this_program("worker", None)), vendor);
        let walled = wall.unwrap_or_else(|error| panic!("{error}")).runner().unwrap();
        Self { here, walled: Box::new(walled) }
    }
}

fn look(runner: &mut dyn Runner, size: Size, rgb: &[u8]) -> usize {
    let frame = runner.receive(size, rgb, &[], None).unwrap();
    runner.detect(&frame).unwrap().detections.len()
}

/// A frame into a fresh instance, every byte read.
fn hand_over(name: &str, size: Size, rounds: usize, mut extism: Option<&mut Peer>) {
    let rgb: Vec<u8> = (0..size.rgb_bytes()).map(|i| (i % 251) as u8).collect();
    let mut copy = vec![0_u8; rgb.len()];
    let mut bare = guests::Bare::new(rgb.len());
    let granted = || grants(size, &[Interface::Pixels], &["affaldscontainer"], vec![]);
    let mut strips = Both::of(&guests::strips(size), granted(), BTreeMap::new());
    let mut whole = Both::of(&guests::whole(size), granted(), BTreeMap::new());
    let mut table = Table::new(&format!("hand-over of a {name} frame, every byte read, fresh instance"));
    for round in 0..rounds + 5 {
        let memcpy = timed(|| black_box(&mut copy).copy_from_slice(black_box(&rgb)));
        let looped = bare.loop_alone();
        let mut lines = vec![
            ("memcpy of the same bytes", memcpy),
            ("the guest's loop alone, warm", looped),
            ("bare wasmtime 48, plainly, fresh", timed(|| bare.fresh(&rgb))),
            ("vaern in process, `pixels`", timed(|| look(&mut whole.here, size, &rgb))),
            ("vaern walled, `pixels`", timed(|| look(&mut *whole.walled, size, &rgb))),
            ("vaern in process, `rows`", timed(|| look(&mut strips.here, size, &rgb))),
            ("vaern walled, `rows`", timed(|| look(&mut *strips.walled, size, &rgb))),
        ];
        let received = strips.walled.receive(size, &rgb, &[], None).unwrap();
        lines.push(("vaern walled, `rows`, frame in the slot", timed(|| strips.walled.detect(&received).unwrap())));
        drop(received);
        let received = strips.here.receive(size, &rgb, &[], None).unwrap();
        lines.push(("vaern in process, `rows`, frame received", timed(|| strips.here.detect(&received).unwrap())));
        if let Some(peer) = extism.as_deref_mut() {
            lines.push(("Extism 1.13.0, fresh", peer.ask(&format!("fresh {}", rgb.len()))));
            lines.push(("Extism 1.13.0, warm", peer.ask(&format!("warm {}", rgb.len()))));
        }
        if round >= 5 {
            table.round(&lines);
        }
    }
    table.print();
    table.ratio("vaern walled, `rows`", "the guest's loop alone, warm", "memcpy of the same bytes");
    table.ratio("vaern walled, `rows`, frame in the slot", "the guest's loop alone, warm", "memcpy of the same bytes");
    table.ratio("bare wasmtime 48, plainly, fresh", "the guest's loop alone, warm", "memcpy of the same bytes");
    table.over("Extism 1.13.0, fresh", "vaern walled, `rows`");
    table.difference("vaern walled, `rows`", "vaern in process, `rows`");
    table.difference("vaern walled, `rows`, frame in the slot", "vaern in process, `rows`, frame received");
}

/// An instance that does nothing, and code that was compiled before.
fn birth(rounds: usize, mut extism: Option<&mut Peer>) {
    let size = Size::new(64, 64).unwrap();
    let rgb = vec![7; size.rgb_bytes()];
    let mut both = Both::of(&guests::nothing(), grants(size, &[], &["affaldscontainer"], vec![]), BTreeMap::new());
    let bare = guests::Bare::new(65_536);
    let component = std::fs::read(root().join("plugins/prebuilt/container-model.wasm")).unwrap();
    let mut stored = guests::Stored::new(&component);
    let mut table = Table::new("a fresh instance that does nothing, and loading code");
    for round in 0..rounds + 5 {
        let mut lines = vec![
            ("bare wasmtime 48, instantiate", timed(|| bare.instance())),
            ("vaern in process, a frame of 64x64", timed(|| look(&mut both.here, size, &rgb))),
            ("vaern walled, a frame of 64x64", timed(|| look(&mut *both.walled, size, &rgb))),
            ("load container-model from compiled code", timed(|| stored.load())),
        ];
        if round % 10 == 0 {
            lines.push(("compile container-model", timed(|| stored.compile(&component))));
        }
        if let Some(peer) = extism.as_deref_mut() {
            lines.push(("Extism 1.13.0, instantiate", peer.ask("instantiate 0")));
        }
        if round >= 5 {
            table.round(&lines);
        }
    }
    table.print();
    table.difference("vaern walled, a frame of 64x64", "vaern in process, a frame of 64x64");
}

/// The model plugin, end to end, against the model called natively.
fn model(rounds: usize) {
    let component = std::fs::read(root().join("plugins/prebuilt/container-model.wasm")).unwrap();
    let bytes = std::fs::read(root().join("models/container.onnx")).unwrap();
    let size = Size::new(1280, 720).unwrap();
    let rgb = picture(size);
    let spec = TensorSpec {
        size: Size::new(640, 384).unwrap(),
        fit: Fit::LetterboxCentre,
        scale: Scale::ZeroToOne,
        channels: Channels::Rgb,
    };
    let labels = ["affaldscontainer", "glascontainer", "nedgravet_container", "byggecontainer"];
    // It looks twice.
    let again = TensorSpec { fit: Fit::LetterboxTopLeft, ..spec };
    let granted = grants(size, &[Interface::Models], &labels, vec![spec, again]);
    let native = vaern_inference::tract().load(&bytes, &ModelLimits::default()).unwrap();
    let mut both = Both::of(&component, granted, BTreeMap::from([(Name::new("container").unwrap(), bytes)]));
    let mut table = Table::new("container-model on 1280x720, one thread, tract");
    for round in 0..rounds + 3 {
        let lines = [
            (
                "the model called natively, as often",
                timed(|| {
                    [spec, again].map(|spec| {
                        let tensor = vaern_inference::prepare(&rgb, size, &spec).unwrap();
                        native.run(&[tensor]).unwrap()
                    })
                }),
            ),
            ("the plugin in process", timed(|| look(&mut both.here, size, &rgb))),
            ("the plugin walled", timed(|| look(&mut *both.walled, size, &rgb))),
        ];
        if round >= 3 {
            table.round(&lines);
        }
    }
    table.print();
    table.over("the plugin in process", "the model called natively, as often");
    table.over("the plugin walled", "the model called natively, as often");
}

/// The pixel plugin against the same source built natively.
fn classic(rounds: usize, peer: &str) {
    let component = std::fs::read(root().join("plugins/prebuilt/container-classic.wasm")).unwrap();
    let size = Size::new(1280, 720).unwrap();
    let rgb = picture(size);
    let file = std::env::temp_dir().join(format!("vaern-handover-{}.rgb", std::process::id()));
    std::fs::write(&file, &rgb).unwrap();
    let mut native = Peer::start(peer, &["1280", "720", file.to_str().unwrap()]);
    let granted = grants(size, &[Interface::Pixels], &["affaldscontainer"], vec![]);
    let mut both = Both::of(&component, granted, BTreeMap::new());
    let mut table = Table::new("container-classic on 1280x720");
    for round in 0..rounds + 3 {
        let lines = [
            ("built natively", native.ask("go")),
            ("in process, with epoch checks", timed(|| look(&mut both.here, size, &rgb))),
            ("walled, without", timed(|| look(&mut *both.walled, size, &rgb))),
        ];
        if round >= 3 {
            table.round(&lines);
        }
    }
    std::fs::remove_file(&file).unwrap();
    table.print();
    table.over("in process, with epoch checks", "built natively");
    table.over("walled, without", "built natively");
}

/// A drawn street: what these plugins were made for.
fn picture(size: Size) -> Vec<u8> {
    vaern_scenes::sample(9_000_001, (size.width(), size.height())).unwrap().rgb
}

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
