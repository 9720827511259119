//! A new or changed krav: which tests it touches, and a new result in which these were run again (MAL-05).
//!
//! What is taken from the old result is only what nothing else could have changed: same release, host, rules, bounds, suite, profile, seed
//! and engine. Else the whole suite is run.

use std::collections::BTreeSet;

use crate::registry::{TESTS, Test};
use crate::result::{Run, ending};

/// Why an old result cannot be gone on from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SinceError {
    /// Something else than the catalogue changed.
    #[error("the old result is of another {0}: run the whole suite")]
    Other(&'static str),
    /// A run of some tests only.
    #[error("the old result is of some tests only: run the whole suite")]
    Partial,
}

/// What changed in the catalogue, and what that touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    /// Krav that are new, or whose words or numbers changed.
    pub changed: Vec<String>,
    /// Krav that are gone.
    pub gone: Vec<String>,
    /// Tests that show a changed krav, or that the old result does not know.
    pub tests: Vec<&'static str>,
}

/// Compares the catalogue of an old result with the one of `now`, an empty run under the present rules.
///
/// # Errors
/// [`SinceError`] where something other than the catalogue changed.
pub fn touched(old: &Run, now: &Run) -> Result<Touched, SinceError> {
    if old.ending.is_none() {
        return Err(SinceError::Partial);
    }
    for (same, what) in [
        (old.release == now.release, "release"),
        (old.host == now.host, "host"),
        (old.basis.rules == now.basis.rules, "set of rules"),
        (old.basis.suite == now.basis.suite, "suite"),
        (old.basis.bounds == now.basis.bounds, "set of bounds"),
        (old.profile == now.profile, "profile"),
        (old.seed == now.seed, "seed"),
        (old.engine == now.engine, "engine"),
        (old.corpus == now.corpus, "corpus"),
        (old.deviations == now.deviations, "list of deviations"),
    ] {
        if !same {
            return Err(SinceError::Other(what));
        }
    }
    let (before, after) = (&old.basis.krav, &now.basis.krav);
    let changed: Vec<String> =
        after.iter().filter(|(id, digest)| before.get(*id) != Some(digest)).map(|(id, _)| id.clone()).collect();
    let gone = before.keys().filter(|id| !after.contains_key(*id)).cloned().collect();
    let known: BTreeSet<&str> = old.outcomes.iter().map(|outcome| outcome.test.as_str()).collect();
    let touches = |test: &&Test| {
        test.retired.is_none()
            && (!known.contains(test.id) || test.krav.iter().any(|krav| changed.iter().any(|id| id == krav.0)))
    };
    let tests = TESTS.iter().filter(touches).map(|test| test.id).collect();
    Ok(Touched { changed, gone, tests })
}

/// The old result with what was run again in its place, in the order of the registry.
#[must_use]
pub fn merged(old: &Run, again: Run) -> Run {
    let mut run = again;
    let renewed: BTreeSet<String> = run.outcomes.iter().map(|outcome| outcome.test.clone()).collect();
    run.outcomes.extend(old.outcomes.iter().filter(|outcome| !renewed.contains(&outcome.test)).cloned());
    let place = |id: &str| TESTS.iter().position(|test| test.id == id);
    run.outcomes.sort_by_key(|outcome| place(&outcome.test));
    run.examples.clone_from(&old.examples);
    run.ending = Some(ending(&run.outcomes, &run.deviations));
    run
}
