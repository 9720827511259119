//! Second state: an admitted vendor signed for this release, and every part of it is what the vendor packed.

use jiff::Timestamp;
use vaern_door::{Digest, Name, Version, guard};

use super::approved::result_of;
use super::sealed::Sealed;
use super::{Answered, Approved, Release, ReleaseError, Unverified};
use crate::dsse::{Envelope, Ignored};
use crate::keys::PublicKey;
use crate::package::{Contents, Shelved, StatementKind, read_contents};
use crate::sig_error::SigError;
use crate::statement::{self, PAYLOAD_TYPE, Predicate, Provenance, Subject, TestResult, VendorRelease};
use crate::trust_root::TrustRoot;

/// An admitted vendor answers for it.
#[derive(Debug)]
pub struct Verified {
    contents: Contents,
    pub(super) approvals: Vec<Vec<u8>>,
    pub(super) results: Vec<Vec<u8>>,
    vendors_results: Vec<Result<TestResult, SigError>>,
    compiled: Shelved,
    provenance: Result<Provenance, SigError>,
    ignored: Vec<Ignored>,
}

impl Sealed for Verified {}

impl Answered for Verified {
    fn contents(&self) -> &Contents {
        &self.contents
    }
    fn ignored(&self) -> &[Ignored] {
        &self.ignored
    }
    fn vendors_results(&self) -> &[Result<TestResult, SigError>] {
        &self.vendors_results
    }
}

impl Verified {
    pub(super) fn from_unverified(
        release: Release<Unverified>,
        trust: &TrustRoot,
    ) -> Result<Release<Self>, ReleaseError> {
        let Release { digest, name, state: Unverified { layout, shelf } } = release;
        let subject = Subject { name: name.clone(), digest };
        let of_kind = |wanted| {
            shelf.statements.iter().filter(move |(kind, _)| *kind == wanted).map(|(_, envelope)| envelope.as_slice())
        };
        // One statement that holds is enough; if none does, the last one's reason is told.
        let mut outcome = Err(SigError::Unsigned);
        for envelope in of_kind(StatementKind::VendorRelease) {
            outcome = signed_for(envelope, &subject, trust);
            if outcome.is_ok() {
                break;
            }
        }
        let signed = outcome.map_err(ReleaseError::VendorSignature)?;
        // Only now are the parts read: not a byte of an unsigned component is parsed.
        let contents = read_contents(&layout, &shelf)?;
        signed.said.agrees_with(&contents.manifest).map_err(ReleaseError::VendorSignature)?;
        let component = Digest::of(&contents.component);
        let mut provenance = Err(SigError::Unsigned);
        for envelope in of_kind(StatementKind::Provenance) {
            provenance = made(envelope, &subject, &signed.said, component, trust);
            if provenance.is_ok() {
                break;
            }
        }
        let own = |envelope| tested_by_vendor(envelope, &subject, &signed.said, trust);
        let vendors_results = of_kind(StatementKind::VendorResult).map(own).collect();
        let approvals = of_kind(StatementKind::Approval).map(<[u8]>::to_vec).collect();
        let results = of_kind(StatementKind::TestResult).map(<[u8]>::to_vec).collect();
        let compiled = Shelved {
            statements: of_kind(StatementKind::Compiled).map(<[u8]>::to_vec).collect(),
            code: shelf.code,
            layout,
        };
        Ok(Release {
            digest,
            name,
            state: Self {
                contents,
                approvals,
                results,
                vendors_results,
                compiled,
                provenance,
                ignored: signed.ignored,
            },
        })
    }

    pub(super) fn into_parts(self) -> Parts {
        let Self { contents, vendors_results, compiled, ignored, .. } = self;
        Parts { contents, vendors_results, compiled, ignored }
    }
}

/// What the next state takes over.
pub(super) struct Parts {
    pub(super) contents: Contents,
    pub(super) vendors_results: Vec<Result<TestResult, SigError>>,
    pub(super) compiled: Shelved,
    pub(super) ignored: Vec<Ignored>,
}

struct Signed {
    said: VendorRelease,
    ignored: Vec<Ignored>,
}

/// The vendor that is named must itself have signed: an admitted vendor cannot sign in another's name.
fn signed_for(envelope: &[u8], subject: &Subject, trust: &TrustRoot) -> Result<Signed, SigError> {
    let read = |said: VendorRelease| {
        let (vendor, counter) = (said.vendor.clone(), said.counter);
        (said, vendor, counter)
    };
    let (said, ignored) = by_vendor(envelope, subject, trust, read)?;
    Ok(Signed { said, ignored })
}

/// How the component was made, as the same vendor says.
fn made(
    envelope: &[u8],
    subject: &Subject,
    release: &VendorRelease,
    component: Digest,
    trust: &TrustRoot,
) -> Result<Provenance, SigError> {
    let read = |said: Provenance| (said, release.vendor.clone(), release.counter);
    let (provenance, _) = by_vendor(envelope, subject, trust, read)?;
    provenance.of_component(component)?;
    Ok(provenance)
}

/// What the same vendor says that the suite found. Nobody else's word is the vendor's.
fn tested_by_vendor(
    envelope: &[u8],
    subject: &Subject,
    release: &VendorRelease,
    trust: &TrustRoot,
) -> Result<TestResult, SigError> {
    let read = |said: TestResult| (said, release.vendor.clone(), release.counter);
    by_vendor(envelope, subject, trust, read).map(|(result, _)| result)
}

/// Reads what a vendor signed. `whose` says which vendor must have signed it, and for which counter its key must count.
fn by_vendor<P: Predicate>(
    envelope: &[u8],
    subject: &Subject,
    trust: &TrustRoot,
    whose: impl FnOnce(P) -> (P, Name, u64),
) -> Result<(P, Vec<Ignored>), SigError> {
    let envelope = Envelope::decode(envelope)?;
    let checked = envelope.check(PAYLOAD_TYPE, trust.vendor_keys())?;
    let (said, vendor, counter) = whose(statement::read(checked.payload, subject)?);
    let own = |key: &PublicKey| trust.vendor_of(key) == Some(&vendor);
    let Some(signer) = checked.signers.iter().find(|key| own(key)) else {
        return Err(SigError::UnknownKey);
    };
    let current = |key: &PublicKey| own(key) && trust.counts_for(key, counter);
    if guard::stands("trust.retired-vendor-key") && !checked.signers.iter().any(current) {
        return Err(SigError::KeyRetired(signer.id()));
    }
    Ok((said, checked.ignored))
}

impl Release<Verified> {
    /// How the component was made, as its vendor says. A release may come without; what does not hold is not shown.
    ///
    /// # Errors
    /// [`ReleaseError::Provenance`]: [`SigError::Unsigned`] where the vendor says nothing.
    pub fn provenance(&self) -> Result<&Provenance, ReleaseError> {
        self.state.provenance.as_ref().map_err(|error| ReleaseError::Provenance(error.clone()))
    }

    /// The conformance result that an approval under this version of the catalogue rests on; `None` where the release carries
    /// no result at all. Of several one that holds is enough.
    ///
    /// # Errors
    /// As [`Release::bearing`].
    pub fn borne_by(&self, trust: &TrustRoot, catalogue: &Version) -> Result<Option<TestResult>, ReleaseError> {
        Ok(self.bearing(trust, catalogue)?.into_iter().next())
    }

    /// All conformance results that an approval under this version of the catalogue may rest on; none where the release carries no
    /// result at all.
    ///
    /// # Errors
    /// [`ReleaseError::TestResult`] where none holds, with the reason of the last one looked at: it is about another release, is not as it
    /// was signed, is of another catalogue, or failed.
    pub fn bearing(&self, trust: &TrustRoot, catalogue: &Version) -> Result<Vec<TestResult>, ReleaseError> {
        let subject = Subject { name: self.name.clone(), digest: self.digest };
        let (mut bearing, mut last) = (Vec::new(), Ok(()));
        for envelope in &self.state.results {
            let judged = result_of(envelope, &subject, trust).and_then(|result| {
                result.bears(catalogue)?;
                Ok(result)
            });
            match judged {
                Ok(result) => bearing.push(result),
                Err(error) => last = Err(error),
            }
        }
        if bearing.is_empty() { last.map(|()| bearing).map_err(ReleaseError::TestResult) } else { Ok(bearing) }
    }

    /// Checks that the city approved this release for `purpose`, and that the approval is in force at `now`.
    ///
    /// # Errors
    /// [`ReleaseError::Approval`] with the reason.
    pub fn approve(self, trust: &TrustRoot, now: Timestamp, purpose: &Name) -> Result<Release<Approved>, ReleaseError> {
        Approved::from_verified(self, trust, now, purpose)
    }
}
