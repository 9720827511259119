//! The tests by name. An id is given once: a test that changes what it asks gets a new one, and the old one is retired, not reused.

use serde::Serialize;
use vaern_door::{Blame, Krav};

use crate::bench::Bench;
use crate::fault::Fault;
use crate::plan::Profile;
use crate::verdict::Judged;

pub use crate::list::TESTS;

/// Who judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// The program.
    Test,
    /// A person; the run says of what.
    Examine,
}

/// What a failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The run fails.
    Must,
    /// The run warns.
    Should,
}

pub(crate) type Judge = fn(&Bench<'_>, &Test) -> Result<Judged, Fault>;

/// One test.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Test {
    /// `KT-<AREA>-<number>`, and `P` where something right must work or `N` where something wrong must not.
    pub id: &'static str,
    /// The requirements that it shows.
    pub krav: &'static [Krav],
    /// Who judges.
    pub method: Method,
    /// What a failure means.
    pub level: Level,
    /// Whose turn it is when it fails.
    pub blame: Blame,
    /// What is asked, in Danish.
    pub da: &'static str,
    /// What is asked, in English.
    pub en: &'static str,
    /// Where the right answer comes from.
    pub oracle: &'static str,
    /// What to do when it fails.
    pub mend: &'static str,
    /// Version of the suite that it came with.
    pub since: &'static str,
    /// Version of the suite from which it is not run any more.
    pub retired: Option<&'static str>,
    #[serde(skip)]
    pub(crate) judge: Judge,
}

impl Test {
    /// The three letters of its area.
    #[must_use]
    pub fn area(&self) -> &'static str {
        self.id.split('-').nth(1).unwrap_or_default()
    }

    /// Whether a run of this profile asks it; `pictures` tells whether labelled ones are given. While a plugin is being written nobody
    /// has signed it yet.
    #[must_use]
    pub fn asked(&self, profile: Profile, pictures: bool) -> bool {
        match self.id {
            "KT-PKG-002P" => profile > Profile::Dev,
            // Asked wherever labelled pictures are given, and of the city always.
            "KT-COR-001P" | "KT-COR-002P" | "KT-COR-003N" => pictures || profile == Profile::Authority,
            "KT-COR-004N" | "KT-COR-005N" | "KT-ENV-004N" => profile == Profile::Authority,
            _ => true,
        }
    }
}

/// The areas: letters, Danish, English.
pub const AREAS: [(&str, &str, &str); 12] = [
    ("PKG", "Pakke og underskrift", "Package and signature"),
    ("DOR", "Dør og adgange", "Door and grants"),
    ("LIM", "Grænser", "Limits"),
    ("DET", "Det samme hver gang", "The same each time"),
    ("OUT", "Svarets disciplin", "Discipline of answers"),
    ("ENV", "Opførsel under prøve", "Conduct under test"),
    ("QUA", "Træfsikkerhed", "Quality"),
    ("COR", "Mærkede billeder", "Labelled pictures"),
    ("ROB", "Robusthed", "Robustness"),
    ("FAI", "Ligebehandling", "Fairness"),
    ("COS", "Omkostning", "Cost"),
    ("DOC", "Dokumenter", "Documents"),
];

/// Version of the suite.
pub const SUITE_VERSION: &str = "1.0.0";

/// Whether this is the form of an id.
#[must_use]
pub fn is_id(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [kt, area, rest] = parts.as_slice() else { return false };
    let (digits, sign) = rest.split_at_checked(3).unwrap_or_default();
    *kt == "KT"
        && area.len() == 3
        && area.bytes().all(|b| b.is_ascii_uppercase())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && matches!(sign, "P" | "N")
}

/// The test of this id.
#[must_use]
pub fn test(id: &str) -> Option<&'static Test> {
    TESTS.iter().find(|test| test.id == id)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests state what they expect")]
mod tests_of_the_registry {
    use super::*;

    #[test]
    fn every_id_is_well_formed_and_stands_once() {
        let mut ids: Vec<&str> = TESTS.iter().map(|test| test.id).collect();
        assert!(ids.iter().all(|id| is_id(id)), "{ids:?}");
        ids.sort_unstable();
        let all = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), all);
        for bad in ["KT-DOR-1P", "KT-DOR-001", "KT-DOR-001X", "KT-DØR-001P", "DOR-001P", "KT-DOR-001PP"] {
            assert!(!is_id(bad), "{bad}");
        }
    }

    #[test]
    fn every_test_names_krav_of_the_catalogue_and_an_area_and_says_what_it_asks() {
        for test in TESTS {
            assert!(test.krav.iter().all(|krav| vaern_policy::catalogue::known(krav.0).is_some()), "{}", test.id);
            assert!(AREAS.iter().any(|(area, ..)| *area == test.area()), "{}", test.id);
            for text in [test.da, test.en] {
                assert!(text.ends_with('.') && text.len() > 20, "{}: {text}", test.id);
            }
            assert!(!test.oracle.is_empty() && !test.mend.is_empty(), "{}", test.id);
        }
    }
}
