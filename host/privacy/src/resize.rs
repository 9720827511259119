//! A picture at another size, into pages of its own.
//!
//! The resizer keeps rows between its two passes in memory of its own. Of a whole picture of 12 megapixels that is 18 MB of raw
//! pixels, written to the far side of every cache and read back; a strip at a time it is a small part of that, and one piece
//! of memory serves all strips.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use vaern_door::Size;
use vaern_memory::Pages;

/// Bytes that the resizer may keep between its passes.
const STRIP: usize = 2 << 20;

/// RGB rows without padding, at size `to`: each sample the bilinear mean of those that it stands for. `None` where `rgb` is not `from`.
pub(crate) fn resized(rgb: &[u8], from: Size, to: Size) -> Option<Pages> {
    let between = usize::from(from.width()) * 3;
    in_strips(rgb, from, to, STRIP.div_ceil(between))
}

/// `rows` of the result at a time.
fn in_strips(rgb: &[u8], from: Size, to: Size, rows: usize) -> Option<Pages> {
    let source = ImageRef::new(from.width().into(), from.height().into(), rgb, PixelType::U8x3).ok()?;
    let mut pixels = Pages::zeroed(to.rgb_bytes());
    let stride = usize::from(to.width()) * 3;
    let (width, height) = (f64::from(from.width()), f64::from(from.height()));
    let down = height / f64::from(to.height());
    let mut resizer = Resizer::new();
    let mut done = 0;
    for strip in pixels.chunks_mut(stride * rows.max(1)) {
        let top = f64::from(done) * down;
        let tall = u32::try_from(strip.len() / stride).ok()?;
        let mut target = Image::from_slice_u8(to.width().into(), tall, strip, PixelType::U8x3).ok()?;
        // The rows beside a strip have their part in its edges, as in the whole picture: this crops the places, not the samples.
        let part = (f64::from(tall) * down).min(height - top);
        let options =
            ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)).crop(0.0, top, width, part);
        resizer.resize(&source, &mut target, &options).ok()?;
        done += tall;
    }
    Some(pixels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn strips_show_what_the_whole_shows(
            (w, h) in (1_u16..90, 1_u16..90), (to_w, to_h) in (1_u16..90, 1_u16..90), rows in 1_usize..40,
        ) {
            let (from, to) = (Size::new(w, h).unwrap(), Size::new(to_w, to_h).unwrap());
            let rgb: Vec<u8> = (0..from.rgb_bytes()).map(|i| (i * i * 31 % 251) as u8).collect();
            let whole = in_strips(&rgb, from, to, usize::from(to_h)).unwrap();
            let strips = in_strips(&rgb, from, to, rows).unwrap();
            // Weights are rounded to the strip's own precision: a last digit may differ, a row that is missing or shifted does by far.
            for (at, (a, b)) in whole.iter().zip(strips.iter()).enumerate() {
                prop_assert!(a.abs_diff(*b) <= 2, "{a} and {b} at {at}");
            }
        }
    }

    #[test]
    fn a_picture_that_is_not_as_large_as_said_is_none() {
        let size = Size::new(4, 4).unwrap();
        assert!(resized(&[0; 47], size, size).is_none());
        assert_eq!(&*resized(&[7; 48], size, Size::new(2, 2).unwrap()).unwrap(), &[7; 12]);
    }
}
