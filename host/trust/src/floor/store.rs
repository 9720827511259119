//! The floor on disk: one file, one table, one durable transaction for all rows.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use cap_std::fs::{Dir, OpenOptions};
use redb::backends::FileBackend;
use redb::{Builder, Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use super::error::FloorError;
use super::rows::Rows;
use crate::files::{self, Entry};

/// Name of the floor in a node's state directory.
const FILE: &str = "floor.redb";
/// A floor that is being begun: it has its name only when it is whole.
const UNFINISHED: &str = "floor.unfinished";

const TABLE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("floor");

/// A floor has a few dozen rows; the library's own default is a gigabyte.
const CACHE_BYTES: usize = 1 << 20;
/// More rows than a city has plugins and revocations; a larger table is not ours.
const MAX_ROWS: usize = 100_000;

/// The node's floor, open. Only one process has it at a time.
pub struct Floor {
    /// `None` only while it is dropped.
    database: Option<Database>,
    rows: Rows,
    /// After a failed write nobody knows what is on the disk until it is read again.
    failed: bool,
}

impl std::fmt::Debug for Floor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Floor").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl Floor {
    /// Begins a floor where there is none.
    ///
    /// # Errors
    /// [`FloorError::Exists`] where there is one, readable or not; [`FloorError::Storage`] if it cannot be written.
    pub fn begin(dir: &Dir, rows: Rows) -> Result<Self, FloorError> {
        match files::entry(dir, FILE) {
            Ok(_) => return Err(FloorError::Exists),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(storage(e)),
        }
        write_beside(dir, &rows)?;
        Self::open(dir)
    }

    /// Puts `rows` in the place of a floor that is there, readable or not. For recovery alone.
    pub(super) fn replace(dir: &Dir, rows: &Rows) -> Result<Self, FloorError> {
        write_beside(dir, rows)?;
        Self::open(dir)
    }

    /// Opens the floor and reads all of it.
    ///
    /// # Errors
    /// [`FloorError::Missing`], [`FloorError::Unreadable`] or [`FloorError::Busy`]. Nothing is mended or begun anew.
    pub fn open(dir: &Dir) -> Result<Self, FloorError> {
        match files::entry(dir, FILE) {
            Ok(Entry::File) => {}
            Ok(_) => return Err(FloorError::Unreadable("it is not a plain file".to_owned())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(FloorError::Missing),
            Err(e) => return Err(FloorError::Unreadable(e.kind().to_string())),
        }
        let file = dir
            .open_with(FILE, OpenOptions::new().read(true).write(true))
            .map_err(|e| FloorError::Unreadable(e.kind().to_string()))?;
        // The library takes an empty file for a new database; to us it is a floor that was lost.
        if file.metadata().map_err(|e| FloorError::Unreadable(e.kind().to_string()))?.len() == 0 {
            return Err(FloorError::Unreadable("it is empty".to_owned()));
        }
        let file = file.into_std();
        Self::read(move || Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(FileBackend::new(file)?))
    }

    /// Opens a floor that lies elsewhere than in a file.
    #[cfg(test)]
    pub(super) fn open_on(backend: impl redb::StorageBackend) -> Result<Self, FloorError> {
        Self::read(move || Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(backend))
    }

    /// Begins a floor elsewhere than in a file.
    #[cfg(test)]
    pub(super) fn begin_on(backend: impl redb::StorageBackend, rows: Rows) -> Result<Self, FloorError> {
        let database = Builder::new()
            .set_cache_size(CACHE_BYTES)
            .create_with_backend(backend)
            .map_err(|e| storage(io::Error::other(e)))?;
        write(&database, &rows)?;
        Ok(Self { database: Some(database), rows, failed: false })
    }

    fn read(open: impl FnOnce() -> Result<Database, redb::DatabaseError>) -> Result<Self, FloorError> {
        // A torn file must not take the node down: what the library does not expect is a panic, also when it closes.
        let mut database = catch_unwind(AssertUnwindSafe(|| {
            open().map_err(|e| match e {
                redb::DatabaseError::DatabaseAlreadyOpen => FloorError::Busy,
                other => unreadable(&other),
            })
        }))
        .unwrap_or_else(|_| Err(torn()))?;
        // Every page is held against its checksum. A page that was mended may be one of an older time.
        let read = catch_unwind(AssertUnwindSafe(|| {
            match database.check_integrity() {
                Ok(true) => {}
                Ok(false) => return Err(FloorError::Unreadable("a page of it is damaged".to_owned())),
                Err(error) => return Err(unreadable(&error)),
            }
            Rows::decode(table(&database)?)
        }));
        let floor = |rows| Self { database: Some(database), rows, failed: false };
        match read.unwrap_or_else(|_| Err(torn())) {
            Ok(rows) => Ok(floor(rows)),
            Err(error) => {
                drop(floor(Rows::at(jiff::Timestamp::UNIX_EPOCH)));
                Err(error)
            }
        }
    }

    /// The rows in force.
    #[must_use]
    pub const fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Puts `next` in force: all of it, durably, or none.
    ///
    /// # Errors
    /// [`FloorError::WouldGoBack`] if a row would go back; [`FloorError::Storage`] if it cannot be written: the rows
    /// before stay in force, and the floor must be opened anew before it is written again.
    pub fn commit(&mut self, next: Rows) -> Result<(), FloorError> {
        if let Some(row) = self.rows.goes_back(&next) {
            return Err(FloorError::WouldGoBack(row));
        }
        if next == self.rows {
            return Ok(());
        }
        if self.failed {
            return Err(FloorError::Storage("an earlier write failed".to_owned()));
        }
        let written = catch_unwind(AssertUnwindSafe(|| match &self.database {
            Some(database) => write(database, &next),
            None => Err(FloorError::Storage("it is closed".to_owned())),
        }));
        match written.unwrap_or_else(|_| Err(FloorError::Storage("the store gave up".to_owned()))) {
            Ok(()) => {
                self.rows = next;
                Ok(())
            }
            Err(error) => {
                self.failed = true;
                Err(error)
            }
        }
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        let database = self.database.take();
        // Closing writes; on a damaged file it may panic. All that was committed is on the disk already.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(database)));
    }
}

fn storage(error: io::Error) -> FloorError {
    FloorError::Storage(error.to_string())
}

fn torn() -> FloorError {
    FloorError::Unreadable("it is torn".to_owned())
}

fn unreadable(error: &impl ToString) -> FloorError {
    FloorError::Unreadable(crate::printable::printable(&error.to_string()))
}

fn table(database: &Database) -> Result<BTreeMap<String, Vec<u8>>, FloorError> {
    let read = database.begin_read().map_err(|e| unreadable(&e))?;
    let table = read.open_table(TABLE).map_err(|e| unreadable(&e))?;
    let mut rows = BTreeMap::new();
    for entry in table.iter().map_err(|e| unreadable(&e))? {
        let (key, value) = entry.map_err(|e| unreadable(&e))?;
        rows.insert(key.value().to_owned(), value.value().to_vec());
        if rows.len() > MAX_ROWS {
            return Err(FloorError::Unreadable("too many rows".to_owned()));
        }
    }
    Ok(rows)
}

fn write(database: &Database, rows: &Rows) -> Result<(), FloorError> {
    let failed = |e: &dyn std::error::Error| FloorError::Storage(e.to_string());
    let mut transaction = database.begin_write().map_err(|e| failed(&e))?;
    // Two phases: the new root counts only after all it names is on the disk, whatever a torn page looks like.
    transaction.set_two_phase_commit(true);
    {
        let mut table = transaction.open_table(TABLE).map_err(|e| failed(&e))?;
        let new = rows.encode();
        table.retain(|key, _| new.contains_key(key)).map_err(|e| failed(&e))?;
        for (key, value) in &new {
            table.insert(key.as_str(), value.as_slice()).map_err(|e| failed(&e))?;
        }
    }
    transaction.commit().map_err(|e| failed(&e))
}

/// Writes a whole floor under another name, closes it, and moves it into place.
fn write_beside(dir: &Dir, rows: &Rows) -> Result<(), FloorError> {
    match dir.remove_file(UNFINISHED) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(storage(e)),
    }
    let file = dir
        .open_with(UNFINISHED, OpenOptions::new().read(true).write(true).create_new(true))
        .map_err(storage)?
        .into_std();
    let database = FileBackend::new(file)
        .and_then(|backend| Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(backend))
        .map_err(|e| FloorError::Storage(e.to_string()))?;
    write(&database, rows)?;
    database.close().map_err(|e| FloorError::Storage(e.to_string()))?;
    dir.rename(UNFINISHED, dir, FILE).and_then(|()| files::sync_dir(dir)).map_err(storage)
}
