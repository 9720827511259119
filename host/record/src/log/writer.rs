//! Writing the log: one writer, each leaf there for good once [`Log::append`] returns, or not at all.
//!
//! ```text
//! pending ──► records ──► entry bundles ──► hash tiles ──► checkpoint ──► pending gone
//! ```
//!
//! Each arrow is a write that is on disk before the next begins. `pending` decides: before it is whole, the leaves do not
//! exist; after, opening the log finishes what was begun, with the same salts, so that nothing is lost or doubled (AUD-08).

use cap_std::fs::{Dir, File, OpenOptions};
use sha2::{Digest as _, Sha256};

use super::checkpoint::{Checkpoint, Floor};
use super::event::Event;
use super::leaf::{Leaf, MAX_RECORD};
use super::merkle::{self, Hash};
use super::note::{Line, LogKey, MAX_NOTE, Note};
use super::reader::{CHECKPOINT, Reader, WITNESSED, decode_records, encode_record, read};
use super::tile::{self, WIDTH};
use super::witness::Quorum;
use super::words::{ApprovalRef, IncidentKind, PolicyRef, ReleaseRef, RunRef};
use crate::AuditError;
use crate::disk::Disk;

const PENDING: &str = "pending";
const LOCK: &str = "lock";

/// The public key, for people who look at the directory. Nobody is convinced by a key that lies in the log itself.
const KEY: &str = "key";

/// Leaves of one call at most: `pending` stays a file of moderate size.
const MAX_BATCH: usize = 1024;

/// A log, open for writing. One process at a time.
pub struct Log {
    disk: Disk,
    key: LogKey,
    ends: Ends,
    poisoned: bool,
    // Held, never read: the lock goes with it.
    _lock: File,
}

/// The growing right edge of the tree.
#[derive(Clone, Default)]
struct Ends {
    size: u64,
    /// The hashes of the partial tile of each level, from the leaves up.
    levels: Vec<Vec<Hash>>,
    /// The entries of the partial bundle.
    entries: Vec<[u8; 32]>,
    /// What they commit to, as it lies on disk.
    records: Vec<u8>,
    /// The entries of the bundle before, so that a leaf that is handed in again is known again.
    before: Vec<[u8; 32]>,
}

/// Files that a batch changes, in the order in which they are written.
#[derive(Default)]
struct Files {
    records: Vec<(String, Vec<u8>)>,
    entries: Vec<(String, Vec<u8>)>,
    tiles: Vec<(String, Vec<u8>)>,
    /// Folders of partial files that a full one replaces.
    outgrown: Vec<String>,
}

impl Log {
    /// Opens the log in `dir`, or begins one where there is none, and finishes what a crash interrupted.
    ///
    /// `floor` is the newest checkpoint that the caller saw, from a store of its own.
    ///
    /// # Errors
    /// [`AuditError::Busy`] if another process writes it; [`AuditError::CheckpointRollback`] and
    /// [`AuditError::InconsistentTree`] if it does not contain the floor; whatever else does not hold: a log in doubt is
    /// not continued.
    pub fn open(dir: Dir, key: LogKey, floor: Option<&Floor>) -> Result<Self, AuditError> {
        Self::open_disk(Disk::new(dir), key, floor)
    }

    pub(crate) fn open_disk(disk: Disk, key: LogKey, floor: Option<&Floor>) -> Result<Self, AuditError> {
        let lock = lock(disk.dir())?;
        let mut log = Self { disk, key, ends: Ends::default(), poisoned: false, _lock: lock };
        if read(log.disk.dir(), CHECKPOINT, MAX_NOTE)?.is_none() {
            // Tiles or a floor without a checkpoint are the rest of a log that somebody cut.
            if log.disk.dir().exists("tile") || floor.is_some_and(|floor| floor.size > 0) {
                return Err(AuditError::NoLog);
            }
            log.put(KEY, format!("{}\n", log.key.verifier()).as_bytes())?;
            log.put(CHECKPOINT, log.signed(0, merkle::empty()).as_bytes())?;
        }
        let reader = log.reader()?;
        log.ends = Ends::load(&reader)?;
        if log.ends.root() != reader.checkpoint().root {
            return Err(AuditError::RootMismatch { size: log.ends.size });
        }
        if let Some(floor) = floor {
            reader.holds(floor)?;
        }
        log.finish()?;
        Ok(log)
    }

    /// Leaves of the log.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.ends.size
    }

    /// The log as it stands, for reading.
    ///
    /// # Errors
    /// [`AuditError`] where the disk fails.
    pub fn reader(&self) -> Result<Reader, AuditError> {
        let dir = self.disk.dir().try_clone().map_err(io(CHECKPOINT))?;
        Reader::open(dir, self.key.verifier())
    }

    /// The newest checkpoint, to be kept by the caller where this log cannot reach it.
    #[must_use]
    pub fn floor(&self) -> Floor {
        Floor { size: self.ends.size, root: self.ends.root() }
    }

    /// Logs one event that happened at `time` (seconds since 1970, UTC). On disk, signed, when this returns. Answers with
    /// the index of its leaf.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn note(&mut self, event: Event, time: u64) -> Result<u64, AuditError> {
        let leaf = Leaf::seal(event, time)?;
        Ok(self.append(std::slice::from_ref(&leaf))?.first().copied().unwrap_or_default())
    }

    /// Logs leaves, all or none of them. One that is there already is not logged again. Answers with their indices.
    ///
    /// # Errors
    /// [`AuditError::Io`] where the disk fails: the log must then be opened anew, which shows whether the leaves are in it.
    pub fn append(&mut self, leaves: &[Leaf]) -> Result<Vec<u64>, AuditError> {
        if self.poisoned {
            return Err(AuditError::Poisoned);
        }
        if leaves.len() > MAX_BATCH {
            return Err(AuditError::EntryTooLarge { size: leaves.len(), max: MAX_BATCH });
        }
        if let Some(long) = leaves.iter().find(|leaf| leaf.record.len() > MAX_RECORD) {
            return Err(AuditError::EntryTooLarge { size: long.record.len(), max: MAX_RECORD });
        }
        let mut fresh: Vec<Leaf> = Vec::new();
        let mut indices = Vec::with_capacity(leaves.len());
        for leaf in leaves {
            let among = fresh.iter().position(|other| other == leaf).map(|at| self.ends.size + at as u64);
            let index = self.ends.find(&leaf.commitment()).or(among).unwrap_or_else(|| {
                fresh.push(leaf.clone());
                self.ends.size + fresh.len() as u64 - 1
            });
            indices.push(index);
        }
        if !fresh.is_empty() {
            self.poisoned = true;
            self.put(PENDING, &encode_pending(self.ends.size, &fresh))?;
            self.publish(&fresh)?;
            self.poisoned = false;
        }
        Ok(indices)
    }

    /// Adds a witness's signature line below the checkpoint. When the quorum is reached, the note is also kept as
    /// `checkpoint.witnessed`, which stays when the log grows.
    ///
    /// # Errors
    /// [`AuditError::Malformed`] for a line by nobody of the quorum; [`AuditError::BadSignature`] for one that does not hold
    /// over the newest checkpoint.
    pub fn add_cosignature(&mut self, line: &str, quorum: &Quorum) -> Result<usize, AuditError> {
        let line = Line::parse(line)?;
        if !quorum.knows(&line) {
            return Err(AuditError::Malformed { what: "a witness of the policy" });
        }
        let mut note = self.reader()?.note().clone();
        note.lines.retain(|other| other.name != line.name || other.id != line.id);
        note.lines.push(line);
        let (have, reached) = quorum.count(&note)?;
        let text = note.encode();
        self.put(CHECKPOINT, text.as_bytes())?;
        if reached.is_some() {
            self.put(WITNESSED, text.as_bytes())?;
        }
        Ok(have)
    }

    /// The newest checkpoint that a quorum vouched for, and when it had. `None` if there never was one.
    ///
    /// # Errors
    /// [`AuditError`] for one that does not hold: a log in doubt is not continued.
    pub fn witnessed(&self, quorum: &Quorum) -> Result<Option<(Checkpoint, u64)>, AuditError> {
        let Some(bytes) = read(self.disk.dir(), WITNESSED, MAX_NOTE)? else { return Ok(None) };
        let note = Note::parse(&bytes)?;
        let checkpoint = Checkpoint::of_note(&note, self.key.verifier())?;
        // Under a quorum that changed, an old note may no longer count.
        Ok(quorum.count(&note)?.1.map(|time| (checkpoint, time)))
    }

    /// Takes away what leaf `index` commits to. The leaf stays, and so does every proof; nobody can say any more what it was.
    ///
    /// # Errors
    /// [`AuditError::NoLeaf`] beyond the log's end.
    pub fn erase(&mut self, index: u64) -> Result<(), AuditError> {
        if self.poisoned {
            return Err(AuditError::Poisoned);
        }
        let reader = self.reader()?;
        if index >= self.ends.size {
            return Err(AuditError::NoLeaf { index, size: self.ends.size });
        }
        let n = index / WIDTH;
        let mut records = reader.records(n)?;
        if let Some(record) = usize::try_from(index % WIDTH).ok().and_then(|at| records.get_mut(at)) {
            *record = None;
        }
        let bytes: Vec<u8> = records.iter().flat_map(|leaf| encode_record(leaf.as_ref())).collect();
        self.poisoned = true;
        self.put(&tile::records(n), &bytes)?;
        self.poisoned = false;
        if n == self.ends.size / WIDTH {
            self.ends.records = bytes;
        }
        Ok(())
    }

    /// What is in force by the log's own account, and which runs have no end.
    ///
    /// # Errors
    /// [`AuditError`] where the log cannot be read.
    pub fn standing(&self) -> Result<Standing, AuditError> {
        let reader = self.reader()?;
        let mut standing = Standing::default();
        for n in 0..reader.bundles() {
            for leaf in reader.opened(n)? {
                if let Some(record) = leaf.record {
                    standing.follow(record.event);
                }
            }
        }
        Ok(standing)
    }

    /// Finishes or drops what a crash left pending.
    fn finish(&mut self) -> Result<(), AuditError> {
        let Some(bytes) = read(self.disk.dir(), PENDING, MAX_BATCH as u64 * (MAX_RECORD as u64 + 34) + 48)? else {
            return Ok(());
        };
        let (start, leaves) = decode_pending(&bytes)?;
        if start == self.ends.size {
            return self.publish(&leaves);
        }
        // The checkpoint was already out: these are its last leaves.
        let known = leaves.iter().all(|leaf| self.ends.find(&leaf.commitment()).is_some());
        if start + leaves.len() as u64 != self.ends.size || !known && leaves.len() as u64 <= WIDTH {
            return Err(AuditError::Pending { size: self.ends.size });
        }
        self.disk.remove(PENDING).map_err(io(PENDING))
    }

    /// Writes everything that the leaves change, the checkpoint last.
    fn publish(&mut self, leaves: &[Leaf]) -> Result<(), AuditError> {
        let (ends, files) = self.ends.grown(leaves);
        for (file, bytes) in files.records.iter().chain(&files.entries).chain(&files.tiles) {
            self.put(file, bytes)?;
        }
        self.put(CHECKPOINT, self.signed(ends.size, ends.root()).as_bytes())?;
        self.disk.remove(PENDING).map_err(io(PENDING))?;
        for folder in &files.outgrown {
            self.disk.remove_folder(folder).map_err(io(folder))?;
        }
        self.ends = ends;
        Ok(())
    }

    /// Signs a text with the log's key: a certificate that the log's readers can check. It is no checkpoint and is not
    /// mistaken for one, because it does not begin with the log's name.
    pub(crate) fn certify(&self, text: &str) -> String {
        Note { text: text.to_owned(), lines: vec![self.key.sign(text)] }.encode()
    }

    fn signed(&self, size: u64, root: Hash) -> String {
        let text = Checkpoint { origin: self.key.verifier().name().clone(), size, root }.text();
        let line = self.key.sign(&text);
        Note { text, lines: vec![line] }.encode()
    }

    fn put(&self, file: &str, bytes: &[u8]) -> Result<(), AuditError> {
        self.disk.replace(file, bytes).map_err(io(file))
    }
}

/// What the leaves so far say about the present.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// The rules in force.
    pub policy: Option<PolicyRef>,
    /// The release that sees frames.
    pub release: Option<ReleaseRef>,
    /// The newest approval that was seen.
    pub approval: Option<ApprovalRef>,
    /// Runs that began and did not end.
    pub unfinished: Vec<RunRef>,
}

impl Standing {
    fn follow(&mut self, event: Event) {
        match event {
            Event::PolicyInForce { policy } => self.policy = Some(policy),
            Event::ReleaseActivated { release } | Event::ReleaseSwapped { to: release, .. } => {
                self.release = Some(release);
            }
            Event::ApprovalSeen { approval, .. } => self.approval = Some(approval),
            Event::RunBegun { run, .. } => self.unfinished.push(run),
            Event::RunEnded { run, .. } | Event::Incident { kind: IncidentKind::RunLost, run: Some(run), .. } => {
                self.unfinished.retain(|other| *other != run);
            }
            _ => {}
        }
    }
}

impl Ends {
    fn load(reader: &Reader) -> Result<Self, AuditError> {
        let size = reader.checkpoint().size;
        let mut levels = Vec::new();
        for level in 0_u8..8 {
            let all = tile::on_level(level, size);
            if all == 0 {
                break;
            }
            levels.push(if all.is_multiple_of(WIDTH) { Vec::new() } else { reader.tile(level, all / WIDTH)? });
        }
        let n = size / WIDTH;
        let mut ends = Self { size, levels, ..Self::default() };
        if !size.is_multiple_of(WIDTH) {
            ends.entries = reader.entries(n)?;
            ends.records = reader.records(n)?.iter().flat_map(|leaf| encode_record(leaf.as_ref())).collect();
        }
        if n > 0 {
            ends.before = reader.entries(n - 1)?;
        }
        Ok(ends)
    }

    /// The root over everything: the whole subtrees of each level, joined from the smallest up.
    fn root(&self) -> Hash {
        let mut root: Option<Hash> = None;
        for hashes in &self.levels {
            let mut rest = hashes.as_slice();
            let mut parts = Vec::new();
            while !rest.is_empty() {
                // The largest power of two that fits is the next whole subtree from the left.
                let width = 1_usize << rest.len().ilog2();
                let (part, after) = rest.split_at(width);
                parts.push(tile::fold(part));
                rest = after;
            }
            for part in parts.into_iter().rev() {
                root = Some(root.map_or(part, |right| merkle::node(&part, &right)));
            }
        }
        root.unwrap_or_else(merkle::empty)
    }

    /// Where a commitment stands, if it is among the newest.
    fn find(&self, commitment: &[u8; 32]) -> Option<u64> {
        let first = self.size - self.entries.len() as u64 - self.before.len() as u64;
        let at = self.before.iter().chain(&self.entries).position(|entry| entry == commitment)?;
        Some(first + at as u64)
    }

    /// The edge after `leaves` were added, and the files that say so.
    fn grown(&self, leaves: &[Leaf]) -> (Self, Files) {
        let (mut ends, mut files) = (self.clone(), Files::default());
        for leaf in leaves {
            let commitment = leaf.commitment();
            ends.entries.push(commitment);
            ends.records.extend_from_slice(&encode_record(Some(leaf)));
            ends.size += 1;
            if ends.entries.len() as u64 == WIDTH {
                let n = ends.size / WIDTH - 1;
                files.records.push((tile::records(n), std::mem::take(&mut ends.records)));
                files.entries.push((tile::entries(n, WIDTH), encode_entries(&ends.entries)));
                files.outgrown.push(format!("{}.p", tile::entries(n, WIDTH)));
                ends.before = std::mem::take(&mut ends.entries);
            }
            ends.push_hash(merkle::leaf(&commitment), &mut files);
        }
        let n = ends.size / WIDTH;
        if !ends.entries.is_empty() {
            files.records.push((tile::records(n), ends.records.clone()));
            files.entries.push((tile::entries(n, ends.entries.len() as u64), encode_entries(&ends.entries)));
        }
        for (level, hashes) in (0_u8..).zip(&ends.levels) {
            let all = tile::on_level(level, ends.size);
            if !hashes.is_empty() && all != tile::on_level(level, self.size) {
                files.tiles.push((tile::hashes(level, all / WIDTH, hashes.len() as u64), hashes.concat()));
            }
        }
        (ends, files)
    }

    /// Adds a hash to the lowest level; each tile that fills gives one hash to the level above.
    fn push_hash(&mut self, hash: Hash, files: &mut Files) {
        let mut carry = Some(hash);
        for level in 0_u8..8 {
            let Some(hash) = carry.take() else { break };
            if self.levels.len() == usize::from(level) {
                self.levels.push(Vec::new());
            }
            let Some(hashes) = self.levels.get_mut(usize::from(level)) else { break };
            hashes.push(hash);
            if hashes.len() as u64 == WIDTH {
                let n = tile::on_level(level, self.size) / WIDTH - 1;
                files.tiles.push((tile::hashes(level, n, WIDTH), hashes.concat()));
                files.outgrown.push(format!("{}.p", tile::hashes(level, n, WIDTH)));
                carry = Some(tile::fold(hashes));
                hashes.clear();
            }
        }
    }
}

fn encode_entries(entries: &[[u8; 32]]) -> Vec<u8> {
    entries.iter().flat_map(|entry| [0, 32].into_iter().chain(*entry)).collect()
}

fn encode_pending(start: u64, leaves: &[Leaf]) -> Vec<u8> {
    let mut bytes = start.to_be_bytes().to_vec();
    bytes.extend(leaves.iter().flat_map(|leaf| encode_record(Some(leaf))));
    let sum: [u8; 32] = Sha256::digest(&bytes).into();
    bytes.extend_from_slice(&sum);
    bytes
}

fn decode_pending(bytes: &[u8]) -> Result<(u64, Vec<Leaf>), AuditError> {
    let wrong = || AuditError::Malformed { what: "the file of pending leaves" };
    let (body, sum) = bytes.split_last_chunk::<32>().ok_or_else(wrong)?;
    if Sha256::digest(body).as_slice() != sum {
        return Err(wrong());
    }
    let (start, records) = body.split_first_chunk::<8>().ok_or_else(wrong)?;
    let leaves = decode_records(records)?.into_iter().collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
    Ok((u64::from_be_bytes(*start), leaves))
}

fn lock(dir: &Dir) -> Result<File, AuditError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true);
    let file = dir.open_with(LOCK, &options).map_err(io(LOCK))?;
    let std = file.try_clone().map_err(io(LOCK))?.into_std();
    match std.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(AuditError::Busy),
        Err(std::fs::TryLockError::Error(source)) => Err(AuditError::Io { file: LOCK.to_owned(), source }),
    }
}

fn io(file: &str) -> impl FnOnce(std::io::Error) -> AuditError {
    let file = file.to_owned();
    move |source| AuditError::Io { file, source }
}
