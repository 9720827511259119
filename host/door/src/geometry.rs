//! Whole-pixel geometry. Origin in the upper left corner, x to the right, y downwards.

use serde::{Deserialize, Serialize};

/// Why a size or a rectangle cannot exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GeometryError {
    /// A side of zero pixels.
    #[error("a side of zero pixels")]
    Empty,
    /// The rectangle reaches past the frame.
    #[error("the rectangle reaches past the frame")]
    OutOfBounds,
}

/// Width and height in pixels, each at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawSize", into = "RawSize")]
pub struct Size {
    width: u16,
    height: u16,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSize {
    width: u16,
    height: u16,
}

impl TryFrom<RawSize> for Size {
    type Error = GeometryError;
    fn try_from(raw: RawSize) -> Result<Self, GeometryError> {
        Self::new(raw.width, raw.height)
    }
}

impl From<Size> for RawSize {
    fn from(size: Size) -> Self {
        Self { width: size.width, height: size.height }
    }
}

impl Size {
    /// A size of at least one pixel a side.
    ///
    /// # Errors
    /// [`GeometryError::Empty`] for a side of zero.
    pub const fn new(width: u16, height: u16) -> Result<Self, GeometryError> {
        if width == 0 || height == 0 { Err(GeometryError::Empty) } else { Ok(Self { width, height }) }
    }

    /// Pixels across.
    #[must_use]
    pub const fn width(self) -> u16 {
        self.width
    }

    /// Pixels down.
    #[must_use]
    pub const fn height(self) -> u16 {
        self.height
    }

    /// Number of pixels.
    #[must_use]
    pub const fn pixels(self) -> usize {
        self.width as usize * self.height as usize
    }

    /// Bytes of the frame as RGB with 8 bits a sample.
    #[must_use]
    pub const fn rgb_bytes(self) -> usize {
        self.pixels() * 3
    }

    /// The largest size of the same shape that fits into `limit`; never larger than `self`.
    #[must_use]
    pub fn fitted_into(self, limit: Self) -> Self {
        if self.width <= limit.width && self.height <= limit.height {
            return self;
        }
        let (w, h) = (u64::from(self.width), u64::from(self.height));
        let (lw, lh) = (u64::from(limit.width), u64::from(limit.height));
        // The axis that overflows most decides; integers keep the result the same on every machine.
        let (fw, fh) = if w * lh >= h * lw { (lw, (h * lw / w).max(1)) } else { ((w * lh / h).max(1), lh) };
        Self { width: u16::try_from(fw).unwrap_or(limit.width), height: u16::try_from(fh).unwrap_or(limit.height) }
    }
}

/// A non-empty rectangle of whole pixels, half open: columns `x0..x1`, rows `y0..y1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Rect {
    x0: u16,
    y0: u16,
    x1: u16,
    y1: u16,
}

impl Rect {
    /// The rectangle with corners `(x0, y0)` inclusive and `(x1, y1)` exclusive.
    ///
    /// # Errors
    /// [`GeometryError::Empty`] unless `x0 < x1` and `y0 < y1`.
    pub const fn new(x0: u16, y0: u16, x1: u16, y1: u16) -> Result<Self, GeometryError> {
        if x0 >= x1 || y0 >= y1 { Err(GeometryError::Empty) } else { Ok(Self { x0, y0, x1, y1 }) }
    }

    /// The rectangle at `(x, y)` of `width` by `height`, if it lies inside `frame`.
    ///
    /// # Errors
    /// [`GeometryError`] where it is empty or reaches past the frame.
    pub fn inside(x: u16, y: u16, width: u16, height: u16, frame: Size) -> Result<Self, GeometryError> {
        let x1 = x.checked_add(width).ok_or(GeometryError::OutOfBounds)?;
        let y1 = y.checked_add(height).ok_or(GeometryError::OutOfBounds)?;
        let rect = Self::new(x, y, x1, y1)?;
        if x1 > frame.width || y1 > frame.height { Err(GeometryError::OutOfBounds) } else { Ok(rect) }
    }

    /// The whole of a frame.
    #[must_use]
    pub const fn whole(frame: Size) -> Self {
        Self { x0: 0, y0: 0, x1: frame.width, y1: frame.height }
    }

    /// Left column.
    #[must_use]
    pub const fn x0(self) -> u16 {
        self.x0
    }
    /// Upper row.
    #[must_use]
    pub const fn y0(self) -> u16 {
        self.y0
    }
    /// One past the right column.
    #[must_use]
    pub const fn x1(self) -> u16 {
        self.x1
    }
    /// One past the lower row.
    #[must_use]
    pub const fn y1(self) -> u16 {
        self.y1
    }
    /// Pixels across.
    #[must_use]
    pub const fn width(self) -> u16 {
        self.x1 - self.x0
    }
    /// Pixels down.
    #[must_use]
    pub const fn height(self) -> u16 {
        self.y1 - self.y0
    }
    /// Number of pixels.
    #[must_use]
    pub const fn area(self) -> u64 {
        self.width() as u64 * self.height() as u64
    }

    /// The part that both rectangles cover, if any.
    #[must_use]
    pub fn intersection(self, other: Self) -> Option<Self> {
        Self::new(self.x0.max(other.x0), self.y0.max(other.y0), self.x1.min(other.x1), self.y1.min(other.y1)).ok()
    }

    /// Intersection over union, 0.0 to 1.0.
    #[must_use]
    pub fn iou(self, other: Self) -> f64 {
        let both = self.intersection(other).map_or(0, Self::area);
        let either = self.area() + other.area() - both;
        // Areas are below 2^32, so the conversion is exact.
        both as f64 / either as f64
    }

    /// Pixels of `self` that at least one of `others` covers. Overlaps among `others` are counted once.
    #[must_use]
    pub fn covered_by(self, others: &[Self]) -> u64 {
        let cuts: Vec<Self> = others.iter().filter_map(|o| self.intersection(*o)).collect();
        let mut columns: Vec<u16> = cuts.iter().flat_map(|r| [r.x0, r.x1]).collect();
        columns.sort_unstable();
        columns.dedup();
        let mut covered = 0;
        for (left, right) in columns.iter().zip(columns.iter().skip(1)) {
            let mut spans: Vec<(u16, u16)> =
                cuts.iter().filter(|r| r.x0 <= *left && r.x1 >= *right).map(|r| (r.y0, r.y1)).collect();
            spans.sort_unstable();
            let mut height = 0_u64;
            let mut reached = 0_u16;
            for (top, bottom) in spans {
                let from = top.max(reached);
                if bottom > from {
                    height += u64::from(bottom - from);
                    reached = bottom;
                }
            }
            covered += height * u64::from(right - left);
        }
        covered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rect(x0: u16, y0: u16, x1: u16, y1: u16) -> Rect {
        Rect::new(x0, y0, x1, y1).unwrap()
    }

    #[test]
    fn empty_and_overreaching_rectangles_do_not_exist() {
        let frame = Size::new(10, 8).unwrap();
        assert_eq!(Rect::new(3, 3, 3, 4), Err(GeometryError::Empty));
        assert_eq!(Rect::inside(0, 0, 11, 8, frame), Err(GeometryError::OutOfBounds));
        assert_eq!(Rect::inside(u16::MAX, 0, 2, 1, frame), Err(GeometryError::OutOfBounds));
        assert_eq!(Rect::inside(9, 7, 1, 1, frame), Ok(rect(9, 7, 10, 8)));
        assert_eq!(Rect::inside(9, 7, 0, 1, frame), Err(GeometryError::Empty));
        assert_eq!(Size::new(0, 1), Err(GeometryError::Empty));
    }

    #[test]
    fn covered_area_counts_overlaps_once() {
        let whole = rect(0, 0, 10, 10);
        assert_eq!(whole.covered_by(&[]), 0);
        assert_eq!(whole.covered_by(&[rect(0, 0, 5, 5), rect(3, 3, 8, 8)]), 25 + 25 - 4);
        assert_eq!(whole.covered_by(&[rect(0, 0, 20, 20), rect(1, 1, 2, 2)]), 100);
        assert_eq!(rect(20, 20, 30, 30).covered_by(&[whole]), 0);
    }

    #[test]
    fn fitting_keeps_the_shape_and_never_enlarges() {
        let size = |w, h| Size::new(w, h).unwrap();
        assert_eq!(size(1920, 1080).fitted_into(size(640, 640)), size(640, 360));
        assert_eq!(size(1080, 1920).fitted_into(size(640, 640)), size(360, 640));
        assert_eq!(size(100, 50).fitted_into(size(640, 640)), size(100, 50));
        assert_eq!(size(60000, 1).fitted_into(size(100, 100)), size(100, 1));
    }
}
