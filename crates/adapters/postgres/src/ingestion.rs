//! What ingestion writes: attempts, chunk rows, reasons of failures.

use crate::{control, embedding, error::fault, outbox, pool::Ledger};
use async_trait::async_trait;
use ragstream_core::{
    chunk::Chunk,
    fault::Result,
    id::{ChunkId, DocumentId, Version},
    ports::{Attempt, GivenUp, IngestionLedger, Lineage, Tombstones},
};
use std::ops::Range;
use tokio_postgres::{
    Row,
    types::{Json, ToSql},
};

/// The fence, over a job `j` and its document `d`: the version is the document's
/// current one, and its job has not ended. Every statement of this file has it.
macro_rules! workable {
    () => {
        " j.document_id = $1 AND j.version = $2
          AND d.document_id = j.document_id AND d.version = j.version
          AND j.stage NOT IN ('indexing', 'complete', 'failed', 'paused', 'cancelled')"
    };
}

/// What tells of an attempt, over a job `j`.
macro_rules! attempt {
    () => {
        " j.attempts, EXISTS (SELECT FROM document_chunks c
                              WHERE c.document_id = j.document_id AND c.version = j.version) AS has_chunks"
    };
}

/// Rows for chunks of `job` that come as columns, from parameter 3 on.
macro_rules! rows {
    () => {
        " INSERT INTO document_chunks
                 (chunk_id, document_id, version, position, span_start, span_end, page, headings, tokens)
          SELECT c.chunk_id, job.document_id, job.version, c.position, c.span_start, c.span_end, c.page,
                 ARRAY(SELECT jsonb_array_elements_text(c.headings)), c.tokens
            FROM job, unnest($3::uuid[], $4::int[], $5::bigint[], $6::bigint[], $7::int[], $8::jsonb[], $9::int[])
                   AS c (chunk_id, position, span_start, span_end, page, headings, tokens)
          ON CONFLICT DO NOTHING"
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
                " RETURNING",
                attempt!()
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
                "SELECT",
                attempt!(),
                " FROM document_jobs j, documents d WHERE",
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
                "chunks_total = NULL, stage = CASE stage WHEN 'text_extraction' THEN 'chunking' ELSE stage END"
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
        positions: Range<u32>,
        chunks: &[Chunk],
    ) -> Result<Vec<ChunkId>> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(
                "SELECT chunk_id FROM document_chunks
                  WHERE document_id = $1 AND version = $2 AND position >= $3 AND position < $4
                    AND chunk_id <> ALL($5)",
            )
            .await
            .map_err(fault)?;
        let ids: Vec<_> = chunks.iter().map(|c| c.id.0).collect();
        let [from, to] = [positions.start, positions.end].map(|at| at.min(i32::MAX as u32) as i32);
        let rows =
            client.query(&statement, &[&document_id.0, &version.0, &from, &to, &ids]).await.map_err(fault)?;
        Ok(control::chunk_ids(&rows))
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

    async fn add_chunks(&self, document_id: DocumentId, version: Version, chunks: &[Chunk]) -> Result<bool> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(concat!(
                "WITH job AS (",
                // The job's row, which its cancellation waits for.
                fenced!("attempts = j.attempts"),
                " RETURNING j.document_id, j.version), rows AS (",
                rows!(),
                ") SELECT count(*) AS live FROM job"
            ))
            .await
            .map_err(fault)?;
        let columns = Columns::of(chunks);
        let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&document_id.0, &version.0];
        parameters.extend(columns.parameters());
        let row = client.query_one(&statement, &parameters).await.map_err(fault)?;
        Ok(row.get::<_, i64>("live") == 1)
    }

    async fn record_chunks(
        &self,
        document_id: DocumentId,
        version: Version,
        last: &[Chunk],
        total: u32,
        lineage: &Lineage,
    ) -> Result<bool> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(concat!(
                "WITH job AS (",
                fenced!(
                    "stage = 'embedding', chunks_total = $10, extractor = $11, chunker = $12, pages = $13,
                     text_bytes = $14"
                ),
                " RETURNING j.document_id, j.version), rows AS (",
                rows!(),
                "), properties AS (
                 INSERT INTO document_properties AS p (document_id, version, title, properties)
                 SELECT job.document_id, job.version, $15, $16 FROM job
                 ON CONFLICT (document_id) DO UPDATE
                    SET version = EXCLUDED.version, title = EXCLUDED.title, properties = EXCLUDED.properties
                  WHERE p.version <= EXCLUDED.version)
                 SELECT count(*) AS live FROM job"
            ))
            .await
            .map_err(fault)?;
        let columns = Columns::of(last);
        let pages = lineage.pages.map(|p| p as i32);
        let (total, text_bytes) = (total as i32, lineage.text_bytes as i64);
        let properties = Json(&lineage.properties);
        let said: [&(dyn ToSql + Sync); 7] =
            [&total, &lineage.extractor, &lineage.chunker, &pages, &text_bytes, &lineage.title, &properties];
        let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&document_id.0, &version.0];
        parameters.extend(columns.parameters().into_iter().chain(said));
        let row = client.query_one(&statement, &parameters).await.map_err(fault)?;
        let is_live = row.get::<_, i64>("live") == 1;
        if is_live {
            embedding::fail_by_chunks(&client, document_id, version).await?;
        }
        Ok(is_live)
    }

    async fn fail_job(
        &self,
        document_id: DocumentId,
        version: Version,
        given_up: &GivenUp,
        tombstones: &Tombstones<'_>,
    ) -> Result<bool> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(fault)?;
        control::lock(&transaction, &[document_id.0]).await?;
        let statement = transaction
            .prepare_cached(concat!(
                fenced!(
                    "stage = 'failed', error_class = $3, error_message = $4, given_up_at = $5,
                     completed_at = now()"
                ),
                " RETURNING j.chunks_total IS NULL AS broken_off"
            ))
            .await
            .map_err(fault)?;
        let GivenUp { failure, place } = given_up;
        let failed = transaction
            .query_opt(&statement, &[&document_id.0, &version.0, &failure.class, &failure.message, place])
            .await
            .map_err(fault)?;
        let Some(row) = failed else { return Ok(false) };
        if row.get("broken_off") {
            let chunks = transaction
                .query(
                    "DELETE FROM document_chunks WHERE document_id = $1 AND version = $2 RETURNING chunk_id",
                    &[&document_id.0, &version.0],
                )
                .await
                .map_err(fault)?;
            outbox::put(&transaction, &tombstones(&control::chunk_ids(&chunks))).await.map_err(fault)?;
        }
        transaction.commit().await.map_err(fault)?;
        Ok(true)
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
    Attempt { number: row.get::<_, i32>("attempts") as u32, has_chunks: row.get("has_chunks") }
}

/// Chunks as arrays, one per column.
struct Columns {
    ids: Vec<uuid::Uuid>,
    positions: Vec<i32>,
    starts: Vec<i64>,
    ends: Vec<i64>,
    pages: Vec<Option<i32>>,
    headings: Vec<serde_json::Value>,
    tokens: Vec<i32>,
}

impl Columns {
    fn of(chunks: &[Chunk]) -> Self {
        Self {
            ids: chunks.iter().map(|c| c.id.0).collect(),
            positions: chunks.iter().map(|c| c.position as i32).collect(),
            starts: chunks.iter().map(|c| c.span.start as i64).collect(),
            ends: chunks.iter().map(|c| c.span.end as i64).collect(),
            pages: chunks.iter().map(|c| c.page.map(|p| p as i32)).collect(),
            headings: chunks.iter().map(|c| serde_json::json!(c.headings)).collect(),
            tokens: chunks.iter().map(|c| c.tokens as i32).collect(),
        }
    }

    /// In the order in which the statements count them.
    fn parameters(&self) -> [&(dyn ToSql + Sync); 7] {
        [&self.ids, &self.positions, &self.starts, &self.ends, &self.pages, &self.headings, &self.tokens]
    }
}
