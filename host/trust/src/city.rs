//! Files of the city: JSON that is signed by roles, each kind under its own payload type.
//!
//! The type stands inside the signed bytes, so one kind of file is never taken for another (SIG-09). What has the type
//! [`Signed`] was checked; there is no other way to make one.

use std::collections::BTreeSet;

use serde::Serialize;
use serde::de::DeserializeOwned;
use vaern_door::{Digest, Name};

use crate::dsse::{Envelope, Ignored};
use crate::json;
use crate::keys::{PublicKey, SigningKeyPair};
use crate::sig_error::{Form, SigError};
use crate::trust_root::{Authority, TrustRoot};

/// A kind of file that the city signs.
///
/// Unknown fields, second spellings, fractions and repeated keys are refused. A field that may be absent must be left
/// out when it is written (`skip_serializing_if`), else the file has two spellings and is refused.
pub trait CityFile: Serialize + DeserializeOwned {
    /// Payload type of its envelope: matched byte for byte, and never shared by two kinds.
    const PAYLOAD_TYPE: &'static str;
}

/// A file whose signatures were checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed<T> {
    file: T,
    digest: Digest,
    roles: BTreeSet<Name>,
    signers: Vec<PublicKey>,
    ignored: Vec<Ignored>,
}

impl<T> Signed<T> {
    /// What was signed.
    #[must_use]
    pub const fn file(&self) -> &T {
        &self.file
    }

    /// Takes what was signed.
    #[must_use]
    pub fn into_file(self) -> T {
        self.file
    }

    /// Digest of the signed bytes. Signatures are not part of it: one more of them makes no other file.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The roles that count; for files of the root, the holders of its keys.
    #[must_use]
    pub const fn roles(&self) -> &BTreeSet<Name> {
        &self.roles
    }

    /// The keys whose signatures hold: each once.
    #[must_use]
    pub fn signers(&self) -> &[PublicKey] {
        &self.signers
    }

    /// Signatures that do not count although the file holds without them. For the log.
    #[must_use]
    pub fn ignored_signatures(&self) -> &[Ignored] {
        &self.ignored
    }
}

/// Signs `file` with `pairs` and gives the envelope's bytes.
///
/// # Errors
/// [`SigError`] as [`open_file`] would refuse it: what would be refused is not signed.
pub fn sign_file<T: CityFile>(
    file: &T,
    trust: &TrustRoot,
    authority: Authority,
    pairs: &[&SigningKeyPair],
) -> Result<Vec<u8>, SigError> {
    let bytes = envelope(file, pairs)?;
    open_file::<T>(&bytes, trust, authority)?;
    Ok(bytes)
}

/// Signs without asking who may.
pub(crate) fn envelope<T: CityFile>(file: &T, pairs: &[&SigningKeyPair]) -> Result<Vec<u8>, SigError> {
    let payload = json::write(file).map_err(SigError::json(Form::Predicate))?;
    Envelope::sign(T::PAYLOAD_TYPE, payload, pairs).encode()
}

/// Reads an envelope: its type, then who signed, then what was signed.
///
/// # Errors
/// [`SigError`] for another type, for too few or the wrong signatures, and for bytes not in the one accepted form.
pub fn open_file<T: CityFile>(bytes: &[u8], trust: &TrustRoot, authority: Authority) -> Result<Signed<T>, SigError> {
    let envelope = Envelope::decode(bytes)?;
    let keys = trust.keys_for(authority);
    let checked = envelope.check(T::PAYLOAD_TYPE, keys.iter())?;
    let roles = trust.decide(authority, &checked.signers)?;
    let file = json::parse(checked.payload).map_err(SigError::json(Form::Predicate))?;
    let digest = Digest::of(checked.payload);
    Ok(Signed { file, digest, roles, signers: checked.signers, ignored: checked.ignored })
}
