//! One thread per child: starts it, watches it, starts it again when it dies.

use super::{PartReport, PartState, Program, Signal, leftover};
use crate::{EmbeddedError, Result, error::Doing};
use std::{
    fs, io,
    process::{Child, ExitStatus},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How often a child that is not ready yet is asked.
const READY_POLL: Duration = Duration::from_millis(50);

/// How soon the death of a running child is noticed.
const WATCH_POLL: Duration = Duration::from_millis(100);

/// The first wait before a child is started again. It doubles with every death.
const FIRST_BACKOFF: Duration = Duration::from_millis(200);

/// The longest wait: an operator who has repaired something does not want to wait longer.
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// A child that ran this long is well: the next death starts with the first wait again.
const WELL_AFTER: Duration = Duration::from_secs(60);

/// How long each rude signal may take.
const RUDE: Duration = Duration::from_secs(5);

/// The request to stop, with the time a polite end may take.
struct Stop(Duration);

/// A child that is kept running until this is dropped or stopped.
pub(crate) struct Supervised {
    // One request fits: the first is the only one that counts.
    stop: SyncSender<Stop>,
    thread: Option<JoinHandle<()>>,
    report: Arc<Mutex<PartReport>>,
}

impl Supervised {
    /// Starts the program and returns once it answers.
    ///
    /// # Errors
    /// [`EmbeddedError::Start`] where it ends or does not answer in time; nothing runs then.
    pub(crate) fn start(program: impl Program) -> Result<Self> {
        let report = Arc::new(Mutex::new(PartReport {
            name: program.name(),
            state: PartState::Starting,
            pid: None,
            restarts: 0,
            last_exit: None,
        }));
        let (stop, stopped) = mpsc::sync_channel(1);
        let (ready, first) = mpsc::sync_channel(1);
        let name = program.name();
        let keeper = Keeper { program, stop: stopped, report: report.clone() };
        let thread = thread::Builder::new()
            .name(format!("supervise-{name}"))
            .spawn(move || keeper.run(ready))
            .doing(|| format!("starting the supervisor of {name}"))?;
        let supervised = Self { stop, thread: Some(thread), report };
        match first.recv() {
            Ok(Ok(())) => Ok(supervised),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(EmbeddedError::Start {
                part: name,
                reason: "its supervisor ended".into(),
                log: String::new(),
            }),
        }
    }

    /// What it is doing.
    pub(crate) fn report(&self) -> PartReport {
        lock(&self.report).clone()
    }

    /// Ends it politely within the deadline, else rudely, and returns when it has ended.
    pub(crate) fn stop(mut self, deadline: Duration) {
        self.end(deadline);
    }

    fn end(&mut self, deadline: Duration) {
        if let Some(thread) = self.thread.take() {
            // Refused only where the thread has ended or a request waits already.
            let _ = self.stop.try_send(Stop(deadline));
            let _ = thread.join();
        }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}

/// How one life of the child ended.
enum End {
    Stopped,
    Died { reason: String, ran: Duration },
}

struct Keeper<P> {
    program: P,
    stop: Receiver<Stop>,
    report: Arc<Mutex<PartReport>>,
}

impl<P: Program> Keeper<P> {
    fn run(mut self, ready: SyncSender<Result<()>>) {
        let mut ready = Some(ready);
        let mut backoff = FIRST_BACKOFF;
        loop {
            let end = self.live(&mut ready);
            match (end, ready.take()) {
                (Ok(End::Stopped), _) => break,
                // The one who starts it is still waiting: let that one decide.
                (Ok(End::Died { reason, .. }), Some(ready)) => {
                    let log = self.program.log_tail();
                    let _ = ready.send(Err(EmbeddedError::Start { part: self.program.name(), reason, log }));
                    break;
                }
                (Err(error), Some(ready)) => {
                    let _ = ready.send(Err(error));
                    break;
                }
                (Ok(End::Died { reason, ran }), None) => {
                    if ran >= WELL_AFTER {
                        backoff = FIRST_BACKOFF;
                    }
                    let log = self.program.log_tail();
                    tracing::warn!(
                        part = self.program.name(),
                        reason,
                        ?backoff,
                        log,
                        "part died, restarting it"
                    );
                    self.died(reason);
                }
                (Err(error), None) => {
                    tracing::warn!(part = self.program.name(), %error, ?backoff, "part can't be restarted yet");
                    self.died(error.to_string());
                }
            }
            if self.stop_within(backoff).is_some() {
                break;
            }
            backoff = (backoff * 2).min(MAX_BACKOFF);
        }
        let mut report = lock(&self.report);
        report.state = PartState::Stopped;
        report.pid = None;
    }

    /// One life: from its start until it has ended.
    fn live(&mut self, ready: &mut Option<SyncSender<Result<()>>>) -> Result<End> {
        let pid_file = self.program.pid_file();
        let launch = self.program.launch()?;
        let mut child = launch.spawn(&pid_file.with_extension("out"))?;
        let born = Instant::now();
        lock(&self.report).pid = Some(child.id());
        let end = leftover::note(&pid_file, child.id()).and_then(|()| self.watch(&mut child, born, ready));
        if end.is_err() {
            self.terminate(&mut child, Duration::ZERO);
        }
        let _ = fs::remove_file(&pid_file);
        lock(&self.report).pid = None;
        end
    }

    fn watch(
        &mut self,
        child: &mut Child,
        born: Instant,
        ready: &mut Option<SyncSender<Result<()>>>,
    ) -> Result<End> {
        let part = self.program.name();
        let within = self.program.ready_within();
        let mut is_ready = false;
        loop {
            let poll = if is_ready { WATCH_POLL } else { READY_POLL };
            if let Some(Stop(deadline)) = self.stop_within(poll) {
                self.terminate(child, deadline);
                return Ok(End::Stopped);
            }
            if let Some(status) = child.try_wait().doing(|| format!("watching {part}"))? {
                return Ok(End::Died { reason: describe(status), ran: born.elapsed() });
            }
            if is_ready {
                continue;
            }
            if self.program.is_ready(child.id()) {
                is_ready = true;
                lock(&self.report).state = PartState::Running;
                let took_ms = u64::try_from(born.elapsed().as_millis()).unwrap_or(u64::MAX);
                tracing::info!(part, pid = child.id(), took_ms, "part is ready");
                if let Some(ready) = ready.take() {
                    let _ = ready.send(Ok(()));
                }
            } else if born.elapsed() > within {
                self.terminate(child, Duration::ZERO);
                let reason = format!("it did not answer within {} s", within.as_secs());
                return Ok(End::Died { reason, ran: born.elapsed() });
            }
        }
    }

    fn died(&self, reason: String) {
        let mut report = lock(&self.report);
        report.state = PartState::Restarting;
        report.restarts += 1;
        report.last_exit = Some(reason);
    }

    /// The request to stop where one comes within this time; also where nobody can send one any more.
    fn stop_within(&self, time: Duration) -> Option<Stop> {
        match self.stop.recv_timeout(time) {
            Ok(stop) => Some(stop),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Stop(Duration::ZERO)),
        }
    }

    /// Polite within the deadline, then ruder and ruder; returns when it has ended.
    fn terminate(&self, child: &mut Child, deadline: Duration) {
        let part = self.program.name();
        let signals = self.program.stop_signals();
        for (rank, signal) in signals.iter().chain(&[Signal::Kill]).enumerate() {
            let patience = if rank == 0 { deadline } else { RUDE };
            if patience.is_zero() {
                continue;
            }
            if rank > 0 && !deadline.is_zero() {
                tracing::warn!(
                    part,
                    pid = child.id(),
                    signal = signal.name(),
                    "part does not stop, insisting"
                );
            }
            if signal.send(child.id()).is_ok() && ended_within(child, patience).is_ok_and(|ended| ended) {
                return;
            }
        }
        // Only a process in an uninterruptible wait for a disk is still there.
        tracing::error!(part, pid = child.id(), "part can't be ended");
    }
}

fn ended_within(child: &mut Child, time: Duration) -> io::Result<bool> {
    let deadline = Instant::now() + time;
    loop {
        if child.try_wait()?.is_some() {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        thread::sleep(READY_POLL.min(time));
    }
}

fn describe(status: ExitStatus) -> String {
    // `ExitStatus` prints "exit status: 1" or "signal: 9 (SIGKILL)".
    format!("it ended with {status}")
}

fn lock(report: &Mutex<PartReport>) -> MutexGuard<'_, PartReport> {
    // Every update is a single assignment, so a poisoned report is still whole.
    report.lock().unwrap_or_else(PoisonError::into_inner)
}
