//! Why a release did not come or go.

use oci_client::errors::OciDistributionError;
use vaern_door::{Blame, Digest, Krav};
use vaern_trust::PkgError;

/// What is wrong with the certificate that a registry shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// An authority that is not believed here made it.
    #[error("no authority that is believed here vouches for it")]
    UnknownAuthority,
    /// Its time is over, or has not come.
    #[error("its time is over, or has not come yet")]
    Expired,
    /// It is for a host of another name.
    #[error("it is for another name")]
    OtherName,
    /// Its authority took it back.
    #[error("it was taken back by its authority")]
    Revoked,
    /// It is none, or not signed as it says.
    #[error("it does not hold")]
    Broken,
}

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
    /// The directory holds another release.
    #[error("the directory holds the release {held}, and {offered} is offered")]
    OtherRelease {
        /// The release there.
        held: Digest,
        /// The release that the registry means.
        offered: Digest,
    },
    /// More bytes or parts than a release has.
    #[error("TooLong: the registry gives more than a release holds")]
    TooLong,
    /// The registry gives so little at a time that it would never end.
    #[error("TooSlow: the registry gives less than the least rate")]
    TooSlow,
    /// The registry does not prove that it is the one that was named.
    #[error("BadCertificate: the registry's certificate: {0}")]
    Certificate(CertificateFault),
    /// Something that is no TLS answers where the registry is to be.
    #[error("NotTls: what answers there does not speak TLS")]
    NotTls,
    /// The file of authorities holds no certificate.
    #[error("the file of authorities holds no certificate in PEM")]
    Authority,
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
            Self::DigestMismatch(_)
            | Self::NotARelease(_)
            | Self::TooLong
            | Self::TooSlow
            | Self::Certificate(_)
            | Self::NotTls => Krav("CYB-01"),
            Self::OtherRelease { .. }
            | Self::Place(_)
            | Self::Authority
            | Self::Refused(_)
            | Self::Io { .. }
            | Self::Setup => Krav("STD-02"),
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
            Self::Certificate(CertificateFault::UnknownAuthority) => {
                "if the registry's authority is the city's own, name its certificate with --ca; if it is not, somebody stands in between: stop"
            }
            Self::Certificate(CertificateFault::Expired) => {
                "whoever runs the registry renews its certificate; if it is a new one, set this machine's clock"
            }
            Self::Certificate(CertificateFault::OtherName) => {
                "write the registry's name as its certificate has it; if it is right, ask whoever runs the registry"
            }
            Self::Certificate(CertificateFault::Revoked | CertificateFault::Broken) => {
                "ask whoever runs the registry; do not use what came"
            }
            Self::NotTls => "plain http is for this machine's own registry only; whoever runs this one turns TLS on",
            Self::Authority => "give --ca a file with the authority's certificate, in PEM",
            Self::Refused(_) => {
                "check the name, the login and the network; a release also travels as a folder on a stick"
            }
            Self::TooSlow => "try again, or take the folder on a stick",
            Self::DigestMismatch(_) | Self::NotARelease(_) | Self::TooLong => {
                "ask whoever runs the registry; do not use what came"
            }
            Self::Io { .. } | Self::OtherRelease { .. } => {
                "choose a directory that can be written, and is empty or holds this very release"
            }
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
        if let Some(refused) = of_tls(&error) {
            return refused;
        }
        let text = error.to_string();
        Self::Refused(text.chars().take(200).map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect())
    }
}

/// What TLS has against the other side, wherever the client put it.
fn of_tls(error: &OciDistributionError) -> Option<RegistryError> {
    use rustls::{CertificateError, Error};
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        match error.downcast_ref::<Error>() {
            Some(Error::InvalidCertificate(fault)) => {
                return Some(RegistryError::Certificate(match fault {
                    CertificateError::UnknownIssuer => CertificateFault::UnknownAuthority,
                    CertificateError::Expired
                    | CertificateError::ExpiredContext { .. }
                    | CertificateError::NotValidYet
                    | CertificateError::NotValidYetContext { .. } => CertificateFault::Expired,
                    CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                        CertificateFault::OtherName
                    }
                    CertificateError::Revoked => CertificateFault::Revoked,
                    _ => CertificateFault::Broken,
                }));
            }
            Some(Error::InvalidMessage(_)) => return Some(RegistryError::NotTls),
            _ => {}
        }
        // What an error of input and output holds is not its source, but what it is.
        let inside = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = inside.map(|inner| -> &(dyn std::error::Error + 'static) { inner }).or_else(|| error.source());
    }
    None
}
