//! What operators ask of each query node. An `Err` says in words why it can't be had.

use super::QueryNodes;
use bytes::{Buf, BytesMut};
use futures::StreamExt;
use ragstream_api::{
    admin::{ChunkLookup, ChunksShown, IndexSummary, NodeRebuild, RebuildResponse, ShownChunk},
    problem::Problem,
};
use reqwest::{RequestBuilder, Response};
use std::time::Duration;
use uuid::Uuid;

/// How long a node may take for a small answer.
const SHORT: Duration = Duration::from_secs(10);
/// How long it may take for all its chunk ids: ten million are 360 MB.
const LONG: Duration = Duration::from_secs(600);

impl QueryNodes {
    /// What a node's index holds.
    pub(crate) async fn index_summary(&self, url: &str) -> Result<IndexSummary, String> {
        let request = self.client.get(format!("{url}/api/v2/admin/chunks")).timeout(SHORT);
        json(request).await
    }

    /// Has a node build its index anew, or tells how far it is where it does.
    pub(crate) async fn begin_rebuild(&self, url: &str) -> Result<NodeRebuild, String> {
        rebuild(self.client.post(format!("{url}/api/v2/admin/rebuild")).timeout(SHORT)).await
    }

    /// How far a node is with that.
    pub(crate) async fn rebuild_status(&self, url: &str) -> Result<NodeRebuild, String> {
        rebuild(self.client.get(format!("{url}/api/v2/admin/rebuild")).timeout(SHORT)).await
    }

    /// Whether a node shows these chunks, in order.
    pub(crate) async fn shown(&self, url: &str, chunk_ids: Vec<Uuid>) -> Result<Vec<bool>, String> {
        let asked = chunk_ids.len();
        let lookup = ChunkLookup { chunk_ids };
        let request = self.client.post(format!("{url}/api/v2/admin/chunks")).timeout(SHORT).json(&lookup);
        let ChunksShown { shown } = json(request).await?;
        if shown.len() == asked { Ok(shown) } else { Err("it answered for other chunks".into()) }
    }

    /// All chunks that a node shows, one by one.
    pub(crate) async fn each_shown(&self, url: &str, mut each: impl FnMut(ShownChunk)) -> Result<(), String> {
        let request = self.client.get(format!("{url}/api/v2/admin/chunks?ids=true")).timeout(LONG);
        let mut pieces = answered(request).await?.bytes_stream();
        let mut rest = BytesMut::new();
        while let Some(piece) = pieces.next().await {
            rest.extend_from_slice(&piece.map_err(said)?);
            while let Some(bytes) = rest.first_chunk() {
                each(ShownChunk::from_bytes(bytes));
                rest.advance(ShownChunk::BYTES);
            }
        }
        if rest.is_empty() { Ok(()) } else { Err("its answer broke off".into()) }
    }
}

async fn rebuild(request: RequestBuilder) -> Result<NodeRebuild, String> {
    let RebuildResponse { nodes, .. } = json(request).await?;
    nodes.into_iter().next().ok_or_else(|| "it answered for no index".into())
}

async fn json<T: serde::de::DeserializeOwned>(request: RequestBuilder) -> Result<T, String> {
    answered(request).await?.json().await.map_err(said)
}

/// An answer that is a success.
async fn answered(request: RequestBuilder) -> Result<Response, String> {
    let answer = request.send().await.map_err(said)?;
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    match answer.json::<Problem>().await {
        Ok(problem) => Err(problem.detail),
        Err(_) => Err(format!("it answered {status}")),
    }
}

/// The innermost cause says most.
fn said(error: reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
