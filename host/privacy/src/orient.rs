//! The eight EXIF orientations, as integer maps between the picture as stored and the picture upright.

use vaern_door::{Rect, Size};
use zeroize::Zeroizing;

/// How the stored picture is turned to stand upright: transposed first, then mirrored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Orientation {
    transpose: bool,
    flip_x: bool,
    flip_y: bool,
}

impl Orientation {
    /// The orientation of an EXIF code; 0 and codes above 8 say nothing that could be relied on.
    pub(crate) const fn from_exif(code: u32) -> Option<Self> {
        let (transpose, flip_x, flip_y) = match code {
            1 => (false, false, false),
            2 => (false, true, false),
            3 => (false, true, true),
            4 => (false, false, true),
            5 => (true, false, false),
            6 => (true, true, false),
            7 => (true, true, true),
            8 => (true, false, true),
            _ => return None,
        };
        Some(Self { transpose, flip_x, flip_y })
    }

    /// Size of the upright picture.
    pub(crate) fn upright_size(self, stored: Size) -> Size {
        if self.transpose { Size::new(stored.height(), stored.width()).unwrap_or(stored) } else { stored }
    }

    /// Where a rectangle of the upright picture lies in the stored one.
    pub(crate) fn to_stored(self, upright: Rect, stored_size: Size) -> Option<Rect> {
        let size = self.upright_size(stored_size);
        let flipped = self.flip(upright, size)?;
        self.swap(flipped)
    }

    /// Where a rectangle of the stored picture lies in the upright one.
    pub(crate) fn to_upright(self, stored: Rect, stored_size: Size) -> Option<Rect> {
        let swapped = self.swap(stored)?;
        self.flip(swapped, self.upright_size(stored_size))
    }

    fn flip(self, rect: Rect, size: Size) -> Option<Rect> {
        let (x0, x1) = if self.flip_x {
            (size.width().checked_sub(rect.x1())?, size.width().checked_sub(rect.x0())?)
        } else {
            (rect.x0(), rect.x1())
        };
        let (y0, y1) = if self.flip_y {
            (size.height().checked_sub(rect.y1())?, size.height().checked_sub(rect.y0())?)
        } else {
            (rect.y0(), rect.y1())
        };
        Rect::new(x0, y0, x1, y1).ok()
    }

    fn swap(self, rect: Rect) -> Option<Rect> {
        if self.transpose { Rect::new(rect.y0(), rect.x0(), rect.y1(), rect.x1()).ok() } else { Some(rect) }
    }

    /// Turns the pixels upright. The stored pixels are zeroed when they are dropped.
    pub(crate) fn apply(self, stored: Zeroizing<Vec<u8>>, size: Size) -> Zeroizing<Vec<u8>> {
        if self == Self::default() {
            return stored;
        }
        let (width, height) = (usize::from(size.width()), usize::from(size.height()));
        let upright = self.upright_size(size);
        let stride = usize::from(upright.width());
        let mut out = Zeroizing::new(vec![0_u8; size.rgb_bytes()]);
        for (y, row) in stored.chunks_exact(width * 3).enumerate() {
            for (x, pixel) in row.chunks_exact(3).enumerate() {
                let (ux, uy) = if self.transpose { (y, x) } else { (x, y) };
                let (w, h) = if self.transpose { (height, width) } else { (width, height) };
                let ux = if self.flip_x { w - 1 - ux } else { ux };
                let uy = if self.flip_y { h - 1 - uy } else { uy };
                let at = (uy * stride + ux) * 3;
                if let Some(target) = out.get_mut(at..at + 3) {
                    target.copy_from_slice(pixel);
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn img_10_pixels_and_rectangles_turn_alike() {
        let size = Size::new(5, 3).unwrap();
        for code in 1..=8 {
            let orientation = Orientation::from_exif(code).unwrap();
            for x in 0..5_u16 {
                for y in 0..3_u16 {
                    let mut stored = vec![0_u8; size.rgb_bytes()];
                    stored[(usize::from(y) * 5 + usize::from(x)) * 3] = 200;
                    let upright = orientation.apply(Zeroizing::new(stored), size);
                    let dot = Rect::new(x, y, x + 1, y + 1).unwrap();
                    let there = orientation.to_upright(dot, size).unwrap();
                    let stride = usize::from(orientation.upright_size(size).width());
                    let at = (usize::from(there.y0()) * stride + usize::from(there.x0())) * 3;
                    assert_eq!(upright[at], 200, "orientation {code} at {x},{y}");
                    assert_eq!(orientation.to_stored(there, size), Some(dot));
                }
            }
        }
    }

    #[test]
    fn img_10_the_eight_codes_mean_what_exif_says() {
        // Stored 2x1: A B. EXIF: the 0th row is the visual top (1), bottom (4) ..., right (6), left (8).
        let expected: [(u32, &[u8], (u16, u16)); 8] = [
            (1, &[1, 2], (2, 1)),
            (2, &[2, 1], (2, 1)),
            (3, &[2, 1], (2, 1)),
            (4, &[1, 2], (2, 1)),
            (5, &[1, 2], (1, 2)),
            (6, &[1, 2], (1, 2)),
            (7, &[2, 1], (1, 2)),
            (8, &[2, 1], (1, 2)),
        ];
        for (code, order, (w, h)) in expected {
            let orientation = Orientation::from_exif(code).unwrap();
            let size = Size::new(2, 1).unwrap();
            let upright = orientation.apply(Zeroizing::new(vec![1, 1, 1, 2, 2, 2]), size);
            assert_eq!(upright.iter().step_by(3).copied().collect::<Vec<u8>>(), order, "code {code}");
            assert_eq!(orientation.upright_size(size), Size::new(w, h).unwrap());
        }
        assert_eq!(Orientation::from_exif(0), None);
        assert_eq!(Orientation::from_exif(9), None);
    }
}
