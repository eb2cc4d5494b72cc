//! The reader's side: reads the file, says what came of it.

use super::{fork, frame, request::Task, resources, sandbox};
use crate::{error::ExtractError, extract::flow, outlet::Sink};
use ragstream_core::text::{TextFacts, TextHead, TextPart};
use std::{
    fs::File,
    io,
    os::fd::FromRawFd,
    path::Path,
    process::ExitCode,
    sync::{Mutex, PoisonError},
};

/// Deeply nested documents are read by recursion; address space that is not
/// touched costs nothing.
const STACK_BYTES: usize = 64 << 20;

/// Where the last panic was: file and line, never its message, which may
/// quote the document.
static PANICKED_AT: Mutex<String> = Mutex::new(String::new());

/// What the hidden subcommand of the binary calls, before it starts a thread: serves forks
/// for a [`ChildExtractor`](crate::ChildExtractor), whose socket is standard input.
///
/// Returns in each fork, too, which has said its answer on its standard output by then, and whose exit
/// code is a success whenever an answer was given, be it an error. Whatever a library prints
/// goes to standard error instead.
pub fn child_main() -> ExitCode {
    child_main_after(|_| None)
}

/// [`child_main`] for tests of readers that misbehave: `first` runs in each of them under its
/// limits, before it is shut in. One that returns a code has ended.
#[doc(hidden)]
pub fn child_main_after(first: impl FnOnce(&Path) -> Option<ExitCode>) -> ExitCode {
    match fork::serve() {
        Ok(Some(request)) => read(&request, first),
        Ok(None) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// In a process that does this and nothing else.
fn read(request: &[u8], first: impl FnOnce(&Path) -> Option<ExitCode>) -> ExitCode {
    let task = Task::parse(request).and_then(|task| {
        resources::restrict(&task.limits).map_err(ExtractError::io)?;
        Ok(task)
    });
    if let Some(code) = task.as_ref().ok().and_then(|task| first(&task.path)) {
        return code;
    }
    let Ok((mut answer, pieces)) = own_stdout().and_then(|own| Ok((own.try_clone()?, own))) else {
        return ExitCode::FAILURE;
    };
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        *PANICKED_AT.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }));
    let outcome = task.and_then(|task| {
        sandbox::close(&task.path);
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || run(&task, pieces));
        let outcome = thread.map_err(ExtractError::io)?.join();
        outcome.unwrap_or_else(|_| Err(ExtractError::Crashed { reason: panicked() }))
    });
    match send(&mut answer, outcome) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Says the text, and gives what is known of it.
fn run(task: &Task, answer: File) -> Result<TextFacts, ExtractError> {
    flow(task.format, &task.path, &task.filename, &task.limits, &mut Pieces(answer))
}

fn panicked() -> String {
    let at = PANICKED_AT.lock().unwrap_or_else(PoisonError::into_inner);
    // The path of a dependency's source says where it was built; its end is enough.
    let end = at.rsplit('/').next().unwrap_or_default();
    format!("panic at {end}")
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
