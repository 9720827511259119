//! Compiled code: only what the city vouches for, only the very bytes, only for this engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod common;
mod follow;

use cap_std::fs::Dir;
use common::*;
use follow::{Node, channel};
use vaern_door::Digest;
use vaern_trust::{
    ApprovalRule, Approved, CompiledCode, DEFAULT_MAX_STALE, EngineField, PkgError, Release, ReleaseError, SigError,
    Steps, TrustRoot,
};

const CODE: &[u8] = b"\x7fELF: stands for machine code; nothing here runs it";

fn open(dir: &Dir) -> Release<Approved> {
    vaern_trust::verify(dir, &trust(), now(), &name("containere")).unwrap()
}

fn compiled(dir: &Dir) -> Result<CompiledCode, ReleaseError> {
    open(dir).compiled(&trust(), &engine())
}

fn code_file() -> String {
    format!("blobs/sha256/{}", Digest::of(CODE).hex())
}

fn vouch(dir: &Dir) {
    vaern_trust::sign_compiled(dir, &trust(), engine(), CODE, &[&jura(), &drift()]).unwrap();
}

#[test]
fn pkg_16p_the_code_that_the_city_vouches_for_is_handed_out() {
    let dir = approved();
    vouch(&dir);
    let code = compiled(&dir).unwrap();
    assert_eq!((code.bytes(), code.said().code), (CODE, Digest::of(CODE)));
    assert_eq!(code.said().component, Digest::of(open(&dir).component()));
    let before = dir.read("index.json").unwrap();
    vouch(&dir);
    assert_eq!(dir.read("index.json").unwrap(), before, "the same again changes nothing");
    // What reads the release without asking for code is not stopped by it.
    assert!(verify(&dir).is_ok());
}

#[test]
fn pkg_16n_every_flipped_bit_of_the_code_is_a_digest_mismatch() {
    let dir = approved();
    vouch(&dir);
    for at in 0..CODE.len() * 8 {
        let mut flipped = CODE.to_vec();
        flipped[at / 8] ^= 1 << (at % 8);
        dir.write(code_file(), &flipped).unwrap();
        let refused = compiled(&dir).unwrap_err();
        assert_eq!(refused, ReleaseError::Package(PkgError::DigestMismatch(Digest::of(CODE))), "bit {at}");
        assert!(!refused.may_compile(), "code that was tampered with is no reason to go on without");
    }
}

#[test]
fn pkg_16n_code_that_is_cut_longer_or_gone_is_refused() {
    let dir = approved();
    vouch(&dir);
    let longer = [CODE, b"x"].concat();
    for other in [&CODE[..0], &CODE[1..], &longer] {
        dir.write(code_file(), other).unwrap();
        let refused = compiled(&dir).unwrap_err();
        assert!(matches!(refused, ReleaseError::Package(PkgError::SizeMismatch { .. })), "{refused}");
    }
    dir.remove_file(code_file()).unwrap();
    let refused = compiled(&dir).unwrap_err();
    assert!(matches!(refused, ReleaseError::Package(PkgError::MissingBlob(_))), "{refused}");
    assert!(!refused.may_compile());
}

#[test]
fn pkg_17n_code_that_changes_after_it_was_checked_is_not_the_code_that_is_loaded() {
    let dir = approved();
    vouch(&dir);
    let code = compiled(&dir).unwrap();
    dir.write(code_file(), b"other code").unwrap();
    assert_eq!(code.bytes(), CODE, "written over");
    dir.write("other", vec![0; CODE.len()]).unwrap();
    dir.rename("other", &dir, code_file()).unwrap();
    assert_eq!(code.bytes(), CODE, "renamed over");
    let again = compiled(&dir).unwrap_err();
    assert!(matches!(again, ReleaseError::Package(PkgError::DigestMismatch(_))), "{again}");
    // A link is no file of the release, wherever it leads.
    #[cfg(unix)]
    {
        dir.remove_file(code_file()).unwrap();
        dir.write("elsewhere", CODE).unwrap();
        dir.symlink("../../elsewhere", code_file()).unwrap();
        let linked = compiled(&dir).unwrap_err();
        assert!(matches!(linked, ReleaseError::Package(PkgError::BadEntry { .. })), "{linked}");
    }
}

#[test]
fn pkg_18n_code_for_another_engine_is_refused_by_the_field_and_pkg_18p_the_right_one_is_found() {
    let dir = approved();
    let mut other = engine();
    other.version = "wasmtime 47.0.0".into();
    vaern_trust::sign_compiled(&dir, &trust(), other, b"older code", &[&jura(), &drift()]).unwrap();
    let refused = compiled(&dir).unwrap_err();
    assert_eq!(refused, ReleaseError::Package(PkgError::EngineMismatch { field: EngineField::Version }));
    assert!(refused.may_compile());
    vouch(&dir);
    assert_eq!(compiled(&dir).unwrap().bytes(), CODE);
}

#[test]
fn sig_01n_code_without_a_statement_is_no_code() {
    let dir = approved();
    let refused = compiled(&dir).unwrap_err();
    assert_eq!(refused, ReleaseError::Compiled(SigError::Unsigned));
    assert!(refused.may_compile());
    vouch(&dir);
    unfile(&dir, "compiled");
    assert_eq!(compiled(&dir).unwrap_err(), ReleaseError::Compiled(SigError::Unsigned));
}

#[test]
fn sig_07n_one_role_alone_does_not_vouch_for_code_and_sig_08n_nor_does_a_vendor_or_the_adviser() {
    let dir = approved();
    let sign = |pairs: &[&vaern_trust::SigningKeyPair]| {
        vaern_trust::sign_compiled(&dir, &trust(), engine(), CODE, pairs).map(|_| ())
    };
    for pairs in [&[&jura()][..], &[&jura(), &dpo()], &[&jura(), &vendor()], &[&jura(), &jura_too()], &[&drift()]] {
        assert!(matches!(sign(pairs), Err(ReleaseError::Compiled(_))));
    }
    // One that was signed elsewhere and filed by hand is refused all the same.
    vouch(&dir);
    let mut envelope = filed(&dir, "compiled")[0].clone();
    envelope["signatures"].as_array_mut().unwrap().truncate(1);
    unfile(&dir, "compiled");
    file(&dir, "compiled", &envelope);
    let refused = compiled(&dir).unwrap_err();
    assert_eq!(refused, ReleaseError::Compiled(SigError::ThresholdNotMet { have: 1, need: 2 }));
    assert!(!refused.may_compile());
    // The trust root may give it to one desk.
    let mut file = trust_file();
    file.compiled = Some(ApprovalRule { threshold: 1, roles: vec![name("jura")] });
    let one = TrustRoot::new(&file).unwrap();
    assert!(open(&dir).compiled(&one, &engine()).is_ok());
}

#[test]
fn sig_09n_sig_14n_a_statement_of_another_kind_or_about_another_component_is_refused() {
    let dir = approved();
    vouch(&dir);
    let signed = filed(&dir, "compiled")[0].clone();
    let as_approval = filed(&dir, "approval")[0].clone();
    unfile(&dir, "compiled");
    file(&dir, "compiled", &as_approval);
    let swapped = compiled(&dir).unwrap_err();
    assert!(matches!(swapped, ReleaseError::Compiled(SigError::WrongStatementType { .. })), "{swapped}");
    unfile(&dir, "compiled");
    let predicate = |component: Digest| {
        serde_json::json!({
            "component": component, "code": Digest::of(CODE), "size": CODE.len(), "engine": engine(),
        })
    };
    let other = statement(&dir, "urn:vaern:compiled:v1", &predicate(Digest::of(b"another component")));
    file(&dir, "compiled", &envelope(&other, &[&jura(), &drift()]));
    assert_eq!(compiled(&dir).unwrap_err(), ReleaseError::Compiled(SigError::SubjectMismatch));
    unfile(&dir, "compiled");
    file(&dir, "compiled", &signed);
    assert!(compiled(&dir).is_ok());
    // The statement of one release, filed under another.
    let elsewhere = room();
    let mut inputs = inputs();
    inputs.manifest.counter = 5;
    vaern_trust::pack(&inputs, &elsewhere).unwrap();
    vaern_trust::sign_vendor(&elsewhere, &vendor()).unwrap();
    let signers = [(&name("jura"), &jura()), (&name("it-sikkerhed"), &sikkerhed())];
    vaern_trust::approve(&elsewhere, &trust(), &draft(), &dpia(), &signers, now()).unwrap();
    file(&elsewhere, "compiled", &signed);
    assert_eq!(compiled(&elsewhere).unwrap_err(), ReleaseError::Compiled(SigError::SubjectMismatch));
}

#[test]
fn pkg_17p_what_a_node_keeps_has_its_code_with_it_and_pkg_17n_is_verified_from_there() {
    let dir = approved();
    vouch(&dir);
    let node = Node::enrolled(&channel(7, &[4]));
    let mut state = node.open();
    let current = state.take(&node.offered(), now(), DEFAULT_MAX_STALE).unwrap();
    state.activate(&dir, &open(&dir), &current, Steps::unwatched()).unwrap();
    let kept = || state.active(&name("containere"), &trust(), &current).unwrap().unwrap();
    // The folder that it came in is gone; the node has what it needs.
    drop(dir);
    assert_eq!(kept().compiled(&trust(), &engine()).unwrap().bytes(), CODE);
    node.state.write(format!("releases/{}/{}", kept().digest().hex(), code_file()), b"other code").unwrap();
    assert!(kept().compiled(&trust(), &engine()).is_err());
}
