//! Who is to be told how jobs and batches ended.

use crate::{error::fault, pool::Ledger};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use ragstream_core::{
    fault::Result,
    id::{BatchId, DocumentId, JobId, NoticeId},
    ports::{About, FailedFile, HowItEnded, Notice, Notices, Told},
};
use tokio_postgres::Row;
use uuid::Uuid;

/// Notices that are looked at in one go: each is a few reads of indexes.
const LOOKED_AT: i64 = 200;

/// Looks at what is due, and says of each whether what it is about has ended: no file is under way, nor one that a
/// file here is a duplicate of, and as many have come as were announced.
const CLAIM: &str = "
    WITH due AS (
        SELECT notice_id, job_id, batch_id FROM notices
         WHERE settled_at IS NULL AND due_at <= now()
         ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED),
    looked AS (
        SELECT notice_id, CASE WHEN job_id IS NOT NULL THEN
                   EXISTS (SELECT FROM document_jobs j
                            WHERE j.job_id = due.job_id AND j.stage IN ('complete', 'failed', 'cancelled'))
               ELSE
                   NOT EXISTS (SELECT FROM imports i WHERE i.batch_id = due.batch_id)
                   AND NOT EXISTS (SELECT FROM document_jobs j
                                    WHERE j.batch_id = due.batch_id
                                      AND j.stage NOT IN ('complete', 'failed', 'cancelled'))
                   AND NOT EXISTS (SELECT FROM batch_jobless r JOIN document_jobs j ON j.job_id = r.job_id
                                    WHERE r.batch_id = due.batch_id
                                      AND j.stage NOT IN ('complete', 'failed', 'cancelled'))
                   AND greatest(1, (SELECT files_total FROM batches b WHERE b.batch_id = due.batch_id))
                       <= (SELECT count(*) FROM document_jobs j WHERE j.batch_id = due.batch_id)
                          + (SELECT count(*) FROM batch_jobless r WHERE r.batch_id = due.batch_id)
               END AS has_ended
          FROM due),
    taken AS (
        SELECT *, row_number() OVER (PARTITION BY has_ended ORDER BY notice_id) AS nr FROM looked)
    UPDATE notices n
       SET due_at = now() + CASE WHEN has_ended THEN make_interval(secs => $2) ELSE
               least(interval '1 minute', greatest(interval '2 seconds', (now() - n.created_at) / 10)) END
      FROM taken WHERE taken.notice_id = n.notice_id AND (nr <= $1 OR NOT has_ended)
    RETURNING n.*, has_ended";

/// The files of a job or a batch, with what became of them. Of one that was here already, that is what became
/// of its first upload.
macro_rules! files {
    ($select:literal) => {
        concat!(
            "WITH files AS (
                SELECT filename, stage, error_message AS reason FROM document_jobs WHERE job_id = $1 OR batch_id = $2
                UNION ALL
                SELECT r.filename, CASE WHEN r.problem IS NULL THEN coalesce(j.stage, 'cancelled') ELSE 'failed' END,
                       coalesce(r.problem->>'detail', j.error_message)
                  FROM batch_jobless r LEFT JOIN document_jobs j ON j.job_id = r.job_id
                 WHERE r.batch_id = $2)",
            $select
        )
    };
}

#[async_trait]
impl Notices for Ledger {
    async fn tell(&self, about: About, address: &str) -> Result<()> {
        let client = self.client().await?;
        let (job_id, batch_id) = columns(about);
        client
            .execute(
                "INSERT INTO notices (notice_id, job_id, batch_id, address) VALUES ($1, $2, $3, $4)
                 ON CONFLICT DO NOTHING",
                &[&NoticeId::generate().0, &job_id, &batch_id, &address],
            )
            .await
            .map(drop)
            .map_err(fault)
    }

    async fn tell_instead(&self, of: JobId, other: JobId) -> Result<()> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(
                "WITH moved AS (DELETE FROM notices WHERE job_id = $1 AND settled_at IS NULL RETURNING *)
                 INSERT INTO notices (notice_id, job_id, address) SELECT notice_id, $2, address FROM moved
                 ON CONFLICT DO NOTHING",
            )
            .await
            .map_err(fault)?;
        client.execute(&statement, &[&of.0, &other.0]).await.map(drop).map_err(fault)
    }

    async fn claim_notices(&self, max: u32, lease: TimeDelta) -> Result<Vec<Notice>> {
        let client = self.client().await?;
        let statement = client.prepare_cached(CLAIM).await.map_err(fault)?;
        let seconds = lease.num_milliseconds() as f64 / 1e3;
        let rows = client.query(&statement, &[&i64::from(max), &seconds, &LOOKED_AT]).await.map_err(fault)?;
        let mut ended: Vec<_> = rows.iter().filter(|row| row.get("has_ended")).map(notice).collect();
        ended.sort_by_key(|notice| notice.notice_id);
        Ok(ended)
    }

    async fn how_it_ended(&self, about: About, failures: u32) -> Result<Option<HowItEnded>> {
        let client = self.client().await?;
        let (job_id, batch_id) = columns(about);
        let statement = client
            .prepare_cached(files!(
                "SELECT count(*) AS files, count(*) FILTER (WHERE stage = 'complete') AS searchable,
                        count(*) FILTER (WHERE stage = 'failed') AS failed,
                        (SELECT name FROM batches WHERE batch_id = $2) AS name,
                        (SELECT document_id FROM document_jobs WHERE job_id = $1) AS document_id
                   FROM files"
            ))
            .await
            .map_err(fault)?;
        let row = client.query_one(&statement, &[&job_id, &batch_id]).await.map_err(fault)?;
        let count = |name: &str| row.get::<_, i64>(name) as u32;
        let mut ended = HowItEnded {
            name: row.get("name"),
            document_id: row.get::<_, Option<Uuid>>("document_id").map(DocumentId),
            files: count("files"),
            searchable: count("searchable"),
            failed: count("failed"),
            failures: Vec::new(),
        };
        if ended.files == 0 {
            return Ok(None);
        }
        if ended.failed > 0 {
            let statement = client
                .prepare_cached(files!(
                    "SELECT filename, coalesce(reason, 'no reason is on record') AS reason FROM files
                      WHERE stage = 'failed' ORDER BY filename LIMIT $3"
                ))
                .await
                .map_err(fault)?;
            let rows =
                client.query(&statement, &[&job_id, &batch_id, &i64::from(failures)]).await.map_err(fault)?;
            let failed = |row: &Row| FailedFile { filename: row.get("filename"), reason: row.get("reason") };
            ended.failures = rows.iter().map(failed).collect();
        }
        Ok(Some(ended))
    }

    async fn settle_notice(&self, notice_id: NoticeId, error: Option<&str>) -> Result<()> {
        let client = self.client().await?;
        client
            .execute(
                "UPDATE notices SET settled_at = now(), error = $2, attempts = attempts + 1
                  WHERE notice_id = $1 AND settled_at IS NULL",
                &[&notice_id.0, &error],
            )
            .await
            .map(drop)
            .map_err(fault)
    }

    async fn postpone_notice(&self, notice_id: NoticeId, until: DateTime<Utc>, counted: bool) -> Result<()> {
        let client = self.client().await?;
        client
            .execute(
                "UPDATE notices SET due_at = $2, attempts = attempts + $3
                  WHERE notice_id = $1 AND settled_at IS NULL",
                &[&notice_id.0, &until, &i32::from(counted)],
            )
            .await
            .map(drop)
            .map_err(fault)
    }

    async fn told(&self, about: About, max: u32) -> Result<Vec<Told>> {
        let client = self.client().await?;
        let (job_id, batch_id) = columns(about);
        let statement = client
            .prepare_cached(
                "SELECT address, settled_at, error FROM notices WHERE job_id = $1 OR batch_id = $2
                  ORDER BY notice_id LIMIT $3",
            )
            .await
            .map_err(fault)?;
        let rows = client.query(&statement, &[&job_id, &batch_id, &i64::from(max)]).await.map_err(fault)?;
        let told = |row: &Row| Told {
            address: row.get("address"),
            settled_at: row.get("settled_at"),
            error: row.get("error"),
        };
        Ok(rows.iter().map(told).collect())
    }

    async fn forget_notices(&self, time: DateTime<Utc>, max: u32) -> Result<u32> {
        let client = self.client().await?;
        let forgotten = client
            .execute(
                "DELETE FROM notices WHERE notice_id IN (
                     SELECT notice_id FROM notices WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
                &[&time, &i64::from(max)],
            )
            .await
            .map_err(fault)?;
        Ok(forgotten as u32)
    }
}

fn columns(about: About) -> (Option<Uuid>, Option<Uuid>) {
    match about {
        About::Job(JobId(job_id)) => (Some(job_id), None),
        About::Batch(BatchId(batch_id)) => (None, Some(batch_id)),
    }
}

fn notice(row: &Row) -> Notice {
    let about = match row.get("job_id") {
        Some(job_id) => About::Job(JobId(job_id)),
        None => About::Batch(BatchId(row.get::<_, Option<Uuid>>("batch_id").unwrap_or_default())),
    };
    Notice {
        notice_id: NoticeId(row.get("notice_id")),
        about,
        address: row.get("address"),
        attempts: row.get::<_, i32>("attempts") as u32,
    }
}
