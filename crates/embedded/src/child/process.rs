//! Signals and the identity of processes.

use serde::{Deserialize, Serialize};
use std::{fs, io};

/// A signal, by its name in `kill -l`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Interrupt,
    Quit,
    Kill,
    Terminate,
}

impl Signal {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "INT",
            Self::Quit => "QUIT",
            Self::Kill => "KILL",
            Self::Terminate => "TERM",
        }
    }

    fn number(self) -> i32 {
        match self {
            Self::Interrupt => libc::SIGINT,
            Self::Quit => libc::SIGQUIT,
            Self::Kill => libc::SIGKILL,
            Self::Terminate => libc::SIGTERM,
        }
    }

    /// Sends it to one process.
    pub(crate) fn send(self, pid: u32) -> io::Result<()> {
        let pid = i32::try_from(pid).map_err(io::Error::other)?;
        // 0 and below address groups and everything: never meant here.
        if pid <= 1 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // SAFETY: kill takes two integers and touches no memory of ours.
        match unsafe { libc::kill(pid, self.number()) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// A process, told apart from a later one with the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// Its number.
    pub(crate) pid: u32,
    /// When it started, in clock ticks since boot: field 22 of `/proc/PID/stat`, see proc(5).
    pub(crate) started: u64,
}

impl Identity {
    /// The process with this number, `None` where there is none or it only waits to be reaped.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // Field 2 is the program's name in parentheses and may contain anything.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?;
        if matches!(state, "Z" | "X") {
            return None;
        }
        Some(Self { pid, started: fields.nth(18)?.parse().ok()? })
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&self) -> bool {
        Self::of(self.pid) == Some(*self)
    }

    /// Whether its command line mentions `marker`.
    pub(crate) fn mentions(&self, marker: &str) -> bool {
        fs::read(format!("/proc/{}/cmdline", self.pid))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(marker))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_is_known_while_it_runs_and_not_after() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let identity = Identity::of(child.id()).unwrap();
        assert!(identity.is_alive());
        assert!(!Identity { started: identity.started + 1, ..identity }.is_alive());
        Signal::Kill.send(child.id()).unwrap();
        child.wait().unwrap();
        assert!(!identity.is_alive());
    }

    #[test]
    fn groups_and_init_are_never_signalled() {
        assert!(Signal::Terminate.send(0).is_err());
        assert!(Signal::Terminate.send(1).is_err());
        assert!(Signal::Terminate.send(u32::MAX).is_err());
    }
}
