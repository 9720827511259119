//! Attacks SIG on the whole chain: a directory, a trust root, a time, a purpose.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod common;

use common::*;
use serde_json::{Value, json};
use vaern_door::Blame;
use vaern_trust::{ApprovalGap, Form, Ignored, ReleaseError, SigError, SigningKeyPair};

fn vendor_refusal(dir: &cap_std::fs::Dir) -> SigError {
    match verify(dir) {
        Err(ReleaseError::VendorSignature(why)) => why,
        other => panic!("{other:?}"),
    }
}

fn approval_refusal(dir: &cap_std::fs::Dir) -> SigError {
    match verify(dir) {
        Err(ReleaseError::Approval(why)) => why,
        other => panic!("{other:?}"),
    }
}

/// The honest approval, said anew by these signers after a change.
fn approval_said_by(pairs: &[&SigningKeyPair], change: impl FnOnce(&mut Value)) -> cap_tempfile::TempDir {
    let dir = approved();
    let mut statement = approval_statement(&dir);
    change(&mut statement);
    unfile(&dir, "approval");
    file(&dir, "approval", &envelope(&statement, pairs));
    dir
}

#[test]
fn the_honest_chain_holds() {
    let dir = approved();
    let release = vaern_trust::verify(&dir, &trust(), now(), &name("containere")).unwrap();
    assert_eq!(release.digest().to_string(), release_of(&dir).0);
    assert_eq!(release.component(), tiny());
    assert_eq!(release.model(&name("finder")), Some(&b"model bytes"[..]));
    assert_eq!(release.model(&name("other")), None);
    assert_eq!(release.approval().responsible.manager, "enhedschef");
    assert_eq!(release.approval().roles, [name("it-sikkerhed"), name("jura")].into());
    assert!(release.ignored_signatures().is_empty());
    assert_eq!(release.manifest(), &inputs().manifest);
}

#[test]
fn sig_01n_without_a_signature_nothing_is_believed() {
    assert_eq!(vendor_refusal(&packed()), SigError::Unsigned);
    assert_eq!(approval_refusal(&signed()), SigError::Unsigned);
    let dir = packed();
    file(&dir, "vendor-release", &json!({"payloadType": PAYLOAD_TYPE, "payload": "e30=", "signatures": []}));
    assert_eq!(vendor_refusal(&dir), SigError::Unsigned);
}

#[test]
fn sig_03n_a_key_outside_the_trust_root_is_unknown() {
    let dir = packed();
    vaern_trust::sign_vendor(&dir, &stranger()).unwrap();
    assert_eq!(vendor_refusal(&dir), SigError::UnknownKey);
    assert_eq!(approval_refusal(&approval_said_by(&[&stranger()], |_| {})), SigError::UnknownKey);
    // The other direction: a municipal key is no vendor key, a vendor key no municipal one.
    let dir = packed();
    vaern_trust::sign_vendor(&dir, &jura()).unwrap();
    assert_eq!(vendor_refusal(&dir), SigError::UnknownKey);
    assert_eq!(approval_refusal(&approval_said_by(&[&vendor()], |_| {})), SigError::UnknownKey);
}

#[test]
fn sig_03n_an_admitted_vendor_cannot_sign_in_anothers_name() {
    let dir = packed();
    vaern_trust::sign_vendor(&dir, &other_vendor()).unwrap();
    assert_eq!(vendor_refusal(&dir), SigError::UnknownKey);
}

#[test]
fn sig_04n_a_trusted_key_id_does_not_authenticate() {
    let dir = packed();
    vaern_trust::sign_vendor(&dir, &stranger()).unwrap();
    let mut forged = filed(&dir, "vendor-release")[0].clone();
    forged["signatures"][0]["keyid"] = vendor().public().id().to_string().into();
    unfile(&dir, "vendor-release");
    file(&dir, "vendor-release", &forged);
    assert_eq!(vendor_refusal(&dir), SigError::BadSignature);
}

#[test]
fn sig_04p_a_missing_or_foreign_key_id_is_no_hindrance() {
    for id in [None, Some("another-scheme")] {
        let dir = approved();
        let mut honest = filed(&dir, "vendor-release")[0].clone();
        match id {
            Some(id) => honest["signatures"][0]["keyid"] = id.into(),
            None => drop(honest["signatures"][0].as_object_mut().unwrap().remove("keyid")),
        }
        unfile(&dir, "vendor-release");
        file(&dir, "vendor-release", &honest);
        assert!(verify(&dir).is_ok(), "{id:?}");
    }
}

#[test]
fn sig_05n_one_signature_twice_is_one() {
    let dir = approval_said_by(&[&jura(), &jura()], |_| {});
    assert_eq!(approval_refusal(&dir), SigError::ThresholdNotMet { have: 1, need: 2 });
    // Under another key id it is still the same key.
    let dir = approved();
    let mut forged = filed(&dir, "approval")[0].clone();
    let first = forged["signatures"][0].clone();
    let mut again = first.clone();
    again["keyid"] = "another".into();
    forged["signatures"] = json!([first, again]);
    unfile(&dir, "approval");
    file(&dir, "approval", &forged);
    assert_eq!(approval_refusal(&dir), SigError::ThresholdNotMet { have: 1, need: 2 });
}

#[test]
fn sig_08n_two_keys_of_one_role_are_not_two_roles() {
    let dir = approval_said_by(&[&jura(), &jura_too()], |s| s["predicate"]["roles"] = json!(["jura"]));
    let missing = vec![name("drift"), name("it-sikkerhed")];
    assert_eq!(approval_refusal(&dir), SigError::RoleDiversity { missing });
    // Two roles, but not the one that must sign.
    let dir =
        approval_said_by(&[&drift(), &sikkerhed()], |s| s["predicate"]["roles"] = json!(["drift", "it-sikkerhed"]));
    assert_eq!(approval_refusal(&dir), SigError::RoleDiversity { missing: vec![name("jura")] });
}

#[test]
fn sig_08n_a_signer_that_is_named_cannot_be_taken_away() {
    let all = json!(["drift", "it-sikkerhed", "jura"]);
    let three = [&jura(), &sikkerhed(), &drift()];
    assert!(verify(&approval_said_by(&three, |s| s["predicate"]["roles"] = all.clone())).is_ok());
    let dir = approval_said_by(&[&jura(), &sikkerhed()], |s| s["predicate"]["roles"] = all);
    assert_eq!(approval_refusal(&dir), SigError::RoleDiversity { missing: vec![name("drift")] });
}

#[test]
fn sig_09n_a_vendor_statement_is_no_approval() {
    // Signed by the right roles, but of the vendor's kind.
    let dir = signed();
    let predicate = json!({"vendor": "example-vision", "plugin": "container-model", "version": "1.4.0", "counter": 4,
        "purpose": "containere"});
    let said = statement(&dir, "urn:vaern:vendor-release:v1", &predicate);
    file(&dir, "approval", &envelope(&said, &[&jura(), &sikkerhed()]));
    assert!(matches!(approval_refusal(&dir), SigError::WrongStatementType { .. }));
    // The vendor's own statement filed as an approval.
    let dir = signed();
    let own = filed(&dir, "vendor-release")[0].clone();
    file(&dir, "approval", &own);
    assert_eq!(approval_refusal(&dir), SigError::UnknownKey);
    // The payload's type swapped in the envelope.
    let dir = signed();
    let mut other = filed(&dir, "vendor-release")[0].clone();
    other["payloadType"] = "application/vnd.vaern.approval+json".into();
    unfile(&dir, "vendor-release");
    file(&dir, "vendor-release", &other);
    assert!(matches!(vendor_refusal(&dir), SigError::WrongStatementType { .. }));
}

#[test]
fn sig_14n_a_statement_about_another_release_does_not_count() {
    let other = room();
    let mut changed = inputs();
    changed.manifest.counter = 5;
    vaern_trust::pack(&changed, &other).unwrap();
    vaern_trust::sign_vendor(&other, &vendor()).unwrap();
    let dir = packed();
    file(&dir, "vendor-release", &filed(&other, "vendor-release")[0]);
    assert_eq!(vendor_refusal(&dir), SigError::SubjectMismatch);
}

#[test]
fn sig_15n_two_subjects_are_refused() {
    let second = json!({"name": "container-model-1.4.0", "digest": {"sha256": "0".repeat(64)}});
    let dir = approval_said_by(&[&jura(), &sikkerhed()], |s| s["subject"].as_array_mut().unwrap().push(second.clone()));
    assert_eq!(approval_refusal(&dir), SigError::SubjectCount(2));
    let dir = approval_said_by(&[&jura(), &sikkerhed()], |s| s["subject"].as_array_mut().unwrap().insert(0, second));
    assert_eq!(approval_refusal(&dir), SigError::SubjectCount(2));
}

#[test]
fn sig_17n_a_message_does_not_choose_its_algorithm() {
    for algorithm in ["ml-dsa-65", "rsa", "ecdsa", "ed25519"] {
        let dir = signed();
        let mut forged = filed(&dir, "vendor-release")[0].clone();
        forged["signatures"][0]["alg"] = algorithm.into();
        unfile(&dir, "vendor-release");
        file(&dir, "vendor-release", &forged);
        assert_eq!(vendor_refusal(&dir), SigError::WrongAlgorithm);
    }
}

#[test]
fn sig_18n_an_unusable_extra_signature_denies_nothing() {
    use Ignored::*;
    let zeros = format!("{}==", "A".repeat(86));
    let foreign_key = vendor().public().id().to_string();
    for (extra, reason) in [
        (json!({"keyid": "someone", "sig": zeros}), UnknownKey),
        (json!({"keyid": foreign_key, "sig": zeros}), BadSignature),
        (json!({"sig": "AAAA"}), WrongAlgorithm),
        (json!({"sig": "not base64"}), Malformed),
        (json!({"sig": zeros, "alg": "rsa"}), WrongAlgorithm),
    ] {
        for first in [true, false] {
            let dir = approved();
            let mut more = filed(&dir, "vendor-release")[0].clone();
            let list = more["signatures"].as_array_mut().unwrap();
            list.insert(if first { 0 } else { 1 }, extra.clone());
            unfile(&dir, "vendor-release");
            file(&dir, "vendor-release", &more);
            let release = vaern_trust::verify(&dir, &trust(), now(), &name("containere")).unwrap();
            assert_eq!(release.ignored_signatures(), [reason], "{extra}");
        }
    }
}

#[test]
fn sig_19n_an_approval_has_a_beginning_and_an_end() {
    let dir = approved();
    let at = |text| vaern_trust::verify(&dir, &trust(), time(text), &name("containere")).map(|r| r.digest());
    assert!(at("2026-04-01T00:00:00Z").is_ok());
    assert!(at("2027-03-31T23:59:59Z").is_ok());
    let early = at("2026-03-31T23:59:59.999Z");
    assert_eq!(early, Err(ReleaseError::Approval(SigError::ApprovalNotYetValid(time("2026-04-01T00:00:00Z")))));
    let late = at("2027-04-01T00:00:00Z").unwrap_err();
    assert_eq!(late, ReleaseError::Approval(SigError::ApprovalExpired(time("2027-04-01T00:00:00Z"))));
    assert_eq!((late.stage(), late.krav().0, late.blame()), ("approval", "GOV-04", Blame::Policy));
}

#[test]
fn sig_19p_a_renewal_takes_the_place_of_an_expired_approval() {
    let dir = approved();
    let mut renewed = draft();
    renewed.not_before = time("2027-03-01T00:00:00Z");
    renewed.expires = Some(time("2028-03-01T00:00:00Z"));
    let signers = [(&name("jura"), &jura()), (&name("drift"), &drift())];
    vaern_trust::approve(&dir, &trust(), &renewed, &dpia(), &signers, now()).unwrap();
    let at = |text| vaern_trust::verify(&dir, &trust(), time(text), &name("containere"));
    assert!(at("2026-06-01T00:00:00Z").is_ok());
    assert_eq!(at("2027-03-15T00:00:00Z").unwrap().approval().expires, time("2028-03-01T00:00:00Z"));
    assert!(at("2027-06-01T00:00:00Z").is_ok());
    assert!(at("2028-03-01T00:00:00Z").is_err());
}

#[test]
fn std_03n_another_purpose_is_refused() {
    let dir = approved();
    let other = vaern_trust::verify(&dir, &trust(), now(), &name("vejskilte")).unwrap_err();
    let (approved, asked) = (name("containere"), name("vejskilte"));
    assert_eq!(other, ReleaseError::Approval(SigError::PurposeMismatch { approved, asked }));
    assert_eq!((other.krav().0, other.blame()), ("STD-03", Blame::Operator));
    // An approval for another purpose than the plugin is made for does not help.
    let both = [&jura(), &sikkerhed()];
    let dir = approval_said_by(&both, |s| s["predicate"]["approval"]["purpose"] = "vejskilte".into());
    assert!(matches!(approval_refusal(&dir), SigError::PurposeMismatch { .. }));
}

#[test]
fn gov_and_ans_gaps_are_refused_even_when_signed() {
    let both = [&jura(), &sikkerhed()];
    let cut = |field: &'static str| {
        approval_said_by(&both, |s| drop(s["predicate"]["approval"].as_object_mut().unwrap().remove(field)))
    };
    for (field, krav) in [
        ("dpia", "GOV-01"),
        ("responsible", "ANS-01"),
        ("dpo_advice", "GOV-06"),
        ("legal_basis", "GOV-07"),
        ("expires", "GOV-04"),
    ] {
        let refusal = verify(&cut(field)).unwrap_err();
        assert_eq!((refusal.stage(), refusal.krav().0, refusal.blame()), ("approval", krav, Blame::Policy), "{field}");
        assert!(matches!(refusal, ReleaseError::Approval(SigError::Approval(_))), "{field}");
    }
    let dir = approval_said_by(&both, |s| s["predicate"]["approval"]["dpia"]["residual_risk"] = "høj".into());
    assert_eq!(verify(&dir).unwrap_err().krav(), "GOV-02");
    // A misspelt word is not a low risk.
    let dir = approval_said_by(&both, |s| s["predicate"]["approval"]["dpia"]["residual_risk"] = "low".into());
    assert!(matches!(approval_refusal(&dir), SigError::Malformed { form: Form::Predicate, .. }));
    let dir = approval_said_by(&both, |s| s["predicate"]["approval"]["expires"] = "2027-04-01T00:00:00+00:00".into());
    assert!(matches!(approval_refusal(&dir), SigError::Malformed { form: Form::Predicate, .. }));
}

#[test]
fn gov_06n_the_adviser_does_not_decide() {
    let dir = approval_said_by(&[&jura(), &dpo()], |s| s["predicate"]["roles"] = json!(["dpo", "jura"]));
    assert_eq!(approval_refusal(&dir), SigError::ThresholdNotMet { have: 1, need: 2 });
    // Beside enough others the adviser's signature does no harm, and is seen.
    let dir = approval_said_by(&[&jura(), &dpo(), &drift()], |s| s["predicate"]["roles"] = json!(["drift", "jura"]));
    let release = vaern_trust::verify(&dir, &trust(), now(), &name("containere")).unwrap();
    assert_eq!(release.ignored_signatures(), [Ignored::Adviser]);
}

#[test]
fn what_would_be_refused_is_not_signed() {
    let dir = signed();
    let before = read_index(&dir);
    let (jura_role, security) = (name("jura"), name("it-sikkerhed"));
    let (a, b) = (jura(), sikkerhed());
    let both = [(&jura_role, &a), (&security, &b)];
    let refused = |draft, signers: &[(&vaern_door::Name, &SigningKeyPair)]| {
        let answer = vaern_trust::approve(&dir, &trust(), &draft, &dpia(), signers, now());
        assert_eq!(read_index(&dir), before, "nothing was written");
        answer.unwrap_err()
    };
    let risky = vaern_trust::approve(&dir, &trust(), &draft(), &dpia_of("høj"), &both, now()).unwrap_err();
    assert_eq!((risky.krav().0, read_index(&dir)), ("GOV-02", before.clone()));
    let mut other = draft();
    other.dpia = Some(dpia_of("middel").record().clone());
    assert_eq!(refused(other, &both), ReleaseError::Approval(ApprovalGap::OtherDpia.into()));
    let mut over = draft();
    over.expires = Some(time("2026-05-01T00:00:00Z"));
    assert!(matches!(refused(over, &both), ReleaseError::Approval(SigError::ApprovalExpired(_))));
    let mut other = draft();
    other.purpose = name("vejskilte");
    assert_eq!(refused(other, &both).krav(), "STD-03");
    let one = SigError::ThresholdNotMet { have: 1, need: 2 };
    assert_eq!(refused(draft(), &both[..1]), ReleaseError::Approval(one));
    // A key does not sign in a role that is not its own.
    let wrong = [(&jura_role, &b), (&security, &a)];
    assert_eq!(refused(draft(), &wrong), ReleaseError::Approval(SigError::UnknownKey));
    // Nothing is approved that no vendor answers for.
    let unsigned = packed();
    let answer = vaern_trust::approve(&unsigned, &trust(), &draft(), &dpia(), &both, now());
    assert_eq!(answer, Err(ReleaseError::VendorSignature(SigError::Unsigned)));
}

#[test]
fn signing_twice_changes_nothing() {
    let dir = approved();
    let before = read_index(&dir);
    vaern_trust::sign_vendor(&dir, &vendor()).unwrap();
    let signers = [(&name("jura"), &jura()), (&name("it-sikkerhed"), &sikkerhed())];
    vaern_trust::approve(&dir, &trust(), &draft(), &dpia(), &signers, now()).unwrap();
    assert_eq!(read_index(&dir), before);
}

#[test]
fn the_preview_shows_what_is_signed() {
    let dir = approved();
    let roles = [&name("jura"), &name("it-sikkerhed")];
    let shown = vaern_trust::preview_approval(&dir, &trust(), &draft(), &dpia(), &roles).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), approval_statement(&dir));
}

#[test]
fn every_refusal_says_what_to_do() {
    for refusal in [verify(&packed()).unwrap_err(), verify(&signed()).unwrap_err(), verify(&room()).unwrap_err()] {
        assert!(!refusal.mend().is_empty() && !refusal.krav().0.is_empty());
        assert!(refusal.to_string().starts_with(refusal.stage()), "{refusal}");
    }
}

#[test]
fn the_chain_holds_on_a_copied_directory() {
    let dir = approved();
    let copy = room();
    copy.create_dir_all("blobs/sha256").unwrap();
    for file in ["oci-layout", "index.json"] {
        copy.write(file, dir.read(file).unwrap()).unwrap();
    }
    for entry in dir.read_dir("blobs/sha256").unwrap() {
        let path = std::path::Path::new("blobs/sha256").join(entry.unwrap().file_name());
        copy.write(&path, dir.read(&path).unwrap()).unwrap();
    }
    assert_eq!(verify(&copy), verify(&dir));
}
