//! What the release chain established about a release, in the words that the city's rules ask for.

use cap_std::fs::Dir;
use jiff::Timestamp;
use vaern_door::{Manifest, Name};
use vaern_policy::AdmissionFacts;
use vaern_trust::{Approved, Release, ReleaseError, TrustRoot};

/// What is known of a release, whether or not it holds.
#[derive(Debug)]
pub struct Established {
    /// What the vendor declares. Believed only as far as the facts say.
    pub manifest: Manifest,
    /// The facts.
    pub facts: AdmissionFacts,
    /// The reason of the release chain, where it refuses.
    pub refused: Option<ReleaseError>,
}

/// Establishes as much as holds: package, then vendor signature, then approval for `purpose` at `now`.
///
/// # Errors
/// [`ReleaseError`] where the package cannot be read at all, so that there is nothing to speak of.
pub fn establish(dir: &Dir, trust: &TrustRoot, purpose: &Name, now: Timestamp) -> Result<Established, ReleaseError> {
    let refused = match vaern_trust::verify(dir, trust, now, purpose) {
        Ok(release) => {
            let facts = approved(&release, now);
            return Ok(Established { manifest: release.manifest().clone(), facts, refused: None });
        }
        Err(error) => error,
    };
    match Release::open(dir)?.verify(trust) {
        // The trust root holds no vendor without a risk record (LEV-03).
        Ok(release) => {
            let mut facts = AdmissionFacts::none();
            facts.vendor_signed = true;
            facts.risk_record = true;
            Ok(Established { manifest: release.manifest().clone(), facts, refused: Some(refused) })
        }
        Err(_) => {
            let manifest = vaern_trust::inspect(dir)?.1.manifest;
            Ok(Established { manifest, facts: AdmissionFacts::none(), refused: Some(refused) })
        }
    }
}

/// The facts of an approval that holds for a release of an admitted vendor, and of what the vendor says of its own tests.
#[must_use]
pub fn approved(release: &Release<Approved>, now: Timestamp) -> AdmissionFacts {
    let approval = release.approval();
    let age = now.duration_since(approval.not_before);
    let mut facts = AdmissionFacts::none().under(&approval.policy, &approval.catalogue);
    facts.vendor_signed = true;
    facts.risk_record = true;
    facts.approved = true;
    facts.roles = approval.roles.iter().map(ToString::to_string).collect();
    facts.legal_basis = !approval.legal_basis.trim().is_empty();
    facts.dpia = true;
    approval.dpia.residual_risk.as_str().clone_into(&mut facts.residual_risk);
    facts.dpo_advice = !approval.dpo_advice.reply.trim().is_empty();
    let responsible = &approval.responsible;
    facts.responsible = !responsible.unit.trim().is_empty() && !responsible.manager.trim().is_empty();
    facts.host_line = approval.host_line.is_some();
    facts.vendor_tested = matches!(release.vendors_result(&approval.catalogue), Ok(Some(_)));
    facts.gate = approval.gate.as_ref().map(|named| named.gate);
    facts.age_days = age.as_hours().div_euclid(24);
    facts.examined = approval.properties.iter().map(ToString::to_string).collect();
    facts
}
