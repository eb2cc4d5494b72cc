//! The broker as a program that is kept running.

use super::{Ports, config, probe};
use crate::{
    EmbeddedError, Parts, Result,
    child::{Launch, Program, Signal},
    files, parts,
};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

/// How long Kafka may take to answer: after a crash it reads every segment that
/// was being written.
const READY_WITHIN: Duration = Duration::from_secs(120);

/// Its heap. A single node with this pipeline's topics uses under 100 MB of
/// it; the rest is for bursts. The page cache, not the heap, holds the log.
const HEAP: &str = "-Xmx320m";

/// A broker in its folder.
#[derive(Clone, Debug)]
pub(super) struct Broker {
    dir: PathBuf,
    java: PathBuf,
    class_path: OsString,
    archive: Option<PathBuf>,
    ports: Ports,
}

impl Broker {
    /// Finds what it needs and prepares its folder.
    pub(super) fn prepare(dir: &Path, parts: &Parts) -> Result<Self> {
        check_path(dir)?;
        let jars = parts.kafka_jars()?;
        let broker = Self {
            dir: dir.to_owned(),
            java: parts::java()?,
            class_path: jars.iter().map(|jar| jar.as_os_str()).collect::<Vec<_>>().join(":".as_ref()),
            archive: parts.kafka_archive(),
            ports: Ports::default(),
        };
        files::create_dir(&dir.join(config::LOGS))?;
        files::write(&dir.join(config::LOG4J), config::log4j(dir).as_bytes())?;
        Ok(broker)
    }

    /// The broker on these ports.
    pub(super) fn on(&self, ports: Ports) -> Result<Self> {
        let settings = config::server(&self.dir.join(config::DATA), ports);
        files::write(&self.settings(), settings.as_bytes())?;
        Ok(Self { ports, ..self.clone() })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the command line of every process of this folder contains.
    pub(super) fn marker(&self) -> String {
        self.settings().display().to_string()
    }

    /// Java with one of Kafka's classes.
    pub(super) fn run_class(&self, class: &str) -> Launch {
        let mut log4j = OsString::from("-Dlog4j2.configurationFile=");
        log4j.push(self.dir.join(config::LOG4J));
        // Short-lived and mostly waiting: the first compiler and the simplest
        // collector start fastest and need the least memory. On parent
        // death it is killed: it must not outlive us, and recovers.
        let mut launch = Launch::new(self.java.clone(), Signal::Kill)
            .arg(HEAP)
            .arg("-XX:+UseSerialGC")
            .arg("-XX:TieredStopAtLevel=1")
            .arg("-XX:+ExitOnOutOfMemoryError")
            .arg("-XX:-UsePerfData")
            .arg("-Xlog:disable")
            .arg("-Xlog:all=error:stderr")
            .arg("-Djava.awt.headless=true")
            .arg(log4j);
        if let Some(archive) = &self.archive {
            let mut option = OsString::from("-XX:SharedArchiveFile=");
            option.push(archive);
            launch = launch.arg(option);
        }
        launch.arg("-cp").arg(&self.class_path).arg(class)
    }

    fn settings(&self) -> PathBuf {
        self.dir.join(config::SERVER)
    }
}

/// Kafka splits its data folders at commas, and its log's settings expand `${`.
fn check_path(dir: &Path) -> Result<()> {
    match dir.to_str() {
        Some(text) if !text.contains(',') && !text.contains("${") => Ok(()),
        _ => Err(EmbeddedError::Folder {
            path: dir.to_owned(),
            reason: "Kafka can't work in a folder whose path has a comma, `${` or bytes that are not UTF-8"
                .into(),
        }),
    }
}

impl Program for Broker {
    fn name(&self) -> &'static str {
        "kafka"
    }

    fn launch(&mut self) -> Result<Launch> {
        Ok(self.run_class("kafka.Kafka").arg(self.settings()))
    }

    fn is_ready(&mut self, _pid: u32) -> bool {
        probe::serves(self.ports.broker)
    }

    fn ready_within(&self) -> Duration {
        READY_WITHIN
    }

    fn pid_file(&self) -> PathBuf {
        self.dir.join("kafka.pid")
    }

    fn stop_signals(&self) -> &'static [Signal] {
        &[Signal::Terminate]
    }

    fn log_tail(&self) -> String {
        let log = files::tail(&self.dir.join(config::LOG_FILE));
        let printed = files::tail(&self.pid_file().with_extension("out"));
        [log, printed].iter().filter(|text| !text.is_empty()).cloned().collect::<Vec<_>>().join("\n")
    }
}
