//! The outbox: what a transaction wrote, on its way to the log.

use crate::{error::fault, pool::Ledger};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use deadpool_postgres::GenericClient;
use ragstream_core::{
    fault::Result,
    ports::{Outbox, Outgoing, Placement, Publisher},
};
use tokio_postgres::types::Json;

/// Records of one statement.
const PORTION: usize = 5_000;

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
                 RETURNING id, topic, key, value, headers, placed_by",
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
                value: row.get::<_, Option<Vec<u8>>>("value").map(Into::into),
                headers: row.get::<_, Json<Vec<(String, String)>>>("headers").0,
                placement: row.get::<_, Option<String>>("placed_by").map_or(Placement::ByKey, Placement::By),
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

/// Puts records into the outbox of a transaction, in this order.
pub(crate) async fn put(
    transaction: &impl GenericClient,
    records: &[Outgoing],
) -> Result<(), tokio_postgres::Error> {
    let statement = transaction
        .prepare_cached(
            "INSERT INTO outbox (topic, key, value, headers, placed_by)
             SELECT r.topic, r.key, r.value, r.headers, r.placed_by
               FROM unnest($1::text[], $2::text[], $3::bytea[], $4::jsonb[], $5::text[]) WITH ORDINALITY
                    AS r (topic, key, value, headers, placed_by, nr)
              ORDER BY r.nr",
        )
        .await?;
    // In portions: a document may have a hundred thousand chunks.
    for records in records.chunks(PORTION) {
        let topics: Vec<_> = records.iter().map(|record| &record.topic).collect();
        let keys: Vec<_> = records.iter().map(|record| &record.key).collect();
        let values: Vec<_> = records.iter().map(|record| record.value.as_deref()).collect();
        let headers: Vec<_> = records.iter().map(|record| Json(&record.headers)).collect();
        let placed_by: Vec<_> = records
            .iter()
            .map(|record| match &record.placement {
                Placement::By(key) => Some(key),
                // No transaction sends anything back to where it came from.
                Placement::ByKey | Placement::At(_) => None,
            })
            .collect();
        transaction.execute(&statement, &[&topics, &keys, &values, &headers, &placed_by]).await?;
    }
    Ok(())
}
