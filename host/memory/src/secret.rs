//! Keys of 32 bytes in pages of their own, never printed.

use std::fmt;

use crate::pages::Pages;

/// The system gave no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gave no randomness")]
pub struct NoRandomness;

/// A key of 32 bytes.
///
/// What a page is kept out of, everything on it is: so each key has its own. Where the system gives no page, or does not lock it, the key
/// is used all the same: whether a node may run like that is the policy's to say.
pub struct Secret(Pages);

/// Bytes of a key.
const LENGTH: usize = 32;

impl Secret {
    /// A new one from the system's randomness.
    ///
    /// # Errors
    /// [`NoRandomness`] if it has none.
    pub fn random() -> Result<Self, NoRandomness> {
        let mut pages = Pages::zeroed(LENGTH);
        getrandom::fill(&mut pages).map_err(|_| NoRandomness)?;
        Ok(Self(pages))
    }

    /// A key that is known already. The caller overwrites its own copy.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; LENGTH]) -> Self {
        Self(Pages::of(bytes))
    }

    /// A key that `fill` writes where it is to lie, so that there is no other copy.
    ///
    /// # Errors
    /// What `fill` says.
    pub fn filled<E>(fill: impl FnOnce(&mut [u8]) -> Result<(), E>) -> Result<Self, E> {
        let mut pages = Pages::zeroed(LENGTH);
        fill(&mut pages)?;
        Ok(Self(pages))
    }

    /// Hands the bytes to `work`: the caller overwrites every copy that it makes.
    pub fn expose<T>(&self, work: impl FnOnce(&[u8; LENGTH]) -> T) -> T {
        // The pages are as long as they were made.
        let (keys, _) = self.0.as_chunks::<LENGTH>();
        work(keys.first().unwrap_or(&[0; LENGTH]))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_what_it_was_made_of_and_is_not_printed() {
        let key = Secret::from_bytes(&[7; 32]);
        key.expose(|bytes| assert_eq!(bytes, &[7; 32]));
        assert_eq!(format!("{key:?}"), "Secret(…)");
        let filled = Secret::filled(|room| {
            room.copy_from_slice(&[9; 32]);
            Ok::<_, NoRandomness>(())
        });
        filled.unwrap().expose(|bytes| assert_eq!(bytes, &[9; 32]));
        assert!(Secret::filled(|_| Err(NoRandomness)).is_err());
        let two = (Secret::random().unwrap(), Secret::random().unwrap());
        two.0.expose(|one| two.1.expose(|other| assert_ne!(one, other)));
    }
}
