//! What the rules cost: `cargo run --release -p vaern-policy --example cost`.
//!
//! Loading happens once for each set, a decision once for each release; a frame asks only the frozen grants.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "an example prints")]

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use vaern_door::{Interface, Label, Licences, Manifest, Name, Size, Version};
use vaern_policy::rules::small_world;
use vaern_policy::{CitySet, PolicySet};

/// Median of `rounds` runs, in microseconds, with the fastest and the slowest.
fn time(rounds: usize, mut work: impl FnMut()) -> (f64, f64, f64) {
    let mut times: Vec<f64> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[0], times[times.len() - 1])
}

fn main() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    let dir = Dir::open_ambient_dir(path, ambient_authority()).unwrap();
    let city = CitySet::load(&dir).unwrap();
    println!(
        "the city's set: {} files, {} krav, {} rules, {} cases of the small world",
        city.files().len(),
        city.catalogue().entries().count(),
        city.rules().rules().count(),
        small_world().len()
    );
    let (median, least, most) = time(31, || {
        black_box(CitySet::load(&dir).unwrap());
    });
    println!("load the whole set      {:8.1} ms   ({:.1} to {:.1})", median / 1e3, least / 1e3, most / 1e3);

    let set: PolicySet = city.choose(None).unwrap();
    let manifest = manifest();
    let (median, least, most) = time(301, || {
        black_box(set.grants(&manifest).unwrap());
    });
    println!("freeze the grants       {median:8.1} µs   ({least:.1} to {most:.1})");

    let cases = small_world();
    let (median, _, _) = time(31, || {
        for case in &cases {
            black_box(city.rules().decide(&case.question));
        }
    });
    println!("ask the rules once      {:8.1} µs", median / cases.len() as f64);

    let grants = set.grants(&manifest).unwrap();
    let (median, _, _) = time(301, || {
        for _ in 0..100_000 {
            black_box(black_box(&grants).interfaces.contains(&Interface::Models));
        }
    });
    println!("ask the frozen grants   {:8.4} µs   (a frame does this, and asks no rule)", median / 1e5);
}

fn manifest() -> Manifest {
    Manifest {
        name: Name::new("container-model").unwrap(),
        version: Version::new("0.1.0").unwrap(),
        counter: 1,
        vendor: Name::new("vaern").unwrap(),
        purpose: Name::new("containere").unwrap(),
        intended_use: "finds containers".to_owned(),
        labels: vec![Label::new("affaldscontainer").unwrap(), Label::new("glascontainer").unwrap()],
        capabilities: vec![Interface::Models],
        tensors: vec![],
        frame: Size::new(1280, 720).unwrap(),
        models: vec![],
        licences: Licences { plugin: "a".into(), model: "b".into(), training_data: "c".into() },
    }
}
