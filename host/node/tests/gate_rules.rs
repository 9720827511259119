//! The city's files make a gate that stands, and a file with one wrong line makes none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests state what they expect")]

use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use vaern_node::gate::{self, GateError};
use vaern_node::store::{ModelStore, StoreError};
use vaern_policy::PolicySet;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn load(policies: &Path) -> PolicySet {
    PolicySet::load(&Dir::open_ambient_dir(policies, ambient_authority()).unwrap(), None).unwrap()
}

/// The city's files with one piece of text of one file replaced.
fn changed(file: &str, from: &str, to: &str) -> (tempfile::TempDir, PolicySet) {
    let temp = tempfile::tempdir().unwrap();
    copy(&root().join("policies"), temp.path());
    let path = temp.path().join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} does not contain {from}");
    std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
    let set = load(temp.path());
    (temp, set)
}

#[test]
fn the_city_s_own_files_make_a_gate() {
    let set = load(&root().join("policies"));
    let built = gate::build(&set, &ModelStore::new(None), &vaern_inference::tract()).unwrap();
    assert!(built.drawn_streets_only);
    assert_eq!(built.detectors.len(), 1);
}

#[test]
fn min_04n_a_fence_larger_than_the_purpose_allows_is_refused() {
    let (_temp, set) = changed("purposes/containere.toml", "max_area_km2 = 6.0", "max_area_km2 = 1.0");
    let error = gate::rules(&set).unwrap_err();
    assert!(matches!(error, GateError::Fence(_)), "{error}");
    assert_eq!(error.krav(), "MIN-04");
}

#[test]
fn frm_02n_a_blur_is_refused_at_load() {
    let (_temp, set) = changed("masking/irreversible-v1.toml", "method = \"constant\"", "method = \"gaussian-blur\"");
    assert_eq!(gate::rules(&set).unwrap_err().krav(), "MIN-02");
}

#[test]
fn std_01n_an_operating_purpose_with_an_evaluation_masking_policy_is_refused() {
    let (_temp, set) = changed("masking/irreversible-v1.toml", "allow_unlocated = false", "allow_unlocated = true");
    assert!(matches!(gate::rules(&set).unwrap_err(), GateError::EvaluationOnly));
}

#[test]
fn min_01n_without_its_detectors_there_is_no_gate_and_all_missing_ones_are_named() {
    let (_temp, set) =
        changed("purposes/containere.toml", "masking/irreversible-v1.toml", "masking/irreversible-v1-real.toml");
    let error = gate::build(&set, &ModelStore::new(None), &vaern_inference::tract()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("yunet-n-640") && text.contains("yolox-nano-coco"), "{text}");
    assert_eq!(error.krav(), "MIN-01");
}

#[test]
fn a_detector_that_is_not_the_pinned_file_is_refused() {
    let (_temp, set) =
        changed("purposes/containere.toml", "masking/irreversible-v1.toml", "masking/irreversible-v1-real.toml");
    let store = tempfile::tempdir().unwrap();
    std::fs::write(store.path().join("yunet_n_640_640.onnx"), b"version https://git-lfs.example/spec/v1").unwrap();
    let store = ModelStore::new(Some(Dir::open_ambient_dir(store.path(), ambient_authority()).unwrap()));
    let pinned = set.models.get("yunet-n-640").unwrap();
    assert!(matches!(store.load(pinned), Err(StoreError::DigestMismatch { .. })));
}

#[test]
fn frm_06n_in_operation_a_photograph_older_than_its_retention_is_refused_and_frm_06p_a_younger_one_is_not() {
    let set = load(&root().join("policies"));
    let now: jiff::Timestamp = "2026-06-10T12:00:00Z".parse().unwrap();
    let mut jpeg = Vec::new();
    jpeg_encoder::Encoder::new(&mut jpeg, 90).encode(&[90; 64 * 48 * 3], 64, 48, jpeg_encoder::ColorType::Rgb).unwrap();
    let located = |drawn: bool, operating: bool, days: i64| {
        let mut set = load(&root().join("policies"));
        set.purpose.operating = operating;
        let mut built = gate::build(&set, &ModelStore::new(None), &vaern_inference::tract()).unwrap();
        built.drawn_streets_only = drawn;
        let taken = now - jiff::SignedDuration::from_hours(24 * days);
        let place = vaern_privacy::Position::new(55.6761, 12.5683, 5.0).unwrap().with_time(taken);
        let camera = vaern_door::Name::new("drawn-cam-1").ok();
        let capture = vaern_privacy::Capture::located_at(jpeg.clone(), place).from_camera(camera);
        built.in_operation(&set).gate.locate(capture, now).map(|_| ())
    };
    // What is found is kept for seven days, and so is its picture.
    assert_eq!((set.profile.retention.evidence_days, set.profile.retention.pictures_days), (7, 7));
    assert_eq!(located(false, true, 8), Err(vaern_privacy::Refusal::TooOld));
    assert_eq!(located(false, true, 6), Ok(()));
    // A drawn street has no age, and an evaluation looks at pictures of any.
    assert_eq!((located(true, true, 8), located(false, false, 8)), (Ok(()), Ok(())));
}

/// The test policy for real pictures must not drift from the city's: it differs in where and when, and in nothing else.
#[test]
fn the_policy_for_real_pictures_differs_from_the_city_s_only_where_it_says() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    for file in ["models.toml", "profiles/edge.toml"] {
        assert_eq!(
            read(&format!("policies/{file}")),
            read(&format!("conformance-tests/policies/real-pictures/{file}"))
        );
    }
    let (city, test) = (
        read("policies/masking/irreversible-v1-real.toml"),
        read("conformance-tests/policies/real-pictures/masking/irreversible-v1-real.toml"),
    );
    let lines = |text: &str| {
        text.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
    };
    let apart: Vec<(String, String)> = lines(&city).into_iter().zip(lines(&test)).filter(|(a, b)| a != b).collect();
    let expected =
        [("allow_unlocated = false", "allow_unlocated = true"), ("require_time = true", "require_time = false")];
    assert_eq!(lines(&city).len(), lines(&test).len());
    assert_eq!(apart, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    let set = load(&root().join("conformance-tests/policies/real-pictures"));
    assert!(gate::rules(&set).is_ok());
}
