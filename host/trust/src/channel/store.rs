//! The releases that a node keeps: `releases/<digest>`, each there whole or not at all.

use std::io;

use cap_std::fs::Dir;
use vaern_door::Digest;

use super::error::UpdateError;
use crate::files::{self, Entry, Readers};
use crate::package::{self, Layout, PkgError};

const RELEASES: &str = "releases";
const UNFINISHED: &str = "unfinished";
const BLOBS: &str = "blobs/sha256";
/// Files of one release: 16 models, their manifests, the parts and 64 statements, with room.
const MAX_FILES: usize = 1024;
/// As large as the largest model.
const MAX_FILE: u64 = 512 << 20;

/// A step of an activation. Between any two of them the power may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trip {
    /// Before the copy is begun.
    Begin,
    /// Before each file of the copy, or that is added to one, by its number.
    File(usize),
    /// Before the copy gets its name, or what was added to one is named.
    Name,
    /// Before the transaction that makes it active.
    Commit,
    /// Before copies that are active no more are removed.
    Sweep,
}

/// What is told of each step. In operation nobody listens; a test stops the activation there.
#[derive(Clone, Copy)]
pub struct Steps<'t>(Option<&'t dyn Fn(Trip) -> io::Result<()>>);

impl<'t> Steps<'t> {
    /// Nobody listens.
    #[must_use]
    pub const fn unwatched() -> Self {
        Self(None)
    }

    /// `watch` is told of each step, and stops the activation by an error.
    #[must_use]
    pub const fn watched(watch: &'t dyn Fn(Trip) -> io::Result<()>) -> Self {
        Self(Some(watch))
    }

    pub(super) fn trip(self, step: Trip) -> Result<(), UpdateError> {
        self.0.map_or(Ok(()), |watch| watch(step)).map_err(io_error(RELEASES))
    }
}

fn io_error(file: &str) -> impl FnOnce(io::Error) -> UpdateError {
    let file = file.to_owned();
    move |e| UpdateError::Io { file, kind: e.kind() }
}

/// Copies the release in `from` to its place under `state`. What is copied is not believed: it is verified from the
/// copy each time that it is used.
pub(super) fn keep(from: &Dir, state: &Dir, digest: Digest, steps: Steps<'_>) -> Result<(), UpdateError> {
    steps.trip(Trip::Begin)?;
    state.create_dir_all(RELEASES).map_err(io_error(RELEASES))?;
    let releases = state.open_dir(RELEASES).map_err(io_error(RELEASES))?;
    if releases.symlink_metadata(digest.hex()).is_ok() {
        match add(from, &releases, digest, steps) {
            Err(Kept::Folder(error)) => return Err(error),
            Ok(()) => return Ok(()),
            // A copy that does not hold is none. It is made anew below.
            Err(Kept::Copy) => {}
        }
    }
    if releases.symlink_metadata(UNFINISHED).is_ok() {
        releases.remove_dir_all(UNFINISHED).map_err(io_error(UNFINISHED))?;
    }
    let blobs = format!("{UNFINISHED}/{BLOBS}");
    releases.create_dir_all(&blobs).map_err(io_error(&blobs))?;
    let copy = releases.open_dir(UNFINISHED).map_err(io_error(UNFINISHED))?;
    let mut number = 0;
    let mut put = |folder: &Dir, target: &Dir, name: &str| {
        steps.trip(Trip::File(number))?;
        number += 1;
        if number > MAX_FILES {
            return Err(UpdateError::TooLong(name.to_owned()));
        }
        let plain = files::entry(folder, name).map_err(io_error(name))? == Entry::File;
        if !plain {
            return Err(UpdateError::Io { file: name.to_owned(), kind: io::ErrorKind::InvalidInput });
        }
        let bytes = files::read_at_most(folder, name, MAX_FILE).map_err(io_error(name))?;
        files::write_whole(target, name, &bytes, Readers::Everyone).map_err(io_error(name))
    };
    let (source, target) =
        (from.open_dir(BLOBS).map_err(io_error(BLOBS))?, copy.open_dir(BLOBS).map_err(io_error(BLOBS))?);
    for entry in source.entries().map_err(io_error(BLOBS))? {
        let name = entry.map_err(io_error(BLOBS))?.file_name();
        let name = name.to_str().ok_or_else(|| io_error(BLOBS)(io::ErrorKind::InvalidInput.into()))?;
        put(&source, &target, name)?;
    }
    for name in ["oci-layout", "index.json"] {
        put(from, &copy, name)?;
    }
    files::sync_dir(&copy.open_dir("blobs").map_err(io_error("blobs"))?).map_err(io_error("blobs"))?;
    files::sync_dir(&copy).map_err(io_error(UNFINISHED))?;
    steps.trip(Trip::Name)?;
    if releases.symlink_metadata(digest.hex()).is_ok() {
        releases.remove_dir_all(digest.hex()).map_err(io_error(RELEASES))?;
    }
    releases.rename(UNFINISHED, &releases, digest.hex()).map_err(io_error(UNFINISHED))?;
    files::sync_dir(&releases).and_then(|()| files::sync_dir(state)).map_err(io_error(RELEASES))
}

/// Why nothing is added to a copy.
enum Kept {
    /// The copy itself does not hold.
    Copy,
    /// The folder does not, or the disk.
    Folder(UpdateError),
}

/// Adds to the copy what the folder has of statements and code besides (decision 0023). What the copy has stays as it is.
fn add(from: &Dir, releases: &Dir, digest: Digest, steps: Steps<'_>) -> Result<(), Kept> {
    let folder = |error| Kept::Folder(of_package(error));
    let copy = releases.open_dir(digest.hex()).map_err(|_| Kept::Copy)?;
    if package::inspect(&copy).map_or(true, |(whole, _)| whole != digest) {
        return Err(Kept::Copy);
    }
    let (here, there) = (Layout::open(&copy).map_err(folder)?, Layout::open(from).map_err(folder)?);
    let mut number = 0;
    let mut step = |name: &str| {
        let trip = if name == "index.json" { Trip::Name } else { Trip::File(number) };
        number += 1;
        steps.0.map_or(Ok(()), |watch| watch(trip))
    };
    package::supplement(&here, &there, &mut step).map(|_| ()).map_err(folder)
}

/// Adds to the copy that is kept of a release, if there is one. One that does not hold is left as it is.
pub(super) fn supplement(from: &Dir, state: &Dir, digest: Digest, steps: Steps<'_>) -> Result<(), UpdateError> {
    let releases = match state.open_dir(RELEASES) {
        Ok(releases) if releases.symlink_metadata(digest.hex()).is_ok() => releases,
        _ => return Ok(()),
    };
    match add(from, &releases, digest, steps) {
        Ok(()) | Err(Kept::Copy) => Ok(()),
        Err(Kept::Folder(error)) => Err(error),
    }
}

fn of_package(error: PkgError) -> UpdateError {
    match error {
        PkgError::Io { file, kind } => UpdateError::Io { file, kind },
        other => UpdateError::Folder(other),
    }
}

/// Opens the copy of a release.
pub(super) fn kept(state: &Dir, digest: Digest) -> Result<Dir, UpdateError> {
    let name = format!("{RELEASES}/{}", digest.hex());
    state.open_dir(&name).map_err(io_error(&name))
}

/// Removes what is active no more.
pub(super) fn sweep(state: &Dir, active: &[Digest]) -> Result<(), UpdateError> {
    let releases = state.open_dir(RELEASES).map_err(io_error(RELEASES))?;
    for entry in releases.entries().map_err(io_error(RELEASES))? {
        let name = entry.map_err(io_error(RELEASES))?.file_name();
        if !active.iter().any(|digest| name.to_str() == Some(digest.hex().as_str())) {
            releases.remove_dir_all(&name).map_err(io_error(RELEASES))?;
        }
    }
    Ok(())
}
