//! What code that broke out of WebAssembly would try, tried by the worker itself behind its own lock-down (SBX-30).

use std::os::unix::process::CommandExt as _;

/// One forbidden act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// Open a file.
    Open,
    /// List a directory.
    List,
    /// Make a socket.
    Socket,
    /// Copy the process.
    Fork,
    /// Start a thread.
    Thread,
    /// Become another program.
    Exec,
    /// Trace the node.
    Trace,
    /// Read the node's memory.
    ReadNode,
    /// Send the node a signal.
    Signal,
    /// Make memory that is both written and executed.
    MakeCode,
    /// Nothing: the honest neighbour. Succeeds, or the other probes show nothing.
    Nothing,
}

impl Probe {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Open,
        Self::List,
        Self::Socket,
        Self::Fork,
        Self::Thread,
        Self::Exec,
        Self::Trace,
        Self::ReadNode,
        Self::Signal,
        Self::MakeCode,
        Self::Nothing,
    ];

    /// The name used on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::List => "list",
            Self::Socket => "socket",
            Self::Fork => "fork",
            Self::Thread => "thread",
            Self::Exec => "exec",
            Self::Trace => "trace",
            Self::ReadNode => "read-node",
            Self::Signal => "signal",
            Self::MakeCode => "make-code",
            Self::Nothing => "nothing",
        }
    }

    /// The probe of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|probe| probe.as_str() == name)
    }

    /// Tries it. True where it worked: the wall has a hole.
    pub(super) fn succeeds(self) -> bool {
        match self {
            Self::Open => std::fs::File::open("/etc/passwd").is_ok(),
            Self::List => std::fs::read_dir("/").is_ok(),
            Self::Socket => std::net::UdpSocket::bind("127.0.0.1:0").is_ok(),
            Self::Fork => super::raw::fork(),
            Self::Thread => std::thread::Builder::new().spawn(|| ()).is_ok(),
            Self::Exec => {
                // Comes back only where it failed; where it worked, the other program says so with its status.
                let _ = std::process::Command::new("/bin/false").exec();
                false
            }
            Self::Trace => super::raw::trace_parent(),
            Self::ReadNode => super::raw::read_parent(),
            Self::Signal => {
                rustix::process::getppid().is_some_and(|node| rustix::process::test_kill_process(node).is_ok())
            }
            Self::MakeCode => super::raw::make_code(),
            Self::Nothing => true,
        }
    }
}
