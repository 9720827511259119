//! Where the time goes until a model can run in tract, step by step.
//! `cargo run --release -p vaern-inference --example load -- models/container.onnx`
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "an example that measures: it stops where something is wrong"
)]

use std::time::Instant;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::optim::Optimizer;
use vaern_inference::{Backend as _, ModelLimits};

const RUNS: usize = 25;

/// Times of each step, in the order in which they were first taken.
struct Laps(Vec<(&'static str, Vec<f64>)>);

impl Laps {
    fn of<T>(&mut self, what: &'static str, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let made = work();
        let took = begun.elapsed().as_secs_f64() * 1e3;
        match self.0.iter_mut().find(|(known, _)| *known == what) {
            Some((_, times)) => times.push(took),
            None => self.0.push((what, vec![took])),
        }
        made
    }
}

fn main() {
    let path = std::env::args().nth(1).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let mut laps = Laps(vec![]);
    for _ in 0..RUNS {
        let onnx = laps.of("list of operators", tract_onnx::onnx);
        let proto = laps.of("read the protobuf", || onnx.proto_model_for_read(&mut &*bytes).unwrap());
        let parsed = laps.of("build the graph", || onnx.model_for_proto_model(&proto).unwrap());
        let mut model = laps.of("infer types and shapes", || parsed.into_typed().unwrap());
        laps.of("declutter", || model.declutter().unwrap());
        laps.of("choose kernels, pack weights", || Optimizer::codegen().optimize(&mut model).unwrap());
        laps.of("order the steps", || model.into_runnable().unwrap());
        laps.of("all of it, with this crate's own check", || {
            vaern_inference::tract().load(&bytes, &ModelLimits::default()).unwrap()
        });
    }
    println!(
        "{path}, {} KiB\n{:<42} {:>7} {:>7} {:>7}  ms, of {RUNS}",
        bytes.len() >> 10,
        "",
        "least",
        "median",
        "most"
    );
    for (what, mut times) in laps.0 {
        times.sort_by(f64::total_cmp);
        println!("{what:<42} {:>7.2} {:>7.2} {:>7.2}", times[0], times[RUNS / 2], times[RUNS - 1]);
    }
}
