use crate::{
    document::Metadata,
    fault::Result,
    id::{BatchId, ImportId},
    ports::{Jobless, NewBatch},
};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

/// What is to be fetched for a batch, and what becomes of it.
#[derive(Clone, Debug, PartialEq)]
pub struct NewImport {
    /// The files that it belongs to.
    pub batch_id: BatchId,
    /// Where documents go.
    pub collection: String,
    /// The uploader's metadata.
    pub metadata: Metadata,
    /// 0 (last) to 9 (first).
    pub priority: i16,
    /// The id under which its log lines are found.
    pub correlation_id: String,
}

/// Something to be fetched: a file, or what lies under a prefix.
#[derive(Clone, Debug, PartialEq)]
pub struct Import {
    /// Its id.
    pub import_id: ImportId,
    /// `https://…` or `http://…`; `s3://bucket/key`, or with a `/` at the end a prefix.
    pub source: String,
    /// What becomes of it.
    pub wanted: NewImport,
    /// How often it was tried.
    pub attempts: u32,
}

/// What is to be fetched, on record until it was.
#[async_trait]
pub trait Imports: Send + Sync {
    /// Announces a batch, and the sources that are to be fetched for it.
    async fn begin_import(&self, batch: &NewBatch, wanted: &NewImport, sources: &[String]) -> Result<()>;

    /// The oldest that wait, at most `max`; nobody else is given them for `lease`.
    async fn claim_imports(&self, max: u32, lease: TimeDelta) -> Result<Vec<Import>>;

    /// It is a prefix, and these are the files under it: they are fetched in its place.
    async fn expand_import(&self, import: &Import, sources: &[String]) -> Result<()>;

    /// It was fetched, or given up: then with the file that got no job.
    async fn settle_import(&self, import: &Import, jobless: Option<&Jobless>) -> Result<()>;

    /// It is tried again then; `counted` uses up an attempt.
    async fn postpone_import(&self, import_id: ImportId, until: DateTime<Utc>, counted: bool) -> Result<()>;
}
