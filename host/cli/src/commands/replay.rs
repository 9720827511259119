//! `vaern replay ID`: the recorded release on a kept clear frame again.

use std::path::PathBuf;

use vaern_door::Name;
use vaern_node::replay::{FrameRecord, ReplayError, replay};
use vaern_record::evidence::{EvidenceError, RecordId};
use vaern_record::log::{Access, RetentionClass};
use vaern_trust::Release;

use crate::commands::evidence::Store;
use crate::commands::gate::{self, Engine, Wall};
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Id of the frame, or of a detection in it whose evidence is kept.
    id: RecordId,
    /// The purpose that you look for; evidence is opened for its own only.
    #[arg(long)]
    purpose: Name,
    /// Directory of the recorded release. Its approval may be over by now.
    #[arg(long)]
    release: PathBuf,
    /// The trust root that knows the vendor's key.
    #[arg(long, value_name = "FILE")]
    trust: PathBuf,
    #[command(flatten)]
    store: Store,
    #[command(flatten)]
    engine: Engine,
    #[command(flatten)]
    wall: Wall,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let trust = gate::trust_root(&args.trust)?;
    let release = Release::open(&files::open_dir("release", &args.release)?)?.verify(&trust)?;
    let (backend, settings) = (args.engine.identity()?, args.wall.settings(&args.engine)?);
    args.store.with(|evidence, log, now| {
        let access = (Access::Show, args.store.duty(), None);
        let mut kept = evidence.show(&args.id, &args.purpose, access, now, log)?;
        if kept.label.class != RetentionClass::Replay {
            // Evidence of a detection says in which frame it was.
            let record: serde_json::Value = serde_json::from_slice(&kept.record).map_err(|_| ReplayError::Record)?;
            let frame = record.get("frame_id").and_then(|id| id.as_str()?.parse().ok()).ok_or(ReplayError::Record)?;
            kept = match evidence.show(&frame, &args.purpose, access, now, log) {
                Err(EvidenceError::Gone | EvidenceError::Expired) => return Err(ReplayError::FrameNotKept.into()),
                shown => shown?,
            };
        }
        let record = FrameRecord::parse(&kept.record)?;
        let engine = vaern_sandbox::wall::engine();
        let seen = (&release, kept.label.release);
        let done = replay(record, &kept.picture, seen, (&backend, &engine), settings)?;
        if !done.same {
            output.result(&done, "the answers differ")?;
            let what = format!("frame {}: the release answers otherwise than it did", done.frame);
            return Err(Failure::refused(what, vaern_door::Krav("GEN-02"), vaern_door::Blame::Vendor)
                .mend("a plugin that does not repeat itself is not deterministic: run `vaern conform` on it"));
        }
        let lines = format!("frame {}: the same answer, {} objects", done.frame, done.replayed.len());
        output.result(&done, &lines)
    })
}
