//! TUF metadata around the city's channel: which channel, revocations and assignments are current, said by four roles whose keys lie apart.
//!
//! The files of the channel stay what they are, signed by the city's roles; here they are *targets*. [`TufFiles`] is a
//! [`vaern_trust::ChannelSource`] for a node: it reads a repository from a folder, believes nothing that the keys of the pinned root did not
//! sign, and keeps nothing. What was seen before is in the node's own floor, which has a row for each of the four roles: a client whose state is
//! lost takes older metadata, and this one has none to lose (UPD-02). [`write_root`], [`publish`] and [`refresh`] are the city's side, and write what
//! other clients read as well.
//!
//! ```text
//! metadata/1.root.json, 2.root.json, …      who may say what; each signed by the keys before and after, offline
//! metadata/N.targets.json                   length and digest of each file; offline
//! metadata/N.snapshot.json                  which targets.json
//! metadata/timestamp.json                   which snapshot.json; short-lived, and written last
//! targets/DIGEST.channel.json, …            the files
//! ```

mod check;
mod error;
mod form;
mod read;
mod write;

pub use error::TufError;
pub use read::TufFiles;
pub use write::{Ends, Published, RoleRule, RootSpec, publish, refresh, write_root};

/// The folder of metadata in a repository.
pub const METADATA: &str = "metadata";
/// The folder of targets in a repository.
pub const TARGETS: &str = "targets";
