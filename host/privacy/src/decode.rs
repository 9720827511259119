//! Decodes a picture once, or not at all. What a decoder would only warn about is a refusal (IMG-09, IMG-13).

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use vaern_door::{Size, guard};
use vaern_memory::Pages;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use crate::jpeg_entropy;
use crate::jpeg_headers::JpegHeader;
use crate::png_data;
use crate::png_headers::PngHeader;
use crate::refusal::{DecodeFault, Refusal};

/// Bytes of text, profiles and filters that the PNG decoder may hold beside the picture.
const PNG_SIDE_BYTES: usize = 8 * 1024 * 1024;

/// The pixels of a JPEG as RGB, in stored orientation. `bytes` ends with the end marker.
pub(crate) fn jpeg(bytes: &[u8], header: &JpegHeader) -> Result<Pages, Refusal> {
    let picture = bytes.get(..header.end).ok_or(Refusal::Truncated)?;
    if guard::stands("privacy.whole-picture") {
        jpeg_entropy::verify(picture, header)?;
    }
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_max_scans(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let decoded = catch_unwind(AssertUnwindSafe(|| {
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(picture), options);
        decoder.decode_headers().map_err(|_| DecodeFault::Decoder)?;
        // The header walk has the size; a decoder that sees another is not given room for it.
        if decoder.output_buffer_size() != Some(header.size.rgb_bytes()) {
            return Err(DecodeFault::Disagreement);
        }
        let mut pixels = Pages::zeroed(header.size.rgb_bytes());
        decoder.decode_into(&mut pixels).map_err(|_| DecodeFault::Decoder)?;
        let info = decoder.info().ok_or(DecodeFault::Decoder)?;
        Ok::<_, DecodeFault>((pixels, info.width, info.height))
    }));
    let (pixels, width, height) = decoded.map_err(|_| DecodeFault::Panic)??;
    check(pixels, Size::new(width, height).ok(), header.size)
}

/// The pixels of a PNG as RGB, in stored orientation.
pub(crate) fn png(bytes: &[u8], header: &PngHeader) -> Result<Pages, Refusal> {
    let picture = bytes.get(..header.end).ok_or(Refusal::Truncated)?;
    if guard::stands("privacy.whole-png") {
        png_data::verify(picture, header)?;
    }
    let decoded = catch_unwind(AssertUnwindSafe(|| png_inner(picture, header.size)));
    let (pixels, size) = decoded.map_err(|_| DecodeFault::Panic)??;
    check(pixels, Some(size), header.size)
}

fn png_inner(picture: &[u8], size: Size) -> Result<(Pages, Size), Refusal> {
    let mut options = png::DecodeOptions::default();
    options.set_ignore_checksums(false);
    options.set_skip_ancillary_crc_failures(false);
    options.set_ignore_text_chunk(true);
    options.set_ignore_iccp_chunk(true);
    let mut decoder = png::Decoder::new_with_options(Cursor::new(picture), options);
    // Eight bytes a pixel is the widest that PNG has (RGBA, 16 bits).
    decoder.set_limits(png::Limits { bytes: size.pixels() * 8 + PNG_SIDE_BYTES });
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(png_fault)?;
    if reader.info().animation_control().is_some() {
        return Err(Refusal::Animated);
    }
    let length = reader.output_buffer_size().ok_or(Refusal::ExpansionLimit)?;
    if length > size.pixels() * 4 {
        return Err(DecodeFault::Disagreement.into());
    }
    let mut out = Pages::zeroed(length);
    let info = reader.next_frame(&mut out).map_err(png_fault)?;
    reader.finish().map_err(png_fault)?;
    let decoded = u16::try_from(info.width).ok().zip(u16::try_from(info.height).ok());
    let decoded = decoded.and_then(|(w, h)| Size::new(w, h).ok()).ok_or(DecodeFault::Disagreement)?;
    let pixels = out.get(..info.buffer_size()).ok_or(DecodeFault::Disagreement)?;
    if pixels.len() != decoded.pixels() * info.color_type.samples() {
        return Err(DecodeFault::Disagreement.into());
    }
    let mut rgb = Pages::zeroed(decoded.rgb_bytes());
    let to = rgb.chunks_exact_mut(3);
    // Opacity is dropped: detectors and plugins all see the same colours, whatever a viewer would hide.
    match info.color_type {
        png::ColorType::Rgb => rgb.copy_from_slice(pixels),
        png::ColorType::Rgba => to.zip(pixels.chunks_exact(4)).for_each(|(to, from)| {
            to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        }),
        png::ColorType::Grayscale => to.zip(pixels).for_each(|(to, from)| to.fill(*from)),
        png::ColorType::GrayscaleAlpha => to.zip(pixels.iter().step_by(2)).for_each(|(to, from)| to.fill(*from)),
        png::ColorType::Indexed => return Err(DecodeFault::Decoder.into()),
    }
    Ok((rgb, decoded))
}

fn png_fault(error: png::DecodingError) -> Refusal {
    match error {
        png::DecodingError::LimitsExceeded => Refusal::ExpansionLimit,
        png::DecodingError::IoError(_) => Refusal::Truncated,
        png::DecodingError::Format(_) | png::DecodingError::Parameter(_) => DecodeFault::Decoder.into(),
    }
}

/// The header walk and the decoder must have seen the same picture.
fn check(pixels: Pages, decoded: Option<Size>, header: Size) -> Result<Pages, Refusal> {
    if decoded == Some(header) && pixels.len() == header.rgb_bytes() {
        Ok(pixels)
    } else {
        Err(DecodeFault::Disagreement.into())
    }
}
