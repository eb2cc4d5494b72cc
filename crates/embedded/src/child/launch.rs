//! How a child is started so that it dies with us.
//!
//! The child is started through `setpriv` (util-linux, which every Debian has;
//! it replaces itself by the program, so the process id stays the same). It
//! asks the kernel to signal the child when its parent ends, and changes the
//! user where one is given. The kernel takes the *thread* that started the child for
//! its parent, which is why one thread per child lives as long as the child
//! does: the supervisor's.

use super::Signal;
use crate::{EmbeddedError, Result, error::Doing};
use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Past this, the file with what a child prints is begun anew at its next start.
/// Children log to files of their own; this one sees little.
const OUTPUT_LIMIT: u64 = 1 << 20;

/// The user that a child runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// The one capability it keeps, by its name in capabilities(7) without `cap_`.
    pub(crate) capability: Option<&'static str>,
}

/// A program with its arguments.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Vec<(&'static str, OsString)>,
    pub(crate) account: Option<Account>,
    /// What the kernel sends it when this process ends.
    pub(crate) on_parent_death: Signal,
}

impl Launch {
    pub(crate) fn new(program: PathBuf, on_parent_death: Signal) -> Self {
        Self { program, args: Vec::new(), env: Vec::new(), account: None, on_parent_death }
    }

    pub(crate) fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    pub(crate) fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    pub(crate) fn env(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    pub(crate) fn account(mut self, account: Option<Account>) -> Self {
        self.account = account;
        self
    }

    /// Starts it in a process group of its own; what it prints goes to a file.
    pub(crate) fn spawn(&self, output: &Path) -> Result<Child> {
        let file = open_output(output).doing(|| format!("opening {}", output.display()))?;
        let same = file.try_clone().doing(|| format!("opening {}", output.display()))?;
        let mut command = self.command();
        command.stdout(file).stderr(same);
        command.spawn().map_err(|error| self.cannot_start(error))
    }

    /// Runs it to its end with this file as its input.
    ///
    /// # Errors
    /// [`EmbeddedError::Helper`] where it can't be started or does not succeed.
    pub(crate) fn run(&self, input: Option<File>) -> Result<()> {
        let mut command = self.command();
        if let Some(input) = input {
            command.stdin(input);
        }
        let output = command.output().map_err(|error| self.cannot_start(error))?;
        if output.status.success() {
            return Ok(());
        }
        Err(EmbeddedError::Helper {
            program: self.program.display().to_string(),
            reason: output.status.to_string(),
            log: format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            )
            .trim_end()
            .to_owned(),
        })
    }

    fn command(&self) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", self.on_parent_death.name()]);
        if let Some(account) = self.account {
            let kept = account.capability.map(|name| format!(",+{name}")).unwrap_or_default();
            let capabilities = format!("-all{kept}");
            command.arg(format!("--reuid={}", account.uid));
            command.arg(format!("--regid={}", account.gid));
            command.arg("--clear-groups");
            command.arg(format!("--inh-caps={capabilities}"));
            command.arg(format!("--ambient-caps={capabilities}"));
            command.arg(format!("--bounding-set={capabilities}"));
        }
        command.arg("--").arg(&self.program).args(&self.args);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        // Ours may be removed while the child is to be started again, or be one that the
        // account can't enter.
        command.current_dir("/").stdin(Stdio::null()).process_group(0);
        command
    }

    fn cannot_start(&self, error: std::io::Error) -> EmbeddedError {
        EmbeddedError::Helper {
            program: format!("setpriv (of util-linux), for {}", self.program.display()),
            reason: error.to_string(),
            log: String::new(),
        }
    }
}

fn open_output(path: &Path) -> std::io::Result<File> {
    let full = fs::metadata(path).is_ok_and(|metadata| metadata.len() > OUTPUT_LIMIT);
    OpenOptions::new().create(true).append(!full).write(true).truncate(full).open(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_child_does_not_depend_on_the_folder_that_we_were_started_in() {
        let look = Launch::new("sh".into(), Signal::Kill).args(["-c", "test \"$(pwd)\" = /"]);
        look.run(None).unwrap();
    }
}
