//! Reading rendered scenes (`cargo run --release --example render -p vaern-scenes -- --format ppm …`) and masking the
//! people in them as the gate does, so that a tool sees what a plugin sees.

use std::fs;
use std::path::Path;

use vaern_sdk::testing::FakeFrame;

/// A container that is really there, in pixels of the frame.
#[derive(Debug, Clone)]
pub struct Truth {
    pub bbox: [f32; 4],
    #[allow(dead_code, reason = "one of the two tools asks for it")]
    pub kind: String,
    /// Visible share of it, after masking.
    pub visible: f32,
}

/// A masked frame and its truth.
pub struct Scene {
    pub frame: FakeFrame,
    pub containers: Vec<Truth>,
}

fn ppm(path: &Path) -> (usize, usize, Vec<u8>) {
    let bytes = fs::read(path).expect("a rendered picture");
    let mut fields = bytes.splitn(4, |b| *b == b'\n');
    assert_eq!(fields.next(), Some(&b"P6"[..]));
    let size = std::str::from_utf8(fields.next().expect("size")).expect("size");
    let (w, h) = size.split_once(' ').expect("size");
    fields.next();
    (w.parse().expect("width"), h.parse().expect("height"), fields.next().expect("pixels").to_vec())
}

fn overlap(a: [f32; 4], b: [f32; 4]) -> f32 {
    (a[2].min(b[2]) - a[0].max(b[0])).max(0.0) * (a[3].min(b[3]) - a[1].max(b[1])).max(0.0)
}

/// Reads `count` scenes of a folder, after `skip` others.
pub fn read(folder: &Path, skip: usize, count: usize, mut each: impl FnMut(Scene)) {
    let truth = fs::read_to_string(folder.join("truth.jsonl")).expect("truth.jsonl");
    for line in truth.lines().skip(skip).take(count) {
        let scene: serde_json::Value = serde_json::from_str(line).expect("a line of truth");
        let (width, height, mut rgb) = ppm(&folder.join(scene["file"].as_str().expect("file")));
        let (mut masks, mut containers) = (Vec::new(), Vec::new());
        for object in scene["objects"].as_array().expect("objects") {
            let corners: Vec<f32> =
                object["bbox"].as_array().expect("bbox").iter().map(|v| v.as_f64().expect("corner") as f32).collect();
            let bbox = [corners[0], corners[1], corners[2], corners[3]];
            let (w, h) = (bbox[2] - bbox[0], bbox[3] - bbox[1]);
            let grown = |x: f32, y: f32| [bbox[0] - w * x, bbox[1] - h * y, bbox[2] + w * x, bbox[3] + h * y];
            match object["class"].as_str().expect("class") {
                "person" => masks.push(grown(0.05, 0.05)),
                "face" => masks.push(grown(0.25, 0.25)),
                "plate" => masks.push(grown(0.125, 0.05)),
                "container" => containers.push(Truth {
                    bbox,
                    kind: object["kind"].as_str().expect("kind").to_owned(),
                    visible: object["visible"].as_f64().expect("visible") as f32,
                }),
                _ => {}
            }
        }
        for mask in &masks {
            // Snapped outward to the grid of the camera's compression, as the gate snaps.
            let low = |v: f32| (v.max(0.0) / 16.0).floor() as usize * 16;
            let high = |v: f32, limit: usize| ((v.max(0.0) / 16.0).ceil() as usize * 16).min(limit);
            for y in low(mask[1])..high(mask[3], height) {
                let (from, to) = (low(mask[0]).min(width), high(mask[2], width));
                if from < to {
                    rgb[(y * width + from) * 3..(y * width + to) * 3].fill(64);
                }
            }
        }
        for container in &mut containers {
            let [x0, y0, x1, y1] = container.bbox;
            let hidden: f32 = masks.iter().map(|mask| overlap(*mask, container.bbox)).fold(0.0, f32::max);
            container.visible *= 1.0 - hidden / ((x1 - x0) * (y1 - y0)).max(1.0);
        }
        let frame = FakeFrame::from_rgb(width as u16, height as u16, rgb).expect("a frame");
        each(Scene { frame, containers });
    }
}

/// Intersection over union.
pub fn iou(a: [f32; 4], b: [f32; 4]) -> f32 {
    let both = overlap(a, b);
    let area = |r: [f32; 4]| (r[2] - r[0]).max(0.0) * (r[3] - r[1]).max(0.0);
    both / (area(a) + area(b) - both).max(1.0)
}

/// Large and clear enough that it counts: at least 32 pixels high and half visible.
pub fn counts(truth: &Truth) -> bool {
    truth.bbox[3] - truth.bbox[1] >= 32.0 && truth.visible >= 0.5
}

/// What an answer is worth.
pub enum Verdict {
    /// A container that counts.
    Right,
    /// No container.
    Wrong,
    /// A container that is too small or too hidden to be asked for.
    Unasked,
}

/// Matches an answer with the container that it overlaps most, if nobody has taken that one.
pub fn judge(bbox: [f32; 4], truth: &[Truth], taken: &mut [bool]) -> Verdict {
    let best = (0..truth.len())
        .filter(|i| !taken[*i])
        .map(|i| (iou(bbox, truth[i].bbox), i))
        .filter(|(iou, _)| *iou >= 0.5)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    if let Some((_, i)) = best {
        taken[i] = true;
        return if counts(&truth[i]) { Verdict::Right } else { Verdict::Unasked };
    }
    let unasked = truth.iter().any(|t| !counts(t) && iou(bbox, t.bbox) > 0.2);
    if unasked { Verdict::Unasked } else { Verdict::Wrong }
}
