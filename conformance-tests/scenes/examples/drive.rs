//! Writes a drive to a folder: frames, `track.gpx` and `truth.json`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a tool: it stops at the first fault")]

use std::fs;
use std::path::PathBuf;

use vaern_scenes::Drive;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [out, frames, seed, size] = args.as_slice() else { panic!("usage: drive OUT FRAMES SEED WxH") };
    let out = PathBuf::from(out);
    let (w, h) = size.split_once('x').expect("WxH");
    let size = (w.parse().expect("width"), h.parse().expect("height"));
    fs::create_dir_all(&out).expect("create the folder");
    let drive = Drive::generate(seed.parse().expect("seed"), frames.parse().expect("frames"), size);
    fs::write(out.join("track.gpx"), drive.gpx()).expect("write the track");
    let mut truth = Vec::new();
    for frame in drive {
        let frame = frame.expect("a frame");
        fs::write(out.join(&frame.truth.name), &frame.jpeg).expect("write a frame");
        truth.push(frame.truth);
    }
    fs::write(out.join("truth.json"), serde_json::to_vec(&truth).expect("json")).expect("write the truth");
}
