//! A run that was stopped goes on and comes to the same bytes; one that the machine starved blames nobody.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests state what they expect")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use vaern_door::Digest;

use crate::candidate::Candidate;
use crate::journal::{JOURNAL, JournalError};
use crate::plan::{Plan, Profile};
use crate::result::{HostBuild, Run};
use crate::run::{Given, MadeUp, Progress, Resume, Settings, SuiteError, run_with};
use crate::table_tests::{ROGUES, candidate, labels, small};
use crate::verdict::Verdict;

const PLAN: Plan = Plan { street: 8, again: 2, disturbed: 2, pairs: 2, public: 2 };

fn ran(
    candidate: &Candidate,
    resume: Option<Resume<'_>>,
    (seed, made_up): (u64, MadeUp),
    progress: Progress<'_>,
) -> Result<Run, SuiteError> {
    let backend = vaern_inference::tract();
    let host = HostBuild { version: "test".to_owned(), digest: Digest::of(b"test") };
    let set = small(if candidate.name.starts_with("loop") { "loop" } else { "rogue" });
    let (profile, only) = (Profile::Dev, Vec::new());
    let given = Given::default();
    let settings = Settings { profile, seed, only, workers: 2, host, backend: &backend, resume, progress, given };
    run_with(candidate, &set, settings, (Some(PLAN), made_up), &mut |_, _| {}).map(|(run, _)| run)
}

#[test]
fn gov_05p_a_run_that_was_stopped_anywhere_comes_to_the_same_bytes() {
    let temp = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
    let plugin = candidate("blind", labels(true));
    let truthful: MadeUp = (Some(ROGUES[0].1), None);
    let looks = AtomicUsize::new(0);
    let count = |_: &str, _: usize, _: usize| {
        looks.fetch_add(1, Ordering::Relaxed);
    };
    let fresh = |seed| ran(&plugin, Some(Resume { dir: &dir, go_on: false }), (seed, truthful), &count).unwrap();
    let whole = fresh(7).to_json().unwrap();
    let (all, journal) = (looks.swap(0, Ordering::Relaxed), dir.read(JOURNAL).unwrap());
    assert_eq!(ran(&plugin, None, (7, truthful), &|_, _, _| {}).unwrap().to_json().unwrap(), whole);
    // Cut everywhere from nothing but the first line to the whole, in the middle of lines too.
    let first = journal.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let mut done_again = Vec::new();
    for twentieth in 0..=20 {
        let cut = first + (journal.len() - first) * twentieth / 20;
        dir.write(JOURNAL, &journal[..cut]).unwrap();
        let run = ran(&plugin, Some(Resume { dir: &dir, go_on: true }), (7, truthful), &count).unwrap();
        assert!(run.to_json().unwrap() == whole, "cut at {cut} of {}", journal.len());
        done_again.push(looks.swap(0, Ordering::Relaxed));
    }
    assert!(done_again[0] == all && done_again[20] == 0, "{done_again:?} of {all}");
    assert!(done_again.is_sorted_by(|a, b| a >= b), "what is known is not done again: {done_again:?}");

    // Of another seed or release nothing is taken.
    let go_on =
        |plugin: &Candidate, seed| ran(plugin, Some(Resume { dir: &dir, go_on: true }), (seed, truthful), &count);
    assert!(matches!(go_on(&plugin, 8), Err(SuiteError::Journal(JournalError::Other))), "GOV-05N");
    let other = candidate("honest", labels(true));
    assert!(matches!(go_on(&other, 7), Err(SuiteError::Journal(JournalError::Other))));
    dir.remove_file(JOURNAL).unwrap();
    assert!(matches!(go_on(&plugin, 7), Err(SuiteError::Journal(JournalError::Nothing))));
}

#[test]
fn cyb_01n_a_plugin_that_never_ends_overran_and_one_that_had_no_turn_shows_nothing() {
    let endless = candidate("loop", labels(false));
    let verdict = |run: &Run, id: &str| run.outcomes.iter().find(|outcome| outcome.test == id).unwrap().verdict;
    let run = ran(&endless, None, (7, (None, None)), &|_, _, _| {}).unwrap();
    assert_eq!(verdict(&run, "KT-LIM-001N"), Verdict::Fail);
    // The same with a clock that stands still: for all that is known it never had its turn.
    let temp = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
    let still: fn() -> Duration = || Duration::ZERO;
    let resume = Resume { dir: &dir, go_on: false };
    let run = ran(&endless, Some(resume), (7, (None, Some(still))), &|_, _, _| {}).unwrap();
    assert_eq!(verdict(&run, "KT-LIM-001N"), Verdict::Unproven);
    assert_eq!(run.ending, Some(crate::result::Ending::Failed), "and what is not shown is not passed");
    assert!(run.outcomes.iter().all(|outcome| outcome.verdict != Verdict::Fail || !outcome.test.starts_with("KT-LIM")));
    // None of it is remembered: where there is time it is shown.
    let run = ran(&endless, Some(Resume { dir: &dir, go_on: true }), (7, (None, None)), &|_, _, _| {}).unwrap();
    assert_eq!(verdict(&run, "KT-LIM-001N"), Verdict::Fail);
}
