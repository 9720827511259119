//! What is written down, and what is kept: the transparency log, and the sealed evidence with its retention.
//!
//! The log says what happened, in a form that even the city cannot rewrite unseen (C2SP tlog-tiles with signed
//! checkpoints), and holds nothing personal: its leaves are salted commitments to records of a closed type. Evidence is
//! sealed, expires, and is deleted by destroying its key. The crate reads no clock and holds no path; the caller hands in a
//! directory and the time.

mod disk;
mod error;
pub mod evidence;
pub mod log;

pub use error::AuditError;
