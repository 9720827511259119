//! The gate itself, with the rules of `policies/masking/irreversible-v1.toml` and a detector that says what a test tells it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use vaern_door::{Digest, Name, Rect, Size};
use vaern_privacy::{
    CameraProfile, CameraSet, Capture, ClearFrame, DetectorFault, Fence, FenceSet, Gate, MaskingPolicy, PeopleClass,
    PeopleDetector, Picture as Lent, Refusal, SeenBox,
};

use crate::masker::{Masked, Masker, Refused};
use crate::picture::Picture;

/// The policy that is shipped.
pub const POLICY: &str = include_str!("../../../policies/masking/irreversible-v1.toml");
const FENCE: &str = include_str!("../../../policies/geofences/indre-by.geojson");
/// The profile of the one camera that the gate under attack knows.
pub(crate) const CAMERA: &str = "id = \"test-cam\"\nheight_m = 2.0\nheading_offset_deg = 0.0\nhfov_deg = 60.0\n\
                      default_error_m = 5.0\n";

/// Quality of the files that leave; the pixels are handed out uncompressed beside them.
const QUALITY: u8 = 95;

/// Score of no more than a sign: far too little for a mask.
const SIGN: f32 = 0.05;

/// What the scripted detector does.
#[derive(Debug, Clone)]
pub enum Act {
    /// Sees these boxes in every tile that they touch.
    See(Vec<SeenBox>),
    /// Sees a box only in a tile that holds it whole and shows it at a size that a detector can see, in model pixels.
    SeeWhole(Vec<SeenBox>, [f32; 2]),
    /// Sees these boxes surely where they are shown at least so large, in model pixels, and otherwise no more than a sign of them.
    SeeBetter(Vec<SeenBox>, f32),
    /// Says that it could not search.
    Fail,
    /// Panics.
    Panic,
    /// Reports a box of these edges and this score.
    Odd([f32; 5]),
    /// Takes this long for each tile, and then sees nothing.
    Sleep(Duration),
    /// Reports more boxes than a picture has people.
    Flood,
}

/// A detector that does as it is told.
pub struct Scripted {
    name: Name,
    classes: Vec<PeopleClass>,
    input: Size,
    act: Mutex<Act>,
}

impl Scripted {
    fn act(&self) -> Act {
        self.act.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl PeopleDetector for Scripted {
    fn name(&self) -> &Name {
        &self.name
    }

    fn digest(&self) -> Digest {
        Digest::of(b"scripted")
    }

    fn classes(&self) -> &[PeopleClass] {
        &self.classes
    }

    fn input(&self) -> Size {
        self.input
    }

    #[allow(clippy::panic, reason = "this panic is the attack")]
    fn look(&self, _picture: Lent<'_>, tile: Rect, floor: f32) -> Result<Vec<SeenBox>, DetectorFault> {
        let [x0, y0, x1, y1] = [tile.x0(), tile.y0(), tile.x1(), tile.y1()].map(f32::from);
        let touches = |b: &SeenBox| b.x0 < x1 && b.x1 > x0 && b.y0 < y1 && b.y1 > y0 && b.score >= floor;
        match self.act() {
            Act::See(boxes) => Ok(boxes.into_iter().filter(touches).collect()),
            Act::SeeWhole(boxes, [least, most]) => {
                let scale = (f32::from(self.input.width()) / (x1 - x0)).min(f32::from(self.input.height()) / (y1 - y0));
                let shown = |b: &SeenBox| (b.x1 - b.x0).min(b.y1 - b.y0) * scale;
                let whole = |b: &SeenBox| b.x0 >= x0 && b.x1 <= x1 && b.y0 >= y0 && b.y1 <= y1;
                let sees = |b: &SeenBox| whole(b) && (least..=most).contains(&shown(b)) && b.score >= floor;
                Ok(boxes.into_iter().filter(sees).collect())
            }
            Act::SeeBetter(boxes, least) => {
                let scale = (f32::from(self.input.width()) / (x1 - x0)).min(f32::from(self.input.height()) / (y1 - y0));
                let shown = |b: &SeenBox| (b.x1 - b.x0).min(b.y1 - b.y0) * scale;
                let sure = |b: SeenBox| SeenBox { score: if shown(&b) >= least { b.score } else { SIGN }, ..b };
                let near = boxes.into_iter().filter(|b| b.x0 < x1 && b.x1 > x0 && b.y0 < y1 && b.y1 > y0);
                Ok(near.map(sure).filter(|b| b.score >= floor).collect())
            }
            Act::Fail => Err(DetectorFault),
            Act::Panic => panic!("a detector that panics"),
            Act::Odd([x0, y0, x1, y1, score]) => Ok(vec![SeenBox { class: PeopleClass::Face, x0, y0, x1, y1, score }]),
            Act::Sleep(time) => {
                std::thread::sleep(time);
                Ok(Vec::new())
            }
            Act::Flood => {
                let seen = SeenBox { class: PeopleClass::Face, x0: 0.0, y0: 0.0, x1: 1.0, y1: 1.0, score: 0.9 };
                Ok(vec![seen; 20_000])
            }
        }
    }
}

/// Why the gate under attack could not be set up: the repository's own files, so always a defect.
#[derive(Debug, thiserror::Error)]
#[error("the gate could not be set up: {0}")]
pub struct SetupError(String);

fn setup(error: impl std::fmt::Display) -> SetupError {
    SetupError(error.to_string())
}

/// Fence and camera of the city, for captures with a position.
///
/// # Errors
/// [`SetupError`].
pub fn place() -> Result<(FenceSet, CameraSet), SetupError> {
    let fence = Fence::parse(Name::new("indre-by").map_err(setup)?, FENCE, 10.0).map_err(setup)?;
    let camera = CameraProfile::parse(CAMERA).map_err(setup)?;
    Ok((FenceSet::new(vec![fence]), CameraSet::new(vec![camera]).map_err(setup)?))
}

/// The moment of every test.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::from_second(1_780_300_800).unwrap_or_default()
}

/// What the scripted detector can see, unless a test blinds it.
pub(crate) const ALL_CLASSES: [PeopleClass; 3] = [PeopleClass::Face, PeopleClass::Person, PeopleClass::Plate];

/// The gate with a detector that does as it is told.
pub struct OurGate {
    gate: Gate,
    scripted: Arc<Scripted>,
}

impl OurGate {
    /// The gate under the shipped rules, except that captures without a position are let in: positions are not attacked here.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn new() -> Result<Self, SetupError> {
        Self::with(&evaluation(POLICY), 320)
    }

    /// The gate under the given masking policy, with a detector whose input is a square of this side.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn with(policy: &str, side: u16) -> Result<Self, SetupError> {
        Self::built(policy, side, &ALL_CLASSES, CAMERA)
    }

    /// As [`OurGate::with`], with the classes that the detector can see, and a camera profile.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn built(policy: &str, side: u16, classes: &[PeopleClass], camera: &str) -> Result<Self, SetupError> {
        let policy = MaskingPolicy::parse(policy).map_err(setup)?;
        let input = Size::new(side, side).map_err(setup)?;
        let name = policy.required_detectors().next().cloned().ok_or_else(|| setup("no detector"))?;
        let act = Mutex::new(Act::See(Vec::new()));
        let scripted = Arc::new(Scripted { name, classes: classes.to_vec(), input, act });
        let (fences, _) = place()?;
        let camera = CameraProfile::parse(camera).map_err(setup)?;
        let cameras = CameraSet::new(vec![camera]).map_err(setup)?;
        let loaded: Vec<Arc<dyn PeopleDetector>> = vec![Arc::clone(&scripted) as Arc<dyn PeopleDetector>];
        let gate = Gate::new(policy, fences, cameras, loaded).map_err(setup)?;
        Ok(Self { gate, scripted })
    }

    /// The same, with its gate changed.
    pub(crate) fn changed(self, change: impl FnOnce(Gate) -> Gate) -> Self {
        Self { gate: change(self.gate), ..self }
    }

    /// Admits one capture while the detector does `act`.
    ///
    /// # Errors
    /// The gate's own [`Refusal`].
    pub fn admit(&self, capture: Capture, act: Act) -> Result<Masked, Refusal> {
        *self.scripted.act.lock().unwrap_or_else(PoisonError::into_inner) = act;
        Self::left(&self.gate.admit(capture, now())?.frame)
    }

    /// Searches one capture and masks another with what was found.
    ///
    /// # Errors
    /// The gate's own [`Refusal`].
    pub fn admit_with_proof_of(&self, searched: Capture, masked: Capture) -> Result<Masked, Refusal> {
        let raw = |capture| self.gate.decode(self.gate.fence(self.gate.locate(capture, now())?)?);
        let (first, second) = (raw(searched)?, raw(masked)?);
        let proof = self.gate.search(&first)?;
        Self::left(&self.gate.mask(second, proof)?.0)
    }

    fn left(frame: &ClearFrame) -> Result<Masked, Refusal> {
        let size = frame.size();
        let unreadable = |_| Refusal::NotAPicture;
        Ok(Masked {
            picture: Picture::new(size, frame.rgb().to_vec()).map_err(|_| Refusal::NotAPicture)?,
            file: frame.encode_jpeg(QUALITY).map_err(unreadable)?,
            rects: frame.masked().to_vec(),
        })
    }
}

/// A policy that also takes captures without a position.
#[must_use]
pub fn evaluation(policy: &str) -> String {
    policy.replace("allow_unlocated = false", "allow_unlocated = true")
}

impl Masker for OurGate {
    fn name(&self) -> &'static str {
        "irreversible-v1"
    }

    fn mask(&self, file: &[u8], boxes: &[SeenBox]) -> Result<Masked, Refused> {
        self.admit(Capture::unlocated(file.to_vec()), Act::See(boxes.to_vec())).map_err(|r| Refused(r.to_string()))
    }
}
