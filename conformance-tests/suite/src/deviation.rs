//! Deviations: what a role of the city lets pass for a time, by name, with a reason, and no longer.
//!
//! Strict: a deviation is for one test of one release under one krav, has an owner and an end, and is of no use once the test passes: then
//! the run fails until it is taken away. What could not be shown is never let pass.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use vaern_door::{Digest, Name, guard};
use vaern_trust::CityFile;

use crate::registry::test;

/// One deviation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deviation {
    /// The requirement that is departed from.
    pub krav: String,
    /// The test that may fail.
    pub test: String,
    /// Of which release.
    pub release: Digest,
    /// Who answers for it.
    pub owner: Name,
    /// Why, in one sentence.
    pub reason: String,
    /// The last day on which it counts.
    pub expires: Date,
}

/// A signed list of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deviations {
    /// All of them.
    pub deviations: Vec<Deviation>,
}

impl CityFile for Deviations {
    const PAYLOAD_TYPE: &'static str = "application/vnd.vaern.deviations.v1+json";
}

/// Why a list is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviationError {
    /// There is no such test.
    #[error("a deviation from `{0}`, which is no test of the suite")]
    UnknownTest(String),
    /// The test shows another krav.
    #[error("the test {test} does not show {krav}")]
    OtherKrav {
        /// The test.
        test: String,
        /// The krav that is named.
        krav: String,
    },
    /// Nobody said why.
    #[error("the deviation from {0} gives no reason of at least ten letters")]
    NoReason(String),
    /// The same test of the same release twice.
    #[error("two deviations from {0} for one release")]
    Twice(String),
}

impl Deviations {
    /// Those that count for a release on a day. An expired one is none.
    ///
    /// # Errors
    /// [`DeviationError`] where any of the list, for whatever release, is not as it must be.
    pub fn in_force(&self, release: Digest, today: Date) -> Result<Vec<Deviation>, DeviationError> {
        let mut seen = std::collections::BTreeSet::new();
        for one in &self.deviations {
            let known = test(&one.test).ok_or_else(|| DeviationError::UnknownTest(one.test.clone()))?;
            if !known.krav.iter().any(|krav| krav.0 == one.krav) {
                return Err(DeviationError::OtherKrav { test: one.test.clone(), krav: one.krav.clone() });
            }
            if one.reason.trim().chars().count() < 10 {
                return Err(DeviationError::NoReason(one.test.clone()));
            }
            if !seen.insert((one.release, &one.test)) {
                return Err(DeviationError::Twice(one.test.clone()));
            }
        }
        let counts = |one: &&Deviation| {
            one.release == release && (one.expires >= today || !guard::stands("conformance.deviation-ends"))
        };
        let mut all: Vec<Deviation> = self.deviations.iter().filter(counts).cloned().collect();
        all.sort_unstable();
        Ok(all)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests state what they expect")]
mod tests {
    use super::*;

    fn one() -> Deviation {
        Deviation {
            krav: "STD-05".to_owned(),
            test: "KT-QUA-004P".to_owned(),
            release: Digest::of(b"release"),
            owner: Name::new("anna").unwrap(),
            reason: "night is trained in the next release".to_owned(),
            expires: "2026-12-31".parse().unwrap(),
        }
    }

    fn list(change: impl FnOnce(&mut Deviation)) -> Deviations {
        let mut deviation = one();
        change(&mut deviation);
        Deviations { deviations: vec![deviation] }
    }

    #[test]
    fn mal_05p_a_deviation_counts_for_its_release_to_its_last_day_and_an_expired_one_is_none() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        let in_force = |release: &[u8], at| list(|_| ()).in_force(Digest::of(release), day(at)).unwrap().len();
        assert_eq!(in_force(b"release", "2026-12-31"), 1);
        assert_eq!(in_force(b"release", "2027-01-01"), 0, "MAL-05N: an expired one is none");
        assert_eq!(in_force(b"other", "2026-12-31"), 0);
    }

    #[test]
    fn mal_05n_a_list_with_a_deviation_that_cannot_be_is_none() {
        let wrong = |change: fn(&mut Deviation)| {
            list(change).in_force(Digest::of(b"release"), "2026-12-01".parse().unwrap()).unwrap_err()
        };
        assert!(matches!(wrong(|d| d.test = "KT-XXX-001P".to_owned()), DeviationError::UnknownTest(_)));
        assert!(matches!(wrong(|d| d.krav = "MIN-01".to_owned()), DeviationError::OtherKrav { .. }));
        assert!(matches!(wrong(|d| d.reason = "because".to_owned()), DeviationError::NoReason(_)));
        let twice = Deviations { deviations: vec![one(), one()] };
        let twice = twice.in_force(Digest::of(b"release"), "2026-12-01".parse().unwrap());
        assert!(matches!(twice, Err(DeviationError::Twice(_))));
    }
}
