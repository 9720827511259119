//! deep: faces, persons and plates that are covered on the labelled pictures
//!
//! What the gate covers on real labelled pictures, picture by picture, each miss by name.
//!
//! `cargo run --release -p vaern-node --example recall -- [--data DATA/dev] [--models DATA/models] [--runtime LIBONNXRUNTIME]
//!  [--engine tract] [--deface BOXES.json] [--out DIR] [--with 'old=>new']`
//!
//! A face, a person of at least 24 pixels, or a plate counts as covered if at least 90 % of its labelled box lies under masks.
//! *Kept* is the part of the labelled container area that stays unmasked; only area away from people and plates counts: further
//! from a labelled face, person or plate than 15 % of its size and the 18 pixels that the mask grid may add. `--deface` takes the
//! boxes that `conformance-tests/peers/against_deface.py boxes` wrote, grown by deface's own mask scale of 1.3, as rectangles (it
//! draws ellipses, which cover less). `--out` writes the masked pictures, to be looked at; never into the repository.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a measurement, not a library")]

mod real_gate;

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use real_gate::{backend, gate, option};
use serde_json::Value;
use vaern_door::{Rect, Size};
use vaern_privacy::Capture;

const LEAST_PERSON_PX: f64 = 24.0;

#[derive(Default, Clone, Copy)]
struct Tally {
    covered: usize,
    all: usize,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.covered += other.covered;
        self.all += other.all;
    }

    fn text(self) -> String {
        if self.all == 0 { "-".to_owned() } else { format!("{}/{}", self.covered, self.all) }
    }
}

fn main() {
    let shared = std::env::var("VAERN_SHARED_DATA")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data").to_owned());
    let data = option("--data").unwrap_or_else(|| format!("{shared}/dev"));
    let models = option("--models").unwrap_or_else(|| format!("{shared}/models"));
    if !Path::new(&data).join("labels.json").is_file() {
        println!("SKIP recall: no labelled pictures at {data}");
        return;
    }
    let deface: Option<Value> =
        option("--deface").map(|file| serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap());
    let out = option("--out");
    let backend = backend();
    let gate = gate(&models, backend.as_ref());
    let labels: BTreeMap<String, Value> =
        serde_json::from_slice(&std::fs::read(Path::new(&data).join("labels.json")).unwrap()).unwrap();

    println!("engine {}, policy {}", backend.name(), gate.policy().name());
    println!(
        "{:<52} {:>6} {:>7} {:>7} {:>7} {:>7} {:>6}",
        "picture", "faces", "deface", "persons", "plates", "masked", "kept"
    );
    let mut sums = [Tally::default(); 4];
    let (mut kept, mut area, mut masked, mut pictures, mut below) = (0, 0, 0.0, 0, Vec::new());
    let mut misses = Vec::new();
    for (picture, label) in labels.iter().filter(|(_, label)| label.get("person_boxes").is_some()) {
        let bytes = std::fs::read(Path::new(&data).join(picture)).unwrap();
        let admitted = match gate.admit(Capture::unlocated(bytes), Timestamp::now()) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                println!("{picture:<52} refused: {refusal}");
                continue;
            }
        };
        let frame = &admitted.frame;
        if let Some(out) = &out {
            let file = Path::new(out).join(picture.replace('/', "_")).with_extension("jpg");
            std::fs::write(file, frame.encode_jpeg(85).unwrap()).unwrap();
        }
        let size = frame.size();
        let mut count = |class: &str, boxes: Vec<[f64; 4]>| {
            let mut tally = Tally::default();
            for b in boxes {
                let Some(rect) = rect(b, size) else { continue };
                let share = rect.covered_by(frame.masked()) as f64 / rect.area() as f64;
                tally.all += 1;
                if share >= 0.9 {
                    tally.covered += 1;
                } else {
                    misses.push(format!("{picture}: {class} at {b:?}, {:.0} % covered", share * 100.0));
                }
            }
            tally
        };
        let faces = count("face", boxes(label, "face_boxes"));
        let tall = boxes(label, "person_boxes").into_iter().filter(|b| b[3] >= LEAST_PERSON_PX).collect();
        let persons = count("person", tall);
        let plates = count("plate", boxes(label, "plate_boxes"));
        let peer = deface.as_ref().map(|all| peer_faces(&all[picture], &boxes(label, "face_boxes"), size));
        if peer.is_some_and(|peer| faces.covered < peer.covered) {
            below.push(picture.clone());
        }
        let (open, all) =
            if picture.starts_with("containers/") { container_area(label, frame.masked(), size) } else { (0, 0) };
        for (sum, tally) in sums.iter_mut().zip([faces, peer.unwrap_or_default(), persons, plates]) {
            sum.add(tally);
        }
        (kept, area, masked, pictures) =
            (kept + open, area + all, masked + admitted.receipt.masked_fraction, pictures + 1);
        println!(
            "{picture:<52} {:>6} {:>7} {:>7} {:>7} {:>6.1}% {:>6}",
            faces.text(),
            peer.map_or("-".to_owned(), Tally::text),
            persons.text(),
            plates.text(),
            admitted.receipt.masked_fraction * 100.0,
            if all > 0 { format!("{:.0}%", open as f64 / all as f64 * 100.0) } else { "-".to_owned() },
        );
    }
    println!(
        "\nDEEP {pictures} pictures: faces {} (deface {}), persons {}, plates {}; masked {:.1} % in the mean; container area kept {:.1} %",
        sums[0].text(),
        sums[1].text(),
        sums[2].text(),
        sums[3].text(),
        masked / f64::from(pictures) * 100.0,
        kept as f64 / area as f64 * 100.0
    );
    for picture in &below {
        println!("BELOW DEFACE: {picture}");
    }
    println!("DEEP {} misses", misses.len());
    misses.iter().for_each(|miss| println!("  {miss}"));
    assert!(below.is_empty(), "the peer covers more faces in {} pictures", below.len());
    assert!(kept * 10 >= area * 9, "less than 90 % of the container area stays unmasked");
}

/// Boxes `[x, y, w, h]` of a label.
fn boxes(label: &Value, key: &str) -> Vec<[f64; 4]> {
    serde_json::from_value(label[key].clone()).unwrap_or_default()
}

fn rect([x, y, w, h]: [f64; 4], size: Size) -> Option<Rect> {
    let px = |v: f64, side: u16| (v.round().max(0.0) as u16).min(side);
    Rect::new(px(x, size.width()), px(y, size.height()), px(x + w, size.width()), px(y + h, size.height())).ok()
}

/// Faces that deface's boxes cover.
fn peer_faces(found: &Value, faces: &[[f64; 4]], size: Size) -> Tally {
    let found: Vec<[f64; 5]> = serde_json::from_value(found.clone()).unwrap_or_default();
    let grown = |[x0, y0, x1, y1, _]: [f64; 5]| {
        let (w, h) = ((x1 - x0) * 1.3, (y1 - y0) * 1.3);
        rect([f64::midpoint(x0, x1) - w / 2.0, f64::midpoint(y0, y1) - h / 2.0, w, h], size)
    };
    let rects: Vec<Rect> = found.into_iter().filter_map(grown).collect();
    let faces: Vec<Rect> = faces.iter().filter_map(|b| rect(*b, size)).collect();
    let covered = faces.iter().filter(|f| f.covered_by(&rects) * 10 >= f.area() * 9).count();
    Tally { covered, all: faces.len() }
}

/// Unmasked and whole labelled container area away from people and plates, in pixels.
fn container_area(label: &Value, masked: &[Rect], size: Size) -> (usize, usize) {
    let width = usize::from(size.width());
    let mut map = vec![0_u8; size.pixels()];
    let mut paint = |rect: Rect, value: u8| {
        for y in rect.y0()..rect.y1() {
            let row = usize::from(y) * width;
            map[row + usize::from(rect.x0())..row + usize::from(rect.x1())].fill(value);
        }
    };
    boxes(label, "container_boxes").into_iter().filter_map(|b| rect(b, size)).for_each(|r| paint(r, 1));
    for key in ["face_boxes", "person_boxes", "plate_boxes"] {
        for [x, y, w, h] in boxes(label, key) {
            let (dx, dy) = (w * 0.15 + 18.0, h * 0.15 + 18.0);
            rect([x - dx, y - dy, w + 2.0 * dx, h + 2.0 * dy], size).into_iter().for_each(|r| paint(r, 0));
        }
    }
    let all = map.iter().filter(|v| **v == 1).count();
    for rect in masked {
        for y in rect.y0()..rect.y1() {
            let row = usize::from(y) * width;
            map[row + usize::from(rect.x0())..row + usize::from(rect.x1())].fill(0);
        }
    }
    (map.iter().filter(|v| **v == 1).count(), all)
}
