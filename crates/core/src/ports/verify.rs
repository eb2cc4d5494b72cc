use crate::{
    chunk::ChunkStatus,
    contents::LogContents,
    fault::Result,
    id::{ChunkId, DocumentId, Version},
    job::JobStage,
};
use async_trait::async_trait;
use futures::stream::BoxStream;

/// Reads what `chunk-embeddings` comes to.
#[async_trait]
pub trait LogScan: Send + Sync {
    /// Goes on from where `contents` ends to where the log ended when this was called.
    /// Shares nothing with any consumer; ends soon after the future is dropped.
    async fn read_on(&self, contents: LogContents) -> Result<LogContents>;
}

/// The row of a chunk of its document's visible version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CensusRow {
    /// The chunk.
    pub chunk_id: ChunkId,
    /// Its document.
    pub document_id: DocumentId,
    /// The visible version.
    pub version: Version,
    /// Its status is `indexed`, as it should be.
    pub indexed: bool,
}

/// A chunk, or the marker of a version, about which there is doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Suspect {
    /// The chunk; `None`: the version's marker.
    pub chunk_id: Option<ChunkId>,
    /// Its document.
    pub document_id: DocumentId,
    /// Its version.
    pub version: Version,
}

/// What the rows say of a [`Suspect`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowState {
    /// Status of the chunk's row; `None`: there is no row.
    pub status: Option<ChunkStatus>,
    /// There is such a document.
    pub document_known: bool,
    /// The suspect's version is the visible one.
    pub visible: bool,
    /// Stage of the version's job; `None`: there is no such job.
    pub stage: Option<JobStage>,
    /// A newer version replaced the suspect's.
    pub retired: bool,
    /// Work on the document is under way: the version's job is not final, a newer
    /// version is taking its place, or records are on their way to the log.
    pub moving: bool,
}

/// What the rows say of chunks, to compare with the log and the indexes.
#[async_trait]
pub trait Census: Send + Sync {
    /// The chunks of each document's visible version, in no order of use. Not of one
    /// moment: what changes meanwhile may be missing or outdated.
    fn visible_rows(&self) -> BoxStream<'_, Result<CensusRow>>;

    /// The rows of each of these, in order.
    async fn look(&self, suspects: &[Suspect]) -> Result<Vec<RowState>>;
}
