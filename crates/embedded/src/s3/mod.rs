//! An S3 server over a folder, inside this process.

mod folder;
mod serve;

use crate::{FolderLock, PartReport, PartState, Result, child::blocking, error::Doing, files, ports};
use serde::{Deserialize, Serialize};
use serve::Serving;
use std::{
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

/// The bucket that is made.
const BUCKET: &str = "ragstream";

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct S3Options {
    /// Its own folder; created where it does not exist.
    pub dir: PathBuf,
    /// The port to prefer; else the one of the last run, else any.
    pub port: Option<u16>,
}

/// A running server. Dropping it cuts its connections.
pub struct S3Server {
    serving: Serving,
    access: Access,
    _lock: FolderLock,
}

/// How the server is reached; kept for the next run.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Access {
    port: u16,
    access_key: String,
    secret_key: String,
}

impl S3Server {
    /// Starts the server; it answers when this returns.
    ///
    /// # Errors
    /// [`EmbeddedError`](crate::EmbeddedError) says what to do; nothing runs then.
    pub async fn start(options: S3Options) -> Result<Self> {
        blocking(move || Self::start_blocking(options)).await
    }

    /// The same, blocking this thread.
    pub fn start_blocking(options: S3Options) -> Result<Self> {
        let lock = FolderLock::acquire(&options.dir)?;
        let data = lock.dir().join("data");
        files::create_dir(&data.join(BUCKET))?;
        let mut access = Access::of(lock.dir())?;
        let listener = access.listen(lock.dir(), options.port)?;
        let service = folder::service(&data, &access.access_key, &access.secret_key)?;
        let serving = Serving::start(listener, service)?;
        Ok(Self { serving, access, _lock: lock })
    }

    /// Where it listens, such as `http://127.0.0.1:21002`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.access.port)
    }

    /// Half of the credentials.
    pub fn access_key(&self) -> &str {
        &self.access.access_key
    }

    /// The secret half.
    pub fn secret_key(&self) -> &str {
        &self.access.secret_key
    }

    /// The bucket that exists.
    pub fn bucket(&self) -> &str {
        BUCKET
    }

    /// All of it as one URL: `http://ACCESS:SECRET@HOST:PORT/BUCKET`.
    pub fn url(&self) -> String {
        let Access { port, access_key, secret_key } = &self.access;
        format!("http://{access_key}:{secret_key}@127.0.0.1:{port}/{BUCKET}")
    }

    /// A line for `/health`.
    pub fn report(&self) -> PartReport {
        let state = if self.serving.is_running() { PartState::Running } else { PartState::Stopped };
        PartReport { name: "s3", state, pid: None, restarts: 0, last_exit: None }
    }

    /// Takes no more connections and lets open requests end, within the deadline.
    pub async fn stop(self, deadline: Duration) {
        blocking(move || self.stop_blocking(deadline)).await;
    }

    /// The same, blocking this thread.
    pub fn stop_blocking(self, deadline: Duration) {
        self.serving.stop(deadline);
    }
}

impl Access {
    fn of(dir: &Path) -> Result<Self> {
        let known: Option<Self> = files::read_json(&Self::file(dir))?;
        Ok(known.unwrap_or_else(|| Self { port: 0, access_key: BUCKET.into(), secret_key: files::secret() }))
    }

    /// Listens on the port that is wanted, or the last one, or any; keeps it with the credentials.
    fn listen(&mut self, dir: &Path, requested: Option<u16>) -> Result<TcpListener> {
        let last = Some(self.port).filter(|port| *port != 0);
        self.port = ports::choose(requested.or(last), &[])?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port))
            .doing(|| format!("listening on port {}", self.port))?;
        files::write_json(&Self::file(dir), self)?;
        Ok(listener)
    }

    fn file(dir: &Path) -> PathBuf {
        dir.join("access.json")
    }
}
