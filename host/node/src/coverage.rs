//! Where the camera looked, so that "not seen" is not read as "not there", and so coarse that it is no log of a driver's movements.
//!
//! A frame without an object leaves nothing but a count (SKJ-07). This is that count, for each cell of the map and each day: no time
//! below a day, no order, no vehicle, no camera, and no cell that was looked at only in passing (`docs/decisions/0080`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vaern_door::guard;

use crate::outcome::{FrameResult, Place, Run};
use crate::report::words;
use crate::sinks::{COVERAGE, SinkError};

/// Height and width of a cell, in degrees: about 111 by 125 m in Copenhagen.
pub const CELL_DEG: [f64; 2] = [0.001, 0.002];

/// Fewer frames of a cell on a day are not told.
pub const LEAST: u32 = 5;

/// What a camera looks at is about so far ahead of it, in metres.
const AHEAD_M: f64 = 12.0;

/// A cell on a day: what a frame looked at. Cells are whole steps of [`CELL_DEG`] north and east of 0, 0.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Spot {
    /// `2026-11-23`, UTC.
    pub(crate) day: String,
    pub(crate) cell: [i32; 2],
}

/// Frames for each day and cell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coverage(BTreeMap<Spot, u32>);

#[derive(Serialize)]
struct File<'a> {
    form: u8,
    cell_deg: [f64; 2],
    least_frames: u32,
    cells: Vec<Cell<'a>>,
}

#[derive(Serialize)]
struct Cell<'a> {
    day: &'a str,
    cell: [i32; 2],
    frames_at_least: u32,
}

impl Spot {
    /// What a frame looked at. One without a time is on no day, and one that is nowhere looks at nothing.
    pub(crate) fn of(place: &Place) -> Option<Self> {
        let time = place.time_ms.and_then(words::rfc3339)?;
        let day = time.get(..10).filter(|_| words::on_earth(place))?;
        let (ahead, across) = match place.heading.filter(|heading| heading.is_finite()) {
            Some(heading) => (heading.to_radians().cos() * AHEAD_M, heading.to_radians().sin() * AHEAD_M),
            None => (0.0, 0.0),
        };
        // A metre more or less does not matter to a cell.
        let latitude = place.latitude + ahead / 111_300.0;
        let longitude = place.longitude + across / (111_300.0 * place.latitude.to_radians().cos().max(0.01));
        let [tall, wide] = CELL_DEG;
        Some(Self { day: day.to_owned(), cell: [(latitude / tall).floor() as i32, (longitude / wide).floor() as i32] })
    }
}

/// What the coverage of a day can carry, in bits, of cells that a fence with these outlines can hold: a plugin chooses by its time and by its
/// failures how many frames of a cell are seen (EXF-08). Told is one of the steps, or nothing.
pub(crate) fn bits_per_day(outlines: &[Vec<(f64, f64)>]) -> f64 {
    let steps = (0..27).filter(|n| step(*n) >= LEAST).count() as f64 + 1.0;
    let cells = |outline: &Vec<(f64, f64)>| {
        let side = |of: fn(&(f64, f64)) -> f64, wide: f64| {
            let low = outline.iter().map(of).fold(f64::INFINITY, f64::min);
            let high = outline.iter().map(of).fold(f64::NEG_INFINITY, f64::max);
            // What lies ahead of the camera may be in the next cell.
            ((high - low).max(0.0) / wide).ceil() + 3.0
        };
        let [tall, wide] = CELL_DEG;
        // Points are longitude and latitude.
        side(|point| point.1, tall) * side(|point| point.0, wide)
    };
    outlines.iter().map(cells).sum::<f64>() * steps.log2()
}

impl Coverage {
    /// What the frames of a run that were seen looked at.
    #[must_use]
    pub fn of(run: &Run) -> Self {
        let mut coverage = Self::default();
        for frame in &run.frames {
            if let FrameResult::Seen(seen) = &frame.result
                && let Some(place) = &seen.position
            {
                coverage.count(place);
            }
        }
        coverage
    }

    /// Counts that were kept, each cell and day once.
    pub(crate) fn kept(counts: impl IntoIterator<Item = (Spot, u32)>) -> Self {
        Self(counts.into_iter().collect())
    }

    fn count(&mut self, place: &Place) {
        if let Some(spot) = Spot::of(place) {
            *self.0.entry(spot).or_default() += 1;
        }
    }

    /// What may be told of it, as JSON: cells with at least [`LEAST`] frames, their number in steps.
    ///
    /// # Errors
    /// [`SinkError`] if it cannot be written as JSON.
    pub fn json(&self) -> Result<String, SinkError> {
        let told = self.0.iter().filter(|(_, frames)| **frames >= LEAST || !guard::stands("node.coverage_least"));
        let cells =
            told.map(|(Spot { day, cell }, frames)| Cell { day, cell: *cell, frames_at_least: at_least(*frames) });
        let file = File { form: 1, cell_deg: CELL_DEG, least_frames: LEAST, cells: cells.collect() };
        let text = serde_json::to_string_pretty(&file).map_err(|error| SinkError::new(COVERAGE, error))?;
        Ok(text + "\n")
    }
}

/// The middle of the cell that a place lies in, in degrees: no finer place is shown to people who need none (SKJ-05).
pub(crate) fn middle(place: &Place) -> (f64, f64) {
    if !guard::stands("node.coarse") {
        return (place.latitude, place.longitude);
    }
    let [tall, wide] = CELL_DEG;
    let middle = |value: f64, of: f64| ((value / of).floor() + 0.5) * of;
    (middle(place.latitude, tall), middle(place.longitude, wide))
}

/// The largest of 1, 2 and 5 and zeros that is not above `frames`: how long the vehicle stood is nobody's business.
fn at_least(frames: u32) -> u32 {
    (0..27).map(step).take_while(|step| *step <= frames).last().unwrap_or_default()
}

/// 1, 2, 5, 10, 20, 50 and so on.
const fn step(n: u32) -> u32 {
    let first = match n % 3 {
        0 => 1,
        1 => 2,
        _ => 5,
    };
    first * 10_u32.pow(n / 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(north_m: f64, heading: Option<f64>, time_ms: i64) -> Place {
        let latitude = 55.676 + north_m / 111_300.0;
        Place { latitude, longitude: 12.5685, error_m: 4.0, heading, time_ms: Some(time_ms), view: None }
    }

    const MORNING: i64 = 1_795_416_000_000;

    fn told(places: &[Place]) -> serde_json::Value {
        let mut coverage = Coverage::default();
        places.iter().for_each(|place| coverage.count(place));
        serde_json::from_str(&coverage.json().unwrap()).unwrap()
    }

    #[test]
    fn skj_07n_coverage_tells_no_time_below_a_day_no_order_and_no_passing_look() {
        let there: Vec<Place> =
            (0..20).map(|n| place(40.0 + f64::from(n), None, MORNING + i64::from(n) * 700)).collect();
        let mut back: Vec<Place> = there.iter().rev().copied().collect();
        for (n, place) in back.iter_mut().enumerate() {
            place.time_ms = Some(MORNING + 7_200_000 + n as i64 * 1_300);
        }
        assert_eq!(told(&there), told(&back), "hours later and the other way round: the same");
        let cells = told(&there)["cells"].clone();
        let form = serde_json::json!([{ "day": "2026-11-23", "cell": [55676, 6284], "frames_at_least": 20 }]);
        assert_eq!(cells, form);
        let four = told(&there[..4]);
        assert!(four["cells"].as_array().unwrap().is_empty(), "{four}");
        assert_eq!(told(&there[..9]), told(&there[..5]), "numbers are told in steps");
    }

    #[test]
    fn a_camera_looks_ahead_of_where_it_is() {
        let at_the_edge = |heading| {
            let places: Vec<Place> = (0..5).map(|_| place(108.0, heading, MORNING)).collect();
            told(&places)["cells"][0]["cell"][0].as_i64().unwrap()
        };
        assert_eq!((at_the_edge(None), at_the_edge(Some(180.0)), at_the_edge(Some(0.0))), (55676, 55676, 55677));
    }

    #[test]
    fn a_frame_without_a_time_or_a_place_covers_nothing() {
        let nowhere = Place { latitude: f64::NAN, ..place(0.0, None, MORNING) };
        let never = Place { time_ms: None, ..place(0.0, None, MORNING) };
        let strange = Place { heading: Some(f64::NAN), ..place(50.0, None, MORNING) };
        let places: Vec<Place> = [nowhere, never, strange].into_iter().cycle().take(30).collect();
        assert!(told(&places)["cells"].as_array().unwrap().len() <= 1);
        assert_eq!([0, 1, 4, 5, 19, 20, 49, 50, 99, 100].map(at_least), [0, 1, 2, 5, 10, 20, 20, 50, 50, 100]);
    }
}
