//! Draws scenes to files: pictures and `truth.jsonl`, one line for each picture. Seed `S + i` gives picture `i`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a tool: it stops at the first fault"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use vaern_scenes::{Class, Scene};

struct Options {
    out: PathBuf,
    count: u64,
    seed: u64,
    size: (u16, u16),
    png: bool,
    boxes: bool,
    masks: bool,
    threads: usize,
}

fn options() -> Options {
    let mut o = Options {
        out: PathBuf::from("scenes"),
        count: 10,
        seed: 1,
        size: (960, 540),
        png: false,
        boxes: false,
        masks: false,
        threads: 0,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| panic!("{arg} needs a value"));
        match arg.as_str() {
            "--out" => o.out = value().into(),
            "--count" => o.count = value().parse().expect("--count: a number"),
            "--seed" => o.seed = value().parse().expect("--seed: a number"),
            "--size" => {
                let v = value();
                let (w, h) = v.split_once('x').expect("--size: WxH");
                o.size = (w.parse().expect("width"), h.parse().expect("height"));
            }
            "--format" => o.png = value() == "png",
            "--threads" => o.threads = value().parse().expect("--threads: a number"),
            "--boxes" => o.boxes = true,
            "--masks" => o.masks = true,
            other => panic!("unknown option {other}; see the head of examples/render.rs"),
        }
    }
    o
}

fn outline(scene: &mut Scene) {
    let (w, h) = (usize::from(scene.width), usize::from(scene.height));
    for object in &scene.truth.objects {
        let colour = match object.class {
            Class::Face => [255, 40, 40],
            Class::Person => [60, 255, 60],
            Class::Plate => [255, 255, 0],
            Class::Container(_) => [40, 160, 255],
            Class::Shadow => [160, 60, 200],
            Class::Vehicle => [120, 120, 120],
        };
        let [x0, y0, x1, y1] = object.bbox.map(usize::from);
        let mut dot = |x: usize, y: usize| {
            if x < w && y < h {
                scene.rgb[(y * w + x) * 3..][..3].copy_from_slice(&colour);
            }
        };
        for x in x0..x1 {
            dot(x, y0);
            dot(x, y1 - 1);
        }
        for y in y0..y1 {
            dot(x0, y);
            dot(x1 - 1, y);
        }
    }
}

fn save(path: &Path, scene: &Scene, png: bool) {
    if png {
        let file = std::io::BufWriter::new(fs::File::create(path).expect("create the picture"));
        let mut e = png::Encoder::new(file, u32::from(scene.width), u32::from(scene.height));
        e.set_color(png::ColorType::Rgb);
        e.write_header().expect("write").write_image_data(&scene.rgb).expect("write");
    } else {
        let mut bytes = format!("P6\n{} {}\n255\n", scene.width, scene.height).into_bytes();
        bytes.extend_from_slice(&scene.rgb);
        fs::write(path, bytes).expect("write the picture");
    }
}

fn line(file: &str, seed: u64, scene: &Scene, masks: bool) -> String {
    let objects: Vec<_> = scene
        .truth
        .objects
        .iter()
        .map(|o| {
            let mut v = serde_json::json!({ "class": o.class.name(), "bbox": o.bbox, "visible": o.visible, "attributes": o.attributes });
            v["kind"] = serde_json::json!(if let Class::Container(k) = o.class { Some(k.name()) } else { o.attributes.kind.as_deref() });
            if masks {
                v["mask"] = serde_json::json!(o.mask.runs);
            }
            v
        })
        .collect();
    let mut text = serde_json::json!({ "file": file, "seed": seed, "width": scene.width, "height": scene.height, "objects": objects }).to_string();
    let _ = writeln!(text);
    text
}

fn main() {
    let o = options();
    fs::create_dir_all(&o.out).expect("create the output folder");
    let threads = if o.threads > 0 { o.threads } else { std::thread::available_parallelism().map_or(1, usize::from) };
    let next = AtomicU64::new(0);
    let mut lines: Vec<(u64, String)> = std::thread::scope(|scope| {
        let work = || {
            let mut lines = Vec::new();
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= o.count {
                    return lines;
                }
                let seed = o.seed + i;
                let mut scene = vaern_scenes::sample(seed, o.size).expect("a size that can be drawn");
                let file = format!("{seed:08}.{}", if o.png { "png" } else { "ppm" });
                lines.push((i, line(&file, seed, &scene, o.masks)));
                if o.boxes {
                    outline(&mut scene);
                }
                save(&o.out.join(&file), &scene, o.png);
            }
        };
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        handles.into_iter().flat_map(|h| h.join().expect("a drawing thread")).collect()
    });
    lines.sort();
    let text: String = lines.into_iter().map(|l| l.1).collect();
    fs::write(o.out.join("truth.jsonl"), text).expect("write the truth");
}
