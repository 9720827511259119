//! The rows of the floor, and their one checksum.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use vaern_door::{Digest, Name};

use super::clock::Clock;
use super::error::FloorError;

/// What a row is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The signed trust root.
    Root,
    /// The channel: what is approved and current.
    Channel,
    /// The list of revocations.
    Revocations,
    /// What is assigned to this node.
    Assignment,
    /// A role of the TUF metadata around the channel.
    Tuf(Name),
    /// Recovery statements of the root.
    Recovery,
    /// A signed policy set, by its name.
    Policy(Name),
    /// The releases of one plugin of one vendor: the release counter.
    Release {
        /// The vendor.
        vendor: Name,
        /// The plugin.
        plugin: Name,
    },
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("root"),
            Self::Channel => f.write_str("channel"),
            Self::Revocations => f.write_str("revocations"),
            Self::Assignment => f.write_str("assignment"),
            Self::Recovery => f.write_str("recovery"),
            Self::Tuf(name) => write!(f, "tuf:{name}"),
            Self::Policy(name) => write!(f, "policy:{name}"),
            Self::Release { vendor, plugin } => write!(f, "release:{vendor}/{plugin}"),
        }
    }
}

impl FromStr for Role {
    type Err = FloorError;
    fn from_str(text: &str) -> Result<Self, FloorError> {
        let unknown = || FloorError::Unreadable(format!("unknown row `{}`", crate::printable::printable(text)));
        let name = |text: &str| Name::new(text).map_err(|_| unknown());
        Ok(match text {
            "root" => Self::Root,
            "channel" => Self::Channel,
            "revocations" => Self::Revocations,
            "assignment" => Self::Assignment,
            "recovery" => Self::Recovery,
            _ => match (text.strip_prefix("policy:"), text.strip_prefix("release:")) {
                (Some(set), _) => Self::Policy(name(set)?),
                _ if text.starts_with("tuf:") => Self::Tuf(name(text.strip_prefix("tuf:").unwrap_or_default())?),
                (_, Some(release)) => {
                    let (vendor, plugin) = release.split_once('/').ok_or_else(unknown)?;
                    Self::Release { vendor: name(vendor)?, plugin: name(plugin)? }
                }
                _ => return Err(unknown()),
            },
        })
    }
}

/// The newest of a role: its number, and the digest that the number stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Sequence number, version or release counter.
    pub version: u64,
    /// What has this number. Another thing with the same number is refused.
    pub digest: Digest,
}

/// All rows of a floor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// The newest of each role.
    pub marks: BTreeMap<Role, Mark>,
    /// The time floor.
    pub clock: Clock,
    /// Releases that were revoked. One that was revoked once never runs again.
    pub revoked: BTreeSet<Digest>,
    /// The active release of each purpose.
    pub active: BTreeMap<Name, Digest>,
}

const CLOCK: &str = "clock";
const SET: &str = "set";

impl Rows {
    /// No rows yet, at a signed moment.
    #[must_use]
    pub fn at(signed: Timestamp) -> Self {
        Self { marks: BTreeMap::new(), clock: Clock::at(signed), revoked: BTreeSet::new(), active: BTreeMap::new() }
    }

    /// The rows as they are stored: key and bytes, the checksum among them.
    pub(super) fn encode(&self) -> BTreeMap<String, Vec<u8>> {
        let mut table = BTreeMap::new();
        for (role, mark) in &self.marks {
            table.insert(format!("mark/{role}"), [&mark.version.to_le_bytes()[..], mark.digest.as_bytes()].concat());
        }
        let moments = [self.clock.signed, self.clock.seen].map(|time| time.as_second().to_le_bytes());
        table.insert(CLOCK.to_owned(), moments.concat());
        for digest in &self.revoked {
            table.insert(format!("revoked/{}", digest.hex()), Vec::new());
        }
        for (purpose, digest) in &self.active {
            table.insert(format!("active/{purpose}"), digest.as_bytes().to_vec());
        }
        let sum = checksum(&table);
        table.insert(SET.to_owned(), sum.as_bytes().to_vec());
        table
    }

    /// Reads rows as they were stored. Whatever does not belong there makes the whole set unreadable.
    pub(super) fn decode(mut table: BTreeMap<String, Vec<u8>>) -> Result<Self, FloorError> {
        let bad = |what: &str| FloorError::Unreadable(what.to_owned());
        let stored = table.remove(SET).ok_or_else(|| bad("no checksum"))?;
        if vaern_door::guard::stands("trust.floor-checksum") && checksum(&table).as_bytes()[..] != stored[..] {
            return Err(bad("the checksum does not fit"));
        }
        let clock = table.remove(CLOCK).ok_or_else(|| bad("no clock"))?;
        let mut rows = Self::at(Timestamp::UNIX_EPOCH);
        let (signed, seen) = clock.split_at_checked(8).ok_or_else(|| bad("clock"))?;
        let moment = |bytes: &[u8]| {
            let seconds = i64::from_le_bytes(bytes.try_into().map_err(|_| bad("clock"))?);
            Timestamp::from_second(seconds).map_err(|_| bad("clock"))
        };
        rows.clock = Clock { signed: moment(signed)?, seen: moment(seen)? };
        let digest = |bytes: &[u8]| -> Result<Digest, FloorError> {
            Ok(Digest::from_bytes(bytes.try_into().map_err(|_| bad("a digest"))?))
        };
        for (key, value) in &table {
            match key.split_once('/') {
                Some(("mark", role)) => {
                    let (version, name) = value.split_at_checked(8).ok_or_else(|| bad("a mark"))?;
                    let version = u64::from_le_bytes(version.try_into().map_err(|_| bad("a mark"))?);
                    rows.marks.insert(role.parse()?, Mark { version, digest: digest(name)? });
                }
                Some(("revoked", hex)) if value.is_empty() => {
                    let text = format!("sha256:{hex}");
                    rows.revoked.insert(text.parse().map_err(|_| bad("a revoked digest"))?);
                }
                Some(("active", purpose)) => {
                    rows.active.insert(Name::new(purpose).map_err(|_| bad("a purpose"))?, digest(value)?);
                }
                _ => return Err(bad("a row that no floor has")),
            }
        }
        Ok(rows)
    }

    /// Says whether `next` may follow: no number goes back, nothing revoked returns. `None` if so, else the row.
    pub(super) fn goes_back(&self, next: &Self) -> Option<String> {
        for (role, mark) in &self.marks {
            let kept = next.marks.get(role).is_some_and(|new| {
                new.version > mark.version || (new.version == mark.version && new.digest == mark.digest)
            });
            if !kept {
                return Some(role.to_string());
            }
        }
        if next.clock.signed < self.clock.signed {
            return Some(CLOCK.to_owned());
        }
        if !self.revoked.is_subset(&next.revoked) {
            return Some("revoked".to_owned());
        }
        None
    }
}

fn checksum(table: &BTreeMap<String, Vec<u8>>) -> Digest {
    let mut bytes = b"vaern floor v1\n".to_vec();
    for (key, value) in table {
        for part in [key.as_bytes(), value] {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part);
        }
    }
    Digest::of(&bytes)
}
