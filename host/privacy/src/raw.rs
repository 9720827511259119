//! Raw frames: decoded pixels that nobody outside this crate may keep. Not `Clone`, not `Serialize`, zeroed on drop.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use vaern_door::{Digest, Name, Size, guard};
use vaern_memory::Pages;

use crate::orient::Orientation;
use crate::receipt::SealedPosition;
use crate::refusal::Refusal;

static NEXT_TOKEN: AtomicU64 = AtomicU64::new(1);

/// A decoded, upright, unmasked frame. It exists only for a capture whose position was proven, and becomes a clear frame or nothing.
pub struct RawFrame {
    rgb: Pages,
    size: Size,
    stored: Size,
    orientation: Orientation,
    grid: (u16, u16),
    camera: Option<Name>,
    replayable: Option<Digest>,
    place: Option<SealedPosition>,
    token: u64,
    since: Instant,
}

impl RawFrame {
    /// Takes the pixels of the stored picture and turns them upright. `since` is when the first pixel was in clear.
    #[allow(clippy::too_many_arguments, reason = "each is one fact of the capture, and there is one caller")]
    pub(crate) fn new(
        stored_rgb: Pages,
        stored: Size,
        orientation: Orientation,
        grid: (u16, u16),
        camera: Option<Name>,
        replayable: Option<Digest>,
        place: Option<SealedPosition>,
        since: Instant,
    ) -> Self {
        let orientation = if guard::stands("privacy.orientation") { orientation } else { Orientation::default() };
        Self {
            rgb: orientation.apply(stored_rgb, stored),
            size: orientation.upright_size(stored),
            stored,
            orientation,
            grid,
            camera,
            replayable,
            place,
            token: NEXT_TOKEN.fetch_add(1, Ordering::Relaxed),
            since,
        }
    }

    /// Size of the upright frame.
    #[must_use]
    pub const fn size(&self) -> Size {
        self.size
    }

    pub(crate) const fn stored_size(&self) -> Size {
        self.stored
    }

    pub(crate) const fn orientation(&self) -> Orientation {
        self.orientation
    }

    pub(crate) const fn grid(&self) -> (u16, u16) {
        self.grid
    }

    pub(crate) const fn camera(&self) -> Option<&Name> {
        self.camera.as_ref()
    }

    /// Digest of the capture, for a capture with a position: it may be admitted once.
    pub(crate) const fn replayable(&self) -> Option<Digest> {
        self.replayable
    }

    /// Where the frame was taken, to count it once it is masked.
    pub(crate) const fn place(&self) -> Option<&SealedPosition> {
        self.place.as_ref()
    }

    /// Names this frame inside the process, so that a proof made for another frame is not taken for this one.
    pub(crate) const fn token(&self) -> u64 {
        self.token
    }

    pub(crate) fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    pub(crate) fn rgb_mut(&mut self) -> &mut [u8] {
        &mut self.rgb
    }

    /// How long the pixels have been in clear.
    pub(crate) fn in_clear(&self) -> Duration {
        self.since.elapsed()
    }

    /// Refuses once the pixels were in clear for longer than `limit`.
    pub(crate) fn check_in_clear(&self, limit: Duration) -> Result<(), Refusal> {
        let late = guard::stands("privacy.seconds-in-clear") && self.in_clear() > limit;
        if late { Err(Refusal::TooLongInClear) } else { Ok(()) }
    }

    /// The pixels, once they are masked, in the pages that they were decoded into.
    pub(crate) fn into_masked(self) -> Pages {
        self.rgb
    }
}

impl fmt::Debug for RawFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawFrame({}x{})", self.size.width(), self.size.height())
    }
}
