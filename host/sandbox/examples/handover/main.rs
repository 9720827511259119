//! What the sandbox costs, side by side in one run: `cargo xtask bench` builds this and its peers and runs it as
//! `handover [--rounds N] [--extism PEER] [--native PEER]`. Without the peers it measures what needs none.
//!
//! Every line of the table is measured once in each round, in turn, so that a noisy machine is noisy for all. Printed are the median
//! and the quartiles; ratios are medians of ratios within a round. Tables are Markdown; what the aims are held to comes last.
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
use vaern_sandbox::wall::{Launch, Vendor, Wall, WallSettings, Walled, WorkerSetup};
use vaern_sandbox::{Engine, InProcess, Runner};

use table::{Aims, Table};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    if args.get(1).is_some_and(|arg| arg == "worker") {
        let memory_bytes = args[3].parse().unwrap();
        return vaern_sandbox::wall::worker(&WorkerSetup { runtime: None, memory_bytes, probe: None });
    }
    let option = |name: &str| args.iter().position(|a| a == name).map(|i| args[i + 1].clone());
    let rounds: usize = option("--rounds").map_or(60, |n| n.parse().unwrap());
    let mut extism = option("--extism").map(|path| Peer::start(&path, &[]));
    let mut aims = Aims::default();
    for (name, width, height) in [("640x640", 640, 640), ("1920x1080", 1920, 1080)] {
        hand_over(name, Size::new(width, height).unwrap(), rounds, extism.as_mut(), &mut aims);
    }
    birth(rounds, extism.as_mut(), &mut aims);
    model(rounds, &mut aims);
    classic(rounds, option("--native").as_deref(), &mut aims);
    aims.print();
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

    fn who(&self) -> Who {
        Who::Process(self.child.id())
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

/// Whose time on a processor is counted: this thread, or another process.
#[derive(Clone, Copy)]
enum Who {
    ThisThread,
    Process(u32),
}

impl Who {
    /// What it has worked so far, whoever else is busy on the machine.
    fn worked(self) -> Duration {
        let (mut clock, mut time) = (libc::CLOCK_THREAD_CPUTIME_ID, libc::timespec { tv_sec: 0, tv_nsec: 0 });
        if let Self::Process(id) = self {
            // SAFETY: the kernel writes the number of a clock to where it is told.
            assert_eq!(unsafe { libc::clock_getcpuclockid(id as libc::pid_t, &mut clock) }, 0);
        }
        // SAFETY: the kernel writes a time to where it is told.
        assert_eq!(unsafe { libc::clock_gettime(clock, &mut time) }, 0);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
}

/// Time on a processor of this thread and of the others together.
fn work_of<T>(all: &[Who], work: impl FnOnce() -> T) -> Duration {
    let sum = || all.iter().map(|who| who.worked()).sum::<Duration>();
    let begun = sum();
    black_box(work());
    sum() - begun
}

/// Time on the clock, and time on a processor of those who work.
fn twice<T>(all: &[Who], work: impl FnOnce() -> T) -> (Duration, Duration) {
    let mut clock = Duration::ZERO;
    let worked = work_of(all, || clock = timed(work));
    (clock, worked)
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
    walled: Walled,
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
        Self { here, walled }
    }
}

impl Both {
    /// The present worker.
    fn worker(&self) -> Who {
        Who::Process(self.walled.worker_id().expect("a worker"))
    }
}

fn look(runner: &mut dyn Runner, size: Size, rgb: &[u8]) -> usize {
    let frame = runner.receive(size, rgb, &[], None).unwrap();
    runner.detect(&frame).unwrap().detections.len()
}

const COPY: &str = "memcpy of the same bytes";
const LOOP: &str = "the guest's loop alone, warm";
const WALLED: &str = "vaern walled, `rows`";
const SLOT: &str = "vaern walled, `rows`, frame in the slot";
const EXTISM: &str = "Extism 1.13.0, fresh";

/// A frame into a fresh instance, every byte read.
fn hand_over(name: &str, size: Size, rounds: usize, mut extism: Option<&mut Peer>, aims: &mut Aims) {
    let rgb: Vec<u8> = (0..size.rgb_bytes()).map(|i| (i % 251) as u8).collect();
    let mut copy = vec![0_u8; rgb.len()];
    let mut bare = guests::Bare::new(rgb.len());
    let granted = || grants(size, &[Interface::Pixels], &["affaldscontainer"], vec![]);
    let mut strips = Both::of(&guests::strips(size), granted(), BTreeMap::new());
    let mut whole = Both::of(&guests::whole(size), granted(), BTreeMap::new());
    let title = format!("a {name} frame into a fresh instance, every byte read");
    let (mut clock, mut work) = (Table::new(&title), Table::new("the same, time on a processor"));
    let me = &[Who::ThisThread][..];
    for round in 0..rounds + 5 {
        let (whole_both, strips_both) = ([Who::ThisThread, whole.worker()], [Who::ThisThread, strips.worker()]);
        let natively = || black_box(&rgb).iter().fold(0_u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
        let mut lines = vec![
            (COPY, twice(me, || black_box(&mut copy).copy_from_slice(black_box(&rgb)))),
            (LOOP, twice(me, || bare.loop_alone())),
            ("the same sum natively", twice(me, natively)),
            ("bare wasmtime 48, plainly, fresh", twice(me, || bare.fresh(&rgb))),
            ("vaern in process, `pixels`", twice(me, || look(&mut whole.here, size, &rgb))),
            ("vaern walled, `pixels`", twice(&whole_both, || look(&mut whole.walled, size, &rgb))),
            ("vaern in process, `rows`", twice(me, || look(&mut strips.here, size, &rgb))),
            (WALLED, twice(&strips_both, || look(&mut strips.walled, size, &rgb))),
        ];
        let received = strips.walled.receive(size, &rgb, &[], None).unwrap();
        lines.push((SLOT, twice(&strips_both, || strips.walled.detect(&received).unwrap())));
        drop(received);
        if let Some(peer) = extism.as_deref_mut() {
            // Its own clock, which leaves out the pipe; the time on a processor has a few microseconds of pipe in it.
            for (line, what) in [(EXTISM, "fresh"), ("Extism 1.13.0, warm", "warm")] {
                let who = peer.who();
                let mut own = Duration::ZERO;
                let worked = work_of(&[who], || own = peer.ask(&format!("{what} {}", rgb.len())));
                lines.push((line, (own, worked)));
            }
        }
        if round >= 5 {
            clock.round(&lines.iter().map(|(line, (time, _))| (*line, *time)).collect::<Vec<_>>());
            work.round(&lines.iter().map(|(line, (_, time))| (*line, *time)).collect::<Vec<_>>());
        }
    }
    let ratios = |table: &Table| {
        table.print();
        let walled = table.ratio(WALLED, LOOP, COPY);
        table.ratio(SLOT, LOOP, COPY);
        table.ratio("bare wasmtime 48, plainly, fresh", LOOP, COPY);
        table.ratio(EXTISM, LOOP, COPY);
        let faster = table.without(EXTISM, WALLED, LOOP);
        table.over(EXTISM, WALLED);
        table.over("bare wasmtime 48, plainly, fresh", WALLED);
        table.over(LOOP, "the same sum natively");
        (walled, faster)
    };
    ratios(&clock);
    let (walled, faster) = ratios(&work);
    // The design sets its aims for the large frame.
    if size.width() > 1000 {
        aims.hold(&format!("hand-over of a {name} frame, in memcpys of it, loop taken off"), walled, true, 3.0);
        aims.hold(&format!("Extism 1.13.0 over vaern, {name} frame, loop taken off both"), faster, false, 10.0);
    }
}

/// An instance that does nothing, and code that was compiled before.
fn birth(rounds: usize, mut extism: Option<&mut Peer>, aims: &mut Aims) {
    let size = Size::new(64, 64).unwrap();
    let rgb = vec![7; size.rgb_bytes()];
    let mut both = Both::of(&guests::nothing(), grants(size, &[], &["affaldscontainer"], vec![]), BTreeMap::new());
    let bare = guests::Bare::new(65_536);
    let component = std::fs::read(root().join("plugins/prebuilt/container-model.wasm")).unwrap();
    let mut stored = guests::Stored::new(&component);
    let mut table = Table::new("a fresh instance that does nothing, and loading code; time on a processor");
    let me = &[Who::ThisThread][..];
    for round in 0..rounds + 5 {
        let walled = [Who::ThisThread, both.worker()];
        let mut lines = vec![
            ("bare wasmtime 48, instantiate", work_of(me, || bare.instance())),
            ("vaern in process, a frame of 64x64", work_of(me, || look(&mut both.here, size, &rgb))),
            ("vaern walled, a frame of 64x64", work_of(&walled, || look(&mut both.walled, size, &rgb))),
            ("load container-model from compiled code, its digest compared", work_of(me, || stored.load())),
        ];
        if round % 10 == 0 {
            lines.push(("compile container-model", work_of(me, || stored.compile(&component))));
        }
        if let Some(peer) = extism.as_deref_mut() {
            lines.push(("Extism 1.13.0, instantiate (time on the clock)", peer.ask("instantiate 0")));
        }
        if round >= 5 {
            table.round(&lines);
        }
    }
    table.print();
    table.over("Extism 1.13.0, instantiate (time on the clock)", "vaern in process, a frame of 64x64");
    table.over("bare wasmtime 48, instantiate", "vaern in process, a frame of 64x64");
    let wall = table.difference("vaern walled, a frame of 64x64", "vaern in process, a frame of 64x64");
    aims.hold("the wall itself, microseconds of a processor for a frame", wall, true, 60.0);
}

/// The model plugin, end to end, against the model called natively.
fn model(rounds: usize, aims: &mut Aims) {
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
    let natively = || {
        [spec, again].map(|spec| {
            let tensor = vaern_inference::prepare(&rgb, size, &spec).unwrap();
            native.run(&[tensor]).unwrap()
        })
    };
    for round in 0..rounds + 3 {
        let worker = both.worker();
        let lines = [
            ("the model called natively, as often", timed(natively)),
            ("the plugin in process", timed(|| look(&mut both.here, size, &rgb))),
            ("the plugin walled", timed(|| look(&mut both.walled, size, &rgb))),
            ("natively, time on a processor", work_of(&[Who::ThisThread], natively)),
            ("walled, time on a processor, node and worker", {
                work_of(&[Who::ThisThread, worker], || look(&mut both.walled, size, &rgb))
            }),
        ];
        if round >= 3 {
            table.round(&lines);
        }
    }
    table.print();
    table.over("the plugin in process", "the model called natively, as often");
    table.over("the plugin walled", "the model called natively, as often");
    let work = table.over("walled, time on a processor, node and worker", "natively, time on a processor");
    aims.hold("container-model end to end over the same model called natively, time on a processor", work, true, 1.05);
}

/// The pixel plugin against the same source built natively.
fn classic(rounds: usize, peer: Option<&str>, aims: &mut Aims) {
    let what = "container-classic walled over the same source built natively, time on a processor";
    let Some(peer) = peer else { return aims.hold(what, None, true, 1.15) };
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
        let (peer, worker) = (native.who(), both.worker());
        let lines = [
            ("built natively", native.ask("go")),
            ("in process, with epoch checks", timed(|| look(&mut both.here, size, &rgb))),
            ("walled, without", timed(|| look(&mut both.walled, size, &rgb))),
            ("natively, time on a processor", work_of(&[peer], || native.ask("go"))),
            ("walled, time on a processor, node and worker", {
                work_of(&[Who::ThisThread, worker], || look(&mut both.walled, size, &rgb))
            }),
        ];
        if round >= 3 {
            table.round(&lines);
        }
    }
    std::fs::remove_file(&file).unwrap();
    table.print();
    table.over("in process, with epoch checks", "built natively");
    table.over("walled, without", "built natively");
    let work = table.over("walled, time on a processor, node and worker", "natively, time on a processor");
    aims.hold(what, work, true, 1.15);
}

/// A drawn street: what these plugins were made for.
fn picture(size: Size) -> Vec<u8> {
    vaern_scenes::sample(9_000_001, (size.width(), size.height())).unwrap().rgb
}

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
