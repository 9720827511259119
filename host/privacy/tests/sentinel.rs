//! FRM-20: after masking, no byte of what was under the mask is left in the process's memory or in what it wrote.
//!
//! A child takes in a picture whose masked part is a pattern that occurs nowhere else, and then reads all of its own memory,
//! as whoever makes a core file would. The allocator is the program's own.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod common;

use std::alloc::System;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Act, Dice, Exif, evaluation_gate, jpeg, now, png, seen, size, street};
use vaern_privacy::{Capture, PeopleClass};

#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<System> = zeroizing_alloc::ZeroAlloc(System);

const MASKED: (usize, usize, usize, usize) = (64, 48, 160, 144);
const VEIL: u8 = 0xA5;

/// The pattern, veiled: the clear one must stand nowhere but in the picture.
fn veiled(seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed);
    (0..24).map(|_| dice.byte() ^ VEIL).collect()
}

fn occurs(bytes: &[u8], veiled: &[u8]) -> bool {
    bytes.windows(veiled.len()).any(|window| window.iter().zip(veiled).all(|(byte, veiled)| byte ^ VEIL == *veiled))
}

/// A picture with the pattern all over its masked part.
fn picture(seed: u64) -> Vec<u8> {
    let frame = size(320, 240);
    let mut rgb = street(frame, 5);
    let pattern: Vec<u8> = veiled(seed).iter().map(|b| b ^ VEIL).collect();
    let (x0, y0, x1, y1) = MASKED;
    for y in y0..y1 {
        for (at, byte) in rgb[(y * 320 + x0) * 3..(y * 320 + x1) * 3].iter_mut().enumerate() {
            *byte = pattern[at % pattern.len()];
        }
    }
    png(&rgb, frame)
}

/// How often the pattern occurs in the memory of this process.
fn in_memory(veiled: &[u8]) -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let memory = std::fs::File::open("/proc/self/mem").unwrap();
    let mut found = 0;
    let mut buffer = vec![0; 1 << 20];
    for line in maps.lines() {
        let (range, rest) = line.split_once(' ').unwrap();
        if !rest.starts_with('r') || line.ends_with("[vvar]") || line.ends_with("[vsyscall]") {
            continue;
        }
        let (from, to) = range.split_once('-').unwrap();
        let (from, to) = (u64::from_str_radix(from, 16).unwrap(), u64::from_str_radix(to, 16).unwrap());
        let mut at = from;
        while at < to {
            let want = buffer.len().min((to - at) as usize);
            let Ok(read) = memory.read_at(&mut buffer[..want], at) else { break };
            found += usize::from(occurs(&buffer[..read], veiled));
            // Steps overlap, so that nothing hides on a border; the copy in the buffer is not counted the next time.
            at += (read.saturating_sub(veiled.len())).max(1) as u64;
            buffer.fill(0);
            if read < want || at + veiled.len() as u64 >= to {
                break;
            }
        }
    }
    found
}

/// Not a test of its own: what the child does.
#[test]
#[ignore = "the child of the test below"]
fn child() {
    let Some(site) = std::env::var_os("VAERN_TEST_SITE").map(PathBuf::from) else { return };
    let seed: u64 = std::env::var("VAERN_TEST_SEED").unwrap().parse().unwrap();
    let veiled = veiled(seed);
    let boxes = vec![seen(PeopleClass::Person, 64.0, 48.0, 160.0, 144.0)];
    let gate = evaluation_gate(Act::See(boxes));
    let capture = Capture::unlocated(std::fs::read(site.join("in.png")).unwrap());
    let located = gate.locate(capture, now()).unwrap();
    let raw = gate.decode(gate.fence(located).unwrap()).unwrap();
    // Without this the test could not fail.
    assert!(in_memory(&veiled) > 0, "the pattern is not where the raw frame is");
    let proof = gate.search(&raw).unwrap();
    let (frame, _) = gate.mask(raw, proof).unwrap();
    std::fs::write(site.join("out.jpg"), frame.encode_jpeg(90).unwrap()).unwrap();
    let left = in_memory(&veiled);
    // And a capture that is refused on the way, past the decoder.
    let refusing = evaluation_gate(Act::Fail);
    let capture = Capture::unlocated(std::fs::read(site.join("in.png")).unwrap());
    assert!(refusing.admit(capture, now()).is_err());
    println!("left after masking: {left}, after a refusal: {}", in_memory(&veiled));
}

fn search_folder(folder: &Path, veiled: &[u8]) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| !path.ends_with("in.png") && occurs(&std::fs::read(path).unwrap(), veiled)).collect()
}

#[test]
fn frm_20n_nothing_of_the_original_outlives_masking() {
    let site = tempfile::tempdir().unwrap();
    for seed in [0x1234_5678_9ABC_u64, 0x0BAD_CAFE] {
        std::fs::write(site.path().join("in.png"), picture(seed)).unwrap();
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .env("VAERN_TEST_SITE", site.path())
            .env("VAERN_TEST_SEED", seed.to_string())
            .env("TMPDIR", site.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.contains("left after masking: 0, after a refusal: 0"), "{text}");
        assert_eq!(search_folder(site.path(), &veiled(seed)), Vec::<PathBuf>::new());
    }
}

#[test]
fn frm_20p_the_picture_itself_comes_through() {
    let gate = evaluation_gate(Act::See(vec![]));
    let frame = size(64, 48);
    let bytes = jpeg(&street(frame, 2), frame, &Exif::default());
    assert!(gate.admit(Capture::unlocated(bytes), now()).is_ok());
}
