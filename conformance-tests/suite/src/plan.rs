//! How much is looked at, and which seed draws what. The tests are the same in every profile; only their number of cases grows.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use vaern_door::Digest;

/// How thorough a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Seconds: while a plugin is being written.
    Dev,
    /// Minutes: everything, on public scenes and a seed of the vendor's choice. What is submitted.
    Vendor,
    /// The same, on a seed that was committed to before, and on the city's sealed corpus.
    Authority,
}

impl Profile {
    /// The name in files and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Vendor => "vendor",
            Self::Authority => "authority",
        }
    }

    pub(crate) const fn plan(self) -> Plan {
        match self {
            Self::Dev => Plan { street: 10, again: 2, disturbed: 2, pairs: 2, public: 4 },
            Self::Vendor | Self::Authority => Plan { street: 150, again: 10, disturbed: 30, pairs: 60, public: 80 },
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a profile is one of `dev`, `vendor`, `authority`")]
pub struct ProfileError;

impl FromStr for Profile {
    type Err = ProfileError;
    fn from_str(text: &str) -> Result<Self, ProfileError> {
        [Self::Dev, Self::Vendor, Self::Authority]
            .into_iter()
            .find(|profile| profile.as_str() == text)
            .ok_or(ProfileError)
    }
}

/// Numbers of cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Streets that most tests judge.
    pub(crate) street: u32,
    /// Of those, how many are looked at a second time in another way.
    pub(crate) again: u32,
    /// Of those, how many are disturbed in each way.
    pub(crate) disturbed: u32,
    /// Streets drawn with and without people.
    pub(crate) pairs: u32,
    /// Streets of the public corpus.
    pub(crate) public: u32,
}

/// The seed of the public corpus. Everybody may know its streets; a plugin that only knows these is found out by the run's own seed.
pub(crate) const PUBLIC_SEED: u64 = 2026;

/// What a case is drawn for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Series {
    Street,
    Pair,
    Disturbance,
}

/// The seed of one case: from the run's seed, the series and the number, and from nothing else.
pub(crate) fn case_seed(run: u64, series: Series, case: u32) -> u64 {
    let name = match series {
        Series::Street => "street",
        Series::Pair => "pair",
        Series::Disturbance => "disturbance",
    };
    let digest = Digest::of(format!("vaern-conformance/1/{run}/{name}/{case}").as_bytes());
    digest.as_bytes().iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests state what they expect")]
mod tests {
    use super::*;

    #[test]
    fn every_case_has_a_seed_of_its_own() {
        let mut seeds: Vec<u64> = (0..3)
            .flat_map(|run| (0..50).map(move |case| (run, case)))
            .flat_map(|(run, case)| {
                [Series::Street, Series::Pair, Series::Disturbance].map(|series| case_seed(run, series, case))
            })
            .collect();
        let all = seeds.len();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), all);
        assert_eq!("vendor".parse::<Profile>().unwrap(), Profile::Vendor);
        assert_eq!("city".parse::<Profile>(), Err(ProfileError));
    }
}
