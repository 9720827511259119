//! Witnesses (C2SP tlog-witness, tlog-cosignature): others who saw the log grow, and say so.
//!
//! A log that shows different trees to different people needs two checkpoints of one size with two roots, or two that do
//! not extend each other. A witness vouches for one line of growth only; a quorum of more than half of the witnesses
//! can therefore vouch for one only (AUD-02).

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use vaern_door::Digest;

use super::checkpoint::{Checkpoint, Floor};
use super::merkle::{self, Hash};
use super::note::{KeyName, Kind, Line, LogKey, Note, NoteKey, VerifierKey};
use super::words::WitnessesRef;
use crate::AuditError;

/// What a witness's cosignatures are checked with: `name+id+key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessKey(NoteKey);

impl WitnessKey {
    /// The key of a witness.
    ///
    /// # Errors
    /// [`AuditError::Malformed`] for a weak or doubly spelled key.
    pub fn new(name: KeyName, public: &[u8; 32]) -> Result<Self, AuditError> {
        NoteKey::new(name, Kind::Witness, public).map(Self)
    }

    /// The time of a line that is by this witness and holds over `text`. `None` for a line of somebody else.
    fn time(&self, text: &str, line: &Line) -> Result<Option<u64>, AuditError> {
        if !line.claims(&self.0) {
            return Ok(None);
        }
        let wrong = || AuditError::BadSignature { name: self.0.name.to_string() };
        let (time, signature) = line.signature.split_first_chunk::<8>().ok_or_else(wrong)?;
        let time = u64::from_be_bytes(*time);
        let holds = self.0.holds(cosigned(time, text).as_bytes(), signature);
        if vaern_door::guard::stands("record.cosignature") && !holds {
            return Err(wrong());
        }
        Ok(Some(time))
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The text form is the verifier key's, with the witness's kind inside.
        let mut bytes = vec![Kind::Witness as u8];
        bytes.extend_from_slice(self.0.public());
        use base64::Engine as _;
        let key = base64::engine::general_purpose::STANDARD.encode(bytes);
        write!(f, "{}+{}+{key}", self.0.name, hex::encode(self.0.id()))
    }
}

impl FromStr for WitnessKey {
    type Err = AuditError;
    fn from_str(text: &str) -> Result<Self, AuditError> {
        NoteKey::parse(text, Kind::Witness).map(Self)
    }
}

/// The message of a cosignature.
fn cosigned(time: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

/// Who must vouch for a log, and for how long the node goes on without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quorum {
    witnesses: Vec<WitnessKey>,
    need: usize,
    bound: u64,
}

impl Quorum {
    /// `need` of `witnesses`, seen anew at least every `bound` seconds.
    ///
    /// # Errors
    /// [`AuditError::Malformed`] unless the witnesses are distinct, and `need` is more than half of them and not more than
    /// all: two disjoint halves could vouch for two trees.
    pub fn new(witnesses: Vec<WitnessKey>, need: usize, bound: u64) -> Result<Self, AuditError> {
        let keys: BTreeSet<&[u8; 32]> = witnesses.iter().map(|w| w.0.public()).collect();
        let names: BTreeSet<&KeyName> = witnesses.iter().map(|w| &w.0.name).collect();
        let distinct = keys.len() == witnesses.len() && names.len() == witnesses.len();
        if !distinct || need > witnesses.len() || need * 2 <= witnesses.len() {
            return Err(AuditError::Malformed { what: "a quorum of witnesses" });
        }
        Ok(Self { witnesses, need, bound })
    }

    /// The digest of the list and the quorum: what a leaf says when it changes (AUD-04).
    #[must_use]
    pub fn reference(&self) -> WitnessesRef {
        let mut text = format!("vaern-witnesses 1 {} {}\n", self.need, self.bound);
        for witness in &self.witnesses {
            text += &format!("{witness}\n");
        }
        WitnessesRef::of(Digest::of(text.as_bytes()))
    }

    /// How many distinct witnesses vouch for a note, and the time by which the last one needed had done so.
    pub(crate) fn count(&self, note: &Note) -> Result<(usize, Option<u64>), AuditError> {
        let mut times = Vec::new();
        for witness in &self.witnesses {
            let mut newest = None;
            for line in &note.lines {
                newest = newest.max(witness.time(&note.text, line)?);
            }
            times.extend(newest);
        }
        times.sort_unstable_by(|a, b| b.cmp(a));
        Ok((times.len(), self.need.checked_sub(1).and_then(|n| times.get(n)).copied()))
    }

    /// Checks that enough witnesses vouch for a note. Answers with the time by which they had.
    pub(crate) fn check(&self, note: &Note) -> Result<u64, AuditError> {
        match self.count(note)? {
            (_, Some(time)) => Ok(time),
            (have, None) if vaern_door::guard::stands("record.quorum") => {
                Err(AuditError::QuorumNotReached { have, need: self.need })
            }
            (_, None) => Ok(0),
        }
    }

    /// Checks that a quorum vouched not longer ago than the policy bears. `last` is the time of the newest one.
    ///
    /// # Errors
    /// [`AuditError::WitnessesSilent`]: the node stops (AUD-04).
    pub fn stands(&self, last: Option<u64>, now: u64) -> Result<(), AuditError> {
        let seconds = last.map_or(u64::MAX, |last| now.saturating_sub(last));
        if vaern_door::guard::stands("record.witness_bound") && seconds > self.bound {
            return Err(AuditError::WitnessesSilent { seconds, bound: self.bound });
        }
        Ok(())
    }

    pub(crate) fn knows(&self, line: &Line) -> bool {
        self.witnesses.iter().any(|w| line.claims(&w.0))
    }
}

/// A witness: remembers the newest tree that it vouched for, and vouches only for what extends it.
#[derive(Debug)]
pub struct Witness {
    key: WitnessKey,
    sign: LogKey,
    log: VerifierKey,
    seen: Floor,
}

impl Witness {
    /// A witness of one log. `seen` is what it vouched for before, from its own store.
    ///
    /// # Errors
    /// [`AuditError::MixedKey`] if the two halves of its key do not belong together.
    pub fn new(
        key: WitnessKey,
        sign: impl Fn(&[u8]) -> [u8; 64] + Send + Sync + 'static,
        log: VerifierKey,
        seen: Option<Floor>,
    ) -> Result<Self, AuditError> {
        let sign = LogKey::new(VerifierKey(key.0.clone()), sign)?;
        Ok(Self { key, sign, log, seen: seen.unwrap_or(Floor { size: 0, root: merkle::empty() }) })
    }

    /// What it vouched for last. To be stored before the answer of [`cosign`](Self::cosign) is given out.
    #[must_use]
    pub const fn seen(&self) -> Floor {
        self.seen
    }

    /// Vouches at `now` for a signed checkpoint that extends what it saw; `proof` shows that. Answers with the signature
    /// line to add below the note.
    ///
    /// # Errors
    /// [`AuditError::InconsistentTree`] or [`AuditError::CheckpointRollback`], and then it says nothing.
    pub fn cosign(&mut self, note: &[u8], proof: &[Hash], now: u64) -> Result<String, AuditError> {
        let note = Note::parse(note)?;
        let offered = Checkpoint::of_note(&note, &self.log)?;
        let (old, new) = ((self.seen.size, &self.seen.root), (offered.size, &offered.root));
        if vaern_door::guard::stands("record.witness_consistency") {
            merkle::check_consistency(old, new, proof)?;
        }
        let signature = self.sign.sign(&cosigned(now, &note.text)).signature;
        self.seen = Floor::from(&offered);
        let line = Line {
            name: self.key.0.name.to_string(),
            id: self.key.0.id(),
            signature: [&now.to_be_bytes()[..], &signature].concat(),
        };
        Ok(line.to_string())
    }
}
