//! What the child can't do any more, once it looks at a document.
//!
//! Three locks, each of which an ordinary user may close, and each of which
//! holds for what the child starts, too:
//! - no new privileges: no program with the set-user-id bit gives any;
//! - Landlock, where the kernel has it (5.13, networks 6.7): it reads the
//!   document, system libraries and Tesseract, and nothing else; it writes
//!   nowhere, opens no TCP connection and signals no other process;
//! - seccomp: no sockets of any kind (an `io_uring` would open them behind its
//!   back), no tracing, no namespaces, no mounts.
//!
//! A namespace for the network would say less and needs rights that
//! containers don't give. A lock that the kernel does not have is left out:
//! the limits of the parent hold without them.

use crate::ocr;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, Scope,
};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use std::path::Path;

/// The newest rules that are asked for.
const RULES: ABI = ABI::V6;

/// Where programs and libraries are.
const SYSTEM: &[&str] =
    &["/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/ld.so.conf", "/nix/store"];

/// Closes what can be closed, for this thread and those it makes.
pub fn close(document: &Path) {
    // SAFETY: a plain system call without pointers.
    let closed = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    if closed != 0 {
        return; // neither of the others goes without
    }
    let _ = restrict_files(document); // the kernel may not have it
    if let Some(filter) = filter() {
        let _ = seccompiler::apply_filter(&filter); // nor this
    }
}

fn restrict_files(document: &Path) -> Result<(), RulesetError> {
    let read = AccessFs::from_read(RULES);
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(RULES))?
        .handle_access(AccessNet::from_all(RULES))?
        .scope(BitFlags::from(Scope::Signal) | Scope::AbstractUnixSocket)?
        .create()?;
    // A program in `bin` has what it needs beside that folder.
    let tesseract =
        ocr::program().and_then(|program| Some(program.canonicalize().ok()?.parent()?.parent()?.to_owned()));
    let data = std::env::var_os(ocr::DATA).map(Into::into);
    let readable = SYSTEM.iter().map(|path| Path::new(path).to_owned()).chain(tesseract).chain(data);
    let rule = |path: &Path, access| PathFd::new(path).ok().map(|fd| PathBeneath::new(fd, access));
    for path in readable.filter(|path| path != Path::new("/")) {
        if let Some(rule) = rule(&path, read) {
            rules = rules.add_rule(rule)?;
        }
    }
    for (path, access) in [
        (document, AccessFs::ReadFile.into()),
        (Path::new("/dev/null"), AccessFs::ReadFile | AccessFs::WriteFile),
    ] {
        if let Some(rule) = rule(path, access) {
            rules = rules.add_rule(rule)?;
        }
    }
    rules.restrict_self()?;
    Ok(())
}

/// System calls that no reader of documents makes. A pair of sockets leads nowhere else, and Rust starts
/// processes with one.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_socket,
    libc::SYS_io_uring_setup,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
];

fn filter() -> Option<BpfProgram> {
    // No rule for a call means that its arguments don't matter.
    let refused = REFUSED.iter().map(|&call| (call as _, Vec::new())).collect();
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let architecture = std::env::consts::ARCH.try_into().ok()?;
    SeccompFilter::new(refused, SeccompAction::Allow, refuse, architecture).ok()?.try_into().ok()
}
