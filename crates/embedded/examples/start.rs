//! Starts the parts of a standalone node in a folder and says how long that took and
//! how much memory they have: `cargo run -p ragstream-embedded --example start -- FOLDER`.

use ragstream_embedded::{
    Kafka, KafkaOptions, PartReport, Parts, Postgres, PostgresOptions, S3Options, S3Server,
};
use std::{
    env, fs,
    path::PathBuf,
    time::{Duration, Instant},
};

const STOP_WITHIN: Duration = Duration::from_secs(30);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(env::args().nth(1).ok_or("usage: start FOLDER")?);
    let parts = Parts::locate()?;

    let (kafka, started) =
        timed(|| Kafka::start_blocking(KafkaOptions { dir: folder.join("kafka"), parts, port: None }))?;
    say(&kafka.report(), started, &kafka.bootstrap());
    let (postgres, started) =
        timed(|| Postgres::start_blocking(PostgresOptions { dir: folder.join("postgres"), port: None }))?;
    say(&postgres.report(), started, "with a password");
    let (s3, started) =
        timed(|| S3Server::start_blocking(S3Options { dir: folder.join("blobs"), port: None }))?;
    say(&s3.report(), started, &s3.endpoint());

    let (_, stopped) = timed(|| {
        kafka.stop_blocking(STOP_WITHIN);
        postgres.stop_blocking(STOP_WITHIN);
        s3.stop_blocking(STOP_WITHIN);
        Ok::<_, ragstream_embedded::EmbeddedError>(())
    })?;
    println!("all stopped in {stopped:.1?}");
    Ok(())
}

fn timed<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<(T, Duration), E> {
    let begun = Instant::now();
    Ok((work()?, begun.elapsed()))
}

fn say(report: &PartReport, took: Duration, whereabouts: &str) {
    let memory = report.pid.and_then(|pid| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")).map(|size| size.trim().to_owned())
    });
    let memory = memory.unwrap_or_else(|| "inside this process".into());
    println!("{} ready after {took:.1?}, {whereabouts}, memory: {memory}", report.name);
}
