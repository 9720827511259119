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

/// Calls `look` with every window, in a fixed order.
pub fn each(width: usize, height: usize, mut look: impl FnMut(Window)) {
    let (width, height) = (width as i32, height as i32);
    for tall in HEIGHTS {
        for shape in SHAPES {
            let wide = (tall * shape + 8) / 16;
            if wide < 6 {
                continue;
            }
            let (dx, dy) = ((wide / 6).max(1), (tall / 8).max(1));
            let mut y1 = height * 35 / 100;
            // A container may be cut off by the lower edge of the frame, but not by much.
            while y1 <= height + tall / 4 {
                if fits(tall, y1, height) {
                    let mut x0 = -wide / 4;
                    while x0 + wide <= width + wide / 4 {
                        look(Window { x0, y0: y1 - tall, x1: x0 + wide, y1 });
                        x0 += dx;
                    }
                }
                y1 += dy;
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
