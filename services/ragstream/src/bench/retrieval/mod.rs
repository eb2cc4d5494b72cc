//! `ragstream bench retrieval`: how well judged questions find their documents.
//!
//! A folder in the layout of BEIR is cut by the product's chunker, embedded by its model
//! and indexed, all in this process; a document ranks by its best chunk. Its title
//! stands above its text, and is the heading of all of its chunks.

mod cache;
mod data;
mod measures;

use crate::{addresses::Addresses, connect};
use anyhow::{Context, Result, ensure};
use cache::Cache;
use clap::Args;
use comfy_table::{Table, presets};
use data::Data;
use indicatif::ProgressBar;
use measures::Measures;
use ragstream_chunk::{Chunker, ChunkerConfig};
use ragstream_core::{
    chunk::Chunk,
    document::DocumentRef,
    event::{ChunkEmbedded, IndexEvent, VersionCommitted},
    id::{DocumentId, JobId, Version},
    ports::Embedder,
    text::DocumentText,
};
use ragstream_embedder::FastEmbedder;
use ragstream_embedding::{EmbeddingConfig, with_headings};
use ragstream_index::{Index, IndexConfig, Legs, PerDocument, Positioned, SearchRequest};
use serde_json::json;
use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

/// Documents that a question may bring: as far down as recall looks.
const TOP_K: usize = 100;
/// Longest wait for the graph of the vectors.
const PATIENCE: Duration = Duration::from_secs(3_600);

#[derive(Args)]
pub(crate) struct RetrievalArgs {
    /// Folder with corpus.jsonl (`_id`, `title`, `text`), queries.jsonl (`_id`, `text`), and
    /// qrels/test.tsv or qrels.tsv (query, document and score under a header).
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Keep embeddings in this file, and take from it those that it has.
    #[arg(long, value_name = "FILE")]
    cache: Option<PathBuf>,
    /// Leave the document of the question's own id out, where questions are documents too (ArguAna).
    #[arg(long)]
    skip_self: bool,
    /// Print what was measured as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    addresses: Addresses,
}

pub(crate) async fn run(args: RetrievalArgs) -> Result<()> {
    let data = Data::read(&args.dir)?;
    let config: EmbeddingConfig = ragstream_runtime::config::load("embedding")?;
    let embedder = connect::embedder(&args.addresses, config.sessions).await?;
    let chunker = Chunker::new(args.addresses.model_dir()?.join("tokenizer.json"), ChunkerConfig::model())?;
    tokio::task::spawn_blocking(move || measure(&args, &data, embedder, &chunker, config.batch_max))
        .await
        .context("the measurement panicked")?
}

fn measure(
    args: &RetrievalArgs,
    data: &Data,
    embedder: Arc<FastEmbedder>,
    chunker: &Chunker,
    batch: usize,
) -> Result<()> {
    let mut chunks: Vec<Vec<Chunk>> = Vec::new();
    for (number, document) in data.documents.iter().enumerate() {
        let [title, text] = [document.title.as_str(), document.text.as_str()].map(str::trim);
        let text = [title, text].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n");
        let text = DocumentText { text, ..Default::default() };
        let mut cut = chunker.chunks(&text, document_id(number), Version(1))?;
        if !title.is_empty() {
            cut.iter_mut().for_each(|chunk| chunk.headings = vec![title.to_owned()]);
        }
        chunks.push(cut);
    }
    let mut cache = Cache::open(args.cache.as_deref(), &embedder.model().name)?;
    let texts: Vec<String> = chunks.iter().flatten().map(|chunk| embedded_text(chunk, &embedder)).collect();
    embed(&texts, &embedder, batch, &mut cache)?;
    for question in &data.questions {
        if cache.get(&question.text).is_none() {
            cache.put(&question.text, embedder.embed_question(&question.text)?)?;
        }
    }
    cache.flush()?;

    let index = Index::new(IndexConfig { dimension: embedder.model().dimension, ..Default::default() })?;
    let mut events = Vec::new();
    let mut texts = texts.into_iter();
    for (number, cut) in chunks.into_iter().enumerate() {
        let document = reference(number);
        let (document_id, chunk_count) = (document.document_id, cut.len() as u32);
        for chunk in cut {
            let text = texts.next().context("every chunk has its text")?;
            let vector = cache.get(&text).context("every chunk was embedded")?.to_vec();
            let model = embedder.model().name.clone();
            let event = ChunkEmbedded { document: document.clone(), chunk, model, vector };
            events.push(IndexEvent::Chunk(Box::new(event)));
        }
        let (version, job_id) = (Version(1), document.job_id);
        events.push(IndexEvent::Commit(VersionCommitted { document_id, version, job_id, chunk_count }));
    }
    let positioned = (0..).zip(events).map(|(offset, event)| Positioned { partition: 0, offset, event });
    let applied = index.apply(positioned.collect())?;
    ensure!(applied.rejected.is_empty(), "the index refused {:?}", applied.rejected[0].reason);
    ensure!(index.settle(PATIENCE), "the graph of the vectors was not built in {PATIENCE:?}");

    let mut legs = Vec::new();
    for (name, mode) in [("vector", Legs::Vector), ("keyword", Legs::Keyword), ("hybrid", Legs::Hybrid)] {
        legs.push((name, leg(args, data, &index, &cache, mode)?));
    }
    report(args, data, &index, &legs)
}

/// The mean over all judged questions.
fn leg(args: &RetrievalArgs, data: &Data, index: &Index, cache: &Cache, mode: Legs) -> Result<Measures> {
    let numbers: HashMap<DocumentId, usize> =
        (0..data.documents.len()).map(|number| (document_id(number), number)).collect();
    let mut all = Vec::new();
    for question in &data.questions {
        let vector = cache.get(&question.text).context("every question was embedded")?.to_vec();
        let request = SearchRequest {
            text: question.text.clone(),
            vector: Some(vector),
            // One more, for the one that is left out.
            top_k: TOP_K + usize::from(args.skip_self),
            mode,
            per_document: PerDocument::Best,
            ..Default::default()
        };
        let hits = index.search(&request)?.hits;
        let found = hits.iter().filter_map(|hit| numbers.get(&hit.record.document.document_id));
        let ranked: Vec<&str> = found
            .map(|number| data.documents[*number].id.as_str())
            .filter(|id| !(args.skip_self && *id == question.id))
            .collect();
        all.push(Measures::of(&ranked, &question.judged));
    }
    Ok(Measures::mean(&all))
}

/// What the product embeds of a chunk.
fn embedded_text(chunk: &Chunk, embedder: &FastEmbedder) -> String {
    let text = with_headings(chunk, embedder.model().max_tokens);
    text.filter(|text| embedder.tokens(text).is_ok()).unwrap_or_else(|| chunk.text.clone())
}

fn embed(texts: &[String], embedder: &FastEmbedder, batch: usize, cache: &mut Cache) -> Result<()> {
    let mut missing: Vec<&str> =
        texts.iter().map(String::as_str).filter(|text| cache.get(text).is_none()).collect();
    // Texts of one length together: the model pads a batch to its longest.
    missing.sort_unstable_by_key(|text| (text.len(), *text));
    missing.dedup();
    let bar = ProgressBar::new(missing.len() as u64);
    for texts in missing.chunks(batch) {
        for (text, vector) in texts.iter().zip(embedder.embed(texts)?) {
            let about = || format!("can't embed {:?}", text.chars().take(60).collect::<String>());
            cache.put(text, vector.with_context(about)?)?;
        }
        bar.inc(texts.len() as u64);
    }
    bar.finish_and_clear();
    cache.flush()
}

fn document_id(number: usize) -> DocumentId {
    DocumentId(uuid::Uuid::from_u128(number as u128 + 1))
}

fn reference(number: usize) -> DocumentRef {
    DocumentRef {
        document_id: document_id(number),
        version: Version(1),
        job_id: JobId(uuid::Uuid::from_u128(1)),
        collection: "bench".into(),
        external_id: None,
        filename: String::new(),
        content_type: "text/plain".into(),
        metadata: Default::default(),
    }
}

fn report(args: &RetrievalArgs, data: &Data, index: &Index, legs: &[(&str, Measures)]) -> Result<()> {
    let (documents, chunks, questions) = (data.documents.len(), index.stats().visible, data.questions.len());
    if args.json {
        let legs: serde_json::Map<_, _> =
            legs.iter().map(|(name, measures)| ((*name).to_owned(), json!(measures))).collect();
        let report = json!({
            "version": env!("CARGO_PKG_VERSION"), "dir": args.dir, "documents": documents,
            "chunks": chunks, "questions": questions, "legs": legs,
        });
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["leg", "nDCG@10", "recall@10", "recall@100", "MRR@10"]);
    for (name, m) in legs {
        let figures = [m.ndcg_10, m.recall_10, m.recall_100, m.mrr_10].map(|figure| format!("{figure:.4}"));
        table.add_row(std::iter::once((*name).to_owned()).chain(figures));
    }
    println!("{documents} documents, {chunks} chunks, {questions} judged questions\n{table}");
    Ok(())
}
