//! Where two pictures differ by more than a second compression makes them: what a tool masked, found without asking it.

use vaern_door::Rect;

use crate::picture::Picture;

/// Side of the cells that are compared.
const CELL: usize = 4;

/// Mean difference in grey levels that no encoder of a usable quality makes.
const LEAST: f64 = 7.0;

/// Mean difference that counts as changed whatever the rest of the picture looks like.
const MOST: f64 = 24.0;

/// Cells that a region must have: less is noise.
const LEAST_CELLS: usize = 4;

/// The boxes around connected cells that changed, in pixels, and the part of the picture that changed.
pub(super) fn changed(before: &Picture, after: &Picture) -> (Vec<Rect>, f64) {
    let (width, height) = before.sides();
    let (columns, rows) = (width.div_ceil(CELL), height.div_ceil(CELL));
    let mut sums = vec![(0.0, 0_u32); columns * rows];
    for (at, (p, q)) in before.rgb().chunks_exact(3).zip(after.rgb().chunks_exact(3)).enumerate() {
        let cell = &mut sums[(at / width / CELL) * columns + at % width / CELL];
        let differ: u32 = p.iter().zip(q).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        cell.0 += f64::from(differ) / 3.0;
        cell.1 += 1;
    }
    let means: Vec<f64> = sums.iter().map(|(sum, n)| sum / f64::from((*n).max(1))).collect();
    let mut sorted = means.clone();
    sorted.sort_by(f64::total_cmp);
    // What encoding anew does to most cells; where most of the picture is masked, the few that are not tell it.
    let part = |of: usize| sorted.get(sorted.len() / of).copied().unwrap_or(0.0);
    let usual = part(2).min(part(20) * 3.0);
    let limit = LEAST.max(usual * 4.0).min(MOST);
    let mut open: Vec<bool> = means.iter().map(|m| *m > limit).collect();
    let mut found = Vec::new();
    let mut masked = 0_usize;
    for start in 0..open.len() {
        if !open[start] {
            continue;
        }
        let mut stack = vec![start];
        open[start] = false;
        let (mut x0, mut y0, mut x1, mut y1, mut count) = (usize::MAX, usize::MAX, 0, 0, 0);
        while let Some(at) = stack.pop() {
            let (x, y) = (at % columns, at / columns);
            (x0, y0, x1, y1, count) = (x0.min(x), y0.min(y), x1.max(x), y1.max(y), count + 1);
            // Two cells away still belongs together: a flat part of a masked region may look as it did.
            for ny in y.saturating_sub(2)..(y + 3).min(rows) {
                for nx in x.saturating_sub(2)..(x + 3).min(columns) {
                    let next = ny * columns + nx;
                    if open[next] {
                        open[next] = false;
                        stack.push(next);
                    }
                }
            }
        }
        if count >= LEAST_CELLS {
            masked += (x1 + 1 - x0) * (y1 + 1 - y0);
            let edge = |v: usize, side: usize| (v * CELL).min(side) as u16;
            let rect = Rect::new(edge(x0, width), edge(y0, height), edge(x1 + 1, width), edge(y1 + 1, height));
            found.extend(rect.ok());
        }
    }
    (found, (masked as f64 / open.len().max(1) as f64).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vaern_door::Size;
    use vaern_scenes::Dice;

    #[test]
    fn two_masks_are_two_regions_and_compression_is_none() {
        let size = Size::new(160, 120).unwrap();
        let street = crate::noise::texture(size, &mut Dice::new(3));
        let again = Picture::decode(&street.jpeg(jpeg_encoder::SamplingFactor::F_2_2, 85).unwrap()).unwrap();
        assert_eq!(changed(&street, &again).0, []);
        let masked = crate::noise::with_noise(&again, [8, 8, 40, 40], &mut Dice::new(4));
        let masked = crate::noise::with_noise(&masked, [100, 60, 140, 100], &mut Dice::new(5));
        let (regions, part) = changed(&street, &masked);
        assert_eq!(regions, [Rect::new(8, 8, 40, 40).unwrap(), Rect::new(100, 60, 140, 100).unwrap()]);
        assert!((part - 2624.0 / 19200.0).abs() < 0.01, "{part}");
        // Nearly everything, and everything.
        for x1 in [148, 160] {
            let masked = crate::noise::with_noise(&again, [0, 0, x1, 120], &mut Dice::new(6));
            let (regions, part) = changed(&street, &masked);
            assert_eq!(regions, [Rect::new(0, 0, x1, 120).unwrap()]);
            assert!(part > 0.9, "{part}");
        }
    }
}
