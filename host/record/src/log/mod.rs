//! The transparency log: what happened, as salted commitments in a Merkle tree that cannot be rewritten unseen.
//!
//! ```text
//! Event ──► Leaf (salt, record) ──► sha256(salt ‖ record) ──► entry bundle, hash tiles, signed checkpoint   (public)
//!                     └──► records/…                                                                       (erasable)
//! ```
//!
//! `checkpoint` and `tile/` may be published: they tell how many leaves there are and nothing else. `records/` holds what
//! the leaves commit to; it holds nothing personal either, but it can be taken away without harm to the proof.

mod checkpoint;
mod event;
mod leaf;
mod merkle;
mod note;
mod proof;
mod reader;
mod tile;
mod verify;
mod witness;
mod words;
mod writer;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod witness_tests;

pub use checkpoint::{Checkpoint, Floor};
pub use event::Event;
pub use leaf::{Leaf, MAX_RECORD, Record};
pub use merkle::Hash;
pub use note::{KeyName, LogKey, VerifierKey};
pub use proof::Proof;
pub use reader::{Opened, Reader};
pub use verify::{Account, Expect, verify};
pub use witness::{Quorum, Witness, WitnessKey};
pub use words::{
    Access, ApprovalRef, AtMost, CertificateRef, Counts, Decision, Deletion, Duty, ExportRef, Impersonal, IncidentKind,
    KeyRef, PolicyRef, Protection, Reason, ReleaseRef, RetentionClass, RunRef, StopCause, SwapCause, VerdictRef, Wall,
    Withdrawal, WithdrawalRef, WitnessesRef, impersonal,
};
pub use writer::{Log, Standing};
