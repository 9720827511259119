//! The tests, built once with switches, and the program, built again without them.

use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Error;
use super::source::package_name;

/// What turns the switches on. Only ever for a build of tests.
const FEATURE: &str = "vaern-door/test-switches";

/// A test binary, and the folder that cargo would run it in.
#[derive(Debug, Clone)]
pub(crate) struct Binary {
    pub(crate) path: PathBuf,
    pub(crate) folder: PathBuf,
}

/// Package and target: `lib`, `bin`, or the name of a file under `tests/`.
pub(crate) type Target = (String, String);

/// Test binaries by package and target.
pub(crate) type Binaries = BTreeMap<Target, Binary>;

fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    // What cargo set for this program must not look like settings to the cargo that it starts.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|n| n.starts_with("CARGO_PKG_") || n.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(name);
        }
    }
    command
}

/// Builds the tests of the named packages, or of all, with switches.
pub(crate) fn tests(root: &Path, packages: Option<&[String]>) -> Result<Binaries, Error> {
    let mut command = cargo(root);
    command.args(["test", "--release", "--no-run", "--locked", "--message-format", "json-render-diagnostics"]);
    command.args(["--features", FEATURE]);
    match packages {
        None => {
            command.arg("--workspace");
        }
        Some(packages) => {
            // The feature is the door's, so the door is always among them.
            for package in std::iter::once("vaern-door").chain(packages.iter().map(String::as_str)) {
                command.args(["--package", package]);
            }
        }
    }
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|e| Error::Io("cargo".into(), e))?;
    let mut found = Binaries::new();
    if let Some(out) = child.stdout.take() {
        for line in std::io::BufReader::new(out).lines() {
            let line = line.map_err(|e| Error::Io("cargo".into(), e))?;
            if let Some((key, binary)) = test_binary(&line)? {
                found.insert(key, binary);
            }
        }
    }
    let status = child.wait().map_err(|e| Error::Io("cargo".into(), e))?;
    if status.success() { Ok(found) } else { Err(Error::Build) }
}

/// The test binary that a line of cargo's messages tells of, if it does.
fn test_binary(line: &str) -> Result<Option<(Target, Binary)>, Error> {
    let Ok(message) = serde_json::from_str::<serde_json::Value>(line) else { return Ok(None) };
    let text = |pointer: &str| message.pointer(pointer).and_then(serde_json::Value::as_str);
    let is_test = message.pointer("/profile/test").and_then(serde_json::Value::as_bool) == Some(true);
    let (Some(path), Some(manifest), true) = (text("/executable"), text("/manifest_path"), is_test) else {
        return Ok(None);
    };
    let target = match text("/target/kind/0") {
        Some("test") => text("/target/name").unwrap_or_default().to_owned(),
        Some("bin") => "bin".to_owned(),
        Some("example" | "bench") => return Ok(None),
        _ => "lib".to_owned(),
    };
    let manifest = Path::new(manifest);
    let folder = manifest.parent().map(Path::to_owned).unwrap_or_default();
    Ok(Some(((package_name(manifest)?, target), Binary { path: path.into(), folder })))
}

/// Builds the program without switches, so that no `vaern` with switches is left lying where people look for it.
pub(crate) fn program_without_switches(root: &Path) -> Result<(), Error> {
    let status = cargo(root)
        .args(["build", "--release", "--locked", "--quiet", "--package", "vaern"])
        .status()
        .map_err(|e| Error::Io("cargo".into(), e))?;
    if status.success() { Ok(()) } else { Err(Error::Build) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_messages_are_read() {
        let manifest = crate::repository().join("xtask/Cargo.toml");
        let line = |kind: &str, test: bool, executable: &str| {
            serde_json::json!({
                "reason": "compiler-artifact", "manifest_path": manifest,
                "target": { "kind": [kind], "name": "closed" },
                "profile": { "test": test }, "executable": (!executable.is_empty()).then_some(executable),
            })
            .to_string()
        };
        let key = |line: &str| test_binary(line).unwrap().map(|(key, _)| key.1);
        assert_eq!(key(&line("test", true, "/t/closed-1")), Some("closed".to_owned()));
        assert_eq!(key(&line("bin", true, "/t/xtask-1")), Some("bin".to_owned()));
        assert_eq!(key(&line("lib", true, "/t/x-1")), Some("lib".to_owned()));
        assert_eq!(key(&line("bin", false, "/t/xtask")), None);
        assert_eq!(key(&line("lib", false, "")), None);
        assert_eq!(key("warning: not JSON"), None);
    }
}
