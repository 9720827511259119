//! Why a policy set, or a release under it, is refused.

use vaern_door::{Blame, Interface, Krav, Label, Name};

/// Every variant names what is wrong, and through [`PolicyError::krav`] and [`PolicyError::blame`] which rule and whose.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// A file that the set names cannot be read.
    #[error("cannot read the policy file `{file}`: {source}")]
    Unreadable {
        /// Path inside the policy directory.
        file: String,
        /// What the file system said.
        source: std::io::Error,
    },
    /// A file is larger than any policy file has reason to be.
    #[error("the policy file `{file}` is larger than {limit} bytes")]
    TooLarge {
        /// Path inside the policy directory.
        file: String,
        /// Largest size in bytes.
        limit: u64,
    },
    /// A file does not follow its form; unknown fields count as that (POL-08).
    #[error("the policy file `{file}` is not valid: {problem}")]
    Invalid {
        /// Path inside the policy directory.
        file: String,
        /// Line, column and what is wrong.
        problem: String,
    },
    /// A quantity lies outside the range that the program enforces (POL-05).
    #[error("the policy file `{file}` sets `{param}` out of range: {allowed}")]
    OutOfRange {
        /// Path inside the policy directory.
        file: String,
        /// Name of the field.
        param: &'static str,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A purpose without a legal basis.
    #[error("the purpose `{purpose}` names no legal basis")]
    NoLegalBasis {
        /// The purpose.
        purpose: Name,
    },
    /// The vocabulary holds a label for people.
    #[error("the purpose `{purpose}` has the label `{label}`: outputs are about objects, never about citizens")]
    PersonLabel {
        /// The purpose.
        purpose: Name,
        /// The label.
        label: Label,
    },
    /// No purpose of that name, or several and none chosen.
    #[error("{0}")]
    WhichPurpose(String),
    /// The release is made for another purpose.
    #[error("the release is made for the purpose `{release}`, this node runs `{node}`")]
    WrongPurpose {
        /// Purpose of the release.
        release: Name,
        /// Purpose of the policy set.
        node: Name,
    },
    /// The manifest asks for an interface that the profile does not give.
    #[error("the release asks for `{}`, which the profile `{profile}` does not give", .interface.as_str())]
    ExceedsCeiling {
        /// What is asked for.
        interface: Interface,
        /// Name of the profile.
        profile: Name,
    },
    /// The manifest has a label outside the vocabulary of the purpose.
    #[error("the release answers with `{label}`, which is not in the vocabulary of the purpose")]
    UnknownLabel {
        /// The label.
        label: Label,
    },
    /// The manifest has no label, or one twice.
    #[error("the release must name its labels, each once")]
    BadLabels,
}

impl PolicyError {
    /// The requirement behind the refusal.
    #[must_use]
    pub const fn krav(&self) -> Krav {
        match self {
            Self::Unreadable { .. } | Self::TooLarge { .. } | Self::Invalid { .. } | Self::OutOfRange { .. } => {
                Krav("STD-02")
            }
            Self::NoLegalBasis { .. } => Krav("GOV-07"),
            Self::PersonLabel { .. } => Krav("STD-04"),
            Self::WhichPurpose(_) | Self::WrongPurpose { .. } => Krav("STD-03"),
            Self::ExceedsCeiling { .. } => Krav("LEV-06"),
            Self::UnknownLabel { .. } | Self::BadLabels => Krav("LIG-02"),
        }
    }

    /// Who has to act.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::WrongPurpose { .. } | Self::ExceedsCeiling { .. } | Self::UnknownLabel { .. } | Self::BadLabels => {
                Blame::Vendor
            }
            Self::WhichPurpose(_) | Self::Unreadable { .. } => Blame::Operator,
            _ => Blame::Policy,
        }
    }
}
