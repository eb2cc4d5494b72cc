//! Jobs as their users see them: their rows, their chunks' statuses, their batches.

use crate::{
    error::fault,
    intake::{failure, parse},
};
use deadpool_postgres::GenericClient;
use ragstream_core::{
    chunk::ChunkStatus,
    fault::Result,
    id::{BatchId, DocumentId, JobId, Version},
    ports::{JobFilter, JobStatus},
};
use std::collections::BTreeMap;
use tokio_postgres::{Row, types::ToSql};

/// The chunks of a job `j` by status; those embedded in the last while, and how many seconds
/// that is: less for a job that began within it.
macro_rules! chunk_counts {
    () => {
        " (SELECT count(*) FILTER (WHERE c.status = 'pending') AS pending,
                  count(*) FILTER (WHERE c.status = 'embedded') AS embedded,
                  count(*) FILTER (WHERE c.status = 'indexed') AS indexed,
                  count(*) FILTER (WHERE c.status = 'failed') AS failed,
                  count(*) FILTER (WHERE c.status IN ('embedded', 'indexed')
                                     AND c.updated_at > now() - interval '20 s') AS recent,
                  extract(epoch FROM least(interval '20 s', now() - j.started_at))::real AS seconds
             FROM document_chunks c WHERE c.document_id = j.document_id AND c.version = j.version) "
    };
}
pub(crate) use chunk_counts;

/// All there is to know of jobs `j` that the condition selects, in an order, at most so many.
macro_rules! jobs {
    ($rest:literal) => {
        concat!(
            "WITH picked AS (
                 SELECT j.*, d.collection AS of_collection, d.size_bytes FROM document_jobs j JOIN documents d USING (document_id)
                  WHERE NOT j.forgotten AND ",
            $rest,
            "), files AS (
                 SELECT f.batch_id, count(*) AS files,
                        count(*) FILTER (WHERE f.stage IN ('complete', 'failed', 'cancelled')) AS done
                   FROM document_jobs f WHERE f.batch_id IN (SELECT batch_id FROM picked) GROUP BY f.batch_id),
             jobless AS (
                 SELECT r.batch_id, count(*) AS files FROM batch_jobless r
                  WHERE r.batch_id IN (SELECT batch_id FROM picked) GROUP BY r.batch_id)
             SELECT j.*, chunks.*,
                    greatest(f.files + coalesce(r.files, 0), b.files_total) AS files_total,
                    f.done + coalesce(r.files, 0) AS files_done,
                    job_percentage(j.stage, j.reached, j.chunks_expected, chunks.embedded + chunks.indexed,
                                   chunks.indexed) AS percentage
               FROM picked j JOIN files f USING (batch_id) LEFT JOIN jobless r USING (batch_id)
               LEFT JOIN batches b USING (batch_id), LATERAL",
            chunk_counts!(),
            "chunks"
        )
    };
}

pub(crate) async fn job(client: &impl GenericClient, job_id: JobId) -> Result<Option<JobStatus>> {
    Ok(select(client, jobs!("j.job_id = $1"), &[&job_id.0]).await?.pop())
}

/// Those of these that there are, in no order.
pub(crate) async fn jobs_by_id(client: &impl GenericClient, ids: &[JobId]) -> Result<Vec<JobStatus>> {
    let ids: Vec<_> = ids.iter().map(|id| id.0).collect();
    select(client, jobs!("j.job_id = ANY($1)"), &[&ids]).await
}

/// Jobs that a worker has, those first that changed last.
pub(crate) async fn jobs_under_way(client: &impl GenericClient, max: u32) -> Result<Vec<JobStatus>> {
    let under_way = jobs!(
        "j.stage IN ('text_extraction', 'chunking', 'embedding', 'indexing') ORDER BY j.updated_at DESC LIMIT $1"
    );
    select(client, under_way, &[&i64::from(max)]).await
}

/// Newest first.
pub(crate) async fn jobs(client: &impl GenericClient, filter: &JobFilter) -> Result<Vec<JobStatus>> {
    // Job ids are UUIDv7: their order is the order of upload.
    let wanted = jobs!(
        "(NOT $1 OR j.stage NOT IN ('complete', 'failed', 'cancelled'))
         AND ($2::text IS NULL OR j.stage = $2)
         AND ($3::uuid IS NULL OR j.document_id = $3)
         AND ($4::uuid IS NULL OR j.job_id < $4)
         AND ($5::uuid IS NULL OR j.batch_id = $5)
         ORDER BY j.job_id DESC LIMIT $6"
    );
    let mut jobs = select(
        client,
        wanted,
        &[
            &filter.active,
            &filter.stage.map(|stage| stage.as_str()),
            &filter.document_id.map(|id| id.0),
            &filter.before.map(|id| id.0),
            &filter.batch_id.map(|id| id.0),
            &i64::from(filter.limit),
        ],
    )
    .await?;
    jobs.sort_by_key(|job| std::cmp::Reverse(job.job_id));
    Ok(jobs)
}

async fn select(
    client: &impl GenericClient,
    statement: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<JobStatus>> {
    let statement = client.prepare_cached(statement).await.map_err(fault)?;
    client.query(&statement, parameters).await.map_err(fault)?.iter().map(status).collect()
}

/// Chunks a second of a row with [`chunk_counts`].
pub(crate) fn rate(recent: i64, seconds: Option<f32>) -> f32 {
    // A job that began this moment: not yet a rate.
    seconds.filter(|seconds| *seconds >= 0.5).map_or(0.0, |seconds| recent as f32 / seconds)
}

fn status(row: &Row) -> Result<JobStatus> {
    let count = |status: ChunkStatus| (status, row.get::<_, i64>(status.as_str()) as u32);
    let chunks: BTreeMap<ChunkStatus, u32> =
        ChunkStatus::ALL.into_iter().map(count).filter(|(_, n)| *n > 0).collect();
    Ok(JobStatus {
        job_id: JobId(row.get("job_id")),
        batch_id: BatchId(row.get("batch_id")),
        document_id: DocumentId(row.get("document_id")),
        version: Version(row.get("version")),
        filename: row.get("filename"),
        collection: row.get("of_collection"),
        size_bytes: row.get::<_, i64>("size_bytes") as u64,
        stage: parse(row.get("stage"))?,
        priority: row.get("priority"),
        lane: parse(row.get("lane"))?,
        chunks_total: row.get::<_, Option<i32>>("chunks_total").map(|n| n as u32),
        chunks_expected: row.get::<_, Option<i32>>("chunks_expected").map(|n| n as u32),
        chunks,
        percentage: row.get("percentage"),
        rate: rate(row.get("recent"), row.get("seconds")),
        batch_files: (row.get::<_, i64>("files_done") as u32, row.get::<_, i64>("files_total") as u32),
        attempts: row.get::<_, i32>("attempts") as u32,
        failure: failure(row),
        created_at: row.get("created_at"),
        started_at: row.get("started_at"),
        updated_at: row.get("updated_at"),
        completed_at: row.get("completed_at"),
    })
}
