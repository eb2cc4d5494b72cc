//! A reader's process, as its parent sees it.

use rustix::{
    io::retry_on_intr,
    process::{
        Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process_group, pidfd_open,
        pidfd_send_signal, setpgid, waitid,
    },
};
use std::{
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::process::ExitStatusExt,
    },
    process::ExitStatus,
};
use tokio::io::{Interest, unix::AsyncFd};

/// A child of this process that this one must wait for. Dropped, it is killed, and what it started
/// with it: they share a process group.
#[derive(Debug)]
pub struct Process {
    id: Pid,
    handle: OwnedFd,
    status: Option<ExitStatus>,
}

impl Process {
    /// Takes on a child that nobody has waited for.
    pub fn adopt(id: Pid) -> io::Result<Self> {
        // The child does the same: whoever comes first, there is a group from here on.
        let _ = setpgid(Some(id), Some(id)); // it may have ended
        match pidfd_open(id, PidfdFlags::empty()) {
            Ok(handle) => Ok(Self { id, handle, status: None }),
            Err(error) => {
                kill_and_reap(id);
                Err(error.into())
            }
        }
    }

    /// Waits for its end, again if need be.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        if let Some(status) = self.status {
            return Ok(status);
        }
        // SAFETY: the descriptor is open until after this is dropped.
        let handle = unsafe { AsyncFd::register_with_interest(self.handle.as_fd(), Interest::READABLE) }?;
        let status = loop {
            let mut ended = handle.readable().await?;
            if let Some(status) = waited(WaitId::PidFd(self.handle.as_fd()), WaitIdOptions::NOHANG)? {
                break status;
            }
            ended.clear_ready();
        };
        self.status = Some(status);
        Ok(status)
    }

    /// Kills it and its group, unless it was waited for: then the id is no longer its own.
    pub fn kill(&self) {
        if self.status.is_none() {
            let _ = kill_process_group(self.id, Signal::KILL); // it may have ended
            let _ = pidfd_send_signal(&self.handle, Signal::KILL); // as above
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if self.status.is_none() {
            // What was killed ends at once.
            let _ = waited(WaitId::PidFd(self.handle.as_fd()), WaitIdOptions::empty());
        }
    }
}

fn kill_and_reap(id: Pid) {
    let _ = kill_process_group(id, Signal::KILL);
    let _ = rustix::process::kill_process(id, Signal::KILL);
    let _ = waited(WaitId::Pid(id), WaitIdOptions::empty());
}

/// Kills a group of children, and waits for all of them.
pub fn end_group(group: Pid) {
    let _ = kill_process_group(group, Signal::KILL); // it may have ended
    // The last answer is that there are none.
    while waited(WaitId::Pgid(Some(group)), WaitIdOptions::empty()).is_ok() {}
}

/// How a child ended, which is gone with that; `None` where it has not ended.
fn waited(which: WaitId<'_>, options: WaitIdOptions) -> io::Result<Option<ExitStatus>> {
    let status = retry_on_intr(|| waitid(which.clone(), WaitIdOptions::EXITED | options))?;
    Ok(status.map(exit_status))
}

/// The kernel's two ways to say it.
fn exit_status(status: WaitIdStatus) -> ExitStatus {
    let code = status.exit_status().unwrap_or_default();
    ExitStatus::from_raw(status.terminating_signal().unwrap_or(code << 8))
}
