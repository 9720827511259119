//! Files of a folder: written whole or not at all, read up to a bound, and one program at a time.

use std::io::{self, Read as _, Write as _};

use cap_std::fs::{Dir, File, OpenOptions};
use cap_tempfile::TempFile;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::ProposalError;

/// The largest file that is read.
const MAX_BYTES: u64 = 512 << 20;

/// Writes a file: all of it, on disk when this returns, or nothing of it.
pub(crate) fn write(dir: &Dir, name: &str, bytes: &[u8]) -> Result<(), ProposalError> {
    let put = || -> io::Result<()> {
        let mut file = TempFile::new(dir)?;
        file.as_file_mut().write_all(bytes)?;
        file.as_file().sync_all()?;
        file.replace(name)?;
        match dir.open(".")?.sync_all() {
            // A file system that does not know of it has nothing to sync.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            result => result,
        }
    };
    put().map_err(|source| ProposalError::Write { file: name.to_owned(), source })
}

/// Writes a value as JSON.
pub(crate) fn write_json<T: Serialize>(dir: &Dir, name: &str, value: &T) -> Result<(), ProposalError> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| ProposalError::Write { file: name.to_owned(), source: error.into() })?;
    bytes.push(b'\n');
    write(dir, name, &bytes)
}

/// Reads a file. `None` where there is none.
pub(crate) fn read(dir: &Dir, name: &str) -> Result<Option<Vec<u8>>, ProposalError> {
    let fail = |source| ProposalError::Unreadable { file: name.to_owned(), source };
    let file = match dir.open(name) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(error)),
    };
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(fail(io::Error::other("larger than such a file is")));
    }
    Ok(Some(bytes))
}

/// Reads a value from JSON. `None` where there is no such file.
pub(crate) fn read_json<T: DeserializeOwned>(dir: &Dir, name: &str) -> Result<Option<T>, ProposalError> {
    let Some(bytes) = read(dir, name)? else { return Ok(None) };
    let form = |error: serde_json::Error| ProposalError::Form { file: name.to_owned(), line: error.line() };
    serde_json::from_slice(&bytes).map(Some).map_err(form)
}

/// Takes the folder's lock, which goes with what is given back.
pub(crate) fn lock(dir: &Dir, name: &str) -> Result<File, ProposalError> {
    let fail = |source| ProposalError::Unreadable { file: name.to_owned(), source };
    let mut options = OpenOptions::new();
    options.write(true).create(true);
    let file = dir.open_with(name, &options).map_err(fail)?;
    match file.try_clone().map_err(fail)?.into_std().try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(ProposalError::Busy),
        Err(std::fs::TryLockError::Error(source)) => Err(fail(source)),
    }
}
