//! The handler against receivers on loopback, with rows in memory.

use super::{handler::Deliverer, sender::Sender, signature::Secret};
use crate::outbound::Outbound;
use async_trait::async_trait;
use axum::{Json, Router, body::Body, extract::State, response::Response, routing::post};
use chrono::{DateTime, TimeDelta, Utc};
use futures::StreamExt;
use ragstream_core::{
    fault::{Fault, Result},
    id::{DocumentId, JobId, Version, WebhookId},
    lifecycle::{COMPLETE, DELETED, LifecycleEvent},
    ports::{Delivery, DeliveryTry, NewWebhook, Outgoing, Webhook, Webhooks},
    topics,
};
use ragstream_proto::encode;
use ragstream_worker::{Handler, Message, Verdict};
use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU16, Ordering},
    },
    time::Duration,
};

/// Rows in memory, whose reads or writes may be away.
#[derive(Default)]
struct Rows {
    webhooks: Mutex<Vec<Webhook>>,
    delivered: Mutex<HashSet<(WebhookId, i64)>>,
    given_up: Mutex<Vec<(WebhookId, i64)>>,
    no_reads: AtomicBool,
    no_writes: AtomicBool,
}

fn check(away: &AtomicBool) -> Result<()> {
    match away.load(Ordering::SeqCst) {
        true => Err(Fault::unavailable("postgres_unavailable", "away for this test")),
        false => Ok(()),
    }
}

#[async_trait]
impl Webhooks for Rows {
    async fn add(&self, wants: &NewWebhook, _: u32) -> Result<Option<Webhook>> {
        let created_at = Utc::now() - TimeDelta::minutes(1);
        let webhook = Webhook {
            webhook_id: WebhookId::generate(),
            wants: wants.clone(),
            deactivated: None,
            created_at,
        };
        self.webhooks.lock().unwrap().push(webhook.clone());
        Ok(Some(webhook))
    }

    async fn webhooks(&self) -> Result<Vec<Webhook>> {
        check(&self.no_reads)?;
        Ok(self.webhooks.lock().unwrap().clone())
    }

    async fn webhook(&self, id: WebhookId) -> Result<Option<Webhook>> {
        Ok(self.webhooks.lock().unwrap().iter().find(|webhook| webhook.webhook_id == id).cloned())
    }

    async fn remove(&self, id: WebhookId) -> Result<bool> {
        self.webhooks.lock().unwrap().retain(|webhook| webhook.webhook_id != id);
        Ok(true)
    }

    async fn deactivate(&self, id: WebhookId, why: &str) -> Result<()> {
        let mut webhooks = self.webhooks.lock().unwrap();
        webhooks.iter_mut().filter(|w| w.webhook_id == id).for_each(|w| w.deactivated = Some(why.into()));
        Ok(())
    }

    async fn delivered(&self, _: &[WebhookId], _: &[i64]) -> Result<HashSet<(WebhookId, i64)>> {
        check(&self.no_reads)?;
        Ok(self.delivered.lock().unwrap().clone())
    }

    async fn record_try(&self, id: WebhookId, attempt: &DeliveryTry<'_>) -> Result<()> {
        check(&self.no_writes)?;
        if attempt.error.is_none() {
            self.delivered.lock().unwrap().insert((id, attempt.event.event_id));
        }
        Ok(())
    }

    async fn give_up(&self, ids: &[WebhookId], event: &LifecycleEvent, _: &str) -> Result<()> {
        self.given_up.lock().unwrap().extend(ids.iter().map(|id| (*id, event.event_id)));
        Ok(())
    }

    async fn deliveries(&self, _: WebhookId, _: Option<i64>, _: u32) -> Result<Vec<Delivery>> {
        Ok(Vec::new())
    }

    async fn forget_deliveries(&self, _: DateTime<Utc>, _: u32) -> Result<u32> {
        Ok(0)
    }
}

/// A receiver that remembers the ids of the events that it got.
#[derive(Clone, Default)]
struct Receiver {
    status: Arc<AtomicU16>,
    got: Arc<Mutex<Vec<i64>>>,
    /// Its answers have bodies without end.
    endless: bool,
}

impl Receiver {
    /// Starts it, and registers it.
    async fn start(self, status: u16, rows: &Rows) -> Self {
        self.answer_with(status);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let router = Router::new().route("/", post(receive)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let wants = NewWebhook {
            url,
            events: Vec::new(),
            collection: None,
            description: None,
            secret: Secret::generate(),
        };
        rows.add(&wants, 1).await.unwrap();
        self
    }

    fn answer_with(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    fn got(&self) -> Vec<i64> {
        self.got.lock().unwrap().clone()
    }
}

async fn receive(State(receiver): State<Receiver>, Json(event): Json<serde_json::Value>) -> Response {
    let id = event["event_id"].as_i64().unwrap();
    // The later an event, the sooner it is answered: only turns keep the order.
    tokio::time::sleep(Duration::from_millis(u64::try_from(40 - 4 * (id % 10)).unwrap())).await;
    receiver.got.lock().unwrap().push(id);
    let body = match receiver.endless {
        true => Body::from_stream(futures::stream::repeat("more and ").then(|piece| async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok::<_, std::io::Error>(piece)
        })),
        false => Body::empty(),
    };
    Response::builder().status(receiver.status.load(Ordering::SeqCst)).body(body).unwrap()
}

fn event(event_id: i64, document_id: DocumentId, kind: &str) -> LifecycleEvent {
    LifecycleEvent {
        event_id,
        kind: kind.into(),
        occurred_at: Utc::now(),
        document_id,
        version: Version(1),
        job_id: JobId::generate(),
        batch_id: None,
        collection: "default".into(),
        external_id: None,
        filename: "a.txt".into(),
        stage: None,
        chunks_total: None,
        failure: None,
        correlation_id: None,
    }
}

fn message(record: Outgoing) -> Message {
    Message {
        topic: topics::LIFECYCLE.into(),
        partition: 0,
        offset: 0,
        timestamp_ms: 0,
        key: Some(record.key.into()),
        value: record.value,
        headers: Vec::new(),
        attempt: 1,
    }
}

/// Events of one document, as many as there are ids.
fn batch(ids: std::ops::Range<i64>) -> Vec<Message> {
    let document = DocumentId::generate();
    ids.flat_map(|id| encode::lifecycle(&event(id, document, COMPLETE))).map(message).collect()
}

fn deliverer() -> (Arc<Rows>, Deliverer) {
    let rows = Arc::new(Rows::default());
    (rows.clone(), Deliverer::new(rows, Sender::new(Outbound::new(true))))
}

fn names(verdicts: &[Verdict]) -> Vec<&'static str> {
    verdicts.iter().map(Verdict::as_str).collect()
}

#[tokio::test]
async fn only_those_that_lack_an_event_are_sent_it_again() {
    let (rows, deliverer) = deliverer();
    let good = Receiver::default().start(200, &rows).await;
    let bad = Receiver::default().start(500, &rows).await;
    let batch = batch(0..3);
    assert_eq!(names(&deliverer.handle(&batch).await), ["failed"; 3]);
    bad.answer_with(204);
    assert_eq!(names(&deliverer.handle(&batch).await), ["done"; 3]);
    assert_eq!((good.got().len(), bad.got().len()), (3, 6));
}

#[tokio::test]
async fn events_of_a_document_come_in_their_order_and_an_answer_without_end_is_an_answer() {
    let (rows, deliverer) = deliverer();
    let one = Receiver::default().start(200, &rows).await;
    let endless = Receiver { endless: true, ..Receiver::default() }.start(200, &rows).await;
    assert_eq!(names(&deliverer.handle(&batch(0..6)).await), ["done"; 6]);
    for receiver in [one, endless] {
        assert_eq!(receiver.got(), [0, 1, 2, 3, 4, 5]);
    }
}

#[tokio::test]
async fn while_the_database_is_away_nothing_is_sent_and_no_attempt_counts() {
    let (rows, deliverer) = deliverer();
    let good = Receiver::default().start(200, &rows).await;
    let bad = Receiver::default().start(500, &rows).await;
    let batch = batch(0..2);
    rows.no_reads.store(true, Ordering::SeqCst);
    assert_eq!(names(&deliverer.handle(&batch).await), ["unavailable"; 2]);
    assert!(good.got().is_empty() && bad.got().is_empty());
    // It goes away in the middle: also a refusal is no attempt then.
    rows.no_reads.store(false, Ordering::SeqCst);
    rows.no_writes.store(true, Ordering::SeqCst);
    assert_eq!(names(&deliverer.handle(&batch).await), ["unavailable"; 2]);
    let fault = deliverer.give_up(&batch[0], &Fault::failed("webhook_refused", "no")).await;
    fault.expect("giving up is a write of its own");
    assert_eq!(rows.given_up.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn tombstones_are_done_bad_bytes_are_invalid_and_410_is_the_last_word() {
    let (rows, deliverer) = deliverer();
    let gone = Receiver::default().start(410, &rows).await;
    let mut batch: Vec<_> =
        encode::lifecycle(&event(7, DocumentId::generate(), DELETED)).into_iter().map(message).collect();
    let mut bad = batch[0].clone();
    bad.value = Some("\u{7f}\u{7f}".into());
    batch.push(bad);
    assert_eq!(names(&deliverer.handle(&batch).await), ["done", "done", "invalid"]);
    assert!(rows.webhooks.lock().unwrap()[0].deactivated.is_some());
    assert_eq!(names(&deliverer.handle(&batch[..1]).await), ["done"]);
    assert_eq!(gone.got(), [7]);
}
