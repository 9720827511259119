//! How a capture gets its position: from itself, from a log of fixes, or from a receiver at hand.

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use vaern_privacy::{Capture, OriginalBytes};

use super::Receiver;
use crate::live::control::Clock;
use crate::pipeline::Track;

/// How long a capture waits for the fix after it. A receiver that is later than that is stale all the same.
const WAIT: SignedDuration = SignedDuration::from_secs(3);

/// Where positions come from.
#[derive(Debug, Clone)]
pub enum Positions {
    /// From the pictures themselves.
    Exif,
    /// From a log of fixes.
    Track(Track),
    /// From `gpsd`, which listens here.
    Gpsd(SocketAddr),
}

/// The same, at work.
pub(in crate::live) enum Located {
    Exif,
    Track(Track),
    Gpsd(Receiver),
}

impl Located {
    pub(in crate::live) fn begin(positions: Positions, clock: &Clock) -> std::io::Result<Self> {
        Ok(match positions {
            Positions::Exif => Self::Exif,
            Positions::Track(track) => Self::Track(track),
            Positions::Gpsd(address) => Self::Gpsd(Receiver::open(address, Arc::clone(clock))?),
        })
    }

    /// Whether all is known that will be known of the position at `time`: a position lies between two fixes, and the second comes
    /// after the picture (decision 0031).
    pub(in crate::live) fn is_ready(&self, time: Timestamp, now: Timestamp) -> bool {
        match self {
            Self::Exif | Self::Track(_) => true,
            Self::Gpsd(receiver) => receiver.reaches(time) || now.duration_since(time).abs() >= WAIT,
        }
    }

    /// The capture with the source of its position.
    pub(in crate::live) fn capture(&self, bytes: OriginalBytes) -> Capture {
        match self {
            Self::Exif => Capture::located_by_exif(bytes),
            Self::Track(track) => Capture::located_by_log(bytes, Arc::clone(&track.log), track.clock_offset),
            Self::Gpsd(receiver) => Capture::located_by_log(bytes, receiver.log(), SignedDuration::ZERO),
        }
    }

    /// What went wrong since the last time.
    pub(in crate::live) fn trouble(&self) -> Option<String> {
        match self {
            Self::Exif | Self::Track(_) => None,
            Self::Gpsd(receiver) => receiver.trouble(),
        }
    }
}
