//! The calls that have no safe form: mapping a slot, closing what was inherited, an alarm. Nothing else in this crate is unsafe.
#![allow(unsafe_code, reason = "memory that two processes share, and system calls that the libraries leave out")]

use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::Result;
use rustix::mm::{MapFlags, ProtFlags};

/// Memory that both sides of the wall see. Unmapped when dropped.
struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

// Plain memory, owned by whoever holds the mapping.
unsafe impl Send for Mapping {}
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(file: impl AsFd, length: usize, access: ProtFlags) -> Result<Self> {
        if length == 0 {
            return Err(rustix::io::Errno::INVAL);
        }
        // A fresh mapping at an address of the kernel's choice touches no other memory.
        let start = unsafe { rustix::mm::mmap(std::ptr::null_mut(), length, access, MapFlags::SHARED, file, 0)? };
        NonNull::new(start.cast()).map(|start| Self { start, length }).ok_or(rustix::io::Errno::NOMEM)
    }

    fn bytes(&self) -> &[u8] {
        // Mapped for as long as `self`; who may write it meanwhile is said at `Slot` and `Seen`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // Ours alone, and not used after this.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

/// The node's end of a slot: the only mapping of it that can ever be written.
pub(crate) struct Slot {
    file: OwnedFd,
    mapping: Mapping,
}

impl Slot {
    /// A slot of `length` bytes, sealed: it keeps its size, and no second writable mapping can be made of it.
    pub(crate) fn new(length: usize) -> Result<Self> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        // Never to be executed; kernels before 6.3 do not know the flag.
        let file = rustix::fs::memfd_create("vaern-slot", flags | MemfdFlags::NOEXEC_SEAL)
            .or_else(|_| rustix::fs::memfd_create("vaern-slot", flags))?;
        rustix::fs::ftruncate(&file, length as u64)?;
        let mapping = Mapping::new(&file, length, ProtFlags::READ | ProtFlags::WRITE)?;
        let seals = SealFlags::FUTURE_WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&file, seals)?;
        Ok(Self { file, mapping })
    }

    /// To be sent to a worker.
    pub(crate) const fn file(&self) -> &OwnedFd {
        &self.file
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.mapping.bytes()
    }

    /// The slot, to be filled. A worker may have it mapped, but reads it only between request and reply, and `&mut` on the
    /// node's side is had only when there is neither.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        unsafe { std::slice::from_raw_parts_mut(self.mapping.start.as_ptr(), self.mapping.length) }
    }
}

impl AsRef<[u8]> for Slot {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

/// The worker's end of a slot: mapped to read. The node writes it only while no request is open.
pub(super) struct Seen(Mapping);

impl Seen {
    /// Maps a slot that the node sent. The file must be as long as the node says: reading past its end would be a fault.
    pub(super) fn new(file: &OwnedFd, length: usize) -> Result<Self> {
        let real = rustix::fs::fstat(file)?.st_size;
        if u64::try_from(real).map_or(true, |real| real < length as u64) {
            return Err(rustix::io::Errno::INVAL);
        }
        Mapping::new(file, length, ProtFlags::READ).map(Self)
    }
}

impl AsRef<[u8]> for Seen {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}

/// Closes every descriptor but the three standard ones.
pub(super) fn close_inherited() -> bool {
    // Nothing in this process has opened anything yet: what is closed here belongs to nobody.
    unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) == 0 }
}

/// Ends this process in so many seconds, unless it is called again; 0 calls it off. For a worker whose node is gone.
pub(super) fn alarm(seconds: u32) {
    // Sets a timer of this process; touches no memory.
    unsafe { libc::alarm(seconds) };
}

/// Asks to trace the parent: a probe, to be refused.
pub(super) fn trace_parent() -> bool {
    let parent = rustix::process::getppid().map_or(1, |pid| pid.as_raw_nonzero().get());
    unsafe { libc::ptrace(libc::PTRACE_ATTACH, parent, 0, 0) == 0 }
}

/// Asks for memory that can be written and executed: a probe, to be refused.
pub(super) fn make_code() -> bool {
    let access = ProtFlags::READ | ProtFlags::WRITE | ProtFlags::EXEC;
    // The mapping is not used; the process ends after the probe.
    unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), 4096, access, MapFlags::PRIVATE).is_ok() }
}

/// Asks for a copy of this process: a probe, to be refused.
pub(super) fn fork() -> bool {
    // The copy, should there be one, ends at once.
    match unsafe { libc::fork() } {
        0 => unsafe { libc::_exit(0) },
        pid => pid > 0,
    }
}

/// Asks for memory of the parent: a probe, to be refused.
pub(super) fn read_parent() -> bool {
    let parent = rustix::process::getppid().map_or(1, |pid| pid.as_raw_nonzero().get());
    let mut here = [0_u8; 8];
    let local = libc::iovec { iov_base: here.as_mut_ptr().cast(), iov_len: here.len() };
    let remote = libc::iovec { iov_base: 0x1000 as *mut libc::c_void, iov_len: 8 };
    // Reads at most eight bytes into an array of eight.
    let read = unsafe { libc::process_vm_readv(parent, &raw const local, 1, &raw const remote, 1, 0) };
    // An address that is not mapped there is no denial.
    read >= 0 || std::io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT)
}
