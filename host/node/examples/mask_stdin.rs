//! Masks the pictures named on standard input, one path a line, and says for each how long the stages took.
//!
//! `cargo run --release -p vaern-node --example mask_stdin -- --models DIR [--runtime LIBONNXRUNTIME] [--out DIR] [--with 'old=>new']`
//!
//! One line of JSON for each picture, in milliseconds; `encode` is a whole JPEG of the masked frame in full resolution, written
//! to `--out` where given. One thread, so that a race against another tool on one core compares the same thing:
//! `conformance-tests/peers/against_deface.py race` drives this program.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a measurement, not a library")]

mod real_gate;

use std::io::{BufRead as _, Write as _};
use std::path::Path;
use std::time::Instant;

use jiff::Timestamp;
use real_gate::{backend, gate, option};
use vaern_privacy::Capture;

fn main() {
    let models = option("--models").expect("--models DIR");
    let out = option("--out");
    let backend = backend();
    let gate = gate(&models, backend.as_ref());
    println!("{}", serde_json::json!({ "ready": backend.name().as_str() }));
    for line in std::io::stdin().lock().lines() {
        let path = line.unwrap();
        let start = Instant::now();
        let bytes = std::fs::read(&path).unwrap();
        let ms = |d: std::time::Duration| d.as_secs_f64() * 1e3;
        let answer = match gate.admit(Capture::unlocated(bytes), Timestamp::now()) {
            Ok(admitted) => {
                let at = Instant::now();
                let jpeg = admitted.frame.encode_jpeg(90).unwrap();
                if let Some(out) = &out {
                    let name = Path::new(&path).with_extension("jpg");
                    std::fs::write(Path::new(out).join(name.file_name().unwrap()), &jpeg).unwrap();
                }
                let t = admitted.times;
                serde_json::json!({
                    "masked": admitted.receipt.masked_fraction, "searches": admitted.receipt.searched_tiles,
                    "locate": ms(t.locate), "decode": ms(t.decode), "detect": ms(t.detect), "mask": ms(t.mask),
                    "encode": ms(at.elapsed()), "whole": ms(start.elapsed()),
                })
            }
            Err(refusal) => serde_json::json!({ "refused": refusal.to_string(), "whole": ms(start.elapsed()) }),
        };
        println!("{answer}");
        std::io::stdout().flush().unwrap();
    }
}
