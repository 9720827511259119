//! Figures of the gate and of the reference plugin on drawn scenes with held-out seeds.
//!
//! `cargo run --release -p vaern-node --example figures -- [--scenes N] [--seed S] [--size WxH]`
//!
//! Each scene goes the whole road: JPEG, decode, detect, mask, scale, plugin, output rules. Truth comes from the drawing.
//! A person or face counts as covered if at least 90 % of its visible pixels lie under masks.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a measurement, not a library")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use jiff::Timestamp;
use vaern_door::{Grants, Rect};
use vaern_inference::{Backend as _, ModelLimits};
use vaern_node::gate;
use vaern_node::store::ModelStore;
use vaern_policy::PolicySet;
use vaern_privacy::{Capture, FenceSet, Gate, MaskingPolicy, PictureKind};
use vaern_sandbox::{Engine, InProcess, ReceivedFrame, Runner as _};
use vaern_scenes::{Class, TruthObject, encode_jpeg, sample};

/// Seeds from here on are never used for training; what was chosen (thresholds, shifts, length of training) was chosen there.
const VALIDATION: u64 = 8_000_000;
/// Seeds from here on are used for nothing but the figures.
const HELD_OUT: u64 = 9_000_000;

#[derive(Default)]
struct Tally {
    found: usize,
    all: usize,
}

impl Tally {
    fn add(&mut self, found: bool) {
        self.found += usize::from(found);
        self.all += 1;
    }

    /// Share and its 95 % Wilson interval.
    fn text(&self) -> String {
        let (k, n, z) = (self.found as f64, self.all as f64, 1.96);
        if self.all == 0 {
            return "none".to_owned();
        }
        let p = k / n;
        let middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
        let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt() / (1.0 + z * z / n);
        format!("{p:.4} ({} of {}; 95 % interval {:.4} to {:.4})", self.found, self.all, middle - half, middle + half)
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let option = |name: &str| args.iter().position(|a| a == name).map(|i| args[i + 1].clone());
    let scenes: u64 = option("--scenes").map_or(300, |v| v.parse().unwrap());
    let seed: u64 = option("--seed").map_or(HELD_OUT, |v| v.parse().unwrap());
    let size = option("--size").map_or((1280, 720), |v| {
        let (w, h) = v.split_once('x').unwrap();
        (w.parse().unwrap(), h.parse().unwrap())
    });
    assert!(seed >= VALIDATION, "seeds below {VALIDATION} were used for training");

    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let policies = Dir::open_ambient_dir(root.join("policies"), ambient_authority()).unwrap();
    let set = PolicySet::load(&policies, None).unwrap();
    let backend = vaern_inference::tract();
    let detectors = gate::detectors(&set, &ModelStore::new(None), &backend).unwrap();
    // Scenes have no position, so this measurement runs the city's masking policy with that one switch turned.
    let masking =
        std::str::from_utf8(set.masking()).unwrap().replace("allow_unlocated = false", "allow_unlocated = true");
    let gate = Gate::new(
        MaskingPolicy::parse(&masking).unwrap(),
        FenceSet::default(),
        vaern_privacy::CameraSet::default(),
        detectors,
    )
    .unwrap();

    let grants = Arc::new(grants(&set, &root));
    let model =
        backend.load(&std::fs::read(root.join("models/container.onnx")).unwrap(), &ModelLimits::default()).unwrap();
    let engine = Engine::new().unwrap();
    let component = std::fs::read(root.join("plugins/prebuilt/container-model.wasm")).unwrap();
    let compiled = engine.compile(&component, &grants.limits).unwrap();
    let models = BTreeMap::from([(vaern_door::Name::new("container").unwrap(), model)]);
    let mut runner = InProcess::new(&engine, &compiled, Arc::clone(&grants), models).unwrap();

    let mut covered: BTreeMap<&str, Tally> = BTreeMap::new();
    let mut recall: BTreeMap<String, Tally> = BTreeMap::new();
    let (mut all_recall, mut precision) = (Tally::default(), Tally::default());
    let mut masked_share = Vec::new();
    for seed in seed..seed + scenes {
        let scene = sample(seed, size).unwrap();
        let jpeg = encode_jpeg(&scene.rgb, size, 90, None).unwrap();
        let capture = Capture::unlocated(jpeg).claiming(Some(PictureKind::Jpeg));
        let admitted = gate.admit(capture, Timestamp::now()).unwrap();
        masked_share.push(admitted.receipt.masked_fraction);
        for object in &scene.truth.objects {
            let class = match object.class {
                Class::Face => "face",
                Class::Person => "person",
                Class::Plate => "plate",
                _ => continue,
            };
            let [x0, _, x1, _] = object.bbox;
            if object.visible >= 0.5 && x1 - x0 >= 12 {
                covered.entry(class).or_default().add(share_under(object, admitted.frame.masked()) >= 0.9);
            }
        }

        let frame = admitted.frame.scaled_to(grants.frame).unwrap();
        let received = ReceivedFrame::new(frame.size(), frame.rgb().into(), frame.masked().into(), None).unwrap();
        let answer = runner.detect(&received).unwrap();
        let found =
            vaern_sandbox::admit(&answer.detections, frame.size(), frame.masked(), &grants.labels, &grants.output);
        let scale = f64::from(frame.size().width()) / f64::from(size.0);
        let containers: Vec<(&TruthObject, Rect)> = scene
            .truth
            .objects
            .iter()
            .filter(|o| matches!(o.class, Class::Container(_)))
            .filter_map(|o| {
                let [x0, y0, x1, y1] = o.bbox.map(|v| (f64::from(v) * scale).round() as u16);
                Some((o, Rect::new(x0, y0, x1, y1).ok()?))
            })
            .collect();
        // What counts: visible by half, 16 pixels in the model's 640, and not mostly under a mask (no plugin may report that).
        let counts = |o: &TruthObject, r: &Rect| {
            o.visible >= 0.5
                && f64::from(r.width().min(r.height())) * 640.0 / f64::from(frame.size().width()) >= 16.0
                && 2 * r.covered_by(frame.masked()) <= r.area()
        };
        for (object, rect) in &containers {
            if counts(object, rect) {
                let hit = found.detections.iter().any(|d| d.rect.iou(*rect) >= 0.5);
                all_recall.add(hit);
                let Class::Container(kind) = object.class else { continue };
                recall.entry(kind.name().to_owned()).or_default().add(hit);
            }
        }
        for detection in &found.detections {
            let best = containers
                .iter()
                .filter(|(_, rect)| detection.rect.iou(*rect) >= 0.5)
                .max_by(|a, b| detection.rect.iou(a.1).total_cmp(&detection.rect.iou(b.1)));
            match best {
                // A container that does not count is neither right nor wrong.
                Some((object, rect)) if !counts(object, rect) => {}
                other => precision.add(other.is_some()),
            }
        }
    }
    let which = if seed >= HELD_OUT { "held-out" } else { "validation" };
    println!("{scenes} {which} scenes of {}x{}, seeds from {seed}", size.0, size.1);
    println!("gate (people-drawn, {}): visible >= 0.5, >= 12 px wide, covered >= 90 %", gate.policy().name());
    for (class, tally) in &covered {
        println!("  recall {class:<8} {}", tally.text());
    }
    println!("  masked share of the frame: mean {:.3}", masked_share.iter().sum::<f64>() / masked_share.len() as f64);
    println!("plugin (container-model), IoU >= 0.5, after the output rules");
    println!("  recall           {}", all_recall.text());
    println!("  precision        {}", precision.text());
    for (kind, tally) in &recall {
        println!("  recall {kind:<17} {}", tally.text());
    }
}

/// The grants of the reference plugin under the city's policy.
fn grants(set: &PolicySet, root: &Path) -> Grants {
    let text = std::fs::read_to_string(root.join("plugins/container-model/vaern.toml")).unwrap();
    let mut table: toml::Table = text.parse().unwrap();
    table.remove("models");
    table.remove("model_card");
    set.grants(&table.try_into().unwrap()).unwrap()
}

/// Share of an object's visible pixels that lie under masks.
fn share_under(object: &TruthObject, masks: &[Rect]) -> f64 {
    let width = u32::from(object.mask.width);
    let (mut under, mut all) = (0_u64, 0_u64);
    for (start, length) in &object.mask.runs {
        for at in *start..start + length {
            let (x, y) = (at % width, at / width);
            let hit = masks.iter().any(|m| {
                (u32::from(m.x0())..u32::from(m.x1())).contains(&x)
                    && (u32::from(m.y0())..u32::from(m.y1())).contains(&y)
            });
            under += u64::from(hit);
            all += 1;
        }
    }
    under as f64 / all.max(1) as f64
}
