//! Kills at any moment, and the account that must hold after each.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::soak::{self, Books};
use super::{City, drive_of, holds, until};
use crate::program::{stderr, text, vaern};

/// What a sitting came to.
#[derive(Debug, Default)]
pub(crate) struct Sitting {
    pub(crate) rounds: u64,
    pub(crate) frames: u64,
}

/// Captures that are told apart by their bytes: the same drive again and again, each with a comment of its own.
pub(crate) struct Camera {
    base: Vec<Vec<u8>>,
    next: u64,
    /// Seconds from one capture to the next by the camera's clock; none leaves the clock of the drive.
    pace: Option<i64>,
}

impl Camera {
    pub(crate) fn new(next: u64) -> Self {
        Self { base: drive_of(12, (320, 180)).into_iter().map(|(_, bytes)| bytes).collect(), next, pace: None }
    }

    /// A camera with small frames, whose clock goes on by `pace` seconds from capture to capture.
    pub(crate) fn small(next: u64, pace: i64) -> Self {
        Self { base: drive_of(12, (128, 96)).into_iter().map(|(_, bytes)| bytes).collect(), next, pace: Some(pace) }
    }

    /// Captures shot so far.
    pub(crate) const fn shot(&self) -> u64 {
        self.next
    }

    /// The next captures. One in `torn` is cut short, one in `torn` is no picture.
    pub(crate) fn shoot(&mut self, count: usize, torn: u64) -> Vec<(String, Vec<u8>)> {
        (0..count)
            .map(|_| {
                let number = self.next;
                self.next += 1;
                let base = &self.base[usize::try_from(number).unwrap() % self.base.len()];
                // After the first marker: a comment that holds the number.
                let comment = format!("{number:020}");
                let length = u16::try_from(comment.len() + 2).unwrap().to_be_bytes();
                let mut bytes = base[..2].to_vec();
                bytes.extend([0xff, 0xfe]);
                bytes.extend(length);
                bytes.extend(comment.bytes());
                bytes.extend(&base[2..]);
                if let Some(pace) = self.pace {
                    set_clock(&mut bytes, pace * i64::try_from(number).unwrap());
                }
                match number % torn {
                    3 => bytes.truncate(bytes.len() / 2),
                    5 => bytes = format!("no picture, but number {number}").into_bytes(),
                    _ => {}
                }
                (format!("{number:012}.jpg"), bytes)
            })
            .collect()
    }
}

/// Moves the times of a capture of the drawn drive to `seconds` after the drive's hour.
fn set_clock(jpeg: &mut [u8], seconds: i64) {
    let (hour, two_hours) = (Timestamp::from_second(1_779_264_000).unwrap(), SignedDuration::from_hours(2));
    let utc = hour + SignedDuration::from_secs(seconds);
    let written = |at: Timestamp, form: &str| at.strftime(form).to_string().into_bytes();
    let (local, day) = (written(utc + two_hours, "%Y:%m:%d %H:%M:%S"), written(utc, "%Y:%m:%d"));
    let head: Vec<usize> = (0..jpeg.len().min(16_384)).filter(|at| jpeg[*at..].starts_with(b"2026:05:20")).collect();
    for at in head {
        let text = if jpeg[at + 10] == b' ' { &local } else { &day };
        jpeg[at..at + text.len()].copy_from_slice(text);
    }
    // The hour, the minute and the second by GPS, as fractions.
    let fractions = |hour: u32, minute: u32| [hour, 1, minute, 1].map(u32::to_le_bytes).concat();
    let old = fractions(8, 12);
    let zoned = utc.to_zoned(TimeZone::UTC);
    let part = |part: i8| u32::try_from(part).unwrap();
    if let Some(at) = jpeg.windows(16).position(|window| window == old) {
        jpeg[at..at + 16].copy_from_slice(&fractions(part(zoned.hour()), part(zoned.minute())));
        jpeg[at + 16..at + 20].copy_from_slice(&(part(zoned.second()) * 1000).to_le_bytes());
    }
}

/// Kills the service at a random moment again and again, and holds it to its account.
pub(crate) fn kills(city: &City, rounds: u64, seed: u64) -> Sitting {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let mut camera = Camera::new(0);
    let mut sitting = Sitting::default();
    let mut done_before = 0;
    for round in 0..rounds {
        let shots = camera.shoot(dice.random_range(1..8), 11);
        sitting.frames += shots.len() as u64;
        // Half of the captures are there at the start, the others come while it runs.
        let (early, late) = shots.split_at(shots.len() / 2);
        city.bring(early);
        let service = city.start();
        let moment = Duration::from_millis(dice.random_range(0..2_500));
        let begun = Instant::now();
        city.bring(late);
        if round % 7 == 3 {
            city.node(&["stop"]);
        }
        if moment > begun.elapsed() {
            std::thread::sleep(moment - begun.elapsed());
        }
        service.signal("KILL");
        drop(service);
        if round % 7 == 3 {
            let keys = ["jura", "systemejer"].map(|desk| city.at(&format!("keys/{desk}.secret.toml")));
            // A stop that the service took before it died holds until the order to start is taken.
            city.node(&["start", "--key", text(&keys[0]), "--key", text(&keys[1])]);
        }
        sitting.rounds += 1;
        // The log holds, and what is published of frames never shrinks.
        verify(city);
        let [frames, ..] = city.account();
        assert!(frames >= done_before, "round {round}: {frames} after {done_before}");
        done_before = frames;
        no_raw_pixel(city, &camera, round);
        if round % 20 == 19 {
            // For a sitting that is cut off: so far it held.
            println!(
                "DEEP so far {} kills, {} frames brought, {frames} in closed windows",
                sitting.rounds, sitting.frames
            );
        }
    }
    let mut service = city.start();
    until("all captures have an outcome", || city.left() == 0);
    service.is("it runs", |h| h["condition"] == "running");
    service.end();
    balanced(city, sitting.frames);
    sitting
}

/// The calls by which the service changes what is on disk. They are counted apart, for the threads do different ones.
pub(crate) const WRITES: [&str; 4] =
    ["fsync,fdatasync", "pwrite64,write", "rename,renameat,renameat2", "unlink,unlinkat,mkdir,mkdirat,ftruncate"];

/// Kills the service at each call that changes the disk, one after the other, in each of [`WRITES`]; `most` rounds at most for each.
/// Now and then a new release is there, so that a swap and the rise of the floor are cut too.
pub(crate) fn cuts(city: &City, most: u32, books: &mut Books) -> Sitting {
    let mut camera = Camera::new(0);
    let mut sitting = Sitting::default();
    let mut done_before = 0;
    for calls in WRITES {
        for number in 1..=most {
            if number % 6 == 1 {
                soak::release(city, books);
            }
            let shots = camera.shoot(9, 11);
            sitting.frames += shots.len() as u64;
            city.bring(&shots);
            let mut service = city.start_to_be_cut(calls, number);
            until("killed, or all captures have an outcome", || service.has_ended() || city.left() == 0);
            // What was not cut until now may be at the end.
            let tracees = service.children();
            until("killed, or ended in order", || {
                for tracee in &tracees {
                    let _ = Command::new("kill").args(["-s", "TERM", tracee]).output();
                }
                service.has_ended()
            });
            let cut = service.wait().code() != Some(0);
            sitting.rounds += u64::from(cut);
            verify(city);
            let [frames, ..] = city.account();
            assert!(frames >= done_before, "{calls} {number}: {frames} after {done_before}");
            done_before = frames;
            no_raw_pixel(city, &camera, u64::from(number));
            if !cut {
                println!("DEEP {calls}: no thread makes {number} of them; every one before it was cut");
                break;
            }
        }
    }
    let mut service = city.start();
    until("all captures have an outcome", || city.left() == 0);
    service.is("it runs", |h| h["condition"] == "running");
    service.end();
    balanced(city, sitting.frames);
    sitting
}

/// The account: every capture that was brought has one outcome, none two, and the log says the same.
pub(crate) fn balanced(city: &City, brought: u64) {
    let [frames, found, empty, refused] = city.account();
    assert_eq!(frames, found + empty + refused);
    assert_eq!(frames + city.left() as u64, brought, "brought = with an outcome + still there");
    let mut ids = BTreeSet::new();
    for entry in std::fs::read_dir(city.at("out")).unwrap() {
        let text = std::fs::read(entry.unwrap().path().join("detections.geojson")).unwrap();
        let found: Value = serde_json::from_slice(&text).unwrap();
        for feature in found["features"].as_array().unwrap() {
            assert!(ids.insert(feature["id"].as_str().unwrap().to_owned()), "an object twice");
        }
    }
    let ended: u64 = runs(city).values().sum();
    assert_eq!(ended, frames, "the log counts what the results hold");
    let folders = std::fs::read_dir(city.at("out")).unwrap().count();
    assert_eq!(runs(city).len(), folders, "one end in the log for each window");
}

/// Frames of each run that has its end in the log.
pub(crate) fn runs(city: &City) -> BTreeMap<String, u64> {
    let mut runs = BTreeMap::new();
    for leaf in city.leaves() {
        if let Some(ended) = leaf.pointer("/record/event/run_ended") {
            let frames = ended["counts"]["frames_in"].as_u64().unwrap();
            let twice = runs.insert(ended["run"].as_str().unwrap().to_owned(), frames);
            assert!(twice.is_none(), "a run ends once");
        }
    }
    runs
}

pub(crate) fn verify(city: &City) {
    let log = city.at("log");
    if !log.join("checkpoint").exists() {
        return;
    }
    let verified = vaern(&["--json", "audit", "verify", text(&log)]);
    assert_eq!(verified.status.code(), Some(0), "{}", stderr(&verified));
}

/// Nothing of a capture lies anywhere but in the watched folder.
fn no_raw_pixel(city: &City, camera: &Camera, round: u64) {
    let base = &camera.base[usize::try_from(round).unwrap() % camera.base.len()];
    let needle = &base[base.len() / 2..base.len() / 2 + 24];
    for folder in ["state", "log", "out"] {
        let folder = city.at(folder);
        assert!(!folder.exists() || !holds(&folder, needle), "a raw picture in {}", folder.display());
    }
}
