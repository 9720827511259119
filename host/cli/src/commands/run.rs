//! `vaern run`: a folder of geotagged pictures through the gate and an approved release; with `--config`, the same as a service.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use vaern_door::Name;
use vaern_node::admission;
use vaern_node::bits::DurableLedger;
use vaern_node::folder::{self, Setup};
use vaern_node::outcome::Summary;
use vaern_policy::PolicySet;

use crate::commands::apart;
use crate::commands::book::{self, EvidenceArgs, LogArgs};
use crate::commands::compile::Code;
use crate::commands::follow::{Follow, Followed, followed_by_none};
use crate::commands::gate::{self, Engine, Purpose, Standing, Wall};
use crate::commands::serve;
use crate::commands::track::TrackFile;
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run as a service, as this file says (docs/node.md): a watched folder, swaps, stops, metrics. Alone: the file says the rest.
    #[arg(long, value_name = "FILE", exclusive = true)]
    config: Option<PathBuf>,
    /// Folder of pictures: JPEG or PNG with a position in EXIF.
    #[arg(long, required_unless_present = "config")]
    source: Option<PathBuf>,
    /// The release directory.
    #[arg(long, required_unless_present = "config")]
    release: Option<PathBuf>,
    /// The policy directory.
    #[arg(long, required_unless_present = "config")]
    policies: Option<PathBuf>,
    /// Folder for everything that comes out.
    #[arg(long, required_unless_present = "config")]
    out: Option<PathBuf>,
    /// The trust root, if it is not POLICIES/trust.toml.
    #[arg(long)]
    trust: Option<PathBuf>,
    /// The camera that took the pictures, if their EXIF does not say it.
    #[arg(long)]
    camera: Option<Name>,
    /// Take pictures without a position. For evaluation: refused under an operating purpose.
    #[arg(long)]
    unlocated: bool,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    evidence: EvidenceArgs,
    /// Folder that keeps what each vendor's answers have carried, so that the next run is no new budget. Without it, that folder is
    /// the one of --state; without either, the budget is counted for this run alone.
    #[arg(long, value_name = "DIR")]
    ledger: Option<PathBuf>,
    #[command(flatten)]
    follow: Follow,
    #[command(flatten)]
    track: TrackFile,
    #[command(flatten)]
    purpose: Purpose,
    #[command(flatten)]
    standing: Standing,
    #[command(flatten)]
    engine: Engine,
    #[command(flatten)]
    wall: Wall,
    #[command(flatten)]
    code: Code,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    if let Some(config) = &args.config {
        return serve::run(config, output);
    }
    let (Some(source), Some(release), Some(policies), Some(out)) =
        (&args.source, &args.release, &args.policies, &args.out)
    else {
        return Err(Failure::usage("what to run is not said")
            .mend("name --source, --release, --policies and --out, or --config for a service"));
    };
    once(args, (source, release, policies, out), output)
}

/// One folder of pictures, once.
fn once(
    args: &Args,
    (source_path, release, policies, out_path): (&Path, &Path, &Path, &Path),
    output: &Output,
) -> Result<(), Failure> {
    let source = files::open_dir("source", source_path)?;
    let release = files::open_dir("release", release)?;
    let trust = gate::trust_root(&args.trust.clone().unwrap_or_else(|| policies.join("trust.toml")))?;
    let (set, mark) = gate::policy_set_in_force(policies, &args.purpose, || Ok(trust.clone()), &args.standing)?;
    unlocated_allowed(args.unlocated, set.purpose.operating)?;
    if set.purpose.operating {
        apart::from_training([source_path, out_path])?;
    }
    // The release is judged before the gate is built: a refused one costs no model.
    let mut followed = args.follow.take(&trust, output)?;
    let release = admission::admit(&release, &trust, &set, followed.as_ref().map_or_else(gate::now, Followed::time))?;
    match &mut followed {
        None => followed_by_none(&release)?,
        Some(followed) => {
            followed.admit(&release, &trust)?;
            if let Some(mark) = mark {
                followed.policy_set(&set.purpose.policy_set, mark)?;
            }
        }
    }
    let ledger = ledger(args, &set, output)?;
    let backend = args.engine.open()?;
    let built = gate::gate(&set, &args.engine, backend.as_ref(), output)?.in_operation(&set);
    let code = args.code.of(&release, &trust, output)?;
    let seer = admission::prepare_with(&release, code.as_ref(), &set, args.wall.settings(&args.engine)?)?;
    drop(code);
    let seer = match ledger {
        Some(ledger) => seer.charging(ledger),
        None => seer,
    };
    let mut book = args.log.open()?;
    let seer = args.evidence.keeping(seer, book.as_mut(), &release, &set, &built, &args.engine)?;
    let out = files::make_dir("output", out_path)?;
    let setup = Setup {
        set: &set,
        built: &built,
        source: &source,
        out: &out,
        camera: args.camera.clone(),
        track: args.track.open(output)?,
        unlocated: args.unlocated,
        now: gate::now(),
        workers: workers(),
    };
    let summary = book::kept(book, &release, &set, &seer, &out, || {
        with_progress(output, |progress| folder::look(&setup, &release, &seer, progress))
    })?;
    finish(&summary, out_path, output)
}

/// The vendors' bit ledger, held from before the first frame to the end of the run.
fn ledger(args: &Args, set: &PolicySet, output: &Output) -> Result<Option<DurableLedger>, Failure> {
    let dir = match (&args.ledger, args.follow.state()) {
        (Some(path), _) => files::make_dir("ledger", path)?,
        (None, Some(state)) => files::open_dir("state", state)?,
        (None, None) => {
            if set.purpose.operating {
                output.say(
                    "vaern: the vendor's bits are counted for this run alone; --ledger keeps them from run to run",
                );
            }
            return Ok(None);
        }
    };
    Ok(Some(DurableLedger::open(dir, &set.profile.output)?))
}

/// Threads: one for each core that the system gives.
pub(crate) fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

pub(crate) fn unlocated_allowed(unlocated: bool, operating: bool) -> Result<(), Failure> {
    if unlocated && operating {
        let what = "pictures without a position are refused under an operating purpose";
        return Err(Failure::refused(what, vaern_door::Krav("MIN-04"), vaern_door::Blame::Operator)
            .mend("leave out --unlocated, or use a policy that is made for evaluation"));
    }
    Ok(())
}

/// Runs with a progress bar where a person is watching.
pub(crate) fn with_progress<T, E: Into<Failure>>(
    output: &Output,
    work: impl FnOnce(&(dyn Fn(usize, usize) + Sync)) -> Result<T, E>,
) -> Result<T, Failure> {
    if output.json || !std::io::stderr().is_terminal() {
        return work(&|_, _| {}).map_err(Into::into);
    }
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} frames  {elapsed} (about {eta} left)");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let result = work(&|done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    result.map_err(Into::into)
}

/// Prints the summary.
pub(crate) fn finish(summary: &Summary, out: &std::path::Path, output: &Output) -> Result<(), Failure> {
    output.result(summary, &lines(summary, out))
}

pub(crate) fn lines(summary: &Summary, out: &std::path::Path) -> String {
    use std::fmt::Write as _;
    let mut text =
        format!("{} frames in: {} seen, {} refused\n", summary.frames_in, summary.frames_seen, summary.frames_refused);
    for (reason, count) in &summary.refused_by_reason {
        let _ = writeln!(text, "  {count:>5}  {reason}");
    }
    let _ = writeln!(text, "{} frames with masks, {} objects found", summary.frames_masked, summary.detections);
    for (label, count) in &summary.detections_by_label {
        let _ = writeln!(text, "  {count:>5}  {label}");
    }
    let _ = writeln!(text, "longest time that a raw frame existed: {:.2} s", summary.longest_seconds_in_clear);
    let _ = writeln!(text, "look at {}", out.join("report.html").display());
    text
}
