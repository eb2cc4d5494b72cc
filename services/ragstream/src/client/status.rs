//! `ragstream status`: how far a job is, once or until its end; or what is under way at all.

use super::{Api, Server, events::Told};
use anyhow::Result;
use clap::Args;
use comfy_table::{Table, presets};
use ragstream_api::documents::JobResponse;
use std::{collections::BTreeMap, io::IsTerminal};
use uuid::Uuid;

/// Lines of a watched list; the rest are counted.
const LINES: usize = 30;

#[derive(Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    server: Server,
    /// Go on until the job has ended; without a job, for ever.
    #[arg(long, short)]
    watch: bool,
    /// The job: `job_id` of the answer to an upload. Without one: all that are not over.
    job_id: Option<Uuid>,
}

pub(crate) async fn run(args: StatusArgs) -> Result<()> {
    let api = Api::new(&args.server.url)?;
    match (args.job_id, args.watch) {
        (Some(job_id), false) => print(&api.status(job_id).await?),
        (Some(job_id), true) => {
            let mut shown = String::new();
            api.follow(&format!("/api/v2/jobs/{job_id}/events"), |told| {
                if let Told::Job(job) = told {
                    let line = line(&job);
                    if line != shown {
                        println!("{line}");
                        shown = line;
                    }
                }
            })
            .await?;
            print(&api.status(job_id).await?);
        }
        (None, false) => println!("{}", table(api.active().await?.iter())),
        (None, true) => {
            let mut active: BTreeMap<Uuid, JobResponse> =
                api.active().await?.into_iter().map(|job| (job.job_id, job)).collect();
            show(&active);
            api.follow("/api/v2/events", |told| {
                match told {
                    Told::Job(job) if job.completed_at.is_none() => drop(active.insert(job.job_id, *job)),
                    Told::Job(job) => drop(active.remove(&job.job_id)),
                    Told::Batch(_) | Told::Event(_) => return,
                }
                show(&active);
            })
            .await?;
        }
    }
    Ok(())
}

/// The list as it is now, in place of the one before where it is for a person.
fn show(active: &BTreeMap<Uuid, JobResponse>) {
    if std::io::stdout().is_terminal() {
        // Clears the screen (ECMA-48).
        print!("\x1b[2J\x1b[H");
    }
    println!("{}", table(active.values()));
}

fn table<'a>(jobs: impl Iterator<Item = &'a JobResponse>) -> String {
    let jobs: Vec<_> = jobs.collect();
    if jobs.is_empty() {
        return "nothing is under way".to_owned();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["file", "stage", "%", "chunks", "to go", "job"]);
    for job in jobs.iter().take(LINES) {
        table.add_row([
            job.current_file.clone(),
            job.stage.clone(),
            format!("{:.0}", job.percentage),
            format!("{}/{}", job.chunks.done, job.chunks.total),
            job.eta_seconds.map(|eta| format!("{eta} s")).unwrap_or_default(),
            job.job_id.to_string(),
        ]);
    }
    let more = jobs.len().saturating_sub(LINES);
    if more > 0 { format!("{table}\nand {more} more") } else { table.to_string() }
}

fn line(job: &JobResponse) -> String {
    let eta = job.eta_seconds.map(|eta| format!(", about {eta} s to go")).unwrap_or_default();
    let chunks = format!("{} of {} chunks", job.chunks.done, job.chunks.total);
    format!("{}  {}  {:.0} %  {chunks}{eta}", job.current_file, job.stage, job.percentage)
}

fn print(job: &JobResponse) {
    println!("{}  {}  {:.0} %", job.current_file, job.stage, job.percentage);
    println!("chunks: {} of {}", job.chunks.done, job.chunks.total);
    for (status, count) in job.chunk_status.iter().filter(|(_, count)| **count > 0) {
        println!("  {status}: {count}");
    }
    if let Some(eta) = job.eta_seconds {
        println!("about {eta} s to go");
    }
    if let Some(failure) = &job.failure {
        println!("failed: {} ({})", failure.message, failure.class);
    }
}
