//! Now and then a frame of the street is followed by a picture whose answer is known (ANS-02): through the same gate, by the same runner,
//! and for nothing but the count of what the release found in it.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use vaern_door::{Name, guard};
use vaern_policy::ProbeRule;
use vaern_privacy::{Capture, Fenced, Gate};

use super::swap::{Looked, partners};
use crate::outcome::Refusal;
use crate::pipeline::from_gate;
use crate::probes::{Probe, ProbeSet};

/// What a release found in one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Of what is known to be there.
    pub(crate) found: u32,
    /// What is known to be there.
    pub(crate) known: u32,
    /// What it found beside it.
    pub(crate) beside: u32,
}

impl Answer {
    /// Of a release that looked.
    pub(crate) fn of(known: &Looked, looked: &Looked) -> Self {
        let found = partners(known, looked);
        Self { found, known: known.count(), beside: looked.count() - found }
    }

    /// Of a release that failed: nothing is found.
    pub(crate) const fn none(known: &Looked) -> Self {
        Self { found: 0, known: known.count(), beside: 0 }
    }
}

/// When the next picture is due, and which.
pub(crate) struct Rota {
    set: ProbeSet,
    every: u32,
    left: Mutex<Option<u32>>,
}

impl Rota {
    pub(crate) const fn new(set: ProbeSet, rule: &ProbeRule) -> Self {
        Self { set, every: rule.every_frames, left: Mutex::new(None) }
    }

    /// The picture that is due after one more frame that was seen. When that is cannot be told beforehand: from half to one and a half times
    /// as many frames as the profile says.
    pub(crate) fn due(&self) -> Option<&Probe> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let frames = match *left {
            Some(frames) => frames,
            None => self.gap()?,
        };
        if frames > 1 {
            *left = Some(frames - 1);
            return None;
        }
        *left = None;
        drop(left);
        let pictures = self.set.pictures();
        pictures.get(below(pictures.len())?)
    }

    fn gap(&self) -> Option<u32> {
        let half = self.every / 2;
        let more = below(self.every as usize + 1)?;
        Some(half + u32::try_from(more).unwrap_or(self.every))
    }
}

/// A random number below `bound`; none where the system has no randomness.
fn below(bound: usize) -> Option<usize> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).ok()?;
    usize::try_from(u64::from_le_bytes(bytes) % u64::try_from(bound).ok()?.max(1)).ok()
}

/// The picture on its way, as if the camera of the street had taken it.
pub(crate) fn fenced(gate: &Gate, probe: &Probe, camera: Option<Name>, now: Timestamp) -> Result<Fenced, Refusal> {
    let capture = Capture::unlocated(probe.bytes.clone()).from_camera(camera);
    gate.probe(capture, now).map_err(|refusal| from_gate(&refusal))
}

/// What a release came to over as many pictures as the profile says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    /// Of what is known to be there, in percent, rounded down.
    pub(crate) found_percent: u64,
    /// Finds beside it for each hundred pictures, rounded up.
    pub(crate) beside_per_100: u64,
    /// Whether that is less, or more, than the city bears.
    pub(crate) fails: bool,
}

/// The count of one release.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tally {
    rule: ProbeRule,
    generation: u64,
    pictures: u32,
    found: u64,
    known: u64,
    beside: u64,
    /// What the last account came to.
    pub(crate) failed: bool,
}

impl Tally {
    pub(crate) const fn new(rule: ProbeRule) -> Self {
        Self { rule, generation: 0, pictures: 0, found: 0, known: 0, beside: 0, failed: false }
    }

    pub(crate) const fn rule(&self) -> &ProbeRule {
        &self.rule
    }

    /// Notes the answer of the release in the seat `generation`. Another release begins anew. An account where there are enough pictures.
    pub(crate) fn note(&mut self, generation: u64, answer: Answer) -> Option<Account> {
        if generation < self.generation {
            // One that lost the seat meanwhile.
            return None;
        }
        if generation > self.generation {
            *self = Self { generation, ..Self::new(self.rule) };
        }
        self.pictures += 1;
        self.found += u64::from(answer.found);
        self.known += u64::from(answer.known);
        self.beside += u64::from(answer.beside);
        if self.pictures < self.rule.pictures {
            return None;
        }
        let Self { rule, found, known, beside, .. } = *self;
        let pictures = u64::from(self.pictures);
        // By chance nothing was there to be found: then nothing was missed.
        let found_percent = (found * 100).checked_div(known).unwrap_or(100);
        let beside_per_100 = (beside * 100).div_ceil(pictures);
        let fails = found_percent < u64::from(rule.found_percent) || beside_per_100 > u64::from(rule.beside_per_100);
        let fails = fails && guard::stands("node.probe");
        *self = Self { generation, failed: fails, ..Self::new(rule) };
        Some(Account { found_percent, beside_per_100, fails })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vaern_door::{Digest, Label};

    const RULE: ProbeRule = ProbeRule {
        list: Digest::from_bytes([0; 32]),
        every_frames: 8,
        pictures: 4,
        found_percent: 50,
        beside_per_100: 25,
    };

    fn looked(boxes: &[[f64; 4]]) -> Looked {
        Looked::known(boxes.iter().map(|rect| (Label::new("affaldscontainer").unwrap(), *rect)).collect())
    }

    #[test]
    fn what_is_known_is_found_once_and_the_rest_is_beside() {
        let known = looked(&[[0.1, 0.1, 0.3, 0.3], [0.5, 0.5, 0.9, 0.9]]);
        let of = |boxes: &[[f64; 4]]| Answer::of(&known, &looked(boxes));
        let same = [0.1, 0.1, 0.3, 0.31];
        assert_eq!(of(&[]), Answer { found: 0, known: 2, beside: 0 });
        assert_eq!(of(&[same]), Answer { found: 1, known: 2, beside: 0 });
        assert_eq!(of(&[same, same]), Answer { found: 1, known: 2, beside: 1 });
        assert_eq!(of(&[[0.0, 0.0, 1.0, 1.0]]), Answer { found: 0, known: 2, beside: 1 });
        assert_eq!(Answer::none(&known), of(&[]));
    }

    #[test]
    fn ans_02n_a_release_that_finds_too_little_or_too_much_fails_and_ans_02p_one_at_the_bounds_does_not() {
        let account = |answers: [(u32, u32); 4]| {
            let mut tally = Tally::new(RULE);
            let mut last = None;
            for (found, beside) in answers {
                assert_eq!(last, None, "an account before its time");
                last = tally.note(7, Answer { found, known: 1, beside });
            }
            assert_eq!(tally.failed, last.unwrap().fails);
            last.unwrap()
        };
        let of = |found_percent, beside_per_100, fails| Account { found_percent, beside_per_100, fails };
        assert_eq!(account([(1, 0); 4]), of(100, 0, false));
        assert_eq!(account([(1, 1), (1, 0), (0, 0), (0, 0)]), of(50, 25, false));
        assert_eq!(account([(1, 0), (0, 0), (0, 0), (0, 0)]), of(25, 0, true));
        assert_eq!(account([(1, 1), (1, 1), (1, 0), (1, 0)]), of(100, 50, true));
        assert_eq!(account([(0, 0); 4]), of(0, 0, true));
    }

    #[test]
    fn ans_02p_another_release_is_held_to_its_own_answers() {
        let mut tally = Tally::new(RULE);
        let (good, bad) = (Answer { found: 1, known: 1, beside: 0 }, Answer { found: 0, known: 1, beside: 0 });
        assert_eq!([(); 3].map(|()| tally.note(1, bad)), [None; 3]);
        assert_eq!([(); 3].map(|()| tally.note(2, good)), [None; 3]);
        assert_eq!(tally.note(1, bad), None);
        assert!(!tally.note(2, good).unwrap().fails);
    }

    #[test]
    fn when_a_picture_is_due_is_bounded_and_cannot_be_told_beforehand() {
        let probe = || Probe { bytes: vec![1], known: looked(&[[0.0, 0.0, 1.0, 1.0]]) };
        let rota = Rota::new(ProbeSet::of(vec![probe(), probe()]), &RULE);
        let mut gaps = Vec::new();
        for _ in 0..200 {
            let gap = (1..).find(|_| rota.due().is_some()).unwrap();
            assert!((4..=12).contains(&gap), "{gap}");
            gaps.push(gap);
        }
        gaps.sort_unstable();
        gaps.dedup();
        assert!(gaps.len() > 4, "always the same: {gaps:?}");
    }
}
