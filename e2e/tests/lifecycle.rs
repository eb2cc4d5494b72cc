//! What happens to documents, as others are told: on the topic `document-lifecycle` and by webhooks.
#![allow(clippy::unwrap_used)]

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use ragstream_core::lifecycle::LifecycleEvent;
use ragstream_e2e::{
    api::{Api, text},
    eventually,
    process::{Standalone, free_port},
    topic,
};
use ragstream_proto::decode;
use rdkafka::{
    ClientConfig,
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

const TOPIC: &str = "document-lifecycle";
/// A receiver in this mode takes a request and never answers.
const SILENT: u16 = 0;

/// A request that a receiver got.
#[derive(Clone, Debug)]
struct Got {
    id: String,
    timestamp: String,
    signature: String,
    body: String,
    /// What was answered.
    status: u16,
}

impl Got {
    fn event(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The signature, checked as the specification says, by the receiver's copy of the secret.
    fn assert_signed(&self, secret: &str) {
        let key = BASE64_STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{}.{}.{}", self.id, self.timestamp, self.body).as_bytes());
        let expected = BASE64_STANDARD.encode(mac.finalize().into_bytes());
        assert_eq!(self.signature, format!("v1,{expected}"));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert!(now.abs_diff(self.timestamp.parse().unwrap()) < 300, "{self:?}");
    }
}

/// A webhook's receiver, on a port of its own.
#[derive(Clone)]
struct Receiver {
    url: String,
    answer: Arc<AtomicU16>,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Receiver {
    async fn start(answer: u16) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let this = Self {
            url: format!("http://{}/hook", listener.local_addr().unwrap()),
            answer: Arc::new(answer.into()),
            got: Arc::default(),
        };
        let router = Router::new().route("/hook", post(receive)).with_state(this.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        this
    }

    fn answer_with(&self, status: u16) {
        self.answer.store(status, Ordering::SeqCst);
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// Events that were taken, as (document, type), in the order in which they came.
    fn taken(&self) -> Vec<(String, String)> {
        let taken = self.got().into_iter().filter(|got| (200..300).contains(&got.status));
        taken.map(|got| (text(&got.event(), "document_id"), text(&got.event(), "type"))).collect()
    }

    /// Registers it; the answer.
    async fn register(&self, api: &Api, mut wants: Value) -> Value {
        wants["url"] = json!(self.url);
        let answer = api.post("/api/v2/webhooks", &wants).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.body
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let status = receiver.answer.load(Ordering::SeqCst);
    receiver.got.lock().unwrap().push(Got {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        body: String::from_utf8(body.to_vec()).unwrap(),
        status,
    });
    if status == SILENT {
        std::future::pending::<()>().await;
    }
    StatusCode::from_u16(status).unwrap()
}

/// A node that may call receivers on loopback, with tries that follow soon.
async fn node(dir: &Path, attempts: u32) -> Standalone {
    let env = [
        ("RAGSTREAM_GATEWAY_ALLOW_PRIVATE_ADDRESSES", "true".to_owned()),
        ("RAGSTREAM_GATEWAY_WEBHOOK_ATTEMPTS", attempts.to_string()),
        ("RAGSTREAM_GATEWAY_WEBHOOK_RETRY_MIN_MS", "200".to_owned()),
        ("RAGSTREAM_GATEWAY_WEBHOOK_RETRY_MAX_MS", "1000".to_owned()),
    ];
    Standalone::start_at(dir, &format!("127.0.0.1:{}", free_port()), &env).await
}

async fn uploaded(api: &Api, name: &str, words: &str, fields: &[(&str, &str)]) -> String {
    let body = api.upload(name, words, fields).await.body;
    let job = api.finished(&text(&body, "job_id")).await;
    assert_eq!(job["stage"], "complete", "{job:#}");
    text(&body, "document_id")
}

/// What the topic says of a document, in order; `None` is a tombstone.
fn events_of(brokers: &str, document: &str) -> Vec<Option<LifecycleEvent>> {
    let mut records = topic::records(brokers, TOPIC);
    records.retain(|record| record.key == document);
    assert!(records.iter().map(|r| r.partition).collect::<BTreeSet<_>>().len() <= 1, "one partition");
    records.sort_by_key(|record| record.offset);
    for record in records.iter().filter(|record| record.has_value) {
        assert_eq!(record.headers["x-message-type"], "ragstream.v1.DocumentLifecycle");
        assert!(record.headers.contains_key("x-schema-version"));
    }
    let decoded =
        |record: &topic::Record| decode::lifecycle(record.has_value.then_some(&record.value[..])).unwrap();
    records.iter().map(decoded).collect()
}

fn kinds(events: &[Option<LifecycleEvent>]) -> Vec<(&str, i32)> {
    events
        .iter()
        .map(|event| match event {
            Some(event) => (event.kind.strip_prefix("document.").unwrap(), event.version.0),
            None => ("tombstone", 0),
        })
        .collect()
}

const FIRST: [(&str, i32); 3] = [("accepted", 1), ("chunked", 1), ("complete", 1)];
const SECOND: [(&str, i32); 3] = [("accepted", 2), ("chunked", 2), ("complete", 2)];

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_and_its_update_are_told_in_order_and_signed() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path(), 8).await;
    let api = &node.api;
    let [all, ends, elsewhere] =
        [Receiver::start(204).await, Receiver::start(200).await, Receiver::start(200).await];
    let created = all.register(api, json!({"description": "everything"})).await;
    let secret = text(&created, "secret");
    let own = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDpaFgzbxM0YvQ";
    let filter =
        json!({"events": ["document.complete", "document.failed"], "collection": "harbour", "secret": own});
    let kept = ends.register(api, filter).await;
    assert_eq!(kept["secret"], own);
    elsewhere.register(api, json!({"collection": "elsewhere"})).await;

    let fields = [("external_id", "tides"), ("collection", "harbour")];
    let document = uploaded(api, "tides.txt", "The spring tide lifts boats by four metres.", &fields).await;
    let updated = uploaded(api, "tides.txt", "The spring tide lifts boats by five metres.", &fields).await;
    assert_eq!(document, updated);

    let events = eventually("all events on the topic", || async {
        let events = events_of(&node.kafka(), &document);
        (events.len() >= 6).then_some(events)
    })
    .await;
    assert_eq!(kinds(&events), [FIRST, SECOND].concat());
    let events: Vec<_> = events.into_iter().flatten().collect();
    assert!(events.is_sorted_by(|a, b| a.event_id < b.event_id));
    let complete = &events[2];
    assert_eq!((&*complete.collection, complete.external_id.as_deref()), ("harbour", Some("tides")));
    assert_eq!((&*complete.filename, complete.chunks_total), ("tides.txt", Some(1)));
    assert!(complete.batch_id.is_some() && complete.correlation_id.is_some());

    eventually("all events at the receivers", || async {
        (all.taken().len() >= 6 && ends.taken().len() >= 2).then_some(())
    })
    .await;
    let got = all.got();
    let ids: Vec<_> = got.iter().map(|got| got.event()["event_id"].as_i64().unwrap()).collect();
    assert_eq!(ids, events.iter().map(|event| event.event_id).collect::<Vec<_>>(), "in order, once");
    for (got, event) in got.iter().zip(&events) {
        got.assert_signed(&secret);
        assert_eq!(got.id, format!("evt_{}", event.event_id));
        let body = got.event();
        assert_eq!((text(&body, "type"), text(&body, "document_id")), (event.kind.clone(), document.clone()));
        assert_eq!(body["version"], event.version.0);
        assert!(!got.body.contains("spring tide"), "no text of the document");
    }
    let complete = (document.clone(), "document.complete".to_owned());
    assert_eq!(ends.taken(), [complete.clone(), complete]);
    ends.got().iter().for_each(|got| got.assert_signed(own));
    assert!(elsewhere.got().is_empty());

    let id = text(&created, "webhook_id");
    let deliveries = api.get(&format!("/api/v2/webhooks/{id}/deliveries?limit=4")).await.body;
    let page = deliveries["deliveries"].as_array().unwrap();
    assert_eq!(page.len(), 4);
    assert!(page.iter().all(|delivery| delivery["status"] == "delivered" && delivery["http_status"] == 204));
    assert_eq!(page[0]["type"], "document.complete");
    let rest = api.get(&text(&deliveries, "next")).await.body;
    assert_eq!(rest["deliveries"].as_array().unwrap().len(), 2);
    assert_eq!(api.metric("ragstream_webhook_deliveries_total", "delivered").await, 8.0);
    assert_eq!(api.metric("ragstream_lifecycle_relayed_total", "").await, 6.0);
}

/// Needs the route `DELETE /api/v2/documents/{id}`.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_is_told_and_the_topic_forgets_the_document() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path(), 8).await;
    let api = &node.api;
    let receiver = Receiver::start(200).await;
    receiver.register(api, json!({})).await;
    let document =
        uploaded(api, "gone.txt", "The harbour master keeps the keys.", &[("external_id", "gone")]).await;
    let url = format!("{}/api/v2/documents/{document}", api.base);
    let answer = api.send(api.client.delete(url)).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let events = eventually("the tombstone", || async {
        let events = events_of(&node.kafka(), &document);
        events.iter().any(Option::is_none).then_some(events)
    })
    .await;
    assert_eq!(kinds(&events), [&FIRST[..], &[("deleted", 1), ("tombstone", 0)]].concat());
    let deleted = events[3].as_ref().unwrap();
    assert_eq!((&*deleted.filename, deleted.external_id.as_deref()), ("gone.txt", Some("gone")));
    eventually("the deletion at the receiver", || async { (receiver.taken().len() >= 4).then_some(()) })
        .await;
    let kinds: Vec<_> = receiver.taken().into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(kinds, ["document.accepted", "document.chunked", "document.complete", "document.deleted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_down_gets_everything_later_and_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path(), 60).await;
    let api = &node.api;
    let [up, down, silent] =
        [Receiver::start(200).await, Receiver::start(503).await, Receiver::start(SILENT).await];
    for receiver in [&up, &down, &silent] {
        receiver.register(api, json!({"events": ["document.complete"]})).await;
    }
    let mut documents = BTreeSet::new();
    for i in 0..12 {
        let name = format!("log-{i}.txt");
        documents.insert(uploaded(api, &name, &format!("Ship {i} passed the light at noon."), &[]).await);
    }
    let all = |receiver: &Receiver| {
        let taken: Vec<String> = receiver.taken().into_iter().map(|(document, _)| document).collect();
        (taken.len() >= documents.len()).then_some(taken)
    };
    // The two others have taken nothing meanwhile, though they were asked.
    let taken = eventually("everything at the receiver that is up", || async { all(&up) }).await;
    assert_eq!(taken.len(), documents.len());
    assert_eq!(taken.into_iter().collect::<BTreeSet<_>>(), documents);
    eventually("a try for each", || async {
        let tried: BTreeSet<_> = down.got().iter().map(|got| got.id.clone()).collect();
        (tried.len() == documents.len() && !silent.got().is_empty()).then_some(())
    })
    .await;
    assert!(down.taken().is_empty() && silent.taken().is_empty());

    for (name, receiver) in [("down", &down), ("silent", &silent)] {
        receiver.answer_with(200);
        let taken =
            eventually(&format!("everything at the one that was {name}"), || async { all(receiver) }).await;
        assert_eq!(taken.len(), documents.len(), "each once");
        assert_eq!(taken.into_iter().collect::<BTreeSet<_>>(), documents);
    }
    assert_eq!(up.got().len(), documents.len(), "nothing was sent again to the one that had it");
    assert!(topic::records(&node.kafka(), "document-lifecycle.dlq").is_empty());
    let ready = api.get("/health").await.body;
    let webhooks =
        ready["components"].as_array().unwrap().iter().find(|c| c["component"] == "webhooks").unwrap();
    assert_eq!(webhooks["status"], "up");
}

/// The node's Kafka.
fn kafka_process(node: &Standalone) -> i32 {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", node.process.pid())).unwrap().flatten();
    let children = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let pids: Vec<i32> = children
        .flat_map(|all| all.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>())
        .collect();
    let is_kafka = |pid: &i32| {
        std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("kafka"))
    };
    pids.into_iter().find(is_kafka).unwrap()
}

fn signal(pid: i32, signal: i32) {
    // SAFETY: a signal to a process that is a child of one that we hold.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_kafka_is_away_uploads_go_on_and_events_come_later() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path(), 3).await;
    let api = &node.api;
    let receiver = Receiver::start(200).await;
    receiver.register(api, json!({})).await;
    uploaded(api, "before.txt", "The ebb runs for seven hours.", &[]).await;
    let brokers = node.kafka();

    let kafka = kafka_process(&node);
    signal(kafka, libc::SIGSTOP);
    let upload = api.upload("meanwhile.txt", "The flood runs for five hours.", &[]).await;
    assert_eq!(upload.status, 202, "{upload:?}");
    eventually("an event that waits", || async {
        (api.metric("ragstream_lifecycle_waiting", "").await > 0.0).then_some(())
    })
    .await;
    assert_eq!(api.send(api.client.get(format!("{}/livez", api.base))).await.status, 200);
    signal(kafka, libc::SIGCONT);

    let (document, job) = (text(&upload.body, "document_id"), text(&upload.body, "job_id"));
    assert_eq!(api.finished(&job).await["stage"], "complete");
    let events = eventually("the events", || async {
        let events = events_of(&brokers, &document);
        kinds(&events).contains(&("complete", 1)).then_some(events)
    })
    .await;
    // One whose acknowledgement was lost may be there twice; the order is that of the ids.
    let mut seen = BTreeSet::new();
    let first_times: Vec<_> =
        events.into_iter().filter(|e| seen.insert(e.as_ref().map(|e| e.event_id))).collect();
    assert_eq!(kinds(&first_times), FIRST);
    eventually("the events at the receiver", || async {
        let kinds: BTreeSet<_> = receiver.taken().into_iter().filter(|(d, _)| *d == document).collect();
        (kinds.len() == 3).then_some(())
    })
    .await;
    assert!(topic::records(&brokers, "document-lifecycle.dlq").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_never_taken_is_a_dead_letter_that_can_be_sent_back() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path(), 3).await;
    let api = &node.api;
    let [good, bad, gone] =
        [Receiver::start(200).await, Receiver::start(500).await, Receiver::start(410).await];
    let mut ids = Vec::new();
    for receiver in [&good, &bad, &gone] {
        ids.push(text(&receiver.register(api, json!({})).await, "webhook_id"));
    }
    let document = uploaded(api, "a.txt", "The bell buoy rings in every swell.", &[]).await;
    let letters = eventually("a dead letter for each event", || async {
        let letters = topic::records(&node.kafka(), "document-lifecycle.dlq");
        (letters.len() >= 3).then_some(letters)
    })
    .await;
    assert_eq!(letters.len(), 3, "each once");
    for letter in &letters {
        let headers = &letter.headers;
        assert_eq!((&*headers["x-original-topic"], &*headers["x-error-class"]), (TOPIC, "webhook_refused"));
        assert_eq!((&*headers["x-attempts"], &*headers["x-consumer"]), ("3", "ragstream-webhooks"));
        assert_eq!(letter.key, document);
    }
    let shown = api.get(&format!("/api/v2/dead-letters?topic={TOPIC}.dlq&document_id={document}")).await.body;
    let shown = shown["letters"].as_array().unwrap();
    assert_eq!(shown.len(), 3, "{shown:#?}");
    for letter in shown {
        assert_eq!(letter["value"]["event"]["document_id"], document, "{letter:#}");
    }
    let mut tries: BTreeMap<String, usize> = BTreeMap::new();
    for got in bad.got() {
        *tries.entry(got.id).or_default() += 1;
    }
    assert_eq!(tries.into_values().collect::<Vec<_>>(), [3, 3, 3]);
    assert_eq!(good.got().len(), 3, "those that took it were not told again");
    // 410: once, and then it wants no more. (Events that were under way with it count too.)
    assert!((1..=3).contains(&gone.got().len()));
    let off = api.get(&format!("/api/v2/webhooks/{}", ids[2])).await.body;
    assert_eq!((off["active"].as_bool(), off.get("secret")), (Some(false), None), "{off:#}");
    let lost = api.get(&format!("/api/v2/webhooks/{}/deliveries", ids[1])).await.body;
    for delivery in lost["deliveries"].as_array().unwrap() {
        assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("given_up"), &json!(3)));
        assert_eq!(delivery["error"], "answered 500");
    }

    // It is mended, and the letters are sent back as any tool does: key, value, headers.
    bad.answer_with(200);
    gone.answer_with(200);
    let producer: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", node.kafka()).create().unwrap();
    for letter in &letters {
        let headers = letter
            .headers
            .iter()
            .fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: Some(value) }));
        let record = FutureRecord::to(TOPIC)
            .key(&letter.key)
            .payload(&letter.value)
            .partition(letter.headers["x-original-partition"].parse().unwrap());
        producer.send(record.headers(headers), Duration::from_secs(30)).await.unwrap();
    }
    let taken = eventually("what was lacking", || async {
        let taken = bad.taken();
        (taken.len() >= 3).then_some(taken)
    })
    .await;
    assert_eq!(taken.into_iter().map(|(_, kind)| kind).collect::<BTreeSet<_>>().len(), 3);
    // One more upload comes after them: had the others been told again, it would show now.
    uploaded(api, "b.txt", "The pilot boards at the outer buoy.", &[]).await;
    eventually("the next events", || async {
        (good.got().len() >= 6 && bad.taken().len() >= 6).then_some(())
    })
    .await;
    assert_eq!((good.got().len(), bad.taken().len()), (6, 6));
    assert!(gone.got().len() <= 3);
    assert_eq!(topic::records(&node.kafka(), "document-lifecycle.dlq").len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_kept_tested_and_refused_with_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    // As it comes: no private addresses.
    let node = Standalone::start(dir.path()).await;
    let api = &node.api;
    let refused = async |body: Value, status: u16, class: &str| {
        let answer = api.post("/api/v2/webhooks", &body).await;
        assert_eq!(answer.status, status, "{body} {answer:?}");
        assert_eq!(answer.body["type"], format!("/problems/{class}"), "{body} {answer:?}");
    };
    let receiver = Receiver::start(200).await;
    for url in
        [&*receiver.url, "http://localhost:1/", "http://169.254.169.254/", "http://[::ffff:10.0.0.1]/x"]
    {
        refused(json!({"url": url}), 422, "address_refused").await;
    }
    refused(json!({"url": "ftp://8.8.8.8/"}), 422, "address_refused").await;
    refused(json!({"url": "https://receiver.invalid/"}), 422, "address_unknown").await;
    refused(json!({"url": "over there"}), 422, "invalid_field").await;
    let public = "https://8.8.8.8/hook";
    refused(json!({"url": public, "events": ["document.compleet"]}), 422, "invalid_field").await;
    refused(json!({"url": public, "secret": "too short"}), 422, "invalid_field").await;
    refused(json!({"url": public, "collection": ""}), 422, "invalid_field").await;
    refused(json!({"url": public, "colour": "red"}), 400, "invalid_json").await;
    refused(json!({}), 400, "invalid_json").await;
    assert_eq!(api.get("/api/v2/webhooks").await.body, json!({"webhooks": []}));

    let created = api.post("/api/v2/webhooks", &json!({"url": public, "events": ["document"]})).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert!(text(&created.body, "secret").starts_with("whsec_"));
    let id = text(&created.body, "webhook_id");
    let mut expected = created.body;
    expected.as_object_mut().unwrap().remove("secret");
    assert_eq!(api.get(&format!("/api/v2/webhooks/{id}")).await.body, expected);
    assert_eq!(api.get("/api/v2/webhooks").await.body["webhooks"], json!([expected]));
    let none = api.get(&format!("/api/v2/webhooks/{id}/deliveries")).await.body;
    assert_eq!(none, json!({"deliveries": []}));
    let url = format!("{}/api/v2/webhooks/{id}", api.base);
    assert_eq!(api.send(api.client.delete(&url)).await.status, 204);
    assert_eq!(api.send(api.client.delete(&url)).await.status, 404);
    for path in ["", "/deliveries"] {
        assert_eq!(api.get(&format!("/api/v2/webhooks/{id}{path}")).await.status, 404);
    }
    assert_eq!(api.post(&format!("/api/v2/webhooks/{id}/test"), &json!({})).await.status, 404);
    assert!(receiver.got().is_empty());
    drop(node);

    // A test, where receivers on loopback are allowed.
    let node = self::node(dir.path(), 3).await;
    let api = &node.api;
    let created = receiver.register(api, json!({})).await;
    let test = format!("/api/v2/webhooks/{}/test", text(&created, "webhook_id"));
    let answer = api.post(&test, &json!({})).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body["delivered"], &answer.body["status"]),
        (200, &json!(true), &json!(200))
    );
    receiver.answer_with(302);
    let answer = api.post(&test, &json!({})).await.body;
    assert_eq!((&answer["delivered"], &answer["status"]), (&json!(false), &json!(302)));
    assert!(text(&answer, "error").contains("redirects are not followed"));
    let got = receiver.got();
    assert_eq!(got.len(), 2);
    got[0].assert_signed(&text(&created, "secret"));
    assert_eq!(got[0].event()["type"], "webhook.test");
}
