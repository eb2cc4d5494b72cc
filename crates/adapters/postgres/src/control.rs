//! What users do to jobs and documents: each command is one transaction, which
//! also writes the records that go out with it.
//!
//! A command locks the document first, so that commands and updates of one
//! document take turns. The lock leaves the key alone: workers that write rows
//! which refer to the document go on, and where they hold a job's row, the
//! command waits for them and then sees what they wrote.

use crate::{
    error::{again, fault},
    intake::{document, parse},
    outbox,
    pool::Ledger,
    status, trash,
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use deadpool_postgres::GenericClient;
use ragstream_core::{
    fault::Result,
    id::{ChunkId, DocumentId, JobId, Version},
    job::JobStage,
    ports::{ControlRecords, Controlled, JobCommand, JobControl, JobFilter, JobStatus, Removed},
};
use std::collections::BTreeSet;
use tokio_postgres::Row;
use uuid::Uuid;

#[async_trait]
impl JobControl for Ledger {
    async fn jobs(&self, filter: &JobFilter) -> Result<Vec<JobStatus>> {
        status::jobs(&self.client().await?, filter).await
    }

    async fn control(
        &self,
        job_id: JobId,
        command: JobCommand,
        records: &dyn ControlRecords,
    ) -> Result<Controlled> {
        again(|| self.try_control(job_id, command, records)).await
    }

    async fn forget(&self, job_id: JobId) -> Result<Controlled> {
        let client = self.client().await?;
        let Some(job) = status::job(&client, job_id).await? else { return Ok(Controlled::NotFound) };
        let forgotten = client
            .execute(
                "UPDATE document_jobs SET forgotten = true
                  WHERE job_id = $1 AND stage IN ('complete', 'failed', 'cancelled')",
                &[&job_id.0],
            )
            .await
            .map_err(fault)?;
        Ok(if forgotten == 1 { Controlled::Done(Box::new(job)) } else { Controlled::Refused(job.stage) })
    }

    async fn forget_ended(&self, time: DateTime<Utc>, max: u32) -> Result<u32> {
        let client = self.client().await?;
        let forgotten = client
            .execute(
                "UPDATE document_jobs SET forgotten = true WHERE job_id IN (
                     SELECT job_id FROM document_jobs
                      WHERE completed_at < $1 AND NOT forgotten AND stage IN ('complete', 'failed', 'cancelled')
                      ORDER BY completed_at LIMIT $2)",
                &[&time, &i64::from(max)],
            )
            .await
            .map_err(fault)?;
        Ok(forgotten as u32)
    }

    async fn delete(&self, document_id: DocumentId, records: &dyn ControlRecords) -> Result<Option<Removed>> {
        again(|| self.try_delete(document_id, records)).await
    }
}

impl Ledger {
    async fn try_control(
        &self,
        job_id: JobId,
        command: JobCommand,
        records: &dyn ControlRecords,
    ) -> Result<Controlled> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(fault)?;
        let found = transaction
            .query_opt(
                "SELECT d.*, j.version AS job_version, j.stage, j.lane FROM documents d
                   JOIN document_jobs j USING (document_id)
                  WHERE j.job_id = $1 AND NOT j.forgotten FOR NO KEY UPDATE",
                &[&job_id.0],
            )
            .await
            .map_err(fault)?;
        let Some(row) = found else { return Ok(Controlled::NotFound) };
        if row.get::<_, i32>("job_version") != row.get::<_, i32>("version") {
            return Ok(Controlled::Superseded);
        }
        let stage: JobStage = parse(row.get("stage"))?;
        let document = document(&row);
        let (id, version) = (document.reference.document_id, document.reference.version);
        match (command, stage) {
            (JobCommand::Pause, JobStage::Paused) | (JobCommand::Cancel, JobStage::Cancelled) => {}
            (JobCommand::Pause, stage) if is_under_way(stage) => {
                set_stage(&transaction, job_id, JobStage::Paused).await?;
            }
            (JobCommand::Resume, JobStage::Paused) | (JobCommand::Retry, JobStage::Failed) => {
                reopen(&transaction, id, version, &[stage.as_str()], None).await?;
                let request = records.request(&document, parse(row.get("lane"))?);
                outbox::put(&transaction, &[request]).await.map_err(fault)?;
            }
            (JobCommand::Cancel, stage)
                if is_under_way(stage) || matches!(stage, JobStage::Paused | JobStage::Failed) =>
            {
                set_stage(&transaction, job_id, JobStage::Cancelled).await?;
                // Only now: a worker that was recording chunks has done so, and none can any more.
                // Versions that this one superseded before they were whole go with it: nothing
                // will be made of them. One that was whole may have its marker.
                let chunks = transaction
                    .query(
                        "WITH unfinished AS (
                             SELECT j.version FROM document_jobs j, documents d
                              WHERE d.document_id = $1 AND j.document_id = $1 AND j.version < $2
                                AND j.version > coalesce(d.visible_version, 0)
                                AND j.chunks_total IS DISTINCT FROM (
                                        SELECT count(*) FROM document_chunks c
                                         WHERE c.document_id = $1 AND c.version = j.version
                                           AND c.status IN ('embedded', 'indexed')))
                         DELETE FROM document_chunks WHERE document_id = $1
                            AND (version = $2 OR version IN (SELECT version FROM unfinished))
                         RETURNING chunk_id, version",
                        &[&id.0, &version.0],
                    )
                    .await
                    .map_err(fault)?;
                let of_chunks = chunks.iter().map(|row| Version(row.get("version")));
                let versions: BTreeSet<_> = of_chunks.chain([version]).collect();
                let removed = Removed {
                    document_id: id,
                    chunks: chunk_ids(&chunks),
                    versions: versions.into_iter().collect(),
                };
                outbox::put(&transaction, &records.gone(&removed)).await.map_err(fault)?;
            }
            (_, stage) => return Ok(Controlled::Refused(stage)),
        }
        let job = status::job(&transaction, job_id).await?;
        transaction.commit().await.map_err(fault)?;
        Ok(job.map_or(Controlled::NotFound, |job| Controlled::Done(Box::new(job))))
    }

    async fn try_delete(
        &self,
        document_id: DocumentId,
        records: &dyn ControlRecords,
    ) -> Result<Option<Removed>> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(fault)?;
        let found = transaction
            .query_opt("SELECT FROM documents WHERE document_id = $1 FOR NO KEY UPDATE", &[&document_id.0])
            .await
            .map_err(fault)?;
        if found.is_none() {
            return Ok(None);
        }
        // Jobs first: without one no worker writes a chunk's row.
        let jobs = transaction
            .query(
                "DELETE FROM document_jobs WHERE document_id = $1
                 RETURNING document_id, version, blob_key, retired",
                &[&document_id.0],
            )
            .await
            .map_err(fault)?;
        let chunks = transaction
            .query("DELETE FROM document_chunks WHERE document_id = $1 RETURNING chunk_id", &[&document_id.0])
            .await
            .map_err(fault)?;
        transaction
            .execute("DELETE FROM documents WHERE document_id = $1", &[&document_id.0])
            .await
            .map_err(fault)?;
        // Blobs and markers of retired versions went when they were retired.
        let jobs: Vec<Row> = jobs.into_iter().filter(|job| !job.get::<_, bool>("retired")).collect();
        trash::discard(&transaction, &jobs).await?;
        let removed = Removed {
            document_id,
            chunks: chunk_ids(&chunks),
            versions: jobs.iter().map(|job| Version(job.get("version"))).collect(),
        };
        outbox::put(&transaction, &records.deleted(&removed)).await.map_err(fault)?;
        transaction.commit().await.map_err(fault)?;
        Ok(Some(removed))
    }
}

/// Whether a worker has it, or will have it soon, and it is not about to become visible.
fn is_under_way(stage: JobStage) -> bool {
    use JobStage::*;
    matches!(stage, Accepted | TextExtraction | Chunking | Embedding)
}

pub(crate) fn chunk_ids(rows: &[Row]) -> Vec<ChunkId> {
    rows.iter().map(|row| ChunkId(row.get("chunk_id"))).collect()
}

async fn set_stage(transaction: &impl GenericClient, job_id: JobId, stage: JobStage) -> Result<()> {
    transaction
        .execute(
            "UPDATE document_jobs
                SET stage = $2, updated_at = now(), completed_at = CASE WHEN $3 THEN now() END
              WHERE job_id = $1",
            &[&job_id.0, &stage.as_str(), &stage.is_final()],
        )
        .await
        .map(drop)
        .map_err(fault)
}

/// Locks documents until the end of the transaction, as every command and every update does
/// first: which version is the current one stands still, and those who fail and reopen work
/// of a version take turns.
pub(crate) async fn lock(transaction: &impl GenericClient, documents: &[Uuid]) -> Result<()> {
    transaction
        .execute(
            "SELECT FROM documents WHERE document_id = ANY($1) ORDER BY document_id FOR NO KEY UPDATE",
            &[&documents],
        )
        .await
        .map(drop)
        .map_err(fault)
}

/// A job of the current version in one of these stages is `accepted` again, its
/// failed chunks `pending`; not where it failed by the record at `place`. The document
/// is locked.
pub(crate) async fn reopen(
    transaction: &impl GenericClient,
    document_id: DocumentId,
    version: Version,
    stages: &[&str],
    place: Option<&str>,
) -> Result<bool> {
    let reopened = transaction
        .execute(
            "UPDATE document_jobs j
                SET stage = 'accepted', attempts = 0, error_class = NULL, error_message = NULL,
                    given_up_at = NULL, completed_at = NULL, updated_at = now()
               FROM documents d
              WHERE j.document_id = $1 AND j.version = $2 AND j.stage = ANY($3)
                AND ($4::text IS NULL OR j.given_up_at IS DISTINCT FROM $4)
                AND d.document_id = j.document_id AND d.version = j.version",
            &[&document_id.0, &version.0, &stages, &place],
        )
        .await
        .map_err(fault)?;
    if reopened == 0 {
        return Ok(false);
    }
    transaction
        .execute(
            "UPDATE document_chunks
                SET status = 'pending', error_class = NULL, error_message = NULL, given_up_at = NULL,
                    updated_at = now()
              WHERE document_id = $1 AND version = $2 AND status = 'failed'",
            &[&document_id.0, &version.0],
        )
        .await
        .map_err(fault)?;
    Ok(true)
}
