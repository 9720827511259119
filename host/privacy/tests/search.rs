//! How the frame is searched, with fake detectors: FRM-10, FRM-16, FRM-17, FRM-19, FRM-23, IMG-11, MIN-03, MIN-05.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod common;

use std::sync::{Arc, Mutex};

use common::{Exif, cameras, fences, jpeg, name, now, png, seen, size};
use vaern_door::{Digest, Name, Rect, Size};
use vaern_privacy::{
    Capture, ClearFrame, DetectorFault, Gate, MaskingPolicy, PeopleClass, PeopleDetector, Picture, Position, SeenBox,
};

/// Sees a box only where a tile shows it whole and at least `least` of the detector's pixels tall.
struct Eye {
    name: Name,
    classes: Vec<PeopleClass>,
    input: Size,
    least: f32,
    boxes: Vec<SeenBox>,
    looked: Mutex<Vec<Rect>>,
}

impl Eye {
    fn new(called: &str, classes: &[PeopleClass], least: f32, boxes: Vec<SeenBox>) -> Arc<Self> {
        let looked = Mutex::default();
        Arc::new(Self { name: name(called), classes: classes.to_vec(), input: size(320, 320), least, boxes, looked })
    }
}

impl PeopleDetector for Eye {
    fn name(&self) -> &Name {
        &self.name
    }

    fn digest(&self) -> Digest {
        Digest::of(b"eye")
    }

    fn classes(&self) -> &[PeopleClass] {
        &self.classes
    }

    fn input(&self) -> Size {
        self.input
    }

    fn look(&self, _: Picture<'_>, tile: Rect, floor: f32) -> Result<Vec<SeenBox>, DetectorFault> {
        self.looked.lock().unwrap().push(tile);
        let scale = 320.0 / f32::from(tile.width().max(tile.height()));
        let whole = |b: &SeenBox| {
            b.x0 >= f32::from(tile.x0())
                && b.x1 <= f32::from(tile.x1())
                && b.y0 >= f32::from(tile.y0())
                && b.y1 <= f32::from(tile.y1())
        };
        let large = |b: &SeenBox| (b.y1 - b.y0) * scale >= self.least;
        Ok(self.boxes.iter().filter(|b| whole(b) && large(b) && b.score >= floor).copied().collect())
    }
}

const FACES: [PeopleClass; 1] = [PeopleClass::Face];
const BODIES: [PeopleClass; 2] = [PeopleClass::Person, PeopleClass::Vehicle];

fn real_text() -> String {
    let file = common::repository().join("policies/masking/irreversible-v1-real.toml");
    std::fs::read_to_string(file).unwrap().replace("allow_unlocated = false", "allow_unlocated = true")
}

/// The real policy with fake detectors that see these boxes.
fn gate(text: &str, faces: Vec<SeenBox>, second: Vec<SeenBox>, bodies: Vec<SeenBox>) -> (Gate, [Arc<Eye>; 3]) {
    let eyes = [
        Eye::new("yunet-n-640", &FACES, 6.0, faces),
        Eye::new("rfb-320", &FACES, 6.0, second),
        Eye::new("yolox-nano-coco", &BODIES, 12.0, bodies),
    ];
    let loaded: Vec<Arc<dyn PeopleDetector>> = eyes.iter().map(|e| Arc::clone(e) as Arc<dyn PeopleDetector>).collect();
    (Gate::new(MaskingPolicy::parse(text).unwrap(), fences(), cameras(), loaded).unwrap(), eyes)
}

fn admit(gate: &Gate, frame: Size) -> ClearFrame {
    gate.admit(Capture::unlocated(png(&vec![90; frame.rgb_bytes()], frame)), now()).unwrap().frame
}

fn covered(frame: &ClearFrame, x0: u16, y0: u16, x1: u16, y1: u16) -> bool {
    let rect = Rect::new(x0, y0, x1, y1).unwrap();
    rect.covered_by(frame.masked()) == rect.area()
}

fn scored(class: PeopleClass, at: (f32, f32, f32, f32), score: f32) -> SeenBox {
    SeenBox { score, ..seen(class, at.0, at.1, at.2, at.3) }
}

const LARGE: Size = match Size::new(2000, 1500) {
    Ok(size) => size,
    Err(_) => panic!(),
};

#[test]
fn frm_10n_a_weak_small_person_is_masked_and_a_weak_large_box_is_not() {
    // 30 px tall at half scale, and 300 px tall in the whole-frame search.
    let far = scored(PeopleClass::Person, (600.0, 700.0, 620.0, 760.0), 0.12);
    let container = scored(PeopleClass::Person, (1000.0, 100.0, 1700.0, 1400.0), 0.3);
    let out = admit(&gate(&real_text(), vec![], vec![], vec![far, container]).0, LARGE);
    assert!(covered(&out, 600, 700, 620, 760));
    assert!(!covered(&out, 1200, 300, 1400, 1000));
    // In plain view, a person gives a strong score, at any size.
    let near = SeenBox { score: 0.6, ..container };
    assert!(covered(&admit(&gate(&real_text(), vec![], vec![], vec![near]).0, LARGE), 1000, 100, 1700, 1400));
}

#[test]
fn frm_10n_the_fine_scale_is_searched_around_the_least_sign() {
    // 20 px tall: at half scale too small for this detector, but something there looks a little like a person.
    let far = scored(PeopleClass::Person, (1500.0, 300.0, 1510.0, 320.0), 0.5);
    let sign = scored(PeopleClass::Person, (1480.0, 280.0, 1530.0, 340.0), 0.04);
    let (gate_, eyes) = gate(&real_text(), vec![], vec![], vec![far, sign]);
    assert!(covered(&admit(&gate_, LARGE), 1500, 300, 1510, 320));
    let fine: Vec<Rect> = eyes[2].looked.lock().unwrap().iter().copied().filter(|t| t.width() <= 320).collect();
    assert!(!fine.is_empty() && fine.len() < 12, "around the sign only: {fine:?}");
    // Without a sign the fine scale finds nothing to look at; on a small frame it looks everywhere.
    let (quiet, eyes) = gate(&real_text(), vec![], vec![], vec![far]);
    assert!(!covered(&admit(&quiet, LARGE), 1500, 300, 1510, 320));
    assert!(eyes[2].looked.lock().unwrap().iter().all(|t| t.width() > 320));
    let small = scored(PeopleClass::Person, (700.0, 300.0, 710.0, 320.0), 0.5);
    assert!(covered(&admit(&gate(&real_text(), vec![], vec![], vec![small]).0, size(1200, 900)), 700, 300, 710, 320));
}

#[test]
fn frm_19n_a_far_person_slid_over_every_seam_is_covered() {
    let (w, h) = (14, 30);
    for at in (0..986).step_by(17) {
        let (x, y) = (at, (at * 7) % 720);
        let person = scored(PeopleClass::Person, (f32::from(x), f32::from(y), f32::from(x + w), f32::from(y + h)), 0.4);
        let out = admit(&gate(&real_text(), vec![], vec![], vec![person]).0, size(1000, 750));
        assert!(covered(&out, x, y, x + w, y + h), "at {x},{y}");
    }
}

#[test]
fn frm_16n_a_face_in_plain_view_implies_a_body() {
    let face = scored(PeopleClass::Face, (400.0, 100.0, 440.0, 150.0), 0.8);
    let (gate_, _) = gate(&real_text(), vec![face], vec![], vec![]);
    let out = admit(&gate_, size(1000, 750));
    assert!(covered(&out, 365, 125, 475, 440), "chest, arms and legs: {:?}", out.masked());
    // A face that is hardly one does not mask the street below it.
    let weak = SeenBox { score: 0.3, ..face };
    assert!(!covered(&admit(&gate(&real_text(), vec![weak], vec![], vec![]).0, size(1000, 750)), 400, 250, 440, 400));
}

#[test]
fn img_11n_the_second_detector_is_heard_where_the_first_is_silent() {
    let face = scored(PeopleClass::Face, (300.0, 200.0, 420.0, 350.0), 0.95);
    let out = admit(&gate(&real_text(), vec![], vec![face], vec![]).0, size(1000, 750));
    assert!(covered(&out, 300, 200, 420, 350));
    // Its scores are on a scale of their own: what is weak there is no face.
    let weak = SeenBox { score: 0.7, ..face };
    assert!(!covered(&admit(&gate(&real_text(), vec![], vec![weak], vec![]).0, size(1000, 750)), 300, 200, 420, 350));
}

#[test]
fn frm_17n_without_a_plate_detector_the_band_of_every_vehicle_is_covered() {
    let car = scored(PeopleClass::Vehicle, (200.0, 300.0, 500.0, 500.0), 0.57);
    let out = admit(&gate(&real_text(), vec![], vec![], vec![car]).0, size(1000, 750));
    // Wherever a plate hangs, to its last character: the lower 60 %, from one side to the other.
    assert!(covered(&out, 200, 380, 500, 500));
    assert!(!covered(&out, 300, 300, 400, 340), "the roof is no place for a plate");
}

#[test]
fn min_03n_the_cabin_of_a_near_vehicle_is_masked_and_min_03p_of_a_far_one_only_the_band() {
    let near = scored(PeopleClass::Vehicle, (200.0, 300.0, 500.0, 500.0), 0.7);
    let out = admit(&gate(&real_text(), vec![], vec![], vec![near]).0, size(1000, 750));
    assert!(covered(&out, 200, 300, 500, 500), "whoever sits behind the glass: {:?}", out.masked());
    // So far away that nobody in it can be made out.
    let far = scored(PeopleClass::Vehicle, (200.0, 300.0, 290.0, 360.0), 0.7);
    let out = admit(&gate(&real_text(), vec![], vec![], vec![far]).0, size(1000, 750));
    assert!(covered(&out, 200, 324, 290, 360));
    assert!(!covered(&out, 220, 294, 260, 304), "{:?}", out.masked());
}

#[test]
fn frm_23n_bounds_of_the_search_hold_against_the_policy() {
    let refused = |old: &str, new: &str, param: &str| {
        let text = real_text();
        assert!(text.contains(old), "{old}");
        let error = MaskingPolicy::parse(&text.replacen(old, new, 1)).unwrap_err().to_string();
        assert!(error.contains(param), "{old} → {new}: {error}");
    };
    refused("threshold_large = 0.5", "threshold_large = 0.7", "threshold_large");
    refused("threshold_large = 0.5", "threshold_large = 0.1", "threshold_large");
    refused("sign = 0.03", "sign = 0.2", "sign");
    refused("sign = 0.03\n", "", "regions.sign");
    refused("max_side_px = 128", "max_side_px = 40", "max_side_px");
    refused("slack_px = 3", "slack_px = -1", "slack_px");
    refused("fine = 1.0", "fine = 2.0", "tiles.fine");
    refused("heads = 6.0", "heads = 0.5", "body.heads");
    refused("max_scale = 0.2", "max_scale = 0.01", "second_opinion.max_scale");
    refused("detectors = [\"yunet-n-640\", \"rfb-320\"]", "detectors = [\"rfb-320\"]", "second_opinion");
    refused("max_length_m = 8.0", "max_length_m = 0.1", "shadows.max_length_m");
    refused("spread_deg = 15.0", "spread_deg = nan", "shadows.spread_deg");
    refused("max_seconds = 1.0", "max_seconds = 60.0", "carry.max_seconds");
    refused("cover_lower = 0.6", "cover_lower = 0.3", "cover_lower");
    refused("cover_lower = 0.6\n", "", "cabin");
    refused("from_px = 100", "from_px = 1000", "cabin.from_px");
    refused("threshold = 0.6 }", "threshold = 0.9 }", "cabin.threshold");
    refused("threshold = 0.2", "threshold = nan", "threshold");
}

/// A capture with position, time and heading, `second` seconds after the first.
fn at(second: i64, heading: f64, frame: Size) -> Capture {
    let time = "2026-06-21T11:12:00Z".parse::<jiff::Timestamp>().unwrap();
    let time = time + jiff::SignedDuration::from_secs(second);
    let mut rgb = vec![90; frame.rgb_bytes()];
    rgb[..192].fill((second * 60) as u8);
    let position = Position::new(common::HERE.0, common::HERE.1, 5.0).unwrap().with_time(time).with_heading(heading);
    Capture::located_at(jpeg(&rgb, frame, &Exif::default()), position).from_camera(Some(name("test-cam")))
}

fn later() -> jiff::Timestamp {
    "2026-06-21T12:00:00Z".parse().unwrap()
}

#[test]
fn min_03n_the_shadow_of_a_person_is_masked_where_the_sun_is_known() {
    let frame = size(1280, 720);
    let person = scored(PeopleClass::Person, (620.0, 300.0, 660.0, 480.0), 0.9);
    let (gate_, _) = gate(&real_text(), vec![], vec![], vec![person]);
    // Looking east at noon: the shadow falls to the left of the feet, along the ground. Camera 2 m high, view of 60 degrees:
    // the feet are 18.5 m away, the shadow 1.2 m long, 72 px.
    let out = gate_.admit(at(0, 90.0, frame), later()).unwrap().frame;
    assert!(covered(&out, 572, 476, 640, 484), "{:?}", out.masked());
    // Looking west it falls to the right.
    let (gate_, _) = gate(&real_text(), vec![], vec![], vec![person]);
    let out = gate_.admit(at(0, 270.0, frame), later()).unwrap().frame;
    assert!(!covered(&out, 572, 476, 600, 484) && covered(&out, 640, 476, 708, 484), "{:?}", out.masked());
    // Without a switch in the policy there is no shadow.
    let mut text: toml::Table = real_text().parse().unwrap();
    text.remove("shadows").unwrap();
    let (gate_, _) = gate(&text.to_string(), vec![], vec![], vec![person]);
    let out = gate_.admit(at(0, 90.0, frame), later()).unwrap().frame;
    assert!(!covered(&out, 572, 476, 600, 484));
}

#[test]
fn min_01n_a_person_lost_for_one_frame_of_a_burst_stays_masked() {
    let frame = size(640, 480);
    let person = scored(PeopleClass::Person, (300.0, 200.0, 330.0, 280.0), 0.9);
    let policy = real_text();
    let classes: Vec<PeopleClass> = [FACES.as_slice(), BODIES.as_slice()].concat();
    let flicker = Arc::new(Flicker { classes, person, frames: Mutex::new(0) });
    let text = policy
        .replace("[\"yunet-n-640\", \"rfb-320\"]", "[\"flicker\"]")
        .replace("[\"yolox-nano-coco\"]", "[\"flicker\"]");
    let gate = Gate::new(MaskingPolicy::parse(&text).unwrap(), fences(), cameras(), vec![flicker]).unwrap();
    let first = gate.admit(at(0, 0.0, frame), later()).unwrap().frame;
    assert!(covered(&first, 300, 200, 330, 280));
    // Seen in the first frame only: masked a second later, gone after two.
    let second = gate.admit(at(1, 0.0, frame), later()).unwrap().frame;
    assert!(covered(&second, 280, 190, 350, 290), "{:?}", second.masked());
    let third = gate.admit(at(2, 0.0, frame), later()).unwrap().frame;
    assert!(third.masked().is_empty(), "{:?}", third.masked());
}

/// Sees the person in the first frame only.
struct Flicker {
    classes: Vec<PeopleClass>,
    person: SeenBox,
    frames: Mutex<u32>,
}

impl PeopleDetector for Flicker {
    fn name(&self) -> &Name {
        static NAME: std::sync::OnceLock<Name> = std::sync::OnceLock::new();
        NAME.get_or_init(|| name("flicker"))
    }

    fn digest(&self) -> Digest {
        Digest::of(b"flicker")
    }

    fn classes(&self) -> &[PeopleClass] {
        &self.classes
    }

    fn input(&self) -> Size {
        size(320, 320)
    }

    fn look(&self, picture: Picture<'_>, tile: Rect, _: f32) -> Result<Vec<SeenBox>, DetectorFault> {
        if tile == Rect::whole(picture.size()) {
            let mut frames = self.frames.lock().unwrap();
            *frames += 1;
            if *frames == 1 {
                return Ok(vec![self.person]);
            }
        }
        Ok(Vec::new())
    }
}
