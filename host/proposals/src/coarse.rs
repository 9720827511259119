//! A position no finer than the task needs (SKJ-05): the middle of the block that it lies in, the same blocks as those of coverage.
//!
//! Only what is handed on to find the object again has its place: the files for maps and spreadsheets.

use vaern_door::guard;

use crate::coverage::CELL_DEG;
use crate::merge::Placed;

/// How far the corners of a block lie from its middle in Copenhagen, in metres.
pub(crate) const CORNER_M: f64 = 84.0;

/// The middle of a block, in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Block {
    pub(crate) latitude: f64,
    pub(crate) longitude: f64,
    /// Radius that holds the object: of the block, or of the place where that is wider.
    pub(crate) error_m: f64,
}

impl Block {
    pub(crate) fn of(place: &Placed) -> Self {
        if !guard::stands("proposals.coarse") {
            return Self { latitude: place.latitude, longitude: place.longitude, error_m: place.error_m };
        }
        let middle = |value: f64, of: f64| (((value / of).floor() + 0.5) * of * 1e6).round() / 1e6;
        let [tall, wide] = CELL_DEG;
        Self {
            latitude: middle(place.latitude, tall),
            longitude: middle(place.longitude, wide),
            error_m: place.error_m.max(CORNER_M),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sight::PositionKind;

    fn at(latitude: f64, longitude: f64, error_m: f64) -> Block {
        let kind = PositionKind::Object;
        Block::of(&Placed { latitude, longitude, error_m, kind, bearing: None, bearing_error: None })
    }

    #[test]
    fn skj_05n_two_places_of_one_block_are_the_same_and_its_middle_is_near_both() {
        let (door, corner) = (at(55.676_01, 12.568_10, 4.0), at(55.676_98, 12.569_95, 4.0));
        assert_eq!(door, corner);
        assert_eq!(door, Block { latitude: 55.6765, longitude: 12.569, error_m: CORNER_M });
        assert_ne!(at(55.677_01, 12.568_10, 4.0), door, "SKJ-05P: the next block is another");
        assert!((at(55.676_01, 12.568_10, 300.0).error_m - 300.0).abs() < f64::EPSILON, "no surer than it is");
        assert_eq!(at(-33.000_5, -70.000_5, 1.0).latitude, -33.0005);
    }
}
