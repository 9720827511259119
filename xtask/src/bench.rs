//! `cargo xtask bench`: what the sandbox costs, beside what others cost, in one run.
//!
//! Builds the peers of `conformance-tests/bench-peers` (Extism with its own, older wasmtime, and the pixel plugin built natively) in
//! a target folder of their own, so that nothing of them comes near the program; then runs the example `handover`, which measures
//! each line once in every round. With `--write` the tables go into `docs/sandbox.md` between two marks.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::deep::Word;

/// Where the tables stand in the documentation.
const PAGE: &str = "docs/sandbox.md";
const BEGIN: &str = "<!-- cargo xtask bench --write: begin -->";
const END: &str = "<!-- cargo xtask bench --write: end -->";

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0} does not build; the compiler's own words stand above")]
    Build(&'static str),
    #[error("the measurement itself failed: {0}")]
    Run(String),
    #[error("{PAGE}: the marks between which the tables stand are not there, once each and in order")]
    Marks,
    #[error("{0}: {1}")]
    Io(PathBuf, std::io::Error),
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// Rounds: each line is measured once in every one.
    pub(crate) rounds: usize,
    /// Whether Extism is built and measured. It takes minutes to build, once.
    pub(crate) extism: bool,
}

/// Builds everything and measures. Gives what was printed.
fn measure(root: &Path, wanted: Wanted) -> Result<String, Error> {
    let peers = root.join("conformance-tests/bench-peers");
    let target = root.join("target/bench-peers");
    let build = |what: &'static str, arguments: &[&str]| {
        let mut command = plain_cargo();
        command.args(["build", "--locked", "--quiet"]).args(arguments).arg("--target-dir").arg(&target);
        let status = command.current_dir(&peers).status().map_err(|error| Error::Io("cargo".into(), error))?;
        if status.success() { Ok(()) } else { Err(Error::Build(what)) }
    };
    build("the native peer", &["--profile", "native", "--bin", "native-peer"])?;
    if wanted.extism {
        build("Extism", &["--release", "--features", "extism", "--bin", "extism-peer"])?;
    }
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args([
        "run",
        "--release",
        "--locked",
        "--quiet",
        "--package",
        "vaern-sandbox",
        "--example",
        "handover",
        "--",
    ]);
    command.args(["--rounds", &wanted.rounds.to_string()]).arg("--native").arg(target.join("native/native-peer"));
    if wanted.extism {
        command.arg("--extism").arg(target.join("release/extism-peer"));
    }
    command.current_dir(root).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().map_err(|error| Error::Io("cargo".into(), error))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() { Ok(text) } else { Err(Error::Run(output.status.to_string())) }
}

/// The peers are a workspace of their own: wishes about how the program's features are unified are not for them.
fn plain_cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for name in ["CARGO_RESOLVER_FEATURE_UNIFICATION", "CARGO_UNSTABLE_FEATURE_UNIFICATION", "CARGO_TARGET_DIR"] {
        command.env_remove(name);
    }
    command
}

/// The tables without the lines for the deep tier, and with what they were measured on.
fn page(text: &str, wanted: Wanted, load: &str) -> String {
    let tables: Vec<&str> = text.lines().filter(|line| !line.starts_with("DEEP ")).collect();
    format!("{} rounds, {load}.\n{}", wanted.rounds, tables.join("\n").trim_end())
}

/// How busy the machine is, in the system's own figure.
fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!(
        "{cores} cores, load average {} at the end",
        load.split(' ').next().filter(|l| !l.is_empty()).unwrap_or("unknown")
    )
}

/// The page with other tables between its marks.
fn replaced(page: &str, tables: &str) -> Result<String, Error> {
    let once = |mark| page.matches(mark).count() == 1;
    let (before, rest) = page.split_once(BEGIN).ok_or(Error::Marks)?;
    let (_, after) = rest.split_once(END).ok_or(Error::Marks)?;
    if !once(BEGIN) || !once(END) {
        return Err(Error::Marks);
    }
    Ok(format!("{before}{BEGIN}\n\n{tables}\n\n{END}{after}"))
}

/// The command.
pub(crate) fn run(root: &Path, wanted: Wanted, write: bool) -> ExitCode {
    let done = measure(root, wanted).and_then(|text| {
        let tables = page(&text, wanted, &load());
        println!("{tables}");
        if !write {
            return Ok(());
        }
        let place = root.join(PAGE);
        let old = std::fs::read_to_string(&place).map_err(|error| Error::Io(place.clone(), error))?;
        std::fs::write(&place, replaced(&old, &tables)?).map_err(|error| Error::Io(place, error))
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo xtask bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One sitting of the deep tier: every aim with its figure. An aim that this run misses is said, and is no failure of the run: a
/// busy machine must not fail a tier.
pub(crate) fn sitting(root: &Path) -> (Word, Vec<String>) {
    match measure(root, Wanted { rounds: 40, extism: true }) {
        Ok(text) => {
            let lines: Vec<String> = text.lines().filter(|line| line.starts_with("DEEP ")).map(str::to_owned).collect();
            (if lines.is_empty() { Word::Failed } else { Word::Ok }, lines)
        }
        Err(error) => (Word::Failed, vec![error.to_string()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_go_between_their_marks_and_nowhere_else() {
        let old = format!("# Page\n\n{BEGIN}\nold\n{END}\n\nrest\n");
        let new = replaced(&old, "| a |").unwrap();
        assert_eq!(new, format!("# Page\n\n{BEGIN}\n\n| a |\n\n{END}\n\nrest\n"));
        assert_eq!(replaced(&new, "| a |").unwrap(), new);
        for broken in ["no marks".to_owned(), format!("{END}{BEGIN}"), format!("{BEGIN}{BEGIN}{END}")] {
            assert!(matches!(replaced(&broken, ""), Err(Error::Marks)), "{broken}");
        }
    }

    #[test]
    fn lines_for_the_deep_tier_are_not_for_the_page() {
        let wanted = Wanted { rounds: 3, extism: true };
        assert_eq!(page("| a |\nDEEP x\n", wanted, "idle"), "3 rounds, idle.\n| a |");
    }

    #[test]
    fn the_page_has_the_marks() {
        let page = std::fs::read_to_string(crate::repository().join(PAGE)).unwrap();
        assert!(replaced(&page, "").is_ok());
    }
}
