//! The watched folder: a capture is taken once, by a rename into the node's own folder beside the others, and is there until its
//! outcome is in the journal.

use std::collections::VecDeque;
use std::io;
use std::path::Path;

use cap_std::fs::Dir;
use vaern_privacy::{OriginalBytes, PictureKind};

use super::source::Arrived;

/// The node's own folder inside the watched one: the same file system, so that a rename moves nothing.
const TAKEN: &str = ".taken";

/// Names that are read at once; what comes beyond waits for the next look.
const LISTED: usize = 65_536;

/// A capture that is the node's own.
#[derive(Debug)]
pub(crate) struct Taken {
    /// Its number: higher than that of every capture that was taken before.
    pub(crate) seq: u64,
    /// Where it is.
    pub(crate) held: Held,
}

/// Where a capture is until it has its outcome.
#[derive(Debug)]
pub(crate) enum Held {
    /// In the node's folder, under this name.
    File(String),
    /// In memory, and nowhere else.
    Memory(Box<Arrived>),
    /// It was in memory, and is on its way through the gate.
    Gone,
}

/// What a file's extension claims that it is.
pub(crate) fn claims(file: &str) -> Option<PictureKind> {
    PictureKind::from_extension(Path::new(file).extension().and_then(|e| e.to_str()).unwrap_or_default())
}

/// The watched folder, open.
pub(crate) struct Inbox {
    folder: Dir,
    taken: Dir,
    listed: VecDeque<String>,
    next: u64,
}

impl Inbox {
    /// Opens the folder. Captures below `done` have their outcome in the journal and are removed; the others are handed out
    /// again, in their old order.
    pub(crate) fn open(folder: Dir, done: u64) -> io::Result<(Self, Vec<Taken>)> {
        folder.create_dir_all(TAKEN)?;
        let taken = folder.open_dir(TAKEN)?;
        let mut again = Vec::new();
        for entry in taken.entries()? {
            let Ok(file) = entry?.file_name().into_string() else { continue };
            let Some(seq) = number(&file) else { continue };
            if seq < done {
                taken.remove_file(&file)?;
            } else {
                again.push(Taken { seq, held: Held::File(file) });
            }
        }
        again.sort_by_key(|taken| taken.seq);
        let next = again.last().map_or(done, |last| last.seq + 1).max(done);
        Ok((Self { folder, taken, listed: VecDeque::new(), next }, again))
    }

    /// Takes up to `limit` captures, in the order of their names. They are the node's own, on disk, when this returns.
    pub(crate) fn take(&mut self, limit: usize) -> io::Result<Vec<Taken>> {
        if self.listed.is_empty() {
            self.list()?;
        }
        let mut all = Vec::new();
        while all.len() < limit {
            let Some(name) = self.listed.pop_front() else { break };
            let extension: String = Path::new(&name)
                .extension()
                .and_then(|e| e.to_str())
                .unwrap_or_default()
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .take(8)
                .collect();
            let file = format!("{:020}.{extension}", self.next);
            match self.folder.rename(&name, &self.taken, &file) {
                Ok(()) => {
                    all.push(Taken { seq: self.next, held: Held::File(file) });
                    self.next += 1;
                }
                // Whoever put it there took it back.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    self.listed.push_front(name);
                    // What was taken already is handed out; the error comes again with the next look.
                    if all.is_empty() {
                        return Err(error);
                    }
                    break;
                }
            }
        }
        if !all.is_empty() {
            // A power cut must not put a capture back whose outcome is in the journal.
            sync(&self.taken)?;
            sync(&self.folder)?;
        }
        Ok(all)
    }

    fn list(&mut self) -> io::Result<()> {
        let mut names = Vec::new();
        for entry in self.folder.entries()? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if !name.starts_with('.') && !folder {
                names.push(name);
            }
            if names.len() >= LISTED {
                break;
            }
        }
        names.sort_unstable();
        self.listed = names.into();
        Ok(())
    }

    /// Another handle on the node's own folder.
    pub(crate) fn shelf(&self) -> io::Result<Shelf> {
        Ok(Shelf(Some(self.taken.try_clone()?)))
    }
}

/// The node's own folder: captures are read and removed here. There is none where captures are in memory only.
pub(crate) struct Shelf(pub(crate) Option<Dir>);

impl Shelf {
    /// Reads a capture, one byte past the limit at most. A link, a pipe or a device is no capture, and is not opened.
    pub(crate) fn read(&self, file: &str, limit: u64) -> io::Result<OriginalBytes> {
        let dir = self.0.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let data = dir.symlink_metadata(file)?;
        if !data.is_file() {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        OriginalBytes::read(dir.open(file)?, data.len(), limit)
    }

    /// Removes a capture whose outcome is in the journal. One that stays is removed when the node starts again.
    pub(crate) fn remove(&self, taken: &Taken) -> io::Result<()> {
        match (&self.0, &taken.held) {
            (Some(dir), Held::File(file)) => dir.remove_file(file),
            _ => Ok(()),
        }
    }
}

fn number(file: &str) -> Option<u64> {
    let digits = file.get(..20).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
    digits.parse().ok()
}

fn sync(dir: &Dir) -> io::Result<()> {
    match dir.open(".")?.sync_all() {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;

    fn folder(names: &[&str]) -> cap_tempfile::TempDir {
        let dir = cap_tempfile::tempdir(ambient_authority()).unwrap();
        names.iter().for_each(|name| dir.write(name, name).unwrap());
        dir
    }

    fn file(taken: &Taken) -> &str {
        match &taken.held {
            Held::File(file) => file,
            held => panic!("{held:?}"),
        }
    }

    fn open(dir: &Dir, done: u64) -> (Inbox, Vec<Taken>) {
        Inbox::open(dir.try_clone().unwrap(), done).unwrap()
    }

    #[test]
    fn captures_are_taken_once_in_the_order_of_their_names() {
        let dir = folder(&["b.jpg", "a.png", ".c.jpg"]);
        dir.create_dir("sub").unwrap();
        let (mut inbox, again) = open(&dir, 0);
        assert!(again.is_empty());
        let all = inbox.take(9).unwrap();
        let shelf = inbox.shelf().unwrap();
        let read: Vec<Vec<u8>> = all.iter().map(|taken| shelf.0.as_ref().unwrap().read(file(taken)).unwrap()).collect();
        assert_eq!(read, [b"a.png".to_vec(), b"b.jpg".to_vec()]);
        assert!(all.iter().all(|taken| shelf.read(file(taken), 99).unwrap().len() == 5));
        assert_eq!(all.iter().map(|t| t.seq).collect::<Vec<_>>(), [0, 1]);
        assert!(inbox.take(9).unwrap().is_empty(), "a name with a dot is not finished yet");
        dir.rename(".c.jpg", &dir, "c.jpg").unwrap();
        assert_eq!(inbox.take(9).unwrap().len(), 1);
    }

    #[test]
    fn after_a_kill_what_has_an_outcome_is_gone_and_the_rest_comes_again() {
        let dir = folder(&["a.jpg", "b.jpg", "c.jpg"]);
        let (mut inbox, _) = open(&dir, 0);
        let all = inbox.take(2).unwrap();
        drop(inbox);
        // The first has its outcome in the journal; the kill came before it was removed.
        let (mut inbox, again) = open(&dir, all[0].seq + 1);
        assert_eq!(again.iter().map(|t| (t.seq, file(t))).collect::<Vec<_>>(), [(all[1].seq, file(&all[1]))]);
        assert!(inbox.shelf().unwrap().read(file(&all[0]), 99).is_err());
        let more = inbox.take(9).unwrap();
        assert_eq!(more.iter().map(|t| t.seq).collect::<Vec<_>>(), [2], "no number is given out twice");
    }

    #[test]
    fn a_link_and_a_name_of_any_kind_are_taken_and_not_followed() {
        let dir = folder(&["x.j/../p".replace('/', "_").as_str()]);
        dir.symlink("/etc/hostname", "link.jpg").ok();
        dir.symlink("elsewhere", "loop.jpg").unwrap();
        let (mut inbox, _) = open(&dir, 0);
        let shelf = inbox.shelf().unwrap();
        for taken in inbox.take(9).unwrap() {
            let link = shelf.0.as_ref().unwrap().symlink_metadata(file(&taken)).unwrap().is_symlink();
            assert_eq!(shelf.read(file(&taken), 99).is_err(), link);
            shelf.remove(&taken).unwrap();
        }
        assert!(dir.entries().unwrap().all(|entry| entry.unwrap().file_name() == TAKEN));
    }
}
