//! Why evidence was not kept, not shown, or not deleted.

use std::io;

use vaern_door::{Blame, Krav};

use crate::AuditError;

/// What was refused, or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// The disk.
    #[error("the evidence file `{file}`: {source}")]
    Io {
        /// Name of the file.
        file: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The database.
    #[error("the evidence database: {0}")]
    Database(String),
    /// Neither copy of the epoch keys can be read with this store key. They are never made anew: what they seal would be lost unseen.
    #[error("the epoch keys cannot be read: a wrong store key, or a damaged file")]
    EpochsUnreadable,
    /// The file of epoch keys has no room for another.
    #[error("no room for another epoch key: {0} are in use")]
    EpochsFull(usize),
    /// A label has a field of another form.
    #[error("the label's field `{0}` is not in its one accepted form")]
    Label(&'static str),
    /// It would expire in the past, or later than any retention lasts.
    #[error("evidence cannot be kept until day {day}: it must lie between {first} and {last}")]
    Expiry {
        /// Day asked for, counted from 1970.
        day: u32,
        /// First day possible.
        first: u32,
        /// Last day possible.
        last: u32,
    },
    /// The class does not belong into this store (SEP-02).
    #[error("evidence of this class belongs into a store of its own, under a key of its own")]
    OtherStore,
    /// The picture is larger than evidence may be.
    #[error("a picture of {size} bytes, at most {max} are kept")]
    TooLarge {
        /// Bytes.
        size: usize,
        /// The bound.
        max: usize,
    },
    /// A release filled its share for this zone and day (EXF-20).
    #[error(
        "EvidenceQuota: this release had {bound} records kept in this zone today; the attempt is counted, not kept"
    )]
    EvidenceQuota {
        /// Records for each release, zone and day.
        bound: u32,
    },
    /// There is a record of this id.
    #[error("evidence of this id is kept already")]
    AlreadyKept,
    /// There is none of this id: never kept, or deleted.
    #[error("no evidence of this id is kept: there never was any, or it is deleted")]
    Gone,
    /// Its time is over. It is not shown any more, whether or not the store was purged since.
    #[error("the evidence's time is over: it is not shown any more")]
    Expired,
    /// It is kept for another purpose.
    #[error("the evidence is kept for another purpose")]
    OtherPurpose,
    /// It does not open: what is beside it is not what it was sealed with (AUD-14).
    #[error("the evidence does not open: its label, its store or its bytes are not those that it was sealed with")]
    Sealed,
    /// Fewer distinct persons signed than a hold takes (AUD-12).
    #[error("ThresholdNotMet: {have} of {need} distinct persons signed")]
    ThresholdNotMet {
        /// Signed.
        have: usize,
        /// Needed.
        need: usize,
    },
    /// It is held for a case.
    #[error("the evidence is held for a case: lift the hold first")]
    Held,
    /// No hold stands on it.
    #[error("no hold stands on this evidence")]
    NotHeld,
    /// The deletion could not be entered in the log. The keys are gone; the entry is made up when the store is opened again.
    #[error("the deletion is done, and is not in the log yet: {0}")]
    Log(#[from] AuditError),
    /// The system gave no randomness.
    #[error("the system gave no randomness")]
    Randomness,
}

impl From<vaern_memory::NoRandomness> for EvidenceError {
    fn from(_: vaern_memory::NoRandomness) -> Self {
        Self::Randomness
    }
}

impl EvidenceError {
    /// The requirement behind it.
    #[must_use]
    pub const fn krav(&self) -> Krav {
        match self {
            Self::Io { .. } | Self::Database(_) | Self::EpochsUnreadable | Self::EpochsFull(_) => Krav("SKJ-01"),
            Self::OtherStore => Krav("SEP-02"),
            Self::ThresholdNotMet { .. } | Self::Held | Self::NotHeld => Krav("RET-02"),
            Self::OtherPurpose | Self::Sealed | Self::Label(_) => Krav("SKJ-04"),
            Self::Log(error) => error.krav(),
            _ => Krav("SKJ-06"),
        }
    }

    /// Who has to act.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::EvidenceQuota { .. } => Blame::Vendor,
            Self::Label(_) | Self::AlreadyKept | Self::Randomness | Self::TooLarge { .. } => Blame::Host,
            Self::Expiry { .. } | Self::OtherStore => Blame::Policy,
            Self::Log(error) => error.blame(),
            _ => Blame::Operator,
        }
    }
}
