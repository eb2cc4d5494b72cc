//! Ragstream: one binary, a subcommand per role, and the clients.

mod addresses;
mod bench;
mod cli;
mod client;
mod connect;
mod demo;
mod faults;
mod roles;
mod standalone;

use clap::Parser;
use cli::{Cli, Command};
use ragstream_core::fault::Fault;
use ragstream_runtime::{
    config::{ConfigError, EXIT_BAD_CONFIGURATION},
    telemetry,
};
use std::process::ExitCode;

fn main() -> ExitCode {
    let Cli { log, command } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing can be done where even this can't be printed.
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(EXIT_BAD_CONFIGURATION)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    if let Command::ExtractChild { .. } = command {
        return ragstream_extract::child_main();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let result = runtime.block_on(async {
        match command {
            Command::Standalone(args) => {
                telemetry::init(&log.config(standalone::default_log_file(&args)))?;
                standalone::run(args).await
            }
            Command::Gateway(args) => roles::gateway(args, &log).await,
            Command::Ingestion(args) => roles::ingestion(args, &log).await,
            Command::Embedding(args) => roles::embedding(args, &log).await,
            Command::Query(args) => roles::query(args, &log).await,
            Command::Upload(args) => client::upload::run(args).await,
            Command::Ask(args) => client::ask::run(args).await,
            Command::Status(args) => client::status::run(args).await,
            Command::Dlq(args) => client::dlq::run(args).await,
            Command::Verify(args) => client::verify::run(args).await,
            Command::Rebuild(args) => client::rebuild::run(args).await,
            Command::Bench(args) => bench::run(*args).await,
            Command::ExtractChild { .. } => Ok(()),
        }
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("ragstream: {error:#}");
    let refused = error.downcast_ref().is_some_and(|fault: &Fault| fault.class == "kafka_config");
    if refused || error.is::<ConfigError>() {
        ExitCode::from(EXIT_BAD_CONFIGURATION)
    } else {
        ExitCode::FAILURE
    }
}
