//! Bytes that grow in pages of their own.

use std::fmt;
use std::io::{self, Read, Write};
use std::ops::Deref;

use zeroize::Zeroize as _;

use crate::pages::Pages;

/// Bytes in pages of their own: in no core file, and zeroed when they go. Not `Clone`, never printed.
pub struct Buffer {
    pages: Pages,
    length: usize,
}

impl Buffer {
    /// Nothing yet, with room for `bytes`.
    #[must_use]
    pub fn with_room(bytes: usize) -> Self {
        Self { pages: Pages::zeroed(bytes), length: 0 }
    }

    /// Reads to the end, one byte past `limit` at most: whoever judges the length sees that it was passed. `expected` is what the
    /// file says of its length; no more than the limit is believed. Where it says too little, `step` is made at once.
    ///
    /// # Errors
    /// What `from` says.
    pub fn read(mut from: impl Read, expected: u64, limit: u64, step: usize) -> io::Result<Self> {
        let most = usize::try_from(limit.saturating_add(1)).unwrap_or(usize::MAX);
        let mut bytes = Self::with_room(usize::try_from(expected).unwrap_or(usize::MAX).saturating_add(1).min(most));
        while bytes.length < most {
            if bytes.length == bytes.pages.len() {
                bytes.grow(bytes.length.saturating_add(1).max(step));
            }
            let end = bytes.pages.len().min(most);
            match from.read(bytes.pages.get_mut(bytes.length..end).unwrap_or_default()) {
                Ok(0) => break,
                Ok(read) => bytes.length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(bytes)
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
    pub fn truncate(&mut self, length: usize) {
        if let Some(rest) = self.pages.get_mut(length..self.length) {
            rest.zeroize();
            self.length = length;
        }
    }

    /// All the room there is, for bytes that take the place of what was there.
    pub fn room_from_the_start(&mut self) -> &mut [u8] {
        self.length = 0;
        &mut self.pages
    }

    /// So many bytes were put into that room.
    pub fn is_now(&mut self, length: usize) {
        self.length = length.min(self.pages.len());
    }

    /// The same in no more pages than it takes, for what is to wait.
    #[must_use]
    pub fn fitted(self) -> Self {
        Self { length: self.length, pages: Pages::of(&self) }
    }

    fn grow(&mut self, least: usize) {
        let mut wider = Pages::zeroed(least.max(self.pages.len().saturating_mul(2)));
        if let (Some(to), Some(from)) = (wider.get_mut(..self.length), self.pages.get(..self.length)) {
            to.copy_from_slice(from);
        }
        // What was there is zeroed as it goes.
        self.pages = wider;
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.pages.get(..self.length).unwrap_or_default()
    }
}

impl Write for Buffer {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        self.push(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes)", self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_pushed_is_there_and_what_is_cut_off_is_not(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20), cut in 0_usize..500) {
            let mut bytes = Buffer::with_room(7);
            parts.iter().for_each(|part| bytes.write_all(part).unwrap());
            let mut whole = parts.concat();
            prop_assert_eq!(&*bytes, whole.as_slice());
            bytes.truncate(cut);
            whole.truncate(cut);
            prop_assert_eq!(&*bytes, whole.as_slice());
            bytes.push(b"more");
            whole.extend(b"more");
            prop_assert_eq!(&*bytes, whole.as_slice());
            prop_assert_eq!(&*bytes.fitted(), whole.as_slice());
        }

        #[test]
        fn a_file_is_read_one_byte_past_the_limit_whatever_it_says_of_its_length(length in 0_usize..2_000, expected in any::<u64>(), limit in 0_u64..1_500) {
            let file: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let read = Buffer::read(file.as_slice(), expected.min(1 << 20), limit, 100).unwrap();
            prop_assert_eq!(read.len(), length.min(limit as usize + 1));
            prop_assert_eq!(&*read, &file[..read.len()]);
        }
    }
}
