//! A frame, or a tile of it, becomes a tensor. One way for the gate, the sandbox and the suite, so that they see the same.

use fast_image_resize::images::{CroppedImage, Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use fearless_simd::{Level, dispatch};
use vaern_door::{Channels, Rect, Scale, Size, TensorSpec};

use crate::{InferenceError, Tensor};

/// The grey around a letterboxed picture.
const GREY: u8 = 114;

/// Fits and scales a whole frame. `rgb` holds `3 * width * height` bytes.
///
/// # Errors
/// [`InferenceError::BadInput`] where the bytes do not match the size.
pub fn prepare(rgb: &[u8], size: Size, spec: &TensorSpec) -> Result<Tensor, InferenceError> {
    prepare_region(rgb, size, Rect::whole(size), spec)
}

/// Fits and scales a rectangle of a frame, as if it were a frame of its own: nothing outside the rectangle has an influence.
///
/// # Errors
/// [`InferenceError::BadInput`] where the bytes do not match the size or the rectangle reaches past the frame.
pub fn prepare_region(rgb: &[u8], size: Size, rect: Rect, spec: &TensorSpec) -> Result<Tensor, InferenceError> {
    prepare_region_in(Vec::new(), rgb, size, rect, spec)
}

/// As [`prepare_region`], in the memory of `values`, a tensor's that is no longer needed. Whatever they were, each is written again:
/// for whoever looks at many tiles, and would have the pixels of all of them in one place.
///
/// # Errors
/// As [`prepare_region`].
pub fn prepare_region_in(
    mut values: Vec<f32>,
    rgb: &[u8],
    size: Size,
    rect: Rect,
    spec: &TensorSpec,
) -> Result<Tensor, InferenceError> {
    if rgb.len() != size.rgb_bytes() {
        return Err(InferenceError::BadInput("the bytes do not match the size of the frame"));
    }
    if rect.x1() > size.width() || rect.y1() > size.height() {
        return Err(InferenceError::BadInput("the region reaches past the frame"));
    }
    let part = Size::new(rect.width(), rect.height()).map_err(|_| InferenceError::BadInput("an empty region"))?;
    let placed = spec.placement(part);
    let (width, height) = (usize::from(spec.size.width()), usize::from(spec.size.height()));
    let (placed_width, left) = (usize::from(placed.size.width()), usize::from(placed.x));

    let resized;
    let (pixels, stride, from) = if placed.size == part {
        // Nothing to resize: read the rows where they are.
        (rgb, usize::from(size.width()) * 3, (usize::from(rect.y0()), usize::from(rect.x0()) * 3))
    } else {
        resized = resize(rgb, size, rect, placed.size)?;
        (resized.as_slice(), placed_width * 3, (0, 0))
    };

    let plane = width * height;
    values.resize(plane * 3, 0.0);
    let (first, rest) = values.split_at_mut(plane);
    let (green, last) = rest.split_at_mut(plane);
    let (red, blue) = if spec.channels == Channels::Bgr { (last, first) } else { (first, last) };
    let grey = scaled(GREY.into(), spec.scale);
    let (top, tall) = (usize::from(placed.y), usize::from(placed.size.height()));
    let mut planes = [red, green, blue].map(|plane| {
        let (above, rest) = plane.split_at_mut(top * width);
        let (covered, below) = rest.split_at_mut(tall * width);
        above.fill(grey);
        below.fill(grey);
        covered.chunks_exact_mut(width)
    });
    let rows = pixels.chunks_exact(stride).skip(from.0).take(tall);
    let mut apart = [(); 3].map(|()| vec![0; placed_width]);
    let level = Level::new();
    for row in rows {
        // Never a row of an earlier tile for one that is missing.
        let row = row.get(from.1..from.1 + placed_width * 3).ok_or(InferenceError::BadInput("a row is cut short"))?;
        let row = row.as_chunks::<3>().0;
        let planes = planes.each_mut().map(|rows| {
            let (before, rest) = rows.next().unwrap_or_default().split_at_mut(left);
            let (covered, after) = rest.split_at_mut(placed_width);
            before.fill(grey);
            after.fill(grey);
            covered
        });
        dispatch!(level, _simd => spread(row, &mut apart, planes, spec.scale));
    }
    Tensor::new(vec![1, 3, height, width], values)
}

fn resize(rgb: &[u8], size: Size, rect: Rect, to: Size) -> Result<Vec<u8>, InferenceError> {
    let bad = |_| InferenceError::BadInput("the frame could not be resized");
    let source = ImageRef::new(size.width().into(), size.height().into(), rgb, PixelType::U8x3).map_err(|_| bad(()))?;
    let mut target = Image::new(to.width().into(), to.height().into(), PixelType::U8x3);
    // A view of the region, not the resizer's own crop option: that one reads a little past the edge when it enlarges.
    let (left, top) = (rect.x0().into(), rect.y0().into());
    let part = CroppedImage::new(&source, left, top, rect.width().into(), rect.height().into()).map_err(|_| bad(()))?;
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new().resize(&part, &mut target, &options).map_err(|_| bad(()))?;
    Ok(target.into_vec())
}

/// Samples of one row to three rows of values. In two steps, because a compiler takes samples apart many at a time, and turns many
/// into values, but not both at once. The scale is the same for all of them: the compiler makes one loop for each.
#[inline(always)]
fn spread(row: &[[u8; 3]], apart: &mut [Vec<u8>; 3], planes: [&mut [f32]; 3], scale: Scale) {
    let [red, green, blue] = &mut *apart;
    for (((pixel, red), green), blue) in row.iter().zip(red).zip(green).zip(blue) {
        [*red, *green, *blue] = *pixel;
    }
    for (samples, values) in apart.iter().zip(planes) {
        for (sample, value) in samples.iter().zip(values) {
            *value = scaled((*sample).into(), scale);
        }
    }
}

#[inline(always)]
const fn scaled(value: f32, scale: Scale) -> f32 {
    match scale {
        Scale::ZeroTo255 => value,
        Scale::ZeroToOne => value / 255.0,
        Scale::MinusOneToOne => value / 127.5 - 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vaern_door::Fit;

    fn size(w: u16, h: u16) -> Size {
        Size::new(w, h).unwrap()
    }

    fn spec(w: u16, h: u16, fit: Fit, scale: Scale, channels: Channels) -> TensorSpec {
        TensorSpec { size: size(w, h), fit, scale, channels }
    }

    /// Every sample different enough to tell where it came from.
    fn picture(size: Size) -> Vec<u8> {
        (0..size.rgb_bytes()).map(|i| (i * 7 % 251) as u8).collect()
    }

    #[test]
    fn a_frame_of_the_right_size_is_only_reordered_and_scaled() {
        let frame = size(5, 3);
        let rgb = picture(frame);
        for (scale, f) in [
            (Scale::ZeroTo255, (|s| s) as fn(f32) -> f32),
            (Scale::ZeroToOne, |s| s / 255.0),
            (Scale::MinusOneToOne, |s| s / 127.5 - 1.0),
        ] {
            for (channels, order) in [(Channels::Rgb, [0, 1, 2]), (Channels::Bgr, [2, 1, 0])] {
                let tensor = prepare(&rgb, frame, &spec(5, 3, Fit::Stretch, scale, channels)).unwrap();
                assert_eq!(tensor.shape(), [1, 3, 3, 5]);
                for (c, source) in order.into_iter().enumerate() {
                    for pixel in 0..15 {
                        let expected = f(f32::from(rgb[pixel * 3 + source]));
                        assert_eq!(tensor.data()[c * 15 + pixel], expected);
                    }
                }
            }
        }
    }

    #[test]
    fn letterboxing_surrounds_the_picture_with_grey() {
        let frame = size(40, 20);
        let rgb = vec![200; frame.rgb_bytes()];
        let at = |t: &Tensor, y: usize| t.data()[y * 20 + 7];
        let top = prepare(&rgb, frame, &spec(20, 20, Fit::LetterboxTopLeft, Scale::ZeroTo255, Channels::Rgb)).unwrap();
        assert_eq!([at(&top, 0), at(&top, 9), at(&top, 10), at(&top, 19)], [200.0, 200.0, 114.0, 114.0]);
        let mid = prepare(&rgb, frame, &spec(20, 20, Fit::LetterboxCentre, Scale::ZeroTo255, Channels::Rgb)).unwrap();
        assert_eq!([at(&mid, 4), at(&mid, 5), at(&mid, 14), at(&mid, 15)], [114.0, 200.0, 200.0, 114.0]);
    }

    #[test]
    fn a_region_sees_nothing_of_its_surroundings() {
        let frame = size(64, 48);
        let rect = Rect::new(10, 8, 42, 32).unwrap();
        let rgb = picture(frame);
        let mut noisy = rgb.clone();
        let mut cut = vec![];
        for y in 0..48_u16 {
            for x in 0..64_u16 {
                let at = (usize::from(y) * 64 + usize::from(x)) * 3;
                if (10..42).contains(&x) && (8..32).contains(&y) {
                    cut.extend_from_slice(&rgb[at..at + 3]);
                } else {
                    noisy[at..at + 3].fill(255 - rgb[at]);
                }
            }
        }
        // Enlarged, shrunk, and copied as it is.
        for (w, h) in [(64, 64), (16, 16), (32, 24)] {
            let spec = spec(w, h, Fit::LetterboxTopLeft, Scale::ZeroToOne, Channels::Bgr);
            let region = prepare_region(&rgb, frame, rect, &spec).unwrap();
            assert!(
                region == prepare_region(&noisy, frame, rect, &spec).unwrap(),
                "the surroundings leak in at {w}x{h}"
            );
            assert!(region == prepare(&cut, size(32, 24), &spec).unwrap(), "not as a frame of its own at {w}x{h}");
        }
    }

    #[test]
    fn frm_20n_nothing_of_what_the_memory_held_stays_in_a_tensor() {
        let frame = size(40, 20);
        let rgb = picture(frame);
        for fit in [Fit::Stretch, Fit::LetterboxTopLeft, Fit::LetterboxCentre] {
            // Cut, letterboxed above and below, and to the sides.
            for (w, h) in [(40, 20), (20, 20), (64, 20), (30, 50)] {
                let spec = spec(w, h, fit, Scale::ZeroToOne, Channels::Bgr);
                let fresh = prepare(&rgb, frame, &spec).unwrap();
                for used in [0, 7, 3 * 64 * 64] {
                    let again = prepare_region_in(vec![9.0; used], &rgb, frame, Rect::whole(frame), &spec).unwrap();
                    assert!(again == fresh, "{fit:?} {w}x{h} after {used} values");
                }
            }
        }
    }

    #[test]
    fn wrong_sizes_are_errors() {
        let spec = spec(8, 8, Fit::Stretch, Scale::ZeroToOne, Channels::Rgb);
        assert!(prepare(&[0; 10], size(2, 2), &spec).is_err());
        assert!(prepare_region(&[0; 12], size(2, 2), Rect::new(1, 1, 3, 2).unwrap(), &spec).is_err());
        assert!(prepare(&[0; 3], size(1, 1), &spec).is_ok());
    }
}
