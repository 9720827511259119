//! Tasks of the repository itself: `cargo xtask plugins`, `cargo xtask readme`, `cargo xtask cases`, `cargo xtask deep`,
//! `cargo xtask fuzz`, `cargo xtask guards`, `cargo xtask bench`,
//! `cargo xtask attack-masking`.
//!
//! Exit status: 0 done, 1 something is stale or does not hold, 2 wrong use or a tool is missing, 3 internal fault.

mod bench;
mod cases;
mod deep;
mod fuzz;
mod guards;
mod plugins;
mod readme;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Tasks of the repository itself")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the reference plugins to components under plugins/prebuilt/.
    Plugins {
        /// Change nothing in the repository: build, and compare with what is committed.
        #[arg(long)]
        check: bool,
        /// Use this compiler instead of the one that the committed components were made with.
        #[arg(long, value_enum)]
        compiler: Option<plugins::Kind>,
    },
    /// Run every `sh` block of the README, in order.
    Readme,
    /// Count the attack cases: tested, deferred with a reason, missing.
    Cases,
    /// Fuzz the ways in under coverage; needs a nightly compiler and says so where there is none.
    Fuzz {
        /// Seconds for each target.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Fuzz nothing: pack the least of the corpus that reaches as much into `fuzz/kept`.
        #[arg(long)]
        keep: bool,
        /// One target: picture, exif, gpx, nmea, fence, mjpeg or gpsd.
        target: Option<String>,
    },
    /// Run the deep tier: what is too long for every push, each with its figure.
    Deep {
        /// Only what has this in its name.
        filter: Option<String>,
        /// Name what would be run, and run nothing.
        #[arg(long)]
        list: bool,
    },
    /// Switch off each guard of conformance-tests/guards.toml in turn, and see the test that is named for it fail.
    Guards {
        /// Only guards whose names begin with one of these, for example `privacy` or `privacy.fence`.
        only: Vec<String>,
    },
    /// Measure what the sandbox costs beside bare wasmtime, Extism and native builds, in one run.
    Bench {
        /// Each line is measured once in every round.
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(5..))]
        rounds: u32,
        /// Leave Extism out: it takes minutes to build.
        #[arg(long)]
        without_extism: bool,
        /// Write the tables into docs/sandbox.md.
        #[arg(long)]
        write: bool,
    },
    /// Attack what any masking tool made of a folder of pictures: `--before DIR --after DIR [--boxes FILE] [--out FILE]`.
    AttackMasking {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
}

/// The root of the repository: the folder that holds this crate's folder. Cargo says where that is now; a binary that
/// was copied elsewhere falls back to where it was built.
fn repository() -> PathBuf {
    let here =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.parent().map(Path::to_owned).unwrap_or_default()
}

/// The attacks are a program of their own beside this one: they need the gate and a model's engine, and whoever only wants to
/// run the README should not have to build those first. They are no part of `vaern` either: what ships does not attack.
fn attack_masking(arguments: &[std::ffi::OsString]) -> ExitCode {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = std::process::Command::new(cargo)
        .args(["run", "--release", "--quiet", "--package", "vaern-masking-attacks", "--bin", "attack-masking", "--"])
        .args(arguments)
        .status();
    match status.map(|s| s.code().and_then(|code| u8::try_from(code).ok())) {
        Ok(code) => ExitCode::from(code.unwrap_or(3)),
        Err(error) => {
            eprintln!("cargo xtask attack-masking: {error}");
            ExitCode::from(3)
        }
    }
}

fn main() -> ExitCode {
    let (check, compiler) = match Arguments::parse().task {
        Task::Readme => return readme::run(&repository()),
        Task::Cases => return cases::run(&repository()),
        Task::Fuzz { keep: true, target, .. } => return fuzz::keep_all(&repository(), target.as_deref()),
        Task::Fuzz { seconds, target, .. } => return fuzz::run(&repository(), seconds, target.as_deref()),
        Task::Deep { filter, list } => return deep::run(&repository(), filter.as_deref(), list),
        Task::Bench { rounds, without_extism, write } => {
            let rounds = usize::try_from(rounds).unwrap_or(usize::MAX);
            return bench::run(&repository(), bench::Wanted { rounds, extism: !without_extism }, write);
        }
        Task::AttackMasking { arguments } => return attack_masking(&arguments),
        Task::Guards { only } => {
            return match guards::run(&repository(), &only) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("cargo xtask guards: {error}");
                    ExitCode::from(error.status())
                }
            };
        }
        Task::Plugins { check, compiler } => (check, compiler),
    };
    match plugins::run(&repository(), check, compiler) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo xtask plugins: {error}");
            ExitCode::from(error.status())
        }
    }
}
