//! A change by a lawyer is one line: it is seen, it names its krav, and it is either taken back or decided.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod common;

use std::collections::BTreeMap;

use common::{city, files, with};
use vaern_policy::{CitySet, PolicyError};

const EDGE: &str = "profiles/edge.toml";
const PURPOSE: &str = "purposes/containere.toml";

/// The krav of everything that got wider, and the refusal to let it follow.
fn wider(changed: BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let found = match CitySet::of(changed).unwrap().may_follow(city()) {
        // Nothing was decided in these sets, so nothing that is wider may follow.
        Ok(all) => all,
        Err(PolicyError::Widened(named)) => {
            assert!(!named.is_empty());
            return named.into_iter().map(|widening| widening.krav).collect();
        }
        Err(other) => panic!("{other}"),
    };
    assert!(found.is_empty(), "{found:?}");
    vec![]
}

#[test]
fn skj_06n_a_longer_retention_is_a_widening_that_names_the_krav() {
    let changed = with(files(), EDGE, "evidence_days = 7", "evidence_days = 30");
    let new = CitySet::of(changed).unwrap();
    let error = new.may_follow(city()).unwrap_err();
    assert_eq!(error.krav().0, "SKJ-06");
    let said = error.to_string();
    assert!(said.contains("retention.evidence_days: 7 → 30") && said.contains("profiles/edge.toml:"), "{said}");
    assert!(wider(with(files(), EDGE, "evidence_days = 7", "evidence_days = 3")).is_empty(), "shorter is no widening");
}

#[test]
fn lig_02n_a_new_label_and_min_05n_an_opened_zoom_are_widenings() {
    let label = with(files(), PURPOSE, "\"glascontainer\"", "\"glascontainer\", \"papkasse\"");
    assert_eq!(wider(label), ["LIG-02"]);
    let zoom = with(files(), EDGE, "zoom_pixels = 0", "zoom_pixels = 65_536");
    assert_eq!(wider(zoom.clone()), ["MIN-05"]);
    let zoom = with(zoom, EDGE, "[\"models\", \"pixels\"]", "[\"models\", \"pixels\", \"zoom\"]");
    assert_eq!(wider(zoom), ["MIN-05", "MIN-05"]);
}

#[test]
fn every_other_way_to_give_more_is_seen_too() {
    for (file, from, to, krav) in [
        (EDGE, "grid = 4 ", "grid = 2 ", "SEP-04"),
        (EDGE, "bits_per_hour = 20_000 ", "bits_per_hour = 40_000 ", "SEP-04"),
        (EDGE, "threshold = 2", "threshold = 3", ""),
        (EDGE, "roles = [\"jura\"]", "roles = []", "SKJ-04"),
        (EDGE, "max_age_days = 365", "max_age_days = 700", "GOV-04"),
        (EDGE, "max_hours = 168", "max_hours = 169", "GOV-03"),
        (EDGE, "pictures = 80_000", "pictures = 90_000", "MIN-11"),
        (EDGE, "min_distance_m = 5", "min_distance_m = 4", "MIN-07"),
        (EDGE, "width = 1280", "width = 1920", "MIN-05"),
        (PURPOSE, "max_area_km2 = 6.0", "max_area_km2 = 7.0", "MIN-04"),
        (PURPOSE, "litra e\"", "litra f\"", "GOV-07"),
        (PURPOSE, "operating = true", "operating = false", "STD-01"),
        ("geofences/indre-by.geojson", "[12.5868, 55.6776]", "[12.5968, 55.6776]", "MIN-04"),
        ("geofences/indre-by.geojson", "[12.5868, 55.6776]", "[12.5868,  55.6776]", ""),
        ("masking/irreversible-v1.toml", "threshold = 0.2", "threshold = 0.3", "MIN-02"),
        ("masking/irreversible-v1.toml", "# Fills", "# fills", ""),
        (
            "models.toml",
            "embedded = true",
            "file = \"a.onnx\"\nsha256 = \"sha256:25a606a145a5b6d7271ae138fbd00eba91dad8b83222ae3f2c7ecd0f4a7b0e31\"",
            "MIN-01",
        ),
        ("cameras/drawn-cam-1.toml", "default_error_m = 5.0", "default_error_m = 2.0", "MIN-08"),
        ("capabilities/optagelse.cedar", "unless { context.riskRecord }", "unless { true }", "LEV-03"),
        ("capabilities/undersoegelser.cedar", "contains(\"GOV-10\")", "contains(\"GOV-13\")", "GOV-10"),
        ("capabilities/optagelse.cedar", "context.ageDays >= 0 && ", "", "GOV-04"),
        (
            "capabilities/optagelse.cedar",
            "context.vendorSigned && context.approved",
            "context.approved && context.vendorSigned",
            "",
        ),
    ] {
        let expected: Vec<&str> = if krav.is_empty() { vec![] } else { vec![krav] };
        assert_eq!(wider(with(files(), file, from, to)), expected, "{file}: {to}");
    }
}

#[test]
fn ans_02n_less_supervision_by_pictures_with_a_known_answer_is_a_widening_and_ans_02p_more_is_none() {
    let list = format!("sha256:{}", "a".repeat(64));
    let probe = format!(
        "[probe]\nlist = \"{list}\"\nevery_frames = 200\npictures = 20\nfound_percent = 70\nbeside_per_100 = 50\n\n[expected]"
    );
    let before = with(files(), EDGE, "[expected]", &probe);
    let old = CitySet::of(before.clone()).unwrap();
    assert_eq!(old.may_follow(city()).unwrap(), [], "more supervision gives nothing to anybody");
    for (from, to) in [
        ("every_frames = 200", "every_frames = 201"),
        ("pictures = 20", "pictures = 21"),
        ("found_percent = 70", "found_percent = 69"),
        ("beside_per_100 = 50", "beside_per_100 = 51"),
        (probe.as_str(), "[expected]"),
    ] {
        let refused = CitySet::of(with(before.clone(), EDGE, from, to)).unwrap().may_follow(&old).unwrap_err();
        assert_eq!(refused.krav().0, "ANS-02", "{to}");
    }
    for (from, to) in [
        ("every_frames = 200", "every_frames = 100"),
        ("pictures = 20", "pictures = 10"),
        ("found_percent = 70", "found_percent = 80"),
        ("beside_per_100 = 50", "beside_per_100 = 0"),
        (list.as_str(), &list.replace("aa", "bb")),
    ] {
        let stricter = CitySet::of(with(before.clone(), EDGE, from, to)).unwrap();
        assert_eq!(stricter.may_follow(&old).unwrap(), [], "{to}");
    }
    for (from, to) in [
        ("every_frames = 200", "every_frames = 3"),
        ("pictures = 20", "pictures = 0"),
        ("found_percent = 70", "found_percent = 101"),
        ("beside_per_100 = 50", "beside_per_100 = 100_001"),
        ("sha256:a", "sha256:A"),
    ] {
        assert!(CitySet::of(with(before.clone(), EDGE, from, to)).is_err(), "{to}");
    }
}

#[test]
fn cyb_02n_more_interference_without_an_alarm_is_a_widening_and_cyb_02p_less_is_none() {
    let fields = [
        "frames",
        "replayed_per_100",
        "unplaced_per_100",
        "crowded_above",
        "crowded_per_100",
        "covered_above_percent",
        "covered_per_100",
    ];
    let part = |changed: &str, value: u32| {
        let line = |field: &&str| format!("{field} = {}\n", if *field == changed { value } else { 50 });
        format!("[interference]\n{}\n[expected]", fields.iter().map(line).collect::<String>())
    };
    let before = with(files(), EDGE, "[expected]", &part("", 50));
    let old = CitySet::of(before).unwrap();
    assert_eq!(old.may_follow(city()).unwrap(), [], "an alarm gives nothing to anybody");
    let with_part = |part: &str| CitySet::of(with(files(), EDGE, "[expected]", part));
    assert_eq!(city().may_follow(&old).unwrap_err().krav().0, "CYB-02");
    for field in fields {
        let refused = with_part(&part(field, 51)).unwrap().may_follow(&old).unwrap_err();
        assert_eq!(refused.krav().0, "CYB-02", "{field}");
        assert_eq!(with_part(&part(field, 49)).unwrap().may_follow(&old).unwrap(), [], "{field}");
        assert!(with_part(&part(field, 2_000_000)).is_err(), "{field}");
    }
}

#[test]
fn pol_03n_a_wider_set_without_a_new_krav_version_is_refused() {
    let longer = with(files(), EDGE, "evidence_days = 7", "evidence_days = 30");
    // A new version of another krav decides nothing.
    let other = decided(longer, "SKJ-07");
    let refused = CitySet::of(other).unwrap().may_follow(city()).unwrap_err();
    assert!(matches!(refused, PolicyError::Widened(_)), "{refused}");
}

#[test]
fn pol_03p_a_widening_that_its_krav_decides_may_be_signed() {
    let longer = with(files(), EDGE, "evidence_days = 7", "evidence_days = 30");
    let new = CitySet::of(decided(longer, "SKJ-06")).unwrap();
    let named = new.may_follow(city()).unwrap();
    assert_eq!(named.len(), 1);
    assert_eq!(named[0].krav, "SKJ-06");
    // Back again is narrower.
    assert!(city().may_follow(&new).is_ok());
}

/// The same files, in which this krav has a new version and the purpose is written for it.
fn decided(files: BTreeMap<String, Vec<u8>>, krav: &str) -> BTreeMap<String, Vec<u8>> {
    let change = "since = \"0.1.0\"\nchanged = [{ version = \"0.2.0\", why = \"Klagefristen er fire uger.\" }]";
    let files = with(files, &format!("catalogue/{krav}.toml"), "since = \"0.1.0\"", change);
    with(files, PURPOSE, "catalogue = \"0.1.0\"", "catalogue = \"0.2.0\"")
}

#[test]
fn mal_05n_a_krav_that_says_something_else_needs_a_new_version() {
    let changed = with(files(), "catalogue/SKJ-06.toml", "så kort tid som muligt", "så længe det er nyttigt");
    let refused = CitySet::of(changed).unwrap().may_follow(city()).unwrap_err();
    assert!(matches!(&refused, PolicyError::SilentChange { krav, .. } if krav == "SKJ-06"), "{refused}");
}
