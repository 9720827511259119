//! Every write of this room, in one place: whole or not at all, and on disk before the next one begins.
//!
//! One place, so that a test can cut the power before each step of each write and see what a restart makes of it.

use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use cap_std::fs::{Dir, OpenOptions};

/// A directory that this room writes to.
pub(crate) struct Disk {
    dir: Dir,
    #[cfg(test)]
    pub(crate) power: power::Power,
}

impl Disk {
    pub(crate) fn new(dir: Dir) -> Self {
        Self {
            dir,
            #[cfg(test)]
            power: power::Power::default(),
        }
    }

    pub(crate) fn dir(&self) -> &Dir {
        &self.dir
    }

    /// One step that a power cut may come before.
    fn step(&self) -> io::Result<()> {
        #[cfg(test)]
        self.power.draw()?;
        Ok(())
    }

    /// Puts `bytes` at `path`: what was there stays until all of the new is on disk.
    pub(crate) fn replace(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.make_parents(path)?;
        let beside = format!("{path}.tmp");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        {
            use cap_std::fs::OpenOptionsExt as _;
            options.mode(0o640);
        }
        self.step()?;
        let mut file = self.dir.open_with(&beside, &options)?;
        // A cut in the middle of the bytes: half of them are there.
        if let Err(cut) = self.step() {
            let _ = file.write_all(bytes.get(..bytes.len() / 2).unwrap_or_default());
            return Err(cut);
        }
        file.write_all(bytes)?;
        file.sync_all()?;
        self.step()?;
        self.dir.rename(&beside, &self.dir, path)?;
        self.step()?;
        self.sync_parent(path)
    }

    /// Writes `bytes` over what stands at `at`, in place. For bytes that must not survive beside their successor; whoever
    /// calls it keeps a second copy, because a power cut may leave half of either.
    pub(crate) fn overwrite(&self, path: &str, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.step()?;
        let mut options = OpenOptions::new();
        options.write(true);
        let mut file = self.dir.open_with(path, &options)?;
        file.seek(SeekFrom::Start(at))?;
        if let Err(cut) = self.step() {
            let _ = file.write_all(bytes.get(..bytes.len() / 2).unwrap_or_default());
            return Err(cut);
        }
        file.write_all(bytes)?;
        file.sync_all()
    }

    /// Takes `path` away; one that is not there is no error.
    pub(crate) fn remove(&self, path: &str) -> io::Result<()> {
        self.step()?;
        match self.dir.remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        self.sync_parent(path)
    }

    /// Takes a folder away with what is in it; one that is not there is no error.
    pub(crate) fn remove_folder(&self, path: &str) -> io::Result<()> {
        self.step()?;
        match self.dir.remove_dir_all(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    fn make_parents(&self, path: &str) -> io::Result<()> {
        let Some((folder, _)) = path.rsplit_once('/') else { return Ok(()) };
        if self.dir.is_dir(folder) {
            return Ok(());
        }
        self.make_parents(folder)?;
        self.step()?;
        match self.dir.create_dir(folder) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
            _ => {}
        }
        self.sync_parent(folder)
    }

    /// Makes the names beside `path` durable.
    fn sync_parent(&self, path: &str) -> io::Result<()> {
        // A directory can be synced on Unix only; elsewhere the file system decides.
        if cfg!(unix) {
            let folder = Path::new(path).parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            self.dir.open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

/// Reads a file of at most `limit` bytes. `None` where there is none.
pub(crate) fn read(dir: &Dir, path: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match dir.open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "larger than such a file can be"));
    }
    Ok(Some(bytes))
}

#[cfg(test)]
pub(crate) mod power {
    //! A power supply that a test cuts after so many steps.

    use std::fs::File;
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use cap_std::fs::Dir;
    use cap_tempfile::TempDir;
    use redb::StorageBackend;
    use redb::backends::FileBackend;

    /// Stands for a supply that nobody cuts.
    const STEADY: u32 = u32::MAX;

    /// Shared by everything that hangs on the same supply. Without a limit it never fails.
    #[derive(Clone, Debug)]
    pub(crate) struct Power(Arc<AtomicU32>);

    impl Default for Power {
        fn default() -> Self {
            Self(Arc::new(AtomicU32::new(STEADY)))
        }
    }

    impl Power {
        /// The power goes off before step number `steps`, from 0, and stays off.
        pub(crate) fn cut_after(&self, steps: u32) {
            self.0.store(steps, Ordering::SeqCst);
        }

        /// Whether it is off.
        pub(crate) fn is_off(&self) -> bool {
            self.0.load(Ordering::SeqCst) == 0
        }

        pub(crate) fn draw(&self) -> io::Result<()> {
            match self.0.load(Ordering::SeqCst) {
                STEADY => Ok(()),
                0 => Err(io::Error::other("the power is off")),
                left => {
                    self.0.store(left - 1, Ordering::SeqCst);
                    Ok(())
                }
            }
        }
    }

    /// A folder for a test: in memory where the machine has such a place, because these tests sync thousands of times and
    /// ask nothing of a real disk.
    pub(crate) fn room() -> TempDir {
        let memory = Dir::open_ambient_dir("/dev/shm", cap_std::ambient_authority());
        memory.and_then(|dir| TempDir::new_in(&dir)).or_else(|_| TempDir::new(cap_std::ambient_authority())).unwrap()
    }

    /// A database file on that supply: each write, each change of length and each sync is a step.
    #[derive(Debug)]
    pub(crate) struct Supplied {
        file: FileBackend,
        power: Power,
    }

    impl Supplied {
        pub(crate) fn new(file: File, power: &Power) -> Self {
            Self { file: FileBackend::new(file).unwrap(), power: power.clone() }
        }
    }

    impl StorageBackend for Supplied {
        fn len(&self) -> io::Result<u64> {
            self.file.len()
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.file.read(offset, out)
        }

        fn set_len(&self, len: u64) -> io::Result<()> {
            self.power.draw()?;
            self.file.set_len(len)
        }

        fn sync_data(&self) -> io::Result<()> {
            self.power.draw()?;
            self.file.sync_data()
        }

        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            // A cut in the middle: half of the bytes are there.
            if let Err(cut) = self.power.draw() {
                let _ = self.file.write(offset, &data[..data.len() / 2]);
                return Err(cut);
            }
            self.file.write(offset, data)
        }

        fn close(&self) -> io::Result<()> {
            self.file.close()
        }
    }
}
