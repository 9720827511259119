//! What is taken back: a citizen's objection, a release that is withdrawn, evidence deleted before its time (STD-05).
//!
//! A withdrawal erases the finds that it covers, from here and from every later export, and it covers what comes after it as well. It
//! is a leaf of the log before it is done.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use vaern_door::{Digest, guard};
use vaern_record::log::{Event, WithdrawalRef};

use crate::book::{Book, Exported, WITHDRAWALS, random_hex};
use crate::disk;
use crate::error::{ProposalError, printable};
use crate::review::{MAX_REASON, MAX_REVIEWER, stated};
use crate::run::Observation;

/// Who withdraws what a revoked release found, and why, in words for those who read it.
const REVOKED: (&str, &str) = ("byen", "programmet er tilbagekaldt i byens kanal");

/// Why something is withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A person said that it is not what it says.
    Rejected,
    /// Somebody whom it concerns objected.
    Objection,
    /// The release that found it is withdrawn.
    Release,
    /// Its evidence was deleted before its time.
    EvidenceDeleted,
}

impl Cause {
    /// In Danish.
    #[must_use]
    pub const fn danish(self) -> &'static str {
        match self {
            Self::Rejected => "afvist af en sagsbehandler",
            Self::Objection => "indsigelse",
            Self::Release => "programmet, der fandt det, er trukket tilbage",
            Self::EvidenceDeleted => "beviset er slettet før tid",
        }
    }

    const fn word(self) -> vaern_record::log::Withdrawal {
        match self {
            // A verdict is a leaf of its own kind.
            Self::Rejected | Self::Objection => vaern_record::log::Withdrawal::Objection,
            Self::Release => vaern_record::log::Withdrawal::Release,
            Self::EvidenceDeleted => vaern_record::log::Withdrawal::EvidenceDeleted,
        }
    }
}

/// What a withdrawal covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// One proposal, with everything that was seen of it until now.
    Proposal(String),
    /// Finds.
    Finds(Vec<String>),
    /// Everything that a release found, and will have found.
    Release(Digest),
}

/// A withdrawal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdrawal {
    /// What it covers.
    pub target: Target,
    /// Why.
    pub cause: Cause,
    /// Who withdrew it.
    pub by: String,
    /// The reason, in that person's words.
    pub reason: String,
    /// When, in seconds since 1970, UTC.
    pub time: i64,
    /// The proposals that it took finds from.
    pub proposals: Vec<String>,
    /// The finds that it covered when it was made.
    finds: Vec<String>,
    /// Makes its digest in the log one that nobody guesses.
    salt: String,
}

impl Withdrawal {
    pub(crate) fn covers(&self, find: &Observation) -> bool {
        let named = self.finds.binary_search(&find.id).is_ok();
        match &self.target {
            Target::Proposal(_) => named,
            Target::Finds(ids) => named || ids.contains(&find.id),
            Target::Release(release) => find.release == Some(*release),
        }
    }
}

/// A proposal that is withdrawn now, and the exports that held it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recalled {
    /// The proposal.
    pub id: String,
    /// Why. Nothing where only a part of it is withdrawn.
    pub cause: Option<Cause>,
    /// Exports that held it, oldest first: number and time in seconds since 1970.
    pub exports: Vec<(u64, i64)>,
}

impl Book {
    /// Withdraws finds. `log` is told first; what it does not take is not done.
    ///
    /// # Errors
    /// [`ProposalError::Nothing`] where there is nothing to withdraw, [`ProposalError::Missing`] without a name or a reason.
    pub fn withdraw(
        &mut self,
        (target, cause): (Target, Cause),
        (by, reason): (&str, &str),
        time: i64,
        log: &mut dyn FnMut(Event) -> Result<(), String>,
    ) -> Result<Vec<Recalled>, ProposalError> {
        let nothing = |what, id: &str| ProposalError::Nothing { what, id: printable(id) };
        let name = match &target {
            Target::Proposal(id) => id.clone(),
            Target::Finds(ids) => ids.first().cloned().unwrap_or_default(),
            Target::Release(digest) => digest.to_string(),
        };
        for (text, what, most) in [(by, "reviewer", MAX_REVIEWER), (reason, "reason", MAX_REASON)] {
            if !stated(text, most) {
                return Err(ProposalError::Missing { id: printable(&name), what, most });
            }
        }
        let hit = |proposal: &str, find: &Observation| match &target {
            Target::Proposal(id) => id == proposal,
            Target::Finds(ids) => ids.contains(&find.id),
            Target::Release(digest) => find.release == Some(*digest),
        };
        let (mut finds, mut proposals) = (Vec::new(), BTreeSet::new());
        for (proposal, find) in self.observations() {
            if hit(proposal, find) {
                finds.push(find.id.clone());
                proposals.insert(proposal.to_owned());
            }
        }
        finds.sort_unstable();
        match &target {
            Target::Proposal(id) if finds.is_empty() => return Err(nothing("proposal", id)),
            Target::Finds(_) if finds.is_empty() => return Err(nothing("find", &name)),
            // A release may be withdrawn before anything of it came here.
            _ => {}
        }
        let withdrawal = Withdrawal {
            target,
            cause,
            by: by.trim().to_owned(),
            reason: reason.trim().to_owned(),
            time,
            proposals: proposals.into_iter().collect(),
            finds,
            salt: random_hex(32)?,
        };
        log(Event::Withdrawn { withdrawal: WithdrawalRef::of(digest(&withdrawal)), cause: cause.word() })
            .map_err(ProposalError::Log)?;
        let touched: BTreeSet<String> = withdrawal.proposals.iter().cloned().collect();
        self.withdrawals.push(withdrawal);
        disk::write_json(&self.dir, WITHDRAWALS, &self.withdrawals)?;
        self.erase_and_save()?;
        Ok(self.recalled().into_iter().filter(|recalled| touched.contains(&recalled.id)).collect())
    }

    /// Withdraws what releases found that the city revoked: the same as by hand, once for each. A revocation is never taken back.
    ///
    /// # Errors
    /// As [`withdraw`](Self::withdraw).
    pub fn withdraw_revoked(
        &mut self,
        revoked: impl IntoIterator<Item = Digest>,
        time: i64,
        log: &mut dyn FnMut(Event) -> Result<(), String>,
    ) -> Result<Vec<Recalled>, ProposalError> {
        let mut recalled = Vec::new();
        for release in revoked {
            let known = self.withdrawals.iter().any(|done| done.target == Target::Release(release));
            if !known && guard::stands("proposals.revoked") {
                recalled.extend(self.withdraw((Target::Release(release), Cause::Release), REVOKED, time, log)?);
            }
        }
        Ok(recalled)
    }

    /// The withdrawals, oldest first.
    #[must_use]
    pub fn withdrawals(&self) -> &[Withdrawal] {
        &self.withdrawals
    }

    /// Every proposal that is withdrawn, whole or in part, and which exports held it.
    #[must_use]
    pub fn recalled(&self) -> Vec<Recalled> {
        let mut held: BTreeMap<&str, Vec<(u64, i64)>> = BTreeMap::new();
        for Exported { number, time, proposals } in &self.exports {
            for id in proposals {
                held.entry(id).or_default().push((*number, *time));
            }
        }
        let proposals = self.proposals();
        let recalled = proposals.into_iter().filter(|p| p.cause.is_some() || p.withdrawn_finds > 0);
        recalled
            .map(|proposal| Recalled {
                exports: held.get(proposal.id.as_str()).cloned().unwrap_or_default(),
                cause: proposal.cause,
                id: proposal.id,
            })
            .collect()
    }
}

/// The digest that stands in the log.
pub(crate) fn digest<T: Serialize>(record: &T) -> Digest {
    // Text and numbers: writing them as JSON does not fail.
    Digest::of(&serde_json::to_vec(record).unwrap_or_default())
}
