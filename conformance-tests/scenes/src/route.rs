//! The route of a drive: three streets of the inner city, and the fence that its last metres leave.

use serde::{Deserialize, Serialize};

/// A place on earth, WGS 84 degrees.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// North of the equator.
    pub latitude: f64,
    /// East of Greenwich.
    pub longitude: f64,
}

const fn at(latitude: f64, longitude: f64) -> Place {
    Place { latitude, longitude }
}

/// From the City Hall Square along Vester Voldgade to Jarmers Plads, along Nørre Voldgade to Nørreport, and out of the
/// inner city over Frederiksborggade towards the lakes.
pub const ROUTE: [Place; 4] =
    [at(55.676_10, 12.568_30), at(55.679_30, 12.566_10), at(55.683_30, 12.571_40), at(55.686_90, 12.563_60)];

/// The fence of the inner city, as `policies/geofences/indre-by.geojson` has it. A drive must know it to say which of
/// its frames lie outside.
pub const FENCE: [Place; 10] = [
    at(55.6715, 12.5630),
    at(55.6690, 12.5700),
    at(55.6702, 12.5770),
    at(55.6738, 12.5825),
    at(55.6776, 12.5868),
    at(55.6808, 12.5862),
    at(55.6835, 12.5780),
    at(55.6840, 12.5702),
    at(55.6792, 12.5628),
    at(55.6752, 12.5590),
];

/// Metres in a degree at 55.68 degrees north, on the WGS 84 ellipsoid.
const NORTH_M: f64 = 111_336.0;
const EAST_M: f64 = 62_913.5;

/// East and north of the route's start, in metres.
fn metres(p: Place) -> (f64, f64) {
    let [start, ..] = ROUTE;
    ((p.longitude - start.longitude) * EAST_M, (p.latitude - start.latitude) * NORTH_M)
}

fn place((east, north): (f64, f64)) -> Place {
    let [start, ..] = ROUTE;
    Place { latitude: start.latitude + north / NORTH_M, longitude: start.longitude + east / EAST_M }
}

/// One straight street of the route.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leg {
    from: (f64, f64),
    along: (f64, f64),
    pub(crate) length: f64,
}

impl Leg {
    /// A place from its street coordinates: metres to the right of the middle, metres along.
    pub(crate) fn place(&self, right: f64, ahead: f64) -> Place {
        let (e, n) = self.along;
        place((self.from.0 + e * ahead + n * right, self.from.1 + n * ahead - e * right))
    }

    /// Degrees clockwise from north.
    pub(crate) fn heading(&self) -> f64 {
        let degrees = libm::atan2(self.along.0, self.along.1).to_degrees();
        if degrees < 0.0 { degrees + 360.0 } else { degrees }
    }
}

/// The streets of the route in order.
pub(crate) fn legs() -> Vec<Leg> {
    ROUTE
        .iter()
        .zip(ROUTE.iter().skip(1))
        .map(|(a, b)| {
            let (a, b) = (metres(*a), metres(*b));
            let (e, n) = (b.0 - a.0, b.1 - a.1);
            let length = (e * e + n * n).sqrt();
            Leg { from: a, along: (e / length, n / length), length }
        })
        .collect()
}

/// Metres to the fence's line: positive inside, negative outside.
#[must_use]
pub fn fence_margin_m(p: Place) -> f64 {
    let (x, y) = metres(p);
    let corners: Vec<(f64, f64)> = FENCE.iter().map(|c| metres(*c)).collect();
    let mut inside = false;
    let mut nearest = f64::MAX;
    for (a, b) in corners.iter().zip(corners.iter().cycle().skip(1)) {
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let t = (((x - a.0) * dx + (y - a.1) * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
        let (ex, ey) = (x - a.0 - t * dx, y - a.1 - t * dy);
        nearest = nearest.min((ex * ex + ey * ey).sqrt());
        if (a.1 > y) != (b.1 > y) && x < a.0 + dx * (y - a.1) / dy {
            inside = !inside;
        }
    }
    if inside { nearest } else { -nearest }
}

/// How far along the route the fence is left.
pub(crate) fn exit_m() -> f64 {
    let mut gone = 0.0;
    for leg in legs() {
        let mut ahead = 0.0;
        while ahead < leg.length {
            if fence_margin_m(leg.place(0.0, ahead)) < 0.0 {
                return gone + ahead;
            }
            ahead += 1.0;
        }
        gone += leg.length;
    }
    gone
}
