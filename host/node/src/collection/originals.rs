//! How an original goes, and what a kill in the midst of it left.
//!
//! Another program may put a new file under the original's name at any moment. So the original is first given a private name
//! in its own folder, looked at there, and unlinked there: nothing that comes under its own name is ever removed.
//!
//! ```text
//! looked at → private name → folder synced → looked at again → `going` synced → unlinked → folder synced → `gone` synced
//! ```
//!
//! After `going` the original lies under its private name or nowhere, so a run that finds it nowhere, in a folder that is
//! there, knows that it was unlinked. Whatever else is not found was not deleted here: it is missing, and nobody signs for it.

use std::io;
use std::path::{Path, PathBuf};

use cap_std::fs::{Dir, Metadata, MetadataExt as _};
use rustix::fs::RenameFlags;
use rustix::io::Errno;
use vaern_door::guard;

use super::journal::{Journal, Line, Masked};
use super::state::State;
use super::{CollectionError, Collector, Step, commit, salt_of};
use crate::sinks;

/// Where an original lies: its folder, its own name, and the private one.
struct Place {
    folder: Dir,
    name: PathBuf,
    aside: String,
}

/// Under which of its names an original is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// Its own.
    Here,
    /// The private one.
    Aside,
    /// Neither, and its folder was read.
    Nowhere,
}

/// The private name. Two collections of one source have different salts, so different names; a hidden file is never listed.
fn private_name(masked: &Masked) -> String {
    let commitment = masked.commitment.to_string();
    let plain: String = commitment.rsplit(':').next().unwrap_or(&commitment).chars().take(16).collect();
    format!(".vaern-{:06}-{plain}", masked.number)
}

/// The private name with its folder, for people.
pub(super) fn private_path(masked: &Masked) -> String {
    Path::new(&masked.original).with_file_name(private_name(masked)).to_string_lossy().into_owned()
}

impl Place {
    fn open(source: &Dir, masked: &Masked) -> io::Result<Self> {
        let path = Path::new(&masked.original);
        let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        Ok(Self { folder: source.open_dir(folder)?, name: name.into(), aside: private_name(masked) })
    }

    fn look(&self) -> io::Result<Found> {
        let there = |name: &Path| match self.folder.symlink_metadata(name) {
            Ok(_) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        };
        Ok(match there(Path::new(&self.aside))? {
            true => Found::Aside,
            false if there(&self.name)? => Found::Here,
            false => Found::Nowhere,
        })
    }

    /// Whether the file of this name is the original that was masked, and goes with this name.
    fn is_the_one(&self, name: &Path, masked: &Masked) -> io::Result<bool> {
        let data = self.folder.symlink_metadata(name)?;
        // Another name of the same file would keep what this name gives up.
        if !data.is_file() || data.nlink() != 1 {
            return Ok(false);
        }
        let bytes = zeroize::Zeroizing::new(self.folder.read(name)?);
        let salt = salt_of(masked).ok_or(io::ErrorKind::InvalidData)?;
        Ok(!guard::stands("collection.same-original") || commit(&salt, &bytes) == masked.commitment)
    }

    /// Gives the original its private name, durably.
    fn set_aside(&self) -> io::Result<()> {
        self.folder.rename(&self.name, &self.folder, &self.aside)?;
        sinks::flush(&self.folder)
    }

    /// Gives the original its own name again, durably. False where that name is taken, or the file system cannot say.
    fn put_back(&self) -> io::Result<bool> {
        let (folder, aside, name) = (&self.folder, Path::new(&self.aside), &self.name);
        let back = match rustix::fs::renameat_with(folder, aside, folder, name, RenameFlags::NOREPLACE) {
            // A file system without that flag has hard links, or the private name stays.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                let linked = folder.hard_link(aside, folder, name);
                linked.is_ok() || self.are_one(aside, name)
            }
            Err(Errno::EXIST) => self.are_one(aside, name),
            other => {
                other?;
                sinks::flush(folder)?;
                return Ok(true);
            }
        };
        if back {
            folder.remove_file(aside)?;
        }
        sinks::flush(folder)?;
        Ok(back)
    }

    /// Whether two names are of one file: a kill between link and unlink. A file with one name is no other, whatever its number:
    /// not every file system numbers its files.
    fn are_one(&self, one: &Path, other: &Path) -> bool {
        let file = |name| self.folder.symlink_metadata(name).ok().filter(|data: &Metadata| data.nlink() > 1);
        file(one).zip(file(other)).is_some_and(|(one, other)| (one.dev(), one.ino()) == (other.dev(), other.ino()))
    }
}

impl Collector<'_> {
    /// Finishes what was begun: pictures that do not hold are made again, originals that are due go, and each original that
    /// is not found is gone by our hand or missing.
    pub(super) fn recover(&self) -> Result<(), CollectionError> {
        let mut work = self.lock();
        let (journal, state) = &mut *work;
        self.find_records(journal, state)?;
        let open: Vec<Masked> = state.open().cloned().collect();
        for masked in open {
            self.settle(journal, state, &masked)?;
        }
        Ok(())
    }

    fn settle(&self, journal: &mut Journal, state: &mut State, masked: &Masked) -> Result<(), CollectionError> {
        let number = masked.number;
        let holds = self.picture_holds(&masked.picture, masked.digest);
        let place = Place::open(self.plan.source, masked);
        let mut found = place.as_ref().ok().and_then(|place| place.look().ok());
        if state.going.contains(&number) && matches!(found, Some(Found::Here | Found::Aside)) {
            // Else the line would speak for it when it is taken away by somebody later.
            stays(journal, state, masked)?;
        }
        if let (Ok(place), Some(Found::Aside)) = (&place, found) {
            if holds && self.plan.delete.is_some() {
                return self.end(journal, state, masked, place);
            }
            if !place.put_back()? {
                state.aside.insert(number);
                return Ok(());
            }
            found = Some(Found::Here);
        }
        match (found, holds) {
            (Some(Found::Here | Found::Aside), true) if self.plan.delete.is_some() => {
                self.delete(journal, state, masked)
            }
            (Some(Found::Here | Found::Aside), true) => Ok(()),
            // The original is still there: it is masked anew, under a new number.
            (Some(Found::Here | Found::Aside), false) => {
                state.masked.remove(&number);
                state.dropped.insert(number);
                Ok(())
            }
            (_, false) => Err(CollectionError::Lost { number }),
            (found, true) => {
                let ours = found == Some(Found::Nowhere) && state.going.contains(&number);
                if ours || !guard::stands("collection.going") {
                    return gone(journal, state, masked);
                }
                // Another folder, a card that is not in, or somebody else took it away: not for us to sign for.
                state.missing.insert(number);
                Ok(())
            }
        }
    }

    /// Lets one original go, if it is still the one that was masked.
    pub(super) fn delete(
        &self,
        journal: &mut Journal,
        state: &mut State,
        masked: &Masked,
    ) -> Result<(), CollectionError> {
        let place = match Place::open(self.plan.source, masked) {
            Ok(place) => place,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                state.missing.insert(masked.number);
                return Ok(());
            }
            Err(e) => return Err(e.into()),
        };
        match place.look()? {
            Found::Here => {}
            Found::Aside => return Ok(()),
            Found::Nowhere => {
                state.missing.insert(masked.number);
                return Ok(());
            }
        }
        if !place.is_the_one(&place.name, masked)? {
            return Ok(());
        }
        (self.plan.reached)(Step::Looked);
        if let Err(error) = place.set_aside() {
            // As far as it came; what is left of it the next run finds.
            let _ = place.put_back();
            return Err(error.into());
        }
        (self.plan.reached)(Step::Aside);
        self.end(journal, state, masked, &place)
    }

    /// Unlinks what lies under the private name, if it is the original that was masked, else gives it its name back.
    fn end(
        &self,
        journal: &mut Journal,
        state: &mut State,
        masked: &Masked,
        place: &Place,
    ) -> Result<(), CollectionError> {
        let aside = Path::new(&place.aside);
        let unlinked = (|| {
            if guard::stands("collection.looked-at-aside") && !place.is_the_one(aside, masked)? {
                return Ok(false);
            }
            if !self.picture_holds(&masked.picture, masked.digest) {
                return Err(io::Error::other("the masked picture is not on disk as it was written"));
            }
            journal.write(&Line::Going { number: masked.number })?;
            state.going.insert(masked.number);
            (self.plan.reached)(Step::Going);
            if guard::stands("collection.deleted") {
                place.folder.remove_file(aside)?;
            }
            Ok(true)
        })();
        if !matches!(unlinked, Ok(true)) {
            if state.going.contains(&masked.number) {
                stays(journal, state, masked)?;
            }
            if !place.put_back()? {
                state.aside.insert(masked.number);
            }
            return unlinked.map(|_| ()).map_err(Into::into);
        }
        sinks::flush(&place.folder)?;
        (self.plan.reached)(Step::Gone);
        gone(journal, state, masked)?;
        (self.plan.reached)(Step::GoneJournaled);
        Ok(())
    }
}

fn gone(journal: &mut Journal, state: &mut State, masked: &Masked) -> Result<(), CollectionError> {
    journal.write(&Line::Gone { number: masked.number })?;
    state.gone.insert(masked.number);
    state.missing.remove(&masked.number);
    Ok(())
}

/// Takes back a `going`, before anything else is done with the original.
fn stays(journal: &mut Journal, state: &mut State, masked: &Masked) -> Result<(), CollectionError> {
    journal.write(&Line::Stays { number: masked.number })?;
    state.going.remove(&masked.number);
    Ok(())
}
