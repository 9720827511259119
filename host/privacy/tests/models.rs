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
    side: u16,
    classes: &[PeopleClass],
) -> Arc<dyn PeopleDetector> {
    let bytes = std::fs::read(file).unwrap();
    let model = tract().load(&bytes, &ModelLimits::default()).unwrap();
    let spec = TensorSpec {
        size: Size::new(side, side).unwrap(),
        fit: Fit::LetterboxTopLeft,
        scale: Scale::ZeroTo255,
        channels: Channels::Bgr,
    };
    Arc::new(ModelDetector::new(name(called), Digest::of(&bytes), model, decoder, spec, classes).unwrap())
}

fn real_policy() -> MaskingPolicy {
    let file = common::repository().join("policies/masking/irreversible-v1-real.toml");
    let text = std::fs::read_to_string(file).unwrap().replace("allow_unlocated = false", "allow_unlocated = true");
    // One level of tiles keeps an unoptimised build of the resizing short.
    MaskingPolicy::parse(&text.replace("scales = [0.5, 1.0]", "scales = [0.5]")).unwrap()
}

#[test]
fn frm_05n_a_real_policy_without_its_models_names_them() {
    let file = common::repository().join("policies/masking/irreversible-v1-real.toml");
    let policy = MaskingPolicy::parse(&std::fs::read_to_string(file).unwrap()).unwrap();
    let error = Gate::new(policy, fences(), cameras(), vec![]).unwrap_err().to_string();
    assert!(error.contains("yolox-nano-coco, yunet-n-640") && error.contains("vaern models add"), "{error}");
}

#[test]
fn min_01p_labelled_people_of_a_real_street_are_covered() {
    let Some(data) = shared_data("min_01p_labelled_people_of_a_real_street_are_covered") else { return };
    let models = data.join("models");
    let loaded = vec![
        detector(&models.join("yunet_n_640_640.onnx"), "yunet-n-640", Decoder::YuNet, 640, &[PeopleClass::Face]),
        detector(
            &models.join("yolox_nano_coco_416.onnx"),
            "yolox-nano-coco",
            Decoder::YoloxCoco,
            416,
            &[PeopleClass::Person, PeopleClass::Vehicle],
        ),
    ];
    let gate = Gate::new(real_policy(), fences(), cameras(), loaded).unwrap();
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
