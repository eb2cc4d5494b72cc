//! `ragstream rebuild`: every index anew from the log, and a bar until it serves.

use super::{Api, Server};
use anyhow::{Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use ragstream_api::admin::{NodeRebuild, RebuildResponse, RebuildState};
use std::time::Duration;

/// How often the server is asked.
const POLL: Duration = Duration::from_millis(300);

#[derive(Args)]
pub(crate) struct RebuildArgs {
    #[command(flatten)]
    server: Server,
}

/// An error where one failed, or where an old index did not hold what the log says: the exit code is 1.
pub(crate) async fn run(args: RebuildArgs) -> Result<()> {
    let api = Api::new(&args.server.url)?;
    let mut answer = api.begin_rebuild().await?;
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("  {bar:30} {pos}/{len} records  {msg}")?.progress_chars("━╸─"),
    );
    while answer.running {
        show(&bar, &answer);
        tokio::time::sleep(POLL).await;
        answer = api.rebuild().await?;
    }
    show(&bar, &answer);
    bar.finish_and_clear();
    for node in &answer.nodes {
        println!("{}", line(node));
    }
    let failed = answer.nodes.iter().filter(|node| node.state != RebuildState::Done).count();
    let wrong = answer.nodes.iter().filter(|node| node.agrees == Some(false)).count();
    match (failed, wrong) {
        (0, 0) => Ok(()),
        (0, wrong) => {
            bail!("{wrong} of {} indexes did not hold what the log says; now they do", answer.nodes.len())
        }
        (failed, _) => bail!("{failed} of {} indexes could not be rebuilt", answer.nodes.len()),
    }
}

fn show(bar: &ProgressBar, answer: &RebuildResponse) {
    bar.set_length(answer.nodes.iter().map(|node| node.records_total).sum());
    bar.set_position(answer.nodes.iter().map(|node| node.records_done).sum());
    let finished = answer.nodes.iter().filter(|node| !node.state.is_running()).count();
    bar.set_message(format!("{finished} of {} indexes", answer.nodes.len()));
}

fn line(node: &NodeRebuild) -> String {
    let name = if node.node.is_empty() { "index" } else { &node.node };
    match (&node.before, &node.after, &node.error) {
        (_, _, Some(error)) => format!("{name}: {}: {error}", node.state.as_str()),
        (Some(before), Some(after), None) if before == after => {
            format!(
                "{name}: {}: {} chunks as before, checksum {}",
                node.state.as_str(),
                after.chunks,
                after.checksum
            )
        }
        (Some(before), Some(after), None) => format!(
            "{name}: {}: {} chunks, checksum {}; before {} chunks, checksum {}",
            node.state.as_str(),
            after.chunks,
            after.checksum,
            before.chunks,
            before.checksum
        ),
        _ => format!("{name}: {}", node.state.as_str()),
    }
}
