//! Whether cost is linear in the size of the corpus: the same release on corpora of growing size, processor time of the whole process.
//!
//! `cargo run --release -p vaern-conformance --example linear -- RELEASE POLICIES`

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement, not a library")]

use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use serde_json::{Value, json};
use vaern_conformance::{Candidate, Corpus, Given, HostBuild, LABELS, Profile, Settings};
use vaern_door::Digest;
use vaern_policy::PolicySet;
use vaern_scenes::{Class, encode_jpeg, sample};

const SIZE: (u16, u16) = (1280, 720);
/// Pictures that are drawn; a larger corpus holds them several times, under other names.
const DRAWN: u64 = 25;
/// With one picture: what a run costs before there are many.
const SIZES: [u64; 5] = [1, 25, 50, 100, 200];

fn processor() -> Duration {
    let at = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(at.tv_sec.unsigned_abs(), u32::try_from(at.tv_nsec).unwrap())
}

fn main() {
    let mut args = std::env::args().skip(1);
    let (Some(release), Some(policies)) = (args.next(), args.next()) else {
        println!("usage: linear RELEASE POLICIES");
        return;
    };
    let open = |path: &str| Dir::open_ambient_dir(path, ambient_authority()).unwrap();
    let candidate = Candidate::open(&open(&release), None).unwrap();
    let set = PolicySet::load(&open(&policies), None).unwrap();
    let drawn: Vec<_> = (0..DRAWN).map(|seed| sample(seed, SIZE).unwrap()).collect();
    let backend = vaern_inference::tract();
    let mut seen = Vec::new();
    println!("{} on corpora of pictures of {} x {}", candidate.manifest().name, SIZE.0, SIZE.1);
    for pictures in SIZES {
        let temp = tempfile::tempdir().unwrap();
        let dir = open(temp.path().to_str().unwrap());
        let (mut images, mut boxes): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
        for (number, scene) in (0..pictures).zip(drawn.iter().cycle()) {
            let file = format!("{number:05}.jpg");
            dir.write(&file, encode_jpeg(&scene.rgb, SIZE, 90, None).unwrap()).unwrap();
            images.push(json!({ "id": number, "file_name": file, "width": SIZE.0, "height": SIZE.1 }));
            for object in scene.truth.objects.iter().filter(|object| matches!(object.class, Class::Container(_))) {
                let [x0, y0, x1, y1] = object.bbox;
                boxes.push(json!({ "image_id": number, "category_id": 1, "bbox": [x0, y0, x1 - x0, y1 - y0] }));
            }
        }
        let coco = json!({
            "images": images, "annotations": boxes, "categories": [{ "id": 1, "name": "affaldscontainer" }]
        });
        dir.write(LABELS, coco.to_string()).unwrap();
        let begun = processor();
        let corpus = Corpus::open(dir).unwrap();
        let settings = Settings {
            profile: Profile::Dev,
            seed: 1,
            only: vec!["KT-COR-001P".to_owned()],
            workers: 2,
            host: HostBuild { version: "bench".to_owned(), digest: Digest::of(b"bench") },
            backend: &backend,
            resume: None,
            progress: &|_, _, _| {},
            given: Given { corpus: Some(&corpus), ..Given::default() },
        };
        vaern_conformance::run(&candidate, &set, settings, &mut |_, _| {}).unwrap();
        let took = processor() - begun;
        println!("DEEP {pictures:>5} pictures: {:.2} s of processor time", took.as_secs_f64());
        seen.push((f64::from(u32::try_from(pictures).unwrap()), took.as_secs_f64()));
    }
    // Cost = base + slope * more ^ power, with the base as measured: the power is the slope of the logarithms.
    let base = seen.first().unwrap().1;
    let logs: Vec<(f64, f64)> = seen.iter().skip(1).map(|(n, s)| ((n - 1.0).ln(), (s - base).max(1e-9).ln())).collect();
    let count = f64::from(u32::try_from(logs.len()).unwrap());
    let (mx, my) = (logs.iter().map(|l| l.0).sum::<f64>() / count, logs.iter().map(|l| l.1).sum::<f64>() / count);
    let power = logs.iter().map(|(x, y)| (x - mx) * (y - my)).sum::<f64>()
        / logs.iter().map(|(x, _)| (x - mx).powi(2)).sum::<f64>();
    let (largest, most) = seen.last().unwrap();
    println!(
        "DEEP power {power:.3} (1 is linear); {:.1} ms a picture beyond {base:.2} s",
        (most - base) / (largest - 1.0) * 1000.0
    );
}
