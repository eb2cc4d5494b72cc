use crate::{
    chunk::{Chunk, ChunkStatus},
    document::{Blob, Document, DocumentRef, Metadata},
    fault::{Fault, Result},
    id::{BatchId, ChunkId, DocumentId, JobId, Version},
    job::JobStage,
    lane::Lane,
    ports::{Outgoing, Probe, Publisher},
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use std::{collections::BTreeMap, ops::Range};

/// An upload whose bytes are stored.
#[derive(Clone, Debug)]
pub struct NewUpload {
    /// The id that the document gets if it is new.
    pub document_id: DocumentId,
    /// The id of the job.
    pub job_id: JobId,
    /// The request it came in.
    pub batch_id: BatchId,
    /// Where it goes.
    pub collection: String,
    /// The uploader's id: names the document that this updates, if it exists.
    pub external_id: Option<String>,
    /// Name of the file.
    pub filename: String,
    /// Its media type.
    pub content_type: String,
    /// The uploader's metadata.
    pub metadata: Metadata,
    /// 0 (last) to 9 (first).
    pub priority: i16,
    /// Its bytes.
    pub blob: Blob,
    /// The id under which its log lines are found.
    pub correlation_id: String,
}

/// Makes the record that asks for the processing of a version, once its ids and its lane
/// are known.
pub type RequestOf<'a> = dyn Fn(&DocumentRef, Lane) -> Outgoing + Send + Sync + 'a;

/// What became of an upload.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The document, its version and job: those of the first upload where it is a duplicate.
    pub document: DocumentRef,
    /// The request that the job came in.
    pub batch_id: BatchId,
    /// How far the job is.
    pub stage: JobStage,
    /// The collection holds these bytes already; nothing was written.
    pub duplicate: bool,
}

/// A job as its user sees it.
#[derive(Clone, Debug)]
pub struct JobStatus {
    /// The job.
    pub job_id: JobId,
    /// The request it came in.
    pub batch_id: BatchId,
    /// The document and version it processes.
    pub document_id: DocumentId,
    /// The version it processes.
    pub version: Version,
    /// Name of the file.
    pub filename: String,
    /// How far it is.
    pub stage: JobStage,
    /// 0 (last) to 9 (first).
    pub priority: i16,
    /// The lane it goes by.
    pub lane: Lane,
    /// Chunks of the version in all; `None` until it is chunked.
    pub chunks_total: Option<u32>,
    /// How many chunks have each status.
    pub chunks: BTreeMap<ChunkStatus, u32>,
    /// 0 to 100, by `job_percentage` of the schema: it never goes back, and is 100 once complete.
    pub percentage: f32,
    /// Chunks embedded a second, of late; 0 where none was.
    pub rate: f32,
    /// Chunks there will be: as long as that is not known, what an earlier attempt came to.
    pub chunks_expected: Option<u32>,
    /// The document's collection.
    pub collection: String,
    /// Bytes of its file.
    pub size_bytes: u64,
    /// Files of the same batch that are done, and all of them.
    pub batch_files: (u32, u32),
    /// How often extraction was begun.
    pub attempts: u32,
    /// Why it failed.
    pub failure: Option<JobFailure>,
    /// Accepted at.
    pub created_at: DateTime<Utc>,
    /// First attempt at.
    pub started_at: Option<DateTime<Utc>>,
    /// Last change at.
    pub updated_at: DateTime<Utc>,
    /// Complete or failed at.
    pub completed_at: Option<DateTime<Utc>>,
}

/// Why a job or a chunk was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobFailure {
    /// [`crate::fault::Fault::class`].
    pub class: String,
    /// In words a person can act on.
    pub message: String,
}

impl From<&Fault> for JobFailure {
    fn from(fault: &Fault) -> Self {
        Self { class: fault.class.to_owned(), message: fault.to_string() }
    }
}

/// A piece of work that was given up, and which record asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// Why.
    pub failure: JobFailure,
    /// Where the record lies: `topic/partition/offset`. The same record, read again
    /// after a crash, can't take the failure back; one that was sent back lies elsewhere.
    pub place: String,
}

/// Which documents to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct DocumentFilter {
    /// Only this collection.
    pub collection: Option<String>,
    /// Only the one with this external id.
    pub external_id: Option<String>,
    /// Only those before this one in the list: the last of the page before.
    pub before: Option<DocumentId>,
    /// At most so many.
    pub limit: u32,
}

/// A chunk's row with its lineage.
#[derive(Clone, Debug)]
pub struct ChunkRow {
    /// The chunk.
    pub chunk_id: ChunkId,
    /// 0-based position.
    pub position: u32,
    /// Its status.
    pub status: ChunkStatus,
    /// Byte range in the extracted text.
    pub span: Range<u64>,
    /// Page, where the format has pages.
    pub page: Option<u32>,
    /// Headings above it.
    pub headings: Vec<String>,
    /// Tokens.
    pub tokens: u32,
    /// The model that embedded it.
    pub model: Option<String>,
    /// Partition and offset of its record in `chunk-embeddings`.
    pub record: Option<(i32, i64)>,
    /// Why it failed.
    pub failure: Option<JobFailure>,
    /// Last change at.
    pub updated_at: DateTime<Utc>,
}

/// What the gateway asks of the rows.
///
/// Here and in every ledger: `Unavailable` means that the database can't be
/// reached or is shutting down, and nothing was changed.
#[async_trait]
pub trait Intake: Probe {
    /// Document, job and outbox row in one transaction, or the document that
    /// has these bytes already. The job's lane is decided here, by its priority, its
    /// size and what is under way of its collection. `request` makes the outbox record
    /// once ids, version and lane are known.
    async fn accept(&self, upload: NewUpload, request: &RequestOf<'_>) -> Result<Accepted>;

    /// A job by its id.
    async fn job(&self, job_id: JobId) -> Result<Option<JobStatus>>;

    /// A document by its id.
    async fn document(&self, document_id: DocumentId) -> Result<Option<Document>>;

    /// Documents, newest first.
    async fn documents(&self, filter: &DocumentFilter) -> Result<Vec<Document>>;

    /// What made the chunks of a document's current version, and what its file says about itself;
    /// `None` before it was extracted.
    async fn lineage(&self, document_id: DocumentId) -> Result<Option<Lineage>>;

    /// Chunks of a document's current version from `position` on, at most `limit`,
    /// and what made them.
    async fn chunks(
        &self,
        document_id: DocumentId,
        from: u32,
        limit: u32,
    ) -> Result<(Lineage, Vec<ChunkRow>)>;

    /// Those of the blob keys, of bytes or texts, whose version there is not (any more).
    async fn unreferenced(&self, keys: &[String]) -> Result<Vec<String>>;
}

/// Records that wait in the database for their way to the log.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Appends the oldest records, at most `max`, and removes them once they
    /// are acknowledged; returns how many. Several relays may run at once:
    /// each takes what no other holds. A crash in between appends again.
    async fn relay(&self, publisher: &dyn Publisher, max: u32) -> Result<u32>;

    /// How many wait, and since when the oldest does.
    async fn backlog(&self) -> Result<(u64, Option<DateTime<Utc>>)>;
}

/// An attempt at extraction, on record before the bytes were touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    /// An earlier attempt left chunks.
    pub has_chunks: bool,
}

/// Makes the records by which chunks leave the log.
pub type Tombstones<'a> = dyn Fn(&[ChunkId]) -> Vec<Outgoing> + Send + Sync + 'a;

/// What made a version's chunks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    /// Name and version of the extractor.
    pub extractor: String,
    /// Name and settings of the chunker.
    pub chunker: String,
    /// Pages, where the format has them.
    pub pages: Option<u32>,
    /// Bytes of extracted text.
    pub text_bytes: u64,
    /// The document's own title, if it has one.
    pub title: Option<String>,
    /// What the file says about itself: authors, sheets, sender, camera and the like.
    pub properties: Metadata,
}

/// What ingestion asks of the rows. Each call is fenced: for a version that is
/// superseded, cancelled or deleted it changes nothing and says so by `None`/`false`.
#[async_trait]
pub trait IngestionLedger: Send + Sync {
    /// Whether there is anything (left) to do for this version.
    async fn is_wanted(&self, document_id: DocumentId, version: Version) -> Result<bool>;

    /// Puts an attempt on record. `None`: there is nothing to do (any more).
    async fn begin_attempt(&self, document_id: DocumentId, version: Version) -> Result<Option<Attempt>>;

    /// Goes on with the attempt that is on record, after an outage that interrupted it.
    async fn resume_attempt(&self, document_id: DocumentId, version: Version) -> Result<Option<Attempt>>;

    /// The text begins to come out, and is cut. Until [`Self::record_chunks`] tells how many
    /// chunks there are, the version is not whole, whatever an earlier attempt recorded.
    async fn begin_chunking(&self, document_id: DocumentId, version: Version) -> Result<bool>;

    /// Chunks on record at these positions that are not among `chunks`: an earlier
    /// attempt cut by other settings.
    async fn outdated_chunks(
        &self,
        document_id: DocumentId,
        version: Version,
        positions: Range<u32>,
        chunks: &[Chunk],
    ) -> Result<Vec<ChunkId>>;

    /// Removes rows of outdated chunks, once their records have tombstones.
    async fn forget_chunks(&self, chunks: &[ChunkId]) -> Result<()>;

    /// Rows for chunks of a text that goes on, `pending`, unless they exist.
    async fn add_chunks(&self, document_id: DocumentId, version: Version, chunks: &[Chunk]) -> Result<bool>;

    /// Rows for the last chunks of a version, of `total`; the job goes on to `embedding`, or
    /// has failed where one of its chunks was given up meanwhile.
    async fn record_chunks(
        &self,
        document_id: DocumentId,
        version: Version,
        last: &[Chunk],
        total: u32,
        lineage: &Lineage,
    ) -> Result<bool>;

    /// The job failed. Chunks of a text that did not come to its end go with it, and what
    /// `tombstones` makes of them goes out.
    async fn fail_job(
        &self,
        document_id: DocumentId,
        version: Version,
        given_up: &GivenUp,
        tombstones: &Tombstones<'_>,
    ) -> Result<bool>;

    /// A dead letter was sent back and now lies at `place`: a job that failed by
    /// another record is `accepted` again, its attempts counted anew.
    async fn reopen_job(&self, document_id: DocumentId, version: Version, place: &str) -> Result<bool>;
}

/// What to do with a chunk that asks to be embedded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Embed it.
    Yes,
    /// Its embedding is in the log already; its version may still lack its marker.
    Embedded,
    /// Its job is paused or superseded, or the chunk was given up: not by this record.
    No,
    /// Its version is cancelled, deleted or retired, for good: a record of it
    /// that is in the log must go.
    Gone,
}

/// All chunks of a version are in the log: its marker may follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitPlan {
    /// The document.
    pub document_id: DocumentId,
    /// The version.
    pub version: Version,
    /// Its job.
    pub job_id: JobId,
    /// How many chunks it has.
    pub chunk_count: u32,
    /// Chunks of earlier versions: their records, and the markers of their
    /// versions, get tombstones after the marker.
    pub retired: Vec<(Version, ChunkId)>,
}

/// Makes records that a version's marker comes with.
pub type CommitRecords<'a> = dyn Fn(&CommitPlan) -> Vec<Outgoing> + Send + Sync + 'a;

/// What the embedding pool asks of the rows.
#[async_trait]
pub trait EmbeddingLedger: Send + Sync {
    /// For each chunk, whether it is still wanted, in order.
    async fn wanted(&self, chunks: &[(ChunkId, DocumentId, Version)]) -> Result<Vec<Wanted>>;

    /// These chunks' records are in the log, at (partition, offset). Returns those
    /// that are [`Wanted::Gone`] by now.
    async fn mark_embedded(&self, chunks: &[(ChunkId, i32, i64)], model: &str) -> Result<Vec<ChunkId>>;

    /// Takes those of these versions that have all their chunks in the log to the
    /// stage `indexing`, from which no user calls them back, and tells which they
    /// are; those that are there already too, for a crash may have come before
    /// their marker; and complete ones whose earlier versions were not let go, for
    /// a crash may have come right after it. A second marker does no harm.
    ///
    /// Asked after [`Self::mark_embedded`]: of several workers that finish a
    /// version together at least one is told.
    async fn begin_commit(&self, versions: &[(DocumentId, Version)]) -> Result<Vec<CommitPlan>>;

    /// The markers are in the log: forgets the retired chunks, lets go of their
    /// versions' blobs, and sends what `farewell` makes of each plan: tombstones. They
    /// follow once the rows are gone, for until then a late worker may append a retired
    /// chunk and find its row; whoever comes later finds it [`Wanted::Gone`].
    async fn finish_commit(&self, plans: &[CommitPlan], farewell: &CommitRecords<'_>) -> Result<()>;

    /// A chunk was given up; so its job failed, or will at the end of its text.
    async fn fail_chunk(&self, chunk_id: ChunkId, given_up: &GivenUp) -> Result<bool>;

    /// Dead letters were sent back and now lie at these places: chunks that failed
    /// by other records are `pending` again, and a job without any other failed
    /// chunk is `embedding` again.
    async fn reopen_chunks(&self, chunks: &[(ChunkId, String)]) -> Result<()>;
}

/// What an index tells the rows.
#[async_trait]
pub trait IndexLedger: Send + Sync {
    /// An index holds these chunks, and shows these versions: their jobs are complete.
    async fn mark_indexed(&self, chunks: &[ChunkId], complete: &[(DocumentId, Version)]) -> Result<()>;

    /// No index can hold this chunk; so its job failed.
    async fn fail_chunk(&self, chunk_id: ChunkId, given_up: &GivenUp) -> Result<bool>;

    /// Records of these chunks were sent back and now lie at these places: as
    /// [`EmbeddingLedger::reopen_chunks`].
    async fn reopen(&self, chunks: &[(ChunkId, String)]) -> Result<()>;

    /// Chunks of these versions that were sent back are held: the versions that are
    /// whole by that get their marker now, once more where they had one. `records`
    /// makes the records of a marker; they go out with the change of the rows.
    async fn commit_whole(
        &self,
        versions: &[(DocumentId, Version)],
        records: &CommitRecords<'_>,
    ) -> Result<()>;
}
