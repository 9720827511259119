//! The chain of signed roots: a trust root changes only by the signatures of the root's keys before and after.
//!
//! The first root is pinned: the operator brings it to the node. Every later one carries the next number and is signed
//! by the threshold of its predecessor and by its own, so a thief of today's keys cannot be locked in by a gap, and
//! nobody can lower the number of keys that it takes (UPD-08).

use vaern_door::{Digest, guard};

use crate::city::{self, CityFile};
use crate::dsse::Envelope;
use crate::json;
use crate::keys::SigningKeyPair;
use crate::sig_error::{Form, SigError};
use crate::trust_root::{Authority, TrustRoot, TrustRootFile};

impl CityFile for TrustRootFile {
    const PAYLOAD_TYPE: &'static str = "application/vnd.vaern.root.v1+json";
}

/// A trust root out of the chain.
#[derive(Debug, Clone)]
pub struct SignedRoot {
    trust: TrustRoot,
    digest: Digest,
}

impl SignedRoot {
    /// Signs a root. Nothing is asked of it: the first is pinned by hand, later ones by [`SignedRoot::next`].
    ///
    /// # Errors
    /// [`SigError`] if the file is no sound trust root with root keys and a number from 1.
    pub fn sign(file: &TrustRootFile, pairs: &[&SigningKeyPair]) -> Result<Vec<u8>, SigError> {
        sound(file)?;
        city::envelope(file, pairs)
    }

    /// Reads the root that the operator brings: it must be signed by its own keys.
    ///
    /// # Errors
    /// [`SigError`] if it is not.
    pub fn pin(bytes: &[u8]) -> Result<Self, SigError> {
        let (file, digest) = read(bytes)?;
        let trust = sound(&file)?.linked(digest);
        signed_by(bytes, &trust)?;
        Ok(Self { trust, digest })
    }

    /// Takes the next root of the chain.
    ///
    /// # Errors
    /// [`SigError::BadRootChain`] for a number that is not the next, a lowered threshold, or signatures that do not
    /// reach the threshold of the root in force and that of the new one.
    pub fn next(&self, bytes: &[u8]) -> Result<Self, SigError> {
        // Nothing of it is parsed before the keys in force have signed for it.
        signed_by(bytes, &self.trust).map_err(|_| SigError::BadRootChain("not signed by the root in force"))?;
        let next = Self::pin(bytes).map_err(|error| match error {
            SigError::ThresholdNotMet { .. } | SigError::UnknownKey => {
                SigError::BadRootChain("not signed by its own keys")
            }
            other => other,
        })?;
        if guard::stands("trust.root-sequence") && Some(next.trust.version()) != self.trust.version().checked_add(1) {
            return Err(SigError::BadRootChain("its number is not the next"));
        }
        if guard::stands("trust.root-lowered") && next.trust.root_threshold() < self.trust.root_threshold() {
            return Err(SigError::BadRootChain("it lowers the number of root keys needed"));
        }
        Ok(next)
    }

    /// The trust root.
    #[must_use]
    pub const fn trust(&self) -> &TrustRoot {
        &self.trust
    }

    /// Takes the trust root.
    #[must_use]
    pub fn into_trust(self) -> TrustRoot {
        self.trust
    }

    /// Digest of the signed bytes.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }
}

fn sound(file: &TrustRootFile) -> Result<TrustRoot, SigError> {
    let trust = TrustRoot::new(file)?;
    if trust.version() == 0 {
        return Err(SigError::BadRootChain("a signed root has a number, from 1"));
    }
    if trust.root_threshold() == 0 {
        return Err(SigError::BadRootChain("a signed root has root keys"));
    }
    Ok(trust)
}

fn signed_by(bytes: &[u8], trust: &TrustRoot) -> Result<(), SigError> {
    city::open_file::<TrustRootFile>(bytes, trust, Authority::Root).map(|_| ())
}

/// Reads what an envelope says without belief: only a root can say which keys it must be checked with.
fn read(bytes: &[u8]) -> Result<(TrustRootFile, Digest), SigError> {
    let envelope = Envelope::decode(bytes)?;
    let payload = envelope.unchecked_payload(TrustRootFile::PAYLOAD_TYPE)?;
    let file = json::parse(payload).map_err(SigError::json(Form::TrustRoot))?;
    Ok((file, Digest::of(payload)))
}
