//! A release on its way from a directory to something that may run.
//!
//! `Release<Unverified>` → `Release<Verified>` → `Release<Approved>`: each step consumes the one before, and only the
//! module of a state can make it. Code that is handed a `Release<Approved>` needs no check of its own.
//!
//! ```
//! fn needs_approval(release: vaern_trust::Release<vaern_trust::Approved>) -> vaern_trust::Digest {
//!     release.digest()
//! }
//! ```
//!
//! ```compile_fail
//! fn forge(contents: vaern_trust::Contents) -> vaern_trust::Approved {
//!     vaern_trust::Approved { contents, ..todo!() }
//! }
//! ```
//!
//! ```compile_fail
//! fn skip(release: vaern_trust::Release<vaern_trust::Verified>) -> vaern_trust::Release<vaern_trust::Approved> {
//!     release
//! }
//! ```
//!
//! ```compile_fail
//! fn blind(release: &vaern_trust::Release<vaern_trust::Unverified>) -> &[u8] {
//!     release.component()
//! }
//! ```

mod approved;
mod compiled;
mod unverified;
mod verified;

pub use approved::Approved;
pub(crate) use approved::decided;
pub use compiled::CompiledCode;
pub use unverified::Unverified;
pub use verified::Verified;

use cap_std::fs::Dir;
use jiff::Timestamp;
use vaern_door::{Blame, Digest, Krav, Manifest, Name, Version};

use crate::dsse::Ignored;
use crate::package::{Contents, PkgError, Ports};
use crate::sig_error::SigError;
use crate::statement::TestResult;
use crate::trust_root::TrustRoot;

/// Why a release may not run: the stage that refused, and its reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// The bytes do not hold together.
    #[error("package: {0}")]
    Package(#[from] PkgError),
    /// The vendor's signature does not hold.
    #[error("vendor signature: {0}")]
    VendorSignature(SigError),
    /// The city's approval does not hold.
    #[error("approval: {0}")]
    Approval(SigError),
    /// What the vendor says of its own tests does not hold.
    #[error("vendor's test result: {0}")]
    VendorResult(SigError),
    /// No conformance result covers it.
    #[error("test result: {0}")]
    TestResult(SigError),
    /// What the vendor says of how it was made does not hold.
    #[error("provenance: {0}")]
    Provenance(SigError),
    /// The city does not vouch for its compiled code.
    #[error("compiled code: {0}")]
    Compiled(SigError),
}

impl ReleaseError {
    /// `package`, `vendor signature`, `approval`, `vendor's test result`, `test result`, `provenance` or `compiled code`.
    #[must_use]
    pub const fn stage(&self) -> &'static str {
        match self {
            Self::Package(_) => "package",
            Self::VendorSignature(_) => "vendor signature",
            Self::Approval(_) => "approval",
            Self::VendorResult(_) => "vendor's test result",
            Self::TestResult(_) => "test result",
            Self::Provenance(_) => "provenance",
            Self::Compiled(_) => "compiled code",
        }
    }

    /// The requirement of the catalogue that the refusal serves.
    #[must_use]
    pub const fn krav(&self) -> Krav {
        match self {
            Self::Package(e) => e.krav(),
            Self::Provenance(SigError::Unsigned) => Krav("LEV-02"),
            Self::VendorResult(_) => Krav("LEV-01"),
            Self::VendorSignature(e)
            | Self::Approval(e)
            | Self::TestResult(e)
            | Self::Provenance(e)
            | Self::Compiled(e) => e.krav(),
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Package(e) => e.blame(),
            Self::VendorSignature(e) | Self::Provenance(e) | Self::VendorResult(e) => e.blame(Blame::Vendor),
            Self::Approval(e) | Self::TestResult(e) | Self::Compiled(e) => e.blame(Blame::Policy),
        }
    }

    /// Whether this says no more than that there is no compiled code for this engine: code that was tampered with, or that nobody
    /// may vouch for, is another matter.
    #[must_use]
    pub const fn may_compile(&self) -> bool {
        matches!(self, Self::Compiled(SigError::Unsigned) | Self::Package(PkgError::EngineMismatch { .. }))
    }

    /// What to do next.
    #[must_use]
    pub const fn mend(&self) -> &'static str {
        match self {
            Self::Package(e) => e.mend(),
            Self::Compiled(SigError::Unsigned) => {
                "compile it with `vaern compile`, or run it where code may be compiled"
            }
            Self::Provenance(SigError::Unsigned) => {
                "build with `vaern plugin build`, and sign with `--provenance` what it left about the build"
            }
            Self::VendorResult(_) => {
                "the vendor signs its own run anew: `vaern conform` with `--vendor-key`, on this very release"
            }
            Self::VendorSignature(e)
            | Self::Approval(e)
            | Self::TestResult(e)
            | Self::Provenance(e)
            | Self::Compiled(e) => e.mend(),
        }
    }
}

/// A release in the state `S`.
#[derive(Debug)]
pub struct Release<S> {
    digest: Digest,
    name: String,
    state: S,
}

impl<S> Release<S> {
    /// Digest of the release index: the release's identity.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Name for people: plugin and version.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A state in which the parts of the release were read and a vendor answers for them.
pub trait Answered: sealed::Sealed {
    #[doc(hidden)]
    fn contents(&self) -> &Contents;
    #[doc(hidden)]
    fn ignored(&self) -> &[Ignored];
    #[doc(hidden)]
    fn vendors_results(&self) -> &[Result<TestResult, SigError>];
}

mod sealed {
    pub trait Sealed {}
}

impl<S: Answered> Release<S> {
    /// What the vendor declares.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.state.contents().manifest
    }

    /// The component's bytes, the very ones that were checked.
    #[must_use]
    pub fn component(&self) -> &[u8] {
        &self.state.contents().component
    }

    /// What the component takes and gives.
    #[must_use]
    pub fn ports(&self) -> &Ports {
        &self.state.contents().ports
    }

    /// The bytes of a model, by the name that the plugin opens it with.
    #[must_use]
    pub fn model(&self, name: &Name) -> Option<&[u8]> {
        self.state.contents().models.get(name).map(Vec::as_slice)
    }

    /// All models, in the order of their names.
    pub fn models(&self) -> impl Iterator<Item = (&Name, &[u8])> {
        self.state.contents().models.iter().map(|(name, bytes)| (name, bytes.as_slice()))
    }

    /// The model card, in Markdown.
    #[must_use]
    pub fn model_card(&self) -> Option<&str> {
        self.state.contents().model_card.as_deref()
    }

    /// The SBOM: CycloneDX JSON.
    #[must_use]
    pub fn sbom(&self) -> Option<&[u8]> {
        self.state.contents().sbom.as_deref()
    }

    /// What the vendor itself says that the suite found, under this version of the catalogue; `None` where it says nothing. Of several
    /// that hold the first is given. It is the vendor's word: no approval rests on it alone (LEV-01).
    ///
    /// # Errors
    /// [`ReleaseError::VendorResult`] with the reason of the last one looked at: it is of another release, not by this vendor, not as it was
    /// signed, of another catalogue, or failed.
    pub fn vendors_result(&self, catalogue: &Version) -> Result<Option<&TestResult>, ReleaseError> {
        let mut outcome = Ok(None);
        for result in self.state.vendors_results() {
            outcome = match result {
                Ok(result) => result.bears(catalogue).map(|()| Some(result)),
                Err(error) => Err(error.clone()),
            };
            if outcome.is_ok() {
                break;
            }
        }
        outcome.map_err(ReleaseError::VendorResult)
    }

    /// Signatures that did not count although the release holds without them. For the log.
    #[must_use]
    pub fn ignored_signatures(&self) -> &[Ignored] {
        self.state.ignored()
    }
}

/// Reads a release from `dir` and takes it all the way: package, vendor signature, approval for `purpose` at `now`.
///
/// # Errors
/// [`ReleaseError`] names the stage, the requirement, whose fault it is and what to do next.
pub fn verify(dir: &Dir, trust: &TrustRoot, now: Timestamp, purpose: &Name) -> Result<Release<Approved>, ReleaseError> {
    Release::open(dir)?.verify(trust)?.approve(trust, now, purpose)
}
