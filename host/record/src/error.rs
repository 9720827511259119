//! Why the log is not believed, or could not be written.

use std::io;

use vaern_door::{Blame, Krav};

/// What does not hold. Where an index is named, it is the first leaf that fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The disk.
    #[error("the log's file `{file}`: {source}")]
    Io {
        /// Path inside the log's directory.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// There is no checkpoint: no log, or one that was taken away.
    #[error("there is no log here: no file `checkpoint`")]
    NoLog,
    /// A file that the checkpoint vouches for is not there, or is cut off.
    #[error("`{file}` is missing or cut off, although the checkpoint vouches for it")]
    Missing {
        /// Path inside the log's directory.
        file: String,
    },
    /// A text is not in its one accepted form.
    #[error("{what} is not in its one accepted form")]
    Malformed {
        /// Which kind of text.
        what: &'static str,
    },
    /// The checkpoint carries no signature by the key that it is held against.
    #[error("the checkpoint is not signed by the log key `{name}`")]
    Unsigned {
        /// Name of the key.
        name: String,
    },
    /// A signature that claims to be by this key does not hold.
    #[error("a signature that claims to be by `{name}` does not hold")]
    BadSignature {
        /// Name of the key.
        name: String,
    },
    /// The checkpoint is of another log.
    #[error("the checkpoint is of the log `{found}`, not of `{expected}`")]
    OtherLog {
        /// In the checkpoint.
        found: String,
        /// Wanted.
        expected: String,
    },
    /// A shorter log is shown than one that was seen before (AUD-03).
    #[error("CheckpointRollback: a log of {have} leaves was seen before, one of {offered} is offered")]
    CheckpointRollback {
        /// Leaves of the checkpoint that was seen.
        have: u64,
        /// Leaves of the one that is offered.
        offered: u64,
    },
    /// Two trees that cannot both be the log's (AUD-02).
    #[error("InconsistentTree: the first {size} leaves are not the ones that were vouched for before")]
    InconsistentTree {
        /// Leaves of the earlier tree.
        size: u64,
    },
    /// A leaf is not the one that the tree was built over: altered, moved or deleted (AUD-01).
    #[error("leaf {index} is not the one that the log was built over")]
    LeafMismatch {
        /// Its index, from 0.
        index: u64,
    },
    /// A hash tile does not follow from what lies below it.
    #[error("the hash tile at level {level} does not follow from the leaves below it, from leaf {index}")]
    TileMismatch {
        /// Level of the tile.
        level: u8,
        /// First leaf under the hash that differs.
        index: u64,
    },
    /// The leaves do not give the signed root.
    #[error("the {size} leaves do not give the root hash that the checkpoint signs")]
    RootMismatch {
        /// Leaves of the checkpoint.
        size: u64,
    },
    /// A record is not the one that its leaf commits to.
    #[error("the record beside leaf {index} is not the one that the leaf commits to")]
    RecordMismatch {
        /// Index of the leaf.
        index: u64,
    },
    /// A record that its leaf commits to cannot be understood, or breaks a rule of the account.
    #[error("the record of leaf {index}: {why}")]
    Record {
        /// Index of the leaf.
        index: u64,
        /// What is wrong with it; holds nothing of the record itself.
        why: &'static str,
    },
    /// A proof does not lead to the signed root.
    #[error("the proof does not lead to the root hash that the checkpoint signs")]
    BadProof,
    /// There is no such leaf.
    #[error("there is no leaf {index} in a log of {size} leaves")]
    NoLeaf {
        /// Asked for.
        index: u64,
        /// Leaves of the log.
        size: u64,
    },
    /// An entry is larger than a log may hold (AUD-13). Nothing was written.
    #[error("EntryTooLarge: {size} bytes, at most {max} may be logged: log the digest of a report, not the report")]
    EntryTooLarge {
        /// Bytes.
        size: usize,
        /// The bound.
        max: usize,
    },
    /// A count of frames does not add up (AUD-06).
    #[error("{frames_in} frames went in, {accounted} are accounted for")]
    Unbalanced {
        /// Frames in.
        frames_in: u64,
        /// Seen, empty, refused and failed together.
        accounted: u64,
    },
    /// A word that is to be counted under is none of the program's.
    #[error("not a word that the log counts under: a to z, 0 to 9 and `_`, at most 48 characters")]
    Word,
    /// Too few witnesses vouch for the checkpoint (AUD-02).
    #[error("QuorumNotReached: {have} of the {need} witnesses that the policy asks for vouch for this checkpoint")]
    QuorumNotReached {
        /// Distinct witnesses that vouch.
        have: usize,
        /// Needed.
        need: usize,
    },
    /// No quorum vouched for the log for longer than the policy bears (AUD-04).
    #[error("no quorum of witnesses vouched for the log for {seconds} seconds; the policy bears {bound}")]
    WitnessesSilent {
        /// Seconds since the newest checkpoint with a quorum.
        seconds: u64,
        /// The policy's bound in seconds.
        bound: u64,
    },
    /// The pending leaves fit neither before nor after the checkpoint.
    #[error("leaves that wait to be published do not follow on the checkpoint's {size} leaves")]
    Pending {
        /// Leaves of the checkpoint.
        size: u64,
    },
    /// Another process writes this log.
    #[error("another process is writing this log")]
    Busy,
    /// An earlier write failed, so what is on disk is unknown until the log is opened anew.
    #[error("an earlier write to the log failed; open it anew, which finishes or drops what was begun")]
    Poisoned,
    /// The secret and the public half of the log's key do not belong together.
    #[error("the two halves of the log's key do not belong together")]
    MixedKey,
    /// The system gave no randomness.
    #[error("the system gave no randomness")]
    Randomness,
}

impl AuditError {
    /// The requirement behind it: the city can show what happened (GOV-05).
    #[must_use]
    pub const fn krav(&self) -> Krav {
        match self {
            Self::Io { .. } | Self::Busy | Self::Poisoned => Krav("SKJ-09"),
            _ => Krav("GOV-05"),
        }
    }

    /// Who has to act.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Io { .. }
            | Self::NoLog
            | Self::Busy
            | Self::NoLeaf { .. }
            | Self::MixedKey
            | Self::OtherLog { .. } => Blame::Operator,
            _ => Blame::Host,
        }
    }

    /// What to do next.
    #[must_use]
    pub const fn mend(&self) -> &'static str {
        match self {
            Self::Io { .. } | Self::Poisoned => {
                "check the disk's space and rights; opening the log again finishes or drops what was begun"
            }
            Self::NoLog => "name the directory that was given to `vaern run --log`",
            Self::Busy => "wait for the other process, or give each its own log",
            Self::NoLeaf { .. } => "leaves are counted from 0",
            Self::MixedKey | Self::OtherLog { .. } | Self::Unsigned { .. } => {
                "use the key that this log was begun with"
            }
            Self::QuorumNotReached { .. } | Self::WitnessesSilent { .. } => {
                "hand the checkpoint to the witnesses; a lost witness key is replaced in the policy by those who sign it"
            }
            Self::EntryTooLarge { .. } | Self::Unbalanced { .. } | Self::Word | Self::Randomness => {
                "this is a fault of the host: please report it"
            }
            _ => {
                "do not use this log as evidence; keep it as it is, and compare it with a copy that a witness or an auditor holds"
            }
        }
    }
}
