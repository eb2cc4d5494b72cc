//! Files that belong together.

use crate::{
    documents::{JobResponse, NotifiedResponse, Progress},
    problem::Problem,
};
use chrono::{DateTime, Utc};
use ragstream_core::ports::{BatchStatus, Outcomes};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Most files that a batch may announce.
pub const MAX_FILES: u32 = 1_000_000;
/// Longest name of a batch, in bytes.
pub const MAX_NAME: usize = 512;

/// Body of `POST /api/v2/batches`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchRequest {
    /// How many files are to come: the batch is over once so many are. Absent: those that have come.
    #[serde(default)]
    pub files_total: u32,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// An e-mail address that is told, once, when the batch is over; 422 `mail_off` where the server sends no mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<String>,
}

/// Most addresses of one import.
pub const MAX_IMPORTS: usize = 1_000;

/// Body of `POST /api/v2/documents/import`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportRequest {
    /// 1 to 1,000 of `https://…`, `http://…`, `s3://bucket/key`, `s3://bucket/prefix/`.
    pub urls: Vec<String>,
    /// Where they go; `default` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
    /// What passages carry and filters match.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// 0 (last) to 9 (first); 2 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// What people call the batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// An e-mail address that is told, once, when the batch is over; 422 `mail_off` where the server sends no mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<String>,
}

/// A batch that was announced.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BatchCreated {
    /// Give it with each upload: as the form field, or the tus metadata, `batch_id`.
    pub batch_id: Uuid,
    /// Where to follow it.
    pub links: BatchLinks,
}

/// Where to go on from a batch.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BatchLinks {
    /// Itself.
    pub batch: String,
    /// Its files.
    pub files: String,
    /// Its live progress.
    pub events: String,
}

impl BatchLinks {
    /// The links of a batch.
    pub fn new(batch_id: impl std::fmt::Display) -> Self {
        let batch = format!("/api/v2/batches/{batch_id}");
        Self { files: format!("{batch}/files"), events: format!("{batch}/events"), batch }
    }
}

/// Files of a batch by what became of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutcomesResponse {
    /// Searchable.
    pub complete: u32,
    /// Given up, each with a reason.
    pub failed: u32,
    /// Ended by their user, or superseded by a newer version.
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

impl From<Outcomes> for OutcomesResponse {
    fn from(o: Outcomes) -> Self {
        let Outcomes { complete, failed, cancelled, rejected, duplicate, paused, active } = o;
        Self { complete, failed, cancelled, rejected, duplicate, paused, active }
    }
}

/// How far a batch is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BatchResponse {
    /// The batch.
    pub batch_id: Uuid,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `processing`, or how it ended: `complete`, `complete_with_failures`, `failed`, `cancelled`.
    pub status: String,
    /// Files that are over, and all that were announced or have come.
    pub files: Progress,
    /// What became of those that have come.
    pub outcomes: OutcomesResponse,
    /// Chunks that are indexed or failed, and all of those files that are cut.
    pub chunks: Progress,
    /// 0 to 100; it never goes back while no more files come than were announced.
    pub percentage: f32,
    /// Seconds until all files that have come are over, by the rate of late; absent where there is no telling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta_seconds: Option<u64>,
    /// A file that is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_file: Option<String>,
    /// Announced at, or the first file came at.
    pub created_at: DateTime<Utc>,
    /// Last change.
    pub updated_at: DateTime<Utc>,
    /// The last file was over at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<DateTime<Utc>>,
    /// Who is told by mail, the first 10. Only in the answer about one batch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notified: Vec<NotifiedResponse>,
    /// Where to go on.
    pub links: BatchLinks,
}

/// How a batch is, in a word.
fn word(batch: &BatchStatus) -> &'static str {
    let o = &batch.outcomes;
    if !batch.is_over() || o.all() == 0 {
        "processing"
    } else if o.complete + o.duplicate == o.all() {
        "complete"
    } else if o.complete + o.duplicate > 0 {
        "complete_with_failures"
    } else if o.cancelled == o.all() {
        "cancelled"
    } else {
        "failed"
    }
}

impl From<BatchStatus> for BatchResponse {
    fn from(batch: BatchStatus) -> Self {
        let (done, total) = batch.chunks;
        let o = &batch.outcomes;
        // Files that are not cut yet are as long as those that are, on average.
        let cut = (o.complete + o.failed + o.active).max(1) as f32;
        let left = total.saturating_sub(done) as f32 * (cut / cut.min(o.all().max(1) as f32));
        let eta_seconds =
            (batch.rate > 0.0 && o.active > 0 && total > 0).then(|| (left / batch.rate).ceil() as u64);
        Self {
            batch_id: batch.batch_id.0,
            status: word(&batch).to_owned(),
            files: Progress { done: o.done(), total: batch.files_total },
            outcomes: batch.outcomes.into(),
            chunks: Progress { done: clamped(done), total: clamped(total) },
            percentage: batch.percentage,
            eta_seconds,
            links: BatchLinks::new(batch.batch_id),
            name: batch.name,
            current_file: batch.current_file,
            created_at: batch.created_at,
            updated_at: batch.updated_at,
            completed_at: batch.completed_at,
            notified: Vec::new(),
        }
    }
}

fn clamped(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// A page of batches, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BatchesResponse {
    /// The batches.
    pub batches: Vec<BatchResponse>,
    /// The link to the next page, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A file of a batch.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BatchFile {
    /// Its name.
    pub filename: String,
    /// `rejected`, `duplicate`, or that of its job: `queued`, `processing`, `complete`, `failed`, `paused`,
    /// `cancelled`.
    pub status: String,
    /// Its document; of a duplicate, that which has the same bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_id: Option<Uuid>,
    /// Its job, where it was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<JobResponse>,
    /// Why it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

/// A page of a batch's files: those first that got no job, then the newest.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BatchFilesResponse {
    /// The files.
    pub files: Vec<BatchFile>,
    /// The link to the next page, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What a command did to the files of a batch.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct BatchCommanded {
    /// Files to which it was done.
    pub done: u32,
    /// Files in a stage that takes no such command.
    pub refused: u32,
}
