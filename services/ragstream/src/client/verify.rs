//! `ragstream verify`: do the log, PostgreSQL and every index hold the same chunks?

use super::{Api, Server};
use anyhow::{Result, bail};
use clap::Args;
use ragstream_api::admin::{Difference, SideSummary, VerifyRequest, VerifyResponse};

/// Differences that are printed; `--json` has more.
const PRINTED: usize = 50;

#[derive(Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    server: Server,
    /// How long to wait for documents that are under way, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = VerifyRequest::default().wait_ms)]
    wait_ms: u64,
    /// Print the whole answer as JSON.
    #[arg(long)]
    json: bool,
}

/// An error where they do not: the exit code is 1.
pub(crate) async fn run(args: VerifyArgs) -> Result<()> {
    let request = VerifyRequest { wait_ms: args.wait_ms };
    let answer = Api::new(&args.server.url)?.verify(&request).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&answer)?);
    } else {
        print(&answer);
    }
    if answer.consistent {
        return Ok(());
    }
    match answer.differences_total {
        0 => bail!("not every query node could be compared"),
        n => bail!("{n} differences"),
    }
}

fn print(answer: &VerifyResponse) {
    let mut rows = vec![("log".to_owned(), line(&answer.log)), ("postgres".into(), line(&answer.postgres))];
    for node in &answer.index {
        let held = match (&node.held, &node.error) {
            (Some(held), _) => line(held),
            (None, error) => format!("not compared: {}", error.as_deref().unwrap_or("no answer")),
        };
        rows.push((format!("index {}", node.node), held));
    }
    let width = rows.iter().map(|(side, _)| side.len()).max().unwrap_or_default();
    println!("{:width$}  {:>10}  checksum", "", "chunks");
    for (side, held) in rows {
        println!("{side:width$}  {held}");
    }
    if answer.in_flight.chunks > 0 || answer.in_flight.documents > 0 {
        println!("in flight: {} chunks of {} documents", answer.in_flight.chunks, answer.in_flight.documents);
    }
    if answer.unreadable_records > 0 {
        println!("{} records of the log can't be decoded", answer.unreadable_records);
    }
    for difference in answer.differences.iter().take(PRINTED) {
        print_difference(difference);
    }
    let more = answer.differences_total.saturating_sub(PRINTED as u64);
    if more > 0 {
        println!("\nand {more} more");
    }
    if answer.consistent {
        println!("consistent, in {:.1} s", answer.seconds);
    }
}

fn line(side: &SideSummary) -> String {
    format!("{:>10}  {}", side.chunks, side.checksum)
}

fn print_difference(difference: &Difference) {
    let what = difference.chunk_id.map_or("marker".to_owned(), |id| format!("chunk {id}"));
    println!(
        "\n{}: {what} of document {} version {}",
        difference.kind, difference.document_id, difference.version
    );
    let shown = difference.shown_by.len();
    let nodes = shown + difference.not_shown_by.len();
    println!("  log {}, postgres {}, shown by {shown} of {nodes} nodes", difference.log, difference.postgres);
    println!("  {}", difference.advice);
}
