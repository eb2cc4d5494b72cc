//! Questions that run as jobs.

use crate::problem::Problem;
use chrono::{DateTime, Utc};
use ragstream_core::{id::QueryJobId, ports::QueryJob};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A question that was taken.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct QueryJobCreated {
    /// The job.
    pub job_id: Uuid,
    /// `queued`.
    pub status: String,
    /// Where to go on.
    pub links: QueryJobLinks,
}

/// Where to go on from a question that runs as a job.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct QueryJobLinks {
    /// How far it is.
    pub status: String,
    /// Its answer.
    pub result: String,
    /// `POST` here ends it.
    pub cancel: String,
}

impl QueryJobLinks {
    /// The links of a job.
    pub fn new(job_id: QueryJobId) -> Self {
        let status = format!("/api/v2/query/jobs/{job_id}");
        Self { result: format!("{status}/result"), cancel: format!("{status}/cancel"), status }
    }
}

/// How far a question is that runs as a job.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct QueryJobResponse {
    /// The job.
    pub job_id: Uuid,
    /// `queued`, `running`, or how it ended: `complete`, `failed`, `cancelled`, `expired`.
    pub status: String,
    /// How often it was asked.
    pub attempts: u32,
    /// Why it failed: what `POST /api/v2/query` would have answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
    /// Taken at.
    pub created_at: DateTime<Utc>,
    /// First asked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<DateTime<Utc>>,
    /// Ended at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<DateTime<Utc>>,
    /// Last change.
    pub updated_at: DateTime<Utc>,
    /// Its answer, or while there is none its place in the queue, is kept until then.
    pub expires_at: DateTime<Utc>,
    /// Where to go on.
    pub links: QueryJobLinks,
}

impl From<QueryJob> for QueryJobResponse {
    fn from(job: QueryJob) -> Self {
        Self {
            job_id: job.job_id.0,
            status: job.status.to_string(),
            attempts: job.attempts,
            error: job.failure.and_then(|problem| serde_json::from_value(problem).ok()),
            created_at: job.created_at,
            started_at: job.started_at,
            completed_at: job.completed_at,
            updated_at: job.updated_at,
            expires_at: job.expires_at,
            links: QueryJobLinks::new(job.job_id),
        }
    }
}
