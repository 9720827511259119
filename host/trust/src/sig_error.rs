//! Why a key, a trust root, a statement or an approval does not hold.

use jiff::Timestamp;
use vaern_door::{Blame, Digest, Krav, Name, Version};

use crate::json::JsonError;
use crate::statement::DpiaPart;

/// The part of a signed file that is not in its one accepted form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// The DSSE envelope's JSON.
    Envelope,
    /// A base64 field of the envelope.
    Base64,
    /// The in-toto statement inside the envelope.
    Statement,
    /// What the statement says of its subject.
    Predicate,
    /// A public or secret key.
    Key,
    /// The trust root.
    TrustRoot,
    /// The record of a data protection impact assessment.
    Dpia,
}

impl Form {
    /// The word used in messages and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Envelope => "envelope",
            Self::Base64 => "base64",
            Self::Statement => "statement",
            Self::Predicate => "predicate",
            Self::Key => "key",
            Self::TrustRoot => "trust root",
            Self::Dpia => "DPIA record",
        }
    }
}

/// What an approval must say and does not (each is a row of the requirements catalogue).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ApprovalGap {
    /// No record of a data protection impact assessment.
    #[error("no DPIA record (digest, date, residual risk)")]
    Dpia,
    /// A record without one of its four parts is none.
    #[error("the DPIA record says nothing under `{0}`: without its four parts it is none")]
    DpiaPart(DpiaPart),
    /// The draft names another record than the one at hand.
    #[error("the approval names another DPIA record than the one that was read")]
    OtherDpia,
    /// The residual risk is `høj`.
    #[error("the DPIA's residual risk is `høj`: such a project does not go on")]
    HighRisk,
    /// No named unit and manager.
    #[error("no responsible unit and manager role")]
    Responsible,
    /// No legal basis.
    #[error("no legal basis for the purpose")]
    LegalBasis,
    /// No advice of the data protection officer, or no reply to it.
    #[error("no advice of the data protection officer, or no written reply to it")]
    DpoAdvice,
    /// No end.
    #[error("no expiry: risk is assessed anew, so an approval ends")]
    Expiry,
    /// It ends before it begins.
    #[error("the approval ends before it begins")]
    EmptyPeriod,
    /// The statement does not list the requirements that it rests on.
    #[error("the list of requirements met lacks `{0}`")]
    Property(&'static str),
    /// A text is too long or holds control characters.
    #[error("the text of `{0}` is longer than 2000 characters or holds control characters")]
    Text(&'static str),
}

impl ApprovalGap {
    /// The requirement behind it.
    #[must_use]
    pub const fn krav(self) -> Krav {
        match self {
            Self::Dpia | Self::DpiaPart(_) | Self::OtherDpia => Krav("GOV-01"),
            Self::HighRisk => Krav("GOV-02"),
            Self::Responsible => Krav("ANS-01"),
            Self::LegalBasis => Krav("GOV-07"),
            Self::DpoAdvice => Krav("GOV-06"),
            Self::Expiry | Self::EmptyPeriod => Krav("GOV-04"),
            Self::Property(krav) => Krav(krav),
            Self::Text(_) => Krav("GOV-05"),
        }
    }

    const fn mend(self) -> &'static str {
        match self {
            Self::Dpia => "carry out the DPIA and name its digest, date and residual risk in the approval",
            Self::DpiaPart(_) => "write what is missing: description, necessity, risks and measures (GDPR art. 35(7))",
            Self::OtherDpia => "name the record that the approval rests on, and no other",
            Self::HighRisk => "bring the risk down and record a new DPIA, or stop the project",
            Self::Responsible => "name the organisational unit and the manager's role that answer for the algorithm",
            Self::LegalBasis => "name the legal basis of the purpose",
            Self::DpoAdvice => "ask the data protection officer, record the advice and write the city's reply",
            Self::Expiry | Self::EmptyPeriod => "give the approval a beginning and a later end",
            Self::Property(_) => "make the approval anew with this program's `approve`",
            Self::Text(_) => "shorten the text and leave control characters out",
        }
    }
}

/// Why a key, a trust root, a statement or an approval does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SigError {
    /// There is no statement of the kind needed, or its envelope has no signature.
    #[error("not signed")]
    Unsigned,
    /// A signature does not belong to the bytes and the key it is held against.
    #[error("a signature does not fit the signed bytes")]
    BadSignature,
    /// No key of the trust root made any of the signatures.
    #[error("signed by a key that the trust root does not hold for this")]
    UnknownKey,
    /// Too few distinct keys signed.
    #[error("{have} of {need} needed signatures")]
    ThresholdNotMet {
        /// Distinct keys whose signature holds.
        have: usize,
        /// Distinct keys needed.
        need: usize,
    },
    /// Enough keys signed, but not in the roles needed.
    #[error("no signature of the role(s) {}", names(missing))]
    RoleDiversity {
        /// Roles of which no counted signature is there.
        missing: Vec<Name>,
    },
    /// The key was retired before this was signed.
    #[error("signed by the key {0}, which was retired")]
    KeyRetired(Digest),
    /// A root that does not follow from the one before it.
    #[error("the signed root does not follow from the one in force: {0}")]
    BadRootChain(&'static str),
    /// One public key twice in the trust root.
    #[error("the trust root holds the key {0} twice")]
    DuplicateKey(Digest),
    /// One name twice in the trust root.
    #[error("the trust root holds `{0}` twice")]
    DuplicateName(Name),
    /// A threshold that is no whole number from 1 to the number of roles that can sign, or fewer than the roles named.
    #[error("the threshold must be a whole number from {least} to {most}")]
    BadThreshold {
        /// The number of roles that must sign, at least 1.
        least: usize,
        /// The number of distinct deciding roles with a key.
        most: usize,
    },
    /// A role must sign but has no key.
    #[error("role `{0}` must sign but has no key in the trust root")]
    RoleWithoutKey(Name),
    /// The data protection officer advises and does not decide.
    #[error("role `{0}` advises: it cannot be one of the deciding roles")]
    AdviserDecides(Name),
    /// A vendor without the city's own dated risk record.
    #[error("vendor `{0}` has no dated risk record")]
    NoRiskRecord(Name),
    /// Another type of statement than the one needed here.
    #[error("a statement of type `{found}` where `{expected}` is needed")]
    WrongStatementType {
        /// The type it has, printable characters only.
        found: String,
        /// The type it should have.
        expected: &'static str,
    },
    /// The statement is about another artifact.
    #[error("the statement is about another release")]
    SubjectMismatch,
    /// Not exactly one subject.
    #[error("the statement has {0} subjects; exactly one is allowed")]
    SubjectCount(usize),
    /// A digest in another form than `sha256` and 64 lower-case hexadecimal digits.
    #[error("a digest in a form other than sha256 with 64 lower-case hexadecimal digits")]
    DigestFormat,
    /// A key or signature that names an algorithm other than Ed25519, or names one at all where it must not.
    #[error("only Ed25519 is used, and only the trust root says so")]
    WrongAlgorithm,
    /// A key that anyone can sign for, or that has two spellings.
    #[error("the public key is weak or not in canonical form")]
    WeakKey,
    /// The vendor's statement and the manifest tell different stories.
    #[error("the vendor statement and the manifest disagree about `{0}`")]
    ReleaseMismatch(&'static str),
    /// The approval is for another purpose than the one asked for.
    #[error("approved for purpose `{approved}`, asked for `{asked}`")]
    PurposeMismatch {
        /// Purpose in the approval or the manifest.
        approved: Name,
        /// Purpose of the policy.
        asked: Name,
    },
    /// The approval has ended.
    #[error("the approval expired {0}")]
    ApprovalExpired(Timestamp),
    /// The approval has not begun.
    #[error("the approval is valid from {0}")]
    ApprovalNotYetValid(Timestamp),
    /// A conformance result of another build of the host than those that count, or a host that is no such build.
    #[error("HostPairMismatch: the result and this host are not of the host line that the approval names")]
    HostPairMismatch,
    /// A conformance result that does not cover what is mandatory.
    #[error("IncompleteResult: not passed: [{}]", tests.iter().map(|t| crate::printable::printable(t)).collect::<Vec<_>>().join(", "))]
    IncompleteResult {
        /// The tests that are missing, warned where they must pass, or failed.
        tests: Vec<String>,
    },
    /// A conformance result that was reached under another version of the catalogue.
    #[error("the result is not of version {0} of the requirements catalogue, under which the approval is asked for")]
    OtherCatalogue(Version),
    /// The approval lacks something that the catalogue demands.
    #[error("{0}")]
    Approval(#[from] ApprovalGap),
    /// Not in the one accepted form.
    #[error("malformed {}{}", form.as_str(), detail(why.as_ref()))]
    Malformed {
        /// Which part.
        form: Form,
        /// What the reader said, if it said anything.
        why: Option<JsonError>,
    },
}

fn names(list: &[Name]) -> String {
    list.iter().map(Name::as_str).collect::<Vec<_>>().join(", ")
}

fn detail(why: Option<&JsonError>) -> String {
    why.map(|w| format!(": {w}")).unwrap_or_default()
}

impl SigError {
    pub(crate) const fn malformed(form: Form) -> Self {
        Self::Malformed { form, why: None }
    }

    pub(crate) fn json(form: Form) -> impl FnOnce(JsonError) -> Self {
        move |why| Self::Malformed { form, why: Some(why) }
    }

    /// The requirement of the catalogue that the refusal serves.
    #[must_use]
    pub const fn krav(&self) -> Krav {
        match self {
            Self::Approval(gap) => gap.krav(),
            Self::ApprovalExpired(_) | Self::ApprovalNotYetValid(_) => Krav("GOV-04"),
            Self::PurposeMismatch { .. } => Krav("STD-03"),
            Self::NoRiskRecord(_) => Krav("LEV-03"),
            Self::AdviserDecides(_) => Krav("GOV-06"),
            Self::ReleaseMismatch(_) => Krav("LEV-02"),
            Self::HostPairMismatch | Self::IncompleteResult { .. } => Krav("LEV-04"),
            Self::OtherCatalogue(_) => Krav("MAL-05"),
            Self::ThresholdNotMet { .. } | Self::RoleDiversity { .. } | Self::RoleWithoutKey(_) => Krav("SKJ-04"),
            _ => Krav("SKJ-03"),
        }
    }

    /// What to do next.
    #[must_use]
    pub const fn mend(&self) -> &'static str {
        match self {
            Self::Approval(gap) => gap.mend(),
            Self::ApprovalExpired(_) => "assess the risk anew and approve again",
            Self::ApprovalNotYetValid(_) => "wait, or check the clock",
            Self::PurposeMismatch { .. } => "run it under the purpose it is approved for, or approve it for this one",
            Self::NoRiskRecord(_) => "assess the vendor, then name the record's date and digest in the trust root",
            Self::AdviserDecides(_) => "take the adviser's role out of the deciding roles",
            Self::ReleaseMismatch(_) => "pack and sign the release again",
            Self::ThresholdNotMet { .. } | Self::RoleDiversity { .. } => "have the missing roles sign",
            Self::RoleWithoutKey(_) | Self::BadThreshold { .. } => "mend the [approval] part of the trust root",
            Self::DuplicateKey(_) | Self::DuplicateName(_) => "list each key and each name once in the trust root",
            Self::Unsigned => "have it signed",
            Self::HostPairMismatch => {
                "run the suite on this host line, and publish this build of the host in the channel"
            }
            Self::IncompleteResult { .. } => "run the whole suite again and sign its result",
            Self::OtherCatalogue(_) => "run the suite again under the present catalogue and sign its result",
            Self::KeyRetired(_) => "have it signed anew with the key that took its place",
            Self::BadRootChain(_) => {
                "apply the signed roots one after another, each signed by the keys before and after"
            }
            Self::UnknownKey => "check who signed; admit the key in the trust root only if it is the right one",
            Self::WrongAlgorithm | Self::WeakKey => "make a new Ed25519 key",
            Self::Malformed { form: Form::Dpia, .. } => {
                "write it in TOML: date, residual_risk (lav, middel or høj), description, necessity, risks, measures"
            }
            Self::BadSignature
            | Self::WrongStatementType { .. }
            | Self::SubjectMismatch
            | Self::SubjectCount(_)
            | Self::DigestFormat
            | Self::Malformed { .. } => "get the release and its statements anew from whoever signed them",
        }
    }

    /// Whose fault it is, where the statement at hand is the vendor's (`Vendor`) or the city's (`City`).
    #[must_use]
    pub const fn blame(&self, signer: Blame) -> Blame {
        match self {
            Self::DuplicateKey(_)
            | Self::DuplicateName(_)
            | Self::BadThreshold { .. }
            | Self::RoleWithoutKey(_)
            | Self::AdviserDecides(_)
            | Self::NoRiskRecord(_)
            | Self::Approval(_) => Blame::Policy,
            Self::PurposeMismatch { .. } => Blame::Operator,
            _ => signer,
        }
    }
}
