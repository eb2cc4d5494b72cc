//! `make storm`: runs a storm and says what is left of the promises.

use clap::Parser;
use ragstream_e2e::storm;
use std::{process::ExitCode, time::Duration};

/// Kills and outages under load, then a count of what is lost, stuck or doubled.
#[derive(Parser)]
struct Args {
    /// How long it blows.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// What it does is decided by this.
    #[arg(long)]
    seed: Option<u64>,
    /// Keep the folder with the logs.
    #[arg(long)]
    keep: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Args { minutes, seed, keep } = Args::parse();
    let seed = seed.unwrap_or_else(rand::random);
    let Ok(mut dir) = tempfile::tempdir() else {
        eprintln!("storm: no temporary folder can be made");
        return ExitCode::FAILURE;
    };
    dir.disable_cleanup(keep);
    println!("seed         {seed}\nminutes      {minutes}\nfolder       {}", dir.path().display());
    let report = storm::run(dir.path(), seed, Duration::from_secs_f64(minutes * 60.0)).await;
    println!("{report}");
    if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
