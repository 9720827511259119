//! Admission and activation: what was established elsewhere, judged by the rules here.

use std::collections::BTreeSet;

use cedar_policy::RestrictedExpression;
use vaern_door::{Digest, Manifest, Name, Version, guard};

use crate::rules::{Decision, Question, ReleaseView};
use crate::rules::{text, text_set};
use crate::{PolicyError, PolicySet};

/// What was established about a release: signatures by the release chain, records by the approval. All of it is a claim
/// of the caller; nothing is taken from the vendor's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdmissionFacts {
    /// The vendor's signature over exactly this release holds.
    pub vendor_signed: bool,
    /// The city risk-assessed the vendor.
    pub risk_record: bool,
    /// The city's approval holds for exactly this release.
    pub approved: bool,
    /// Roles whose signature counts.
    pub roles: BTreeSet<String>,
    /// Policy set that the approval names.
    pub policy_set: String,
    /// Version of the catalogue that the approval names.
    pub catalogue: String,
    /// A legal basis is named.
    pub legal_basis: bool,
    /// A dated DPIA is named by its digest.
    pub dpia: bool,
    /// The risk left: `lav`, `middel`, `høj`; empty where there is no approval.
    pub residual_risk: String,
    /// The data protection officer's advice and the city's reply are there.
    pub dpo_advice: bool,
    /// A unit and a manager are named.
    pub responsible: bool,
    /// Whole days since the approval began to hold; negative before that.
    pub age_days: i64,
    /// Krav that the approval lists as met or examined.
    pub examined: BTreeSet<String>,
    /// The gate whose test the approval names, where it names one.
    pub gate: Option<Digest>,
    /// The approval names a host line.
    pub host_line: bool,
    /// The vendor's own signed result of the suite on this release holds.
    pub vendor_tested: bool,
    /// The profile's rule, filled in by [`PolicySet::admission`].
    required: Required,
}

/// A way in which one fact can be bad, with its name.
pub(crate) type Spoiler = (&'static str, fn(&mut AdmissionFacts));

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Required {
    threshold: i64,
    roles: BTreeSet<String>,
    max_age_days: i64,
}

impl AdmissionFacts {
    /// Nothing is established: what a release without signature and approval is worth.
    #[must_use]
    pub fn none() -> Self {
        Self {
            vendor_signed: false,
            risk_record: false,
            approved: false,
            roles: BTreeSet::new(),
            policy_set: String::new(),
            catalogue: String::new(),
            legal_basis: false,
            dpia: false,
            residual_risk: String::new(),
            dpo_advice: false,
            responsible: false,
            age_days: -1,
            examined: BTreeSet::new(),
            gate: None,
            host_line: false,
            vendor_tested: false,
            required: Required::default(),
        }
    }

    /// The policy set and catalogue that the approval names.
    #[must_use]
    pub fn under(mut self, policy_set: &Name, catalogue: &Version) -> Self {
        self.policy_set = policy_set.to_string();
        self.catalogue = catalogue.to_string();
        self
    }

    /// Everything in order, for the small world.
    pub(crate) fn in_order() -> Self {
        let roles = BTreeSet::from(["jura".to_owned(), "systemejer".to_owned()]);
        Self {
            vendor_signed: true,
            risk_record: true,
            approved: true,
            required: Required { threshold: 2, roles: BTreeSet::from(["jura".to_owned()]), max_age_days: 365 },
            roles,
            policy_set: "set".to_owned(),
            catalogue: "1.0.0".to_owned(),
            legal_basis: true,
            dpia: true,
            residual_risk: "lav".to_owned(),
            dpo_advice: true,
            responsible: true,
            age_days: 10,
            examined: crate::catalogue::KRAV.iter().map(|id| (*id).to_owned()).collect(),
            gate: None,
            host_line: true,
            vendor_tested: true,
        }
    }

    /// Every way in which one fact can be bad, with its name.
    pub(crate) fn spoilers() -> [Spoiler; 15] {
        [
            ("no vendor signature", |f| f.vendor_signed = false),
            ("no risk record of the vendor", |f| f.risk_record = false),
            ("no approval", |f| f.approved = false),
            ("one signature too few", |f| f.roles = BTreeSet::from(["jura".to_owned()])),
            ("a required role has not signed", |f| {
                f.roles = BTreeSet::from(["it-sikkerhed".to_owned(), "systemejer".to_owned()]);
            }),
            ("approved under another policy set", |f| f.policy_set = "other".to_owned()),
            ("approved against another catalogue", |f| f.catalogue = "0.9.0".to_owned()),
            ("no legal basis", |f| f.legal_basis = false),
            ("no impact assessment", |f| f.dpia = false),
            ("a high residual risk", |f| f.residual_risk = "høj".to_owned()),
            ("no word on the residual risk", |f| f.residual_risk = String::new()),
            ("no advice of the data protection officer", |f| f.dpo_advice = false),
            ("nobody answers for it", |f| f.responsible = false),
            ("an approval that is too old", |f| f.age_days = 366),
            ("an approval from the future", |f| f.age_days = -1),
        ]
    }

    pub(crate) fn context(&self) -> Vec<(&'static str, RestrictedExpression)> {
        let truth = RestrictedExpression::new_bool;
        let number = RestrictedExpression::new_long;
        vec![
            ("vendorSigned", truth(self.vendor_signed)),
            ("riskRecord", truth(self.risk_record)),
            ("approved", truth(self.approved)),
            ("signatures", number(i64::try_from(self.roles.len()).unwrap_or(0))),
            ("threshold", number(self.required.threshold)),
            ("roles", text_set(self.roles.iter().map(String::as_str))),
            ("requiredRoles", text_set(self.required.roles.iter().map(String::as_str))),
            ("policySet", text(&self.policy_set)),
            ("catalogue", text(&self.catalogue)),
            ("legalBasis", truth(self.legal_basis)),
            ("dpia", truth(self.dpia)),
            ("residualRisk", text(&self.residual_risk)),
            ("dpoAdvice", truth(self.dpo_advice)),
            ("responsible", truth(self.responsible)),
            ("ageDays", number(self.age_days)),
            ("maxAgeDays", number(self.required.max_age_days)),
            ("examined", text_set(self.examined.iter().map(String::as_str))),
        ]
    }
}

/// What is known when a release is about to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActivationFacts {
    /// The city revoked it.
    pub revoked: bool,
    /// The policy set in force carries the signatures of the city's roles.
    pub policy_signed: bool,
    /// Whole hours since the node last heard from the city.
    pub stale_hours: i64,
    /// The profile's limit; [`PolicySet::activate`] fills it in.
    pub max_stale_hours: i64,
}

impl ActivationFacts {
    pub(crate) fn context(&self) -> Vec<(&'static str, RestrictedExpression)> {
        vec![
            ("revoked", RestrictedExpression::new_bool(self.revoked)),
            ("policySigned", RestrictedExpression::new_bool(self.policy_signed)),
            ("staleHours", RestrictedExpression::new_long(self.stale_hours)),
            ("maxStaleHours", RestrictedExpression::new_long(self.max_stale_hours)),
        ]
    }
}

impl PolicySet {
    /// The question whether a release is admitted here.
    #[must_use]
    pub fn admission(&self, manifest: &Manifest, facts: &AdmissionFacts) -> Question {
        let rule = &self.profile.approval;
        let required = Required {
            threshold: i64::from(rule.threshold),
            roles: rule.roles.iter().map(ToString::to_string).collect(),
            max_age_days: i64::from(rule.max_age_days),
        };
        let facts = AdmissionFacts { required, ..facts.clone() };
        Question::Admit { release: ReleaseView::of(manifest), node: self.node(), facts }
    }

    /// The question whether a release may run here now.
    #[must_use]
    pub fn activation(&self, manifest: &Manifest, facts: ActivationFacts) -> Question {
        let facts = ActivationFacts { max_stale_hours: i64::from(self.profile.max_stale_hours), ..facts };
        Question::Activate { release: ReleaseView::of(manifest), node: self.node(), facts }
    }

    /// Holds the gate whose test an approval names against the profile's demand: it must name one, and of the gate of this very set
    /// (FRM-10, IMG-11).
    ///
    /// # Errors
    /// [`PolicyError::NoGateResult`], [`PolicyError::OtherGate`].
    pub fn gate_tested(&self, named: Option<Digest>) -> Result<(), PolicyError> {
        if !self.profile.approval.gate_result || !guard::stands("policy.gate-result") {
            return Ok(());
        }
        let (profile, gate) = (self.profile.name.clone(), self.gate_digest());
        match named {
            None => Err(PolicyError::NoGateResult { profile }),
            Some(named) if named != gate => Err(PolicyError::OtherGate { named, gate }),
            Some(_) => Ok(()),
        }
    }

    /// Holds what is known of the tests of a release against the profile's demand: the approval names the host line that it was examined on,
    /// and its vendor signed a result of its own (LEV-04, LEV-01).
    ///
    /// # Errors
    /// [`PolicyError::NoHostLine`], [`PolicyError::NoVendorResult`].
    pub fn release_tested(&self, host_line: bool, vendor_tested: bool) -> Result<(), PolicyError> {
        let (asked, profile) = (&self.profile.approval, || self.profile.name.clone());
        if asked.host_line && !host_line && guard::stands("policy.host-line") {
            return Err(PolicyError::NoHostLine { profile: profile() });
        }
        if asked.vendor_result && !vendor_tested && guard::stands("policy.vendor-result") {
            return Err(PolicyError::NoVendorResult { profile: profile() });
        }
        Ok(())
    }

    /// Admits a release, or says which rules refuse it.
    ///
    /// # Errors
    /// [`PolicyError::Denied`]; as [`PolicySet::gate_tested`] and [`PolicySet::release_tested`].
    pub fn admit(&self, manifest: &Manifest, facts: &AdmissionFacts) -> Result<Decision, PolicyError> {
        self.gate_tested(facts.gate)?;
        self.release_tested(facts.host_line, facts.vendor_tested)?;
        let decision = self.city.rules().decide(&self.admission(manifest, facts));
        if guard::stands("policy.admit") && !decision.allowed() {
            return Err(PolicyError::Denied(Box::new(decision)));
        }
        Ok(decision)
    }

    /// Lets a release run now, or says which rules refuse it.
    ///
    /// # Errors
    /// [`PolicyError::Denied`].
    pub fn activate(&self, manifest: &Manifest, facts: ActivationFacts) -> Result<Decision, PolicyError> {
        let decision = self.city.rules().decide(&self.activation(manifest, facts));
        if guard::stands("policy.activate") && !decision.allowed() {
            return Err(PolicyError::Denied(Box::new(decision)));
        }
        Ok(decision)
    }
}
