//! Signs that somebody outside interferes with what is seen (CYB-02): pictures played again, positions that cannot be true, things put up so that
//! a release finds what is not there, or so that the gate covers what is.
//!
//! Each is refused or bounded frame by frame. What a single frame does not tell is told by how many there are.

use vaern_door::guard;
use vaern_policy::InterferenceRule;

use super::control::STOPPED;
use super::worker::{ENDED, OVERLOAD};
use crate::outcome::FrameResult;

/// One sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// A capture that came before.
    Replayed,
    /// A capture without a position that can be true: none, or one that no vehicle has.
    Unplaced,
    /// A frame with more objects than a street has.
    Crowded,
    /// A frame that is mostly masks.
    Covered,
}

impl Sign {
    /// Its name in the log.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Replayed => "replayed",
            Self::Unplaced => "unplaced",
            Self::Crowded => "crowded",
            Self::Covered => "covered",
        }
    }

    /// What there is too much of, for people.
    pub(crate) const fn what(self) -> &'static str {
        match self {
            Self::Replayed => "captures that came before",
            Self::Unplaced => "captures without a position that can be true",
            Self::Crowded => "frames with more objects than a street has",
            Self::Covered => "frames that are mostly masks",
        }
    }
}

/// What a sign came to over as many frames as the profile says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Weighed {
    pub(crate) sign: Sign,
    /// For each hundred, rounded up.
    pub(crate) per_100: u64,
    /// That go without an alarm.
    pub(crate) most: u32,
    pub(crate) alarms: bool,
    /// Whether it did not before.
    pub(crate) begins: bool,
}

/// Two signs, counted over the same frames.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    signs: [(Sign, u32); 2],
    frames: u32,
    counts: [u32; 2],
    alarmed: [bool; 2],
}

impl Stretch {
    const fn new(signs: [(Sign, u32); 2]) -> Self {
        Self { signs, frames: 0, counts: [0; 2], alarmed: [false; 2] }
    }

    fn note(&mut self, there: [bool; 2], over: u32) -> Vec<Weighed> {
        self.frames += 1;
        for (count, there) in self.counts.iter_mut().zip(there) {
            *count += u32::from(there);
        }
        if self.frames < over {
            return Vec::new();
        }
        let frames = u64::from(std::mem::take(&mut self.frames));
        let counts = std::mem::take(&mut self.counts);
        let weighed = self.signs.iter().zip(counts).zip(&mut self.alarmed).map(|(((sign, most), count), alarmed)| {
            let per_100 = (u64::from(count) * 100).div_ceil(frames);
            let alarms = guard::stands("node.signs") && per_100 > u64::from(*most);
            let before = std::mem::replace(alarmed, alarms);
            let begins = alarms && !before;
            Weighed { sign: *sign, per_100, most: *most, alarms, begins }
        });
        weighed.collect()
    }
}

/// The count of all signs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signs {
    rule: InterferenceRule,
    came: Stretch,
    seen: Stretch,
}

impl Signs {
    pub(crate) const fn new(rule: InterferenceRule) -> Self {
        let came = [(Sign::Replayed, rule.replayed_per_100), (Sign::Unplaced, rule.unplaced_per_100)];
        let seen = [(Sign::Crowded, rule.crowded_per_100), (Sign::Covered, rule.covered_per_100)];
        Self { rule, came: Stretch::new(came), seen: Stretch::new(seen) }
    }

    /// Notes what became of a capture. What was dropped unread says nothing. Answers where there are enough.
    pub(crate) fn note(&mut self, result: &FrameResult) -> Vec<Weighed> {
        let reason = match result {
            FrameResult::Refused(refusal) => refusal.reason,
            FrameResult::Seen(_) => "",
        };
        if [STOPPED, OVERLOAD, ENDED].contains(&reason) {
            return Vec::new();
        }
        let came = [reason == "replayed", reason == "no_fix" || reason == "bad_position"];
        let mut weighed = self.came.note(came, self.rule.frames);
        if let FrameResult::Seen(seen) = result {
            let crowded = seen.objects.len() as u64 > u64::from(self.rule.crowded_above);
            let covered = seen.masked_share * 100.0 > f64::from(self.rule.covered_above_percent);
            weighed.extend(self.seen.note([crowded, covered], self.rule.frames));
        }
        weighed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use crate::outcome::{FoundObject, Refusal, SeenFrame};
    use vaern_door::{Blame, Krav, Label, Rect, Size};

    const RULE: InterferenceRule = InterferenceRule {
        frames: 10,
        replayed_per_100: 10,
        unplaced_per_100: 20,
        crowded_above: 3,
        crowded_per_100: 10,
        covered_above_percent: 60,
        covered_per_100: 10,
    };

    fn refused(reason: &'static str) -> FrameResult {
        FrameResult::Refused(Refusal { reason, krav: Krav("MIN-07"), blame: Blame::Operator, detail: String::new() })
    }

    fn seen(objects: usize, masked_share: f64) -> FrameResult {
        let object = FoundObject {
            id: "o".into(),
            label: Label::new("affaldscontainer").unwrap(),
            score: 9,
            rect: Rect::new(4, 8, 16, 32).unwrap(),
            delvist_maskeret: false,
        };
        FrameResult::Seen(Box::new(SeenFrame {
            frame_id: "f".repeat(32),
            size: Size::new(320, 180).unwrap(),
            position: None,
            masked_share,
            masked_boxes: BTreeMap::new(),
            seconds_in_clear: 0.1,
            objects: vec![object; objects],
            dropped_answers: BTreeMap::new(),
            zoom_pixels: None,
            picture: None,
        }))
    }

    /// The signs that raise an alarm over these frames, with how often, and whether it begins.
    fn alarms(signs: &mut Signs, frames: &[(usize, FrameResult)]) -> Vec<(Sign, u64, bool)> {
        let all = frames.iter().flat_map(|(count, frame)| std::iter::repeat_n(frame, *count));
        let weighed = all.flat_map(|frame| signs.note(frame)).collect::<Vec<_>>();
        weighed.into_iter().filter(|w| w.alarms).map(|w| (w.sign, w.per_100, w.begins)).collect()
    }

    #[test]
    fn cyb_02n_each_sign_raises_its_alarm_and_cyb_02p_as_many_as_the_city_bears_do_not() {
        let street = || seen(1, 0.2);
        let of = |frames: &[(usize, FrameResult)]| alarms(&mut Signs::new(RULE), frames);
        assert_eq!(of(&[(10, street())]), []);
        assert_eq!(of(&[(9, street()), (1, refused("replayed"))]), []);
        assert_eq!(of(&[(8, street()), (2, refused("replayed"))]), [(Sign::Replayed, 20, true)]);
        assert_eq!(of(&[(8, street()), (1, refused("no_fix")), (1, refused("bad_position"))]), []);
        assert_eq!(of(&[(7, street()), (3, refused("no_fix"))]), [(Sign::Unplaced, 30, true)]);
        assert_eq!(of(&[(8, seen(3, 0.6)), (1, seen(4, 0.2)), (1, seen(0, 0.7))]), []);
        assert_eq!(of(&[(8, street()), (2, seen(4, 0.2))]), [(Sign::Crowded, 20, true)]);
        assert_eq!(of(&[(8, street()), (2, seen(0, 0.7))]), [(Sign::Covered, 20, true)]);
        // What nobody looked at is no sign, and thins none out.
        assert_eq!(of(&[(100, refused(OVERLOAD)), (100, refused(STOPPED)), (9, refused("replayed"))]), []);
    }

    #[test]
    fn cyb_02p_an_alarm_begins_once_and_again_after_it_was_over() {
        let mut signs = Signs::new(RULE);
        let (bad, good) = ([(10, refused("replayed"))], [(10, seen(1, 0.0))]);
        assert_eq!(alarms(&mut signs, &bad), [(Sign::Replayed, 100, true)]);
        assert_eq!(alarms(&mut signs, &bad), [(Sign::Replayed, 100, false)]);
        assert_eq!(alarms(&mut signs, &good), []);
        assert_eq!(alarms(&mut signs, &bad), [(Sign::Replayed, 100, true)]);
    }
}
