use crate::{
    fault::Result,
    id::{BatchId, DocumentId, JobId},
    lifecycle::LifecycleEvent,
    ports::JobStatus,
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// Files that belong together, announced before they come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBatch {
    /// Its id.
    pub batch_id: BatchId,
    /// What people call it.
    pub name: Option<String>,
    /// How many files are to come; more may.
    pub files_total: u32,
}

/// A file of a batch that got no job of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jobless {
    /// Its name.
    pub filename: String,
    /// Why.
    pub why: Why,
}

/// Why a file got no job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It was not taken: the problem that its uploader was told of, as JSON.
    Rejected(serde_json::Value),
    /// Its bytes were here already, as this document, by this job.
    Duplicate(DocumentId, JobId),
}

/// Files of a batch by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// Searchable.
    pub complete: u32,
    /// Given up.
    pub failed: u32,
    /// Ended by their user, or superseded.
    pub cancelled: u32,
    /// Not taken.
    pub rejected: u32,
    /// Here already.
    pub duplicate: u32,
    /// Held by their user.
    pub paused: u32,
    /// Waiting or under way.
    pub active: u32,
}

impl Outcomes {
    /// Files to which nothing more will happen by itself.
    pub fn done(&self) -> u32 {
        self.complete + self.failed + self.cancelled + self.rejected + self.duplicate
    }

    /// All files that have come.
    pub fn all(&self) -> u32 {
        self.done() + self.paused + self.active
    }
}

/// Files that belong together, as their user sees them.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchStatus {
    /// The batch.
    pub batch_id: BatchId,
    /// What people call it.
    pub name: Option<String>,
    /// How many files there are to be: as announced, or more where more have come.
    pub files_total: u32,
    /// What became of those that have come.
    pub outcomes: Outcomes,
    /// Chunks that are indexed or failed, and chunks in all of the files that are cut.
    pub chunks: (u64, u64),
    /// 0 to 100; it never goes back while no more files come than were announced.
    pub percentage: f32,
    /// Chunks embedded a second, of late.
    pub rate: f32,
    /// A file that is under way.
    pub current_file: Option<String>,
    /// Announced at, or the first file came at.
    pub created_at: DateTime<Utc>,
    /// Last change of one of its files.
    pub updated_at: DateTime<Utc>,
    /// The last of its files was over at.
    pub completed_at: Option<DateTime<Utc>>,
}

impl BatchStatus {
    /// Whether nothing more will happen to it by itself.
    pub fn is_over(&self) -> bool {
        self.outcomes.done() >= self.files_total
    }
}

/// A stage that a job came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageEntered {
    /// The event: `accepted`, `chunked`, `retried` and the like.
    pub event: String,
    /// The stage from then on.
    pub stage: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// Files that belong together.
#[async_trait]
pub trait Batches: Send + Sync {
    /// Announces one.
    async fn announce(&self, batch: &NewBatch) -> Result<()>;

    /// Whether it was announced.
    async fn is_announced(&self, batch_id: BatchId) -> Result<bool>;

    /// Puts on record which files of it got no job, where it was announced.
    async fn add_jobless(&self, batch_id: BatchId, files: &[Jobless]) -> Result<()>;

    /// How far these are; those that there are not are left out.
    async fn batches(&self, ids: &[BatchId]) -> Result<Vec<BatchStatus>>;

    /// Those that were announced, newest first, before `before`, at most `limit`.
    async fn list_batches(&self, before: Option<BatchId>, limit: u32) -> Result<Vec<BatchStatus>>;

    /// The files of one that got no job, from the `skip`th on, in the order in which they came.
    async fn jobless(&self, batch_id: BatchId, skip: u32, limit: u32) -> Result<Vec<Jobless>>;

    /// Removes batches from before `time` that have no job on record any more, at most `max`; returns
    /// how many.
    async fn forget_batches(&self, time: DateTime<Utc>, max: u32) -> Result<u32>;
}

/// Whose events to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Watched {
    /// One job's.
    Job(JobId),
    /// Those of the files of a batch.
    Batch(BatchId),
    /// Everybody's.
    All,
}

/// All there is, in numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// Documents.
    pub documents: u64,
    /// Bytes of their current versions' files.
    pub bytes: u64,
    /// Jobs by stage; those whose records were removed are left out.
    pub jobs: BTreeMap<String, u64>,
    /// Chunks by status.
    pub chunks: BTreeMap<String, u64>,
    /// Documents that became searchable in the last minute.
    pub documents_per_minute: f32,
    /// Chunks embedded a second, in the last 20.
    pub chunks_per_second: f32,
}

/// What happened, and how far things are, for those who watch.
#[async_trait]
pub trait ProgressLog: Send + Sync {
    /// The highest id of any event; 0 where there is none.
    async fn last_event(&self) -> Result<i64>;

    /// Events above `after`, and those of `missing` that have turned up, in the order of their ids, at
    /// most `max`. An event may turn up after one with a higher id: its transaction took longer.
    async fn events(&self, after: i64, missing: &[i64], max: u32) -> Result<Vec<LifecycleEvent>>;

    /// Events above `after` of who is watched, in the order of their ids, at most `max`. They are kept
    /// for a week.
    async fn events_of(&self, watched: Watched, after: i64, max: u32) -> Result<Vec<LifecycleEvent>>;

    /// How far these jobs are; those that there are not are left out.
    async fn jobs_by_id(&self, ids: &[JobId]) -> Result<Vec<JobStatus>>;

    /// Jobs that a worker has, those first that changed last, at most `max`.
    async fn jobs_under_way(&self, max: u32) -> Result<Vec<JobStatus>>;

    /// The stages that a job came to, oldest first, as far as they are kept.
    async fn history(&self, job_id: JobId) -> Result<Vec<StageEntered>>;

    /// All there is. It counts every row: the caller asks seldom.
    async fn totals(&self) -> Result<Totals>;
}
