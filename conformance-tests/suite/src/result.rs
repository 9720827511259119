//! The result of a run: the one value that all reports are made from, and how it ended.
//!
//! Its bytes are its identity: the same release, rules, host and seed give the same ones.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vaern_door::{Digest, Name, Version, guard};

use crate::deviation::Deviation;
use crate::examples::Example;
use crate::plan::Profile;
use crate::registry::{Level, Test, test};
use crate::verdict::{Outcome, Verdict};

/// Name of the form, so that a later one is never mistaken for it.
pub const FORMAT: &str = "vaern-conformance-run/2";

/// The host that ran the suite: an approval is for a release on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostBuild {
    /// Version for people.
    pub version: String,
    /// Digest of the program.
    pub digest: Digest,
}

/// The release that was tested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tested {
    /// Name for people.
    pub name: String,
    /// Digest of the release index.
    pub digest: Digest,
    /// Vendor, as the manifest says.
    pub vendor: Name,
}

/// What the release was held to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basis {
    /// Version of the catalogue.
    pub catalogue: Version,
    /// Digest of the catalogue's files.
    pub catalogue_digest: Digest,
    /// Digest of each krav's file, by its id: what changed between two catalogues.
    pub krav: BTreeMap<String, Digest>,
    /// Digest of the policy set.
    pub policy: Digest,
    /// Digest of the policy set without its catalogue: the same as long as only words of krav change.
    pub rules: Digest,
    /// Version of the suite.
    pub suite: String,
    /// Digest of the bounds.
    pub bounds: Digest,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// Every mandatory test passed, none warned.
    Passed,
    /// Every mandatory test passed; something is to be looked at.
    Warned,
    /// A mandatory test failed or could not be shown.
    Failed,
}

impl Ending {
    /// The name in files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Warned => "warned",
            Self::Failed => "failed",
        }
    }
}

/// Labelled pictures that took part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorpusPart {
    /// Digest of labels and pictures.
    pub digest: Digest,
    /// Number of pictures.
    pub pictures: u64,
    /// Whether it is a sealed one.
    pub sealed: bool,
}

/// What an authority run rests on: the seed was committed to, and the attempt is in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorityPart {
    /// Digest of the sealed corpus.
    pub corpus: Digest,
    /// Digest of the signed commitment.
    pub commitment: Digest,
    /// What was committed to: SHA-256 over seed and nonce. The seed is the run's own.
    pub seed: Digest,
    /// When.
    pub committed: String,
    /// The nonce that opens it.
    pub nonce: String,
    /// Which of the vendor's attempts on this corpus it is.
    pub attempt: u32,
    /// How many every vendor has.
    pub of: u32,
    /// Digest of the attempt's line in the ledger.
    pub ledger: Digest,
}

/// A run, whole. All reports come from this value and know nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// [`FORMAT`].
    pub format: String,
    /// What was tested.
    pub release: Tested,
    /// On which host.
    pub host: HostBuild,
    /// Against what.
    pub basis: Basis,
    /// How thoroughly.
    pub profile: Profile,
    /// From which seed.
    pub seed: u64,
    /// The engine that ran the models.
    pub engine: String,
    /// The labelled pictures, where some were given: counts, and no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corpus: Option<CorpusPart>,
    /// What an authority run rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<AuthorityPart>,
    /// Deviations in force for this release.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deviations: Vec<Deviation>,
    /// How it ended; absent where only some tests were run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
    /// What each test says, in the order of the registry.
    pub outcomes: Vec<Outcome>,
    /// Drawn streets for the report to show.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Example>,
}

impl Run {
    /// The bytes of `run.json`: indented, fields in the order of the type, one line feed at the end.
    ///
    /// # Errors
    /// What `serde_json` says: nothing in this value can make it fail.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads a run and takes only the form that [`Run::to_json`] writes.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, RunError> {
        let run: Self = serde_json::from_slice(bytes).map_err(|error| RunError::Malformed(error.to_string()))?;
        if run.format != FORMAT {
            return Err(RunError::Format(run.format));
        }
        let again = run.to_json().map_err(|error| RunError::Malformed(error.to_string()))?;
        if again == bytes { Ok(run) } else { Err(RunError::Spelling) }
    }

    /// Outcomes with what the registry says of their tests.
    pub fn with_tests(&self) -> impl Iterator<Item = (&'static Test, &Outcome)> {
        self.outcomes.iter().filter_map(|outcome| Some((test(&outcome.test)?, outcome)))
    }

    /// The command that gives a test's outcome again.
    #[must_use]
    pub fn replay(&self, test: &str) -> String {
        format!("vaern conform REL --profile {} --only {test} --seed {}", self.profile, self.seed)
    }
}

/// Why a file is no run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// Not JSON of this form.
    #[error("not a run of the suite: {0}")]
    Malformed(String),
    /// Of another form.
    #[error("a run of another form: {0}")]
    Format(String),
    /// The same content in other bytes: somebody wrote it anew.
    #[error("the file is not as the suite writes it")]
    Spelling,
}

/// Whether a deviation lets a failure of this test pass.
#[must_use]
pub fn lets_pass<'d>(outcome: &Outcome, deviations: &'d [Deviation]) -> Option<&'d Deviation> {
    deviations.iter().find(|one| one.test == outcome.test && outcome.verdict == Verdict::Fail)
}

/// Deviations from tests that passed: no longer needed, and an error as long as they stand.
pub fn needless<'d>(outcomes: &[Outcome], deviations: &'d [Deviation]) -> Vec<&'d Deviation> {
    let passed = |one: &&Deviation| {
        let outcome = outcomes.iter().find(|outcome| outcome.test == one.test);
        outcome.is_some_and(|outcome| matches!(outcome.verdict, Verdict::Pass | Verdict::NotApplicable))
    };
    deviations.iter().filter(passed).collect()
}

/// The run's ending. A test without an outcome counts as one that could not be shown; a failure that a deviation lets pass is a
/// remark; and a deviation that is no longer needed fails the run.
#[must_use]
pub fn ending(outcomes: &[Outcome], deviations: &[Deviation]) -> Ending {
    if !needless(outcomes, deviations).is_empty() && guard::stands("conformance.deviation-needless") {
        return Ending::Failed;
    }
    let mut ending = Ending::Passed;
    for outcome in outcomes {
        let level = test(&outcome.test).map_or(Level::Must, |test| test.level);
        match (outcome.verdict.fails(), level) {
            (true, Level::Must) if lets_pass(outcome, deviations).is_none() => return Ending::Failed,
            (true, _) => ending = Ending::Warned,
            (false, _) => {}
        }
    }
    ending
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests state what they expect")]
mod tests {
    use super::*;
    use crate::registry::SUITE_VERSION;

    fn outcome(test: &str, verdict: Verdict) -> Outcome {
        Outcome { test: test.to_owned(), verdict, why: None, case: None, figures: BTreeMap::new() }
    }

    #[test]
    fn lev_04n_what_could_not_be_shown_fails_the_run() {
        let must = |verdict| ending(&[outcome("KT-DOR-001P", Verdict::Pass), outcome("KT-LIM-001N", verdict)], &[]);
        assert_eq!(must(Verdict::Unproven), Ending::Failed);
        assert_eq!(must(Verdict::Fail), Ending::Failed);
        for verdict in [Verdict::Pass, Verdict::NotApplicable, Verdict::Examine] {
            assert_eq!(must(verdict), Ending::Passed, "{verdict:?}");
        }
        let should = |verdict| ending(&[outcome("KT-QUA-004P", verdict)], &[]);
        assert_eq!((should(Verdict::Fail), should(Verdict::Unproven)), (Ending::Warned, Ending::Warned));
        assert_eq!(
            ending(&[outcome("KT-XXX-999P", Verdict::Fail)], &[]),
            Ending::Failed,
            "an unknown test is a mandatory one"
        );
    }

    #[test]
    fn gov_05n_a_run_in_other_bytes_is_no_run() {
        let digest = Digest::of(b"x");
        let run = Run {
            format: FORMAT.to_owned(),
            release: Tested { name: "x-1.0.0".to_owned(), digest, vendor: Name::new("x").unwrap() },
            host: HostBuild { version: "1".to_owned(), digest },
            basis: Basis {
                catalogue: Version::new("0.1.0").unwrap(),
                catalogue_digest: digest,
                krav: BTreeMap::from([("GOV-05".to_owned(), digest)]),
                policy: digest,
                rules: digest,
                suite: SUITE_VERSION.to_owned(),
                bounds: digest,
            },
            profile: Profile::Dev,
            seed: u64::MAX,
            engine: "tract".to_owned(),
            corpus: None,
            authority: None,
            deviations: Vec::new(),
            ending: Some(Ending::Passed),
            outcomes: vec![outcome("KT-DOR-001P", Verdict::Pass)],
            examples: Vec::new(),
        };
        let bytes = run.to_json().unwrap();
        assert_eq!(Run::from_json(&bytes).unwrap(), run, "GOV-05P");
        let text = String::from_utf8(bytes).unwrap();
        for (from, to) in [
            ("\"seed\": ", "\"seed\":  "),
            ("\n}\n", "\n}"),
            ("\"outcomes\"", "\"more\": 1, \"outcomes\""),
            ("run/2", "run/1"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            assert!(Run::from_json(changed.as_bytes()).is_err(), "{from}");
        }
    }
}
