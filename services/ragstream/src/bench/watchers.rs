//! `ragstream bench watchers`: what those who watch cost the pipeline, in alternating rounds of one run.

use super::{corpus::Corpus, load, load::Target, node::Node};
use crate::{
    addresses::Addresses,
    client::{Api, events::Told},
};
use anyhow::{Context, Result, ensure};
use clap::Args;
use futures::future::try_join_all;
use std::time::Instant;

#[derive(Args)]
pub(crate) struct WatchersArgs {
    /// Measure this node. Without it a standalone node is started for the run, in a folder of its own.
    #[arg(long, env = "RAGSTREAM_URL", value_name = "URL")]
    url: Option<String>,
    /// Documents of about five chunks each, and jobs, of a round.
    #[arg(long, value_name = "N", default_value_t = 100)]
    documents: usize,
    /// Streams of events that are open at once, shared out over the jobs.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    watchers: usize,
    /// Rounds of each kind.
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// Documents are made from this number: the same number, the same documents.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    addresses: Addresses,
}

pub(crate) async fn run(args: WatchersArgs) -> Result<()> {
    ensure!(args.documents > 0 && args.rounds > 0, "give at least one document and one round");
    let corpus = Corpus::new(args.seed);
    let node = Node::start_or_use(args.url.as_deref()).await?;
    let api = Api::new(node.url())?;
    let collection = format!("bench-{}-{}", args.seed, uuid::Uuid::now_v7().simple());
    let target = Target { api, collection };
    let mut next = 0;
    let mut pages = || {
        next += args.documents;
        (next - args.documents..next).map(|i| corpus.page(i)).collect::<Vec<_>>()
    };
    eprintln!("warming up");
    round(&target, &pages(), 0).await?;
    let (mut alone, mut watched) = (Vec::new(), Vec::new());
    println!("chunks/s   alone   watched by {}", args.watchers);
    for _ in 0..args.rounds {
        alone.push(round(&target, &pages(), 0).await?);
        watched.push(round(&target, &pages(), args.watchers).await?);
        println!("{:16.1} {:9.1}", alone.last().unwrap_or(&0.0), watched.last().unwrap_or(&0.0));
    }
    let (alone, watched) = (median(&mut alone), median(&mut watched));
    println!("median {alone:9.1} {watched:9.1}   {:.1} %", 100.0 * watched / alone);
    node.stop().await;
    Ok(())
}

/// Chunks a second, from the first upload to the last document that is searchable.
async fn round(target: &Target, pages: &[String], watchers: usize) -> Result<f64> {
    let begun = Instant::now();
    let jobs = load::send(target, pages).await?;
    let streams = (0..watchers).map(|n| {
        let (api, path) = (target.api.clone(), format!("/api/v2/jobs/{}/events", jobs[n % jobs.len()]));
        tokio::spawn(async move {
            let mut ends = 0;
            api.follow(&path, |told| {
                ends += usize::from(matches!(told, Told::Event(e) if e.kind == "document.complete"))
            })
            .await?;
            Ok::<_, anyhow::Error>(ends)
        })
    });
    let streams: Vec<_> = streams.collect();
    let chunks = target.complete(&jobs).await?;
    let took = begun.elapsed();
    for ends in try_join_all(streams).await.context("a watcher panicked")? {
        ensure!(ends? == 1, "a watcher was not told the end");
    }
    Ok(chunks as f64 / took.as_secs_f64())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
