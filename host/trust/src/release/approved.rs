//! Last state of this crate: the city's roles approved this release, for this purpose, at this time.

use jiff::Timestamp;
use vaern_door::Name;

use super::sealed::Sealed;
use super::{Answered, Release, ReleaseError, Verified};
use crate::dsse::{Envelope, Ignored};
use crate::package::Contents;
use crate::sig_error::SigError;
use crate::statement::{self, Approval, PAYLOAD_TYPE, SignedApproval, Subject};
use crate::trust_root::{ADVISER_ROLE, Authority, TrustRoot};

/// The city answers for it.
#[derive(Debug)]
pub struct Approved {
    contents: Contents,
    approval: Approval,
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
}

impl Approved {
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
        let mut best: Result<(Approval, Vec<Ignored>), SigError> = Err(SigError::Unsigned);
        for envelope in &state.approvals {
            let outcome = decided(envelope, &subject, trust, now, purpose);
            // Of several approvals in force the one that lasts longest counts; of several reasons the last is told.
            let better = match (&best, &outcome) {
                (Ok((held, _)), Ok((new, _))) => new.expires > held.expires,
                (Ok(_), Err(_)) => false,
                (Err(_), _) => true,
            };
            if better {
                best = outcome;
            }
        }
        let (approval, more) = best.map_err(ReleaseError::Approval)?;
        let (contents, mut ignored) = state.into_parts();
        ignored.extend(more);
        Ok(Release { digest, name, state: Self { contents, approval, ignored } })
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

impl Release<Approved> {
    /// What the city approved.
    #[must_use]
    pub const fn approval(&self) -> &Approval {
        &self.state.approval
    }
}
