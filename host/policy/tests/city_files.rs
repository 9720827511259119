//! The city's own files load, and what a release asks for is held against them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod common;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use common::{files, manifest, refusal, root, set, with};
use vaern_door::{Interface, Label, Manifest, Name, Size};
use vaern_policy::{CitySet, PolicyError, PolicySet};

#[test]
fn the_directory_is_read_as_its_files_are() {
    let dir = Dir::open_ambient_dir(root().join("policies"), ambient_authority()).unwrap();
    assert_eq!(PolicySet::load(&dir, None).unwrap().digest(), set().digest());
}

#[test]
fn lev_06p_a_modest_release_is_granted_the_smaller_of_both() {
    let set = set();
    let grants = set.grants(&manifest()).unwrap();
    assert_eq!(grants.interfaces.iter().copied().collect::<Vec<_>>(), [Interface::Models]);
    assert_eq!(grants.frame, Size::new(1280, 300).unwrap());
    assert_eq!(grants.limits.zoom_pixels, 0);
}

#[test]
fn pol_07n_asking_for_more_than_the_ceiling_is_refused() {
    let set = set();
    let asks = Manifest { capabilities: vec![Interface::Models, Interface::Zoom], ..manifest() };
    let error = set.grants(&asks).unwrap_err();
    assert!(matches!(error, PolicyError::ExceedsCeiling { interface: Interface::Zoom, .. }));
    assert_eq!(error.krav().0, "LEV-06");
}

#[test]
fn std_03n_and_lig_02n_other_purposes_and_labels_are_refused() {
    let set = set();
    let other = Manifest { purpose: Name::new("parkering").unwrap(), ..manifest() };
    assert_eq!(set.grants(&other).unwrap_err().krav().0, "STD-03");
    let person = Manifest { labels: vec![Label::new("person").unwrap()], ..manifest() };
    assert!(matches!(set.grants(&person), Err(PolicyError::UnknownLabel { .. })));
    let twice = Manifest { labels: vec![Label::new("affaldscontainer").unwrap(); 2], ..manifest() };
    assert!(matches!(set.grants(&twice), Err(PolicyError::BadLabels)));
}

#[test]
fn lig_02n_lev_05n_a_model_that_names_other_classes_than_the_vocabulary_is_refused() {
    let set = set();
    let named = |classes: &[&str]| {
        let classes: Vec<String> = classes.iter().map(|class| (*class).to_owned()).collect();
        set.classes(&Name::new("container").unwrap(), &classes)
    };
    for classes in [&[][..], &["affaldscontainer"], &["Nedgravet Container", "background", "glascontainer"]] {
        assert!(named(classes).is_ok(), "LIG-02P, LEV-05P {classes:?}");
    }
    for (class, krav) in [
        ("person", "LEV-05"),
        ("Face", "LEV-05"),
        ("ansigtsaftryk", "LEV-05"),
        ("car", "LIG-02"),
        ("female", "LIG-02"),
        ("\u{7}", "LIG-02"),
    ] {
        let refused = named(&["affaldscontainer", class]).unwrap_err();
        assert!(matches!(&refused, PolicyError::ForeignClass { .. }), "{class}");
        assert_eq!(refused.krav().0, krav, "{class}");
        assert!(!refused.to_string().contains('\u{7}'));
    }
}

#[test]
fn pol_08n_an_unknown_field_is_refused_with_its_line() {
    let error = refusal("profiles/edge.toml", "log_bytes = 0", "log_bytes = 0\nlogbytes = 5");
    assert!(
        matches!(&error, PolicyError::Invalid { place, problem } if place.file == "profiles/edge.toml"
        && problem.contains("logbytes") && place.line == 23),
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
fn a_changed_byte_in_any_file_changes_the_digest_of_the_set() {
    let original = set().digest();
    for (file, from) in [
        ("profiles/edge.toml", "# The"),
        ("purposes/containere.toml", "# Form"),
        ("models.toml", "# The"),
        ("catalogue/MIN-04.toml", "# Min"),
        ("capabilities/svar.cedar", "// Alt"),
        ("capabilities/vaern.cedarschema", "// Hvad"),
    ] {
        let changed = CitySet::of(with(files(), file, from, &format!("{from} "))).unwrap();
        assert_ne!(changed.digest(), original, "{file}");
    }
}
