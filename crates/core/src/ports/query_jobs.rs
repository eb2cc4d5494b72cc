use crate::{fault::Result, id::QueryJobId, ports::Outgoing};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use std::{fmt, str::FromStr};

/// How far a question is that runs as a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryStatus {
    /// It waits for a worker.
    Queued,
    /// A worker has it.
    Running,
    /// Its answer is there.
    Complete,
    /// It was given up.
    Failed,
    /// Its user ended it.
    Cancelled,
    /// Its time is over: the answer is gone, or never came.
    Expired,
}

impl QueryStatus {
    const NAMES: [(Self, &str); 6] = [
        (Self::Queued, "queued"),
        (Self::Running, "running"),
        (Self::Complete, "complete"),
        (Self::Failed, "failed"),
        (Self::Cancelled, "cancelled"),
        (Self::Expired, "expired"),
    ];

    /// The name in rows and answers.
    pub fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(status, _)| *status == self).map_or("", |(_, name)| name)
    }

    /// Whether a worker has it, or will.
    pub fn is_under_way(self) -> bool {
        matches!(self, Self::Queued | Self::Running)
    }
}

impl fmt::Display for QueryStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for QueryStatus {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::NAMES.iter().find(|(_, known)| *known == name);
        found.map(|(status, _)| *status).ok_or_else(|| format!("{name:?} is no status of a query job"))
    }
}

/// A question that is to run as a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewQueryJob {
    /// Its id.
    pub job_id: QueryJobId,
    /// The body of the question: JSON.
    pub request: String,
    /// The id under which its log lines are found.
    pub correlation_id: String,
    /// How long it may take to be answered.
    pub keep: TimeDelta,
}

/// A question that runs as a job, without what it asks and what was answered.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryJob {
    /// Its id.
    pub job_id: QueryJobId,
    /// How far it is.
    pub status: QueryStatus,
    /// How often it was asked.
    pub attempts: u32,
    /// Why it failed: a problem, as JSON.
    pub failure: Option<serde_json::Value>,
    /// Taken at.
    pub created_at: DateTime<Utc>,
    /// First asked at.
    pub started_at: Option<DateTime<Utc>>,
    /// Ended at.
    pub completed_at: Option<DateTime<Utc>>,
    /// Last change.
    pub updated_at: DateTime<Utc>,
    /// Its answer, or its place in the queue, is kept until then.
    pub expires_at: DateTime<Utc>,
}

/// A question that a worker is to ask now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToAsk {
    /// The body of the question: JSON.
    pub request: String,
    /// The id under which its log lines are found.
    pub correlation_id: String,
    /// How often it was asked, this time included.
    pub attempts: u32,
}

/// Questions that run as jobs.
#[async_trait]
pub trait QueryJobs: Send + Sync {
    /// Puts one on record, and the record that asks for its work into the outbox, in one transaction.
    async fn submit_query(&self, job: &NewQueryJob, request: Outgoing) -> Result<()>;

    /// One of them.
    async fn query_job(&self, job_id: QueryJobId) -> Result<Option<QueryJob>>;

    /// One of them, with its answer where that is there.
    async fn query_answer(&self, job_id: QueryJobId) -> Result<Option<(QueryJob, Option<Vec<u8>>)>>;

    /// Puts an attempt on record and says what to ask; `None`: there is nothing to do any more. One that has failed
    /// is opened again by the record at `sent_back`, unless it failed by that one.
    async fn begin_query(&self, job_id: QueryJobId, sent_back: Option<&str>) -> Result<Option<ToAsk>>;

    /// The attempt did not count: something was away.
    async fn release_query(&self, job_id: QueryJobId) -> Result<()>;

    /// Keeps the answer for a while; `false`: nobody waits for it any more.
    async fn complete_query(&self, job_id: QueryJobId, answer: &[u8], keep: TimeDelta) -> Result<bool>;

    /// It is given up, by the record at `place`, with a problem as JSON; `false`: it was over.
    async fn fail_query(
        &self,
        job_id: QueryJobId,
        problem: &serde_json::Value,
        place: &str,
        keep: TimeDelta,
    ) -> Result<bool>;

    /// Ends it where it is under way; how it is then.
    async fn cancel_query(&self, job_id: QueryJobId, keep: TimeDelta) -> Result<Option<QueryJob>>;

    /// Removes it, whatever its status; `false`: there was none.
    async fn remove_query(&self, job_id: QueryJobId) -> Result<bool>;

    /// Removes questions and answers whose time is over, at most `max`; returns how many.
    async fn expire_queries(&self, max: u32) -> Result<u32>;

    /// Removes records of jobs whose time was over before `time`, at most `max`; returns how many.
    async fn forget_queries(&self, time: DateTime<Utc>, max: u32) -> Result<u32>;
}
