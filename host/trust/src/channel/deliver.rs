//! Signed files of a channel that come one by one, by a carrier that nobody has to believe: a bus, a mail, a stick.
//!
//! Each file says what it is and proves itself. A carrier may lose them, send them twice, in another order or not at all: what
//! lies in the folder afterwards is the newest of each kind that came whole, and what a node makes of that its own floor says.
//! So a carrier can only hold news back, and that ends with the maximal staleness (UPD-16, UPD-17).

use cap_std::fs::Dir;
use vaern_door::{Digest, Name};

use super::assignment::{ASSIGNMENTS, Assigned, Assignment, assignment_file};
use super::error::UpdateError;
use super::files::{ChannelFile, Revocations};
use super::{CHANNEL_FILE, REVOCATIONS_FILE, read};
use crate::city::{CityFile, Signed, open_file};
use crate::dsse::Envelope;
use crate::files::{Readers, write_whole};
use crate::floor::Role;
use crate::trust_root::{Authority, TrustRoot};

/// A channel that came before the revocations that belong to it.
const WAITING_FILE: &str = "channel.waiting.json";

/// What became of a delivered file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It is newer than what was there, and has taken its place.
    Taken,
    /// It was there already. Nothing changed.
    Known,
    /// Something newer is there. Nothing changed.
    Older,
    /// A channel that names revocations which have not come yet: kept, and taken as soon as they come.
    Waiting,
}

impl Delivery {
    /// The name used in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Known => "known",
            Self::Older => "older",
            Self::Waiting => "waiting",
        }
    }
}

/// Takes one file that a carrier brought into a channel's folder: a channel, a list of revocations, or an assignment for `node`.
///
/// # Errors
/// [`UpdateError`] for a file that is too long, not signed as the trust root demands, for another node, or another one under a
/// number that is known. Nothing in the folder changes then.
pub fn deliver(dir: &Dir, node: Option<&Name>, trust: &TrustRoot, bytes: &[u8]) -> Result<Delivery, UpdateError> {
    if bytes.len() > crate::json::MAX_BYTES {
        return Err(UpdateError::TooLong("the delivered file".to_owned()));
    }
    let envelope = Envelope::decode(bytes).map_err(UpdateError::Channel)?;
    let is = |payload_type| envelope.unchecked_payload(payload_type).is_ok();
    if is(Revocations::PAYLOAD_TYPE) {
        let list = list(bytes, trust)?;
        let had = there(dir, REVOCATIONS_FILE)?.and_then(|bytes| self::list(&bytes, trust).ok());
        let had = had.as_ref().map(|had| (had.file().sequence, had.digest()));
        let delivery = compare((list.file().sequence, list.digest()), had, &Role::Revocations)?;
        put(dir, REVOCATIONS_FILE, bytes, delivery)?;
        promote(dir, trust)?;
        return Ok(delivery);
    }
    if is(Assignment::PAYLOAD_TYPE) {
        let assigned = Assigned::open(bytes, trust)?;
        let Some(node) = node.filter(|node| **node == assigned.file().node) else {
            return Err(UpdateError::WrongNode { node: node.cloned(), named: assigned.file().node.clone() });
        };
        let file = assignment_file(node);
        let had = there(dir, &file)?.and_then(|bytes| Assigned::open(&bytes, trust).ok());
        let had = had.as_ref().filter(|had| had.file().node == *node).map(|had| (had.file().sequence, had.digest()));
        let delivery = compare((assigned.file().sequence, assigned.digest()), had, &Role::Assignment)?;
        dir.create_dir_all(ASSIGNMENTS)
            .map_err(|e| UpdateError::Io { file: ASSIGNMENTS.to_owned(), kind: e.kind() })?;
        put(dir, &file, bytes, delivery)?;
        return Ok(delivery);
    }
    let channel = channel(bytes, trust)?;
    let delivery =
        compare((channel.file().sequence, channel.digest()), number(dir, CHANNEL_FILE, trust)?, &Role::Channel)?;
    if delivery == Delivery::Taken && !complete(dir, &channel, trust)? {
        let waiting = number(dir, WAITING_FILE, trust)?;
        let delivery = compare((channel.file().sequence, channel.digest()), waiting, &Role::Channel)?;
        put(dir, WAITING_FILE, bytes, delivery)?;
        return Ok(if delivery == Delivery::Taken { Delivery::Waiting } else { delivery });
    }
    put(dir, CHANNEL_FILE, bytes, delivery)?;
    Ok(delivery)
}

/// Takes the channel that waits, if what it waits for is there.
fn promote(dir: &Dir, trust: &TrustRoot) -> Result<(), UpdateError> {
    let Some(bytes) = there(dir, WAITING_FILE)? else { return Ok(()) };
    // What waits was checked when it came; what does not hold now was not put there by this road.
    let Ok(waiting) = channel(&bytes, trust) else { return Ok(()) };
    if !complete(dir, &waiting, trust)? {
        return Ok(());
    }
    let newest = number(dir, CHANNEL_FILE, trust)?;
    if newest.is_none_or(|(sequence, _)| sequence < waiting.file().sequence) {
        put(dir, CHANNEL_FILE, &bytes, Delivery::Taken)?;
    }
    dir.remove_file(WAITING_FILE).map_err(|e| UpdateError::Io { file: WAITING_FILE.to_owned(), kind: e.kind() })
}

fn channel(bytes: &[u8], trust: &TrustRoot) -> Result<Signed<ChannelFile>, UpdateError> {
    open_file(bytes, trust, Authority::Channel).map_err(UpdateError::Channel)
}

fn list(bytes: &[u8], trust: &TrustRoot) -> Result<Signed<Revocations>, UpdateError> {
    open_file(bytes, trust, Authority::Revocation).map_err(UpdateError::Revocations)
}

/// The number and digest of a channel in the folder. One that does not hold counts for nothing: the folder is nobody's proof.
fn number(dir: &Dir, file: &str, trust: &TrustRoot) -> Result<Option<(u64, Digest)>, UpdateError> {
    let had = there(dir, file)?.and_then(|bytes| channel(&bytes, trust).ok());
    Ok(had.map(|had| (had.file().sequence, had.digest())))
}

/// Whether the revocations that belong to a channel are there.
fn complete(dir: &Dir, channel: &Signed<ChannelFile>, trust: &TrustRoot) -> Result<bool, UpdateError> {
    let have = there(dir, REVOCATIONS_FILE)?.and_then(|bytes| list(&bytes, trust).ok());
    Ok(have.map_or(0, |list| list.file().sequence) >= channel.file().revocations)
}

/// A file of the folder; one that is too long is as good as none.
fn there(dir: &Dir, file: &str) -> Result<Option<Vec<u8>>, UpdateError> {
    match read(dir, file) {
        Err(UpdateError::TooLong(_)) => Ok(None),
        other => other,
    }
}

fn compare(new: (u64, Digest), had: Option<(u64, Digest)>, role: &Role) -> Result<Delivery, UpdateError> {
    Ok(match had {
        Some((sequence, digest)) if sequence == new.0 && digest != new.1 => {
            return Err(UpdateError::Equivocation { role: role.clone(), version: sequence });
        }
        Some((sequence, _)) if sequence == new.0 => Delivery::Known,
        Some((sequence, _)) if sequence > new.0 => Delivery::Older,
        _ => Delivery::Taken,
    })
}

fn put(dir: &Dir, file: &str, bytes: &[u8], delivery: Delivery) -> Result<(), UpdateError> {
    if delivery != Delivery::Taken {
        return Ok(());
    }
    let fail = |e: std::io::Error| UpdateError::Io { file: file.to_owned(), kind: e.kind() };
    match file.split_once('/') {
        Some((folder, name)) => write_whole(&dir.open_dir(folder).map_err(fail)?, name, bytes, Readers::Everyone),
        None => write_whole(dir, file, bytes, Readers::Everyone),
    }
    .map_err(fail)
}
