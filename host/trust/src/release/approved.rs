//! Last state of this crate: the city's roles approved this release, for this purpose, at this time.

use std::collections::BTreeSet;

use jiff::Timestamp;
use vaern_door::{Digest, Name};

use super::sealed::Sealed;
use super::verified::Parts;
use super::{Answered, Release, ReleaseError, Verified};
use crate::dsse::{Envelope, Ignored};
use crate::keys::PublicKey;
use crate::package::{Contents, Shelved};
use crate::sig_error::SigError;
use crate::statement::{self, Approval, PAYLOAD_TYPE, SignedApproval, Subject, TestResult};
use crate::trust_root::{ADVISER_ROLE, Authority, TrustRoot};

/// The city answers for it.
#[derive(Debug)]
pub struct Approved {
    contents: Contents,
    approval: Approval,
    statement: Digest,
    approvers: Vec<PublicKey>,
    results: Vec<Vec<u8>>,
    vendors_results: Vec<Result<TestResult, SigError>>,
    compiled: Shelved,
    ignored: Vec<Ignored>,
}

impl Sealed for Approved {}

impl Answered for Approved {
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

impl Approved {
    pub(super) const fn compiled(&self) -> &Shelved {
        &self.compiled
    }

    pub(super) fn from_verified(
        release: Release<Verified>,
        trust: &TrustRoot,
        now: Timestamp,
        purpose: &Name,
    ) -> Result<Release<Self>, ReleaseError> {
        let Release { digest, name, state } = release;
        let made_for = &state.contents().manifest.purpose;
        if made_for != purpose {
            let (approved, asked) = (made_for.clone(), purpose.clone());
            return Err(ReleaseError::Approval(SigError::PurposeMismatch { approved, asked }));
        }
        let subject = Subject { name: name.clone(), digest };
        let mut best: Result<(Approval, Vec<Ignored>, &[u8]), SigError> = Err(SigError::Unsigned);
        for envelope in &state.approvals {
            let outcome = decided(envelope, &subject, trust, now, purpose);
            // Of several approvals in force one that names a test of the gate goes before one that names none, and then the one that
            // lasts longest counts; of several reasons the last is told.
            let weight = |approval: &Approval| (approval.gate.is_some(), approval.expires);
            let better = match (&best, &outcome) {
                (Ok((held, ..)), Ok((new, _))) => weight(new) > weight(held),
                (Ok(_), Err(_)) => false,
                (Err(_), _) => true,
            };
            if better {
                best = outcome.map(|(approval, ignored)| (approval, ignored, envelope.as_slice()));
            }
        }
        let (approval, more, envelope) = best.map_err(ReleaseError::Approval)?;
        let statement = Digest::of(envelope);
        let envelope = Envelope::decode(envelope).map_err(ReleaseError::Approval)?;
        let checked = envelope.check(PAYLOAD_TYPE, trust.role_keys()).map_err(ReleaseError::Approval)?;
        let approvers = checked.signers;
        let results = state.results.clone();
        let Parts { contents, vendors_results, compiled, mut ignored } = state.into_parts();
        ignored.extend(more);
        Ok(Release {
            digest,
            name,
            state: Self { contents, approval, statement, approvers, results, vendors_results, compiled, ignored },
        })
    }
}

/// Judges one approval: signatures first, then what it says.
pub(crate) fn decided(
    envelope: &[u8],
    subject: &Subject,
    trust: &TrustRoot,
    now: Timestamp,
    purpose: &Name,
) -> Result<(Approval, Vec<Ignored>), SigError> {
    let envelope = Envelope::decode(envelope)?;
    let checked = envelope.check(PAYLOAD_TYPE, trust.role_keys())?;
    let roles = trust.decide(Authority::Approval, &checked.signers)?;
    let approval = Approval::from_signed(statement::read::<SignedApproval>(checked.payload, subject)?)?;
    // Each signer signed the list of all signers: none of them can be taken away unseen.
    let missing: Vec<Name> = approval.roles.difference(&roles).cloned().collect();
    if !missing.is_empty() {
        return Err(SigError::RoleDiversity { missing });
    }
    if approval.purpose != *purpose {
        return Err(SigError::PurposeMismatch { approved: approval.purpose, asked: purpose.clone() });
    }
    approval.in_force(now)?;
    let mut ignored = checked.ignored;
    let advisers = checked.signers.iter().filter(|key| trust.role_of(key).is_some_and(|r| r.as_str() == ADVISER_ROLE));
    ignored.extend(advisers.map(|_| Ignored::Adviser));
    Ok((approval, ignored))
}

pub(super) fn result_of(envelope: &[u8], subject: &Subject, trust: &TrustRoot) -> Result<TestResult, SigError> {
    let envelope = Envelope::decode(envelope)?;
    let checked = envelope.check(PAYLOAD_TYPE, trust.role_keys())?;
    trust.decide(Authority::TestResult, &checked.signers)?;
    statement::read(checked.payload, subject)
}

impl Release<Approved> {
    /// Looks for a conformance result, signed by a deciding role, that was reached under the catalogue of the approval and covers
    /// `mandatory` on one of `builds`, the builds of one host line.
    ///
    /// # Errors
    /// [`ReleaseError::TestResult`] with the reason of the last result looked at.
    pub fn tested(
        &self,
        trust: &TrustRoot,
        mandatory: &BTreeSet<String>,
        builds: &[Digest],
    ) -> Result<TestResult, ReleaseError> {
        let subject = Subject { name: self.name.clone(), digest: self.digest };
        let mut outcome = Err(SigError::Unsigned);
        for envelope in &self.state.results {
            outcome = result_of(envelope, &subject, trust).and_then(|result| {
                result.bears(&self.state.approval.catalogue)?;
                result.covers(mandatory, builds)?;
                Ok(result)
            });
            if outcome.is_ok() {
                break;
            }
        }
        outcome.map_err(ReleaseError::TestResult)
    }

    /// What the city approved.
    #[must_use]
    pub const fn approval(&self) -> &Approval {
        &self.state.approval
    }

    /// The digest of the signed approval, as it lies in the package.
    #[must_use]
    pub const fn approval_digest(&self) -> Digest {
        self.state.statement
    }

    /// The keys of the roles that signed it.
    #[must_use]
    pub fn approvers(&self) -> &[PublicKey] {
        &self.state.approvers
    }
}
