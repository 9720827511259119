//! Sealed evidence: what may be kept of a detection, encrypted, for a time, and then gone.
//!
//! ```text
//! picture + record ──► record key (one each) ──► XChaCha20-Poly1305 ──► evidence.redb
//!                            └── wrapped by an epoch key (one per day of expiry and class) ──► epochs/keys
//! ```
//!
//! No store deletes: freed pages keep their bytes, flash remaps them. Keys can be destroyed, so deletion destroys an epoch
//! key: 32 bytes in a file of fixed size that is overwritten in place and is in no backup. Deleting one record early moves
//! the others of its epoch to a new key first. What is left in freed pages is then sealed for good.
//!
//! The store is off unless a policy turns it on. Whoever opens it brings the store key, which seals the file of epoch keys:
//! a stolen disk without it tells nothing.

mod certificate;
mod delete;
mod epochs;
mod error;
mod hold;
mod label;
mod seal;
mod store;

#[cfg(test)]
mod forensic_tests;
#[cfg(test)]
mod tests;

pub use certificate::Certificate;
pub use error::EvidenceError;
pub use hold::{HoldOrder, HoldRule};
pub use label::{Day, Label, RecordId};
pub use store::{Bounds, Evidence, Kept, Kind, Listed};
pub use vaern_memory::Secret;
