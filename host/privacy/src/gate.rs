//! The privacy gate: the steps from a capture to a clear frame, in the only order that there is.
//!
//! Each step consumes the answer of the one before it, and only this module can make those answers:
//! [`Capture`] → [`Located`] → [`Fenced`] → [`RawFrame`] + [`DetectionsProof`] → [`ClearFrame`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use vaern_door::{Digest, Name, Size, guard};

use crate::camera::{CameraClock, CameraProfile, CameraSet};
use crate::capture::{Capture, PictureKind, PositionSource};
use crate::carry::{Bursts, Carried};
use crate::clear::ClearFrame;
use crate::decode;
use crate::detect::{DetectionsProof, Detectors, DetectorsError, PeopleDetector};
use crate::exif::{self, ExifFacts, ExifFix};
use crate::fence::FenceSet;
use crate::jpeg_headers::{self, JpegHeader};
use crate::limits::{Collected, CollectionLimits};
use crate::mask;
use crate::orient::{Orientation, Turning};
use crate::png_headers::{self, PngHeader};
use crate::policy::{MaskingPolicy, PositionRules};
use crate::position::Position;
use crate::raw::RawFrame;
use crate::receipt::{Admitted, Receipt, SealedPosition, StageTimes, UsedModel};
use crate::refusal::{Bound, NoFix, Refusal};
use crate::regions::{self, Plan};
use crate::track::{self, Track};

/// Captures remembered to know a replay. Bounded, so that memory stays flat.
const REMEMBERED: usize = 4096;

#[derive(Debug)]
enum Header {
    Jpeg(JpegHeader),
    Png(PngHeader),
}

/// A capture whose headers are read and whose fix is plausible. No pixel was decoded.
pub struct Located {
    capture: Capture,
    digest: Digest,
    header: Header,
    orientation: Orientation,
    camera: Option<Name>,
    position: Option<Position>,
    /// When it was judged, by whoever judged.
    judged: Timestamp,
}

/// A capture whose whole error circle lies inside a fence, or that an evaluation policy lets through without one.
pub struct Fenced {
    located: Located,
    position: Option<SealedPosition>,
}

impl Fenced {
    /// The sealed position; it travels beside the frame, never inside it.
    #[must_use]
    pub const fn position(&self) -> Option<&SealedPosition> {
        self.position.as_ref()
    }

    /// When it was judged: the time that the gate was given, and nothing that a camera or a receiver says (CLK-08). Whatever is kept of the
    /// frame counts its days from here.
    #[must_use]
    pub const fn judged(&self) -> Timestamp {
        self.located.judged
    }

    /// How the picture is turned upright, for annotations that were drawn on it.
    #[must_use]
    pub const fn turning(&self) -> Turning {
        let size = match &self.located.header {
            Header::Jpeg(header) => header.size,
            Header::Png(header) => header.size,
        };
        Turning::of(self.located.orientation, size)
    }
}

impl fmt::Debug for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Located({:?})", self.capture)
    }
}

impl fmt::Debug for Fenced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fenced({:?})", self.located.capture)
    }
}

#[derive(Default)]
struct Replays {
    order: VecDeque<Digest>,
}

impl Replays {
    fn seen(&self, digest: &Digest) -> bool {
        self.order.contains(digest)
    }

    fn remember(&mut self, digest: Digest) -> Result<(), Refusal> {
        if guard::stands("privacy.replay") && self.seen(&digest) {
            return Err(Refusal::Replayed);
        }
        if self.order.len() >= REMEMBERED {
            self.order.pop_front();
        }
        self.order.push_back(digest);
        Ok(())
    }
}

/// The gate: one masking policy, the fences and cameras of a purpose, and the detectors that the policy requires.
pub struct Gate {
    policy: MaskingPolicy,
    fences: FenceSet,
    cameras: CameraSet,
    detectors: Detectors,
    purpose: Option<Name>,
    limits: CollectionLimits,
    probes: BTreeSet<Digest>,
    tracks: Mutex<BTreeMap<Name, Track>>,
    replays: Mutex<Replays>,
    collected: Mutex<Collected>,
    bursts: Mutex<Bursts>,
}

impl Gate {
    /// A gate. Refused where a detector that the policy requires is not among `loaded`.
    ///
    /// # Errors
    /// [`DetectorsError`] names what is missing.
    pub fn new(
        policy: MaskingPolicy,
        fences: FenceSet,
        cameras: CameraSet,
        loaded: Vec<Arc<dyn PeopleDetector>>,
    ) -> Result<Self, DetectorsError> {
        let detectors = Detectors::new(&policy, loaded)?;
        Ok(Self {
            policy,
            fences,
            cameras,
            detectors,
            purpose: None,
            limits: CollectionLimits::default(),
            probes: BTreeSet::new(),
            tracks: Mutex::default(),
            replays: Mutex::default(),
            collected: Mutex::default(),
            bursts: Mutex::default(),
        })
    }

    /// The same gate for one purpose: a capture that is offered for another is refused (FRM-07).
    #[must_use]
    pub fn for_purpose(mut self, purpose: Name) -> Self {
        self.purpose = Some(purpose);
        self
    }

    /// The same gate with limits on what is collected (MIN-07, MIN-11).
    #[must_use]
    pub fn limited(mut self, limits: CollectionLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The same gate, for captures that are at most so many seconds old (FRM-06).
    #[must_use]
    pub fn no_older_than(mut self, seconds: u64) -> Self {
        self.policy.no_older_than(seconds);
        self
    }

    /// The same gate, which knows these pictures by their digests: the city's own, whose answer is known (ANS-02).
    #[must_use]
    pub fn knowing(mut self, probes: BTreeSet<Digest>) -> Self {
        self.probes = probes;
        self
    }

    /// Goes on where a gate before this one ended: the newest frame of a camera, for the limits that hold from one frame to the next.
    pub fn resume(&self, camera: Name, position: Position) {
        self.lock_collected().remember(&self.limits, camera, position);
    }

    /// The masking policy.
    #[must_use]
    pub const fn policy(&self) -> &MaskingPolicy {
        &self.policy
    }

    /// The profile of a camera, for georeferencing.
    #[must_use]
    pub fn camera(&self, id: &Name) -> Option<&CameraProfile> {
        self.cameras.get(id)
    }

    /// The fences.
    #[must_use]
    pub const fn fences(&self) -> &FenceSet {
        &self.fences
    }

    /// All steps at once.
    ///
    /// # Errors
    /// [`Refusal`] says why there is no clear frame; then nothing of the capture is left.
    pub fn admit(&self, capture: Capture, now: Timestamp) -> Result<Admitted, Refusal> {
        let mut times = StageTimes::default();
        let start = Instant::now();
        let located = self.locate(capture, now)?;
        times.locate = start.elapsed();
        let start = Instant::now();
        let fenced = self.fence(located)?;
        times.fence = start.elapsed();
        let position = fenced.position().cloned();
        let start = Instant::now();
        let raw = self.decode(fenced)?;
        times.decode = start.elapsed();
        let start = Instant::now();
        let proof = self.search(&raw)?;
        times.detect = start.elapsed();
        let start = Instant::now();
        let (frame, receipt) = self.mask(raw, proof)?;
        times.mask = start.elapsed();
        Ok(Admitted { frame, receipt, position, times })
    }

    /// Reads headers, orientation, camera and fix. Decodes nothing.
    ///
    /// # Errors
    /// [`Refusal`] for what is no picture, has no plausible fix, or comes from an unknown camera.
    pub fn locate(&self, capture: Capture, now: Timestamp) -> Result<Located, Refusal> {
        if capture.bytes().len() as u64 > self.policy.max_bytes() {
            return Err(Refusal::TooLarge(Bound::Bytes));
        }
        if guard::stands("privacy.purpose") && capture.purpose().is_some_and(|p| self.purpose.as_ref() != Some(p)) {
            return Err(Refusal::WrongPurpose);
        }
        let unlocated = matches!(capture.source(), PositionSource::Unlocated);
        if unlocated && !self.policy.allow_unlocated() {
            return Err(Refusal::UnlocatedNotAllowed);
        }
        let (header, facts) = self.read_headers(&capture)?;
        let digest = capture.digest();
        if guard::stands("privacy.replay") && !unlocated && self.lock_replays().seen(&digest) {
            return Err(Refusal::Replayed);
        }
        let camera = match (unlocated, capture.camera()) {
            // Without position there is no operation, and a stray picture has no profile.
            (true, None) => None,
            (_, named) => Some(self.cameras.resolve(named, facts.model.as_deref())?),
        };
        let position = match camera {
            Some(camera) if !unlocated => Some(self.fix(&capture, &facts, camera, now)?),
            _ => None,
        };
        let camera = camera.map(|c| c.id.clone());
        Ok(Located { capture, digest, header, orientation: facts.orientation, camera, position, judged: now })
    }

    /// Proves that the position is inside a fence (MIN-04), and that the purpose needs this frame (MIN-07, MIN-11).
    ///
    /// # Errors
    /// [`Refusal::OutsideFence`], [`Refusal::SameSpot`], [`Refusal::TooSoon`], [`Refusal::QuotaReached`].
    pub fn fence(&self, located: Located) -> Result<Fenced, Refusal> {
        let position = match (located.position, &located.camera) {
            (Some(position), Some(camera)) => {
                let fence = self.fences.locate(&position)?.clone();
                let view = self.cameras.get(camera).map(CameraProfile::view);
                Some(SealedPosition { position, fence, camera: camera.clone(), view })
            }
            _ if self.policy.allow_unlocated() => None,
            _ => return Err(Refusal::UnlocatedNotAllowed),
        };
        self.lock_collected().check(&self.limits, position.as_ref())?;
        Ok(Fenced { located, position })
    }

    /// Lets a picture through that was taken nowhere, because the city made it: one that this gate knows by its digest, and no other. From
    /// here on it is decoded, searched and masked as a frame of the camera that it is said to be from; no track, no replay and no place is
    /// remembered of it.
    ///
    /// # Errors
    /// [`Refusal::UnlocatedNotAllowed`] for a picture that this gate does not know; the others as [`Gate::locate`].
    pub fn probe(&self, capture: Capture, now: Timestamp) -> Result<Fenced, Refusal> {
        let digest = capture.digest();
        if guard::stands("privacy.probe") && !self.probes.contains(&digest) {
            return Err(Refusal::UnlocatedNotAllowed);
        }
        if capture.bytes().len() as u64 > self.policy.max_bytes() {
            return Err(Refusal::TooLarge(Bound::Bytes));
        }
        let (header, facts) = self.read_headers(&capture)?;
        let camera = Some(self.cameras.resolve(capture.camera(), facts.model.as_deref())?.id.clone());
        let orientation = facts.orientation;
        let located = Located { capture, digest, header, orientation, camera, position: None, judged: now };
        Ok(Fenced { located, position: None })
    }

    /// Decodes the picture, once.
    ///
    /// # Errors
    /// [`Refusal`] where the picture is not whole, or the decoder is in any doubt.
    pub fn decode(&self, fenced: Fenced) -> Result<RawFrame, Refusal> {
        let since = Instant::now();
        let Located { capture, digest, header, orientation, camera, .. } = fenced.located;
        let (pixels, size, grid) = match &header {
            Header::Jpeg(header) => (decode::jpeg(capture.bytes(), header)?, header.size, header.grid()),
            Header::Png(header) => {
                let grid = self.policy.png_grid_px();
                (decode::png(capture.bytes(), header)?, header.size, (grid, grid))
            }
        };
        let replayable = fenced.position.is_some().then_some(digest);
        let frame = RawFrame::new(pixels, size, orientation, grid, camera, replayable, fenced.position, since);
        frame.check_in_clear(self.policy.max_in_clear())?;
        Ok(frame)
    }

    /// Searches the frame for people, plates and vehicles with every required detector.
    ///
    /// # Errors
    /// [`Refusal::MaskingUnavailable`] for anything but a complete search; [`Refusal::TooLongInClear`] past the policy's bound.
    pub fn search(&self, frame: &RawFrame) -> Result<DetectionsProof, Refusal> {
        self.detectors.search(frame, &self.policy)
    }

    /// Masks the frame. What was under the mask is gone when this returns.
    ///
    /// # Errors
    /// [`Refusal`] where the proof is of another frame, the frame was masked before, or too much time went by.
    pub fn mask(&self, mut frame: RawFrame, proof: DetectionsProof) -> Result<(ClearFrame, Receipt), Refusal> {
        let camera = frame.camera().and_then(|id| self.cameras.get(id));
        let place = camera.zip(frame.place().map(|sealed| *sealed.open()));
        let handed = self.handed(place.as_ref(), frame.size());
        let Plan { set, seen } = regions::plan(&frame, &proof, &self.policy, camera, &handed)?;
        mask::mask(&mut frame, &set);
        frame.check_in_clear(self.policy.max_in_clear())?;
        if let Some(digest) = frame.replayable() {
            self.lock_replays().remember(digest)?;
        }
        self.lock_collected().admit(&self.limits, frame.place())?;
        if let Some((camera, position)) = place {
            self.lock_bursts().remember(camera, position, Carried::after(&seen, &handed, frame.size()));
        }
        let receipt = Receipt {
            policy: self.policy.name().clone(),
            policy_digest: self.policy.digest(),
            models: proof
                .models()
                .iter()
                .map(|(name, digest)| UsedModel { name: name.clone(), digest: *digest })
                .collect(),
            masked_fraction: set.fraction(frame.size()),
            masked_regions: regions::count(&proof, &self.policy, frame.size()),
            searched_tiles: proof.searched(),
            seconds_in_clear: frame.in_clear().as_secs_f64(),
            located: frame.replayable().is_some(),
        };
        Ok((ClearFrame::from_masked(frame, &set)?, receipt))
    }

    fn lock_collected(&self) -> std::sync::MutexGuard<'_, Collected> {
        self.collected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The masks that the frame before hands to this one.
    fn handed(&self, place: Option<&(&CameraProfile, Position)>, size: Size) -> Carried {
        let (Some(rule), Some((camera, position))) = (self.policy.carry(), place) else { return Carried::default() };
        self.lock_bursts().handed(camera, position, rule, size)
    }

    fn lock_bursts(&self) -> std::sync::MutexGuard<'_, Bursts> {
        self.bursts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_replays(&self) -> std::sync::MutexGuard<'_, Replays> {
        self.replays.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_headers(&self, capture: &Capture) -> Result<(Header, ExifFacts), Refusal> {
        let bytes = capture.bytes();
        let header = match capture.kind()? {
            PictureKind::Jpeg => {
                Header::Jpeg(jpeg_headers::walk(bytes, self.policy.max_pixels(), self.policy.max_scans())?)
            }
            PictureKind::Png => Header::Png(png_headers::walk(bytes, self.policy.max_pixels())?),
        };
        let blocks = match &header {
            Header::Jpeg(header) => &header.exif,
            Header::Png(header) => &header.exif,
        };
        let facts = match blocks.as_slice() {
            [] => ExifFacts::default(),
            [block] => exif::parse(bytes.get(block.clone()).ok_or(Refusal::Truncated)?)?,
            _ => return Err(NoFix::Ambiguous.into()),
        };
        Ok((header, facts))
    }

    fn fix(
        &self,
        capture: &Capture,
        facts: &ExifFacts,
        camera: &CameraProfile,
        now: Timestamp,
    ) -> Result<Position, Refusal> {
        let rules = self.policy.position();
        let position = match capture.source() {
            PositionSource::Given(position) => *position,
            PositionSource::Exif => {
                let fix = facts.fix.as_ref().ok_or(NoFix::Missing)?;
                let position = from_exif(fix, camera)?;
                check_stale(&position, facts, camera, rules)?;
                position
            }
            PositionSource::Log { log, clock_offset } => {
                let moments = match capture.taken() {
                    Some(moments) => moments.later(*clock_offset)?,
                    None => {
                        let taken = facts.taken.ok_or(NoFix::NoTime)?;
                        taken.moments(camera.clock.as_ref().map(CameraClock::zone), *clock_offset)?
                    }
                };
                let position = log.at(moments, camera.default_error_m, rules)?;
                // The log knows where the vehicle went, the profile where the camera looks from there.
                position.heading().map_or(position, |course| position.with_heading(course + camera.heading_offset_deg))
            }
            PositionSource::Unlocated => return Err(NoFix::Missing.into()),
        };
        if position.error_m() > rules.max_error_m {
            return Err(NoFix::Imprecise.into());
        }
        track::check_time(&position, now, rules)?;
        let mut tracks = self.tracks.lock().unwrap_or_else(PoisonError::into_inner);
        tracks.entry(camera.id.clone()).or_default().admit(&position, rules)?;
        Ok(position)
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gate({})", self.policy.name())
    }
}

/// Refuses a fix that is older or newer than its picture, and one whose picture has no time in UTC where the policy asks for
/// times: how old that fix is, nobody can say (CLK-08, FRM-21).
fn check_stale(
    position: &Position,
    facts: &ExifFacts,
    camera: &CameraProfile,
    rules: &PositionRules,
) -> Result<(), Refusal> {
    let zone = camera.clock.as_ref().map(CameraClock::zone);
    let taken = match facts.taken.map(|taken| taken.moments(zone, SignedDuration::ZERO)) {
        Some(Ok(moments)) => moments,
        Some(Err(NoFix::AmbiguousTime)) => return Err(NoFix::AmbiguousTime.into()),
        _ if rules.require_time && guard::stands("privacy.picture-time") => return Err(NoFix::NoTime.into()),
        _ => return Ok(()),
    };
    let Some(time) = position.time() else { return Ok(()) };
    let early = taken.from.duration_since(time).as_secs_f64();
    let late = time.duration_since(taken.to).as_secs_f64();
    if guard::stands("privacy.stale") && early.max(late) > f64::from(rules.max_fix_gap_s) {
        return Err(NoFix::Stale.into());
    }
    Ok(())
}

fn from_exif(fix: &ExifFix, camera: &CameraProfile) -> Result<Position, Refusal> {
    // A dilution is no error radius: it is not believed below what the city knows of the camera.
    let derived = fix.dop_error_m.map_or(camera.default_error_m, |e| e.max(camera.default_error_m));
    let mut position = Position::new(fix.latitude, fix.longitude, fix.stated_error_m.unwrap_or(derived))?;
    if let Some(heading) = fix.direction.or(fix.track.map(|t| t + camera.heading_offset_deg)) {
        position = position.with_heading(heading);
    }
    if let Some(time) = fix.time {
        position = position.with_time(time);
    }
    Ok(position)
}
