//! The parent's side: starts the child under limits, hears its answer, ends it.

use super::{entry::PARENT, frame, resources, verdict};
use crate::{
    detect::{HEAD_BYTES, detect},
    error::ExtractError,
    extract::too_much_text,
    limits::Limits,
    ocr,
};
use ragstream_core::{
    fault::{Fault, Result},
    text::DocumentText,
};
use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
    runtime::Handle,
    sync::oneshot,
    time::timeout,
};

/// How much of the child's standard error is kept: enough for the words by
/// which an allocation fails. The rest is read and dropped, so that a chatty
/// parser does not block.
const STDERR_BYTES: usize = 16 << 10;

/// What the child has of this process's environment, which may hold secrets otherwise.
const KEPT_ENVIRONMENT: &[&str] = &["PATH", ocr::LANGUAGES, ocr::DATA];

/// So much of the end of an upload's name is told to the child.
const FILENAME_BYTES: usize = 1024;

/// Reads files in a child process each.
#[derive(Clone, Debug)]
pub struct ChildExtractor {
    /// The program: this one again, most likely (`std::env::current_exe`).
    pub program: PathBuf,
    /// What makes the program call [`child_main`](crate::child_main); the
    /// file's arguments are appended.
    pub args: Vec<String>,
    /// What a child may take.
    pub limits: Limits,
}

impl ChildExtractor {
    /// The text of a file that was uploaded under the name `filename`.
    ///
    /// `Invalid` where the file is at fault (each cause has its class, see
    /// [`ExtractError::class`]), `Failed` where the child could not be started
    /// or was killed by somebody else. When the future is dropped, the child is killed.
    pub async fn extract(&self, path: &Path, filename: &str) -> Result<DocumentText> {
        let head = head(path).await.map_err(ExtractError::io)?;
        let format = detect(filename, &head).map_err(ExtractError::from)?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .arg(format.as_str())
            .arg(serde_json::to_string(&self.limits).map_err(io::Error::from).map_err(ExtractError::io)?)
            .arg(argument(filename))
            .arg(path)
            .env_clear()
            // Threads of a parser's pool share the address space that is limited,
            // and each of them reserves 64 MiB of it for its heap.
            .env("RAYON_NUM_THREADS", "1")
            .env("MALLOC_ARENA_MAX", "1")
            .env(PARENT, std::process::id().to_string())
            // Where Tesseract is, and what languages it reads.
            .envs(KEPT_ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C in a terminal is for the parent, which lets work come to its end.
            .process_group(0)
            .kill_on_drop(true);
        let outcome = supervise(command, self.limits).await?;
        Ok(outcome?)
    }
}

/// The end of a name, which tells the format, as an argument of a process takes it.
fn argument(filename: &str) -> String {
    let from = filename.ceil_char_boundary(filename.len().saturating_sub(FILENAME_BYTES));
    filename[from..].replace('\0', "")
}

async fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    tokio::fs::File::open(path).await?.take(HEAD_BYTES as u64).read_to_end(&mut head).await?;
    Ok(head)
}

/// Runs the child on a thread that lives as long as it does: the kernel kills a
/// child whose parent died when the *thread* that made it is gone, and those
/// of a runtime come and go.
async fn supervise(command: Command, limits: Limits) -> Result<Result<DocumentText, ExtractError>> {
    let (answer, answered) = oneshot::channel();
    // Dropped with this future, which the thread sees.
    let (_wanted, abandoned) = oneshot::channel::<()>();
    let runtime = Handle::current();
    let failed =
        |error: io::Error| Fault::failed("extractor_spawn", "can't start the extractor").caused_by(error);
    std::thread::Builder::new()
        .name("extractor".to_owned())
        .spawn(move || {
            let outcome = runtime.block_on(async {
                tokio::select! {
                    outcome = run(command, &limits) => Some(outcome),
                    _ = abandoned => None,
                }
            });
            if let Some(outcome) = outcome {
                let _ = answer.send(outcome); // nobody waits any more
            }
        })
        .map_err(failed)?;
    match answered.await {
        Ok(outcome) => outcome.map_err(failed),
        Err(_) => Err(Fault::failed("extractor_spawn", "the extractor's thread ended")),
    }
}

async fn run(mut command: Command, limits: &Limits) -> io::Result<Result<DocumentText, ExtractError>> {
    let mut child = Group(command.spawn()?);
    restrict(&child.0, limits)?;
    let (Some(stdout), Some(stderr)) = (child.0.stdout.take(), child.0.stderr.take()) else {
        return Err(io::Error::other("the child has no pipes"));
    };
    let most = usize::try_from(frame::most_bytes(limits)).unwrap_or(usize::MAX);
    let end = timeout(limits.wall, async {
        let (answer, words) = tokio::try_join!(at_most(stdout, most), first(stderr, STDERR_BYTES))?;
        io::Result::Ok((answer, words, child.0.wait().await?))
    });
    // Whatever comes of it, the child is killed when `child` is dropped, unless it has ended.
    match end.await {
        Err(_) => Ok(Err(ExtractError::TimedOut { seconds: limits.wall.as_secs() })),
        Ok(Err(error)) if error.kind() == io::ErrorKind::FileTooLarge => Ok(Err(too_much_text(limits))),
        Ok(Err(error)) => Err(error),
        Ok(Ok((answer, words, status))) => {
            Ok(frame::decode(&answer).unwrap_or_else(|| Err(verdict::of_exit(status, &words, limits))))
        }
    }
}

/// Reads to the end; an error of kind `FileTooLarge` as soon as there is more than `most`.
async fn at_most(pipe: impl AsyncRead + Unpin, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pipe.take(most as u64 + 1).read_to_end(&mut bytes).await?;
    match bytes.len() > most {
        true => Err(io::ErrorKind::FileTooLarge.into()),
        false => Ok(bytes),
    }
}

/// Reads to the end and keeps the beginning.
async fn first(mut pipe: impl AsyncRead + Unpin, kept: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    (&mut pipe).take(kept as u64).read_to_end(&mut bytes).await?;
    tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    Ok(bytes)
}

/// A child and what it may have started: they share a process group.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // The id is gone once the child was waited for.
        if let Some(id) = self.0.id() {
            // SAFETY: a plain system call; the group is the child's own, which is not reaped yet.
            unsafe { libc::kill(-(id as libc::pid_t), libc::SIGKILL) };
        }
    }
}

/// Limits of the kernel, set on the child as soon as it is there: what it does before is its own
/// start, and it sets them itself before it looks at the document. (Set between fork and exec they
/// would cost a fork, which copies the page tables of this process; without that the child is made
/// by vfork, in a tenth of the time.)
fn restrict(child: &Child, limits: &Limits) -> io::Result<()> {
    match child.id() {
        Some(id) => resources::restrict(id as libc::pid_t, limits),
        None => Ok(()),
    }
}
