//! T3: how many bits of the inside get through the mask.

use vaern_privacy::PeopleClass;

use crate::gallery::{Gallery, Shot, attacked};
use crate::masker::{Masker, Refused};
use crate::picture::Picture;
use crate::stats::{Factor, Symmetric, centred, mean};
use crate::verdict::{Figure, TestId, Verdict};

/// Cells of the masked region that the attacker measures.
const CELLS: usize = 10;

/// Cells of the face, brightness only, that the attacker wants to know.
const WANTED: usize = 5;

/// Strengths of the regularisation that the attacker tries.
const RIDGES: [f64; 5] = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5];

type Rows = Vec<Vec<f64>>;

fn both(masker: &dyn Masker, shots: &[Shot]) -> Result<(Rows, Rows), Refused> {
    let (mut masked, mut wanted) = (Rows::new(), Rows::new());
    for shot in shots {
        masked.push(attacked(masker, shot, PeopleClass::Face)?.pooled(CELLS, CELLS));
        let [x0, y0, x1, y1] = shot.bbox;
        let face = vaern_door::Rect::new(x0, y0, x1, y1).ok();
        let face = face.and_then(|rect| Picture::decode(&shot.file).ok()?.cut(rect));
        let cells = face.map(|f| f.pooled(WANTED, WANTED)).unwrap_or_default();
        wanted.push(cells.chunks_exact(3).map(|p| 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]).collect());
    }
    Ok((masked, wanted))
}

/// Bits per face that the best linear decoder gets from the masked region about the face in 5 x 5 cells of brightness.
///
/// The decoder is fitted on one half of the gallery and judged on the other, so that what it learned by heart counts for
/// nothing: half the logarithm of how much smaller the error's covariance is than that of the faces. It is an estimate from below
/// of what gets through. Where every masked region is the same to the last bit, nothing gets through, and that is exact.
#[must_use]
pub fn t3(masker: &dyn Masker, gallery: &Gallery) -> Verdict {
    let fitted = both(masker, &gallery.known).and_then(|k| Ok((k, both(masker, &gallery.unknown)?)));
    let ((masked, wanted), (tried, truth)) = match fitted {
        Ok(all) => all,
        Err(refused) => return Verdict::of(TestId::T3, false, Vec::new(), refused.to_string()),
    };
    let first = masked.first();
    let constant = first.is_some() && masked.iter().chain(&tried).all(|row| Some(row) == first);
    let bits = if constant { 0.0 } else { linear_bits(&masked, &wanted, &tried, &truth) };
    let figures = vec![
        Figure::new("capacity", bits, "bits per face"),
        Figure::new("exact", f64::from(u8::from(constant)), ""),
        Figure::new("faces", (masked.len() + tried.len()) as f64, ""),
    ];
    Verdict::of(TestId::T3, constant, figures, if constant { "every masked region is the same" } else { "" })
}

fn linear_bits(masked: &Rows, wanted: &Rows, tried: &Rows, truth: &Rows) -> f64 {
    let (middle, target) = (mean(masked), mean(wanted));
    let (x, y) = (centred(masked, &middle), centred(wanted, &target));
    let (x_tried, y_tried) = (centred(tried, &middle), centred(truth, &target));
    let side = middle.len();
    let moment = Symmetric::second_moment(&x);
    let free = covariance(&y_tried).log_determinant();
    let best = RIDGES.into_iter().map(|ridge| {
        let factor = moment.clone().ridged(ridge).factor();
        // One row of weights for each wanted cell.
        let weights: Rows = (0..target.len())
            .map(|k| {
                let mut cross = vec![0.0; side];
                for (row, wanted) in x.iter().zip(&y) {
                    cross.iter_mut().zip(row).for_each(|(c, v)| *c += v * wanted[k] / x.len() as f64);
                }
                factor.solve(&cross)
            })
            .collect();
        let left: Rows = x_tried
            .iter()
            .zip(&y_tried)
            .map(|(row, wanted)| {
                let guess = weights.iter().map(|w| w.iter().zip(row).map(|(a, b)| a * b).sum::<f64>());
                wanted.iter().zip(guess).map(|(v, g)| v - g).collect()
            })
            .collect();
        0.5 * (free - covariance(&left).log_determinant()) / std::f64::consts::LN_2
    });
    best.fold(0.0, f64::max)
}

fn covariance(rows: &Rows) -> Factor {
    // A hundredth of a grey level squared: what no decoder can be held to.
    Symmetric::second_moment(rows).ridged(1e-6).factor()
}

/// Bits that the outline of one mask can carry at the most, in a frame of this size: the logarithm of the number of outlines
/// that there are once they are snapped to a grid. What is under the mask can say no more than this, and only if whoever
/// chooses the boxes wants it to: a detector that sees the same box says nothing at all.
#[must_use]
pub fn outline_bits(width: u32, height: u32, grid: u32) -> f64 {
    let lines = |side: u32| {
        let cells = f64::from(side.div_ceil(grid));
        cells * (cells + 1.0) / 2.0
    };
    (lines(width) * lines(height)).log2()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vaern_scenes::Dice;

    fn rows(count: usize, dice: &mut Dice) -> Rows {
        (0..count).map(|_| (0..25).map(|_| f64::from(dice.bell()) * 30.0).collect()).collect()
    }

    #[test]
    fn a_clear_view_gives_bits_and_an_unrelated_one_gives_none() {
        let mut dice = Dice::new(9);
        let (wanted, truth) = (rows(400, &mut dice), rows(200, &mut dice));
        let (noise, other) = (rows(400, &mut dice), rows(200, &mut dice));
        assert_eq!(linear_bits(&noise, &wanted, &other, &truth), 0.0);
        assert!(linear_bits(&wanted, &wanted, &truth, &truth) > 100.0);
        // Each cell with as much noise as there is signal: half a bit a cell.
        let half = |a: &Rows, b: &Rows| -> Rows {
            a.iter().zip(b).map(|(p, q)| p.iter().zip(q).map(|(v, n)| v + n).collect()).collect()
        };
        let bits = linear_bits(&half(&wanted, &noise), &wanted, &half(&truth, &other), &truth);
        assert!((9.0..13.0).contains(&bits), "{bits}");
    }

    #[test]
    fn outlines_are_counted() {
        // 2 x 1 cells: three ways across, one down.
        assert!((outline_bits(32, 16, 16) - 3.0_f64.log2()).abs() < 1e-12);
        assert!((29.0..29.2).contains(&outline_bits(4000, 3000, 16)));
    }
}
