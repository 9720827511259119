//! Where a container can stand: windows whose height fits the place of their lower edge on the ground.

/// A window in pixels of the small picture, half open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    /// Left edge; may lie outside the picture.
    pub x0: i32,
    /// Upper edge.
    pub y0: i32,
    /// Right edge.
    pub x1: i32,
    /// Lower edge.
    pub y1: i32,
}

/// Heights in pixels of the small picture, a fifth apart.
const HEIGHTS: [i32; 16] = [8, 9, 11, 13, 15, 18, 21, 25, 30, 35, 42, 50, 59, 71, 85, 101];
/// Widths as sixteenths of the height.
const SHAPES: [i32; 7] = [9, 11, 14, 18, 24, 32, 42];

/// Height and width of a window, and where windows of them stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Pixels down.
    pub(crate) tall: i32,
    /// Pixels across.
    pub(crate) wide: i32,
}

impl Shape {
    /// Every shape, in a fixed order.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let of = |tall: i32| SHAPES.iter().map(move |shape| Self { tall, wide: (tall * shape + 8) / 16 });
        HEIGHTS.iter().flat_map(move |tall| of(*tall)).filter(|shape| shape.wide >= 6)
    }

    /// Pixels from one window to the next in a row of them.
    pub(crate) fn step(self) -> i32 {
        (self.wide / 6).max(1)
    }

    /// The left edge of the first window of a row, and how many there are.
    pub(crate) fn columns(self, width: usize) -> (i32, usize) {
        let first = -self.wide / 4;
        let room = width as i32 + self.wide / 4 - self.wide - first;
        (first, if room < 0 { 0 } else { (room / self.step()) as usize + 1 })
    }

    /// The lower edges of the rows.
    pub(crate) fn rows(self, height: usize) -> impl Iterator<Item = i32> {
        let height = height as i32;
        // A container may be cut off by the lower edge of the frame, but not by much.
        let all = (height * 35 / 100..=height + self.tall / 4).step_by((self.tall / 8).max(1) as usize);
        all.filter(move |y1| fits(self.tall, *y1, height))
    }

    /// The window of this shape with this left and lower edge.
    pub(crate) fn at(self, x0: i32, y1: i32) -> Window {
        Window { x0, y0: y1 - self.tall, x1: x0 + self.wide, y1 }
    }
}

/// Calls `look` with every window, in a fixed order.
pub fn each(width: usize, height: usize, mut look: impl FnMut(Window)) {
    for shape in Shape::all() {
        let (first, count) = shape.columns(width);
        for y1 in shape.rows(height) {
            for column in 0..count as i32 {
                look(shape.at(first + column * shape.step(), y1));
            }
        }
    }
}

/// A camera on a working vehicle hangs at 2.1 to 2.7 m and looks a little down, so the horizon lies between a sixth and
/// half of the frame's height, and a thing of 0.9 to 1.9 m that stands at `y1` has a height between these bounds.
fn fits(tall: i32, y1: i32, height: i32) -> bool {
    let (high, low) = (y1 - height * 15 / 100, y1 - height * 52 / 100);
    tall * 100 <= high * 92 && tall * 100 >= low * 30
}
