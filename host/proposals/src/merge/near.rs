//! A table of neighbours: what may be near a place, without looking at everything.

use std::collections::{BTreeMap, HashMap};

use vaern_door::Label;

use super::GATE;
use crate::geo::Point;

/// Side of a square of the table, in metres.
const SQUARE_M: f64 = 30.0;

/// Things by the square that they are in, for each label.
#[derive(Default)]
pub(super) struct Near {
    labels: BTreeMap<Label, Squares>,
}

#[derive(Default)]
struct Squares {
    in_square: HashMap<(i64, i64), Vec<usize>>,
    is_in: HashMap<usize, (i64, i64)>,
    /// The largest sigma of anything in the table, in metres.
    widest: f64,
}

impl Near {
    /// Enters where a thing is, or where it is now. `sigma` is how well that is known, in metres.
    pub(super) fn put(&mut self, label: &Label, thing: usize, at: Point, sigma: f64) {
        let squares = match self.labels.get_mut(label) {
            Some(squares) => squares,
            None => self.labels.entry(label.clone()).or_default(),
        };
        squares.widest = squares.widest.max(sigma);
        let square = at.square(SQUARE_M);
        match squares.is_in.insert(thing, square) {
            Some(before) if before == square => return,
            Some(before) => {
                if let Some(things) = squares.in_square.get_mut(&before) {
                    things.retain(|other| *other != thing);
                }
            }
            None => {}
        }
        squares.in_square.entry(square).or_default().push(thing);
    }

    /// Everything of the label that may lie within the gate of a place that is known to `sigma` metres; more than that, in order.
    pub(super) fn around(&self, label: &Label, at: Point, sigma: f64) -> Vec<usize> {
        let Some(squares) = self.labels.get(label) else { return Vec::new() };
        let reach = GATE.sqrt() * sigma.hypot(squares.widest);
        let ((x0, y0), (x1, y1)) =
            (at.moved([-reach, -reach]).square(SQUARE_M), at.moved([reach, reach]).square(SQUARE_M));
        let (xs, ys) = ((x0.min(x1), x0.max(x1)), (y0.min(y1), y0.max(y1)));
        let mut things = Vec::new();
        for x in xs.0..=xs.1 {
            for y in ys.0..=ys.1 {
                things.extend(squares.in_square.get(&(x, y)).into_iter().flatten());
            }
        }
        things.sort_unstable();
        things
    }
}
