//! The heap of a process that runs for weeks.
#![allow(unsafe_code, reason = "the C library's settings of its heap have no safe form")]

/// Largest allocation that the heap keeps for the next one after it is freed, in bytes. Larger ones are the kernel's again at once.
const KEPT: i32 = 256 << 10;
/// Heaps that threads share.
const ARENAS: i32 = 2;

/// Has the C library give large blocks back when they are freed, and keep few heaps. To be called before the first thread is begun.
///
/// Left to itself it takes larger and larger blocks for small change, in a heap for each thread: a service whose own data is 12 MiB
/// then holds 90 MiB after some swaps, and nobody can tell that from a leak. Whether the settings are in force; other C libraries
/// than GNU's need none.
#[must_use]
pub fn bounded_heap() -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // Two integers for the allocator's own table; no memory of ours is touched, and no thread allocates at the same time.
        unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, KEPT) == 1 && libc::mallopt(libc::M_ARENA_MAX, ARENAS) == 1 }
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    {
        let _ = (KEPT, ARENAS);
        true
    }
}
