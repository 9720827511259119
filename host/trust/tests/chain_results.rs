//! An approval rests on a result of the suite: of this release, as it was signed, under the catalogue of the day.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod common;

use common::*;
use serde_json::json;
use vaern_trust::{Digest, Outcome, ReleaseError, SigError, TakenPart, TestResult, TrustRoot};

/// A result under this version of the catalogue.
fn result(catalogue: &str, failed: &[&str]) -> TestResult {
    TestResult {
        result: if failed.is_empty() { Outcome::Passed } else { Outcome::Failed },
        configuration: vec![
            TakenPart::new("host", Digest::of(b"host")),
            TakenPart::new(format!("catalogue-{catalogue}"), Digest::of(b"catalogue")),
        ],
        passed_tests: ["KT-DOR-001P".to_owned()].into(),
        warned_tests: [].into(),
        failed_tests: failed.iter().map(|test| (*test).to_owned()).collect(),
    }
}

fn file_result(dir: &cap_std::fs::Dir, result: &TestResult) {
    vaern_trust::sign_test_result(dir, &trust(), result, &sikkerhed()).unwrap();
}

fn approve(dir: &cap_std::fs::Dir) -> Result<Digest, ReleaseError> {
    let signers = [(&name("jura"), &jura()), (&name("it-sikkerhed"), &sikkerhed())];
    vaern_trust::approve(dir, &trust(), &draft(), &dpia(), &signers, now())
}

fn refused(dir: &cap_std::fs::Dir, expected: &SigError) {
    assert_eq!(approve(dir), Err(ReleaseError::TestResult(expected.clone())));
    assert!(filed(dir, "approval").is_empty(), "nothing was written");
}

#[test]
fn lev_04p_a_result_of_this_release_and_catalogue_bears_an_approval() {
    let catalogue = draft().catalogue;
    let dir = signed();
    assert!(approve(&dir).is_ok(), "no result was asked for");
    let dir = signed();
    file_result(&dir, &result("0.0.1", &[]));
    file_result(&dir, &result(catalogue.as_str(), &[]));
    let release = vaern_trust::Release::open(&dir).unwrap().verify(&trust()).unwrap();
    assert!(release.borne_by(&trust(), &catalogue).unwrap().is_some(), "an older one beside it does no harm");
    assert!(approve(&dir).is_ok());
}

#[test]
fn mal_05n_a_result_of_an_older_catalogue_bears_no_approval() {
    let catalogue = draft().catalogue;
    for (other, why) in [("0.0.1", "older"), ("9.0.0", "of a later one")] {
        let dir = signed();
        file_result(&dir, &result(other, &[]));
        println!("{why}");
        refused(&dir, &SigError::OtherCatalogue(catalogue.clone()));
    }
    // One that names no catalogue, or two, is of none.
    for parts in [vec![], vec![catalogue.as_str(), "0.0.1"]] {
        let mut made = result(catalogue.as_str(), &[]);
        made.configuration.truncate(1);
        made.configuration
            .extend(parts.iter().map(|v| TakenPart::new(format!("catalogue-{v}"), Digest::of(b"catalogue"))));
        let dir = signed();
        file_result(&dir, &made);
        refused(&dir, &SigError::OtherCatalogue(catalogue.clone()));
    }
}

#[test]
fn lev_04n_a_failed_result_bears_no_approval() {
    let dir = signed();
    file_result(&dir, &result(draft().catalogue.as_str(), &["KT-LIM-001N"]));
    refused(&dir, &SigError::IncompleteResult { tests: vec!["KT-LIM-001N".to_owned()] });
}

#[test]
fn lev_04n_a_result_moved_from_another_release_bears_no_approval() {
    let good = result(draft().catalogue.as_str(), &[]);
    let other = signed();
    file_result(&other, &good);
    let moved = filed(&other, "test-result").remove(0);
    // The same vendor's next release: one word of its manifest is new.
    let dir = room();
    let mut inputs = inputs();
    inputs.manifest.intended_use += " And more.";
    vaern_trust::pack(&inputs, &dir).unwrap();
    vaern_trust::sign_vendor(&dir, &vendor()).unwrap();
    file(&dir, "test-result", &moved);
    refused(&dir, &SigError::SubjectMismatch);
}

#[test]
fn lev_04n_a_result_that_was_tampered_with_bears_no_approval() {
    let catalogue = draft().catalogue;
    let dir = signed();
    file_result(&dir, &result(catalogue.as_str(), &["KT-LIM-001N"]));
    let envelope = filed(&dir, "test-result").remove(0);
    unfile(&dir, "test-result");
    // The failure is taken out of the signed words; the signature stays as it was.
    let good = result(catalogue.as_str(), &[]);
    let honest = statement(&dir, "https://in-toto.io/attestation/test-result/v0.1", &json!(good));
    let mut forged = common::envelope(&honest, &[&stranger()]);
    forged["signatures"] = envelope["signatures"].clone();
    file(&dir, "test-result", &forged);
    refused(&dir, &SigError::BadSignature);
    // Signed by somebody, but not by a role of the city that decides.
    for nobody in [stranger(), vendor(), dpo()] {
        unfile(&dir, "test-result");
        file(&dir, "test-result", &common::envelope(&honest, &[&nobody]));
        assert!(matches!(approve(&dir), Err(ReleaseError::TestResult(_))), "{}", nobody.public().id());
    }
}

#[test]
fn lev_04n_a_release_tampered_with_after_its_result_is_another_release() {
    let dir = signed();
    file_result(&dir, &result(draft().catalogue.as_str(), &[]));
    edit_release(&dir, |index| index["annotations"] = json!({ "more": "words" }));
    assert!(approve(&dir).is_err());
    assert!(filed(&dir, "approval").is_empty());
}

const RESULT: &str = "https://in-toto.io/attestation/test-result/v0.1";

/// What the vendor's own result is worth under the catalogue of the draft.
fn vendors(dir: &cap_std::fs::Dir, trust: &TrustRoot) -> Result<Option<TestResult>, SigError> {
    let release = vaern_trust::Release::open(dir).unwrap().verify(trust).unwrap();
    match release.vendors_result(&draft().catalogue) {
        Ok(result) => Ok(result.cloned()),
        Err(ReleaseError::VendorResult(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn lev_01p_the_vendors_own_result_travels_with_the_release_and_bears_no_approval_of_its_own() {
    let dir = signed();
    assert_eq!(vendors(&dir, &trust()), Ok(None), "a release may come without");
    let own = result(draft().catalogue.as_str(), &[]);
    vaern_trust::sign_vendor_result(&dir, &trust(), &own, &vendor()).unwrap();
    assert_eq!(vendors(&dir, &trust()), Ok(Some(own.clone())));
    let release = vaern_trust::Release::open(&dir).unwrap().verify(&trust()).unwrap();
    assert_eq!(release.borne_by(&trust(), &draft().catalogue), Ok(None), "it is no word of the city");
    assert!(approve(&dir).is_ok());
    let approved = vaern_trust::verify(&dir, &trust(), now(), &name("containere")).unwrap();
    assert_eq!(approved.vendors_result(&draft().catalogue), Ok(Some(&own)), "and a node sees it");
    assert!(approved.tested(&trust(), &[].into(), &[Digest::of(b"host")]).is_err());
}

#[test]
fn lev_01n_nobody_but_the_vendor_signs_its_result_and_no_failure_is_submitted() {
    let own = result(draft().catalogue.as_str(), &[]);
    let dir = signed();
    for nobody in [other_vendor(), sikkerhed(), dpo(), stranger()] {
        let refused = vaern_trust::sign_vendor_result(&dir, &trust(), &own, &nobody);
        assert_eq!(refused, Err(ReleaseError::VendorResult(SigError::UnknownKey)));
    }
    let failed = result(draft().catalogue.as_str(), &["KT-LIM-001N"]);
    let refused = vaern_trust::sign_vendor_result(&dir, &trust(), &failed, &vendor()).unwrap_err();
    assert_eq!(refused.krav().0, "LEV-01");
    assert!(filed(&dir, "vendor-result").is_empty(), "nothing was written");
    // Filed all the same: it is not the vendor's word, and nothing is approved beside it.
    let honest = statement(&dir, RESULT, &json!(own));
    for nobody in [other_vendor(), sikkerhed(), dpo(), stranger()] {
        unfile(&dir, "vendor-result");
        file(&dir, "vendor-result", &common::envelope(&honest, &[&nobody]));
        assert!(vendors(&dir, &trust()).is_err(), "{}", nobody.public().id());
        assert!(matches!(approve(&dir), Err(ReleaseError::VendorResult(_))));
    }
    unfile(&dir, "vendor-result");
    let said = statement(&dir, RESULT, &json!(failed));
    file(&dir, "vendor-result", &common::envelope(&said, &[&vendor()]));
    assert_eq!(vendors(&dir, &trust()), Err(SigError::IncompleteResult { tests: vec!["KT-LIM-001N".to_owned()] }));
    // One that holds beside those is enough.
    file(&dir, "vendor-result", &common::envelope(&honest, &[&vendor()]));
    assert_eq!(vendors(&dir, &trust()), Ok(Some(own)));
}

#[test]
fn lev_01n_a_vendors_result_of_another_release_catalogue_or_hand_is_none() {
    let catalogue = draft().catalogue;
    let own = result(catalogue.as_str(), &[]);
    let other = signed();
    vaern_trust::sign_vendor_result(&other, &trust(), &own, &vendor()).unwrap();
    let moved = filed(&other, "vendor-result").remove(0);
    let dir = room();
    let mut inputs = inputs();
    inputs.manifest.intended_use += " And more.";
    vaern_trust::pack(&inputs, &dir).unwrap();
    vaern_trust::sign_vendor(&dir, &vendor()).unwrap();
    file(&dir, "vendor-result", &moved);
    assert_eq!(vendors(&dir, &trust()), Err(SigError::SubjectMismatch));

    let dir = signed();
    vaern_trust::sign_vendor_result(&dir, &trust(), &result("0.0.1", &[]), &vendor()).unwrap();
    assert_eq!(vendors(&dir, &trust()), Err(SigError::OtherCatalogue(catalogue)));

    // Other words under the signature of these.
    let dir = signed();
    vaern_trust::sign_vendor_result(&dir, &trust(), &own, &vendor()).unwrap();
    let envelope = filed(&dir, "vendor-result").remove(0);
    unfile(&dir, "vendor-result");
    let mut more = own;
    more.passed_tests.insert("KT-LIM-001N".to_owned());
    let mut forged = common::envelope(&statement(&dir, RESULT, &json!(more)), &[&stranger()]);
    forged["signatures"] = envelope["signatures"].clone();
    file(&dir, "vendor-result", &forged);
    assert_eq!(vendors(&dir, &trust()), Err(SigError::BadSignature));
}

#[test]
fn lev_04n_a_result_of_an_older_catalogue_does_not_let_a_release_run_on_a_host_line() {
    let dir = signed();
    assert!(approve(&dir).is_ok());
    let tested = || {
        let approved = vaern_trust::verify(&dir, &trust(), now(), &name("containere")).unwrap();
        approved.tested(&trust(), &["KT-DOR-001P".to_owned()].into(), &[Digest::of(b"host")]).map(|_| ())
    };
    file_result(&dir, &result("0.0.1", &[]));
    assert_eq!(tested(), Err(ReleaseError::TestResult(SigError::OtherCatalogue(draft().catalogue))));
    file_result(&dir, &result(draft().catalogue.as_str(), &[]));
    assert_eq!(tested(), Ok(()), "LEV-04P");
}
