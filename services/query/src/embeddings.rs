//! Texts to vectors for others, in turns with those who search.

use crate::ask::gate::Gate;
use ragstream_api::{
    embeddings::{EmbedRequest, EmbedResponse},
    problem::Problem,
};
use ragstream_core::{
    fault::{Fault, Result},
    ports::Embedder,
};
use std::sync::Arc;

/// Texts that the model reads between two looks at who else waits: questions are one text each.
const PIECE: usize = 8;

/// Makes vectors.
pub(crate) struct Embeddings {
    embedder: Arc<dyn Embedder>,
    gate: Arc<Gate>,
}

impl Embeddings {
    pub(crate) fn new(embedder: Arc<dyn Embedder>, gate: Arc<Gate>) -> Self {
        Self { embedder, gate }
    }

    /// One vector for each text, or what is wrong with one of them.
    pub(crate) async fn embed(&self, request: EmbedRequest) -> Result<EmbedResponse, Problem> {
        let mut answer =
            EmbedResponse { model: self.embedder.model().name.clone(), vectors: Vec::new(), tokens: 0 };
        // All of them are looked at before the first is worth any work.
        for (i, text) in request.texts.iter().enumerate() {
            answer.tokens += self.embedder.tokens(text).map_err(|fault| refused(i, fault))?;
        }
        let mut texts = request.texts.into_iter().enumerate();
        loop {
            let piece: Vec<(usize, String)> = texts.by_ref().take(PIECE).collect();
            let Some((first, _)) = piece.first() else { return Ok(answer) };
            let first = *first;
            let _entered = self.gate.enter().await?;
            let embedder = self.embedder.clone();
            let embedded = tokio::task::spawn_blocking(move || {
                let texts: Vec<&str> = piece.iter().map(|(_, text)| text.as_str()).collect();
                embedder.embed(&texts)
            });
            let embedded = embedded
                .await
                .map_err(|e| Fault::failed("model_panicked", "the model panicked").caused_by(e))??;
            for (i, vector) in embedded.into_iter().enumerate() {
                answer.vectors.push(vector.map_err(|fault| refused(first + i, fault))?);
            }
        }
    }
}

fn refused(index: usize, fault: Fault) -> Problem {
    match fault.class {
        "chunk_too_long" => Problem::invalid_field(
            "input",
            format_args!(
                "has a text (number {index}) that is too long: {}; cut it in several",
                fault.message
            ),
        ),
        _ => fault.into(),
    }
}
