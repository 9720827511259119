//! From what drives found to what a case worker decides on: one container, one proposal.
//!
//! A run says what was found in each of its frames. Here the finds of one object are merged, across frames and across drives,
//! into one proposal that says where the object is, how sure that is, and how often it was seen. People decide on proposals, and take
//! back what is wrong; exports follow. The crate reads no clock and holds no path: the caller hands in folders, the time, and what
//! enters a leaf into the log.

mod book;
mod coarse;
mod coverage;
mod disk;
mod error;
mod export;
mod geo;
mod merge;
mod review;
mod run;
mod sight;
mod withdrawal;

pub use book::{Book, Exported, Proposal, Seen, Status, Taken};
pub use error::ProposalError;
pub use export::{COCO, COVERAGE, CSV, Export, GEOJSON, WITHDRAWN};
pub use merge::{Drive, Find, Merged, Pin, Placed, merge, place};
pub use review::{Decision, Figures, Said, Saying, Verdict, guide};
pub use run::Run;
pub use sight::{Estimate, PositionKind, Shot};
pub use withdrawal::{Cause, Recalled, Target, Withdrawal};
