//! The way of the data: each file through the gate, and what comes out through the plugin.
//!
//! Positions are judged one after the other, because a jump is a relation between neighbours; pixels are worked on in
//! parallel. A raw frame never leaves the thread that decoded it, and that thread masks it before it does anything else.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Instant;

use cap_std::fs::Dir;
use jiff::{SignedDuration, Timestamp};
use vaern_door::{AdmittedDetection, Blame, Grants, Interface, Krav, Name, guard};
use vaern_privacy::{Capture, ClearFrame, Fenced, Gate, PictureKind, SealedPosition, TrackLog};
use vaern_sandbox::{Runner, SandboxError};

use crate::collection::{self, CollectionError, Collector, Original};
use crate::keeper::{self, Keeper};
use crate::outcome::{FoundObject, FrameOutcome, FrameResult, Place, Refusal, SeenFrame, View};
use crate::sinks;
use crate::source::{self, Entry};

/// JPEG quality of the masked pictures.
const PICTURE_QUALITY: u8 = 88;

/// Frames waiting, decoded by nobody, for a free thread. Only bytes of files wait, so memory stays bounded by their size.
const WAITING: usize = 4;

/// A log of fixes that places the pictures, and what has to be added to the cameras' clocks to make them right.
#[derive(Debug, Clone)]
pub struct Track {
    /// The log.
    pub log: Arc<TrackLog>,
    /// Added to the time that a picture states.
    pub clock_offset: SignedDuration,
}

/// What a run needs besides the gate.
pub struct Job<'a> {
    /// Where the captures are.
    pub source: &'a Dir,
    /// Where masked pictures go.
    pub out: &'a Dir,
    /// The camera, where the operator names it.
    pub camera: Option<Name>,
    /// Where positions come from, if not from the pictures themselves.
    pub track: Option<Track>,
    /// Take captures without a position. The gate refuses them unless the policy is for evaluation.
    pub unlocated: bool,
    /// The present, for judging fixes.
    pub now: Timestamp,
    /// Threads.
    pub workers: usize,
    /// What happens to clear frames.
    pub task: Task<'a>,
    /// Called after each frame with frames done and frames in all.
    pub progress: &'a (dyn Fn(usize, usize) + Sync),
}

/// What happens to a clear frame.
pub enum Task<'a> {
    /// The masked picture is written at full size, and that is all (`vaern mask`); into a collection, where there is one.
    Mask {
        /// Keeps the masked pictures and lets the originals go.
        collector: Option<&'a Collector<'a>>,
    },
    /// The plugin looks at it.
    Look {
        /// What the plugin may have.
        grants: Arc<Grants>,
        /// Makes one runner for each thread.
        runner: &'a (dyn Fn() -> Result<Box<dyn Runner>, SandboxError> + Sync),
        /// Takes evidence of what is found, where the policy lets it.
        keeper: Option<&'a Keeper>,
        /// Under an operating purpose: no picture is kept of a frame without an object (SKJ-07), and none is taken out of a training set
        /// (SEP-03).
        operating: bool,
    },
}

/// Why a run did not begin or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The source cannot be listed.
    #[error("cannot read the source folder: {0}")]
    Source(std::io::Error),
    /// An operating purpose, and a training set in the source.
    #[error("`{}` in the source is a training set: training and operation are kept apart", .0.display())]
    TrainingSet(PathBuf),
    /// The folder for masked pictures cannot be made.
    #[error("cannot make the folder for masked pictures: {0}")]
    Pictures(std::io::Error),
    /// The plugin cannot be started.
    #[error(transparent)]
    Plugin(#[from] SandboxError),
    /// The system has no randomness to make ids from.
    #[error("the system gives no random bytes")]
    Random,
}

impl RunError {
    /// The requirement behind it.
    #[must_use]
    pub const fn krav(&self) -> Krav {
        match self {
            Self::TrainingSet(_) => Krav("SEP-03"),
            _ => Krav("STD-02"),
        }
    }
}

struct Waiting {
    number: usize,
    file: String,
    fenced: Fenced,
    /// The original, where it belongs to a collection.
    original: Option<Original>,
    stages_ms: BTreeMap<&'static str, f64>,
}

/// Runs the whole source. The answer has exactly one outcome for each entry, in the order of the source.
///
/// # Errors
/// [`RunError`] where nothing could be run at all; whatever happens to a single frame is an outcome, not an error.
pub fn run(gate: &Gate, job: &Job<'_>) -> Result<Vec<FrameOutcome>, RunError> {
    let mut entries = source::list(job.source).map_err(RunError::Source)?;
    match &job.task {
        Task::Mask { collector: Some(collector) } => {
            entries.retain(|entry| !matches!(entry, Entry::File(path) if collector.is_done(path)));
        }
        Task::Look { operating: true, .. } if guard::stands("node.training-set") => {
            if let Some(set) = collection::set_among(job.source, &entries) {
                return Err(RunError::TrainingSet(set));
            }
        }
        _ => {}
    }
    job.out.create_dir_all(sinks::PICTURES).map_err(RunError::Pictures)?;
    let pictures = job.out.open_dir(sinks::PICTURES).map_err(RunError::Pictures)?;
    let mut runners = Vec::new();
    for _ in 0..job.workers.max(1) {
        runners.push(match &job.task {
            Task::Mask { .. } => None,
            Task::Look { runner, .. } => Some(runner()?),
        });
    }

    let total = entries.len();
    let done = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::with_capacity(total));
    let finish = |outcome: FrameOutcome| {
        outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
        (job.progress)(done.fetch_add(1, Ordering::Relaxed) + 1, total);
    };
    let (send, receive) = mpsc::sync_channel::<Waiting>(WAITING);
    let receive = Mutex::new(receive);
    std::thread::scope(|scope| {
        for mut runner in runners {
            let (receive, finish, pictures) = (&receive, &finish, &pictures);
            scope.spawn(move || {
                loop {
                    let next = receive.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(waiting) = next else { break };
                    finish(see(gate, job, pictures, runner.as_deref_mut(), waiting));
                }
            });
        }
        for (index, entry) in entries.iter().enumerate() {
            match locate(gate, job, index + 1, entry) {
                Ok(waiting) => {
                    // Threads end only after the sender is gone, so a failed send cannot happen; if it did, the frame
                    // is still named.
                    if let Err(mpsc::SendError(lost)) = send.send(waiting) {
                        finish(lost.refused(host_fault("no thread took the frame")));
                    }
                }
                Err(outcome) => finish(*outcome),
            }
        }
        drop(send);
    });
    let mut outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcomes.sort_by_key(|outcome| outcome.number);
    Ok(outcomes)
}

impl Waiting {
    fn refused(self, refusal: Refusal) -> FrameOutcome {
        let Self { number, file, stages_ms, .. } = self;
        FrameOutcome { number, file, result: FrameResult::Refused(refusal), stages_ms }
    }
}

/// Reads a file and proves its position. Nothing is decoded here.
fn locate(gate: &Gate, job: &Job<'_>, number: usize, entry: &Entry) -> Result<Waiting, Box<FrameOutcome>> {
    let file = entry.name();
    let mut stages_ms = BTreeMap::new();
    let mut original = None;
    let result = (|| {
        let Entry::File(path) = entry else {
            return Err(unreadable("the entry cannot be opened inside the source"));
        };
        let bytes = timed(&mut stages_ms, "read", || source::read(job.source, path, gate.policy().max_bytes()))
            .map_err(|e| unreadable(&e.kind().to_string()))?;
        if let Task::Mask { collector: Some(collector) } = &job.task {
            original = Some(collector.original(path, &bytes).map_err(|e| from_collection(&e))?);
        }
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        let capture = match &job.track {
            _ if job.unlocated => Capture::unlocated(bytes),
            Some(track) => Capture::located_by_log(bytes, Arc::clone(&track.log), track.clock_offset),
            None => Capture::located_by_exif(bytes),
        };
        let capture = capture.claiming(PictureKind::from_extension(extension)).from_camera(job.camera.clone());
        let located = timed(&mut stages_ms, "locate", || gate.locate(capture, job.now)).map_err(|r| from_gate(&r))?;
        timed(&mut stages_ms, "fence", || gate.fence(located)).map_err(|r| from_gate(&r))
    })();
    match result {
        Ok(fenced) => Ok(Waiting { number, file, fenced, original, stages_ms }),
        Err(refusal) => Err(Box::new(FrameOutcome { number, file, result: FrameResult::Refused(refusal), stages_ms })),
    }
}

/// Decodes, masks, and hands over. Returns the one outcome of the frame.
fn see(
    gate: &Gate,
    job: &Job<'_>,
    pictures: &Dir,
    runner: Option<&mut (dyn Runner + '_)>,
    waiting: Waiting,
) -> FrameOutcome {
    let Waiting { number, file, fenced, original, mut stages_ms } = waiting;
    let turning = fenced.turning();
    let stages = &mut stages_ms;
    let result = (|| {
        let (place, first) = (fenced.position().map(place), keeper::first_day(&fenced));
        let raw = timed(stages, "decode", || gate.decode(fenced)).map_err(|r| from_gate(&r))?;
        let proof = timed(stages, "detect", || gate.search(&raw)).map_err(|r| from_gate(&r))?;
        let (clear, receipt) = timed(stages, "mask", || gate.mask(raw, proof)).map_err(|r| from_gate(&r))?;

        let frame_id = clear.id().to_string();
        let mut seen = SeenFrame {
            size: clear.size(),
            position: place,
            masked_share: receipt.masked_fraction,
            masked_boxes: receipt.masked_regions.clone(),
            seconds_in_clear: receipt.seconds_in_clear,
            objects: Vec::new(),
            dropped_answers: BTreeMap::new(),
            zoom_pixels: None,
            picture: None,
            frame_id,
        };
        let shown = match (&job.task, runner) {
            (Task::Look { grants, keeper, .. }, Some(runner)) => {
                let scaled = timed(stages, "scale", || clear.scaled_to(grants.frame));
                let scaled = scaled.map_err(|_| host_fault("the clear frame could not be scaled"))?;
                seen.size = scaled.size();
                look(stages, &mut seen, runner, (&scaled, &clear), grants)?;
                if let Some(keeper) = keeper {
                    keeper.take(&scaled, &seen.objects, first)?;
                }
                scaled
            }
            _ => clear,
        };
        if let Task::Look { operating: true, .. } = &job.task
            && seen.objects.is_empty()
            && guard::stands("node.empty-picture")
        {
            return Ok(seen);
        }
        let name = timed(stages, "write", || match (&job.task, &original) {
            (Task::Mask { collector: Some(collector) }, Some(original)) => {
                collector.keep(original, &encoded(&shown)?, turning).map_err(|e| from_collection(&e))
            }
            _ => {
                let name = picture_name(&job.task, number, &file, &seen.frame_id);
                write_picture(pictures, &name, &shown).map(|()| name)
            }
        })?;
        seen.picture = Some(format!("{}/{name}", sinks::PICTURES));
        Ok(seen)
    })();
    let result = match result {
        Ok(seen) => FrameResult::Seen(Box::new(seen)),
        Err(refusal) => FrameResult::Refused(refusal),
    };
    FrameOutcome { number, file, result, stages_ms }
}

/// The plugin looks; its answer is made canonical before anything is kept of it. `native` is the clear frame before it was scaled:
/// a plugin that may zoom reads parts of it, within its budget.
pub(crate) fn look(
    stages: &mut BTreeMap<&'static str, f64>,
    seen: &mut SeenFrame,
    runner: &mut dyn Runner,
    (frame, native): (&ClearFrame, &ClearFrame),
    grants: &Grants,
) -> Result<(), Refusal> {
    let zooms = grants.interfaces.contains(&Interface::Zoom) && native.size() != frame.size();
    let answer = timed(stages, "plugin", || {
        let native = zooms.then(|| (native.size(), native.rgb()));
        let received = runner.receive(frame.size(), frame.rgb(), frame.masked(), native)?;
        runner.detect(&received)
    });
    let answer = answer.map_err(|e| from_sandbox(&e))?;
    let admitted = timed(stages, "admit", || {
        vaern_sandbox::admit(&answer.detections, frame.size(), frame.masked(), &grants.labels, &grants.output)
    });
    seen.zoom_pixels = grants.interfaces.contains(&Interface::Zoom).then_some(answer.usage.zoom_pixels);
    seen.dropped_answers = admitted.dropped.by_reason().into_iter().filter(|(_, count)| *count > 0).collect();
    for detection in admitted.detections {
        seen.objects.push(object(detection)?);
    }
    Ok(())
}

fn object(detection: AdmittedDetection) -> Result<FoundObject, Refusal> {
    let AdmittedDetection { label, rect, score, delvist_maskeret } = detection;
    let id = random_id().ok_or_else(|| host_fault("the system gives no random bytes"))?;
    Ok(FoundObject { id, label, score, rect, delvist_maskeret })
}

/// 128 random bits in hexadecimal: an id that tells neither order nor route (FRM-08).
pub(crate) fn random_id() -> Option<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

fn encoded(frame: &ClearFrame) -> Result<Vec<u8>, Refusal> {
    frame.encode_jpeg(PICTURE_QUALITY).map_err(|_| host_fault("the masked picture could not be encoded"))
}

fn write_picture(pictures: &Dir, name: &str, frame: &ClearFrame) -> Result<(), Refusal> {
    let jpeg = encoded(frame)?;
    sinks::write_file(pictures, name, &jpeg).map_err(|error| Refusal {
        reason: "output_failed",
        krav: error.krav(),
        blame: error.blame(),
        detail: error.to_string(),
    })
}

/// A picture that a plugin saw is named by its random id. A picture for annotation keeps its number and the plain
/// part of its name, so that whoever collected it finds it again.
fn picture_name(task: &Task<'_>, number: usize, file: &str, frame_id: &str) -> String {
    match task {
        Task::Look { .. } => format!("{frame_id}.jpg"),
        Task::Mask { .. } => collection::picture_name(number as u64, file),
    }
}

pub(crate) fn place(sealed: &SealedPosition) -> Place {
    let position = sealed.open();
    Place {
        latitude: position.latitude(),
        longitude: position.longitude(),
        error_m: position.error_m(),
        heading: position.heading(),
        time_ms: position.time().map(Timestamp::as_millisecond),
        view: sealed.view().map(|view| View {
            hfov_deg: view.hfov_deg,
            height_m: view.height_m,
            pitch_deg: view.pitch_deg,
        }),
    }
}

/// Runs one stage and notes its time in milliseconds.
pub(crate) fn timed<T>(stages: &mut BTreeMap<&'static str, f64>, stage: &'static str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    stages.insert(stage, start.elapsed().as_secs_f64() * 1e3);
    result
}

pub(crate) fn from_gate(refusal: &vaern_privacy::Refusal) -> Refusal {
    Refusal { reason: refusal.reason(), krav: refusal.krav(), blame: refusal.blame(), detail: refusal.to_string() }
}

fn from_sandbox(error: &SandboxError) -> Refusal {
    Refusal { reason: error.reason(), krav: error.krav(), blame: error.blame(), detail: error.to_string() }
}

fn from_collection(error: &CollectionError) -> Refusal {
    Refusal { reason: "output_failed", krav: error.krav(), blame: error.blame(), detail: error.to_string() }
}

fn unreadable(detail: &str) -> Refusal {
    Refusal { reason: "unreadable", krav: Krav("STD-02"), blame: Blame::Operator, detail: detail.to_owned() }
}

pub(crate) fn host_fault(detail: &str) -> Refusal {
    Refusal { reason: "host_fault", krav: Krav("STD-02"), blame: Blame::Host, detail: detail.to_owned() }
}
