//! What a clear frame says of how it was made, and what leaves beside it: never a position, never a box.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;
use vaern_door::{Digest, Name};

use crate::clear::ClearFrame;
use crate::position::Position;

/// A detector that searched the frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UsedModel {
    /// Name of the detector.
    pub name: Name,
    /// Digest of its model.
    pub digest: Digest,
}

/// How a frame was masked. Holds no position, no box and no pixel.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Receipt {
    /// Name of the masking policy.
    pub policy: Name,
    /// Digest of the masking policy.
    pub policy_digest: Digest,
    /// Detectors that searched the frame.
    pub models: Vec<UsedModel>,
    /// Part of the frame that is masked, 0.0 to 1.0.
    pub masked_fraction: f64,
    /// Separate masked places by class: boxes of one class that touch count once. An estimate of how many there were, for
    /// the city's own eyes; a plugin never sees a receipt.
    pub masked_regions: BTreeMap<&'static str, usize>,
    /// Tiles searched, over all detectors: zero boxes after these many searches is an answer, not a silence.
    pub searched_tiles: usize,
    /// Seconds from the first decoded pixel to the filled mask.
    pub seconds_in_clear: f64,
    /// Whether the frame came with a position inside a fence; without one only under an evaluation policy.
    pub located: bool,
}

/// Where the frame was taken. It leaves the gate beside the frame, for georeferencing on the trusted side only.
#[derive(Clone, PartialEq)]
pub struct SealedPosition {
    pub(crate) position: Position,
    pub(crate) fence: Name,
    pub(crate) camera: Name,
    pub(crate) view: Option<View>,
}

/// How the camera looks, by its signed profile: what it takes to say where something in the picture stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Horizontal field of view in degrees, 10 to 180.
    pub hfov_deg: f64,
    /// Height of the lens above the street in metres.
    pub height_m: f64,
    /// Degrees below the horizon, where the profile says it.
    pub pitch_deg: Option<f64>,
}

impl SealedPosition {
    /// Opens the seal. Not for anything that a plugin or a log can read.
    #[must_use]
    pub const fn open(&self) -> &Position {
        &self.position
    }

    /// The fence that holds the position.
    #[must_use]
    pub const fn fence(&self) -> &Name {
        &self.fence
    }

    /// The camera, whose profile the gate knows.
    #[must_use]
    pub const fn camera(&self) -> &Name {
        &self.camera
    }

    /// How that camera looks.
    #[must_use]
    pub const fn view(&self) -> Option<View> {
        self.view
    }
}

impl fmt::Debug for SealedPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedPosition(withheld)")
    }
}

/// Time spent per stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StageTimes {
    /// Headers, EXIF, camera, plausibility.
    pub locate: Duration,
    /// The fence.
    pub fence: Duration,
    /// Decoding and turning upright.
    pub decode: Duration,
    /// Searching for people.
    pub detect: Duration,
    /// Filling.
    pub mask: Duration,
    /// Scaling the clear frame; the gate leaves it at zero for whoever scales.
    pub scale: Duration,
}

/// What the gate lets out for one capture.
#[derive(Debug)]
pub struct Admitted {
    /// The masked frame.
    pub frame: ClearFrame,
    /// How it was made.
    pub receipt: Receipt,
    /// Where it was taken; nothing for a capture without position.
    pub position: Option<SealedPosition>,
    /// Time per stage.
    pub times: StageTimes,
}
