//! Evidence of what was found: a masked crop around each object with its record, sealed when the run is over.
//!
//! Until then the crops wait in memory, and only as many as a release may have kept: a run may still withhold what a plugin
//! said, and what is withheld leaves no evidence. Nothing is kept unless the policy gives days for it (SKJ-06).
//!
//! The days count from one day for each frame: the node's own, in UTC, on which the gate judged it (`first_day`). A capture
//! carries it from there, so nobody who seals later, and no clock of a camera, can say another (CLK-08, decision 0019).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use vaern_door::{Blame, Digest, Krav, Name, Rect, Size, guard};
use vaern_memory::Buffer;
use vaern_privacy::{ClearFrame, Fenced};
use vaern_record::evidence::{Bounds, Day, Evidence, EvidenceError, Label, RecordId};
use vaern_record::log::RetentionClass;

use crate::outcome::{FoundObject, FrameOutcome, FrameResult, Place, Refusal, SeenFrame};
use crate::replay::{Conditions, Found, FrameRecord, MOST_FRAMES};

/// What a store takes of one run's release, zone and day: far more than honest streets hold, far less than fills a disk.
pub const BOUNDS: Bounds = Bounds { per_release_zone_day: 2_000, picture_bytes: 4 << 20 };

/// Why evidence is kept: the answer to a citizen and to the person who decides.
const REQUIREMENT: &str = "RET-02";

/// What is kept of one object beside its crop.
#[derive(Serialize)]
struct Record<'a> {
    form: u8,
    object: &'a FoundObject,
    /// The crop, in pixels of the clear frame.
    crop: Rect,
    frame_id: &'a str,
    frame: Size,
    position: Option<Place>,
}

/// The day that whatever is kept of a frame counts its days from.
pub(crate) fn first_day(fenced: &Fenced) -> Day {
    let claimed = fenced.position().and_then(|sealed| sealed.open().time());
    let claimed = claimed.filter(|_| !guard::stands("node.retention-day"));
    Day::of(seconds(claimed.unwrap_or_else(|| fenced.judged())))
}

/// What waits of an object until its outcome is written.
pub(crate) struct Crop {
    /// The day of its frame.
    first: Day,
    /// Where it is in the clear frame.
    part: Rect,
    png: Buffer,
}

/// Crops by the ids of their objects, as PNG. They wait in pages of their own, as originals do: masked as they are, they show a place at a
/// time (AUD-11).
pub(crate) type Crops = BTreeMap<String, Crop>;

/// Makes the crops of a frame's objects, while the frame is there.
pub(crate) fn crops(frame: &ClearFrame, objects: &[FoundObject], first: Day) -> Result<Crops, Refusal> {
    let crop = |object: &FoundObject| {
        let part = around(object.rect, frame.size());
        let pixels = frame.crop(part).ok_or_else(|| fault("the crop of an object could not be made"))?;
        let png = encode(&pixels, part).ok_or_else(|| fault("the crop of an object could not be encoded"))?;
        Ok((object.id.clone(), Crop { first, part, png }))
    };
    objects.iter().map(crop).collect()
}

/// Under what evidence is kept, and for how many days.
pub(crate) struct Terms {
    pub(crate) purpose: Name,
    pub(crate) zone: Name,
    pub(crate) release: Digest,
    pub(crate) days: u16,
}

impl Terms {
    /// The label of what was found in a frame of this day, for whoever reviews it.
    fn label(&self, first: Day) -> Label {
        Label {
            requirement: REQUIREMENT.to_owned(),
            purpose: self.purpose.clone(),
            zone: self.zone.clone(),
            release: self.release,
            class: RetentionClass::Review,
            expires: first.plus(self.days.into()),
        }
    }
}

/// Seals what there is of a frame's objects. What is there already stays as it is: whoever was cut off begins again.
pub(crate) fn seal(
    store: &mut Evidence,
    terms: &Terms,
    seen: &SeenFrame,
    crops: &mut Crops,
    now: Timestamp,
) -> Result<KeptCount, EvidenceError> {
    let mut count = KeptCount::default();
    for object in &seen.objects {
        let Some(Crop { first, part, png }) = crops.get(&object.id) else {
            count.beyond += 1;
            continue;
        };
        let id: RecordId = object.id.parse()?;
        let (frame_id, frame, position) = (seen.frame_id.as_str(), seen.size, seen.position);
        let record = Record { form: 1, object, crop: *part, frame_id, frame, position };
        let record = serde_json::to_vec(&record).map_err(|e| EvidenceError::Database(e.to_string()))?;
        match store.keep(id, &terms.label(*first), png, &record, seconds(now)) {
            Ok(()) | Err(EvidenceError::AlreadyKept) => count.kept += 1,
            Err(EvidenceError::EvidenceQuota { .. }) => count.beyond += 1,
            Err(error) if is_over(&error) => count.over += 1,
            Err(error) => return Err(error),
        }
        crops.remove(&object.id);
    }
    Ok(count)
}

/// Whether evidence waited so long that its days are over: then nothing of it is kept.
const fn is_over(error: &EvidenceError) -> bool {
    matches!(error, EvidenceError::Expiry { day, first, .. } if *day < *first)
}

/// Seals evidence for one release under one purpose.
pub struct Keeper {
    store: Mutex<Evidence>,
    terms: Terms,
    crops: Mutex<Crops>,
    whole: Option<Whole>,
    count: Mutex<KeptCount>,
}

/// A frame until it is known what of it was released: its masks, and its pixels as PNG.
struct Waiting {
    first: Day,
    masked: Vec<Rect>,
    png: Buffer,
}

/// Keeps whole frames besides, for replay.
struct Whole {
    days: u16,
    conditions: Conditions,
    /// By the id of the frame.
    frames: Mutex<BTreeMap<String, Waiting>>,
}

/// What became of the evidence of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct KeptCount {
    /// Records sealed.
    pub kept: u64,
    /// Objects beyond the release's share, of which nothing is kept (EXF-20).
    pub beyond: u64,
    /// Whole frames sealed for replay.
    pub frames: u64,
    /// Objects whose days were over before they could be sealed.
    pub over: u64,
    /// Frames with objects that were not kept for replay: beyond what waits in memory, the share, the size of a picture, or its day.
    pub frames_beyond: u64,
}

impl Keeper {
    /// A keeper over an open store. `days` are those of the policy, at least 1.
    #[must_use]
    pub fn new(store: Evidence, purpose: Name, zone: Name, release: Digest, days: u16) -> Self {
        let terms = Terms { purpose, zone, release, days };
        Self { store: Mutex::new(store), terms, crops: Mutex::default(), whole: None, count: Mutex::default() }
    }

    /// Keeps whole frames besides, in which something was found. `days` are those of the policy, at least 1.
    #[must_use]
    pub fn replaying(mut self, conditions: Conditions, days: u16) -> Self {
        self.whole = Some(Whole { days, conditions, frames: Mutex::default() });
        self
    }

    /// Takes the crops of a frame's objects, while the frame is there.
    pub(crate) fn take(&self, frame: &ClearFrame, objects: &[FoundObject], first: Day) -> Result<(), Refusal> {
        let mut crops = self.crops.lock().unwrap_or_else(PoisonError::into_inner);
        // Beyond the share nothing is kept, so nothing need wait.
        let room = usize::try_from(BOUNDS.per_release_zone_day).unwrap_or(usize::MAX).saturating_sub(crops.len());
        crops.extend(self::crops(frame, objects.get(..room).unwrap_or(objects), first)?);
        if let Some(whole) = self.whole.as_ref().filter(|_| !objects.is_empty()) {
            whole.take(frame, first)?;
        }
        Ok(())
    }

    /// Seals what the run said in the end.
    ///
    /// # Errors
    /// [`EvidenceError`] where the store fails; the release's share being used up is counted, not an error.
    pub(crate) fn seal(&self, frames: &[FrameOutcome], now: Timestamp) -> Result<(), EvidenceError> {
        let mut crops = std::mem::take(&mut *self.crops.lock().unwrap_or_else(PoisonError::into_inner));
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let mut count = KeptCount::default();
        for frame in frames {
            let FrameResult::Seen(seen) = &frame.result else { continue };
            if let Some(whole) = self.whole.as_ref().filter(|_| !seen.objects.is_empty()) {
                match whole.seal(&mut store, &self.terms, seen, seconds(now))? {
                    true => count.frames += 1,
                    false => count.frames_beyond += 1,
                }
            }
            let of_frame = seal(&mut store, &self.terms, seen, &mut crops, now)?;
            count.kept += of_frame.kept;
            count.over += of_frame.over;
            count.beyond += of_frame.beyond;
        }
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) = count;
        Ok(())
    }

    /// What became of the evidence of the last run.
    #[must_use]
    pub fn count(&self) -> KeptCount {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Whole {
    fn take(&self, frame: &ClearFrame, first: Day) -> Result<(), Refusal> {
        let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        if frames.len() < MOST_FRAMES {
            let all = Rect::whole(frame.size());
            let png = encode(frame.rgb(), all).ok_or_else(|| fault("a frame could not be encoded"))?;
            frames.insert(frame.id().to_string(), Waiting { first, masked: frame.masked().to_vec(), png });
        }
        Ok(())
    }

    /// Seals a frame of which something was released. False where it is beyond what may be kept.
    fn seal(&self, store: &mut Evidence, terms: &Terms, seen: &SeenFrame, now: u64) -> Result<bool, EvidenceError> {
        let taken = self.frames.lock().unwrap_or_else(PoisonError::into_inner).remove(&seen.frame_id);
        let Some(Waiting { first, masked, png }) = taken else { return Ok(false) };
        let found = seen.objects.iter().map(|o| Found::new(&o.label, o.rect, o.score, o.delvist_maskeret)).collect();
        let record = FrameRecord::new(&seen.frame_id, (seen.size, &masked), &self.conditions, found);
        let record = serde_json::to_vec(&record).map_err(|e| EvidenceError::Database(e.to_string()))?;
        let expires = first.plus(self.days.into());
        let label =
            Label { requirement: "GEN-02".to_owned(), class: RetentionClass::Replay, expires, ..terms.label(first) };
        match store.keep(seen.frame_id.parse()?, &label, &png, &record, now) {
            Ok(()) => Ok(true),
            Err(EvidenceError::EvidenceQuota { .. } | EvidenceError::TooLarge { .. }) => Ok(false),
            Err(error) if is_over(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The box and half of its size around it, inside the frame: a person must see what it stands on.
fn around(rect: Rect, size: Size) -> Rect {
    let grow = |low: u16, high: u16, end: u16| {
        let margin = (high - low) / 2;
        (low.saturating_sub(margin), high.saturating_add(margin).min(end))
    };
    let ((x0, x1), (y0, y1)) = (grow(rect.x0(), rect.x1(), size.width()), grow(rect.y0(), rect.y1(), size.height()));
    Rect::new(x0, y0, x1, y1).unwrap_or(rect)
}

/// Room for the first bytes of a picture.
const PNG_ROOM: usize = 64 << 10;

fn encode(pixels: &[u8], part: Rect) -> Option<Buffer> {
    let mut png = Buffer::with_room(PNG_ROOM);
    let (width, height) = (part.x1() - part.x0(), part.y1() - part.y0());
    let mut encoder = png::Encoder::new(&mut png, width.into(), height.into());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header().ok()?.write_image_data(pixels).ok()?;
    Some(png.fitted())
}

fn seconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_second()).unwrap_or_default()
}

fn fault(detail: &str) -> Refusal {
    Refusal { reason: "evidence_failed", krav: Krav("RET-02"), blame: Blame::Host, detail: detail.to_owned() }
}

#[cfg(test)]
#[path = "keeper_tests.rs"]
mod tests;
