//! What is under a mask is gone: FRM-01, FRM-13, FRM-14, FRM-18, FRM-19, FRM-22, through the whole gate.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod common;

use common::{Act, Dice, Exif, capture, evaluation_gate, gate, jpeg, jpeg_with, now, png, seen, size, street};
use jpeg_encoder::SamplingFactor;
use proptest::prelude::*;
use vaern_door::{Rect, Size};
use vaern_privacy::{Capture, ClearFrame, PeopleClass, SeenBox};

fn clear(bytes: Vec<u8>, boxes: &[SeenBox]) -> ClearFrame {
    evaluation_gate(Act::See(boxes.to_vec())).admit(Capture::unlocated(bytes), now()).unwrap().frame
}

/// The same picture with other pixels inside the box.
fn refilled(rgb: &[u8], size: Size, x: (u16, u16), y: (u16, u16), seed: u64) -> Vec<u8> {
    let mut out = rgb.to_vec();
    let mut dice = Dice(seed | 1);
    for row in y.0..y.1 {
        for column in x.0..x.1 {
            let at = (usize::from(row) * usize::from(size.width()) + usize::from(column)) * 3;
            out[at] = dice.byte();
            out[at + 1] = dice.byte();
            out[at + 2] = dice.byte();
        }
    }
    out
}

fn with_orientation(orientation: u16) -> Exif {
    Exif { orientation: Some(orientation), ..Exif::default() }
}

/// Stored coordinates of a pixel, turned upright by hand, as EXIF describes the eight codes.
fn upright(code: u16, (x, y): (u16, u16), stored: Size) -> (u16, u16) {
    let (right, below) = (stored.width() - 1 - x, stored.height() - 1 - y);
    match code {
        1 => (x, y),
        2 => (right, y),
        3 => (right, below),
        4 => (x, below),
        5 => (y, x),
        6 => (below, x),
        7 => (below, right),
        _ => (y, right),
    }
}

fn upright_box(code: u16, x: (u16, u16), y: (u16, u16), stored: Size) -> SeenBox {
    let (a, b) = (upright(code, (x.0, y.0), stored), upright(code, (x.1 - 1, y.1 - 1), stored));
    let (x0, x1) = (a.0.min(b.0), a.0.max(b.0) + 1);
    let (y0, y1) = (a.1.min(b.1), a.1.max(b.1) + 1);
    seen(PeopleClass::Person, x0.into(), y0.into(), x1.into(), y1.into())
}

#[test]
fn frm_01n_a_thousand_interiors_give_one_frame() {
    let frame = size(96, 80);
    let base = street(frame, 7);
    let boxes = [seen(PeopleClass::Face, 30.0, 20.0, 61.0, 47.0)];
    let golden = clear(png(&base, frame), &boxes);
    for seed in 1..=1000 {
        let other = clear(png(&refilled(&base, frame, (30, 61), (20, 47), seed), frame), &boxes);
        assert_eq!(other.rgb(), golden.rgb(), "seed {seed}");
        assert_eq!(other.masked(), golden.masked());
    }
    // The honest twin: outside the mask the picture is the picture.
    let first = &golden.rgb()[..30];
    assert_eq!(first, &base[..30]);
}

#[test]
fn frm_13n_compression_carries_nothing_out_of_the_mask() {
    let stored = size(144, 112);
    let base = street(stored, 3);
    let (x, y) = ((50, 77), (40, 61));
    for sampling in [SamplingFactor::F_1_1, SamplingFactor::F_2_1, SamplingFactor::F_1_2, SamplingFactor::F_2_2] {
        for quality in [75, 85, 95] {
            for code in 1..=8 {
                let boxes = [upright_box(code, x, y, stored)];
                let exif = with_orientation(code);
                let frames: Vec<ClearFrame> = [11, 12]
                    .iter()
                    .map(|seed| {
                        let rgb = refilled(&base, stored, x, y, *seed);
                        clear(jpeg_with(&rgb, stored, Some(&exif), sampling, quality), &boxes)
                    })
                    .collect();
                assert_eq!(frames[0].rgb(), frames[1].rgb(), "{sampling:?} q{quality} orientation {code}");
            }
        }
    }
}

#[test]
fn frm_13p_without_the_snap_the_same_pictures_would_differ() {
    // Shows that the test above can fail: outside the tight box the two decoded originals do differ.
    let stored = size(144, 112);
    let base = street(stored, 3);
    let (x, y) = ((50, 77), (40, 61));
    let frames: Vec<ClearFrame> = [11, 12]
        .iter()
        .map(|seed| {
            let rgb = refilled(&base, stored, x, y, *seed);
            clear(jpeg_with(&rgb, stored, None, SamplingFactor::F_2_2, 75), &[])
        })
        .collect();
    let row = 144 * 3;
    let outside = (0..frames[0].rgb().len()).filter(|i| {
        let (column, line) = ((i % row) / 3, i / row);
        !((50..77).contains(&column) && (40..61).contains(&line)) && frames[0].rgb()[*i] != frames[1].rgb()[*i]
    });
    assert!(outside.count() > 100, "compression spreads content past a tight box");
}

#[test]
fn frm_14n_the_fill_knows_nothing_of_what_it_covers() {
    // A dark, a light and a noisy face: the same frame, and the fill is the class's, not their mean.
    let frame = size(96, 80);
    let boxes = [seen(PeopleClass::Face, 30.0, 20.0, 61.0, 47.0)];
    let frames: Vec<ClearFrame> = [0_u8, 255]
        .iter()
        .map(|v| {
            let mut rgb = vec![120; frame.rgb_bytes()];
            for y in 20..47 {
                rgb[(y * 96 + 30) * 3..(y * 96 + 61) * 3].fill(*v);
            }
            clear(png(&rgb, frame), &boxes)
        })
        .collect();
    assert_eq!(frames[0].rgb(), frames[1].rgb());
    let at = (33 * 96 + 45) * 3;
    assert_eq!(&frames[0].rgb()[at..at + 3], &[40, 90, 160]);
}

#[test]
fn frm_18n_a_face_of_four_pixels_is_masked() {
    let frame = size(200, 100);
    let out = clear(png(&street(frame, 1), frame), &[seen(PeopleClass::Face, 101.0, 51.0, 105.0, 55.0)]);
    let face = Rect::new(101, 51, 105, 55).unwrap();
    assert_eq!(face.covered_by(out.masked()), face.area());
    let at = (52 * 200 + 102) * 3;
    assert_eq!(&out.rgb()[at..at + 3], &[40, 90, 160]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frm_19n_borders_and_orientations_are_always_covered(
        x in 0_u16..90, y in 0_u16..60, w in 1_u16..30, h in 1_u16..30, code in 1_u16..=8,
    ) {
        let stored = size(91, 61);
        let (x1, y1) = ((x + w).min(91), (y + h).min(61));
        let mut rgb = vec![100_u8; stored.rgb_bytes()];
        for row in y..y1 {
            for column in x..x1 {
                let at = (usize::from(row) * 91 + usize::from(column)) * 3;
                rgb[at..at + 3].copy_from_slice(&[255, 0, 0]);
            }
        }
        let bytes = jpeg_with(&rgb, stored, Some(&with_orientation(code)), SamplingFactor::F_2_2, 95);
        let out = clear(bytes, &[upright_box(code, (x, x1), (y, y1), stored)]);
        let turned = if code >= 5 { size(61, 91) } else { stored };
        prop_assert_eq!(out.size(), turned);
        for pixel in out.rgb().as_chunks::<3>().0 {
            prop_assert!(!(pixel[0] > 200 && pixel[1] < 60), "a red pixel is left: {:?}", pixel);
        }
    }

    #[test]
    fn frm_22n_masks_cover_at_every_scale(
        x in 0_u16..150, y in 0_u16..90, w in 1_u16..60, h in 1_u16..60, limit in 7_u16..200,
    ) {
        let frame = size(160, 100);
        let (x1, y1) = ((x + w).min(160), (y + h).min(100));
        let seen = seen(PeopleClass::Person, x.into(), y.into(), x1.into(), y1.into());
        let full = clear(png(&vec![255; frame.rgb_bytes()], frame), &[seen]);
        let small = full.scaled_to(size(limit, limit)).unwrap();
        prop_assert_eq!(small.id(), full.id());
        let (sw, sh) = (u32::from(small.size().width()), u32::from(small.size().height()));
        for masked in full.masked() {
            // Every pixel of the small frame that a masked pixel falls into holds the fill and is named as masked.
            for px in u32::from(masked.x0()) * sw / 160..(u32::from(masked.x1()) * sw).div_ceil(160) {
                for py in u32::from(masked.y0()) * sh / 100..(u32::from(masked.y1()) * sh).div_ceil(100) {
                    let at = ((py * sw + px) * 3) as usize;
                    prop_assert_eq!(&small.rgb()[at..at + 3], &[60, 110, 180]);
                    let dot = Rect::new(px as u16, py as u16, px as u16 + 1, py as u16 + 1).unwrap();
                    prop_assert_eq!(dot.covered_by(small.masked()), 1);
                }
            }
        }
    }
}

#[test]
fn frm_19n_a_face_slid_over_tile_seams_is_covered_at_each_step() {
    // 400 px wide: two tiles of the fake's 320 px at scale 1, so the seams lie at 80 and 320.
    let frame = size(400, 330);
    let bytes = png(&vec![90; frame.rgb_bytes()], frame);
    for x in (60..100).chain(300..340).chain(380..396) {
        let out = clear(bytes.clone(), &[seen(PeopleClass::Face, x as f32, 158.0, x as f32 + 6.0, 164.0)]);
        let face = Rect::new(x, 158, (x + 6).min(400), 164).unwrap();
        assert_eq!(face.covered_by(out.masked()), face.area(), "at {x}");
    }
}

#[test]
fn frm_22n_crops_come_from_the_masked_frame_only() {
    let frame = size(64, 64);
    let out = clear(png(&street(frame, 5), frame), &[seen(PeopleClass::Face, 20.0, 20.0, 30.0, 30.0)]);
    let crop = out.crop(Rect::new(20, 20, 30, 30).unwrap()).unwrap();
    assert!(crop.chunks_exact(3).all(|p| p == [40, 90, 160]));
    assert_eq!(out.crop(Rect::new(60, 60, 65, 64).unwrap()), None);
}

#[test]
fn vehicles_are_covered_below_and_growth_is_per_class() {
    let frame = size(400, 400);
    let out = clear(png(&vec![90; frame.rgb_bytes()], frame), &[seen(PeopleClass::Plate, 100.0, 200.0, 180.0, 220.0)]);
    // Widened by a quarter: 10 px on each side, then snapped to 16 and 2 px more.
    assert_eq!(out.masked(), &[Rect::new(78, 190, 194, 226).unwrap()]);
}

#[test]
fn the_receipt_tells_no_place_and_no_box() {
    let frame = size(160, 120);
    let bytes = jpeg(&street(frame, 9), frame, &Exif::default());
    let admitted =
        gate(Act::See(vec![seen(PeopleClass::Person, 10.0, 10.0, 50.0, 90.0)])).admit(capture(bytes), now()).unwrap();
    let receipt = serde_json::to_value(&admitted.receipt).unwrap();
    let mut keys: Vec<&str> = receipt.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "located",
            "masked_fraction",
            "masked_regions",
            "models",
            "policy",
            "policy_digest",
            "searched_tiles",
            "seconds_in_clear"
        ]
    );
    assert_eq!(receipt["masked_regions"], serde_json::json!({ "person": 1 }));
    assert!(admitted.receipt.masked_fraction > 0.1 && admitted.receipt.masked_fraction < 0.6);
    let sealed = admitted.position.unwrap();
    assert!((sealed.open().latitude() - common::HERE.0).abs() < 1e-6);
    assert_eq!(sealed.fence().as_str(), "indre-by");
    assert_eq!(format!("{sealed:?}"), "SealedPosition(withheld)");
}
