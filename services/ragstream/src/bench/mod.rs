//! `ragstream bench`: how fast a node is, against the bare model in the same run; and
//! `ragstream bench extract`: how fast files are read ([`extract`]); and `ragstream bench watchers`:
//! what watchers cost ([`watchers`]); and `ragstream bench retrieval`: how well judged questions
//! find their documents ([`retrieval`]); and `ragstream bench search`: how fast ([`search`]).
//!
//! Phases of the first, in order: the bare model, the pipeline on the same chunks, the bare
//! model again (so that a drifting machine shows), upload latency while
//! ingestion runs, freshness on an idle node, and queries on a filled index.

mod corpus;
mod extract;
mod load;
mod model;
mod node;
mod queries;
mod report;
mod retrieval;
mod search;
mod stats;
mod watchers;

use crate::{addresses::Addresses, client::Api};
use anyhow::{Result, ensure};
use clap::{Args, Subcommand};
use corpus::Corpus;
use node::Node;
use report::Report;
use std::path::PathBuf;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    part: Option<Part>,
    /// Measure this node. Without it a standalone node is started for the run, in a folder of its own.
    #[arg(long, env = "RAGSTREAM_URL", value_name = "URL")]
    url: Option<String>,
    /// Write everything that was measured to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Documents of about five chunks each, for the throughput of the pipeline.
    #[arg(long, value_name = "N", default_value_t = 400)]
    documents: usize,
    /// Clients that upload at once, for the latency of uploads.
    #[arg(long, value_name = "N", default_value_t = 100)]
    clients: usize,
    /// Uploads of these clients.
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    uploads: usize,
    /// Chunks that the index holds when queries are measured.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    chunks: usize,
    /// Queries of each kind.
    #[arg(long, value_name = "N", default_value_t = 500)]
    queries: usize,
    /// Documents are made from this number: the same number, the same documents.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    addresses: Addresses,
}

/// What is measured instead of all that.
#[derive(Subcommand)]
enum Part {
    /// Measure extraction alone: read the files of a folder as ingestion does, and say how fast.
    Extract(extract::ExtractArgs),
    /// Measure what watchers of live progress cost the pipeline.
    Watchers(Box<watchers::WatchersArgs>),
    /// Measure how well the judged questions of a folder in BEIR's layout find their documents.
    Retrieval(Box<retrieval::RetrievalArgs>),
    /// Measure how fast questions are embedded and searched in a large index, alone, at once and
    /// while documents come, and how many of the nearest a filtered search finds.
    Search(Box<search::SearchArgs>),
}

pub(crate) async fn run(mut args: BenchArgs) -> Result<()> {
    match args.part.take() {
        Some(Part::Extract(args)) => return extract::run(args).await,
        Some(Part::Watchers(args)) => return watchers::run(*args).await,
        Some(Part::Retrieval(args)) => return retrieval::run(*args).await,
        Some(Part::Search(args)) => return search::run(*args).await,
        None => {}
    }
    ensure!(args.documents > 0 && args.clients > 0, "give at least one document and one client");
    let corpus = Corpus::new(args.seed);
    let pages: Vec<String> = (0..args.documents).map(|i| corpus.page(i)).collect();

    eprintln!("bare model");
    let model = model::Bare::load(&args.addresses, &pages).await?;
    let before = model.measure().await?;

    let node = Node::start_or_use(args.url.as_deref()).await?;
    let api = Api::new(node.url())?;
    let collection = format!("bench-{}-{}", args.seed, uuid::Uuid::now_v7().simple());
    let target = load::Target { api, collection };

    eprintln!("pipeline: {} documents", pages.len());
    let pipeline = load::pipeline(&target, &pages).await?;
    let after = model.measure().await?;

    eprintln!("uploads: {} from {} clients while ingestion runs", args.uploads, args.clients);
    let uploads = load::uploads(&target, &corpus, args.uploads, args.clients).await?;

    eprintln!("freshness");
    let freshness = load::freshness(&target, &corpus).await?;

    let held = pipeline.chunks + uploads.taken + freshness.len();
    let missing = args.chunks.saturating_sub(held);
    eprintln!("filling the index: {missing} more chunks");
    load::fill(&target, &corpus, missing).await?;

    eprintln!("queries");
    let queries = queries::measure(&target, &corpus, args.queries).await?;

    let report =
        Report::new(&args, [before, after], &pipeline, &uploads, &freshness, held + missing, &queries);
    report.print();
    if let Some(file) = &args.out {
        report.write(file)?;
    }
    node.stop().await;
    ensure!(uploads.refused == 0, "{} uploads were refused", uploads.refused);
    Ok(())
}
