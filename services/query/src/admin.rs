//! What operators ask of this node, through the gateway.

use crate::{
    rebuild::Rebuilder,
    routes::parse,
    view::{View, blocking},
};
use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Query, State, rejection::QueryRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures::stream;
use ragstream_api::{
    admin::{ChunkLookup, ChunksShown, IndexSummary, MAX_LOOKUP, RebuildResponse, ShownChunk},
    problem::Problem,
};
use ragstream_core::id::{ChunkId, DocumentId, Version};
use ragstream_index::Presence;
use serde::Deserialize;
use std::{convert::Infallible, sync::Arc};

/// Chunks in one piece of the stream: about 64 KiB.
const PIECE: usize = 1_800;

pub(crate) fn router(view: Arc<View>, rebuilder: Arc<Rebuilder>) -> Router {
    let rebuild = get(rebuild_status).post(begin_rebuild);
    Router::new()
        .route("/api/v2/admin/chunks", get(chunks).post(look_up))
        .with_state(view)
        .merge(Router::new().route("/api/v2/admin/rebuild", rebuild).with_state(rebuilder))
}

/// Builds the index anew; where that is under way, says how far it is.
async fn begin_rebuild(State(rebuilder): State<Arc<Rebuilder>>) -> Result<Response, Problem> {
    let begun = RebuildResponse::of(vec![rebuilder.begin()?]);
    Ok((StatusCode::ACCEPTED, Json(begun)).into_response())
}

async fn rebuild_status(State(rebuilder): State<Arc<Rebuilder>>) -> Json<RebuildResponse> {
    Json(RebuildResponse::of(vec![rebuilder.status()]))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// The chunks themselves, not their sum.
    #[serde(default)]
    ids: bool,
}

/// What searches see: summed up, or one by one.
async fn chunks(
    State(view): State<Arc<View>>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(wanted) = wanted.map_err(|e| Problem::bad_request("bad_query_string", e.body_text()))?;
    view.require_caught_up()?;
    if !wanted.ids {
        let contents = view.live().contents();
        let summary = IndexSummary {
            positions: contents.positions,
            chunks: contents.chunks as u64,
            checksum: contents.checksum,
        };
        return Ok(Json(summary).into_response());
    }
    let index = view.index();
    let shown = blocking(move || Ok(index.visible_chunks())).await?;
    let pieces = stream::unfold((shown, 0), |(shown, from)| async move {
        let rest = shown.get(from..).filter(|rest| !rest.is_empty())?;
        let piece: Vec<u8> =
            rest.iter().take(PIECE).flat_map(|chunk| shown_chunk(chunk).to_bytes()).collect();
        Some((Ok::<_, Infallible>(Bytes::from(piece)), (shown, from + PIECE)))
    });
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], Body::from_stream(pieces)).into_response())
}

fn shown_chunk((document, version, chunk): &(DocumentId, Version, ChunkId)) -> ShownChunk {
    ShownChunk { chunk_id: chunk.0, document_id: document.0, version: version.0 }
}

/// Whether searches see each of these chunks.
async fn look_up(State(view): State<Arc<View>>, body: Bytes) -> Result<Json<ChunksShown>, Problem> {
    let lookup: ChunkLookup = parse(&body)?;
    view.require_caught_up()?;
    if lookup.chunk_ids.len() > MAX_LOOKUP {
        let why = format!("`chunk_ids` has more than {MAX_LOOKUP} entries");
        return Err(Problem::unprocessable("invalid_field", why));
    }
    let index = view.index();
    let ids: Vec<ChunkId> = lookup.chunk_ids.into_iter().map(ChunkId).collect();
    let presence = blocking(move || Ok(index.presence(&ids))).await?;
    Ok(Json(ChunksShown { shown: presence.into_iter().map(|p| p == Presence::Visible).collect() }))
}
