//! A receiver at hand: the reports of `gpsd`, kept for some minutes as a log of fixes.
//!
//! A report is a fix only where it has a place, a time that this machine's clock agrees with, and an error estimate; every other report
//! of a moment says that there was no fix, and nothing is interpolated over it. What is kept is read as any other log is: between two
//! near fixes or not at all (decision 0031).

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use vaern_door::guard;

use super::{Moment, Place, TrackLog, TrackLogAccount};
use crate::position::check_degrees;

/// Longest report that is read.
pub const MAX_REPORT: usize = 16 << 10;
/// How long fixes are kept.
const KEPT: SignedDuration = SignedDuration::from_secs(180);
/// Moments of one receiver at most: more than ten a second are no receiver's.
const MOMENTS: usize = 1_800;
/// Receivers at most; those of them that tell two places at one moment give none.
const RECEIVERS: usize = 4;

/// What a report was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A fix.
    Fix,
    /// The receiver has none, or says nothing of its error.
    NoFix,
    /// A time that this machine's clock does not agree with.
    OtherTime,
    /// Something else than a report of time, position and speed.
    Other,
    /// Not understood.
    Bad,
}

#[derive(Deserialize)]
struct Report {
    class: String,
    device: Option<String>,
    mode: Option<u8>,
    status: Option<u8>,
    time: Option<String>,
    lat: Option<f64>,
    lon: Option<f64>,
    eph: Option<f64>,
    epx: Option<f64>,
    epy: Option<f64>,
    track: Option<f64>,
}

struct Receiver {
    device: String,
    /// When it last reported anything.
    heard: Timestamp,
    moments: VecDeque<Moment>,
}

/// Fixes of the last minutes. Printing one tells nothing.
#[derive(Default)]
pub struct LiveTrack {
    receivers: Vec<Receiver>,
}

impl std::fmt::Debug for LiveTrack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LiveTrack({} receivers)", self.receivers.len())
    }
}

impl LiveTrack {
    /// Takes one report, as `gpsd` sends it on a line. `max_gap` is how far the receiver's clock and `now` may lie apart.
    pub fn hear(&mut self, line: &[u8], now: Timestamp, max_gap: SignedDuration) -> Heard {
        if line.len() > MAX_REPORT {
            return Heard::Bad;
        }
        let Ok(report) = serde_json::from_slice::<Report>(line) else { return Heard::Bad };
        if report.class != "TPV" {
            return Heard::Other;
        }
        let device: String = report.device.as_deref().unwrap_or_default().chars().take(64).collect();
        let time = report.time.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
        let near =
            |time: &Timestamp| now.duration_since(*time).abs() <= max_gap || !guard::stands("privacy.gpsd-clock");
        let Some(time) = time.filter(near) else {
            // Where the clocks disagree nobody knows when the vehicle was there: at this moment there is no fix (CLK-08).
            let heard = if time.is_some() { Heard::OtherTime } else { Heard::NoFix };
            self.push(device, Moment { time: now, place: None }, now);
            return heard;
        };
        let error = report.eph.or_else(|| Some(report.epx?.hypot(report.epy?))).filter(|e| e.is_finite() && *e >= 0.0);
        // Dead reckoning alone, a surveyed place, a simulator: no measurement of where the vehicle is. A receiver that helps its
        // measurement with wheels and gyroscope (6) measures.
        let measured = !matches!(report.status, Some(5 | 7 | 8)) || !guard::stands("privacy.gpsd-status");
        let place = match (report.mode.filter(|_| measured), report.lat, report.lon, error) {
            (Some(2 | 3), Some(latitude), Some(longitude), Some(error))
                if (latitude != 0.0 || longitude != 0.0) && check_degrees(latitude, longitude).is_ok() =>
            {
                let course = report.track.filter(|t| (0.0..=360.0).contains(t));
                Some(Place { latitude, longitude, error_m: Some(error), course })
            }
            _ => None,
        };
        self.push(device, Moment { time, place }, now);
        if place.is_some() { Heard::Fix } else { Heard::NoFix }
    }

    /// The receiver is not heard any more: at this moment there is no fix.
    pub fn lost(&mut self, now: Timestamp) {
        for receiver in &mut self.receivers {
            // A receiver's clock may be ahead of ours: its last word is overruled, not followed by an earlier one.
            let time = receiver.moments.back().map_or(now, |last| last.time.max(now));
            receiver.put(Moment { time, place: None }, now);
        }
    }

    fn push(&mut self, device: String, moment: Moment, now: Timestamp) {
        // One that was not heard for so long is unplugged: its place is free.
        self.receivers.retain(|known| known.device == device || now.duration_since(known.heard) <= KEPT);
        let known = self.receivers.iter().position(|known| known.device == device);
        let at = match known {
            Some(at) => at,
            None if self.receivers.len() < RECEIVERS => {
                self.receivers.push(Receiver { device, heard: now, moments: VecDeque::new() });
                self.receivers.len() - 1
            }
            // So many receivers are somebody's joke: nothing that any of them says is believed.
            None => return self.lost(now),
        };
        if let Some(receiver) = self.receivers.get_mut(at) {
            receiver.heard = now;
            receiver.put(moment, now);
        }
    }

    /// Whether every moment up to `time` was reported: nothing that comes now changes a position before it.
    #[must_use]
    pub fn reaches(&self, time: Timestamp) -> bool {
        self.receivers.iter().any(|known| known.moments.back().is_some_and(|last| last.time >= time))
    }

    /// The fixes as a log.
    #[must_use]
    pub fn log(&self) -> Arc<TrackLog> {
        let segments: Vec<Vec<Moment>> = self
            .receivers
            .iter()
            .filter(|r| !r.moments.is_empty())
            .map(|r| r.moments.iter().copied().collect())
            .collect();
        let of = |fix: bool| segments.iter().flatten().filter(|m| m.place.is_some() == fix).count();
        let (fixes, void) = (of(true), of(false));
        let account = TrackLogAccount { fixes, void, segments: segments.len(), ..TrackLogAccount::default() };
        Arc::new(TrackLog { segments, account })
    }
}

impl Receiver {
    /// Adds a moment. Moments stay in order, and there are never too many of them.
    fn put(&mut self, moment: Moment, now: Timestamp) {
        let moments = &mut self.moments;
        // A receiver's clock that stands still or goes back: what was before is another stretch, and is let go.
        if moments.back().is_some_and(|last| last.time > moment.time) {
            moments.clear();
        }
        // One moment is reported more than once where a report is completed: the last word counts.
        if moments.back().is_some_and(|last| last.time == moment.time) {
            moments.pop_back();
        }
        moments.push_back(moment);
        while moments.len() > MOMENTS || moments.front().is_some_and(|m| now.duration_since(m.time) > KEPT) {
            moments.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::PositionRules;
    use crate::refusal::{NoFix, Refusal};
    use crate::tracklog::Moments;
    use proptest::prelude::*;

    const GAP: SignedDuration = SignedDuration::from_secs(2);

    fn at(second: f64) -> Timestamp {
        Timestamp::from_millisecond(1_780_000_000_000 + (second * 1e3) as i64).unwrap()
    }

    fn tpv(second: f64, north_m: f64, more: &str) -> String {
        let latitude = 55.676 + north_m / 111_300.0;
        let time = at(second);
        format!(
            "{{\"class\":\"TPV\",\"device\":\"/dev/a\",\"mode\":3,\"time\":\"{time}\",\"lat\":{latitude},\"lon\":12.5683{more}}}"
        )
    }

    fn position(track: &LiveTrack, second: f64) -> Result<crate::Position, Refusal> {
        let rules = PositionRules {
            require_time: true,
            max_error_m: 50.0,
            max_future_s: 5,
            max_fix_gap_s: 2,
            max_speed_kmh: 200.0,
            max_age_s: None,
        };
        track.log().at(Moments { from: at(second - 0.2), to: at(second) }, 5.0, &rules)
    }

    #[test]
    fn frm_21p_a_frame_between_two_fixes_has_the_place_between_them() {
        let mut track = LiveTrack::default();
        for second in 0..4 {
            let line = tpv(f64::from(second), 10.0 * f64::from(second), ",\"eph\":7.5,\"track\":1.0");
            assert_eq!(track.hear(line.as_bytes(), at(f64::from(second)), GAP), Heard::Fix);
        }
        assert!(track.reaches(at(2.9)) && !track.reaches(at(3.1)));
        let position = position(&track, 2.6).unwrap();
        assert!((position.latitude() - (55.676 + 25.0 / 111_300.0)).abs() < 1e-6);
        // The receiver's own error, and as far as the vehicle went while the picture may have been taken.
        assert!((8.0..10.0).contains(&position.error_m()), "{}", position.error_m());
    }

    #[test]
    fn frm_21n_stale_lost_and_unsure_fixes_are_none() {
        let stale = |reason: NoFix| Err(Refusal::NoFix(reason));
        let good = ",\"eph\":7.5";
        let mut track = LiveTrack::default();
        assert_eq!(position(&track, 1.0), stale(NoFix::Stale));
        track.hear(tpv(0.0, 0.0, good).as_bytes(), at(0.0), GAP);
        assert_eq!(position(&track, 0.5), stale(NoFix::Stale), "nothing after the frame yet");
        track.hear(tpv(3.0, 0.0, good).as_bytes(), at(3.0), GAP);
        assert_eq!(position(&track, 1.5), stale(NoFix::Stale), "three seconds between two fixes");
        // No error estimate, no mode, the null island: the receiver was there and had no fix.
        for (second, line) in [
            (4.0, tpv(4.0, 0.0, "")),
            (5.0, tpv(5.0, 0.0, good).replace("\"mode\":3", "\"mode\":1")),
            (6.0, tpv(6.0, 0.0, good).replace("\"lat\":55.676", "\"lat\":0").replace("12.5683", "0")),
            (7.0, tpv(7.0, 0.0, ",\"eph\":-1")),
            (8.0, tpv(8.0, 0.0, good).replace("55.676", "955.676")),
        ] {
            assert_eq!(track.hear(line.as_bytes(), at(second), GAP), Heard::NoFix, "{line}");
            assert_eq!(position(&track, second), stale(NoFix::Void), "{line}");
        }
        // A jump is no drive.
        track.hear(tpv(9.0, 0.0, good).as_bytes(), at(9.0), GAP);
        track.hear(tpv(10.0, 2_000.0, good).as_bytes(), at(10.0), GAP);
        assert_eq!(position(&track, 9.7), stale(NoFix::Jump));
        // Not heard any more.
        track.hear(tpv(11.0, 2_000.0, good).as_bytes(), at(11.0), GAP);
        track.lost(at(11.5));
        track.hear(tpv(12.0, 2_000.0, good).as_bytes(), at(12.0), GAP);
        assert_eq!(position(&track, 11.4), stale(NoFix::Void));
        assert_eq!(position(&track, 11.9), stale(NoFix::Void));
    }

    #[test]
    fn clk_08n_a_receiver_whose_clock_is_another_gives_no_fix() {
        let mut track = LiveTrack::default();
        for second in 0..3 {
            let line = tpv(f64::from(second), 0.0, ",\"eph\":7.5");
            let heard = track.hear(line.as_bytes(), at(f64::from(second) + 3600.0), GAP);
            assert_eq!(heard, Heard::OtherTime);
        }
        for second in [1.0, 3601.0] {
            assert!(position(&track, second).is_err());
        }
    }

    #[test]
    fn frm_21n_a_place_that_was_not_measured_is_no_fix() {
        let mut track = LiveTrack::default();
        for (second, status) in (0..8).zip([5, 1, 7, 2, 8, 6, 3, 4]) {
            let line = tpv(f64::from(second), 0.0, &format!(",\"eph\":7.5,\"status\":{status}"));
            let measured = !matches!(status, 5 | 7 | 8);
            let expected = if measured { Heard::Fix } else { Heard::NoFix };
            assert_eq!(track.hear(line.as_bytes(), at(f64::from(second)), GAP), expected, "{status}");
        }
    }

    #[test]
    fn cyb_02n_receivers_that_come_and_go_neither_fill_the_memory_nor_shut_the_others_out() {
        let mut track = LiveTrack::default();
        let hear = |track: &mut LiveTrack, device: usize, second: f64| {
            let line = tpv(second, 0.0, ",\"eph\":7.5").replace("/dev/a", &format!("/dev/{device}"));
            track.hear(line.as_bytes(), at(second), GAP)
        };
        // A plug that is pulled and put back gives its receiver another name each time.
        for device in 0..9 {
            let second = 240.0 * device as f64;
            hear(&mut track, device, second);
            hear(&mut track, device, second + 1.0);
            assert!(position(&track, second + 0.9).is_ok(), "{device}");
        }
        // Five at once are nobody's vehicle. When they are gone, the fifth is believed again.
        let begun = 5_000.0;
        (0..5).for_each(|device| assert_eq!(hear(&mut track, 10 + device, begun), Heard::Fix));
        for second in 0..400 {
            hear(&mut track, 14, begun + 1.0 + f64::from(second));
        }
        assert!(position(&track, begun + 399.5).is_ok());
        // Not heard for hours, and asked for all the time.
        for call in 0..10_000 {
            track.lost(at(begun + 401.0 + f64::from(call)));
        }
        assert!(track.receivers.iter().all(|known| known.moments.len() <= MOMENTS));
        // A receiver whose clock is a second ahead, and then lost: its last fix is not drawn on.
        let mut track = LiveTrack::default();
        track.hear(tpv(1.0, 0.0, ",\"eph\":7.5").as_bytes(), at(0.0), GAP);
        track.lost(at(0.1));
        track.hear(tpv(2.0, 0.0, ",\"eph\":7.5").as_bytes(), at(1.0), GAP);
        assert_eq!(position(&track, 1.5), Err(NoFix::Void.into()));
    }

    #[test]
    fn frm_21n_two_receivers_that_tell_two_places_give_none() {
        let mut track = LiveTrack::default();
        for second in 0..3 {
            let (time, line) = (at(f64::from(second)), tpv(f64::from(second), 0.0, ",\"eph\":7.5"));
            track.hear(line.as_bytes(), time, GAP);
            track.hear(line.replace("/dev/a", "/dev/b").replace("55.676", "55.686").as_bytes(), time, GAP);
        }
        assert_eq!(position(&track, 1.5), Err(NoFix::Ambiguous.into()));
    }

    proptest! {
        #[test]
        fn any_report_is_bounded_and_gives_no_place_that_cannot_be(lines in prop::collection::vec((0.0..400.0_f64, -90.0..90.0_f64, 0_u8..7, any::<bool>()), 0..60)) {
            let mut track = LiveTrack::default();
            for (second, latitude, device, error) in &lines {
                let error = if *error { ",\"eph\":9" } else { "" };
                let line = tpv(*second, 0.0, error).replace("55.676", &format!("{latitude:.3}")).replace("/dev/a", &format!("/dev/{device}"));
                track.hear(line.as_bytes(), at(*second), GAP);
            }
            prop_assert!(track.receivers.len() <= RECEIVERS);
            for second in 0..400 {
                if let Ok(position) = position(&track, f64::from(second)) {
                    prop_assert!(position.latitude().abs() <= 90.0 && position.error_m() >= 5.0);
                }
            }
        }
    }
}
