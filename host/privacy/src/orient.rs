//! The eight EXIF orientations, as integer maps between the picture as stored and the picture upright.

use vaern_door::{Rect, Size};
use vaern_memory::Pages;

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

    /// The EXIF code, 1 to 8.
    pub(crate) const fn code(self) -> u8 {
        match (self.transpose, self.flip_x, self.flip_y) {
            (false, false, false) => 1,
            (false, true, false) => 2,
            (false, true, true) => 3,
            (false, false, true) => 4,
            (true, false, false) => 5,
            (true, true, false) => 6,
            (true, true, true) => 7,
            (true, false, true) => 8,
        }
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
    pub(crate) fn apply(self, stored: Pages, size: Size) -> Pages {
        if self == Self::default() {
            return stored;
        }
        let (width, height) = (usize::from(size.width()), usize::from(size.height()));
        let upright = self.upright_size(size);
        let stride = usize::from(upright.width());
        let mut out = Pages::zeroed(size.rgb_bytes());
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

/// How one picture is turned upright, for whoever has boxes drawn on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turning {
    orientation: Orientation,
    stored: Size,
}

impl Turning {
    pub(crate) const fn of(orientation: Orientation, stored: Size) -> Self {
        Self { orientation, stored }
    }

    /// The turning of a picture stored at this size with this EXIF orientation; nothing for a code outside 1 to 8.
    #[must_use]
    pub fn new(stored: Size, code: u8) -> Option<Self> {
        Some(Self { orientation: Orientation::from_exif(u32::from(code))?, stored })
    }

    /// The EXIF orientation, 1 to 8.
    #[must_use]
    pub const fn code(&self) -> u8 {
        self.orientation.code()
    }

    /// Whether the picture is stored as it stands.
    #[must_use]
    pub fn is_upright(&self) -> bool {
        self.orientation == Orientation::default()
    }

    /// Size of the picture as stored.
    #[must_use]
    pub const fn stored(&self) -> Size {
        self.stored
    }

    /// Size of the upright picture.
    #[must_use]
    pub fn upright_size(&self) -> Size {
        self.orientation.upright_size(self.stored)
    }

    /// Where a point of the stored picture, in pixels from its upper left corner, lies in the upright one.
    #[must_use]
    pub fn upright(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let size = self.upright_size();
        let (x, y) = if self.orientation.transpose { (y, x) } else { (x, y) };
        let x = if self.orientation.flip_x { f64::from(size.width()) - x } else { x };
        let y = if self.orientation.flip_y { f64::from(size.height()) - y } else { y };
        (x, y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn img_10_points_turn_as_rectangles_do() {
        let size = Size::new(40, 30).unwrap();
        for code in 1..=8 {
            let turning = Turning::new(size, code).unwrap();
            assert_eq!(turning.code(), code);
            let rect = Rect::new(3, 4, 9, 20).unwrap();
            let there = turning.orientation.to_upright(rect, size).unwrap();
            let (a, b) = (turning.upright((3.0, 4.0)), turning.upright((9.0, 20.0)));
            let corners = (a.0.min(b.0), a.1.min(b.1), a.0.max(b.0), a.1.max(b.1));
            let expected = (there.x0(), there.y0(), there.x1(), there.y1());
            assert_eq!(corners, (expected.0.into(), expected.1.into(), expected.2.into(), expected.3.into()));
        }
        assert_eq!(Turning::new(size, 9), None);
    }

    #[test]
    fn img_10_pixels_and_rectangles_turn_alike() {
        let size = Size::new(5, 3).unwrap();
        for code in 1..=8 {
            let orientation = Orientation::from_exif(code).unwrap();
            for x in 0..5_u16 {
                for y in 0..3_u16 {
                    let mut stored = vec![0_u8; size.rgb_bytes()];
                    stored[(usize::from(y) * 5 + usize::from(x)) * 3] = 200;
                    let upright = orientation.apply(Pages::of(&stored), size);
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
            let upright = orientation.apply(Pages::of(&[1, 1, 1, 2, 2, 2]), size);
            assert_eq!(upright.iter().step_by(3).copied().collect::<Vec<u8>>(), order, "code {code}");
            assert_eq!(orientation.upright_size(size), Size::new(w, h).unwrap());
        }
        assert_eq!(Orientation::from_exif(0), None);
        assert_eq!(Orientation::from_exif(9), None);
    }
}
