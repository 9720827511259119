//! Shares and differences with their 95 % intervals, as whole ten-thousandths: the square root is exact everywhere, so the numbers are too.

use serde::{Deserialize, Serialize};

use crate::verdict::Figure;

const Z: f64 = 1.96;

/// So many of so many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) part: u64,
    pub(crate) of: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, hit: bool) {
        self.part += u64::from(hit);
        self.of += 1;
    }

    pub(crate) fn join(&mut self, other: Self) {
        self.part += other.part;
        self.of += other.of;
    }

    /// The share; of nothing it is 0.
    pub(crate) fn share(self) -> f64 {
        if self.of == 0 { 0.0 } else { real(self.part) / real(self.of) }
    }

    /// The 95 % Wilson interval; of nothing it is everything.
    pub(crate) fn interval(self) -> (f64, f64) {
        if self.of == 0 {
            return (0.0, 1.0);
        }
        let (n, p) = (real(self.of), self.share());
        let middle = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
        let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt() / (1.0 + Z * Z / n);
        ((middle - half).max(0.0), (middle + half).min(1.0))
    }

    pub(crate) fn figure(self) -> Figure {
        let (low, high) = self.interval();
        Figure::Share {
            part: self.part,
            of: self.of,
            share_e4: unsigned(e4(self.share())),
            low_e4: unsigned(e4(low)),
            high_e4: unsigned(e4(high)),
        }
    }
}

/// Pairs of the same thing under two conditions: what the second lost, what it gained.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Pairs {
    pub(crate) lost: u64,
    pub(crate) gained: u64,
    pub(crate) of: u64,
}

impl Pairs {
    pub(crate) fn add(&mut self, before: bool, after: bool) {
        self.lost += u64::from(before && !after);
        self.gained += u64::from(!before && after);
        self.of += 1;
    }

    /// Net share lost, with the interval for paired shares (Agresti and Min: half a pair added to each cell, so that no
    /// difference at all still has a width).
    pub(crate) fn net_loss(self) -> (f64, f64, f64) {
        let n = real(self.of) + 2.0;
        let (lost, gained) = (real(self.lost) + 0.5, real(self.gained) + 0.5);
        let net = if self.of == 0 { 0.0 } else { (real(self.lost) - real(self.gained)) / real(self.of) };
        let middle = (lost - gained) / n;
        let half = Z * ((lost + gained) - (lost - gained) * (lost - gained) / n).max(0.0).sqrt() / n;
        (net, (middle - half).max(-1.0), (middle + half).min(1.0))
    }

    pub(crate) fn figure(self) -> Figure {
        let (net, low, high) = self.net_loss();
        Figure::Gap { of: self.of, gap_e4: e4(net), low_e4: e4(low), high_e4: e4(high) }
    }
}

/// Difference of two independent shares (first less second) with Newcombe's interval.
pub(crate) fn difference(first: Tally, second: Tally) -> (f64, f64, f64) {
    let (p1, p2) = (first.share(), second.share());
    let ((l1, u1), (l2, u2)) = (first.interval(), second.interval());
    let gap = p1 - p2;
    let low = gap - ((p1 - l1).powi(2) + (u2 - p2).powi(2)).sqrt();
    let high = gap + ((u1 - p1).powi(2) + (p2 - l2).powi(2)).sqrt();
    (gap, low, high)
}

/// [`difference`] as a figure.
pub(crate) fn difference_figure(first: Tally, second: Tally) -> Figure {
    let (gap, low, high) = difference(first, second);
    Figure::Gap { of: first.of.min(second.of), gap_e4: e4(gap), low_e4: e4(low), high_e4: e4(high) }
}

/// How many more `after` is than `before` at the least, at 95 % (counts of rare things, each with its own count as variance).
pub(crate) fn surely_more(before: u64, after: u64) -> f64 {
    real(after) - real(before) - Z * (real(after) + real(before)).sqrt()
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) const fn real(count: u64) -> f64 {
    count as f64
}

/// Ten-thousandths, rounded.
#[allow(clippy::cast_possible_truncation, reason = "shares and differences of shares lie within one")]
fn e4(share: f64) -> i32 {
    (share.clamp(-1.0, 1.0) * 10_000.0).round() as i32
}

fn unsigned(value: i32) -> u32 {
    u32::try_from(value).unwrap_or(0)
}

/// A share in percent, for people.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests state what they expect")]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_textbook() {
        // 81 of 263: Newcombe 1998, table I, method 3: 0.2553 to 0.3662.
        let (low, high) = Tally { part: 81, of: 263 }.interval();
        assert!((low - 0.2553).abs() < 1e-4 && (high - 0.3662).abs() < 1e-4, "{low} {high}");
        // 56/70 and 48/80: Newcombe 1998b, table II (a), method 10: 0.0524 to 0.3339.
        let (gap, low, high) = difference(Tally { part: 56, of: 70 }, Tally { part: 48, of: 80 });
        assert!(
            (gap - 0.2).abs() < 1e-9 && (low - 0.0524).abs() < 1e-4 && (high - 0.3339).abs() < 1e-4,
            "{low} {high}"
        );
    }

    #[test]
    fn nothing_seen_says_nothing() {
        assert_eq!(Tally::default().interval(), (0.0, 1.0));
        let (net, low, high) = Pairs::default().net_loss();
        assert!(net.abs() < 1e-9 && low < -0.9 && high > 0.9, "{low} {high}");
    }

    #[test]
    fn the_interval_of_pairs_holds_the_difference_and_narrows() {
        let few = Pairs { lost: 2, gained: 1, of: 20 }.net_loss();
        let many = Pairs { lost: 20, gained: 10, of: 200 }.net_loss();
        assert!(few.1 < few.0 && few.0 < few.2);
        assert!(many.2 - many.1 < few.2 - few.1);
    }
}
