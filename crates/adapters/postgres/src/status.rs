//! A job's status: its row, its chunks' statuses, its batch.

use crate::{
    error::fault,
    intake::{failure, parse},
};
use deadpool_postgres::Object;
use ragstream_core::{
    fault::Result,
    id::{BatchId, DocumentId, JobId, Version},
    ports::JobStatus,
};
use std::collections::BTreeMap;

pub(crate) async fn job(client: &Object, job_id: JobId) -> Result<Option<JobStatus>> {
    let statement = client
        .prepare_cached(
            "SELECT j.*,
                    (SELECT count(*) FROM document_jobs b WHERE b.batch_id = j.batch_id) AS files,
                    (SELECT count(*) FROM document_jobs b WHERE b.batch_id = j.batch_id
                        AND b.stage IN ('complete', 'failed', 'cancelled')) AS files_done
               FROM document_jobs j WHERE j.job_id = $1",
        )
        .await
        .map_err(fault)?;
    let Some(row) = client.query_opt(&statement, &[&job_id.0]).await.map_err(fault)? else {
        return Ok(None);
    };
    let document_id = DocumentId(row.get("document_id"));
    let version = Version(row.get("version"));
    let statement = client
        .prepare_cached(
            "SELECT status, count(*) AS n FROM document_chunks
              WHERE document_id = $1 AND version = $2 GROUP BY status",
        )
        .await
        .map_err(fault)?;
    let mut chunks = BTreeMap::new();
    for count in client.query(&statement, &[&document_id.0, &version.0]).await.map_err(fault)? {
        chunks.insert(parse(count.get("status"))?, count.get::<_, i64>("n") as u32);
    }
    Ok(Some(JobStatus {
        job_id,
        batch_id: BatchId(row.get("batch_id")),
        document_id,
        version,
        filename: row.get("filename"),
        stage: parse(row.get("stage"))?,
        chunks_total: row.get::<_, Option<i32>>("chunks_total").map(|n| n as u32),
        chunks,
        batch_files: (row.get::<_, i64>("files_done") as u32, row.get::<_, i64>("files") as u32),
        attempts: row.get::<_, i32>("attempts") as u32,
        failure: failure(&row),
        created_at: row.get("created_at"),
        started_at: row.get("started_at"),
        updated_at: row.get("updated_at"),
        completed_at: row.get("completed_at"),
    }))
}
