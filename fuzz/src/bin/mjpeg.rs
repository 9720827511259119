//! Any bytes through the target of this name in `targets`.
#![no_main]

#[path = "../../../host/privacy/tests/targets/mod.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::run("mjpeg", data));
