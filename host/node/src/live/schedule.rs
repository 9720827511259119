//! When results and figures leave: at whole multiples of a period, by the clock and by nothing else (EXF-08).
//!
//! How long a plugin takes for a frame is the plugin's to choose, and whoever sees when something appears can read it. So nothing
//! appears when a frame happens to end: windows close, and figures are told, at moments that were known before the frames came. What is
//! left is how many frames were done between two such moments; [`timing_bits`] bounds what that can carry.

use jiff::Timestamp;

/// A period that begins at 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Schedule {
    every_ms: i64,
}

impl Schedule {
    /// Every so many milliseconds, at least one.
    pub(crate) fn every_ms(every_ms: u64) -> Self {
        Self { every_ms: i64::try_from(every_ms).unwrap_or(i64::MAX).max(1) }
    }

    /// The number of the period that a moment lies in.
    pub(crate) fn period(self, time: Timestamp) -> i64 {
        time.as_millisecond().div_euclid(self.every_ms)
    }

    /// Whether something that began at `since` is due at `now`: a boundary lies between them. A clock that was set back is due too.
    pub(crate) fn is_due(self, since: Timestamp, now: Timestamp) -> bool {
        self.period(since) != self.period(now)
    }

    /// The first moment of the period that a moment lies in.
    #[cfg(test)]
    pub(crate) fn begin(self, time: Timestamp) -> Timestamp {
        Timestamp::from_millisecond(self.period(time).saturating_mul(self.every_ms)).unwrap_or(time)
    }

    fn per_hour(self) -> f64 {
        3_600_000.0 / self.every_ms as f64
    }
}

/// What is told, and how often.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    /// Windows close by this.
    pub(crate) windows: Schedule,
    /// Frames at which a window closes before its time. Then the moment tells how fast they were worked on.
    pub(crate) frames: Option<u32>,
    /// Figures are told by this; none where nobody listens.
    pub(crate) figures: Option<Schedule>,
    /// Frames per second that the policy lets be looked at.
    pub(crate) rate: u16,
    /// Captures that wait at most.
    pub(crate) waiting: u16,
    /// Accounts for each frame of the street, at most: of pictures with a known answer, and of signs of interference.
    pub(crate) accounts: f64,
}

/// A moment that is not on a schedule can be told apart to a millisecond within its hour.
const MOMENT_BITS: f64 = 22.0;

/// An account of pictures with a known answer: 0 to 100 percent found, 0 to 100,000 beside for each hundred pictures, and whether that is an alarm.
const ACCOUNT_BITS: f64 = 25.0;

/// Captures per second that a camera delivers at most, seen or dropped.
const ARRIVING: f64 = 120.0;

/// Bits per hour that a plugin can tell by its time, at most, to whoever sees every result and every figure the moment it appears.
///
/// Between two moments of the schedule the plugin chooses how many frames are done, how many are dropped for it, and how many wait:
/// so many values each, and no more. What the frames held is not counted here; the ledger charges that.
pub(crate) fn timing_bits(told: Told) -> f64 {
    let values = |schedule: Schedule, per_second: f64, more: f64| {
        (per_second * schedule.every_ms as f64 / 1e3 + more + 1.0).log2()
    };
    let (rate, waiting) = (f64::from(told.rate), f64::from(told.waiting));
    // Done: what the rate lets through, and what had waited. Dropped: at most what arrives.
    let per_tick = |s: Schedule| values(s, rate, waiting) + values(s, ARRIVING, waiting) + (waiting + 1.0).log2();
    // The first frame of a window has its moment in the log.
    let windows = told.windows.per_hour() * (per_tick(told.windows) + MOMENT_BITS);
    let early = told.frames.map_or(0.0, |frames| rate * 3_600.0 / f64::from(frames.max(1)) * MOMENT_BITS);
    // The longest time in clear is told as a power of two of microseconds.
    let figures = told.figures.map_or(0.0, |s| s.per_hour() * (per_tick(s) + 5.0));
    // An alarm is told at once, and so is its leaf. Which frames a plugin answers otherwise is its own to choose.
    let accounts = rate * 3_600.0 * told.accounts * (MOMENT_BITS + ACCOUNT_BITS);
    windows + early + figures + accounts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).unwrap()
    }

    const HOUR: Told = Told {
        windows: Schedule { every_ms: 3_600_000 },
        frames: None,
        figures: Some(Schedule { every_ms: 60_000 }),
        rate: 10,
        waiting: 32,
        accounts: 0.0,
    };

    #[test]
    fn exf_08p_the_shipped_schedule_carries_a_small_part_of_the_budget() {
        let bits = timing_bits(HOUR);
        assert!((1_000.0..2_500.0).contains(&bits), "{bits}");
        let hasty = timing_bits(Told { figures: Some(Schedule::every_ms(1_000)), ..HOUR });
        assert!(hasty > 20_000.0, "every second is no schedule for a budget of 20,000: {hasty}");
        assert!(timing_bits(Told { frames: Some(40), ..HOUR }) > bits + 15_000.0);
        // Pictures with a known answer: one for each 200 frames, judged over 20.
        let probed = timing_bits(Told { accounts: 1.0 / 2_000.0, ..HOUR });
        assert!(probed > bits + 800.0 && probed < bits + 1_000.0, "{probed}");
    }

    /// What an observer reads who polls every millisecond: when the told value changes, and to what.
    fn observed(schedule: Schedule, done_at: &[i64], until: i64) -> Vec<(i64, usize)> {
        let (mut told, mut seen, mut period) = (0, Vec::new(), schedule.period(at(0)));
        for now in 0..until {
            if schedule.period(at(now)) != period {
                period = schedule.period(at(now));
                let done = done_at.iter().filter(|d| **d < now).count();
                if done != told {
                    told = done;
                    seen.push((now, done));
                }
            }
        }
        seen
    }

    proptest! {
        #[test]
        fn exf_08n_a_plugin_that_modulates_its_time_tells_no_more_than_how_many_frames_were_done(
            times in prop::collection::vec(0_i64..900, 1..12), every in 1_u64..500,
        ) {
            let schedule = Schedule::every_ms(every);
            let seen = observed(schedule, &times, 1_000);
            // Nothing appears between two moments of the schedule, whatever the plugin does.
            for (when, _) in &seen {
                prop_assert_eq!(when % every as i64, 0);
            }
            // Two ways to spend the time that end as many frames in each period look the same.
            let moved: Vec<i64> = times.iter().map(|t| schedule.begin(at(*t)).as_millisecond()).collect();
            prop_assert_eq!(observed(schedule, &moved, 1_000), seen);
        }

        #[test]
        fn a_boundary_lies_between_what_is_due(since in 0_i64..10_000_000, later in 0_i64..10_000_000, every in 1_u64..100_000) {
            let schedule = Schedule::every_ms(every);
            let now = since + later;
            let boundary = (since / every as i64 + 1) * every as i64;
            prop_assert_eq!(schedule.is_due(at(since), at(now)), now >= boundary);
            prop_assert!(!schedule.is_due(schedule.begin(at(now)), at(now)));
        }
    }

    /// Every way in which a plugin can spend a second over four frames, and what is seen of it: the capacity that the bound is held to.
    #[test]
    fn exf_08n_the_measured_capacity_is_within_the_bound() {
        let schedule = Schedule::every_ms(250);
        let mut seen = BTreeSet::new();
        let steps: Vec<i64> = (0..20).map(|n| n * 50).collect();
        for a in 0..20 {
            for b in a..20 {
                for c in b..20 {
                    for d in c..20 {
                        seen.insert(observed(schedule, &[steps[a], steps[b], steps[c], steps[d]], 1_300));
                    }
                }
            }
        }
        let measured = (seen.len() as f64).log2();
        // Four frames in four periods: at most 0 to 4 done in each.
        let bound = 4.0 * 5_f64.log2();
        assert!(measured <= bound, "{measured} {bound}");
        assert!(measured < (20_f64.powi(4) / 24.0).log2() / 1.5, "the schedule takes most of it away: {measured}");
    }
}
