//! The vendors' bit ledger from one run to the next (EXF-18): a restart is no new budget.
//!
//! One file in the node's own state holds what every vendor's answers have carried and what has not leaked away yet. It is written,
//! synced and put in place at once before anything that was charged leaves. A file that cannot be read, and one that is gone though
//! its lock is there, are no empty ledger: then nothing runs. One process holds the ledger at a time.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;

use cap_std::fs::{Dir, OpenOptions};
use serde::{Deserialize, Serialize};
use vaern_door::{Blame, Krav, Name, OutputRules, guard};
use vaern_sandbox::Ledger;

use crate::sinks::{self, SinkError};

/// The ledger.
pub const LEDGER: &str = "bits.json";
/// Held by whoever charges; its being there says that there is a ledger.
const LOCK: &str = "bits.lock";
/// A ledger of very many vendors is some kilobytes.
const MOST_BYTES: u64 = 1 << 20;

/// Why there is no ledger.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The disk.
    #[error("the vendors' bit ledger cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It cannot be written.
    #[error("the vendors' bit ledger: {0}")]
    Sink(#[from] SinkError),
    /// It is no ledger. It is not guessed about: a lost ledger would be a new budget.
    #[error("`{LEDGER}` is no bit ledger ({0}); restore it")]
    Form(String),
    /// There was one.
    #[error("`{LEDGER}` is gone, and `{LOCK}` beside it says that there was one; restore it")]
    Lost,
    /// Another process charges it.
    #[error("another run holds the vendors' bit ledger")]
    Held,
}

impl LedgerError {
    /// The requirement behind it.
    #[must_use]
    pub const fn krav(&self) -> Krav {
        Krav("STD-04")
    }

    /// Who has to act.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        Blame::Operator
    }

    /// What to do next.
    #[must_use]
    pub const fn mend(&self) -> &'static str {
        match self {
            Self::Held => "wait for the other run, or give this one a ledger of its own",
            Self::Form(_) | Self::Lost => {
                "restore the file from the node's backup; where there is none, remove both files, which begins a new budget and is a decision to write down"
            }
            Self::Io(_) | Self::Sink(_) => "check the rights and the space of the node's state folder",
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LedgerFile {
    form: u8,
    vendors: BTreeMap<Name, Said>,
}

/// One vendor's part.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    /// Thousandths of a bit that have not leaked away.
    millibits: u64,
    /// Until when they leaked: milliseconds of the captures' clock.
    at_ms: i64,
}

/// A ledger on disk, held by this process.
#[derive(Debug)]
pub struct DurableLedger {
    dir: Dir,
    ledger: Ledger,
    /// Released by the system when this process ends, however it ends.
    _lock: File,
}

impl DurableLedger {
    /// Opens the ledger in `dir`, or begins one where there was none.
    ///
    /// # Errors
    /// [`LedgerError`] for a ledger that cannot be read, is gone, or is held by another run.
    pub fn open(dir: Dir, rules: &OutputRules) -> Result<Self, LedgerError> {
        let there = dir.try_exists(LOCK)?;
        let mut ledger = Ledger::new(rules);
        let read = match dir.open(LEDGER) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && there => return Err(LedgerError::Lost),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
            Ok(file) if file.metadata()?.len() > MOST_BYTES => return Err(LedgerError::Form("too large".to_owned())),
            Ok(_) => Some(dir.read(LEDGER)?),
        };
        if read.is_none() {
            // The ledger first: a lock without one is a ledger that was lost.
            write(&dir, &ledger)?;
        }
        let lock = dir.open_with(LOCK, OpenOptions::new().create(true).write(true))?.into_std();
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => LedgerError::Held,
            TryLockError::Error(error) => LedgerError::Io(error),
        })?;
        // Read again under the lock: another run may have charged it in between.
        if read.is_some() {
            let file: LedgerFile =
                serde_json::from_slice(&dir.read(LEDGER)?).map_err(|error| LedgerError::Form(error.to_string()))?;
            if file.form != 1 {
                return Err(LedgerError::Form(format!("form {}", file.form)));
            }
            for (vendor, said) in file.vendors {
                if guard::stands("node.ledger_kept") {
                    ledger.resume(vendor, said.millibits, said.at_ms);
                }
            }
        }
        Ok(Self { dir, ledger, _lock: lock })
    }

    /// The ledger, to be charged. What is charged counts after [`DurableLedger::save`].
    pub fn ledger(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    /// Puts on disk what was charged. Nothing of it may leave before.
    ///
    /// # Errors
    /// [`LedgerError::Sink`] where it cannot be written.
    pub fn save(&self) -> Result<(), LedgerError> {
        Ok(write(&self.dir, &self.ledger)?)
    }
}

fn write(dir: &Dir, ledger: &Ledger) -> Result<(), SinkError> {
    let vendors = ledger.said().map(|(vendor, millibits, at_ms)| (vendor.clone(), Said { millibits, at_ms })).collect();
    let bytes = serde_json::to_vec(&LedgerFile { form: 1, vendors })
        .map_err(|error| SinkError { file: LEDGER.to_owned(), source: io::Error::other(error) })?;
    sinks::write_file(dir, LEDGER, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_tempfile::{TempDir, ambient_authority, tempdir};
    use vaern_sandbox::{Said as Answered, Verdict};

    const RULES: OutputRules = OutputRules {
        grid: 4,
        score_steps: 16,
        min_score: 64,
        max_detections: 32,
        bits_per_frame: 1200,
        bits_per_hour: 400,
    };
    const BOX: Answered = Answered::Boxes { count: 1, bits_per_box: 30 };

    fn place() -> TempDir {
        tempdir(ambient_authority()).unwrap()
    }

    fn open(dir: &TempDir) -> Result<DurableLedger, LedgerError> {
        DurableLedger::open(dir.try_clone().unwrap(), &RULES)
    }

    /// Charges one box after the other until one is withheld; answers with how many were released.
    fn drain(ledger: &mut DurableLedger, vendor: &str, at_ms: i64) -> usize {
        let vendor = Name::new(vendor).unwrap();
        (0..100).take_while(|_| ledger.ledger().charge(&vendor, BOX, at_ms) == Verdict::Released).count()
    }

    #[test]
    fn exf_18n_a_restart_is_no_new_budget() {
        let dir = place();
        let mut first = open(&dir).unwrap();
        let released = drain(&mut first, "v", 1_000);
        assert!(released >= 3, "{released}");
        first.save().unwrap();
        drop(first);
        let mut second = open(&dir).unwrap();
        assert_eq!(drain(&mut second, "v", 1_000), 0, "it was used up before the restart");
        assert!(drain(&mut second, "other", 1_000) >= 3, "another vendor has a budget of its own");
        second.save().unwrap();
        drop(second);
        // An hour of captures later it has leaked, as it would have without a restart.
        assert_eq!(drain(&mut open(&dir).unwrap(), "v", 3_601_000), released);
    }

    #[test]
    fn exf_18n_an_unreadable_or_lost_ledger_is_no_empty_one() {
        for bad in
            ["", "{}", "null", r#"{"form":2,"vendors":{}}"#, r#"{"form":1,"vendors":{"v":{"millibits":-1,"at_ms":0}}}"#]
        {
            let dir = place();
            drop(open(&dir).unwrap());
            dir.write(LEDGER, bad).unwrap();
            assert!(matches!(open(&dir), Err(LedgerError::Form(_))), "{bad}");
        }
        let dir = place();
        drop(open(&dir).unwrap());
        dir.remove_file(LEDGER).unwrap();
        assert!(matches!(open(&dir), Err(LedgerError::Lost)));
        dir.write(LEDGER, vec![b' '; 2 << 20]).unwrap();
        assert!(matches!(open(&dir), Err(LedgerError::Form(_))));
    }

    #[test]
    fn exf_18n_two_runs_do_not_share_a_ledger_unseen() {
        let dir = place();
        let held = open(&dir).unwrap();
        assert!(matches!(open(&dir), Err(LedgerError::Held)));
        drop(held);
        assert!(open(&dir).is_ok());
    }

    #[test]
    fn exf_18n_what_was_not_saved_was_not_charged_and_so_may_not_leave() {
        let dir = place();
        let mut first = open(&dir).unwrap();
        let released = drain(&mut first, "v", 0);
        drop(first);
        assert_eq!(drain(&mut open(&dir).unwrap(), "v", 0), released);
    }
}
