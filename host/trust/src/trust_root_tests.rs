use super::*;
use crate::keys::SigningKeyPair;

fn key(seed: u8) -> String {
    SigningKeyPair::from_seed(&[seed; 32]).public().to_string()
}

fn text() -> String {
    format!(
        r#"
        [[vendors]]
        name = "example-vision"
        key = "{}"
        risk_record = {{ date = "2026-03-01", digest = "{}" }}

        [[roles]]
        role = "jura"
        name = "jura-1"
        key = "{}"

        [[roles]]
        role = "it-sikkerhed"
        name = "sikkerhed-1"
        key = "{}"

        [[roles]]
        role = "dpo"
        name = "dpo-1"
        key = "{}"

        [approval]
        threshold = 2
        roles = ["jura"]
        "#,
        key(1),
        Digest::of(b"risk"),
        key(2),
        key(3),
        key(4)
    )
}

fn changed(from: &str, to: &str) -> Result<TrustRoot, SigError> {
    let other = text().replacen(from, to, 1);
    assert_ne!(other, text(), "the text to change is there");
    TrustRoot::from_toml(&other)
}

#[test]
fn an_honest_trust_root_is_read() {
    let root = TrustRoot::from_toml(&text()).unwrap();
    let name = Name::new("example-vision").unwrap();
    let vendor = root.vendor_key(&name).unwrap();
    assert_eq!(vendor.to_string(), key(1));
    assert_eq!(root.vendor_of(vendor), Some(&name));
    assert_eq!(root.role_of(&key(3).parse().unwrap()).unwrap().as_str(), "it-sikkerhed");
    assert_eq!(root.role_of(vendor), None);
}

#[test]
fn sig_06n_one_key_under_two_names_is_refused() {
    for (first, second) in [(2, 3), (1, 2), (1, 4)] {
        let twice = changed(&key(second), &key(first)).unwrap_err();
        assert!(matches!(twice, SigError::DuplicateKey(_)), "{first} {second}: {twice}");
    }
    assert!(matches!(changed("sikkerhed-1", "jura-1"), Err(SigError::DuplicateName(_))));
}

#[test]
fn sig_07n_thresholds_that_mean_nothing_are_refused() {
    for bad in ["0", "-1", "1.5", "\"2\"", "true", "3", "4", "70000", "18446744073709551615", "[2]"] {
        let refused = changed("threshold = 2", &format!("threshold = {bad}"));
        // A number past 64 bits is no TOML at all.
        let expected = |e: &SigError| matches!(e, SigError::BadThreshold { .. }) || bad.len() > 18;
        assert!(refused.as_ref().is_err_and(expected), "{bad}: {refused:?}");
    }
    // Fewer signatures than roles that must sign; one role named twice.
    let all = r#"roles = ["jura", "it-sikkerhed"]"#;
    assert!(changed(r#"roles = ["jura"]"#, all).is_ok());
    let few =
        TrustRoot::from_toml(&text().replace("threshold = 2", "threshold = 1").replace(r#"roles = ["jura"]"#, all));
    assert_eq!(few.unwrap_err(), SigError::BadThreshold { least: 2, most: 2 });
    let twice = changed(r#"roles = ["jura"]"#, r#"roles = ["jura", "jura"]"#);
    assert!(matches!(twice, Err(SigError::BadThreshold { .. })));
    assert!(matches!(changed("threshold = 2", ""), Err(SigError::Malformed { .. })));
}

#[test]
fn sig_07n_an_empty_trust_root_grants_nothing() {
    for text in ["", "[approval]\nthreshold = 1\n", "[approval]\nthreshold = 0\n"] {
        assert!(TrustRoot::from_toml(text).is_err(), "{text:?}");
    }
}

#[test]
fn sig_17n_a_key_of_another_algorithm_is_refused() {
    for other in ["rsa", "ml-dsa-65", "ecdsa"] {
        let bad = changed("key = \"ed25519:", &format!("key = \"{other}:"));
        assert_eq!(bad.unwrap_err(), SigError::WrongAlgorithm, "{other}");
    }
    assert!(matches!(
        changed("name = \"jura-1\"", "name = \"jura-1\"\nalg = \"rsa\""),
        Err(SigError::Malformed { .. })
    ));
}

#[test]
fn lev_03n_a_vendor_without_a_risk_record_is_refused() {
    let at = text().find("risk_record").unwrap();
    let line = text()[at..].lines().next().unwrap().to_owned();
    let refused = changed(&line, "").unwrap_err();
    assert_eq!(refused, SigError::NoRiskRecord(Name::new("example-vision").unwrap()));
    assert_eq!(refused.krav(), "LEV-03");
    assert!(changed("2026-03-01", "2026-13-01").is_err());
}

#[test]
fn gov_06n_the_adviser_cannot_be_a_deciding_role() {
    let named = changed(r#"roles = ["jura"]"#, r#"roles = ["dpo"]"#).unwrap_err();
    assert!(matches!(named, SigError::AdviserDecides(_)));
    let unknown = changed(r#"roles = ["jura"]"#, r#"roles = ["drift"]"#).unwrap_err();
    assert!(matches!(unknown, SigError::RoleWithoutKey(_)));
}

#[test]
fn the_file_form_writes_back() {
    let file: TrustRootFile = toml::from_str(&text()).unwrap();
    let again: TrustRootFile = toml::from_str(&toml::to_string(&file).unwrap()).unwrap();
    assert_eq!(again, file);
}
