//! The outbox: what a transaction wrote, on its way to the log.

use crate::{error::fault, pool::Ledger};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use ragstream_core::{
    fault::Result,
    ports::{Outbox, Outgoing, Placement, Publisher},
};
use tokio_postgres::types::Json;

#[async_trait]
impl Outbox for Ledger {
    async fn relay(&self, publisher: &dyn Publisher, max: u32) -> Result<u32> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(fault)?;
        // SKIP LOCKED: what another relay holds is its business.
        let claim = transaction
            .prepare_cached(
                "DELETE FROM outbox WHERE id IN (
                     SELECT id FROM outbox ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)
                 RETURNING id, topic, key, value, headers",
            )
            .await
            .map_err(fault)?;
        let mut rows = transaction.query(&claim, &[&i64::from(max)]).await.map_err(fault)?;
        rows.sort_by_key(|row| row.get::<_, i64>("id"));
        let records: Vec<Outgoing> = rows
            .iter()
            .map(|row| Outgoing {
                topic: row.get("topic"),
                key: row.get("key"),
                value: Some(row.get::<_, Vec<u8>>("value").into()),
                headers: row.get::<_, Json<Vec<(String, String)>>>("headers").0,
                placement: Placement::ByKey,
            })
            .collect();
        if records.is_empty() {
            return Ok(0);
        }
        let count = records.len() as u32;
        publisher.append(records).await?;
        transaction.commit().await.map_err(fault)?;
        Ok(count)
    }

    async fn backlog(&self) -> Result<(u64, Option<DateTime<Utc>>)> {
        let client = self.client().await?;
        let row = client
            .query_one("SELECT count(*) AS waiting, min(created_at) AS oldest FROM outbox", &[])
            .await
            .map_err(fault)?;
        Ok((row.get::<_, i64>("waiting") as u64, row.get("oldest")))
    }
}
