//! Whether a release in operation finds about as much as the city expects of it (ANS-02): objects for each hundred frames seen, over
//! as many frames as the signed profile says. Outside of its bounds is no fault of anybody, and a reason for a person to look.

use vaern_door::guard;
use vaern_policy::Expected;

/// The count of one release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Drift {
    expected: Expected,
    seen: u64,
    objects: u64,
}

/// What a number of frames came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Judged {
    /// Objects for each hundred frames, rounded.
    pub(crate) per_100: u64,
    /// Whether that is outside of what is expected.
    pub(crate) drifts: bool,
}

impl Drift {
    pub(crate) const fn new(expected: Expected) -> Self {
        Self { expected, seen: 0, objects: 0 }
    }

    /// Begins anew: another release has the seat.
    pub(crate) const fn again(&mut self) {
        (self.seen, self.objects) = (0, 0);
    }

    /// Notes a frame that was seen. Judged where there are enough of them.
    pub(crate) fn note(&mut self, objects: u64) -> Option<Judged> {
        self.seen += 1;
        self.objects += objects;
        if self.seen < u64::from(self.expected.frames) {
            return None;
        }
        let per_100 = (self.objects * 100 + self.seen / 2) / self.seen;
        let within = u64::from(self.expected.least_per_100)..=u64::from(self.expected.most_per_100);
        self.again();
        Some(Judged { per_100, drifts: guard::stands("node.drift") && !within.contains(&per_100) })
    }

    /// The bounds, for whoever is told.
    pub(crate) const fn expected(&self) -> Expected {
        self.expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(objects: impl IntoIterator<Item = u64>) -> Vec<Judged> {
        let mut drift = Drift::new(Expected { frames: 10, least_per_100: 20, most_per_100: 150 });
        objects.into_iter().filter_map(|n| drift.note(n)).collect()
    }

    #[test]
    fn ans_02p_what_is_expected_raises_nothing_and_ans_02n_too_little_and_too_much_do() {
        let of = |per_100, drifts| Judged { per_100, drifts };
        assert_eq!(judged([1; 9]), []);
        assert_eq!(judged([1; 25]), [of(100, false), of(100, false)]);
        assert_eq!(judged([0; 10]), [of(0, true)]);
        assert_eq!(judged([0, 0, 0, 0, 0, 0, 0, 0, 1, 1]), [of(20, false)]);
        assert_eq!(judged([2; 10]), [of(200, true)]);
        // A street without containers after one with many: each stretch is judged for itself.
        assert_eq!(judged([1; 10].into_iter().chain([0; 10])), [of(100, false), of(0, true)]);
    }

    #[test]
    fn ans_02p_another_release_is_judged_from_its_first_frame_on() {
        let mut drift = Drift::new(Expected { frames: 3, least_per_100: 50, most_per_100: 150 });
        assert_eq!((drift.note(0), drift.note(0)), (None, None));
        drift.again();
        assert_eq!((drift.note(1), drift.note(1)), (None, None));
        assert_eq!(drift.note(1), Some(Judged { per_100: 100, drifts: false }));
    }
}
