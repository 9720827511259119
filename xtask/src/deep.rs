//! `cargo xtask deep`: what is too long for every push.
//!
//! A deep test is an ordinary test behind `#[ignore = "deep: why"]`; a deep example is one whose first line reads
//! `//! deep: why`. Both print their figures in lines that begin with `DEEP `. What they skip they say in lines that begin
//! with `SKIP`. Each is run by itself, so that one that hangs the machine or eats its memory is known by name.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use crate::{bench, fuzz};

/// Seconds that each fuzz target gets in the deep tier.
const FUZZ_SECONDS: u64 = 60;
/// Folders that hold no crate of the workspace.
const APART: [&str; 4] = ["target", "plugins", "fuzz", ".git"];

/// One thing to run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Item {
    package: String,
    /// `--test fence`, `--lib`, `--bins`, or `--example memory`.
    target: Vec<String>,
    /// Name of the test function; nothing for an example.
    test: Option<String>,
    why: String,
}

impl Item {
    fn name(&self) -> String {
        let target = self.target.last().map_or("", String::as_str).trim_start_matches("--");
        match &self.test {
            Some(test) => format!("{}::{target}::{test}", self.package),
            None => format!("{} example {target}", self.package),
        }
    }

    fn arguments(&self) -> Vec<String> {
        let verb = if self.test.is_some() { "test" } else { "run" };
        let mut arguments: Vec<String> =
            [verb, "--release", "--locked", "--quiet", "--package", &self.package].map(str::to_owned).into();
        arguments.extend(self.target.iter().cloned());
        if let Some(test) = &self.test {
            let rest = ["--", "--ignored", "--nocapture", "--test-threads=1"].map(str::to_owned);
            arguments.extend(rest);
            arguments.push(test.clone());
        }
        arguments
    }
}

/// Every deep test and deep example below `root`, in a fixed order.
pub(crate) fn find(root: &Path) -> std::io::Result<Vec<Item>> {
    let mut items = Vec::new();
    walk(root, None, &mut items)?;
    items.sort();
    Ok(items)
}

fn walk(folder: &Path, krate: Option<(&Path, &str)>, items: &mut Vec<Item>) -> std::io::Result<()> {
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    let named = package_name(&manifest);
    let krate = named.as_deref().map(|name| (folder, name)).or(krate);
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        if path.is_dir() && !path.is_symlink() {
            if !APART.contains(&name.as_str()) {
                walk(&path, krate, items)?;
            }
        } else if path.extension().is_some_and(|e| e == "rs")
            && let Some((home, package)) = krate
            && let Ok(inside) = path.strip_prefix(home)
        {
            items.extend(in_file(package, inside, &std::fs::read_to_string(&path)?));
        }
    }
    Ok(())
}

fn package_name(manifest: &str) -> Option<String> {
    let table: toml::Table = manifest.parse().ok()?;
    Some(table.get("package")?.get("name")?.as_str()?.to_owned())
}

/// The deep items of one source file. `inside` is its path inside its crate.
fn in_file(package: &str, inside: &Path, text: &str) -> Vec<Item> {
    let part = |n: usize| inside.components().nth(n).and_then(|c| c.as_os_str().to_str());
    let stem = part(1).map(|name| name.trim_end_matches(".rs").to_owned()).unwrap_or_default();
    let target = match part(0) {
        Some("tests") => vec!["--test".to_owned(), stem.clone()],
        Some("src") if inside == Path::new("src/main.rs") => vec!["--bins".to_owned()],
        Some("src") => vec!["--lib".to_owned()],
        Some("examples") => vec!["--example".to_owned(), stem.clone()],
        _ => return Vec::new(),
    };
    if part(0) == Some("examples") {
        let why = text.lines().next().and_then(|line| line.strip_prefix("//! deep: "));
        let item = why.map(|why| Item { package: package.to_owned(), target, test: None, why: why.to_owned() });
        return item.into_iter().collect();
    }
    let mut items = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(why) = line.trim().strip_prefix("#[ignore = \"deep: ").and_then(|l| l.strip_suffix("\"]")) else {
            continue;
        };
        let function = lines.by_ref().find_map(|line| line.trim().strip_prefix("fn "));
        if let Some(test) = function.and_then(|rest| rest.split('(').next()) {
            let (test, why) = (Some(test.to_owned()), why.to_owned());
            items.push(Item { package: package.to_owned(), target: target.clone(), test, why });
        }
    }
    items
}

/// Runs them all, or those whose name holds `filter`. Everything is run, whatever fails before it.
pub(crate) fn run(root: &Path, filter: Option<&str>, list: bool) -> ExitCode {
    let items = match find(root) {
        Ok(items) => items,
        Err(error) => {
            eprintln!("cargo xtask deep: cannot read the repository: {error}");
            return ExitCode::from(3);
        }
    };
    let wanted = |item: &Item| filter.is_none_or(|part| item.name().contains(part));
    let chosen: Vec<&Item> = items.iter().filter(|item| wanted(item)).collect();
    let apart = |name: &str| filter.is_none_or(|part| name.contains(part));
    let (fuzzed, benched) = (apart("fuzz"), apart("bench"));
    if chosen.is_empty() && !fuzzed && !benched {
        eprintln!("cargo xtask deep: nothing to run, and that is a failure");
        return ExitCode::FAILURE;
    }
    if list {
        chosen.iter().for_each(|item| println!("{}  ({})", item.name(), item.why));
        if fuzzed {
            println!("fuzz  (every way in under coverage, {FUZZ_SECONDS} s each)");
        }
        if benched {
            println!("bench  (what the sandbox costs, beside its peers)");
        }
        return ExitCode::SUCCESS;
    }
    let (mut failed, mut skipped) = (0, 0);
    for item in &chosen {
        let outcome = one(root, item);
        match outcome.word {
            Word::Ok => {}
            Word::Skip => skipped += 1,
            Word::Failed => failed += 1,
        }
        println!("{:<6} {}  {:.0} s", outcome.word.text(), item.name(), outcome.seconds);
        outcome.figures.iter().for_each(|line| println!("         {line}"));
    }
    let mut sat = |name: &str, (word, lines): (Word, Vec<String>)| {
        failed += usize::from(word == Word::Failed);
        skipped += usize::from(word == Word::Skip);
        println!("{:<6} {name}", word.text());
        lines.iter().for_each(|line| println!("         {line}"));
    };
    if fuzzed {
        sat("fuzz", fuzz::sitting(root, FUZZ_SECONDS, None));
    }
    if benched {
        sat("bench", bench::sitting(root));
    }
    let all = chosen.len() + usize::from(fuzzed) + usize::from(benched);
    println!("deep: {} passed, {failed} failed, {skipped} skipped", all - failed - skipped);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What became of one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    Ok,
    Skip,
    Failed,
}

impl Word {
    const fn text(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skip => "SKIP",
            Self::Failed => "FAILED",
        }
    }
}

struct Outcome {
    word: Word,
    seconds: f64,
    figures: Vec<String>,
}

fn one(root: &Path, item: &Item) -> Outcome {
    let start = Instant::now();
    let mut command = Command::new("cargo");
    command.args(item.arguments()).current_dir(root).stdin(Stdio::null());
    let (word, figures) = match command.output() {
        Err(error) => (Word::Failed, vec![format!("cargo cannot be started: {error}")]),
        Ok(output) => {
            let text =
                format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            judge(item, output.status.success(), &text)
        }
    };
    Outcome { word, seconds: start.elapsed().as_secs_f64(), figures }
}

/// What a run is worth. A run that printed neither a figure nor why it skipped has shown nothing, and fails.
fn judge(item: &Item, success: bool, text: &str) -> (Word, Vec<String>) {
    // The test runner leaves the names of tests on the lines where the test itself begins to print.
    let from =
        |mark: &str| text.lines().filter_map(|l| l.find(mark).and_then(|at| l.get(at..))).map(str::to_owned).collect();
    let (figures, skips): (Vec<String>, Vec<String>) = (from("DEEP "), from("SKIP"));
    let ran = item.test.is_none() || text.contains("test result: ok. 1 passed") || !skips.is_empty();
    if !success || !ran {
        let mut tail: Vec<String> = text.lines().rev().filter(|l| !l.is_empty()).take(30).map(str::to_owned).collect();
        tail.reverse();
        return (Word::Failed, tail);
    }
    match (figures.is_empty(), skips.is_empty()) {
        (false, _) => (Word::Ok, figures),
        (true, false) => (Word::Skip, skips),
        (true, true) => (Word::Failed, vec!["it printed no figure: a line that begins with `DEEP `".to_owned()]),
    }
}

/// Where the repository's own crates are, for a test.
#[cfg(test)]
fn here() -> std::path::PathBuf {
    std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "#[test]\n#[ignore = \"deep: a thousand pictures\"]\nfn long_one() {\n}\n#[test]\nfn short() {}\n\
                        #[ignore = \"not ours\"]\nfn other() {}\n";

    #[test]
    fn deep_tests_are_found_by_their_mark_and_no_others() {
        let items = in_file("vaern-x", Path::new("tests/fence.rs"), FILE);
        assert_eq!(items.len(), 1);
        let arguments = items.first().map(Item::arguments).unwrap_or_default().join(" ");
        let expected = "test --release --locked --quiet --package vaern-x --test fence -- --ignored --nocapture \
                        --test-threads=1 long_one";
        assert_eq!(arguments, expected);
        assert!(in_file("vaern-x", Path::new("benches/a.rs"), FILE).is_empty());
        let example =
            in_file("vaern-x", Path::new("examples/memory.rs"), "//! deep: memory stays flat\nfn main() {}\n");
        assert_eq!(example.first().map(Item::name).as_deref(), Some("vaern-x example memory"));
        assert!(in_file("vaern-x", Path::new("examples/memory.rs"), "//! Draws.\n").is_empty());
    }

    #[test]
    fn a_run_that_shows_nothing_fails() {
        let item = in_file("vaern-x", Path::new("tests/fence.rs"), FILE).remove(0);
        let good = "test long_one ... DEEP 1,000 pictures, 0 faults\nok\ntest result: ok. 1 passed; 0 failed";
        assert!(
            matches!(judge(&item, true, good), (Word::Ok, figures) if figures == ["DEEP 1,000 pictures, 0 faults"])
        );
        assert!(matches!(judge(&item, true, "test result: ok. 1 passed"), (Word::Failed, _)));
        assert!(matches!(judge(&item, true, "DEEP x\ntest result: ok. 0 passed"), (Word::Failed, _)));
        assert!(matches!(judge(&item, false, good), (Word::Failed, _)));
        assert!(matches!(judge(&item, true, "SKIP: no data\ntest result: ok. 1 passed"), (Word::Skip, _)));
    }

    #[test]
    fn the_repository_can_be_read() {
        assert!(find(&here()).is_ok());
    }
}
