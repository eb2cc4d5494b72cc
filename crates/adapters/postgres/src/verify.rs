//! What the rows say of chunks, to compare with the log and the indexes.

use crate::{error::fault, intake::parse, pool::Ledger};
use async_trait::async_trait;
use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use ragstream_core::{
    fault::Result,
    id::{ChunkId, DocumentId, Version},
    ports::{Census, CensusRow, RowState, Suspect},
};
use tokio_postgres::Row;
use uuid::Uuid;

/// Rows of one statement: each is short, whatever the number of chunks and the pace of
/// whoever reads them.
const PAGE: i64 = 10_000;

#[async_trait]
impl Census for Ledger {
    fn visible_rows(&self) -> BoxStream<'_, Result<CensusRow>> {
        stream::try_unfold(Some(Uuid::nil()), move |after| async move {
            let Some(after) = after else { return Ok(None) };
            let page = self.census_page(after).await?;
            // A page that is not full is the last one.
            let last = page.last().filter(|_| page.len() == PAGE as usize).map(|row| row.chunk_id.0);
            Ok::<_, ragstream_core::fault::Fault>(Some((stream::iter(page.into_iter().map(Ok)), last)))
        })
        .try_flatten()
        .boxed()
    }

    async fn look(&self, suspects: &[Suspect]) -> Result<Vec<RowState>> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(
                "WITH leaving AS MATERIALIZED (
                     SELECT placed_by AS name FROM outbox WHERE placed_by IS NOT NULL
                      UNION SELECT key FROM outbox)
                 SELECT c.status, j.stage, coalesce(j.retired, false) AS retired,
                        d.document_id IS NOT NULL AS document_known,
                        coalesce(d.visible_version = s.version, false) AS visible,
                        EXISTS (SELECT FROM document_jobs u
                                 WHERE u.document_id = s.document_id
                                   AND (u.version = s.version
                                          AND u.stage NOT IN ('complete', 'failed', 'cancelled')
                                        OR u.version > s.version AND u.stage = 'indexing'))
                        OR leaving.name IS NOT NULL AS moving
                   FROM unnest($1::uuid[], $2::uuid[], $3::int[])
                        WITH ORDINALITY AS s (chunk_id, document_id, version, place)
                   LEFT JOIN document_chunks c ON c.chunk_id = s.chunk_id
                   LEFT JOIN documents d ON d.document_id = s.document_id
                   LEFT JOIN leaving ON leaving.name = s.document_id::text
                   LEFT JOIN document_jobs j ON j.document_id = s.document_id AND j.version = s.version
                  ORDER BY s.place",
            )
            .await
            .map_err(fault)?;
        let chunks: Vec<_> = suspects.iter().map(|suspect| suspect.chunk_id.map(|id| id.0)).collect();
        let documents: Vec<_> = suspects.iter().map(|suspect| suspect.document_id.0).collect();
        let versions: Vec<_> = suspects.iter().map(|suspect| suspect.version.0).collect();
        let rows = client.query(&statement, &[&chunks, &documents, &versions]).await.map_err(fault)?;
        rows.iter().map(row_state).collect()
    }
}

impl Ledger {
    async fn census_page(&self, after: Uuid) -> Result<Vec<CensusRow>> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(
                "SELECT c.chunk_id, c.document_id, c.version, c.status = 'indexed' AS indexed
                   FROM document_chunks c
                   JOIN documents d ON d.document_id = c.document_id AND d.visible_version = c.version
                  WHERE c.chunk_id > $1 ORDER BY c.chunk_id LIMIT $2",
            )
            .await
            .map_err(fault)?;
        let rows = client.query(&statement, &[&after, &PAGE]).await.map_err(fault)?;
        let row = |row: &Row| CensusRow {
            chunk_id: ChunkId(row.get("chunk_id")),
            document_id: DocumentId(row.get("document_id")),
            version: Version(row.get("version")),
            indexed: row.get("indexed"),
        };
        Ok(rows.iter().map(row).collect())
    }
}

fn row_state(row: &Row) -> Result<RowState> {
    Ok(RowState {
        status: row.get::<_, Option<&str>>("status").map(parse).transpose()?,
        document_known: row.get("document_known"),
        visible: row.get("visible"),
        stage: row.get::<_, Option<&str>>("stage").map(parse).transpose()?,
        retired: row.get("retired"),
        moving: row.get("moving"),
    })
}
