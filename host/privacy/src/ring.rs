//! One closed line of a fence, and what can be asked of it: inside or not, how far to the line, how large.

use crate::position::Plane;

/// Why a ring bounds no area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RingFault {
    /// Fewer than four positions.
    #[error("a ring needs at least four positions, the last equal to the first")]
    TooFew,
    /// The last position is not the first.
    #[error("a ring is not closed: its last position must equal its first")]
    NotClosed,
    /// No area.
    #[error("a ring encloses no area")]
    NoArea,
    /// The line crosses or touches itself.
    #[error("a ring crosses itself")]
    Crossing,
    /// A hole that is not in its polygon.
    #[error("a hole lies outside its polygon")]
    HoleOutside,
    /// Longer than half the earth: such rings mean the date line was crossed.
    #[error("a ring spans more than 90 degrees")]
    TooWide,
}

/// A closed ring of (longitude, latitude), without the doubled last position.
#[derive(Debug, Clone)]
pub(crate) struct Ring {
    corners: Vec<(f64, f64)>,
}

impl Ring {
    pub(crate) fn new(mut corners: Vec<(f64, f64)>) -> Result<Self, RingFault> {
        if corners.len() < 4 {
            return Err(RingFault::TooFew);
        }
        if corners.first() != corners.last() {
            return Err(RingFault::NotClosed);
        }
        corners.pop();
        // A doubled corner is harmless and common in exported files.
        corners.dedup();
        let ring = Self { corners };
        let (west, east) = ring.span(|c| c.0);
        let (south, north) = ring.span(|c| c.1);
        if east - west > 90.0 || north - south > 90.0 {
            return Err(RingFault::TooWide);
        }
        // A square metre bounds no street.
        if ring.corners.len() < 3 || ring.area_km2() < 1e-6 {
            return Err(RingFault::NoArea);
        }
        Ok(ring)
    }

    fn span(&self, axis: impl Fn(&(f64, f64)) -> f64) -> (f64, f64) {
        self.corners.iter().map(axis).fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| (lo.min(v), hi.max(v)))
    }

    pub(crate) const fn corners(&self) -> usize {
        self.corners.len()
    }

    pub(crate) fn points(&self) -> &[(f64, f64)] {
        &self.corners
    }

    fn edges(&self) -> impl Iterator<Item = ((f64, f64), (f64, f64))> {
        let next = self.corners.iter().skip(1).chain(self.corners.first());
        self.corners.iter().zip(next).map(|(a, b)| (*a, *b))
    }

    /// Whether the plane's point of touch lies inside. Points on the line may go either way: the distance rule refuses them.
    pub(crate) fn contains(&self, plane: &Plane) -> bool {
        // A plane is a picture of the earth nearby. From the other side of it corners fall to the east and to the west, and a line torn
        // like that would enclose everything. No ring reaches across the date line, so what is outside its degrees is outside.
        let (longitude, latitude) = plane.touch();
        let within = |(low, high): (f64, f64), value: f64| (low..=high).contains(&value);
        if !within(self.span(|c| c.0), longitude) || !within(self.span(|c| c.1), latitude) {
            return false;
        }
        let mut inside = false;
        for (a, b) in self.edges() {
            let ((ax, ay), (bx, by)) = (plane.project(a.0, a.1), plane.project(b.0, b.1));
            if (ay > 0.0) != (by > 0.0) && ax + (bx - ax) * (-ay) / (by - ay) > 0.0 {
                inside = !inside;
            }
        }
        inside
    }

    /// Metres from the plane's point of touch to the nearest point of the line.
    pub(crate) fn distance_m(&self, plane: &Plane) -> f64 {
        self.edges()
            .map(|(a, b)| {
                let ((ax, ay), (bx, by)) = (plane.project(a.0, a.1), plane.project(b.0, b.1));
                let (dx, dy) = (bx - ax, by - ay);
                let length2 = dx * dx + dy * dy;
                let along = if length2 > 0.0 { (-(ax * dx + ay * dy) / length2).clamp(0.0, 1.0) } else { 0.0 };
                (ax + along * dx).hypot(ay + along * dy)
            })
            .fold(f64::INFINITY, f64::min)
    }

    /// Area of what the ring encloses, on the plane through its middle.
    pub(crate) fn area_km2(&self) -> f64 {
        let (west, east) = self.span(|c| c.0);
        let (south, north) = self.span(|c| c.1);
        let plane = Plane::at((south + north) / 2.0, (west + east) / 2.0);
        let doubled: f64 = self
            .edges()
            .map(|(a, b)| {
                let ((ax, ay), (bx, by)) = (plane.project(a.0, a.1), plane.project(b.0, b.1));
                ax * by - bx * ay
            })
            .sum();
        doubled.abs() / 2.0 / 1e6
    }

    /// Whether the first corner lies inside the other ring: with no crossing, all of it does.
    pub(crate) fn starts_inside(&self, outline: &Self) -> bool {
        self.corners.first().is_some_and(|c| outline.contains(&Plane::at(c.1, c.0)))
    }

    /// Refuses a line that crosses itself: which side of it is inside would depend on who reads the file.
    pub(crate) fn check_crossing(&self) -> Result<(), RingFault> {
        let edges: Vec<_> = self.edges().collect();
        let last = edges.len().saturating_sub(1);
        for (i, first) in edges.iter().enumerate() {
            for (j, second) in edges.iter().enumerate().skip(i + 2) {
                // The first and the last edge are neighbours.
                if !(i == 0 && j == last) && crosses(*first, *second) {
                    return Err(RingFault::Crossing);
                }
            }
        }
        Ok(())
    }
}

type Edge = ((f64, f64), (f64, f64));

fn crosses(p: Edge, q: Edge) -> bool {
    let side = |a: (f64, f64), b: (f64, f64), c: (f64, f64)| (b.0 - a.0) * (c.1 - a.1) - (b.1 - a.1) * (c.0 - a.0);
    let (d1, d2) = (side(q.0, q.1, p.0), side(q.0, q.1, p.1));
    let (d3, d4) = (side(p.0, p.1, q.0), side(p.0, p.1, q.1));
    d1 * d2 < 0.0 && d3 * d4 < 0.0
}
