//! Kills at any moment and weeks in short: what a node goes through, and the account that must hold after it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::{City, Service, drive, holds, until};
use crate::program::{stderr, text, vaern};

/// What a sitting came to.
#[derive(Debug, Default)]
pub(crate) struct Sitting {
    pub(crate) rounds: u64,
    pub(crate) frames: u64,
    pub(crate) swaps: u64,
    pub(crate) worker_kills: u64,
    pub(crate) full_disks: u64,
    pub(crate) memory_kib: Vec<u64>,
}

/// Captures that are told apart by their bytes: the same drive again and again, each with a comment of its own.
pub(crate) struct Camera {
    base: Vec<Vec<u8>>,
    next: u64,
}

impl Camera {
    pub(crate) fn new(next: u64) -> Self {
        Self { base: drive(12).into_iter().map(|(_, bytes)| bytes).collect(), next }
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
fn runs(city: &City) -> BTreeMap<String, u64> {
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

fn verify(city: &City) {
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

/// Weeks in short: swaps, dying workers, torn pictures, lost fixes, a full disk, and now and then a kill.
pub(crate) fn soak(city: &City, frames: u64, swap_every: u64, camera: &mut Camera, counter: &mut u64) -> Sitting {
    let mut sitting = Sitting::default();
    let before = brought(city);
    let mut service = city.start();
    service.is("running", |h| h["condition"] == "running");
    let mut at_start = 0;
    let mut step = 0;
    while sitting.frames < frames {
        step += 1_u64;
        let shots = camera.shoot(16, 13);
        sitting.frames += shots.len() as u64;
        city.bring(&shots);
        service.saw(sitting.frames - at_start);
        if step.is_multiple_of(swap_every) {
            *counter += 1;
            city.release("honest", *counter, None);
            sitting.swaps += 1;
        }
        if step % 5 == 2 {
            sitting.worker_kills += u64::from(kill_a_worker(&service));
        }
        if step % 50 == 30 {
            let full = fill_the_disk(city, &mut service, camera, &mut sitting.frames, at_start);
            sitting.full_disks += u64::from(full);
        }
        if step % 40 == 39 {
            service.signal("KILL");
            drop(service);
            service = city.start();
            service.is("running", |h| h["condition"] == "running");
            at_start = sitting.frames;
            sitting.rounds += 1;
        }
        if step % 10 == 9 {
            sitting.memory_kib.extend(memory(service.id()));
        }
    }
    until("all captures have an outcome", || city.left() == 0);
    service.end();
    balanced(city, before + sitting.frames);
    sitting
}

/// What was brought in the sittings before.
fn brought(city: &City) -> u64 {
    city.account()[0] + city.left() as u64
}

/// Kills one of the service's workers, as the kernel does when memory is short.
fn kill_a_worker(service: &Service) -> bool {
    let id = service.id();
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{id}/task")) else { return false };
    let children: String =
        tasks.flatten().map(|task| std::fs::read_to_string(task.path().join("children")).unwrap_or_default()).collect();
    children.split_whitespace().next().is_some_and(|child| {
        Command::new("kill").args(["-s", "KILL", child]).status().is_ok_and(|status| status.success())
    })
}

/// Resident memory in KiB.
fn memory(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().trim_end_matches(" kB").trim().parse().ok()
}

/// Where the results lie on a small file system of their own: fills it, has the node close its window on it, and makes room again.
fn fill_the_disk(city: &City, service: &mut Service, camera: &mut Camera, frames: &mut u64, at_start: u64) -> bool {
    let out = city.at("out");
    if !is_small(&out) {
        return false;
    }
    // A window is open, so that there is something to write.
    let shots = camera.shoot(5, 13);
    *frames += 5;
    city.bring(&shots);
    service.saw(*frames - at_start);
    let failures = |service: &Service| {
        let metrics = service.get("/metrics").map(|(_, text)| text).unwrap_or_default();
        let line = metrics.lines().find_map(|line| line.strip_prefix("vaern_write_failures_total "));
        line.and_then(|count| count.parse::<u64>().ok()).unwrap_or_default()
    };
    let before = failures(service);
    let mut ballast = std::fs::File::create(out.join(".ballast")).unwrap();
    while std::io::Write::write_all(&mut ballast, &[1; 4096]).is_ok() {}
    city.node(&["stop"]);
    until("the disk is full", || failures(service) > before);
    drop(ballast);
    std::fs::remove_file(out.join(".ballast")).unwrap();
    let keys = ["jura", "systemejer"].map(|desk| city.at(&format!("keys/{desk}.secret.toml")));
    city.node(&["start", "--key", text(&keys[0]), "--key", text(&keys[1])]);
    service.is("running", |h| h["condition"] == "running");
    true
}

/// Whether a folder lies on a file system of a few megabytes, so that a test may fill it.
fn is_small(folder: &Path) -> bool {
    let Ok(output) = Command::new("df").args(["--output=size", "-k", text(folder)]).output() else { return false };
    let kib = String::from_utf8_lossy(&output.stdout).lines().nth(1).and_then(|line| line.trim().parse::<u64>().ok());
    kib.is_some_and(|kib| kib < 64 << 10)
}
