//! The main job as one call: an approved release, a gate, a folder in, files out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use cap_std::fs::Dir;
use jiff::Timestamp;
use vaern_door::{Name, guard};
use vaern_policy::PolicySet;
use vaern_record::evidence::EvidenceError;
use vaern_trust::{Approved, Release};

use crate::admission::{Seer, release_info};
use crate::bits::LedgerError;
use crate::collection::{self, Account, CollectionError, Collector, Kept, Plan};
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
/// As [`look`], and [`CollectionError::HoldsSet`] for the folder of a collection.
pub fn mask(setup: &Setup<'_>, progress: &(dyn Fn(usize, usize) + Sync)) -> Result<Summary, FolderError> {
    if collection::begun(setup.out) {
        return Err(CollectionError::HoldsSet.into());
    }
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
    let collecting = matches!(task, Task::Mask { collector: Some(_) });
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
    write(setup.out, &run, collecting)?;
    Ok(run)
}

/// The account of a run as files. Beside the pictures of a collection nothing may tell which original a picture was, where it
/// was taken, or when: there the account is counts and reasons.
fn write(out: &Dir, run: &Run, collecting: bool) -> Result<(), FolderError> {
    if collecting && guard::stands("collection.nameless") {
        match out.remove_file(sinks::FRAMES) {
            // Of a program that still wrote it.
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(CollectionError::from(e).into()),
            _ => {}
        }
        let run = run.counts();
        sinks::write_file(out, sinks::REPORT, report::html(&run, &BTreeMap::new(), 0).as_bytes())?;
        return Ok(sinks::write_file(out, sinks::SUMMARY, sinks::summary_json(&run)?.as_bytes())?);
    }
    let pictures = report_pictures(out, run);
    if run.release.is_some() {
        sinks::write_file(out, sinks::DETECTIONS, sinks::detections_geojson(run)?.as_bytes())?;
        sinks::write_file(out, sinks::COVERAGE, Coverage::of(run).json()?.as_bytes())?;
    }
    sinks::write_file(out, sinks::FRAMES, sinks::frames_csv(run).as_bytes())?;
    sinks::write_file(out, sinks::REPORT, report::html(run, &pictures, REPORT_PICTURES).as_bytes())?;
    // Last, so that a summary is the sign that everything else is there.
    Ok(sinks::write_file(out, sinks::SUMMARY, sinks::summary_json(run)?.as_bytes())?)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cap_std::ambient_authority;
    use vaern_door::{Blame, Digest, Krav, Size};

    use super::*;
    use crate::outcome::{FrameOutcome, Place, Refusal, SeenFrame};

    fn run() -> Run {
        let place = Place {
            latitude: 55.676_123_4,
            longitude: 12.568_432_1,
            error_m: 4.0,
            heading: None,
            time_ms: Some(1_780_315_384_000),
            view: None,
        };
        let seen = SeenFrame {
            frame_id: "0a1b".to_owned(),
            size: Size::new(64, 48).unwrap(),
            position: Some(place),
            masked_share: 0.5,
            masked_boxes: BTreeMap::new(),
            seconds_in_clear: 0.1,
            objects: Vec::new(),
            dropped_answers: BTreeMap::new(),
            zoom_pixels: None,
            picture: Some("pictures/000001.jpg".to_owned()),
        };
        let refusal = Refusal {
            reason: "outside_fence",
            krav: Krav("MIN-04"),
            blame: Blame::Operator,
            detail: "55.676 is outside".to_owned(),
        };
        let frame = |number, file: &str, result| FrameOutcome {
            number,
            file: file.to_owned(),
            result,
            stages_ms: BTreeMap::from([("read", 1.0)]),
        };
        Run {
            release: None,
            sandbox: None,
            policy: PolicyInfo {
                purpose: "containere".to_owned(),
                dk: String::new(),
                en: String::new(),
                legal_basis: String::new(),
                masking: String::new(),
                digest: Digest::of(b"policy"),
                detectors: Vec::new(),
                backend: "test".to_owned(),
                fence: vec![vec![(12.568, 55.676), (12.569, 55.676), (12.569, 55.677)]],
            },
            frames: vec![
                frame(1, "day/IMG_20260601_120304.jpg", FrameResult::Seen(Box::new(seen))),
                frame(2, "day/IMG_20260601_120305.jpg", FrameResult::Refused(refusal)),
            ],
            started: "2026-06-02T08:00:00Z".to_owned(),
            wall_ms: 10.0,
            cautions: Vec::new(),
        }
    }

    fn texts(out: &Dir) -> BTreeMap<String, String> {
        let names = out.entries().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.map(|name| (name.clone(), out.read_to_string(&name).unwrap())).collect()
    }

    #[test]
    fn sep_01n_beside_the_pictures_of_a_set_nothing_tells_of_their_originals_and_sep_01p_counts_and_reasons_are_told() {
        let out = cap_tempfile::tempdir(ambient_authority()).unwrap();
        write(&out, &run(), false).unwrap();
        let outside: String = texts(&out).into_values().collect();
        for word in ["IMG_20260601", "55,676", "12,568", "000001.jpg"] {
            assert!(outside.contains(word), "outside of a collection it is told: {word}");
        }
        write(&out, &run(), true).unwrap();
        let told = ["IMG_20260601", "55.676", "55,676", "12.568", "12,568", "12:03", "14:03", "000001.jpg", "0a1b"];
        for (name, text) in texts(&out) {
            assert!(!told.iter().any(|word| text.contains(word)), "{name}: {text}");
        }
        let files: Vec<String> = texts(&out).into_keys().collect();
        assert_eq!(files, ["report.html", "summary.json"]);
        let report = texts(&out).remove("report.html").unwrap();
        assert!(report.contains("outside_fence"), "the reason is told");
        assert!(!report.contains("h-map") && !report.contains("h-gallery") && !report.contains("h-refused"));
    }
}
