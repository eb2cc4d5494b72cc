//! Child processes: started, watched, restarted, stopped, and never left behind.

mod launch;
mod leftover;
mod process;
mod supervisor;

pub(crate) use launch::{Account, Launch};
pub(crate) use leftover::{clear_leftover, clear_process, runs};
pub(crate) use process::Signal;
pub(crate) use supervisor::Supervised;

use crate::Result;
use serde::Serialize;
use std::{path::PathBuf, time::Duration};

/// A program that can be kept running.
pub(crate) trait Program: Send + 'static {
    /// Its name in logs and reports.
    fn name(&self) -> &'static str;

    /// How to start it; asked before every start.
    fn launch(&mut self) -> Result<Launch>;

    /// Whether the process `pid` of it answers now. Takes at most about a second.
    fn is_ready(&mut self, pid: u32) -> bool;

    /// How long it may take until it answers.
    fn ready_within(&self) -> Duration;

    /// Where its process id is kept for the next start.
    fn pid_file(&self) -> PathBuf;

    /// The signals that end it, from polite to rude. `SIGKILL` follows by itself.
    fn stop_signals(&self) -> &'static [Signal];

    /// The end of its log.
    fn log_tail(&self) -> String;
}

/// What a part is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PartState {
    /// Started, not answering yet.
    Starting,
    /// It answers.
    Running,
    /// It died and is being started again.
    Restarting,
    /// It was stopped.
    Stopped,
}

/// A line for `/health`.
#[derive(Clone, Debug, Serialize)]
pub struct PartReport {
    /// `kafka`, `postgres`, `s3`.
    pub name: &'static str,
    /// What it is doing.
    pub state: PartState,
    /// Its process id while it runs as a process of its own.
    pub pid: Option<u32>,
    /// How often it died and was started again.
    pub restarts: u32,
    /// How it ended the last time it died.
    pub last_exit: Option<String>,
}

/// Runs what blocks beside the runtime's workers.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Never begun, because the runtime is going away, and this task with it.
            Err(_) => std::future::pending().await,
        },
    }
}
