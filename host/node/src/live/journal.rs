//! The journal: what became of each frame of the open window, and how far the service has come. One durable transaction for all
//! that changes together.
//!
//! Frames are written in the order in which they were taken, so one number says which of them have an outcome.

use std::collections::BTreeMap;

use cap_std::fs::{Dir, OpenOptions};
use redb::backends::FileBackend;
use redb::{Builder, Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vaern_door::{Blame, Digest, Krav, Name, guard};
use vaern_record::log::RunRef;

use super::row::Row;
use crate::coverage::{Coverage, Spot};
use crate::outcome::Place;

const FILE: &str = "journal.redb";
const CACHE_BYTES: usize = 4 << 20;

const ROWS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("rows");
const STATE: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("state");
/// Frames of each cell and day that is not told yet; the keys are in the order of the days and tell no order below.
const COVERED: TableDefinition<'static, &str, u32> = TableDefinition::new("covered");
const REJECTED: TableDefinition<'static, &str, u64> = TableDefinition::new("rejected");

const DONE: &str = "done";
const WINDOW: &str = "window";
const STOP: &str = "stop";
const RISK: &str = "risk";
const PACE: &str = "pace";
const AFLOAT: &str = "afloat";
const TOLD: &str = "told";

/// The newest frame of each camera that was looked at: the limits of the policy hold from it on, through restarts (MIN-07). One place
/// for each camera, overwritten by the next.
pub(crate) type Pace = BTreeMap<Name, Place>;

/// Why the journal cannot be read or written. The service takes no frame while it lasts.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    /// The disk, or the file.
    #[error("the journal: {0}")]
    Storage(String),
    /// What is in it was not written by this program.
    #[error("the journal holds `{0}` in a form that no node writes")]
    Form(&'static str),
}

impl JournalError {
    pub(crate) const fn krav(&self) -> Krav {
        Krav("GOV-05")
    }

    pub(crate) const fn blame(&self) -> Blame {
        Blame::Operator
    }
}

fn storage(error: impl std::fmt::Display) -> JournalError {
    JournalError::Storage(error.to_string())
}

/// The window that is open: one run in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenWindow {
    /// The run.
    pub(crate) run: RunRef,
    /// Leaf of its beginning.
    pub(crate) begun: u64,
    /// When it began, in seconds since 1970.
    pub(crate) since: i64,
    /// What looks, for the files of the window.
    pub(crate) release: WindowRelease,
}

/// The release of a window, as its files name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WindowRelease {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) vendor: String,
    pub(crate) digest: Digest,
    pub(crate) interfaces: Vec<String>,
    pub(crate) responsible: String,
    pub(crate) approved_until: String,
}

/// The newest stop that somebody ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stop {
    /// Names this stop, so that the order to go on is for this one and no other.
    pub(crate) id: String,
    /// Whether the city has let the node go on since.
    pub(crate) over: bool,
}

/// The newest word on the residual risk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Risk {
    /// Number of the notice.
    pub(crate) sequence: u64,
    /// Whether it is too high to go on.
    pub(crate) high: bool,
}

/// What the frames of a batch looked at, and the day on which they were.
pub(crate) struct Looked<'a> {
    pub(crate) spots: &'a [Spot],
    /// `2026-11-23`, UTC, by the node's clock.
    pub(crate) today: &'a str,
}

/// A cell and day as a key.
fn written(Spot { day, cell: [north, east] }: &Spot) -> String {
    format!("{day} {north} {east}")
}

fn read(key: &str) -> Option<Spot> {
    let mut parts = key.split(' ');
    let (day, north, east) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some(Spot { day: day.to_owned(), cell: [north, east] })
}

/// The journal, open. One process at a time.
pub(crate) struct Journal {
    db: Database,
}

impl Journal {
    /// Opens the journal in `dir`, or begins one.
    pub(crate) fn open(dir: &Dir) -> Result<Self, JournalError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true);
        let file = dir.open_with(FILE, &options).map_err(storage)?.into_std();
        let backend = FileBackend::new(file).map_err(storage)?;
        let db = Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(backend).map_err(storage)?;
        let txn = db.begin_write().map_err(storage)?;
        txn.open_table(ROWS).map_err(storage)?;
        txn.open_table(STATE).map_err(storage)?;
        txn.open_table(REJECTED).map_err(storage)?;
        txn.open_table(COVERED).map_err(storage)?;
        txn.commit().map_err(storage)?;
        Ok(Self { db })
    }

    /// Frames with a lower number have an outcome.
    pub(crate) fn done(&self) -> Result<u64, JournalError> {
        Ok(self.state(DONE)?.unwrap_or_default())
    }

    /// The open window.
    pub(crate) fn window(&self) -> Result<Option<OpenWindow>, JournalError> {
        self.state(WINDOW)
    }

    /// The newest stop.
    pub(crate) fn stop(&self) -> Result<Option<Stop>, JournalError> {
        self.state(STOP)
    }

    /// The newest notice of the risk.
    pub(crate) fn risk(&self) -> Result<Option<Risk>, JournalError> {
        self.state(RISK)
    }

    /// The newest frame of each camera.
    pub(crate) fn pace(&self) -> Result<Pace, JournalError> {
        Ok(self.state(PACE)?.unwrap_or_default())
    }

    /// How many captures may lie in memory only. There where the last start did not end in order, and had such captures.
    pub(crate) fn afloat(&self) -> Result<Option<u32>, JournalError> {
        self.state(AFLOAT)
    }

    /// Notes that, or that there are none.
    pub(crate) fn set_afloat(&self, afloat: Option<u32>) -> Result<(), JournalError> {
        match afloat {
            Some(afloat) => self.set(AFLOAT, &afloat),
            None => {
                let txn = self.db.begin_write().map_err(storage)?;
                txn.open_table(STATE).map_err(storage)?.remove(AFLOAT).map_err(storage)?;
                txn.commit().map_err(storage)
            }
        }
    }

    /// Writes outcomes, in the order of their frames, what they looked at, and what is newest of the cameras. On disk when this
    /// returns, or nothing of it: so a kill counts no frame twice, here or there.
    pub(crate) fn commit(&self, rows: &[(u64, Row)], looked: &Looked<'_>, pace: &Pace) -> Result<(), JournalError> {
        let Some((last, _)) = rows.last() else { return Ok(()) };
        let txn = self.db.begin_write().map_err(storage)?;
        {
            let mut table = txn.open_table(ROWS).map_err(storage)?;
            for (seq, row) in rows {
                let bytes = serde_json::to_vec(row).map_err(storage)?;
                table.insert(seq, bytes.as_slice()).map_err(storage)?;
            }
            let done = serde_json::to_vec(&(last + 1)).map_err(storage)?;
            let pace = serde_json::to_vec(pace).map_err(storage)?;
            let mut state = txn.open_table(STATE).map_err(storage)?;
            state.insert(DONE, done.as_slice()).map_err(storage)?;
            state.insert(PACE, pace.as_slice()).map_err(storage)?;
            // The first day that anything is counted is no day that is over.
            if state.get(TOLD).map_err(storage)?.is_none() {
                let today = serde_json::to_vec(looked.today).map_err(storage)?;
                state.insert(TOLD, today.as_slice()).map_err(storage)?;
            }
            let mut covered = txn.open_table(COVERED).map_err(storage)?;
            for spot in looked.spots {
                let key = written(spot);
                let before = covered.get(key.as_str()).map_err(storage)?.map_or(0, |count| count.value());
                covered.insert(key.as_str(), before.saturating_add(1)).map_err(storage)?;
            }
        }
        txn.commit().map_err(storage)
    }

    /// The outcomes of the open window, in the order of their frames.
    pub(crate) fn rows(&self) -> Result<Vec<Row>, JournalError> {
        let txn = self.db.begin_read().map_err(storage)?;
        let table = txn.open_table(ROWS).map_err(storage)?;
        let mut rows = Vec::new();
        for row in table.iter().map_err(storage)? {
            let (_, bytes) = row.map_err(storage)?;
            rows.push(serde_json::from_slice(bytes.value()).map_err(|_| JournalError::Form("rows"))?);
        }
        Ok(rows)
    }

    /// Opens a window.
    pub(crate) fn open_window(&self, window: &OpenWindow) -> Result<(), JournalError> {
        self.set(WINDOW, window)
    }

    /// What was looked at on the days before `today` that is not told yet. Nothing on a day on which something was told: who sees a
    /// part of a day after another sees the way that was driven (decision 0058).
    pub(crate) fn coverage(&self, today: &str) -> Result<Coverage, JournalError> {
        let told: Option<String> = self.state(TOLD)?;
        if told.is_none_or(|told| told.as_str() >= today) && guard::stands("node.coverage_day") {
            return Ok(Coverage::default());
        }
        let txn = self.db.begin_read().map_err(storage)?;
        let table = txn.open_table(COVERED).map_err(storage)?;
        let mut counts = Vec::new();
        for row in table.iter().map_err(storage)? {
            let (key, count) = row.map_err(storage)?;
            let spot = read(key.value()).ok_or(JournalError::Form("covered"))?;
            if spot.day.as_str() < today || !guard::stands("node.coverage_day") {
                counts.push((spot, count.value()));
            }
        }
        Ok(Coverage::kept(counts))
    }

    /// Closes the window: its rows go, because its files and its leaf are there. So do the counts of the days that its files told.
    pub(crate) fn close_window(&self, today: &str) -> Result<(), JournalError> {
        let told: Option<String> = self.state(TOLD)?;
        let txn = self.db.begin_write().map_err(storage)?;
        txn.delete_table(ROWS).map_err(storage)?;
        txn.open_table(ROWS).map_err(storage)?;
        let mut state = txn.open_table(STATE).map_err(storage)?;
        state.remove(WINDOW).map_err(storage)?;
        if told.is_some_and(|told| told.as_str() < today) {
            let bytes = serde_json::to_vec(today).map_err(storage)?;
            state.insert(TOLD, bytes.as_slice()).map_err(storage)?;
            txn.open_table(COVERED).map_err(storage)?.retain(|key, _| key >= today).map_err(storage)?;
        }
        drop(state);
        txn.commit().map_err(storage)
    }

    /// Remembers a stop.
    pub(crate) fn set_stop(&self, stop: &Stop) -> Result<(), JournalError> {
        self.set(STOP, stop)
    }

    /// Remembers a notice of the risk.
    pub(crate) fn set_risk(&self, risk: Risk) -> Result<(), JournalError> {
        self.set(RISK, &risk)
    }

    /// Remembers that a release did worse here than the bounds allow.
    pub(crate) fn reject(&self, release: Digest) -> Result<(), JournalError> {
        let txn = self.db.begin_write().map_err(storage)?;
        txn.open_table(REJECTED).map_err(storage)?.insert(release.hex().as_str(), 1).map_err(storage)?;
        txn.commit().map_err(storage)
    }

    /// Forgets that: somebody asked to try it again.
    pub(crate) fn forgive(&self, release: Digest) -> Result<(), JournalError> {
        let txn = self.db.begin_write().map_err(storage)?;
        txn.open_table(REJECTED).map_err(storage)?.remove(release.hex().as_str()).map_err(storage)?;
        txn.commit().map_err(storage)
    }

    /// The releases that did worse.
    pub(crate) fn rejected(&self) -> Result<Vec<Digest>, JournalError> {
        let txn = self.db.begin_read().map_err(storage)?;
        let table = txn.open_table(REJECTED).map_err(storage)?;
        let mut all = Vec::new();
        for row in table.iter().map_err(storage)? {
            let (hex, _) = row.map_err(storage)?;
            let text = format!("sha256:{}", hex.value());
            all.push(text.parse().map_err(|_| JournalError::Form("rejected"))?);
        }
        Ok(all)
    }

    fn state<T: DeserializeOwned>(&self, key: &'static str) -> Result<Option<T>, JournalError> {
        let txn = self.db.begin_read().map_err(storage)?;
        let table = txn.open_table(STATE).map_err(storage)?;
        let value = table.get(key).map_err(storage)?;
        value.map(|bytes| serde_json::from_slice(bytes.value()).map_err(|_| JournalError::Form(key))).transpose()
    }

    fn set<T: Serialize>(&self, key: &'static str, value: &T) -> Result<(), JournalError> {
        let bytes = serde_json::to_vec(value).map_err(storage)?;
        let txn = self.db.begin_write().map_err(storage)?;
        txn.open_table(STATE).map_err(storage)?.insert(key, bytes.as_slice()).map_err(storage)?;
        txn.commit().map_err(storage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;

    fn row(masked: bool) -> Row {
        Row::Empty { masked, seconds_in_clear: 0.0 }
    }

    const fn none() -> Looked<'static> {
        Looked { spots: &[], today: "2026-11-23" }
    }

    #[test]
    fn skj_07n_what_was_looked_at_is_told_once_a_day_of_days_that_are_over_and_a_kill_counts_no_frame_twice() {
        let dir = cap_tempfile::tempdir(ambient_authority()).unwrap();
        let spot = |day: &str, north| Spot { day: day.to_owned(), cell: [north, -7] };
        let told = |journal: &Journal, today: &str| -> Vec<(String, i64, u64)> {
            let text = journal.coverage(today).unwrap().json().unwrap();
            let file: serde_json::Value = serde_json::from_str(&text).unwrap();
            let cells = file["cells"].as_array().unwrap().iter();
            let of = |c: &serde_json::Value| {
                (
                    c["day"].as_str().unwrap().into(),
                    c["cell"][0].as_i64().unwrap(),
                    c["frames_at_least"].as_u64().unwrap(),
                )
            };
            cells.map(of).collect()
        };
        let commit = |journal: &Journal, seq, spots: &[Spot], today: &str| {
            journal.commit(&[(seq, row(false))], &Looked { spots, today }, &Pace::new()).unwrap();
        };
        let monday = vec![spot("2026-11-23", 1); 5];
        let journal = Journal::open(&dir).unwrap();
        commit(&journal, 0, &monday, "2026-11-23");
        assert_eq!(told(&journal, "2026-11-23"), [], "the day is not over");
        journal.close_window("2026-11-23").unwrap();
        drop(journal);
        // A kill after the commit and before the window closed: the counts are those of the frames with an outcome.
        let journal = Journal::open(&dir).unwrap();
        commit(&journal, 1, &monday, "2026-11-23");
        commit(&journal, 2, &[spot("2026-11-24", 2)], "2026-11-24");
        let all = [("2026-11-23".to_owned(), 1, 10)];
        assert_eq!(told(&journal, "2026-11-24"), all);
        drop(journal);
        // Killed between the file and the end of the window: the same file again.
        let journal = Journal::open(&dir).unwrap();
        assert_eq!(told(&journal, "2026-11-24"), all);
        journal.close_window("2026-11-24").unwrap();
        assert_eq!(told(&journal, "2026-11-24"), []);
        // Late captures of a day that was told wait for the next day, or their order would be the way that was driven.
        commit(&journal, 3, &monday, "2026-11-24");
        assert_eq!(told(&journal, "2026-11-24"), []);
        journal.close_window("2026-11-24").unwrap();
        commit(&journal, 4, &[], "2026-11-25");
        assert_eq!(told(&journal, "2026-11-25"), [("2026-11-23".to_owned(), 1, 5)], "and one frame is a passing look");
        journal.close_window("2026-11-25").unwrap();
        assert_eq!(told(&journal, "2026-11-26"), []);
        // A clock that was set back tells nothing again.
        assert_eq!(told(&journal, "2026-11-20"), []);
    }

    #[test]
    fn what_was_committed_is_there_after_the_next_opening_and_goes_with_its_window() {
        let dir = cap_tempfile::tempdir(ambient_authority()).unwrap();
        let journal = Journal::open(&dir).unwrap();
        assert_eq!((journal.done().unwrap(), journal.window().unwrap()), (0, None));
        let place =
            Place { latitude: 55.6, longitude: 12.5, error_m: 5.0, heading: None, time_ms: Some(7), view: None };
        let pace = Pace::from([(Name::new("cam").unwrap(), place)]);
        journal.commit(&[(3, row(false)), (5, row(true))], &none(), &pace).unwrap();
        journal.set_afloat(Some(9)).unwrap();
        journal.set_stop(&Stop { id: "a".into(), over: false }).unwrap();
        journal.reject(Digest::of(b"bad")).unwrap();
        drop(journal);
        let journal = Journal::open(&dir).unwrap();
        assert_eq!(journal.done().unwrap(), 6);
        assert_eq!((journal.pace().unwrap(), journal.afloat().unwrap()), (pace, Some(9)));
        journal.set_afloat(None).unwrap();
        assert_eq!(journal.afloat().unwrap(), None);
        assert_eq!(journal.rows().unwrap(), [row(false), row(true)]);
        assert_eq!(journal.rejected().unwrap(), [Digest::of(b"bad")]);
        journal.forgive(Digest::of(b"bad")).unwrap();
        assert!(journal.rejected().unwrap().is_empty());
        journal.close_window("2026-11-23").unwrap();
        assert_eq!((journal.done().unwrap(), journal.rows().unwrap()), (6, vec![]));
        assert_eq!(journal.stop().unwrap(), Some(Stop { id: "a".into(), over: false }));
    }
}
