//! The command line.

use crate::{addresses::Addresses, bench, client};
use clap::{Args, Parser, Subcommand, ValueEnum};
use ragstream_runtime::telemetry::LogConfig;
use std::{net::SocketAddr, path::PathBuf};

/// An event-streaming RAG pipeline on Kafka: documents in over HTTP, cited answers out.
#[derive(Parser)]
#[command(name = "ragstream", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Args)]
pub(crate) struct LogArgs {
    /// How log lines look.
    #[arg(long, env = "RAGSTREAM_LOG_FORMAT", value_enum, default_value = "text", global = true)]
    log_format: LogFormat,
    /// Append the log to this file instead of standard error.
    #[arg(long, env = "RAGSTREAM_LOG_FILE", value_name = "FILE", global = true)]
    log_file: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

impl LogArgs {
    pub(crate) fn config(&self, default_file: Option<PathBuf>) -> LogConfig {
        LogConfig {
            json: matches!(self.log_format, LogFormat::Json),
            file: self.log_file.clone().or(default_file),
        }
    }
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Every role in one process, on Kafka, PostgreSQL and S3 of its own.
    Standalone(StandaloneArgs),
    /// Take uploads, answer clients.
    Gateway(RoleArgs),
    /// Extract and chunk documents.
    Ingestion(RoleArgs),
    /// Embed chunks: run as many as you like, they share the work.
    Embedding(RoleArgs),
    /// Keep an index, answer searches and questions.
    Query(RoleArgs),
    /// Upload files or folders.
    Upload(client::upload::UploadArgs),
    /// Ask a question.
    Ask(client::ask::AskArgs),
    /// Show how far a job is.
    Status(client::status::StatusArgs),
    /// List, show and send back what was given up.
    Dlq(client::dlq::DlqArgs),
    /// Do the log, PostgreSQL and every index hold the same chunks?
    Verify(client::verify::VerifyArgs),
    /// Build every index anew from the log, while it serves.
    Rebuild(client::rebuild::RebuildArgs),
    /// Measure a node (throughput, latency, freshness), or extraction alone.
    Bench(Box<bench::BenchArgs>),
    /// Extract one file: what ingestion runs for each document.
    #[command(hide = true, disable_help_flag = true)]
    ExtractChild {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

#[derive(Args)]
pub(crate) struct RoleArgs {
    /// Address to serve on; by default a port of the role's own on loopback
    /// (gateway 8000, query 8010, ingestion 8020, embedding 8030).
    #[arg(long, env = "RAGSTREAM_LISTEN", value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) addresses: Addresses,
}

#[derive(Args)]
pub(crate) struct StandaloneArgs {
    /// Where everything is kept.
    #[arg(long, env = "RAGSTREAM_DATA_DIR", value_name = "DIR", default_value = ".ragstream/data")]
    pub(crate) data_dir: PathBuf,
    /// Address of the API.
    #[arg(long, env = "RAGSTREAM_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:8000")]
    pub(crate) listen: SocketAddr,
    /// Once ready, upload the files of this folder, ask a question about them and go on serving.
    #[arg(long, value_name = "DIR")]
    pub(crate) demo: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) addresses: Addresses,
}
