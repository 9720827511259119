//! The node over a long time: kills at any moment, and a soak of swaps, deaths, torn pictures, lost fixes and a full disk.
//!
//! `VAERN_ROUNDS` is the number of kills and `VAERN_SEED` where their moments come from; `VAERN_SOAK` is the folder of a soak that goes
//! on where the last sitting ended, `VAERN_SOAK_FRAMES` how many frames a sitting has.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod nodes;
mod program;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use nodes::City;
use nodes::rounds::{Camera, cuts, kills};
use nodes::soak::{self, Books, Rhythm};
use program::{skip, text};

const WINDOWS: &str = "[window]\nframes = 40\n[swap]\nshadow_frames = 3\nwatch_frames = 3\n";

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn cyb_01n_a_kill_at_any_moment_loses_no_frame_and_counts_none_twice() {
    let city = City::new(WINDOWS);
    city.release("honest", 1, None);
    let sitting = kills(&city, 3, 1);
    assert_eq!(sitting.rounds, 3);
}

#[test]
fn cyb_01p_swaps_dying_workers_and_torn_pictures_and_the_account_holds() {
    let city = City::new(WINDOWS);
    let mut books = Books::default();
    soak::release(&city, &mut books);
    let rhythm = Rhythm { batch: 16, life: 3, worker_kill: 3, swap_batches: 2, swap_pause: Duration::ZERO };
    soak::soak(&city, 48, &rhythm, &mut Camera::new(0), &mut books, |_| {});
    assert!(books.swaps > 0 && books.worker_kills > 0 && books.kills > 0, "{books:?}");
}

#[test]
#[ignore = "deep: kills at random moments, each followed by a check of log, results and folders"]
fn cyb_01n_many_kills() {
    let (rounds, seed) = (number("VAERN_ROUNDS", 200), number("VAERN_SEED", 1));
    let city = City::new(WINDOWS);
    city.release("honest", 1, None);
    let sitting = kills(&city, rounds, seed);
    println!(
        "DEEP {} kills, {} frames, none lost, none twice, log and floor whole each time",
        sitting.rounds, sitting.frames
    );
}

#[test]
#[ignore = "deep: a kill at each call that changes the disk"]
fn cyb_01n_killed_at_every_write() {
    if Command::new("strace").arg("-V").output().is_err() {
        return skip("a kill at every write: strace is not installed");
    }
    let city = City::new("[window]\nframes = 4\n[swap]\nshadow_frames = 2\nwatch_frames = 2\n");
    let mut books = Books::default();
    soak::release(&city, &mut books);
    let sitting = cuts(&city, u32::try_from(number("VAERN_CUTS", 400)).unwrap(), &mut books);
    println!(
        "DEEP {} kills, each at another call that changes the disk; {} frames, none lost, none twice, log and floor whole each time",
        sitting.rounds, sitting.frames
    );
}

#[test]
#[ignore = "deep: a soak that goes on over several sittings"]
fn cyb_01p_soak() {
    let frames = number("VAERN_SOAK_FRAMES", 5_000);
    let kept_at = std::env::var_os("VAERN_SOAK").map(PathBuf::from);
    let (temp, at) = kept_at.map_or_else(
        || {
            let temp = tempfile::tempdir().unwrap();
            let at = temp.path().to_owned();
            (Some(temp), at)
        },
        |at| (None, at),
    );
    let kept = at.join("soak.json");
    let (city, mut books) = match std::fs::read(&kept) {
        Ok(bytes) => {
            let books: Books = serde_json::from_slice(&bytes).unwrap();
            (City::again(at, books.port), books)
        }
        Err(_) => {
            let more = "when_full = \"wait\"\n[window]\nframes = 500\n[swap]\nshadow_frames = 20\nwatch_frames = 40\n";
            let city = City::make(temp, at, more);
            let mut books = Books::default();
            books.port = city.port();
            soak::release(&city, &mut books);
            (city, books)
        }
    };
    // A small file system of its own for the results, where this machine lets a test have one.
    let out = city.at("out");
    std::fs::create_dir_all(&out).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=48m", "tmpfs", text(&out)]).output();
    let mounted = mounted.is_ok_and(|output| output.status.success());
    if !mounted {
        skip("the full disk of the soak: no file system of its own was mounted for the results");
    }
    let rhythm =
        Rhythm { batch: 100, life: 200, worker_kill: 60, swap_batches: 10, swap_pause: Duration::from_secs(60) };
    // Ten captures a minute: so the vendor's bits of the hour are enough for some of what is found, and not for all.
    let mut camera = Camera::small(books.brought, 6);
    soak::soak(&city, frames, &rhythm, &mut camera, &mut books, |books| {
        std::fs::write(&kept, serde_json::to_vec(books).unwrap()).unwrap();
        let [frames, second, last] = books.memory.last().copied().unwrap_or_default();
        // For a sitting that is cut off: so far it held.
        println!(
            "DEEP so far {} frames; in a life of {frames} at most {second} KiB in its second quarter, {last} KiB in its last",
            books.frames
        );
    });
    if mounted {
        let _ = Command::new("umount").arg(text(&out)).output();
    }
    let quarter = |at: usize| books.memory.iter().map(|life| life[at]).max().unwrap_or_default();
    println!(
        "DEEP {} frames ({} with objects, {} without, {} refused by name), {} objects, {} swaps, {} workers killed, {} kills of the node, \
         {} full disks; every frame accounted for once; in {} lives of the service resident memory was {} KiB at most in a second \
         quarter, {} KiB in a last",
        books.frames,
        books.found,
        books.empty,
        books.refused,
        books.objects,
        books.swaps,
        books.worker_kills,
        books.kills,
        books.full_disks,
        books.memory.len(),
        quarter(1),
        quarter(2),
    );
}

fn p99(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[(times.len() * 99).div_ceil(100) - 1]
}

#[test]
#[ignore = "deep: measures what a swap and a stop cost"]
fn sbx_17p_gov_03p_figures_of_swap_and_stop() {
    let city = City::new("[swap]\nshadow_frames = 20\nwatch_frames = 60\n");
    city.release("honest", 1, None);
    let mut camera = Camera::new(0);
    let mut service = city.start();
    service.is("running", |h| h["condition"] == "running");
    let mut frames = 0;
    // One capture after the other: from its name in the folder to its outcome on disk.
    let mut one = |service: &mut nodes::Service| {
        let shot = camera.shoot(1, u64::MAX);
        let begun = Instant::now();
        city.bring(&shot);
        frames += 1;
        while service.health()["frames"].as_u64().is_none_or(|n| n < frames) {}
        begun.elapsed().as_secs_f64() * 1e3
    };
    (0..20).for_each(|_| {
        one(&mut service);
    });
    let before: Vec<f64> = (0..200).map(|_| one(&mut service)).collect();
    let second = city.release("honest", 2, None);
    let mut around = Vec::new();
    let mut after = 0;
    while after < 60 {
        around.push(one(&mut service));
        after += u32::from(after > 0 || service.health()["release"] == second.as_str());
        assert!(around.len() < 2_000, "no swap came");
    }
    let swapped = around.split_off(around.len() - 90.min(around.len()));
    println!(
        "DEEP swap: p99 of {} frames before {:.1} ms, of the {} frames around it {:.1} ms; 0 frames lost",
        before.len(),
        p99(before.clone()),
        swapped.len(),
        p99(swapped)
    );

    // A stop while captures come as fast as they can.
    let seen = |service: &nodes::Service| -> u64 {
        let text = service.get("/metrics").unwrap().1;
        let of = |name: &str| text.lines().find_map(|l| l.strip_prefix(name)?.parse::<u64>().ok()).unwrap();
        of("vaern_frames_total{outcome=\"found\"} ") + of("vaern_frames_total{outcome=\"empty\"} ")
    };
    city.bring(&camera.shoot(200, u64::MAX));
    std::thread::sleep(std::time::Duration::from_millis(300));
    let ordered = Instant::now();
    city.node(&["stop"]);
    let (returned, at_return) = (ordered.elapsed(), seen(&service));
    service.is("stopped", |h| h["condition"] == "stopped");
    let (stopped, at_stop) = (ordered.elapsed(), seen(&service));
    println!(
        "DEEP stop: the order took {:.0} ms to give, health said so {:.0} ms after it was begun; {} frames were seen after the order was given",
        returned.as_secs_f64() * 1e3,
        stopped.as_secs_f64() * 1e3,
        at_stop - at_return
    );
    assert!(at_stop - at_return <= 2, "no more than the frame in work of each thread");
}
