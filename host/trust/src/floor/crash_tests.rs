//! The floor on a disk that fails at every single write, sync and growth, and on one whose every byte was touched.

use std::io;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use redb::StorageBackend;
use vaern_door::{Digest, Name};

use super::*;

/// A disk in memory. What is not synced yet is lost at the power cut, or half of it is.
#[derive(Debug, Default)]
struct Disk {
    synced: Vec<u8>,
    /// Writes and growths since the last sync, in order.
    pending: Vec<Change>,
    operations: usize,
    cut_at: usize,
}

#[derive(Debug, Clone)]
enum Change {
    Length(usize),
    Write(usize, Vec<u8>),
}

impl Disk {
    fn apply(bytes: &mut Vec<u8>, change: &Change) {
        match change {
            Change::Length(length) => bytes.resize(*length, 0),
            Change::Write(at, data) => bytes[*at..*at + data.len()].copy_from_slice(data),
        }
    }

    fn now(&self) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        self.pending.iter().for_each(|change| Self::apply(&mut bytes, change));
        bytes
    }

    fn step(&mut self) -> io::Result<()> {
        self.operations += 1;
        if self.operations > self.cut_at { Err(io::Error::other("the power is gone")) } else { Ok(()) }
    }

    /// What a disk may hold after the power cut: some of the unsynced writes, and perhaps half of one of them.
    fn after_cut(&self, luck: u64) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        let mut luck = luck;
        for change in &self.pending {
            luck = luck.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            match (luck >> 60, change) {
                // Growth reaches the disk before what lies in the new part, or the write would have no place.
                (_, Change::Length(length)) => bytes.resize((*length).max(bytes.len()), 0),
                (0..4, _) => {}
                (4..6, Change::Write(at, data)) => {
                    Self::apply(&mut bytes, &Change::Write(*at, data[..data.len() / 2].to_vec()));
                }
                _ => Self::apply(&mut bytes, change),
            }
        }
        bytes
    }
}

#[derive(Debug, Clone, Default)]
struct Shared(Arc<Mutex<Disk>>);

impl Shared {
    fn holding(bytes: Vec<u8>, cut_at: usize) -> Self {
        Self(Arc::new(Mutex::new(Disk { synced: bytes, cut_at, ..Disk::default() })))
    }
}

impl StorageBackend for Shared {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.0.lock().unwrap().now().len() as u64)
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let bytes = self.0.lock().unwrap().now();
        let at = offset as usize;
        let part = bytes.get(at..at + out.len()).ok_or(io::ErrorKind::UnexpectedEof).map_err(io::Error::from)?;
        out.copy_from_slice(part);
        Ok(())
    }
    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        let mut disk = self.0.lock().unwrap();
        disk.step()?;
        disk.pending.push(Change::Length(len as usize));
        Ok(())
    }
    fn sync_data(&self) -> Result<(), io::Error> {
        let mut disk = self.0.lock().unwrap();
        disk.step()?;
        disk.synced = disk.now();
        disk.pending.clear();
        Ok(())
    }
    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        let mut disk = self.0.lock().unwrap();
        disk.step()?;
        disk.pending.push(Change::Write(offset as usize, data.to_vec()));
        Ok(())
    }
}

fn rows(version: u64) -> Rows {
    let mut rows = Rows::at(Timestamp::from_second(1_780_000_000 + version as i64).unwrap());
    let digest = Digest::of(&version.to_le_bytes());
    rows.marks.insert(Role::Channel, Mark { version, digest });
    let name = |text: &str| Name::new(text).unwrap();
    rows.marks.insert(Role::Release { vendor: name("v"), plugin: name("p") }, Mark { version, digest });
    rows.active.insert(name("containere"), digest);
    rows
}

/// A disk with the rows of version 1, cleanly closed.
fn begun() -> Vec<u8> {
    let disk = Shared::holding(Vec::new(), usize::MAX);
    drop(Floor::begin_on(disk.clone(), rows(1)).unwrap());
    let disk = disk.0.lock().unwrap();
    assert!(disk.pending.is_empty());
    disk.synced.clone()
}

#[test]
fn upd_14n_a_power_cut_at_any_write_leaves_the_old_floor_or_the_new_one() {
    let before = begun();
    let (mut old, mut new) = (0, 0);
    for cut_at in 0.. {
        let disk = Shared::holding(before.clone(), cut_at);
        let committed = Floor::open_on(disk.clone()).and_then(|mut floor| floor.commit(rows(2)));
        let disk = disk.0.lock().unwrap();
        let whole = disk.operations <= cut_at;
        for luck in 0..12 {
            let after = Shared::holding(disk.after_cut(luck), usize::MAX);
            let floor = Floor::open_on(after).unwrap_or_else(|e| panic!("cut at {cut_at}, luck {luck}: {e}"));
            let found = floor.rows().clone();
            assert!(found == rows(1) || found == rows(2), "cut at {cut_at}, luck {luck}: {found:?}");
            // What the caller was told is done stays done.
            assert!(committed.is_err() || found == rows(2), "cut at {cut_at}, luck {luck}");
            if found == rows(2) { new += 1 } else { old += 1 }
        }
        if whole {
            assert!(committed.is_ok() && cut_at > 3, "{cut_at}");
            break;
        }
    }
    assert!(old > 10 && new > 10, "{old} old, {new} new: both ends were seen");
}

#[test]
fn upd_15n_a_floor_that_cannot_be_written_blocks_and_stays_as_it_was() {
    let before = begun();
    let disk = Shared::holding(before, usize::MAX);
    let mut floor = Floor::open_on(disk.clone()).unwrap();
    {
        let mut disk = disk.0.lock().unwrap();
        disk.cut_at = disk.operations;
    }
    let refused = floor.commit(rows(2)).unwrap_err();
    assert!(matches!(refused, FloorError::Storage(_)), "{refused}");
    assert_eq!(floor.rows(), &rows(1));
    // The disk works again, but nobody knows what is on it: only a new reading may go on.
    disk.0.lock().unwrap().cut_at = usize::MAX;
    assert!(matches!(floor.commit(rows(2)), Err(FloorError::Storage(_))));
}

#[test]
fn upd_02n_a_floor_with_any_touched_byte_is_read_as_it_was_or_not_at_all() {
    // Two commits lie in the file: a touched byte must not bring the first one back.
    let disk = Shared::holding(begun(), usize::MAX);
    let mut floor = Floor::open_on(disk.clone()).unwrap();
    floor.commit(rows(2)).unwrap();
    drop(floor);
    let whole = disk.0.lock().unwrap().synced.clone();
    let (mut refused, mut same) = (0, 0);
    // Every bit of the header and one in each of many places of the rest.
    let header = (0..512 * 8).map(|bit| (bit / 8, bit % 8));
    let rest = (512..whole.len()).step_by((whole.len() / 1500).max(1)).map(|at| (at, at % 8));
    for (at, bit) in header.chain(rest) {
        let mut torn = whole.clone();
        torn[at] ^= 1 << bit;
        match Floor::open_on(Shared::holding(torn, usize::MAX)) {
            Ok(floor) => {
                assert_eq!(floor.rows(), &rows(2), "byte {at}, bit {bit}");
                same += 1;
            }
            Err(FloorError::Unreadable(_)) => refused += 1,
            Err(other) => panic!("byte {at}: {other}"),
        }
    }
    assert!(refused > 0 && same > 0, "{refused} refused, {same} untouched rows");
}

#[test]
fn upd_02n_a_changed_row_with_the_old_checksum_is_unreadable() {
    let mut table = rows(5).encode();
    assert_eq!(Rows::decode(table.clone()), Ok(rows(5)));
    for key in table.keys().cloned().collect::<Vec<_>>() {
        let mut without = table.clone();
        without.remove(&key);
        assert!(matches!(Rows::decode(without), Err(FloorError::Unreadable(_))), "{key} gone");
        for bit in 0..table[&key].len() * 8 {
            let mut flipped = table.clone();
            flipped.get_mut(&key).unwrap()[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(Rows::decode(flipped), Err(FloorError::Unreadable(_))), "{key} bit {bit}");
        }
    }
    table.insert("mark/root".to_owned(), vec![0; 40]);
    assert!(matches!(Rows::decode(table), Err(FloorError::Unreadable(_))));
}

#[test]
fn upd_01n_no_row_ever_goes_back() {
    let mut floor = Floor::begin_on(Shared::holding(Vec::new(), usize::MAX), rows(5)).unwrap();
    assert!(matches!(floor.commit(rows(4)), Err(FloorError::WouldGoBack(_))));
    let mut without = rows(6);
    without.marks.remove(&Role::Channel);
    assert_eq!(floor.commit(without), Err(FloorError::WouldGoBack("channel".to_owned())));
    let mut revoked = rows(6);
    revoked.revoked.insert(Digest::of(b"bad"));
    floor.commit(revoked).unwrap();
    assert_eq!(floor.commit(rows(7)), Err(FloorError::WouldGoBack("revoked".to_owned())));
}
