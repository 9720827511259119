//! A person's verdict on a proposal: automation proposes, a person decides, with a reason and a record (RET-03).
//!
//! A later verdict stands, earlier ones stay readable. Whoever confirms or rejects must have been shown a picture, so where none is
//! there any more nobody can do either: the only verdict left is `kan ikke vurderes`. A proposal that is seen again after it was
//! rejected waits for a person again: the verdict was on what was seen then. Each verdict is a leaf of the log before it stands.

mod crop;
mod figures;
mod page;
mod table;

pub use figures::{Figures, Said};
pub use page::guide;
pub(crate) use table::quoted;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vaern_door::guard;
use vaern_record::log::{Event, VerdictRef};

use crate::book::{Book, Proposal, Status, VERDICTS, random_hex};
use crate::disk;
use crate::error::{ProposalError, printable};
use crate::withdrawal::digest;

/// The longest reason, in characters.
pub(crate) const MAX_REASON: usize = 1_000;

/// The longest name of a reviewer, in characters.
pub(crate) const MAX_REVIEWER: usize = 120;

/// What a person can say about a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    /// It is what the proposal says.
    #[serde(rename = "bekræftet")]
    Confirmed,
    /// It is not.
    #[serde(rename = "afvist")]
    Rejected,
    /// It cannot be said.
    #[serde(rename = "kan ikke vurderes")]
    Undecidable,
}

impl Decision {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Confirmed, Self::Rejected, Self::Undecidable];

    /// The Danish word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "bekræftet",
            Self::Rejected => "afvist",
            Self::Undecidable => "kan ikke vurderes",
        }
    }

    const fn word(self) -> vaern_record::log::Decision {
        match self {
            Self::Confirmed => vaern_record::log::Decision::Confirmed,
            Self::Rejected => vaern_record::log::Decision::Rejected,
            Self::Undecidable => vaern_record::log::Decision::Undecidable,
        }
    }
}

/// What a person says, before it is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saying {
    /// Id of the proposal.
    pub id: String,
    /// What is decided.
    pub decision: Decision,
    /// Who decides.
    pub reviewer: String,
    /// Why.
    pub reason: String,
    /// The reviewer was shown the picture.
    pub picture_shown: bool,
}

/// A verdict that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// Id of the proposal.
    pub id: String,
    /// What was decided.
    pub decision: Decision,
    /// Who decided.
    pub reviewer: String,
    /// Why.
    pub reason: String,
    /// The reviewer was shown the picture.
    pub picture_shown: bool,
    /// When, in seconds since 1970, UTC.
    pub time: i64,
    /// How many runs had been taken: what came later was not decided on.
    pub(crate) runs: usize,
    /// Makes its digest in the log one that nobody guesses.
    salt: String,
}

impl Verdict {
    /// The digest that stands in its leaf.
    #[must_use]
    pub fn reference(&self) -> VerdictRef {
        VerdictRef::of(digest(self))
    }

    fn says(&self, saying: &Saying) -> bool {
        let Saying { id, decision, reviewer, reason, picture_shown } = saying;
        (&self.id, &self.decision, &self.reviewer, &self.reason, &self.picture_shown)
            == (id, decision, reviewer, reason, picture_shown)
    }
}

impl Book {
    /// Takes verdicts, all or none of them. `log` is told of each first; what it does not take does not stand.
    ///
    /// # Errors
    /// [`ProposalError`] names the first that may not be taken.
    pub fn decide(
        &mut self,
        sayings: Vec<Saying>,
        time: i64,
        log: &mut dyn FnMut(Vec<Event>) -> Result<(), String>,
    ) -> Result<Vec<Verdict>, ProposalError> {
        let proposals = self.proposals();
        let known: BTreeMap<&str, &Proposal> = proposals.iter().map(|p| (p.id.as_str(), p)).collect();
        for saying in &sayings {
            let proposal = known.get(saying.id.as_str());
            check(proposal.ok_or_else(|| ProposalError::NoProposal(printable(&saying.id)))?, saying)?;
        }
        let runs = self.runs().len();
        let verdict = |saying: Saying| -> Result<Verdict, ProposalError> {
            let Saying { id, decision, reviewer, reason, picture_shown } = saying;
            Ok(Verdict { id, decision, reviewer, reason, picture_shown, time, runs, salt: random_hex(32)? })
        };
        let fresh = sayings.into_iter().map(verdict).collect::<Result<Vec<_>, _>>()?;
        if fresh.is_empty() {
            return Ok(fresh);
        }
        let leaf = |verdict: &Verdict| Event::Reviewed {
            verdict: verdict.reference(),
            decision: verdict.decision.word(),
            picture_shown: verdict.picture_shown,
        };
        log(fresh.iter().map(leaf).collect()).map_err(ProposalError::Log)?;
        let all: Vec<&Verdict> = self.verdicts.iter().chain(&fresh).collect();
        disk::write_json(&self.dir, VERDICTS, &all)?;
        self.verdicts.extend(fresh.iter().cloned());
        Ok(fresh)
    }

    /// The list as a table for a Danish spreadsheet, to be filled in and read back with [`sayings`](Self::sayings).
    #[must_use]
    pub fn table(&self) -> String {
        table::write(self)
    }

    /// What a table that came back says, whole or not at all. Lines without a verdict and lines that say what stands already are
    /// passed over.
    ///
    /// # Errors
    /// [`ProposalError::Table`] names the line and the reason.
    pub fn sayings(&self, bytes: &[u8]) -> Result<Vec<Saying>, ProposalError> {
        table::read(self, bytes)
    }
}

fn check(proposal: &Proposal, saying: &Saying) -> Result<(), ProposalError> {
    let Saying { id, decision, reviewer, reason, picture_shown } = saying;
    for (text, what, most) in [(reviewer, "reviewer", MAX_REVIEWER), (reason, "reason", MAX_REASON)] {
        if !stated(text, most) {
            return Err(ProposalError::Missing { id: id.clone(), what, most });
        }
    }
    // A person may think better of a rejection; what is erased is gone.
    if proposal.status == Status::Withdrawn && proposal.seen.is_empty() {
        return Err(ProposalError::Withdrawn(id.clone()));
    }
    if *decision == Decision::Undecidable {
        return Ok(());
    }
    if guard::stands("proposals.review_picture") && proposal.picture().is_none() {
        return Err(ProposalError::NoPicture(id.clone()));
    }
    if guard::stands("proposals.review_shown") && !picture_shown {
        return Err(ProposalError::NotShown(id.clone()));
    }
    Ok(())
}

/// Something is said: not nothing, not too much, nothing that a terminal would act on.
pub(crate) fn stated(text: &str, most: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= most && !text.chars().any(char::is_control)
}
