//! Questions that run as jobs.
//!
//! Who is late changes nothing: every write names the statuses from which it goes on. One whose time is over counts
//! as expired from that moment on, whenever its row is swept.

use crate::{error::fault, intake::parse, outbox, pool::Ledger};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use ragstream_core::{
    fault::Result,
    id::QueryJobId,
    ports::{NewQueryJob, Outgoing, QueryJob, QueryJobs, ToAsk},
};
use tokio_postgres::Row;

/// The columns of a job as its user sees it.
macro_rules! columns {
    () => {
        "query_job_id, attempts, failure, created_at, started_at, completed_at, updated_at, expires_at,
         CASE WHEN expires_at <= now() AND status NOT IN ('failed', 'cancelled') THEN 'expired' ELSE status END AS status"
    };
}

#[async_trait]
impl QueryJobs for Ledger {
    async fn submit_query(&self, job: &NewQueryJob, request: Outgoing) -> Result<()> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(fault)?;
        let statement = transaction
            .prepare_cached(
                "INSERT INTO query_jobs (query_job_id, request, correlation_id, expires_at)
                 VALUES ($1, $2, $3, now() + make_interval(secs => $4))",
            )
            .await
            .map_err(fault)?;
        transaction
            .execute(&statement, &[&job.job_id.0, &job.request, &job.correlation_id, &seconds(job.keep)])
            .await
            .map_err(fault)?;
        outbox::put(&transaction, &[request]).await.map_err(fault)?;
        transaction.commit().await.map_err(fault)
    }

    async fn query_job(&self, job_id: QueryJobId) -> Result<Option<QueryJob>> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(concat!("SELECT ", columns!(), " FROM query_jobs WHERE query_job_id = $1"))
            .await
            .map_err(fault)?;
        client.query_opt(&statement, &[&job_id.0]).await.map_err(fault)?.as_ref().map(job).transpose()
    }

    async fn query_answer(&self, job_id: QueryJobId) -> Result<Option<(QueryJob, Option<Vec<u8>>)>> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(concat!(
                "SELECT CASE WHEN expires_at > now() THEN answer END AS answer, ",
                columns!(),
                " FROM query_jobs WHERE query_job_id = $1"
            ))
            .await
            .map_err(fault)?;
        let row = client.query_opt(&statement, &[&job_id.0]).await.map_err(fault)?;
        row.map(|row| Ok((job(&row)?, row.get("answer")))).transpose()
    }

    async fn begin_query(&self, job_id: QueryJobId, sent_back: Option<&str>) -> Result<Option<ToAsk>> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(
                "UPDATE query_jobs
                    SET status = 'running', attempts = CASE status WHEN 'failed' THEN 1 ELSE attempts + 1 END,
                        started_at = coalesce(started_at, now()), completed_at = NULL, failure = NULL,
                        given_up_at = NULL, updated_at = now()
                  WHERE query_job_id = $1 AND expires_at > now()
                    AND (status IN ('queued', 'running')
                         OR status = 'failed' AND $2::text IS NOT NULL AND given_up_at IS DISTINCT FROM $2)
                 RETURNING request, correlation_id, attempts",
            )
            .await
            .map_err(fault)?;
        let row = client.query_opt(&statement, &[&job_id.0, &sent_back]).await.map_err(fault)?;
        Ok(row.map(|row| ToAsk {
            request: row.get::<_, Option<String>>("request").unwrap_or_default(),
            correlation_id: row.get("correlation_id"),
            attempts: row.get::<_, i32>("attempts") as u32,
        }))
    }

    async fn release_query(&self, job_id: QueryJobId) -> Result<()> {
        let client = self.client().await?;
        client
            .execute(
                "UPDATE query_jobs SET status = 'queued', attempts = greatest(0, attempts - 1), updated_at = now()
                  WHERE query_job_id = $1 AND status = 'running'",
                &[&job_id.0],
            )
            .await
            .map(drop)
            .map_err(fault)
    }

    async fn complete_query(&self, job_id: QueryJobId, answer: &[u8], keep: TimeDelta) -> Result<bool> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(
                "UPDATE query_jobs
                    SET status = 'complete', answer = $2, request = NULL, completed_at = now(), updated_at = now(),
                        expires_at = now() + make_interval(secs => $3)
                  WHERE query_job_id = $1 AND status IN ('queued', 'running') AND expires_at > now()",
            )
            .await
            .map_err(fault)?;
        let changed = client.execute(&statement, &[&job_id.0, &answer, &seconds(keep)]).await;
        Ok(changed.map_err(fault)? == 1)
    }

    async fn fail_query(
        &self,
        job_id: QueryJobId,
        problem: &serde_json::Value,
        place: &str,
        keep: TimeDelta,
    ) -> Result<bool> {
        let client = self.client().await?;
        let failed = client
            .execute(
                "UPDATE query_jobs
                    SET status = 'failed', failure = $2, given_up_at = $3, completed_at = now(), updated_at = now(),
                        expires_at = now() + make_interval(secs => $4)
                  WHERE query_job_id = $1 AND status IN ('queued', 'running') AND expires_at > now()",
                &[&job_id.0, &problem.to_string(), &place, &seconds(keep)],
            )
            .await
            .map_err(fault)?;
        Ok(failed == 1)
    }

    async fn cancel_query(&self, job_id: QueryJobId, keep: TimeDelta) -> Result<Option<QueryJob>> {
        let client = self.client().await?;
        client
            .execute(
                "UPDATE query_jobs
                    SET status = 'cancelled', request = NULL, completed_at = now(), updated_at = now(),
                        expires_at = now() + make_interval(secs => $2)
                  WHERE query_job_id = $1 AND status IN ('queued', 'running') AND expires_at > now()",
                &[&job_id.0, &seconds(keep)],
            )
            .await
            .map_err(fault)?;
        drop(client);
        self.query_job(job_id).await
    }

    async fn remove_query(&self, job_id: QueryJobId) -> Result<bool> {
        let client = self.client().await?;
        let removed = client
            .execute("DELETE FROM query_jobs WHERE query_job_id = $1", &[&job_id.0])
            .await
            .map_err(fault)?;
        Ok(removed == 1)
    }

    async fn expire_queries(&self, max: u32) -> Result<u32> {
        let client = self.client().await?;
        let expired = client
            .execute(
                "UPDATE query_jobs
                    SET status = CASE WHEN status IN ('failed', 'cancelled') THEN status ELSE 'expired' END,
                        request = NULL, answer = NULL
                  WHERE query_job_id IN (
                     SELECT query_job_id FROM query_jobs WHERE expires_at <= now() AND (request IS NOT NULL OR answer IS NOT NULL)
                      ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)",
                &[&i64::from(max)],
            )
            .await
            .map_err(fault)?;
        Ok(expired as u32)
    }

    async fn forget_queries(&self, time: DateTime<Utc>, max: u32) -> Result<u32> {
        let client = self.client().await?;
        let forgotten = client
            .execute(
                "DELETE FROM query_jobs WHERE query_job_id IN (
                     SELECT query_job_id FROM query_jobs WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
                &[&time, &i64::from(max)],
            )
            .await
            .map_err(fault)?;
        Ok(forgotten as u32)
    }
}

fn seconds(time: TimeDelta) -> f64 {
    time.num_milliseconds() as f64 / 1e3
}

fn job(row: &Row) -> Result<QueryJob> {
    Ok(QueryJob {
        job_id: QueryJobId(row.get("query_job_id")),
        status: parse(row.get("status"))?,
        attempts: row.get::<_, i32>("attempts") as u32,
        failure: row.get::<_, Option<&str>>("failure").and_then(|json| serde_json::from_str(json).ok()),
        created_at: row.get("created_at"),
        started_at: row.get("started_at"),
        completed_at: row.get("completed_at"),
        updated_at: row.get("updated_at"),
        expires_at: row.get("expires_at"),
    })
}
