//! First state: a directory that says it holds a release. Its index and statements were read, none of them believed.

use cap_std::fs::Dir;
use vaern_door::Digest;

use super::{Release, ReleaseError, Verified};
use crate::package::{Layout, PkgError, Shelf};
use crate::trust_root::TrustRoot;

/// Read, not believed.
#[derive(Debug)]
pub struct Unverified {
    pub(super) layout: Layout,
    pub(super) shelf: Shelf,
}

impl Release<Unverified> {
    /// Reads the layout's index and the statements about its release. The component is not touched.
    ///
    /// # Errors
    /// [`ReleaseError::Package`] if the layout does not hold together.
    pub fn open(dir: &Dir) -> Result<Self, ReleaseError> {
        let layout = Layout::open(dir)?;
        let shelf = layout.shelf()?;
        Ok(Self { digest: shelf.release.digest()?, name: shelf.name.clone(), state: Unverified { layout, shelf } })
    }

    /// As [`Release::open`], and it must be this release: a name or version that was moved to other content is refused.
    ///
    /// # Errors
    /// [`PkgError::DigestMismatch`] if it is another one.
    pub fn open_digest(dir: &Dir, digest: Digest) -> Result<Self, ReleaseError> {
        let release = Self::open(dir)?;
        if release.digest == digest { Ok(release) } else { Err(PkgError::DigestMismatch(digest).into()) }
    }

    /// Checks the vendor's signature, then every part of the package.
    ///
    /// # Errors
    /// [`ReleaseError::VendorSignature`] or [`ReleaseError::Package`].
    pub fn verify(self, trust: &TrustRoot) -> Result<Release<Verified>, ReleaseError> {
        Verified::from_unverified(self, trust)
    }
}
