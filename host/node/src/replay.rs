//! A kept clear frame, and the same release on it again (GEN-02): the same bytes out, or the reason why they cannot be compared.
//!
//! A model's last bits depend on the engine that runs it and on the processor's features, so both are recorded with the frame, and
//! a replay on others is refused by name. Grants are recorded too: what the plugin was given then is what it is given now, whatever
//! the policy says today. Nothing of a replay leaves but whether it is the same, and both answers.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vaern_door::{AdmittedDetection, Blame, Digest, Grants, Interface, Krav, Label, Rect, Size, guard};
use vaern_sandbox::wall::{Vendor, Wall, WallError, WallSettings};
use vaern_sandbox::{Runner as _, SandboxError};
use vaern_trust::{EngineId, Release, Verified};

/// The embedded engine for models and its version. A test holds it to the lock file.
pub const TRACT: &str = "tract-onnx 0.23.9";

/// Form of the record.
const FORM: u8 = 1;

/// Frames of one run that are kept for replay at most: they wait in memory until the run is over.
pub const MOST_FRAMES: usize = 64;

/// One thing that was found, as it left: no id, for ids are random.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    label: Label,
    /// Left, upper, right and lower edge in pixels of the frame.
    rect: [u16; 4],
    score: u8,
    delvist_maskeret: bool,
}

impl Found {
    pub(crate) fn new(label: &Label, rect: Rect, score: u8, delvist_maskeret: bool) -> Self {
        Self { label: label.clone(), rect: corners(rect), score, delvist_maskeret }
    }
}

impl From<&AdmittedDetection> for Found {
    fn from(found: &AdmittedDetection) -> Self {
        Self::new(&found.label, found.rect, found.score, found.delvist_maskeret)
    }
}

fn corners(rect: Rect) -> [u16; 4] {
    [rect.x0(), rect.y0(), rect.x1(), rect.y1()]
}

/// What an answer depends on besides release and frame.
#[derive(Debug, Clone)]
pub struct Conditions {
    /// What the plugin is given.
    pub grants: Arc<Grants>,
    /// The engine that runs models, with its version or digest ([`TRACT`]).
    pub backend: String,
    /// The engine that runs the component, and the processor.
    pub engine: EngineId,
}

impl Conditions {
    /// Whether a frame says everything that the plugin can see: one that may zoom sees more.
    #[must_use]
    pub fn replayable(&self) -> bool {
        !self.grants.interfaces.contains(&Interface::Zoom)
    }
}

/// The record beside a kept frame.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrameRecord {
    form: u8,
    frame_id: String,
    size: Size,
    masked: Vec<[u16; 4]>,
    grants: Grants,
    backend: String,
    engine: EngineId,
    found: Vec<Found>,
}

impl FrameRecord {
    pub(crate) fn new(
        frame_id: &str,
        (size, masked): (Size, &[Rect]),
        conditions: &Conditions,
        found: Vec<Found>,
    ) -> Self {
        Self {
            form: FORM,
            frame_id: frame_id.to_owned(),
            size,
            masked: masked.iter().copied().map(corners).collect(),
            grants: (*conditions.grants).clone(),
            backend: conditions.backend.clone(),
            engine: conditions.engine.clone(),
            found,
        }
    }

    /// Reads a record as the store gives it out.
    ///
    /// # Errors
    /// [`ReplayError::Record`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ReplayError> {
        serde_json::from_slice(bytes).ok().filter(|record: &Self| record.form == FORM).ok_or(ReplayError::Record)
    }
}

/// Why a replay is no comparison.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// What lies in the store is no record of a frame.
    #[error("what is kept under this id is no frame for replay")]
    Record,
    /// What was found is kept, and the frame that it was found in is not.
    #[error(
        "the evidence of this detection is kept, and the whole frame is not: without it nothing can be shown to the release again"
    )]
    FrameNotKept,
    /// The picture in the store is not that of the record.
    #[error("the kept picture does not decode to the recorded frame")]
    Picture,
    /// Another release.
    #[error("the frame was seen by the release {recorded}, and this is {offered}")]
    OtherRelease {
        /// In the label of the evidence.
        recorded: Digest,
        /// The release that was named.
        offered: Digest,
    },
    /// Models ran in another engine.
    #[error("models ran in `{recorded}`, and here they run in `{here}`: answers of two engines are not compared")]
    Backend {
        /// In the record.
        recorded: String,
        /// This program's.
        here: String,
    },
    /// Another engine for components.
    #[error("the component ran in {recorded}, and here it runs in {here}: answers of two engines are not compared")]
    Engine {
        /// In the record.
        recorded: String,
        /// This program's.
        here: String,
    },
    /// Another class of processor.
    #[error(
        "the processor was {recorded}, and this one is {here}: answers of two classes of processors are not compared"
    )]
    Processor {
        /// In the record.
        recorded: String,
        /// This machine's.
        here: String,
    },
    /// The release does not run behind the wall here.
    #[error(transparent)]
    Wall(#[from] WallError),
    /// The plugin gave no answer.
    #[error("the plugin gave no answer this time: {0}")]
    NoAnswer(SandboxError),
}

impl ReplayError {
    /// The requirement behind it.
    #[must_use]
    pub const fn krav(&self) -> Krav {
        Krav("GEN-02")
    }

    /// Who has to act.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Record | Self::Picture => Blame::Host,
            Self::NoAnswer(error) | Self::Wall(WallError::Sandbox(error)) => error.blame(),
            _ => Blame::Operator,
        }
    }

    /// What to do next.
    #[must_use]
    pub const fn mend(&self) -> &'static str {
        match self {
            Self::Record => {
                "give the id of a frame, or of a detection in a frame, that was kept while the policy gave days for replay"
            }
            Self::FrameNotKept => {
                "the service keeps crops only, and `vaern run` keeps frames while the policy gives days for it (`retention.replay_days`); look at \
                 the crop with `vaern evidence show`"
            }
            Self::Picture => "the store holds something else than was put into it; keep it and have it examined",
            Self::OtherRelease { .. } => "name the directory of the recorded release with --release",
            Self::Backend { .. } => "choose the recorded engine with --backend, in the recorded version",
            Self::Engine { .. } => "replay with the program that made the record, or one with the same engine",
            Self::Processor { .. } => "replay on a machine of the recorded class",
            Self::Wall(_) | Self::NoAnswer(_) => "run `vaern plugin check` on the release",
        }
    }
}

/// Both answers.
#[derive(Debug, Serialize)]
pub struct Replayed {
    /// Id of the frame.
    pub frame: String,
    /// Whether they are the same, to the byte.
    pub same: bool,
    /// What was found then.
    pub recorded: Vec<Found>,
    /// What is found now.
    pub replayed: Vec<Found>,
}

/// Runs `release` on a kept frame again. `seen_by` is the release of the evidence's label; `backend` and `engine` are this program's.
///
/// # Errors
/// [`ReplayError`] where the answers cannot be compared: it says which of the recorded conditions is another here.
pub fn replay(
    record: FrameRecord,
    picture: &[u8],
    (release, seen_by): (&Release<Verified>, Digest),
    (backend, engine): (&str, &EngineId),
    settings: WallSettings,
) -> Result<Replayed, ReplayError> {
    if release.digest() != seen_by {
        return Err(ReplayError::OtherRelease { recorded: seen_by, offered: release.digest() });
    }
    comparable(&record, backend, engine)?;
    let rgb = decoded(picture, record.size).ok_or(ReplayError::Picture)?;
    let masked: Option<Vec<Rect>> =
        record.masked.iter().map(|[x0, y0, x1, y1]| Rect::new(*x0, *y0, *x1, *y1).ok()).collect();
    let masked = masked.ok_or(ReplayError::Record)?;
    let models = release.manifest().models.iter().map(|entry| {
        let bytes = release.model(&entry.name).unwrap_or_default().to_vec();
        (entry.name.clone(), bytes)
    });
    let grants = Arc::new(record.grants);
    let vendor =
        Vendor { component: release.component().to_vec(), models: models.collect(), grants: Arc::clone(&grants) };
    let wall = Wall::build(settings, vendor)?;
    let mut runner = wall.runner().map_err(ReplayError::NoAnswer)?;
    let frame = runner.receive(record.size, &rgb, &masked, None).map_err(|_| ReplayError::Picture)?;
    let answer = runner.detect(&frame).map_err(ReplayError::NoAnswer)?;
    let admitted = vaern_sandbox::admit(&answer.detections, record.size, &masked, &grants.labels, &grants.output);
    let replayed: Vec<Found> = admitted.detections.iter().map(Found::from).collect();
    Ok(Replayed { frame: record.frame_id, same: replayed == record.found, recorded: record.found, replayed })
}

/// Whether an answer given here may be held against the recorded one.
fn comparable(record: &FrameRecord, backend: &str, engine: &EngineId) -> Result<(), ReplayError> {
    if !guard::stands("node.replay_conditions") {
        return Ok(());
    }
    if record.backend != backend {
        return Err(ReplayError::Backend { recorded: record.backend.clone(), here: backend.to_owned() });
    }
    let of = |engine: &EngineId| format!("{} with settings {}", engine.version, engine.settings.short());
    if (&record.engine.version, record.engine.settings) != (&engine.version, engine.settings) {
        return Err(ReplayError::Engine { recorded: of(&record.engine), here: of(engine) });
    }
    let class = |engine: &EngineId| {
        let features: Vec<&str> = engine.cpu.iter().map(String::as_str).collect();
        format!("{} with {}", engine.target, features.join(" "))
    };
    if (&record.engine.target, &record.engine.cpu) != (&engine.target, &engine.cpu) {
        return Err(ReplayError::Processor { recorded: class(&record.engine), here: class(engine) });
    }
    Ok(())
}

/// The pixels of a lossless picture of this size.
fn decoded(png: &[u8], size: Size) -> Option<Vec<u8>> {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().ok()?;
    let info = reader.info();
    let fits = (info.width, info.height) == (size.width().into(), size.height().into());
    if !fits || info.color_type != png::ColorType::Rgb || info.bit_depth != png::BitDepth::Eight {
        return None;
    }
    let mut rgb = vec![0; size.rgb_bytes()];
    reader.next_frame(&mut rgb).ok()?;
    Some(rgb)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn engine() -> EngineId {
        EngineId {
            version: "wasmtime 48.0.8".to_owned(),
            settings: Digest::of(b"settings"),
            target: "x86_64-linux-gnu".to_owned(),
            cpu: BTreeSet::from(["avx2".to_owned(), "sse4.2".to_owned()]),
        }
    }

    fn record() -> FrameRecord {
        let grants: Grants = serde_json::from_value(serde_json::json!({
            "interfaces": [], "frame": {"width": 64, "height": 64}, "tensors": [], "labels": ["affaldscontainer"],
            "limits": {
                "memory_bytes": 1, "table_elements": 1, "instances": 1, "deadline_ms": 1, "hostcall_bytes": 1, "handles": 1,
                "stack_bytes": 1, "log_bytes": 0, "zoom_pixels": 0, "component_bytes": 1, "model_bytes": 1
            },
            "output": {
                "grid": 4, "score_steps": 16, "min_score": 64, "max_detections": 32, "bits_per_frame": 1200, "bits_per_hour": 20000
            }
        }))
        .unwrap();
        let conditions = Conditions { grants: Arc::new(grants), backend: TRACT.to_owned(), engine: engine() };
        FrameRecord::new("f", (Size::new(64, 64).unwrap(), &[]), &conditions, vec![])
    }

    #[test]
    fn gen_02n_another_engine_or_processor_is_named_and_nothing_is_compared() {
        assert!(comparable(&record(), TRACT, &engine()).is_ok(), "GEN-02P");
        assert!(matches!(comparable(&record(), "onnxruntime x", &engine()), Err(ReplayError::Backend { .. })));
        let newer = EngineId { version: "wasmtime 48.0.9".to_owned(), ..engine() };
        assert!(matches!(comparable(&record(), TRACT, &newer), Err(ReplayError::Engine { .. })));
        let set_otherwise = EngineId { settings: Digest::of(b"others"), ..engine() };
        assert!(matches!(comparable(&record(), TRACT, &set_otherwise), Err(ReplayError::Engine { .. })));
        let mut lesser = engine();
        lesser.cpu.remove("avx2");
        let told = comparable(&record(), TRACT, &lesser).unwrap_err();
        assert!(told.to_string().contains("avx2") && matches!(told, ReplayError::Processor { .. }), "{told}");
        let other = EngineId { target: "aarch64-linux-gnu".to_owned(), ..engine() };
        assert!(matches!(comparable(&record(), TRACT, &other), Err(ReplayError::Processor { .. })));
    }

    #[test]
    fn gen_02n_a_record_is_read_whole_or_not_at_all() {
        let bytes = serde_json::to_vec(&record()).unwrap();
        assert!(FrameRecord::parse(&bytes).is_ok());
        let mut other: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        other["form"] = 2.into();
        for bad in [other.to_string().as_bytes(), b"{}", b"", &bytes[..bytes.len() - 1]] {
            assert!(matches!(FrameRecord::parse(bad), Err(ReplayError::Record)));
        }
        assert!(decoded(b"no picture", Size::new(2, 2).unwrap()).is_none());
    }

    #[test]
    fn gen_02n_the_recorded_version_is_the_one_that_is_linked() {
        let lock = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
        let lock = std::fs::read_to_string(lock).unwrap();
        let (name, version) = TRACT.split_once(' ').unwrap();
        assert!(lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n")));
    }
}
