//! The bytes of a picture as the camera gave them, in pages of their own: kept out of swap and core files where the system lets us,
//! and zeroed when they go, as raw pixels are (AUD-11).

use std::fmt;
use std::io::{self, Read};

use zeroize::Zeroize as _;

use crate::pixels::Pixels;

/// Room that is made at once where the length is not known.
const STEP: usize = 256 << 10;

/// Bytes of one picture. Not `Clone`, never printed.
pub struct OriginalBytes {
    pages: Pixels,
    length: usize,
}

impl OriginalBytes {
    /// Nothing yet, with room for `bytes`.
    #[must_use]
    pub fn with_room(bytes: usize) -> Self {
        Self { pages: Pixels::zeroed(bytes), length: 0 }
    }

    /// Reads to the end, one byte past `limit` at most: whoever judges the length sees that it was passed. `expected` is what the
    /// file says of its length; no more than the limit is believed.
    ///
    /// # Errors
    /// What `from` says.
    pub fn read(mut from: impl Read, expected: u64, limit: u64) -> io::Result<Self> {
        let most = usize::try_from(limit.saturating_add(1)).unwrap_or(usize::MAX);
        let mut bytes = Self::with_room(usize::try_from(expected).unwrap_or(usize::MAX).saturating_add(1).min(most));
        while bytes.length < most {
            let room = bytes.room(most);
            match from.read(room) {
                Ok(0) => break,
                Ok(read) => bytes.length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(bytes)
    }

    /// The free part, no longer than leads to `most` bytes in all; there is some where `most` is not reached.
    fn room(&mut self, most: usize) -> &mut [u8] {
        if self.length == self.pages.len() {
            self.grow(self.length.saturating_add(1));
        }
        let end = self.pages.len().min(most);
        self.pages.get_mut(self.length..end).unwrap_or_default()
    }

    /// Adds bytes at the end.
    pub fn push(&mut self, more: &[u8]) {
        let end = self.length.saturating_add(more.len());
        if end > self.pages.len() {
            self.grow(end);
        }
        if let Some(room) = self.pages.get_mut(self.length..end) {
            room.copy_from_slice(more);
            self.length = end;
        }
    }

    /// Takes bytes off the end.
    pub(crate) fn truncate(&mut self, length: usize) {
        if let Some(rest) = self.pages.get_mut(length..self.length) {
            rest.zeroize();
            self.length = length;
        }
    }

    /// All the room there is, for bytes that take the place of what was there.
    pub(crate) fn room_from_the_start(&mut self) -> &mut [u8] {
        self.length = 0;
        &mut self.pages
    }

    /// So many bytes were put into that room.
    pub(crate) fn is_now(&mut self, length: usize) {
        self.length = length.min(self.pages.len());
    }

    fn grow(&mut self, least: usize) {
        let mut wider = Pixels::zeroed(least.max(self.pages.len().saturating_mul(2)).max(STEP));
        if let (Some(to), Some(from)) = (wider.get_mut(..self.length), self.pages.get(..self.length)) {
            to.copy_from_slice(from);
        }
        // What was there is zeroed as it goes.
        self.pages = wider;
    }

    /// Number of bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.pages.get(..self.length).unwrap_or_default()
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
        write!(f, "OriginalBytes({})", self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_pushed_is_there_and_what_is_cut_off_is_not(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20), cut in 0_usize..500) {
            let mut bytes = OriginalBytes::with_room(7);
            parts.iter().for_each(|part| bytes.push(part));
            let mut whole = parts.concat();
            prop_assert_eq!(bytes.bytes(), whole.as_slice());
            bytes.truncate(cut);
            whole.truncate(cut);
            prop_assert_eq!(bytes.bytes(), whole.as_slice());
            bytes.push(b"more");
            whole.extend(b"more");
            prop_assert_eq!(bytes.bytes(), whole.as_slice());
        }

        #[test]
        fn a_file_is_read_one_byte_past_the_limit_whatever_it_says_of_its_length(length in 0_usize..2_000, expected in any::<u64>(), limit in 0_u64..1_500) {
            let file: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let read = OriginalBytes::read(file.as_slice(), expected.min(1 << 20), limit).unwrap();
            prop_assert_eq!(read.len(), length.min(limit as usize + 1));
            prop_assert_eq!(read.bytes(), &file[..read.len()]);
        }
    }
}
