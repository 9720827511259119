//! What comes through the door: pixels, strips, tensors, zoom and models, as a guest sees them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use common::{Mean, frame, grants, limited, load, size, spec};
use vaern_door::{Blame, Detection, Label};
use vaern_inference::{BackendName, InferenceError, Model, Tensor, TensorInfo, prepare};
use vaern_sandbox::{Engine, Mismatch, NativeView, ReceivedFrame, Runner, SandboxError as E};

const FRAMES: &str = "tmf:vision/frames@0.1.0";
const MODELS: &str = "tmf:vision/models@0.1.0";

/// A guest that answers with one detection whose place is the two numbers that `detect` leaves on the stack.
fn guest(imports: &[(&str, &str, &str)], detect: &str) -> Vec<u8> {
    let imports: String = imports
        .iter()
        .enumerate()
        .map(|(i, (module, name, params))| format!("(import \"{module}\" \"{name}\" (func $f{i} (param {params})))\n"))
        .collect();
    let text = format!(
        r#"(module
  {imports}
  (import "{FRAMES}" "[resource-drop]frame" (func $drop (param i32)))
  (memory (export "memory") 2)
  (data (i32.const 16) "affaldscontainer")
  (data (i32.const 32) "container")
  (data (i32.const 48) "\10\00\00\00\10\00\00\00")
  (data (i32.const 64) "\30\00\00\00\01\00\00\00\00\05\d0\02")
  (global $heap (mut i32) (i32.const 8192))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
    (global.set $heap (i32.add (local.get $at) (local.get 3)))
    (block $enough (loop $more
      (br_if $enough (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
      (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))
      unreachable))
    (local.get $at))
  (func (export "tmf:vision/plugin@0.1.0#describe") (result i32) (i32.const 64))
  (func $look (param $frame i32) (result i32 i32) (local $n i32) {detect})
  (func (export "tmf:vision/plugin@0.1.0#detect") (param $frame i32) (result i32)
    (local $x i32) (local $y i32)
    (call $look (local.get $frame))
    (local.set $y) (local.set $x)
    (i32.store16 (i32.const 128) (i32.const 0))
    (i32.store16 (i32.const 130) (local.get $x))
    (i32.store16 (i32.const 132) (local.get $y))
    (i32.store16 (i32.const 134) (i32.const 1))
    (i32.store16 (i32.const 136) (i32.const 1))
    (i32.store8 (i32.const 138) (i32.const 200))
    (i32.store8 (i32.const 96) (i32.const 0))
    (i32.store (i32.const 100) (i32.const 128))
    (i32.store (i32.const 104) (i32.const 1))
    (call $drop (local.get $frame))
    (i32.const 96)))"#
    );
    vaern_hostile::component_of(&text).unwrap()
}

/// The two numbers of an answer.
fn numbers(detections: &[Detection]) -> (u16, u16) {
    assert_eq!(detections.len(), 1);
    (detections[0].rect.x0(), detections[0].rect.y0())
}

fn ask(component: &[u8], frame: &ReceivedFrame) -> (u16, u16) {
    numbers(&load(component, grants(), Mean::new(None)).unwrap().detect(frame).unwrap().detections)
}

/// Leaves the tag of a result and its error code on the stack.
const TAG_AND_ERROR: &str = "(i32.load8_u (i32.const 1024)) (i32.load8_u (i32.const 1028))";

#[test]
fn min_05p_pixels_arrive_as_they_are() {
    let shown = frame(64, 48);
    let pixels = guest(
        &[(FRAMES, "[method]frame.pixels", "i32 i32")],
        "(call $f0 (local.get $frame) (i32.const 1024))
         (if (i32.load8_u (i32.const 1024)) (then unreachable))
         (i32.load (i32.const 1032))
         (i32.load8_u (i32.add (i32.load (i32.const 1028)) (i32.const 9215)))",
    );
    assert_eq!(ask(&pixels, &shown), (9216, u16::from(shown.rgb()[9215])));
}

#[test]
fn exf_19n_rows_outside_the_frame_are_refused() {
    let rows = |y: u16, count: u16, leave: &str| {
        let detect =
            format!("(call $f0 (local.get $frame) (i32.const {y}) (i32.const {count}) (i32.const 1024)) {leave}");
        ask(&guest(&[(FRAMES, "[method]frame.rows", "i32 i32 i32 i32")], &detect), &frame(64, 48))
    };
    let length_and_first = "(i32.load (i32.const 1032)) (i32.load8_u (i32.load (i32.const 1028)))";
    assert_eq!(rows(10, 2, length_and_first), (384, u16::from(frame(64, 48).rgb()[1920])));
    for (y, count) in [(47, 2), (48, 1), (0, 0), (65535, 1), (1, 65535)] {
        assert_eq!(rows(y, count, TAG_AND_ERROR), (1, 1), "out-of-bounds for {y}+{count}");
    }
}

fn tensor_call(width: u16) -> String {
    format!(
        "(call $f0 (local.get $frame) (i32.const {width}) (i32.const 32) (i32.const 1) (i32.const 1) (i32.const 0)
           (i32.const 1024))"
    )
}

#[test]
fn exf_19n_only_declared_tensors_are_made() {
    let import = [(FRAMES, "[method]frame.tensor", "i32 i32 i32 i32 i32 i32 i32")];
    let shown = frame(64, 48);
    let expected = prepare(shown.rgb(), shown.size(), &spec()).unwrap();
    let honest = tensor_call(32)
        + "(i32.load (i32.const 1040))
           (i32.trunc_f32_u (f32.mul (f32.load (i32.add (i32.load (i32.const 1036)) (i32.const 400))) (f32.const 10000)))";
    let (values, sample) = ask(&guest(&import, &honest), &shown);
    assert_eq!(values, 3 * 32 * 32);
    assert_eq!(sample, (expected.data()[100] * 10000.0) as u16);
    let undeclared = tensor_call(33) + TAG_AND_ERROR;
    assert_eq!(ask(&guest(&import, &undeclared), &shown), (1, 2), "undeclared-spec");
}

#[test]
fn exf_19n_zoom_is_charged_to_its_budget() {
    let native: Vec<u8> = (0..size(128, 96).rgb_bytes()).map(|i| (i % 241) as u8).collect();
    let view = NativeView::new(size(128, 96), native.clone().into()).unwrap();
    let flat = frame(64, 48);
    let shown = ReceivedFrame::new(flat.size(), flat.rgb().into(), Arc::new([]), Some(view)).unwrap();
    let import = [(FRAMES, "[method]frame.zoom", "i32 i32 i32 i32 i32 i32")];
    let zoom = |x: u16, side: u16| {
        format!(
            "(call $f0 (local.get $frame) (i32.const {x}) (i32.const 4) (i32.const {side}) (i32.const {side})
               (i32.const 1024))"
        )
    };
    // 8 x 8 pixels are 16 x 16 native ones, and 1000 are granted: three times, then no more.
    let greedy = format!(
        "(loop $next {} (if (i32.eqz (i32.load8_u (i32.const 1024)))
           (then (local.set $n (i32.add (local.get $n) (i32.const 1))) (br $next))))
         (local.get $n) (i32.load8_u (i32.const 1028))",
        zoom(0, 8)
    );
    let mut runner = load(&guest(&import, &greedy), grants(), Mean::new(None)).unwrap();
    for _ in 0..2 {
        let answer = runner.detect(&shown).unwrap();
        assert_eq!(numbers(&answer.detections), (3, 3), "a budget for each frame");
        assert_eq!(answer.usage.zoom_pixels, 768);
    }
    let honest = zoom(6, 8) + "(i32.load16_u (i32.const 1028)) (i32.load8_u (i32.load (i32.const 1032)))";
    assert_eq!(ask(&guest(&import, &honest), &shown), (16, u16::from(native[(8 * 128 + 12) * 3])));
    let outside = zoom(60, 8) + TAG_AND_ERROR;
    assert_eq!(ask(&guest(&import, &outside), &shown), (1, 1), "out-of-bounds");
}

const OPEN: (&str, &str, &str) = (MODELS, "open", "i32 i32 i32");
const INFER_FRAME: (&str, &str, &str) = (MODELS, "[method]model.infer-frame", "i32 i32 i32 i32 i32 i32 i32 i32");

fn infer_frame(width: u16) -> String {
    format!(
        "(call $f0 (i32.const 32) (i32.const 9) (i32.const 1024))
         (if (i32.load8_u (i32.const 1024)) (then unreachable))
         (call $f1 (i32.load (i32.const 1028)) (local.get $frame) (i32.const {width}) (i32.const 32) (i32.const 1)
           (i32.const 1) (i32.const 0) (i32.const 1024))"
    )
}

#[test]
fn min_05p_a_pixel_blind_plugin_gets_its_answer() {
    let shown = frame(64, 48);
    let tensor = prepare(shown.rgb(), shown.size(), &spec()).unwrap();
    let mean = tensor.data().iter().sum::<f32>() / tensor.data().len() as f32;
    let twice = infer_frame(32)
        + &infer_frame(32)
        + "(i32.load (i32.const 1032))
           (i32.trunc_f32_u (f32.mul
             (f32.load (i32.load (i32.add (i32.load (i32.const 1028)) (i32.const 8)))) (f32.const 10000)))";
    let component = guest(&[OPEN, INFER_FRAME], &twice);
    let model = Mean::new(None);
    let mut runner = load(&component, common::with(&[vaern_door::Interface::Models]), model.clone()).unwrap();
    let answer = runner.detect(&shown).unwrap();
    assert_eq!(numbers(&answer.detections), (1, (mean * 10000.0) as u16));
    assert_eq!(model.runs.load(Ordering::Relaxed), 1, "the same question about the same frame is answered once");
    runner.detect(&shown).unwrap();
    assert_eq!(model.runs.load(Ordering::Relaxed), 2, "but not remembered for the next frame");
    let undeclared = infer_frame(64) + TAG_AND_ERROR;
    assert_eq!(ask(&guest(&[OPEN, INFER_FRAME], &undeclared), &shown), (1, 3), "undeclared-spec");
}

#[test]
fn sbx_20n_models_that_fail_are_contained() {
    let component = guest(&[OPEN, INFER_FRAME], &(infer_frame(32) + TAG_AND_ERROR));
    let with_fault = |fault| load(&component, grants(), Mean::new(Some(fault))).unwrap().detect(&frame(64, 48));
    let panicked = InferenceError::Panicked { backend: BackendName::Tract };
    assert_eq!(with_fault(panicked).unwrap_err(), E::InferencePanic);
    assert_eq!(with_fault(InferenceError::Quarantined).unwrap_err(), E::InferencePanic);
    let answer = with_fault(InferenceError::NonFinite).unwrap();
    assert_eq!(numbers(&answer.detections), (1, 4), "failed");
}

#[test]
fn unknown_models_and_bad_tensors_are_refused() {
    let unknown = "(call $f0 (i32.const 16) (i32.const 8) (i32.const 1024))".to_owned() + TAG_AND_ERROR;
    assert_eq!(ask(&guest(&[OPEN], &unknown), &frame(64, 48)), (1, 1), "unknown-model");
    // One tensor of shape [2] with 3 values: the record lies at 2048.
    let lying = "(call $f0 (i32.const 32) (i32.const 9) (i32.const 1024))
         (i32.store (i32.const 2048) (i32.const 2064)) (i32.store (i32.const 2052) (i32.const 1))
         (i32.store (i32.const 2056) (i32.const 2080)) (i32.store (i32.const 2060) (i32.const 3))
         (i32.store (i32.const 2064) (i32.const 2))
         (call $f1 (i32.load (i32.const 1028)) (i32.const 2048) (i32.const 1) (i32.const 1024))"
        .to_owned()
        + TAG_AND_ERROR;
    let infer = (MODELS, "[method]model.infer", "i32 i32 i32 i32");
    assert_eq!(ask(&guest(&[OPEN, infer], &lying), &frame(64, 48)), (1, 2), "bad-input");
}

#[test]
fn sbx_13n_memory_of_the_last_frame_is_gone() {
    let sentinel = "(local.set $n (i32.load (i32.const 100000)))
        (i32.store (i32.const 100000) (i32.const 4711))
        (local.get $n) (i32.const 0)";
    let mut runner = load(&guest(&[], sentinel), grants(), Mean::new(None)).unwrap();
    for _ in 0..5 {
        assert_eq!(numbers(&runner.detect(&frame(64, 48)).unwrap().detections), (0, 0));
    }
}

#[test]
fn sbx_31p_the_same_frame_gives_the_same_answer() {
    // 0/0 and what becomes of its bits: NaN has one form inside.
    let nan = "(i32.shr_u (i32.reinterpret_f32 (f32.div (f32.const 0) (f32.const 0))) (i32.const 16)) (i32.const 0)";
    assert_eq!(ask(&guest(&[], nan), &frame(64, 48)), (0x7fc0, 0));
}

/// A model that takes its time.
struct Slow(Vec<TensorInfo>);

impl Model for Slow {
    fn inputs(&self) -> &[TensorInfo] {
        &self.0
    }
    fn outputs(&self) -> &[TensorInfo] {
        &self.0
    }
    fn run(&self, _: &[Tensor]) -> Result<Vec<Tensor>, InferenceError> {
        std::thread::sleep(Duration::from_millis(300));
        Ok(vec![Tensor::new(vec![1], vec![0.5])?])
    }
    fn backend(&self) -> BackendName {
        BackendName::Tract
    }
}

#[test]
fn sbx_16n_time_spent_in_the_host_counts() {
    let component = guest(&[OPEN, INFER_FRAME], &(infer_frame(32) + TAG_AND_ERROR));
    let run = |ms| {
        let granted = limited(|l| l.deadline_ms = ms);
        load(&component, granted, Arc::new(Slow(vec![]))).unwrap().detect(&frame(64, 48))
    };
    assert_eq!(run(100).unwrap_err(), E::DeadlineExceeded);
    assert!(run(5000).is_ok());
}

#[test]
fn sbx_24n_filling_the_heap_outlives_the_deadline_by_little() {
    let fill = "(drop (memory.grow (i32.const 480)))
        (loop $next (memory.fill (i32.const 131072) (i32.const 1) (i32.const 31457280)) (br $next)) unreachable";
    let granted = limited(|l| l.deadline_ms = 100);
    let mut runner = load(&guest(&[], fill), granted, Mean::new(None)).unwrap();
    let begun = Instant::now();
    assert_eq!(runner.detect(&frame(64, 48)).unwrap_err(), E::DeadlineExceeded);
    let took = begun.elapsed();
    println!("100 ms granted, stopped after {took:?} while filling 30 MiB");
    assert!(took < Duration::from_secs(3));
}

#[test]
fn lev_06n_a_description_that_differs_from_the_grants_is_refused() {
    let component = vaern_hostile::component("honest").unwrap();
    let refused = |grants| load(&component, grants, Mean::new(None)).err();
    assert_eq!(refused(grants()), None);
    for labels in [vec!["glascontainer"], vec![], vec!["affaldscontainer", "glascontainer"]] {
        let labels = labels.into_iter().map(|l| Label::new(l).unwrap()).collect();
        let other = vaern_door::Grants { labels, ..grants() };
        assert_eq!(refused(other), Some(E::DescriptionMismatch(Mismatch::Labels)));
    }
    let larger = vaern_door::Grants { frame: size(1281, 720), ..grants() };
    assert_eq!(refused(larger), Some(E::DescriptionMismatch(Mismatch::Frame)));
    let smaller = vaern_door::Grants { frame: size(640, 360), ..grants() };
    assert_eq!(refused(smaller), None, "less than it wants is fine");
}

#[test]
fn min_05n_no_frame_larger_than_granted() {
    let component = vaern_hostile::component("honest").unwrap();
    let mut runner = load(&component, grants(), Mean::new(None)).unwrap();
    let refused = runner.detect(&frame(1281, 10)).unwrap_err();
    assert_eq!((refused.clone(), refused.blame()), (E::FrameTooLarge, Blame::Host));
    assert!(runner.detect(&frame(1280, 720)).is_ok());
}

#[test]
fn sbx_23n_code_of_another_engine_is_not_run() {
    let component = vaern_hostile::component("honest").unwrap();
    let (one, other) = (Engine::new().unwrap(), Engine::new().unwrap());
    let granted = Arc::new(grants());
    let compiled = one.compile(&component, &granted.limits).unwrap();
    let models = || common::models(Mean::new(None));
    let refused = vaern_sandbox::InProcess::new(&other, &compiled, granted.clone(), models()).err();
    assert!(matches!(refused, Some(E::Setup(_))));
    assert!(vaern_sandbox::InProcess::new(&one, &compiled, granted, models()).is_ok());
}

#[test]
fn a_missing_model_is_refused_at_load() {
    let component = vaern_hostile::component("handle-flood").unwrap();
    let engine = Engine::new().unwrap();
    let compiled = engine.compile(&component, &common::LIMITS).unwrap();
    let refused = vaern_sandbox::InProcess::new(&engine, &compiled, Arc::new(grants()), Default::default()).err();
    assert_eq!(refused, Some(E::ModelMissing));
}
