//! Where cameras looked, over all runs of a folder of proposals: for each cell and day, and no finer (`docs/decisions/0080`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::ProposalError;

/// The cells that runs tell, in degrees of latitude and longitude.
pub(crate) const CELL_DEG: [f64; 2] = [0.001, 0.002];

/// Fewer frames are not told, whatever a file says.
const LEAST: u32 = 5;

/// `coverage.json` of a run.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CoverageFile {
    form: u8,
    cell_deg: [f64; 2],
    least_frames: u32,
    cells: Vec<Covered>,
}

/// One cell on one day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Covered {
    pub(crate) day: String,
    pub(crate) cell: [i32; 2],
    pub(crate) frames_at_least: u32,
}

impl CoverageFile {
    /// The cells, where they are cells of this form.
    pub(crate) fn told(self) -> Result<Vec<Covered>, ProposalError> {
        let day = |text: &str| text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok();
        let fits = self.form == 1
            && self.cell_deg == CELL_DEG
            && self.least_frames >= LEAST
            && self.cells.iter().all(|cell| day(&cell.day) && cell.frames_at_least >= LEAST);
        if fits { Ok(self.cells) } else { Err(ProposalError::Form { file: "coverage.json".to_owned(), line: 0 }) }
    }
}

/// Adds up what runs told: frames at least, for each day and cell.
pub(crate) fn added<'a>(cells: impl IntoIterator<Item = &'a Covered>) -> BTreeMap<(&'a str, [i32; 2]), u32> {
    let mut sums = BTreeMap::new();
    for Covered { day, cell, frames_at_least } in cells {
        let sum: &mut u32 = sums.entry((day.as_str(), *cell)).or_default();
        *sum = sum.saturating_add(*frames_at_least);
    }
    sums
}

/// The corners of a cell as a GeoJSON ring, longitude first, counterclockwise.
pub(crate) fn ring([north, east]: [i32; 2]) -> [[f64; 2]; 5] {
    let [tall, wide] = CELL_DEG;
    let at = |n: i32, of: f64| (f64::from(n) * of * 1e6).round() / 1e6;
    let (south, top) = (at(north, tall), at(north.saturating_add(1), tall));
    let (west, right) = (at(east, wide), at(east.saturating_add(1), wide));
    [[west, south], [right, south], [right, top], [west, top], [west, south]]
}
