//! The node's entries in the transparency log: what ran, under whose approval and which rules, and what became of every frame.

use std::collections::BTreeMap;

use cap_std::fs::Dir;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vaern_door::Digest;
use vaern_record::AuditError;
use vaern_record::log::{
    ApprovalRef, AtMost, Counts, Event, Floor, IncidentKind, KeyName, KeyRef, Leaf, Log, LogKey, PolicyRef, Protection,
    Reason, ReleaseRef, RunRef, StopCause, SwapCause, VerifierKey, Wall,
};
use vaern_trust::{Approved, Release, SigningKeyPair};

use crate::outcome::{SandboxInfo, Summary};

/// The wall's name for what the log says as `own_process`.
const OWN_PROCESS: &str = "own_process";

/// Name of the file in a result that says where in the log its run is.
pub const LINK: &str = "log.json";

/// Where in the log a run is: from a result to its proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Key of the log, as the run knew it.
    pub key: String,
    /// The run.
    pub run: RunRef,
    /// Leaf of its beginning.
    pub begun: u64,
    /// Leaf of its end.
    pub ended: u64,
}

/// The log of a node, open for its entries.
pub struct Book {
    log: Log,
    verifier: VerifierKey,
}

impl Book {
    /// Opens the log of the node `name` in `dir`, or begins it. `floor` is the newest checkpoint that the node saw.
    ///
    /// # Errors
    /// [`AuditError`] where the log does not hold or cannot be written: a node that cannot say what it did does nothing.
    pub fn open(dir: Dir, name: &str, pair: SigningKeyPair, floor: Option<&Floor>) -> Result<Self, AuditError> {
        let verifier = VerifierKey::new(KeyName::new(name)?, pair.public().as_bytes())?;
        let key = LogKey::new(verifier.clone(), move |message| pair.sign(message))?;
        Ok(Self { log: Log::open(dir, key, floor)?, verifier })
    }

    /// What the log is checked with.
    #[must_use]
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The log itself, for entries about kept evidence.
    pub const fn log(&mut self) -> &mut Log {
        &mut self.log
    }

    /// The newest checkpoint, to be kept outside the log.
    #[must_use]
    pub fn floor(&self) -> Floor {
        self.log.floor()
    }

    /// Enters that a run begins, before its first frame, and answers with the run and the index of that leaf. Runs that an
    /// earlier crash cut off are given up for lost.
    ///
    /// # Errors
    /// [`AuditError`] where the log cannot be written: the run must not begin.
    pub fn begin(
        &mut self,
        release: &Release<Approved>,
        policy: Digest,
        sandbox: &SandboxInfo,
        now: Timestamp,
    ) -> Result<(RunRef, u64), AuditError> {
        self.begin_after(release, policy, sandbox, None, now)
    }

    /// As [`begin`](Self::begin), where the release took another's place for `cause`.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub fn begin_after(
        &mut self,
        release: &Release<Approved>,
        policy: Digest,
        sandbox: &SandboxInfo,
        cause: Option<SwapCause>,
        now: Timestamp,
    ) -> Result<(RunRef, u64), AuditError> {
        let wall = wall(sandbox)?;
        let standing = self.log.standing()?;
        let lost = |run| Event::Incident { kind: IncidentKind::RunLost, run: Some(run), release: None, reason: None };
        let mut events: Vec<Event> = standing.unfinished.into_iter().map(lost).collect();
        let policy = PolicyRef::of(policy);
        if standing.policy != Some(policy) {
            events.push(Event::PolicyInForce { policy });
        }
        let (reference, approval) = (ReleaseRef::of(release.digest()), ApprovalRef::of(release.approval_digest()));
        if standing.approval != Some(approval) {
            let signers = release.approvers().iter().map(|key| KeyRef::of(key.id())).collect();
            events.push(Event::ApprovalSeen { release: reference, approval, signers });
        }
        match (standing.release, cause) {
            (Some(same), _) if same == reference => {}
            (Some(from), Some(cause)) => events.push(Event::ReleaseSwapped { from, to: reference, cause }),
            _ => events.push(Event::ReleaseActivated { release: reference }),
        }
        let run = RunRef::random()?;
        events.push(Event::RunBegun { run, release: Some(reference), approval: Some(approval), policy, wall });
        Ok((run, self.enter(events, now)?))
    }

    /// Enters that a release found more than it may have kept (EXF-20).
    ///
    /// # Errors
    /// [`AuditError`] where the log cannot be written.
    pub fn beyond_quota(&mut self, run: RunRef, release: Digest, now: Timestamp) -> Result<(), AuditError> {
        let release = Some(ReleaseRef::of(release));
        let kind = IncidentKind::EvidenceQuota;
        self.enter(vec![Event::Incident { kind, run: Some(run), release, reason: None }], now).map(|_| ())
    }

    /// Enters that a run ended, with the account of its frames, and answers with the index of that leaf.
    ///
    /// # Errors
    /// [`AuditError::Unbalanced`] where a frame is missing in the account (AUD-06).
    pub fn end(&mut self, run: RunRef, summary: &Summary, now: Timestamp) -> Result<u64, AuditError> {
        self.enter(vec![Event::RunEnded { run, counts: counts(summary)? }], now)
    }

    /// Where a run begins and ends in the log, as far as it does.
    ///
    /// # Errors
    /// [`AuditError`] where the log cannot be read.
    pub fn find(&self, run: RunRef) -> Result<(Option<u64>, Option<u64>), AuditError> {
        let (mut begun, mut ended) = (None, None);
        for leaf in self.log.reader()?.each(0..self.log.size())? {
            match leaf.record.map(|record| record.event) {
                Some(Event::RunBegun { run: other, .. }) if other == run => begun = Some(leaf.index),
                Some(Event::RunEnded { run: other, .. }) if other == run => ended = Some(leaf.index),
                _ => {}
            }
        }
        Ok((begun, ended))
    }

    /// Enters that frames stopped.
    ///
    /// # Errors
    /// [`AuditError`] where the log cannot be written.
    pub fn stopped(&mut self, cause: StopCause, now: Timestamp) -> Result<(), AuditError> {
        self.enter(vec![Event::Stopped { cause, by: None }], now).map(|_| ())
    }

    /// Enters that frames go on, and whose keys let them, where somebody had stopped them.
    ///
    /// # Errors
    /// [`AuditError`] where the log cannot be written.
    pub fn resumed(&mut self, by: Vec<KeyRef>, now: Timestamp) -> Result<(), AuditError> {
        self.enter(vec![Event::Resumed { by }], now).map(|_| ())
    }

    /// Enters that up to so many captures that were in memory only have no outcome, because the node was cut off.
    ///
    /// # Errors
    /// [`AuditError`] where the log cannot be written.
    pub fn frames_unknown(&mut self, at_most: u32, now: Timestamp) -> Result<(), AuditError> {
        self.enter(vec![Event::FramesUnknown { at_most: AtMost(at_most) }], now).map(|_| ())
    }

    /// Enters that an approved release was turned down by this node.
    ///
    /// # Errors
    /// [`AuditError`] where the log cannot be written.
    pub fn turned_down(&mut self, release: Digest, reason: &'static str, now: Timestamp) -> Result<(), AuditError> {
        let (release, reason) = (Some(ReleaseRef::of(release)), Some(Reason::of(reason)?));
        self.enter(vec![Event::Incident { kind: IncidentKind::ReleaseRefused, run: None, release, reason }], now)
            .map(|_| ())
    }

    /// Enters that a release in operation does worse than was approved, at pictures whose answer is known.
    ///
    /// # Errors
    /// [`AuditError`] where the log cannot be written.
    pub fn quality_failed(&mut self, release: Digest, now: Timestamp) -> Result<(), AuditError> {
        let release = Some(ReleaseRef::of(release));
        self.enter(vec![Event::Incident { kind: IncidentKind::QualityFailed, run: None, release, reason: None }], now)
            .map(|_| ())
    }

    /// Enters that there are more signs of interference from outside than the city bears, and which.
    ///
    /// # Errors
    /// [`AuditError`] where the log cannot be written.
    pub fn interference(&mut self, sign: &'static str, now: Timestamp) -> Result<(), AuditError> {
        let reason = Some(Reason::of(sign)?);
        self.enter(vec![Event::Incident { kind: IncidentKind::Interference, run: None, release: None, reason }], now)
            .map(|_| ())
    }

    /// Logs events, and answers with the index of the last.
    fn enter(&mut self, events: Vec<Event>, now: Timestamp) -> Result<u64, AuditError> {
        let time = u64::try_from(now.as_second()).unwrap_or_default();
        let leaves = events.into_iter().map(|event| Leaf::seal(event, time)).collect::<Result<Vec<_>, _>>()?;
        // A node that crashed very often has more to give up for lost than one call takes.
        let mut last = None;
        for some in leaves.chunks(256) {
            last = self.log.append(some)?.last().copied();
        }
        Ok(last.unwrap_or_default())
    }
}

/// What stands between the release and this process, in the log's words. A protection that the log has no word for is a
/// fault, not an omission.
fn wall(sandbox: &SandboxInfo) -> Result<Wall, AuditError> {
    let words = |names: &[&str]| -> Result<Vec<Protection>, AuditError> {
        let beside = names.iter().filter(|name| **name != OWN_PROCESS);
        beside.map(|name| Protection::named(name).ok_or(AuditError::Word)).collect()
    };
    Ok(Wall { own_process: sandbox.walled, in_force: words(&sandbox.in_force)?, missing: words(&sandbox.missing)? })
}

/// The account of a run, in the log's words: what a rule refused apart from what plugin or host failed at.
fn counts(summary: &Summary) -> Result<Counts, AuditError> {
    let number = |n: usize| n as u64;
    let by = |map: &BTreeMap<&'static str, usize>| -> Result<BTreeMap<Reason, u64>, AuditError> {
        map.iter().filter(|(_, n)| **n > 0).map(|(word, n)| Ok((Reason::of(word)?, number(*n)))).collect()
    };
    let mut refused = summary.refused_by_reason.clone();
    for (reason, failed) in &summary.failed_by_reason {
        if let Some(all) = refused.get_mut(reason) {
            *all = all.saturating_sub(*failed);
        }
    }
    let empty = summary.frames_seen.saturating_sub(summary.frames_with_objects);
    Counts::new(
        number(summary.frames_in),
        number(summary.frames_with_objects),
        number(empty),
        by(&refused)?,
        by(&summary.failed_by_reason)?,
        number(summary.detections),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_has_a_word_for_every_protection_of_the_wall() {
        let names: Vec<&'static str> = vaern_sandbox::wall::Protection::ALL.iter().map(|part| part.as_str()).collect();
        let sandbox = SandboxInfo { walled: true, in_force: names.clone(), missing: names, ..SandboxInfo::default() };
        let wall = wall(&sandbox).unwrap();
        assert!(wall.own_process);
        assert_eq!(wall.in_force, Protection::ALL);
        let unknown = SandboxInfo { missing: vec!["moat"], ..SandboxInfo::default() };
        assert!(super::wall(&unknown).is_err());
    }
}
