//! Finding a compiler for `wasm32-unknown-unknown` that is already here. Nothing in this file downloads anything.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Error;

/// Where a compiler comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// The toolchain that runs this task, with its target wasm32-unknown-unknown.
    Rustup,
    /// Debian's rustc-web, cargo-web and rust-web-src.
    Debian,
}

/// A compiler that can make guests.
pub(super) struct Compiler {
    pub(super) kind: Kind,
    pub(super) cargo: PathBuf,
    pub(super) rustc: PathBuf,
    pub(super) linker: PathBuf,
    /// Sources of the standard library; their paths are mapped away.
    pub(super) library: PathBuf,
    /// Compiler and linker in words: both decide about the bytes.
    pub(super) version: String,
}

impl Compiler {
    /// Paths of this machine that may not stand in a component.
    pub(super) fn private_paths(&self, root: &Path) -> Vec<String> {
        [root.to_owned(), self.library.clone(), super::build::cargo_home()]
            .iter()
            .map(|path| path.display().to_string())
            .filter(|path| path.len() > 1)
            .collect()
    }
}

/// Picks a compiler: the wanted one, else the one that made the committed components, else any.
pub(super) fn find(root: &Path, wanted: Option<Kind>, recorded: Option<&str>) -> Result<Compiler, Error> {
    let mut here = Vec::new();
    let sysroot = sysroot(root)?;
    here.extend(rustup(&sysroot)?);
    here.extend(debian(&sysroot)?);
    if let Some(wanted) = wanted {
        let name = match wanted {
            Kind::Rustup => "rustup",
            Kind::Debian => "debian",
        };
        return here.into_iter().find(|compiler| compiler.kind == wanted).ok_or(Error::NotHere(name));
    }
    let same = here.iter().position(|compiler| Some(compiler.version.as_str()) == recorded);
    here.into_iter().nth(same.unwrap_or(0)).ok_or(Error::NoCompiler)
}

/// The toolchain that runs this task. Asked from its own rustc where cargo names it, so that no proxy installs anything.
fn sysroot(root: &Path) -> Result<PathBuf, Error> {
    let rustc = std::env::var_os("RUSTC").map_or_else(|| PathBuf::from("rustc"), PathBuf::from);
    let mut command = Command::new(&rustc);
    command.args(["--print", "sysroot"]).current_dir(root).env("RUSTUP_AUTO_INSTALL", "0");
    Ok(PathBuf::from(words(&rustc, command)?))
}

fn rustup(sysroot: &Path) -> Result<Option<Compiler>, Error> {
    if !sysroot.join("lib/rustlib/wasm32-unknown-unknown/lib").is_dir() {
        return Ok(None);
    }
    let library = sysroot.join("lib/rustlib/src/rust/library");
    compiler(Kind::Rustup, sysroot.join("bin/cargo"), sysroot.join("bin/rustc"), sysroot, library)
}

fn debian(sysroot: &Path) -> Result<Option<Compiler>, Error> {
    let library = PathBuf::from("/usr/lib/rustlib/src/rust/library");
    if !library.join("std/Cargo.toml").is_file() {
        return Ok(None);
    }
    compiler(Kind::Debian, PathBuf::from("/usr/bin/cargo"), PathBuf::from("/usr/bin/rustc"), sysroot, library)
}

/// Only the linker comes from the rustup toolchain in both cases.
fn compiler(
    kind: Kind,
    cargo: PathBuf,
    rustc: PathBuf,
    sysroot: &Path,
    library: PathBuf,
) -> Result<Option<Compiler>, Error> {
    if !cargo.is_file() || !rustc.is_file() {
        return Ok(None);
    }
    let mut ask = Command::new(&rustc);
    ask.arg("--version");
    let version = words(&rustc, ask)?;
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let linker = sysroot.join("lib/rustlib").join(host).join("bin/rust-lld");
    if !linker.is_file() {
        return Ok(None);
    }
    let mut ask = Command::new(&linker);
    ask.args(["-flavor", "wasm", "--version"]);
    let lld = words(&linker, ask)?;
    let lld = lld.split(" (").next().unwrap_or(&lld).to_owned();
    Ok(Some(Compiler { kind, cargo, rustc, linker, library, version: format!("{version}, {lld}") }))
}

/// What a tool prints on its first line.
fn words(tool: &Path, mut command: Command) -> Result<String, Error> {
    let fault = |why: String| Error::Tool(tool.to_owned(), why);
    let output = command.output().map_err(|error| fault(error.to_string()))?;
    if !output.status.success() {
        return Err(fault(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().trim().to_owned())
}
