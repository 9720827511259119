//! Nine views of the small picture, each as an integral image.

use vaern_sdk::Picture;

use crate::windows::Window;

/// Number of channels: light, two of colour, saturation, edges, edges in four directions.
pub const COUNT: usize = 9;
/// Cells on each axis of a window and its margin.
pub const CELLS: usize = 6;

/// Integral images: `sums[y][x]` is the sum over all pixels above and to the left.
pub struct Channels {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    sums: Vec<Vec<u32>>,
}

impl Channels {
    /// The channels of a small picture.
    pub fn of(picture: &Picture) -> Self {
        let (width, height) = (usize::from(picture.size.width), usize::from(picture.size.height));
        let colours = colours(picture);
        let [light, ..] = &colours;
        let edges = edges(light, width, height);
        let planes: Vec<Vec<u8>> = colours.into_iter().chain(edges).collect();
        Self { width, height, sums: planes.iter().map(|plane| integral(plane, width, height)).collect() }
    }

    /// The cells of a window, ready to be asked for.
    pub fn view(&self, window: &Window) -> View<'_> {
        let (wide, tall) = (window.x1 - window.x0, window.y1 - window.y0);
        View { channels: self, xs: cells(window.x0, wide, self.width), ys: cells(window.y0, tall, self.height) }
    }

    /// The integral images, each of `height + 1` rows of `width + 1` sums.
    pub(crate) fn sums(&self) -> impl Iterator<Item = &[u32]> {
        self.sums.iter().map(Vec::as_slice)
    }
}

/// Where cell `at` of a window of this length begins, counted from the window's own edge: in quarters of the length, so that the
/// window is cells 1 to 4 and the rest its margin.
pub(crate) fn border(at: usize, length: i32) -> i32 {
    ((at as i32 - 1) * length).div_euclid(4)
}

/// The cells of one axis of a window, cut to the picture.
pub(crate) fn cells(from: i32, length: i32, limit: usize) -> [(usize, usize); CELLS] {
    std::array::from_fn(|at| inside((from + border(at, length), from + border(at + 1, length)), limit))
}

/// The cells of one window and its margin.
pub struct View<'a> {
    channels: &'a Channels,
    xs: [(usize, usize); CELLS],
    ys: [(usize, usize); CELLS],
}

impl View<'_> {
    /// Mean of a channel over a cell, 0 to 255. What lies outside the picture is cut off; of a cell that is all outside,
    /// the nearest pixels stay.
    pub fn mean(&self, channel: usize, column: usize, row: usize) -> i32 {
        let (Some((x0, x1)), Some((y0, y1))) = (self.xs.get(column), self.ys.get(row)) else { return 0 };
        let Some(sums) = self.channels.sums.get(channel) else { return 0 };
        let stride = self.channels.width + 1;
        let (upper, lower) = (y0 * stride, y1 * stride);
        let at = |at: usize| sums.get(at).copied().unwrap_or(0);
        let sum = at(lower + x1).wrapping_sub(at(lower + x0)).wrapping_sub(at(upper + x1)).wrapping_add(at(upper + x0));
        let area = ((x1 - x0) * (y1 - y0)) as u32;
        (sum / area.max(1)) as i32
    }
}

/// A stretch cut to `0..length`, at least one long.
fn inside((from, to): (i32, i32), length: usize) -> (usize, usize) {
    let last = length.saturating_sub(1) as i32;
    let from = from.clamp(0, last);
    let to = to.clamp(from + 1, last + 1);
    (from as usize, to as usize)
}

/// Light, blue against light, red against light, saturation. Even loops over bytes, which the compiler vectorises.
fn colours(picture: &Picture) -> [Vec<u8>; 4] {
    let plane = || Vec::with_capacity(picture.red.len());
    let (mut light, mut blue, mut red, mut saturation) = (plane(), plane(), plane(), plane());
    for ((r, g), b) in picture.red.iter().zip(&picture.green).zip(&picture.blue) {
        let (r, g, b) = (i32::from(*r), i32::from(*g), i32::from(*b));
        let y = (77 * r + 150 * g + 29 * b + 128) >> 8;
        light.push(y as u8);
        blue.push(((b - y) / 2 + 128) as u8);
        red.push(((r - y) / 2 + 128) as u8);
        saturation.push((r.max(g).max(b) - r.min(g).min(b)) as u8);
    }
    [light, blue, red, saturation]
}

/// Strength of edges, and the same split by direction: upright, level, and the two slants.
fn edges(light: &[u8], width: usize, height: usize) -> Vec<Vec<u8>> {
    let mut planes = vec![vec![0_u8; width * height]; 5];
    let [all, upright, level, rising, falling] = planes.as_mut_slice() else { return planes };
    if width < 3 || height < 3 {
        return planes;
    }
    let outs = all
        .chunks_exact_mut(width)
        .zip(upright.chunks_exact_mut(width))
        .zip(level.chunks_exact_mut(width))
        .zip(rising.chunks_exact_mut(width))
        .zip(falling.chunks_exact_mut(width))
        .skip(1);
    let above = light.chunks_exact(width);
    let here = light.chunks_exact(width).skip(1);
    let below = light.chunks_exact(width).skip(2);
    for (((((((all, upright), level), rising), falling), above), here), below) in outs.zip(above).zip(here).zip(below) {
        let gradient = here.iter().zip(here.iter().skip(2)).zip(above.iter().skip(1).zip(below.iter().skip(1)));
        let out = all.iter_mut().zip(upright).zip(level).zip(rising).zip(falling).skip(1);
        for (((((all, upright), level), rising), falling), ((left, right), (up, down))) in out.zip(gradient) {
            let (dx, dy) = (i32::from(*right) - i32::from(*left), i32::from(*down) - i32::from(*up));
            let (ax, ay) = (dx.abs(), dy.abs());
            // The larger plus half the smaller: within a tenth of the true length, without a root. Gained by two.
            let strength = ((ax.max(ay) + ax.min(ay) / 2) * 2).min(255) as u8;
            *all = strength;
            if ax > 2 * ay {
                *upright = strength;
            } else if ay > 2 * ax {
                *level = strength;
            } else if (dx > 0) == (dy > 0) {
                *rising = strength;
            } else {
                *falling = strength;
            }
        }
    }
    planes
}

fn integral(plane: &[u8], width: usize, height: usize) -> Vec<u32> {
    let stride = width + 1;
    let mut sums = vec![0_u32; stride * (height + 1)];
    if width == 0 {
        return sums;
    }
    for (y, row) in plane.chunks_exact(width).enumerate() {
        let (above, here) = sums.split_at_mut((y + 1) * stride);
        let above = above.get(y * stride..).unwrap_or(&[]);
        let mut sum = 0_u32;
        for ((out, up), sample) in here.iter_mut().zip(above).skip(1).zip(row) {
            sum += u32::from(*sample);
            *out = up + sum;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use vaern_sdk::Size;

    fn ramp(width: u16, height: u16) -> Picture {
        let size = Size { width, height };
        let samples: Vec<u8> = (0..size.pixels()).map(|i| (i * 7 % 251) as u8).collect();
        Picture { size, factor: 1, red: samples.clone(), green: samples.clone(), blue: samples }
    }

    #[test]
    fn a_mean_is_the_mean() {
        let picture = ramp(40, 30);
        let channels = Channels::of(&picture);
        // A window of 16 by 12 has cells of 4 by 3; cell 1, 1 is its upper left corner.
        let view = channels.view(&Window { x0: 10, y0: 9, x1: 26, y1: 21 });
        for (column, row) in [(0, 0), (1, 1), (5, 2), (3, 5)] {
            let (mut sum, mut count) = (0, 0);
            for y in 9 + 3 * row - 3..9 + 3 * row {
                for x in 10 + 4 * column - 4..10 + 4 * column {
                    sum += i32::from(picture.red[y * 40 + x]);
                    count += 1;
                }
            }
            assert_eq!(view.mean(0, column, row), sum / count, "{column} {row}");
        }
    }

    #[test]
    fn windows_outside_the_picture_have_means_too() {
        let far = [(-90, -90, -80, -80), (400, 400, 420, 420), (-5, -5, 50, 50), (4, 4, 5, 5)];
        for (width, height) in [(17, 9), (1, 1), (0, 0)] {
            let channels = Channels::of(&ramp(width, height));
            for (x0, y0, x1, y1) in far {
                let view = channels.view(&Window { x0, y0, x1, y1 });
                for channel in 0..COUNT {
                    for cell in 0..CELLS * CELLS {
                        assert!((0..=255).contains(&view.mean(channel, cell % CELLS, cell / CELLS)));
                    }
                }
            }
        }
    }

    #[test]
    fn edges_know_their_direction() {
        let size = Size { width: 16, height: 16 };
        let step: Vec<u8> = (0..256_usize).map(|i| if i % 16 < 8 { 20 } else { 200 }).collect();
        let picture = Picture { size, factor: 1, red: step.clone(), green: step.clone(), blue: step };
        let channels = Channels::of(&picture);
        let view = channels.view(&Window { x0: 4, y0: 4, x1: 12, y1: 12 });
        assert!(view.mean(5, 2, 2) > 100, "upright");
        assert_eq!((view.mean(6, 2, 2), view.mean(7, 2, 2), view.mean(8, 2, 2)), (0, 0, 0));
    }
}
