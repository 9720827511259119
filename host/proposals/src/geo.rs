//! Metres around a place, and spreads of a position in the plane.

use serde::{Deserialize, Serialize};

/// Metres north of one degree of latitude, and metres east of one degree of longitude, on the WGS 84 ellipsoid.
fn metres_per_degree(latitude: f64) -> (f64, f64) {
    const A: f64 = 6_378_137.0;
    const E2: f64 = 0.006_694_379_990_14;
    let (sin, cos) = latitude.to_radians().sin_cos();
    let w2 = 1.0 - E2 * sin * sin;
    let across = A / w2.sqrt();
    ((across * (1.0 - E2) / w2).to_radians(), (across * cos).to_radians())
}

/// A point on the earth, in degrees.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) latitude: f64,
    pub(crate) longitude: f64,
}

impl Point {
    /// Metres east and north from here to there. Good to a part in a thousand over a city.
    pub(crate) fn to(self, there: Self) -> [f64; 2] {
        let (north, east) = metres_per_degree(self.latitude);
        [(there.longitude - self.longitude) * east, (there.latitude - self.latitude) * north]
    }

    /// The point so many metres east and north of this one.
    pub(crate) fn moved(self, [east, north]: [f64; 2]) -> Self {
        let (per_north, per_east) = metres_per_degree(self.latitude);
        Self { latitude: self.latitude + north / per_north, longitude: self.longitude + east / per_east }
    }

    /// A square of the earth of about `metres`, for a table of neighbours.
    pub(crate) fn square(self, metres: f64) -> (i64, i64) {
        // One width of a degree for each whole degree of latitude, so that neighbours share it.
        let (north, east) = metres_per_degree(self.latitude.floor());
        ((self.latitude * north / metres).floor() as i64, (self.longitude * east / metres).floor() as i64)
    }
}

/// Variance of a position in square metres: east, across, north.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) ee: f64,
    pub(crate) en: f64,
    pub(crate) nn: f64,
}

impl Spread {
    /// The same in all directions; `sigma` in metres.
    pub(crate) fn round(sigma: f64) -> Self {
        Self { ee: sigma * sigma, en: 0.0, nn: sigma * sigma }
    }

    /// `along` metres of sigma in the direction `bearing` (radians clockwise from north), `across` metres beside it.
    pub(crate) fn along(bearing: f64, along: f64, across: f64) -> Self {
        let (sin, cos) = bearing.sin_cos();
        let (a, c) = (along * along, across * across);
        Self { ee: a * sin * sin + c * cos * cos, en: (a - c) * sin * cos, nn: a * cos * cos + c * sin * sin }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self { ee: self.ee + other.ee, en: self.en + other.en, nn: self.nn + other.nn }
    }

    pub(crate) fn times(self, factor: f64) -> Self {
        Self { ee: self.ee * factor, en: self.en * factor, nn: self.nn * factor }
    }

    fn determinant(self) -> f64 {
        self.ee * self.nn - self.en * self.en
    }

    /// The information that a spread is. A spread of nothing gives none.
    pub(crate) fn inverse(self) -> Self {
        let det = self.determinant();
        if det.is_finite() && det > 0.0 {
            Self { ee: self.nn / det, en: -self.en / det, nn: self.ee / det }
        } else {
            Self::default()
        }
    }

    /// How much this information weighs: the root of its determinant.
    pub(crate) fn weight(self) -> f64 {
        self.determinant().max(0.0).sqrt()
    }

    pub(crate) fn apply(self, [east, north]: [f64; 2]) -> [f64; 2] {
        [self.ee * east + self.en * north, self.en * east + self.nn * north]
    }

    /// Squared statistical distance of an offset under this spread.
    pub(crate) fn distance2(self, offset: [f64; 2]) -> f64 {
        let [east, north] = self.inverse().apply(offset);
        offset[0] * east + offset[1] * north
    }

    /// The largest sigma in any direction, in metres.
    pub(crate) fn widest(self) -> f64 {
        let mean = (self.ee + self.nn) / 2.0;
        let half = ((self.ee - self.nn) / 2.0).hypot(self.en);
        (mean + half).max(0.0).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_is_where_it_began() {
        let here = Point { latitude: 55.6761, longitude: 12.5683 };
        let there = here.moved([40.0, -25.0]);
        let [east, north] = here.to(there);
        assert!((east - 40.0).abs() < 1e-6 && (north + 25.0).abs() < 1e-6);
        // One minute of latitude at 55.7 degrees north is 1855.7 m on the ellipsoid.
        let minute = Point { latitude: here.latitude + 1.0 / 60.0, ..here };
        assert!((here.to(minute)[1] - 1855.7).abs() < 1.0);
    }

    #[test]
    fn a_spread_along_a_bearing_is_wide_there_and_narrow_beside_it() {
        let east = Spread::along(90_f64.to_radians(), 10.0, 1.0);
        assert!((east.ee - 100.0).abs() < 1e-9 && (east.nn - 1.0).abs() < 1e-9 && east.en.abs() < 1e-9);
        let slanted = Spread::along(45_f64.to_radians(), 10.0, 1.0);
        assert!((slanted.widest() - 10.0).abs() < 1e-9);
        let unit = std::f64::consts::FRAC_1_SQRT_2;
        assert!((slanted.distance2([10.0 * unit, 10.0 * unit]) - 1.0).abs() < 1e-9);
        assert!((slanted.distance2([unit, -unit]) - 1.0).abs() < 1e-9);
    }
}
