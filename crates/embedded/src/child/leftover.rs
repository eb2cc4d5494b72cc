//! What an earlier process of ours may have left running.

use super::{Signal, process::Identity};
use crate::{EmbeddedError, Result, files};
use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// How long a left-over process may take to end politely. It has lost its
/// parent and its clients; what it has acknowledged is safe without this.
const POLITE: Duration = Duration::from_secs(10);

/// How long the kernel may take to remove a killed process.
const KILLED: Duration = Duration::from_secs(10);

const POLL: Duration = Duration::from_millis(20);

/// Notes the process for the next start.
pub(super) fn note(pid_file: &Path, pid: u32) -> Result<()> {
    match Identity::of(pid) {
        Some(identity) => files::write_json(pid_file, &identity),
        None => Ok(()),
    }
}

/// Ends the process that `pid_file` names where it still runs and its command
/// line mentions `marker` (the part's folder), and removes the file.
pub(crate) fn clear_leftover(pid_file: &Path, marker: &str, polite: Signal) -> Result<()> {
    // A pid file cut short by a crash names nobody; the kernel's signal on
    // parent death has ended the child then.
    if let Some(noted) = files::read_json::<Identity>(pid_file).ok().flatten() {
        end(noted, marker, polite)?;
    }
    let _ = fs::remove_file(pid_file);
    Ok(())
}

/// The same for a process that is known by its number only.
pub(crate) fn clear_process(pid: u32, marker: &str, polite: Signal) -> Result<()> {
    Identity::of(pid).map_or(Ok(()), |identity| end(identity, marker, polite))
}

/// Whether a process with this number runs, whoever's it is.
pub(crate) fn runs(pid: u32) -> bool {
    Identity::of(pid).is_some()
}

fn end(process: Identity, marker: &str, polite: Signal) -> Result<()> {
    if !process.is_alive() || !process.mentions(marker) {
        return Ok(());
    }
    tracing::warn!(pid = process.pid, folder = marker, "ending a process left over from an earlier run");
    for (signal, patience) in [(polite, POLITE), (Signal::Kill, KILLED)] {
        // An error means that it has ended in between, which is what is wanted.
        let _ = signal.send(process.pid);
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if !process.is_alive() {
                return Ok(());
            }
            thread::sleep(POLL);
        }
    }
    Err(EmbeddedError::Folder {
        path: marker.into(),
        reason: format!("process {} of an earlier run works here and can't be ended", process.pid),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::{
        os::unix::process::CommandExt,
        process::{Child, Command},
    };

    /// A process that mentions `marker`. The kernel lets a parent go on before the command line
    /// of its new child can be read.
    fn sleeper(marker: &str) -> Child {
        let child = Command::new("sleep").arg0(marker).arg("1000").spawn().unwrap();
        let deadline = Instant::now() + KILLED;
        while !Identity::of(child.id()).is_some_and(|identity| identity.mentions(marker)) {
            assert!(Instant::now() < deadline, "the command line of {} can't be read", child.id());
            thread::sleep(POLL);
        }
        child
    }

    #[test]
    fn a_left_over_process_of_this_folder_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let pid_file = dir.path().join("pid");
        let mut child = sleeper("/data/of/this/one");
        note(&pid_file, child.id()).unwrap();
        clear_leftover(&pid_file, "/data/of/this/one", Signal::Terminate).unwrap();
        assert!(!child.wait().unwrap().success());
        assert!(!pid_file.exists());
    }

    #[test]
    fn a_process_of_another_folder_or_another_life_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let pid_file = dir.path().join("pid");
        let mut child = sleeper("/data/of/another");
        note(&pid_file, child.id()).unwrap();
        clear_leftover(&pid_file, "/data/of/this/one", Signal::Terminate).unwrap();
        assert!(child.try_wait().unwrap().is_none());

        let mut identity = Identity::of(child.id()).unwrap();
        identity.started += 1;
        files::write_json(&pid_file, &identity).unwrap();
        clear_leftover(&pid_file, "/data/of/another", Signal::Terminate).unwrap();
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
