//! What ingestion writes: attempts, chunk rows, reasons of failures.

use crate::{control, error::fault, pool::Ledger};
use async_trait::async_trait;
use ragstream_core::{
    chunk::Chunk,
    fault::Result,
    id::{ChunkId, DocumentId, Version},
    ports::{Attempt, GivenUp, IngestionLedger, Lineage},
};
use tokio_postgres::{Row, types::Json};

/// The fence, over a job `j` and its document `d`: the version is the document's
/// current one, and its job has not ended. Every statement of this file has it.
macro_rules! workable {
    () => {
        " j.document_id = $1 AND j.version = $2
          AND d.document_id = j.document_id AND d.version = j.version
          AND j.stage NOT IN ('indexing', 'complete', 'failed', 'paused', 'cancelled')"
    };
}

/// An update of a job behind the fence.
macro_rules! fenced {
    ($set:literal) => {
        concat!(
            "UPDATE document_jobs j SET ",
            $set,
            ", updated_at = now() FROM documents d WHERE",
            workable!()
        )
    };
}

#[async_trait]
impl IngestionLedger for Ledger {
    async fn is_wanted(&self, document_id: DocumentId, version: Version) -> Result<bool> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(concat!("SELECT FROM document_jobs j, documents d WHERE", workable!()))
            .await
            .map_err(fault)?;
        let row = client.query_opt(&statement, &[&document_id.0, &version.0]).await.map_err(fault)?;
        Ok(row.is_some())
    }

    async fn begin_attempt(&self, document_id: DocumentId, version: Version) -> Result<Option<Attempt>> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(concat!(
                fenced!(
                    "attempts = attempts + 1, started_at = coalesce(started_at, now()),
                     stage = CASE stage WHEN 'accepted' THEN 'text_extraction' ELSE stage END"
                ),
                " RETURNING j.attempts, j.chunks_total IS NOT NULL AS chunked_before"
            ))
            .await
            .map_err(fault)?;
        let row = client.query_opt(&statement, &[&document_id.0, &version.0]).await.map_err(fault)?;
        Ok(row.as_ref().map(attempt))
    }

    async fn resume_attempt(&self, document_id: DocumentId, version: Version) -> Result<Option<Attempt>> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(concat!(
                "SELECT j.attempts, j.chunks_total IS NOT NULL AS chunked_before
                   FROM document_jobs j, documents d WHERE",
                workable!()
            ))
            .await
            .map_err(fault)?;
        let row = client.query_opt(&statement, &[&document_id.0, &version.0]).await.map_err(fault)?;
        Ok(row.as_ref().map(attempt))
    }

    async fn begin_chunking(&self, document_id: DocumentId, version: Version) -> Result<bool> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(fenced!(
                "stage = CASE stage WHEN 'text_extraction' THEN 'chunking' ELSE stage END"
            ))
            .await
            .map_err(fault)?;
        let n = client.execute(&statement, &[&document_id.0, &version.0]).await.map_err(fault)?;
        Ok(n == 1)
    }

    async fn outdated_chunks(
        &self,
        document_id: DocumentId,
        version: Version,
        chunks: &[Chunk],
    ) -> Result<Vec<ChunkId>> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(
                "SELECT chunk_id FROM document_chunks
                  WHERE document_id = $1 AND version = $2 AND chunk_id <> ALL($3)",
            )
            .await
            .map_err(fault)?;
        let ids: Vec<_> = chunks.iter().map(|c| c.id.0).collect();
        let rows = client.query(&statement, &[&document_id.0, &version.0, &ids]).await.map_err(fault)?;
        Ok(rows.iter().map(|row| ChunkId(row.get("chunk_id"))).collect())
    }

    async fn forget_chunks(&self, chunks: &[ChunkId]) -> Result<()> {
        let client = self.client().await?;
        let ids: Vec<_> = chunks.iter().map(|id| id.0).collect();
        client
            .execute("DELETE FROM document_chunks WHERE chunk_id = ANY($1)", &[&ids])
            .await
            .map(drop)
            .map_err(fault)
    }

    async fn record_chunks(
        &self,
        document_id: DocumentId,
        version: Version,
        chunks: &[Chunk],
        lineage: &Lineage,
    ) -> Result<bool> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(concat!(
                "WITH job AS (",
                fenced!(
                    "stage = 'embedding', chunks_total = $3, extractor = $4, chunker = $5, pages = $6,
                     text_bytes = $7"
                ),
                " RETURNING j.document_id, j.version),
                 rows AS (
                 INSERT INTO document_chunks
                        (chunk_id, document_id, version, position, span_start, span_end, page, headings, tokens)
                 SELECT c.chunk_id, job.document_id, job.version, c.position, c.span_start, c.span_end, c.page,
                        ARRAY(SELECT jsonb_array_elements_text(c.headings)), c.tokens
                   FROM job, unnest($8::uuid[], $9::int[], $10::bigint[], $11::bigint[], $12::int[],
                                    $13::jsonb[], $14::int[])
                          AS c (chunk_id, position, span_start, span_end, page, headings, tokens)
                 ON CONFLICT DO NOTHING),
                 properties AS (
                 INSERT INTO document_properties AS p (document_id, version, title, properties)
                 SELECT job.document_id, job.version, $15, $16 FROM job
                 ON CONFLICT (document_id) DO UPDATE
                    SET version = EXCLUDED.version, title = EXCLUDED.title, properties = EXCLUDED.properties
                  WHERE p.version <= EXCLUDED.version)
                 SELECT count(*) AS live FROM job"
            ))
            .await
            .map_err(fault)?;
        let ids: Vec<_> = chunks.iter().map(|c| c.id.0).collect();
        let positions: Vec<_> = chunks.iter().map(|c| c.position as i32).collect();
        let starts: Vec<_> = chunks.iter().map(|c| c.span.start as i64).collect();
        let ends: Vec<_> = chunks.iter().map(|c| c.span.end as i64).collect();
        let pages: Vec<_> = chunks.iter().map(|c| c.page.map(|p| p as i32)).collect();
        let headings: Vec<_> = chunks.iter().map(|c| serde_json::json!(c.headings)).collect();
        let tokens: Vec<_> = chunks.iter().map(|c| c.tokens as i32).collect();
        let row = client
            .query_one(
                &statement,
                &[
                    &document_id.0,
                    &version.0,
                    &(chunks.len() as i32),
                    &lineage.extractor,
                    &lineage.chunker,
                    &lineage.pages.map(|p| p as i32),
                    &(lineage.text_bytes as i64),
                    &ids,
                    &positions,
                    &starts,
                    &ends,
                    &pages,
                    &headings,
                    &tokens,
                    &lineage.title,
                    &Json(&lineage.properties),
                ],
            )
            .await
            .map_err(fault)?;
        Ok(row.get::<_, i64>("live") == 1)
    }

    async fn fail_job(&self, document_id: DocumentId, version: Version, given_up: &GivenUp) -> Result<bool> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(fenced!(
                "stage = 'failed', error_class = $3, error_message = $4, given_up_at = $5, completed_at = now()"
            ))
            .await
            .map_err(fault)?;
        let GivenUp { failure, place } = given_up;
        let n = client
            .execute(&statement, &[&document_id.0, &version.0, &failure.class, &failure.message, place])
            .await
            .map_err(fault)?;
        Ok(n == 1)
    }

    async fn reopen_job(&self, document_id: DocumentId, version: Version, place: &str) -> Result<bool> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(fault)?;
        control::lock(&transaction, &[document_id.0]).await?;
        let reopened = control::reopen(&transaction, document_id, version, &["failed"], Some(place)).await?;
        transaction.commit().await.map_err(fault)?;
        Ok(reopened)
    }
}

fn attempt(row: &Row) -> Attempt {
    Attempt { number: row.get::<_, i32>("attempts") as u32, chunked_before: row.get("chunked_before") }
}
