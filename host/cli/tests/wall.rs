//! The wall, with the real program as its worker: what vendor code may do in there, what becomes of it, and what does not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

#[path = "../../sandbox/tests/common/mod.rs"]
mod common;
mod walls;

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use common::{frame, grants, limited, size};
use vaern_door::{Limits, Rect};
use vaern_inference::{Backend as _, InferenceError, ModelLimits, ModelRefusal};
use vaern_sandbox::wall::{Probe, Protection, Wall, WallError, WallSettings};
use vaern_sandbox::{Answer, InProcess, NativeView, ReceivedFrame, Runner as _, SandboxError as E};
use walls::{kill, launch, root, settings, vendor, wall, walled};

/// Name of the system call filter's signal.
const SIGSYS: i32 = 31;

#[test]
fn sbx_30n_what_escaped_code_would_try_is_refused_and_sbx_30p_the_probe_can_tell() {
    for probe in Probe::ALL {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vaern"));
        command.args(["worker", "--memory", "1000000000", "--probe", probe.as_str()]);
        let status = command.env_clear().stdin(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        let refused = status.code() == Some(0) || status.signal() == Some(SIGSYS);
        println!("{:<10} {status}", probe.as_str());
        if probe == Probe::Nothing {
            assert_eq!(status.code(), Some(99), "an act that is allowed must be seen to work");
        } else {
            assert!(refused, "{}: {status}", probe.as_str());
        }
    }
}

#[test]
fn min_01p_the_whole_wall_stands_and_the_kernel_says_so_too() {
    let wall = wall("honest", grants()).unwrap();
    let report = wall.report();
    assert_eq!(report.in_force, Protection::ALL, "missing here: {:?}", report.missing);
    let mut runner = wall.runner().unwrap();
    assert_eq!(runner.detect(&frame(64, 48)).unwrap().detections.len(), 1);
    let id = runner.worker_id().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let field = |name: &str| status.lines().find_map(|l| l.strip_prefix(name)).map(|v| v.trim().to_owned());
    assert_eq!(field("NoNewPrivs:").as_deref(), Some("1"));
    assert_eq!(field("Seccomp:").as_deref(), Some("2"));
    assert_eq!(field("Threads:").as_deref(), Some("1"), "one thread");
    let filters: u32 = field("Seccomp_filters:").unwrap().parse().unwrap();
    assert!(filters >= 4, "both steps: {filters}");
    let limits = std::fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
    let limit = |name: &str| limits.lines().find(|l| l.starts_with(name)).unwrap().to_owned();
    assert!(limit("Max core file size").contains(" 0 "), "exf_17n");
    assert!(limit("Max open files").contains(" 32 "));
    assert!(!limit("Max data size").contains("unlimited"));
    if let Ok(environment) = std::fs::read(format!("/proc/{id}/environ")) {
        assert!(environment.is_empty());
    }
    if let Ok(files) = std::fs::read_dir(format!("/proc/{id}/fd")) {
        let mut targets: Vec<String> = files
            .filter_map(|f| Some(std::fs::read_link(f.ok()?.path()).ok()?.to_string_lossy().into_owned()))
            .map(|t| t.split([':', ' ']).next().unwrap_or_default().to_owned())
            .collect();
        targets.sort();
        targets.dedup();
        assert!(targets.iter().all(|t| ["/dev/null", "socket", "/memfd"].contains(&t.as_str())), "{targets:?}");
    }
}

#[test]
fn exf_17n_a_worker_that_crashes_leaves_no_core() {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_vaern"));
    command
        .args(["worker", "--memory", "1000000000"])
        .env_clear()
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)));
    let mut child = command.spawn().unwrap();
    drop(command);
    // Locked down when it says so.
    let mut ready = [0; 9];
    std::io::Read::read_exact(&mut &ours, &mut ready).unwrap();
    // What a library that gives up does to itself.
    kill(child.id(), "ABRT");
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(6), "{status}");
    assert!(!status.core_dumped());
    // The neighbour: a shell that may dump.
    let shell = Command::new("sh").args(["-c", "cd /tmp && ulimit -c unlimited && kill -ABRT $$"]).status().unwrap();
    println!("a process that may dump: {shell}");
}

#[test]
fn min_01n_no_byte_of_a_raw_frame_is_in_the_worker_and_min_01p_the_clear_frame_is() {
    // The node holds a raw frame for as long as the worker lives; the worker is shown another.
    let raw: Vec<u8> = std::hint::black_box(b"raw-frame-sentinel-".iter().copied().cycle().take(3 << 20).collect());
    let clear: Vec<u8> = b"clear-frame-sentinel".iter().copied().cycle().take(size(640, 360).rgb_bytes()).collect();
    let wall = wall("pixels", grants()).unwrap();
    let mut runner = wall.runner().unwrap();
    let shown = runner.receive(size(640, 360), &clear, &[], None).unwrap();
    assert_eq!(runner.detect(&shown).unwrap().detections.len(), 1);
    let id = runner.worker_id().unwrap();
    let holds = |needle: &[u8]| walls::memory_holds(id, needle);
    match (holds(b"clear-frame-sentinelclear-frame-sentinel"), holds(&raw[..57])) {
        (Some(clear), Some(raw)) => assert!(clear && !raw, "clear {clear}, raw {raw}"),
        _ => walls::skip("min_01n: the memory of another process cannot be read here"),
    }
    drop(raw);
}

#[test]
fn sbx_26n_every_limit_is_the_same_behind_the_wall() {
    let model = std::fs::read(root().join("models/container.onnx")).unwrap();
    let few = |bytes| limited(|l| l.memory_bytes = bytes);
    let cases: [(&str, vaern_door::Grants, E); 11] = [
        ("honest", few(65_536), E::MemoryLimit),
        ("start-memory", grants(), E::MemoryLimit),
        ("big-table", grants(), E::TableLimit),
        ("honest", limited(|l| l.instances = 0), E::TooComplex("parts")),
        ("loop", limited(|l| l.deadline_ms = 100), E::DeadlineExceeded),
        ("describe-loop", limited(|l| l.deadline_ms = 100), E::DeadlineExceeded),
        ("too-many", limited(|l| l.hostcall_bytes = 479_999), E::HostcallBudget),
        ("handle-flood", grants(), E::HandleLimit),
        ("recursion", limited(|l| l.stack_bytes = 64 << 10), E::StackOverflow),
        ("honest", limited(|l| l.stack_bytes = 1000), E::BadLimit("stack_bytes")),
        ("honest", limited(|l| l.component_bytes = 100), E::TooComplex("bytes")),
    ];
    for (guest, granted, expected) in cases {
        assert_eq!(common::attack(guest, granted.clone()).unwrap_err(), expected, "{guest} here");
        assert_eq!(walled(guest, granted).unwrap_err(), expected, "{guest} behind the wall");
    }
    // Just enough is enough, in both.
    for (guest, granted) in [
        ("honest", few(2 * 65_536)),
        ("too-many", limited(|l| l.hostcall_bytes = 480_000)),
        ("big-table", limited(|l| l.table_elements = 10_001_000)),
    ] {
        let (here, there) = (common::attack(guest, granted.clone()).unwrap(), walled(guest, granted).unwrap());
        assert_eq!((here.detections, here.usage.memory_bytes), (there.detections, there.usage.memory_bytes), "{guest}");
    }
    // Diagnostics: the same lines, the same bytes dropped.
    let (here, there) = (common::attack("log-flood", grants()).unwrap(), walled("log-flood", grants()).unwrap());
    assert_eq!((here.log, here.log_dropped), (there.log, there.log_dropped));
    // The frame's own size.
    let mut runner = wall("honest", grants()).unwrap().runner().unwrap();
    assert_eq!(runner.detect(&frame(1281, 10)).unwrap_err(), E::FrameTooLarge);
    // Models: the bytes of the file.
    let limits = Limits { model_bytes: 1000, ..common::LIMITS };
    let refused = InferenceError::from(ModelRefusal::TooLarge);
    let here = vaern_inference::tract().load(&model, &ModelLimits { bytes: 1000, ..ModelLimits::default() });
    assert_eq!(here.err(), Some(refused.clone()));
    match wall("honest", vaern_door::Grants { limits, ..grants() }) {
        Err(WallError::Model { name, source }) => assert_eq!((name.as_str(), source), ("container", refused)),
        other => panic!("{:?}", other.err()),
    }
}

#[test]
fn sbx_26n_the_zoom_budget_is_the_same_behind_the_wall() {
    let native = size(1280, 720);
    let shown = || {
        let view = NativeView::new(native, vec![7; native.rgb_bytes()].into()).unwrap();
        ReceivedFrame::new(size(640, 360), vec![5; size(640, 360).rgb_bytes()].into(), Arc::new([]), Some(view))
            .unwrap()
    };
    // 16 x 16 pixels of the frame are 32 x 32 native ones.
    for (budget, times) in [(1023, 0), (1024, 1), (4095, 3), (4096, 4)] {
        let granted = limited(|l| l.zoom_pixels = budget);
        let component = vaern_hostile::component("zoom-flood").unwrap();
        let here =
            common::load(&component, granted.clone(), common::Mean::new(None)).unwrap().detect(&shown()).unwrap();
        let there = wall("zoom-flood", granted.clone()).unwrap().runner().unwrap().detect(&shown()).unwrap();
        // Handed over by way of the slot, as the node does it.
        let (rgb, beside) = (vec![5; size(640, 360).rgb_bytes()], vec![7; native.rgb_bytes()]);
        let slotted = {
            let mut runner = wall("zoom-flood", granted).unwrap().runner().unwrap();
            let frame = runner.receive(size(640, 360), &rgb, &[], Some((native, &beside))).unwrap();
            assert!(runner.receive(size(640, 360), &rgb, &[], Some((native, &beside[1..]))).is_err());
            runner.detect(&frame).unwrap()
        };
        for answer in [here, there, slotted] {
            assert_eq!(answer.detections[0].rect.x0(), times, "{budget}");
            assert_eq!(answer.usage.zoom_pixels, u32::from(times) * 1024);
        }
    }
}

#[test]
fn sbx_26n_every_hostile_guest_ends_the_same_way_behind_the_wall() {
    // Short only for those that never end: a busy machine must not make an honest one late.
    let granted = |guest: &str| if guest.ends_with("loop") { limited(|l| l.deadline_ms = 300) } else { grants() };
    let outcome = |answer: Result<Answer, E>| answer.map(|answer| answer.detections);
    for guest in vaern_hostile::ALL {
        let (here, there) = (outcome(common::attack(guest, granted(guest))), outcome(walled(guest, granted(guest))));
        assert_eq!(here, there, "{guest}");
    }
}

#[test]
fn sbx_15n_a_worker_killed_at_any_point_loses_no_other_frame() {
    let mut settings = settings();
    settings.breaker = u32::MAX;
    let wall = Wall::build(settings, vendor("honest", grants())).unwrap();
    let mut runner = wall.runner().unwrap();
    let expected = runner.detect(&frame(640, 360)).unwrap().detections;
    let (mut kills, mut lost) = (0, 0);
    for number in 0..900_u32 {
        if number % 150 == 75 {
            let id = runner.worker_id().unwrap();
            // Some before the frame, some in the middle of it.
            let delay = Duration::from_micros(u64::from(number) * 7 % 400);
            let killer = std::thread::spawn(move || {
                std::thread::sleep(delay);
                kill(id, "KILL");
            });
            kills += 1;
            match runner.detect(&frame(640, 360)) {
                Ok(answer) => assert_eq!(answer.detections, expected),
                Err(error) => {
                    assert_eq!(error, E::WorkerLost);
                    lost += 1;
                }
            }
            killer.join().unwrap();
        } else {
            assert_eq!(runner.detect(&frame(640, 360)).unwrap().detections, expected, "{number}");
        }
    }
    let report = wall.report();
    println!("{kills} killed, {lost} frames lost, incidents {:?}, workers {}", report.incidents, report.workers);
    assert_eq!(report.incidents.get("worker_died"), Some(&kills), "each death is one incident");
    assert_eq!(lost, 0, "a frame is shown once more, and nobody killed its second worker");
}

#[test]
fn sbx_15n_a_frame_that_kills_two_workers_is_counted_and_not_shown_again() {
    let mut settings = settings();
    settings.launch.arguments = vec!["-c".into(), walls::DIES_AT_EACH_FRAME.into(), "sh".into()];
    settings.launch.program = "/bin/sh".into();
    // A worker that is no worker: the node does not take its word for anything.
    let refused = Wall::build(settings, vendor("honest", grants())).err().unwrap();
    assert!(matches!(refused, WallError::Sandbox(E::Setup(_) | E::WorkerLost)), "{refused:?}");

    // A stack of 1 MiB in a process of a few: recursion is stopped inside, so no worker is lost by it.
    let wall = wall("recursion", grants()).unwrap();
    let mut runner = wall.runner().unwrap();
    for _ in 0..3 {
        assert_eq!(runner.detect(&frame(64, 48)).unwrap_err(), E::StackOverflow);
    }
    assert!(wall.report().incidents.is_empty(), "{:?}", wall.report());
}

#[test]
fn sbx_01n_a_loop_is_ended_by_the_node_and_the_next_frame_has_a_worker() {
    let wall = wall("loop", limited(|l| l.deadline_ms = 300)).unwrap();
    let mut runner = wall.runner().unwrap();
    let first = runner.worker_id();
    for _ in 0..2 {
        assert_eq!(runner.detect(&frame(64, 48)).unwrap_err(), E::DeadlineExceeded);
    }
    assert_ne!(first, runner.worker_id());
    assert_eq!(wall.report().incidents.get("worker_overran"), Some(&2));
}

#[test]
fn sbx_21n_a_worker_that_stands_still_in_native_code_is_ended() {
    let wall = wall("honest", limited(|l| l.deadline_ms = 1000)).unwrap();
    let mut runner = wall.runner().unwrap();
    runner.detect(&frame(64, 48)).unwrap();
    // Stopped outside of any WebAssembly, as inference that does not end would be: no check in the code could see it.
    kill(runner.worker_id().unwrap(), "STOP");
    assert_eq!(runner.detect(&frame(64, 48)).unwrap_err(), E::DeadlineExceeded);
    assert_eq!(runner.detect(&frame(64, 48)).unwrap().detections.len(), 1);
    assert_eq!(wall.report().incidents.get("worker_overran"), Some(&1));
}

#[test]
fn sbx_19n_a_backend_that_aborts_takes_its_worker_and_nothing_else() {
    let wall = wall("honest", grants()).unwrap();
    let mut runner = wall.runner().unwrap();
    runner.detect(&frame(64, 48)).unwrap();
    for signal in ["ABRT", "KILL", "SYS"] {
        kill(runner.worker_id().unwrap(), signal);
        assert_eq!(runner.detect(&frame(64, 48)).unwrap().detections.len(), 1, "after {signal}");
    }
    let incidents = wall.report().incidents;
    assert_eq!(incidents.values().sum::<u64>(), 3, "{incidents:?}");
    assert_eq!(incidents.get("worker_forbidden_call"), Some(&1), "{incidents:?}");
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    assert!(!lock.contains("name = \"ort-tract\""), "its panics cross `extern` and abort");
}

#[test]
fn sbx_09n_a_release_that_fails_at_every_frame_is_put_in_quarantine_and_sbx_09p_others_are_not() {
    let mut settings = settings();
    settings.breaker = 4;
    let bad = Wall::build(settings.clone(), vendor("trap", grants())).unwrap();
    let good = Wall::build(settings, vendor("honest", grants())).unwrap();
    let (mut one, mut other) = (bad.runner().unwrap(), good.runner().unwrap());
    for _ in 0..4 {
        assert!(matches!(one.detect(&frame(64, 48)).unwrap_err(), E::Trap(_)));
        assert!(other.detect(&frame(64, 48)).is_ok());
    }
    assert_eq!(one.detect(&frame(64, 48)).unwrap_err(), E::Quarantined);
    assert_eq!(bad.runner().unwrap().detect(&frame(64, 48)).unwrap_err(), E::Quarantined, "in every runner of it");
    assert!(bad.report().quarantined && !good.report().quarantined);
    assert!(other.detect(&frame(64, 48)).is_ok());
}

#[test]
fn sbx_18n_a_component_that_takes_too_long_to_compile_is_refused() {
    let component = std::fs::read(root().join("plugins/prebuilt/container-classic.wasm")).unwrap();
    let settings = WallSettings { compile: Duration::from_millis(1), ..settings() };
    let mut vendor = vendor("honest", grants());
    vendor.component = component;
    let refused = Wall::build(settings, vendor).err().unwrap();
    assert!(matches!(refused, WallError::Sandbox(E::CompileBudget)), "{refused:?}");
}

#[test]
fn sbx_14n_what_one_plugin_does_changes_nothing_for_another() {
    let answers = |with_others: bool| {
        let good = wall("pixels", grants()).unwrap();
        let others: Vec<_> = if with_others {
            ["loop", "memory", "trap"].map(|g| wall(g, limited(|l| l.deadline_ms = 200)).unwrap()).into()
        } else {
            vec![]
        };
        std::thread::scope(|scope| {
            for other in &others {
                let mut runner = other.runner().unwrap();
                scope.spawn(move || (0..5).for_each(|_| drop(runner.detect(&frame(64, 48)))));
            }
            let mut runner = good.runner().unwrap();
            (0..30).map(|n| runner.detect(&frame(64 + n, 48)).unwrap().detections).collect::<Vec<_>>()
        })
    };
    assert_eq!(answers(false), answers(true));
}

#[test]
fn sbx_13n_exf_11n_nothing_of_a_frame_is_left_for_the_next_behind_the_wall() {
    let mut runner = wall("remembers", grants()).unwrap().runner().unwrap();
    let answers: Vec<_> = (0..4).map(|_| runner.detect(&frame(64, 64)).unwrap().detections).collect();
    assert!(answers.iter().all(|a| a == &answers[0]), "{answers:?}");
}

#[test]
fn sbx_31n_the_same_frame_gives_the_same_bytes_in_every_process_thread_and_run() {
    let component = std::fs::read(root().join("plugins/prebuilt/container-model.wasm")).unwrap();
    let model = std::fs::read(root().join("models/container.onnx")).unwrap();
    let granted = walls::container_model_grants();
    let loaded = vaern_inference::tract().load(&model, &ModelLimits::default()).unwrap();
    let engine = vaern_sandbox::Engine::new().unwrap();
    let compiled = engine.compile(&component, &granted.limits).unwrap();
    let models = BTreeMap::from([(vaern_door::Name::new("container").unwrap(), loaded)]);
    let mut here = InProcess::new(&engine, &compiled, Arc::new(granted.clone()), models).unwrap();
    // A frame without an answer shows nothing: the first drawn street in which the plugin sees something.
    let seen = (9_000_000..9_000_040).find_map(|seed| {
        let rgb: Arc<[u8]> = vaern_scenes::sample(seed, (1280, 720)).unwrap().rgb.into();
        let frame = ReceivedFrame::new(size(1280, 720), rgb, Arc::new([]), None).unwrap();
        let found = here.detect(&frame).unwrap().detections;
        (!found.is_empty()).then_some((frame, found))
    });
    let (frame, expected) = seen.expect("a street with a container among forty");
    let mut vendor = vendor("honest", granted);
    vendor.component = component;
    let wall = Wall::build(settings(), vendor).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let mut runner = wall.runner().unwrap();
            let (frame, expected) = (&frame, &expected);
            scope.spawn(move || (0..2).for_each(|_| assert_eq!(&runner.detect(frame).unwrap().detections, expected)));
        }
    });
}

#[test]
fn a_frame_lies_in_the_slot_and_an_older_one_is_not_written_over() {
    let wall = wall("pixels", grants()).unwrap();
    let mut runner = wall.runner().unwrap();
    let rgb = |v: u8| vec![v; size(64, 48).rgb_bytes()];
    let masked = [Rect::new(0, 0, 8, 8).unwrap()];
    let first = runner.receive(size(64, 48), &rgb(1), &masked, None).unwrap();
    let second = runner.receive(size(64, 48), &rgb(2), &[], None).unwrap();
    assert_eq!((first.rgb(), second.rgb()), (&rgb(1)[..], &rgb(2)[..]), "each keeps its pixels while it lives");
    assert_eq!(first.masked(), masked);
    for frame in [&first, &second, &first] {
        assert_eq!(runner.detect(frame).unwrap().detections.len(), 1);
    }
    assert!(runner.receive(size(64, 48), &rgb(1)[1..], &[], None).is_err());
}

#[test]
fn sbx_30n_a_wall_that_lacks_a_part_is_refused_or_named() {
    // A worker that inherits an environment lacks one part: the smallest hole that a test can make.
    let mut settings = settings();
    settings.launch.program = "/usr/bin/env".into();
    settings.launch.arguments = vec!["LEFT=over".into(), env!("CARGO_BIN_EXE_vaern").into(), "worker".into()];
    let refused = Wall::build(settings.clone(), vendor("honest", grants())).err().unwrap();
    assert!(matches!(refused, WallError::Sandbox(E::WallIncomplete("empty_environment"))), "{refused:?}");
    settings.accept_weaker = true;
    let weaker = Wall::build(settings, vendor("honest", grants())).unwrap();
    assert_eq!(weaker.report().missing, [Protection::EmptyEnvironment]);
    assert!(weaker.runner().unwrap().detect(&frame(64, 48)).is_ok());
    assert_eq!(launch().arguments, ["worker"]);
}

#[test]
fn sbx_30p_onnx_runtime_works_behind_the_wall_and_agrees_with_itself() {
    let Some(library) = std::env::var_os("ORT_DYLIB_PATH") else {
        return walls::skip("sbx_30p: ORT_DYLIB_PATH names no ONNX Runtime");
    };
    let component = std::fs::read(root().join("plugins/prebuilt/container-model.wasm")).unwrap();
    let mut vendor = vendor("honest", walls::container_model_grants());
    vendor.component = component;
    let mut settings = settings();
    settings.launch.runtime = Some(library.into());
    let wall = Wall::build(settings, vendor).unwrap();
    assert_eq!(wall.report().in_force, Protection::ALL);
    let rgb: Arc<[u8]> = vaern_scenes::sample(9_000_001, (1280, 720)).unwrap().rgb.into();
    let frame = ReceivedFrame::new(size(1280, 720), rgb, Arc::new([]), None).unwrap();
    let mut runner = wall.runner().unwrap();
    let first = runner.detect(&frame).unwrap().detections;
    assert_eq!(runner.detect(&frame).unwrap().detections, first);
    assert_eq!(wall.runner().unwrap().detect(&frame).unwrap().detections, first, "in another process");
    assert!(wall.report().incidents.is_empty(), "{:?}", wall.report());
}
