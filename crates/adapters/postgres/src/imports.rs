//! What is to be fetched.

use crate::{error::fault, pool::Ledger};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use deadpool_postgres::GenericClient;
use ragstream_core::{
    document::Metadata,
    fault::Result,
    id::{BatchId, ImportId},
    ports::{Import, Imports, Jobless, NewBatch, NewImport},
};
use tokio_postgres::{Row, types::Json};

#[async_trait]
impl Imports for Ledger {
    async fn begin_import(&self, batch: &NewBatch, wanted: &NewImport, sources: &[String]) -> Result<()> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(fault)?;
        crate::batches::announce(&transaction, batch).await?;
        insert(&transaction, wanted, sources).await?;
        transaction.commit().await.map_err(fault)
    }

    async fn claim_imports(&self, max: u32, lease: TimeDelta) -> Result<Vec<Import>> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(
                "UPDATE imports i SET due_at = now() + make_interval(secs => $2)
                  WHERE import_id IN (SELECT import_id FROM imports WHERE due_at <= now()
                                       ORDER BY priority DESC, import_id LIMIT $1 FOR UPDATE SKIP LOCKED)
                 RETURNING i.*",
            )
            .await
            .map_err(fault)?;
        let seconds = lease.num_milliseconds() as f64 / 1e3;
        let rows = client.query(&statement, &[&i64::from(max), &seconds]).await.map_err(fault)?;
        Ok(rows.iter().map(import).collect())
    }

    async fn expand_import(&self, import: &Import, sources: &[String]) -> Result<()> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(fault)?;
        if !remove(&transaction, import.import_id).await? {
            return Ok(());
        }
        insert(&transaction, &import.wanted, sources).await?;
        // The prefix itself was counted as one.
        let more = sources.len().min(i32::MAX as usize) as i32 - 1;
        transaction
            .execute(
                "UPDATE batches SET files_total = files_total + $2 WHERE batch_id = $1",
                &[&import.wanted.batch_id.0, &more],
            )
            .await
            .map_err(fault)?;
        transaction.commit().await.map_err(fault)
    }

    async fn settle_import(&self, import: &Import, jobless: Option<&Jobless>) -> Result<()> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(fault)?;
        if !remove(&transaction, import.import_id).await? {
            return Ok(());
        }
        if let Some(jobless) = jobless {
            crate::batches::add_jobless(&transaction, import.wanted.batch_id, std::slice::from_ref(jobless))
                .await?;
        }
        transaction.commit().await.map_err(fault)
    }

    async fn postpone_import(&self, import_id: ImportId, until: DateTime<Utc>, counted: bool) -> Result<()> {
        let client = self.client().await?;
        client
            .execute(
                "UPDATE imports SET due_at = $2, attempts = attempts + $3 WHERE import_id = $1",
                &[&import_id.0, &until, &i32::from(counted)],
            )
            .await
            .map(drop)
            .map_err(fault)
    }
}

/// Whether it was there.
async fn remove(transaction: &impl GenericClient, import_id: ImportId) -> Result<bool> {
    let removed = transaction
        .execute("DELETE FROM imports WHERE import_id = $1", &[&import_id.0])
        .await
        .map_err(fault)?;
    Ok(removed == 1)
}

async fn insert(transaction: &impl GenericClient, wanted: &NewImport, sources: &[String]) -> Result<()> {
    let statement = transaction
        .prepare_cached(
            "INSERT INTO imports (import_id, batch_id, source, collection, metadata, priority, correlation_id)
             SELECT source.import_id, $1, source.source, $2, $3, $4, $5
               FROM unnest($6::uuid[], $7::text[]) AS source (import_id, source)",
        )
        .await
        .map_err(fault)?;
    let ids: Vec<_> = sources.iter().map(|_| ImportId::generate().0).collect();
    transaction
        .execute(
            &statement,
            &[
                &wanted.batch_id.0,
                &wanted.collection,
                &Json(&wanted.metadata),
                &wanted.priority,
                &wanted.correlation_id,
                &ids,
                &sources,
            ],
        )
        .await
        .map(drop)
        .map_err(fault)
}

fn import(row: &Row) -> Import {
    Import {
        import_id: ImportId(row.get("import_id")),
        source: row.get("source"),
        wanted: NewImport {
            batch_id: BatchId(row.get("batch_id")),
            collection: row.get("collection"),
            metadata: row.get::<_, Json<Metadata>>("metadata").0,
            priority: row.get("priority"),
            correlation_id: row.get("correlation_id"),
        },
        attempts: row.get::<_, i32>("attempts") as u32,
    }
}
