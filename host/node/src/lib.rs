//! The main job: a folder of captures through the gate and the sandbox to proposals on disk.
//!
//! This crate ties the rooms together and decides nothing itself: the gate decides what may be seen, the policy what may
//! be asked, the sandbox what may be answered. What it adds is order, counting (frames in = seen + refused, always), and
//! files that are written whole or not at all.

pub mod admission;
pub mod bits;
pub mod book;
pub mod code;
pub mod collection;
pub mod coverage;
pub mod facts;
pub mod fields;
pub mod folder;
pub mod gate;
pub mod keeper;
pub mod live;
pub mod outcome;
pub mod pipeline;
pub mod policies;
pub mod probes;
pub mod quota;
pub mod replay;
pub mod report;
pub mod sinks;
mod source;
pub mod store;
mod withhold;
