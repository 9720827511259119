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
use vaern_trust::{Digest, Outcome, ReleaseError, SigError, TakenPart, TestResult};

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
