use crate::{
    fault::Result,
    id::{DocumentId, WebhookId},
    lifecycle::{LifecycleEvent, matches},
    ports::{Outgoing, Publisher},
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use std::{collections::HashSet, fmt};

/// Makes the records that tell of an event, in their order.
pub type RecordsOf<'a> = dyn Fn(&LifecycleEvent) -> Vec<Outgoing> + Send + Sync + 'a;

/// The events that the rows have recorded of themselves: each was written by the
/// transaction that changed the row, so there is one of every change and none of
/// what was rolled back.
#[async_trait]
pub trait LifecycleLog: Send + Sync {
    /// Appends public events that were not published yet, in the order of their ids,
    /// at most `max`, and marks them once they are acknowledged; returns how many. A
    /// crash in between appends again.
    ///
    /// Of several relays one works, the others get 0. So the order of ids is that of
    /// the log, for each document: two changes of one never overlap, because each
    /// holds the row that the other one waits for. (Between documents an event may
    /// come after one with a higher id: its transaction took longer. So it may for a
    /// dead letter of an old version that is sent back in the very moment of an update.)
    async fn relay_events(&self, publisher: &dyn Publisher, records: &RecordsOf<'_>, max: u32)
    -> Result<u32>;

    /// How many public events wait, and since when the oldest does.
    async fn unpublished(&self) -> Result<(u64, Option<DateTime<Utc>>)>;

    /// Removes events from before `time`, the oldest first, at most `max`; returns
    /// how many. Those that still wait are kept, and with them what is younger.
    async fn forget_events(&self, time: DateTime<Utc>, max: u32) -> Result<u32>;
}

/// Who wants to be told of which events.
#[derive(Clone, PartialEq, Eq)]
pub struct NewWebhook {
    /// Where events are sent.
    pub url: String,
    /// Types or prefixes of them (see [`crate::lifecycle::matches`]); none: all.
    pub events: Vec<String>,
    /// Only of this collection.
    pub collection: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// What signatures are made with: `whsec_` and base64.
    pub secret: String,
}

impl fmt::Debug for NewWebhook {
    /// Without its secret and its address, which may hold another one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewWebhook").field("events", &self.events).finish_non_exhaustive()
    }
}

/// A webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub webhook_id: WebhookId,
    /// What it asks for.
    pub wants: NewWebhook,
    /// Why nothing is sent any more, where that is so.
    pub deactivated: Option<String>,
    /// Only events from then on are sent.
    pub created_at: DateTime<Utc>,
}

impl Webhook {
    /// Whether this event is to be sent to it.
    pub fn is_for(&self, event: &LifecycleEvent) -> bool {
        let wants = &self.wants;
        self.deactivated.is_none()
            && self.created_at <= event.occurred_at
            && wants.collection.as_ref().is_none_or(|collection| *collection == event.collection)
            && (wants.events.is_empty() || wants.events.iter().any(|filter| matches(filter, &event.kind)))
    }
}

/// What became of an event on its way to one webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryStatus {
    /// It was taken.
    Delivered,
    /// It was not, and is tried again.
    Failing,
    /// It never was; the event is in the dead-letter topic.
    GivenUp,
}

impl DeliveryStatus {
    /// The name in the database and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failing => "failing",
            Self::GivenUp => "given_up",
        }
    }
}

impl std::str::FromStr for DeliveryStatus {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        [Self::Delivered, Self::Failing, Self::GivenUp]
            .into_iter()
            .find(|status| status.as_str() == s)
            .ok_or_else(|| format!("unknown delivery status {s:?}"))
    }
}

/// A try to deliver an event to a webhook.
#[derive(Clone, Debug)]
pub struct DeliveryTry<'a> {
    /// The event.
    pub event: &'a LifecycleEvent,
    /// What the webhook answered, where it did.
    pub http_status: Option<u16>,
    /// Why it does not count; `None`: it was delivered.
    pub error: Option<String>,
}

/// An event on its way to one webhook.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The event.
    pub event_id: i64,
    /// Its type.
    pub kind: String,
    /// Its document.
    pub document_id: DocumentId,
    /// What became of it.
    pub status: DeliveryStatus,
    /// How often it was sent.
    pub attempts: u32,
    /// What the webhook answered last.
    pub http_status: Option<u16>,
    /// Why it was not taken, the last time.
    pub error: Option<String>,
    /// When that was.
    pub updated_at: DateTime<Utc>,
}

/// Webhooks, and what was delivered to them.
#[async_trait]
pub trait Webhooks: Send + Sync {
    /// Adds one, unless there are `most` already: `None`.
    async fn add(&self, webhook: &NewWebhook, most: u32) -> Result<Option<Webhook>>;

    /// All, oldest first.
    async fn webhooks(&self) -> Result<Vec<Webhook>>;

    /// One of them.
    async fn webhook(&self, webhook_id: WebhookId) -> Result<Option<Webhook>>;

    /// Removes one, with its deliveries. `false`: there is none.
    async fn remove(&self, webhook_id: WebhookId) -> Result<bool>;

    /// Sends nothing to it any more.
    async fn deactivate(&self, webhook_id: WebhookId, why: &str) -> Result<()>;

    /// Which of these events were delivered to which of these webhooks.
    async fn delivered(&self, webhooks: &[WebhookId], events: &[i64]) -> Result<HashSet<(WebhookId, i64)>>;

    /// Puts a try on record. What was delivered stays so.
    async fn record_try(&self, webhook_id: WebhookId, attempt: &DeliveryTry<'_>) -> Result<()>;

    /// The event is given up for these webhooks, as far as it was not delivered.
    async fn give_up(&self, webhooks: &[WebhookId], event: &LifecycleEvent, why: &str) -> Result<()>;

    /// Deliveries to one, the newest events first, those before `before` alone, at most `limit`.
    async fn deliveries(
        &self,
        webhook_id: WebhookId,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Delivery>>;

    /// Removes deliveries from before `time`, at most `max`; returns how many.
    async fn forget_deliveries(&self, time: DateTime<Utc>, max: u32) -> Result<u32>;
}
