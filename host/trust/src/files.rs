//! Files that are there whole or not at all, and reading that stops.

use std::io::{self, Read as _, Write as _};

use cap_std::fs::Dir;
use cap_tempfile::TempFile;

/// Who may read a file that is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Whoever the process's umask lets.
    Everyone,
    /// The owner only: mode 0600.
    Owner,
}

/// Writes a file beside its place, syncs it, moves it there, and syncs the directory: after a power cut the old or the
/// new file is there, never a half.
pub(crate) fn write_whole(dir: &Dir, name: &str, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let mut file = TempFile::new(dir)?;
    if readers == Readers::Owner {
        owner_only(&file)?;
    }
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.replace(name)?;
    sync_dir(dir)
}

/// Makes the names in `dir` durable.
pub(crate) fn sync_dir(dir: &Dir) -> io::Result<()> {
    // A directory can be synced on Unix only; elsewhere the file system decides.
    if cfg!(unix) {
        // A handle opened for traversal only cannot be synced, so the directory is opened anew for reading.
        dir.open(".")?.sync_all()?;
    }
    Ok(())
}

#[cfg(unix)]
fn owner_only(file: &TempFile<'_>) -> io::Result<()> {
    use cap_std::fs::{Permissions, PermissionsExt as _};
    file.as_file().set_permissions(Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn owner_only(_: &TempFile<'_>) -> io::Result<()> {
    Ok(())
}

/// What lies under a name instead of a plain file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A plain file.
    File,
    /// A symbolic link: never followed, it may be changed after it was looked at.
    Link,
    /// A directory, device, socket or pipe.
    Other,
}

/// Says what lies under `name`, without opening it: opening a pipe would wait for a writer for ever.
pub(crate) fn entry(dir: &Dir, name: &str) -> io::Result<Entry> {
    let kind = dir.symlink_metadata(name)?.file_type();
    Ok(if kind.is_file() {
        Entry::File
    } else if kind.is_symlink() {
        Entry::Link
    } else {
        Entry::Other
    })
}

/// Reads a plain file, at most `limit` bytes and one more, so that the caller sees an overrun.
pub(crate) fn read_at_most(dir: &Dir, name: &str, limit: u64) -> io::Result<Vec<u8>> {
    // Nothing is reserved from a declared size: the buffer grows with what is really there.
    let mut bytes = Vec::new();
    dir.open(name)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}
