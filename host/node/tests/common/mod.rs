//! A made-up run for the tests of the output files and for the sample report. No figure in it was measured.

use std::collections::BTreeMap;

use vaern_door::{Blame, Digest, Krav, Label, Rect, Size};
use vaern_node::outcome::{
    FoundObject, FrameOutcome, FrameResult, Place, PolicyInfo, Refusal, ReleaseInfo, Run, SeenFrame,
};

/// A made-up drive of `frames` frames through Copenhagen; every fourth is refused.
pub(crate) fn made_up_run(frames: usize) -> Run {
    Run {
        release: Some(ReleaseInfo {
            name: "container-model".to_owned(),
            version: "0.1.0".to_owned(),
            vendor: "eksempel-vendor".to_owned(),
            digest: Digest::of(b"release"),
            interfaces: vec!["models".to_owned()],
            responsible: "Byens Anvendelse, enhedschef N. N.".to_owned(),
            approved_until: "2027-01-31T23:00:00Z".to_owned(),
        }),
        sandbox: None,
        policy: PolicyInfo {
            purpose: "containere-paa-vej".to_owned(),
            dk: "Finde containere, der står på offentlig vej, så tilsynet kan se, om de har tilladelse.".to_owned(),
            en: "Find containers that stand on public road, so that the inspectors can see whether they have a permit."
                .to_owned(),
            legal_basis: "Databeskyttelsesforordningen artikel 6, stk. 1, litra e; vejloven § 80".to_owned(),
            masking: "gade-streng".to_owned(),
            digest: Digest::of(b"policy"),
            detectors: vec![("people".to_owned(), Digest::of(b"people"))],
            backend: "tract-onnx 0.23".to_owned(),
            fence: vec![vec![
                (12.55, 55.66),
                (12.60, 55.662),
                (12.605, 55.675),
                (12.59, 55.69),
                (12.56, 55.688),
                (12.545, 55.672),
                (12.55, 55.66),
            ]],
        },
        frames: (1..=frames).map(frame).collect(),
        started: "2026-11-23T06:40:00Z".to_owned(),
        wall_ms: 18_432.5,
        cautions: vec![(
            "Kørslen er opdigtet: billeder, tal og navne er et eksempel på, hvordan en rapport ser ud.".to_owned(),
            "This run is made up: pictures, figures and names are an example of what a report looks like.".to_owned(),
        )],
    }
}

/// Refusals of every kind of blame.
pub(crate) const REFUSALS: [(&str, &str, Blame, &str); 6] = [
    ("outside_fence", "MIN-04", Blame::Operator, "the error circle of 9 m reaches past the fence"),
    ("no_fix", "MIN-04", Blame::Operator, "the picture carries no GPS position"),
    ("truncated", "STD-02", Blame::Operator, "the file ends inside the scan"),
    ("masking_unavailable", "MIN-01", Blame::Host, "the model people-v1 did not answer"),
    ("plugin_deadline", "SBX-10", Blame::Vendor, "detect took longer than 250 ms"),
    ("unknown_camera", "MIN-08", Blame::Policy, "no camera of this name in the policy"),
];

fn frame(number: usize) -> FrameOutcome {
    let mut stages_ms = BTreeMap::from([("read", 1.4 + number as f64 / 40.0), ("locate", 0.08), ("fence", 0.01)]);
    if number.is_multiple_of(4) {
        let (reason, krav, blame, detail) = REFUSALS[(number / 4) % REFUSALS.len()];
        return FrameOutcome {
            number,
            file: format!("IMG_{number:04}.jpg"),
            result: FrameResult::Refused(Refusal { reason, krav: Krav(krav), blame, detail: detail.to_owned() }),
            stages_ms,
        };
    }
    let wave = (number % 7) as f64;
    for (stage, ms) in [
        ("decode", 14.2),
        ("detect", 61.0),
        ("mask", 2.9),
        ("scale", 3.3),
        ("plugin", 38.5),
        ("admit", 0.02),
        ("write", 5.1),
    ] {
        stages_ms.insert(stage, ms * (1.0 + wave / 12.0));
    }
    let size = Size::new(640, 360).unwrap();
    let container = FoundObject {
        id: format!("d{number:04}"),
        label: Label::new("affaldscontainer").unwrap(),
        score: 214,
        rect: Rect::new(360, 170, 520, 290).unwrap(),
        delvist_maskeret: number % 10 == 5,
    };
    let barrier = FoundObject {
        id: format!("e{number:04}"),
        label: Label::new("materiel").unwrap(),
        score: 131,
        rect: Rect::new(24, 200, 120, 284).unwrap(),
        delvist_maskeret: false,
    };
    let objects = match number % 5 {
        0 | 3 => vec![container],
        1 => vec![container, barrier],
        _ => Vec::new(),
    };
    let people = number % 3;
    FrameOutcome {
        number,
        file: format!("IMG_{number:04}.jpg"),
        result: FrameResult::Seen(Box::new(SeenFrame {
            frame_id: format!("f{number:04}"),
            size,
            position: Some(Place {
                latitude: 55.6761 + (number as f64 / 9.0).sin() * 0.0011 + number as f64 * 0.00004,
                longitude: 12.5683 + number as f64 * 0.00016,
                error_m: 4.5,
                heading: Some((number * 11 % 360) as f64),
                time_ms: Some(1_795_416_000_000 + number as i64 * 2000),
                view: None,
            }),
            masked_share: people as f64 * 0.031,
            masked_boxes: BTreeMap::from([("face", people), ("person", people), ("plate", usize::from(people > 0))]),
            seconds_in_clear: 0.081 + wave / 200.0,
            objects,
            dropped_answers: if number.is_multiple_of(9) {
                BTreeMap::from([("inside_mask", 1)])
            } else {
                BTreeMap::new()
            },
            zoom_pixels: Some(number as u32 % 3 * 700),
            picture: Some(format!("pictures/f{number:04}.jpg")),
        })),
        stages_ms,
    }
}
