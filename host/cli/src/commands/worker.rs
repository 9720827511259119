//! `vaern worker`: the vendor's side of the wall. Started by a node with its socket on standard input, never by a person.

use std::path::PathBuf;
use std::process::ExitCode;

use vaern_sandbox::wall::{self, Probe, WorkerSetup};

/// The name of the command: what makes this program a worker.
pub(crate) const NAME: &str = "worker";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Bound of the process's data, in bytes.
    #[arg(long)]
    memory: u64,
    /// ONNX Runtime's library.
    #[arg(long)]
    runtime: Option<PathBuf>,
    /// Lock down, try this one forbidden act, and end: 0 if it was refused, 99 if it worked, killed if it was answered so.
    #[arg(long, value_parser = probe)]
    probe: Option<Probe>,
}

fn probe(name: &str) -> Result<Probe, String> {
    let names = || Probe::ALL.map(Probe::as_str).join(", ");
    Probe::named(name).ok_or_else(|| format!("one of {}", names()))
}

/// Does not come back before the node is gone.
pub(crate) fn run(args: Args) -> ExitCode {
    wall::worker(&WorkerSetup { runtime: args.runtime, memory_bytes: args.memory, probe: args.probe })
}
