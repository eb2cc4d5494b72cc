//! One file read, and how long it took.

use super::files::Source;
use ragstream_core::{fault::Fault, text::DocumentText};
use ragstream_extract::{ChildExtractor, ExtractError, HEAD_BYTES, Limits, detect, extract_named};
use serde::Serialize;
use std::{fs::File, io::Read as _, path::Path, time::Instant};

/// Stack of a reader in this process: what it has in a process of its own.
const STACK_BYTES: usize = 64 << 20;
/// The format of what no reader is for.
const NO_FORMAT: &str = "unsupported";

/// What came of a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Reading {
    pub(crate) path: String,
    pub(crate) format: &'static str,
    pub(crate) bytes: u64,
    /// By the clock, the start of the process included.
    pub(crate) seconds: f64,
    /// Text that came out, in bytes.
    pub(crate) text_bytes: u64,
    /// None where the format has no pages.
    pub(crate) pages: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<Failure>,
}

/// Why there is no text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Failure {
    pub(crate) class: &'static str,
    pub(crate) message: String,
}

/// Reads as ingestion does, or in this process.
pub(crate) struct Reader {
    child: ChildExtractor,
    in_process: bool,
}

impl Reader {
    pub(crate) fn new(child: ChildExtractor, in_process: bool) -> Self {
        if in_process {
            // Readers panic on what they don't know, and that is caught. As in a child nothing is printed:
            // a message may quote the document, and a backtrace takes longer than a page.
            std::panic::set_hook(Box::new(|_| {}));
        }
        Self { child, in_process }
    }

    /// The measures, and the text if there is one.
    pub(crate) async fn read(&self, source: Source) -> (Reading, Option<String>) {
        let format = format_of(&source);
        let begun = Instant::now();
        let outcome = match self.in_process {
            false => self.child.extract(&source.file, &source.path).await,
            true => here(source.clone(), self.child.limits).await,
        };
        let seconds = begun.elapsed().as_secs_f64();
        let Source { path, bytes, .. } = source;
        let reading = Reading { path, format, bytes, seconds, text_bytes: 0, pages: 0, failure: None };
        match outcome {
            Ok(DocumentText { text, pages, .. }) => {
                let (text_bytes, pages) = (text.len() as u64, pages.len() as u64);
                (Reading { text_bytes, pages, ..reading }, Some(text))
            }
            Err(fault) => {
                let failure = Failure { class: fault.class, message: fault.to_string() };
                (Reading { failure: Some(failure), ..reading }, None)
            }
        }
    }

    /// The most memory that a process with a reader in it has had, in bytes, as the kernel knows it.
    /// That of a child is never below this process's own at the child's start.
    pub(crate) fn peak_memory(&self) -> Option<u64> {
        let whose = if self.in_process { libc::RUSAGE_SELF } else { libc::RUSAGE_CHILDREN };
        // SAFETY: numbers alone, for which zeros are values.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: `usage` outlives the call.
        let code = unsafe { libc::getrusage(whose, &mut usage) };
        // Linux counts in KiB; zero is no child at all.
        u64::try_from(usage.ru_maxrss).ok().filter(|&kib| code == 0 && kib > 0).map(|kib| kib << 10)
    }
}

/// Not part of what is measured, where it is not repeated by the reader itself.
fn format_of(source: &Source) -> &'static str {
    let head = head(&source.file).unwrap_or_default();
    detect(&source.path, &head).map_or(NO_FORMAT, |format| format.as_str())
}

fn head(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    File::open(file)?.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

async fn here(source: Source, limits: Limits) -> Result<DocumentText, Fault> {
    let crashed = |reason: &str| Fault::from(ExtractError::Crashed { reason: reason.to_owned() });
    let read = move || -> Result<DocumentText, Fault> {
        let io = |error: std::io::Error| Fault::from(ExtractError::Io { reason: error.to_string() });
        let head = head(&source.file).map_err(io)?;
        let format = detect(&source.path, &head).map_err(ExtractError::from)?;
        Ok(extract_named(format, &source.file, &source.path, &limits)?)
    };
    let (answer, answered) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
        let _ = answer.send(read()); // nobody waits any more
    });
    match thread {
        Ok(_) => answered.await.unwrap_or_else(|_| Err(crashed("panic"))),
        Err(error) => Err(Fault::failed("extractor_spawn", "can't start a thread").caused_by(error)),
    }
}

/// For tests: a file of this format that was read, or that failed with this class.
#[cfg(test)]
pub(crate) fn reading(
    path: &str,
    format: &'static str,
    ms: u64,
    outcome: Result<u64, &'static str>,
) -> Reading {
    Reading {
        path: path.to_owned(),
        format,
        bytes: 1_000_000,
        seconds: ms as f64 / 1e3,
        text_bytes: outcome.map_or(0, |_| 500_000),
        pages: outcome.unwrap_or(0),
        failure: outcome.err().map(|class| Failure { class, message: format!("{path} is {class}") }),
    }
}
