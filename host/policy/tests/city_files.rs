//! The city's own files load, and what a release asks for is held against them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests state what they expect")]

use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use vaern_door::{Interface, Label, Licences, Manifest, Name, Size, Version};
use vaern_policy::{PolicyError, PolicySet};

fn repository_policies() -> Dir {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    Dir::open_ambient_dir(path, ambient_authority()).unwrap()
}

/// A copy of the city's files in which one file has one piece of text replaced.
fn changed(file: &str, from: &str, to: &str) -> (tempfile::TempDir, Dir) {
    let temp = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    for sub in ["purposes", "profiles", "geofences", "masking", "cameras"] {
        std::fs::create_dir(temp.path().join(sub)).unwrap();
        for entry in std::fs::read_dir(source.join(sub)).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), temp.path().join(sub).join(entry.file_name())).unwrap();
        }
    }
    std::fs::copy(source.join("models.toml"), temp.path().join("models.toml")).unwrap();
    let path = temp.path().join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} does not contain {from}");
    std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
    let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
    (temp, dir)
}

fn refusal(file: &str, from: &str, to: &str) -> PolicyError {
    let (_temp, dir) = changed(file, from, to);
    PolicySet::load(&dir, None).unwrap_err()
}

fn manifest() -> Manifest {
    Manifest {
        name: Name::new("container-model").unwrap(),
        version: Version::new("0.1.0").unwrap(),
        counter: 1,
        vendor: Name::new("vaern").unwrap(),
        purpose: Name::new("containere").unwrap(),
        intended_use: "finds containers".to_owned(),
        labels: vec![Label::new("affaldscontainer").unwrap()],
        capabilities: vec![Interface::Models],
        tensors: vec![],
        frame: Size::new(4000, 300).unwrap(),
        models: vec![],
        licences: Licences { plugin: "a".into(), model: "b".into(), training_data: "c".into() },
    }
}

#[test]
fn lev_06p_a_modest_release_is_granted_the_smaller_of_both() {
    let set = PolicySet::load(&repository_policies(), None).unwrap();
    let grants = set.grants(&manifest()).unwrap();
    assert_eq!(grants.interfaces.iter().copied().collect::<Vec<_>>(), [Interface::Models]);
    assert_eq!(grants.frame, Size::new(1280, 300).unwrap());
    assert_eq!(grants.limits.zoom_pixels, 0);
}

#[test]
fn pol_07n_asking_for_more_than_the_ceiling_is_refused() {
    let set = PolicySet::load(&repository_policies(), None).unwrap();
    let asks = Manifest { capabilities: vec![Interface::Models, Interface::Zoom], ..manifest() };
    let error = set.grants(&asks).unwrap_err();
    assert!(matches!(error, PolicyError::ExceedsCeiling { interface: Interface::Zoom, .. }));
    assert_eq!(error.krav().0, "LEV-06");
}

#[test]
fn std_03n_and_lig_02n_other_purposes_and_labels_are_refused() {
    let set = PolicySet::load(&repository_policies(), None).unwrap();
    let other = Manifest { purpose: Name::new("parkering").unwrap(), ..manifest() };
    assert_eq!(set.grants(&other).unwrap_err().krav().0, "STD-03");
    let person = Manifest { labels: vec![Label::new("person").unwrap()], ..manifest() };
    assert!(matches!(set.grants(&person), Err(PolicyError::UnknownLabel { .. })));
    let twice = Manifest { labels: vec![Label::new("affaldscontainer").unwrap(); 2], ..manifest() };
    assert!(matches!(set.grants(&twice), Err(PolicyError::BadLabels)));
}

#[test]
fn pol_08n_an_unknown_field_is_refused_with_its_line() {
    let error = refusal("profiles/edge.toml", "log_bytes = 0", "log_bytes = 0\nlogbytes = 5");
    assert!(
        matches!(&error, PolicyError::Invalid { file, problem } if file == "profiles/edge.toml"
        && problem.contains("logbytes") && problem.contains("line")),
        "{error}"
    );
}

#[test]
fn pol_05n_quantities_out_of_range_are_refused() {
    let error = refusal("profiles/edge.toml", "grid = 4", "grid = 0");
    assert!(matches!(error, PolicyError::OutOfRange { param: "output.grid", .. }));
    let error = refusal("profiles/edge.toml", "deadline_ms = 5_000", "deadline_ms = 0");
    assert!(matches!(error, PolicyError::OutOfRange { param: "limits.deadline_ms", .. }));
    let error = refusal("purposes/containere.toml", "max_area_km2 = 6.0", "max_area_km2 = inf");
    assert!(matches!(error, PolicyError::OutOfRange { param: "max_area_km2", .. }));
}

#[test]
fn std_04n_a_vocabulary_with_people_and_gov_07n_a_purpose_without_basis_are_refused() {
    let error = refusal("purposes/containere.toml", "\"glascontainer\"", "\"person_siddende\"");
    assert_eq!(error.krav().0, "STD-04");
    let error = refusal("purposes/containere.toml", "GDPR art. 6, stk. 1, litra e", " ");
    assert_eq!(error.krav().0, "GOV-07");
}

#[test]
fn a_changed_byte_in_any_used_file_changes_the_digest_of_the_set() {
    let original = PolicySet::load(&repository_policies(), None).unwrap().digest();
    for (file, from) in
        [("profiles/edge.toml", "# The"), ("purposes/containere.toml", "# Form"), ("models.toml", "# The")]
    {
        let (_temp, dir) = changed(file, from, "#  The");
        assert_ne!(PolicySet::load(&dir, None).unwrap().digest(), original, "{file}");
    }
}
