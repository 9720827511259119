//! Keys in memory: kept out of swap and core files where the system permits it, overwritten when they go, never printed (AUD-11).

// A page of one's own, locking it and keeping it out of core files are system calls on an address; there is no safe form of them.
#![allow(unsafe_code)]

use std::fmt;

use zeroize::Zeroize as _;

use super::error::EvidenceError;

/// A key of 32 bytes.
pub struct Secret(Room);

impl Secret {
    /// A new one from the system's randomness.
    ///
    /// # Errors
    /// [`EvidenceError::Randomness`] if it has none.
    pub fn random() -> Result<Self, EvidenceError> {
        let mut secret = Self(Room::new());
        getrandom::fill(secret.0.bytes_mut()).map_err(|_| EvidenceError::Randomness)?;
        Ok(secret)
    }

    /// A key that is known already. The caller overwrites its own copy.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let mut secret = Self(Room::new());
        secret.0.bytes_mut().copy_from_slice(bytes);
        secret
    }

    /// Hands the bytes to `work`, for writing a key file: the caller overwrites every copy that it makes.
    pub fn expose(&self, work: impl FnOnce(&[u8; 32])) {
        work(self.bytes());
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        self.0.bytes()
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.bytes_mut().zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Room for one key: a page of its own, because what a page is kept out of, everything on it is. Where the system gives no page, or
/// does not lock it, the key is used all the same: the node's documentation asks for encrypted or absent swap.
enum Room {
    #[cfg(target_os = "linux")]
    Page(std::ptr::NonNull<[u8; 32]>),
    Heap(Box<[u8; 32]>),
}

// SAFETY: the page belongs to this value alone and holds plain bytes.
unsafe impl Send for Room {}
// SAFETY: through a shared reference the bytes can only be read.
unsafe impl Sync for Room {}

/// The smallest page of any system that this runs on.
#[cfg(target_os = "linux")]
const PAGE: usize = 4096;

impl Room {
    #[cfg(target_os = "linux")]
    fn new() -> Self {
        // SAFETY: an anonymous private mapping at an address of the kernel's choice touches no memory of ours.
        let page = unsafe {
            let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            libc::mmap(std::ptr::null_mut(), PAGE, access, kind, -1, 0)
        };
        let room = std::ptr::NonNull::new(page.cast::<[u8; 32]>()).filter(|_| page != libc::MAP_FAILED);
        let Some(room) = room else { return Self::Heap(Box::default()) };
        // SAFETY: the range is exactly the mapping made above; neither call changes a byte of it.
        let _ = unsafe { (libc::madvise(page, PAGE, libc::MADV_DONTDUMP), libc::mlock(page, PAGE)) };
        Self::Page(room)
    }

    #[cfg(not(target_os = "linux"))]
    fn new() -> Self {
        Self::Heap(Box::default())
    }

    fn bytes(&self) -> &[u8; 32] {
        match self {
            // SAFETY: the mapping holds these bytes, zeroed by the kernel, for as long as `self` lives.
            #[cfg(target_os = "linux")]
            Self::Page(room) => unsafe { room.as_ref() },
            Self::Heap(room) => room,
        }
    }

    fn bytes_mut(&mut self) -> &mut [u8; 32] {
        match self {
            // SAFETY: as in `bytes`; the unique reference to `self` makes this one unique.
            #[cfg(target_os = "linux")]
            Self::Page(room) => unsafe { room.as_mut() },
            Self::Heap(room) => room,
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        #[cfg(target_os = "linux")]
        if let Self::Page(room) = self {
            // The key was overwritten before. Unmapping unlocks too.
            // SAFETY: the range is the mapping of `new`, and no reference into it outlives `self`.
            let _ = unsafe { libc::munmap(room.as_ptr().cast(), PAGE) };
        }
    }
}
