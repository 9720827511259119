//! `vaern mask`: the privacy gate alone.

use std::path::PathBuf;

use vaern_door::Name;
use vaern_node::service::{self, Setup};

use crate::commands::gate::{self, Engine, Purpose};
use crate::commands::run::{finish, unlocated_allowed, with_progress, workers};
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folder of pictures.
    #[arg(long)]
    source: PathBuf,
    /// Folder for the masked pictures and the account of them. The originals stay where they are.
    #[arg(long)]
    out: PathBuf,
    /// The policy directory.
    #[arg(long)]
    policies: PathBuf,
    /// The camera that took the pictures, if their EXIF does not say it.
    #[arg(long)]
    camera: Option<Name>,
    /// Take pictures without a position. For evaluation: refused under an operating purpose.
    #[arg(long)]
    unlocated: bool,
    #[command(flatten)]
    purpose: Purpose,
    #[command(flatten)]
    engine: Engine,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let source = files::open_dir("source", &args.source)?;
    let set = gate::policy_set(&args.policies, &args.purpose)?;
    unlocated_allowed(args.unlocated, set.purpose.operating)?;
    let backend = args.engine.open()?;
    let built = gate::gate(&set, &args.engine, backend.as_ref(), output)?;
    let out = files::make_dir("output", &args.out)?;
    let setup = Setup {
        set: &set,
        built: &built,
        source: &source,
        out: &out,
        camera: args.camera.clone(),
        unlocated: args.unlocated,
        now: gate::now(),
        workers: workers(),
    };
    let summary = with_progress(output, |progress| service::mask(&setup, progress))?;
    finish(&summary, &args.out, output)
}
