//! `cargo xtask fuzz`: the targets of `fuzz/` under libFuzzer, for so many seconds each.
//!
//! Needs a nightly compiler, for coverage alone; where there is none it says so and passes over. Seeds and dictionaries are
//! made by our own code; the corpus that grows from them stays in `fuzz/corpus` for the next sitting, out of the repository,
//! and so does the account of the sittings. `--keep` packs the least of it that reaches as much into `fuzz/kept`, which is part of the
//! repository: the ordinary tests try it again.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::deep::Word;

/// Names of the targets.
const TARGETS: [&str; 7] = ["picture", "exif", "gpx", "nmea", "fence", "mjpeg", "gpsd"];

/// The account of all sittings on this corpus, beside it.
const ACCOUNT: &str = "sittings.txt";

/// The newest nightly toolchain that is installed, by its name.
fn nightly() -> Option<String> {
    let output = Command::new("rustup").args(["toolchain", "list"]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().find(|word| word.starts_with("nightly")).map(str::to_owned)
}

/// Where the targets are built. Elsewhere where the environment says so: coverage builds share nothing with others.
fn target_dir(home: &Path) -> PathBuf {
    std::env::var_os("VAERN_FUZZ_TARGET_DIR").map_or_else(|| home.join("target"), Into::into)
}

/// Fuzzes every target, or one, for `seconds` each. Gives what became of it and a line for each target.
pub(crate) fn sitting(root: &Path, seconds: u64, only: Option<&str>) -> (Word, Vec<String>) {
    let Some(toolchain) = nightly() else {
        return (Word::Skip, vec!["SKIP: fuzzing needs a nightly compiler, and none is installed here".to_owned()]);
    };
    let home = root.join("fuzz");
    let target = target_dir(&home);
    let mut build = Command::new("cargo");
    build.arg(format!("+{toolchain}")).args(["build", "--release", "--locked", "--quiet"]);
    // The caller's own compiler was chosen by variables that would go before the one named here.
    build.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO").env_remove("RUSTC");
    build.env("CARGO_TARGET_DIR", &target).current_dir(&home);
    if !build.status().is_ok_and(|status| status.success()) {
        return (Word::Failed, vec!["the fuzz targets do not build".to_owned()]);
    }
    let programs = target.join("release");
    let seeded = Command::new(programs.join("seeds")).arg(home.join("corpus")).status();
    if !seeded.is_ok_and(|status| status.success()) {
        return (Word::Failed, vec!["the seeds could not be written".to_owned()]);
    }
    let (mut word, mut lines) = (Word::Ok, Vec::new());
    for name in TARGETS.into_iter().filter(|name| only.is_none_or(|only| only == *name)) {
        let (held, line) = one(&home, &programs, name, seconds);
        if !held {
            word = Word::Failed;
        }
        println!("{line}");
        lines.push(line);
    }
    if lines.is_empty() {
        return (Word::Failed, vec![format!("no such target; there are {}", TARGETS.join(", "))]);
    }
    (word, lines)
}

fn one(home: &Path, programs: &Path, name: &str, seconds: u64) -> (bool, String) {
    let artifacts = home.join("artifacts");
    let _ = std::fs::create_dir_all(&artifacts);
    let (corpus, account) = (home.join("corpus"), home.join("corpus").join(ACCOUNT));
    let mut command = Command::new(programs.join(name));
    command
        .arg(corpus.join(name))
        .arg(format!("-dict={}", corpus.join(format!("{name}.dict")).display()))
        .arg(format!("-artifact_prefix={}/{name}-", artifacts.display()))
        .arg(format!("-max_total_time={seconds}"))
        // No file may take two seconds, and none may ask for more than a large picture needs.
        .args(["-timeout=2", "-rss_limit_mb=2048", "-max_len=16384", "-print_final_stats=1"])
        .stdin(Stdio::null());
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => return (false, format!("{name}: cannot be started: {error}")),
    };
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let executed = statistic(&text, "stat::number_of_executed_units:").unwrap_or(0);
    let covered = text.lines().rev().find_map(|line| line.split(" cov: ").nth(1)?.split(' ').next()).unwrap_or("?");
    if output.status.success() && executed > 0 {
        let in_all = match entered(&account, name, seconds, executed) {
            Ok(sittings) => sittings.said(name),
            Err(error) => return (false, format!("{name}: {}: {error}", account.display())),
        };
        let now = format!("{executed} executions in {seconds} s, {covered} places covered, no finding");
        return (true, format!("DEEP fuzz {name}: {now}; {in_all}"));
    }
    let tail: Vec<&str> = text.lines().rev().take(25).collect();
    let tail: Vec<&str> = tail.into_iter().rev().collect();
    (
        false,
        format!(
            "fuzz {name}: FINDING after {executed} executions; its input is in {}\n{}",
            artifacts.display(),
            tail.join("\n")
        ),
    )
}

/// Adds a sitting to the account, and gives the account as it is then.
fn entered(account: &Path, name: &str, seconds: u64, executed: u64) -> std::io::Result<Sittings> {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(account)?;
    writeln!(file, "{name} {seconds} {executed}")?;
    std::fs::read_to_string(account).map(Sittings)
}

/// The account of the sittings that ended without a finding: a target, its seconds and its executions on each line.
struct Sittings(String);

impl Sittings {
    fn said(&self, name: &str) -> String {
        let numbers = |line: &str| -> Option<(u64, u64)> {
            let mut words = line.strip_prefix(name)?.strip_prefix(' ')?.split(' ').map(str::parse::<u64>);
            Some((words.next()?.ok()?, words.next()?.ok()?))
        };
        let of_target: Vec<(u64, u64)> = self.0.lines().filter_map(numbers).collect();
        let (seconds, executed) = of_target.iter().fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
        format!("in all {executed} in {} min, {} sittings", seconds / 60, of_target.len())
    }
}

fn statistic(text: &str, name: &str) -> Option<u64> {
    text.lines().rev().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

/// Packs the least of a target's corpus that reaches every place that all of it reaches.
fn keep(home: &Path, programs: &Path, name: &str) -> std::io::Result<()> {
    let least = home.join("corpus").join(format!("{name}.least"));
    let _ = std::fs::remove_dir_all(&least);
    std::fs::create_dir_all(&least)?;
    let mut merge = Command::new(programs.join(name));
    merge.args(["-set_cover_merge=1", "-max_len=16384"]).arg(&least).arg(home.join("corpus").join(name));
    let merged = merge.stdin(Stdio::null()).stderr(Stdio::null()).status()?;
    let kept = home.join("kept").join(format!("{name}.z"));
    let packed = Command::new(programs.join("seeds")).arg("--keep").arg(&least).arg(&kept).status()?;
    std::fs::remove_dir_all(&least)?;
    if merged.success() && packed.success() { Ok(()) } else { Err(std::io::Error::other("could not be packed")) }
}

/// Packs what is worth keeping of every target's corpus, or of one.
pub(crate) fn keep_all(root: &Path, only: Option<&str>) -> ExitCode {
    let home = root.join("fuzz");
    let programs = target_dir(&home).join("release");
    for name in TARGETS.into_iter().filter(|name| only.is_none_or(|only| only == *name)) {
        if let Err(error) = keep(&home, &programs, name) {
            eprintln!("{name}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// The command.
pub(crate) fn run(root: &Path, seconds: u64, only: Option<&str>) -> ExitCode {
    let (word, lines) = sitting(root, seconds, only);
    match word {
        Word::Ok => ExitCode::SUCCESS,
        Word::Skip => {
            lines.iter().for_each(|line| println!("{line}"));
            ExitCode::SUCCESS
        }
        Word::Failed => {
            lines.iter().for_each(|line| eprintln!("{line}"));
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_counts_a_targets_own_sittings_and_no_others() {
        let account = Sittings("gpx 900 10\nexif 900 7\ngpx 900 5\ngpxx 60 9\ngpx torn\n".to_owned());
        assert_eq!(account.said("gpx"), "in all 15 in 30 min, 2 sittings");
        assert_eq!(account.said("nmea"), "in all 0 in 0 min, 0 sittings");
    }
}
