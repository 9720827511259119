//! From the city's files to a gate that stands: masking policy, fence, cameras, and detectors held to their digests.

use std::sync::Arc;

use vaern_door::{Blame, Channels, Digest, Fit, Krav, Name, Scale, Size, TensorSpec, guard};
use vaern_inference::{Backend, BackendName, Decoder, InferenceError, Model, ModelLimits};
use vaern_policy::{CitySet, DecoderKind, ModelClass, PinnedModel, Place, PolicyError, PolicySet, Profile};
use vaern_privacy::{
    CameraError, CameraProfile, CameraSet, CollectionLimits, DetectorsError, Fence, FenceError, FenceSet, Gate,
    MaskingPolicy, Memory, ModelDetector, PeopleClass, PeopleDetector, PolicyError as MaskingError,
};

use crate::store::{ModelStore, StoreError};

/// Why there is no gate. Without a gate no frame goes anywhere.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// The masking policy is refused.
    #[error(transparent)]
    Masking(#[from] MaskingError),
    /// The fence is refused.
    #[error(transparent)]
    Fence(#[from] FenceError),
    /// A camera profile is refused.
    #[error("{file}: {source}")]
    Camera {
        /// Path inside the policy directory.
        file: String,
        /// What is wrong with it.
        source: CameraError,
    },
    /// A policy file is not text.
    #[error("the policy file `{file}` is not UTF-8")]
    NotText {
        /// Path inside the policy directory.
        file: String,
    },
    /// The masking policy asks for a detector that `models.toml` does not list.
    #[error("the masking policy asks for the detector `{0}`, which `models.toml` does not list")]
    Unlisted(Name),
    /// Detectors are missing or are not the pinned ones: all of them, not the first only.
    #[error("the gate's detectors are not all there: {}", list(.0))]
    Store(Vec<StoreError>),
    /// A detector's model does not load.
    #[error("the detector `{name}` does not load: {source}")]
    Model {
        /// The detector.
        name: Name,
        /// What the inference engine said.
        source: InferenceError,
    },
    /// The model has not the input that its decoder needs.
    #[error("the detector `{0}` has not the input that its decoder reads")]
    Shape(Name),
    /// The detectors do not do what the policy requires.
    #[error(transparent)]
    Detectors(#[from] DetectorsError),
    /// An operating purpose with a masking policy made for evaluation.
    #[error("the purpose is operating, but its masking policy lets pictures without a position through")]
    EvaluationOnly,
}

fn list(errors: &[StoreError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl GateError {
    /// The requirement behind it.
    #[must_use]
    pub fn krav(&self) -> Krav {
        match self {
            Self::Masking(_) => Krav("MIN-02"),
            Self::Fence(_) => Krav("MIN-04"),
            Self::Camera { .. } => Krav("MIN-08"),
            Self::NotText { .. } => Krav("STD-02"),
            Self::EvaluationOnly => Krav("STD-01"),
            _ => Krav("MIN-01"),
        }
    }

    /// Who has to act.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::Store(errors) => errors.first().map_or(Blame::Operator, StoreError::blame),
            Self::Model { .. } | Self::Shape(_) => Blame::Operator,
            _ => Blame::Policy,
        }
    }
}

/// The rules of the gate, parsed and checked, before any model is loaded.
#[derive(Debug)]
pub struct Rules {
    masking: MaskingPolicy,
    fences: FenceSet,
    cameras: CameraSet,
    camera_ids: Vec<String>,
}

impl Rules {
    /// Name of the masking policy.
    #[must_use]
    pub fn masking_name(&self) -> &str {
        self.masking.name().as_str()
    }

    /// Ids of the cameras that the city knows.
    #[must_use]
    pub fn camera_ids(&self) -> Vec<String> {
        self.camera_ids.clone()
    }

    /// Area of the fence in square kilometres.
    #[must_use]
    pub fn fence_area_km2(&self) -> f64 {
        self.fences.fences().iter().map(Fence::area_km2).sum()
    }
}

/// A file of the gate that is wrong, and where.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {source}")]
pub struct Misplaced {
    /// The file and the line.
    pub place: Place,
    /// What is wrong.
    pub source: GateError,
}

/// Checks the gate's files, in use or not: masking policies with the detectors that they ask for, fences, cameras. Then
/// what each purpose makes of them. No model is loaded.
///
/// # Errors
/// [`CheckError`] with the file and the line.
pub fn check(city: &CitySet) -> Result<Vec<(Name, Rules)>, CheckError> {
    for (path, bytes) in city.files() {
        check_file(city, path, bytes).map_err(|source| Misplaced { place: place(city, path, &source), source })?;
    }
    let mut checked = Vec::new();
    for (_, purpose) in city.purposes() {
        let set = city.choose(Some(&purpose.name))?;
        let rules = rules(&set).map_err(|source| {
            let file = match &source {
                GateError::Camera { file, .. } | GateError::NotText { file } => file.clone(),
                GateError::Fence(_) => purpose.geofence.clone(),
                _ => purpose.masking.clone(),
            };
            Misplaced { place: place(city, &file, &source), source }
        })?;
        checked.push((purpose.name.clone(), rules));
    }
    Ok(checked)
}

fn check_file(city: &CitySet, path: &str, bytes: &[u8]) -> Result<(), GateError> {
    if path.starts_with("masking/") {
        let masking = MaskingPolicy::parse(text(path, bytes)?)?;
        let unlisted = masking.required_detectors().find(|name| city.models().get(name.as_str()).is_none());
        return unlisted.map_or(Ok(()), |name| Err(GateError::Unlisted(name.clone())));
    }
    if path.starts_with("geofences/") {
        // The purpose that uses it has the bound that counts; this is the widest that any purpose may have.
        let widest = 1000.0;
        let name = city.purposes().next().map(|(_, purpose)| purpose.name.clone());
        return name
            .map_or(Ok(()), |name| Fence::parse(name, text(path, bytes)?, widest).map(drop).map_err(Into::into));
    }
    Ok(())
}

/// Why a policy directory does not hold.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The set itself.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A file of the gate.
    #[error(transparent)]
    Gate(#[from] Misplaced),
}

/// Where the fault lies. The gate's own parsers say it in words, if at all; what they do not say is line 1.
fn place(city: &CitySet, file: &str, error: &GateError) -> Place {
    let said = error.to_string();
    let line = said.split("line ").nth(1).map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
    let line = line.and_then(|digits| digits.parse().ok()).or_else(|| named_line(city, file, &said));
    Place::new(file, line.unwrap_or(1))
}

/// The line that sets what the message names between backticks; the last name is the closest.
fn named_line(city: &CitySet, file: &str, said: &str) -> Option<usize> {
    let text = std::str::from_utf8(city.files().get(file)?).ok()?;
    let names: Vec<&str> = said.split('`').skip(1).step_by(2).filter(|name| !name.is_empty()).collect();
    names.iter().rev().find_map(|name| {
        let key = name.rsplit('.').next().unwrap_or(name);
        text.lines().position(|line| line.trim_start().starts_with(key)).map(|index| index + 1)
    })
}

/// A gate that stands, and what the reader of a result must know of it.
#[derive(Debug)]
pub struct Built {
    /// The gate.
    pub gate: Gate,
    /// Detectors by name and digest.
    pub detectors: Vec<(String, Digest)>,
    /// True if a detector knows drawn streets only.
    pub drawn_streets_only: bool,
    /// Which engine runs the detectors.
    pub backend: BackendName,
}

impl Built {
    /// The same gate, for frames that a release looks at: no faster and no closer than the profile lets, whoever brings them. The newest
    /// frames of each camera count; in operation the same street is looked at again on the next round (MIN-07). Where
    /// photographs are masked for an operating purpose, no frame is older than what is made of it may become (SEP-02); a drawn street has
    /// no age.
    #[must_use]
    pub fn in_operation(mut self, set: &PolicySet) -> Self {
        let Profile { rates, retention, .. } = &set.profile;
        if set.purpose.operating && !self.drawn_streets_only && guard::stands("node.age") {
            let days = retention.pictures_days.max(retention.evidence_days).max(1);
            self.gate = self.gate.no_older_than(u64::from(days) * 86_400);
        }
        self.gate = self.gate.limited(CollectionLimits {
            min_interval_s: Some(1.0 / f64::from(rates.frames_per_second.max(1))),
            min_distance_m: Some(f64::from(rates.min_distance_m)).filter(|metres| *metres > 0.0),
            memory: Memory::Newest,
            quota: None,
        });
        self
    }
}

/// Parses and checks the gate's rules of a policy set.
///
/// # Errors
/// [`GateError`] names the file and what is wrong with it.
pub fn rules(set: &PolicySet) -> Result<Rules, GateError> {
    let masking = MaskingPolicy::parse(text(&set.purpose.masking, set.masking())?)?;
    if set.purpose.operating && masking.allow_unlocated() {
        return Err(GateError::EvaluationOnly);
    }
    let geojson = text(&set.purpose.geofence, set.geofence())?;
    let fence = Fence::parse(set.purpose.name.clone(), geojson, set.purpose.max_area_km2)?;
    let mut profiles = Vec::new();
    for (file, bytes) in set.cameras() {
        let camera = |source| GateError::Camera { file: file.to_owned(), source };
        profiles.push(CameraProfile::parse(text(file, bytes)?).map_err(camera)?);
    }
    let camera_ids = profiles.iter().map(|profile| profile.id.to_string()).collect();
    let cameras =
        CameraSet::new(profiles).map_err(|source| GateError::Camera { file: "cameras/".to_owned(), source })?;
    Ok(Rules { masking, fences: FenceSet::new(vec![fence]), cameras, camera_ids })
}

/// Loads the detectors that the masking policy requires, and builds the gate.
///
/// # Errors
/// [`GateError`]; every missing model is named at once, so that one visit to the store mends all.
pub fn build(set: &PolicySet, store: &ModelStore, backend: &dyn Backend) -> Result<Built, GateError> {
    let rules = rules(set)?;
    let loaded = detectors(set, store, backend)?;
    let names = loaded.iter().map(|detector| (detector.name().to_string(), detector.digest())).collect();
    let embedded = |detector: &Arc<dyn PeopleDetector>| {
        set.models.get(detector.name().as_str()).is_some_and(|pinned| pinned.embedded)
    };
    let drawn_streets_only = loaded.iter().any(embedded);
    let gate = Gate::new(rules.masking, rules.fences, rules.cameras, loaded)?.for_purpose(set.purpose.name.clone());
    Ok(Built { gate, detectors: names, drawn_streets_only, backend: backend.name() })
}

/// Loads the detectors that the masking policy of a set requires, each held to its digest.
///
/// # Errors
/// As [`build`].
pub fn detectors(
    set: &PolicySet,
    store: &ModelStore,
    backend: &dyn Backend,
) -> Result<Vec<Arc<dyn PeopleDetector>>, GateError> {
    let rules = rules(set)?;
    let mut loaded: Vec<Arc<dyn PeopleDetector>> = Vec::new();
    let mut missing = Vec::new();
    for name in rules.masking.required_detectors() {
        let pinned = set.models.get(name.as_str()).ok_or_else(|| GateError::Unlisted(name.clone()))?;
        match store.load(pinned) {
            Ok((bytes, digest)) => {
                let fail = |source| GateError::Model { name: pinned.name.clone(), source };
                let model = backend.load(&bytes, &ModelLimits::default()).map_err(fail)?;
                loaded.push(Arc::new(detector(pinned, digest, model)?));
            }
            Err(error) => missing.push(error),
        }
    }
    if missing.is_empty() { Ok(loaded) } else { Err(GateError::Store(missing)) }
}

fn detector(pinned: &PinnedModel, digest: Digest, model: Arc<dyn Model>) -> Result<ModelDetector, GateError> {
    let shape_error = || GateError::Shape(pinned.name.clone());
    let shape = model.inputs().first().map(|input| input.shape.clone()).unwrap_or_default();
    let side = |axis: usize| shape.get(axis).and_then(|n| u16::try_from(*n).ok()).unwrap_or(0);
    let size = Size::new(side(3), side(2)).map_err(|_| shape_error())?;
    let classes: Vec<PeopleClass> = pinned.classes.iter().copied().map(people_class).collect();
    let (decoder, scale, channels, fit) = match pinned.decoder {
        DecoderKind::VaernBoxes => {
            (Decoder::VaernBoxes { classes: classes.len() }, Scale::ZeroToOne, Channels::Rgb, Fit::LetterboxTopLeft)
        }
        DecoderKind::Yunet => (Decoder::YuNet, Scale::ZeroTo255, Channels::Bgr, Fit::LetterboxTopLeft),
        DecoderKind::YoloxCoco => (Decoder::YoloxCoco, Scale::ZeroTo255, Channels::Bgr, Fit::LetterboxTopLeft),
        DecoderKind::Rfb => (Decoder::Rfb, Scale::MinusOneToOne, Channels::Rgb, Fit::LetterboxTopLeft),
    };
    let spec = TensorSpec { size, fit, scale, channels };
    ModelDetector::new(pinned.name.clone(), digest, model, decoder, spec, &classes).map_err(|_| shape_error())
}

const fn people_class(class: ModelClass) -> PeopleClass {
    match class {
        ModelClass::Face => PeopleClass::Face,
        ModelClass::Person => PeopleClass::Person,
        ModelClass::Plate => PeopleClass::Plate,
        ModelClass::Vehicle => PeopleClass::Vehicle,
    }
}

fn text<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a str, GateError> {
    std::str::from_utf8(bytes).map_err(|_| GateError::NotText { file: file.to_owned() })
}
