//! What was done with each picture, written and synced before the next thing is done. After a kill it tells what is left.
//!
//! One JSON object a line. A line without its end was never finished, and nothing that depends on it was begun; it is cut
//! off. The file is for its owner alone: it holds names of originals and salts.

use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};

use cap_std::fs::{Dir, File, OpenOptions};
use serde::{Deserialize, Serialize};
use vaern_door::Digest;

/// Name of the journal in the output folder.
pub(super) const FILE: &str = "journal.jsonl";
/// Largest journal: about two million pictures.
const MAX_BYTES: u64 = 1 << 30;

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

/// The open journal.
pub(super) struct Journal {
    file: File,
}

impl Journal {
    /// Opens or makes the journal and reads what it holds. Nobody else can have it open.
    ///
    /// # Errors
    /// `WouldBlock` if another run holds it; `InvalidData` for a line that is none.
    pub(super) fn open(dir: &Dir) -> io::Result<(Self, Vec<Line>)> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true);
        #[cfg(unix)]
        {
            use cap_std::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let mut file = dir.open_with(FILE, &options)?;
        lock(&file)?;
        let mut text = String::new();
        (&mut file).take(MAX_BYTES).read_to_string(&mut text)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let mut lines = Vec::new();
        for line in text.get(..whole).unwrap_or_default().lines() {
            lines.push(serde_json::from_str(line).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?);
        }
        // What was not finished was not done.
        file.set_len(whole as u64)?;
        file.seek(SeekFrom::End(0))?;
        file.sync_all()?;
        dir.open(".")?.sync_all()?;
        Ok((Self { file }, lines))
    }

    /// Writes a line; it is on disk when this returns.
    pub(super) fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.file.write_all(&text)?;
        self.file.sync_data()
    }
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
    fn a_journal_that_is_held_and_a_line_that_is_none_are_refused() {
        let dir = cap_tempfile::tempdir(ambient_authority()).unwrap();
        let (held, _) = Journal::open(&dir).unwrap();
        assert_eq!(Journal::open(&dir).err().unwrap().kind(), io::ErrorKind::WouldBlock);
        drop(held);
        dir.write(FILE, b"{\"step\":\"gone\"}\n").unwrap();
        assert_eq!(Journal::open(&dir).err().unwrap().kind(), io::ErrorKind::InvalidData);
    }
}
