//! One place out of many estimates.

use crate::geo::{Point, Spread};
use crate::sight::Estimate;

/// Metres are counted from here, so that numbers stay small.
#[derive(Debug, Clone, Copy)]
struct Sum {
    anchor: Point,
    information: Spread,
    pull: [f64; 2],
}

impl Sum {
    const fn at(anchor: Point) -> Self {
        Self { anchor, information: Spread { ee: 0.0, en: 0.0, nn: 0.0 }, pull: [0.0; 2] }
    }

    fn add(&mut self, at: Point, information: Spread) {
        self.information = self.information.plus(information);
        let [east, north] = information.apply(self.anchor.to(at));
        self.pull = [self.pull[0] + east, self.pull[1] + north];
    }

    /// The place, and the spread of the information as it stands.
    fn place(&self) -> (Point, Spread) {
        let spread = self.information.inverse();
        (self.anchor.moved(spread.apply(self.pull)), spread)
    }
}

/// A thing as one drive saw it. What its pictures have wrong in common is not known (the heading, the tilt), so many pictures are not
/// taken for much surer than the best of them: covariance intersection, with weights by information.
#[derive(Debug, Clone, Copy)]
pub(super) struct Body {
    sum: Sum,
    weight: f64,
    fix2: f64,
}

impl Body {
    pub(super) const fn at(anchor: Point) -> Self {
        Self { sum: Sum::at(anchor), weight: 0.0, fix2: 0.0 }
    }

    pub(super) fn see(&mut self, estimate: &Estimate) {
        let information = estimate.spread.inverse();
        let weight = information.weight();
        self.sum.add(estimate.at, information.times(weight));
        self.weight += weight;
        self.fix2 += weight * estimate.fix_m * estimate.fix_m;
    }

    /// Takes in what was seen of the same thing by another name.
    pub(super) fn join(&mut self, other: &Self) {
        let (at, spread) = other.sum.place();
        self.sum.add(at, spread.inverse());
        self.weight += other.weight;
        self.fix2 += other.fix2;
    }

    pub(super) const fn anchor(&self) -> Point {
        self.sum.anchor
    }

    /// Where it is by the drive's own reckoning: the fix's error, which is in all of its pictures, is not in the spread.
    pub(super) fn place(&self) -> (Point, Spread) {
        let (at, spread) = self.sum.place();
        (at, spread.times(self.weight))
    }

    /// Sigma of the fix, in metres.
    pub(super) fn fix_m(&self) -> f64 {
        if self.weight > 0.0 { (self.fix2 / self.weight).sqrt() } else { 0.0 }
    }
}

/// A thing as several drives saw it. Their fixes are wrong independently of each other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fused(Sum);

impl Fused {
    pub(super) const fn at(anchor: Point) -> Self {
        Self(Sum::at(anchor))
    }

    pub(super) fn add(&mut self, body: &Body) {
        let (at, spread) = body.place();
        self.0.add(at, spread.plus(Spread::round(body.fix_m())).inverse());
    }

    /// Where it is. Nothing while nothing was added.
    pub(super) fn place(&self) -> Option<(Point, Spread)> {
        (self.0.information.weight() > 0.0).then(|| self.0.place())
    }
}
