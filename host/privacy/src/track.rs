//! Plausibility from one fix to the next: stale, future, impossible speed. One tracker per camera.

use jiff::Timestamp;
use vaern_door::guard;

use crate::policy::PositionRules;
use crate::position::Position;
use crate::refusal::{NoFix, Refusal};

/// After this many fixes in a row that agree with each other and not with the last good one, they are believed:
/// a receiver that starts with one wild fix must not silence its camera for hours.
const REANCHOR_AFTER: u8 = 3;

/// What is remembered of a camera's way: never more than two fixes.
#[derive(Debug, Default)]
pub(crate) struct Track {
    anchor: Option<Position>,
    candidate: Option<(Position, u8)>,
}

impl Track {
    /// Judges a fix against the ones before it, and remembers it.
    pub(crate) fn admit(&mut self, position: &Position, rules: &PositionRules) -> Result<(), Refusal> {
        let Some(anchor) = self.anchor else {
            self.anchor = Some(*position);
            return Ok(());
        };
        if !guard::stands("privacy.jump") || reachable(&anchor, position, rules.max_speed_kmh) {
            self.anchor = Some(*position);
            self.candidate = None;
            return Ok(());
        }
        let agreeing = match self.candidate {
            Some((candidate, count)) if reachable(&candidate, position, rules.max_speed_kmh) => count + 1,
            _ => 1,
        };
        if agreeing >= REANCHOR_AFTER {
            self.anchor = Some(*position);
            self.candidate = None;
            return Ok(());
        }
        self.candidate = Some((*position, agreeing));
        Err(NoFix::Jump.into())
    }
}

/// Whether a vehicle can have gone from one fix to the other in the time between them, in either direction:
/// pictures of a folder are not always read in the order of their times.
pub(crate) fn reachable(from: &Position, to: &Position, max_speed_kmh: f64) -> bool {
    let (Some(t0), Some(t1)) = (from.time(), to.time()) else {
        // Without times there is no speed to judge; whether times are required is the policy's rule.
        return true;
    };
    let seconds = t1.duration_since(t0).as_secs_f64().abs();
    let sure = (from.distance_m(to) - from.error_m() - to.error_m()).max(0.0);
    // Fixes are stamped in whole seconds: half a second either way is rounding.
    sure <= (seconds + 1.0) * max_speed_kmh / 3.6
}

/// Judges the time of a fix alone.
pub(crate) fn check_time(position: &Position, now: Timestamp, rules: &PositionRules) -> Result<(), Refusal> {
    let Some(time) = position.time() else {
        return if rules.require_time { Err(NoFix::NoTime.into()) } else { Ok(()) };
    };
    let age = now.duration_since(time).as_secs_f64();
    if guard::stands("privacy.future") && age < -f64::from(rules.max_future_s) {
        return Err(NoFix::Future.into());
    }
    if let Some(limit) = rules.max_age_s
        && guard::stands("privacy.age")
        && age > limit as f64
    {
        return Err(Refusal::TooOld);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::PositionRules;

    fn rules() -> PositionRules {
        PositionRules {
            require_time: true,
            max_error_m: 50.0,
            max_future_s: 5,
            max_fix_gap_s: 2,
            max_speed_kmh: 200.0,
            max_age_s: None,
        }
    }

    fn at(north_m: f64, second: i64) -> Position {
        Position::new(55.6761 + north_m / 111_300.0, 12.5683, 5.0)
            .unwrap()
            .with_time(Timestamp::from_second(1_700_000_000 + second).unwrap())
    }

    #[test]
    fn frm_21n_jumps_over_200_kmh_are_no_fix() {
        let mut track = Track::default();
        track.admit(&at(0.0, 0), &rules()).unwrap();
        assert_eq!(track.admit(&at(5000.0, 10), &rules()), Err(NoFix::Jump.into()));
        // The way goes on from the last good fix.
        track.admit(&at(20.0, 2), &rules()).unwrap();
        assert_eq!(track.admit(&at(-5000.0, 12), &rules()), Err(NoFix::Jump.into()));
    }

    #[test]
    fn frm_21p_a_drive_at_50_kmh_passes_in_any_order() {
        let mut track = Track::default();
        for second in [0, 2, 4, 3, 1, 60, 30] {
            track.admit(&at(13.9 * second as f64, second), &rules()).unwrap();
        }
    }

    #[test]
    fn one_wild_first_fix_does_not_silence_a_camera() {
        let mut track = Track::default();
        track.admit(&at(90_000.0, 0), &rules()).unwrap();
        assert!(track.admit(&at(0.0, 1), &rules()).is_err());
        assert!(track.admit(&at(10.0, 2), &rules()).is_err());
        assert!(track.admit(&at(20.0, 3), &rules()).is_ok());
        assert!(track.admit(&at(30.0, 4), &rules()).is_ok());
    }

    #[test]
    fn frm_21n_future_and_frm_06n_old_and_missing_times() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        assert_eq!(check_time(&at(0.0, 6), now, &rules()), Err(NoFix::Future.into()));
        assert_eq!(check_time(&at(0.0, 4), now, &rules()), Ok(()));
        let bare = Position::new(55.6761, 12.5683, 5.0).unwrap();
        assert_eq!(check_time(&bare, now, &rules()), Err(NoFix::NoTime.into()));
        let old = PositionRules { max_age_s: Some(3600), ..rules() };
        assert_eq!(check_time(&at(0.0, -3601), now, &old), Err(Refusal::TooOld));
        assert_eq!(check_time(&at(0.0, -3599), now, &old), Ok(()));
    }
}
