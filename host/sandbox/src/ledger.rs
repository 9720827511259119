//! How many bits a vendor's answers may carry in an hour, whatever they say (EXF-18, EXF-21).
//!
//! Each answer has a price in bits such that all possible answers together obey Kraft's inequality: with the prices as code
//! lengths they form a prefix code. So whoever chooses a sequence of answers of total price `B` tells at most `B` bits, however
//! cleverly order, number, place, score, silence and failure are combined. The prices:
//!
//! - nothing found: an eighth of a bit. Most frames are empty, and most of the time that tells nothing.
//! - anything else: 4 bits (which leaves room for the rest: `2^-0.125 + 2^-4 < 1`), and then
//!   - a failure: 4 bits more, for its kind is one of at most eight;
//!   - `n` boxes: 1 bit, and for each box 1 bit and [`crate::bits_per_box`].
//!
//! The bucket leaks: half an hour's allowance at once, the other half over the hour, so that no hour ever carries more than the
//! policy's number. Where a box does not fit any more, the answer is withheld, and being withheld costs what a failure costs.
//! Where not even that fits, every answer is withheld unseen until it does, and tells nothing.

use std::collections::BTreeMap;

use vaern_door::{Name, OutputRules, guard};

/// Prices are kept in thousandths of a bit.
const BIT: u64 = 1000;

/// What an empty answer costs.
const EMPTY: u64 = BIT / 8;

/// What every other answer costs before it has said anything.
const OTHER: u64 = 4 * BIT;

/// What a failure or a withheld answer costs.
const FAILURE: u64 = OTHER + 4 * BIT;

/// One hour in milliseconds.
const HOUR_MS: i128 = 3_600_000;

/// What becomes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It leaves.
    Released,
    /// Nothing of it leaves.
    Withheld,
}

/// What a plugin did with a frame, as far as it has a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// Boxes, each of so many bits; none is an answer as well.
    Boxes {
        /// How many.
        count: u32,
        /// [`crate::bits_per_box`] for this frame.
        bits_per_box: u32,
    },
    /// It failed, trapped, or ran out of something.
    Failure,
}

impl Said {
    /// The price in thousandths of a bit.
    const fn price(self) -> u64 {
        match self {
            Self::Boxes { count: 0, .. } => EMPTY,
            Self::Boxes { count, bits_per_box } => OTHER + BIT + count as u64 * (bits_per_box as u64 + 1) * BIT,
            Self::Failure => FAILURE,
        }
    }
}

/// One vendor's bucket.
#[derive(Debug, Clone)]
struct Bucket {
    /// Thousandths of a bit, already said and not yet leaked away.
    level: u64,
    /// Until when it has leaked, in milliseconds.
    at_ms: i64,
}

/// The ledger of a node. All releases of one vendor share a bucket, or a second release would be a second budget.
#[derive(Debug, Clone)]
pub struct Ledger {
    allowance: u64,
    buckets: BTreeMap<Name, Bucket>,
    withheld: u64,
    charged: u64,
}

impl Ledger {
    /// A ledger with nothing said yet.
    #[must_use]
    pub fn new(rules: &OutputRules) -> Self {
        Self { allowance: u64::from(rules.bits_per_hour) * BIT / 2, buckets: BTreeMap::new(), withheld: 0, charged: 0 }
    }

    /// Charges what a vendor's plugin said about a frame taken at `at_ms` (milliseconds of any clock that does not depend on the
    /// plugin). Time that goes backwards stands still.
    pub fn charge(&mut self, vendor: &Name, said: Said, at_ms: i64) -> Verdict {
        let allowance = self.allowance;
        let bucket = self.buckets.entry(vendor.clone()).or_insert(Bucket { level: 0, at_ms });
        let passed = i128::from(at_ms.saturating_sub(bucket.at_ms).max(0));
        let leaked = passed.saturating_mul(i128::from(allowance)) / HOUR_MS;
        bucket.level = bucket.level.saturating_sub(u64::try_from(leaked).unwrap_or(u64::MAX));
        // Moved on only where something leaked, so that many short steps leak as much as one long one.
        if leaked > 0 {
            bucket.at_ms = at_ms;
        }
        let left = allowance.saturating_sub(bucket.level);
        let (price, verdict) = if !guard::stands("sandbox.ledger") || said.price() <= left && left >= FAILURE {
            (said.price(), Verdict::Released)
        } else if left >= FAILURE {
            (FAILURE, Verdict::Withheld)
        } else {
            // Whatever it said, nobody hears it.
            (0, Verdict::Withheld)
        };
        bucket.level = bucket.level.saturating_add(price);
        self.charged = self.charged.saturating_add(price);
        self.withheld += u64::from(verdict == Verdict::Withheld);
        verdict
    }

    /// What each vendor has said that has not leaked away: thousandths of a bit, and until when they leaked. For keeping.
    pub fn said(&self) -> impl Iterator<Item = (&Name, u64, i64)> {
        self.buckets.iter().map(|(vendor, bucket)| (vendor, bucket.level, bucket.at_ms))
    }

    /// Takes up what was kept of a vendor.
    pub fn resume(&mut self, vendor: Name, millibits: u64, at_ms: i64) {
        self.buckets.insert(vendor, Bucket { level: millibits, at_ms });
    }

    /// Answers withheld so far.
    #[must_use]
    pub const fn withheld(&self) -> u64 {
        self.withheld
    }

    /// Bits charged so far: no decoder can have got more.
    #[must_use]
    pub const fn bits(&self) -> u64 {
        self.charged.div_ceil(BIT)
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
