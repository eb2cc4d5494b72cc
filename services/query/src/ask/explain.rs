//! Why a document was or was not found.

use super::{
    check,
    retrieve::{Retriever, Search},
};
use crate::view::blocking;
use ragstream_api::{
    problem::Problem,
    search::{
        ExplainRequest, ExplainResponse, ExplainedChunk, ExplainedTerm, Freshness, LegScore, Legs,
        SearchRequest, Verdict,
    },
};
use ragstream_core::id::{ChunkId, DocumentId};
use ragstream_index::{Explanation, Target};

/// Says how the document of a request fares in its search, on what serves now.
pub(crate) async fn explain(
    retriever: &Retriever,
    request: ExplainRequest,
) -> Result<ExplainResponse, Problem> {
    let target = match (request.document_id, request.chunk_id) {
        (Some(document), None) => Target::Document(DocumentId(document)),
        (None, Some(chunk)) => Target::Chunk(ChunkId(chunk)),
        _ => {
            let why = "or `chunk_id` says what was or was not found: give one of them";
            return Err(Problem::invalid_field("document_id", why));
        }
    };
    let top_k = request.top_k;
    let (Search { text, filter, legs, .. }, _) = check::search(SearchRequest {
        query: request.question,
        top_k,
        collection: request.collection,
        filter: request.filter,
        mode: request.mode,
        rerank: false,
        per_document: Default::default(),
        diversity: None,
        expand: 0,
        min_token: None,
        wait_ms: None,
    })?;
    let vector = match legs {
        ragstream_index::Legs::Keyword => None,
        _ => Some(retriever.embed(&text, false).await?.to_vec()),
    };
    let search =
        ragstream_index::SearchRequest { text, vector, top_k, filter, mode: legs, ..Default::default() };
    let generation = retriever.view.live();
    let index = generation.index().clone();
    let positions = index.positions();
    let explained = blocking(move || index.explain(&search, target)).await?;
    let verdict = verdict(&explained, top_k);
    let leg = |leg: ragstream_index::LegScore| LegScore { rank: leg.rank, score: leg.score };
    Ok(ExplainResponse {
        verdict,
        explanation: in_words(verdict, &explained, top_k),
        document_id: explained.document_id.map(|id| id.0),
        visible_version: explained.state.visible.map(|version| version.0),
        held: explained.state.held.iter().map(|(version, chunks)| (version.0, *chunks)).collect(),
        generation: generation.number,
        failed_condition: explained.failed_condition,
        candidates: explained.candidates,
        leg_depth: explained.leg_depth,
        chunks: explained
            .chunks
            .into_iter()
            .map(|chunk| ExplainedChunk {
                chunk_id: chunk.record.chunk.id.0,
                position: chunk.record.chunk.position,
                visible: chunk.visible,
                legs: Legs { vector: chunk.vector.map(leg), keyword: chunk.keyword.map(leg), rerank: None },
                fused: chunk.fused.map(leg),
                terms: chunk
                    .terms
                    .into_iter()
                    .map(|term| ExplainedTerm { term: term.term, weight: term.weight, found: term.found })
                    .collect(),
            })
            .collect(),
        freshness: Freshness { applied: positions, lag: retriever.view.lag(), token_applied: None },
    })
}

fn verdict(explained: &Explanation, top_k: usize) -> Verdict {
    if explained.deleted {
        return Verdict::Deleted;
    }
    if !explained.known {
        return Verdict::Unknown;
    }
    if explained.state.visible.is_none()
        || explained.chunks.iter().all(|c| !c.visible) && !explained.chunks.is_empty()
    {
        return Verdict::Staged;
    }
    if explained.failed_condition.is_some() {
        return Verdict::Filtered;
    }
    match explained.chunks.iter().filter_map(|chunk| chunk.fused).map(|fused| fused.rank).min() {
        Some(rank) if rank <= top_k => Verdict::Found,
        Some(_) => Verdict::RanksBelow,
        None => Verdict::NoMatch,
    }
}

fn in_words(verdict: Verdict, explained: &Explanation, top_k: usize) -> String {
    let best = explained.chunks.iter().filter_map(|chunk| chunk.fused).map(|fused| fused.rank).min();
    match verdict {
        Verdict::Found => format!("it is found, at rank {}", best.unwrap_or_default()),
        Verdict::RanksBelow => {
            let rank = best.unwrap_or_default();
            format!(
                "its best chunk ranks {rank}, and {top_k} were asked for: ask for more, or narrow the filter"
            )
        }
        Verdict::NoMatch => format!(
            "neither leg has it among its first {}: it says little of what was asked, at least in these words",
            explained.leg_depth
        ),
        Verdict::Filtered => format!(
            "it does not meet the condition {}",
            explained.failed_condition.as_deref().unwrap_or("of the filter")
        ),
        Verdict::Staged => {
            "it is held, and waits for the rest of its version: see the status of its job".to_owned()
        }
        Verdict::Deleted => "it was deleted".to_owned(),
        Verdict::Unknown => {
            "this node has never seen it: see the status of its job, and `freshness.lag`".to_owned()
        }
    }
}
