//! The structure of a PNG, read before any pixel: size, animation, EXIF, the end chunk.

use std::ops::Range;

use vaern_door::Size;

use crate::refusal::{Bound, Refusal, StructureFault};

/// The first eight bytes of every PNG.
pub(crate) const SIGNATURE: [u8; 8] = [0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A];

/// The same bound as a JPEG segment has.
const MAX_EXIF: usize = 65_533;

/// Compressed text of this many bytes could unfold to a mebibyte (deflate packs at most 1032 to 1). Nothing here unfolds it,
/// but no camera writes it either.
const MAX_PACKED_TEXT: usize = 1024;

/// The passes of an interlaced picture: first column and row, every how many columns and rows.
const ADAM7: [(u64, u64, u64, u64); 7] =
    [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)];

/// What the walk found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PngHeader {
    pub(crate) size: Size,
    pub(crate) exif: Vec<Range<usize>>,
    /// The parts of the packed picture.
    pub(crate) data: Vec<Range<usize>>,
    /// Bytes that these unpack to, filter bytes included.
    pub(crate) raw_bytes: u64,
    /// One past the end chunk.
    pub(crate) end: usize,
}

/// Walks the chunks up to the end chunk. Checksums are the decoder's work.
pub(crate) fn walk(bytes: &[u8], max_pixels: u64) -> Result<PngHeader, Refusal> {
    if !bytes.starts_with(&SIGNATURE) {
        return Err(Refusal::NotAPicture);
    }
    let mut at = SIGNATURE.len();
    let mut size = None;
    let mut exif = Vec::new();
    let mut data = Vec::new();
    // Every turn consumes at least the twelve bytes of a chunk, so the walk ends with the file.
    loop {
        let head = bytes.get(at..at + 8).ok_or(Refusal::Truncated)?;
        let [l3, l2, l1, l0, kind @ ..] = head else { return Err(Refusal::Truncated) };
        let length = u32::from_be_bytes([*l3, *l2, *l1, *l0]);
        if length > 0x7FFF_FFFF {
            return Err(StructureFault::SegmentLength.into());
        }
        let start = at + 8;
        let end = start.checked_add(length as usize).ok_or(StructureFault::SegmentLength)?;
        let next = end.checked_add(4).ok_or(StructureFault::SegmentLength)?;
        if next > bytes.len() {
            return Err(Refusal::Truncated);
        }
        let body = bytes.get(start..end).unwrap_or_default();
        match kind {
            b"IHDR" if size.is_none() && at == SIGNATURE.len() => size = Some(header(body, max_pixels)?),
            b"IHDR" => return Err(StructureFault::FrameHeader.into()),
            _ if size.is_none() => return Err(StructureFault::FrameHeader.into()),
            b"acTL" | b"fcTL" | b"fdAT" => return Err(Refusal::Animated),
            b"eXIf" if body.len() > MAX_EXIF => return Err(StructureFault::SegmentLength.into()),
            b"eXIf" => exif.push(start..end),
            b"zTXt" | b"iTXt" if body.len() > MAX_PACKED_TEXT && packed(kind, body) => {
                return Err(Refusal::ExpansionLimit);
            }
            b"IDAT" => data.push(start..end),
            b"IEND" => {
                return match size {
                    Some((size, raw_bytes)) if !data.is_empty() => {
                        Ok(PngHeader { size, exif, data, raw_bytes, end: next })
                    }
                    _ => Err(StructureFault::FrameHeader.into()),
                };
            }
            _ => {}
        }
        at = next;
    }
}

/// Whether a text chunk is compressed: always for `zTXt`; for `iTXt` by the flag after its keyword.
fn packed(kind: &[u8], body: &[u8]) -> bool {
    kind == b"zTXt" || body.iter().position(|b| *b == 0).and_then(|end| body.get(end + 1)) != Some(&0)
}

/// The size, and the bytes that the packed picture unpacks to.
fn header(body: &[u8], max_pixels: u64) -> Result<(Size, u64), Refusal> {
    let [w3, w2, w1, w0, h3, h2, h1, h0, depth, colour, _compression, _filter, interlace] = *body else {
        return Err(StructureFault::FrameHeader.into());
    };
    let (width, height) = (u32::from_be_bytes([w3, w2, w1, w0]), u32::from_be_bytes([h3, h2, h1, h0]));
    if width == 0 || height == 0 {
        return Err(StructureFault::FrameHeader.into());
    }
    if u64::from(width) * u64::from(height) > max_pixels {
        return Err(Refusal::TooLarge(Bound::Pixels));
    }
    let (Ok(width), Ok(height)) = (u16::try_from(width), u16::try_from(height)) else {
        return Err(Refusal::TooLarge(Bound::Pixels));
    };
    let size = Size::new(width, height).map_err(|_| StructureFault::FrameHeader)?;
    let samples = match (colour, depth) {
        (0, 1 | 2 | 4 | 8 | 16) | (3, 1 | 2 | 4 | 8) => 1,
        (2, 8 | 16) => 3,
        (4, 8 | 16) => 2,
        (6, 8 | 16) => 4,
        _ => return Err(StructureFault::FrameHeader.into()),
    };
    let passes = match interlace {
        0 => &[(0, 0, 1, 1)][..],
        1 => &ADAM7,
        _ => return Err(StructureFault::FrameHeader.into()),
    };
    let raw = passes.iter().map(|(x, y, every_x, every_y)| {
        let across = u64::from(width).saturating_sub(*x).div_ceil(*every_x);
        let down = u64::from(height).saturating_sub(*y).div_ceil(*every_y);
        // A pass without columns has no rows either.
        if across == 0 { 0 } else { down * (1 + (across * samples * u64::from(depth)).div_ceil(8)) }
    });
    Ok((size, raw.sum()))
}
