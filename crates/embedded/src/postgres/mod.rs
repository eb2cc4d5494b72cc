//! PostgreSQL: one server in a folder, on loopback, with a password of its own.

mod account;
mod cluster;
mod server;

use crate::{
    EmbeddedError, FolderLock, PartReport, Result,
    child::{self, Program, Signal, Supervised},
    files, ports,
};
use serde::{Deserialize, Serialize};
use server::Server;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// How often a start is tried where a port was taken by somebody else between
/// its choice and its use.
const START_TRIES: usize = 3;

/// The role and the database that are made; the role owns everything.
const NAME: &str = "ragstream";

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// Its own folder; created where it does not exist.
    pub dir: PathBuf,
    /// The port to prefer; else the one of the last run, else any.
    pub port: Option<u16>,
}

/// A running server. Dropping it ends it at once; it recovers at the next start.
pub struct Postgres {
    supervised: Supervised,
    access: Access,
    _lock: FolderLock,
}

/// How the server is reached; kept for the next run.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Access {
    port: u16,
    password: String,
}

impl Postgres {
    /// Starts the server and returns once it takes connections.
    ///
    /// # Errors
    /// [`EmbeddedError`] says what to do; nothing runs then.
    pub async fn start(options: PostgresOptions) -> Result<Self> {
        child::blocking(move || Self::start_blocking(options)).await
    }

    /// The same, blocking this thread.
    pub fn start_blocking(options: PostgresOptions) -> Result<Self> {
        let lock = FolderLock::acquire(&options.dir)?;
        let mut access = Access::of(lock.dir())?;
        let server = Server::prepare(lock.dir())?;
        child::clear_leftover(&server.pid_file(), &server.marker(), Signal::Interrupt)?;
        cluster::create(&server, &access.password)?;
        let mut tries = 1;
        loop {
            access.choose_port(lock.dir(), options.port)?;
            match Supervised::start(server.on(access.port)) {
                Ok(supervised) => return Ok(Self { supervised, access, _lock: lock }),
                Err(EmbeddedError::Start { log, .. })
                    if tries < START_TRIES && log.contains("Address already in use") =>
                {
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Where the database `ragstream` is reached, with the password. The same as long as this lives.
    pub fn url(&self) -> String {
        let Access { port, password } = &self.access;
        format!("postgres://{NAME}:{password}@127.0.0.1:{port}/{NAME}")
    }

    /// A line for `/health`.
    pub fn report(&self) -> PartReport {
        self.supervised.report()
    }

    /// Ends it by a fast shutdown (clients are disconnected, nothing is lost), at
    /// once where that takes longer than the deadline.
    pub async fn stop(self, deadline: Duration) {
        child::blocking(move || self.stop_blocking(deadline)).await;
    }

    /// The same, blocking this thread.
    pub fn stop_blocking(self, deadline: Duration) {
        self.supervised.stop(deadline);
    }
}

impl Access {
    fn of(dir: &Path) -> Result<Self> {
        if let Some(known) = files::read_json(&Self::file(dir))? {
            return Ok(known);
        }
        // Kept before the cluster is made with it.
        let new = Self { port: 0, password: files::secret() };
        files::write_json(&Self::file(dir), &new)?;
        Ok(new)
    }

    /// Chooses a port and keeps it, with the password.
    fn choose_port(&mut self, dir: &Path, requested: Option<u16>) -> Result<()> {
        let last = Some(self.port).filter(|port| *port != 0);
        self.port = ports::choose(requested.or(last), &[])?;
        files::write_json(&Self::file(dir), self)
    }

    fn file(dir: &Path) -> PathBuf {
        dir.join("access.json")
    }
}
