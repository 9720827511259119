//! The deletion of originals: which pictures of a training set are gone, said by whoever deleted them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vaern_door::{Digest, Name};

use super::{PAYLOAD_TYPE, Predicate, Subject};
use crate::dsse::Envelope;
use crate::keys::{PublicKey, SigningKeyPair};
use crate::sig_error::SigError;

/// One deleted original. Neither its bytes nor its name can be told from this: the commitment is salted, and the salt is
/// not here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeletedOriginal {
    /// Number of the picture in its set.
    pub number: u64,
    /// SHA-256 over the salt and the bytes of the original.
    pub commitment: Digest,
    /// Digest of the masked picture that was verified on disk before the original went.
    pub masked: Digest,
}

/// What a deletion record says. Records of one set are numbered from 1, and each names the one before it, so that a
/// missing one shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeletionRecord {
    /// Name of the training set.
    pub set: Name,
    /// Purpose that the set was collected for.
    pub purpose: Name,
    /// Number of this record, from 1.
    pub record: u64,
    /// Digest of the record before this one, as it lies on disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Digest>,
    /// When the record was made.
    pub at: Timestamp,
    /// What was deleted; at least one.
    pub originals: Vec<DeletedOriginal>,
}

impl Predicate for DeletionRecord {
    const TYPE: &'static str = "urn:vaern:deletion:v1";
}

impl DeletionRecord {
    fn subject(&self, manifest: Digest) -> Subject {
        Subject { name: self.set.to_string(), digest: manifest }
    }

    /// The record as a signed envelope. `manifest` is the digest of the set's own manifest: the record is about it.
    ///
    /// # Errors
    /// [`SigError::Malformed`] if the record is larger than an envelope may be (about 3,000 originals).
    pub fn sign(&self, manifest: Digest, pair: &SigningKeyPair) -> Result<Vec<u8>, SigError> {
        let payload = super::write(&self.subject(manifest), self)?;
        Envelope::sign(PAYLOAD_TYPE, payload, &[pair]).encode()
    }

    /// Reads a record that one of `keys` signed and that is about `set` with this manifest.
    ///
    /// # Errors
    /// [`SigError`] where the signature does not hold or the statement is about something else.
    pub fn read(envelope: &[u8], set: &Name, manifest: Digest, keys: &[PublicKey]) -> Result<Self, SigError> {
        let envelope = Envelope::decode(envelope)?;
        let checked = envelope.check(PAYLOAD_TYPE, keys.iter())?;
        let subject = Subject { name: set.to_string(), digest: manifest };
        let record: Self = super::read(checked.payload, &subject)?;
        if record.set == *set { Ok(record) } else { Err(SigError::SubjectMismatch) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> DeletionRecord {
        let original =
            DeletedOriginal { number: 7, commitment: Digest::of(b"salt and original"), masked: Digest::of(b"masked") };
        DeletionRecord {
            set: Name::new("round-1").unwrap(),
            purpose: Name::new("containere").unwrap(),
            record: 2,
            previous: Some(Digest::of(b"record 1")),
            at: "2026-06-01T12:00:00Z".parse().unwrap(),
            originals: vec![original],
        }
    }

    #[test]
    fn sep_02p_a_deletion_record_is_signed_and_read() {
        let pair = SigningKeyPair::from_seed(&[7; 32]);
        let bytes = record().sign(Digest::of(b"manifest"), &pair).unwrap();
        let set = Name::new("round-1").unwrap();
        let read = DeletionRecord::read(&bytes, &set, Digest::of(b"manifest"), &[pair.public()]);
        assert_eq!(read, Ok(record()));
    }

    #[test]
    fn sep_02n_another_key_another_set_and_a_changed_byte_are_refused() {
        let pair = SigningKeyPair::from_seed(&[7; 32]);
        let bytes = record().sign(Digest::of(b"manifest"), &pair).unwrap();
        let set = Name::new("round-1").unwrap();
        let other = SigningKeyPair::from_seed(&[8; 32]).public();
        assert!(DeletionRecord::read(&bytes, &set, Digest::of(b"manifest"), &[other]).is_err());
        let keys = [pair.public()];
        let elsewhere = DeletionRecord::read(&bytes, &set, Digest::of(b"another manifest"), &keys);
        assert_eq!(elsewhere, Err(SigError::SubjectMismatch));
        assert!(DeletionRecord::read(&bytes, &Name::new("round-2").unwrap(), Digest::of(b"manifest"), &keys).is_err());
        for at in (0..bytes.len()).step_by(7) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let read = DeletionRecord::read(&changed, &set, Digest::of(b"manifest"), &keys);
            assert!(read.is_err() || read == Ok(record()), "byte {at}");
        }
    }
}
