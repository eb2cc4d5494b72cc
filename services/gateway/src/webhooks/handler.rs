//! Events of `document-lifecycle` to the webhooks that want them.
//!
//! Each event is sent to all of its webhooks at once. It is done when all have taken it;
//! until then it is tried again, by the worker's counted attempts, for those that lack it,
//! and in the end it goes to the dead letters, from which it can be sent back for those
//! that lack it then. What a webhook has taken is on record, so it is not sent again
//! (but for a crash between the two).
//!
//! Events of one document go to one webhook in their order, as long as it takes them:
//! one that failed does not hold up those after it.

use super::{
    endpoints::Endpoints,
    sender::{Outcome, Sender},
};
use crate::metrics;
use async_trait::async_trait;
use futures::{StreamExt, stream};
use ragstream_api::webhooks::EventBody;
use ragstream_core::{
    fault::{Fault, Result},
    id::WebhookId,
    lifecycle::LifecycleEvent,
    ports::{DeliveryTry, Webhook, Webhooks},
};
use ragstream_proto::decode;
use ragstream_worker::{Handler, Message, Verdict};
use std::sync::Arc;

/// Requests of one batch at a time.
const PARALLEL: usize = 64;

/// The name of an event as a message: the same for every try and every webhook.
fn message_id(event: &LifecycleEvent) -> String {
    format!("evt_{}", event.event_id)
}

pub(crate) struct Deliverer {
    ledger: Arc<dyn Webhooks>,
    sender: Sender,
    endpoints: Endpoints,
}

#[async_trait]
impl Handler for Deliverer {
    async fn handle(&self, batch: &[Message]) -> Vec<Verdict> {
        let mut verdicts = vec![Verdict::Done; batch.len()];
        let mut events = Vec::with_capacity(batch.len());
        for (verdict, message) in verdicts.iter_mut().zip(batch) {
            match decode::lifecycle(message.value.as_deref()) {
                Ok(Some(event)) => events.push((verdict, event)),
                Ok(None) => {}
                Err(fault) => *verdict = fault.into(),
            }
        }
        if let Err(fault) = self.deliver(&mut events).await {
            events.iter_mut().for_each(|(verdict, _)| **verdict = fault.clone().into());
        }
        verdicts
    }

    async fn give_up(&self, message: &Message, fault: &Fault) -> Result<()> {
        let Ok(Some(event)) = decode::lifecycle(message.value.as_deref()) else {
            return Ok(());
        };
        let webhooks = self.ledger.webhooks().await?;
        let lacking: Vec<WebhookId> = webhooks
            .iter()
            .filter(|webhook| webhook.is_for(&event))
            .map(|webhook| webhook.webhook_id)
            .collect();
        self.ledger.give_up(&lacking, &event, &fault.message).await
    }
}

impl Deliverer {
    pub(crate) fn new(ledger: Arc<dyn Webhooks>, sender: Sender) -> Self {
        Self { ledger, sender, endpoints: Endpoints::default() }
    }

    /// Sends the events and sets their verdicts. An error is that of all.
    async fn deliver(&self, events: &mut [(&mut Verdict, LifecycleEvent)]) -> Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let webhooks = self.ledger.webhooks().await?;
        self.endpoints.keep(&webhooks);
        // Places of events and webhooks.
        let mut due: Vec<(usize, usize)> = Vec::new();
        for (e, (_, event)) in events.iter().enumerate() {
            due.extend((0..webhooks.len()).filter(|w| webhooks[*w].is_for(event)).map(|w| (e, w)));
        }
        if due.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = webhooks.iter().map(|webhook| webhook.webhook_id).collect();
        let numbers: Vec<_> = events.iter().map(|(_, event)| event.event_id).collect();
        let delivered = self.ledger.delivered(&ids, &numbers).await?;
        due.retain(|(e, w)| !delivered.contains(&(ids[*w], numbers[*e])));
        let (all, webhooks) = (&*events, &webhooks);
        let outcomes: Vec<(usize, Result<()>)> = stream::iter(due)
            .map(|(e, w)| async move { (e, self.send(&webhooks[w], &all[e].1).await) })
            .buffer_unordered(PARALLEL)
            .collect()
            .await;
        for (e, outcome) in outcomes {
            let Err(fault) = outcome else { continue };
            let verdict = &mut *events[e].0;
            // Where the database is waited for, no attempt is counted.
            if fault.is_unavailable() || matches!(verdict, Verdict::Done) {
                *verdict = fault.into();
            }
        }
        Ok(())
    }

    /// One event to one webhook, once.
    async fn send(&self, webhook: &Webhook, event: &LifecycleEvent) -> Result<()> {
        let id = webhook.webhook_id;
        let endpoint = self.endpoints.of(id);
        let _turn = endpoint.turn(event.document_id).await;
        let Some(_slot) = endpoint.slot().await else {
            metrics::count_delivery("webhook_busy");
            return Err(Fault::failed("webhook_busy", format!("webhook {id} does not keep up")));
        };
        let body = EventBody::from(event.clone());
        let tried = self.sender.send(&webhook.wants, &message_id(event), &body).await;
        endpoint.answered(tried.outcome != Outcome::TimedOut);
        let attempt = DeliveryTry { event, http_status: tried.status, error: tried.error.clone() };
        self.ledger.record_try(id, &attempt).await?;
        match (tried.outcome, tried.error) {
            (Outcome::Gone, why) => {
                tracing::info!(webhook_id = %id, "webhook answered 410 and is deactivated");
                self.ledger.deactivate(id, &why.unwrap_or_default()).await
            }
            (outcome, Some(why)) => Err(Fault::failed(outcome.class(), format!("webhook {id}: {why}"))),
            (_, None) => Ok(()),
        }
    }
}
