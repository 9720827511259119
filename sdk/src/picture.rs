//! Reading pixels in strips, in loops that stay fast inside the sandbox.
//!
//! Two costs decide here. A fresh instance pays for every page of memory that it touches, so a frame is read a few rows
//! at a time into memory that is used again. And an engine that may interrupt a plugin checks at every turn of a loop,
//! so the inner loops run over blocks of fixed length, which the compiler unrolls and vectorises.

use crate::{Frame, FrameError, Size};

/// Pixels of one inner block.
const BLOCK: usize = 32;

/// Reads the frame in strips of at most `strip` rows and hands out each row: its number and its RGB bytes.
///
/// # Errors
/// [`FrameError`] of the first strip that the host refused.
pub fn for_each_row<F: Frame>(frame: &F, strip: u16, mut row: impl FnMut(u16, &[u8])) -> Result<(), FrameError> {
    let Size { width, height } = frame.size();
    let stride = usize::from(width) * 3;
    if stride == 0 {
        return Err(FrameError::OutOfBounds);
    }
    let mut y = 0_u16;
    while y < height {
        let count = strip.max(1).min(height - y);
        // The strip is dropped before the next one is asked for, so that the allocator hands out the same memory.
        let bytes = frame.rows(y, count)?;
        for (number, line) in (y..height).zip(bytes.chunks_exact(stride)) {
            row(number, line);
        }
        y += count;
    }
    Ok(())
}

/// A frame made smaller by whole factors, one byte a sample, each channel on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Size in pixels of this picture.
    pub size: Size,
    /// How many pixels of the frame one pixel of this picture stands for, on each axis.
    pub factor: u16,
    /// Red samples, row-major.
    pub red: Vec<u8>,
    /// Green samples, row-major.
    pub green: Vec<u8>,
    /// Blue samples, row-major.
    pub blue: Vec<u8>,
}

/// Reads the frame in strips and averages blocks of `factor` by `factor` pixels. Rows and columns that fill no whole
/// block are left out. A frame smaller than one block gives an empty picture.
///
/// # Errors
/// [`FrameError`] of the first strip that the host refused.
pub fn shrink<F: Frame>(frame: &F, factor: u16) -> Result<Picture, FrameError> {
    let factor = factor.clamp(1, 64);
    let Size { width, height } = frame.size();
    let size = Size { width: width / factor, height: height / factor };
    let cells = usize::from(size.width);
    let step = usize::from(factor);
    let mut picture = Picture {
        size,
        factor,
        red: Vec::with_capacity(size.pixels()),
        green: Vec::with_capacity(size.pixels()),
        blue: Vec::with_capacity(size.pixels()),
    };
    if size.pixels() == 0 {
        return Ok(picture);
    }
    // Sums of the rows of one block, column by column: an even loop over bytes, whatever the factor is.
    let bytes = cells * step * 3;
    let mut sums = vec![0_u16; bytes];
    let area = u32::from(factor) * u32::from(factor);
    for_each_row(frame, factor, |y, row| {
        if y / factor >= size.height {
            return;
        }
        let row = row.get(..bytes).unwrap_or(row);
        if y % factor == 0 {
            sums.fill(0);
        }
        add_row(&mut sums, row);
        if y % factor == factor - 1 {
            for cell in sums.chunks_exact(step * 3) {
                let (mut r, mut g, mut b) = (area / 2, area / 2, area / 2);
                for pixel in cell.chunks_exact(3) {
                    if let [pr, pg, pb] = pixel {
                        r += u32::from(*pr);
                        g += u32::from(*pg);
                        b += u32::from(*pb);
                    }
                }
                // A mean of bytes is a byte.
                picture.red.push((r / area) as u8);
                picture.green.push((g / area) as u8);
                picture.blue.push((b / area) as u8);
            }
        }
    })?;
    Ok(picture)
}

/// Adds one row of bytes to the sums, in blocks.
fn add_row(sums: &mut [u16], row: &[u8]) {
    let mut blocks = sums.chunks_exact_mut(BLOCK * 3);
    let mut bytes = row.chunks_exact(BLOCK * 3);
    for (block, source) in blocks.by_ref().zip(bytes.by_ref()) {
        let block: &mut [u16; BLOCK * 3] = match block.try_into() {
            Ok(block) => block,
            Err(_) => return,
        };
        let source: &[u8; BLOCK * 3] = match source.try_into() {
            Ok(source) => source,
            Err(_) => return,
        };
        for (sum, byte) in block.iter_mut().zip(source) {
            *sum += u16::from(*byte);
        }
    }
    for (sum, byte) in blocks.into_remainder().iter_mut().zip(bytes.remainder()) {
        *sum += u16::from(*byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeFrame;

    fn noise(width: u16, height: u16) -> FakeFrame {
        let mut state = 7_u32;
        let bytes = (0..usize::from(width) * usize::from(height) * 3)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        FakeFrame::from_rgb(width, height, bytes).unwrap()
    }

    #[test]
    fn strips_of_any_height_show_every_row_once_and_in_order() {
        let frame = noise(7, 23);
        let whole = frame.pixels().unwrap();
        for strip in [0, 1, 4, 23, 1000] {
            let mut seen = Vec::new();
            let mut numbers = Vec::new();
            for_each_row(&frame, strip, |y, row| {
                numbers.push(y);
                seen.extend_from_slice(row);
            })
            .unwrap();
            assert_eq!(seen, whole);
            assert_eq!(numbers, (0..23).collect::<Vec<u16>>());
        }
    }

    #[test]
    fn the_tallest_frame_is_read_to_its_last_row() {
        let mut rows = 0_u32;
        for_each_row(&FakeFrame::filled(1, u16::MAX, [1, 2, 3]), 1000, |_, _| rows += 1).unwrap();
        assert_eq!(rows, 65_535);
    }

    #[test]
    fn shrinking_is_the_mean_of_each_block() {
        for (width, height, factor) in [(130, 50, 4), (33, 7, 3), (97, 40, 1), (640, 64, 64), (5, 5, 2)] {
            let frame = noise(width, height);
            let bytes = frame.pixels().unwrap();
            let picture = shrink(&frame, factor).unwrap();
            assert_eq!(picture.size, Size { width: width / factor, height: height / factor });
            let mean = |cx: u16, cy: u16, channel: usize| {
                let mut sum = u32::from(factor) * u32::from(factor) / 2;
                for y in cy * factor..(cy + 1) * factor {
                    for x in cx * factor..(cx + 1) * factor {
                        sum += u32::from(bytes[(usize::from(y) * usize::from(width) + usize::from(x)) * 3 + channel]);
                    }
                }
                (sum / (u32::from(factor) * u32::from(factor))) as u8
            };
            for cy in 0..picture.size.height {
                for cx in 0..picture.size.width {
                    let at = usize::from(cy) * usize::from(picture.size.width) + usize::from(cx);
                    assert_eq!(picture.red[at], mean(cx, cy, 0));
                    assert_eq!(picture.green[at], mean(cx, cy, 1));
                    assert_eq!(picture.blue[at], mean(cx, cy, 2));
                }
            }
        }
    }

    #[test]
    fn a_frame_smaller_than_a_block_gives_an_empty_picture() {
        assert_eq!(shrink(&noise(3, 3), 4).unwrap().red.len(), 0);
    }
}
