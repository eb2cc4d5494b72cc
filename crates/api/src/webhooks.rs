//! Webhooks, and the events that they are sent.

use crate::documents::Failure;
use chrono::{DateTime, Utc};
use ragstream_core::{
    lifecycle::LifecycleEvent,
    ports::{Delivery, Webhook},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Body of `POST /api/v2/webhooks`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookRequest {
    /// Where events are sent: `https://` or `http://`, an address on the public internet
    /// unless the server is configured to allow others.
    pub url: String,
    /// Types of events (`document.complete`), or prefixes of them (`document`); all where
    /// this is empty.
    #[serde(default)]
    pub events: Vec<String>,
    /// Only events of this collection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
    /// What it is for: for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What signatures are made with: `whsec_` and the base64 of 24 to 64 bytes. Made for
    /// you where you give none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// A webhook.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct WebhookResponse {
    /// Its id.
    pub webhook_id: Uuid,
    /// Where events are sent.
    pub url: String,
    /// Types or prefixes; empty: all.
    pub events: Vec<String>,
    /// Only events of this collection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether events are sent.
    pub active: bool,
    /// Why not. Create it anew once that is mended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deactivated: Option<String>,
    /// Since when events are sent.
    pub created_at: DateTime<Utc>,
    /// What signatures are made with: in the answer to its creation, and never again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

impl From<Webhook> for WebhookResponse {
    /// Without the secret.
    fn from(webhook: Webhook) -> Self {
        let Webhook { webhook_id, wants, deactivated, created_at } = webhook;
        Self {
            webhook_id: webhook_id.0,
            url: wants.url,
            events: wants.events,
            collection: wants.collection,
            description: wants.description,
            active: deactivated.is_none(),
            deactivated,
            created_at,
            secret: None,
        }
    }
}

/// All webhooks, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct WebhooksResponse {
    /// The webhooks.
    pub webhooks: Vec<WebhookResponse>,
}

/// What a webhook is sent, as JSON.
///
/// Deliveries are signed by the [Standard Webhooks](https://www.standardwebhooks.com)
/// specification: `webhook-id`, `webhook-timestamp`, `webhook-signature`. An event may come
/// more than once, under the same `webhook-id`, and after a failed try out of order: keep the
/// highest `event_id` that you have seen of a document, and skip what is not above it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EventBody {
    /// Unique, and higher than that of any earlier event of the document.
    pub event_id: i64,
    /// `document.accepted`, `.chunked`, `.complete`, `.failed`, `.paused`, `.resumed`, `.retried`,
    /// `.cancelled`, `.superseded`, `.deleted`, or `webhook.test`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// The document.
    pub document_id: Uuid,
    /// Its version; of a deletion, the last.
    pub version: i32,
    /// The job of that version.
    pub job_id: Uuid,
    /// The upload request that the job came in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_id: Option<Uuid>,
    /// The document's collection.
    pub collection: String,
    /// The uploader's id of the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Name of the file.
    pub filename: String,
    /// The job's stage from now on; a deletion has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Chunks of the version in all, once it is chunked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunks_total: Option<u32>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// The `x-request-id` of the upload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
}

impl From<LifecycleEvent> for EventBody {
    fn from(e: LifecycleEvent) -> Self {
        Self {
            event_id: e.event_id,
            kind: e.kind,
            occurred_at: e.occurred_at,
            document_id: e.document_id.0,
            version: e.version.0,
            job_id: e.job_id.0,
            batch_id: e.batch_id.map(|id| id.0),
            collection: e.collection,
            external_id: e.external_id,
            filename: e.filename,
            stage: e.stage,
            chunks_total: e.chunks_total,
            error: e.failure.map(Into::into),
            correlation_id: e.correlation_id,
        }
    }
}

/// What became of a test.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct WebhookTestResponse {
    /// Whether the webhook took the event: it answered 2xx.
    pub delivered: bool,
    /// What it answered, where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why it does not count as taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
}

/// An event on its way to a webhook.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeliveryResponse {
    /// The event.
    pub event_id: i64,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its document.
    pub document_id: Uuid,
    /// `delivered`; `failing`: tried again; `given_up`: in the topic `document-lifecycle.dlq`.
    pub status: String,
    /// How often it was sent.
    pub attempts: u32,
    /// What was answered last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// Why that does not count as taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When that was.
    pub updated_at: DateTime<Utc>,
}

impl From<Delivery> for DeliveryResponse {
    fn from(delivery: Delivery) -> Self {
        Self {
            event_id: delivery.event_id,
            kind: delivery.kind,
            document_id: delivery.document_id.0,
            status: delivery.status.as_str().to_owned(),
            attempts: delivery.attempts,
            http_status: delivery.http_status,
            error: delivery.error,
            updated_at: delivery.updated_at,
        }
    }
}

/// A page of deliveries, the newest events first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeliveriesResponse {
    /// The deliveries.
    pub deliveries: Vec<DeliveryResponse>,
    /// The link to the next page, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
