//! The child's side: reads the file, says what came of it.

use super::{frame, resources, sandbox};
use crate::{error::ExtractError, extract::flow, format::Format, limits::Limits, outlet::Sink};
use ragstream_core::text::{TextFacts, TextHead, TextPart};
use std::{
    fs::File,
    io,
    os::fd::FromRawFd,
    path::PathBuf,
    process::ExitCode,
    sync::{Mutex, PoisonError},
};

/// Deeply nested documents are read by recursion; address space that is not
/// touched costs nothing.
const STACK_BYTES: usize = 64 << 20;

/// Names the process that this one must not outlive.
pub(super) const PARENT: &str = "RAGSTREAM_PARENT";

/// Where the last panic was: file and line, never its message, which may
/// quote the document.
static PANICKED_AT: Mutex<String> = Mutex::new(String::new());

/// What the hidden subcommand of the binary calls. The last four arguments of
/// the process are the format, the limits as JSON, the name of the upload, and the path.
///
/// The answer goes to standard output, and whatever a library prints there
/// goes to standard error instead. The exit code is a success whenever an
/// answer was given, be it an error.
pub fn child_main() -> ExitCode {
    if !bound_to_parent() {
        return ExitCode::FAILURE;
    }
    let Ok((mut answer, pieces)) = own_stdout().and_then(|own| Ok((own.try_clone()?, own))) else {
        return ExitCode::FAILURE;
    };
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        *PANICKED_AT.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }));
    let outcome = Task::from_arguments().and_then(|task| {
        task.shut_in()?;
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || task.run(pieces));
        let outcome = thread.map_err(ExtractError::io)?.join();
        outcome.unwrap_or_else(|_| Err(ExtractError::Crashed { reason: panicked() }))
    });
    match send(&mut answer, outcome) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Has the kernel kill this process when its parent dies; `false` where that has happened already.
fn bound_to_parent() -> bool {
    // SAFETY: plain system calls without pointers.
    let (bound, parent) = unsafe { (libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL), libc::getppid()) };
    let expected = std::env::var(PARENT).ok().and_then(|id| id.parse().ok());
    bound == 0 && expected.is_none_or(|id: libc::pid_t| id == parent)
}

fn panicked() -> String {
    let at = PANICKED_AT.lock().unwrap_or_else(PoisonError::into_inner);
    // The path of a dependency's source says where it was built; its end is enough.
    let end = at.rsplit('/').next().unwrap_or_default();
    format!("panic at {end}")
}

/// What is to be read, and how.
struct Task {
    format: Format,
    limits: Limits,
    filename: String,
    path: PathBuf,
}

impl Task {
    fn from_arguments() -> Result<Self, ExtractError> {
        let usage = || ExtractError::Crashed { reason: "it was called with the wrong arguments".to_owned() };
        let mut arguments = std::env::args_os().rev();
        let mut next = || arguments.next().ok_or_else(usage);
        let (path, filename, limits, format) = (next()?, next()?, next()?, next()?);
        Ok(Self {
            format: format.to_str().and_then(|s| s.parse().ok()).ok_or_else(usage)?,
            limits: limits.to_str().and_then(|json| serde_json::from_str(json).ok()).ok_or_else(usage)?,
            filename: filename.to_string_lossy().into_owned(),
            path: path.into(),
        })
    }

    /// The parent sets the same limits, but may come to it late.
    fn shut_in(&self) -> Result<(), ExtractError> {
        resources::restrict(0, &self.limits).map_err(ExtractError::io)?;
        sandbox::close(&self.path);
        Ok(())
    }

    /// Says the text, and gives what is known of it.
    fn run(self, answer: File) -> Result<TextFacts, ExtractError> {
        flow(self.format, &self.path, &self.filename, &self.limits, &mut Pieces(answer))
    }
}

/// Says each piece as it comes. Where the parent is slow it waits.
struct Pieces(File);

impl Sink for Pieces {
    fn head(&mut self, head: TextHead) -> Result<(), ExtractError> {
        frame::send_head(&mut self.0, &head).map_err(ExtractError::io)
    }

    fn part(&mut self, part: TextPart) -> Result<(), ExtractError> {
        frame::send_part(&mut self.0, &part).map_err(ExtractError::io)
    }
}

/// Takes standard output for the answer alone.
fn own_stdout() -> io::Result<File> {
    // SAFETY: plain system calls on descriptors of this process; the new
    // descriptor is owned by nobody else.
    unsafe {
        // Not for what this process starts: the parent waits for its end.
        let answer = libc::fcntl(libc::STDOUT_FILENO, libc::F_DUPFD_CLOEXEC, 3);
        if answer < 0 || libc::dup2(libc::STDERR_FILENO, libc::STDOUT_FILENO) < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(File::from_raw_fd(answer))
    }
}

fn send(answer: &mut File, outcome: Result<TextFacts, ExtractError>) -> io::Result<()> {
    let failure = match outcome {
        Ok(facts) => match frame::send_facts(answer, &facts) {
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                ExtractError::TooLarge { reason: "it says too much about itself".to_owned() }
            }
            sent => return sent,
        },
        Err(failure) => failure,
    };
    frame::send_failure(answer, &failure)
}
