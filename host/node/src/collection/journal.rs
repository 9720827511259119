//! What was done with each picture, written and synced before the next thing is done. After a kill it tells what is left.
//!
//! One JSON object a line. A line without its end was never finished, and nothing that depends on it was begun; it is cut
//! off. The file is for its owner alone: it holds names of originals and salts.

use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};

use cap_std::fs::{Dir, File, OpenOptions};
use serde::{Deserialize, Serialize};
use vaern_door::{Digest, guard};

/// Name of the journal in the output folder.
pub(super) const FILE: &str = "journal.jsonl";
/// Largest journal: about two million pictures.
const BOUND: u64 = 1 << 30;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Line {
    /// First line: what the journal is for. A run under other rules is another collection.
    Begun {
        /// Digest of the training set's manifest.
        set: Digest,
        /// Digest of the policy set.
        policy: Digest,
    },
    /// A masked picture is on disk, verified.
    Masked(Masked),
    /// The original of picture `number` lies under its private name, looked at, and is unlinked next.
    Going {
        /// Number of the picture.
        number: u64,
    },
    /// It was not: the original of picture `number` is found again.
    Stays {
        /// Number of the picture.
        number: u64,
    },
    /// The original of picture `number` is gone.
    Gone {
        /// Number of the picture.
        number: u64,
    },
    /// Deletion record `record` is on disk and covers these pictures.
    Recorded {
        /// Number of the record.
        record: u64,
        /// Pictures whose deletion it holds.
        numbers: Vec<u64>,
    },
}

/// A masked picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Masked {
    /// Number in the set, from 1.
    pub(super) number: u64,
    /// Path of the original inside the source.
    pub(super) original: String,
    /// Salt of the commitment, 64 hexadecimal digits.
    pub(super) salt: String,
    /// SHA-256 over salt and original.
    pub(super) commitment: Digest,
    /// File name of the masked picture.
    pub(super) picture: String,
    /// Its digest.
    pub(super) digest: Digest,
    /// Width and height of the picture as stored, before it was turned upright.
    pub(super) stored: (u16, u16),
    /// EXIF orientation, 1 to 8.
    pub(super) orientation: u8,
}

/// What the journal is written to.
pub(super) trait Disk: Send {
    /// Adds to the end; on disk when this returns.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Cuts off what is beyond `len`; on disk when this returns.
    fn cut(&mut self, len: u64) -> io::Result<()>;
}

impl Disk for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)?;
        self.sync_data()
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)?;
        self.seek(SeekFrom::Start(len))?;
        self.sync_all()
    }
}

/// The open journal.
pub(super) struct Journal {
    pub(super) disk: Box<dyn Disk>,
    /// Bytes of whole lines.
    whole: u64,
    bound: u64,
    /// A line was torn and could not be cut off: another would be glued to it, and neither could be read.
    torn: bool,
}

impl Journal {
    /// Opens or makes the journal and reads what it holds. Nobody else can have it open.
    ///
    /// # Errors
    /// `WouldBlock` if another run holds it; `InvalidData` for a line that is none; `FileTooLarge` beyond the bound.
    pub(super) fn open(dir: &Dir) -> io::Result<(Self, Vec<Line>)> {
        Self::open_within(dir, BOUND)
    }

    fn open_within(dir: &Dir, bound: u64) -> io::Result<(Self, Vec<Line>)> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true);
        #[cfg(unix)]
        {
            use cap_std::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let mut file = dir.open_with(FILE, &options)?;
        lock(&file)?;
        // What is cut off below is a line that was never finished, not what a reader had no room for.
        if file.metadata()?.len() > bound && guard::stands("collection.journal-bound") {
            return Err(too_large(bound));
        }
        let mut text = Vec::new();
        (&mut file).take(bound).read_to_end(&mut text)?;
        let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
        let mut lines = Vec::new();
        for line in text.get(..whole).unwrap_or_default().split_inclusive(|b| *b == b'\n') {
            lines.push(serde_json::from_slice(line).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?);
        }
        // What was not finished was not done.
        file.cut(whole as u64)?;
        dir.open(".")?.sync_all()?;
        Ok((Self { disk: Box::new(file), whole: whole as u64, bound, torn: false }, lines))
    }

    /// Writes a line; it is on disk when this returns. After an error nothing of it is, or nothing more is written.
    pub(super) fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        if self.torn {
            return Err(io::Error::other("a line of the journal was torn and could not be cut off; run again"));
        }
        let after = self.whole + text.len() as u64;
        // A quarter is left for what is to be told of the pictures that are there.
        let bound = if matches!(line, Line::Masked(_)) { self.bound / 4 * 3 } else { self.bound };
        if after > bound {
            return Err(too_large(self.bound));
        }
        let written = self.disk.append(&text);
        match written {
            Ok(()) => self.whole = after,
            Err(_) if guard::stands("collection.torn-line") => self.torn = self.disk.cut(self.whole).is_err(),
            Err(_) => {}
        }
        written
    }
}

fn too_large(bound: u64) -> io::Error {
    let text = format!("`{FILE}` has no room within {bound} bytes; begin another set in another folder");
    io::Error::new(io::ErrorKind::FileTooLarge, text)
}

/// One run at a time: two would delete under each other's hands.
fn lock(file: &File) -> io::Result<()> {
    let file = file.try_clone()?.into_std();
    file.try_lock().map_err(|error| match error {
        std::fs::TryLockError::WouldBlock => io::Error::from(io::ErrorKind::WouldBlock),
        std::fs::TryLockError::Error(error) => error,
    })
    // The lock belongs to the open file, which `Journal` keeps; this second handle to it may close.
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;

    #[test]
    fn a_torn_last_line_is_cut_off_and_the_rest_stands() {
        let dir = cap_tempfile::tempdir(ambient_authority()).unwrap();
        let (mut journal, lines) = Journal::open(&dir).unwrap();
        assert!(lines.is_empty());
        let begun = Line::Begun { set: Digest::of(b"s"), policy: Digest::of(b"p") };
        journal.write(&begun).unwrap();
        journal.write(&Line::Gone { number: 3 }).unwrap();
        drop(journal);
        let mut bytes = dir.read(FILE).unwrap();
        let whole = bytes.len();
        bytes.extend_from_slice(b"{\"step\":\"gone\",\"num");
        dir.write(FILE, &bytes).unwrap();
        let (mut journal, lines) = Journal::open(&dir).unwrap();
        assert_eq!(lines, [begun, Line::Gone { number: 3 }]);
        assert_eq!(dir.read(FILE).unwrap().len(), whole);
        journal.write(&Line::Gone { number: 4 }).unwrap();
        drop(journal);
        assert_eq!(Journal::open(&dir).unwrap().1.len(), 3);
    }

    #[test]
    fn skj_09n_a_line_torn_in_the_middle_of_a_letter_is_cut_off() {
        let dir = cap_tempfile::tempdir(ambient_authority()).unwrap();
        let (mut journal, _) = Journal::open(&dir).unwrap();
        journal.write(&Line::Gone { number: 3 }).unwrap();
        drop(journal);
        let mut bytes = dir.read(FILE).unwrap();
        bytes.extend_from_slice(b"{\"step\":\"masked\",\"original\":\"g\xc3");
        dir.write(FILE, &bytes).unwrap();
        assert_eq!(Journal::open(&dir).unwrap().1, [Line::Gone { number: 3 }]);
    }

    #[test]
    fn skj_09n_a_journal_beyond_its_bound_is_refused_and_left_as_it_is() {
        let dir = cap_tempfile::tempdir(ambient_authority()).unwrap();
        let (mut journal, _) = Journal::open_within(&dir, 100).unwrap();
        let mut written = 0;
        while journal.write(&Line::Gone { number: written }).is_ok() {
            written += 1;
        }
        drop(journal);
        // What was written within the bound is read within it.
        assert_eq!(Journal::open_within(&dir, 100).unwrap().1.len() as u64, written);
        let before = dir.read(FILE).unwrap();
        let error = Journal::open_within(&dir, before.len() as u64 - 1).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(dir.read(FILE).unwrap(), before);
    }

    #[test]
    fn a_journal_that_is_held_and_a_line_that_is_none_are_refused() {
        let dir = cap_tempfile::tempdir(ambient_authority()).unwrap();
        let (held, _) = Journal::open(&dir).unwrap();
        assert_eq!(Journal::open(&dir).err().unwrap().kind(), io::ErrorKind::WouldBlock);
        drop(held);
        dir.write(FILE, b"{\"step\":\"gone\"}\n").unwrap();
        assert_eq!(Journal::open(&dir).err().unwrap().kind(), io::ErrorKind::InvalidData);
    }
}
