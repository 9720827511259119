//! Signing: the vendor for its release, the city's roles for an approval. What would be refused is not signed.

use std::collections::BTreeSet;

use cap_std::fs::Dir;
use jiff::Timestamp;
use vaern_door::{Digest, Name};

use crate::dsse::Envelope;
use crate::keys::SigningKeyPair;
use crate::package::{Layout, PkgError, Shelf, StatementKind, read_contents};
use crate::release::{Release, ReleaseError, decided};
use crate::sig_error::{ApprovalGap, SigError};
use crate::statement::{
    self, Approval, ApprovalDraft, Compilation, Dpia, EngineId, Outcome, PAYLOAD_TYPE, Provenance, Subject, TestResult,
    VendorRelease,
};
use crate::trust_root::{ADVISER_ROLE, Authority, TrustRoot};

/// Signs the release in `dir` as the vendor that its manifest names, and files the statement there.
/// Signing twice with one key changes nothing. Gives the release's digest.
///
/// # Errors
/// [`ReleaseError::Package`] if the package does not hold: it is not signed then.
pub fn sign_vendor(dir: &Dir, pair: &SigningKeyPair) -> Result<Digest, ReleaseError> {
    let layout = Layout::open(dir)?;
    let shelf = layout.shelf()?;
    let contents = read_contents(&layout, &shelf)?;
    let subject = Subject { name: shelf.name.clone(), digest: shelf.release.digest()? };
    let envelope = statement::write(&subject, &VendorRelease::of(&contents.manifest))
        .and_then(|payload| Envelope::sign(PAYLOAD_TYPE, payload, &[pair]).encode())
        .map_err(ReleaseError::VendorSignature)?;
    layout.put_statement(&shelf, StatementKind::VendorRelease, &envelope)?;
    Ok(subject.digest)
}

/// Signs how the component in `dir` was made, as its vendor, and files the statement there. Gives the release's digest.
///
/// # Errors
/// [`ReleaseError::Provenance`] if it is about another component or does not say enough.
pub fn sign_provenance(dir: &Dir, made: &Provenance, pair: &SigningKeyPair) -> Result<Digest, ReleaseError> {
    let layout = Layout::open(dir)?;
    let shelf = layout.shelf()?;
    let contents = read_contents(&layout, &shelf)?;
    made.of_component(Digest::of(&contents.component)).map_err(ReleaseError::Provenance)?;
    let subject = Subject { name: shelf.name.clone(), digest: shelf.release.digest()? };
    let envelope = statement::write(&subject, made)
        .and_then(|payload| Envelope::sign(PAYLOAD_TYPE, payload, &[pair]).encode())
        .map_err(ReleaseError::Provenance)?;
    layout.put_statement(&shelf, StatementKind::Provenance, &envelope)?;
    Ok(subject.digest)
}

/// Signs what a conformance run says of the release in `dir`, and files it there.
///
/// # Errors
/// [`ReleaseError`] if the release's vendor signature does not hold, or the key is of no deciding role.
pub fn sign_test_result(
    dir: &Dir,
    trust: &TrustRoot,
    result: &TestResult,
    pair: &SigningKeyPair,
) -> Result<Digest, ReleaseError> {
    let release = Release::open(dir)?.verify(trust)?;
    let subject = Subject { name: release.name().to_owned(), digest: release.digest() };
    trust.decide(Authority::TestResult, &[pair.public()]).map_err(ReleaseError::TestResult)?;
    let envelope = statement::write(&subject, result)
        .and_then(|payload| Envelope::sign(PAYLOAD_TYPE, payload, &[pair]).encode())
        .map_err(ReleaseError::TestResult)?;
    let (layout, shelf) = same_release(dir, subject.digest)?;
    layout.put_statement(&shelf, StatementKind::TestResult, &envelope)?;
    Ok(subject.digest)
}

/// Signs, as the vendor of the release in `dir`, what its own conformance run says, and files it there. It travels with the release, and no
/// approval rests on it alone (LEV-01).
///
/// # Errors
/// [`ReleaseError`] if the release's vendor signature does not hold, the key is not its vendor's, or something mandatory failed.
pub fn sign_vendor_result(
    dir: &Dir,
    trust: &TrustRoot,
    result: &TestResult,
    pair: &SigningKeyPair,
) -> Result<Digest, ReleaseError> {
    let release = Release::open(dir)?.verify(trust)?;
    let subject = Subject { name: release.name().to_owned(), digest: release.digest() };
    let (key, manifest) = (pair.public(), release.manifest());
    if trust.vendor_of(&key) != Some(&manifest.vendor) {
        return Err(ReleaseError::VendorResult(SigError::UnknownKey));
    }
    if !trust.counts_for(&key, manifest.counter) {
        return Err(ReleaseError::VendorResult(SigError::KeyRetired(key.id())));
    }
    if result.result == Outcome::Failed || !result.failed_tests.is_empty() {
        let tests = result.failed_tests.iter().cloned().collect();
        return Err(ReleaseError::VendorResult(SigError::IncompleteResult { tests }));
    }
    let envelope = statement::write(&subject, result)
        .and_then(|payload| Envelope::sign(PAYLOAD_TYPE, payload, &[pair]).encode())
        .map_err(ReleaseError::VendorResult)?;
    let (layout, shelf) = same_release(dir, subject.digest)?;
    layout.put_statement(&shelf, StatementKind::VendorResult, &envelope)?;
    Ok(subject.digest)
}

/// Vouches for `code` as what `engine` made of the component in `dir`, and files both there. Gives the code's digest.
///
/// # Errors
/// [`ReleaseError`] if the release's vendor signature does not hold, or the keys are not those that compiled code takes.
pub fn sign_compiled(
    dir: &Dir,
    trust: &TrustRoot,
    engine: EngineId,
    code: &[u8],
    pairs: &[&SigningKeyPair],
) -> Result<Digest, ReleaseError> {
    let release = Release::open(dir)?.verify(trust)?;
    let subject = Subject { name: release.name().to_owned(), digest: release.digest() };
    let signers: Vec<_> = pairs.iter().map(|pair| pair.public()).collect();
    trust.decide(Authority::Compiled, &signers).map_err(ReleaseError::Compiled)?;
    let said = Compilation {
        component: Digest::of(release.component()),
        code: Digest::of(code),
        size: code.len() as u64,
        engine,
    };
    let envelope = statement::write(&subject, &said)
        .and_then(|payload| Envelope::sign(PAYLOAD_TYPE, payload, pairs).encode())
        .map_err(ReleaseError::Compiled)?;
    let (layout, shelf) = same_release(dir, subject.digest)?;
    layout.put_compiled(&shelf, code, &envelope)?;
    Ok(said.code)
}

/// The draft with the record that it rests on. One that names another record already is refused.
fn resting(draft: &ApprovalDraft, dpia: &Dpia) -> Result<ApprovalDraft, ReleaseError> {
    if draft.dpia.as_ref().is_some_and(|named| named != dpia.record()) {
        return Err(ReleaseError::Approval(ApprovalGap::OtherDpia.into()));
    }
    Ok(ApprovalDraft { dpia: Some(dpia.record().clone()), ..draft.clone() })
}

/// Approves the release in `dir` with the signatures of all `signers`, each in its role, and files the approval there.
/// The release must carry a vendor signature that holds, the draft must be complete with the record
/// `dpia` that it rests on, and the approval must be one that
/// [`crate::verify`] takes from `now` or its beginning on. Gives the approved digest.
///
/// # Errors
/// [`ReleaseError`] as the node would refuse it; nothing is written then.
pub fn approve(
    dir: &Dir,
    trust: &TrustRoot,
    draft: &ApprovalDraft,
    dpia: &Dpia,
    signers: &[(&Name, &SigningKeyPair)],
    now: Timestamp,
) -> Result<Digest, ReleaseError> {
    let release = Release::open(dir)?.verify(trust)?;
    // Where the suite was run, its result must be of this release and this catalogue: what is shown to those who sign must hold.
    release.borne_by(trust, &draft.catalogue)?;
    // What the vendor says of its own tests must hold as well, where it says something.
    release.vendors_result(&draft.catalogue)?;
    let envelope = signed(&release, trust, &resting(draft, dpia)?, signers).map_err(ReleaseError::Approval)?;
    let subject = Subject { name: release.name().to_owned(), digest: release.digest() };
    let first_moment = now.max(draft.not_before);
    let made_for = &release.manifest().purpose;
    decided(&envelope, &subject, trust, first_moment, made_for).map_err(ReleaseError::Approval)?;
    let (layout, shelf) = same_release(dir, subject.digest)?;
    layout.put_statement(&shelf, StatementKind::Approval, &envelope)?;
    Ok(subject.digest)
}

/// The layout once more, if it still holds the release that was judged.
fn same_release(dir: &Dir, judged: Digest) -> Result<(Layout, Shelf), ReleaseError> {
    let layout = Layout::open(dir)?;
    let shelf = layout.shelf()?;
    if shelf.release.digest()? == judged { Ok((layout, shelf)) } else { Err(PkgError::DigestMismatch(judged).into()) }
}

/// The statement, for showing to those who are about to sign it, as pretty JSON.
///
/// # Errors
/// [`ReleaseError`] if the release or the draft would be refused.
pub fn preview_approval(
    dir: &Dir,
    trust: &TrustRoot,
    draft: &ApprovalDraft,
    dpia: &Dpia,
    roles: &[&Name],
) -> Result<String, ReleaseError> {
    let release = Release::open(dir)?.verify(trust)?;
    let payload = payload(release.name(), release.digest(), &resting(draft, dpia)?, deciding(roles.iter().copied()))
        .map_err(ReleaseError::Approval)?;
    let pretty = serde_json::from_slice::<serde_json::Value>(&payload).and_then(|v| serde_json::to_string_pretty(&v));
    pretty.map_err(|_| ReleaseError::Approval(SigError::malformed(crate::sig_error::Form::Statement)))
}

fn deciding<'n>(roles: impl Iterator<Item = &'n Name>) -> BTreeSet<Name> {
    roles.filter(|role| role.as_str() != ADVISER_ROLE).cloned().collect()
}

fn payload(name: &str, digest: Digest, draft: &ApprovalDraft, roles: BTreeSet<Name>) -> Result<Vec<u8>, SigError> {
    let approval = Approval::new(draft, roles)?;
    statement::write(&Subject { name: name.to_owned(), digest }, &approval.to_signed())
}

fn signed(
    release: &Release<crate::release::Verified>,
    trust: &TrustRoot,
    draft: &ApprovalDraft,
    signers: &[(&Name, &SigningKeyPair)],
) -> Result<Vec<u8>, SigError> {
    for (role, pair) in signers {
        if trust.role_of(&pair.public()) != Some(*role) {
            return Err(SigError::UnknownKey);
        }
    }
    let roles = deciding(signers.iter().map(|(role, _)| *role));
    let payload = payload(release.name(), release.digest(), draft, roles)?;
    let pairs: Vec<&SigningKeyPair> = signers.iter().map(|(_, pair)| *pair).collect();
    Envelope::sign(PAYLOAD_TYPE, payload, &pairs).encode()
}
