//! `ragstream status`: how far a job is.

use super::{Api, Server};
use anyhow::Result;
use clap::Args;

#[derive(Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    server: Server,
    /// The job: `job_id` of the answer to an upload.
    job_id: uuid::Uuid,
}

pub(crate) async fn run(args: StatusArgs) -> Result<()> {
    let job = Api::new(&args.server.url)?.status(args.job_id).await?;
    println!("{}  {}  {:.0} %", job.current_file, job.stage, job.percentage);
    println!("chunks: {} of {}", job.chunks.done, job.chunks.total);
    for (status, count) in job.chunk_status.iter().filter(|(_, count)| **count > 0) {
        println!("  {status}: {count}");
    }
    if let Some(eta) = job.eta_seconds {
        println!("about {eta} s to go");
    }
    if let Some(failure) = job.failure {
        println!("failed: {} ({})", failure.message, failure.class);
    }
    Ok(())
}
