//! The bytes of a picture as the camera gave them, in pages of their own: kept out of swap and core files where the system lets us,
//! and zeroed when they go, as raw pixels are (AUD-11).

use std::fmt;
use std::io::{self, Read};

use vaern_memory::Buffer;
use zeroize::Zeroize as _;

/// Room that is made at once where the length is not known.
const STEP: usize = 256 << 10;

/// Bytes of one picture. Not `Clone`, never printed; nobody outside of this crate reads them.
pub struct OriginalBytes(Buffer);

impl OriginalBytes {
    /// Nothing yet, with room for `bytes`.
    #[must_use]
    pub fn with_room(bytes: usize) -> Self {
        Self(Buffer::with_room(bytes))
    }

    /// Reads to the end, one byte past `limit` at most: whoever judges the length sees that it was passed. `expected` is what the
    /// file says of its length; no more than the limit is believed.
    ///
    /// # Errors
    /// What `from` says.
    pub fn read(from: impl Read, expected: u64, limit: u64) -> io::Result<Self> {
        Buffer::read(from, expected, limit, STEP).map(Self)
    }

    /// Adds bytes at the end.
    pub fn push(&mut self, more: &[u8]) {
        self.0.push(more);
    }

    /// Takes bytes off the end.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.0.truncate(length);
    }

    /// All the room there is, for bytes that take the place of what was there.
    pub(crate) fn room_from_the_start(&mut self) -> &mut [u8] {
        self.0.room_from_the_start()
    }

    /// So many bytes were put into that room.
    pub(crate) fn is_now(&mut self, length: usize) {
        self.0.is_now(length);
    }

    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for OriginalBytes {
    fn from(mut plain: Vec<u8>) -> Self {
        let mut bytes = Self::with_room(plain.len());
        bytes.push(&plain);
        plain.zeroize();
        bytes
    }
}

impl fmt::Debug for OriginalBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OriginalBytes({})", self.0.len())
    }
}
