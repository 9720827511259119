//! How many frames a purpose has collected, kept where a power cut does not reset it (MIN-11).
//!
//! The count on disk is ahead of the truth by at most one block: a block is written and synced before its first frame is
//! counted. After a kill the rest of the block is lost to the purpose; the quota is never passed.

use std::io;
use std::sync::{Mutex, PoisonError};

use cap_std::fs::Dir;
use serde::{Deserialize, Serialize};
use vaern_door::{Blame, Krav, Name, guard};

use crate::sinks;

/// Frames that are taken from the quota at once: a sync for each frame would cost more than the frame.
const BLOCK: u64 = 32;

/// Why there is no count.
#[derive(Debug, thiserror::Error)]
pub enum QuotaError {
    /// The disk.
    #[error("the count of collected frames cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The file is not the count of this purpose. It is not guessed about: a lost count would start the quota anew.
    #[error("`{0}` is no count of this purpose; restore it, or set it by hand to what was collected")]
    Form(String),
}

impl QuotaError {
    /// The requirement behind it.
    #[must_use]
    pub const fn krav(&self) -> Krav {
        Krav("MIN-11")
    }

    /// Who has to act.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        Blame::Operator
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CountFile {
    purpose: Name,
    taken: u64,
}

#[derive(Debug)]
struct Count {
    /// On disk.
    written: u64,
    /// Counted.
    used: u64,
}

/// The durable count of one purpose.
#[derive(Debug)]
pub struct DurableQuota {
    dir: Dir,
    file: String,
    purpose: Name,
    limit: u64,
    count: Mutex<Count>,
}

impl DurableQuota {
    /// Opens the count of `purpose` in `dir`, or begins one.
    ///
    /// # Errors
    /// [`QuotaError`] for a file that cannot be read or is no count of this purpose.
    pub fn open(dir: Dir, purpose: Name, limit: u64) -> Result<Self, QuotaError> {
        let file = format!("collected-{purpose}.json");
        let taken = match dir.read(&file) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => 0,
            Err(e) => return Err(e.into()),
            Ok(bytes) => match serde_json::from_slice::<CountFile>(&bytes) {
                Ok(count) if count.purpose == purpose => count.taken,
                _ => return Err(QuotaError::Form(file)),
            },
        };
        Ok(Self { dir, file, purpose, limit, count: Mutex::new(Count { written: taken, used: taken }) })
    }

    /// Frames counted so far.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.count.lock().unwrap_or_else(PoisonError::into_inner).used
    }

    fn write(&self, taken: u64) -> bool {
        let file = CountFile { purpose: self.purpose.clone(), taken };
        serde_json::to_vec(&file).is_ok_and(|bytes| sinks::write_file(&self.dir, &self.file, &bytes).is_ok())
    }
}

impl Drop for DurableQuota {
    fn drop(&mut self) {
        // An orderly end gives the rest of the block back. Where that fails, the rest is lost and nothing is passed.
        let (written, used) = {
            let count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
            (count.written, count.used)
        };
        if used < written {
            self.write(used);
        }
    }
}

impl vaern_privacy::Quota for DurableQuota {
    fn left(&self) -> bool {
        self.count.lock().unwrap_or_else(PoisonError::into_inner).used < self.limit
    }

    fn take(&self) -> bool {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        if count.used >= self.limit {
            return false;
        }
        if guard::stands("quota.durable") && count.used == count.written {
            let ahead = (count.written + BLOCK).min(self.limit);
            if !self.write(ahead) {
                return false;
            }
            count.written = ahead;
        }
        count.used += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;
    use vaern_privacy::Quota as _;

    fn open(dir: &Dir, limit: u64) -> Result<DurableQuota, QuotaError> {
        DurableQuota::open(dir.try_clone().unwrap(), Name::new("containere").unwrap(), limit)
    }

    #[test]
    fn min_11n_a_kill_never_gives_frames_back() {
        let dir = cap_tempfile::tempdir(ambient_authority()).unwrap();
        let limit = 2 * BLOCK + 5;
        let mut counted = 0;
        for _ in 0..4 {
            let quota = open(&dir, limit).unwrap();
            for _ in 0..10 {
                counted += u64::from(quota.take());
            }
            // As by a kill: nothing is given back.
            std::mem::forget(quota);
        }
        let quota = open(&dir, limit).unwrap();
        while quota.take() {
            counted += 1;
        }
        assert!(!quota.left());
        assert!(counted <= limit, "{counted} of {limit}");
    }

    #[test]
    fn min_11p_an_orderly_end_loses_nothing() {
        let dir = cap_tempfile::tempdir(ambient_authority()).unwrap();
        for _ in 0..5 {
            let quota = open(&dir, 50).unwrap();
            assert!((0..10).all(|_| quota.take()));
        }
        let quota = open(&dir, 50).unwrap();
        assert_eq!(quota.used(), 50);
        assert!(!quota.left() && !quota.take());
    }

    #[test]
    fn min_11n_a_count_that_cannot_be_read_is_not_begun_anew() {
        let dir = cap_tempfile::tempdir(ambient_authority()).unwrap();
        dir.write("collected-containere.json", b"{\"purpose\":\"containere\"").unwrap();
        assert!(matches!(open(&dir, 5), Err(QuotaError::Form(_))));
        dir.write("collected-containere.json", b"{\"purpose\":\"parkering\",\"taken\":1}").unwrap();
        assert!(matches!(open(&dir, 5), Err(QuotaError::Form(_))));
    }

    #[test]
    fn min_11n_a_count_that_cannot_be_written_counts_nothing() {
        let dir = cap_tempfile::tempdir(ambient_authority()).unwrap();
        let quota = open(&dir, 5).unwrap();
        dir.create_dir("collected-containere.json").unwrap();
        assert!(!quota.take());
        assert_eq!(quota.used(), 0);
    }
}
