//! The node as a service, continued: streams and receivers, orders and swaps to their end, evidence, and what lies in its memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

#[path = "../nodes/mod.rs"]
mod nodes;
#[path = "../program/mod.rs"]
mod program;

mod coverage;
mod evidence;
mod later;
mod memory;
mod orders;
mod probes;
mod proposals;
mod signs;
mod sources;

use serde_json::Value;

/// Captures that are told apart by their bytes, with a fix well inside the fence: no rule of the place refuses one.
fn good(size: (u16, u16), count: usize) -> Vec<Vec<u8>> {
    let drive = vaern_scenes::Drive::generate(7, 24, size).map(|frame| frame.unwrap());
    let inside = drive.filter(|f| f.truth.inside && f.truth.fence_margin_m > 20.0 && f.truth.fix.is_some());
    let base: Vec<Vec<u8>> = inside.map(|frame| frame.jpeg).collect();
    (0..count).map(|n| marked(&base[n % base.len()], format!("number {n:020} of {}", size.0).as_bytes())).collect()
}

/// A JPEG with a comment of its own, after its first marker.
fn marked(jpeg: &[u8], comment: &[u8]) -> Vec<u8> {
    let length = u16::try_from(comment.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xff, 0xfe], &length, comment, &jpeg[2..]].concat()
}

/// As captures for the watched folder.
fn files(pictures: &[Vec<u8>], from: usize) -> Vec<(String, Vec<u8>)> {
    pictures.iter().enumerate().map(|(n, bytes)| (format!("{:09}.jpg", from + n), bytes.clone())).collect()
}

/// Frames refused by this reason, in all windows.
fn refused(city: &nodes::City, reason: &str) -> u64 {
    city.windows().iter().map(|window| window["refused_by_reason"][reason].as_u64().unwrap_or_default()).sum()
}

/// The leaves of one kind.
fn leaves(city: &nodes::City, kind: &str) -> Vec<Value> {
    city.leaves().iter().filter_map(|leaf| leaf.pointer(&format!("/record/event/{kind}")).cloned()).collect()
}
