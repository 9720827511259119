//! Why a release did not come or go.

use oci_client::errors::OciDistributionError;
use vaern_door::{Blame, Digest, Krav};
use vaern_trust::PkgError;

/// Why a release did not come or go.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The text names no place in a registry.
    #[error("`{0}` is no `oci://HOST/REPOSITORY`, with `:TAG` or `@sha256:…` after it")]
    Place(String),
    /// What lies there is no release of ours.
    #[error("what lies there is no release: {0}")]
    NotARelease(&'static str),
    /// The registry gave other bytes than those that were asked for.
    #[error("the registry gave other bytes than {0}")]
    DigestMismatch(Digest),
    /// More bytes or parts than a release has.
    #[error("TooLong: the registry gives more than a release holds")]
    TooLong,
    /// The registry gives so little at a time that it would never end.
    #[error("TooSlow: the registry gives less than the least rate")]
    TooSlow,
    /// The registry said no, or could not be reached.
    #[error("the registry: {0}")]
    Refused(String),
    /// The release itself does not hold.
    #[error(transparent)]
    Package(#[from] PkgError),
    /// The directory cannot be read or written.
    #[error("`{file}`: {kind}")]
    Io {
        /// Which file.
        file: String,
        /// What the system said.
        kind: std::io::ErrorKind,
    },
    /// The client could not be set up.
    #[error("the client for registries could not be set up")]
    Setup,
}

impl RegistryError {
    pub(crate) fn io(file: &str) -> impl FnOnce(std::io::Error) -> Self {
        let file = file.to_owned();
        move |error| Self::Io { file, kind: error.kind() }
    }

    /// The requirement behind it.
    #[must_use]
    pub const fn krav(&self) -> Krav {
        match self {
            Self::Package(error) => error.krav(),
            Self::DigestMismatch(_) | Self::NotARelease(_) | Self::TooLong | Self::TooSlow => Krav("CYB-01"),
            Self::Place(_) | Self::Refused(_) | Self::Io { .. } | Self::Setup => Krav("STD-02"),
        }
    }

    /// Who has to act.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Package(error) => error.blame(),
            Self::Setup => Blame::Host,
            _ => Blame::Operator,
        }
    }

    /// What to do next.
    #[must_use]
    pub const fn mend(&self) -> &'static str {
        match self {
            Self::Package(error) => error.mend(),
            Self::Place(_) => {
                "write oci://registry.example/city/plugin:1.4.0; plain http is for this machine's own registry only"
            }
            Self::Refused(_) => {
                "check the name, the login and the network; a release also travels as a folder on a stick"
            }
            Self::TooSlow => "try again, or take the folder on a stick",
            Self::DigestMismatch(_) | Self::NotARelease(_) | Self::TooLong => {
                "ask whoever runs the registry; do not use what came"
            }
            Self::Io { .. } => "choose an empty directory that can be written",
            Self::Setup => "report it",
        }
    }
}

/// What the client says, cut to what a line can carry.
impl From<OciDistributionError> for RegistryError {
    fn from(error: OciDistributionError) -> Self {
        if let OciDistributionError::IoError(io) = &error
            && let Some(stopped) = io.get_ref().and_then(|inner| inner.downcast_ref::<crate::client::Stopped>())
        {
            return match stopped {
                crate::client::Stopped::TooLong => Self::TooLong,
                crate::client::Stopped::TooSlow => Self::TooSlow,
            };
        }
        let text = error.to_string();
        Self::Refused(text.chars().take(200).map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect())
    }
}
