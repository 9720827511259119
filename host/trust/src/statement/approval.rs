//! The city's approval: what was examined, by whom, for what purpose, and until when.
//!
//! Code cannot judge whether a risk assessment is good. It can demand that one is named, dated and signed for, and
//! refuse without (GOV-01, GOV-02, GOV-06, GOV-07, ANS-01).

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use vaern_door::{Digest, Name, Version, guard};

use super::{DpiaRecord, Predicate, ResidualRisk};
use crate::sig_error::{ApprovalGap, SigError};

/// Longest free text in an approval, in characters.
const MAX_TEXT: usize = 2000;

/// Requirements that every approval must list as met: those that [`Approval`] itself checks.
const CHECKED: [&str; 6] = ["ANS-01", "GOV-01", "GOV-02", "GOV-04", "GOV-06", "GOV-07"];

/// Who answers for the running algorithm (ANS-01).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Responsible {
    /// The organisational unit.
    pub unit: String,
    /// The manager's role, not a name.
    pub manager: String,
}

/// What the data protection officer advised and what the city answered (GOV-06).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DpoAdvice {
    /// Date of the advice.
    pub date: Date,
    /// Digest of its text.
    pub digest: Digest,
    /// The city's written reply.
    pub reply: String,
}

/// The result of the city's own test of its privacy gate that an approval rests on (FRM-10, IMG-11).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateNamed {
    /// Digest of the signed result.
    pub result: Digest,
    /// Digest of the gate that was tested: its masking policy and its list of detectors.
    pub gate: Digest,
}

/// The id of a requirement, such as `GOV-01`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KravId(String);

impl KravId {
    /// Checks the form: three capital letters, `-`, two digits.
    ///
    /// # Errors
    /// An error for any other.
    pub fn new(text: impl Into<String>) -> Result<Self, KravIdError> {
        let text = text.into();
        let fits = text.len() == 6
            && text.bytes().zip(0..).all(|(byte, at)| match at {
                0..3 => byte.is_ascii_uppercase(),
                3 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        if fits { Ok(Self(text)) } else { Err(KravIdError) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is no requirement id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a requirement id: three capital letters, `-` and two digits, as in GOV-01")]
pub struct KravIdError;

impl TryFrom<String> for KravId {
    type Error = KravIdError;
    fn try_from(text: String) -> Result<Self, KravIdError> {
        Self::new(text)
    }
}

impl From<KravId> for String {
    fn from(id: KravId) -> Self {
        id.0
    }
}

impl fmt::Display for KravId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An approval as a person writes it, in TOML for example. What is missing is refused by [`Approval::new`], with the
/// requirement's id; so it is optional here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalDraft {
    /// The purpose it is approved for.
    pub purpose: Name,
    /// Legal basis of the purpose, such as `GDPR art. 6(1)(e)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_basis: Option<String>,
    /// Version of the requirements catalogue that was applied.
    pub catalogue: Version,
    /// Name of the policy set that it may run under.
    pub policy: Name,
    /// The line of the host that it was examined on: it then runs only on builds of that line, and only with a signed
    /// result of the suite on one of them. Absent: no line is demanded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_line: Option<Name>,
    /// The test of the gate that it rests on. A profile may demand one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateNamed>,
    /// The DPIA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpia: Option<DpiaRecord>,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub responsible: Option<Responsible>,
    /// The data protection officer's advice and the reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpo_advice: Option<DpoAdvice>,
    /// First moment of validity.
    pub not_before: Timestamp,
    /// First moment of invalidity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// Requirements examined by people beyond those that the program checks.
    #[serde(default)]
    pub examined: BTreeSet<KravId>,
}

/// An approval that is complete. Whether it is signed, for this release and in force is for others to say.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Approval {
    /// The purpose it is approved for.
    pub purpose: Name,
    /// Legal basis of the purpose.
    pub legal_basis: String,
    /// Version of the requirements catalogue that was applied.
    pub catalogue: Version,
    /// Name of the policy set that it may run under.
    pub policy: Name,
    /// The line of the host that it may run on, where one is demanded.
    pub host_line: Option<Name>,
    /// The test of the gate that it rests on.
    pub gate: Option<GateNamed>,
    /// The DPIA; its residual risk is not `høj`.
    pub dpia: DpiaRecord,
    /// Who answers for it.
    pub responsible: Responsible,
    /// The data protection officer's advice and the reply.
    pub dpo_advice: DpoAdvice,
    /// First moment of validity.
    pub not_before: Timestamp,
    /// First moment of invalidity.
    pub expires: Timestamp,
    /// The roles that signed.
    pub roles: BTreeSet<Name>,
    /// The requirements met; what is not listed is not granted.
    pub properties: BTreeSet<KravId>,
}

/// The approval as it is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignedApproval {
    #[serde(rename = "approval")]
    draft: ApprovalDraft,
    roles: BTreeSet<Name>,
    properties: BTreeSet<KravId>,
}

impl Predicate for SignedApproval {
    const TYPE: &'static str = "urn:vaern:approval:v1";
}

impl Approval {
    /// Checks that a draft is complete. `roles` are those about to sign.
    ///
    /// # Errors
    /// [`SigError::Approval`] names the first gap and its requirement.
    pub fn new(draft: &ApprovalDraft, roles: BTreeSet<Name>) -> Result<Self, SigError> {
        let checked = CHECKED.into_iter().filter_map(|id| KravId::new(id).ok());
        let properties = checked.chain(draft.examined.iter().cloned()).collect();
        Self::complete(draft.clone(), roles, properties)
    }

    fn complete(draft: ApprovalDraft, roles: BTreeSet<Name>, properties: BTreeSet<KravId>) -> Result<Self, SigError> {
        let dpia = draft.dpia.ok_or(ApprovalGap::Dpia)?;
        if guard::stands("trust.high-risk") && dpia.residual_risk == ResidualRisk::Hoej {
            return Err(ApprovalGap::HighRisk.into());
        }
        let responsible = draft.responsible.ok_or(ApprovalGap::Responsible)?;
        stated(&responsible.unit, "responsible.unit", ApprovalGap::Responsible)?;
        stated(&responsible.manager, "responsible.manager", ApprovalGap::Responsible)?;
        let legal_basis = draft.legal_basis.ok_or(ApprovalGap::LegalBasis)?;
        stated(&legal_basis, "legal_basis", ApprovalGap::LegalBasis)?;
        let dpo_advice = draft.dpo_advice.ok_or(ApprovalGap::DpoAdvice)?;
        stated(&dpo_advice.reply, "dpo_advice.reply", ApprovalGap::DpoAdvice)?;
        let expires = draft.expires.ok_or(ApprovalGap::Expiry)?;
        if expires <= draft.not_before {
            return Err(ApprovalGap::EmptyPeriod.into());
        }
        for id in CHECKED {
            if !properties.iter().any(|p| p.as_str() == id) {
                return Err(ApprovalGap::Property(id).into());
            }
        }
        Ok(Self {
            purpose: draft.purpose,
            legal_basis,
            catalogue: draft.catalogue,
            policy: draft.policy,
            host_line: draft.host_line,
            gate: draft.gate,
            dpia,
            responsible,
            dpo_advice,
            not_before: draft.not_before,
            expires,
            roles,
            properties,
        })
    }

    /// The form that is signed. Whole seconds: other readers of such statements know no finer time.
    pub(crate) fn to_signed(&self) -> SignedApproval {
        let checked = |id: &KravId| CHECKED.contains(&id.as_str());
        SignedApproval {
            draft: ApprovalDraft {
                purpose: self.purpose.clone(),
                legal_basis: Some(self.legal_basis.clone()),
                catalogue: self.catalogue.clone(),
                policy: self.policy.clone(),
                host_line: self.host_line.clone(),
                gate: self.gate.clone(),
                dpia: Some(self.dpia.clone()),
                responsible: Some(self.responsible.clone()),
                dpo_advice: Some(self.dpo_advice.clone()),
                not_before: whole_seconds(self.not_before),
                expires: Some(whole_seconds(self.expires)),
                examined: self.properties.iter().filter(|id| !checked(id)).cloned().collect(),
            },
            roles: self.roles.clone(),
            properties: self.properties.clone(),
        }
    }

    /// Reads what was signed, with the same demands as on a draft.
    pub(crate) fn from_signed(signed: SignedApproval) -> Result<Self, SigError> {
        Self::complete(signed.draft, signed.roles, signed.properties)
    }

    /// Says whether the approval is in force at `now`.
    pub(crate) fn in_force(&self, now: Timestamp) -> Result<(), SigError> {
        if now < self.not_before {
            return Err(SigError::ApprovalNotYetValid(self.not_before));
        }
        if guard::stands("trust.approval-expiry") && now >= self.expires {
            return Err(SigError::ApprovalExpired(self.expires));
        }
        Ok(())
    }
}

fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// A text of nothing but blanks says nothing.
fn stated(text: &str, field: &'static str, missing: ApprovalGap) -> Result<(), ApprovalGap> {
    if text.trim().is_empty() {
        return Err(missing);
    }
    if text.chars().count() > MAX_TEXT || text.chars().any(|c| c.is_control() && c != '\n') {
        return Err(ApprovalGap::Text(field));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn draft() -> ApprovalDraft {
        ApprovalDraft {
            purpose: Name::new("containere").unwrap(),
            legal_basis: Some("GDPR art. 6(1)(e)".into()),
            catalogue: Version::new("1.0.0").unwrap(),
            policy: Name::new("pilot").unwrap(),
            host_line: None,
            gate: Some(GateNamed { result: Digest::of(b"result"), gate: Digest::of(b"gate") }),
            dpia: Some(DpiaRecord {
                digest: Digest::of(b"dpia"),
                date: "2026-03-01".parse().unwrap(),
                residual_risk: ResidualRisk::Middel,
            }),
            responsible: Some(Responsible { unit: "Byens Anvendelse".into(), manager: "enhedschef".into() }),
            dpo_advice: Some(DpoAdvice {
                date: "2026-03-10".parse().unwrap(),
                digest: Digest::of(b"advice"),
                reply: "Rådet følges.".into(),
            }),
            not_before: "2026-04-01T00:00:00Z".parse().unwrap(),
            expires: Some("2027-04-01T00:00:00Z".parse().unwrap()),
            examined: BTreeSet::from([KravId::new("LEV-01").unwrap()]),
        }
    }

    fn gap(change: impl FnOnce(&mut ApprovalDraft)) -> ApprovalGap {
        let mut draft = draft();
        change(&mut draft);
        match Approval::new(&draft, BTreeSet::new()) {
            Err(SigError::Approval(gap)) => gap,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn gov_01p_a_complete_approval_survives_signing_form() {
        let approval = Approval::new(&draft(), BTreeSet::from([Name::new("jura").unwrap()])).unwrap();
        let text = serde_json::to_string(&approval.to_signed()).unwrap();
        assert!(text.contains(r#""residual_risk":"middel""#), "{text}");
        let back: SignedApproval = crate::json::parse(text.as_bytes()).unwrap();
        assert_eq!(Approval::from_signed(back), Ok(approval));
    }

    #[test]
    fn each_missing_part_is_refused_with_its_krav() {
        assert_eq!(gap(|d| d.dpia = None).krav(), "GOV-01");
        assert_eq!(gap(|d| d.dpia.as_mut().unwrap().residual_risk = ResidualRisk::Hoej).krav(), "GOV-02");
        assert_eq!(gap(|d| d.responsible = None).krav(), "ANS-01");
        assert_eq!(gap(|d| d.responsible.as_mut().unwrap().unit = " ".into()).krav(), "ANS-01");
        assert_eq!(gap(|d| d.responsible.as_mut().unwrap().manager = String::new()).krav(), "ANS-01");
        assert_eq!(gap(|d| d.legal_basis = None).krav(), "GOV-07");
        assert_eq!(gap(|d| d.legal_basis = Some("\u{200b}\t".into())), ApprovalGap::Text("legal_basis"));
        assert_eq!(gap(|d| d.dpo_advice = None).krav(), "GOV-06");
        assert_eq!(gap(|d| d.dpo_advice.as_mut().unwrap().reply = "\n".into()).krav(), "GOV-06");
        assert_eq!(gap(|d| d.expires = None).krav(), "GOV-04");
        assert_eq!(gap(|d| d.expires = Some(d.not_before)), ApprovalGap::EmptyPeriod);
        assert_eq!(gap(|d| d.legal_basis = Some("x".repeat(2001))), ApprovalGap::Text("legal_basis"));
    }

    #[test]
    fn a_signed_approval_without_its_list_of_krav_is_refused() {
        let mut signed = Approval::new(&draft(), BTreeSet::new()).unwrap().to_signed();
        signed.properties.remove(&KravId::new("GOV-06").unwrap());
        assert_eq!(Approval::from_signed(signed), Err(ApprovalGap::Property("GOV-06").into()));
    }

    #[test]
    fn requirement_ids_have_one_form() {
        assert!(KravId::new("GOV-01").is_ok());
        for bad in ["GOV-1", "gov-01", "GOV-001", "GOV_01", "GO-001", "", "GØV-1"] {
            assert_eq!(KravId::new(bad), Err(KravIdError), "{bad}");
        }
    }
}
