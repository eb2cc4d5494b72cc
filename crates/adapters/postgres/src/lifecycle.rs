//! Events that triggers wrote (`init-db.sql`), on their way to the log.

use crate::{error::fault, pool::Ledger};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use ragstream_core::{
    fault::Result,
    id::{BatchId, DocumentId, JobId, Version},
    lifecycle::LifecycleEvent,
    ports::{JobFailure, LifecycleLog, Publisher, RecordsOf},
};
use tokio_postgres::{Row, types::Json};

/// Held by the relay that works, to the end of its transaction.
const RELAY_LOCK: i64 = 0x7261_6773_6c69_6665;

#[async_trait]
impl LifecycleLog for Ledger {
    async fn relay_events(
        &self,
        publisher: &dyn Publisher,
        records: &RecordsOf<'_>,
        max: u32,
    ) -> Result<u32> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(fault)?;
        let lock = transaction
            .query_one("SELECT pg_try_advisory_xact_lock($1) AS ours", &[&RELAY_LOCK])
            .await
            .map_err(fault)?;
        if !lock.get::<_, bool>("ours") {
            return Ok(0);
        }
        let waiting = transaction
            .prepare_cached(
                "SELECT * FROM lifecycle_events WHERE public AND NOT published ORDER BY id LIMIT $1",
            )
            .await
            .map_err(fault)?;
        let rows = transaction.query(&waiting, &[&i64::from(max)]).await.map_err(fault)?;
        if rows.is_empty() {
            return Ok(0);
        }
        let events = rows.iter().map(event).collect::<Result<Vec<_>>>()?;
        publisher.append(events.iter().flat_map(records).collect()).await?;
        let publish = transaction
            .prepare_cached("UPDATE lifecycle_events SET published = true WHERE id = ANY($1)")
            .await
            .map_err(fault)?;
        let ids: Vec<i64> = events.iter().map(|event| event.event_id).collect();
        transaction.execute(&publish, &[&ids]).await.map_err(fault)?;
        transaction.commit().await.map_err(fault)?;
        Ok(ids.len() as u32)
    }

    async fn unpublished(&self) -> Result<(u64, Option<DateTime<Utc>>)> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(
                "SELECT count(*) AS waiting, min(created_at) AS oldest FROM lifecycle_events
                  WHERE public AND NOT published",
            )
            .await
            .map_err(fault)?;
        let row = client.query_one(&statement, &[]).await.map_err(fault)?;
        Ok((row.get::<_, i64>("waiting") as u64, row.get("oldest")))
    }

    async fn forget_events(&self, time: DateTime<Utc>, max: u32) -> Result<u32> {
        let client = self.client().await?;
        // Ids are as old as their rows, nearly: the first of them are the oldest.
        let forgotten = client
            .execute(
                "WITH oldest AS (SELECT * FROM lifecycle_events ORDER BY id LIMIT $2)
                 DELETE FROM lifecycle_events e USING oldest o
                  WHERE e.id = o.id AND o.created_at < $1 AND (o.published OR NOT o.public)",
                &[&time, &i64::from(max)],
            )
            .await
            .map_err(fault)?;
        Ok(forgotten as u32)
    }
}

/// What a trigger knew besides the ids.
#[derive(serde::Deserialize)]
struct Payload {
    collection: String,
    external_id: Option<String>,
    filename: String,
    stage: Option<String>,
    chunks_total: Option<u32>,
    error_class: Option<String>,
    error_message: Option<String>,
    correlation_id: Option<String>,
}

pub(crate) fn event(row: &Row) -> Result<LifecycleEvent> {
    let Json(payload) = row.try_get::<_, Json<Payload>>("payload").map_err(fault)?;
    Ok(LifecycleEvent {
        event_id: row.get("id"),
        kind: row.get("type"),
        occurred_at: row.get("created_at"),
        document_id: DocumentId(row.get("document_id")),
        version: Version(row.get("version")),
        job_id: JobId(row.get("job_id")),
        batch_id: row.get::<_, Option<_>>("batch_id").map(BatchId),
        collection: payload.collection,
        external_id: payload.external_id,
        filename: payload.filename,
        stage: payload.stage,
        chunks_total: payload.chunks_total,
        failure: payload
            .error_class
            .map(|class| JobFailure { class, message: payload.error_message.unwrap_or_default() }),
        correlation_id: payload.correlation_id,
    })
}
