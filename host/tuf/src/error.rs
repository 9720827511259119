//! Why metadata is not written, and what the library's refusals mean to a node.

use vaern_trust::{MetadataError, UpdateError};

/// Why the city's side does not write metadata.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TufError {
    /// A node would refuse it: so it is not written.
    #[error(transparent)]
    Refused(#[from] UpdateError),
    /// A file could not be read or written.
    #[error("`{file}`: {source}")]
    Io {
        /// Which file.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A key of the chain is none of the TUF library's.
    #[error("the key {0} cannot be used")]
    Key(String),
    /// A repository that was not begun yet, or was begun already.
    #[error("{0}")]
    State(&'static str),
}

/// A refusal of the library, in the chain's own words. Its texts may hold what a stranger wrote: only what can be printed is kept.
pub(crate) fn refused(error: sigstore_tuf::Error) -> UpdateError {
    use sigstore_tuf::Error;
    match error {
        Error::Expired { expires, .. } => UpdateError::Expired(expires),
        Error::ThresholdNotMet { role, found, threshold } => {
            UpdateError::Metadata(MetadataError::ThresholdNotMet { role: plain(&role), found, threshold })
        }
        Error::DuplicateSignature { role, .. } => {
            UpdateError::Metadata(MetadataError::Malformed(format!("{}: a key signs twice", plain(&role))))
        }
        Error::IntegrityMismatch(what) => UpdateError::Metadata(MetadataError::NotPinned(plain(&what))),
        Error::BadRootVersion { .. } => {
            UpdateError::Metadata(MetadataError::BadRootChain("its number is not the next".to_owned()))
        }
        other => UpdateError::Metadata(MetadataError::Malformed(plain(&other.to_string()))),
    }
}

fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(200).collect()
}
