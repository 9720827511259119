//! The folder of masked pictures against the journal: what a kill left is removed, and nothing else.

use std::io;

use cap_std::fs::Dir;
use vaern_door::guard;

use super::records::record_name;
use super::{CollectionError, Collector, DELETIONS};
use crate::sinks;

/// Name of a picture of a set. The original's name would join the two, and often tells when it was taken.
pub(super) fn name(number: u64) -> String {
    format!("{number:06}.jpg")
}

/// The number that a picture or its YOLO file goes by; older collections have a part of the original's name behind it.
fn number(file: &str) -> Option<u64> {
    let (stem, extension) = file.rsplit_once('.')?;
    let digits = stem.split_once('-').map_or(stem, |(digits, _)| digits);
    let ours = matches!(extension, "jpg" | "txt") && digits.len() >= 6 && digits.bytes().all(|b| b.is_ascii_digit());
    ours.then(|| digits.parse().ok())?
}

/// Whether a folder holds anything that somebody would miss.
fn holds_something(dir: &Dir) -> io::Result<bool> {
    for entry in dir.entries()? {
        if !entry?.file_name().as_encoded_bytes().starts_with(b".") {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Collector<'_> {
    /// A journal begins in an empty folder: pictures that are there already may be all that is left of their originals.
    pub(super) fn nothing_there(out: &Dir, pictures: &Dir) -> Result<(), CollectionError> {
        let there = holds_something(pictures)? || holds_something(&out.open_dir(DELETIONS)?)?;
        if there && guard::stands("collection.begun-empty") {
            return Err(CollectionError::NoJournal);
        }
        Ok(())
    }

    /// Removes masked pictures that are made again: the one whose line a kill came before, and those that recovery dropped.
    ///
    /// Pictures are kept one after the other, so a kill leaves one without a line at most, under the next number. Any other
    /// shows that the journal is not the one that belongs here, and what it does not know is not for it to remove.
    pub(super) fn sweep(&self) -> Result<(), CollectionError> {
        let work = self.lock();
        let state = &work.1;
        let mut remade = Vec::new();
        for entry in self.pictures.entries()? {
            let file = entry?.file_name();
            let Some((file, number)) = file.to_str().and_then(|file| Some((file, number(file)?))) else { continue };
            if state.masked.contains_key(&number) {
                continue;
            }
            let by_a_kill = number == state.last + 1 || state.dropped.contains(&number);
            if !by_a_kill && guard::stands("collection.unknown-picture") {
                return Err(CollectionError::JournalBehind(format!("{}/{file}", sinks::PICTURES)));
            }
            remade.push(file.to_owned());
        }
        // A record that could not be read for want of the key may hold what the journal does not know.
        let record = format!("{DELETIONS}/{}", record_name(state.records + 1));
        if !remade.is_empty() && self.plan.out.try_exists(&record)? {
            return Err(CollectionError::JournalBehind(record));
        }
        // Only after all of them were looked at.
        remade.iter().try_for_each(|file| Ok(self.pictures.remove_file(file)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_goes_by_its_number_and_other_files_are_nobodys() {
        assert_eq!(number(&name(7)), Some(7));
        assert_eq!(number(&name(1_234_567)), Some(1_234_567));
        for (file, expected) in [
            ("000012-gade_7.jpg", Some(12)),
            ("000012.txt", Some(12)),
            ("12.jpg", None),
            ("000012.json", None),
            ("classes.txt", None),
            ("99999999999999999999999.jpg", None),
            ("000012", None),
        ] {
            assert_eq!(number(file), expected, "{file}");
        }
    }
}
