//! T11 of the rules that mask more than a detector's box: each on a scene where the box alone would leave somebody bare.
//!
//! The rules are those of `irreversible-v1-real`, its detectors one that says what the test tells it.

use jiff::SignedDuration;
use vaern_door::{Rect, Size};
use vaern_privacy::{Capture, PeopleClass, Position, SeenBox};
use vaern_scenes::Dice;

use crate::masker::{Masked, Refused};
use crate::noise::texture;
use crate::ours::{Act, CAMERA, OurGate, evaluation, now};
use crate::places::camera;
use crate::verdict::{Figure, TestId, Verdict};

const REAL: &str = include_str!("../../../policies/masking/irreversible-v1-real.toml");

/// The shipped rules for real streets, asked of one detector.
fn policy() -> String {
    let begin = REAL.find("[second_opinion").unwrap_or_default();
    let end = REAL.find("# Shadows of persons").unwrap_or_default();
    let alone = [REAL.get(..begin).unwrap_or_default(), REAL.get(end..).unwrap_or_default()].concat();
    let one = "[\"people-drawn\"]";
    evaluation(&alone.replace("[\"yunet-n-640\", \"rfb-320\"]", one).replace("[\"yolox-nano-coco\"]", one))
}

fn gate() -> Result<OurGate, Refused> {
    let classes = [PeopleClass::Face, PeopleClass::Person, PeopleClass::Plate, PeopleClass::Vehicle];
    OurGate::built(&policy(), 320, &classes, CAMERA).map_err(|e| Refused(e.to_string()))
}

fn seen(class: PeopleClass, [x0, y0, x1, y1]: [f32; 4]) -> SeenBox {
    SeenBox { class, x0, y0, x1, y1, score: 0.9 }
}

fn picture((width, height): (u16, u16), seed: u64) -> Result<Vec<u8>, Refused> {
    let size = Size::new(width, height).map_err(|e| Refused(e.to_string()))?;
    Ok(texture(size, &mut Dice::new(seed)).jpeg(jpeg_encoder::SamplingFactor::F_2_2, 88)?)
}

/// Whether all of this is masked.
fn hidden(frame: &Masked, [x0, y0, x1, y1]: [u16; 4]) -> bool {
    let all = Rect::new(x0, y0, x1, y1).map(|rect| (rect, u64::from(x1 - x0) * u64::from(y1 - y0)));
    all.is_ok_and(|(rect, pixels)| rect.covered_by(&frame.rects) == pixels)
}

/// Looks to 25 degrees at eight in the morning (UTC) of the first of June: the sun stands to the right, and shadows fall to the left.
fn in_the_sun(size: (u16, u16), seed: u64, seconds: i64) -> Result<Capture, Refused> {
    let time = now().saturating_add(SignedDuration::from_secs(seconds)).unwrap_or_else(|_| now());
    let place = Position::new(55.6761, 12.5683, 5.0).map_err(|e| Refused(e.to_string()))?;
    Ok(Capture::located_at(picture(size, seed)?, place.with_time(time).with_heading(25.0)).from_camera(camera()))
}

/// T11 of the rules. A gate that cannot be set up, or refuses its picture, hides nobody.
#[must_use]
pub fn t11_rules() -> Verdict {
    let mut bare: Vec<&'static str> = Vec::new();
    let mut tried = 0;
    let mut note = |what: &'static str, holds: Result<bool, Refused>| {
        tried += 1;
        if holds != Ok(true) {
            bare.push(what);
        }
    };
    let shown =
        |gate: &OurGate, capture: Capture, act: Act| gate.admit(capture, act).map_err(|e| Refused(e.to_string()));
    let one = |size, boxes: Vec<SeenBox>, all: [u16; 4]| -> Result<bool, Refused> {
        let gate = gate()?;
        Ok(hidden(&shown(&gate, Capture::unlocated(picture(size, 7)?), Act::See(boxes))?, all))
    };
    let large = (1280, 720);
    // A face seen by itself stands on a body.
    note(
        "the body below a face",
        one(large, vec![seen(PeopleClass::Face, [600.0, 200.0, 640.0, 250.0])], [570, 255, 670, 540]),
    );
    // Whoever sits in a vehicle that is near is behind its glass, in its upper half.
    note(
        "the cabin of a vehicle",
        one(large, vec![seen(PeopleClass::Vehicle, [400.0, 300.0, 800.0, 500.0])], [402, 302, 798, 498]),
    );
    note(
        "the lower part of a vehicle",
        one(large, vec![seen(PeopleClass::Vehicle, [400.0, 300.0, 460.0, 350.0])], [400, 322, 460, 350]),
    );
    // Somebody far away, whom the coarser levels show too small to be sure of.
    let far = seen(PeopleClass::Person, [1500.0, 800.0, 1512.0, 824.0]);
    let fine = || -> Result<bool, Refused> {
        let gate = gate()?;
        let capture = Capture::unlocated(picture((2560, 1440), 7)?);
        Ok(hidden(&shown(&gate, capture, Act::SeeBetter(vec![far], 8.0))?, [1500, 800, 1512, 824]))
    };
    note("somebody far away", fine());
    // Feet 18.5 metres away, the sun at 42 degrees: the shadow is 2.1 metres long, which is 127 pixels to the left.
    let person = seen(PeopleClass::Person, [620.0, 300.0, 660.0, 480.0]);
    let shadow = || -> Result<bool, Refused> {
        let gate = gate()?;
        Ok(hidden(&shown(&gate, in_the_sun(large, 7, -60)?, Act::See(vec![person]))?, [520, 478, 616, 482]))
    };
    note("the shadow of a person", shadow());
    // Lost for a moment, alone and in a crowd of more vehicles than are carried.
    let park: Vec<SeenBox> = (0..1300_u16)
        .map(|n| (f32::from(n % 80) * 16.0, f32::from(n / 80) * 16.0))
        .map(|(x, y)| seen(PeopleClass::Vehicle, [x + 3.0, y + 3.0, x + 13.0, y + 9.0]))
        .collect();
    let lost = |others: &[SeenBox]| -> Result<bool, Refused> {
        let gate = gate()?;
        let all = [others, &[person]].concat();
        shown(&gate, in_the_sun((1280, 720), 7, -60)?, Act::See(all))?;
        let mut held = true;
        for (seed, seconds) in [(8, -60), (9, -59)] {
            let frame = shown(&gate, in_the_sun((1280, 720), seed, seconds)?, Act::See(others.to_vec()))?;
            held &= hidden(&frame, [620, 300, 660, 480]);
        }
        Ok(held)
    };
    note("somebody whom the detectors lose for a moment", lost(&[]));
    note("somebody who is lost in a crowd", lost(&park));
    let figures = vec![Figure::new("rules", f64::from(tried), ""), Figure::new("left bare", bare.len() as f64, "")];
    Verdict::of(TestId::T11, bare.is_empty(), figures, bare.join(", "))
}
