//! Which pixels of a tile are ink: so much darker, or lighter, than the mean of the square around them.
//!
//! The rules are whole numbers throughout, so every processor finds the same ink, however many pixels it looks at at once.

use fearless_simd::{Level, dispatch};
use vaern_door::{Rect, Size};

/// Window of the local mean, to either side of a pixel.
const REACH: usize = 12;
/// Levels between ink and the local mean.
const CONTRAST: u32 = 18;
/// Pixels in one word.
const WORD: usize = 64;

/// The ink of a tile: a bit for each pixel, lines padded to whole words with bits that are not set.
pub(super) struct Ink {
    pub(super) darker: Bits,
    pub(super) lighter: Bits,
}

/// Lines of bits.
pub(super) struct Bits {
    words: Vec<u64>,
    /// Words in a line.
    stride: usize,
}

impl Bits {
    pub(super) fn lines(&self) -> impl Iterator<Item = &[u64]> {
        self.words.chunks_exact(self.stride)
    }
}

impl Ink {
    /// Looks at a tile of an RGB picture. `None` where the tile is not within the picture.
    pub(super) fn of(rgb: &[u8], size: Size, tile: Rect) -> Option<Self> {
        Self::found(&Grey::of(rgb, size, tile)?)
    }

    fn found(grey: &Grey) -> Option<Self> {
        let (level, width, height) = (Level::new(), grey.width, grey.height);
        let stride = width.div_ceil(WORD);
        let mut ink = [(); 2].map(|()| Bits { words: vec![0; stride * height], stride });
        let mut window = Window::new(width);
        let mut found = [(); 2].map(|()| vec![0_u8; stride * WORD]);
        // Columns that the window has at each pixel: fewer at the edges.
        let wide = |x: usize| (x + REACH).min(width - 1) - x.saturating_sub(REACH) + 1;
        let wide: Vec<u16> = (0..width).map(|x| u16::try_from(wide(x)).unwrap_or(u16::MAX)).collect();
        for y in 0..REACH.min(height) {
            window.enter(grey.line(y)?);
        }
        let [darker, lighter] = &mut ink;
        let lines = darker.words.chunks_exact_mut(stride).zip(lighter.words.chunks_exact_mut(stride));
        for (y, (darker, lighter)) in lines.enumerate() {
            let tall = (y + REACH).min(height - 1) - y.saturating_sub(REACH) + 1;
            let tall = u32::try_from(tall).ok()?;
            let (line, enters) = (grey.line(y)?, grey.line(y + REACH));
            let leaves = y.checked_sub(REACH + 1).and_then(|y| grey.line(y));
            let [dark, light] = &mut found;
            dispatch!(level, _simd => {
                if let Some(line) = enters {
                    window.enter(line);
                }
                if let Some(line) = leaves {
                    window.leave(line);
                }
                window.sum();
                judge(line, &window.sums, &wide, tall, (dark, light));
                pack(dark, darker);
                pack(light, lighter);
            });
        }
        let [darker, lighter] = ink;
        Some(Self { darker, lighter })
    }
}

/// Brightness of a tile.
struct Grey {
    data: Vec<u8>,
    width: usize,
    height: usize,
}

impl Grey {
    fn of(rgb: &[u8], size: Size, tile: Rect) -> Option<Self> {
        let (left, right) = (usize::from(tile.x0()) * 3, usize::from(tile.x1()) * 3);
        let (width, height) = (usize::from(tile.width()), usize::from(tile.height()));
        let mut data = vec![0; width * height];
        let level = Level::new();
        let lines = rgb.chunks_exact(usize::from(size.width()) * 3).skip(usize::from(tile.y0()));
        let mut filled = 0;
        for (line, grey) in lines.zip(data.chunks_exact_mut(width)) {
            let pixels = line.get(left..right)?.as_chunks::<3>().0;
            dispatch!(level, _simd => brightness(pixels, grey));
            filled += 1;
        }
        (filled == height).then_some(Self { data, width, height })
    }

    fn line(&self, y: usize) -> Option<&[u8]> {
        self.data.get(y * self.width..(y + 1) * self.width)
    }
}

/// Rec. 601 in eighths: 2, 5, 1.
#[inline(always)]
fn brightness(pixels: &[[u8; 3]], grey: &mut [u8]) {
    for (grey, [r, g, b]) in grey.iter_mut().zip(pixels) {
        *grey = ((2 * u16::from(*r) + 5 * u16::from(*g) + u16::from(*b)) / 8) as u8;
    }
}

/// Sums of the square around each pixel of one line: columns that slide down, and sums of neighbours that are built from sums of
/// half as many. No sum comes near the end of its type: 25 samples of 255 in a column, 8 columns in the last sum of 16 bits. The
/// wrapping forms only spare a look for each pixel.
struct Window {
    /// With nothing to either side, for the windows that reach past the edge.
    columns: Vec<u16>,
    twos: Vec<u16>,
    fours: Vec<u16>,
    eights: Vec<u16>,
    sums: Vec<u32>,
}

impl Window {
    fn new(width: usize) -> Self {
        let row = || vec![0; width + 2 * REACH];
        Self { columns: row(), twos: row(), fours: row(), eights: row(), sums: vec![0; width] }
    }

    #[inline(always)]
    fn enter(&mut self, line: &[u8]) {
        for (sum, v) in self.columns.iter_mut().skip(REACH).zip(line) {
            *sum = sum.wrapping_add(u16::from(*v));
        }
    }

    #[inline(always)]
    fn leave(&mut self, line: &[u8]) {
        for (sum, v) in self.columns.iter_mut().skip(REACH).zip(line) {
            *sum = sum.wrapping_sub(u16::from(*v));
        }
    }

    #[inline(always)]
    fn sum(&mut self) {
        pairs(&self.columns, 1, &mut self.twos);
        pairs(&self.twos, 2, &mut self.fours);
        pairs(&self.fours, 4, &mut self.eights);
        let eight = |by: usize| self.eights.get(by..).unwrap_or_default();
        // 3 × 8 + 1 columns are the window.
        let last = self.columns.get(2 * REACH..).unwrap_or_default();
        for ((((sum, a), b), c), d) in self.sums.iter_mut().zip(eight(0)).zip(eight(8)).zip(eight(16)).zip(last) {
            let [a, b, c, d] = [a, b, c, d].map(|part| u32::from(*part));
            *sum = a.wrapping_add(b).wrapping_add(c).wrapping_add(d);
        }
    }
}

/// Each value and the one `by` places on.
#[inline(always)]
fn pairs(of: &[u16], by: usize, sums: &mut [u16]) {
    for ((sum, a), b) in sums.iter_mut().zip(of).zip(of.get(by..).unwrap_or_default()) {
        *sum = a.wrapping_add(*b);
    }
}

/// Ink is what differs by more than the contrast from the mean, which is the sum over the count, rounded down. Asked as a product:
/// `sum / n - v > c` is `sum >= (v + c + 1) * n`, and `v - sum / n > c` is `sum < (v - c) * n`.
#[inline(always)]
fn judge(line: &[u8], sums: &[u32], wide: &[u16], tall: u32, (dark, light): (&mut [u8], &mut [u8])) {
    for ((((v, sum), wide), dark), light) in line.iter().zip(sums).zip(wide).zip(dark).zip(light) {
        let (v, n) = (u32::from(*v), u32::from(*wide).wrapping_mul(tall));
        *dark = u8::from(*sum >= v.wrapping_add(CONTRAST + 1).wrapping_mul(n));
        *light = u8::from(*sum < v.saturating_sub(CONTRAST).wrapping_mul(n));
    }
}

/// Zeros and ones to bits, the first pixel lowest.
#[inline(always)]
fn pack(ink: &[u8], words: &mut [u64]) {
    for (word, bytes) in words.iter_mut().zip(ink.as_chunks::<WORD>().0) {
        *word = bytes.as_chunks::<8>().0.iter().rev().fold(0, |word, eight| {
            // The product brings the lowest bit of each byte into the highest byte, each at its own place.
            word << 8 | u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56
        });
    }
}

/// Runs of ink in a line: where each begins, and where it has ended.
pub(super) fn runs(line: &[u64]) -> impl Iterator<Item = (u16, u16)> {
    let mut words = line.iter();
    // Bits where ink begins or ends, in the word that is being looked through, and whether there was ink before it.
    let (mut edges, mut before, mut base) = (0_u64, 0_u64, 0_u16);
    let mut next = 0_u16;
    let mut edge = move || {
        while edges == 0 {
            let Some(word) = words.next() else {
                // Ink to the last bit ends with the line.
                return (std::mem::take(&mut before) == 1).then_some(next);
            };
            edges = word ^ (word << 1 | before);
            before = word >> (WORD - 1);
            base = next;
            next = next.saturating_add(WORD as u16);
        }
        let at = base.saturating_add(edges.trailing_zeros() as u16);
        edges &= edges - 1;
        Some(at)
    };
    std::iter::from_fn(move || Some((edge()?, edge()?)))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Ink of a grey picture.
    pub(in super::super) fn ink(data: Vec<u8>, width: usize) -> Ink {
        let height = data.len() / width;
        Ink::found(&Grey { data, width, height }).unwrap()
    }

    proptest! {
        #[test]
        fn runs_are_the_marked_pixels_and_no_two_touch(ink in proptest::collection::vec(any::<bool>(), 0..200)) {
            let mut bytes: Vec<u8> = ink.iter().map(|on| u8::from(*on)).collect();
            bytes.resize(ink.len().next_multiple_of(WORD), 0);
            let mut words = vec![0; bytes.len() / WORD];
            pack(&bytes, &mut words);
            let found: Vec<(u16, u16)> = runs(&words).collect();
            let mut drawn = vec![false; ink.len()];
            for (start, end) in &found {
                prop_assert!(start < end);
                drawn[usize::from(*start)..usize::from(*end)].fill(true);
            }
            prop_assert_eq!(drawn, ink);
            prop_assert!(found.windows(2).all(|two| two[0].1 < two[1].0));
        }
    }

    #[test]
    fn ink_is_what_differs_from_the_mean_of_the_square_around() {
        // Wider than the window, as wide, narrower, a column, and a line; one and more words to a line.
        let sizes = [(37, 29), (25, 30), (26, 12), (24, 25), (13, 9), (12, 40), (1, 31), (60, 1), (64, 5), (130, 28)];
        for (width, height) in sizes {
            ink_of(width, height);
        }
    }

    fn ink_of(width: usize, height: usize) {
        let data: Vec<u8> = (0..width * height).map(|i| (i * i * 31 % 251) as u8).collect();
        let found = ink(data.clone(), width);
        let bit = |bits: &Bits, x: usize, y: usize| bits.lines().nth(y).unwrap()[x / WORD] >> (x % WORD) & 1 == 1;
        let (mut darker, mut lighter) = (0, 0);
        for (at, v) in data.iter().enumerate() {
            let (x, y) = (at % width, at / width);
            let (mut sum, mut count) = (0_u32, 0);
            for py in y.saturating_sub(REACH)..=(y + REACH).min(height - 1) {
                for px in x.saturating_sub(REACH)..=(x + REACH).min(width - 1) {
                    sum += u32::from(data[py * width + px]);
                    count += 1;
                }
            }
            let (mean, v) = (sum / count, u32::from(*v));
            let (dark, light) = (mean > v + CONTRAST, v > mean + CONTRAST);
            assert_eq!((bit(&found.darker, x, y), bit(&found.lighter, x, y)), (dark, light), "at {x},{y}");
            darker += usize::from(dark);
            lighter += usize::from(light);
        }
        let set = |bits: &Bits| bits.words.iter().map(|word| word.count_ones() as usize).sum::<usize>();
        assert_eq!((set(&found.darker), set(&found.lighter)), (darker, lighter), "no ink past the end of a line");
    }
}
