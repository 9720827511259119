//! Weeks in short: what a node that runs on goes through, and the books that must balance after every life of it.
//!
//! A life begins with a start of the service and ends with a kill, another start, and an end in order. Then the books are made up: the
//! results of the life are counted, held against the log, and cleared away, as whoever takes them from the vehicle does. So a soak
//! goes on over sittings, and what it needs of the disk does not grow with it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::rounds::{Camera, runs, verify};
use super::{City, Service, until};
use crate::program::{json, text};

/// How a soak goes: what happens after how many of its batches.
pub(crate) struct Rhythm {
    /// Captures that are brought at once.
    pub(crate) batch: usize,
    /// Batches of one life.
    pub(crate) life: u64,
    /// Batches from one killed worker to the next.
    pub(crate) worker_kill: u64,
    /// A new release comes after so many batches,
    pub(crate) swap_batches: u64,
    /// but not before so much time.
    pub(crate) swap_pause: Duration,
}

/// What all sittings came to: kept in a file beside the city.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Books {
    pub(crate) port: u16,
    /// Captures that were brought.
    pub(crate) brought: u64,
    /// Frames in the windows that were cleared away.
    pub(crate) frames: u64,
    pub(crate) found: u64,
    pub(crate) empty: u64,
    pub(crate) refused: u64,
    pub(crate) objects: u64,
    /// The windows' runs, each once.
    runs: BTreeSet<String>,
    /// Counter of the newest release.
    pub(crate) counter: u64,
    /// Digests of the releases that the channel lists.
    listed: Vec<String>,
    pub(crate) swaps: u64,
    pub(crate) worker_kills: u64,
    pub(crate) kills: u64,
    pub(crate) full_disks: u64,
    /// Of each life: its frames, and the most resident memory in its second and in its last quarter, in KiB. The first quarter is for
    /// what a start needs once.
    pub(crate) memory: Vec<[u64; 3]>,
}

impl Books {
    /// Frames that the books account for, less those brought that have no outcome yet: 0, or something was lost or counted twice.
    fn balance(&self, city: &City) {
        assert_eq!(self.frames, self.found + self.empty + self.refused);
        assert_eq!(self.frames + city.left() as u64, self.brought, "brought = with an outcome + still there");
    }

    /// Counts the results of a life and clears them away. The service does not run.
    fn make_up(&mut self, city: &City) {
        let mut ids = BTreeSet::new();
        for entry in std::fs::read_dir(city.at("out")).unwrap() {
            let folder = entry.unwrap().path();
            let run = folder.file_name().unwrap().to_str().unwrap().to_owned();
            let read = |file: &str| json(&std::fs::read(folder.join(file)).unwrap());
            let (summary, found) = (read("summary.json"), read("detections.geojson"));
            let of = |name: &str| summary[name].as_u64().unwrap();
            assert!(folder.join("log.json").exists(), "{run} is closed");
            assert!(self.runs.insert(run), "a window twice");
            self.frames += of("frames_in");
            self.found += of("frames_with_objects");
            self.empty += of("frames_seen") - of("frames_with_objects");
            self.refused += of("frames_refused");
            for feature in found["features"].as_array().unwrap() {
                assert!(ids.insert(feature["id"].as_str().unwrap().to_owned()), "an object twice");
                self.objects += 1;
            }
            std::fs::remove_dir_all(folder).unwrap();
        }
        self.balance(city);
        verify(city);
    }

    /// The log says the same: every window ended once in it, and all of them together hold every frame.
    pub(crate) fn against_the_log(&self, city: &City) {
        let runs = runs(city);
        assert_eq!(runs.values().sum::<u64>(), self.frames, "the log counts what the results held");
        assert!(runs.keys().eq(self.runs.iter()), "one end in the log for each window");
    }
}

/// Goes on until at least `frames` more captures were brought.
pub(crate) fn soak(
    city: &City,
    frames: u64,
    rhythm: &Rhythm,
    camera: &mut Camera,
    books: &mut Books,
    mut kept: impl FnMut(&Books),
) {
    let until_brought = books.brought + frames;
    let mut swapped = Instant::now();
    while books.brought < until_brought {
        let mut life = Life::begin(city);
        let half = rhythm.life / 2;
        for step in 0..rhythm.life {
            life.bring(rhythm.batch, camera, books);
            if step % rhythm.swap_batches == 1 && swapped.elapsed() >= rhythm.swap_pause {
                swapped = Instant::now();
                release(city, books);
                books.swaps += 1;
            }
            if step % rhythm.worker_kill == 2 {
                books.worker_kills += u64::from(kill_a_worker(&life.service));
            }
            if step == half {
                books.full_disks += u64::from(life.fill_the_disk(camera, books));
            }
            life.samples.extend(memory(life.service.id()));
        }
        let most = |quarter: usize| {
            let of = life.samples.len() / 4;
            life.samples.iter().skip(quarter * of).take(of).max().copied()
        };
        if let (Some(second), Some(last)) = (most(1), most(3)) {
            books.memory.push([life.frames, second, last]);
        }
        life.bring_and_leave(rhythm.batch, camera, books);
        life.service.signal("KILL");
        drop(life);
        books.kills += 1;
        let mut service = city.start();
        service.is("running", |h| h["condition"] == "running");
        until("all captures have an outcome", || city.left() == 0);
        service.end();
        books.make_up(city);
        kept(books);
    }
    books.against_the_log(city);
}

/// The service from a start to a kill.
struct Life<'a> {
    city: &'a City,
    service: Service,
    /// Captures brought in this life.
    frames: u64,
    samples: Vec<u64>,
}

impl<'a> Life<'a> {
    fn begin(city: &'a City) -> Self {
        let mut service = city.start();
        service.is("running", |h| h["condition"] == "running");
        Self { city, service, frames: 0, samples: Vec::new() }
    }

    fn bring_and_leave(&mut self, batch: usize, camera: &mut Camera, books: &mut Books) {
        let shots = camera.shoot(batch, 13);
        self.frames += shots.len() as u64;
        books.brought += shots.len() as u64;
        self.city.bring(&shots);
    }

    fn bring(&mut self, batch: usize, camera: &mut Camera, books: &mut Books) {
        self.bring_and_leave(batch, camera, books);
        self.service.saw(self.frames);
    }

    /// Where the results lie on a small file system of their own: fills it, has the node close its window on it, and makes room
    /// again.
    fn fill_the_disk(&mut self, camera: &mut Camera, books: &mut Books) -> bool {
        let out = self.city.at("out");
        if !is_small(&out) {
            return false;
        }
        // A window is open, so that there is something to write.
        self.bring(5, camera, books);
        let failures = |service: &Service| {
            let metrics = service.get("/metrics").map(|(_, text)| text).unwrap_or_default();
            let line = metrics.lines().find_map(|line| line.strip_prefix("vaern_write_failures_total "));
            line.and_then(|count| count.parse::<u64>().ok()).unwrap_or_default()
        };
        let before = failures(&self.service);
        let mut ballast = std::fs::File::create(out.join(".ballast")).unwrap();
        while std::io::Write::write_all(&mut ballast, &[1; 4096]).is_ok() {}
        self.city.node(&["stop"]);
        until("the disk is full", || failures(&self.service) > before);
        drop(ballast);
        std::fs::remove_file(out.join(".ballast")).unwrap();
        let keys = ["jura", "systemejer"].map(|desk| self.city.at(&format!("keys/{desk}.secret.toml")));
        self.city.node(&["start", "--key", text(&keys[0]), "--key", text(&keys[1])]);
        self.service.is("running", |h| h["condition"] == "running");
        true
    }
}

/// The next release, approved and listed. Of those before it two stay, as in a city that clears away what no node needs.
pub(crate) fn release(city: &City, books: &mut Books) {
    books.counter += 1;
    let digest = city.release("honest", books.counter, None);
    books.listed.push(digest);
    while books.listed.len() > 3 {
        let old = books.listed.remove(0);
        city.signing(&["channel", "publish", "--withdraw", &old]);
        let _ = std::fs::remove_dir_all(city.at(&format!("releases/honest-{}", books.counter - 3)));
        let _ = std::fs::remove_dir_all(city.at(&format!("work/honest-{}", books.counter - 3)));
    }
}

/// Kills one of the service's workers, as the kernel does when memory is short.
fn kill_a_worker(service: &Service) -> bool {
    service.children().first().is_some_and(|child| {
        Command::new("kill").args(["-s", "KILL", child]).status().is_ok_and(|status| status.success())
    })
}

/// Resident memory in KiB.
fn memory(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().trim_end_matches(" kB").trim().parse().ok()
}

/// Whether a folder lies on a file system of a few megabytes, so that a test may fill it.
fn is_small(folder: &Path) -> bool {
    let Ok(output) = Command::new("df").args(["--output=size", "-k", text(folder)]).output() else { return false };
    let kib = String::from_utf8_lossy(&output.stdout).lines().nth(1).and_then(|line| line.trim().parse::<u64>().ok());
    kib.is_some_and(|kib| kib < 64 << 10)
}
