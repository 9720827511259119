//! The masked crop around a find: what a reviewer needs to see, and no more of the street.

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

/// Part of the box's size that is shown on each side of it: enough to see what it stands beside.
const AROUND: u32 = 4;
/// At least so many pixels on each side.
const LEAST: u32 = 16;

/// The crop as PNG, from the masked picture of a run. Nothing where that is not the picture that the find was made in.
pub(crate) fn crop(jpeg: &[u8], [x0, y0, x1, y1]: [u16; 4], [width, height]: [u16; 2]) -> Option<Vec<u8>> {
    let options = DecoderOptions::default()
        .set_max_width(width.into())
        .set_max_height(height.into())
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
    let rgb = decoder.decode().ok()?;
    let info = decoder.info()?;
    if (info.width, info.height) != (width, height) || x0 >= x1 || y0 >= y1 {
        return None;
    }
    let reach = |from: u16, to: u16, most: u16| {
        let by = (u32::from(to - from) / AROUND).max(LEAST);
        (u32::from(from).saturating_sub(by), (u32::from(to) + by).min(most.into()))
    };
    let ((left, right), (top, bottom)) = (reach(x0, x1, width), reach(y0, y1, height));
    let mut part = Vec::with_capacity(usize::try_from((right - left) * (bottom - top) * 3).ok()?);
    for row in top..bottom {
        let at = |x: u32| usize::try_from((row * u32::from(width) + x) * 3).ok();
        part.extend_from_slice(rgb.get(at(left)?..at(right)?)?);
    }
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, right - left, bottom - top);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&part).ok()?;
    writer.finish().ok()?;
    Some(out)
}
