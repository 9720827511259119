//! What can go wrong with proposals, and whose turn it is then.

use std::io;

use vaern_door::{Blame, Krav};

/// Why nothing was done. Whatever was asked for in one call is done whole or not at all.
#[derive(Debug, thiserror::Error)]
pub enum ProposalError {
    /// A file cannot be read.
    #[error("cannot read `{file}`: {source}")]
    Unreadable {
        /// Name of the file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be written. Nothing of it is left.
    #[error("cannot write `{file}`: {source}. Nothing of it is left")]
    Write {
        /// Name of the file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not one that vaern wrote.
    #[error("`{file}` is not one that vaern wrote, from line {line}")]
    Form {
        /// Name of the file.
        file: String,
        /// First line that is wrong.
        line: usize,
    },
    /// A run's folder holds no result.
    #[error("the run `{0}` has no result: its folder holds no `detections.geojson`")]
    NoResult(String),
    /// A run that was taken says other things now.
    #[error("the run `{0}` was taken before and says other things now")]
    Changed(String),
    /// Another program works on these proposals at this moment.
    #[error("another program works on these proposals at this moment")]
    Busy,
    /// The folder holds no proposals.
    #[error("this folder holds no proposals: `vaern proposals` makes them")]
    NoProposals,
    /// There is no such proposal.
    #[error("there is no proposal of the id `{0}` here")]
    NoProposal(String),
    /// There is nothing of this id to withdraw.
    #[error("there is no {what} `{id}` here to withdraw")]
    Nothing {
        /// `proposal`, `find` or `release`.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// Nobody can confirm or reject what nobody can see.
    #[error("no picture of `{0}` is there any more: the only verdict left is `kan ikke vurderes`")]
    NoPicture(String),
    /// The reviewer does not say that the picture was shown.
    #[error("`{0}` can be confirmed or rejected only by somebody who was shown its picture")]
    NotShown(String),
    /// Withdrawn proposals are not decided on.
    #[error("`{0}` is withdrawn: there is nothing to decide any more")]
    Withdrawn(String),
    /// Without a name, or without a reason.
    #[error("what is said of `{id}` has no {what} of 1 to {most} characters")]
    Missing {
        /// What it is about.
        id: String,
        /// `reason` or `reviewer`.
        what: &'static str,
        /// Characters at most.
        most: usize,
    },
    /// The table that came back is not the one that was given out.
    #[error("line {line} of the table: {why}. Nothing of the table was taken")]
    Table {
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// The log does not take what is to be done, so it is not done.
    #[error("the log does not take it, so it is not done: {0}")]
    Log(String),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random,
}

impl ProposalError {
    /// The requirement behind it.
    #[must_use]
    pub const fn krav(&self) -> Krav {
        match self {
            Self::Write { .. } | Self::Unreadable { .. } | Self::Random => Krav("SKJ-09"),
            Self::Form { .. } | Self::Changed(_) | Self::Log(_) => Krav("GOV-05"),
            Self::Nothing { .. } | Self::Withdrawn(_) => Krav("STD-05"),
            _ => Krav("RET-03"),
        }
    }

    /// Who has to act.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Random => Blame::Host,
            _ => Blame::Operator,
        }
    }

    /// What to do next.
    #[must_use]
    pub const fn mend(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } | Self::Write { .. } | Self::Random => {
                "check the folder's space and rights, then run again"
            }
            Self::Form { .. } | Self::NoResult(_) => "name the folder that `vaern run` wrote, as it wrote it",
            Self::Changed(_) => "take the folder as the run wrote it; what was taken stands",
            Self::Busy => "wait until it is done",
            Self::NoProposals => "name the folder that was `--out` of `vaern proposals`",
            Self::NoProposal(_) | Self::Nothing { .. } => "take the id from `proposals.geojson` or from the list",
            Self::NoPicture(_) => "say `kan ikke vurderes`",
            Self::NotShown(_) => "look at the picture and say so, or say `kan ikke vurderes`",
            Self::Withdrawn(_) => "leave it out",
            Self::Missing { .. } => "say who and why",
            Self::Table { .. } => "mend that line, or take a new list and fill it in",
            Self::Log(_) => "mend the log first; nothing was recorded",
        }
    }
}

/// Cuts foreign text down to what a message can carry.
pub(crate) fn printable(text: &str) -> String {
    text.chars().take(80).map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
}
