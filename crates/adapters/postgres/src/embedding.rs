//! What the embedding pool asks and writes.

use crate::{error::fault, pool::Ledger};
use async_trait::async_trait;
use ragstream_core::{
    fault::Result,
    id::{ChunkId, DocumentId, JobId, Version},
    ports::{CommitPlan, EmbeddingLedger, JobFailure, Wanted},
};
use std::collections::HashMap;
use uuid::Uuid;

#[async_trait]
impl EmbeddingLedger for Ledger {
    async fn wanted(&self, chunks: &[(ChunkId, DocumentId, Version)]) -> Result<Vec<Wanted>> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(
                "SELECT c.chunk_id, c.status FROM document_chunks c
                   JOIN documents d USING (document_id, version)
                   JOIN document_jobs j USING (document_id, version)
                  WHERE c.chunk_id = ANY($1) AND d.state = 'live' AND j.stage <> 'cancelled'",
            )
            .await
            .map_err(fault)?;
        let ids: Vec<Uuid> = chunks.iter().map(|(id, ..)| id.0).collect();
        let rows = client.query(&statement, &[&ids]).await.map_err(fault)?;
        let wanted: HashMap<Uuid, Wanted> = rows
            .iter()
            .map(|row| {
                let wanted = match row.get("status") {
                    "pending" => Wanted::Yes,
                    "failed" => Wanted::No,
                    _ => Wanted::Embedded,
                };
                (row.get("chunk_id"), wanted)
            })
            .collect();
        Ok(ids.iter().map(|id| wanted.get(id).copied().unwrap_or(Wanted::No)).collect())
    }

    async fn mark_embedded(&self, chunks: &[(ChunkId, i32, i64)], model: &str) -> Result<()> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(
                "UPDATE document_chunks c
                    SET status = 'embedded', model = $1, log_partition = e.partition, log_offset = e.position,
                        updated_at = now()
                   FROM unnest($2::uuid[], $3::int[], $4::bigint[]) AS e (chunk_id, partition, position)
                  WHERE c.chunk_id = e.chunk_id AND c.status = 'pending'",
            )
            .await
            .map_err(fault)?;
        let ids: Vec<_> = chunks.iter().map(|(id, ..)| id.0).collect();
        let partitions: Vec<_> = chunks.iter().map(|(_, partition, _)| *partition).collect();
        let offsets: Vec<_> = chunks.iter().map(|(.., offset)| *offset).collect();
        client.execute(&statement, &[&model, &ids, &partitions, &offsets]).await.map(drop).map_err(fault)
    }

    async fn ready_to_commit(&self, versions: &[(DocumentId, Version)]) -> Result<Vec<CommitPlan>> {
        let client = self.client().await?;
        // `retired`: chunks of earlier versions that reached the log.
        let statement = client
            .prepare_cached(
                "SELECT j.document_id, j.version, j.job_id, j.chunks_total,
                        ARRAY(SELECT old.chunk_id FROM document_chunks old
                               WHERE old.document_id = j.document_id AND old.version < j.version) AS retired
                   FROM unnest($1::uuid[], $2::int[]) AS asked (document_id, version)
                   JOIN document_jobs j USING (document_id, version)
                   JOIN documents d USING (document_id, version)
                  WHERE d.state = 'live' AND j.stage = 'embedding'
                    AND j.chunks_total = (SELECT count(*) FROM document_chunks c
                                           WHERE c.document_id = j.document_id AND c.version = j.version
                                             AND c.status IN ('embedded', 'indexed'))",
            )
            .await
            .map_err(fault)?;
        let documents: Vec<_> = versions.iter().map(|(document, _)| document.0).collect();
        let epochs: Vec<_> = versions.iter().map(|(_, version)| version.0).collect();
        let rows = client.query(&statement, &[&documents, &epochs]).await.map_err(fault)?;
        Ok(rows
            .iter()
            .map(|row| CommitPlan {
                document_id: DocumentId(row.get("document_id")),
                version: Version(row.get("version")),
                job_id: JobId(row.get("job_id")),
                chunk_count: row.get::<_, i32>("chunks_total") as u32,
                retired: row.get::<_, Vec<Uuid>>("retired").into_iter().map(ChunkId).collect(),
            })
            .collect())
    }

    async fn mark_committed(&self, plans: &[CommitPlan]) -> Result<()> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(
                "WITH committed AS (
                     UPDATE document_jobs j SET stage = 'indexing', updated_at = now()
                       FROM unnest($1::uuid[]) AS c (job_id)
                      WHERE j.job_id = c.job_id AND j.stage = 'embedding')
                 DELETE FROM document_chunks WHERE chunk_id = ANY($2)",
            )
            .await
            .map_err(fault)?;
        let jobs: Vec<_> = plans.iter().map(|plan| plan.job_id.0).collect();
        let retired: Vec<_> = plans.iter().flat_map(|plan| plan.retired.iter().map(|id| id.0)).collect();
        client.execute(&statement, &[&jobs, &retired]).await.map(drop).map_err(fault)
    }

    async fn fail_chunk(&self, chunk_id: ChunkId, failure: &JobFailure) -> Result<bool> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(
                "WITH chunk AS (
                     UPDATE document_chunks
                        SET status = 'failed', error_class = $2, error_message = $3, updated_at = now()
                      WHERE chunk_id = $1 AND status IN ('pending', 'embedded')
                  RETURNING document_id, version),
                 job AS (
                     UPDATE document_jobs j
                        SET stage = 'failed', error_class = $2, error_message = $3,
                            updated_at = now(), completed_at = now()
                       FROM chunk
                      WHERE j.document_id = chunk.document_id AND j.version = chunk.version
                        AND j.stage IN ('embedding', 'indexing'))
                 SELECT count(*) AS failed FROM chunk",
            )
            .await
            .map_err(fault)?;
        let row = client
            .query_one(&statement, &[&chunk_id.0, &failure.class, &failure.message])
            .await
            .map_err(fault)?;
        Ok(row.get::<_, i64>("failed") == 1)
    }
}
