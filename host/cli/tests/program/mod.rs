//! The program as the tests of the command line start it, and the few things that all of them do with folders and answers.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test file uses a part; tests state what they expect"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Runs the program to its end, with models from nowhere but its arguments.
pub(crate) fn vaern(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vaern")).args(args).env_remove("VAERN_MODELS").output().unwrap()
}

/// Makes a demo in a folder of its own, which lasts as long as what is given back; and what the program said of it.
pub(crate) fn fresh_demo(frames: &str) -> ((tempfile::TempDir, PathBuf), Value) {
    let temp = tempfile::tempdir().unwrap();
    let out = temp.path().join("demo");
    let made = vaern(&["--json", "demo", "--frames", frames, "--out", text(&out)]);
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    ((temp, out), json(&made.stdout))
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(bytes)))
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Says that a test did not run, past the test runner's capture: a skip that nobody sees is a pass that did not happen.
pub(crate) fn skip(why: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "SKIP {why}");
}
