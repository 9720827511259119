//! Why a collection cannot begin or go on, whose turn it is, and the krav behind it.

use std::io;

use vaern_door::{Blame, Krav, Name};
use vaern_trust::SigError;

use super::AnnotationError;
use crate::sinks::SinkError;

/// Why a collection cannot begin or go on. Whatever was done before stands in the journal.
#[derive(Debug, thiserror::Error)]
pub enum CollectionError {
    /// The manifest is not of the right form.
    #[error("the manifest of the training set: {0}")]
    SetForm(String),
    /// The set is for something else than the policy in force (FRM-07).
    #[error("the training set is for the purpose `{set}`, the policy in force is for `{policy}`")]
    WrongPurpose {
        /// In the manifest.
        set: Name,
        /// In force.
        policy: Name,
    },
    /// The set should be gone already.
    #[error("the training set `{0}` is past its expiry")]
    SetExpired(Name),
    /// The output folder holds another collection.
    #[error("the output folder holds a collection of another training set or under other rules")]
    OtherCollection,
    /// Pictures or deletion records, and no journal.
    #[error(
        "the output folder holds pictures or deletion records and no journal that knows them. Put `journal.jsonl` back as it was \
         last, or give a folder of its own"
    )]
    NoJournal,
    /// The journal does not know something that only a later one can.
    #[error(
        "`{0}` is not known to the journal, which may be an older copy. Put `journal.jsonl` back as it was last, or begin \
         another set in another folder and keep this one as it is"
    )]
    JournalBehind(String),
    /// Pictures that belong to no set, into the folder of one.
    #[error("the output folder holds a training set; give a folder of its own")]
    HoldsSet,
    /// Another run has the journal.
    #[error("another run is at work in the output folder")]
    Busy,
    /// An original and its masked picture are both not there.
    #[error("picture {number}: its original is not found and its masked picture is not the one that was verified")]
    Lost {
        /// Number of the picture.
        number: u64,
    },
    /// A deletion record is not the one that the journal knows.
    #[error("deletion record {0} is missing, changed, or signed with another key")]
    Record(u64),
    /// The disk.
    #[error("the journal or an original: {0}")]
    Io(#[from] io::Error),
    /// An output file.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// A record could not be signed.
    #[error("a deletion record: {0}")]
    Signing(#[from] SigError),
    /// The annotations cannot be used.
    #[error(transparent)]
    Annotations(#[from] AnnotationError),
    /// No randomness for a salt.
    #[error("the system gives no random bytes")]
    Random,
}

impl CollectionError {
    /// The requirement behind it.
    #[must_use]
    pub const fn krav(&self) -> Krav {
        match self {
            Self::WrongPurpose { .. } => Krav("STD-03"),
            Self::Io(_) | Self::Sink(_) | Self::Lost { .. } | Self::NoJournal | Self::JournalBehind(_) => {
                Krav("SKJ-09")
            }
            _ => Krav("SEP-02"),
        }
    }

    /// Who has to act.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        Blame::Operator
    }
}
