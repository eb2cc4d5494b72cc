use crate::{
    document::Document,
    fault::Result,
    id::{BatchId, ChunkId, DocumentId, JobId, Version},
    job::JobStage,
    lane::Lane,
    ports::{JobStatus, Outgoing},
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};

/// What a user may do to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobCommand {
    /// Hold it: what is under way of it ends without effect.
    Pause,
    /// Go on with a paused one.
    Resume,
    /// End it for good.
    Cancel,
    /// Do a failed one again.
    Retry,
}

impl JobCommand {
    /// The name in the API and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Cancel => "cancel",
            Self::Retry => "retry",
        }
    }
}

/// What became of a command.
#[derive(Clone, Debug)]
pub enum Controlled {
    /// It is done, or was already; the job as it is now.
    Done(Box<JobStatus>),
    /// A job in this stage takes no such command.
    Refused(JobStage),
    /// The job is of a version that a newer one replaced.
    Superseded,
    /// There is no such job.
    NotFound,
}

/// Which jobs to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// Only those that are not final.
    pub active: bool,
    /// Only those in this stage.
    pub stage: Option<JobStage>,
    /// Only those of this document.
    pub document_id: Option<DocumentId>,
    /// Only those of this batch.
    pub batch_id: Option<BatchId>,
    /// Only those before this one in the list: the last of the page before.
    pub before: Option<JobId>,
    /// At most so many.
    pub limit: u32,
}

/// What of a document is over, and has to leave the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// The document.
    pub document_id: DocumentId,
    /// Its chunks.
    pub chunks: Vec<ChunkId>,
    /// Versions that may have a marker.
    pub versions: Vec<Version>,
}

/// Makes the records that go out with a change of the rows, in the same transaction.
pub trait ControlRecords: Send + Sync {
    /// Asks for the processing of the document's current version, in the lane of its job.
    fn request(&self, document: &Document, lane: Lane) -> Outgoing;

    /// Takes chunks out of the log.
    fn gone(&self, removed: &Removed) -> Vec<Outgoing>;

    /// Takes a document out of the log, whatever late work may still append of it.
    fn deleted(&self, removed: &Removed) -> Vec<Outgoing>;
}

/// What users do to jobs and documents. Every effect, the records for the log
/// included, is one transaction with the change of the rows.
#[async_trait]
pub trait JobControl: Send + Sync {
    /// Jobs, newest first.
    async fn jobs(&self, filter: &JobFilter) -> Result<Vec<JobStatus>>;

    /// Does `command` to a job. Doing it twice is doing it once.
    async fn control(
        &self,
        job_id: JobId,
        command: JobCommand,
        records: &dyn ControlRecords,
    ) -> Result<Controlled>;

    /// Removes the record of a final job; its document stays.
    async fn forget(&self, job_id: JobId) -> Result<Controlled>;

    /// Removes the records of jobs that ended before `time`, the oldest first, at most `max`; returns
    /// how many. Their documents stay.
    async fn forget_ended(&self, time: DateTime<Utc>, max: u32) -> Result<u32>;

    /// Removes a document: rows now, blobs by [`Trash`], the log's records by the
    /// outbox. What there was; `None` where there is no such document.
    async fn delete(&self, document_id: DocumentId, records: &dyn ControlRecords) -> Result<Option<Removed>>;
}

/// Blobs that no row needs any more.
#[async_trait]
pub trait Trash: Send + Sync {
    /// The oldest keys in it, at most `max`.
    async fn discarded(&self, max: u32) -> Result<Vec<String>>;

    /// These are removed.
    async fn emptied(&self, keys: &[String]) -> Result<()>;
}
