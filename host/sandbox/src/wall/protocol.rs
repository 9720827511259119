//! What crosses the wall: four requests, seven replies, every length checked before anything is allocated.
//!
//! A message is a length, a kind and a body, all integers little-endian. The node trusts nothing that a worker says once vendor
//! bytes were in it: a reply that is late, too long, of the wrong kind or with a byte left over is a lost worker, never half an
//! answer. No text of the plugin's choice crosses except granted diagnostics and the name of an import that is refused.

use std::io::{Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use vaern_door::{Detection, Grants, Interface, Rect, Size, guard};

use super::errors;
use crate::{Answer, Level, LogLine, SandboxError, Usage};

/// The largest request: a component and its models.
const MOST_REQUESTED: usize = 2 << 30;

/// Why a message did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// Nothing came in time.
    Late,
    /// The other end is gone.
    Gone,
    /// What came is no message of this protocol.
    Garbled,
}

/// What a message is. Requests and replies share one list, so that none can be taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// Node: grants, component, models.
    Load = 1,
    /// Node: a slot; its descriptor comes with the message.
    Slot = 2,
    /// Node: look at the frame in the slot.
    Look = 3,
    /// Node: limits, component; make code of it, and no more.
    Compile = 4,
    /// Worker: locked down; which protections are in force.
    Ready = 16,
    /// Worker: the code is compiled, the models are parsed.
    Compiled = 17,
    /// Worker: the plugin described itself as granted, and wants frames of this size at most.
    Loaded = 18,
    /// Worker: the component or the call was refused or stopped.
    Refused = 19,
    /// Worker: a model was refused.
    ModelRefused = 20,
    /// Worker: an answer.
    Answer = 21,
    /// Worker: the code that was asked for.
    Code = 22,
}

impl Kind {
    const ALL: [Self; 11] = [
        Self::Load,
        Self::Slot,
        Self::Look,
        Self::Compile,
        Self::Ready,
        Self::Compiled,
        Self::Loaded,
        Self::Refused,
        Self::ModelRefused,
        Self::Answer,
        Self::Code,
    ];

    fn of(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// A message that arrived whole.
pub(super) struct Message {
    pub(super) kind: Kind,
    pub(super) body: Vec<u8>,
    pub(super) file: Option<OwnedFd>,
}

/// One end of the socket.
pub(super) struct Channel {
    stream: UnixStream,
}

impl Channel {
    pub(super) const fn new(stream: UnixStream) -> Self {
        Self { stream }
    }

    /// Sends a message of several parts.
    pub(super) fn send(&mut self, kind: Kind, parts: &[&[u8]]) -> Result<(), Lost> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let head = head(kind, length).ok_or(Lost::Garbled)?;
        // One write for the small messages of every frame.
        if length <= 4096 {
            let mut whole = Vec::with_capacity(5 + length);
            whole.extend_from_slice(&head);
            parts.iter().for_each(|part| whole.extend_from_slice(part));
            return self.stream.write_all(&whole).map_err(|_| Lost::Gone);
        }
        self.stream.write_all(&head).map_err(|_| Lost::Gone)?;
        parts.iter().try_for_each(|part| self.stream.write_all(part)).map_err(|_| Lost::Gone)
    }

    /// Sends a message with a descriptor.
    pub(super) fn send_file(&mut self, kind: Kind, body: &[u8], file: &OwnedFd) -> Result<(), Lost> {
        let mut whole = head(kind, body.len()).ok_or(Lost::Garbled)?.to_vec();
        whole.extend_from_slice(body);
        let files = [file.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&files)) {
            return Err(Lost::Garbled);
        }
        let parts = [std::io::IoSlice::new(&whole)];
        let sent = rustix::net::sendmsg(&self.stream, &parts, &mut control, SendFlags::NOSIGNAL);
        // So few bytes go at once or not at all.
        if sent == Ok(whole.len()) { Ok(()) } else { Err(Lost::Gone) }
    }

    /// Waits for a request, however long it takes. `None` when the node is gone.
    pub(super) fn request(&mut self) -> Option<Message> {
        let (head, file) = self.head_with_file().ok()?;
        let (kind, length) = parse_head(head, MOST_REQUESTED).ok()?;
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).ok()?;
        Some(Message { kind, body, file })
    }

    /// Waits for a reply of at most `most` bytes until `until`.
    pub(super) fn reply(&mut self, most: usize, until: Instant) -> Result<(Kind, Vec<u8>), Lost> {
        let mut head = [0; 5];
        self.read_until(&mut head, until)?;
        let (kind, length) = parse_head(head, most)?;
        let mut body = vec![0; length];
        self.read_until(&mut body, until)?;
        Ok((kind, body))
    }

    fn read_until(&mut self, mut rest: &mut [u8], until: Instant) -> Result<(), Lost> {
        while !rest.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Lost::Late);
            }
            // A timeout of zero would mean none.
            self.stream.set_read_timeout(Some(left.max(Duration::from_micros(1)))).map_err(|_| Lost::Gone)?;
            match self.stream.read(rest) {
                Ok(0) => return Err(Lost::Gone),
                Ok(count) => rest = rest.get_mut(count..).unwrap_or_default(),
                Err(error) => match error.kind() {
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => return Err(Lost::Late),
                    std::io::ErrorKind::Interrupted => {}
                    _ => return Err(Lost::Gone),
                },
            }
        }
        Ok(())
    }

    /// The head of a request, with the descriptor that may come along.
    fn head_with_file(&self) -> Result<([u8; 5], Option<OwnedFd>), Lost> {
        let (mut head, mut have, mut file) = ([0; 5], 0, None);
        while have < head.len() {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let rest = head.get_mut(have..).unwrap_or_default();
            let mut parts = [std::io::IoSliceMut::new(rest)];
            match rustix::net::recvmsg(&self.stream, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC) {
                Ok(message) if message.bytes == 0 => return Err(Lost::Gone),
                Ok(message) => have += message.bytes,
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return Err(Lost::Gone),
            }
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(files) = message {
                    file = files.last().or(file);
                }
            }
        }
        Ok((head, file))
    }
}

fn head(kind: Kind, length: usize) -> Option<[u8; 5]> {
    let [a, b, c, d] = u32::try_from(length).ok()?.to_le_bytes();
    Some([a, b, c, d, kind as u8])
}

fn parse_head([a, b, c, d, kind]: [u8; 5], most: usize) -> Result<(Kind, usize), Lost> {
    let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).map_err(|_| Lost::Garbled)?;
    let too_long = guard::stands("wall.reply_length") && length > most;
    if too_long { Err(Lost::Garbled) } else { Kind::of(kind).map(|kind| (kind, length)).ok_or(Lost::Garbled) }
}

/// Reads a body from front to back; what is left over makes it invalid.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(body: &'a [u8]) -> Self {
        Self(body)
    }

    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A part with its length before it.
    pub(super) fn part(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        self.bytes(length)
    }

    pub(super) fn size(&mut self) -> Option<Size> {
        Size::new(self.u16()?, self.u16()?).ok()
    }

    pub(super) fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// A part with its length before it.
pub(super) fn put_part(body: &mut Vec<u8>, part: &[u8]) {
    // Requests and replies are bounded far below 4 GiB; a longer part would be refused by the reader.
    body.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
    body.extend_from_slice(part);
}

pub(super) fn put_size(body: &mut Vec<u8>, size: Size) {
    body.extend_from_slice(&size.width().to_le_bytes());
    body.extend_from_slice(&size.height().to_le_bytes());
}

/// Bytes of one box on the wire.
const BOX: usize = 11;

/// The longest answer that these grants allow: boxes and diagnostics, both bounded already inside.
pub(super) fn longest_answer(grants: &Grants) -> usize {
    let bytes = |limit: u32| usize::try_from(limit).unwrap_or(usize::MAX);
    let (boxes, log) = (bytes(grants.limits.hostcall_bytes), bytes(grants.limits.log_bytes));
    // A line costs at least one granted byte, at most four on the wire for each, and five around it.
    boxes.saturating_add(log.saturating_mul(9)).saturating_add(1024)
}

/// An answer, as the worker writes it.
pub(super) fn encode_answer(answer: &Answer) -> Vec<u8> {
    let mut body = Vec::with_capacity(64 + answer.detections.len() * BOX);
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
    body.extend_from_slice(&answer.usage.memory_bytes.to_le_bytes());
    body.extend_from_slice(&answer.usage.zoom_pixels.to_le_bytes());
    body.extend_from_slice(&answer.log_dropped.to_le_bytes());
    body.extend_from_slice(&count(answer.detections.len()));
    for Detection { label, rect, score } in &answer.detections {
        for number in [*label, rect.x0(), rect.y0(), rect.x1(), rect.y1()] {
            body.extend_from_slice(&number.to_le_bytes());
        }
        body.push(*score);
    }
    body.extend_from_slice(&count(answer.log.len()));
    for line in &answer.log {
        body.push(line.level as u8);
        put_part(&mut body, line.text.as_bytes());
    }
    body
}

/// An answer, as the node reads it: nothing in it exceeds the grants, or it is no answer. `wall` is the node's own measure.
pub(super) fn decode_answer(body: &[u8], grants: &Grants, wall: Duration) -> Option<Answer> {
    let mut reader = Reader::new(body);
    let (memory_bytes, zoom_pixels, log_dropped) = (reader.u64()?, reader.u32()?, reader.u64()?);
    let within = memory_bytes <= grants.limits.memory_bytes && zoom_pixels <= grants.limits.zoom_pixels;
    if guard::stands("wall.answer_within_grants") && !within {
        return None;
    }
    let count = usize::try_from(reader.u32()?).ok()?;
    // Taken from the body before anything is allocated for it.
    let boxes = reader.bytes(count.checked_mul(BOX)?)?;
    let detections: Option<Vec<Detection>> = boxes
        .chunks_exact(BOX)
        .map(|bytes| {
            let mut reader = Reader::new(bytes);
            let label = reader.u16()?;
            let rect = Rect::new(reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?).ok()?;
            Some(Detection { label, rect, score: reader.u8()? })
        })
        .collect();
    let lines = reader.u32()?;
    let may_log = grants.interfaces.contains(&Interface::Diagnostics);
    if guard::stands("wall.log_within_grants") && lines > if may_log { grants.limits.log_bytes } else { 0 } {
        return None;
    }
    let mut log = vec![];
    for _ in 0..lines {
        let level = match reader.u8()? {
            0 => Level::Debug,
            1 => Level::Info,
            2 => Level::Warning,
            _ => return None,
        };
        let text = std::str::from_utf8(reader.part()?).ok()?;
        log.push(LogLine { level, text: text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect() });
    }
    reader.end()?;
    let usage = Usage { wall, memory_bytes, zoom_pixels, fuel: None };
    Some(Answer { detections: detections?, log, log_dropped: if may_log { log_dropped } else { 0 }, usage })
}

/// A refusal on the wire.
pub(super) fn encode_error(error: &SandboxError) -> Vec<u8> {
    let (code, text) = errors::code(error);
    let mut body = vec![code];
    put_part(&mut body, text.as_bytes());
    body
}

/// A refusal off the wire. Only what a plugin can bring about: a worker cannot accuse the host.
pub(super) fn decode_error(body: &[u8]) -> Option<SandboxError> {
    let mut reader = Reader::new(body);
    let code = reader.u8()?;
    let text = std::str::from_utf8(reader.part()?).ok()?.to_owned();
    reader.end()?;
    errors::error(code, &text)
}

#[cfg(test)]
#[path = "protocol_tests.rs"]
mod tests;
