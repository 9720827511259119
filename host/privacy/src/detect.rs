//! The search for people: every required detector over the whole frame and over overlapping tiles at more than one scale.
//!
//! "Nobody there" is accepted only as a [`DetectionsProof`]: every required detector searched every tile of this very frame
//! and none of them failed (FRM-05). There is no other way to make a mask.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use vaern_door::{Digest, Name, Rect, Size};

use crate::policy::{MaskingPolicy, PeopleClass};
use crate::raw::RawFrame;
use crate::refusal::{MaskingFault, Refusal};

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

/// Proof that every detector that the policy requires searched every tile of one frame, with what they saw.
/// Only the gate's search makes one.
#[derive(Debug)]
pub struct DetectionsProof {
    token: u64,
    boxes: Vec<SeenBox>,
    searched: usize,
    models: Vec<(Name, Digest)>,
}

impl DetectionsProof {
    pub(crate) const fn token(&self) -> u64 {
        self.token
    }

    pub(crate) fn boxes(&self) -> &[SeenBox] {
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

/// The loaded detectors, checked against a policy.
pub(crate) struct Detectors {
    required: Vec<(Arc<dyn PeopleDetector>, f32)>,
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
        for detector in loaded {
            if let Some(old) = by_name.insert(detector.name().clone(), detector) {
                return Err(DetectorsError::Doubled(old.name().clone()));
            }
        }
        let absent: Vec<&str> =
            policy.required_detectors().filter(|n| !by_name.contains_key(n)).map(Name::as_str).collect();
        if !absent.is_empty() {
            return Err(DetectorsError::Missing { policy: policy.name().clone(), missing: absent.join(", ") });
        }
        for (class, rule) in policy.regions() {
            for name in &rule.detectors {
                if by_name.get(name).is_some_and(|d| !d.classes().contains(class)) {
                    return Err(DetectorsError::WrongClass {
                        policy: policy.name().clone(),
                        detector: name.clone(),
                        class: class.as_str(),
                    });
                }
            }
        }
        let required = policy
            .required_detectors()
            .filter_map(|name| by_name.get(name).map(|d| (Arc::clone(d), policy.lowest_threshold(name))))
            .collect();
        Ok(Self { required })
    }

    /// Searches the frame with every required detector.
    pub(crate) fn search(&self, frame: &RawFrame, policy: &MaskingPolicy) -> Result<DetectionsProof, Refusal> {
        if self.required.is_empty() {
            return Err(MaskingFault::NoDetector.into());
        }
        let picture = Picture { rgb: frame.rgb(), size: frame.size() };
        let mut proof = DetectionsProof { token: frame.token(), boxes: Vec::new(), searched: 0, models: Vec::new() };
        for (detector, threshold) in &self.required {
            for tile in tiles(frame.size(), detector.input(), &policy.tiles().scales, policy.tiles().overlap) {
                frame.check_in_clear(policy.max_in_clear())?;
                let seen = catch_unwind(AssertUnwindSafe(|| detector.look(picture, tile, *threshold)))
                    .map_err(|_| MaskingFault::Panic)?
                    .map_err(|DetectorFault| MaskingFault::DetectorFailed)?;
                if seen.len() > MAX_BOXES_PER_TILE {
                    return Err(MaskingFault::Flood.into());
                }
                if !seen.iter().all(SeenBox::is_finite) {
                    return Err(MaskingFault::NotFinite.into());
                }
                // A detector speaks for the classes that the policy asks it for, and for no others.
                let asked = |class| policy.region(class).is_some_and(|r| r.detectors.contains(detector.name()));
                proof.boxes.extend(seen.into_iter().filter(|b| asked(b.class)));
                proof.searched += 1;
            }
            proof.models.push((detector.name().clone(), detector.digest()));
        }
        frame.check_in_clear(policy.max_in_clear())?;
        Ok(proof)
    }
}

/// The whole frame, then for each scale a grid of overlapping tiles that reaches every edge.
pub(crate) fn tiles(frame: Size, input: Size, scales: &[f64], overlap: f64) -> Vec<Rect> {
    let mut all = vec![Rect::whole(frame)];
    for scale in scales {
        let side = |input: u16| ((f64::from(input) / scale).ceil() as u16).max(1);
        let (width, height) = (side(input.width()), side(input.height()));
        // A tile larger than the frame would only show the frame smaller than the whole-frame search did.
        if width >= frame.width() && height >= frame.height() {
            continue;
        }
        for (y0, y1) in spans(frame.height(), height, overlap) {
            for (x0, x1) in spans(frame.width(), width, overlap) {
                all.extend(Rect::new(x0, y0, x1, y1));
            }
        }
    }
    all
}

/// Equal spans of `tile` pixels that cover `side`, each overlapping the next by at least the asked part.
fn spans(side: u16, tile: u16, overlap: f64) -> Vec<(u16, u16)> {
    if tile >= side {
        return vec![(0, side)];
    }
    let step = ((f64::from(tile) * (1.0 - overlap)).floor() as u16).max(1);
    let count = (u32::from(side - tile)).div_ceil(u32::from(step)) + 1;
    (0..count)
        .map(|i| {
            // Spread evenly, so that the overlap is shared and the last tile ends on the edge.
            let start = u32::from(side - tile) * i / (count - 1).max(1);
            let start = u16::try_from(start).unwrap_or(side - tile);
            (start, start + tile)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn frm_19_every_object_up_to_the_overlap_lies_whole_in_a_tile(
            side in 200_u16..5000, tile in 64_u16..1400, overlap in 0.1_f64..0.5, at in 0.0_f64..1.0,
        ) {
            let object = ((f64::from(tile) * overlap).floor() as u16).min(side).max(1);
            let start = (f64::from(side - object) * at) as u16;
            let whole = spans(side, tile, overlap).iter().any(|(a, b)| *a <= start && start + object <= *b);
            prop_assert!(whole);
        }
    }

    #[test]
    fn tiles_of_12_megapixels_at_half_scale() {
        let tiles = tiles(Size::new(4000, 3000).unwrap(), Size::new(640, 640).unwrap(), &[0.5], 0.1);
        assert_eq!(tiles.len(), 1 + 4 * 3);
        assert!(tiles.iter().skip(1).all(|t| t.width() == 1280 && t.height() == 1280));
    }
}
