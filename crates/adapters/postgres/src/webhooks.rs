//! Webhooks, and what was delivered to them.

use crate::{error::fault, intake::parse, pool::Ledger};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use ragstream_core::{
    fault::Result,
    id::{DocumentId, WebhookId},
    lifecycle::LifecycleEvent,
    ports::{Delivery, DeliveryStatus, DeliveryTry, NewWebhook, Webhook, Webhooks},
};
use std::collections::HashSet;
use tokio_postgres::Row;
use uuid::Uuid;

#[async_trait]
impl Webhooks for Ledger {
    async fn add(&self, webhook: &NewWebhook, most: u32) -> Result<Option<Webhook>> {
        let client = self.client().await?;
        let row = client
            .query_opt(
                "INSERT INTO webhooks (webhook_id, url, events, collection, description, secret)
                 SELECT $1, $2, $3, $4, $5, $6 WHERE (SELECT count(*) FROM webhooks) < $7 RETURNING *",
                &[
                    &WebhookId::generate().0,
                    &webhook.url,
                    &webhook.events,
                    &webhook.collection,
                    &webhook.description,
                    &webhook.secret,
                    &i64::from(most),
                ],
            )
            .await
            .map_err(fault)?;
        Ok(row.as_ref().map(self::webhook))
    }

    async fn webhooks(&self) -> Result<Vec<Webhook>> {
        let client = self.client().await?;
        let statement =
            client.prepare_cached("SELECT * FROM webhooks ORDER BY webhook_id").await.map_err(fault)?;
        let rows = client.query(&statement, &[]).await.map_err(fault)?;
        Ok(rows.iter().map(webhook).collect())
    }

    async fn webhook(&self, webhook_id: WebhookId) -> Result<Option<Webhook>> {
        let client = self.client().await?;
        let row = client
            .query_opt("SELECT * FROM webhooks WHERE webhook_id = $1", &[&webhook_id.0])
            .await
            .map_err(fault)?;
        Ok(row.as_ref().map(webhook))
    }

    async fn remove(&self, webhook_id: WebhookId) -> Result<bool> {
        let client = self.client().await?;
        let removed = client
            .execute("DELETE FROM webhooks WHERE webhook_id = $1", &[&webhook_id.0])
            .await
            .map_err(fault)?;
        Ok(removed == 1)
    }

    async fn deactivate(&self, webhook_id: WebhookId, why: &str) -> Result<()> {
        let client = self.client().await?;
        client
            .execute(
                "WITH over AS (
                     UPDATE webhook_deliveries SET status = 'given_up', updated_at = now()
                      WHERE webhook_id = $1 AND status = 'failing')
                 UPDATE webhooks SET deactivated = $2 WHERE webhook_id = $1 AND deactivated IS NULL",
                &[&webhook_id.0, &why],
            )
            .await
            .map(drop)
            .map_err(fault)
    }

    async fn delivered(&self, webhooks: &[WebhookId], events: &[i64]) -> Result<HashSet<(WebhookId, i64)>> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(
                "SELECT webhook_id, event_id FROM webhook_deliveries
                  WHERE webhook_id = ANY($1) AND event_id = ANY($2) AND status = 'delivered'",
            )
            .await
            .map_err(fault)?;
        let rows = client.query(&statement, &[&uuids(webhooks), &events]).await.map_err(fault)?;
        Ok(rows.iter().map(|row| (WebhookId(row.get("webhook_id")), row.get("event_id"))).collect())
    }

    async fn record_try(&self, webhook_id: WebhookId, attempt: &DeliveryTry<'_>) -> Result<()> {
        let client = self.client().await?;
        // From `webhooks`: one that was removed meanwhile has no deliveries any more.
        let statement = client
            .prepare_cached(
                "INSERT INTO webhook_deliveries AS d
                        (webhook_id, event_id, type, document_id, status, attempts, http_status, error)
                 SELECT webhook_id, $2, $3, $4, $5, 1, $6, $7 FROM webhooks WHERE webhook_id = $1
                 ON CONFLICT (webhook_id, event_id) DO UPDATE
                    SET status = excluded.status, attempts = d.attempts + 1,
                        http_status = excluded.http_status, error = excluded.error, updated_at = now()
                  WHERE d.status <> 'delivered'",
            )
            .await
            .map_err(fault)?;
        let DeliveryTry { event, http_status, error } = attempt;
        let status =
            if error.is_none() { DeliveryStatus::Delivered } else { DeliveryStatus::Failing }.as_str();
        client
            .execute(
                &statement,
                &[
                    &webhook_id.0,
                    &event.event_id,
                    &event.kind,
                    &event.document_id.0,
                    &status,
                    &http_status.map(i32::from),
                    error,
                ],
            )
            .await
            .map(drop)
            .map_err(fault)
    }

    async fn give_up(&self, webhooks: &[WebhookId], event: &LifecycleEvent, why: &str) -> Result<()> {
        let client = self.client().await?;
        client
            .execute(
                "INSERT INTO webhook_deliveries AS d (webhook_id, event_id, type, document_id, status, error)
                 SELECT webhook_id, $2, $3, $4, 'given_up', $5 FROM webhooks WHERE webhook_id = ANY($1)
                 ON CONFLICT (webhook_id, event_id) DO UPDATE SET status = 'given_up', updated_at = now()
                  WHERE d.status <> 'delivered'",
                &[&uuids(webhooks), &event.event_id, &event.kind, &event.document_id.0, &why],
            )
            .await
            .map(drop)
            .map_err(fault)
    }

    async fn deliveries(
        &self,
        webhook_id: WebhookId,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Delivery>> {
        let client = self.client().await?;
        let rows = client
            .query(
                "SELECT * FROM webhook_deliveries
                  WHERE webhook_id = $1 AND ($2::bigint IS NULL OR event_id < $2)
                  ORDER BY event_id DESC LIMIT $3",
                &[&webhook_id.0, &before, &i64::from(limit)],
            )
            .await
            .map_err(fault)?;
        rows.iter().map(delivery).collect()
    }

    async fn forget_deliveries(&self, time: DateTime<Utc>, max: u32) -> Result<u32> {
        let client = self.client().await?;
        let forgotten = client
            .execute(
                "WITH oldest AS (SELECT webhook_id, event_id FROM webhook_deliveries
                                  WHERE created_at < $1 ORDER BY created_at LIMIT $2)
                 DELETE FROM webhook_deliveries d USING oldest o
                  WHERE d.webhook_id = o.webhook_id AND d.event_id = o.event_id",
                &[&time, &i64::from(max)],
            )
            .await
            .map_err(fault)?;
        Ok(forgotten as u32)
    }
}

fn uuids(webhooks: &[WebhookId]) -> Vec<Uuid> {
    webhooks.iter().map(|id| id.0).collect()
}

fn webhook(row: &Row) -> Webhook {
    Webhook {
        webhook_id: WebhookId(row.get("webhook_id")),
        wants: NewWebhook {
            url: row.get("url"),
            events: row.get("events"),
            collection: row.get("collection"),
            description: row.get("description"),
            secret: row.get("secret"),
        },
        deactivated: row.get("deactivated"),
        created_at: row.get("created_at"),
    }
}

fn delivery(row: &Row) -> Result<Delivery> {
    Ok(Delivery {
        event_id: row.get("event_id"),
        kind: row.get("type"),
        document_id: DocumentId(row.get("document_id")),
        status: parse(row.get("status"))?,
        attempts: row.get::<_, i32>("attempts") as u32,
        http_status: row.get::<_, Option<i32>>("http_status").map(|status| status as u16),
        error: row.get("error"),
        updated_at: row.get("updated_at"),
    })
}
