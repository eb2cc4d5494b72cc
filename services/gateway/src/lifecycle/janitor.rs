//! Removes what is only of use for a while: events, answers of query jobs, conversations, and records of
//! deliveries, jobs and batches.

use chrono::{TimeDelta, Utc};
use ragstream_core::{
    fault::{Fault, Result},
    ports::{Batches, ChatSessions, JobControl, LifecycleLog, Notices, QueryJobs, Webhooks},
};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// How often to look.
const EVERY: Duration = Duration::from_secs(3600);
/// How long events are kept: for whoever follows progress and was away.
const EVENTS_DAYS: i64 = 7;
/// How long deliveries are kept: a dead letter that is sent back within this time reaches
/// only those that lack it.
const DELIVERIES_DAYS: i64 = 30;
/// Rows of one statement: milliseconds, so that nobody waits for it.
const PORTION: u32 = 1_000;

/// Where there are records.
pub(crate) struct Records {
    pub(crate) events: Arc<dyn LifecycleLog>,
    pub(crate) webhooks: Arc<dyn Webhooks>,
    pub(crate) jobs: Arc<dyn JobControl>,
    pub(crate) batches: Arc<dyn Batches>,
    pub(crate) sessions: Arc<dyn ChatSessions>,
    pub(crate) notices: Arc<dyn Notices>,
    pub(crate) query_jobs: Arc<dyn QueryJobs>,
    /// How long those of jobs and batches that are over are kept, and conversations that rest.
    pub(crate) keep: TimeDelta,
}

/// Sweeps once an hour until the token is cancelled.
pub(crate) async fn run(records: Records, token: CancellationToken) -> Result<(), Fault> {
    loop {
        let swept = tokio::select! {
            swept = sweep(&records) => swept,
            () = token.cancelled() => return Ok(()),
        };
        if let Err(fault) = swept {
            tracing::warn!(class = fault.class, error = %fault, "old records could not be removed; next time");
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = token.cancelled() => return Ok(()),
        }
    }
}

async fn sweep(records: &Records) -> Result<()> {
    let Records { events, webhooks, jobs, batches, sessions, notices, query_jobs, keep } = records;
    let now = Utc::now();
    while events.forget_events(now - TimeDelta::days(EVENTS_DAYS), PORTION).await? == PORTION {}
    while webhooks.forget_deliveries(now - TimeDelta::days(DELIVERIES_DAYS), PORTION).await? == PORTION {}
    while jobs.forget_ended(now - *keep, PORTION).await? == PORTION {}
    while sessions.forget_sessions(now - *keep, PORTION).await? == PORTION {}
    while batches.forget_batches(now - *keep, PORTION).await? == PORTION {}
    while query_jobs.expire_queries(PORTION).await? == PORTION {}
    while query_jobs.forget_queries(now - *keep, PORTION).await? == PORTION {}
    while notices.forget_notices(now - *keep, PORTION).await? == PORTION {}
    Ok(())
}
