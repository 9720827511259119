//! deep: memory and time per frame over a hundred thousand frames
//!
//! Memory and time per frame over a long run: both must stay where they are.
//!
//! `cargo run --release -p vaern-node --example steady -- [--frames 100000] [--size 160x120] [--runtime LIBONNXRUNTIME]`
//!
//! Drawn scenes, each file different, with positions along a drive, through the whole gate with the embedded detector. Printed ten times:
//! frames so far, resident memory of the process, and milliseconds per frame since the line before. Linux only: memory comes from `/proc`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a measurement, not a library")]

mod real_gate;

use std::path::Path;
use std::time::Instant;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use jiff::{SignedDuration, Timestamp};
use real_gate::{backend, option};
use vaern_door::Name;
use vaern_node::gate;
use vaern_node::store::ModelStore;
use vaern_policy::PolicySet;
use vaern_privacy::{Capture, Position};
use vaern_scenes::{encode_jpeg, sample};

/// Different scenes; the files differ in every frame.
const SCENES: u64 = 32;

fn main() {
    let frames: u64 = option("--frames").map_or(100_000, |v| v.parse().unwrap());
    let size = option("--size").map_or((160, 120), |v| {
        let (w, h) = v.split_once('x').unwrap();
        (w.parse().unwrap(), h.parse().unwrap())
    });
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    let set = PolicySet::load(&Dir::open_ambient_dir(policies, ambient_authority()).unwrap(), None).unwrap();
    let backend = backend();
    let gate = gate::build(&set, &ModelStore::new(None), backend.as_ref()).unwrap().gate;
    let scenes: Vec<Vec<u8>> = (0..SCENES)
        .map(|seed| encode_jpeg(&sample(9_600_000 + seed, size).unwrap().rgb, size, 85, None).unwrap())
        .collect();
    println!("{} x {}, {frames} frames, {}", size.0, size.1, backend.name());
    println!("{:>9} {:>12} {:>10}", "frames", "resident MiB", "ms/frame");
    println!("{:>9} {:>12.1}", 0, resident_mib());
    let mut after_a_tenth = None;
    let begin: Timestamp = "2026-06-01T06:00:00Z".parse().unwrap();
    let step = (frames / 10).max(1);
    let mut at = Instant::now();
    for frame in 0..frames {
        let bytes = numbered(&scenes[(frame % SCENES) as usize], frame);
        let now = begin + SignedDuration::from_millis(i64::try_from(frame).unwrap() * 200);
        // Back and forth on a street inside the fence, at walking pace.
        let along = (frame % 1000) as f64 / 1000.0 * 0.001;
        let along = if (frame / 1000) % 2 == 0 { along } else { 0.001 - along };
        let position = Position::new(55.6761 + along, 12.5683, 5.0).unwrap().with_time(now).with_heading(0.0);
        let capture = Capture::located_at(bytes, position).from_camera(Some(Name::new("drawn-cam-1").unwrap()));
        gate.admit(capture, now).unwrap();
        if (frame + 1) % step == 0 {
            let ms = at.elapsed().as_secs_f64() * 1e3 / step as f64;
            let resident = resident_mib();
            println!("{:>9} {resident:>12.1} {ms:>10.2}", frame + 1);
            let first = *after_a_tenth.get_or_insert(resident);
            assert!(
                resident <= first * 1.05 + 2.0,
                "memory grows: {first:.1} MiB after a tenth, {resident:.1} MiB now"
            );
            at = Instant::now();
        }
    }
    println!("DEEP {frames} frames of {} x {}: {:.1} MiB resident at the end", size.0, size.1, resident_mib());
}

/// The same picture as another file: a comment with a number behind the start marker.
fn numbered(jpeg: &[u8], number: u64) -> Vec<u8> {
    let mut bytes = jpeg[..2].to_vec();
    bytes.extend_from_slice(&[0xFF, 0xFE, 0, 10]);
    bytes.extend_from_slice(&number.to_be_bytes());
    bytes.extend_from_slice(&jpeg[2..]);
    bytes
}

fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").trim().parse::<f64>().unwrap_or_default() / 1024.0
}
