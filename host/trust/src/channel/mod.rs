//! The channel: what is approved, current and not revoked, as the city says it in signed files.
//!
//! A release runs on a node that follows a channel only if the newest channel lists it, no revocation names it, and
//! its counter is not below what ran before. How the files come to the node is open: a folder, a stick, a server. They
//! prove themselves, and the node's own [`crate::Floor`] says that they are not older than what it has seen.

mod assignment;
mod deliver;
mod error;
mod files;
mod state;
mod store;

pub use assignment::{ASSIGNMENTS, Assigned, AssignedRelease, Assignment, RingGap, RingResult, assignment_file};
pub use deliver::{Delivery, deliver};
pub use error::{MetadataError, UpdateError};
pub use files::{ChannelFile, HostLine, ListedRelease, Revocations, Revoked, SecurityMinimum, is_listed};
pub use state::{Current, DEFAULT_MAX_STALE, State};
pub use store::{Steps, Trip};

use cap_std::fs::Dir;
use jiff::Timestamp;
use vaern_door::Name;

use crate::city::{Signed, open_file};
use crate::files::{Entry, entry, read_at_most};
use crate::floor::{Mark, Role};
use crate::trust_root::{Authority, TrustRoot};

/// Name of the channel in its directory.
pub const CHANNEL_FILE: &str = "channel.json";
/// Name of the list of revocations beside it.
pub const REVOCATIONS_FILE: &str = "revocations.json";

/// What a source offers, its signatures checked. Whether it is new enough, the node's floor says.
#[derive(Debug, Clone)]
pub struct Offered {
    /// The channel.
    pub channel: Signed<ChannelFile>,
    /// The list of revocations, where there is one.
    pub revocations: Option<Signed<Revocations>>,
    /// What was assigned to this node, where it has a name and there is an assignment.
    pub assigned: Option<Assigned>,
    /// The name that this node goes by, where it has one.
    pub node: Option<Name>,
    /// Numbers of what came around the files, such as TUF metadata: rows of the floor like all others.
    pub also: Vec<(Role, Mark)>,
    /// When what came around the files ends, where it ends: the node goes by it no longer.
    pub ends: Option<Timestamp>,
}

/// Where a channel comes from.
pub trait ChannelSource {
    /// Reads what the source offers and checks every signature.
    ///
    /// # Errors
    /// [`UpdateError`] if a file cannot be read, is too long, or is not signed as the trust root demands.
    fn offered(&self, trust: &TrustRoot) -> Result<Offered, UpdateError>;
}

/// A folder with `channel.json` and `revocations.json`: from any file server, or a stick.
#[derive(Debug)]
pub struct SignedFiles<'d> {
    dir: &'d Dir,
    channel: String,
    node: Option<Name>,
}

impl<'d> SignedFiles<'d> {
    /// The folder of a channel.
    #[must_use]
    pub fn new(dir: &'d Dir) -> Self {
        Self { dir, channel: CHANNEL_FILE.to_owned(), node: None }
    }

    /// A channel under another name; its revocations lie beside it.
    #[must_use]
    pub fn named(dir: &'d Dir, channel: impl Into<String>) -> Self {
        Self { dir, channel: channel.into(), node: None }
    }

    /// As the node of this name sees it: with its assignment, `assignments/NAME.json`.
    #[must_use]
    pub fn seen_by(self, node: Option<Name>) -> Self {
        Self { node, ..self }
    }
}

impl ChannelSource for SignedFiles<'_> {
    fn offered(&self, trust: &TrustRoot) -> Result<Offered, UpdateError> {
        let channel = read(self.dir, &self.channel)?
            .ok_or_else(|| UpdateError::Io { file: self.channel.clone(), kind: std::io::ErrorKind::NotFound })?;
        let channel = open_file(&channel, trust, Authority::Channel).map_err(UpdateError::Channel)?;
        let revocations = match read(self.dir, REVOCATIONS_FILE)? {
            Some(bytes) => Some(open_file(&bytes, trust, Authority::Revocation).map_err(UpdateError::Revocations)?),
            None => None,
        };
        let assigned = match &self.node {
            Some(node) => match read(self.dir, &assignment_file(node))? {
                Some(bytes) => Some(Assigned::open(&bytes, trust)?),
                None => None,
            },
            None => None,
        };
        Ok(Offered { channel, revocations, assigned, node: self.node.clone(), also: vec![], ends: None })
    }
}

/// Reads a file of at most 1 MiB, if it is there.
fn read(dir: &Dir, name: &str) -> Result<Option<Vec<u8>>, UpdateError> {
    let fail = |e: std::io::Error| UpdateError::Io { file: name.to_owned(), kind: e.kind() };
    match entry(dir, name) {
        Ok(Entry::File) => {}
        Ok(_) => return Err(UpdateError::Io { file: name.to_owned(), kind: std::io::ErrorKind::InvalidInput }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(fail(e)),
    }
    let bytes = read_at_most(dir, name, crate::json::MAX_BYTES as u64).map_err(fail)?;
    if bytes.len() > crate::json::MAX_BYTES {
        return Err(UpdateError::TooLong(name.to_owned()));
    }
    Ok(Some(bytes))
}
