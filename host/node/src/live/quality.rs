//! What is said of how well the seated release does: by how much it finds in the street, and by what it finds where the
//! answer is known; and of what somebody outside does to it.

use std::sync::atomic::Ordering;

use super::clerk::Clerk;
use super::probe::{Account, Answer};
use super::seat::Seat;
use super::signs::{Sign, Weighed};
use crate::outcome::{FrameResult, Refusal};

impl Clerk<'_> {
    /// Counts a frame that was seen, and says so where a release finds more or less than is expected.
    pub(super) fn watch_for_drift(&mut self, objects: u64) {
        let Some(drift) = &mut self.drift else { return };
        let Some(judged) = drift.note(objects) else { return };
        let (figures, expected) = (&self.desk.status.figures, drift.expected());
        figures.objects_per_100.store(judged.per_100, Ordering::Relaxed);
        figures.drifts.store(u64::from(judged.drifts), Ordering::Relaxed);
        if judged.drifts {
            self.desk.status.alarm(format!(
                "drift: {} objects for each hundred of the last {} frames seen; {} to {} are expected (ANS-02)",
                judged.per_100, expected.frames, expected.least_per_100, expected.most_per_100
            ));
        }
    }

    /// Counts what became of a capture, and says so where there are more signs of interference from outside than the city bears.
    pub(super) fn watch_for_signs(&mut self, result: &FrameResult) {
        let Some(signs) = &mut self.signs else { return };
        for Weighed { sign, per_100, most, alarms, begins } in signs.note(result) {
            let figures = &self.desk.status.figures;
            let gauge = match sign {
                Sign::Replayed => &figures.replayed,
                Sign::Unplaced => &figures.unplaced,
                Sign::Crowded => &figures.crowded,
                Sign::Covered => &figures.covered,
            };
            gauge.store(u64::from(alarms), Ordering::Relaxed);
            if alarms {
                let what = sign.what();
                self.desk.status.alarm(format!(
                    "interference: {per_100} of each hundred are {what}; at most {most} are borne (CYB-02)"
                ));
            }
            if begins {
                let now = self.desk.control.now();
                self.try_until(|clerk| clerk.log.with(|book| book.interference(sign.as_str(), now)));
            }
        }
    }

    /// Counts the answer to a picture whose answer is known. It is no frame: no row, no window and no budget hears of it.
    pub(super) fn probed(&mut self, seat: &Seat, answer: Result<Answer, Refusal>) {
        let Some(tally) = &mut self.tally else { return };
        let status = self.desk.status;
        let answer = match answer {
            Ok(answer) => answer,
            Err(refusal) => {
                let reason = refusal.reason;
                status.alarm(format!("a picture with a known answer could not be shown: {reason} (ANS-02)"));
                return;
            }
        };
        status.figures.probes.fetch_add(1, Ordering::Relaxed);
        let (before, rule) = (tally.failed, *tally.rule());
        let Some(Account { found_percent, beside_per_100, fails }) = tally.note(seat.generation, answer) else {
            return;
        };
        status.figures.probe_found.store(found_percent, Ordering::Relaxed);
        status.figures.probe_beside.store(beside_per_100, Ordering::Relaxed);
        status.figures.probe_fails.store(u64::from(fails), Ordering::Relaxed);
        if !fails {
            return;
        }
        status.alarm(format!(
            "quality: of what is known to be in the last {} pictures the release found {found_percent} percent, and {beside_per_100} \
             beside it for each hundred; at least {} and at most {} are approved (ANS-02)",
            rule.pictures, rule.found_percent, rule.beside_per_100
        ));
        if !before {
            let (release, now) = (seat.live.digest(), self.desk.control.now());
            self.try_until(|clerk| clerk.log.with(|book| book.quality_failed(release, now)));
        }
    }
}
