//! Why a channel, or a release under it, is refused.

use std::io;

use jiff::Timestamp;
use vaern_door::{Blame, Digest, Krav, Name};

use super::assignment::RingGap;
use crate::floor::{FloorError, Role};
use crate::package::PkgError;
use crate::release::ReleaseError;
use crate::sig_error::SigError;

/// Why metadata around a channel is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// Too few signatures of the keys that the root names.
    #[error("ThresholdNotMet: {role} takes {threshold} signatures, {found} hold")]
    ThresholdNotMet {
        /// The role.
        role: String,
        /// How many hold.
        found: usize,
        /// How many it takes.
        threshold: usize,
    },
    /// A file that is not the one that is named: of another time, altered, or too short.
    #[error("MixAndMatch: {0}")]
    NotPinned(String),
    /// A root that does not follow from the one before.
    #[error("BadRootChain: {0}")]
    BadRootChain(String),
    /// It cannot be read.
    #[error("{0}")]
    Malformed(String),
}

/// Why a channel, or a release under it, is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// The node's own floor cannot be used.
    #[error(transparent)]
    Floor(#[from] FloorError),
    /// The channel's signatures or form do not hold.
    #[error("channel: {0}")]
    Channel(SigError),
    /// The signatures or form of the list of revocations do not hold.
    #[error("revocations: {0}")]
    Revocations(SigError),
    /// The trust root is not one that this node may go by.
    #[error("trust root: {0}")]
    Root(SigError),
    /// TUF metadata does not hold.
    #[error("metadata: {0}")]
    Metadata(MetadataError),
    /// A file could not be read or written.
    #[error("`{file}`: {kind}")]
    Io {
        /// Which file.
        file: String,
        /// What the system said.
        kind: io::ErrorKind,
    },
    /// A file is longer than any such file may be.
    #[error("TooLong: `{0}` is longer than 1 MiB")]
    TooLong(String),
    /// Something older than what this node has seen.
    #[error("Rollback: {role} {offered} is offered, this node has seen {have}")]
    Rollback {
        /// What is older.
        role: Role,
        /// The number that this node has seen.
        have: u64,
        /// The number that is offered.
        offered: u64,
    },
    /// Two things with one number.
    #[error("Equivocation: there are two different {role} with the number {version}")]
    Equivocation {
        /// What.
        role: Role,
        /// The number.
        version: u64,
    },
    /// Files of different times.
    #[error("MixAndMatch: the channel goes with revocations from number {need}, number {have} is offered")]
    MixAndMatch {
        /// The number that is offered; 0 for no list.
        have: u64,
        /// The least number that belongs to the channel.
        need: u64,
    },
    /// The channel has ended.
    #[error("Expired: the channel expired {0}")]
    Expired(Timestamp),
    /// No newer channel for too long.
    #[error("Frozen: the newest channel is of {issued}, and {days} days is the most that a node runs without news")]
    Frozen {
        /// When the newest channel was signed.
        issued: Timestamp,
        /// The maximal staleness in days.
        days: i64,
    },
    /// The channel does not list the release.
    #[error("NotListed: the channel `{channel}` does not list the release {release}")]
    NotListed {
        /// Name of the channel.
        channel: Name,
        /// The release.
        release: Digest,
    },
    /// The release was revoked.
    #[error("Revoked: the release {release} was revoked{}", reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default())]
    Revoked {
        /// The release.
        release: Digest,
        /// Why, where the list at hand says it; printable characters only.
        reason: Option<String>,
    },
    /// The signatures or form of an assignment do not hold.
    #[error("assignment: {0}")]
    Assignment(SigError),
    /// An assignment for another node.
    #[error("WrongNode: the assignment is for `{named}`, this node is {}", node.as_ref().map_or_else(|| "without a name".to_owned(), |n| format!("`{n}`")))]
    WrongNode {
        /// The name of this node, where it has one.
        node: Option<Name>,
        /// The node that the assignment is for.
        named: Name,
    },
    /// The channel lists the release, and it was not assigned to this node.
    #[error("NotAssigned: the release {release} is not assigned to {}", node.as_ref().map_or_else(|| "this node, which has no name".to_owned(), |n| format!("`{n}`")))]
    NotAssigned {
        /// The name of this node, where it has one.
        node: Option<Name>,
        /// The release.
        release: Digest,
    },
    /// A ring of the rollout was skipped.
    #[error("RingViolation: the release {release} is assigned in ring {ring}: {gap}")]
    RingViolation {
        /// The release.
        release: Digest,
        /// The ring that it is assigned in.
        ring: u16,
        /// What is missing.
        gap: RingGap,
    },
    /// The release has a known hole.
    #[error("CounterBelowMinimum: the release has the counter {counter}, the least that is safe is {minimum}")]
    CounterBelowMinimum {
        /// Its counter.
        counter: u64,
        /// The least counter.
        minimum: u64,
    },
    /// The release was not examined on this line of the host.
    #[error(transparent)]
    Tested(ReleaseError),
    /// The folder that a release is kept from does not hold together.
    #[error("the folder of the release: {0}")]
    Folder(PkgError),
    /// The active release, kept on this node, does not hold.
    #[error("the active release: {0}")]
    Active(ReleaseError),
}

impl UpdateError {
    /// The requirement behind it.
    #[must_use]
    pub const fn krav(&self) -> Krav {
        match self {
            Self::Floor(e) => e.krav(),
            Self::Channel(e) | Self::Revocations(e) | Self::Root(e) | Self::Assignment(e) => e.krav(),
            Self::Active(e) | Self::Tested(e) => e.krav(),
            Self::Folder(e) => e.krav(),
            Self::Io { .. } => Krav("STD-02"),
            Self::Expired(_) | Self::Frozen { .. } => Krav("GOV-04"),
            _ => Krav("CYB-01"),
        }
    }

    /// Who has to act.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Floor(e) => e.blame(),
            Self::Active(e) | Self::Tested(e) => e.blame(),
            Self::Folder(e) => e.blame(),
            Self::Channel(e) | Self::Revocations(e) | Self::Root(e) | Self::Assignment(e) => e.blame(Blame::Policy),
            Self::Io { .. }
            | Self::Expired(_)
            | Self::Frozen { .. }
            | Self::TooLong(_)
            | Self::Rollback { .. }
            | Self::WrongNode { .. } => Blame::Operator,
            _ => Blame::Policy,
        }
    }

    /// What to do next.
    #[must_use]
    pub const fn mend(&self) -> &'static str {
        match self {
            Self::Floor(e) => e.mend(),
            Self::Channel(e) | Self::Revocations(e) | Self::Root(e) | Self::Assignment(e) => e.mend(),
            Self::Active(e) | Self::Tested(e) => e.mend(),
            Self::Folder(e) => e.mend(),
            Self::Io { .. } => "check that the channel's folder is there and can be read",
            Self::TooLong(_) => "get the channel anew; a server that sends without end is not the city's",
            Self::Metadata(_) => {
                "get the repository anew from the city; if it is the city's own, its keys and its root do not fit"
            }
            Self::Rollback { .. } | Self::MixAndMatch { .. } => "get the newest channel and revocations from the city",
            Self::Equivocation { .. } => {
                "somebody signed two different things under one number: stop, and ask the city which one it meant"
            }
            Self::Expired(_) | Self::Frozen { .. } => "get the newest channel from the city; if it is, check the clock",
            Self::NotListed { .. } => "publish the release in the channel, or run one that is listed",
            Self::WrongNode { .. } => {
                "give the node the name that the city knows it by, or bring it its own assignment"
            }
            Self::NotAssigned { .. } => "assign the release to this node (`vaern channel assign`), or name the node",
            Self::RingViolation { .. } => {
                "let the ring before run the release, sign its result (`vaern channel ring`), and assign it with that"
            }
            Self::Revoked { .. } => "run another release; one that was revoked never runs again",
            Self::CounterBelowMinimum { .. } => "run a newer release of the plugin",
        }
    }
}
