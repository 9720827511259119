//! The main job as one call: an approved release, a gate, a folder in, files out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use cap_std::fs::Dir;
use jiff::Timestamp;
use vaern_door::Name;
use vaern_policy::PolicySet;
use vaern_record::evidence::EvidenceError;
use vaern_trust::{Approved, Release};

use crate::admission::{Seer, release_info};
use crate::bits::LedgerError;
use crate::collection::{Account, CollectionError, Collector, Kept, Plan};
use crate::coverage::Coverage;
use crate::gate::Built;
use crate::outcome::{FrameResult, PolicyInfo, ReleaseInfo, Run, SandboxInfo, Summary};
use crate::pipeline::{self, Job, RunError, Task, Track};
use crate::{report, sinks};

/// Pictures that the report carries at most: it must stay a file that a person can send.
const REPORT_PICTURES: usize = 24;

/// Why a run ended without a result.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The run itself.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The files that tell what happened cannot be written. What is there is whole.
    #[error(transparent)]
    Sink(#[from] sinks::SinkError),
    /// The evidence cannot be sealed.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// The collection.
    #[error(transparent)]
    Collection(#[from] CollectionError),
    /// The vendors' bit ledger. Nothing that was charged is told.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// What a run needs.
pub struct Setup<'a> {
    /// The rules in force.
    pub set: &'a PolicySet,
    /// The gate.
    pub built: &'a Built,
    /// Where the captures are.
    pub source: &'a Dir,
    /// Where everything goes.
    pub out: &'a Dir,
    /// The camera, where the operator names it.
    pub camera: Option<Name>,
    /// Where positions come from, if not from the pictures themselves.
    pub track: Option<Track>,
    /// Take captures without a position: evaluation only.
    pub unlocated: bool,
    /// The present.
    pub now: Timestamp,
    /// Threads.
    pub workers: usize,
}

/// The main job. Writes `masked/*.jpg`, `detections.geojson`, `frames.csv`, `summary.json` and `report.html`.
///
/// # Errors
/// [`FolderError`] where nothing could be run, or the account of the run could not be written.
pub fn look(
    setup: &Setup<'_>,
    release: &Release<Approved>,
    seer: &Seer,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Summary, FolderError> {
    let task = Task::Look {
        grants: Arc::clone(seer.grants()),
        runner: &|| seer.runner(),
        keeper: seer.keeper.as_ref(),
        operating: setup.set.purpose.operating,
    };
    let info = release_info(release, seer.grants());
    Ok(go(setup, task, Some((info, &release.manifest().vendor, seer)), progress)?.summary())
}

/// The gate alone. Writes the masked pictures at full size, and the same account without detections.
///
/// # Errors
/// As [`look`].
pub fn mask(setup: &Setup<'_>, progress: &(dyn Fn(usize, usize) + Sync)) -> Result<Summary, FolderError> {
    Ok(go(setup, Task::Mask { collector: None }, None, progress)?.summary())
}

/// Data collection: as [`mask`], into a training set, with annotations kept and originals deleted where that is the plan.
/// Run again after a kill, it goes on where it was.
///
/// # Errors
/// As [`look`], and [`FolderError::Collection`].
pub fn collect(
    setup: &Setup<'_>,
    plan: Plan<'_>,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<(Summary, Account), FolderError> {
    let collector = Collector::open(plan)?;
    let run = go(setup, Task::Mask { collector: Some(&collector) }, None, progress)?;
    let kept = run.frames.iter().filter_map(|frame| match &frame.result {
        FrameResult::Refused(refusal) => Some(Kept { file: frame.file.clone(), reason: refusal.reason.to_owned() }),
        FrameResult::Seen(_) => None,
    });
    let account = collector.finish(kept.collect())?;
    Ok((run.summary(), account))
}

fn go(
    setup: &Setup<'_>,
    task: Task<'_>,
    release: Option<(ReleaseInfo, &Name, &Seer)>,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Run, FolderError> {
    let start = Instant::now();
    let job = Job {
        source: setup.source,
        out: setup.out,
        camera: setup.camera.clone(),
        track: setup.track.clone(),
        unlocated: setup.unlocated,
        now: setup.now,
        workers: setup.workers,
        task,
        progress,
    };
    let mut frames = pipeline::run(&setup.built.gate, &job)?;
    let withheld = release.as_ref().map(|(_, vendor, seer)| seer.withhold(&mut frames, vendor, setup.out));
    let bits_charged = withheld.transpose()?;
    // What was withheld is not there any more, so no evidence of it is sealed.
    if let Some(keeper) = release.as_ref().and_then(|(_, _, seer)| seer.keeper.as_ref()) {
        keeper.seal(&frames, setup.now)?;
    }
    let (release, sandbox) = release.map(|(info, _, seer)| (info, seer.sandbox(bits_charged))).unzip();
    let run = Run {
        cautions: cautions(setup.set, setup.built, sandbox.as_ref()),
        release,
        sandbox,
        policy: policy_info(setup.set, setup.built),
        frames,
        started: setup.now.to_string(),
        wall_ms: start.elapsed().as_secs_f64() * 1e3,
    };
    let pictures = report_pictures(setup.out, &run);
    if run.release.is_some() {
        sinks::write_file(setup.out, "detections.geojson", sinks::detections_geojson(&run)?.as_bytes())?;
        sinks::write_file(setup.out, sinks::COVERAGE, Coverage::of(&run).json()?.as_bytes())?;
    }
    sinks::write_file(setup.out, "frames.csv", sinks::frames_csv(&run).as_bytes())?;
    sinks::write_file(setup.out, "report.html", report::html(&run, &pictures, REPORT_PICTURES).as_bytes())?;
    // Last, so that a summary is the sign that everything else is there.
    sinks::write_file(setup.out, "summary.json", sinks::summary_json(&run)?.as_bytes())?;
    Ok(run)
}

pub(crate) fn policy_info(set: &PolicySet, built: &Built) -> PolicyInfo {
    let purpose = &set.purpose;
    PolicyInfo {
        purpose: purpose.name.to_string(),
        dk: purpose.dk.clone(),
        en: purpose.en.clone(),
        legal_basis: purpose.legal_basis.clone(),
        masking: built.gate.policy().name().to_string(),
        digest: set.digest(),
        detectors: built.detectors.clone(),
        backend: built.backend.to_string(),
        fence: built.gate.fences().fences().iter().flat_map(vaern_privacy::Fence::outlines).collect(),
    }
}

pub(crate) fn cautions(set: &PolicySet, built: &Built, sandbox: Option<&SandboxInfo>) -> Vec<(String, String)> {
    let mut cautions = Vec::new();
    let mut add = |dk: &str, en: &str| cautions.push((dk.to_owned(), en.to_owned()));
    if built.drawn_streets_only {
        add(
            "Maskeringen bruger de indbyggede modeller, som kun kender tegnede gader. De må ikke bruges på fotografier.",
            "The masking uses the embedded models, which know drawn streets only. They must not be used on photographs.",
        );
    }
    match sandbox {
        Some(sandbox) if !sandbox.walled => add(
            "Plugin'et kørte i værtens egen proces, ikke i den særskilte proces, der holder rå billeder adskilt fra leverandørens kode.",
            "The plugin ran inside the host's own process, not in the separate process that keeps raw frames apart from vendor code.",
        ),
        Some(sandbox) if !sandbox.missing.is_empty() => {
            let missing = sandbox.missing.join(", ");
            add(
                &format!("Muren om plugin'et er svagere end den skal være, fordi maskinen mangler: {missing}."),
                &format!(
                    "The wall around the plugin is weaker than it should be, because the machine lacks: {missing}."
                ),
            );
        }
        _ => {}
    }
    if sandbox.is_some_and(|sandbox| sandbox.quarantined) {
        add(
            "Plugin'et fejlede så ofte i træk, at det blev sat i karantæne. Resten af billederne har det ikke set.",
            "The plugin failed so often in a row that it was put in quarantine. It has not seen the rest of the frames.",
        );
    }
    if !set.purpose.operating {
        add(
            "Kørt under en prøvepolitik, ikke under en driftspolitik.",
            "Run under an evaluation policy, not under an operating one.",
        );
    }
    cautions
}

/// The masked pictures that the report shows: those with objects first, then those with masks, then the rest.
fn report_pictures(out: &Dir, run: &Run) -> BTreeMap<usize, Vec<u8>> {
    let mut candidates: Vec<(bool, bool, usize, &str)> = Vec::new();
    for frame in &run.frames {
        if let FrameResult::Seen(seen) = &frame.result
            && let Some(picture) = &seen.picture
        {
            candidates.push((seen.objects.is_empty(), seen.masked_share <= 0.0, frame.number, picture));
        }
    }
    candidates.sort_unstable();
    let read = |(_, _, number, path): (bool, bool, usize, &str)| Some((number, out.read(path).ok()?));
    candidates.into_iter().take(REPORT_PICTURES).filter_map(read).collect()
}
