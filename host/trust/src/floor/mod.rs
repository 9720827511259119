//! The node's own memory of what was newest: nothing older runs again, whatever a server, a stick or a clock says.
//!
//! A row for each role (number and digest), two moments, the releases that were revoked, and what is active, under one
//! checksum, in one durable transaction. A floor that cannot be read is never begun anew by itself: the node refuses,
//! and a statement signed by the root's keys restores it (UPD-02, CLK-03).
//!
//! What it does not do: whoever can write the node's own disk can put yesterday's file back. Against that stands the
//! maximal staleness of the channel, and hardware.

mod clock;
mod error;
mod recovery;
mod rows;
mod store;

pub use clock::{Clock, Doubt, Moment};
pub use error::FloorError;
pub use recovery::{Recovery, RecoveryMark};
pub use rows::{Mark, Role, Rows};
pub use store::Floor;

#[cfg(test)]
#[path = "crash_tests.rs"]
mod crash_tests;
