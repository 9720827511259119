//! Where captures come from: one small trait, a watched folder and a camera's stream behind it; and how a capture gets its position.

mod camera;
mod positions;
mod receiver;

use jiff::Timestamp;
use vaern_privacy::{OriginalBytes, StreamError};

pub(super) use camera::{Camera, Patience, QUEUE};
pub(super) use positions::Located;
pub use positions::Positions;
pub(super) use receiver::Receiver;

use super::inbox::{Inbox, Taken};

/// Takes captures. Each that is taken has its number, and gets exactly one outcome.
pub(super) trait Source: Send {
    /// Takes up to `limit` captures; the order is that in which they came.
    ///
    /// # Errors
    /// Where the source cannot be read now.
    fn take(&mut self, limit: usize) -> std::io::Result<Vec<Taken>>;

    /// Whether more is to come. While a node is stopped nothing is asked of a camera, and nothing comes from it.
    fn wanted(&mut self, wanted: bool);

    /// Ends it, and hands out what it still holds and cannot hold any longer.
    fn close(&mut self) -> Vec<Taken>;

    /// What went wrong since the last time, in words for the operator.
    fn trouble(&mut self) -> Option<String>;

    /// Whether captures that have no outcome yet are lost when the program ends.
    fn is_fleeting(&self) -> bool;
}

impl Source for Inbox {
    fn take(&mut self, limit: usize) -> std::io::Result<Vec<Taken>> {
        Self::take(self, limit)
    }

    fn wanted(&mut self, _: bool) {}

    fn close(&mut self) -> Vec<Taken> {
        // What lies in the folder is there at the next start.
        Vec::new()
    }

    fn trouble(&mut self) -> Option<String> {
        None
    }

    fn is_fleeting(&self) -> bool {
        false
    }
}

/// A capture that came over a stream. It lies in memory and is written nowhere (SKJ-08).
#[derive(Debug)]
pub(crate) struct Arrived {
    /// What came.
    pub(crate) content: Content,
    /// When it was there, by this machine's clock.
    pub(crate) at: Timestamp,
}

/// What came over a stream.
#[derive(Debug)]
pub(crate) enum Content {
    /// A picture.
    Whole(OriginalBytes),
    /// A picture that broke off.
    Torn(Option<StreamError>),
    /// A picture that was dropped unread, because more came than could be worked on.
    Dropped,
}
