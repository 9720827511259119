//! The structure of a JPEG, read before any pixel: size, sampling, scans, EXIF. Bounded in steps and memory.
//!
//! The walk reads every marker of the file up to its end marker, so a file that was cut off is known as such before
//! anything is allocated for its pixels. It is stricter than decoders are: what they warn about is refused here.

use std::ops::Range;

use vaern_door::Size;

use crate::refusal::{Bound, Refusal, StructureFault, Variant};

/// Segments and scans of one file. Cameras write about twenty; a large ICC profile adds a few dozen.
const MAX_SEGMENTS: usize = 2048;

/// One colour component of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Component {
    pub(crate) id: u8,
    pub(crate) h: u8,
    pub(crate) v: u8,
    pub(crate) table: u8,
}

/// A table, restart or scan segment, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) marker: u8,
    /// The segment without marker and length.
    pub(crate) payload: Range<usize>,
    /// Entropy-coded bytes after a scan header, restart markers included.
    pub(crate) entropy: Range<usize>,
}

/// What the walk found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JpegHeader {
    pub(crate) size: Size,
    pub(crate) progressive: bool,
    pub(crate) components: Vec<Component>,
    pub(crate) segments: Vec<Segment>,
    /// The TIFF structure of each EXIF block.
    pub(crate) exif: Vec<Range<usize>>,
    /// One past the end marker. Whatever follows is never read again.
    pub(crate) end: usize,
}

impl JpegHeader {
    /// Width and height of the blocks that compression spreads a pixel over, in pixels of the stored picture.
    pub(crate) fn grid(&self) -> (u16, u16) {
        let h = self.components.iter().map(|c| c.h).max().unwrap_or(1);
        let v = self.components.iter().map(|c| c.v).max().unwrap_or(1);
        (8 * u16::from(h), 8 * u16::from(v))
    }
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Walk<'_> {
    fn byte(&mut self) -> Result<u8, Refusal> {
        let byte = self.bytes.get(self.at).copied().ok_or(Refusal::Truncated)?;
        self.at += 1;
        Ok(byte)
    }

    /// The next marker; fill bytes 0xFF before it are allowed, anything else is not.
    fn marker(&mut self) -> Result<u8, Refusal> {
        if self.byte()? != 0xFF {
            return Err(StructureFault::StrayBytes.into());
        }
        loop {
            match self.byte()? {
                0xFF => {}
                0x00 => return Err(StructureFault::StrayBytes.into()),
                marker => return Ok(marker),
            }
        }
    }

    fn segment(&mut self) -> Result<Range<usize>, Refusal> {
        let length = usize::from(self.byte()?) << 8 | usize::from(self.byte()?);
        let start = self.at;
        let body = length.checked_sub(2).ok_or(StructureFault::SegmentLength)?;
        let end = start.checked_add(body).ok_or(StructureFault::SegmentLength)?;
        if end > self.bytes.len() {
            return Err(Refusal::Truncated);
        }
        self.at = end;
        Ok(start..end)
    }

    /// Entropy-coded bytes up to the next marker that is no restart marker.
    fn entropy(&mut self) -> Result<Range<usize>, Refusal> {
        let start = self.at;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let Some(step) = rest.iter().position(|b| *b == 0xFF) else { return Err(Refusal::Truncated) };
            match rest.get(step + 1) {
                None => return Err(Refusal::Truncated),
                Some(0x00 | 0xD0..=0xD7) => self.at += step + 2,
                // A fill byte: look again from the next 0xFF.
                Some(0xFF) => self.at += step + 1,
                Some(_) => {
                    self.at += step;
                    return Ok(start..self.at);
                }
            }
        }
    }
}

/// Walks the whole file up to its end marker.
pub(crate) fn walk(bytes: &[u8], max_pixels: u64, max_scans: u16) -> Result<JpegHeader, Refusal> {
    let mut walk = Walk { bytes, at: 0 };
    if (walk.byte()?, walk.byte()?) != (0xFF, 0xD8) {
        return Err(Refusal::NotAPicture);
    }
    let mut frame: Option<(Size, bool, Vec<Component>)> = None;
    let mut segments = Vec::new();
    let mut exif = Vec::new();
    let mut scans = 0_u16;
    for _ in 0..MAX_SEGMENTS {
        let marker = walk.marker()?;
        match marker {
            0xD9 => {
                let Some((size, progressive, components)) = frame else {
                    return Err(StructureFault::FrameHeader.into());
                };
                if scans == 0 {
                    return Err(StructureFault::ScanHeader.into());
                }
                return Ok(JpegHeader { size, progressive, components, segments, exif, end: walk.at });
            }
            0xC0..=0xC2 => {
                if frame.is_some() {
                    return Err(StructureFault::FrameHeader.into());
                }
                let payload = walk.segment()?;
                let (size, components) = frame_header(bytes.get(payload).unwrap_or_default(), max_pixels)?;
                frame = Some((size, marker == 0xC2, components));
            }
            0xC3 => return Err(Variant::Lossless.into()),
            0xC5..=0xC7 => return Err(Variant::Hierarchical.into()),
            0xC9..=0xCF => return Err(Variant::Arithmetic.into()),
            0xDC => return Err(Variant::LateHeight.into()),
            0xDE | 0xDF => return Err(Variant::Hierarchical.into()),
            0xC4 | 0xDB | 0xDD => segments.push(Segment { marker, payload: walk.segment()?, entropy: 0..0 }),
            0xDA => {
                if frame.is_none() {
                    return Err(StructureFault::FrameHeader.into());
                }
                if scans >= max_scans {
                    return Err(Refusal::ScanLimit);
                }
                scans += 1;
                let payload = walk.segment()?;
                segments.push(Segment { marker, payload, entropy: walk.entropy()? });
            }
            0xE1 => {
                let payload = walk.segment()?;
                if bytes.get(payload.clone()).is_some_and(|p| p.starts_with(b"Exif\0\0")) {
                    exif.push(payload.start + 6..payload.end);
                }
            }
            0xE0 | 0xE2..=0xEF | 0xFE => {
                walk.segment()?;
            }
            _ => return Err(StructureFault::Marker.into()),
        }
    }
    Err(StructureFault::TooManySegments.into())
}

fn frame_header(payload: &[u8], max_pixels: u64) -> Result<(Size, Vec<Component>), Refusal> {
    let [precision, h1, h0, w1, w0, count, rest @ ..] = payload else { return Err(StructureFault::FrameHeader.into()) };
    if *precision != 8 {
        return Err(Variant::Precision.into());
    }
    let (width, height) = (u16::from_be_bytes([*w1, *w0]), u16::from_be_bytes([*h1, *h0]));
    if height == 0 {
        return Err(Variant::LateHeight.into());
    }
    let size = Size::new(width, height).map_err(|_| StructureFault::FrameHeader)?;
    if u64::from(width) * u64::from(height) > max_pixels {
        return Err(Refusal::TooLarge(Bound::Pixels));
    }
    if rest.len() != usize::from(*count) * 3 {
        return Err(StructureFault::FrameHeader.into());
    }
    match count {
        1 | 3 => {}
        4 => return Err(Variant::Cmyk.into()),
        _ => return Err(Variant::Components.into()),
    }
    let mut components: Vec<Component> = Vec::new();
    for part in rest.chunks_exact(3) {
        let [id, sampling, table] = *part else { return Err(StructureFault::FrameHeader.into()) };
        let component = Component { id, h: sampling >> 4, v: sampling & 15, table };
        if !(1..=4).contains(&component.h) || !(1..=4).contains(&component.v) || table > 3 {
            return Err(StructureFault::FrameHeader.into());
        }
        if components.iter().any(|c| c.id == id) {
            return Err(StructureFault::FrameHeader.into());
        }
        components.push(component);
    }
    check_sampling(&components)?;
    Ok((size, components))
}

/// Only samplings whose spread was measured: full chroma, or halved in one or both directions.
fn check_sampling(components: &[Component]) -> Result<(), Refusal> {
    let known = match components {
        // A single component has blocks of 8 whatever its factors say, and decoders agree on 1 and 2 only.
        [grey] => grey.h <= 2 && grey.v <= 2,
        [first, rest @ ..] => first.h <= 2 && first.v <= 2 && rest.iter().all(|c| c.h == 1 && c.v == 1),
        [] => false,
    };
    if known { Ok(()) } else { Err(Variant::Sampling.into()) }
}
