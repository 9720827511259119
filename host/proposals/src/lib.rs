//! From what drives found to what a case worker decides on: one container, one proposal.
//!
//! A run says what was found in each of its frames. Here the finds of one object are merged, across frames and across drives,
//! into one proposal that says where the object is, how sure that is, and how often it was seen.

mod geo;
mod merge;
mod sight;

pub use merge::{Drive, Find, Merged, Pin, Placed, merge, place};
pub use sight::{Estimate, PositionKind, Shot};
