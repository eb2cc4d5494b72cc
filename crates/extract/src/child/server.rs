//! The fork server, as its parent sees it: started when the first file comes, and again when it died.
//!
//! It has a thread here that lives as long as its readers do: the kernel kills a process whose
//! parent died when the *thread* that made it is gone, and those of a runtime come and go.

use super::{
    fork::PARENT,
    process::{Process, end_group},
    request::parse_reply,
};
use crate::ocr;
use rustix::{
    io::{Errno, retry_on_intr},
    net::{
        AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags,
        SocketType, recv, sendmsg, socketpair,
        sockopt::{Timeout, set_socket_timeout},
    },
    process::Pid,
};
use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::process::CommandExt,
    },
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::Duration,
};
use tokio::{
    net::unix::pipe::Receiver,
    sync::{OnceCell, mpsc, oneshot},
};

/// Requests that wait for the server, which takes less than a millisecond for each. More wait outside.
const REQUESTS_AHEAD: usize = 16;

/// Time to fork, far above what it takes on a machine with too much to do: one that takes longer hangs.
const FORK_TIME: Duration = Duration::from_secs(60);

/// What it has of this process's environment, which may hold secrets otherwise: where Tesseract is, and what
/// languages it reads.
const KEPT_ENVIRONMENT: &[&str] = &["PATH", ocr::LANGUAGES, ocr::DATA];

/// A program that forks a reader for each request.
#[derive(Debug)]
pub struct Server {
    program: PathBuf,
    args: Vec<String>,
    requests: OnceCell<mpsc::Sender<Request>>,
}

/// A process that reads a file.
pub struct Reader {
    pub process: Process,
    /// What it says on its standard output.
    pub answer: Receiver,
    /// What it says on its standard error.
    pub words: Receiver,
}

/// A reader that is wanted.
#[derive(Debug)]
struct Request {
    bytes: Vec<u8>,
    answer: OwnedFd,
    words: OwnedFd,
    reply: oneshot::Sender<io::Result<Process>>,
}

impl Server {
    pub fn new(program: PathBuf, args: Vec<String>) -> Self {
        Self { program, args, requests: OnceCell::new() }
    }

    /// A new reader for such a request. It lives no longer than the server does.
    pub async fn reader(&self, bytes: Vec<u8>) -> io::Result<Reader> {
        let requests = self.requests.get_or_try_init(|| async { self.start() }).await?;
        let ((answer, answer_end), (words, words_end)) = (io::pipe()?, io::pipe()?);
        let (reply, replied) = oneshot::channel();
        let request = Request { bytes, answer: answer_end.into(), words: words_end.into(), reply };
        let lost = || io::Error::other("the thread of the fork server ended");
        requests.send(request).await.map_err(|_| lost())?;
        let process = replied.await.map_err(|_| lost())??;
        let (answer, words) =
            (Receiver::from_owned_fd(answer.into())?, Receiver::from_owned_fd(words.into())?);
        Ok(Reader { process, answer, words })
    }

    /// Starts the thread, which ends with this.
    fn start(&self) -> io::Result<mpsc::Sender<Request>> {
        let (sender, mut requests) = mpsc::channel::<Request>(REQUESTS_AHEAD);
        let (program, args) = (self.program.clone(), self.args.clone());
        thread::Builder::new().name("extractor".to_owned()).spawn(move || {
            let mut running = None;
            while let Some(request) = requests.blocking_recv() {
                if !request.reply.is_closed() {
                    let forked = fork(&mut running, || Running::start(&program, &args), &request);
                    // One that nobody wants any more is killed with this.
                    let _ = request.reply.send(forked);
                }
            }
        })?;
        Ok(sender)
    }
}

/// Has a reader made. A server that can't is replaced, once.
fn fork(
    running: &mut Option<Running>,
    start: impl Fn() -> io::Result<Running>,
    request: &Request,
) -> io::Result<Process> {
    let attempt = |running: &mut Option<Running>| {
        let server = match running {
            Some(server) => server,
            None => running.insert(start()?),
        };
        server.fork(request)
    };
    attempt(running).or_else(|_| {
        *running = None;
        attempt(running).inspect_err(|_| *running = None)
    })
}

/// A server's process. Dropped, it is killed, and with it a fork that did not come to say that it is
/// there: such a one is in its group still.
struct Running {
    id: Pid,
    socket: OwnedFd,
}

impl Running {
    fn start(program: &PathBuf, args: &[String]) -> io::Result<Self> {
        let (socket, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        for timeout in [Timeout::Recv, Timeout::Send] {
            set_socket_timeout(&socket, timeout, Some(FORK_TIME))?;
        }
        let child = Command::new(program)
            .args(args)
            .env_clear()
            // Threads of a parser's pool share the address space that is limited,
            // and each of them reserves 64 MiB of it for its heap.
            .env("RAYON_NUM_THREADS", "1")
            .env("MALLOC_ARENA_MAX", "1")
            .env(PARENT, std::process::id().to_string())
            .envs(KEPT_ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .stdin(theirs)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C in a terminal is for the parent, which lets work come to its end.
            .process_group(0)
            .spawn()?;
        Ok(Self { id: Pid::from_child(&child), socket })
    }

    fn fork(&self, request: &Request) -> io::Result<Process> {
        let pipes = [request.answer.as_fd(), request.words.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&pipes));
        let bytes = [IoSlice::new(&request.bytes)];
        retry_on_intr(|| sendmsg(&self.socket, &bytes, &mut control, SendFlags::NOSIGNAL))?;
        // The fork says it, not the server: the death of that loses none.
        let mut reply = [0; 4];
        let (length, _) = retry_on_intr(|| recv(&self.socket, &mut reply, RecvFlags::empty()))?;
        if length != reply.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Process::adopt(Pid::from_raw(parse_reply(reply)?).ok_or(Errno::SRCH)?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end_group(self.id);
    }
}
