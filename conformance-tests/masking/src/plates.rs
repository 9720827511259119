//! T6: can the characters of a masked plate be read, the last one among them?

use vaern_privacy::PeopleClass;

use crate::gallery::{Gallery, PlateRow, attacked, candidates};
use crate::identity::{Labelled, rank_1};
use crate::masker::{Masker, Refused};
use crate::stats::binomial_99;
use crate::verdict::{Figure, TestId, Verdict};

/// Cells that a plate is reduced to.
const CELLS: (usize, usize) = (42, 6);

fn features(masker: &dyn Masker, rows: &[PlateRow]) -> Result<Vec<Vec<f64>>, Refused> {
    let region = |row: &PlateRow| attacked(masker, &row.shot, PeopleClass::Plate).map(|p| p.pooled(CELLS.0, CELLS.1));
    let grey = |v: Vec<f64>| v.chunks_exact(3).map(|p| (p[0] + p[1] + p[2]) / 3.0).collect();
    rows.iter().map(|row| region(row).map(grey)).collect()
}

/// Every candidate at every place, matched against templates that were masked in the same way.
#[must_use]
pub fn t6(masker: &dyn Masker, gallery: &Gallery) -> Verdict {
    let both = features(masker, &gallery.known_plates)
        .and_then(|known| Ok((known, features(masker, &gallery.unknown_plates)?)));
    let (known, unknown) = match both {
        Ok(both) => both,
        Err(refused) => return Verdict::of(TestId::T6, false, Vec::new(), refused.to_string()),
    };
    let column = |rows: &[PlateRow], place: usize| rows.iter().map(|r| r.characters[place]).collect::<Vec<_>>();
    let tried = gallery.unknown_plates.len();
    let mut holds = tried > 0;
    let mut parts = Vec::new();
    for place in 0..7 {
        let known: Labelled = (known.clone(), column(&gallery.known_plates, place));
        let unknown: Labelled = (unknown.clone(), column(&gallery.unknown_plates, place));
        let best = rank_1(&known, &unknown, candidates(place)).into_iter().max().unwrap_or(0);
        let (_, most) = binomial_99(tried, 1.0 / candidates(place) as f64);
        holds &= best <= most;
        parts.push(best as f64 / tried.max(1) as f64);
    }
    let average = |places: &[f64]| places.iter().sum::<f64>() / places.len().max(1) as f64;
    let last = parts.last().copied().unwrap_or(0.0);
    let figures = vec![
        Figure::new("letters read", average(&parts[..2]), ""),
        Figure::new("chance of a letter", 1.0 / candidates(0) as f64, ""),
        Figure::new("digits read", average(&parts[2..]), ""),
        Figure::new("chance of a digit", 0.1, ""),
        Figure::new("last digit read", last, ""),
    ];
    Verdict::of(TestId::T6, holds, figures, format!("{tried} plates"))
}
