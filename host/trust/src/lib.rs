//! The release chain: who says what about which bytes, and what follows from it.
//!
//! A vendor packs a component, its models and a manifest into one release and signs for it. The city's roles approve
//! that release, for one purpose and a time. A node takes it only if package, vendor signature and approval hold; the
//! answer is a [`Release<Approved>`](Release), which cannot be made in any other way. No step needs a network, and no
//! step reads a clock: the caller says what time it is.
//!
//! ```text
//! pack → sign_vendor → approve → publish in the channel → take, verify, admit
//! ```
//!
//! A node that follows a channel keeps a [`Floor`]: nothing older, frozen or revoked runs there, see [`State`].

mod channel;
mod city;
mod dsse;
mod files;
mod floor;
mod json;
mod key_files;
mod keys;
mod package;
mod printable;
mod release;
mod root;
mod sig_error;
mod sign;
mod statement;
mod trust_root;

pub use channel::{
    ASSIGNMENTS, Assigned, AssignedRelease, Assignment, CHANNEL_FILE, ChannelFile, ChannelSource, Current,
    DEFAULT_MAX_STALE, Delivery, HostLine, ListedRelease, MetadataError, Offered, REVOCATIONS_FILE, Revocations,
    Revoked, RingGap, RingResult, SecurityMinimum, SignedFiles, State, Steps, Trip, UpdateError, assignment_file,
    deliver, is_listed,
};
pub use city::{CityFile, Signed, open_file, sign_file};
pub use dsse::{Checked, Envelope, Ignored};
pub use floor::{Clock, Doubt, Floor, FloorError, Mark, Moment, Recovery, RecoveryMark, Role, Rows};
pub use json::JsonError;
pub use key_files::{KeyFiles, KeyOwner, read_public, read_secret, write_pair};
pub use keys::{KeyError, PublicKey, SigningKeyPair};
pub use package::{Contents, PackInputs, PkgError, Ports, examine, inspect, pack, sbom_from_cargo_lock};
pub use release::{Answered, Approved, CompiledCode, Release, ReleaseError, Unverified, Verified, verify};
pub use root::SignedRoot;
pub use sig_error::{ApprovalGap, Form, SigError};
pub use sign::{
    approve, preview_approval, sign_compiled, sign_provenance, sign_test_result, sign_vendor, sign_vendor_result,
};
pub use statement::{
    Approval, ApprovalDraft, Build, Compilation, DeletedOriginal, DeletionRecord, Dpia, DpiaPart, DpiaRecord,
    DpoAdvice, EngineField, EngineId, GateNamed, KravId, Outcome, Provenance, ResidualRisk, Responsible, TakenPart,
    TestResult, VendorRelease,
};
pub use trust_root::{
    ADVISER_ROLE, ApprovalRule, Authority, RetiredKey, RiskRecord, RoleEntry, RootKey, RootRule, TrustRoot,
    TrustRootFile, VendorEntry,
};
pub use vaern_door::Digest;
