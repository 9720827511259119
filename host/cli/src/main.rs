//! `vaern`: the trusted host between the city's cameras and vendors' plugins.
//!
//! The only place with ambient authority: paths, the clock and the environment enter here and nowhere else.
//! One file per command under `commands/`; each returns a result to print or a `Failure` that says what happened,
//! which krav, whose turn it is, and what to do next.

mod commands;
mod failure;
mod files;
mod memory;
mod output;
mod plugin_template;

use std::alloc::System;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::output::Output;

/// Whatever is freed is zeroed first: decoders and models make copies of raw pixels inside themselves that nobody else
/// can reach (SKJ-08). An engine outside of Rust has an allocator of its own.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<System> = zeroizing_alloc::ZeroAlloc(System);

/// Masks the street, runs vendors' signed plugins on it, and answers for both.
#[derive(Parser)]
#[command(name = "vaern", version, propagate_version = true, max_term_width = 110)]
struct Cli {
    /// Print the result as JSON on standard output, and failures as JSON on standard error.
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything end to end on a generated drive: keys, release, approval, gate, plugin, report to look at.
    Demo(commands::demo::Args),
    /// The main job: geotagged pictures through the gate and an approved release, as a folder once or as a service.
    Run(commands::run::Args),
    /// The privacy gate alone: masked pictures out.
    Mask(commands::mask::Args),
    /// For vendors: make, pack, sign and inspect plugins.
    #[command(subcommand)]
    Plugin(commands::plugin::Command),
    /// The conformance suite on a release: the same tests, rules and limits at the vendor's as at the city's.
    #[cfg(feature = "compiler")]
    Conform(commands::conform::Args),
    /// Releases side by side on the same streets, under the same rules.
    #[cfg(feature = "compiler")]
    Compare(commands::compare::Args),
    /// For the city: the sealed corpus, the seeds that it commits to, and the ledger of attempts.
    #[cfg(feature = "compiler")]
    #[command(subcommand)]
    Corpus(commands::corpus::Command),
    /// Make and show signing keys.
    #[command(subcommand)]
    Keys(commands::keys::Command),
    /// For the city: approve a release.
    Approve(commands::approve::Args),
    /// For the city: the public register entry of an approved release, and the notice to citizens of its purpose.
    #[cfg(feature = "compiler")]
    Register(commands::register::Args),
    /// For the city: compile an approved release's component, and vouch for the code.
    Compile(commands::compile::Args),
    /// For the city: admit a vendor's key on a dated risk record, and rotate it.
    #[command(subcommand)]
    Vendor(commands::vendor::Command),
    /// What is current: the city publishes it, a node follows it.
    #[command(subcommand)]
    Channel(commands::channel::Command),
    /// For the city: stop a release on every node that follows the channel.
    Revoke(commands::revoke::Args),
    /// For the city: say how high the residual risk of a purpose is. `høj` stops it on every node that follows the channel.
    Risk(commands::risk::Args),
    /// A running node: how it is, stop it, let it go on, swap its release, go back.
    #[command(subcommand)]
    Node(commands::node::Command),
    /// The gate's own detectors: list, install, verify.
    #[command(subcommand)]
    Models(commands::models::Command),
    /// For case workers: what runs found, one proposal for each object, as files to hand on.
    Proposals(commands::proposals::Args),
    /// For case workers: a verdict on proposals, one by one or through a spreadsheet.
    #[command(subcommand)]
    Review(commands::review::Command),
    /// Kept evidence: list it, open it, delete it. Each look is in the log first.
    #[command(subcommand)]
    Evidence(commands::evidence::Command),
    /// A kept clear frame again before the release that saw it: the same answer, or the reason why it cannot be compared.
    Replay(commands::replay::Args),
    /// Everything behind one proposal, for a citizen's request.
    Insight(commands::insight::Args),
    /// The transparency log: verify it offline, show its leaves, prove one of them.
    #[command(subcommand)]
    Audit(commands::audit::Command),
    /// For the city and whoever examines it: everything that shows that the rules were kept, checked again offline.
    #[cfg(feature = "compiler")]
    Recheck(Box<commands::recheck::Args>),
    /// For the city: check, explain, compare and sign policy directories.
    #[command(subcommand)]
    Policy(commands::policy::Command),
    /// The requirements catalogue: list, show, check, export.
    #[command(subcommand)]
    Catalogue(commands::catalogue::Command),
    /// The vendor's side of the wall: started by a node, never by a person.
    #[command(hide = true)]
    Worker(commands::worker::Args),
}

fn main() -> ExitCode {
    // A raw frame must not survive in a core file (SKJ-08). The limit is set before anything is read.
    memory::forbid_core_dumps();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let status = if error.use_stderr() { 2 } else { 0 };
            // Printing help to a closed pipe is not worth a failure.
            let _ = error.print();
            return ExitCode::from(status);
        }
    };
    let output = Output { json: cli.json };
    let result = match cli.command {
        Command::Demo(args) => commands::demo::run(&args, &output),
        Command::Run(args) => commands::run::run(&args, &output),
        Command::Mask(args) => commands::mask::run(&args, &output),
        Command::Plugin(command) => commands::plugin::run(&command, &output),
        #[cfg(feature = "compiler")]
        Command::Compare(args) => commands::compare::run(&args, &output),
        #[cfg(feature = "compiler")]
        Command::Corpus(command) => commands::corpus::run(&command, &output),
        #[cfg(feature = "compiler")]
        Command::Conform(args) => commands::conform::run(&args, &output),
        Command::Keys(command) => commands::keys::run(&command, &output),
        Command::Approve(args) => commands::approve::run(&args, &output),
        #[cfg(feature = "compiler")]
        Command::Register(args) => commands::register::run(&args, &output),
        Command::Compile(args) => commands::compile::run(&args, &output),
        Command::Vendor(command) => commands::vendor::run(&command, &output),
        Command::Channel(command) => commands::channel::run(&command, &output),
        Command::Revoke(args) => commands::revoke::run(&args, &output),
        Command::Risk(args) => commands::risk::run(&args, &output),
        Command::Node(command) => commands::node::run(&command, &output),
        Command::Models(command) => commands::models::run(&command, &output),
        Command::Proposals(args) => commands::proposals::run(&args, &output),
        Command::Review(command) => commands::review::run(&command, &output),
        Command::Evidence(command) => commands::evidence::run(&command, &output),
        Command::Replay(args) => commands::replay::run(&args, &output),
        Command::Insight(args) => commands::insight::run(&args, &output),
        Command::Audit(command) => commands::audit::run(&command, &output),
        #[cfg(feature = "compiler")]
        Command::Recheck(args) => commands::recheck::run(&args, &output),
        Command::Policy(command) => commands::policy::run(&command, &output),
        Command::Worker(args) => return commands::worker::run(args),
        Command::Catalogue(command) => commands::catalogue::run(&command, &output),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.status())
        }
    }
}
