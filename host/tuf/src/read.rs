//! A node's side: a repository in a folder as a source of the channel.

use cap_std::fs::Dir;
use jiff::Timestamp;
use sigstore_tuf::{Targets, TrustedMetadataSet};
use vaern_door::Name;
use vaern_trust::{
    Assigned, Authority, CHANNEL_FILE, ChannelSource, Digest, Mark, MetadataError, Offered, REVOCATIONS_FILE, Role,
    TrustRoot, UpdateError, assignment_file, open_file,
};

use crate::error::refused;
use crate::form::{MOST, MOST_TIMESTAMP, digest, must_read, read, sound, target_file};
use crate::{METADATA, check};

/// Rotations that are walked at once. A city that rotates its root each week needs twenty years for so many.
const MOST_ROTATIONS: usize = 1024;

/// A repository in a folder: from any file server, or a stick.
#[derive(Debug)]
pub struct TufFiles<'d> {
    dir: &'d Dir,
    root: Vec<u8>,
    now: Timestamp,
    node: Option<Name>,
}

impl<'d> TufFiles<'d> {
    /// The repository in `dir`, from the pinned root on, judged at `now`: the time of the node's floor, and not the machine's clock alone.
    #[must_use]
    pub fn new(dir: &'d Dir, root: impl Into<Vec<u8>>, now: Timestamp) -> Self {
        Self { dir, root: root.into(), now, node: None }
    }

    /// As the node of this name sees it: with its assignment.
    #[must_use]
    pub fn seen_by(self, node: Option<Name>) -> Self {
        Self { node, ..self }
    }

    /// A target that the metadata names, with the length and the digest that they say.
    fn target(&self, targets: &Targets, name: &str) -> Result<Option<Vec<u8>>, UpdateError> {
        let Some(said) = targets.target(name) else { return Ok(None) };
        let other = |what: &str| UpdateError::Metadata(MetadataError::NotPinned(format!("{name}: {what}")));
        let sha256 = said.hashes.get("sha256").filter(|hex| is_sha256(hex)).ok_or_else(|| other("no SHA-256"))?;
        if said.length > MOST {
            return Err(UpdateError::TooLong(name.to_owned()));
        }
        let bytes = must_read(self.dir, &target_file(name, sha256), said.length)?;
        if bytes.len() as u64 != said.length {
            return Err(other("it has another length"));
        }
        if Digest::of(&bytes).hex() != *sha256 {
            return Err(other("it has another digest"));
        }
        Ok(Some(bytes))
    }
}

fn is_sha256(hex: &str) -> bool {
    hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Walks the chain of roots from the pinned one to the newest that is there. Gives the newest one's bytes with it.
pub(crate) fn newest_root(dir: &Dir, pinned: &[u8]) -> Result<(TrustedMetadataSet, Vec<u8>), UpdateError> {
    check::install();
    let mut set = TrustedMetadataSet::from_root(pinned).map_err(refused)?;
    sound(set.root(), None)?;
    let mut newest = pinned.to_vec();
    for _ in 0..MOST_ROTATIONS {
        let Some(next) = set.root().version.checked_add(1) else { break };
        let Some(bytes) = read(dir, &format!("{METADATA}/{next}.root.json"), MOST)? else { return Ok((set, newest)) };
        let before = set.root().clone();
        set.update_root(&bytes).map_err(refused)?;
        sound(set.root(), Some(&before))?;
        newest = bytes;
    }
    Err(UpdateError::Metadata(MetadataError::BadRootChain("more rotations than are walked at once".to_owned())))
}

impl ChannelSource for TufFiles<'_> {
    fn offered(&self, trust: &TrustRoot) -> Result<Offered, UpdateError> {
        let (mut set, root) = newest_root(self.dir, &self.root)?;
        let missing = |what: &str| UpdateError::Metadata(MetadataError::Malformed(format!("no {what}")));
        set.check_root_expired(self.now).map_err(refused)?;
        let timestamp = must_read(self.dir, &format!("{METADATA}/timestamp.json"), MOST_TIMESTAMP)?;
        set.update_timestamp(&timestamp, self.now).map_err(refused)?;
        let pin = set.timestamp().and_then(|t| t.snapshot_meta()).ok_or_else(|| missing("snapshot.json"))?;
        let snapshot = must_read(self.dir, &format!("{METADATA}/{}.snapshot.json", pin.version), MOST)?;
        set.update_snapshot(&snapshot, self.now).map_err(refused)?;
        let pin = set.snapshot().and_then(|s| s.meta.get("targets.json")).ok_or_else(|| missing("targets.json"))?;
        let listed = must_read(self.dir, &format!("{METADATA}/{}.targets.json", pin.version), MOST)?;
        let targets = set.update_targets(&listed, self.now).map_err(refused)?.clone();

        let channel = self.target(&targets, CHANNEL_FILE)?.ok_or_else(|| missing(CHANNEL_FILE))?;
        let channel = open_file(&channel, trust, Authority::Channel).map_err(UpdateError::Channel)?;
        let revocations = match self.target(&targets, REVOCATIONS_FILE)? {
            Some(bytes) => Some(open_file(&bytes, trust, Authority::Revocation).map_err(UpdateError::Revocations)?),
            None => None,
        };
        let assigned = match &self.node {
            Some(node) => self.target(&targets, &assignment_file(node))?,
            None => None,
        };
        let assigned = assigned.map(|bytes| Assigned::open(&bytes, trust)).transpose()?;
        // What the client saw goes into the node's floor, and nowhere else.
        let version = |found: Option<u64>| found.unwrap_or(0);
        let also = [
            ("root", set.root().version, &root),
            ("timestamp", version(set.timestamp().map(|t| t.version)), &timestamp),
            ("snapshot", version(set.snapshot().map(|s| s.version)), &snapshot),
            ("targets", targets.version, &listed),
        ];
        let also = also.into_iter().map(|(role, version, bytes)| {
            let name = Name::new(role).map_err(|_| missing(role))?;
            Ok((Role::Tuf(name), Mark { version, digest: digest(bytes)? }))
        });
        let also = also.collect::<Result<_, UpdateError>>()?;
        let ends = [Some(set.root().expires), set.timestamp().map(|t| t.expires), set.snapshot().map(|s| s.expires)];
        let ends = ends.into_iter().flatten().chain([targets.expires]).min();
        Ok(Offered { channel, revocations, assigned, node: self.node.clone(), also, ends })
    }
}
