//! Hostile guests against the limits. Each attack has its honest neighbour in the same test or beside it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod common;

use std::time::{Duration, Instant};

use common::{LIMITS, Mean, attack, frame, grants, limited, load, with};
use vaern_door::{Blame, Interface};
use vaern_sandbox::{Engine, Feature, Runner, SandboxError as E, TrapKind, admit};

#[test]
fn sbx_00p_the_honest_guest_is_heard() {
    let answer = attack("honest", with(&[])).unwrap();
    assert_eq!(answer.detections.len(), 1);
    let rect = answer.detections[0].rect;
    assert_eq!((rect.width(), rect.height()), (640, 360), "it was shown the whole frame");
    assert!(answer.usage.memory_bytes > 0 && answer.usage.wall > Duration::ZERO);
}

fn late(name: &str) -> Duration {
    let granted = limited(|l| l.deadline_ms = 150);
    let component = vaern_hostile::component(name).unwrap();
    let engine = Engine::new().unwrap();
    let compiled = engine.compile(&component, &granted.limits).unwrap();
    let begun = Instant::now();
    let models = common::models(Mean::new(None));
    let outcome = vaern_sandbox::InProcess::new(&engine, &compiled, granted.into(), models)
        .and_then(|mut runner| runner.detect(&frame(64, 64)));
    assert_eq!(outcome.unwrap_err(), E::DeadlineExceeded, "{name}");
    begun.elapsed()
}

#[test]
fn sbx_01n_an_endless_loop_is_stopped() {
    for name in ["loop", "describe-loop"] {
        let took = late(name);
        // 150 ms and two ticks by the contract; the rest is a busy test machine.
        assert!(took >= Duration::from_millis(150) && took < Duration::from_secs(3), "{name}: {took:?}");
    }
}

#[test]
fn sbx_05n_limits_hold_before_the_first_call() {
    assert!(late("start-loop") < Duration::from_secs(3));
    assert_eq!(attack("start-memory", grants()).unwrap_err(), E::MemoryLimit);
}

#[test]
fn sbx_02n_memory_ends_at_the_grant() {
    for mib in [8, 20] {
        let answer = attack("memory", limited(|l| l.memory_bytes = mib << 20)).unwrap();
        // It reports how many whole MiB it got; two pages are its own from the start.
        let got = u64::from(answer.detections[0].rect.x0());
        assert!(got == mib || got == mib - 1, "{got} of {mib}");
        assert!(answer.usage.memory_bytes <= mib << 20);
    }
    assert_eq!(attack("honest", limited(|l| l.memory_bytes = 65_536)).unwrap_err(), E::MemoryLimit, "one page too few");
    assert!(attack("honest", limited(|l| l.memory_bytes = 2 * 65_536)).is_ok(), "just enough");
}

#[test]
fn sbx_03n_tables_end_at_the_grant() {
    assert_eq!(attack("big-table", grants()).unwrap_err(), E::TableLimit);
    assert!(attack("big-table", limited(|l| l.table_elements = 10_001_000)).is_ok());
}

#[test]
fn sbx_04n_recursion_ends_at_the_stack() {
    assert_eq!(attack("recursion", grants()).unwrap_err(), E::StackOverflow);
    assert_eq!(attack("recursion", limited(|l| l.stack_bytes = 64 << 10)).unwrap_err(), E::StackOverflow);
    assert!(attack("honest", limited(|l| l.stack_bytes = 64 << 10)).is_ok());
    for bytes in [0, 1000, 8 << 20] {
        let refused = attack("honest", limited(|l| l.stack_bytes = bytes)).unwrap_err();
        assert_eq!(refused, E::BadLimit("stack_bytes"));
        assert_eq!(refused.blame(), Blame::Policy);
    }
}

#[test]
fn sbx_06n_handles_end_at_the_grant() {
    assert_eq!(attack("handle-flood", grants()).unwrap_err(), E::HandleLimit);
}

#[test]
fn sbx_07n_what_one_call_carries_is_bounded() {
    for name in ["giant-result", "giant-label"] {
        assert_eq!(attack(name, grants()).unwrap_err(), E::HostcallBudget, "{name}");
    }
    // 40,000 boxes of 12 bytes: 480,000 bytes fit, one byte less does not.
    assert!(attack("too-many", limited(|l| l.hostcall_bytes = 480_000)).is_ok());
    assert_eq!(attack("too-many", limited(|l| l.hostcall_bytes = 479_999)).unwrap_err(), E::HostcallBudget);
}

#[test]
fn exf_04n_too_many_boxes_are_capped() {
    let granted = grants();
    let answer = attack("too-many", granted.clone()).unwrap();
    assert_eq!(answer.detections.len(), 40_000);
    let admitted = admit(&answer.detections, common::size(640, 360), &[], &granted.labels, &granted.output);
    assert!(admitted.detections.len() <= 64 && admitted.bits <= granted.output.bits_per_frame);
}

#[test]
fn sbx_10n_imports_outside_the_door_are_refused_by_name() {
    let engine = Engine::new().unwrap();
    let refused = engine.compile(&vaern_hostile::component("wasi").unwrap(), &LIMITS).err().unwrap();
    assert_eq!(refused, E::ImportNotGranted { name: "wasi:filesystem/preopens@0.2.0".into() });
    assert_eq!((refused.blame(), refused.krav().0), (Blame::Vendor, "LEV-06"));
}

#[test]
fn sbx_10n_imports_behind_the_door_need_their_grant() {
    let cases = [
        ("pixels", Interface::Pixels, "tmf:vision/frames@0.1.0#[method]frame.rows"),
        ("handle-flood", Interface::Models, "tmf:vision/models@0.1.0#open"),
    ];
    for (guest, interface, import) in cases {
        let component = vaern_hostile::component(guest).unwrap();
        let others: Vec<Interface> = grants().interfaces.into_iter().filter(|i| *i != interface).collect();
        let refused = load(&component, with(&others), Mean::new(None)).err();
        assert_eq!(refused, Some(E::ImportNotGranted { name: import.into() }));
        assert!(load(&component, with(&[interface]), Mean::new(None)).is_ok(), "sbx_10p {guest}");
    }
}

#[test]
fn sbx_11n_text_that_is_no_utf8_is_refused() {
    assert_eq!(attack("bad-utf8", grants()).unwrap_err(), E::InvalidString);
}

#[test]
fn sbx_12n_forged_and_spent_handles_are_refused() {
    for name in ["forged-handle", "used-after-drop", "kept-borrow"] {
        assert_eq!(attack(name, grants()).unwrap_err(), E::BadHandle, "{name}");
    }
}

#[test]
fn sbx_28n_values_that_are_not_valid_are_refused() {
    let invalid = [
        "bad-discriminant",
        "bad-error",
        "bad-list-pointer",
        "bad-result-pointer",
        "list-length-overflow",
        "unaligned-list",
        "empty-box",
        "wrapping-box",
    ];
    for name in invalid {
        let refused = attack(name, grants()).unwrap_err();
        assert_eq!(refused, E::InvalidResult, "{name}");
        assert_eq!(refused.blame(), Blame::Vendor);
    }
}

#[test]
fn sbx_28n_a_lying_allocator_is_refused() {
    let refused = attack("bad-realloc", grants()).unwrap_err();
    assert!(matches!(refused, E::InvalidResult | E::PluginFailed(_)), "{refused:?}");
}

#[test]
fn sbx_29n_features_that_are_switched_off_are_named() {
    let engine = Engine::new().unwrap();
    for (name, feature) in [("relaxed-simd", Feature::RelaxedSimd), ("multi-memory", Feature::MultiMemory)] {
        let refused = engine.compile(&vaern_hostile::component(name).unwrap(), &LIMITS).err();
        assert_eq!(refused, Some(E::FeatureNotAllowed(feature)), "{name}");
    }
}

#[test]
fn sbx_08n_a_guest_cannot_call_back_while_it_is_being_served() {
    assert_eq!(attack("reenter", grants()).unwrap_err(), E::Reentrancy);
    assert!(attack("pixels", grants()).is_ok(), "sbx_08p: the same row, without the call");
}

#[test]
fn sbx_25n_nothing_is_called_in_a_store_after_it_was_stopped() {
    // An instance stays callable after this error, so only dropping its store ends it: the next frame starts from nothing.
    let granted = limited(|l| l.hostcall_bytes = 1024);
    let mut runner = load(&vaern_hostile::component("giant-result").unwrap(), granted, Mean::new(None)).unwrap();
    for _ in 0..3 {
        assert_eq!(runner.detect(&frame(64, 64)).unwrap_err(), E::HostcallBudget);
    }
}

#[test]
fn sbx_31p_cost_is_the_same_number_each_time_and_work_costs() {
    let engine = Engine::metered().unwrap();
    let fuel = |guest: &str, w| {
        let granted = std::sync::Arc::new(grants());
        let compiled = engine.compile(&vaern_hostile::component(guest).unwrap(), &granted.limits).unwrap();
        let models = common::models(Mean::new(None));
        let mut runner = vaern_sandbox::InProcess::new(&engine, &compiled, granted, models).unwrap();
        runner.detect(&frame(w, 64)).unwrap().usage.fuel.unwrap()
    };
    assert_eq!(fuel("honest", 64), fuel("honest", 64));
    assert_eq!(fuel("honest", 64), fuel("honest", 640), "the host's copying is not the guest's cost");
    assert!(fuel("too-many", 64) > fuel("honest", 64) * 10);
    assert_eq!(attack("honest", grants()).unwrap().usage.fuel, None, "only where it is counted");
}

#[test]
fn sbx_01n_a_loop_ends_in_the_metered_engine_too() {
    let granted = limited(|l| l.deadline_ms = 50);
    let engine = Engine::metered().unwrap();
    let compiled = engine.compile(&vaern_hostile::component("loop").unwrap(), &granted.limits).unwrap();
    let models = common::models(Mean::new(None));
    let mut runner = vaern_sandbox::InProcess::new(&engine, &compiled, granted.into(), models).unwrap();
    assert_eq!(runner.detect(&frame(64, 64)).unwrap_err(), E::DeadlineExceeded);
}

#[test]
fn sbx_09n_a_trap_ends_one_frame_only() {
    let component = vaern_hostile::component("trap").unwrap();
    let mut runner = load(&component, grants(), Mean::new(None)).unwrap();
    for _ in 0..3 {
        assert_eq!(
            runner.detect(&frame(64, 64)).unwrap_err(),
            E::Trap(TrapKind::Unreachable),
            "a store of its own each"
        );
    }
}

#[test]
fn exf_11n_nothing_is_remembered() {
    let component = vaern_hostile::component("remembers").unwrap();
    let mut runner = load(&component, grants(), Mean::new(None)).unwrap();
    let answers: Vec<_> = (0..4).map(|_| runner.detect(&frame(64, 64)).unwrap().detections).collect();
    assert!(answers.iter().all(|a| a == &answers[0]), "{answers:?}");
    assert_eq!(answers[0][0].rect.x0(), 1);
}

#[test]
fn sbx_22n_stopping_one_plugin_leaves_the_others_alone() {
    let engine = Engine::new().unwrap();
    let prepare = |name: &str, ms| {
        let granted = limited(|l| l.deadline_ms = ms);
        let compiled = engine.compile(&vaern_hostile::component(name).unwrap(), &granted.limits).unwrap();
        vaern_sandbox::InProcess::new(&engine, &compiled, granted.into(), common::models(Mean::new(None))).unwrap()
    };
    let (mut bad, mut good) = (prepare("loop", 20), prepare("honest", 5000));
    let storm = std::thread::spawn(move || {
        for _ in 0..5 {
            assert_eq!(bad.detect(&frame(64, 64)).unwrap_err(), E::DeadlineExceeded);
        }
    });
    let mut frames = 0;
    while !storm.is_finished() {
        assert_eq!(good.detect(&frame(64, 64)).unwrap().detections.len(), 1);
        frames += 1;
    }
    storm.join().unwrap();
    assert!(frames > 0);
}

#[test]
fn exf_06n_diagnostics_are_bounded_and_silent_without_a_grant() {
    let loud = attack("log-flood", grants()).unwrap();
    let kept: usize = loud.log.iter().map(|l| l.text.len()).sum();
    assert_eq!(kept, 96, "six lines of 16 bytes fit into 100");
    assert_eq!(loud.log_dropped, 160_000 - 96);
    let silent = attack("log-flood", with(&[])).unwrap();
    assert!(silent.log.is_empty() && silent.log_dropped == 0);
    assert_eq!(silent.detections, loud.detections);
}

#[test]
fn exf_13n_boxes_and_labels_that_do_not_exist_do_not_leave() {
    let granted = grants();
    let admitted = |name| {
        let raw = attack(name, granted.clone()).unwrap().detections;
        admit(&raw, common::size(640, 360), &[], &granted.labels, &granted.output)
    };
    assert_eq!(admitted("outside-frame").dropped.outside_frame, 1);
    assert_eq!(admitted("unknown-label").dropped.unknown_label, 1);
    assert_eq!(admitted("honest").detections.len(), 1);
}

#[test]
fn sbx_18n_oversized_and_foreign_files_are_refused() {
    let engine = Engine::new().unwrap();
    let honest = vaern_hostile::component("honest").unwrap();
    let length = honest.len() as u64;
    let refused = |bytes: &[u8], l: &vaern_door::Limits| engine.compile(bytes, l).err();
    let tight = vaern_door::Limits { component_bytes: length - 1, ..LIMITS };
    assert_eq!(refused(&honest, &tight), Some(E::TooComplex("bytes")));
    assert_eq!(refused(&honest, &vaern_door::Limits { component_bytes: length, ..LIMITS }), None);
    assert_eq!(refused(&honest, &vaern_door::Limits { instances: 0, ..LIMITS }), Some(E::TooComplex("parts")));
    for bytes in [&b""[..], b"\0asm\x01\0\0\0", b"PK\x03\x04", &honest[..honest.len() / 2]] {
        assert_eq!(refused(bytes, &LIMITS), Some(E::NotAComponent));
    }
    let module = vaern_hostile::module("honest").unwrap();
    assert_eq!(refused(&module, &LIMITS), Some(E::NotAComponent), "a core module is no component");
}

#[test]
fn sbx_28n_flipped_bits_never_upset_the_host() {
    let engine = Engine::new().unwrap();
    let honest = vaern_hostile::component("honest").unwrap();
    let (mut refused, mut compiled) = (0, 0);
    for at in (0..honest.len()).step_by(honest.len() / 120) {
        let mut bytes = honest.clone();
        bytes[at] ^= 1 << (at % 8);
        match engine.compile(&bytes, &LIMITS) {
            Err(error) => {
                assert_ne!(error, E::HostPanic, "byte {at}");
                refused += 1;
            }
            Ok(_) => compiled += 1,
        }
    }
    println!("{refused} refused, {compiled} compiled");
    assert!(refused > 0);
}
