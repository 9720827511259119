//! Pages of one's own, kept out of swap and core files where the system lets us, zeroed on drop.
//!
//! The only unsafe code of this crate. A `Vec` will not do: its pages are shared with whatever else the allocator put
//! there, and growing it leaves copies behind. Without these pages (another system, no memory left to map) the bytes lie
//! in an ordinary allocation, which is zeroed on drop all the same.

use std::fmt;
use std::ops::{Deref, DerefMut};

use zeroize::{Zeroize as _, Zeroizing};

/// What the system grants to such pages. Ask once at the start, and say what is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protection {
    /// Pages stay out of swap.
    pub locked: bool,
    /// Pages stay out of core files.
    pub undumpable: bool,
}

impl Protection {
    /// Tries it with so many bytes.
    #[must_use]
    pub fn probe(bytes: usize) -> Self {
        match &Pages::zeroed(bytes.max(1)).store {
            Store::Mapped(pages) => pages.protection(),
            Store::Heap(_) => Self { locked: false, undumpable: false },
        }
    }
}

enum Store {
    Mapped(mapped::Mapped),
    Heap(Zeroizing<Vec<u8>>),
}

/// Bytes in pages of their own. Not `Clone`; they are zeroed when they are dropped.
pub struct Pages {
    store: Store,
}

impl Pages {
    /// `length` zeros.
    #[must_use]
    pub fn zeroed(length: usize) -> Self {
        let store = match mapped::Mapped::new(length) {
            Some(pages) => Store::Mapped(pages),
            None => Store::Heap(Zeroizing::new(vec![0; length])),
        };
        Self { store }
    }

    /// A copy of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut pages = Self::zeroed(bytes.len());
        pages.copy_from_slice(bytes);
        pages
    }
}

impl Deref for Pages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.store {
            Store::Mapped(pages) => pages.bytes(),
            Store::Heap(bytes) => bytes,
        }
    }
}

impl DerefMut for Pages {
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.store {
            Store::Mapped(pages) => pages.bytes_mut(),
            Store::Heap(bytes) => bytes,
        }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.zeroize();
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pages({} bytes)", self.len())
    }
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "pages of one's own cannot be had from safe code")]
mod mapped {
    use std::ptr::NonNull;

    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mlock, mmap_anonymous, munmap};
    use vaern_door::guard;

    use super::Protection;

    /// A private anonymous mapping of `length` bytes.
    pub(super) struct Mapped {
        start: NonNull<u8>,
        length: usize,
        protection: Protection,
    }

    // SAFETY: the mapping is private to this value, and its bytes are plain data without ties to a thread.
    unsafe impl Send for Mapped {}
    // SAFETY: through a shared reference the bytes can only be read.
    unsafe impl Sync for Mapped {}

    impl Mapped {
        pub(super) fn new(length: usize) -> Option<Self> {
            if length == 0 {
                return None;
            }
            // SAFETY: an anonymous private mapping at an address of the kernel's choice touches no memory of ours.
            let start = unsafe {
                mmap_anonymous(std::ptr::null_mut(), length, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
            };
            let start = NonNull::new(start.ok()?.cast::<u8>())?;
            let undumpable = guard::stands("memory.undumpable")
                // SAFETY: the range is exactly the mapping made above, which nobody else knows.
                && unsafe { madvise(start.as_ptr().cast(), length, Advice::LinuxDontDump) }.is_ok();
            // Pictures are large: in large pages a frame of 12 megapixels is there after a score of faults, not after nine thousand.
            // A wish, which the kernel may pass over.
            // SAFETY: as above; the advice changes no byte.
            let _ = unsafe { madvise(start.as_ptr().cast(), length, Advice::LinuxHugepage) };
            let locked = guard::stands("memory.locked")
                // SAFETY: as above; locking changes no byte.
                && unsafe { mlock(start.as_ptr().cast(), length) }.is_ok();
            Some(Self { start, length, protection: Protection { locked, undumpable } })
        }

        pub(super) const fn protection(&self) -> Protection {
            self.protection
        }

        pub(super) fn bytes(&self) -> &[u8] {
            // SAFETY: the mapping holds `length` readable bytes, zeroed by the kernel, for as long as `self` lives.
            unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
        }

        pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
            // SAFETY: as in `bytes`; the unique reference to `self` makes this one unique.
            unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
        }
    }

    impl Drop for Mapped {
        fn drop(&mut self) {
            // The owner zeroed the bytes before this runs. Unmapping unlocks too.
            // SAFETY: the range is the mapping of `new`, and no reference into it outlives `self`.
            let _ = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod mapped {
    use super::Protection;

    /// There are no such pages here.
    pub(super) enum Mapped {}

    impl Mapped {
        pub(super) const fn new(_: usize) -> Option<Self> {
            None
        }

        pub(super) const fn protection(&self) -> Protection {
            match *self {}
        }

        pub(super) const fn bytes(&self) -> &[u8] {
            match *self {}
        }

        pub(super) const fn bytes_mut(&mut self) -> &mut [u8] {
            match *self {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_zeros_then_what_was_written_and_of_any_length() {
        for length in [0, 1, 4095, 4096, 4097, 3 * 640 * 480] {
            let mut pages = Pages::zeroed(length);
            assert_eq!(pages.len(), length);
            assert!(pages.iter().all(|b| *b == 0));
            pages.fill(7);
            assert!(pages.iter().all(|b| *b == 7));
        }
        assert_eq!(&*Pages::of(&[1, 2, 3]), &[1, 2, 3]);
        assert_eq!(format!("{:?}", Pages::of(&[9])), "Pages(1 bytes)");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn frm_20p_pages_stay_out_of_core_files() {
        assert!(Protection::probe(1 << 16).undumpable);
    }

    /// The kernel's own word on the mapping that holds this byte.
    #[cfg(target_os = "linux")]
    fn flags(byte: &u8) -> Vec<String> {
        let at = std::ptr::from_ref(byte) as usize;
        let mut inside = false;
        for line in std::fs::read_to_string("/proc/self/smaps").unwrap().lines() {
            if let Some(flags) = line.strip_prefix("VmFlags:")
                && inside
            {
                return flags.split_whitespace().map(str::to_owned).collect();
            }
            let range = line.split(' ').next().and_then(|range| range.split_once('-'));
            let hex = |text: &str| usize::from_str_radix(text, 16).ok();
            if let Some((Some(from), Some(to))) = range.map(|(from, to)| (hex(from), hex(to))) {
                inside = (from..to).contains(&at);
            }
        }
        Vec::new()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn aud_11n_the_kernel_says_that_such_pages_are_locked_and_in_no_core_and_that_others_are_not() {
        let pages = Pages::zeroed(70_000);
        let said = flags(&pages[69_999]);
        assert!(said.iter().any(|flag| flag == "lo") && said.iter().any(|flag| flag == "dd"), "{said:?}");
        // The same question about ordinary memory has another answer.
        let plain = vec![0_u8; 1 << 20];
        let said = flags(&plain[1 << 19]);
        assert!(!said.is_empty() && !said.iter().any(|flag| flag == "lo" || flag == "dd"), "{said:?}");
    }
}
