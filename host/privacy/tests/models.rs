//! The gate with real detectors: the embedded one's file, and the real-street models of the shared data.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod common;

use std::path::Path;
use std::sync::Arc;

use common::{cameras, fences, name, now, shared_data};
use vaern_door::{Channels, Digest, Fit, Rect, Scale, Size, TensorSpec};
use vaern_inference::{Backend, Decoder, ModelLimits, tract};
use vaern_privacy::{Capture, Gate, MaskingPolicy, ModelDetector, PeopleClass, PeopleDetector};

fn detector(
    file: &Path,
    called: &str,
    decoder: Decoder,
    (width, height): (u16, u16),
    classes: &[PeopleClass],
) -> Arc<dyn PeopleDetector> {
    let bytes = std::fs::read(file).unwrap();
    let model = tract().load(&bytes, &ModelLimits::default()).unwrap();
    let (scale, channels) = match decoder {
        Decoder::Rfb => (Scale::MinusOneToOne, Channels::Rgb),
        _ => (Scale::ZeroTo255, Channels::Bgr),
    };
    let spec = TensorSpec { size: Size::new(width, height).unwrap(), fit: Fit::LetterboxTopLeft, scale, channels };
    Arc::new(ModelDetector::new(name(called), Digest::of(&bytes), model, decoder, spec, classes).unwrap())
}

fn real_policy() -> MaskingPolicy {
    let file = common::repository().join("policies/masking/irreversible-v1-real.toml");
    let text = std::fs::read_to_string(file).unwrap().replace("allow_unlocated = false", "allow_unlocated = true");
    MaskingPolicy::parse(&text).unwrap()
}

#[test]
fn frm_05n_a_real_policy_without_its_models_names_them() {
    let file = common::repository().join("policies/masking/irreversible-v1-real.toml");
    let policy = MaskingPolicy::parse(&std::fs::read_to_string(file).unwrap()).unwrap();
    let error = Gate::new(policy, fences(), cameras(), vec![]).unwrap_err().to_string();
    assert!(error.contains("rfb-320, yolox-nano-coco, yunet-n-640") && error.contains("vaern models add"), "{error}");
}

fn real_gate(data: &Path) -> Gate {
    let models = data.join("models");
    let loaded = vec![
        detector(&models.join("yunet_n_640_640.onnx"), "yunet-n-640", Decoder::YuNet, (640, 640), &[PeopleClass::Face]),
        detector(
            &models.join("ultralight_version-RFB-320.onnx"),
            "rfb-320",
            Decoder::Rfb,
            (320, 240),
            &[PeopleClass::Face],
        ),
        detector(
            &models.join("yolox_nano_coco_416.onnx"),
            "yolox-nano-coco",
            Decoder::YoloxCoco,
            (416, 416),
            &[PeopleClass::Person, PeopleClass::Vehicle],
        ),
    ];
    Gate::new(real_policy(), fences(), cameras(), loaded).unwrap()
}

/// IMG-11: a printed pattern held before the body must hide nobody. Noise of full contrast over the middle third of every labelled person.
#[test]
fn img_11n_a_patch_before_the_body_hides_nobody() {
    let Some(data) = shared_data("img_11n_a_patch_before_the_body_hides_nobody") else { return };
    let gate = real_gate(&data);
    let labels: serde_json::Value =
        serde_json::from_slice(&std::fs::read(data.join("dev/labels.json")).unwrap()).unwrap();
    let picture = "deface_city.jpg";
    let bytes = std::fs::read(data.join("dev/street").join(picture)).unwrap();
    let (mut rgb, size) = decoded(&bytes);
    let mut dice = common::Dice(41);
    let people = people_of(&labels, picture);
    for person in &people {
        let third = person.height() / 3;
        for y in person.y0() + third..person.y1().min(size.height()) - third {
            for x in person.x0()..person.x1().min(size.width()) {
                let at = (usize::from(y) * usize::from(size.width()) + usize::from(x)) * 3;
                rgb[at..at + 3].fill_with(|| if dice.byte() < 128 { 0 } else { 255 });
            }
        }
    }
    let out = gate.admit(Capture::unlocated(common::png(&rgb, size)), now()).unwrap().frame;
    let heads = people.iter().filter_map(|p| Rect::new(p.x0(), p.y0(), p.x1(), p.y0() + p.height() / 4).ok());
    let (mut hidden, mut all) = (0, 0);
    for head in heads {
        all += 1;
        hidden += usize::from(head.covered_by(out.masked()) * 10 >= head.area() * 9);
    }
    println!("{hidden} of {all} heads are covered in spite of the patches");
    assert!(all > 20 && hidden * 10 >= all * 9, "{hidden} of {all}");
}

/// Pixels of a JPEG.
fn decoded(bytes: &[u8]) -> (Vec<u8>, Size) {
    let mut decoder = zune_jpeg::JpegDecoder::new(zune_core::bytestream::ZCursor::new(bytes));
    let rgb = decoder.decode().unwrap();
    let (width, height) = decoder.dimensions().unwrap();
    (rgb, Size::new(width.try_into().unwrap(), height.try_into().unwrap()).unwrap())
}

#[test]
fn min_01p_labelled_people_of_a_real_street_are_covered() {
    let Some(data) = shared_data("min_01p_labelled_people_of_a_real_street_are_covered") else { return };
    let gate = real_gate(&data);
    let labels: serde_json::Value =
        serde_json::from_slice(&std::fs::read(data.join("dev/labels.json")).unwrap()).unwrap();
    let (mut covered, mut all) = (0, 0);
    for picture in ["deface_city.jpg", "opensfm_lund_18.jpg", "mdc_photo_mdc_42a1d0_cdv_photo_001_1477156937579.jpg"] {
        let bytes = std::fs::read(data.join("dev/street").join(picture)).unwrap();
        let admitted = gate.admit(Capture::unlocated(bytes), now()).unwrap();
        let frame = &admitted.frame;
        // To look at the result: VAERN_LOOK=DIR.
        if let Ok(folder) = std::env::var("VAERN_LOOK") {
            let file = Path::new(&folder).join(picture).with_extension("png");
            std::fs::write(file, common::png(frame.rgb(), frame.size())).unwrap();
        }
        let receipt = &admitted.receipt;
        let people = people_of(&labels, picture);
        let found = people.iter().filter(|p| p.covered_by(frame.masked()) * 10 >= p.area() * 9).count();
        println!(
            "{picture}: {found} of {} labelled people covered to nine tenths, {:.0} % masked, {:?}, {:?}",
            people.len(),
            receipt.masked_fraction * 100.0,
            receipt.masked_regions,
            admitted.times
        );
        assert!(receipt.masked_fraction < 0.95);
        covered += found;
        all += people.len();
    }
    assert!(all > 20, "the labels were read");
    assert!(covered * 10 >= all * 9, "{covered} of {all}");
}

/// Boxes of persons of at least 24 pixels height that the labels name for a picture.
fn people_of(labels: &serde_json::Value, picture: &str) -> Vec<Rect> {
    let boxes = labels[format!("street/{picture}")]["person_boxes"].as_array().unwrap();
    boxes
        .iter()
        .filter_map(|b| {
            let at: Vec<u16> = b.as_array()?.iter().filter_map(|v| v.as_f64().map(|v| v as u16)).collect();
            let [x, y, w, h] = *at.as_slice() else { return None };
            (h >= 24).then(|| Rect::new(x, y, x + w, y + h).ok())?
        })
        .collect()
}
