//! Memory for raw pixels: pages of their own, kept out of swap and core files where the system lets us, zeroed on drop.
//!
//! The only unsafe code of this crate. A `Vec` will not do: its pages are shared with whatever else the allocator put
//! there, and growing it leaves copies behind. Without these pages (another system, no memory left to map) the pixels lie
//! in an ordinary allocation, which is zeroed on drop all the same.

use std::fmt;
use std::ops::{Deref, DerefMut};

use zeroize::{Zeroize as _, Zeroizing};

/// What the system grants to raw pixels. Ask once at the start, and say what is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelProtection {
    /// Pages stay out of swap.
    pub locked: bool,
    /// Pages stay out of core files.
    pub undumpable: bool,
}

impl PixelProtection {
    /// Tries it with pages for `bytes` of pixels.
    #[must_use]
    pub fn probe(bytes: usize) -> Self {
        match &Pixels::zeroed(bytes.max(1)).store {
            Store::Pages(pages) => pages.protection(),
            Store::Heap(_) => Self { locked: false, undumpable: false },
        }
    }
}

enum Store {
    Pages(pages::Pages),
    Heap(Zeroizing<Vec<u8>>),
}

/// Raw pixels. Not `Clone`; its bytes are zeroed when it is dropped.
pub(crate) struct Pixels {
    store: Store,
}

impl Pixels {
    /// `length` zeros.
    pub(crate) fn zeroed(length: usize) -> Self {
        let store = match pages::Pages::new(length) {
            Some(pages) => Store::Pages(pages),
            None => Store::Heap(Zeroizing::new(vec![0; length])),
        };
        Self { store }
    }

    /// A copy of `bytes`.
    #[cfg(test)]
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut pixels = Self::zeroed(bytes.len());
        pixels.copy_from_slice(bytes);
        pixels
    }
}

impl Deref for Pixels {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.store {
            Store::Pages(pages) => pages.bytes(),
            Store::Heap(bytes) => bytes,
        }
    }
}

impl DerefMut for Pixels {
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.store {
            Store::Pages(pages) => pages.bytes_mut(),
            Store::Heap(bytes) => bytes,
        }
    }
}

impl Drop for Pixels {
    fn drop(&mut self) {
        self.zeroize();
    }
}

impl fmt::Debug for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pixels({} bytes)", self.len())
    }
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "pages of one's own cannot be had from safe code")]
mod pages {
    use std::ptr::NonNull;

    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mlock, mmap_anonymous, munmap};

    use super::PixelProtection;

    /// A private anonymous mapping of `length` bytes.
    pub(super) struct Pages {
        start: NonNull<u8>,
        length: usize,
        protection: PixelProtection,
    }

    // SAFETY: the mapping is private to this value, and its bytes are plain data without ties to a thread.
    unsafe impl Send for Pages {}
    // SAFETY: through a shared reference the bytes can only be read.
    unsafe impl Sync for Pages {}

    impl Pages {
        pub(super) fn new(length: usize) -> Option<Self> {
            if length == 0 {
                return None;
            }
            // SAFETY: an anonymous private mapping at an address of the kernel's choice touches no memory of ours.
            let start = unsafe {
                mmap_anonymous(std::ptr::null_mut(), length, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
            };
            let start = NonNull::new(start.ok()?.cast::<u8>())?;
            // SAFETY: the range is exactly the mapping made above, which nobody else knows.
            let undumpable = unsafe { madvise(start.as_ptr().cast(), length, Advice::LinuxDontDump) }.is_ok();
            // SAFETY: as above; locking changes no byte.
            let locked = unsafe { mlock(start.as_ptr().cast(), length) }.is_ok();
            Some(Self { start, length, protection: PixelProtection { locked, undumpable } })
        }

        pub(super) const fn protection(&self) -> PixelProtection {
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

    impl Drop for Pages {
        fn drop(&mut self) {
            // The owner zeroed the bytes before this runs. Unmapping unlocks too.
            // SAFETY: the range is the mapping of `new`, and no reference into it outlives `self`.
            let _ = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod pages {
    use super::PixelProtection;

    /// There are no such pages here.
    pub(super) enum Pages {}

    impl Pages {
        pub(super) const fn new(_: usize) -> Option<Self> {
            None
        }

        pub(super) const fn protection(&self) -> PixelProtection {
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
    fn pixels_are_zeros_then_what_was_written_and_of_any_length() {
        for length in [0, 1, 4095, 4096, 4097, 3 * 640 * 480] {
            let mut pixels = Pixels::zeroed(length);
            assert_eq!(pixels.len(), length);
            assert!(pixels.iter().all(|b| *b == 0));
            pixels.fill(7);
            assert!(pixels.iter().all(|b| *b == 7));
        }
        assert_eq!(&*Pixels::of(&[1, 2, 3]), &[1, 2, 3]);
        assert_eq!(format!("{:?}", Pixels::of(&[9])), "Pixels(1 bytes)");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn frm_20p_pixels_stay_out_of_core_files() {
        assert!(PixelProtection::probe(1 << 16).undumpable);
    }
}
