//! The fork server's own side: a process that forks, and does nothing else.

use super::request::{REQUEST_BYTES, reply};
use rustix::{
    io::{fcntl_dupfd_cloexec, retry_on_intr},
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendFlags, recvmsg, send},
    process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal, setpgid},
    stdio::{dup2_stderr, dup2_stdin, dup2_stdout, stdin},
};
use std::{
    fs::File,
    io::{self, IoSliceMut},
    mem::MaybeUninit,
    os::fd::OwnedFd,
};

/// Names the process that this one must not outlive.
pub const PARENT: &str = "RAGSTREAM_PARENT";

/// Descriptors of a request: the pipe of the answer, and that of standard error.
const PIPES: usize = 2;

/// Forks for each request that comes on standard input. Returns in each of the forks, with its request,
/// and in the server once nobody is left who asks, with `None`.
///
/// In a fork the answer's pipe is standard output, and no other descriptor but the three is open.
pub fn serve() -> io::Result<Option<Vec<u8>>> {
    bind_to_parent()?;
    if has_threads() {
        return Err(io::Error::other("a process with threads can't serve forks"));
    }
    let socket = own_stdin()?;
    let mut request = vec![0; REQUEST_BYTES];
    while let Some((length, pipes)) = receive(&socket, &mut request)? {
        // SAFETY: this process has one thread.
        match unsafe { fork() } {
            Ok(true) => {
                let ready = become_reader(pipes).map(|()| getpid().as_raw_pid());
                say(&socket, &ready)?;
                ready?;
                // From here on the parent knows it: see `server::Running`.
                setpgid(None, None)?;
                drop(socket);
                close_others();
                return Ok(Some(request[..length].to_vec()));
            }
            Ok(false) => {}
            Err(error) => say(&socket, &Err(error))?,
        }
        request.fill(0);
    }
    Ok(None)
}

/// Has the kernel kill this process when its parent dies; an error where that has happened already.
fn bind_to_parent() -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let expected = std::env::var(PARENT).ok().and_then(|id| id.parse().ok());
    match expected.is_none_or(|id| getppid().map(Pid::as_raw_pid) == Some(id)) {
        true => Ok(()),
        false => Err(io::Error::other("the parent is gone")),
    }
}

fn has_threads() -> bool {
    std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() > 1)
}

/// Takes the socket, and leaves nothing else open that the parent may have left open.
fn own_stdin() -> io::Result<OwnedFd> {
    close_others();
    let socket = fcntl_dupfd_cloexec(stdin(), 3)?;
    dup2_stdin(File::open("/dev/null")?)?;
    Ok(socket)
}

/// Closes all but the standard three, where the kernel can (5.9): all that this program opens itself
/// closes anyway.
fn close_others() {
    // SAFETY: a plain system call; nobody in this process owns any of them.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
}

/// Waits for the next request; `None` where there will be none.
fn receive(socket: &OwnedFd, request: &mut [u8]) -> io::Result<Option<(usize, Vec<OwnedFd>)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(PIPES))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = retry_on_intr(|| {
        recvmsg(socket, &mut [IoSliceMut::new(request)], &mut control, RecvFlags::CMSG_CLOEXEC)
    })?;
    if received.bytes == 0 {
        return Ok(None);
    }
    let mut pipes = Vec::with_capacity(PIPES);
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            pipes.extend(descriptors);
        }
    }
    let whole = !received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC);
    match whole && pipes.len() == PIPES {
        true => Ok(Some((received.bytes, pipes))),
        false => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Makes a child of this process's *parent* that is a copy of this one; `true` in the copy.
///
/// (`clone` and not `clone3`, which the default profile of containers forbids. That the C library does not
/// see it means that its id of the first thread is that of the server, which nothing asks for: signals to
/// oneself go by the kernel's.)
///
/// # Safety
///
/// There is no other thread.
unsafe fn fork() -> io::Result<bool> {
    let flags = libc::c_long::from(libc::CLONE_PARENT | libc::SIGCHLD);
    // SAFETY: without a stack and shared memory it is a fork.
    match unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) } {
        -1 => Err(io::Error::last_os_error()),
        id => Ok(id == 0),
    }
}

fn become_reader(pipes: Vec<OwnedFd>) -> io::Result<()> {
    bind_to_parent()?;
    let mut pipes = pipes.iter();
    if let (Some(answer), Some(words)) = (pipes.next(), pipes.next()) {
        dup2_stdout(answer)?;
        dup2_stderr(words)?;
    }
    Ok(())
}

fn say(socket: &OwnedFd, outcome: &io::Result<i32>) -> io::Result<()> {
    retry_on_intr(|| send(socket, &reply(outcome), SendFlags::NOSIGNAL))?;
    Ok(())
}
