//! The release chain: who says what about which bytes, and what follows from it.
//!
//! A vendor packs a component, its models and a manifest into one release and signs for it. The city's roles approve
//! that release, for one purpose and a time. A node takes it only if package, vendor signature and approval hold; the
//! answer is a [`Release<Approved>`](Release), which cannot be made in any other way. No step needs a network, and no
//! step reads a clock: the caller says what time it is.
//!
//! ```text
//! pack → sign_vendor → approve → verify
//! ```
//!
//! Still to come in this room: the approved channel, revocation, the rollback floor, statements of test results.

mod dsse;
mod files;
mod json;
mod key_files;
mod keys;
mod package;
mod printable;
mod release;
mod sig_error;
mod sign;
mod statement;
mod trust_root;

pub use dsse::{Checked, Envelope, Ignored};
pub use json::JsonError;
pub use key_files::{KeyFiles, KeyOwner, read_public, read_secret, write_pair};
pub use keys::{KeyError, PublicKey, SigningKeyPair};
pub use package::{Contents, PackInputs, PkgError, Ports, examine, inspect, pack};
pub use release::{Answered, Approved, Release, ReleaseError, Unverified, Verified, verify};
pub use sig_error::{ApprovalGap, Form, SigError};
pub use sign::{approve, preview_approval, sign_vendor};
pub use statement::{Approval, ApprovalDraft, DpiaRecord, DpoAdvice, KravId, ResidualRisk, Responsible, VendorRelease};
pub use trust_root::{ADVISER_ROLE, ApprovalRule, RiskRecord, RoleEntry, TrustRoot, TrustRootFile, VendorEntry};
pub use vaern_door::Digest;
