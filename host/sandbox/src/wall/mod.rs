//! The wall: a vendor's component and models run in a process of their own, which never holds a raw pixel.
//!
//! The worker is the node's own binary, executed anew with an empty environment: nothing of the node's memory comes along. It
//! opens the city's own libraries, locks itself down (`lockdown`), and only then receives the vendor's bytes. Frames reach it
//! through slots of shared memory that it can only read; answers come back through one small protocol, and the node checks
//! everything they say. The node's timer ends a worker that overruns, so the code in it carries no checks of its own.
//!
//! Here the node's side is [`Wall`] and [`Walled`], the worker's side [`worker`].

mod breaker;
mod errors;
mod lockdown;
mod probe;
mod process;
mod protocol;
mod raw;
mod walled;
mod worker;

use std::fmt;

pub use probe::Probe;
pub use process::{Launch, Vendor};
pub use walled::{Incident, Report, Wall, WallError, WallSettings, Walled, compile, engine};
pub use worker::{WorkerSetup, worker};

/// One part of the wall. Which are in force is reported with every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Protection {
    /// Vendor code runs in a process that was executed anew, and in its only thread.
    OwnProcess = 0,
    /// Its environment is empty.
    EmptyEnvironment = 1,
    /// Descriptors that it inherited are closed.
    ClosedDescriptors = 2,
    /// It can gain no privileges.
    NoNewPrivileges = 3,
    /// It leaves no core file, and no other process of its user can look inside.
    NotDumpable = 4,
    /// Memory, descriptors and files are bounded.
    Limits = 5,
    /// Landlock: no file and no directory can be opened.
    NoFiles = 6,
    /// Seccomp: few system calls, any other ends the process.
    FewSyscalls = 7,
}

impl Protection {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::OwnProcess,
        Self::EmptyEnvironment,
        Self::ClosedDescriptors,
        Self::NoNewPrivileges,
        Self::NotDumpable,
        Self::Limits,
        Self::NoFiles,
        Self::FewSyscalls,
    ];

    /// The name used in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OwnProcess => "own_process",
            Self::EmptyEnvironment => "empty_environment",
            Self::ClosedDescriptors => "closed_descriptors",
            Self::NoNewPrivileges => "no_new_privileges",
            Self::NotDumpable => "not_dumpable",
            Self::Limits => "limits",
            Self::NoFiles => "landlock_no_files",
            Self::FewSyscalls => "seccomp_few_syscalls",
        }
    }

    fn bits(held: &[Self]) -> u32 {
        held.iter().fold(0, |bits, protection| bits | 1 << *protection as u8)
    }

    fn of_bits(bits: u32) -> Vec<Self> {
        Self::ALL.into_iter().filter(|protection| bits & 1 << *protection as u8 != 0).collect()
    }
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
