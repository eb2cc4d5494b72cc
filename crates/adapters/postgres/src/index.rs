//! What an index tells the rows.

use crate::{embedding, error::fault, outbox, pool::Ledger};
use async_trait::async_trait;
use ragstream_core::{
    fault::Result,
    id::{ChunkId, DocumentId, Version},
    ports::{CommitRecords, GivenUp, IndexLedger},
};

#[async_trait]
impl IndexLedger for Ledger {
    async fn mark_indexed(&self, chunks: &[ChunkId], complete: &[(DocumentId, Version)]) -> Result<()> {
        let client = self.client().await?;
        if !chunks.is_empty() {
            // `pending` too: the index may read a record before the worker that
            // appended it has marked its row. Not `failed`: that is final.
            let statement = client
                .prepare_cached(
                    "UPDATE document_chunks SET status = 'indexed', updated_at = now()
                      WHERE chunk_id = ANY($1) AND status IN ('pending', 'embedded')",
                )
                .await
                .map_err(fault)?;
            let ids: Vec<_> = chunks.iter().map(|id| id.0).collect();
            client.execute(&statement, &[&ids]).await.map_err(fault)?;
        }
        if !complete.is_empty() {
            let statement = client
                .prepare_cached(
                    "WITH shown AS (
                         SELECT * FROM unnest($1::uuid[], $2::int[]) AS s (document_id, version)),
                     seen AS (
                         UPDATE documents d SET visible_version = s.version
                           FROM shown s
                          WHERE d.document_id = s.document_id
                            AND coalesce(d.visible_version, 0) < s.version)
                     UPDATE document_jobs j
                        SET stage = 'complete', updated_at = now(), completed_at = now()
                       FROM shown s
                      WHERE j.document_id = s.document_id AND j.version = s.version
                        AND j.stage IN ('embedding', 'indexing')",
                )
                .await
                .map_err(fault)?;
            let documents: Vec<_> = complete.iter().map(|(document, _)| document.0).collect();
            let versions: Vec<_> = complete.iter().map(|(_, version)| version.0).collect();
            client.execute(&statement, &[&documents, &versions]).await.map_err(fault)?;
        }
        Ok(())
    }

    async fn fail_chunk(&self, chunk_id: ChunkId, given_up: &GivenUp) -> Result<bool> {
        embedding::fail_chunk(self, chunk_id, given_up).await
    }

    async fn reopen(&self, chunks: &[(ChunkId, String)]) -> Result<()> {
        embedding::reopen_chunks(self, chunks).await
    }

    async fn commit_whole(
        &self,
        versions: &[(DocumentId, Version)],
        records: &CommitRecords<'_>,
    ) -> Result<()> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(fault)?;
        let plans = embedding::begin_commit(&transaction, versions).await?;
        let records: Vec<_> = plans.iter().flat_map(records).collect();
        outbox::put(&transaction, &records).await.map_err(fault)?;
        embedding::forget_retired(&transaction, &plans).await?;
        transaction.commit().await.map_err(fault)
    }
}
