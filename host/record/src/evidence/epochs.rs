//! The epoch keys: one file of fixed size with two copies, overwritten in place. The only bytes whose loss deletes.
//!
//! A change is written over the older copy and synced, then over the other: whenever the power goes, one copy is whole. A
//! key is destroyed when both copies are written; until then the deletion is not said to be done.
//!
//! The file lies in a folder that carries the mark which backup programs leave out (`CACHEDIR.TAG`), so that no backup can
//! bring back what was deleted (AUD-10).

use std::io::{self, Read as _, Seek as _, SeekFrom};

use cap_std::fs::{Dir, OpenOptions};
use vaern_memory::{Buffer, Secret};

use super::error::EvidenceError;
use super::label::Day;
use super::seal::{self, OVERHEAD};
use crate::disk::Disk;
use crate::log::RetentionClass;

/// Keys that the file has room for: a year of days in two classes, and holds.
const CAPACITY: usize = 1024;

/// Bytes of a key with its number, day and class.
const ENTRY: usize = 48;

/// Bytes of a copy before it is sealed.
const PLAIN: usize = 16 + CAPACITY * ENTRY;

/// Bytes of a copy.
const COPY: usize = PLAIN + OVERHEAD;

const FILE: &str = "epochs/keys";
const TAG: &str = "epochs/CACHEDIR.TAG";
const TAG_TEXT: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
# Keys of evidence that is to be deleted for good. This mark keeps the folder out of backups; a copy of it would keep\n\
# what was deleted readable.\n";

const BOUND: &[u8] = b"vaern-epochs-1";

/// One epoch key.
pub(super) struct Epoch {
    /// Never used twice.
    pub(super) number: u64,
    pub(super) class: RetentionClass,
    /// Last day of what it seals.
    pub(super) day: Day,
    pub(super) key: Secret,
}

/// All epoch keys in force, and the file that holds them.
pub(super) struct Epochs {
    disk: Disk,
    store_key: Secret,
    sequence: u64,
    next: u64,
    pub(super) all: Vec<Epoch>,
}

impl Epochs {
    /// Opens the file, or begins it where the folder is not there. `known` is the first number that no epoch had yet, by the
    /// database's account.
    pub(super) fn open(disk: Disk, store_key: Secret, known: u64) -> Result<Self, EvidenceError> {
        let mut epochs = Self { disk, store_key, sequence: 0, next: known.max(1), all: Vec::new() };
        let exists = epochs.disk.dir().exists(FILE);
        // Records without the file of their keys are a loss to be told, not a beginning.
        if !exists && known > 0 {
            return Err(EvidenceError::EpochsUnreadable);
        }
        if !exists {
            epochs.disk.replace(TAG, TAG_TEXT.as_bytes()).map_err(io_error(TAG))?;
            let copy = epochs.encode()?;
            epochs.disk.replace(FILE, &[&copy[..], &copy].concat()).map_err(io_error(FILE))?;
            return Ok(epochs);
        }
        let copies = read_copies(epochs.disk.dir())?;
        let read: Vec<Option<Whole>> = copies.iter().map(|copy| decode(&epochs.store_key, copy)).collect();
        let sequences: Vec<Option<u64>> = read.iter().map(|copy| copy.as_ref().map(|copy| copy.sequence)).collect();
        let newest = read.into_iter().flatten().max_by_key(|copy| copy.sequence);
        let newest = newest.ok_or(EvidenceError::EpochsUnreadable)?;
        epochs.sequence = newest.sequence;
        epochs.next = epochs.next.max(newest.all.iter().map(|epoch| epoch.number + 1).max().unwrap_or(1));
        epochs.all = newest.all;
        // A copy that is older or torn may hold a key that is to be destroyed.
        if sequences.iter().any(|sequence| *sequence != Some(epochs.sequence)) {
            epochs.write()?;
        }
        Ok(epochs)
    }

    pub(super) fn get(&self, number: u64) -> Option<&Epoch> {
        self.all.iter().find(|epoch| epoch.number == number)
    }

    /// The next number that a new epoch gets.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// Makes a key and puts it on disk before anything is sealed under it.
    pub(super) fn add(&mut self, class: RetentionClass, day: Day) -> Result<u64, EvidenceError> {
        if self.all.len() >= CAPACITY {
            return Err(EvidenceError::EpochsFull(CAPACITY));
        }
        let number = self.next;
        self.all.push(Epoch { number, class, day, key: Secret::random()? });
        self.next += 1;
        self.write()?;
        Ok(number)
    }

    /// Destroys keys: when this returns, neither copy on disk holds them.
    pub(super) fn destroy(&mut self, numbers: &[u64]) -> Result<(), EvidenceError> {
        if vaern_door::guard::stands("record.destroy") {
            self.all.retain(|epoch| !numbers.contains(&epoch.number));
        }
        // Written even where nothing changed: an earlier attempt may have reached one copy only.
        self.write()
    }

    fn write(&mut self) -> Result<(), EvidenceError> {
        self.sequence += 1;
        let copy = self.encode()?;
        // The older copy first, so that the newer one is whole until its successor is.
        let first = self.sequence % 2;
        for place in [first, 1 - first] {
            self.disk.overwrite(FILE, place * COPY as u64, &copy).map_err(io_error(FILE))?;
        }
        Ok(())
    }

    fn encode(&self) -> Result<Vec<u8>, EvidenceError> {
        let mut plain = Buffer::with_room(PLAIN);
        plain.push(&self.sequence.to_be_bytes());
        plain.push(&(self.all.len() as u64).to_be_bytes());
        for epoch in &self.all {
            plain.push(&epoch.number.to_be_bytes());
            plain.push(&[epoch.class as u8, 0, 0, 0]);
            plain.push(&epoch.day.0.to_be_bytes());
            epoch.key.expose(|bytes| plain.push(bytes));
        }
        // The rest of the room is zeros: the file is of one size.
        plain.is_now(PLAIN);
        seal::seal(&self.store_key, &plain, BOUND)
    }
}

struct Whole {
    sequence: u64,
    all: Vec<Epoch>,
}

fn read_copies(dir: &Dir) -> Result<[Vec<u8>; 2], EvidenceError> {
    let mut options = OpenOptions::new();
    options.read(true);
    let mut file = dir.open_with(FILE, &options).map_err(io_error(FILE))?;
    let mut copy = |place: u64| -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(COPY);
        file.seek(SeekFrom::Start(place * COPY as u64))?;
        (&mut file).take(COPY as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    Ok([copy(0).map_err(io_error(FILE))?, copy(1).map_err(io_error(FILE))?])
}

fn decode(store_key: &Secret, copy: &[u8]) -> Option<Whole> {
    let plain = seal::open(store_key, copy, BOUND).ok()?;
    let (sequence, rest) = plain.split_first_chunk::<8>()?;
    let (count, rest) = rest.split_first_chunk::<8>()?;
    let count = usize::try_from(u64::from_be_bytes(*count)).ok()?;
    let (entries, _) = rest.as_chunks::<ENTRY>();
    let mut all = Vec::new();
    for entry in entries.get(..count)? {
        let (number, rest) = entry.split_first_chunk::<8>()?;
        let (class, rest) = rest.split_first_chunk::<4>()?;
        let (day, key) = rest.split_first_chunk::<4>()?;
        let class = *RetentionClass::ALL.iter().find(|known| **known as u8 == class[0])?;
        all.push(Epoch {
            number: u64::from_be_bytes(*number),
            class,
            day: Day(u32::from_be_bytes(*day)),
            key: Secret::from_bytes(key.try_into().ok()?),
        });
    }
    Some(Whole { sequence: u64::from_be_bytes(*sequence), all })
}

fn io_error(file: &'static str) -> impl FnOnce(io::Error) -> EvidenceError {
    move |source| EvidenceError::Io { file, source }
}

/// The folder that no backup may hold.
#[cfg(test)]
pub(super) const NO_BACKUP: &str = "epochs";

#[cfg(test)]
pub(super) fn keys_in_both_copies(dir: &Dir, store_key: &Secret) -> Vec<(u64, Secret)> {
    let copies = read_copies(dir).unwrap();
    copies.iter().filter_map(|copy| decode(store_key, copy)).flat_map(|c| c.all).map(|e| (e.number, e.key)).collect()
}
