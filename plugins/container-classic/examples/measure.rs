//! Recall and precision of the plugin on rendered scenes: `measure FOLDER [COUNT]`.
//!
//! A container counts if it is at least 32 pixels high and half visible; one that is smaller or more hidden is neither
//! asked for nor held against the plugin. An answer is right at an intersection over union of at least 0.5.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "a tool: it stops at the first fault"
)]

mod scenes;

use std::collections::BTreeMap;
use std::time::Instant;

use container_classic::ContainerClassic;
use vaern_sdk::Plugin;

fn main() {
    let mut args = std::env::args().skip(1);
    let folder = args.next().expect("a folder of rendered scenes");
    let count = args.next().map_or(usize::MAX, |text| text.parse().expect("a number of scenes"));
    let (mut found, mut asked, mut by_kind) = (0, 0, BTreeMap::<String, (u32, u32)>::new());
    let mut answers: Vec<(u8, bool)> = Vec::new();
    let (mut frames, mut seconds) = (0_u32, 0.0);
    scenes::read(folder.as_ref(), 0, count, |scene| {
        let start = Instant::now();
        let mut got = ContainerClassic::detect(&scene.frame).expect("an answer");
        seconds += start.elapsed().as_secs_f64();
        frames += 1;
        got.sort_by_key(|detection| std::cmp::Reverse(detection.score));
        let mut taken = vec![false; scene.containers.len()];
        for detection in got {
            let r = detection.region;
            let bbox = [r.x, r.y, r.x + r.width, r.y + r.height].map(f32::from);
            match scenes::judge(bbox, &scene.containers, &mut taken) {
                scenes::Verdict::Right => answers.push((detection.score, true)),
                scenes::Verdict::Wrong => answers.push((detection.score, false)),
                scenes::Verdict::Unasked => {}
            }
        }
        for (truth, taken) in scene.containers.iter().zip(taken).filter(|(truth, _)| scenes::counts(truth)) {
            let kind = by_kind.entry(truth.kind.clone()).or_default();
            kind.1 += 1;
            asked += 1;
            if taken {
                kind.0 += 1;
                found += 1;
            }
        }
    });
    let wrong = answers.iter().filter(|(_, right)| !right).count();
    println!("{frames} frames, {asked} containers that count, {:.1} ms a frame", seconds * 1000.0 / f64::from(frames));
    println!(
        "recall {:.3}  precision {:.3}",
        f64::from(found) / f64::from(asked),
        f64::from(found) / (f64::from(found) + wrong as f64)
    );
    for (kind, (found, asked)) in by_kind {
        println!("    {kind}: {found} of {asked}");
    }
    for least in [128, 140, 150, 160, 170, 180, 190, 200, 210, 220] {
        let right = answers.iter().filter(|(score, right)| *score >= least && *right).count() as f64;
        let all = answers.iter().filter(|(score, _)| *score >= least).count() as f64;
        println!("    score >= {least}: recall {:.3}  precision {:.3}", right / f64::from(asked), right / all.max(1.0));
    }
}
