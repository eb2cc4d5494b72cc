//! Uploads, jobs, documents and their chunks.

use crate::problem::Problem;
use chrono::{DateTime, Utc};
use ragstream_core::{
    chunk::ChunkStatus,
    document::Document,
    job::JobStage,
    ports::{ChunkRow, JobFailure, JobStatus, Lineage, StageEntered, Told},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use uuid::Uuid;

/// The answer to an upload. Where the request held one file, that file's fields
/// stand at the top level too.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UploadResponse {
    /// Names the files of this request, and others that were sent with the same `batch_id`.
    pub batch_id: Uuid,
    /// The file, where it was one.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub file: Option<UploadedFile>,
    /// Every file that was taken, in the order of the request.
    pub files: Vec<UploadedFile>,
    /// Every file that was not, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<RejectedFile>,
}

/// A file that was taken.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UploadedFile {
    /// Its name.
    pub filename: String,
    /// The document it became, or is a duplicate of.
    pub document_id: Uuid,
    /// The job that processes it.
    pub job_id: Uuid,
    /// The version of the document: 1, or more where it is an update.
    pub version: i32,
    /// Where it was uploaded to.
    pub collection: String,
    /// The uploader's id of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The collection held these bytes already; the ids are those of the first upload.
    pub duplicate: bool,
    /// How far its job is.
    pub stage: String,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// Its size.
    pub size_bytes: u64,
    /// Pass it as `min_token` of a search to be answered once this upload is searchable.
    pub consistency_token: String,
    /// Where to go on.
    pub links: Links,
}

/// Where to go on from a document.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Links {
    /// Its job's status.
    pub status: String,
    /// Its job's live progress.
    pub events: String,
    /// Itself.
    pub document: String,
    /// Its bytes.
    pub content: String,
    /// Its text.
    pub text: String,
    /// Its chunks.
    pub chunks: String,
}

impl Links {
    /// The links of a document and its job.
    pub fn new(document_id: impl std::fmt::Display, job_id: impl std::fmt::Display) -> Self {
        let document = format!("/api/v2/documents/{document_id}");
        Self {
            status: format!("/api/v2/documents/status/{job_id}"),
            events: format!("/api/v2/jobs/{job_id}/events"),
            content: format!("{document}/content"),
            text: format!("{document}/text"),
            chunks: format!("{document}/chunks"),
            document,
        }
    }
}

/// A file that was not taken.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RejectedFile {
    /// Its name.
    pub filename: String,
    /// Why.
    pub error: Problem,
}

/// How far a resumable upload is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ResumableResponse {
    /// The upload.
    pub upload_id: Uuid,
    /// Bytes that are stored.
    pub offset: u64,
    /// Bytes of the whole file, once they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// The files that it belongs to.
    pub batch_id: Uuid,
    /// When it is given up, unless it goes on; of one that became a document, how long it is told of.
    pub expires_at: DateTime<Utc>,
    /// What it became, once its last byte is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<UploadedFile>,
}

/// How far a job is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct JobResponse {
    /// The job.
    pub job_id: Uuid,
    /// The files that it came with.
    pub batch_id: Uuid,
    /// The document.
    pub document_id: Uuid,
    /// The version it processes.
    pub version: i32,
    /// The document's collection.
    pub collection: String,
    /// Bytes of the file.
    pub size_bytes: u64,
    /// `accepted`, `text_extraction`, `chunking`, `embedding`, `indexing`, `complete`,
    /// `failed`, `paused` or `cancelled`.
    pub stage: String,
    /// `queued`, `processing`, or how it ended: `complete`, `failed`, `paused`, `cancelled`.
    pub status: String,
    /// 0 (last) to 9 (first), as it was uploaded.
    pub priority: i16,
    /// `express`: served first. `bulk`: served by what express work leaves; jobs of priority 0 to 2,
    /// and large files and collections with much under way below priority 7.
    pub lane: String,
    /// The file it is about.
    pub current_file: String,
    /// Files of the same batch.
    pub files: Progress,
    /// Batches of 32 chunks, as the embedding pool takes them. Total is 0 until it is chunked.
    pub batches: Progress,
    /// Chunks of this version: done is `indexed` or `failed`. Total is 0 until it is chunked.
    pub chunks: Progress,
    /// Chunks by status.
    pub chunk_status: BTreeMap<String, u32>,
    /// 0 to 100; 100 only when complete. It never goes back, whatever is done again.
    pub percentage: f32,
    /// Seconds until it is complete, by the rate of the last 20 seconds; absent where nothing of it
    /// was embedded in that time, or its length is not known yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta_seconds: Option<u64>,
    /// How often extraction was begun.
    pub attempts: u32,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// When work began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<DateTime<Utc>>,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<DateTime<Utc>>,
    /// The stages that it came to, oldest first, as far as they are kept: a week. Only in the answer
    /// about one job.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<StageResponse>,
    /// Who was to be told by mail, the first 10. Only in the answer about one job.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notified: Vec<NotifiedResponse>,
    /// Where to go on.
    pub links: Links,
}

/// Somebody who is told by mail how it ended.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct NotifiedResponse {
    /// The address.
    pub address: String,
    /// When the mail server took the mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<DateTime<Utc>>,
    /// Why it never will.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl From<Told> for NotifiedResponse {
    fn from(told: Told) -> Self {
        let Told { address, settled_at, error } = told;
        Self { address, sent_at: settled_at.filter(|_| error.is_none()), error }
    }
}

/// A stage that a job came to.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StageResponse {
    /// What happened: `accepted`, `text_extraction`, `chunking`, `chunked`, `indexing`, `complete`, `failed`,
    /// `paused`, `resumed`, `retried`, `cancelled`, `superseded`.
    pub event: String,
    /// The stage from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

impl From<StageEntered> for StageResponse {
    fn from(entered: StageEntered) -> Self {
        let StageEntered { event, stage, at } = entered;
        Self { event, stage, at }
    }
}

/// Chunks of a batch: about what the embedding pool takes at once.
const CHUNKS_OF_A_BATCH: u32 = 32;

/// So many of so many.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// Done.
    pub done: u32,
    /// In all.
    pub total: u32,
}

/// Why something failed.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// A stable name of the cause.
    pub class: String,
    /// In words.
    pub message: String,
}

impl From<JobFailure> for Failure {
    fn from(failure: JobFailure) -> Self {
        Self { class: failure.class, message: failure.message }
    }
}

impl JobResponse {
    /// The view of a job.
    pub fn new(job: JobStatus) -> Self {
        let count = |status| job.chunks.get(&status).copied().unwrap_or(0);
        let (indexed, failed) = (count(ChunkStatus::Indexed), count(ChunkStatus::Failed));
        let chunks = Progress { done: indexed + failed, total: job.chunks_total.unwrap_or(0) };
        let embedded = indexed + count(ChunkStatus::Embedded) + failed;
        let batches = Progress {
            done: match chunks.total {
                total if total > 0 && embedded >= total => total.div_ceil(CHUNKS_OF_A_BATCH),
                _ => embedded / CHUNKS_OF_A_BATCH,
            },
            total: chunks.total.div_ceil(CHUNKS_OF_A_BATCH),
        };
        let is_moving = !job.stage.is_final() && job.stage != JobStage::Paused && job.rate > 0.0;
        let eta_seconds = job.chunks_expected.filter(|_| is_moving).map(|expected| {
            // What is embedded is indexed a moment later.
            (expected.saturating_sub(embedded) as f32 / job.rate).ceil() as u64
        });
        let status = match job.stage {
            JobStage::Accepted => "queued",
            stage if stage.is_final() || stage == JobStage::Paused => stage.as_str(),
            _ => "processing",
        };
        Self {
            job_id: job.job_id.0,
            batch_id: job.batch_id.0,
            document_id: job.document_id.0,
            version: job.version.0,
            collection: job.collection,
            size_bytes: job.size_bytes,
            stage: job.stage.to_string(),
            status: status.to_owned(),
            priority: job.priority,
            lane: job.lane.to_string(),
            current_file: job.filename,
            files: Progress { done: job.batch_files.0, total: job.batch_files.1 },
            batches,
            chunks,
            chunk_status: ChunkStatus::ALL.into_iter().map(|s| (s.to_string(), count(s))).collect(),
            percentage: job.percentage,
            eta_seconds,
            attempts: job.attempts,
            failure: job.failure.map(Into::into),
            started_at: job.started_at,
            created_at: job.created_at,
            updated_at: job.updated_at,
            completed_at: job.completed_at,
            history: Vec::new(),
            notified: Vec::new(),
            links: Links::new(job.document_id, job.job_id),
        }
    }
}

/// A page of jobs, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct JobsResponse {
    /// The jobs.
    pub jobs: Vec<JobResponse>,
    /// The link to the next page, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A document that was deleted.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeletedResponse {
    /// The document.
    pub document_id: Uuid,
    /// Chunks that it had, of all versions that were not retired.
    pub chunks: usize,
    /// Pass it as `min_token`, and a search waits until the deletion is applied.
    pub consistency_token: String,
}

/// A document.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DocumentResponse {
    /// Its id.
    pub document_id: Uuid,
    /// The current version.
    pub version: i32,
    /// The job of that version.
    pub job_id: Uuid,
    /// Its collection.
    pub collection: String,
    /// The uploader's id of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Name of the file.
    pub filename: String,
    /// Its media type.
    pub content_type: String,
    /// Its size.
    pub size_bytes: u64,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// The uploader's metadata.
    #[schema(value_type = Object)]
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// What was read out of the current version; not there before it was read, nor in a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extracted: Option<ExtractedResponse>,
    /// First uploaded at.
    pub created_at: DateTime<Utc>,
    /// The current version was uploaded at.
    pub updated_at: DateTime<Utc>,
    /// Where to go on.
    pub links: Links,
}

/// What a file holds and says about itself.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ExtractedResponse {
    /// Name and version of the extractor.
    pub extractor: String,
    /// The document's own title, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Pages, where the format has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages: Option<u32>,
    /// Bytes of text.
    pub text_bytes: u64,
    /// What the file says about itself, by its format: `author`, `sheets`, `slides`, `from`, `duration`, `files` and the like.
    ///
    /// Archives and mail list what is in them in `contents`, the first 1,000 files of `contents_total`, those of
    /// archives inside too: `{"path": "outer.zip/inner.txt", "content_type", "size_bytes", "span": [begin, end],
    /// "title", "pages"}`, where `span` are the bytes of the document's text that the file became, or with
    /// `"failure": {"class", "message"}` in its place where it was not read. What is not known is left out.
    #[schema(value_type = Object)]
    pub properties: serde_json::Map<String, serde_json::Value>,
}

impl From<Lineage> for ExtractedResponse {
    fn from(lineage: Lineage) -> Self {
        let Lineage { extractor, title, pages, text_bytes, properties, .. } = lineage;
        Self { extractor, title, pages, text_bytes, properties }
    }
}

impl From<Document> for DocumentResponse {
    fn from(document: Document) -> Self {
        let Document { reference: d, blob, created_at, updated_at } = document;
        Self {
            document_id: d.document_id.0,
            version: d.version.0,
            job_id: d.job_id.0,
            collection: d.collection,
            external_id: d.external_id,
            filename: d.filename,
            content_type: d.content_type,
            size_bytes: blob.size,
            sha256: blob.sha256,
            metadata: d.metadata,
            extracted: None,
            created_at,
            updated_at,
            links: Links::new(d.document_id, d.job_id),
        }
    }
}

/// A page of documents, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DocumentsResponse {
    /// The documents.
    pub documents: Vec<DocumentResponse>,
    /// The link to the next page, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A page of a document's chunks, in order.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ChunksResponse {
    /// The document.
    pub document_id: Uuid,
    /// The version that the chunks are of.
    pub version: i32,
    /// What made them.
    pub lineage: LineageResponse,
    /// The chunks.
    pub chunks: Vec<ChunkResponse>,
    /// The link to the next page, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What made a version's chunks.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LineageResponse {
    /// SHA-256 of the document's bytes.
    pub blob_sha256: String,
    /// Name and version of the extractor.
    pub extractor: String,
    /// Name and settings of the chunker.
    pub chunker: String,
    /// Pages, where the format has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages: Option<u32>,
    /// Bytes of extracted text.
    pub text_bytes: u64,
}

impl LineageResponse {
    /// The lineage of a version whose blob has this hash.
    pub fn new(blob_sha256: String, lineage: Lineage) -> Self {
        Self {
            blob_sha256,
            extractor: lineage.extractor,
            chunker: lineage.chunker,
            pages: lineage.pages,
            text_bytes: lineage.text_bytes,
        }
    }
}

/// A range of bytes in a document's extracted text; the end is exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Span {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

impl From<std::ops::Range<u64>> for Span {
    fn from(range: std::ops::Range<u64>) -> Self {
        Self { start: range.start, end: range.end }
    }
}

/// A chunk's status and where it lies.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ChunkResponse {
    /// The chunk.
    pub chunk_id: Uuid,
    /// 0-based position.
    pub position: u32,
    /// `pending`, `embedded`, `indexed` or `failed`.
    pub status: String,
    /// Its bytes in the extracted text.
    pub span: Span,
    /// The page it starts on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// The headings above it.
    pub headings: Vec<String>,
    /// Tokens.
    pub tokens: u32,
    /// The model that embedded it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Its record in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<Record>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// Where a record lies in the log.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Record {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

impl From<ChunkRow> for ChunkResponse {
    fn from(row: ChunkRow) -> Self {
        Self {
            chunk_id: row.chunk_id.0,
            position: row.position,
            status: row.status.to_string(),
            span: row.span.into(),
            page: row.page,
            headings: row.headings,
            tokens: row.tokens,
            model: row.model,
            record: row.record.map(|(partition, offset)| Record {
                topic: ragstream_core::topics::EMBEDDINGS.to_owned(),
                partition,
                offset,
            }),
            failure: row.failure.map(Into::into),
            updated_at: row.updated_at,
        }
    }
}
