//! What a run knows so far, written down as it goes: a run that was stopped goes on where it was, and comes to the same bytes.
//!
//! One line for each thing that was found out, with a digest of its own: a line that a power cut tore is as if it had never been. The
//! first line names everything that the answers depend on, so that nothing is taken from a run of another release, host, set of rules,
//! profile or seed. No picture is in it, and nothing of a sealed corpus.

use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::sync::{Mutex, PoisonError};

use cap_std::fs::{Dir, File, OpenOptions};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vaern_door::Digest;

/// Name of the file beside the result.
pub const JOURNAL: &str = "progress.jsonl";

/// A journal longer than this was not written by a run.
const LARGEST: u64 = 256 << 20;

/// Why a run cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The directory does not take it, or gives it back.
    #[error("the run's progress cannot be kept: {0}")]
    Io(#[from] std::io::Error),
    /// There is nothing to go on with.
    #[error("there is no run here that was stopped")]
    Nothing,
    /// It was another run.
    #[error("the run that was stopped here was another: release, host, rules, profile, seed or engine differ")]
    Other,
}

/// Where one answer belongs: the part of the run, and the number of the case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Place(String, u32);

#[derive(Serialize, Deserialize)]
struct Line {
    at: Place,
    is: Value,
}

/// What is known, and where more is written down.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    known: BTreeMap<Place, Value>,
    file: Option<Mutex<File>>,
}

impl Journal {
    /// A journal that keeps nothing.
    pub(crate) fn none() -> Self {
        Self::default()
    }

    /// Begins one in `dir`, over what lay there.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub(crate) fn begin(dir: &Dir, about: &str) -> Result<Self, JournalError> {
        let mut file = dir.open_with(JOURNAL, OpenOptions::new().write(true).create(true).truncate(true))?;
        file.write_all(line(about).as_bytes())?;
        file.sync_all()?;
        Ok(Self { known: BTreeMap::new(), file: Some(Mutex::new(file)) })
    }

    /// Goes on with the one in `dir`, if it is about the same.
    ///
    /// # Errors
    /// [`JournalError`].
    pub(crate) fn resume(dir: &Dir, about: &str) -> Result<Self, JournalError> {
        let mut file = match dir.open_with(JOURNAL, OpenOptions::new().read(true).write(true)) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(JournalError::Nothing),
            Err(error) => return Err(error.into()),
        };
        let mut bytes = Vec::new();
        (&mut file).take(LARGEST).read_to_end(&mut bytes)?;
        let mut lines = whole(&bytes);
        match lines.next() {
            None => return Err(JournalError::Nothing),
            Some((text, _)) if text != about => return Err(JournalError::Other),
            Some(_) => {}
        }
        let (mut known, mut end) = (BTreeMap::new(), line(about).len());
        for (text, length) in lines {
            let Ok(Line { at, is }) = serde_json::from_str(text) else { break };
            known.insert(at, is);
            end += length;
        }
        // What comes after the last whole line was torn.
        file.set_len(u64::try_from(end).unwrap_or(LARGEST))?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self { known, file: Some(Mutex::new(file)) })
    }

    /// What is known of a case. What cannot be read is not known.
    pub(crate) fn known<T: DeserializeOwned>(&self, part: &str, case: u32) -> Option<T> {
        let value = self.known.get(&Place(part.to_owned(), case))?;
        T::deserialize(value).ok()
    }

    /// Writes down what was found out. A disk that is full stops no run: it can only not go on from there.
    pub(crate) fn note<T: Serialize>(&self, part: &str, case: u32, value: &T) {
        let Some(file) = &self.file else { return };
        let Ok(is) = serde_json::to_value(value) else { return };
        let Ok(text) = serde_json::to_string(&Line { at: Place(part.to_owned(), case), is }) else { return };
        let _ = file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line(&text).as_bytes());
    }
}

fn sum(text: &str) -> String {
    Digest::of(text.as_bytes()).hex().chars().take(16).collect()
}

fn line(text: &str) -> String {
    format!("{} {text}\n", sum(text))
}

/// The whole lines from the beginning, each with its length in bytes; at the first that is not whole it ends.
fn whole(bytes: &[u8]) -> impl Iterator<Item = (&str, usize)> {
    bytes.split_inclusive(|byte| *byte == b'\n').map_while(|raw| {
        let text = std::str::from_utf8(raw).ok()?.strip_suffix('\n')?;
        let (digest, text) = text.split_at_checked(16)?;
        let text = text.strip_prefix(' ')?;
        (digest == sum(text)).then_some((text, raw.len()))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests state what they expect")]
mod tests {
    use super::*;

    #[test]
    fn gov_05p_what_was_written_down_before_the_cut_is_known_and_the_torn_line_is_not() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), cap_std::ambient_authority()).unwrap();
        assert!(matches!(Journal::resume(&dir, "a"), Err(JournalError::Nothing)));
        let journal = Journal::begin(&dir, "a").unwrap();
        for case in 0..5 {
            journal.note("part", case, &(case * 7));
        }
        drop(journal);
        assert!(matches!(Journal::resume(&dir, "b"), Err(JournalError::Other)), "GOV-05N");
        let bytes = dir.read(JOURNAL).unwrap();
        for cut in 0..=bytes.len() {
            dir.write(JOURNAL, &bytes[..cut]).unwrap();
            let known = match Journal::resume(&dir, "a") {
                Ok(journal) => {
                    let known = (0..5).filter(|case| journal.known::<u32>("part", *case) == Some(case * 7)).count();
                    journal.note("part", 9, &1);
                    known
                }
                Err(_) => continue,
            };
            let lines = bytes[..cut].iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(known, lines - 1, "cut at {cut}");
            // What is written after a torn line is read again.
            assert_eq!(Journal::resume(&dir, "a").unwrap().known::<u32>("part", 9), Some(1));
        }
        let mut altered = bytes.clone();
        let at = altered.len() - 3;
        altered[at] ^= 1;
        dir.write(JOURNAL, &altered).unwrap();
        assert_eq!(Journal::resume(&dir, "a").unwrap().known::<u32>("part", 4), None, "an altered line is no line");
    }
}
