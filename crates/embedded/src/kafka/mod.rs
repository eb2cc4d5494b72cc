//! Apache Kafka: one node that is broker and controller (KRaft), in a folder.

mod broker;
mod config;
mod probe;
mod storage;

use crate::{
    EmbeddedError, FolderLock, PartReport, Parts, Result,
    child::{self, Program, Signal, Supervised},
    files, ports,
};
use broker::Broker;
use serde::{Deserialize, Serialize};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// How often a start is tried where a port was taken by somebody else between
/// its choice and its use.
const START_TRIES: usize = 3;

/// What a broker is started with.
#[derive(Clone, Debug)]
pub struct KafkaOptions {
    /// Its own folder; created where it does not exist.
    pub dir: PathBuf,
    /// Where its jars are.
    pub parts: Parts,
    /// The port to prefer; else the one of the last run, else any.
    pub port: Option<u16>,
}

/// A running broker. Dropping it kills it, which loses nothing that it has acknowledged;
/// after [`stop`](Self::stop) it starts again faster.
pub struct Kafka {
    supervised: Supervised,
    ports: Ports,
    _lock: FolderLock,
}

impl Kafka {
    /// Starts the broker and returns once it can be used.
    ///
    /// # Errors
    /// [`EmbeddedError`] says what to do; nothing runs then.
    pub async fn start(options: KafkaOptions) -> Result<Self> {
        child::blocking(move || Self::start_blocking(options)).await
    }

    /// The same, blocking this thread.
    pub fn start_blocking(options: KafkaOptions) -> Result<Self> {
        let lock = FolderLock::acquire(&options.dir)?;
        let broker = Broker::prepare(lock.dir(), &options.parts)?;
        child::clear_leftover(&broker.pid_file(), &broker.marker(), Signal::Terminate)?;
        storage::format(&broker)?;
        let mut tries = 1;
        loop {
            let ports = Ports::choose(lock.dir(), options.port)?;
            match Supervised::start(broker.on(ports)?) {
                Ok(supervised) => return Ok(Self { supervised, ports, _lock: lock }),
                Err(EmbeddedError::Start { log, .. })
                    if tries < START_TRIES && log.contains("Address already in use") =>
                {
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// What clients take as `bootstrap.servers`. The same as long as this lives.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.ports.broker)
    }

    /// A line for `/health`.
    pub fn report(&self) -> PartReport {
        self.supervised.report()
    }

    /// Ends it by a controlled shutdown; kills it where that takes longer than the deadline.
    pub async fn stop(self, deadline: Duration) {
        child::blocking(move || self.stop_blocking(deadline)).await;
    }

    /// The same, blocking this thread.
    pub fn stop_blocking(self, deadline: Duration) {
        self.supervised.stop(deadline);
    }
}

/// The ports of one run; kept for the next, so that operators' tools go on working.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Ports {
    broker: u16,
    controller: u16,
}

impl Ports {
    fn choose(dir: &Path, requested: Option<u16>) -> Result<Self> {
        let file = dir.join("ports.json");
        let last: Option<Self> = files::read_json(&file)?;
        let broker = ports::choose(requested.or(last.map(|last| last.broker)), &[])?;
        let controller = ports::choose(last.map(|last| last.controller), &[broker])?;
        let chosen = Self { broker, controller };
        files::write_json(&file, &chosen)?;
        Ok(chosen)
    }
}
