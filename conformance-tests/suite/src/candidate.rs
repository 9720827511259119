//! The release under test: read whole, held together, and named by its digest.

use std::collections::BTreeMap;

use cap_std::fs::Dir;
use vaern_door::{Digest, Manifest, Name};
use vaern_trust::{Contents, PkgError, Ports, Release, ReleaseError, TrustRoot};

/// What is known of the vendor's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Signature {
    /// An admitted vendor signed exactly this.
    Holds,
    /// It does not hold.
    Broken(String),
    /// Nobody said whose signature would count.
    NotAsked,
}

impl Signature {
    /// In one word.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Broken(_) => "broken",
            Self::NotAsked => "not asked",
        }
    }
}

/// A release as the suite sees it.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub(crate) name: String,
    pub(crate) digest: Digest,
    pub(crate) manifest: Manifest,
    pub(crate) component: Vec<u8>,
    pub(crate) models: BTreeMap<Name, Vec<u8>>,
    pub(crate) model_card: Option<String>,
    pub(crate) sbom: Option<Vec<u8>>,
    pub(crate) ports: Result<Ports, PkgError>,
    pub(crate) signature: Signature,
}

impl Candidate {
    /// Reads a release directory. With a trust root, the vendor's signature is judged too.
    ///
    /// # Errors
    /// [`ReleaseError`] where there is no whole release to test.
    pub fn open(dir: &Dir, trust: Option<&TrustRoot>) -> Result<Self, ReleaseError> {
        let (digest, contents) = vaern_trust::inspect(dir)?;
        let signature = match trust.map(|trust| Release::open_digest(dir, digest).and_then(|r| r.verify(trust))) {
            None => Signature::NotAsked,
            Some(Ok(_)) => Signature::Holds,
            Some(Err(error)) => Signature::Broken(error.to_string()),
        };
        let Contents { manifest, component, ports, models, model_card, sbom } = contents;
        let name = format!("{}-{}", manifest.name, manifest.version);
        let ports = Ok(ports);
        Ok(Self { name, digest, manifest, component, models, model_card, sbom, ports, signature })
    }

    /// A release that nobody packed: its parts as they are. For plugins that no packer would take.
    #[must_use]
    pub fn loose(manifest: Manifest, component: Vec<u8>, models: BTreeMap<Name, Vec<u8>>) -> Self {
        let name = format!("{}-{}", manifest.name, manifest.version);
        let ports = vaern_trust::examine(&component);
        let digest = Digest::of(&component);
        let signature = Signature::NotAsked;
        Self { name, digest, manifest, component, models, model_card: None, sbom: None, ports, signature }
    }

    /// Digest of the release index: what a result is about.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// What the vendor declares.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }
}
