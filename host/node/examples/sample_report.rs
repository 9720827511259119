//! Writes the output files of a made-up run into a folder, to look at them: `cargo run -p vaern-node --example sample_report -- DIR`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "an example says what it expects"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::collections::BTreeMap;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use vaern_node::outcome::FrameResult;
use vaern_node::{report, sinks};

fn main() {
    let path = std::env::args().nth(1).expect("give the folder to write into");
    Dir::create_ambient_dir_all(&path, ambient_authority()).expect("make the folder");
    let dir = Dir::open_ambient_dir(&path, ambient_authority()).expect("open the folder");
    let mut run = common::made_up_run(64);
    run.frames[3].file = "<script>alert(1)</script>.jpg".to_owned();
    let pictures: BTreeMap<usize, Vec<u8>> = run
        .frames
        .iter()
        .filter(|f| matches!(f.result, FrameResult::Seen(_)))
        .map(|f| (f.number, drawing(f.number)))
        .collect();
    sinks::write_file(&dir, sinks::REPORT, report::html(&run, &pictures, 12).as_bytes()).expect("write the report");
    sinks::write_file(&dir, sinks::DETECTIONS, sinks::detections_geojson(&run).expect("draw up").as_bytes())
        .expect("write the proposals");
    sinks::write_file(&dir, sinks::FRAMES, sinks::frames_csv(&run).as_bytes()).expect("write the frames");
    sinks::write_file(&dir, sinks::SUMMARY, sinks::summary_json(&run).expect("draw up").as_bytes())
        .expect("write the figures");
    println!("{path}/{}", sinks::REPORT);
}

/// A street in a few rectangles: sky, houses, road, a container and what a mask leaves.
fn drawing(number: usize) -> Vec<u8> {
    const W: usize = 640;
    const H: usize = 360;
    let mut rgb = vec![0; W * H * 3];
    let mut fill = |x0: usize, y0: usize, x1: usize, y1: usize, colour: [u8; 3]| {
        for y in y0..y1.min(H) {
            for x in x0..x1.min(W) {
                rgb[(y * W + x) * 3..][..3].copy_from_slice(&colour);
            }
        }
    };
    fill(0, 0, W, H, [186, 205, 217]);
    for house in 0..6 {
        let shade = (house * 37 + number * 13) % 60;
        fill(house * 110, 40 + shade, house * 110 + 108, 250, [150 + shade as u8, 110, 90]);
        for window in 0..6 {
            fill(
                house * 110 + 14 + window % 3 * 32,
                70 + shade + window / 3 * 60,
                house * 110 + 32 + window % 3 * 32,
                104 + shade + window / 3 * 60,
                [70, 84, 96],
            );
        }
    }
    fill(0, 250, W, 286, [170, 168, 162]);
    fill(0, 286, W, H, [88, 90, 93]);
    if matches!(number % 5, 0 | 1 | 3) {
        fill(368, 178, 514, 284, [52, 98, 66]);
        fill(364, 170, 518, 182, [40, 76, 52]);
    }
    if number % 5 == 1 {
        fill(28, 206, 116, 280, [201, 120, 42]);
    }
    for person in 0..number % 3 {
        fill(200 + person * 60, 176, 240 + person * 60, 296, [0, 0, 0]);
    }
    let mut jpeg = Vec::new();
    jpeg_encoder::Encoder::new(&mut jpeg, 82)
        .encode(&rgb, W as u16, H as u16, jpeg_encoder::ColorType::Rgb)
        .expect("encode");
    jpeg
}
