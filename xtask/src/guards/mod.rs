//! `cargo xtask guards`: shows that somebody notices when a guard is gone.
//!
//! Builds the tests once with the feature `test-switches`. For each guard of `conformance-tests/guards.toml` the named test is
//! seen to pass; then the guard alone is switched off, and the test must fail. A guard that nobody misses is decoration.

mod build;
mod list;
mod source;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use build::{Binaries, Binary};
use list::{Guard, TestName};

/// Names the one guard to switch off; the same word as in `vaern-door`, which does not hold it without switches.
const SWITCH: &str = "VAERN_GUARD_OFF";

/// Holds the shipped program to having no switches. In a build with switches it must fail, or it could not fail at all.
const SHIPPED_TEST: &str = "the_program_knows_no_switch_for_its_guards";

/// Longest time for a test with all guards in place.
const LONGEST: Duration = Duration::from_secs(600);

/// A test whose guard is off may hang, where the guard is a bound on time. It gets this long at least, and then counts as red.
const LONGEST_WITHOUT: Duration = Duration::from_secs(60);

/// Why the guards could not be tried, or do not hold.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("conformance-tests/guards.toml: {0}")]
    List(String),
    #[error("conformance-tests/guards.toml and the source do not agree:\n{0}")]
    Disagree(String),
    #[error("building the tests failed; the compiler's own words stand above")]
    Build,
    #[error("{0}: {1}")]
    Io(PathBuf, std::io::Error),
    #[error("no guard is called like that: {0}")]
    NoSuchGuard(String),
    #[error("{0} of {1} guards do not hold:\n{2}")]
    NotHeld(usize, usize, String),
}

impl Error {
    pub(crate) const fn status(&self) -> u8 {
        match self {
            Self::NoSuchGuard(_) => 2,
            Self::Disagree(_) | Self::Build | Self::NotHeld(..) => 1,
            Self::List(_) | Self::Io(..) => 3,
        }
    }
}

/// What a run of one test came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    /// Ended by us: it ran past its time.
    Hung,
    /// The binary does not have exactly one test of that name, or it is no test that ran.
    NotRun,
}

/// Tries every guard, or those whose names begin with one of `only`.
pub(crate) fn run(root: &Path, only: &[String]) -> Result<(), Error> {
    let all = list::read(root)?;
    let wrong = source::disagreements(root, &all)?;
    if !wrong.is_empty() {
        return Err(Error::Disagree(wrong.join("\n")));
    }
    if let Some(unknown) = only.iter().find(|o| !all.iter().any(|g| g.name.starts_with(o.as_str()))) {
        return Err(Error::NoSuchGuard(unknown.clone()));
    }
    let chosen: Vec<&Guard> =
        all.iter().filter(|g| only.is_empty() || only.iter().any(|o| g.name.starts_with(o.as_str()))).collect();
    let mut packages: Vec<String> = chosen.iter().flat_map(|g| g.tests()).map(|test| test.package.clone()).collect();
    packages.sort();
    packages.dedup();
    let binaries = build::tests(root, (!only.is_empty()).then_some(packages.as_slice()))?;
    let tried = try_all(&chosen, &binaries);
    let switched = binaries.get(&("vaern".to_owned(), "shipped".to_owned()));
    let seen = switched.map(|test| run_test(test, SHIPPED_TEST, None, LONGEST)).transpose();
    build::program_without_switches(root)?;
    let mut faults = tried?;
    if seen?.is_some_and(|(outcome, _)| outcome != Outcome::Failed) {
        faults.push(format!("vaern::shipped::{SHIPPED_TEST} does not see the switches of this build"));
    }
    if faults.is_empty() {
        println!("\n{} guards: each named test passes with its guard and fails without it", chosen.len());
        Ok(())
    } else {
        Err(Error::NotHeld(faults.len(), chosen.len(), faults.join("\n")))
    }
}

fn try_all(chosen: &[&Guard], binaries: &Binaries) -> Result<Vec<String>, Error> {
    let mut green: BTreeMap<&TestName, (Outcome, Duration)> = BTreeMap::new();
    let mut faults = Vec::new();
    for (guard, test) in chosen.iter().flat_map(|guard| guard.tests().map(move |test| (guard, test))) {
        let key = (test.package.clone(), test.target.clone());
        let Some(binary) = binaries.get(&key) else {
            faults.push(format!("{}: no test binary for {test}", guard.name));
            continue;
        };
        let (with, took) = match green.get(test) {
            Some(known) => *known,
            None => {
                let ran = run_test(binary, &test.test, None, LONGEST)?;
                green.insert(test, ran);
                ran
            }
        };
        if with != Outcome::Passed {
            faults.push(format!("{}: {test} does not pass with the guard in place: {with:?}", guard.name));
            continue;
        }
        let limit = LONGEST_WITHOUT.max(took * 5);
        let (without, _) = run_test(binary, &test.test, Some(&guard.name), limit)?;
        let relies = guard.krav.iter().chain(&guard.cases).map(String::as_str).collect::<Vec<_>>().join(", ");
        match without {
            Outcome::Failed => println!("red without  {:<34} {test} ({relies})", guard.name),
            Outcome::Hung => println!("hung without {:<34} {test} ({relies})", guard.name),
            other => faults.push(format!("{}: {test} does not fail without the guard: {other:?}", guard.name)),
        }
    }
    Ok(faults)
}

/// Runs one test of a binary.
fn run_test(binary: &Binary, test: &str, without: Option<&str>, limit: Duration) -> Result<(Outcome, Duration), Error> {
    let io = |e| Error::Io(binary.path.clone(), e);
    let start = Instant::now();
    let mut command = Command::new(&binary.path);
    command.args(["--exact", test, "--include-ignored", "--test-threads", "1"]).current_dir(&binary.folder);
    command.env("CARGO_MANIFEST_DIR", &binary.folder).env_remove(SWITCH);
    if let Some(guard) = without {
        command.env(SWITCH, guard);
    }
    // A group of its own: a test that is ended may have started programs, and they end with it.
    command.process_group(0);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(io)?;
    let Some(mut out) = child.stdout.take() else { return Ok((Outcome::NotRun, start.elapsed())) };
    // Read beside the wait: a test that says much would otherwise wait for a reader, and look hung.
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = out.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    let status = loop {
        if let Some(status) = child.try_wait().map_err(io)? {
            break Some(status);
        }
        if start.elapsed() > limit {
            let group = format!("-{}", child.id());
            let ended = Command::new("kill").args(["-KILL", "--", &group]).status().map_err(io)?;
            if !ended.success() {
                child.kill().map_err(io)?;
            }
            child.wait().map_err(io)?;
            break None;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let took = start.elapsed();
    let Some(status) = status else { return Ok((Outcome::Hung, took)) };
    let text = reader.join().unwrap_or_default();
    Ok((judged(status.success(), &text), took))
}

/// What the test harness's words mean. A filter that matches nothing passes too, and must not count.
fn judged(success: bool, text: &str) -> Outcome {
    let ran_one = text.contains("\nrunning 1 test\n") || text.starts_with("running 1 test\n");
    match (ran_one, success) {
        (true, true) if text.contains("test result: ok. 1 passed; 0 failed; 0 ignored;") => Outcome::Passed,
        (true, false) => Outcome::Failed,
        _ => Outcome::NotRun,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[ignore = "deep: builds the workspace once more, and runs the test of each guard twice"]
    fn every_guard_is_missed_when_it_is_gone() {
        let tried = run(&crate::repository(), &[]);
        println!("DEEP guards: {}", tried.as_ref().map_or_else(ToString::to_string, |()| "each is missed".to_owned()));
        assert!(tried.is_ok(), "{}", tried.unwrap_err());
    }

    #[test]
    fn only_one_test_that_ran_counts() {
        let ok = "\nrunning 1 test\ntest a ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 8 filtered out\n";
        let none = "\nrunning 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out\n";
        let red = "\nrunning 1 test\ntest a ... FAILED\n\ntest result: FAILED. 0 passed; 1 failed; 0 ignored\n";
        assert_eq!(judged(true, ok), Outcome::Passed);
        assert_eq!(judged(true, none), Outcome::NotRun);
        assert_eq!(judged(false, red), Outcome::Failed);
        // An abort ends the harness before its last line: the guard was missed all the same.
        assert_eq!(judged(false, "\nrunning 1 test\n"), Outcome::Failed);
        assert_eq!(judged(false, ""), Outcome::NotRun);
    }
}
