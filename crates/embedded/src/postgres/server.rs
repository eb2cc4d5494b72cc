//! The server as a program that is kept running.

use super::account;
use crate::{
    Result,
    child::{self, Account, Launch, Program, Signal},
    error::Doing,
    files, parts,
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// How long PostgreSQL may take to answer: after a crash it replays its
/// write-ahead log, at most [`MAX_WAL`] of it.
const READY_WITHIN: Duration = Duration::from_secs(120);

/// Bounds both the disk that the log takes and the time that recovery takes.
const MAX_WAL: &str = "512MB";

/// Line of `postmaster.pid` that says what the server is doing, counted from 0
/// (LOCK_FILE_LINE_PM_STATUS in PostgreSQL's pidfile.h, which counts from 1).
const STATUS_LINE: usize = 7;

/// A server in its folder.
#[derive(Clone, Debug)]
pub(super) struct Server {
    dir: PathBuf,
    bin: PathBuf,
    account: Option<Account>,
    port: u16,
}

impl Server {
    /// Finds what it needs and prepares its folder.
    pub(super) fn prepare(dir: &Path) -> Result<Self> {
        let version = fs::read_to_string(dir.join("data/PG_VERSION")).ok();
        let bin = parts::postgres_bin(version.and_then(|version| version.trim().parse().ok()))?;
        let account = account::for_folder(dir)?;
        let server = Self { dir: dir.to_owned(), bin, account, port: 0 };
        files::create_dir(&server.logs())?;
        account::give(&server.logs(), account)?;
        Ok(server)
    }

    /// The server on this port.
    pub(super) fn on(&self, port: u16) -> Self {
        Self { port, ..self.clone() }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn account(&self) -> Option<Account> {
        self.account
    }

    /// The folder of the database cluster.
    pub(super) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// What the command line of this folder's server contains.
    pub(super) fn marker(&self) -> String {
        format!("-D\0{}\0", self.data().display())
    }

    /// One of PostgreSQL's programs, as the right user.
    pub(super) fn run_program(&self, name: &str) -> Launch {
        // On parent death: a fast shutdown, which needs no recovery afterwards.
        Launch::new(self.bin.join(name), Signal::Interrupt).account(self.account).env("LC_ALL", "C.UTF-8")
    }

    fn logs(&self) -> PathBuf {
        self.dir.join("logs")
    }

    fn lock_file(&self) -> PathBuf {
        self.data().join("postmaster.pid")
    }

    /// Ends a server that works in this very folder, and removes a lock file that
    /// names somebody else's process: PostgreSQL would refuse to start because of it.
    ///
    /// A lock file of a dead process stays: PostgreSQL finds by it the workers that a
    /// killed server may have left, and waits for them to be gone.
    fn clear_lock_file(&self) -> Result<()> {
        let Some(pid) = self.locked_by() else { return Ok(()) };
        // A server works in its data folder, however it was started.
        if fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|folder| folder == self.data()) {
            return child::clear_process(pid, "postgres", Signal::Interrupt);
        }
        if child::runs(pid) {
            fs::remove_file(self.lock_file()).doing(|| format!("removing {}", self.lock_file().display()))?;
        }
        Ok(())
    }

    /// The process that the lock file names.
    fn locked_by(&self) -> Option<u32> {
        fs::read_to_string(self.lock_file()).ok()?.lines().next()?.trim().parse().ok()
    }
}

impl Program for Server {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn launch(&mut self) -> Result<Launch> {
        self.clear_lock_file()?;
        let settings = [
            ("port", self.port.to_string()),
            ("listen_addresses", "127.0.0.1".into()),
            ("unix_socket_directories", String::new()),
            // A single node's rows are few; the page cache does the rest.
            ("shared_buffers", "64MB".into()),
            ("max_connections", "100".into()),
            ("max_wal_size", MAX_WAL.into()),
            // Nobody replicates from this server.
            ("wal_level", "minimal".into()),
            ("max_wal_senders", "0".into()),
            // Plans of short statements gain nothing from compilation.
            ("jit", "off".into()),
            // One file a weekday, begun anew a week later.
            ("logging_collector", "on".into()),
            ("log_directory", self.logs().display().to_string()),
            ("log_filename", "postgres-%a.log".into()),
            ("log_truncate_on_rotation", "on".into()),
            ("log_rotation_age", "1d".into()),
            ("log_rotation_size", "0".into()),
            // Details of an error can hold a row, and so a document's text.
            ("log_error_verbosity", "terse".into()),
        ];
        let mut launch = self.run_program("postgres").arg("-D").arg(self.data());
        for (name, value) in settings {
            launch = launch.arg("-c").arg(format!("{name}={value}"));
        }
        Ok(launch)
    }

    fn is_ready(&mut self, pid: u32) -> bool {
        // What `pg_ctl --wait` looks at, too.
        self.locked_by() == Some(pid)
            && fs::read_to_string(self.lock_file()).is_ok_and(|contents| {
                contents.lines().nth(STATUS_LINE).is_some_and(|line| line.trim() == "ready")
            })
    }

    fn ready_within(&self) -> Duration {
        READY_WITHIN
    }

    fn pid_file(&self) -> PathBuf {
        self.dir.join("postgres.pid")
    }

    fn stop_signals(&self) -> &'static [Signal] {
        // Fast, then immediate shutdown.
        &[Signal::Interrupt, Signal::Quit]
    }

    fn log_tail(&self) -> String {
        let newest = fs::read_dir(self.logs()).ok().and_then(|entries| {
            let changed = |path: &PathBuf| fs::metadata(path).and_then(|metadata| metadata.modified());
            entries
                .flatten()
                .map(|entry| entry.path())
                .max_by_key(|path| changed(path).unwrap_or(SystemTime::UNIX_EPOCH))
        });
        let log = newest.map(|path| files::tail(&path)).unwrap_or_default();
        let printed = files::tail(&self.pid_file().with_extension("out"));
        [log, printed].iter().filter(|text| !text.is_empty()).cloned().collect::<Vec<_>>().join("\n")
    }
}
