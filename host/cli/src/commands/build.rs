//! `vaern plugin build`: from a vendor's project to a component, and the release around it.
//!
//! It downloads nothing: it uses the compiler that is here. The project's own lock file becomes the SBOM, and what was built from
//! what, and by which compiler, is left beside the component for the vendor to sign.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};
use vaern_door::Digest;
use vaern_trust::{Build, Provenance};

use crate::commands::plugin::{inputs, pack, sbom_of};
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

const TARGET: &str = "wasm32-unknown-unknown";
/// What the sandbox allows and the reference plugins are built with.
const FLAGS: &str = "-Ctarget-feature=+bulk-memory,+simd128";
/// Where Debian's `rust-web-src` puts the standard library's sources.
const DEBIAN_LIBRARY: &str = "/usr/lib/rustlib/src/rust/library";
/// A core module with debug information stripped.
const MAX_MODULE: u64 = 64 << 20;
/// Models of a project lie among its sources.
const MAX_SOURCE: u64 = 512 << 20;
const MAX_FILES: usize = 10_000;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The project's folder, with `Cargo.toml` and `vaern.toml`.
    #[arg(default_value = ".")]
    project: PathBuf,
    /// Directory for the release; must be empty or absent.
    #[arg(long)]
    out: PathBuf,
}

#[derive(Deserialize)]
struct CargoFile {
    package: Package,
}

#[derive(Deserialize)]
struct Package {
    name: String,
}

#[derive(Serialize)]
struct Built {
    component: PathBuf,
    provenance: PathBuf,
    release: Digest,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let project =
        args.project.canonicalize().map_err(|e| Failure::file("cannot open the project", &args.project, &e))?;
    let text = files::read("Cargo.toml", &project.join("Cargo.toml"), 1 << 20)?;
    let text = String::from_utf8(text).map_err(|_| Failure::usage("Cargo.toml is not UTF-8"))?;
    let cargo: CargoFile = toml::from_str(&text).map_err(|e| Failure::usage(format!("Cargo.toml: {}", e.message())))?;
    let manifest = files::read("manifest", &project.join("vaern.toml"), 1 << 20)?;
    let compiler = compile(&project, output)?;
    // After the build: the first one writes the lock file.
    let source = source(&project)?;
    let module = project.join("target").join(TARGET).join("release");
    let module = module.join(format!("{}.wasm", cargo.package.name.replace('-', "_")));
    let module = files::read("core module", &module, MAX_MODULE)?;
    let component = componentise(&module)?;
    let path = project.join("target").join(format!("{}.component.wasm", cargo.package.name));
    let (dir, name) = files::split("component", &path)?;
    vaern_node::sinks::write_file(&dir, &name, &component)?;
    let mut inputs =
        inputs(component, &manifest, |file| files::read("part of the release", &project.join(file), 512 << 20))?;
    let lock = files::read("lock file", &project.join("Cargo.lock"), 16 << 20)?;
    inputs.sbom = Some(sbom_of(&lock, &inputs.manifest.name)?);
    let made = Provenance::of(&Build {
        compiler: &compiler,
        builder: "vaern plugin build",
        parameters: &[("target", TARGET), ("rustflags", FLAGS), ("vaern", env!("CARGO_PKG_VERSION"))],
        source,
        lock: Digest::of(&lock),
        component: Digest::of(&inputs.component),
    });
    let provenance = path.with_extension("provenance.json");
    let (dir, name) = files::split("provenance", &provenance)?;
    vaern_node::sinks::write_file(&dir, &name, &made.write()?)?;
    let release = pack(&inputs, &args.out)?;
    let lines = format!(
        "Built {}\n  with     {compiler}\n  source   {source}\n  release  {release} in {1}\n  next     vaern plugin check {1} --policies CITY\n           vaern plugin sign {1} --key YOUR.secret.toml --provenance {2}",
        path.display(),
        args.out.display(),
        provenance.display()
    );
    output.result(&Built { component: path, provenance, release }, &lines)
}

/// The world, for modules whose compiler knows nothing of it.
const WORLD: &str = include_str!("../../../../wit/vision.wit");

/// Makes a component around a module that holds no description of its own of the world.
pub(crate) fn around(module: &[u8]) -> Result<Vec<u8>, Failure> {
    let fault = |error: &dyn std::fmt::Display| Failure::internal(format!("the world cannot be read: {error:#}"));
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_str("vision.wit", WORLD).map_err(|e| fault(&e))?;
    let world = resolve.select_world(&[package], Some("vision-plugin")).map_err(|e| fault(&e))?;
    let mut module = module.to_vec();
    let encoding = wit_component::StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &resolve, world, encoding, false)
        .map_err(|_| no_component("it is no WebAssembly module"))?;
    componentise(&module)
}

fn no_component(why: &str) -> Failure {
    Failure::refused(format!("the module makes no component: {why}"), vaern_door::Krav("LEV-06"), vaern_door::Blame::Vendor)
        .mend("export what the world asks for (in Rust, call `vaern_sdk::export!` once), and use nothing that needs WASI (files, clocks, threads)")
}

fn componentise(module: &[u8]) -> Result<Vec<u8>, Failure> {
    wit_component::ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|encoder| encoder.encode())
        .map_err(|error| no_component(&format!("{error:#}")))
}

/// Digest of a project's source: that of what `sha256sum` says of each file, sorted by path. Anybody has the tools to repeat it.
/// What a build writes, and hidden files, are no source; a link is refused, for nobody can tell what it will lead to.
fn source(project: &Path) -> Result<Digest, Failure> {
    let root = files::open_dir("project", project)?;
    let mut lines = BTreeMap::new();
    let mut folders = vec![(root, String::new())];
    while let Some((dir, inside)) = folders.pop() {
        let fail = |e: std::io::Error| Failure::file("cannot read the project", &project.join(&inside), &e);
        for entry in dir.entries().map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{inside}{name}");
            if name.starts_with('.') || path == "target" {
                continue;
            }
            let kind = entry.file_type().map_err(fail)?;
            if kind.is_dir() {
                folders.push((entry.open_dir().map_err(fail)?, format!("{path}/")));
            } else if kind.is_file() {
                let bytes = files::read("source file", &project.join(&path), MAX_SOURCE)?;
                lines.insert(format!("./{path}"), Digest::of(&bytes));
            } else {
                return Err(Failure::usage(format!("`{path}` is neither a file nor a folder: it is no source")));
            }
            if lines.len() > MAX_FILES {
                return Err(Failure::usage(format!("the project holds more than {MAX_FILES} files")));
            }
        }
    }
    let text: String = lines.iter().map(|(path, digest)| format!("{}  {path}\n", digest.hex())).collect();
    Ok(Digest::of(text.as_bytes()))
}

/// Runs the compiler that is here: the one on the path if it has the target, else Debian's. Gives its own name for itself.
fn compile(project: &Path, output: &Output) -> Result<String, Failure> {
    let sysroot = words(Command::new("rustc").args(["--print", "sysroot"]).env("RUSTUP_AUTO_INSTALL", "0"));
    let sysroot = sysroot.map(PathBuf::from);
    let has_target = sysroot.as_ref().is_some_and(|root| root.join("lib/rustlib").join(TARGET).join("lib").is_dir());
    let debian = Path::new(DEBIAN_LIBRARY).join("std/Cargo.toml").is_file() && Path::new("/usr/bin/cargo").is_file();
    let mut command = if has_target {
        Command::new("cargo")
    } else if debian {
        Command::new("/usr/bin/cargo")
    } else {
        return Err(Failure::usage(format!("there is no compiler for {TARGET} here"))
            .mend("run `rustup target add wasm32-unknown-unknown`, or on Debian `apt-get install rustc-web cargo-web rust-web-src`"));
    };
    // Wishes about other builds must not reach this one, nor a test's own cargo.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_ENCODED")
            || text.starts_with("CARGO_BUILD_TARGET")
            || text.starts_with("RUST") && !text.starts_with("RUSTUP_HOME")
        {
            command.env_remove(&name);
        }
    }
    command
        .current_dir(project)
        .args(["build", "--release", "--target", TARGET, "--target-dir", "target"])
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS);
    if !has_target {
        command.arg("-Zbuild-std=std,panic_abort").env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1");
        let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let linker = sysroot.map(|root| root.join("lib/rustlib").join(host).join("bin/rust-lld"));
        if let Some(linker) = linker.filter(|linker| linker.is_file()) {
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
    }
    output.say("building with the compiler that is here …");
    let done = command.output().map_err(|e| Failure::usage(format!("cargo could not be run: {e}")))?;
    if done.status.success() {
        let compiler = if has_target { "rustc" } else { "/usr/bin/rustc" };
        let named = words(Command::new(compiler).arg("--version").env("RUSTUP_AUTO_INSTALL", "0").current_dir(project));
        return named.ok_or_else(|| Failure::usage("the compiler does not say its version"));
    }
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    let last: Vec<&str> = said.lines().rev().take(30).collect::<Vec<_>>().into_iter().rev().collect();
    Err(Failure::usage(format!("the project does not build:\n{}", last.join("\n"))))
}

fn words(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
}
