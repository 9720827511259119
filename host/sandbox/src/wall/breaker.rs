//! When a release has failed often enough, it is shown no more frames (SBX-09).

use std::time::Duration;

/// A worker that was lost is forgiven after this many good frames.
const FORGIVEN_AFTER: u32 = 100;

/// First pause before a worker is started again after its second death, and the longest.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Counts what went wrong in a row. Opens once, and stays open until a person looks: closing it takes a new start.
#[derive(Debug)]
pub(super) struct Breaker {
    limit: u32,
    failures: u32,
    deaths: u32,
    good: u32,
    open: bool,
}

impl Breaker {
    /// Opens after `limit` frames without an answer in a row, or `limit` deaths with fewer than 100 good frames between them.
    pub(super) fn new(limit: u32) -> Self {
        Self { limit: limit.max(1), failures: 0, deaths: 0, good: 0, open: false }
    }

    pub(super) const fn is_open(&self) -> bool {
        self.open
    }

    /// A frame was answered.
    pub(super) fn good(&mut self) {
        self.failures = 0;
        self.good = self.good.saturating_add(1);
        if self.good >= FORGIVEN_AFTER {
            self.deaths = 0;
        }
    }

    /// A frame has no answer.
    pub(super) fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
        self.open |= self.failures >= self.limit;
    }

    /// A worker is gone. Answers how long to wait before the next.
    pub(super) fn died(&mut self) -> Duration {
        self.deaths = self.deaths.saturating_add(1);
        self.good = 0;
        self.open |= self.deaths >= self.limit;
        match self.deaths {
            0 | 1 => Duration::ZERO,
            more => PAUSE.saturating_mul(1 << (more - 2).min(16)).min(LONGEST_PAUSE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sbx_09n_the_breaker_opens_after_n_failures_and_waits_longer_each_time() {
        let mut breaker = Breaker::new(3);
        for _ in 0..10 {
            breaker.failed();
            breaker.failed();
            breaker.good();
        }
        assert!(!breaker.is_open(), "never three in a row");
        (0..3).for_each(|_| breaker.failed());
        assert!(breaker.is_open());
        breaker.good();
        assert!(breaker.is_open(), "it does not close by itself");

        let mut breaker = Breaker::new(9);
        let pauses: Vec<u128> = (0..9).map(|_| breaker.died().as_millis()).collect();
        assert_eq!(pauses, [0, 50, 100, 200, 400, 800, 1600, 3200, 5000]);
        assert!(breaker.is_open());
    }

    #[test]
    fn sbx_09p_a_rare_death_is_forgiven() {
        let mut breaker = Breaker::new(3);
        for _ in 0..20 {
            assert_eq!(breaker.died(), Duration::ZERO);
            (0..FORGIVEN_AFTER).for_each(|_| breaker.good());
        }
        assert!(!breaker.is_open());
    }
}
