//! The packed pixels of a PNG, unpacked once to their very end before anything decodes them: exactly as many as the picture
//! holds, then their checksum, then nothing (IMG-04, IMG-13).
//!
//! The decoder stops where it has the pixels that it needs: what follows, and whether a checksum came at all, it never looks at.

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};
use vaern_memory::Pages;

use crate::png_headers::PngHeader;
use crate::refusal::{DecodeFault, Refusal};

/// Unpacked bytes that are held at a time. They are pixels, so they lie in pages that are zeroed.
const PIECE: usize = 64 * 1024;

/// Unpacks the picture's data. `picture` is what the header was read from.
///
/// # Errors
/// [`Refusal::ExpansionLimit`] for more pixels than the picture holds, [`Refusal::Truncated`] for fewer or without their
/// checksum, [`Refusal::DecodeWarning`] for bytes after it, [`DecodeFault::Decoder`] for what does not unpack.
pub(crate) fn verify(picture: &[u8], header: &PngHeader) -> Result<(), Refusal> {
    let mut state = InflateState::new_boxed(DataFormat::Zlib);
    let mut piece = Pages::zeroed(PIECE);
    let (mut left, mut ended) = (header.raw_bytes, false);
    for chunk in &header.data {
        let mut packed = picture.get(chunk.clone()).ok_or(Refusal::Truncated)?;
        loop {
            if ended {
                if packed.is_empty() {
                    break;
                }
                return Err(Refusal::DecodeWarning);
            }
            let step = inflate(&mut state, packed, &mut piece, MZFlush::None);
            left = left.checked_sub(step.bytes_written as u64).ok_or(Refusal::ExpansionLimit)?;
            packed = packed.get(step.bytes_consumed..).unwrap_or_default();
            match step.status {
                Ok(MZStatus::StreamEnd) => ended = true,
                // A piece that was filled may have more behind it, also when all that was packed is read.
                Ok(_) if step.bytes_written == PIECE || !packed.is_empty() => {
                    if step.bytes_written == 0 && step.bytes_consumed == 0 {
                        return Err(DecodeFault::Decoder.into());
                    }
                }
                Ok(_) => break,
                Err(MZError::Buf) if packed.is_empty() => break,
                Err(_) => return Err(DecodeFault::Decoder.into()),
            }
        }
    }
    if ended && left == 0 { Ok(()) } else { Err(Refusal::Truncated) }
}
