//! Data collection for training: masked pictures in, originals out of the world, and an account of both.
//!
//! An original is deleted only after its masked picture was written, synced, read again and found whole, and after the
//! journal says so; what the journal says is done again or finished after a kill. Deletions are signed for in records, and
//! only those that the journal knows for our own.
//! A file system may keep the blocks of a deleted file: only an encrypted disk makes them unreadable.

mod annotations;
mod error;
mod journal;
mod originals;
mod pictures;
mod records;
mod set;
mod state;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cap_std::fs::Dir;
use jiff::Timestamp;
use serde::Serialize;
use vaern_door::{Digest, Name, guard};
use vaern_privacy::Turning;
use vaern_trust::SigningKeyPair;

pub use annotations::{Annotated, AnnotationError};
pub use error::CollectionError;
pub use set::{HeldSet, TrainingSet};

use self::annotations::Coco;
use self::journal::{Journal, Line, Masked};
use self::state::State;
use crate::sinks;
use crate::source::Entry;

/// Folder of the deletion records in the output folder.
pub const DELETIONS: &str = "deletions";
/// Name of the manifest in the output folder.
pub const MANIFEST: &str = "training-set.toml";
/// Name of the account of the whole collection.
pub const ACCOUNT: &str = "collection.json";
/// Originals of one record at most: an envelope holds about 3,000.
const RECORD_SIZE: usize = 1000;

/// The moments between which a kill is survived, for tests that kill there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The masked picture and its annotations are written.
    Written,
    /// The masked picture was read again and is whole.
    Verified,
    /// The journal says so.
    Journaled,
    /// The original is the one that was masked.
    Looked,
    /// It lies under its private name.
    Aside,
    /// It was looked at there, and the journal says that it goes.
    Going,
    /// The original is gone.
    Gone,
    /// The journal says so.
    GoneJournaled,
    /// A deletion record is written.
    RecordWritten,
    /// The journal says so.
    Recorded,
}

impl Step {
    /// All of them, in order.
    pub const ALL: [Self; 10] = [
        Self::Written,
        Self::Verified,
        Self::Journaled,
        Self::Looked,
        Self::Aside,
        Self::Going,
        Self::Gone,
        Self::GoneJournaled,
        Self::RecordWritten,
        Self::Recorded,
    ];
}

/// What a collection needs.
pub struct Plan<'a> {
    /// The training set.
    pub set: HeldSet,
    /// Digest of the policy set in force.
    pub policy: Digest,
    /// Where the originals are.
    pub source: &'a Dir,
    /// Where everything goes.
    pub out: &'a Dir,
    /// Delete each original once its masked picture is safe, and sign for it with this key.
    pub delete: Option<SigningKeyPair>,
    /// A COCO file to carry over.
    pub coco: Option<Vec<u8>>,
    /// How annotations of turned pictures are meant.
    pub annotated: Option<Annotated>,
    /// The present.
    pub now: Timestamp,
    /// Called at each step; does nothing outside of tests.
    pub reached: &'a (dyn Fn(Step) + Sync),
}

/// An original as it was read, with its salted commitment.
#[derive(Debug, Clone)]
pub(crate) struct Original {
    path: PathBuf,
    salt: [u8; 32],
    commitment: Digest,
}

/// The salted commitment to some bytes.
fn commit(salt: &[u8; 32], bytes: &[u8]) -> Digest {
    let mut salted = zeroize::Zeroizing::new(Vec::with_capacity(bytes.len() + 64));
    salted.extend_from_slice(b"vaern original v1\0");
    salted.extend_from_slice(salt);
    salted.extend_from_slice(bytes);
    Digest::of(&salted)
}

/// What is counted at the end, over all runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Name of the set.
    pub set: Name,
    /// Who answers for it.
    pub owner: String,
    /// What it is for.
    pub purpose: Name,
    /// When it must be gone.
    pub expires: Timestamp,
    /// Masked pictures of the set.
    pub pictures: usize,
    /// Originals that were deleted here.
    pub originals_deleted: usize,
    /// Originals of masked pictures that are not found and were not deleted here: taken away, or in another folder.
    pub originals_missing: usize,
    /// Deletion records.
    pub deletion_records: u64,
    /// Originals that this run left in the source, with the reason.
    pub originals_kept: Vec<Kept>,
    /// Pictures of this run whose annotations could not be carried over.
    pub annotations_left_out: usize,
}

/// The account as it lies beside the pictures: without names.
#[derive(Serialize)]
struct AccountFile<'a> {
    set: &'a Name,
    owner: &'a str,
    purpose: &'a Name,
    expires: Timestamp,
    pictures: usize,
    originals_deleted: usize,
    originals_missing: usize,
    deletion_records: u64,
    originals_kept: BTreeMap<&'a str, usize>,
    annotations_left_out: usize,
}

impl Account {
    fn file(&self) -> AccountFile<'_> {
        let mut kept = BTreeMap::new();
        for one in &self.originals_kept {
            *kept.entry(one.reason.as_str()).or_insert(0) += 1;
        }
        AccountFile {
            set: &self.set,
            owner: &self.owner,
            purpose: &self.purpose,
            expires: self.expires,
            pictures: self.pictures,
            originals_deleted: self.originals_deleted,
            originals_missing: self.originals_missing,
            deletion_records: self.deletion_records,
            originals_kept: kept,
            annotations_left_out: self.annotations_left_out,
        }
    }
}

/// An original that was left in the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Its name.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// A folder of the source that is a training set, or the source itself, if there is one (SEP-03).
pub(crate) fn set_among(source: &Dir, entries: &[Entry]) -> Option<PathBuf> {
    let mut folders: BTreeSet<&Path> = BTreeSet::from([Path::new("")]);
    for entry in entries {
        let (Entry::File(path) | Entry::Unreadable(path)) = entry;
        folders.extend(path.ancestors().skip(1));
    }
    folders.into_iter().map(|folder| folder.join(MANIFEST)).find(|manifest| source.symlink_metadata(manifest).is_ok())
}

/// Whether a folder is that of a collection.
pub(crate) fn begun(out: &Dir) -> bool {
    out.symlink_metadata(journal::FILE).is_ok_and(|data| data.len() > 0)
}

/// A collection at work.
pub struct Collector<'a> {
    plan: Plan<'a>,
    pictures: Dir,
    coco: Option<Coco>,
    work: Mutex<(Journal, State)>,
}

impl<'a> Collector<'a> {
    /// Opens the collection in the output folder and finishes what a run before began.
    ///
    /// # Errors
    /// [`CollectionError`]; nothing was deleted by then that the journal does not know.
    pub fn open(plan: Plan<'a>) -> Result<Self, CollectionError> {
        let coco = plan.coco.as_deref().map(Coco::parse).transpose()?;
        plan.out.create_dir_all(sinks::PICTURES)?;
        plan.out.create_dir_all(DELETIONS)?;
        let pictures = plan.out.open_dir(sinks::PICTURES)?;
        let busy = |e: io::Error| match e.kind() {
            io::ErrorKind::WouldBlock => CollectionError::Busy,
            _ => e.into(),
        };
        let (mut journal, lines) = Journal::open(plan.out).map_err(busy)?;
        let begun = Line::Begun { set: plan.set.digest(), policy: plan.policy };
        let mut state = State::default();
        match lines.split_first() {
            None => {
                Self::nothing_there(plan.out, &pictures)?;
                sinks::write_file(plan.out, MANIFEST, plan.set.text.as_bytes())?;
                journal.write(&begun)?;
            }
            Some((first, rest)) if *first == begun => state.replay(rest),
            Some(_) => return Err(CollectionError::OtherCollection),
        }
        let collector = Self { plan, pictures, coco, work: Mutex::new((journal, state)) };
        collector.recover()?;
        collector.sweep()?;
        Ok(collector)
    }

    /// Whether the original at `path` was masked by an earlier run and is still to be left alone.
    pub(crate) fn is_done(&self, path: &Path) -> bool {
        let work = self.lock();
        // A picture that comes under the name of one that is gone is a new one.
        let here = |m: &Masked| path.to_str() == Some(&m.original) && !work.1.gone.contains(&m.number);
        work.1.masked.values().any(here)
    }

    /// Binds an original by its bytes.
    pub(crate) fn original(&self, path: &Path, bytes: &[u8]) -> Result<Original, CollectionError> {
        let mut salt = [0; 32];
        getrandom::fill(&mut salt).map_err(|_| CollectionError::Random)?;
        Ok(Original { path: path.to_owned(), salt, commitment: commit(&salt, bytes) })
    }

    /// Keeps a masked picture, and lets the original go where that is the plan. Gives the name of the picture.
    pub(crate) fn keep(&self, original: &Original, jpeg: &[u8], turning: Turning) -> Result<String, CollectionError> {
        let path = original.path.to_str().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?;
        let mut work = self.lock();
        let (journal, state) = &mut *work;
        let number = state.last + 1;
        let picture = pictures::name(number);
        let digest = Digest::of(jpeg);
        if !self.keep_yolo(&original.path, &picture, turning)? {
            state.unannotated += 1;
        }
        sinks::write_file(&self.pictures, &picture, jpeg)?;
        (self.plan.reached)(Step::Written);
        if !self.picture_holds(&picture, digest) {
            return Err(io::Error::other("the masked picture is not on disk as it was written").into());
        }
        (self.plan.reached)(Step::Verified);
        let masked = Masked {
            number,
            original: path.to_owned(),
            salt: original.salt.iter().map(|b| format!("{b:02x}")).collect(),
            commitment: original.commitment,
            picture: picture.clone(),
            digest,
            stored: (turning.stored().width(), turning.stored().height()),
            orientation: turning.code(),
        };
        journal.write(&Line::Masked(masked.clone()))?;
        state.masked(masked.clone());
        (self.plan.reached)(Step::Journaled);
        if self.plan.delete.is_some() {
            self.delete(journal, state, &masked)?;
            if state.unrecorded().len() >= RECORD_SIZE {
                self.record(journal, state)?;
            }
        }
        Ok(picture)
    }

    /// Signs for the last deletions and writes annotations and the account. `kept` are the originals that stayed.
    ///
    /// # Errors
    /// [`CollectionError`] where a record or the account cannot be written; the journal then still knows what is due.
    pub fn finish(&self, mut kept: Vec<Kept>) -> Result<Account, CollectionError> {
        let mut work = self.lock();
        let (journal, state) = &mut *work;
        self.record(journal, state)?;
        let mut left_out = state.unannotated;
        if let Some(coco) = &self.coco {
            let (text, missed) = coco.carried(state.masked.values(), self.plan.annotated)?;
            left_out += missed;
            sinks::write_file(self.plan.out, annotations::FILE, text.as_bytes())?;
        }
        for m in state.open() {
            if state.aside.contains(&m.number) {
                kept.push(Kept { file: originals::private_path(m), reason: "set_aside".to_owned() });
            } else if self.plan.delete.is_some() && !state.missing.contains(&m.number) {
                kept.push(Kept { file: m.original.clone(), reason: "changed_or_linked".to_owned() });
            }
        }
        let set = &self.plan.set.set;
        let account = Account {
            set: set.name.clone(),
            owner: set.owner.clone(),
            purpose: set.purpose.clone(),
            expires: set.expires,
            pictures: state.masked.len(),
            originals_deleted: state.gone.len(),
            originals_missing: state.missing.len(),
            deletion_records: state.records,
            originals_kept: kept,
            annotations_left_out: left_out,
        };
        let text = serde_json::to_string_pretty(&account.file()).map_err(io::Error::from)? + "\n";
        sinks::write_file(self.plan.out, ACCOUNT, text.as_bytes())?;
        Ok(account)
    }

    fn lock(&self) -> MutexGuard<'_, (Journal, State)> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn picture_holds(&self, name: &str, digest: Digest) -> bool {
        !guard::stands("collection.verified")
            || self.pictures.read(name).is_ok_and(|bytes| Digest::of(&bytes) == digest)
    }

    /// Carries a YOLO file beside the original over to the picture. False where there is one that cannot be.
    fn keep_yolo(&self, original: &Path, picture: &str, turning: Turning) -> Result<bool, CollectionError> {
        let text = match self.plan.source.read_to_string(original.with_extension("txt")) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(true),
            Err(_) => return Ok(false),
        };
        let Some(carried) = annotations::yolo(&text, turning, self.plan.annotated) else { return Ok(false) };
        let name = Path::new(picture).with_extension("txt");
        sinks::write_file(&self.pictures, &name.to_string_lossy(), carried.as_bytes())?;
        Ok(true)
    }
}

fn salt_of(masked: &Masked) -> Option<[u8; 32]> {
    let byte = |at: usize| u8::from_str_radix(masked.salt.get(2 * at..2 * at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..32).map(byte).collect();
    bytes?.try_into().ok()
}

/// Name of a masked picture that is of no set: the number, and the plain part of the original's name, so that whoever
/// collected it finds it again.
pub(crate) fn picture_name(number: u64, file: &str) -> String {
    let base = file.rsplit('/').next().unwrap_or(file);
    let stem = base.rsplit_once('.').map_or(base, |(stem, _)| stem);
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' };
    let stem: String = stem.chars().take(80).map(plain).collect();
    format!("{number:06}-{stem}.jpg")
}
