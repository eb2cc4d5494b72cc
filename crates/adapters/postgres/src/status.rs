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
use tokio_postgres::{Row, types::Json};

/// All there is to know of the jobs `j` that the rest of the statement selects.
macro_rules! jobs {
    ($rest:literal) => {
        concat!(
            "SELECT j.*,
                    (SELECT count(*) FROM document_jobs b WHERE b.batch_id = j.batch_id) AS files,
                    (SELECT count(*) FROM document_jobs b WHERE b.batch_id = j.batch_id
                        AND b.stage IN ('complete', 'failed', 'cancelled')) AS files_done,
                    (SELECT coalesce(jsonb_object_agg(s.status, s.n), '{}')
                       FROM (SELECT c.status, count(*) AS n FROM document_chunks c
                              WHERE c.document_id = j.document_id AND c.version = j.version
                              GROUP BY c.status) s) AS chunks
               FROM document_jobs j WHERE NOT j.forgotten AND ",
            $rest
        )
    };
}

pub(crate) async fn job(client: &impl GenericClient, job_id: JobId) -> Result<Option<JobStatus>> {
    let statement = client.prepare_cached(jobs!("j.job_id = $1")).await.map_err(fault)?;
    let row = client.query_opt(&statement, &[&job_id.0]).await.map_err(fault)?;
    row.as_ref().map(status).transpose()
}

pub(crate) async fn jobs(client: &impl GenericClient, filter: &JobFilter) -> Result<Vec<JobStatus>> {
    // Job ids are UUIDv7: their order is the order of upload.
    let statement = client
        .prepare_cached(jobs!(
            "(NOT $1 OR j.stage NOT IN ('complete', 'failed', 'cancelled'))
             AND ($2::text IS NULL OR j.stage = $2)
             AND ($3::uuid IS NULL OR j.document_id = $3)
             AND ($4::uuid IS NULL OR j.job_id < $4)
             ORDER BY j.job_id DESC LIMIT $5"
        ))
        .await
        .map_err(fault)?;
    let rows = client
        .query(
            &statement,
            &[
                &filter.active,
                &filter.stage.map(|stage| stage.as_str()),
                &filter.document_id.map(|id| id.0),
                &filter.before.map(|id| id.0),
                &i64::from(filter.limit),
            ],
        )
        .await
        .map_err(fault)?;
    rows.iter().map(status).collect()
}

fn status(row: &Row) -> Result<JobStatus> {
    let counts: Json<BTreeMap<String, u32>> = row.get("chunks");
    let chunks =
        counts.0.iter().map(|(status, n)| Ok((parse::<ChunkStatus>(status)?, *n))).collect::<Result<_>>()?;
    Ok(JobStatus {
        job_id: JobId(row.get("job_id")),
        batch_id: BatchId(row.get("batch_id")),
        document_id: DocumentId(row.get("document_id")),
        version: Version(row.get("version")),
        filename: row.get("filename"),
        stage: parse(row.get("stage"))?,
        priority: row.get("priority"),
        lane: parse(row.get("lane"))?,
        chunks_total: row.get::<_, Option<i32>>("chunks_total").map(|n| n as u32),
        chunks,
        batch_files: (row.get::<_, i64>("files_done") as u32, row.get::<_, i64>("files") as u32),
        attempts: row.get::<_, i32>("attempts") as u32,
        failure: failure(row),
        created_at: row.get("created_at"),
        started_at: row.get("started_at"),
        updated_at: row.get("updated_at"),
        completed_at: row.get("completed_at"),
    })
}
