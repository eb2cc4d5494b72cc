//! Logs: one line an event, to standard error or a file, for people or as JSON.

use crate::config::ConfigError;
use std::{fs::File, io::IsTerminal, path::PathBuf, sync::Arc};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// What is logged where nothing else is asked for: our own events, and only
/// the complaints of libraries. Not those of the pool of database connections: it has one
/// for each of them when the server goes away, which whoever uses them tells once.
const DEFAULT_FILTER: &str = "warn,ragstream=info,deadpool=error";

/// How to log.
#[derive(Clone, Debug, Default)]
pub struct LogConfig {
    /// JSON lines instead of text.
    pub json: bool,
    /// Into this file, appended, instead of standard error.
    pub file: Option<PathBuf>,
}

/// Starts logging, once a process. The environment's `RUST_LOG` says what.
pub fn init(config: &LogConfig) -> Result<(), ConfigError> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(spec) if !spec.is_empty() => {
            EnvFilter::try_new(&spec).map_err(|e| ConfigError(format!("RUST_LOG={spec:?}: {e}")))?
        }
        _ => EnvFilter::new(DEFAULT_FILTER),
    };
    let registry = tracing_subscriber::registry().with(filter);
    let (writer, ansi) = match &config.file {
        Some(path) => {
            let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
            let file = folder
                .and_then(|()| File::options().create(true).append(true).open(path))
                .map_err(|e| ConfigError(format!("can't write the log file {}: {e}", path.display())))?;
            (fmt::writer::BoxMakeWriter::new(Arc::new(file)), false)
        }
        None => (fmt::writer::BoxMakeWriter::new(std::io::stderr), std::io::stderr().is_terminal()),
    };
    let started = if config.json {
        registry.with(fmt::layer().json().flatten_event(true).with_writer(writer)).try_init()
    } else {
        registry.with(fmt::layer().with_ansi(ansi).with_writer(writer)).try_init()
    };
    started.map_err(|e| ConfigError(e.to_string()))
}
