//! A camera's HTTP MJPEG stream (`multipart/x-mixed-replace`): bytes in, whole pictures out, everything bounded.
//!
//! The reader believes nothing: the head of the answer, each line, each part's head and each picture have a bound, a stated length is
//! no reason to make room beyond it, and what is not understood ends the connection with a name. Pictures go straight into
//! [`OriginalBytes`]; nothing of one is ever in an ordinary allocation.

mod head;
mod reader;

pub use head::Head;
pub use reader::{ReadError, StreamReader};

use crate::original::OriginalBytes;

/// Bytes of one line at most.
const MAX_LINE: usize = 1024;
/// Bytes before the first part, and of the head of a part, at most.
const MAX_LINES: usize = 8192;

/// Why a stream is not read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The answer does not begin as HTTP/1 does.
    #[error("the camera does not answer in HTTP")]
    NotHttp,
    /// An answer that is no 200. A redirect is followed nowhere: only the configured address is spoken to.
    #[error("the camera answers with the status {0}")]
    Status(u16),
    /// Something else than `multipart/x-mixed-replace`, or encoded on the way.
    #[error("the camera does not send a stream of separate pictures (multipart/x-mixed-replace)")]
    NotAStream,
    /// No boundary is named, or one that cannot be.
    #[error("the camera names no usable boundary between its pictures")]
    NoBoundary,
    /// Where a boundary must stand there is none.
    #[error("a picture does not end where the stream says that it ends")]
    Unbounded,
    /// A head without end.
    #[error("a head of the stream is longer than any camera's")]
    HeadTooLong,
    /// A head that is not understood.
    #[error("a head of the stream is not understood")]
    BadHead,
    /// A part that says it is no JPEG.
    #[error("a part of the stream is no JPEG picture")]
    NotJpeg,
    /// A picture beyond the policy's bound.
    #[error("a picture of the stream is larger than the policy takes")]
    TooLong,
    /// The camera said that this was the last.
    #[error("the camera ended its stream")]
    Ended,
}

enum State {
    /// Before a boundary line. `first` until one was seen; then nothing but empty lines may stand before the next.
    Between { first: bool },
    /// The head of a part, with the length that it states so far.
    Head { length: Option<usize> },
    /// A picture of stated length.
    Sized { left: usize },
    /// A picture that lasts until the boundary.
    Open,
    /// Nothing more is read.
    Over(StreamError),
}

/// The pictures of a stream, as its bytes come in.
pub struct Parts {
    boundary: Vec<u8>,
    /// The line between pictures as this camera writes it: some count the two dashes as part of the name, some do not.
    delimiter: Option<Vec<u8>>,
    max: usize,
    line: Vec<u8>,
    lines: usize,
    body: OriginalBytes,
    state: State,
}

impl Parts {
    /// A stream whose pictures are parted by `boundary`, none larger than `max_bytes`.
    ///
    /// # Errors
    /// [`StreamError::NoBoundary`] for an empty one, one of more than 70 characters, or one with a line break.
    pub fn new(boundary: &[u8], max_bytes: u64) -> Result<Self, StreamError> {
        let printable = boundary.iter().all(|b| (0x20..0x7F).contains(b));
        if boundary.is_empty() || boundary.len() > 70 || !printable || boundary.ends_with(b" ") {
            return Err(StreamError::NoBoundary);
        }
        Ok(Self {
            boundary: boundary.to_vec(),
            delimiter: None,
            max: usize::try_from(max_bytes).unwrap_or(usize::MAX),
            line: Vec::new(),
            lines: 0,
            body: OriginalBytes::with_room(0),
            state: State::Between { first: true },
        })
    }

    /// Whether a picture has begun and is not whole: one that breaks off now is a picture all the same.
    #[must_use]
    pub const fn in_part(&self) -> bool {
        matches!(self.state, State::Sized { .. } | State::Open)
    }

    /// Reads on. Whole pictures go to `out`, in their order.
    ///
    /// # Errors
    /// [`StreamError`]; from then on every call gives the same.
    pub fn push(&mut self, mut data: &[u8], out: &mut Vec<OriginalBytes>) -> Result<(), StreamError> {
        while !data.is_empty() {
            let step = match self.state {
                State::Over(error) => Err(error),
                State::Between { .. } | State::Head { .. } => self.head(data),
                State::Sized { left } => Ok(self.sized(data, left, out)),
                State::Open => self.open(data, out),
            };
            match step {
                Ok(used) => data = data.get(used..).unwrap_or_default(),
                Err(error) => {
                    // What is there of a picture goes with the stream.
                    self.body = OriginalBytes::with_room(0);
                    self.state = State::Over(error);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Reads up to the end of a line, and judges the line.
    fn head(&mut self, data: &[u8]) -> Result<usize, StreamError> {
        let end = data.iter().position(|b| *b == b'\n');
        let part = data.get(..end.unwrap_or(data.len())).unwrap_or_default();
        // A line's end counts once, in however many bites the line came.
        self.lines += part.len() + usize::from(end.is_some());
        if self.line.len() + part.len() > MAX_LINE || self.lines > MAX_LINES {
            return Err(StreamError::HeadTooLong);
        }
        self.line.extend_from_slice(part);
        let Some(end) = end else { return Ok(data.len()) };
        let mut line = std::mem::take(&mut self.line);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        match self.state {
            State::Between { first } => self.between(&line, first)?,
            State::Head { length } => self.field(&line, length)?,
            _ => {}
        }
        Ok(end + 1)
    }

    fn between(&mut self, line: &[u8], first: bool) -> Result<(), StreamError> {
        let plain = [b"--", self.boundary.as_slice()].concat();
        let own = self.boundary.starts_with(b"--").then_some(self.boundary.as_slice());
        let known = match &self.delimiter {
            Some(known) => line.strip_prefix(known.as_slice()).map(|rest| (known.clone(), rest)),
            None => line
                .strip_prefix(plain.as_slice())
                .map(|rest| (plain.clone(), rest))
                .or_else(|| own.and_then(|own| line.strip_prefix(own).map(|rest| (own.to_vec(), rest)))),
        };
        match known {
            Some((delimiter, rest)) if rest.iter().all(|b| matches!(b, b' ' | b'\t')) => {
                self.delimiter = Some(delimiter);
                self.lines = 0;
                self.state = State::Head { length: None };
                Ok(())
            }
            Some((_, b"--")) => Err(StreamError::Ended),
            _ if first || line.is_empty() => Ok(()),
            _ => Err(StreamError::Unbounded),
        }
    }

    fn field(&mut self, line: &[u8], length: Option<usize>) -> Result<(), StreamError> {
        if line.is_empty() {
            self.lines = 0;
            self.state = match length {
                Some(left) => State::Sized { left },
                None => State::Open,
            };
            // A stated length makes room once; what is said beyond the bound was refused.
            self.body = OriginalBytes::with_room(length.unwrap_or_default());
            return Ok(());
        }
        let (name, value) = head::field(line)?;
        if name.eq_ignore_ascii_case(b"content-length") {
            let stated = head::number(value).ok_or(StreamError::BadHead)?;
            if length.is_some() || stated == 0 {
                return Err(StreamError::BadHead);
            }
            if stated > self.max {
                return Err(StreamError::TooLong);
            }
            self.state = State::Head { length: Some(stated) };
        }
        let other_kind = name.eq_ignore_ascii_case(b"content-type") && !head::is_jpeg(value);
        let encoded = name.eq_ignore_ascii_case(b"content-transfer-encoding") && !value.eq_ignore_ascii_case(b"binary");
        if other_kind || encoded {
            return Err(StreamError::NotJpeg);
        }
        Ok(())
    }

    fn sized(&mut self, data: &[u8], left: usize, out: &mut Vec<OriginalBytes>) -> usize {
        let used = data.len().min(left);
        self.body.push(data.get(..used).unwrap_or_default());
        if used == left {
            self.whole(out);
        } else {
            self.state = State::Sized { left: left - used };
        }
        used
    }

    /// Looks for the line that ends the picture. What follows the line is left for the next step.
    fn open(&mut self, data: &[u8], out: &mut Vec<OriginalBytes>) -> Result<usize, StreamError> {
        let end = [b"\r\n", self.delimiter.as_deref().unwrap_or_default()].concat();
        // Small bites, so that what is looked through twice is little.
        let bite = data.get(..data.len().min(64 << 10)).unwrap_or_default();
        let before = self.body.len();
        self.body.push(bite);
        let from = before.saturating_sub(end.len() - 1);
        let look = self.body.bytes().get(from..).unwrap_or_default();
        if let Some(at) = look.windows(end.len()).position(|window| window == end) {
            let length = from + at;
            // The line break belongs to the boundary; the boundary itself is read again as a line.
            let used = (length + 2).saturating_sub(before);
            let known = before.saturating_sub(length + 2);
            self.body.truncate(length);
            if length > self.max {
                return Err(StreamError::TooLong);
            }
            self.line = end.get(2..2 + known).unwrap_or_default().to_vec();
            self.whole(out);
            return Ok(used);
        }
        if self.body.len() > self.max.saturating_add(end.len()) {
            return Err(StreamError::TooLong);
        }
        Ok(bite.len())
    }

    fn whole(&mut self, out: &mut Vec<OriginalBytes>) {
        let body = std::mem::replace(&mut self.body, OriginalBytes::with_room(0));
        self.lines = 0;
        self.state = State::Between { first: false };
        // A part of nothing is no picture: some cameras send one to flush the one before.
        if !body.is_empty() {
            out.push(body);
        }
    }
}

#[cfg(test)]
mod tests;
