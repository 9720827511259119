//! Which time it is, for trust decisions: never earlier than what was signed, never far past it on a clock's word alone.

use jiff::{SignedDuration, Timestamp};
use vaern_door::guard;

/// The two moments that the floor keeps, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// The newest moment that somebody signed for.
    pub signed: Timestamp,
    /// The latest moment that the machine's clock told since then, within the bound; not before `signed`.
    pub seen: Timestamp,
}

/// Why the machine's clock is not taken at its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// It tells a time before one that has been.
    #[error("SteppedBack: the clock says {wall}, but it has been {floor} already")]
    SteppedBack {
        /// What the clock says.
        wall: Timestamp,
        /// The floor.
        floor: Timestamp,
    },
    /// It tells a time further past the newest signed one than a node may be without news.
    #[error(
        "Implausible: the clock says {wall}, which is past {latest}, the latest that the newest signed time allows"
    )]
    Implausible {
        /// What the clock says.
        wall: Timestamp,
        /// The bound.
        latest: Timestamp,
    },
}

/// The time that counts, and whether the clock agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The time that trust decisions use.
    pub time: Timestamp,
    /// Set where the clock told something else. For the log and the operator.
    pub doubt: Option<Doubt>,
}

impl Clock {
    /// A clock that begins at a signed moment.
    #[must_use]
    pub fn at(signed: Timestamp) -> Self {
        let signed = whole(signed);
        Self { signed, seen: signed }
    }

    /// The time that counts when the machine's clock says `wall`: not before the floor, not past the newest signed
    /// time plus `bound`.
    #[must_use]
    pub fn tell(&self, wall: Timestamp, bound: SignedDuration) -> Moment {
        let wall = whole(wall);
        let latest = self.latest(bound);
        if guard::stands("trust.clock-floor") && wall < self.seen {
            return Moment { time: self.seen, doubt: Some(Doubt::SteppedBack { wall, floor: self.seen }) };
        }
        if guard::stands("trust.clock-bound") && wall > latest {
            return Moment { time: latest.max(self.seen), doubt: Some(Doubt::Implausible { wall, latest }) };
        }
        Moment { time: wall, doubt: None }
    }

    fn latest(&self, bound: SignedDuration) -> Timestamp {
        self.signed.checked_add(bound).unwrap_or(self.signed)
    }

    /// Takes a moment that somebody signed for. A newer one also corrects what the machine's clock claimed since the
    /// last: a clock that once ran ahead does not stop the node for ever (CLK-02).
    #[must_use]
    pub fn with_signed(self, signed: Timestamp) -> Self {
        if whole(signed) > self.signed { Self::at(signed) } else { self }
    }

    /// Remembers a time that counted.
    #[must_use]
    pub fn with_seen(self, moment: &Moment) -> Self {
        Self { signed: self.signed, seen: self.seen.max(whole(moment.time)) }
    }
}

fn whole(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    const BOUND: SignedDuration = SignedDuration::from_hours(24 * 14);

    fn clock() -> Clock {
        Clock { signed: at("2026-06-01T00:00:00Z"), seen: at("2026-06-03T00:00:00Z") }
    }

    #[test]
    fn clk_01n_a_clock_set_back_counts_as_the_floor_and_clk_01p_one_that_goes_on_counts() {
        let told = clock().tell(at("2025-06-03T00:00:00Z"), BOUND);
        assert_eq!(told.time, clock().seen);
        assert!(matches!(told.doubt, Some(Doubt::SteppedBack { .. })));
        let told = clock().tell(at("2026-06-04T00:00:00Z"), BOUND);
        assert_eq!((told.time, told.doubt), (at("2026-06-04T00:00:00Z"), None));
    }

    #[test]
    fn clk_04n_a_clock_of_1970_judges_nothing() {
        let told = clock().tell(Timestamp::UNIX_EPOCH, BOUND);
        assert_eq!(told.time, clock().seen);
        assert!(told.doubt.is_some());
    }

    #[test]
    fn clk_06n_a_clock_far_ahead_is_implausible_and_moves_nothing_past_the_bound() {
        let told = clock().tell(at("2036-06-01T00:00:00Z"), BOUND);
        assert_eq!(told.time, at("2026-06-15T00:00:00Z"));
        assert!(matches!(told.doubt, Some(Doubt::Implausible { .. })));
        assert_eq!(clock().with_seen(&told).seen, at("2026-06-15T00:00:00Z"));
    }

    #[test]
    fn clk_02p_a_newer_signed_time_corrects_a_clock_that_ran_ahead() {
        let ahead = clock().with_seen(&clock().tell(at("2036-06-01T00:00:00Z"), BOUND));
        // The clock is right again, but what it claimed stays until somebody signs for a newer time.
        assert_eq!(ahead.tell(at("2026-06-05T00:00:00Z"), BOUND).time, at("2026-06-15T00:00:00Z"));
        let mended = ahead.with_signed(at("2026-06-05T00:00:00Z"));
        assert_eq!(mended.tell(at("2026-06-05T01:00:00Z"), BOUND).time, at("2026-06-05T01:00:00Z"));
        // An older signed time corrects nothing.
        assert_eq!(ahead.with_signed(at("2026-05-31T00:00:00Z")), ahead);
    }

    #[test]
    fn clk_05n_decisions_are_in_utc_so_time_zones_and_summer_time_change_nothing() {
        // The same moment, written in summer time, winter time and UTC.
        for text in ["2026-10-25T02:30:00+02:00", "2026-10-25T01:30:00+01:00", "2026-10-25T00:30:00Z"] {
            let clock = Clock::at(at("2026-10-20T00:00:00Z"));
            assert_eq!(clock.tell(at(text), BOUND).time, at("2026-10-25T00:30:00Z"), "{text}");
        }
        // A leap second is the second after it: no gap, no step back.
        let leap = Clock::at(at("2016-12-31T23:59:59Z")).tell(at("2016-12-31T23:59:60Z"), BOUND);
        assert_eq!(leap.doubt, None);
    }

    proptest::proptest! {
        /// Whatever a clock says, time never goes back and never past the bound, unless it was there already.
        #[test]
        fn clk_01n_time_never_goes_back(walls in proptest::collection::vec(-1_000_000_000_i64..5_000_000_000, 1..20)) {
            let mut clock = clock();
            for wall in walls {
                let told = clock.tell(Timestamp::from_second(wall).unwrap(), BOUND);
                proptest::prop_assert!(told.time >= clock.seen);
                proptest::prop_assert!(told.time <= at("2026-06-15T00:00:00Z"));
                clock = clock.with_seen(&told);
            }
        }
    }
}
