//! Every doubt means no: FRM-02, FRM-03, FRM-05, FRM-11, FRM-15, FRM-21, FRM-23, MIN-08, and the honest twins.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod common;

use std::time::Duration;

use common::{
    Act, CAMERA, Exif, cameras, capture, detector, evaluation_gate, fences, gate, jpeg, jpeg_with, name, now, policy,
    policy_text, seen, size, street,
};
use jpeg_encoder::SamplingFactor;
use vaern_door::Digest;
use vaern_privacy::{
    CameraError, CameraProfile, CameraSet, Capture, DetectorsError, Gate, MaskingFault, MaskingPolicy, NoFix,
    PeopleClass, PolicyError, Position, Refusal,
};

fn picture(exif: &Exif) -> Vec<u8> {
    let frame = size(96, 64);
    jpeg(&street(frame, 21), frame, exif)
}

fn refusal(exif: &Exif) -> Refusal {
    gate(Act::See(vec![])).admit(capture(picture(exif)), now()).unwrap_err()
}

#[test]
fn frm_02n_reversible_obfuscation_is_refused_at_load() {
    for method in ["blur", "gaussian", "box-blur", "mosaic", "pixelate", "mean"] {
        let text = policy_text().replace("method = \"constant\"", &format!("method = \"{method}\""));
        let expected = PolicyError::ReversibleObfuscation { policy: name("irreversible-v1"), method };
        assert_eq!(MaskingPolicy::parse(&text).unwrap_err(), expected);
    }
    let text = policy_text().replace("method = \"constant\"", "method = \"wish\"");
    assert_eq!(MaskingPolicy::parse(&text).unwrap_err(), PolicyError::UnknownMethod(name("irreversible-v1")));
}

#[test]
fn frm_23n_a_policy_cannot_be_loosened_until_little_is_masked() {
    let mends: [(&str, &str, &str); 12] = [
        ("threshold = 0.2", "threshold = 0.9", "regions.plate.threshold"),
        ("grow_x = 1.5", "grow_x = 1.0", "regions.face.grow_x"),
        ("grow_y = 1.5", "grow_y = nan", "regions.face.grow_y"),
        ("grow_x = 1.1\n", "grow_x = 40.0\n", "regions.person.grow_x"),
        ("margin_px = 2", "margin_px = 0", "margin_px"),
        ("[regions.face]", "[regions.vehicle]", "regions.face"),
        ("[regions.person]", "[regions.vehicle]", "regions.person"),
        ("scales = [0.5, 1.0]", "scales = []", "tiles.scales"),
        ("overlap = 0.25", "overlap = 0.0", "tiles.overlap"),
        ("irreversible = true", "irreversible = false", "irreversible"),
        ("max_speed_kmh = 200.0", "max_speed_kmh = 2000.0", "position.max_speed_kmh"),
        ("max_seconds_in_clear = 20.0", "max_seconds_in_clear = 1e9", "max_seconds_in_clear"),
    ];
    for (from, to, param) in mends {
        assert!(policy_text().contains(from), "{from}");
        match MaskingPolicy::parse(&policy_text().replace(from, to)).unwrap_err() {
            PolicyError::PolicyFloor { param: named, .. } => assert_eq!(named, param),
            other => panic!("{from}: {other:?}"),
        }
    }
    let plates = policy_text().split("[regions.plate]").next().unwrap().to_owned();
    assert!(matches!(MaskingPolicy::parse(&plates), Err(PolicyError::PolicyFloor { .. })));
    let unknown = policy_text().replace("margin_px = 2", "margin_px = 2\nskip_small = true");
    assert!(matches!(MaskingPolicy::parse(&unknown), Err(PolicyError::Form(_))));
}

#[test]
fn frm_23p_the_policies_that_the_city_ships_hold() {
    assert_eq!(policy().name().as_str(), "irreversible-v1");
    let real = common::repository().join("policies/masking/irreversible-v1-real.toml");
    let real = MaskingPolicy::parse(&std::fs::read_to_string(real).unwrap()).unwrap();
    let required: Vec<&str> = real.required_detectors().map(vaern_door::Name::as_str).collect();
    assert_eq!(required, ["rfb-320", "yolox-nano-coco", "yunet-n-640"]);
    assert!(!real.allow_unlocated());
    let camera = common::repository().join("policies/cameras/drawn-cam-1.toml");
    assert!(CameraProfile::parse(&std::fs::read_to_string(camera).unwrap()).is_ok());
}

#[test]
fn frm_05n_any_fault_of_a_detector_lets_no_frame_out() {
    let faults = [
        (Act::Fail, MaskingFault::DetectorFailed),
        (Act::Panic, MaskingFault::Panic),
        (Act::NotANumber, MaskingFault::NotFinite),
        (Act::Flood, MaskingFault::Flood),
    ];
    for (act, fault) in faults {
        let gate = gate(act);
        for _ in 0..3 {
            let refused = gate.admit(capture(picture(&Exif::default())), now()).unwrap_err();
            assert_eq!(refused, Refusal::MaskingUnavailable(fault));
            assert_eq!((refused.reason(), refused.krav().0), ("masking_unavailable", "MIN-01"));
        }
    }
}

#[test]
fn frm_05n_a_gate_without_its_detectors_is_not_built() {
    let missing = Gate::new(policy(), fences(), cameras(), vec![]).unwrap_err();
    assert!(matches!(&missing, DetectorsError::Missing { missing, .. } if missing == "people-drawn"));
    let blind = std::sync::Arc::new(common::Fake {
        name: name("people-drawn"),
        classes: vec![PeopleClass::Face, PeopleClass::Plate],
        act: Act::See(vec![]),
    });
    let wrong = Gate::new(policy(), fences(), cameras(), vec![blind]).unwrap_err();
    assert!(matches!(wrong, DetectorsError::WrongClass { class: "person", .. }));
}

#[test]
fn frm_05n_a_slow_detector_runs_out_of_time_in_clear() {
    let text = policy_text().replace("max_seconds_in_clear = 20.0", "max_seconds_in_clear = 0.2");
    let policy = MaskingPolicy::parse(&text).unwrap();
    let slow = vec![detector(Act::Sleep(Duration::from_millis(300)))];
    let gate = Gate::new(policy, fences(), cameras(), slow).unwrap();
    assert_eq!(gate.admit(capture(picture(&Exif::default())), now()).unwrap_err(), Refusal::TooLongInClear);
}

#[test]
fn frm_05n_a_proof_of_another_frame_is_not_taken() {
    let gate = evaluation_gate(Act::See(vec![]));
    let raw = |seed| {
        let frame = size(32, 32);
        let bytes = jpeg_with(&street(frame, seed), frame, None, SamplingFactor::F_1_1, 90);
        let located = gate.locate(Capture::unlocated(bytes), now()).unwrap();
        gate.decode(gate.fence(located).unwrap()).unwrap()
    };
    let (empty, people) = (raw(1), raw(2));
    let proof = gate.search(&empty).unwrap();
    let refused = gate.mask(people, proof).unwrap_err();
    assert_eq!(refused, Refusal::MaskingUnavailable(MaskingFault::ProofMismatch));
}

#[test]
fn frm_05p_an_empty_street_is_an_answer_when_every_tile_was_searched() {
    let admitted = gate(Act::See(vec![])).admit(capture(picture(&Exif::default())), now()).unwrap();
    assert!(admitted.receipt.searched_tiles >= 1);
    assert_eq!(admitted.receipt.models.len(), 1);
    assert!(admitted.frame.masked().is_empty());
}

#[test]
fn frm_21n_fixes_without_quality_are_no_fix() {
    let fix = |exif: Exif| refusal(&exif);
    assert_eq!(fix(Exif { status: Some("V"), ..Exif::default() }), NoFix::Void.into());
    assert_eq!(fix(Exif { latitude: None, longitude: None, ..Exif::default() }), NoFix::Missing.into());
    assert_eq!(fix(Exif { longitude: None, ..Exif::default() }), NoFix::ExifMalformed.into());
    assert_eq!(fix(Exif { latitude: Some((55.6761, "X")), ..Exif::default() }), NoFix::ExifMalformed.into());
    assert_eq!(fix(Exif { time: None, ..Exif::default() }), NoFix::NoTime.into());
    assert_eq!(fix(Exif { time: Some(("2026:06:01", [12, 0, 6])), ..Exif::default() }), NoFix::Future.into());
    assert_eq!(fix(Exif { error_m: Some(51), ..Exif::default() }), NoFix::Imprecise.into());
    // Local time in Copenhagen with its offset: three seconds after the fix.
    let taken = Some(("2026:06:01 14:00:01", "+02:00"));
    assert_eq!(fix(Exif { taken, ..Exif::default() }), NoFix::Stale.into());
    assert_eq!(fix(Exif { latitude: Some((55.6761, "S")), ..Exif::default() }), Refusal::OutsideFence);
}

#[test]
fn frm_21p_an_honest_fix_passes() {
    let taken = Some(("2026:06:01 13:59:59", "+02:00"));
    let exif = Exif { taken, error_m: Some(8), status: Some("A"), ..Exif::default() };
    let admitted = gate(Act::See(vec![])).admit(capture(picture(&exif)), now()).unwrap();
    let sealed = admitted.position.unwrap();
    assert!((sealed.open().error_m() - 8.0).abs() < 1e-9);
    assert_eq!(sealed.open().time().unwrap().to_string(), "2026-06-01T11:59:58Z");
}

#[test]
fn frm_21n_a_jump_through_the_whole_gate() {
    let gate = gate(Act::See(vec![]));
    let at = |lat, second| Exif { time: Some(("2026:06:01", [11, 59, second])), ..Exif::at(lat, 12.5683) };
    gate.admit(capture(picture(&at(55.6761, 50))), now()).unwrap();
    // 600 metres in two seconds.
    let refused = gate.admit(capture(picture(&at(55.6815, 52))), now()).unwrap_err();
    assert_eq!(refused, NoFix::Jump.into());
    gate.admit(capture(picture(&at(55.6763, 53))), now()).unwrap();
}

#[test]
fn min_08n_an_unknown_camera_and_min_08p_a_named_one() {
    let stranger = Exif { model: "stranger", ..Exif::default() };
    let refused = refusal(&stranger);
    assert_eq!((refused, refused.krav().0), (Refusal::UnknownCamera, "MIN-08"));
    let gate = gate(Act::See(vec![]));
    let named = capture(picture(&stranger)).from_camera(Some(name("test-cam")));
    assert!(gate.admit(named, now()).is_ok());
    let unknown = capture(picture(&Exif::default())).from_camera(Some(name("other-cam")));
    assert_eq!(gate.admit(unknown, now()).unwrap_err(), Refusal::UnknownCamera);
}

#[test]
fn camera_profiles_are_checked() {
    assert!(matches!(CameraProfile::parse(&format!("{CAMERA}colour = 1\n")), Err(CameraError::Form(_))));
    for (from, to) in [
        ("height_m = 2.0", "height_m = 0.0"),
        ("hfov_deg = 60.0", "hfov_deg = nan"),
        ("default_error_m = 5.0", "default_error_m = 0.1"),
    ] {
        assert!(matches!(CameraProfile::parse(&CAMERA.replace(from, to)), Err(CameraError::Range { .. })), "{to}");
    }
    let twice = vec![CameraProfile::parse(CAMERA).unwrap(); 2];
    assert!(CameraSet::new(twice).is_err());
}

#[test]
fn min_12_fixed_masks_of_a_camera_hide_their_part_of_every_frame() {
    let text = format!(
        "{CAMERA}\n[[fixed_mask]]\nwhy = \"windows of dwellings\"\npolygon = [[0.0, 0.0], [1.0, 0.0], [1.0, 0.25], [0.0, 0.25]]\n"
    );
    let cameras = CameraSet::new(vec![CameraProfile::parse(&text).unwrap()]).unwrap();
    let gate = Gate::new(policy(), fences(), cameras, vec![detector(Act::See(vec![]))]).unwrap();
    let admitted = gate.admit(capture(picture(&Exif::default())), now()).unwrap();
    assert!(admitted.frame.rgb()[..96 * 3 * 16].chunks_exact(3).all(|p| p == [64, 64, 64]));
    assert!(admitted.receipt.masked_fraction < 0.6);
}

#[test]
fn frm_11n_a_replayed_capture_is_counted_once() {
    let gate = gate(Act::See(vec![]));
    gate.admit(capture(picture(&Exif::default())), now()).unwrap();
    assert_eq!(gate.admit(capture(picture(&Exif::default())), now()).unwrap_err(), Refusal::Replayed);
    let other = Exif { error_m: Some(7), ..Exif::default() };
    assert!(gate.admit(capture(picture(&other)), now()).is_ok());
}

#[test]
fn min_04n_unlocated_captures_need_an_evaluation_policy() {
    let bytes = picture(&Exif::default());
    let refused = gate(Act::See(vec![])).admit(Capture::unlocated(bytes.clone()), now()).unwrap_err();
    assert_eq!(refused, Refusal::UnlocatedNotAllowed);
    let admitted = evaluation_gate(Act::See(vec![])).admit(Capture::unlocated(bytes), now()).unwrap();
    assert!(admitted.position.is_none() && !admitted.receipt.located);
}

#[test]
fn min_04n_a_picture_that_the_gate_does_not_know_is_no_probe_and_ans_02p_one_that_it_knows_is_masked_and_forgotten() {
    let act = || Act::See(vec![seen(PeopleClass::Face, 24.0, 16.0, 48.0, 40.0)]);
    let from = |bytes: &[u8]| Capture::unlocated(bytes.to_vec()).from_camera(Some(name("test-cam")));
    let (known, street) = (picture(&Exif { error_m: Some(3), ..Exif::default() }), picture(&Exif::default()));
    let gate = gate(act()).knowing([Digest::of(&known)].into());
    // The way without a place is open to what the city listed, and to nothing that a camera took.
    assert_eq!(gate.probe(from(&street), now()).unwrap_err(), Refusal::UnlocatedNotAllowed);
    assert_eq!(gate.probe(from(&known[..known.len() - 1]), now()).unwrap_err(), Refusal::UnlocatedNotAllowed);
    let stray = Capture::unlocated(known.clone()).from_camera(Some(name("nobody-knows-it")));
    assert_eq!(gate.probe(stray, now()).unwrap_err(), Refusal::UnknownCamera);
    // As often as it is shown: masked like the frame that has a place, and neither a replay nor a way of the vehicle.
    let located = gate.admit(capture(street), now()).unwrap();
    for _ in 0..3 {
        let fenced = gate.probe(from(&known), now()).unwrap();
        assert!(fenced.position().is_none());
        let raw = gate.decode(fenced).unwrap();
        let proof = gate.search(&raw).unwrap();
        let (clear, receipt) = gate.mask(raw, proof).unwrap();
        assert_eq!(clear.rgb(), located.frame.rgb());
        assert_eq!(receipt.masked_fraction, located.receipt.masked_fraction);
        assert!(receipt.masked_fraction > 0.0);
    }
    assert!(gate.admit(capture(known), now()).is_ok(), "the same bytes from the street are not replayed");
}

#[test]
fn a_position_from_the_caller_goes_through_the_same_rules() {
    let bytes = |error| picture(&Exif { latitude: None, longitude: None, error_m: Some(error), ..Exif::default() });
    let at = |lat, lon| Position::new(lat, lon, 5.0).unwrap().with_time(now());
    let gate = gate(Act::See(vec![]));
    assert!(gate.admit(Capture::located_at(bytes(1), at(55.6761, 12.5683)), now()).is_ok());
    let far = Capture::located_at(bytes(2), Position::new(55.6923, 12.5992, 5.0).unwrap());
    assert_eq!(gate.admit(far, now()).unwrap_err(), NoFix::NoTime.into());
    let fresh = common::gate(Act::See(vec![]));
    let outside = Capture::located_at(bytes(3), at(55.6923, 12.5992));
    assert_eq!(fresh.admit(outside, now()).unwrap_err(), Refusal::OutsideFence);
}

/// Marker codes of a JPEG, and the number of pictures that begin in it.
fn markers(bytes: &[u8]) -> (Vec<u8>, usize) {
    let mut codes = vec![];
    let mut at = 2;
    loop {
        assert_eq!(bytes[at], 0xFF);
        codes.push(bytes[at + 1]);
        if bytes[at + 1] == 0xDA {
            break;
        }
        at += 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
    }
    (codes, bytes.windows(3).filter(|w| *w == [0xFF, 0xD8, 0xFF]).count())
}

#[test]
fn frm_03n_and_frm_15n_nothing_of_the_container_survives() {
    let frame = size(96, 64);
    // A thumbnail as large as the picture, a comment, XMP, and a second picture after the end.
    let thumbnail = jpeg_with(&street(frame, 77), frame, None, SamplingFactor::F_1_1, 60);
    let source = picture(&Exif::default());
    let mut bytes = source[..2].to_vec();
    let mut segment = |code: u8, body: &[u8]| {
        bytes.extend_from_slice(&[0xFF, code]);
        bytes.extend_from_slice(&u16::try_from(body.len() + 2).unwrap().to_be_bytes());
        bytes.extend_from_slice(body);
    };
    let secret = b"serial number 4711 of the camera on vehicle 12";
    segment(0xE1, &[b"http://ns.adobe.com/xap/1.0/\0".as_slice(), secret].concat());
    segment(0xEB, &[b"JP".as_slice(), &thumbnail].concat());
    segment(0xFE, secret);
    bytes.extend_from_slice(&source[2..]);
    bytes.extend_from_slice(&thumbnail);
    let admitted = gate(Act::See(vec![seen(PeopleClass::Person, 10.0, 10.0, 40.0, 60.0)]))
        .admit(capture(bytes.clone()), now())
        .unwrap();
    for quality in [50, 90, 100] {
        let out = admitted.frame.encode_jpeg(quality).unwrap();
        let (codes, starts) = markers(&out);
        assert!(codes.iter().all(|c| [0xDB, 0xC0, 0xC4, 0xDA].contains(c)), "{codes:02x?}");
        assert_eq!(starts, 1, "one picture only");
        let source_metadata: Vec<&[u8]> = vec![secret, &thumbnail, &bytes[..400]];
        // Standard tables are the same in every JPEG and are no metadata; behind them nothing may be the source's.
        let picture_data = &out[end_of_tables(&out)..];
        for part in source_metadata {
            for run in part.windows(16) {
                assert!(!picture_data.windows(16).any(|w| w == run));
            }
        }
        assert!(!out.windows(16).any(|w| secret.windows(16).any(|run| w == run)));
        // And it is a picture: the gate itself opens it.
        let again = evaluation_gate(Act::See(vec![])).admit(Capture::unlocated(out), now()).unwrap();
        assert_eq!(again.frame.size(), frame);
    }
}

/// Where the tables and headers of a baseline JPEG of three components end.
fn end_of_tables(bytes: &[u8]) -> usize {
    bytes.windows(2).position(|w| w == [0xFF, 0xDA]).unwrap() + 14
}

#[test]
fn frm_08n_frame_ids_are_random() {
    let gate = evaluation_gate(Act::See(vec![]));
    let id = || gate.admit(Capture::unlocated(picture(&Exif::default())), now()).unwrap().frame.id();
    let ids: std::collections::HashSet<_> = (0..50).map(|_| id()).collect();
    assert_eq!(ids.len(), 50);
    // No byte of the id counts up.
    assert!((0..16).all(|at| ids.iter().map(|i| i.as_bytes()[at]).collect::<std::collections::HashSet<_>>().len() > 5));
}

#[test]
fn refusals_carry_no_text_of_the_capture() {
    let refused = refusal(&Exif { latitude: Some((12.5683, "N")), longitude: Some((55.6761, "E")), ..Exif::default() });
    assert_eq!((refused.reason(), refused.detail(), refused.krav().0), ("bad_position", Some("swapped"), "MIN-04"));
    assert!(!refused.to_string().chars().any(|c| c.is_ascii_digit()));
}
