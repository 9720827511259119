//! Whose fault a missed deadline is. On a node the deadline is wall time, and its timer is a hard stop. Here other things may run beside the
//! suite, so a look is judged by the processor time of the thread that made it: a plugin that overruns has used it up, one that waited
//! for its turn has not. Who had no turn is asked again with more wall time, and judged as before.

use std::time::Duration;

/// How many times the deadline a look may take on the wall, first and when asked again.
pub(crate) const PATIENCE: [u32; 5] = [1, 2, 4, 16, 64];

/// What the sandbox itself allows beyond a deadline: two ticks of its clock.
const SLACK: Duration = Duration::from_millis(10);

/// Processor time of this thread so far.
pub(crate) fn processor() -> Duration {
    let at = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(at.tv_sec.unsigned_abs(), u32::try_from(at.tv_nsec).unwrap_or(0))
}

/// What one attempt shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// It answered within its time.
    InTime,
    /// It used its time up.
    Overran,
    /// It did not get it: nothing is shown.
    Starved,
}

/// Judges an attempt: whether there was an answer before the wall's end, and the processor time spent until then.
pub(crate) fn judge(answered: bool, spent: Duration, deadline: Duration) -> Shown {
    match (answered, spent > deadline + SLACK, spent >= deadline) {
        (true, false, _) => Shown::InTime,
        (true, true, _) | (false, _, true) => Shown::Overran,
        (false, _, false) => Shown::Starved,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cyb_01n_who_used_the_time_overran_and_who_had_no_turn_is_asked_again() {
        let ms = Duration::from_millis;
        let deadline = ms(200);
        assert_eq!(judge(true, ms(150), deadline), Shown::InTime);
        // Asked again with more wall time: an answer that took too much of the processor is late all the same.
        assert_eq!(judge(true, ms(211), deadline), Shown::Overran);
        assert_eq!(judge(true, ms(210), deadline), Shown::InTime, "as much as the sandbox allows");
        assert_eq!(judge(false, ms(200), deadline), Shown::Overran);
        assert_eq!(judge(false, ms(199), deadline), Shown::Starved);
        assert_eq!(judge(false, ms(0), deadline), Shown::Starved);
        // One that spins, on a machine that gives it a fiftieth: found out before patience ends.
        assert!(PATIENCE.iter().any(|times| judge(false, deadline * *times / 50, deadline) == Shown::Overran));
    }

    #[test]
    fn the_clock_counts_work_and_not_sleep() {
        let before = processor();
        std::thread::sleep(Duration::from_millis(30));
        let slept = processor() - before;
        assert!(slept < Duration::from_millis(30), "{slept:?}");
        let mut sum = 0_u64;
        while processor() - before < Duration::from_millis(5) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(sum > 0);
    }
}
