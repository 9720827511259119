//! The node as a service: it runs for weeks, swaps releases between two frames, and loses nothing.
//!
//! ```text
//! folder ─► Inbox ─► locate, fence ─► Dispatcher ─► workers: decode, mask, look ─► Clerk ─► journal ─► file removed
//!           take      one thread      bounded,       each frame with the one       in order,   window full or over:
//!                                     drops oldest   release that was seated       withheld?   proposals, log leaf
//! ```
//!
//! A frame is the node's own once the inbox has renamed it, and stays on the disk until its outcome is in the journal: a kill
//! between the two shows it again, a kill after it removes it. The dispatcher hands out a frame and the seated release under one
//! lock, so every frame sees one release and the frames of one release are neighbours. The `Control` is asked
//! before a frame is shown, after it was, and before what was found is written: what it does not permit leaves nothing.

mod chain;
mod clerk;
pub mod config;
mod control;
mod dispatch;
mod drift;
mod evidence;
mod http;
mod inbox;
mod journal;
mod logbook;
mod memory;
mod metrics;
pub mod orders;
mod probe;
mod quality;
mod releases;
mod row;
mod schedule;
mod seat;
mod serve;
mod service;
mod signs;
mod source;
mod swap;
mod window;
mod worker;

pub use chain::{Build, Chain, ChainParts, Source};
pub use control::{Clock, Why};
pub use evidence::EvidenceBook;
pub use logbook::LogBook;
pub use memory::{JudgedMemory, MemoryError, MemoryReport};
pub use metrics::{Condition, Health, Status};
pub use serve::{Captures, LiveError, Parts, Served, serve};
pub use source::Positions;
pub(crate) use swap::Looked;
