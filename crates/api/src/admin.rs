//! Operating: whether log, rows and indexes hold the same chunks, and building an index anew.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};
use utoipa::ToSchema;
use uuid::Uuid;

/// Differences that an answer lists at most; `differences_total` counts all.
pub const MAX_DIFFERENCES: usize = 1_000;
/// How long a verification waits for what is under way, where the request does not say.
pub const DEFAULT_VERIFY_WAIT_MS: u64 = 10_000;
/// Longest such wait.
pub const MAX_VERIFY_WAIT_MS: u64 = 300_000;
/// Chunks that a query node is asked about at once.
pub const MAX_LOOKUP: usize = 1_000;

/// Body of `POST /api/v2/admin/verify`; may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyRequest {
    /// How long to wait for documents that are under way before they are reported as
    /// such, in milliseconds, 300,000 at most.
    #[serde(default = "default_wait")]
    pub wait_ms: u64,
}

fn default_wait() -> u64 {
    DEFAULT_VERIFY_WAIT_MS
}

impl Default for VerifyRequest {
    fn default() -> Self {
        Self { wait_ms: DEFAULT_VERIFY_WAIT_MS }
    }
}

/// The chunks that one side holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SideSummary {
    /// How many: those that searches see, and for PostgreSQL those that are `indexed`
    /// and of the visible version. Chunks that are in flight are left out.
    pub chunks: u64,
    /// The sum over their ids, 16 hex digits: equal sums, equal chunks.
    pub checksum: String,
}

/// The chunks of one query node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeSummary {
    /// Its address.
    pub node: String,
    /// What it holds; absent where it does not say.
    #[serde(flatten)]
    pub held: Option<SideSummary>,
    /// Why it could not be compared: then nothing is known of its chunks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What is wrong with a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// The log has it and the document is known, but its row is gone.
    MissingInPostgres,
    /// The log and its row have it, a query node has not.
    MissingInIndex,
    /// Its row and an index have it, the log has not: a new node would not have it.
    MissingInLog,
    /// A record that no row knows: it is left over, or was never ours.
    OrphanInLog,
    /// A row that neither the log nor an index knows.
    OrphanInPostgres,
    /// A query node shows it, and nobody else knows it.
    OrphanInIndex,
    /// All have it, but its row has another status than `indexed`, or another version
    /// counts as visible.
    StatusMismatch,
}

impl SideSummary {
    /// So many chunks with this sum over their ids.
    pub fn new(chunks: u64, checksum: u64) -> Self {
        Self { chunks, checksum: format!("{checksum:016x}") }
    }
}

impl fmt::Display for DifferenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MissingInPostgres => "missing_in_postgres",
            Self::MissingInIndex => "missing_in_index",
            Self::MissingInLog => "missing_in_log",
            Self::OrphanInLog => "orphan_in_log",
            Self::OrphanInPostgres => "orphan_in_postgres",
            Self::OrphanInIndex => "orphan_in_index",
            Self::StatusMismatch => "status_mismatch",
        })
    }
}

/// A chunk that the sides do not agree about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// What is wrong.
    pub kind: DifferenceKind,
    /// The chunk; absent where it is about the commit marker of a version.
    pub chunk_id: Option<Uuid>,
    /// Its document.
    pub document_id: Uuid,
    /// Its version.
    pub version: i32,
    /// The log: `visible`, `waiting` (its version is not whole), `over` (its version or
    /// document is over) or `absent`.
    pub log: String,
    /// The row's status, or `absent`.
    pub postgres: String,
    /// The query nodes that show it.
    pub shown_by: BTreeSet<String>,
    /// The query nodes that do not.
    pub not_shown_by: BTreeSet<String>,
    /// What to do about it.
    pub advice: String,
}

/// What is on its way, and was not compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InFlight {
    /// Chunks.
    pub chunks: u64,
    /// Documents they are of.
    pub documents: u64,
}

/// Answer of `POST /api/v2/admin/verify`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VerifyResponse {
    /// Every side could be read, and all hold the same chunks.
    pub consistent: bool,
    /// What the records of `chunk-embeddings` come to.
    pub log: SideSummary,
    /// What the rows say.
    pub postgres: SideSummary,
    /// What each query node shows.
    pub index: Vec<NodeSummary>,
    /// What was still on its way when the wait was over.
    pub in_flight: InFlight,
    /// Records of the log that can't be decoded; they lie in its dead-letter topic too.
    pub unreadable_records: u64,
    /// How many differences there are.
    pub differences_total: u64,
    /// The first 1,000 of them.
    pub differences: Vec<Difference>,
    /// How long it took.
    pub seconds: f64,
}

/// How far the rebuilding of an index is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RebuildState {
    /// None was begun since the start.
    #[default]
    Idle,
    /// It comes after those of other nodes.
    Waiting,
    /// A new index reads the log from its beginning; the old one serves.
    Replaying,
    /// The new one serves; the rows are told what it holds.
    Reporting,
    /// It is done.
    Done,
    /// The old one goes on serving.
    Failed,
}

impl RebuildState {
    /// Whether it is under way.
    pub fn is_running(self) -> bool {
        matches!(self, Self::Waiting | Self::Replaying | Self::Reporting)
    }

    /// The name in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Waiting => "waiting",
            Self::Replaying => "replaying",
            Self::Reporting => "reporting",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// The rebuilding of one query node's index: the last one, where none is under way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeRebuild {
    /// The node's address, as the gateway has it; empty where the node itself is asked.
    pub node: String,
    /// How far it is.
    pub state: RebuildState,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was done or had failed.
    pub finished_at: Option<DateTime<Utc>>,
    /// Offsets of the log that the new index has passed, of those there were at the beginning.
    pub records_done: u64,
    /// Offsets of the log there were at the beginning.
    pub records_total: u64,
    /// What the old index held when the new one took its place.
    pub before: Option<SideSummary>,
    /// What the new one held, at the same place of the log.
    pub after: Option<SideSummary>,
    /// Whether these are the same chunks. Where not, the old index was wrong.
    pub agrees: Option<bool>,
    /// Why it failed.
    pub error: Option<String>,
}

/// Answer of `POST` and `GET /api/v2/admin/rebuild`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RebuildResponse {
    /// Whether any is under way.
    pub running: bool,
    /// Each query node, in the order in which they are rebuilt.
    pub nodes: Vec<NodeRebuild>,
}

impl RebuildResponse {
    /// The answer about these nodes.
    pub fn of(nodes: Vec<NodeRebuild>) -> Self {
        Self { running: nodes.iter().any(|node| node.state.is_running()), nodes }
    }
}

/// What a query node's index holds, at one moment (`GET /api/v2/admin/chunks` of the node).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexSummary {
    /// Next offset to read, by partition.
    pub positions: BTreeMap<i32, i64>,
    /// Chunks that searches see.
    pub chunks: u64,
    /// [`checksum`](ragstream_core::checksum::checksum) of their ids.
    pub checksum: u64,
}

/// Which of these chunks does a node show? (`POST /api/v2/admin/chunks` of the node)
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkLookup {
    /// At most [`MAX_LOOKUP`].
    pub chunk_ids: Vec<Uuid>,
}

/// Answer to a [`ChunkLookup`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunksShown {
    /// Whether searches see it, for each chunk in order.
    pub shown: Vec<bool>,
}

/// A chunk that an index shows, as a query node streams them (`GET
/// /api/v2/admin/chunks?ids=true` of the node): chunk id, document id, version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownChunk {
    /// The chunk.
    pub chunk_id: Uuid,
    /// Its document.
    pub document_id: Uuid,
    /// Its version.
    pub version: i32,
}

impl ShownChunk {
    /// Bytes of one in the stream.
    pub const BYTES: usize = 36;

    /// Two UUIDs and a big-endian number.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..16].copy_from_slice(self.chunk_id.as_bytes());
        bytes[16..32].copy_from_slice(self.document_id.as_bytes());
        bytes[32..].copy_from_slice(&self.version.to_be_bytes());
        bytes
    }

    /// The other way.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let mut id = [0; 16];
        let mut uuid = |from: usize| {
            id.copy_from_slice(&bytes[from..from + 16]);
            Uuid::from_bytes(id)
        };
        let (chunk_id, document_id) = (uuid(0), uuid(16));
        let version = i32::from_be_bytes([bytes[32], bytes[33], bytes[34], bytes[35]]);
        Self { chunk_id, document_id, version }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_chunk_round_trips() {
        let chunk = ShownChunk {
            chunk_id: Uuid::from_u128(7),
            document_id: Uuid::from_u128(u128::MAX - 1),
            version: -3,
        };
        assert_eq!(ShownChunk::from_bytes(&chunk.to_bytes()), chunk);
    }
}
