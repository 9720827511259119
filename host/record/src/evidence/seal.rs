//! The cipher: XChaCha20-Poly1305, whose nonce is long enough to be drawn at random. There is no counter that a power cut
//! could set back.

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::aead::{AeadInOut as _, KeyInit as _};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use vaern_memory::{Buffer, Secret, leaving_no_trace};

use super::error::EvidenceError;

/// Bytes of a nonce.
const NONCE: usize = 24;

/// Bytes of a tag.
const TAG: usize = 16;

/// Bytes that sealing adds: nonce and tag.
pub(super) const OVERHEAD: usize = NONCE + TAG;

/// Seals `plain` under `key`, bound to `bound`. No copy of `plain` is made but the sealed one.
pub(super) fn seal(key: &Secret, plain: &[u8], bound: &[u8]) -> Result<Vec<u8>, EvidenceError> {
    let mut sealed = vec![0; OVERHEAD + plain.len()];
    let (nonce, rest) = sealed.split_at_mut(NONCE);
    let (text, tag) = rest.split_at_mut(plain.len());
    getrandom::fill(nonce).map_err(|_| EvidenceError::Randomness)?;
    let nonce = XNonce::try_from(&*nonce).map_err(|_| EvidenceError::Sealed)?;
    let aad = if vaern_door::guard::stands("record.bound_label") { bound } else { &[] };
    let both = InOutBuf::new(plain, text).map_err(|_| EvidenceError::Sealed)?;
    let made =
        leaving_no_trace(|| cipher(key)?.encrypt_inout_detached(&nonce, aad, both).map_err(|_| EvidenceError::Sealed))?;
    tag.copy_from_slice(&made);
    Ok(sealed)
}

/// Opens what [`seal`] made.
///
/// # Errors
/// [`EvidenceError::Sealed`] for another key, another binding, or changed bytes.
pub(super) fn open(key: &Secret, sealed: &[u8], bound: &[u8]) -> Result<Buffer, EvidenceError> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE>().ok_or(EvidenceError::Sealed)?;
    let (text, tag) = rest.split_last_chunk::<TAG>().ok_or(EvidenceError::Sealed)?;
    let aad = if vaern_door::guard::stands("record.bound_label") { bound } else { &[] };
    let mut plain = Buffer::with_room(text.len());
    let room = plain.room_from_the_start().get_mut(..text.len()).ok_or(EvidenceError::Sealed)?;
    let both = InOutBuf::new(text, room).map_err(|_| EvidenceError::Sealed)?;
    let (nonce, tag) = (XNonce::from(*nonce), Tag::from(*tag));
    leaving_no_trace(|| {
        cipher(key)?.decrypt_inout_detached(&nonce, aad, both, &tag).map_err(|_| EvidenceError::Sealed)
    })?;
    plain.is_now(text.len());
    Ok(plain)
}

/// Opens a sealed key.
pub(super) fn open_key(key: &Secret, sealed: &[u8], bound: &[u8]) -> Result<Secret, EvidenceError> {
    let plain = open(key, sealed, bound)?;
    let bytes: &[u8; 32] = (&*plain).try_into().map_err(|_| EvidenceError::Sealed)?;
    Ok(Secret::from_bytes(bytes))
}

fn cipher(key: &Secret) -> Result<XChaCha20Poly1305, EvidenceError> {
    key.expose(|bytes| XChaCha20Poly1305::new_from_slice(bytes)).map_err(|_| EvidenceError::Sealed)
}
