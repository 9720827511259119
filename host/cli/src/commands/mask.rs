//! `vaern mask`: the privacy gate alone, and data collection for training.

use std::path::PathBuf;

use serde::Serialize;
use vaern_door::Name;
use vaern_node::collection::{Account, Annotated, HeldSet, Plan};
use vaern_node::folder::{self, Setup};
use vaern_node::outcome::Summary;

use crate::commands::gate::{self, Engine, Purpose, Standing};
use crate::commands::run::{self, finish, unlocated_allowed, with_progress, workers};
use crate::commands::track::TrackFile;
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

/// Largest COCO file in bytes.
const MAX_COCO: u64 = 1 << 30;

/// A collection for training: resumable, with annotations kept, and originals deleted on demand.
#[derive(clap::Args)]
#[command(next_help_heading = "Data collection")]
struct Collection {
    /// The manifest of a training set (name, owner, purpose, expires): the pictures are collected for it. Run the same
    /// command again after an interruption and it goes on where it was.
    #[arg(long, value_name = "FILE")]
    set: Option<PathBuf>,
    /// Delete each original once its masked picture is verified on disk, and sign for it.
    #[arg(long, requires = "set", requires = "key")]
    delete_originals: bool,
    /// Secret key file of whoever answers for the deletions.
    #[arg(long, value_name = "FILE", requires = "delete_originals")]
    key: Option<PathBuf>,
    /// COCO annotations of the pictures; YOLO files beside the pictures are found by themselves.
    #[arg(long, value_name = "FILE", requires = "set")]
    coco: Option<PathBuf>,
    /// How annotations of pictures with an EXIF orientation are meant: as a viewer shows them, or on the stored pixels.
    #[arg(long, value_enum, requires = "set")]
    annotated: Option<Meant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Meant {
    Upright,
    Stored,
}

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folder of pictures.
    #[arg(long)]
    source: PathBuf,
    /// Folder for the masked pictures and the account of them. The originals stay where they are, unless
    /// --delete-originals says otherwise.
    #[arg(long)]
    out: PathBuf,
    /// The policy directory.
    #[arg(long)]
    policies: PathBuf,
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
    track: TrackFile,
    #[command(flatten)]
    collection: Collection,
    #[command(flatten)]
    purpose: Purpose,
    #[command(flatten)]
    standing: Standing,
    #[command(flatten)]
    engine: Engine,
}

#[derive(Serialize)]
struct Collected {
    #[serde(flatten)]
    summary: Summary,
    collection: Account,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let track = args.track.open(output)?;
    let source = files::open_dir("source", &args.source)?;
    let trust = || gate::trust_root(&args.trust.clone().unwrap_or_else(|| args.policies.join("trust.toml")));
    let (set, _) = gate::policy_set_in_force(&args.policies, &args.purpose, trust, &args.standing)?;
    unlocated_allowed(args.unlocated, set.purpose.operating)?;
    // What would stop a collection is said before a model is loaded.
    let held = args.collection.held(&set.purpose.name)?;
    let backend = args.engine.open()?;
    let mut built = gate::gate(&set, &args.engine, backend.as_ref(), output)?;
    let out = files::make_dir("output", &args.out)?;
    if let Some(held) = &held {
        built.gate = built.gate.limited(held.set.limits(&out)?);
    }
    let setup = Setup {
        set: &set,
        built: &built,
        source: &source,
        out: &out,
        camera: args.camera.clone(),
        track,
        unlocated: args.unlocated,
        now: gate::now(),
        workers: workers(),
    };
    let Some(held) = held else {
        let summary = with_progress(output, |progress| folder::mask(&setup, progress))?;
        return finish(&summary, &args.out, output);
    };
    let plan = args.collection.plan(held, &setup)?;
    let (summary, collection) = with_progress(output, |progress| folder::collect(&setup, plan, progress))?;
    let lines = lines(&summary, &collection, &args.out);
    output.result(&Collected { summary, collection }, &lines)
}

impl Collection {
    fn held(&self, purpose: &Name) -> Result<Option<HeldSet>, Failure> {
        let Some(path) = &self.set else { return Ok(None) };
        let text = files::read("training set", path, 1 << 20)?;
        let text = String::from_utf8(text).map_err(|_| Failure::usage("the training set is not UTF-8"))?;
        let mend = "write a manifest with name, owner, purpose and expires, as in\n  name = \"round-1\"\n  owner = \"TMF, \
                    Containerenheden\"\n  purpose = \"containere\"\n  expires = \"2027-06-01T00:00:00Z\"";
        let held = HeldSet::parse(&text, purpose, gate::now());
        held.map(Some).map_err(|error| Failure::from(error).mend(mend))
    }

    fn plan<'a>(&self, held: HeldSet, setup: &Setup<'a>) -> Result<Plan<'a>, Failure> {
        let delete = match (&self.key, self.delete_originals) {
            (Some(path), true) => {
                let (dir, name) = files::split("secret key", path)?;
                Some(vaern_trust::read_secret(&dir, &name)?.1)
            }
            _ => None,
        };
        let coco = self.coco.as_ref().map(|path| files::read("COCO", path, MAX_COCO)).transpose()?;
        let annotated = self.annotated.map(|meant| match meant {
            Meant::Upright => Annotated::Upright,
            Meant::Stored => Annotated::Stored,
        });
        Ok(Plan {
            set: held,
            policy: setup.set.digest(),
            source: setup.source,
            out: setup.out,
            delete,
            coco,
            annotated,
            now: setup.now,
            reached: &|_| {},
        })
    }
}

fn lines(summary: &Summary, account: &Account, out: &std::path::Path) -> String {
    use std::fmt::Write as _;
    let mut text = run::lines(summary, out);
    let _ = writeln!(
        text,
        "training set {}: {} masked pictures, {} originals deleted under {} signed records, {} originals left where they are",
        account.set,
        account.pictures,
        account.originals_deleted,
        account.deletion_records,
        account.originals_kept.len()
    );
    if account.originals_missing > 0 {
        let _ = writeln!(
            text,
            "{} originals are not where they were, and nobody here deleted them: nothing was signed for these. Is the right card in?",
            account.originals_missing
        );
    }
    if account.annotations_left_out > 0 {
        let _ = writeln!(
            text,
            "annotations of {} pictures were left out: they cannot be read, or the picture is turned and --annotated does \
             not say how they are meant",
            account.annotations_left_out
        );
    }
    text
}
