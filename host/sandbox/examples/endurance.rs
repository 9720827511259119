//! A million calls in this process and a million behind the wall: memory, descriptors and threads must not grow.
//! `cargo run --release -p vaern-sandbox --example endurance -- [--calls N]`
//!
//! Ends with status 1 if anything grew by more than its allowance after the first hundredth of the calls.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a measurement, not a library"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use vaern_door::{Grants, Interface, Label, Limits, OutputRules, Rect, Size};
use vaern_sandbox::wall::{Launch, Vendor, Wall, WallSettings, WorkerSetup};
use vaern_sandbox::{Engine, InProcess, Runner};

/// Growth of resident memory that is noise of the allocator.
const ALLOWED_KB: i64 = 2048;

#[derive(Debug, Clone, Copy)]
struct Held {
    resident_kb: i64,
    descriptors: i64,
    threads: i64,
}

impl Held {
    fn by(process: &str) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        let descriptors = std::fs::read_dir(format!("/proc/{process}/fd")).map_or(0, |files| files.count() as i64);
        Self { resident_kb: field("VmRSS:"), descriptors, threads: field("Threads:") }
    }

    fn grew(self, before: Self) -> bool {
        self.resident_kb > before.resident_kb + ALLOWED_KB
            || self.descriptors > before.descriptors
            || self.threads > before.threads
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    if args.get(1).is_some_and(|arg| arg == "worker") {
        let memory_bytes = args[3].parse().unwrap();
        return vaern_sandbox::wall::worker(&WorkerSetup { runtime: None, memory_bytes, probe: None });
    }
    let calls = args.iter().position(|a| a == "--calls").map_or(1_000_000, |i| args[i + 1].parse().unwrap());
    let component = vaern_hostile::component("pixels").unwrap();
    let granted = Arc::new(grants());
    let engine = Engine::new().unwrap();
    let compiled = engine.compile(&component, &granted.limits).unwrap();
    let mut here = InProcess::new(&engine, &compiled, granted.clone(), BTreeMap::new()).unwrap();
    let mut grew = run("in this process", calls, &mut here, &["self".to_owned()]);

    let vendor = Vendor { component, models: BTreeMap::new(), grants: granted };
    let wall = Wall::build(WallSettings::strict(Launch::this_program("worker", None)), vendor).unwrap();
    let mut walled = wall.runner().unwrap();
    let worker = walled.worker_id().unwrap().to_string();
    grew |= run("behind the wall", calls, &mut walled, &["self".to_owned(), worker.clone()]);
    assert_eq!(walled.worker_id().unwrap().to_string(), worker, "one worker for all of them");
    if grew { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Calls, and says what each process held after the first hundredth and at the end.
fn run(name: &str, calls: u64, runner: &mut dyn Runner, processes: &[String]) -> bool {
    let size = Size::new(64, 48).unwrap();
    let rgb = vec![9; size.rgb_bytes()];
    let masked = [Rect::new(0, 0, 8, 8).unwrap()];
    let begun = Instant::now();
    let mut before = vec![];
    for call in 0..calls {
        if call == calls / 100 {
            before = processes.iter().map(|process| Held::by(process)).collect();
        }
        let frame = runner.receive(size, &rgb, &masked, None).unwrap();
        assert_eq!(runner.detect(&frame).unwrap().detections.len(), 1);
    }
    let after: Vec<Held> = processes.iter().map(|process| Held::by(process)).collect();
    let micros = begun.elapsed().as_secs_f64() * 1e6 / calls as f64;
    println!("{name}: {calls} calls, {micros:.1} us each");
    let mut grew = false;
    for ((before, after), process) in before.iter().zip(&after).zip(["node", "worker"]) {
        println!("  {process:<7} before {before:?}\n  {process:<7} after  {after:?}");
        grew |= after.grew(*before);
    }
    grew
}

fn grants() -> Grants {
    Grants {
        interfaces: BTreeSet::from([Interface::Pixels]),
        frame: Size::new(640, 360).unwrap(),
        tensors: vec![],
        labels: vec![Label::new("affaldscontainer").unwrap()],
        limits: Limits {
            memory_bytes: 8 << 20,
            table_elements: 1000,
            instances: 8,
            deadline_ms: 5000,
            hostcall_bytes: 65_536,
            handles: 16,
            stack_bytes: 256 << 10,
            log_bytes: 0,
            zoom_pixels: 0,
            component_bytes: 1 << 20,
            model_bytes: 1 << 20,
        },
        output: OutputRules {
            grid: 4,
            score_steps: 16,
            min_score: 0,
            max_detections: 8,
            bits_per_frame: 500,
            bits_per_hour: 20_000,
        },
    }
}
