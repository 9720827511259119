//! The memory of the program as a whole: core files off, and for a service everything locked (SKJ-08, AUD-11).

use vaern_door::guard;
use vaern_node::live::MemoryReport;

/// Core files off for this process and its children. Where the system does not allow it, there is nothing to switch off.
pub(crate) fn forbid_core_dumps() {
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
    #[cfg(target_os = "linux")]
    {
        // Were a core written all the same, by a debugger or by a rule of the machine, no page is put into it. Workers inherit it. It comes
        // before the next step, which takes this file away from its owner.
        if guard::stands("cli.core_filter") {
            let _ = std::fs::write(linux::CORE_FILTER, "0");
        }
        // A program that collects cores through a pipe is not bound by the limit; it gets none of a process that is not
        // dumpable, and no other process of the same user may read its memory.
        let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    }
}

/// Locks what there is and what is to come, and says what keeps the memory from a disk. For the service alone: where vendor code runs in
/// the same process, its engine could not give memory back.
#[cfg(target_os = "linux")]
pub(crate) fn keep_from_disk() -> MemoryReport {
    let swap = linux::swap_on_disk();
    MemoryReport {
        locked: linux::lock(),
        in_no_core: linux::in_no_core(),
        out_of_swap: !swap || linux::group_has_no_swap(),
        no_hibernation: !swap || linux::cannot_hibernate(),
    }
}

/// Nothing of it is known here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn keep_from_disk() -> MemoryReport {
    MemoryReport { locked: false, in_no_core: false, out_of_swap: false, no_hibernation: false }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::read_to_string;
    use std::path::Path;

    use rustix::mm::{MlockAllFlags, mlockall};
    use rustix::process::{DumpableBehavior, Resource, Rlimit, dumpable_behavior, getrlimit, setrlimit};
    use vaern_door::guard;

    /// Which kinds of pages go into a core: one bit each.
    pub(super) const CORE_FILTER: &str = "/proc/self/coredump_filter";

    /// The right to lock without a bound.
    const CAP_IPC_LOCK: u32 = 14;

    /// A bound that is reached later would end the service in the middle of its work, so only without one is anything locked.
    pub(super) fn lock() -> bool {
        let most = getrlimit(Resource::Memlock).maximum;
        let raised = most.is_none() && setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None }).is_ok();
        if !(raised || may_lock_all()) || !guard::stands("cli.locked") {
            return false;
        }
        // Pages are locked once they are touched: what is reserved and never used costs nothing.
        mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT).is_ok()
    }

    fn may_lock_all() -> bool {
        let status = read_to_string("/proc/self/status").unwrap_or_default();
        let rights = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        rights
            .and_then(|rights| u64::from_str_radix(rights.trim(), 16).ok())
            .is_some_and(|r| r >> CAP_IPC_LOCK & 1 == 1)
    }

    pub(super) fn in_no_core() -> bool {
        let filter = read_to_string(CORE_FILTER).ok().and_then(|text| u64::from_str_radix(text.trim(), 16).ok());
        let limit = getrlimit(Resource::Core);
        limit.current == Some(0)
            && filter == Some(0)
            && dumpable_behavior().is_ok_and(|behavior| behavior == DumpableBehavior::NotDumpable)
    }

    /// Whether pages may go to a disk at all. What cannot be read is taken for yes.
    pub(super) fn swap_on_disk() -> bool {
        read_to_string("/proc/swaps").map_or(true, |text| any_on_disk(&text))
    }

    /// The first line is a heading. What is compressed into memory is on no disk.
    pub(super) fn any_on_disk(swaps: &str) -> bool {
        swaps.lines().skip(1).any(|line| !line.trim().is_empty() && !line.starts_with("/dev/zram"))
    }

    /// Whether the group of this process, or one around it, may use no swap (`memory.swap.max`, control groups of version 2).
    pub(super) fn group_has_no_swap() -> bool {
        let groups = read_to_string("/proc/self/cgroup").unwrap_or_default();
        let Some(own) = groups.lines().find_map(|line| line.strip_prefix("0::/")) else { return false };
        let none = |group: &Path| {
            let file = Path::new("/sys/fs/cgroup").join(group).join("memory.swap.max");
            read_to_string(file).is_ok_and(|most| most.trim() == "0")
        };
        Path::new(own).ancestors().any(none)
    }

    /// Whether the kernel offers no image on a disk among its ways to sleep.
    pub(super) fn cannot_hibernate() -> bool {
        match read_to_string("/sys/power/state") {
            Ok(states) => !states.split_whitespace().any(|state| state == "disk"),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::linux::any_on_disk;

    #[test]
    fn aud_11n_swap_on_a_disk_is_seen_and_compressed_memory_is_none() {
        let heading = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
        assert!(!any_on_disk(heading));
        assert!(!any_on_disk(&format!("{heading}/dev/zram0 partition 8 0 100\n")));
        assert!(any_on_disk(&format!("{heading}/dev/zram0 partition 8 0 100\n/swapfile file 8 0 -2\n")));
        assert!(any_on_disk(&format!("{heading}/dev/dm-1 partition 8 0 -2\n")));
    }
}
