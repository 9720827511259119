//! The store: keeping, listing and showing. Deletion is in `delete.rs`, holds in `hold.rs`.

use cap_std::fs::{Dir, OpenOptions};
use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, WriteTransaction};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vaern_memory::{Buffer, Pages, Secret};

use super::epochs::Epochs;
use super::error::EvidenceError;
use super::label::{Day, Label, RecordId};
use super::seal;
use crate::disk::Disk;
use crate::log::{Access, Duty, Event, KeyRef, Leaf, Log, RetentionClass};

pub(super) type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// Id → [`Row`]: the label and when it was kept.
pub(super) const ROWS: Table = TableDefinition::new("rows");
/// Id → sealed picture and record.
pub(super) const SEALED: Table = TableDefinition::new("sealed");
/// Id → number of the epoch, and the record key wrapped by it.
pub(super) const WRAPPED: Table = TableDefinition::new("wrapped");
/// Id → [`super::hold::HoldRow`].
pub(super) const HOLDS: Table = TableDefinition::new("holds");
/// Number of an epoch that is to be destroyed → [`super::delete::Pending`].
pub(super) const PENDING: Table = TableDefinition::new("pending");
/// Number of a certificate → its signed text.
pub(super) const CERTIFICATES: Table = TableDefinition::new("certificates");
/// Number → a leaf that is to be logged.
pub(super) const OUTBOX: Table = TableDefinition::new("outbox");
/// Release, zone and day → records kept, and attempts beyond the bound.
const QUOTAS: Table = TableDefinition::new("quotas");
/// Counters that never go back.
const COUNTERS: Table = TableDefinition::new("counters");

const TABLES: [Table; 9] = [ROWS, SEALED, WRAPPED, HOLDS, PENDING, CERTIFICATES, OUTBOX, QUOTAS, COUNTERS];

const DATABASE: &str = "evidence.redb";
const NEXT_EPOCH: &[u8] = b"epoch";
const NEXT_OUT: &[u8] = b"outbox";
const NEXT_CERTIFICATE: &[u8] = b"certificate";

/// Longest time that anything is kept: ten years.
const LONGEST_DAYS: u32 = 3_653;

/// What a store is for. Each kind has directories and store keys of its own (SEP-02).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Evidence of detections.
    Evidence,
    /// Material for training.
    Training,
}

impl Kind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Evidence => "evidence",
            Self::Training => "training",
        }
    }
}

/// What a store takes at most.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Records of one release in one zone on one day (EXF-20).
    pub per_release_zone_day: u32,
    /// Bytes of a picture.
    pub picture_bytes: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    pub(super) label: Label,
    pub(super) kept: u64,
}

/// One piece of evidence in a list: no picture, no record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its id, that of the detection.
    #[serde(serialize_with = "as_text")]
    pub id: RecordId,
    /// Its label.
    pub label: Label,
    /// When it was kept, in seconds since 1970.
    pub kept: u64,
    /// Held for a case.
    pub held: bool,
}

fn as_text<S: serde::Serializer>(id: &RecordId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

/// Evidence, opened. The bytes are overwritten when it goes.
pub struct Kept {
    /// The label that it was sealed under.
    pub label: Label,
    /// When it was kept, in seconds since 1970.
    pub kept: u64,
    /// The picture, as it was handed in.
    pub picture: Pages,
    /// The record, as it was handed in.
    pub record: Pages,
}

/// A store, open. One process at a time.
pub struct Evidence {
    pub(super) db: Database,
    pub(super) epochs: Epochs,
    kind: Kind,
    bounds: Bounds,
}

impl Evidence {
    /// Opens the store in `dir`, or begins it, and finishes the deletions that a crash cut off.
    ///
    /// # Errors
    /// [`EvidenceError::EpochsUnreadable`] for another store key; [`EvidenceError::Database`] if another process has it open.
    pub fn open(dir: Dir, store_key: Secret, kind: Kind, bounds: Bounds, log: &mut Log) -> Result<Self, EvidenceError> {
        let db =
            Database::builder().create_with_backend(FileBackend::new(database_file(&dir)?).map_err(db)?).map_err(db)?;
        Self::open_parts(db, Disk::new(dir), store_key, kind, bounds, log)
    }

    pub(super) fn open_parts(
        database: Database,
        disk: Disk,
        store_key: Secret,
        kind: Kind,
        bounds: Bounds,
        log: &mut Log,
    ) -> Result<Self, EvidenceError> {
        let txn = database.begin_write().map_err(db)?;
        for table in TABLES {
            txn.open_table(table).map_err(db)?;
        }
        let known = counter(&txn, NEXT_EPOCH)?;
        txn.commit().map_err(db)?;
        let epochs = Epochs::open(disk, store_key, known)?;
        let mut store = Self { db: database, epochs, kind, bounds };
        store.settle(log)?;
        Ok(store)
    }

    /// Keeps a picture and its record under `label`. `now` in seconds since 1970.
    ///
    /// # Errors
    /// [`EvidenceError::EvidenceQuota`] beyond the release's share: the attempt is counted. Other variants where the label or
    /// the time does not fit this store.
    pub fn keep(
        &mut self,
        id: RecordId,
        label: &Label,
        picture: &[u8],
        record: &[u8],
        now: u64,
    ) -> Result<(), EvidenceError> {
        let training = label.class == RetentionClass::Training;
        if training != (self.kind == Kind::Training) && vaern_door::guard::stands("record.one-kind") {
            return Err(EvidenceError::OtherStore);
        }
        let (first, last) = (Day::of(now), Day::of(now).plus(LONGEST_DAYS));
        if !(first..=last).contains(&label.expires) {
            return Err(EvidenceError::Expiry { day: label.expires.0, first: first.0, last: last.0 });
        }
        if picture.len() > self.bounds.picture_bytes {
            return Err(EvidenceError::TooLarge { size: picture.len(), max: self.bounds.picture_bytes });
        }
        let bound = label.bound(&id, self.kind)?;
        self.charge(label, first)?;
        if self.value(ROWS, id.bytes())?.is_some() {
            return Err(EvidenceError::AlreadyKept);
        }
        let mut epoch = None;
        for other in self.epochs.all.iter().filter(|e| e.class == label.class && e.day == label.expires) {
            // A key that is about to be destroyed takes no more records with it.
            if self.value(PENDING, &other.number.to_be_bytes())?.is_none() {
                epoch = Some(other.number);
            }
        }
        let epoch = match epoch {
            Some(number) => number,
            None => self.epochs.add(label.class, label.expires)?,
        };
        let key = Secret::random()?;
        let mut plain = Buffer::with_room(4 + picture.len() + record.len());
        let length = u32::try_from(picture.len()).map_err(|_| EvidenceError::Label("picture"))?;
        plain.push(&length.to_be_bytes());
        plain.push(picture);
        plain.push(record);
        let sealed =
            if vaern_door::guard::stands("record.sealed") { seal::seal(&key, &plain, &bound)? } else { plain.to_vec() };
        let wrapped = self.wrap(&id, epoch, &key)?;
        let row = encode(&Row { label: label.clone(), kept: now })?;
        let txn = self.db.begin_write().map_err(db)?;
        Self::note_epochs(&txn, self.epochs.next())?;
        put(&txn, ROWS, id.bytes(), &row)?;
        put(&txn, SEALED, id.bytes(), &sealed)?;
        put(&txn, WRAPPED, id.bytes(), &wrapped)?;
        txn.commit().map_err(db)
    }

    /// Counts one more record of this release in this zone today, and refuses beyond the bound.
    fn charge(&self, label: &Label, today: Day) -> Result<(), EvidenceError> {
        let key = format!("{:010} {} {}", today.0, label.release.hex(), label.zone);
        let txn = self.db.begin_write().map_err(db)?;
        let count = {
            let mut table = txn.open_table(QUOTAS).map_err(db)?;
            // Days that are over charge nobody any more.
            let today = format!("{:010}", today.0);
            table.retain(|key, _| key >= today.as_bytes()).map_err(db)?;
            let before = table.get(key.as_bytes()).map_err(db)?.map(|v| number(v.value())).unwrap_or_default();
            let count = before.saturating_add(1);
            table.insert(key.as_bytes(), &count.to_be_bytes()[..]).map_err(db)?;
            count
        };
        txn.commit().map_err(db)?;
        if vaern_door::guard::stands("record.quota") && count > u64::from(self.bounds.per_release_zone_day) {
            return Err(EvidenceError::EvidenceQuota { bound: self.bounds.per_release_zone_day });
        }
        Ok(())
    }

    /// Shows one piece of evidence to somebody. That it was shown is in the log before it is.
    ///
    /// # Errors
    /// [`EvidenceError::Gone`], [`EvidenceError::Expired`], [`EvidenceError::OtherPurpose`], [`EvidenceError::Sealed`].
    pub fn show(
        &self,
        id: &RecordId,
        purpose: &vaern_door::Name,
        (what, duty, by): (Access, Duty, Option<KeyRef>),
        now: u64,
        log: &mut Log,
    ) -> Result<Kept, EvidenceError> {
        let row: Row = decode(&self.value(ROWS, id.bytes())?.ok_or(EvidenceError::Gone)?)?;
        if vaern_door::guard::stands("record.purpose") && row.label.purpose != *purpose {
            return Err(EvidenceError::OtherPurpose);
        }
        let over = row.label.expires < Day::of(now) && !self.is_held(id)?;
        if vaern_door::guard::stands("record.expired") && over {
            return Err(EvidenceError::Expired);
        }
        log.note(Event::Accessed { what, duty, by }, now)?;
        self.unseal(id, row)
    }

    pub(super) fn unseal(&self, id: &RecordId, row: Row) -> Result<Kept, EvidenceError> {
        let key = self.unwrap_key(id)?;
        let sealed = self.value(SEALED, id.bytes())?.ok_or(EvidenceError::Gone)?;
        let plain = seal::open(&key, &sealed, &row.label.bound(id, self.kind)?)?;
        let (length, rest) = plain.split_first_chunk::<4>().ok_or(EvidenceError::Sealed)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| EvidenceError::Sealed)?;
        let (picture, record) = rest.split_at_checked(length).ok_or(EvidenceError::Sealed)?;
        Ok(Kept { label: row.label, kept: row.kept, picture: Pages::of(picture), record: Pages::of(record) })
    }

    /// What is kept, without opening any of it. That somebody looked is in the log before.
    ///
    /// # Errors
    /// [`EvidenceError`] where store or log fail.
    pub fn list(&self, duty: Duty, by: Option<KeyRef>, now: u64, log: &mut Log) -> Result<Vec<Listed>, EvidenceError> {
        log.note(Event::Accessed { what: Access::List, duty, by }, now)?;
        let mut listed = Vec::new();
        for (id, row) in self.all::<Row>(ROWS)? {
            let id = record_id(&id)?;
            listed.push(Listed { id, label: row.label, kept: row.kept, held: self.is_held(&id)? });
        }
        Ok(listed)
    }

    /// Whether evidence of this id is kept, without opening it.
    ///
    /// # Errors
    /// [`EvidenceError::Database`].
    pub fn holds(&self, id: &RecordId) -> Result<bool, EvidenceError> {
        Ok(self.value(ROWS, id.bytes())?.is_some())
    }

    pub(super) fn wrap(&self, id: &RecordId, epoch: u64, key: &Secret) -> Result<Vec<u8>, EvidenceError> {
        let under = self.epochs.get(epoch).ok_or(EvidenceError::Gone)?;
        let sealed = key.expose(|bytes| seal::seal(&under.key, bytes, &wrap_bound(id, epoch)))?;
        Ok([&epoch.to_be_bytes()[..], &sealed].concat())
    }

    pub(super) fn unwrap_key(&self, id: &RecordId) -> Result<Secret, EvidenceError> {
        let wrapped = self.value(WRAPPED, id.bytes())?.ok_or(EvidenceError::Gone)?;
        let (epoch, sealed) = wrapped.split_first_chunk::<8>().ok_or(EvidenceError::Sealed)?;
        let epoch = u64::from_be_bytes(*epoch);
        let under = self.epochs.get(epoch).ok_or(EvidenceError::Gone)?;
        seal::open_key(&under.key, sealed, &wrap_bound(id, epoch))
    }

    /// Every id with the epoch that its key is wrapped by.
    pub(super) fn wrapped(&self) -> Result<Vec<(RecordId, u64)>, EvidenceError> {
        let txn = self.db.begin_read().map_err(db)?;
        let table = txn.open_table(WRAPPED).map_err(db)?;
        let mut all = Vec::new();
        for row in table.iter().map_err(db)? {
            let (id, value) = row.map_err(db)?;
            let epoch = value.value().first_chunk::<8>().ok_or(EvidenceError::Sealed)?;
            all.push((record_id(id.value())?, u64::from_be_bytes(*epoch)));
        }
        Ok(all)
    }

    /// Puts a leaf into the outbox, in the transaction of what it tells.
    pub(super) fn post(txn: &WriteTransaction, leaf: &Leaf) -> Result<(), EvidenceError> {
        let number = next(txn, NEXT_OUT)?;
        put(txn, OUTBOX, &number.to_be_bytes(), &[&leaf.salt[..], &leaf.record].concat())
    }

    /// Notes which epoch numbers were given out, so that none is given out again.
    pub(super) fn note_epochs(txn: &WriteTransaction, next: u64) -> Result<(), EvidenceError> {
        put(txn, COUNTERS, NEXT_EPOCH, &next.to_be_bytes())
    }

    pub(super) fn next_certificate(txn: &WriteTransaction) -> Result<u64, EvidenceError> {
        next(txn, NEXT_CERTIFICATE)
    }

    /// Logs what waits in the outbox. A leaf that is in the log already is not doubled by trying again.
    pub(super) fn send(&self, log: &mut Log) -> Result<(), EvidenceError> {
        let txn = self.db.begin_read().map_err(db)?;
        let table = txn.open_table(OUTBOX).map_err(db)?;
        let mut waiting = Vec::new();
        for row in table.iter().map_err(db)? {
            let (number, value) = row.map_err(db)?;
            let (salt, record) = value.value().split_first_chunk::<32>().ok_or(EvidenceError::Sealed)?;
            waiting.push((number.value().to_vec(), Leaf { salt: *salt, record: record.to_vec() }));
        }
        drop((table, txn));
        for (number, leaf) in waiting {
            log.append(std::slice::from_ref(&leaf))?;
            let txn = self.db.begin_write().map_err(db)?;
            remove(&txn, OUTBOX, &number)?;
            txn.commit().map_err(db)?;
        }
        Ok(())
    }

    pub(super) fn value(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, EvidenceError> {
        let txn = self.db.begin_read().map_err(db)?;
        let table = txn.open_table(table).map_err(db)?;
        let value = table.get(key).map_err(db)?;
        Ok(value.map(|value| value.value().to_vec()))
    }

    pub(super) fn all<T: DeserializeOwned>(&self, table: Table) -> Result<Vec<(Vec<u8>, T)>, EvidenceError> {
        let txn = self.db.begin_read().map_err(db)?;
        let table = txn.open_table(table).map_err(db)?;
        let mut all = Vec::new();
        for row in table.iter().map_err(db)? {
            let (key, value) = row.map_err(db)?;
            all.push((key.value().to_vec(), decode(value.value())?));
        }
        Ok(all)
    }
}

fn wrap_bound(id: &RecordId, epoch: u64) -> Vec<u8> {
    [b"vaern-record-key-1".as_slice(), id.bytes(), &epoch.to_be_bytes()].concat()
}

pub(super) fn database_file(dir: &Dir) -> Result<std::fs::File, EvidenceError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    #[cfg(unix)]
    {
        use cap_std::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let file = dir.open_with(DATABASE, &options);
    file.map(cap_std::fs::File::into_std).map_err(|source| EvidenceError::Io { file: DATABASE, source })
}

fn counter(txn: &WriteTransaction, name: &[u8]) -> Result<u64, EvidenceError> {
    let table = txn.open_table(COUNTERS).map_err(db)?;
    let value = table.get(name).map_err(db)?;
    Ok(value.map(|value| number(value.value())).unwrap_or_default())
}

fn next(txn: &WriteTransaction, name: &[u8]) -> Result<u64, EvidenceError> {
    let number = counter(txn, name)?;
    put(txn, COUNTERS, name, &(number + 1).to_be_bytes())?;
    Ok(number)
}

fn number(bytes: &[u8]) -> u64 {
    bytes.try_into().map(u64::from_be_bytes).unwrap_or_default()
}

pub(super) fn put(txn: &WriteTransaction, table: Table, key: &[u8], value: &[u8]) -> Result<(), EvidenceError> {
    txn.open_table(table).map_err(db)?.insert(key, value).map_err(db)?;
    Ok(())
}

pub(super) fn remove(txn: &WriteTransaction, table: Table, key: &[u8]) -> Result<(), EvidenceError> {
    txn.open_table(table).map_err(db)?.remove(key).map_err(db)?;
    Ok(())
}

pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, EvidenceError> {
    serde_json::to_vec(value).map_err(|e| EvidenceError::Database(e.to_string()))
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, EvidenceError> {
    serde_json::from_slice(bytes).map_err(|_| EvidenceError::Database("a row of another form".to_owned()))
}

pub(super) fn record_id(bytes: &[u8]) -> Result<RecordId, EvidenceError> {
    bytes.try_into().map(RecordId::from_bytes).map_err(|_| EvidenceError::Database("an id of another form".to_owned()))
}

pub(super) fn db(error: impl std::fmt::Display) -> EvidenceError {
    EvidenceError::Database(error.to_string())
}
