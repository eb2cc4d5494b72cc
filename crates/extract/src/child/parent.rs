//! The parent's side: has a child made for each file, hears its answer piece by
//! piece, ends it.
//!
//! A child that nobody asks for its next piece waits: its answer is a pipe, and
//! behind that a channel of a few pieces. Its limit by the clock counts while it
//! is waited for and stands still while it waits.

use super::{
    frame::{self, Frame},
    process::Process,
    request::Task,
    server::{Reader, Server},
    verdict,
};
use crate::{
    detect::{HEAD_BYTES, detect},
    error::ExtractError,
    extract::too_much_text,
    limits::Limits,
};
use ragstream_core::{
    fault::{Fault, Result},
    text::{DocumentText, TextFacts, TextHead, TextPart},
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, BufReader},
    net::unix::pipe::Receiver,
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

/// Pieces that were read and not asked for. One more lets the child work while
/// the last one is looked at; more would be memory for nothing.
const PIECES_AHEAD: usize = 1;

/// How much of the child's standard error is kept: enough for the words by
/// which an allocation fails. The rest is read and dropped, so that a chatty
/// parser does not block.
const STDERR_BYTES: usize = 16 << 10;

/// Reads files in a child process each, which are forks of one that is started when the first file
/// comes. Clones share it, and it ends with the last of them and the last extraction.
#[derive(Clone, Debug)]
pub struct ChildExtractor {
    server: Arc<Server>,
    /// What a child may take.
    pub limits: Limits,
}

impl ChildExtractor {
    /// `program` with `args` calls [`child_main`](crate::child_main): this one again, most
    /// likely (`std::env::current_exe`). It has the environment variables for OCR that are there when it is started.
    pub fn new(program: PathBuf, args: Vec<String>, limits: Limits) -> Self {
        Self { server: Arc::new(Server::new(program, args)), limits }
    }

    /// Starts to read a file that was uploaded under the name `filename`;
    /// returns once the child has said what its text is.
    ///
    /// `Invalid` where the file is at fault (each cause has its class, see
    /// [`ExtractError::class`]), `Failed` where the child could not be started
    /// or was killed by somebody else. When the future is dropped, the child is killed.
    pub async fn start(&self, path: &Path, filename: &str) -> Result<Extraction> {
        let (head, size) = head(path).await.map_err(ExtractError::io)?;
        let format = detect(filename, &head).map_err(ExtractError::from)?;
        let limits = self.limits.of_file(format, size);
        let request = Task::request(format, &limits, filename, path).map_err(ExtractError::io)?;
        Extraction::supervised(self.server.clone(), request, limits).await
    }

    /// The whole text of such a file, which is held: for small ones.
    pub async fn extract(&self, path: &Path, filename: &str) -> Result<DocumentText> {
        let mut extraction = self.start(path, filename).await?;
        let (mut text, mut pages) = (String::new(), Vec::new());
        while let Some(part) = extraction.next().await? {
            text.push_str(&part.text);
            pages.extend(part.pages);
        }
        let TextHead { markup, language, .. } = extraction.head().clone();
        let TextFacts { title, metadata, extractor, .. } = extraction.facts().unwrap_or_default();
        Ok(DocumentText { text, pages, markup, title, metadata, extractor, language })
    }
}

/// A text on its way out of a child. Dropped, it kills the child.
#[derive(Debug)]
pub struct Extraction {
    head: TextHead,
    frames: mpsc::Receiver<Result<Frame>>,
    facts: Option<TextFacts>,
    /// Dropped with this, which ends the child.
    _wanted: oneshot::Sender<()>,
}

impl Extraction {
    async fn supervised(server: Arc<Server>, request: Vec<u8>, limits: Limits) -> Result<Self> {
        let (sender, mut frames) = mpsc::channel(PIECES_AHEAD);
        let (wanted, abandoned) = oneshot::channel::<()>();
        tokio::spawn(async move { supervise(&server, request, &limits, &sender, abandoned).await });
        let head = match frames.recv().await.unwrap_or_else(|| Err(lost()))? {
            Frame::Head(head) => head,
            _ => return Err(lost()),
        };
        Ok(Self { head, frames, facts: None, _wanted: wanted })
    }

    /// What the text is.
    pub fn head(&self) -> &TextHead {
        &self.head
    }

    /// The next piece, 256 KiB or the last of them; `None` at the end, after which there are
    /// [`Extraction::facts`]. An error as of [`ChildExtractor::start`] ends it, and the pieces
    /// before it are void.
    pub async fn next(&mut self) -> Result<Option<TextPart>> {
        if self.facts.is_some() {
            return Ok(None);
        }
        match self.frames.recv().await.unwrap_or_else(|| Err(lost()))? {
            Frame::Part(part) => Ok(Some(part)),
            Frame::Facts(facts) => {
                self.facts = Some(facts);
                Ok(None)
            }
            Frame::Head(_) | Frame::Failure(_) => Err(lost()),
        }
    }

    /// What the text turned out to say about itself, once all of it was read.
    pub fn facts(self) -> Option<TextFacts> {
        self.facts
    }
}

fn lost() -> Fault {
    Fault::failed("extractor_spawn", "the extractor's task ended")
}

/// The beginning of a file, and its size.
async fn head(path: &Path) -> io::Result<(Vec<u8>, u64)> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    let file = tokio::fs::File::open(path).await?;
    let size = file.metadata().await?.len();
    file.take(HEAD_BYTES as u64).read_to_end(&mut head).await?;
    Ok((head, size))
}

type Outcome = std::result::Result<TextFacts, ExtractError>;

fn failed(error: io::Error) -> Fault {
    Fault::failed("extractor_spawn", "can't start the extractor").caused_by(error)
}

/// From the start of a child to its end. Whatever comes of it, the child is gone when this ends.
async fn supervise(
    server: &Server,
    request: Vec<u8>,
    limits: &Limits,
    frames: &mpsc::Sender<Result<Frame>>,
    abandoned: oneshot::Receiver<()>,
) {
    let Reader { mut process, answer, words } = match server.reader(request).await {
        Ok(reader) => reader,
        Err(error) => return drop(frames.send(Err(failed(error))).await), // unless nobody waits any more
    };
    let outcome = tokio::select! {
        outcome = run(&mut process, answer, words, limits, frames) => Some(outcome),
        _ = abandoned => None,
    };
    process.kill();
    let say = async {
        let end = match outcome {
            Some(Ok(Ok(facts))) => Ok(Frame::Facts(facts)),
            Some(Ok(Err(error))) => Err(error.into()),
            Some(Err(error)) => Err(failed(error)),
            None => return,
        };
        let _ = frames.send(end).await; // nobody waits any more
    };
    let _ = tokio::join!(say, process.wait());
}

/// Hears a child, and how it ended.
async fn run(
    process: &mut Process,
    answer: Receiver,
    words: Receiver,
    limits: &Limits,
    frames: &mpsc::Sender<Result<Frame>>,
) -> io::Result<Outcome> {
    let mut words = Words(tokio::spawn(first(words, STDERR_BYTES)));
    let mut clock = Clock { left: limits.wall };
    let timed_out = || ExtractError::TimedOut { seconds: limits.wall.as_secs() };
    let answer = match hear(answer, limits, &mut clock, frames).await? {
        Heard::Answer(answer) => Some(answer),
        Heard::Nothing => None,
        Heard::NoTime => return Ok(Err(timed_out())),
        Heard::Refused(error) => return Ok(Err(error)),
    };
    let Some(status) = clock.wait_for(process.wait()).await else { return Ok(Err(timed_out())) };
    match (answer, status?) {
        (Some(answer), _) => Ok(answer),
        (None, status) => {
            let words = clock.wait_for(&mut words.0).await;
            let words = words.and_then(std::result::Result::ok).transpose()?.unwrap_or_default();
            Ok(Err(verdict::of_exit(status, &words, limits)))
        }
    }
}

/// How the answer of a child ended.
enum Heard {
    Answer(Outcome),
    /// It has none, or one that is cut off.
    Nothing,
    NoTime,
    /// The child is not heard any more.
    Refused(ExtractError),
}

/// Passes on the frames of an answer, as fast as they are wanted.
async fn hear(
    answer: Receiver,
    limits: &Limits,
    clock: &mut Clock,
    frames: &mpsc::Sender<Result<Frame>>,
) -> io::Result<Heard> {
    let mut answer = BufReader::with_capacity(READ_BYTES, answer);
    let refused = |reason: &str| {
        Ok(Heard::Refused(ExtractError::Crashed { reason: format!("its answer is none: {reason}") }))
    };
    let (mut begun, mut length) = (false, 0);
    loop {
        let Some(frame) = clock.wait_for(frame::receive(&mut answer)).await else {
            return Ok(Heard::NoTime);
        };
        let frame = match frame {
            Ok(Some(frame)) => frame,
            Ok(None) => return Ok(Heard::Nothing),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return refused("no frame"),
            Err(error) => return Err(error),
        };
        match &frame {
            Frame::Head(_) if begun => return refused("a second head"),
            Frame::Head(_) => begun = true,
            Frame::Part(_) if !begun => return refused("no head"),
            Frame::Part(part) => length += part.text.len() as u64,
            Frame::Facts(_) if !begun => return refused("no head"),
            Frame::Facts(facts) => return Ok(Heard::Answer(Ok(facts.clone()))),
            Frame::Failure(error) => return Ok(Heard::Answer(Err(error.clone()))),
        }
        // A child counts, too; one that can't any more is ended here.
        if length > limits.text_bytes {
            return Ok(Heard::Refused(too_much_text(limits.text_bytes)));
        }
        if frames.send(Ok(frame)).await.is_err() {
            return Ok(Heard::Nothing); // nobody wants it any more
        }
    }
}

/// How much of the answer is read at once: what a pipe holds.
const READ_BYTES: usize = 64 << 10;

/// Time that a child may still take. It passes while the child is waited for.
struct Clock {
    left: Duration,
}

impl Clock {
    /// `None` where there was not enough time.
    async fn wait_for<T>(&mut self, what: impl Future<Output = T>) -> Option<T> {
        let begin = Instant::now();
        let outcome = timeout(self.left, what).await.ok();
        self.left = self.left.saturating_sub(begin.elapsed());
        outcome
    }
}

/// What a child says on its standard error.
struct Words(JoinHandle<io::Result<Vec<u8>>>);

impl Drop for Words {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Reads to the end and keeps the beginning.
async fn first(mut pipe: impl AsyncRead + Unpin, kept: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    (&mut pipe).take(kept as u64).read_to_end(&mut bytes).await?;
    tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    Ok(bytes)
}
