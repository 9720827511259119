//! Second state: an admitted vendor signed for this release, and every part of it is what the vendor packed.

use jiff::Timestamp;
use vaern_door::{Name, guard};

use super::sealed::Sealed;
use super::{Answered, Approved, Release, ReleaseError, Unverified};
use crate::dsse::{Envelope, Ignored};
use crate::keys::PublicKey;
use crate::package::{Contents, Shelved, StatementKind, read_contents};
use crate::sig_error::SigError;
use crate::statement::{self, PAYLOAD_TYPE, Subject, VendorRelease};
use crate::trust_root::TrustRoot;

/// An admitted vendor answers for it.
#[derive(Debug)]
pub struct Verified {
    contents: Contents,
    pub(super) approvals: Vec<Vec<u8>>,
    pub(super) results: Vec<Vec<u8>>,
    compiled: Shelved,
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
        let approvals = of_kind(StatementKind::Approval).map(<[u8]>::to_vec).collect();
        let results = of_kind(StatementKind::TestResult).map(<[u8]>::to_vec).collect();
        let compiled = Shelved {
            statements: of_kind(StatementKind::Compiled).map(<[u8]>::to_vec).collect(),
            code: shelf.code,
            layout,
        };
        Ok(Release { digest, name, state: Self { contents, approvals, results, compiled, ignored: signed.ignored } })
    }

    pub(super) fn into_parts(self) -> (Contents, Shelved, Vec<Ignored>) {
        (self.contents, self.compiled, self.ignored)
    }
}

struct Signed {
    said: VendorRelease,
    ignored: Vec<Ignored>,
}

/// The vendor that is named must itself have signed: an admitted vendor cannot sign in another's name.
fn signed_for(envelope: &[u8], subject: &Subject, trust: &TrustRoot) -> Result<Signed, SigError> {
    let envelope = Envelope::decode(envelope)?;
    let checked = envelope.check(PAYLOAD_TYPE, trust.vendor_keys())?;
    let said: VendorRelease = statement::read(checked.payload, subject)?;
    let own = |key: &PublicKey| trust.vendor_of(key) == Some(&said.vendor);
    let Some(signer) = checked.signers.iter().find(|key| own(key)) else {
        return Err(SigError::UnknownKey);
    };
    let current = |key: &PublicKey| own(key) && trust.counts_for(key, said.counter);
    if guard::stands("trust.retired-vendor-key") && !checked.signers.iter().any(current) {
        return Err(SigError::KeyRetired(signer.id()));
    }
    Ok(Signed { said, ignored: checked.ignored })
}

impl Release<Verified> {
    /// Checks that the city approved this release for `purpose`, and that the approval is in force at `now`.
    ///
    /// # Errors
    /// [`ReleaseError::Approval`] with the reason.
    pub fn approve(self, trust: &TrustRoot, now: Timestamp, purpose: &Name) -> Result<Release<Approved>, ReleaseError> {
        Approved::from_verified(self, trust, now, purpose)
    }
}
