//! `ragstream bench search`: the way of a question through model and index, without the network.
//!
//! The index holds made-up chunks whose vectors lie in clusters; questions are embedded by
//! the model, and searched with a vector of one of these clusters in the place of theirs, which
//! are near to nothing there. All phases are of one run: compare them with each other.

use super::{
    corpus::{Corpus, Numbers},
    stats::Spread,
};
use crate::{addresses::Addresses, connect};
use anyhow::{Context, Result, ensure};
use clap::Args;
use ragstream_core::{
    chunk::Chunk,
    document::DocumentRef,
    event::{ChunkEmbedded, IndexEvent, VersionCommitted},
    id::{ChunkId, DocumentId, JobId, Version},
    ports::Embedder,
};
use ragstream_embedder::FastEmbedder;
use ragstream_embedding::{EmbeddingConfig, yield_to_others};
use ragstream_index::{Filter, Index, IndexConfig, Legs, Positioned, SearchHits, SearchRequest, VectorPath};
use ragstream_query::QueryConfig;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// Chunks of a document.
const CHUNKS: usize = 5;
/// Events applied together, as a query node does.
const BATCH: usize = 512;
/// Values of the metadata `part`, by which filters select.
const PARTS: usize = 1_000;
/// Of these parts, so many pass the filter in each round.
const SELECTED: [usize; 8] = [1_000, 500, 200, 100, 50, 20, 10, 1];
/// Clusters of vectors.
const CLUSTERS: usize = 1_000;
/// How far vectors stray from the middle of their cluster.
const SPREAD: f32 = 0.7;
/// Directions in which they do: as few as vectors of sentences really have (some twenty to
/// thirty). In all directions alike everything is equally far from everything, and no
/// graph finds a way.
const DIRECTIONS: usize = 24;
/// Hits of a search.
const TOP_K: usize = 10;
/// Rows of the index in which every row is compared.
const SCANNED: usize = 10_000;
/// Questions before any is measured.
const WARM_UP: usize = 20;
/// Chunks that the pipeline embeds and applies together while questions are asked.
const MICRO_BATCH: usize = 32;
/// Questions whose hits are compared with the nearest of all.
const COMPARED: usize = 100;
/// Longest wait for the graph of the vectors.
const PATIENCE: Duration = Duration::from_secs(3_600);

#[derive(Args)]
pub(crate) struct SearchArgs {
    /// Chunks that the index holds.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    chunks: usize,
    /// Questions of each phase.
    #[arg(long, value_name = "N", default_value_t = 500)]
    queries: usize,
    /// Everything is made from this number.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    addresses: Addresses,
}

pub(crate) async fn run(args: SearchArgs) -> Result<()> {
    ensure!(args.chunks >= CHUNKS && args.queries > 0, "give at least {CHUNKS} chunks and one query");
    let query: QueryConfig = ragstream_runtime::config::load("query")?;
    let embedding: EmbeddingConfig = ragstream_runtime::config::load("embedding")?;
    let embedder = connect::embedder(&args.addresses, query.sessions).await?;
    let pool = connect::embedders(&args.addresses, embedding.sessions).await?;
    let report = tokio::task::spawn_blocking(move || measure(&args, embedder, pool, embedding.nice))
        .await
        .context("the measurement panicked")??;
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}

fn measure(
    args: &SearchArgs,
    embedder: Arc<FastEmbedder>,
    pool: Vec<Arc<FastEmbedder>>,
    nice: i32,
) -> Result<Value> {
    let dimension = embedder.model().dimension;
    let space = Space::new(args.seed, dimension);
    let corpus = Corpus::new(args.seed);
    let config = || IndexConfig { dimension, ..IndexConfig::default() };
    eprintln!("filling the index with {} chunks", args.chunks);
    let index = Index::new(config())?;
    let log = Log::default();
    fill(&index, &log, &space, args.chunks, |i| corpus.note(i))?;
    let small = Index::new(IndexConfig { exact_below: u32::MAX as usize, ..config() })?;
    fill(&small, &Log::default(), &space, SCANNED.min(args.chunks), |_| String::new())?;
    ensure!(index.settle(PATIENCE), "the graph of the vectors was not built in {PATIENCE:?}");

    let asked = AtomicUsize::new(0);
    let ask = || -> Result<(Duration, Duration, SearchHits)> {
        let i = asked.fetch_add(1, Ordering::Relaxed);
        let text = corpus.question(i);
        let begun = Instant::now();
        embedder.embed_question(&text)?;
        let embedded = begun.elapsed();
        let hits = index.search(&SearchRequest {
            text,
            vector: Some(space.question(i)),
            top_k: TOP_K,
            ..SearchRequest::default()
        })?;
        Ok((begun.elapsed(), embedded, hits))
    };
    for _ in 0..WARM_UP {
        ask()?;
    }
    eprintln!("questions, one at a time");
    let begun = Instant::now();
    let answers: Vec<_> = (0..args.queries).map(|_| ask()).collect::<Result<_>>()?;
    let alone = args.queries as f64 / begun.elapsed().as_secs_f64();
    let idle = Spread::of(&answers.iter().map(|(took, ..)| *took).collect::<Vec<_>>());
    let median = |of: fn(&(Duration, Duration, SearchHits)) -> Duration| {
        Spread::of(&answers.iter().map(of).collect::<Vec<_>>()).p50
    };

    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    eprintln!("questions, {cores} at once");
    let begun = Instant::now();
    let at_once: Vec<Duration> = together(cores, args.queries, &ask)?;
    let several = at_once.len() as f64 / begun.elapsed().as_secs_f64();

    eprintln!("questions while documents come");
    let (burst, arrived) = while_documents_come(&index, &log, &corpus, &pool, nice, || {
        (0..args.queries).map(|_| ask().map(|(took, ..)| took)).collect::<Result<Vec<_>>>()
    })?;
    let burst = Spread::of(&burst);

    eprintln!("filters");
    let vectors: Vec<Vec<f32>> = (0..args.chunks).map(|i| space.chunk(i)).collect();
    let filters: Vec<Value> = SELECTED
        .into_iter()
        .map(|selected| filtered(&index, &space, &vectors, args.queries, selected))
        .collect::<Result<_>>()?;
    let graph = vector_time(&index, &space, args.queries, VectorPath::Graph)?;
    let scan = vector_time(&small, &space, args.queries, VectorPath::Exact)?;
    let rows = small.stats().visible as f64;
    Ok(json!({
        "version": env!("CARGO_PKG_VERSION"), "chunks": args.chunks, "cores": cores,
        "idle": idle,
        "steps": {
            "embed": median(|(_, embedded, _)| *embedded),
            "vector": median(|(.., hits)| hits.timings.vector),
            "keyword": median(|(.., hits)| hits.timings.keyword),
            "fusion": median(|(.., hits)| hits.timings.fusion),
        },
        "per_second": {"one": alone, "all_cores": several, "ratio": several / alone, "spread": Spread::of(&at_once)},
        "while_documents_come": {"chunks": arrived, "spread": burst, "p99_ratio": burst.p99 / idle.p99},
        "filtered": filters,
        "crossover": {"graph_ms": graph, "scan_ms": scan, "scanned": rows, "rows": graph.zip(scan).map(|(g, s)| g / s * rows)},
    }))
}

/// `count` questions from so many threads.
fn together(
    threads: usize,
    count: usize,
    ask: &(impl Fn() -> Result<(Duration, Duration, SearchHits)> + Sync),
) -> Result<Vec<Duration>> {
    let share = || (0..count.div_ceil(threads)).map(|_| ask().map(|(took, ..)| took)).collect();
    let shares: Vec<Result<Vec<Duration>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(share)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a search panicked"))))
            .collect()
    });
    Ok(shares.into_iter().collect::<Result<Vec<_>>>()?.concat())
}

/// What `measured` gives while the pool embeds documents without a pause and the index applies
/// them; and how many chunks that were.
fn while_documents_come<T>(
    index: &Index,
    log: &Log,
    corpus: &Corpus,
    pool: &[Arc<FastEmbedder>],
    nice: i32,
    measured: impl FnOnce() -> Result<T>,
) -> Result<(T, usize)> {
    let over = AtomicBool::new(false);
    let arrived = AtomicUsize::new(0);
    let work = |embedder: &FastEmbedder| -> Result<()> {
        yield_to_others(nice);
        while !over.load(Ordering::Relaxed) {
            let first = arrived.fetch_add(MICRO_BATCH, Ordering::Relaxed);
            let texts: Vec<String> = (first..first + MICRO_BATCH).map(|i| corpus.note(i)).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let vectors = embedder.embed(&texts)?;
            let mut events = Vec::new();
            for (text, vector) in texts.iter().zip(vectors) {
                // Of a part that no filter selects.
                let cut = [((*text).to_owned(), vector?)];
                events.extend(document(DocumentId::generate(), PARTS, &cut));
            }
            log.apply(index, events)?;
        }
        Ok(())
    };
    let (measured, worked) = std::thread::scope(|scope| {
        let threads: Vec<_> = pool.iter().map(|embedder| scope.spawn(|| work(embedder))).collect();
        let measured = measured();
        over.store(true, Ordering::Relaxed);
        let gone = || Err(anyhow::anyhow!("the pipeline panicked"));
        let worked: Result<()> =
            threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| gone()));
        (measured, worked)
    });
    worked?;
    Ok((measured?, arrived.into_inner()))
}

/// How many of the nearest a search finds among what a filter leaves, and how fast.
fn filtered(
    index: &Index,
    space: &Space,
    vectors: &[Vec<f32>],
    queries: usize,
    selected: usize,
) -> Result<Value> {
    let condition = json!({"part": {"lt": selected}});
    let condition = condition.as_object().cloned().unwrap_or_default();
    let filter = Filter::parse(Vec::new(), &condition)?;
    let passes = |i: &usize| part(i / CHUNKS) < selected;
    let (mut found, mut wanted) = (0, 0);
    let mut times = Vec::new();
    let mut paths = BTreeMap::new();
    for n in 0..queries.min(COMPARED) {
        let question = space.question(n);
        let cosine = |i: usize| -> f32 { vectors[i].iter().zip(&question).map(|(a, b)| a * b).sum() };
        let mut all: Vec<f32> = (0..vectors.len()).filter(passes).map(cosine).collect();
        all.sort_unstable_by(|a, b| b.total_cmp(a));
        let Some(last) = all.get(..TOP_K.min(all.len())).and_then(<[f32]>::last) else { continue };
        let hits = index.search(&vectors_alone(question.clone(), filter.clone()))?;
        // Sums in another order differ in the last digits.
        found += hits.hits.iter().filter(|hit| cosine_of(hit) >= last - 1e-4).count();
        wanted += TOP_K.min(all.len());
        times.push(hits.timings.vector);
        *paths.entry(format!("{:?}", hits.vector_path)).or_insert(0) += 1;
    }
    let share = selected as f64 / PARTS as f64;
    Ok(json!({
        "share": share, "recall@10": found as f64 / f64::from(wanted.max(1) as u32), "paths": paths,
        "vector_ms": Spread::of(&times).p50,
    }))
}

fn cosine_of(hit: &ragstream_index::Hit) -> f32 {
    hit.vector.map_or(f32::MIN, |leg| leg.score)
}

/// Median of the vector leg without a filter, in milliseconds; `None` where it went another way.
fn vector_time(index: &Index, space: &Space, count: usize, path: VectorPath) -> Result<Option<f64>> {
    let mut times = Vec::new();
    for i in 0..count {
        let hits = index.search(&vectors_alone(space.question(i), Filter::default()))?;
        if hits.vector_path == Some(path) {
            times.push(hits.timings.vector);
        }
    }
    Ok((!times.is_empty()).then(|| Spread::of(&times).p50))
}

fn vectors_alone(vector: Vec<f32>, filter: Filter) -> SearchRequest {
    SearchRequest {
        vector: Some(vector),
        top_k: TOP_K,
        filter,
        mode: Legs::Vector,
        ..SearchRequest::default()
    }
}

fn fill(
    index: &Index,
    log: &Log,
    space: &Space,
    chunks: usize,
    text: impl Fn(usize) -> String,
) -> Result<()> {
    let mut events = Vec::new();
    for first in (0..chunks).step_by(CHUNKS) {
        let of = first..(first + CHUNKS).min(chunks);
        let cut: Vec<(String, Vec<f32>)> = of.map(|i| (text(i), space.chunk(i))).collect();
        let number = first / CHUNKS;
        events.extend(document(DocumentId(uuid::Uuid::from_u128(number as u128 + 1)), part(number), &cut));
        if events.len() >= BATCH || first + CHUNKS >= chunks {
            log.apply(index, std::mem::take(&mut events))?;
        }
    }
    Ok(())
}

/// The part that a document belongs to, in no order.
fn part(document: usize) -> usize {
    Numbers(document as u64).below(PARTS)
}

/// The events of a document of these texts and vectors.
fn document(id: DocumentId, part: usize, cut: &[(String, Vec<f32>)]) -> Vec<IndexEvent> {
    let (version, job_id) = (Version(1), JobId(uuid::Uuid::from_u128(1)));
    let metadata = json!({"part": part}).as_object().cloned().unwrap_or_default();
    let document = DocumentRef {
        document_id: id,
        version,
        job_id,
        collection: "bench".into(),
        external_id: None,
        filename: "note.txt".into(),
        content_type: "text/plain".into(),
        metadata,
    };
    let mut events = Vec::with_capacity(cut.len() + 1);
    for (position, (text, vector)) in (0..).zip(cut) {
        let chunk = Chunk {
            id: ChunkId::derive(id, version, "bench", position),
            position,
            text: text.clone(),
            span: 0..text.len() as u64,
            page: None,
            headings: Vec::new(),
            tokens: 0,
        };
        let (document, vector) = (document.clone(), vector.clone());
        events.push(IndexEvent::Chunk(Box::new(ChunkEmbedded {
            document,
            chunk,
            model: "bench".into(),
            vector,
        })));
    }
    let marker = VersionCommitted { document_id: id, version, job_id, chunk_count: cut.len() as u32 };
    events.push(IndexEvent::Commit(marker));
    events
}

/// The offsets of the only partition.
#[derive(Default)]
struct Log(std::sync::Mutex<i64>);

impl Log {
    fn apply(&self, index: &Index, events: Vec<IndexEvent>) -> Result<()> {
        let mut next = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let positioned: Vec<Positioned> =
            (*next..).zip(events).map(|(offset, event)| Positioned { partition: 0, offset, event }).collect();
        *next += positioned.len() as i64;
        let applied = index.apply(positioned)?;
        ensure!(applied.rejected.is_empty(), "the index refused {:?}", applied.rejected[0].reason);
        Ok(())
    }
}

/// Vectors in clusters.
struct Space {
    seed: u64,
    middles: Vec<Vec<f32>>,
    directions: Vec<Vec<f32>>,
}

impl Space {
    fn new(seed: u64, dimension: usize) -> Self {
        let mut numbers = Numbers(seed);
        let mut direction = || unit((0..dimension).map(|_| numbers.even()).collect());
        let directions: Vec<Vec<f32>> = (0..DIRECTIONS).map(|_| direction()).collect();
        let middles = (0..CLUSTERS).map(|_| mix(&directions, &mut numbers)).collect();
        Self { seed, middles, directions }
    }

    fn chunk(&self, i: usize) -> Vec<f32> {
        self.near(Numbers(self.seed ^ (1 << 40) ^ i as u64))
    }

    fn question(&self, i: usize) -> Vec<f32> {
        self.near(Numbers(self.seed ^ (1 << 41) ^ i as u64))
    }

    fn near(&self, mut numbers: Numbers) -> Vec<f32> {
        let middle = &self.middles[numbers.below(CLUSTERS)];
        let stray = mix(&self.directions, &mut numbers);
        unit(middle.iter().zip(stray).map(|(x, stray)| x + SPREAD * stray).collect())
    }
}

/// A vector somewhere between these.
fn mix(directions: &[Vec<f32>], numbers: &mut Numbers) -> Vec<f32> {
    let mut sum = vec![0.0; directions.first().map_or(0, Vec::len)];
    for direction in directions {
        let share = numbers.even();
        sum.iter_mut().zip(direction).for_each(|(sum, x)| *sum += share * x);
    }
    unit(sum)
}

fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|x| *x /= length);
    vector
}
