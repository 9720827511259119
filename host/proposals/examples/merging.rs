//! How well and how fast finds are merged: `cargo run --release -p vaern-proposals --example merging [drives]`.
//!
//! First the share of proposals that are one object, and of objects that are one proposal, on drives with known objects. Then the
//! time for 12,500 to 100,000 finds, and the slope: 1.0 is linear.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a bench states what it expects")]

#[path = "../tests/streets/mod.rs"]
mod streets;

use std::time::Instant;

use streets::score::Score;
use streets::{Setting, World};
use vaern_proposals::{Drive, merge};

fn main() {
    let drives: u32 = std::env::args().nth(1).map_or(8, |text| text.parse().unwrap());
    let base = Setting { streets: 12, ..Setting::default() };
    let settings = [
        ("singles, fix 2 m", Setting { rows: 0.0, ..base }),
        ("a quarter rows 2.5 m apart, fix 2 m", base),
        ("the same, fix 4 m", Setting { fix_m: 4.0, ..base }),
        ("all rows 2.5 m apart, fix 2 m", Setting { rows: 1.0, ..base }),
        ("dense: a place every 12 m, fix 2 m", Setting { spacing_m: 12.0, ..base }),
    ];
    for (name, setting) in settings {
        for count in [1, drives] {
            let world = World::new(setting);
            let driven: Vec<_> = (0..count).map(|n| world.drive(n)).collect();
            println!("DEEP merging: {name}, {count} drives\n{}", Score::of(&world, &driven).lines());
        }
    }
    let world = World::new(Setting { streets: 60, seed: 7, ..Setting::default() });
    let mut all: Vec<Drive> = Vec::new();
    let mut finds = 0;
    let mut number = 0;
    while finds < 100_000 {
        let drive = world.drive(number).drive;
        finds += drive.finds.len();
        all.push(drive);
        number += 1;
    }
    // More streets, not more drives past the same: the city grows.
    let mut points = Vec::new();
    for share in [8, 4, 2, 1] {
        let streets = 60 / share;
        let world = World::new(Setting { streets, seed: 7, ..Setting::default() });
        let some: Vec<Drive> = (0..number).map(|n| world.drive(n).drive).collect();
        let count: usize = some.iter().map(|drive| drive.finds.len()).sum();
        let mut times: Vec<f64> = (0..3)
            .map(|_| {
                let begun = Instant::now();
                std::hint::black_box(merge(&some, &[]));
                begun.elapsed().as_secs_f64()
            })
            .collect();
        times.sort_by(f64::total_cmp);
        println!("DEEP merging: {count} finds of {number} drives in {:.3} s", times[1]);
        points.push(((count as f64).ln(), times[1].ln()));
    }
    println!("DEEP merging: slope {:.2}", slope(&points));
}

fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let mean = |f: fn(&(f64, f64)) -> f64| points.iter().map(f).sum::<f64>() / n;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let (top, bottom) = points.iter().fold((0.0, 0.0), |(t, b), p| (t + (p.0 - x) * (p.1 - y), b + (p.0 - x).powi(2)));
    top / bottom
}
