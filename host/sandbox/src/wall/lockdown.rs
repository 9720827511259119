//! What a worker takes from itself before it sees a vendor's byte, and what it takes after the code is loaded.
//!
//! Everything here is one-way: the kernel offers no way back, so code that breaks out of WebAssembly finds itself in a process
//! that can read its socket, map what it is sent, compute, and answer. Two steps, because making code needs more than running it:
//! [`lock_down`] comes before the vendor's bytes, [`tighten`] after they are compiled and before the first of their instructions.

use std::collections::BTreeMap;

use landlock::{ABI, Access as _, AccessFs, AccessNet, RulesetAttr as _, RulesetStatus, Scope};
use rustix::process::{DumpableBehavior, Resource, Rlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

use super::Protection;

/// Descriptors that a worker may hold: its socket twice, three standard ones, slots and memory images.
const DESCRIPTORS: u64 = 32;

/// The first act of a worker, before it opens anything of its own: nothing of the node came along. Answers with what holds.
pub(super) fn arrive() -> Vec<Protection> {
    let mut held = vec![];
    if std::env::vars_os().next().is_none() {
        held.push(Protection::EmptyEnvironment);
    }
    if super::raw::close_inherited() {
        held.push(Protection::ClosedDescriptors);
    }
    held
}

/// Takes everything but computing and answering. Adds what is in force now to what was held before.
///
/// `memory_bytes` bounds the data of this process: the heap, the guest's memory, models and compiled code together.
pub(super) fn lock_down(memory_bytes: u64, mut held: Vec<Protection>) -> Vec<Protection> {
    let alone = alone();
    let mut note = |protection, in_force: bool| {
        if in_force {
            held.push(protection);
        }
    };
    note(Protection::OwnProcess, alone);
    note(Protection::NoNewPrivileges, rustix::thread::set_no_new_privs(true).is_ok());
    note(Protection::NotDumpable, rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok());
    note(Protection::Limits, limit(memory_bytes));
    note(Protection::NoFiles, no_files());
    note(Protection::FewSyscalls, filtered(&loading()));
    held
}

/// Takes what only loading needed: making code, making memory files, further filters. False where the kernel has no filters.
pub(super) fn tighten() -> bool {
    filtered(&running())
}

/// Whether this thread is the only one. A library that starts one of its own would have it running beside the vendor's code, and
/// the filters would end the whole process at a moment that nobody chose.
fn alone() -> bool {
    std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.take(2).count() == 1)
}

/// Hard limits, so that they cannot be raised again. RLIMIT_DATA and not RLIMIT_AS: wasmtime reserves gigabytes that it never uses.
fn limit(memory_bytes: u64) -> bool {
    let set = |resource, most| {
        rustix::process::setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }).is_ok()
    };
    // A memory file may be as large as the guest's memory; no file on a disk can be opened at all.
    set(Resource::Core, 0)
        & set(Resource::Data, memory_bytes)
        & set(Resource::Fsize, memory_bytes)
        & set(Resource::Nofile, DESCRIPTORS)
        & set(Resource::Memlock, 0)
}

/// No file, no directory, no network, no signal to others: a Landlock rule set that allows nothing.
fn no_files() -> bool {
    let restricted = landlock::Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V6))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(ABI::V6)))
        .and_then(|rules| rules.scope(Scope::from_all(ABI::V6)))
        .and_then(|rules| rules.create())
        .and_then(|rules| rules.restrict_self());
    // Files are what matters, and every Landlock has those; sockets and signals are refused by the filter as well.
    restricted.is_ok_and(|status| status.ruleset != RulesetStatus::NotEnforced)
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Calls that computing needs, whatever the arguments.
const COMPUTE: &[i64] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_ppoll,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_futex,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_sched_yield,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_setitimer,
    libc::SYS_membarrier,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Calls of the same kind that only some machines have.
#[cfg(target_arch = "x86_64")]
const COMPUTE_HERE: &[i64] = &[libc::SYS_poll, libc::SYS_alarm];
#[cfg(not(target_arch = "x86_64"))]
const COMPUTE_HERE: &[i64] = &[];

/// Calls that honest libraries try and do without: they get an error. Everything that is in no list ends the process.
const REFUSED: &[i64] = &[
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_readlinkat,
    libc::SYS_getcwd,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_ioctl,
    libc::SYS_prlimit64,
    libc::SYS_sched_getaffinity,
    libc::SYS_clone3,
];

#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[i64] =
    &[libc::SYS_open, libc::SYS_access, libc::SYS_stat, libc::SYS_lstat, libc::SYS_readlink, libc::SYS_getrlimit];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[i64] = &[];

/// What running needs: no new code, and signals to itself only, so that an abort is an abort.
fn running() -> Option<Vec<BpfProgram>> {
    let mut rules: Rules =
        [COMPUTE, COMPUTE_HERE, REFUSED, REFUSED_HERE].into_iter().flatten().map(|call| (*call, vec![])).collect();
    let not_code = || when(2, SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64), 0);
    rules.insert(libc::SYS_mmap, vec![not_code()?]);
    rules.insert(libc::SYS_mprotect, vec![not_code()?]);
    let own = u64::from(std::process::id());
    rules.insert(libc::SYS_tgkill, vec![when(0, SeccompCmpOp::Eq, own)?]);
    rules.insert(libc::SYS_fcntl, vec![when(1, SeccompCmpOp::Eq, libc::F_GETFD as u64)?]);
    // Names of memory regions, which some allocators give.
    rules.insert(libc::SYS_prctl, vec![when(0, SeccompCmpOp::Eq, libc::PR_SET_VMA as u64)?]);
    programs(rules)
}

/// What loading needs beyond that: code pages, memory files for the images of guest memory, and the filters of the second step.
fn loading() -> Option<Vec<BpfProgram>> {
    let mut rules: Rules =
        [COMPUTE, COMPUTE_HERE, REFUSED, REFUSED_HERE].into_iter().flatten().map(|call| (*call, vec![])).collect();
    for call in [
        libc::SYS_mmap,
        libc::SYS_mprotect,
        libc::SYS_memfd_create,
        libc::SYS_ftruncate,
        libc::SYS_fcntl,
        libc::SYS_lseek,
        libc::SYS_seccomp,
    ] {
        rules.insert(call, vec![]);
    }
    let own = u64::from(std::process::id());
    rules.insert(libc::SYS_tgkill, vec![when(0, SeccompCmpOp::Eq, own)?]);
    let prctl = [libc::PR_SET_NO_NEW_PRIVS, libc::PR_SET_VMA];
    let prctl: Option<Vec<_>> = prctl.iter().map(|op| when(0, SeccompCmpOp::Eq, *op as u64)).collect();
    rules.insert(libc::SYS_prctl, prctl?);
    programs(rules)
}

/// One rule with one condition on one argument.
fn when(argument: u8, op: SeccompCmpOp, value: u64) -> Option<SeccompRule> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, op, value).ok()?;
    SeccompRule::new(vec![condition]).ok()
}

/// Two filters: one ends the process at any call that is not listed, one answers the refused ones with an error.
fn programs(allowed: Rules) -> Option<Vec<BpfProgram>> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).ok()?;
    let refused: Rules = [REFUSED, REFUSED_HERE].into_iter().flatten().map(|call| (*call, vec![])).collect();
    let error = SeccompAction::Errno(libc::EACCES as u32);
    // The C library asks for clone3 first and takes a plain error as an answer; no thread is made either way.
    let refuse = SeccompFilter::new(refused, SeccompAction::Allow, error, arch).ok()?;
    let allow = SeccompFilter::new(allowed, SeccompAction::KillProcess, SeccompAction::Allow, arch).ok()?;
    // The one that kills comes last: installing a filter is itself a call.
    Some(vec![refuse.try_into().ok()?, allow.try_into().ok()?])
}

fn filtered(programs: &Option<Vec<BpfProgram>>) -> bool {
    programs
        .as_ref()
        .is_some_and(|programs| programs.iter().all(|program| seccompiler::apply_filter_all_threads(program).is_ok()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn sbx_30_a_process_with_a_second_thread_is_not_alone() {
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || ended.recv());
        assert!(!super::alone());
        drop(end);
        assert!(other.join().unwrap().is_err());
    }
}
