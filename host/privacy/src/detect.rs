//! The search for people: every required detector over the whole frame and over overlapping tiles at more than one scale.
//!
//! A box is weighed by how large the detector saw it: a large thing in plain view gives a strong score, so a weak large box is
//! a container or a facade, while a far person is never more than a weak small one. A box that fills its tile is left to the
//! next coarser level, which sees the whole of it. The finest scale may be searched only where a coarser level saw the least
//! sign of anybody, far below what it takes for a mask.
//!
//! "Nobody there" is accepted only as a [`DetectionsProof`]: every required detector searched every tile of this very frame
//! and none of them failed (FRM-05). There is no other way to make a mask.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use vaern_door::{Digest, Name, Rect, Size, guard};

use crate::letters::LetterRows;
use crate::levels::{self, Levels, Look};
use crate::policy::{MaskingPolicy, PeopleClass};
use crate::raw::RawFrame;
use crate::refusal::{MaskingFault, Refusal};
use crate::scratch::Scratch;

/// Signs of things up to this size, in pixels of the fine scale, call for a finer look.
const FAR_PX: f64 = 160.0;
/// More boxes than this from one tile are a fault, not a crowd.
const MAX_BOXES_PER_TILE: usize = 10_000;

/// Something that a detector saw, in pixels of the upright frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeenBox {
    /// What it is.
    pub class: PeopleClass,
    /// Left edge.
    pub x0: f32,
    /// Upper edge.
    pub y0: f32,
    /// Right edge.
    pub x1: f32,
    /// Lower edge.
    pub y1: f32,
    /// 0.0 to 1.0.
    pub score: f32,
}

impl SeenBox {
    fn is_finite(&self) -> bool {
        [self.x0, self.y0, self.x1, self.y1, self.score].iter().all(|v| v.is_finite())
    }
}

/// The unmasked picture, lent to a detector for the length of one call.
#[derive(Clone, Copy)]
pub struct Picture<'a> {
    rgb: &'a [u8],
    size: Size,
    scaled: Option<ScaledTile<'a>>,
    #[cfg_attr(not(feature = "models"), expect(dead_code, reason = "tensors are made for models alone"))]
    scratch: Option<&'a Scratch>,
}

/// The tile of this call, already at the scale of the detector's input: the same for all detectors of one level.
#[derive(Clone, Copy)]
pub(crate) struct ScaledTile<'a> {
    /// RGB rows of the level, without padding.
    pub(crate) level: &'a [u8],
    /// Size of the level.
    pub(crate) size: Size,
    /// The tile, in pixels of the level.
    pub(crate) tile: Rect,
}

impl<'a> Picture<'a> {
    /// RGB rows without padding.
    #[must_use]
    pub const fn rgb(&self) -> &'a [u8] {
        self.rgb
    }

    /// Size in pixels.
    #[must_use]
    pub const fn size(&self) -> Size {
        self.size
    }

    #[cfg(test)]
    pub(crate) const fn plain(rgb: &'a [u8], size: Size) -> Self {
        Self { rgb, size, scaled: None, scratch: None }
    }

    pub(crate) const fn scaled(&self) -> Option<ScaledTile<'a>> {
        self.scaled
    }

    /// Memory for a tensor of this tile.
    #[cfg(feature = "models")]
    pub(crate) const fn scratch(&self) -> Option<&'a Scratch> {
        self.scratch
    }
}

/// A detector could not search. Carries no text: what went wrong inside a model is not for the log of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the detector could not search the picture")]
pub struct DetectorFault;

/// One of the city's own detectors of people, plates or vehicles. Part of the trusted side: it sees unmasked pixels.
pub trait PeopleDetector: Send + Sync {
    /// Name, as the masking policy asks for it.
    fn name(&self) -> &Name;

    /// Digest of the model.
    fn digest(&self) -> Digest;

    /// Classes that it can see.
    fn classes(&self) -> &[PeopleClass];

    /// Pixels that one search takes at full resolution: the size of its input.
    fn input(&self) -> Size;

    /// Searches one rectangle of the picture. Boxes are in pixels of the whole picture, with scores of at least `floor`.
    ///
    /// # Errors
    /// [`DetectorFault`] for anything but a complete search.
    fn look(&self, picture: Picture<'_>, tile: Rect, floor: f32) -> Result<Vec<SeenBox>, DetectorFault>;
}

/// A box that is to be masked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Found {
    pub(crate) seen: SeenBox,
    /// Pixels of the frame per pixel that the detector saw: how coarse its knowledge of the edges is.
    pub(crate) px: f64,
}

impl Found {
    /// The longer side as the detector saw it, in its own pixels.
    fn side(&self) -> f64 {
        f64::from((self.seen.x1 - self.seen.x0).abs().max((self.seen.y1 - self.seen.y0).abs())) / self.px
    }
}

/// Proof that every detector that the policy requires searched every tile of one frame, with what they saw.
/// Only the gate's search makes one.
#[derive(Debug)]
pub struct DetectionsProof {
    token: u64,
    boxes: Vec<Found>,
    searched: usize,
    models: Vec<(Name, Digest)>,
}

impl DetectionsProof {
    pub(crate) const fn token(&self) -> u64 {
        self.token
    }

    pub(crate) fn boxes(&self) -> &[Found] {
        &self.boxes
    }

    /// Tiles searched, over all detectors.
    #[must_use]
    pub const fn searched(&self) -> usize {
        self.searched
    }

    pub(crate) fn models(&self) -> &[(Name, Digest)] {
        &self.models
    }
}

struct Required {
    detector: Arc<dyn PeopleDetector>,
    /// Score below which a box is neither a mask nor a sign.
    floor: f32,
    max_scale: f64,
}

/// The loaded detectors, checked against a policy.
pub(crate) struct Detectors {
    required: Vec<Required>,
}

/// What keeps a gate from being built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DetectorsError {
    /// Detectors that the policy requires are not loaded.
    #[error(
        "masking policy `{policy}` requires detectors that are not installed: {missing}; \
         install them with `vaern models add --from DIR` and check with `vaern models verify`"
    )]
    Missing {
        /// The policy.
        policy: Name,
        /// Names, comma-separated.
        missing: String,
    },
    /// A detector is required for a class that it cannot see.
    #[error("masking policy `{policy}`: detector `{detector}` cannot see class `{class}`")]
    WrongClass {
        /// The policy.
        policy: Name,
        /// The detector.
        detector: Name,
        /// The class.
        class: &'static str,
    },
    /// Two detectors of one name.
    #[error("two detectors are called `{0}`")]
    Doubled(Name),
}

impl Detectors {
    /// Takes those detectors that the policy requires; each must be there and see what it is required for.
    pub(crate) fn new(policy: &MaskingPolicy, loaded: Vec<Arc<dyn PeopleDetector>>) -> Result<Self, DetectorsError> {
        let mut by_name: BTreeMap<Name, Arc<dyn PeopleDetector>> = BTreeMap::new();
        // The one that is part of the program is always there.
        if let Some(letters) = LetterRows::new() {
            by_name.insert(letters.name().clone(), Arc::new(letters));
        }
        for detector in loaded {
            if let Some(old) = by_name.insert(detector.name().clone(), detector) {
                return Err(DetectorsError::Doubled(old.name().clone()));
            }
        }
        let absent: Vec<&str> =
            policy.required_detectors().filter(|n| !by_name.contains_key(n)).map(Name::as_str).collect();
        if guard::stands("privacy.required-detectors") && !absent.is_empty() {
            return Err(DetectorsError::Missing { policy: policy.name().clone(), missing: absent.join(", ") });
        }
        for (class, rule) in policy.regions() {
            for name in &rule.detectors {
                let blind = by_name.get(name).is_some_and(|d| !d.classes().contains(class));
                if guard::stands("privacy.detector-sees-class") && blind {
                    return Err(DetectorsError::WrongClass {
                        policy: policy.name().clone(),
                        detector: name.clone(),
                        class: class.as_str(),
                    });
                }
            }
        }
        let required = policy
            .all_detectors()
            .filter_map(|name| {
                let detector = Arc::clone(by_name.get(name)?);
                let max_scale = policy.second_opinion(name).map_or(f64::INFINITY, |rule| rule.max_scale);
                Some(Required { detector, floor: policy.lowest_score(name), max_scale })
            })
            .collect();
        Ok(Self { required })
    }

    /// Searches the frame with every required detector.
    pub(crate) fn search(&self, frame: &RawFrame, policy: &MaskingPolicy) -> Result<DetectionsProof, Refusal> {
        if self.required.is_empty() {
            return Err(MaskingFault::NoDetector.into());
        }
        let rules = policy.tiles();
        let size = frame.size();
        let mut search = Search {
            frame,
            policy,
            levels: Levels::of(frame.rgb(), size),
            proof: DetectionsProof { token: frame.token(), boxes: Vec::new(), searched: 0, models: Vec::new() },
            signs: Vec::new(),
            scratch: Scratch::default(),
        };
        let everywhere: Vec<(&Required, Look)> = self
            .required
            .iter()
            .flat_map(|r| {
                let looks = levels::everywhere(size, r.detector.input(), rules, r.max_scale);
                looks.into_iter().map(move |look| (r, look))
            })
            .collect();
        search.levels.make(everywhere.iter().map(|(_, look)| look.level))?;
        for (required, look) in &everywhere {
            search.look(required, look)?;
        }
        // What the fine scale itself sees calls for no further look.
        let signs = std::mem::take(&mut search.signs);
        let everybody = size.pixels() as u64 <= rules.fine_everywhere_px;
        for required in &self.required {
            let Some(mut look) = levels::fine(size, required.detector.input(), rules, required.max_scale) else {
                continue;
            };
            if !everybody {
                look.tiles.retain(|tile| {
                    let tile = Edges::of(*tile, look.level, size);
                    signs.iter().any(|sign| sign.touches(&tile))
                });
            }
            if guard::stands("privacy.fine-scale") {
                search.levels.make([look.level])?;
                search.look(required, &look)?;
            }
        }
        let models = self.required.iter().map(|r| (r.detector.name().clone(), r.detector.digest()));
        search.proof.models.extend(models);
        frame.check_in_clear(policy.max_in_clear())?;
        Ok(search.proof)
    }
}

/// Edges in pixels of the frame.
#[derive(Debug, Clone, Copy)]
struct Edges {
    x0: f64,
    y0: f64,
    x1: f64,
    y1: f64,
}

impl Edges {
    /// A rectangle of a level.
    fn of(rect: Rect, level: Size, frame: Size) -> Self {
        let x = f64::from(frame.width()) / f64::from(level.width());
        let y = f64::from(frame.height()) / f64::from(level.height());
        Self {
            x0: f64::from(rect.x0()) * x,
            y0: f64::from(rect.y0()) * y,
            x1: f64::from(rect.x1()) * x,
            y1: f64::from(rect.y1()) * y,
        }
    }

    /// The middle of a box and its longer side around it, to each side.
    fn around(found: &Found) -> Self {
        let reach = found.side().max(1.0) * found.px;
        let x = f64::midpoint(found.seen.x0.into(), found.seen.x1.into());
        let y = f64::midpoint(found.seen.y0.into(), found.seen.y1.into());
        Self { x0: x - reach, y0: y - reach, x1: x + reach, y1: y + reach }
    }

    fn touches(&self, other: &Self) -> bool {
        self.x0 < other.x1 && other.x0 < self.x1 && self.y0 < other.y1 && other.y0 < self.y1
    }
}

/// One search under way.
struct Search<'a> {
    frame: &'a RawFrame,
    policy: &'a MaskingPolicy,
    levels: Levels<'a>,
    proof: DetectionsProof,
    signs: Vec<Edges>,
    scratch: Scratch,
}

impl Search<'_> {
    fn look(&mut self, required: &Required, look: &Look) -> Result<(), Refusal> {
        let Self { frame, policy, levels, proof, signs, scratch } = self;
        let detector = required.detector.as_ref();
        let level = levels.get(look.level).ok_or(MaskingFault::DetectorFailed)?;
        let (rgb, size) = (frame.rgb(), frame.size());
        let px = f64::from(size.width()) / f64::from(look.level.width());
        for tile in &look.tiles {
            frame.check_in_clear(policy.max_in_clear())?;
            let scaled = Some(ScaledTile { level, size: look.level, tile: *tile });
            let picture = Picture { rgb, size, scaled, scratch: Some(scratch) };
            let place = outward(Edges::of(*tile, look.level, size), size).ok_or(MaskingFault::DetectorFailed)?;
            let seen = catch_unwind(AssertUnwindSafe(|| detector.look(picture, place, required.floor)))
                .map_err(|_| MaskingFault::Panic)
                .and_then(|looked| looked.map_err(|DetectorFault| MaskingFault::DetectorFailed));
            let seen = match seen {
                Err(_) if !guard::stands("privacy.detector-fault") => Vec::new(),
                other => other?,
            };
            if guard::stands("privacy.detector-flood") && seen.len() > MAX_BOXES_PER_TILE {
                return Err(MaskingFault::Flood.into());
            }
            if guard::stands("privacy.detector-finite") && !seen.iter().all(SeenBox::is_finite) {
                return Err(MaskingFault::NotFinite.into());
            }
            for found in seen.into_iter().map(|seen| Found { seen, px }) {
                let weighed = weigh(policy, detector.name(), found, look.whole);
                proof.boxes.extend(weighed.mask);
                signs.extend(weighed.sign);
            }
            proof.searched += 1;
        }
        Ok(())
    }
}

/// What a box is good for.
#[derive(Default)]
struct Weighed {
    mask: Option<Found>,
    sign: Option<Edges>,
}

fn weigh(policy: &MaskingPolicy, detector: &Name, found: Found, whole: bool) -> Weighed {
    // A detector speaks for the classes that the policy asks it for, and for no others.
    let rule = policy.region(found.seen.class).filter(|rule| rule.detectors.contains(detector));
    let Some(rule) = rule else { return Weighed::default() };
    let (side, score) = (found.side(), found.seen.score);
    let fits = whole || rule.max_side_px.is_none_or(|most| side <= most);
    let (asked, counted) = match policy.second_opinion(detector) {
        // A score on another scale says no more than that there is one.
        Some(own) => (own.threshold, rule.threshold),
        None => (rule.threshold_for(side), score),
    };
    // What is larger than this at the fine scale was large enough before: no finer look makes it plainer.
    let far = policy.tiles().fine.is_some_and(|fine| side * found.px * fine <= FAR_PX);
    Weighed {
        mask: (fits && score >= asked).then_some(Found { seen: SeenBox { score: counted, ..found.seen }, ..found }),
        sign: rule.sign.filter(|sign| far && score >= *sign).map(|_| Edges::around(&found)),
    }
}

/// The smallest rectangle of whole pixels around these edges, cut to the frame.
fn outward(edges: Edges, frame: Size) -> Option<Rect> {
    // Casts from float saturate.
    let high = |v: f64, side: u16| (v.ceil() as u16).min(side);
    let (x1, y1) = (high(edges.x1, frame.width()), high(edges.y1, frame.height()));
    Rect::new(edges.x0.floor() as u16, edges.y0.floor() as u16, x1, y1).ok()
}
