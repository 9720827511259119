//! The result of a conformance run, in in-toto's own form (`test-result/v0.1`): which tests a release passed on which host.
//!
//! Unlike an approval it can be repeated by anyone, so it keeps the standard's type (`docs/decisions/0005`).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use vaern_door::{Digest, Version, guard};

use super::Predicate;
use crate::sig_error::SigError;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Every mandatory test passed.
    #[serde(rename = "PASSED")]
    Passed,
    /// Something is to be looked at.
    #[serde(rename = "WARNED")]
    Warned,
    /// A test failed.
    #[serde(rename = "FAILED")]
    Failed,
}

/// A thing that took part in the run, by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakenPart {
    /// `host` for the program that ran the suite; `policy` for the rules it ran under; others as the suite names them.
    pub name: String,
    /// `sha256` and the digest in hexadecimal.
    digest: BTreeMap<String, String>,
}

impl TakenPart {
    /// Names a thing.
    #[must_use]
    pub fn new(name: impl Into<String>, digest: Digest) -> Self {
        Self { name: name.into(), digest: BTreeMap::from([("sha256".to_owned(), digest.hex())]) }
    }

    /// The digest, if it is one.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        match self.digest.iter().next() {
            Some((algorithm, hex)) if self.digest.len() == 1 => format!("{algorithm}:{hex}").parse().ok(),
            _ => None,
        }
    }
}

/// What a run of the suite says of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TestResult {
    /// How it ended.
    pub result: Outcome,
    /// What took part; the program that ran it stands as `host`.
    pub configuration: Vec<TakenPart>,
    /// Tests that passed.
    pub passed_tests: BTreeSet<String>,
    /// Tests that passed with a warning.
    pub warned_tests: BTreeSet<String>,
    /// Tests that failed.
    pub failed_tests: BTreeSet<String>,
}

impl Predicate for TestResult {
    const TYPE: &'static str = "https://in-toto.io/attestation/test-result/v0.1";
}

impl TestResult {
    /// The program that ran the suite.
    #[must_use]
    pub fn host(&self) -> Option<Digest> {
        let mut hosts = self.configuration.iter().filter(|part| part.name == "host");
        match (hosts.next(), hosts.next()) {
            (Some(host), None) => host.digest(),
            _ => None,
        }
    }

    /// Says whether an approval under this version of the catalogue may rest on the run: it was made under the same, and nothing
    /// that is mandatory failed (LEV-04, MAL-05).
    ///
    /// # Errors
    /// [`SigError::OtherCatalogue`], [`SigError::IncompleteResult`] with the tests that failed.
    pub fn bears(&self, catalogue: &Version) -> Result<(), SigError> {
        let wanted = format!("catalogue-{catalogue}");
        let mut named = self.configuration.iter().filter(|part| part.name.starts_with("catalogue-"));
        let same = matches!((named.next(), named.next()), (Some(part), None) if part.name == wanted);
        if guard::stands("trust.result-catalogue") && !same {
            return Err(SigError::OtherCatalogue(catalogue.clone()));
        }
        if self.result == Outcome::Failed || !self.failed_tests.is_empty() {
            return Err(SigError::IncompleteResult { tests: self.failed_tests.iter().cloned().collect() });
        }
        Ok(())
    }

    /// Says whether the run covers `mandatory` on one of `builds`: each passed outright, none failed (SIG-20, SIG-23).
    ///
    /// # Errors
    /// [`SigError::HostPairMismatch`] for a run on another host, [`SigError::IncompleteResult`] with the tests that are
    /// missing, warned or failed.
    pub fn covers(&self, mandatory: &BTreeSet<String>, builds: &[Digest]) -> Result<(), SigError> {
        let on_line = self.host().is_some_and(|host| builds.contains(&host));
        if guard::stands("trust.result-host") && !on_line {
            return Err(SigError::HostPairMismatch);
        }
        let mut tests: Vec<String> = mandatory.difference(&self.passed_tests).cloned().collect();
        tests.extend(self.failed_tests.iter().filter(|test| !tests.contains(test)).cloned().collect::<Vec<_>>());
        let whole = self.result == Outcome::Passed && tests.is_empty();
        if guard::stands("trust.result-complete") && !whole {
            return Err(SigError::IncompleteResult { tests });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(tests: &[&str]) -> BTreeSet<String> {
        tests.iter().map(|test| (*test).to_owned()).collect()
    }

    fn result(passed: &[&str], warned: &[&str], failed: &[&str]) -> TestResult {
        TestResult {
            result: if failed.is_empty() { Outcome::Passed } else { Outcome::Failed },
            configuration: vec![
                TakenPart::new("host", Digest::of(b"host x")),
                TakenPart::new("policy", Digest::of(b"p")),
            ],
            passed_tests: set(passed),
            warned_tests: set(warned),
            failed_tests: set(failed),
        }
    }

    #[test]
    fn sig_20n_a_result_without_each_mandatory_test_passed_is_incomplete() {
        let builds = [Digest::of(b"host x")];
        let covers = |result: &TestResult| result.covers(&set(&["a", "b"]), &builds);
        assert_eq!(covers(&result(&["a", "b", "c"], &["d"], &[])), Ok(()), "SIG-20P");
        let incomplete = |tests: &[&str]| {
            Err(SigError::IncompleteResult { tests: tests.iter().map(|test| (*test).to_owned()).collect() })
        };
        assert_eq!(covers(&result(&["a"], &[], &[])), incomplete(&["b"]));
        assert_eq!(covers(&result(&["a"], &["b"], &[])), incomplete(&["b"]));
        assert_eq!(covers(&result(&["a", "b"], &[], &["c"])), incomplete(&["c"]));
        let mut warned = result(&["a", "b"], &[], &[]);
        warned.result = Outcome::Warned;
        assert_eq!(covers(&warned), incomplete(&[]));
    }

    #[test]
    fn sig_23n_a_result_of_another_host_build_does_not_count() {
        let made = result(&["a"], &[], &[]);
        assert_eq!(made.covers(&set(&["a"]), &[Digest::of(b"host x"), Digest::of(b"host y")]), Ok(()), "SIG-23P");
        for builds in [&[][..], &[Digest::of(b"host y")]] {
            assert_eq!(made.covers(&set(&["a"]), builds), Err(SigError::HostPairMismatch));
        }
        let mut two = made;
        two.configuration.push(TakenPart::new("host", Digest::of(b"host y")));
        assert_eq!(two.covers(&set(&["a"]), &[Digest::of(b"host y")]), Err(SigError::HostPairMismatch));
    }

    #[test]
    fn the_form_is_in_totos() {
        let value = serde_json::to_value(result(&["a"], &[], &[])).unwrap();
        assert_eq!(value["result"], "PASSED");
        assert_eq!(value["passedTests"][0], "a");
        assert_eq!(value["configuration"][0]["digest"]["sha256"], Digest::of(b"host x").hex());
    }
}
