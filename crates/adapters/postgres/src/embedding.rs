//! What the embedding pool asks and writes.

use crate::{control, error::fault, outbox, pool::Ledger, trash};
use async_trait::async_trait;
use deadpool_postgres::GenericClient;
use ragstream_core::{
    fault::Result,
    id::{ChunkId, DocumentId, JobId, Version},
    ports::{CommitPlan, CommitRecords, EmbeddingLedger, GivenUp, Wanted},
};
use std::collections::HashMap;
use uuid::Uuid;

#[async_trait]
impl EmbeddingLedger for Ledger {
    async fn wanted(&self, chunks: &[(ChunkId, DocumentId, Version)]) -> Result<Vec<Wanted>> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(
                "SELECT c.chunk_id, c.status,
                        d.version = c.version AND j.stage NOT IN ('paused', 'cancelled') AS live
                   FROM document_chunks c
                   JOIN documents d USING (document_id)
                   JOIN document_jobs j ON j.document_id = c.document_id AND j.version = c.version
                  WHERE c.chunk_id = ANY($1)",
            )
            .await
            .map_err(fault)?;
        let ids: Vec<Uuid> = chunks.iter().map(|(id, ..)| id.0).collect();
        let rows = client.query(&statement, &[&ids]).await.map_err(fault)?;
        let wanted: HashMap<Uuid, Wanted> = rows
            .iter()
            .map(|row| {
                let wanted = match (row.get("live"), row.get("status")) {
                    (false, _) | (true, "failed") => Wanted::No,
                    (true, "pending") => Wanted::Yes,
                    (true, _) => Wanted::Embedded,
                };
                (row.get("chunk_id"), wanted)
            })
            .collect();
        // Rows are written before the events that ask for them: one that is missing was removed.
        Ok(ids.iter().map(|id| wanted.get(id).copied().unwrap_or(Wanted::Gone)).collect())
    }

    async fn mark_embedded(&self, chunks: &[(ChunkId, i32, i64)], model: &str) -> Result<Vec<ChunkId>> {
        let client = self.client().await?;
        // `indexed` too: the index may have been faster, and lineage wants the place.
        let statement = client
            .prepare_cached(
                "WITH e AS (
                     SELECT * FROM unnest($2::uuid[], $3::int[], $4::bigint[]) AS e (chunk_id, partition, position)),
                 marked AS (
                     UPDATE document_chunks c
                        SET status = CASE c.status WHEN 'pending' THEN 'embedded' ELSE c.status END,
                            model = $1, log_partition = e.partition, log_offset = e.position, updated_at = now()
                       FROM e WHERE c.chunk_id = e.chunk_id AND c.status <> 'failed')
                 SELECT e.chunk_id FROM e
                  WHERE NOT EXISTS (SELECT FROM document_chunks c WHERE c.chunk_id = e.chunk_id)",
            )
            .await
            .map_err(fault)?;
        let ids: Vec<_> = chunks.iter().map(|(id, ..)| id.0).collect();
        let partitions: Vec<_> = chunks.iter().map(|(_, partition, _)| *partition).collect();
        let offsets: Vec<_> = chunks.iter().map(|(.., offset)| *offset).collect();
        let gone = client.query(&statement, &[&model, &ids, &partitions, &offsets]).await.map_err(fault)?;
        Ok(control::chunk_ids(&gone))
    }

    async fn begin_commit(&self, versions: &[(DocumentId, Version)]) -> Result<Vec<CommitPlan>> {
        begin_commit(&self.client().await?, versions).await
    }

    async fn finish_commit(&self, plans: &[CommitPlan], farewell: &CommitRecords<'_>) -> Result<()> {
        // A first version retires nothing, and most are first ones.
        if plans.iter().all(|plan| plan.version == Version(1)) {
            return Ok(());
        }
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(fault)?;
        forget_retired(&transaction, plans).await?;
        let records: Vec<_> = plans.iter().flat_map(farewell).collect();
        outbox::put(&transaction, &records).await.map_err(fault)?;
        transaction.commit().await.map_err(fault)
    }

    async fn fail_chunk(&self, chunk_id: ChunkId, given_up: &GivenUp) -> Result<bool> {
        fail_chunk(self, chunk_id, given_up).await
    }

    async fn reopen_chunks(&self, chunks: &[(ChunkId, String)]) -> Result<()> {
        reopen_chunks(self, chunks).await
    }
}

/// Takes versions that are whole to the stage `indexing`: what their markers need to know.
pub(crate) async fn begin_commit(
    client: &impl GenericClient,
    versions: &[(DocumentId, Version)],
) -> Result<Vec<CommitPlan>> {
    let statement = client
        .prepare_cached(
            "WITH begun AS (
                 UPDATE document_jobs j SET stage = 'indexing', updated_at = now()
                   FROM unnest($1::uuid[], $2::int[]) AS asked (document_id, version), documents d
                  WHERE j.document_id = asked.document_id AND j.version = asked.version
                    AND d.document_id = j.document_id AND d.version = j.version
                    AND j.stage IN ('embedding', 'indexing')
                    -- Counting is for the last: there are as many askers as batches of chunks.
                    AND CASE WHEN EXISTS (SELECT FROM document_chunks c
                                           WHERE c.document_id = j.document_id AND c.version = j.version
                                             AND c.status IN ('pending', 'failed'))
                             THEN false
                             ELSE j.chunks_total = (SELECT count(*) FROM document_chunks c
                                                     WHERE c.document_id = j.document_id
                                                       AND c.version = j.version)
                             END
              RETURNING j.document_id, j.version, j.job_id, j.chunks_total),
             whole AS (
                 SELECT * FROM begun
              UNION ALL
                 SELECT j.document_id, j.version, j.job_id, j.chunks_total
                   FROM unnest($1::uuid[], $2::int[]) AS asked (document_id, version),
                        documents d, document_jobs j
                  WHERE j.document_id = asked.document_id AND j.version = asked.version
                    AND d.document_id = j.document_id AND d.version = j.version
                    AND j.stage = 'complete'
                    AND EXISTS (SELECT FROM document_jobs o
                                 WHERE o.document_id = j.document_id AND o.version < j.version
                                   AND NOT o.retired))
             SELECT whole.*, old.versions, old.chunk_ids FROM whole,
                    LATERAL (SELECT coalesce(array_agg(o.version), '{}') AS versions,
                                    coalesce(array_agg(o.chunk_id), '{}') AS chunk_ids
                               FROM document_chunks o
                              WHERE o.document_id = whole.document_id AND o.version < whole.version) old",
        )
        .await
        .map_err(fault)?;
    let documents: Vec<_> = versions.iter().map(|(document, _)| document.0).collect();
    let epochs: Vec<_> = versions.iter().map(|(_, version)| version.0).collect();
    let rows = client.query(&statement, &[&documents, &epochs]).await.map_err(fault)?;
    Ok(rows
        .iter()
        .map(|row| {
            let versions = row.get::<_, Vec<i32>>("versions").into_iter().map(Version);
            let chunks = row.get::<_, Vec<Uuid>>("chunk_ids").into_iter().map(ChunkId);
            CommitPlan {
                document_id: DocumentId(row.get("document_id")),
                version: Version(row.get("version")),
                job_id: JobId(row.get("job_id")),
                chunk_count: row.get::<_, i32>("chunks_total") as u32,
                retired: versions.zip(chunks).collect(),
            }
        })
        .collect())
}

/// Forgets the chunks that these markers retire, and lets go of their versions' blobs.
pub(crate) async fn forget_retired(transaction: &impl GenericClient, plans: &[CommitPlan]) -> Result<()> {
    let updates: Vec<_> = plans.iter().filter(|plan| plan.version > Version(1)).collect();
    if updates.is_empty() {
        return Ok(());
    }
    let retired: Vec<_> = updates.iter().flat_map(|plan| plan.retired.iter().map(|(_, id)| id.0)).collect();
    transaction
        .execute("DELETE FROM document_chunks WHERE chunk_id = ANY($1)", &[&retired])
        .await
        .map_err(fault)?;
    let documents: Vec<_> = updates.iter().map(|plan| plan.document_id.0).collect();
    let versions: Vec<_> = updates.iter().map(|plan| plan.version.0).collect();
    let over = transaction
        .query(
            "UPDATE document_jobs j SET retired = true
               FROM unnest($1::uuid[], $2::int[]) AS new (document_id, version)
              WHERE j.document_id = new.document_id AND j.version < new.version AND NOT j.retired
          RETURNING j.document_id, j.version, j.blob_key",
            &[&documents, &versions],
        )
        .await
        .map_err(fault)?;
    trash::discard(transaction, &over).await
}

/// Chunks that failed by other records than these are `pending` again.
pub(crate) async fn reopen_chunks(ledger: &Ledger, chunks: &[(ChunkId, String)]) -> Result<()> {
    let mut client = ledger.client().await?;
    let transaction = client.transaction().await.map_err(fault)?;
    let ids: Vec<_> = chunks.iter().map(|(id, _)| id.0).collect();
    let places: Vec<_> = chunks.iter().map(|(_, place)| place).collect();
    lock_documents_of(&transaction, &ids).await?;
    let reopened = transaction
        .query(
            "UPDATE document_chunks c
                SET status = 'pending', error_class = NULL, error_message = NULL, given_up_at = NULL,
                    updated_at = now()
               FROM unnest($1::uuid[], $2::text[]) AS r (chunk_id, place), documents d
              WHERE c.chunk_id = r.chunk_id AND c.status = 'failed' AND c.given_up_at IS DISTINCT FROM r.place
                AND d.document_id = c.document_id AND d.version = c.version
          RETURNING c.document_id, c.version",
            &[&ids, &places],
        )
        .await
        .map_err(fault)?;
    let documents: Vec<Uuid> = reopened.iter().map(|row| row.get("document_id")).collect();
    let versions: Vec<i32> = reopened.iter().map(|row| row.get("version")).collect();
    transaction
        .execute(
            "UPDATE document_jobs j
                SET stage = 'embedding', error_class = NULL, error_message = NULL, given_up_at = NULL,
                    completed_at = NULL, updated_at = now()
               FROM unnest($1::uuid[], $2::int[]) AS r (document_id, version)
              WHERE j.document_id = r.document_id AND j.version = r.version AND j.stage = 'failed'
                AND NOT EXISTS (SELECT FROM document_chunks c
                                 WHERE c.document_id = j.document_id AND c.version = j.version
                                   AND c.status = 'failed')",
            &[&documents, &versions],
        )
        .await
        .map_err(fault)?;
    transaction.commit().await.map_err(fault)
}

/// Locks the documents of chunks. Failing one chunk and reopening another have to take turns:
/// else each would miss what the other does, and the job would go on with a failed chunk, or
/// stay failed with none.
async fn lock_documents_of(transaction: &impl GenericClient, chunks: &[Uuid]) -> Result<()> {
    let rows = transaction
        .query("SELECT DISTINCT document_id FROM document_chunks WHERE chunk_id = ANY($1)", &[&chunks])
        .await
        .map_err(fault)?;
    let documents: Vec<Uuid> = rows.iter().map(|row| row.get("document_id")).collect();
    control::lock(transaction, &documents).await
}

/// A chunk is given up, and with it its job, unless that is over or paused. A job whose text
/// still comes fails at its end ([`fail_by_chunks`]): what else there is of it is not lost.
pub(crate) async fn fail_chunk(ledger: &Ledger, chunk_id: ChunkId, given_up: &GivenUp) -> Result<bool> {
    let mut client = ledger.client().await?;
    let transaction = client.transaction().await.map_err(fault)?;
    lock_documents_of(&transaction, &[chunk_id.0]).await?;
    // Whoever records the end of the text comes before this, or waits and sees what it did.
    transaction
        .execute(
            "SELECT FROM document_jobs j JOIN document_chunks c USING (document_id, version)
              WHERE c.chunk_id = $1 FOR NO KEY UPDATE OF j",
            &[&chunk_id.0],
        )
        .await
        .map_err(fault)?;
    let statement = transaction
        .prepare_cached(
            "WITH chunk AS (
                 UPDATE document_chunks
                    SET status = 'failed', error_class = $2, error_message = $3, given_up_at = $4,
                        updated_at = now()
                  WHERE chunk_id = $1 AND status IN ('pending', 'embedded')
              RETURNING document_id, version),
             job AS (
                 UPDATE document_jobs j
                    SET stage = 'failed', error_class = $2, error_message = $3, given_up_at = $4,
                        updated_at = now(), completed_at = now()
                   FROM chunk
                  WHERE j.document_id = chunk.document_id AND j.version = chunk.version
                    AND j.chunks_total IS NOT NULL
                    AND j.stage NOT IN ('complete', 'failed', 'paused', 'cancelled'))
             SELECT count(*) AS failed FROM chunk",
        )
        .await
        .map_err(fault)?;
    let failure = &given_up.failure;
    let row = transaction
        .query_one(&statement, &[&chunk_id.0, &failure.class, &failure.message, &given_up.place])
        .await
        .map_err(fault)?;
    transaction.commit().await.map_err(fault)?;
    Ok(row.get::<_, i64>("failed") == 1)
}

/// A job fails by chunks that were given up before their total was on record.
pub(crate) async fn fail_by_chunks(
    client: &impl GenericClient,
    document_id: DocumentId,
    version: Version,
) -> Result<()> {
    let statement = client
        .prepare_cached(
            "UPDATE document_jobs j
                SET stage = 'failed', error_class = c.error_class, error_message = c.error_message,
                    given_up_at = c.given_up_at, updated_at = now(), completed_at = now()
               FROM (SELECT * FROM document_chunks
                      WHERE document_id = $1 AND version = $2 AND status = 'failed'
                      ORDER BY position LIMIT 1) c
              WHERE j.document_id = $1 AND j.version = $2 AND j.stage = 'embedding'",
        )
        .await
        .map_err(fault)?;
    client.execute(&statement, &[&document_id.0, &version.0]).await.map(drop).map_err(fault)
}
