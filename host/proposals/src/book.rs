//! The folder of proposals: what runs were taken, which find is of which proposal, what people said, and what was handed on.
//!
//! Runs may be gone when their time is over; what was found stays here until it is withdrawn. What is withdrawn is erased but for
//! its random id, so that later exports can say that it was.

use std::collections::{BTreeMap, BTreeSet};

use cap_std::fs::{Dir, File};
use serde::{Deserialize, Serialize};
use vaern_door::{Digest, Label, guard};

use crate::coverage::{Covered, added};
use crate::disk;
use crate::error::ProposalError;
use crate::merge::{Drive, Pin, Placed, merge, place};
use crate::review::{Decision, Verdict};
use crate::run::{Observation, Run};
use crate::withdrawal::{Cause, Withdrawal};

const LOCK: &str = "proposals.lock";
const BOOK: &str = "book.json";
pub(crate) const VERDICTS: &str = "verdicts.json";
pub(crate) const WITHDRAWALS: &str = "withdrawals.json";
pub(crate) const EXPORTS: &str = "exports.json";

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    form: u8,
    /// Tells this folder's tables from another's.
    id: String,
    runs: Vec<Taken>,
    finds: Vec<Stand>,
    /// Erased finds and the proposals that they were of.
    erased: BTreeMap<String, String>,
}

/// A run that was taken.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taken {
    /// What the run is called in its log, or by its result.
    pub key: String,
    /// Where its folder was when it was taken: pictures are looked for there.
    pub folder: String,
    digest: Digest,
    /// The run has its place in a log.
    pub logged: bool,
    /// Where it looked. Nothing where the run does not say it.
    covered: Option<Vec<Covered>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stand {
    proposal: String,
    /// Which run, by its place in the list.
    run: usize,
    find: Observation,
}

/// One export, as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exported {
    /// 1, 2, 3 and so on.
    pub number: u64,
    /// When, in seconds since 1970, UTC.
    pub time: i64,
    /// The proposals that it held.
    pub proposals: Vec<String>,
}

/// One find of a proposal, for those who look into it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Seen {
    /// Its id, as in the run's result.
    pub id: String,
    /// The run.
    pub run: String,
    /// On which day.
    pub day: Option<String>,
    /// How sure, 0 to 1.
    pub score: f64,
    /// Part of it lies under a mask.
    pub delvist_maskeret: bool,
    /// The release that found it.
    pub release: Option<Digest>,
    /// The rules.
    pub policy: Digest,
    /// The purpose.
    pub purpose: String,
    /// The masked picture, if it is still there: path inside the run's folder, or `bevis` and the id where it is kept as evidence.
    pub picture: Option<String>,
    pub(crate) frame_id: String,
    pub(crate) box_px: [u16; 4],
    pub(crate) frame_px: [u16; 2],
}

/// What stands of a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It waits for a person.
    Waiting,
    /// A person said it is what it says.
    Confirmed,
    /// A person said that it cannot be said.
    Undecidable,
    /// It is taken back: a person rejected it, or what it rests on was withdrawn.
    Withdrawn,
}

impl Status {
    /// The Danish word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "afventer",
            Self::Confirmed => "bekræftet",
            Self::Undecidable => "kan ikke vurderes",
            Self::Withdrawn => "trukket tilbage",
        }
    }
}

/// One proposal: one object, by everything that was seen of it and not withdrawn. A person decides (RET-03).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Proposal {
    /// Its id. It stays when more is seen of it.
    pub id: String,
    /// What it says is there. Nothing where nothing is left of it.
    pub label: Option<Label>,
    /// The surest of its finds, 0 to 1.
    pub score: f64,
    /// What stands of it.
    pub status: Status,
    /// Where it is.
    #[serde(skip)]
    pub place: Option<Placed>,
    /// First and last day on which it was seen.
    pub days: Option<(String, String)>,
    /// In how many runs.
    pub runs: usize,
    /// What was seen, the surest with a picture first.
    pub seen: Vec<Seen>,
    /// Finds of it that were withdrawn.
    pub withdrawn_finds: usize,
    /// Why it is withdrawn.
    pub cause: Option<Cause>,
}

impl Proposal {
    /// The picture that a reviewer is shown: that of the surest find that has one.
    #[must_use]
    pub fn picture(&self) -> Option<&Seen> {
        self.seen.iter().find(|seen| seen.picture.is_some())
    }
}

/// The proposals of a folder, open. One program at a time.
pub struct Book {
    pub(crate) dir: Dir,
    stored: Stored,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) withdrawals: Vec<Withdrawal>,
    pub(crate) exports: Vec<Exported>,
    /// Folders of runs that are still there.
    folders: BTreeMap<String, Dir>,
    /// Finds whose picture is kept as evidence.
    kept: BTreeSet<String>,
    // Held, never read: the lock goes with it.
    _lock: File,
}

impl Book {
    /// Opens the proposals in a folder.
    ///
    /// # Errors
    /// [`ProposalError::NoProposals`] where there are none, [`ProposalError::Busy`] where another program works on them.
    pub fn open(dir: Dir) -> Result<Self, ProposalError> {
        let lock = disk::lock(&dir, LOCK)?;
        let stored = disk::read_json(&dir, BOOK)?.ok_or(ProposalError::NoProposals)?;
        Self::with(dir, lock, stored)
    }

    /// Opens the proposals in a folder, or begins them.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_or_begin(dir: Dir) -> Result<Self, ProposalError> {
        let lock = disk::lock(&dir, LOCK)?;
        let stored = match disk::read_json(&dir, BOOK)? {
            Some(stored) => stored,
            None => {
                let stored = Stored {
                    form: 1,
                    id: format!("m{}", random_hex(8)?),
                    runs: Vec::new(),
                    finds: Vec::new(),
                    erased: BTreeMap::new(),
                };
                disk::write_json(&dir, BOOK, &stored)?;
                stored
            }
        };
        Self::with(dir, lock, stored)
    }

    fn with(dir: Dir, lock: File, stored: Stored) -> Result<Self, ProposalError> {
        let whole = stored.form == 1 && stored.finds.iter().all(|stand| stand.run < stored.runs.len());
        if !whole {
            return Err(ProposalError::Form { file: BOOK.to_owned(), line: 0 });
        }
        let verdicts = disk::read_json(&dir, VERDICTS)?.unwrap_or_default();
        let withdrawals = disk::read_json(&dir, WITHDRAWALS)?.unwrap_or_default();
        let exports = disk::read_json(&dir, EXPORTS)?.unwrap_or_default();
        Ok(Self {
            dir,
            stored,
            verdicts,
            withdrawals,
            exports,
            folders: BTreeMap::new(),
            kept: BTreeSet::new(),
            _lock: lock,
        })
    }

    /// What tells this folder's tables from another's.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.stored.id
    }

    /// The runs that were taken, in the order in which they were.
    #[must_use]
    pub fn runs(&self) -> &[Taken] {
        &self.stored.runs
    }

    /// At least one run has its place in a log, so what people say about it is to have one too.
    #[must_use]
    pub fn logged(&self) -> bool {
        self.stored.runs.iter().any(|run| run.logged)
    }

    /// Says where a run's pictures are, while they are there.
    pub fn attach(&mut self, run: &str, folder: Dir) {
        self.folders.insert(run.to_owned(), folder);
    }

    /// Says which finds have their picture kept as evidence: a reviewer can be shown it there.
    pub fn keep(&mut self, finds: impl IntoIterator<Item = String>) {
        self.kept.extend(finds);
    }

    /// The folder of a run, where it was attached.
    #[must_use]
    pub fn folder(&self, run: &str) -> Option<&Dir> {
        self.folders.get(run)
    }

    /// Takes runs, each with the folder that it lies in: their finds are merged into what is known. A run that was taken before
    /// changes nothing. Answers with the number of new runs.
    ///
    /// # Errors
    /// [`ProposalError::Changed`] where a run that was taken says other things now.
    pub fn take(&mut self, runs: Vec<(Run, String)>) -> Result<usize, ProposalError> {
        let mut fresh: BTreeMap<String, (Run, String)> = BTreeMap::new();
        for (run, folder) in runs {
            let known = self.stored.runs.iter().find(|taken| taken.key == run.key).map(|taken| taken.digest);
            let known = known.or_else(|| fresh.get(&run.key).map(|(other, _)| other.digest));
            match known {
                Some(digest) if digest == run.digest => {}
                Some(_) => return Err(ProposalError::Changed(run.key)),
                None => {
                    fresh.insert(run.key.clone(), (run, folder));
                }
            }
        }
        let known: BTreeSet<&str> = self.stored.finds.iter().map(|stand| stand.find.id.as_str()).collect();
        if let Some((run, _)) =
            fresh.values().find(|(run, _)| run.observations.iter().any(|o| known.contains(o.id.as_str())))
        {
            return Err(ProposalError::Changed(run.key.clone()));
        }
        let drives: Vec<Drive> = fresh.values().map(|(run, _)| run.drive.clone()).collect();
        let mut of: BTreeMap<String, String> = BTreeMap::new();
        for merged in merge(&drives, &self.pins()) {
            of.extend(merged.finds.into_iter().map(|find| (find, merged.id.clone())));
        }
        let count = fresh.len();
        for (run, folder) in fresh.into_values() {
            let at = self.stored.runs.len();
            let Run { key, digest, logged, observations, covered, .. } = run;
            self.stored.runs.push(Taken { key, folder, digest, logged, covered });
            for find in observations {
                // Every find that was handed in comes back in one proposal.
                let proposal = of.remove(&find.id).unwrap_or_else(|| format!("p{}", find.id));
                self.stored.finds.push(Stand { proposal, run: at, find });
            }
        }
        // What was withdrawn stays withdrawn, also where a run brings it anew.
        self.erase();
        self.save()?;
        Ok(count)
    }

    /// What was merged before, which stays as it is.
    fn pins(&self) -> Vec<Pin> {
        let pin = |stand: &Stand| Pin {
            find: stand.find.id.clone(),
            object: stand.proposal.clone(),
            drive: self.stored.runs.get(stand.run).map(|run| run.key.clone()).unwrap_or_default(),
            label: stand.find.label.clone(),
            estimate: stand.find.estimate,
        };
        self.stored.finds.iter().map(pin).collect()
    }

    fn save(&self) -> Result<(), ProposalError> {
        disk::write_json(&self.dir, BOOK, &self.stored)
    }

    /// Erases what is withdrawn, but for its random id.
    pub(crate) fn erase_and_save(&mut self) -> Result<(), ProposalError> {
        if self.erase() { self.save() } else { Ok(()) }
    }

    fn erase(&mut self) -> bool {
        if !guard::stands("proposals.withdrawn") {
            return false;
        }
        let before = self.stored.finds.len();
        let (withdrawals, erased) = (&self.withdrawals, &mut self.stored.erased);
        self.stored.finds.retain(|stand| {
            let gone = withdrawals.iter().any(|w| w.covers(&stand.find));
            if gone {
                erased.insert(stand.find.id.clone(), stand.proposal.clone());
            }
            !gone
        });
        before != self.stored.finds.len()
    }

    pub(crate) fn observations(&self) -> impl Iterator<Item = (&str, &Observation)> {
        self.stored.finds.iter().map(|stand| (stand.proposal.as_str(), &stand.find))
    }

    /// Every proposal that there ever was, in the order of their ids: withdrawn ones say no more than that they are.
    #[must_use]
    pub fn proposals(&self) -> Vec<Proposal> {
        let mut grouped: BTreeMap<&str, Vec<&Stand>> = BTreeMap::new();
        for stand in &self.stored.finds {
            grouped.entry(&stand.proposal).or_default().push(stand);
        }
        let mut gone: BTreeMap<&str, usize> = BTreeMap::new();
        for proposal in self.stored.erased.values() {
            *gone.entry(proposal).or_default() += 1;
            grouped.entry(proposal).or_default();
        }
        // The last of each stands.
        let verdicts: BTreeMap<&str, &Verdict> = self.verdicts.iter().map(|v| (v.id.as_str(), v)).collect();
        let proposal = |(id, stands): (&str, Vec<&Stand>)| {
            self.proposal(id, &stands, gone.get(id).copied(), verdicts.get(id).copied())
        };
        grouped.into_iter().map(proposal).collect()
    }

    fn proposal(&self, id: &str, stands: &[&Stand], gone: Option<usize>, standing: Option<&Verdict>) -> Proposal {
        let withdrawn_finds = gone.unwrap_or_default();
        let Some(first) = stands.first() else {
            let cause = self.withdrawals.iter().rev().find(|w| w.proposals.iter().any(|p| p == id)).map(|w| w.cause);
            return Proposal {
                id: id.to_owned(),
                label: None,
                score: 0.0,
                status: Status::Withdrawn,
                place: None,
                days: None,
                runs: 0,
                seen: Vec::new(),
                withdrawn_finds,
                cause,
            };
        };
        // Seen again since: what was said then was not said of this.
        let newest = stands.iter().map(|stand| stand.run).max().unwrap_or_default();
        let lapsed = standing.is_some_and(|verdict| newest >= verdict.runs && verdict.decision != Decision::Confirmed);
        let (status, cause) = match standing.filter(|_| !lapsed).map(|verdict| verdict.decision) {
            None => (Status::Waiting, None),
            Some(Decision::Confirmed) => (Status::Confirmed, None),
            Some(Decision::Undecidable) => (Status::Undecidable, None),
            Some(Decision::Rejected) if guard::stands("proposals.rejected") => {
                (Status::Withdrawn, Some(Cause::Rejected))
            }
            Some(Decision::Rejected) => (Status::Waiting, None),
        };
        let run = |stand: &Stand| self.stored.runs.get(stand.run).map(|run| run.key.as_str()).unwrap_or_default();
        let mut seen: Vec<Seen> = stands.iter().map(|stand| self.seen(run(stand), &stand.find)).collect();
        seen.sort_by(|a, b| {
            let key = |s: &Seen| (s.picture.is_none(), s.delvist_maskeret);
            key(a).cmp(&key(b)).then(b.score.total_cmp(&a.score)).then_with(|| a.id.cmp(&b.id))
        });
        let days = stands.iter().filter_map(|stand| stand.find.day.clone());
        let days = days.clone().min().zip(days.max());
        let estimates = stands.iter().filter_map(|stand| Some((run(stand), stand.find.estimate.as_ref()?)));
        Proposal {
            id: id.to_owned(),
            label: Some(first.find.label.clone()),
            score: stands.iter().map(|stand| stand.find.score).fold(0.0, f64::max),
            status,
            place: place(estimates),
            days,
            runs: stands.iter().map(|stand| stand.run).collect::<BTreeSet<_>>().len(),
            seen,
            withdrawn_finds,
            cause,
        }
    }

    fn seen(&self, run: &str, find: &Observation) -> Seen {
        // The folder is a capability: a name that leads out of it is not there.
        let there = |file: &String| self.folders.get(run).is_some_and(|folder| folder.is_file(file));
        Seen {
            id: find.id.clone(),
            run: run.to_owned(),
            day: find.day.clone(),
            score: find.score,
            delvist_maskeret: find.delvist_maskeret,
            release: find.release,
            policy: find.policy,
            purpose: find.purpose.clone(),
            picture: find.picture.clone().filter(there).or_else(|| {
                let kept = self.kept.contains(&find.id);
                kept.then(|| format!("bevis {}", find.id))
            }),
            frame_id: find.frame_id.clone(),
            box_px: find.box_px,
            frame_px: find.frame_px,
        }
    }

    /// The exports that were made, oldest first.
    #[must_use]
    pub fn exports(&self) -> &[Exported] {
        &self.exports
    }

    /// The verdict that stands on a proposal. `None` while it waits for a person.
    #[must_use]
    pub fn standing(&self, id: &str) -> Option<&Verdict> {
        self.verdicts.iter().rfind(|verdict| verdict.id == id)
    }

    /// Frames that looked at a cell on a day, at least.
    pub(crate) fn covered(&self) -> BTreeMap<(&str, [i32; 2]), u32> {
        added(self.stored.runs.iter().filter_map(|run| run.covered.as_ref()).flatten())
    }

    /// Runs that do not say where they looked.
    pub(crate) fn uncovered(&self) -> usize {
        self.stored.runs.iter().filter(|run| run.covered.is_none()).count()
    }
}

pub(crate) fn random_hex(bytes: usize) -> Result<String, ProposalError> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).map_err(|_| ProposalError::Random)?;
    Ok(random.iter().map(|b| format!("{b:02x}")).collect())
}
