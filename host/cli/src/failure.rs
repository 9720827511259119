//! What a person reads when something is refused: what happened, which krav, whose turn it is, what to do next.

use serde::Serialize;
use vaern_door::{Blame, Krav};

/// A refusal or a fault, ready to print.
#[derive(Debug, Serialize)]
pub(crate) struct Failure {
    /// What happened.
    pub(crate) what: String,
    /// The requirement behind it, where there is one.
    pub(crate) krav: Option<Krav>,
    /// Who has to act.
    pub(crate) blame: Option<Blame>,
    /// What to do next.
    pub(crate) mend: Option<String>,
    #[serde(skip)]
    status: u8,
}

impl Failure {
    /// Refused, or a check failed.
    pub(crate) fn refused(what: impl Into<String>, krav: Krav, blame: Blame) -> Self {
        Self { what: what.into(), krav: Some(krav), blame: Some(blame), mend: None, status: 1 }
    }

    /// The command was used wrongly.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self { what: what.into(), krav: None, blame: Some(Blame::Operator), mend: None, status: 2 }
    }

    /// A file or directory that the operator named cannot be used.
    pub(crate) fn file(what: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        let what = format!("{what} `{}`: {error}", path.display());
        Self { what, krav: None, blame: Some(Blame::Operator), mend: None, status: 1 }
    }

    /// A fault of vaern itself.
    pub(crate) fn internal(what: impl Into<String>) -> Self {
        let mend = "This is a fault in vaern; please report it with the command that you ran.".to_owned();
        Self { what: what.into(), krav: None, blame: Some(Blame::Host), mend: Some(mend), status: 3 }
    }

    /// Adds what to do next.
    pub(crate) fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }

    /// Exit status: 1 refused or failed, 2 wrong use, 3 internal fault.
    pub(crate) fn status(&self) -> u8 {
        self.status
    }
}

/// Errors that know their krav and whose turn it is.
macro_rules! from_error {
    ($($error:ty),+ $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::refused(error.to_string(), error.krav(), error.blame())
            }
        })+
    };
}

/// Errors that also know what to do next.
macro_rules! from_error_with_mend {
    ($($error:ty),+ $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::refused(error.to_string(), error.krav(), error.blame()).mend(error.mend())
            }
        })+
    };
}

from_error!(
    vaern_node::gate::GateError,
    vaern_node::store::StoreError,
    vaern_node::sinks::SinkError,
    vaern_node::collection::CollectionError,
    vaern_node::quota::QuotaError,
    vaern_record::evidence::EvidenceError,
    vaern_node::live::config::ConfigError,
    vaern_node::live::LiveError,
    vaern_node::live::orders::OrderError
);
from_error_with_mend!(
    vaern_node::bits::LedgerError,
    vaern_node::probes::ProbeError,
    vaern_node::replay::ReplayError,
    vaern_policy::PolicyError,
    vaern_trust::ReleaseError,
    vaern_trust::PkgError,
    vaern_trust::UpdateError,
    vaern_trust::FloorError,
    vaern_record::AuditError,
    vaern_proposals::ProposalError
);

impl From<vaern_node::policies::SealError> for Failure {
    fn from(error: vaern_node::policies::SealError) -> Self {
        Self::refused(error.to_string(), error.krav(), error.blame()).mend(error.mend())
    }
}

impl From<vaern_node::gate::CheckError> for Failure {
    fn from(error: vaern_node::gate::CheckError) -> Self {
        match error {
            vaern_node::gate::CheckError::Policy(error) => error.into(),
            vaern_node::gate::CheckError::Gate(error) => {
                Self::refused(error.to_string(), error.source.krav(), error.source.blame())
                    .mend("correct the line; the program holds the same bounds against every policy")
            }
        }
    }
}

impl From<vaern_node::admission::AdmitError> for Failure {
    fn from(error: vaern_node::admission::AdmitError) -> Self {
        let failure = Self::refused(error.to_string(), error.krav(), error.blame());
        match error.mend() {
            Some(mend) => failure.mend(mend),
            None => failure,
        }
    }
}

impl From<vaern_node::folder::FolderError> for Failure {
    fn from(error: vaern_node::folder::FolderError) -> Self {
        match error {
            vaern_node::folder::FolderError::Sink(error) => error.into(),
            vaern_node::folder::FolderError::Evidence(error) => error.into(),
            vaern_node::folder::FolderError::Collection(error) => error.into(),
            vaern_node::folder::FolderError::Ledger(error) => error.into(),
            vaern_node::folder::FolderError::Run(error) => {
                Self::refused(error.to_string(), error.krav(), Blame::Operator)
            }
        }
    }
}

impl From<vaern_trust::KeyError> for Failure {
    fn from(error: vaern_trust::KeyError) -> Self {
        Self::refused(error.to_string(), Krav("SKJ-04"), Blame::Operator)
    }
}

impl From<vaern_trust::SigError> for Failure {
    fn from(error: vaern_trust::SigError) -> Self {
        Self::refused(error.to_string(), error.krav(), Blame::Policy).mend(error.mend())
    }
}

impl From<vaern_inference::InferenceError> for Failure {
    fn from(error: vaern_inference::InferenceError) -> Self {
        Self::refused(error.to_string(), Krav("CYB-01"), Blame::Operator)
    }
}
