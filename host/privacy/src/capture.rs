//! Captures: the bytes of one picture, and what the caller says of them. Nothing here decodes a pixel.

use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use vaern_door::{Digest, Name};

use crate::original::OriginalBytes;
use crate::png_headers;
use crate::position::Position;
use crate::refusal::Refusal;
use crate::tracklog::{Moments, TrackLog};

/// The two kinds of pictures that are taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureKind {
    /// JPEG, baseline or progressive.
    Jpeg,
    /// PNG, not animated.
    Png,
}

impl PictureKind {
    /// The kind that a file name's extension claims, if it claims one that is known.
    #[must_use]
    pub fn from_extension(extension: &str) -> Option<Self> {
        match extension.to_ascii_lowercase().as_str() {
            "jpg" | "jpeg" | "jpe" => Some(Self::Jpeg),
            "png" => Some(Self::Png),
            _ => None,
        }
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(&[0xFF, 0xD8, 0xFF]) {
            Some(Self::Jpeg)
        } else if bytes.starts_with(&png_headers::SIGNATURE) {
            Some(Self::Png)
        } else {
            None
        }
    }
}

/// Where the position of a capture comes from.
#[derive(Debug, Clone)]
pub(crate) enum PositionSource {
    /// The picture's own EXIF block.
    Exif,
    /// A log of fixes, by the time at which the picture says it was taken.
    Log {
        log: Arc<TrackLog>,
        /// What has to be added to the camera's clock.
        clock_offset: SignedDuration,
    },
    /// The caller: a receiver at hand.
    Given(Position),
    /// Nowhere: evaluation only.
    Unlocated,
}

/// The caller's word on when a picture was taken.
#[derive(Debug, Clone, Copy)]
struct Taken {
    arrived: Timestamp,
    delay: SignedDuration,
}

/// The bytes of one picture and the claimed source of its position. The bytes lie in pages of their own and are zeroed when it is
/// dropped.
pub struct Capture {
    bytes: OriginalBytes,
    claimed: Option<PictureKind>,
    camera: Option<Name>,
    purpose: Option<Name>,
    taken: Option<Taken>,
    source: PositionSource,
}

impl Capture {
    fn new(bytes: impl Into<OriginalBytes>, source: PositionSource) -> Self {
        Self { bytes: bytes.into(), claimed: None, camera: None, purpose: None, taken: None, source }
    }

    /// A capture that carries its position in EXIF.
    #[must_use]
    pub fn located_by_exif(bytes: impl Into<OriginalBytes>) -> Self {
        Self::new(bytes, PositionSource::Exif)
    }

    /// A capture whose position is that of `log` at the time at which its EXIF block says it was taken. `clock_offset` is
    /// what has to be added to the camera's clock to make it right.
    #[must_use]
    pub fn located_by_log(bytes: impl Into<OriginalBytes>, log: Arc<TrackLog>, clock_offset: SignedDuration) -> Self {
        Self::new(bytes, PositionSource::Log { log, clock_offset })
    }

    /// A capture whose position the caller knows. Its error radius must be the caller's honest one.
    #[must_use]
    pub fn located_at(bytes: impl Into<OriginalBytes>, position: Position) -> Self {
        Self::new(bytes, PositionSource::Given(position))
    }

    /// A capture without position: taken only under a policy that says `allow_unlocated = true`.
    #[must_use]
    pub fn unlocated(bytes: impl Into<OriginalBytes>) -> Self {
        Self::new(bytes, PositionSource::Unlocated)
    }

    /// The kind that the file's name claims.
    #[must_use]
    pub const fn claiming(mut self, kind: Option<PictureKind>) -> Self {
        self.claimed = kind;
        self
    }

    /// The camera by the operator's word; it goes before what EXIF says.
    #[must_use]
    pub fn from_camera(mut self, camera: Option<Name>) -> Self {
        self.camera = camera;
        self
    }

    /// The purpose that the capture was taken for, where somebody says so.
    #[must_use]
    pub fn for_purpose(mut self, purpose: Option<Name>) -> Self {
        self.purpose = purpose;
        self
    }

    /// When the picture was taken, by the clock of whoever took it in: at `arrived`, or up to `delay` before, which is how long
    /// the camera and the way from it may take. It goes before what EXIF says, and places the picture in a log of fixes.
    #[must_use]
    pub const fn arrived(mut self, arrived: Timestamp, delay: SignedDuration) -> Self {
        self.taken = Some(Taken { arrived, delay });
        self
    }

    /// The span of time in which it was taken, where the caller says it.
    pub(crate) fn taken(&self) -> Option<Moments> {
        let Taken { arrived, delay } = self.taken?;
        Some(Moments { from: arrived.checked_sub(delay).unwrap_or(arrived), to: arrived })
    }

    pub(crate) const fn purpose(&self) -> Option<&Name> {
        self.purpose.as_ref()
    }

    /// Digest of the bytes: to know a replay, never to be published.
    pub(crate) fn digest(&self) -> Digest {
        Digest::of(self.bytes())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.bytes()
    }

    pub(crate) const fn camera(&self) -> Option<&Name> {
        self.camera.as_ref()
    }

    pub(crate) const fn source(&self) -> &PositionSource {
        &self.source
    }

    /// The kind by the first bytes; a name that claims another kind is refused.
    pub(crate) fn kind(&self) -> Result<PictureKind, Refusal> {
        let kind = PictureKind::of(self.bytes()).ok_or(Refusal::NotAPicture)?;
        if self.claimed.is_some_and(|claimed| claimed != kind) {
            return Err(Refusal::TypeMismatch);
        }
        Ok(kind)
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Capture({} bytes)", self.bytes.len())
    }
}
