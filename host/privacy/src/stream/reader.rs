//! From a connection to whole pictures: the bytes of the network go from the kernel into protected pages and nowhere else.

use std::io::{self, Read};

use super::{Head, Parts, StreamError};
use crate::original::OriginalBytes;

/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;

/// Why nothing more comes of a connection.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The network.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The stream.
    #[error(transparent)]
    Stream(#[from] StreamError),
}

/// The pictures of one connection.
pub struct StreamReader {
    chunk: OriginalBytes,
    head: Head,
    parts: Option<Parts>,
    max: u64,
}

impl StreamReader {
    /// A connection that just began. No picture is larger than `max_bytes`.
    #[must_use]
    pub fn new(max_bytes: u64) -> Self {
        Self { chunk: OriginalBytes::with_room(CHUNK), head: Head::default(), parts: None, max: max_bytes }
    }

    /// Whether a picture has begun and is not whole.
    #[must_use]
    pub fn in_part(&self) -> bool {
        self.parts.as_ref().is_some_and(Parts::in_part)
    }

    /// Reads once. Whole pictures go to `out`; false where the connection is at its end.
    ///
    /// # Errors
    /// [`ReadError::Io`] as the network says it, a time-out among them, after which it may be called again; [`ReadError::Stream`] ends
    /// the stream.
    pub fn read(&mut self, mut from: impl Read, out: &mut Vec<OriginalBytes>) -> Result<bool, ReadError> {
        let read = from.read(self.chunk.room_from_the_start())?;
        if read == 0 {
            return Ok(false);
        }
        self.chunk.is_now(read);
        let mut data = self.chunk.bytes();
        if self.parts.is_none()
            && let Some((boundary, used)) = self.head.push(data)?
        {
            self.parts = Some(Parts::new(&boundary, self.max)?);
            data = data.get(used..).unwrap_or_default();
        }
        if let Some(parts) = &mut self.parts {
            parts.push(data, out)?;
        }
        self.chunk.truncate(0);
        Ok(true)
    }
}
