//! The cipher: XChaCha20-Poly1305, whose nonce is long enough to be drawn at random. There is no counter that a power cut
//! could set back.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::error::EvidenceError;
use super::secret::Secret;

/// Bytes of a nonce.
const NONCE: usize = 24;

/// Bytes that sealing adds: nonce and tag.
pub(super) const OVERHEAD: usize = NONCE + 16;

/// Seals `plain` under `key`, bound to `bound`.
pub(super) fn seal(key: &Secret, plain: &[u8], bound: &[u8]) -> Result<Vec<u8>, EvidenceError> {
    let mut nonce = [0; NONCE];
    getrandom::fill(&mut nonce).map_err(|_| EvidenceError::Randomness)?;
    let aad = if vaern_door::guard::stands("record.bound_label") { bound } else { &[] };
    let sealed =
        cipher(key)?.encrypt(&XNonce::from(nonce), Payload { msg: plain, aad }).map_err(|_| EvidenceError::Sealed)?;
    Ok([&nonce[..], &sealed].concat())
}

/// Opens what [`seal`] made.
///
/// # Errors
/// [`EvidenceError::Sealed`] for another key, another binding, or changed bytes.
pub(super) fn open(key: &Secret, sealed: &[u8], bound: &[u8]) -> Result<Zeroizing<Vec<u8>>, EvidenceError> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or(EvidenceError::Sealed)?;
    let aad = if vaern_door::guard::stands("record.bound_label") { bound } else { &[] };
    let plain = cipher(key)?.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad });
    plain.map(Zeroizing::new).map_err(|_| EvidenceError::Sealed)
}

/// Opens a sealed key.
pub(super) fn open_key(key: &Secret, sealed: &[u8], bound: &[u8]) -> Result<Secret, EvidenceError> {
    let plain = open(key, sealed, bound)?;
    let bytes: &[u8; 32] = plain.as_slice().try_into().map_err(|_| EvidenceError::Sealed)?;
    Ok(Secret::from_bytes(bytes))
}

fn cipher(key: &Secret) -> Result<XChaCha20Poly1305, EvidenceError> {
    XChaCha20Poly1305::new_from_slice(key.bytes()).map_err(|_| EvidenceError::Sealed)
}
