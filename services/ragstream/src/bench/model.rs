//! The bare model: the same chunks, cut and embedded by the same parts with the
//! same settings as in the pipeline, and nothing else.

use crate::{addresses::Addresses, connect};
use anyhow::{Context, Result};
use ragstream_chunk::{Chunker, ChunkerConfig};
use ragstream_core::{
    id::{DocumentId, Version},
    ports::Embedder,
    text::DocumentText,
};
use ragstream_embedder::FastEmbedder;
use ragstream_embedding::EmbeddingConfig;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Chunks of one measurement: some ten seconds on two cores.
const SAMPLE: usize = 320;

/// The model and the chunks to measure it on.
pub(crate) struct Bare {
    embedder: Arc<FastEmbedder>,
    batch: usize,
    chunks: Arc<Vec<String>>,
}

impl Bare {
    pub(crate) async fn load(addresses: &Addresses, pages: &[String]) -> Result<Self> {
        let config: EmbeddingConfig = ragstream_runtime::config::load("embedding")?;
        let embedder = connect::embedder(addresses, config.sessions).await?;
        let chunker = Chunker::new(addresses.model_dir()?.join("tokenizer.json"), ChunkerConfig::model())?;
        let mut chunks = Vec::new();
        for page in pages {
            let text = DocumentText { text: page.clone(), ..Default::default() };
            let cut = chunker.chunks(&text, DocumentId::generate(), Version(1))?;
            chunks.extend(cut.into_iter().map(|chunk| chunk.text));
        }
        chunks.truncate(SAMPLE);
        Ok(Self { embedder, batch: config.batch_max, chunks: Arc::new(chunks) })
    }

    /// Chunks a second.
    pub(crate) async fn measure(&self) -> Result<f64> {
        let (embedder, batch, chunks) = (self.embedder.clone(), self.batch, self.chunks.clone());
        let took: Result<Duration> = tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            for batch in chunks.chunks(batch) {
                let texts: Vec<&str> = batch.iter().map(String::as_str).collect();
                for vector in embedder.embed(&texts)? {
                    vector?;
                }
            }
            Ok(begun.elapsed())
        })
        .await
        .context("the model panicked")?;
        Ok(self.chunks.len() as f64 / took?.as_secs_f64())
    }
}
