//! Running the compiler so that the same sources give the same bytes on every machine.
//!
//! The sources are laid out anew under `target/guests/`, as one workspace with the SDK inside: cargo mixes the absolute
//! path of a dependency that lies outside the workspace into every symbol, and with it the repository's place on disk
//! would decide about the order of functions.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::toolchain::{Compiler, Kind};
use super::{Error, PLUGINS, at, sources};

/// What the compiler is told, beside the profile in `plugins/Cargo.toml`.
pub(super) const FLAGS: &[&str] = &["-Ctarget-feature=+bulk-memory,+simd128"];

const TARGET: &str = "wasm32-unknown-unknown";

/// Builds all plugins and hands out their core modules, in the order of [`PLUGINS`].
pub(super) fn modules(root: &Path, compiler: &Compiler) -> Result<Vec<Vec<u8>>, Error> {
    let guests = root.join("target/guests");
    let stage = guests.join("stage");
    lay_out(root, &stage)?;
    let out = guests.join(match compiler.kind {
        Kind::Rustup => "rustup",
        Kind::Debian => "debian",
    });
    // Fetched first, so that it is known where the crates lie before their paths are mapped away.
    cargo(compiler, &stage, |command| command.args(["fetch", "--locked"]))?;
    cargo(compiler, &stage, |command| {
        command.args(["build", "--release", "--locked", "--target", TARGET, "--target-dir"]).arg(&out);
        if compiler.kind == Kind::Debian {
            command.arg("-Zbuild-std=std,panic_abort");
        }
        command
    })?;
    let folder = out.join(TARGET).join("release");
    PLUGINS
        .iter()
        .map(|name| {
            let path = folder.join(format!("{}.wasm", name.replace('-', "_")));
            fs::read(&path).map_err(at(&path))
        })
        .collect()
}

fn cargo(compiler: &Compiler, stage: &Path, ask: impl FnOnce(&mut Command) -> &mut Command) -> Result<(), Error> {
    let mut command = Command::new(&compiler.cargo);
    environment(&mut command, compiler, stage);
    let status = ask(command.current_dir(stage)).status().map_err(at(&compiler.cargo))?;
    if status.success() { Ok(()) } else { Err(Error::Build) }
}

/// Nothing of the caller's wishes about compiling may reach the guests; where to find crates may.
fn environment(command: &mut Command, compiler: &Compiler, stage: &Path) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let keep = [
            "CARGO_HOME",
            "CARGO_HTTP_",
            "CARGO_NET_",
            "CARGO_REGISTR",
            "CARGO_SOURCE_",
            "CARGO_BUILD_JOBS",
            "RUSTUP_HOME",
        ];
        if (text.starts_with("CARGO") || text.starts_with("RUST")) && !keep.iter().any(|k| text.starts_with(k)) {
            command.env_remove(&name);
        }
    }
    let mut flags: Vec<OsString> = FLAGS.iter().map(OsString::from).collect();
    // The last prefix that fits decides. A registry's folder is named after its address: a mirror has another.
    let mut places =
        vec![(stage.to_owned(), "/vaern"), (cargo_home(), "/cargo"), (compiler.library.clone(), "/rust/library")];
    if let Ok(registries) = fs::read_dir(cargo_home().join("registry/src")) {
        places.extend(registries.flatten().map(|entry| (entry.path(), "/cargo/registry")));
    }
    for (from, to) in places {
        let mut flag = OsString::from("--remap-path-prefix=");
        flag.push(from);
        flag.push("=");
        flag.push(to);
        flags.push(flag);
    }
    command
        .env("RUSTC", &compiler.rustc)
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", &compiler.linker)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join(&OsString::from("\u{1f}")));
    if compiler.kind == Kind::Debian {
        // A distribution's stable compiler builds its own standard library with an option that is not stable yet.
        command.env("RUSTC_BOOTSTRAP", "1");
    }
}

pub(super) fn cargo_home() -> PathBuf {
    std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
        .unwrap_or_default()
}

/// `plugins/*` becomes the root of the stage; the SDK and the door go beside it.
fn lay_out(root: &Path, stage: &Path) -> Result<(), Error> {
    let mut files = sources::shared(root)?;
    for name in PLUGINS {
        files.extend(sources::own(root, name)?);
    }
    // What is no source any more must not be compiled any more.
    if stage.exists() {
        fs::remove_dir_all(stage).map_err(at(stage))?;
    }
    for (path, content) in files {
        let (place, content) = match path.as_str() {
            "sdk/template/sdk-Cargo.toml" => ("sdk/Cargo.toml", content),
            "plugins/Cargo.toml" => ("Cargo.toml", with_the_sdk_inside(&content)?),
            path => (path.strip_prefix("plugins/").unwrap_or(path), content),
        };
        let place = stage.join(place);
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder).map_err(at(folder))?;
        }
        fs::write(&place, content).map_err(at(&place))?;
    }
    Ok(())
}

fn with_the_sdk_inside(manifest: &[u8]) -> Result<Vec<u8>, Error> {
    let text = String::from_utf8_lossy(manifest);
    let outside = r#"path = "../sdk""#;
    if text.matches(outside).count() != 1 {
        return Err(Error::Component {
            name: "plugins/Cargo.toml".to_owned(),
            why: format!("expected one `{outside}`"),
        });
    }
    let text = text.replace(outside, r#"path = "sdk""#).replace("members = [", "members = [\"sdk\", ");
    Ok(text.into_bytes())
}
