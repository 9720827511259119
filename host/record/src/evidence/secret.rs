//! Keys in memory: kept out of swap where the system permits it, overwritten when they go, never printed.

// Locking a page into memory is a system call on an address; the standard library has no safe form of it.
#![allow(unsafe_code)]

use std::fmt;

use zeroize::Zeroize as _;

use super::error::EvidenceError;

/// A key of 32 bytes.
pub struct Secret(Box<[u8; 32]>);

impl Secret {
    /// A new one from the system's randomness.
    ///
    /// # Errors
    /// [`EvidenceError::Randomness`] if it has none.
    pub fn random() -> Result<Self, EvidenceError> {
        let mut secret = Self::zeros();
        getrandom::fill(&mut *secret.0).map_err(|_| EvidenceError::Randomness)?;
        Ok(secret)
    }

    /// A key that is known already. The caller overwrites its own copy.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let mut secret = Self::zeros();
        secret.0.copy_from_slice(bytes);
        secret
    }

    /// Room for a key, locked before the key comes into it.
    fn zeros() -> Self {
        let room = Box::new([0_u8; 32]);
        lock(&room);
        Self(room)
    }

    /// Hands the bytes to `work`, for writing a key file: the caller overwrites every copy that it makes.
    pub fn expose(&self, work: impl FnOnce(&[u8; 32])) {
        work(&self.0);
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
        // The page stays locked: other keys may lie on it, and unlocking counts pages, not keys.
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Keeps the page of `room` out of swap. Where the system does not permit it (a limit of 0 pages) the key is used all the
/// same: the node's documentation asks for encrypted or absent swap.
#[cfg(unix)]
fn lock(room: &[u8; 32]) {
    // SAFETY: the range is a live allocation of exactly this length, and mlock neither reads nor writes it.
    let _ = unsafe { libc::mlock(room.as_ptr().cast(), room.len()) };
}

#[cfg(not(unix))]
fn lock(_: &[u8; 32]) {}
