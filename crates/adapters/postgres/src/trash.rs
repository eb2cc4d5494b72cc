//! Blobs that no row needs any more.

use crate::{error::fault, pool::Ledger};
use async_trait::async_trait;
use deadpool_postgres::GenericClient;
use ragstream_core::{
    document::text_key,
    fault::Result,
    id::{DocumentId, Version},
    ports::Trash,
};
use tokio_postgres::Row;

#[async_trait]
impl Trash for Ledger {
    async fn discarded(&self, max: u32) -> Result<Vec<String>> {
        let client = self.client().await?;
        let rows = client
            .query("SELECT blob_key FROM blob_trash ORDER BY created_at LIMIT $1", &[&i64::from(max)])
            .await
            .map_err(fault)?;
        Ok(rows.iter().map(|row| row.get("blob_key")).collect())
    }

    async fn emptied(&self, keys: &[String]) -> Result<()> {
        let client = self.client().await?;
        client
            .execute("DELETE FROM blob_trash WHERE blob_key = ANY($1)", &[&keys])
            .await
            .map(drop)
            .map_err(fault)
    }
}

/// Discards bytes and text of versions: rows with `document_id`, `version` and `blob_key`.
pub(crate) async fn discard(transaction: &impl GenericClient, versions: &[Row]) -> Result<()> {
    let keys: Vec<String> = versions
        .iter()
        .flat_map(|row| {
            let text = text_key(DocumentId(row.get("document_id")), Version(row.get("version")));
            [row.get("blob_key"), text]
        })
        .collect();
    transaction
        .execute(
            "INSERT INTO blob_trash (blob_key) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING",
            &[&keys],
        )
        .await
        .map(drop)
        .map_err(fault)
}
