//! A log as it lies on disk. Nothing read here is believed before it was led back to the signed root.

use cap_std::fs::Dir;

use super::checkpoint::{Checkpoint, Floor};
use super::leaf::{Leaf, Record, SALT};
use super::merkle::{self, Hash, Subtrees};
use super::note::{MAX_NOTE, Note, VerifierKey};
use super::tile::{self, HEIGHT, WIDTH};
use crate::{AuditError, disk};

pub(crate) const CHECKPOINT: &str = "checkpoint";
pub(crate) const WITNESSED: &str = "checkpoint.witnessed";

/// A log, open for reading at the size that its signed checkpoint names.
pub struct Reader {
    dir: Dir,
    note: Note,
    checkpoint: Checkpoint,
}

/// One leaf with its record, checked against each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// From 0.
    pub index: u64,
    /// What stands in the tree.
    pub commitment: [u8; 32],
    /// What it commits to. `None` where that was taken away, or is not part of this copy.
    pub record: Option<Record>,
}

pub(crate) fn read(dir: &Dir, file: &str, limit: u64) -> Result<Option<Vec<u8>>, AuditError> {
    disk::read(dir, file, limit).map_err(|source| AuditError::Io { file: file.to_owned(), source })
}

impl Reader {
    /// Opens a log and checks the signature of its checkpoint.
    ///
    /// # Errors
    /// [`AuditError::NoLog`] where there is none; [`AuditError`] for a checkpoint that does not hold.
    pub fn open(dir: Dir, key: &VerifierKey) -> Result<Self, AuditError> {
        let bytes = read(&dir, CHECKPOINT, MAX_NOTE)?.ok_or(AuditError::NoLog)?;
        let note = Note::parse(&bytes)?;
        let checkpoint = Checkpoint::of_note(&note, key)?;
        Ok(Self { dir, note, checkpoint })
    }

    /// What the log says of itself.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The signed checkpoint as it lies there.
    #[must_use]
    pub fn note_text(&self) -> String {
        self.note.encode()
    }

    pub(crate) const fn note(&self) -> &Note {
        &self.note
    }

    /// Checks that the log contains what was seen before.
    ///
    /// # Errors
    /// [`AuditError::CheckpointRollback`] for a shorter log (AUD-03); [`AuditError::InconsistentTree`] for another one (AUD-02).
    pub fn holds(&self, floor: &Floor) -> Result<(), AuditError> {
        let (have, offered) = (floor.size, self.checkpoint.size);
        if vaern_door::guard::stands("record.rollback") && offered < have {
            return Err(AuditError::CheckpointRollback { have, offered });
        }
        let root = merkle::range(self, 0, have.min(offered))?;
        if vaern_door::guard::stands("record.consistency") && root != floor.root {
            return Err(AuditError::InconsistentTree { size: have });
        }
        Ok(())
    }

    /// The hashes that show a witness, who saw `old` leaves, that the log only grew.
    ///
    /// # Errors
    /// [`AuditError`] where the log is shorter, or its tiles cannot be read.
    pub fn consistency(&self, old: u64) -> Result<Vec<Hash>, AuditError> {
        merkle::consistency(self, old, self.checkpoint.size)
    }

    pub(crate) fn inclusion(&self, index: u64) -> Result<Vec<Hash>, AuditError> {
        merkle::inclusion(self, index, self.checkpoint.size)
    }

    /// Bundles of entries, the last one partial perhaps.
    pub(crate) const fn bundles(&self) -> u64 {
        self.checkpoint.size.div_ceil(WIDTH)
    }

    /// The hashes of tile `n` at `level`, as many as the checkpoint vouches for.
    pub(crate) fn tile(&self, level: u8, n: u64) -> Result<Vec<Hash>, AuditError> {
        let width = tile::width(n, tile::on_level(level, self.checkpoint.size));
        let name = |width| tile::hashes(level, n, width);
        let bytes = self.partial_or_full(name, width, tile::TILE_BYTES)?;
        let (hashes, _) = bytes.as_chunks::<32>();
        self.first(hashes, width, name)
    }

    /// The entries of bundle `n`, as many as the checkpoint vouches for.
    pub(crate) fn entries(&self, n: u64) -> Result<Vec<[u8; 32]>, AuditError> {
        let width = tile::width(n, self.checkpoint.size);
        let name = |width| tile::entries(n, width);
        let bytes = self.partial_or_full(name, width, tile::ENTRY_BYTES)?;
        let (chunks, rest) = bytes.as_chunks::<34>();
        let mut entries = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            let [0, 32, entry @ ..] = chunk else { return Err(AuditError::Malformed { what: "an entry bundle" }) };
            entries.push(*entry);
        }
        if !rest.is_empty() {
            return Err(AuditError::Missing { file: name(width) });
        }
        self.first(&entries, width, name)
    }

    fn first<T: Copy>(&self, all: &[T], width: u64, name: impl Fn(u64) -> String) -> Result<Vec<T>, AuditError> {
        let wanted = usize::try_from(width).ok().and_then(|width| all.get(..width));
        wanted.map(<[T]>::to_vec).ok_or_else(|| AuditError::Missing { file: name(width) })
    }

    /// A partial file may have given way to the full one, which begins with the same bytes.
    fn partial_or_full(&self, name: impl Fn(u64) -> String, width: u64, limit: u64) -> Result<Vec<u8>, AuditError> {
        if let Some(bytes) = read(&self.dir, &name(width), limit)? {
            return Ok(bytes);
        }
        read(&self.dir, &name(WIDTH), limit)?.ok_or_else(|| AuditError::Missing { file: name(width) })
    }

    /// What the leaves of bundle `n` commit to. `None` for those that were taken away.
    pub(crate) fn records(&self, n: u64) -> Result<Vec<Option<Leaf>>, AuditError> {
        let width = usize::try_from(tile::width(n, self.checkpoint.size)).unwrap_or(0);
        let Some(bytes) = read(&self.dir, &tile::records(n), tile::RECORD_BYTES)? else {
            return Ok(vec![None; width]);
        };
        let mut records = decode_records(&bytes)?;
        if records.len() < width {
            return Err(AuditError::Missing { file: tile::records(n) });
        }
        records.truncate(width);
        Ok(records)
    }

    /// The leaves of bundle `n` with their records, each checked against the other.
    pub(crate) fn opened(&self, n: u64) -> Result<Vec<Opened>, AuditError> {
        let (entries, records) = (self.entries(n)?, self.records(n)?);
        let mut opened = Vec::with_capacity(entries.len());
        for (index, (commitment, leaf)) in (n * WIDTH..).zip(entries.into_iter().zip(records)) {
            let record = match leaf {
                None => None,
                Some(leaf) => {
                    if vaern_door::guard::stands("record.commitment") && leaf.commitment() != commitment {
                        return Err(AuditError::RecordMismatch { index });
                    }
                    Some(Record::decode(&leaf.record).map_err(|why| AuditError::Record { index, why })?)
                }
            };
            opened.push(Opened { index, commitment, record });
        }
        Ok(opened)
    }

    /// The leaf `index`, with what it commits to.
    ///
    /// # Errors
    /// [`AuditError::NoLeaf`] beyond the log's end.
    pub fn leaf(&self, index: u64) -> Result<Opened, AuditError> {
        self.each(index..index.saturating_add(1))?.pop().ok_or(AuditError::NoLeaf { index, size: self.checkpoint.size })
    }

    /// The leaves of a range, cut to the log's size. The tree above them is not checked here: [`verify`](super::verify) does.
    ///
    /// # Errors
    /// [`AuditError`] where a bundle is missing or a record is not the committed one.
    pub fn each(&self, range: std::ops::Range<u64>) -> Result<Vec<Opened>, AuditError> {
        let end = range.end.min(self.checkpoint.size);
        let mut leaves = Vec::new();
        for n in range.start / WIDTH..end.div_ceil(WIDTH) {
            leaves.extend(self.opened(n)?.into_iter().filter(|leaf| (range.start..end).contains(&leaf.index)));
        }
        Ok(leaves)
    }

    pub(crate) fn kept_leaf(&self, index: u64) -> Result<Option<Leaf>, AuditError> {
        let at = usize::try_from(index % WIDTH).unwrap_or(0);
        Ok(self.records(index / WIDTH)?.into_iter().nth(at).flatten())
    }
}

impl Subtrees for Reader {
    fn subtree(&self, level: u8, index: u64) -> Result<Hash, AuditError> {
        // A subtree of 2^r hashes lies inside one tile, because it begins at a multiple of its own width.
        let (height, inside) = (level / HEIGHT, level % HEIGHT);
        let first = index << inside;
        let hashes = self.tile(height, first / WIDTH)?;
        let from = usize::try_from(first % WIDTH).unwrap_or(usize::MAX);
        let part = from.checked_add(1 << inside).and_then(|to| hashes.get(from..to));
        let missing = || AuditError::Missing { file: tile::hashes(height, first / WIDTH, WIDTH) };
        part.map(tile::fold).ok_or_else(missing)
    }
}

/// A leaf as it lies among its neighbours: salt, length, record. One that was taken away is zeros.
pub(crate) fn encode_record(leaf: Option<&Leaf>) -> Vec<u8> {
    let Some(leaf) = leaf else { return vec![0; SALT + 2] };
    // A leaf is never longer than 16 bits count.
    let length = u16::try_from(leaf.record.len()).unwrap_or(u16::MAX);
    [&leaf.salt[..], &length.to_be_bytes(), &leaf.record].concat()
}

pub(crate) fn decode_records(mut bytes: &[u8]) -> Result<Vec<Option<Leaf>>, AuditError> {
    let wrong = || AuditError::Malformed { what: "a bundle of records" };
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let (salt, rest) = bytes.split_first_chunk::<SALT>().ok_or_else(wrong)?;
        let (length, rest) = rest.split_first_chunk::<2>().ok_or_else(wrong)?;
        let (record, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or_else(wrong)?;
        records.push((!record.is_empty()).then(|| Leaf { salt: *salt, record: record.to_vec() }));
        bytes = rest;
    }
    Ok(records)
}
