//! Files that belong together.

use crate::{error::fault, pool::Ledger, status::chunk_counts};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use deadpool_postgres::GenericClient;
use ragstream_core::{
    fault::Result,
    id::{BatchId, DocumentId, JobId},
    ports::{BatchStatus, Batches, Jobless, NewBatch, Outcomes, Why},
};
use tokio_postgres::{Row, types::Json};

/// How far the batches with these ids are. Chunks are counted where a job is not complete: it has
/// all of its chunks then.
const STATUS: &str = concat!(
    "SELECT asked.batch_id, b.name, coalesce(b.files_total, 0) AS files_total,
            coalesce(b.created_at, jobs.created_at) AS created_at,
            greatest(b.created_at, jobs.updated_at, r.updated_at) AS updated_at, jobs.*, r.rejected, r.duplicate
       FROM unnest($1::uuid[]) AS asked (batch_id)
       LEFT JOIN batches b USING (batch_id),
    LATERAL (
        SELECT count(problem) AS rejected, count(*) - count(problem) AS duplicate, max(created_at) AS updated_at
          FROM batch_jobless r WHERE r.batch_id = asked.batch_id) r,
    LATERAL (
        SELECT count(*) AS files,
               count(*) FILTER (WHERE j.stage = 'complete') AS complete,
               count(*) FILTER (WHERE j.stage = 'failed') AS failed,
               count(*) FILTER (WHERE j.stage = 'cancelled') AS cancelled,
               count(*) FILTER (WHERE j.stage = 'paused') AS paused,
               min(j.created_at) AS created_at, max(j.updated_at) AS updated_at, max(j.completed_at) AS completed_at,
               coalesce(sum(CASE j.stage WHEN 'complete' THEN j.chunks_total
                                         ELSE coalesce(c.indexed + c.failed, 0) END), 0)::bigint AS chunks_done,
               coalesce(sum(coalesce(j.chunks_total, j.chunks_expected)), 0)::bigint AS chunks_total,
               -- What is over is done, whatever became of it.
               coalesce(sum(CASE WHEN j.stage IN ('complete', 'failed', 'cancelled') THEN 100
                                 ELSE job_percentage(j.stage, j.reached, j.chunks_expected,
                                                     c.embedded + c.indexed, c.indexed) END), 0)::real AS percent,
               coalesce(sum(c.recent / nullif(c.seconds, 0)) FILTER (WHERE c.seconds >= 0.5), 0)::real AS rate,
               (array_agg(j.filename ORDER BY j.updated_at DESC) FILTER (
                   WHERE j.stage IN ('text_extraction', 'chunking', 'embedding', 'indexing')))[1] AS current_file
          FROM document_jobs j LEFT JOIN LATERAL",
    chunk_counts!(),
    "c ON j.stage NOT IN ('complete', 'cancelled') WHERE j.batch_id = asked.batch_id) jobs
      WHERE b.batch_id IS NOT NULL OR jobs.files > 0"
);

#[async_trait]
impl Batches for Ledger {
    async fn announce(&self, batch: &NewBatch) -> Result<()> {
        announce(&self.client().await?, batch).await
    }

    async fn is_announced(&self, batch_id: BatchId) -> Result<bool> {
        let client = self.client().await?;
        let statement =
            client.prepare_cached("SELECT FROM batches WHERE batch_id = $1").await.map_err(fault)?;
        Ok(client.query_opt(&statement, &[&batch_id.0]).await.map_err(fault)?.is_some())
    }

    async fn add_jobless(&self, batch_id: BatchId, files: &[Jobless]) -> Result<()> {
        add_jobless(&self.client().await?, batch_id, files).await
    }

    async fn batches(&self, ids: &[BatchId]) -> Result<Vec<BatchStatus>> {
        let client = self.client().await?;
        let statement = client.prepare_cached(STATUS).await.map_err(fault)?;
        let ids: Vec<_> = ids.iter().map(|id| id.0).collect();
        let rows = client.query(&statement, &[&ids]).await.map_err(fault)?;
        Ok(rows.iter().map(status).collect())
    }

    async fn list_batches(&self, before: Option<BatchId>, limit: u32) -> Result<Vec<BatchStatus>> {
        let client = self.client().await?;
        // Ids are UUIDv7: their order is that of the announcements.
        let statement = client
            .prepare_cached(
                "SELECT batch_id FROM batches WHERE $1::uuid IS NULL OR batch_id < $1
                  ORDER BY batch_id DESC LIMIT $2",
            )
            .await
            .map_err(fault)?;
        let rows =
            client.query(&statement, &[&before.map(|id| id.0), &i64::from(limit)]).await.map_err(fault)?;
        let ids: Vec<BatchId> = rows.iter().map(|row| BatchId(row.get("batch_id"))).collect();
        let mut batches = self.batches(&ids).await?;
        batches.sort_by_key(|batch| std::cmp::Reverse(batch.batch_id));
        Ok(batches)
    }

    async fn jobless(&self, batch_id: BatchId, skip: u32, limit: u32) -> Result<Vec<Jobless>> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached("SELECT * FROM batch_jobless WHERE batch_id = $1 ORDER BY id OFFSET $2 LIMIT $3")
            .await
            .map_err(fault)?;
        let rows = client
            .query(&statement, &[&batch_id.0, &i64::from(skip), &i64::from(limit)])
            .await
            .map_err(fault)?;
        Ok(rows.iter().map(jobless).collect())
    }

    async fn forget_batches(&self, time: DateTime<Utc>, max: u32) -> Result<u32> {
        let client = self.client().await?;
        let forgotten = client
            .execute(
                "DELETE FROM batches WHERE batch_id IN (
                     SELECT batch_id FROM batches b
                      WHERE created_at < $1
                        AND NOT EXISTS (SELECT FROM imports i WHERE i.batch_id = b.batch_id)
                        AND NOT EXISTS (SELECT FROM document_jobs j WHERE j.batch_id = b.batch_id AND NOT j.forgotten)
                      ORDER BY created_at LIMIT $2)",
                &[&time, &i64::from(max)],
            )
            .await
            .map_err(fault)?;
        Ok(forgotten as u32)
    }
}

pub(crate) async fn announce(client: &impl GenericClient, batch: &NewBatch) -> Result<()> {
    let statement = client
        .prepare_cached(
            "INSERT INTO batches (batch_id, name, files_total) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .await
        .map_err(fault)?;
    let files = batch.files_total.min(i32::MAX as u32) as i32;
    client.execute(&statement, &[&batch.batch_id.0, &batch.name, &files]).await.map(drop).map_err(fault)
}

pub(crate) async fn add_jobless(
    client: &impl GenericClient,
    batch_id: BatchId,
    files: &[Jobless],
) -> Result<()> {
    let statement = client
        .prepare_cached(
            "INSERT INTO batch_jobless (batch_id, filename, problem, document_id, job_id)
             SELECT b.batch_id, file.filename, file.problem, file.document_id, file.job_id
               FROM batches b, unnest($2::text[], $3::jsonb[], $4::uuid[], $5::uuid[]) WITH ORDINALITY
                      AS file (filename, problem, document_id, job_id, n)
              WHERE b.batch_id = $1 ORDER BY file.n",
        )
        .await
        .map_err(fault)?;
    let names: Vec<&str> = files.iter().map(|file| file.filename.as_str()).collect();
    let (mut problems, mut documents, mut jobs) = (Vec::new(), Vec::new(), Vec::new());
    for file in files {
        let (problem, duplicate) = match &file.why {
            Why::Rejected(problem) => (Some(Json(problem)), None),
            Why::Duplicate(document_id, job_id) => (None, Some((document_id.0, job_id.0))),
        };
        problems.push(problem);
        documents.push(duplicate.map(|(document_id, _)| document_id));
        jobs.push(duplicate.map(|(_, job_id)| job_id));
    }
    client
        .execute(&statement, &[&batch_id.0, &names, &problems, &documents, &jobs])
        .await
        .map(drop)
        .map_err(fault)
}

fn jobless(row: &Row) -> Jobless {
    let duplicate = row.get::<_, Option<_>>("document_id").zip(row.get::<_, Option<_>>("job_id"));
    let why = match duplicate {
        Some((document_id, job_id)) => Why::Duplicate(DocumentId(document_id), JobId(job_id)),
        None => {
            Why::Rejected(row.get::<_, Option<Json<_>>>("problem").map(|json| json.0).unwrap_or_default())
        }
    };
    Jobless { filename: row.get("filename"), why }
}

fn status(row: &Row) -> BatchStatus {
    let count = |name: &str| row.get::<_, i64>(name) as u32;
    let outcomes = Outcomes {
        complete: count("complete"),
        failed: count("failed"),
        cancelled: count("cancelled"),
        rejected: count("rejected"),
        duplicate: count("duplicate"),
        paused: count("paused"),
        active: 0,
    };
    let jobless = outcomes.rejected + outcomes.duplicate;
    let outcomes = Outcomes { active: count("files") + jobless - outcomes.all(), ..outcomes };
    let files_total = (row.get::<_, i32>("files_total") as u32).max(outcomes.all());
    let percent = row.get::<_, f32>("percent") + 100.0 * jobless as f32;
    let percentage = match (files_total, outcomes.done()) {
        (0, _) => 0.0,
        (total, done) if done == total => 100.0,
        (total, _) => (percent / total as f32 * 10.0).floor() / 10.0,
    };
    let is_over = outcomes.done() >= files_total && files_total > 0;
    BatchStatus {
        batch_id: BatchId(row.get("batch_id")),
        name: row.get("name"),
        files_total,
        outcomes,
        chunks: (row.get::<_, i64>("chunks_done") as u64, row.get::<_, i64>("chunks_total") as u64),
        percentage: if is_over { 100.0 } else { percentage.min(99.9) },
        rate: row.get("rate"),
        current_file: row.get("current_file"),
        created_at: row.get("created_at"),
        updated_at: row.get("updated_at"),
        completed_at: row.get::<_, Option<_>>("completed_at").filter(|_| is_over),
    }
}
