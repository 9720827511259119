//! T5: can somebody who has masked pictures of 64 people with their names say whose the next one is?

use vaern_privacy::PeopleClass;

use crate::gallery::{Gallery, Shot, attacked};
use crate::masker::{Masker, Refused};
use crate::stats::{Symmetric, binomial_99, centred, distance, mean};
use crate::verdict::{Figure, TestId, Verdict};

/// Cells that a region is reduced to, across and down.
const CELLS: usize = 10;

/// Features and the class of each.
pub(crate) type Labelled = (Vec<Vec<f64>>, Vec<usize>);

/// What the whitening of each LDA takes for noise in every direction: little trust in the few pictures it learned from, and much.
const RIDGES: [f64; 2] = [0.05, 0.005];

/// Correct answers of four attackers: nearest mean, nearest mean after whitening (LDA) with either ridge, nearest neighbour.
#[must_use]
pub fn rank_1(
    known: &(Vec<Vec<f64>>, Vec<usize>),
    unknown: &(Vec<Vec<f64>>, Vec<usize>),
    classes: usize,
) -> [usize; 4] {
    let middle = mean(&known.0);
    let (rows, tried) = (centred(&known.0, &middle), centred(&unknown.0, &middle));
    let means: Vec<Vec<f64>> = (0..classes)
        .map(|class| {
            let own: Vec<Vec<f64>> =
                rows.iter().zip(&known.1).filter(|(_, c)| **c == class).map(|(r, _)| r.clone()).collect();
            if own.is_empty() { vec![0.0; middle.len()] } else { mean(&own) }
        })
        .collect();
    // What varies inside a class is noise to the attacker.
    let within: Vec<Vec<f64>> = rows
        .iter()
        .zip(&known.1)
        .map(|(row, class)| row.iter().zip(&means[*class]).map(|(v, m)| v - m).collect())
        .collect();
    let moment = Symmetric::second_moment(&within);
    let lda = RIDGES.map(|ridge| {
        let factor = moment.clone().ridged(ridge).factor();
        let white: Vec<Vec<f64>> = means.iter().map(|m| factor.whitened(m)).collect();
        (factor, white)
    });
    let whitened =
        |at: usize, row: &[f64]| lda.get(at).and_then(|(factor, white)| nearest(white, &factor.whitened(row)));
    let mut right = [0; 4];
    for (row, class) in tried.iter().zip(&unknown.1) {
        let answers = [
            nearest(&means, row),
            whitened(0, row),
            whitened(1, row),
            nearest(&rows, row).and_then(|at| known.1.get(at).copied()),
        ];
        for (right, answer) in right.iter_mut().zip(answers) {
            *right += usize::from(answer == Some(*class));
        }
    }
    right
}

/// The first of the nearest: where all are equally near, a guess.
fn nearest(to: &[Vec<f64>], row: &[f64]) -> Option<usize> {
    let far = to.iter().map(|other| distance(other, row)).enumerate();
    far.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(at, _)| at)
}

pub(crate) fn features(masker: &dyn Masker, shots: &[Shot]) -> Result<Labelled, Refused> {
    let mut out = Labelled::default();
    for shot in shots {
        out.0.push(attacked(masker, shot, PeopleClass::Face)?.pooled(CELLS, CELLS));
        out.1.push(shot.who);
    }
    Ok(out)
}

/// Rank-1 of the best attacker, against the 99 % interval of chance.
#[must_use]
pub fn t5(masker: &dyn Masker, gallery: &Gallery) -> Verdict {
    let learned = features(masker, &gallery.known).and_then(|k| Ok((k, features(masker, &gallery.unknown)?)));
    let (known, unknown) = match learned {
        Ok(both) => both,
        Err(refused) => return Verdict::of(TestId::T5, false, Vec::new(), refused.to_string()),
    };
    let right = rank_1(&known, &unknown, gallery.people);
    let tried = unknown.1.len();
    let (_, most) = binomial_99(tried, 1.0 / gallery.people as f64);
    let best = right.into_iter().max().unwrap_or(0);
    let part = |n: usize| n as f64 / tried.max(1) as f64;
    let figures = vec![
        Figure::new("rank-1", part(best), ""),
        Figure::new("chance", 1.0 / gallery.people as f64, ""),
        Figure::new("99 % of chance up to", part(most), ""),
        Figure::new("tried", tried as f64, ""),
    ];
    let says = format!("nearest mean {}, LDA {} and {}, nearest neighbour {}", right[0], right[1], right[2], right[3]);
    Verdict::of(TestId::T5, tried > 0 && best <= most, figures, says)
}
