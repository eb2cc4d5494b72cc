//! Events of documents on a real PostgreSQL: one for each change, none of what was
//! rolled back; and the webhooks that want them.
#![allow(clippy::unwrap_used)]

use chrono::{TimeDelta, Utc};
use ragstream_core::{
    chunk::Chunk,
    document::{Blob, Document, DocumentRef},
    id::{BatchId, ChunkId, DocumentId, JobId, Version, WebhookId},
    lane::Lane,
    lifecycle::LifecycleEvent,
    ports::{
        Accepted, ControlRecords, Controlled, DeliveryStatus, DeliveryTry, EmbeddingLedger, GivenUp,
        IndexLedger, IngestionLedger, Intake, JobCommand, JobControl, JobFailure, LifecycleLog, Lineage,
        NewUpload, NewWebhook, Outgoing, Placement, Removed, Webhook, Webhooks,
    },
};
use ragstream_postgres::{Ledger, LedgerConfig};
use ragstream_testkit::{MemoryPublisher, fresh_database};
use std::{collections::BTreeSet, sync::Arc};
use tokio_postgres::{Client, NoTls};

/// A ledger, and a connection of one's own to the same database.
async fn ledger() -> (Ledger, Client) {
    let (ledger, client, _) = ledger_at().await;
    (ledger, client)
}

/// The same, and where the database is.
async fn ledger_at() -> (Ledger, Client, String) {
    let url = fresh_database("").await;
    let ledger = Ledger::new(&LedgerConfig::new(&url)).unwrap();
    ledger.apply_schema().await.unwrap();
    // A second role starts later: nothing is recorded twice.
    ledger.apply_schema().await.unwrap();
    (ledger, connect(&url).await, url)
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn upload(sha256: &str, external_id: Option<&str>) -> NewUpload {
    NewUpload {
        document_id: DocumentId::generate(),
        job_id: JobId::generate(),
        batch_id: BatchId::generate(),
        collection: "harbour".into(),
        external_id: external_id.map(Into::into),
        filename: format!("{sha256}.txt"),
        content_type: "text/plain".into(),
        metadata: Default::default(),
        priority: 5,
        blob: Blob { key: format!("uploads/{sha256}"), size: 3, sha256: sha256.into() },
        correlation_id: "c".into(),
    }
}

fn record(key: impl ToString, text: impl ToString) -> Outgoing {
    Outgoing {
        topic: "t".into(),
        key: key.to_string(),
        value: Some(text.to_string().into_bytes().into()),
        headers: Vec::new(),
        placement: Placement::ByKey,
    }
}

struct NoRecords;

impl ControlRecords for NoRecords {
    fn request(&self, document: &Document, _: Lane) -> Outgoing {
        record(document.reference.document_id, "request")
    }

    fn gone(&self, _: &Removed) -> Vec<Outgoing> {
        Vec::new()
    }

    fn deleted(&self, _: &Removed) -> Vec<Outgoing> {
        Vec::new()
    }
}

async fn accept(ledger: &Ledger, upload: NewUpload) -> Accepted {
    ledger.accept(upload, &|document, _| record(document.document_id, "request")).await.unwrap()
}

async fn control(ledger: &Ledger, document: &DocumentRef, command: JobCommand) {
    let done = ledger.control(document.job_id, command, &NoRecords).await.unwrap();
    assert!(matches!(done, Controlled::Done(_)), "{command:?}: {done:?}");
}

fn given_up(place: &str) -> GivenUp {
    let failure = JobFailure { class: "broken".into(), message: "it is broken".into() };
    GivenUp { failure, place: place.into() }
}

async fn chunked(ledger: &Ledger, document: &DocumentRef) -> Vec<Chunk> {
    let (id, version) = (document.document_id, document.version);
    assert!(ledger.begin_attempt(id, version).await.unwrap().is_some());
    assert!(ledger.begin_chunking(id, version).await.unwrap());
    let chunks: Vec<_> = (0..2)
        .map(|position| Chunk {
            id: ChunkId::derive(id, version, "c", position),
            position,
            text: "text".into(),
            span: 0..4,
            page: None,
            headings: Vec::new(),
            tokens: 1,
        })
        .collect();
    assert!(
        ledger.record_chunks(id, version, &chunks, chunks.len() as u32, &Lineage::default()).await.unwrap()
    );
    chunks
}

async fn completed(ledger: &Ledger, document: &DocumentRef, chunks: &[Chunk]) {
    let version = (document.document_id, document.version);
    let rows: Vec<_> = chunks.iter().map(|chunk| (chunk.id, 0, i64::from(chunk.position))).collect();
    ledger.mark_embedded(&rows, "m").await.unwrap();
    assert_eq!(ledger.begin_commit(&[version]).await.unwrap().len(), 1);
    let ids: Vec<_> = chunks.iter().map(|chunk| chunk.id).collect();
    ledger.mark_indexed(&ids, &[version]).await.unwrap();
}

/// Type, version and stage of every event of a document, in order; `-` before one that
/// is not public.
async fn told(client: &Client, document_id: DocumentId) -> Vec<String> {
    let rows = client
        .query(
            "SELECT type, public, version, payload->>'stage' AS stage FROM lifecycle_events
              WHERE document_id = $1 ORDER BY id",
            &[&document_id.0],
        )
        .await
        .unwrap();
    let short = |row: &tokio_postgres::Row| {
        let kind: String = row.get("type");
        let stage: Option<String> = row.get("stage");
        let mark = if row.get("public") { "" } else { "-" };
        let stage = stage.filter(|stage| !kind.ends_with(stage.as_str())).map(|stage| format!(" in {stage}"));
        let (name, version) = (kind.strip_prefix("document.").unwrap(), row.get::<_, i32>("version"));
        format!("{mark}{name} {version}{}", stage.unwrap_or_default())
    };
    rows.iter().map(short).collect()
}

/// All public events that were not relayed yet, as a relay sees them.
async fn relayed(ledger: &Ledger) -> Vec<LifecycleEvent> {
    let publisher = MemoryPublisher::default();
    let seen = std::sync::Mutex::new(Vec::new());
    let keep = |event: &LifecycleEvent| {
        seen.lock().unwrap().push(event.clone());
        vec![record(event.document_id, event.event_id)]
    };
    while ledger.relay_events(&publisher, &keep, 100).await.unwrap() > 0 {}
    seen.into_inner().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_s_whole_life_is_told_change_by_change() {
    let (ledger, client) = ledger().await;
    let accepted = accept(&ledger, upload("v1", Some("x"))).await;
    let first = accepted.document;
    let id = first.document_id;
    let chunks = chunked(&ledger, &first).await;
    // Work that is done again, and late, changes no stage.
    chunked(&ledger, &first).await;
    completed(&ledger, &first, &chunks).await;
    assert!(!ledger.fail_job(id, first.version, &given_up("t/0/1"), &|_| Vec::new()).await.unwrap());

    // The next version: held, let go, failed, retried, failed by a chunk, reopened by its letter.
    let second = accept(&ledger, upload("v2", Some("x"))).await.document;
    control(&ledger, &second, JobCommand::Pause).await;
    control(&ledger, &second, JobCommand::Pause).await;
    control(&ledger, &second, JobCommand::Resume).await;
    assert!(ledger.fail_job(id, second.version, &given_up("t/0/2"), &|_| Vec::new()).await.unwrap());
    control(&ledger, &second, JobCommand::Retry).await;
    let chunks = chunked(&ledger, &second).await;
    let failed = EmbeddingLedger::fail_chunk(&ledger, chunks[0].id, &given_up("t/0/3")).await.unwrap();
    assert!(failed);
    ledger.reopen_chunks(&[(chunks[0].id, "t/0/9".into())]).await.unwrap();
    control(&ledger, &second, JobCommand::Cancel).await;

    // And one that is superseded before it is complete; then all of it goes.
    let third = accept(&ledger, upload("v3", Some("x"))).await.document;
    let fourth = accept(&ledger, upload("v4", Some("x"))).await.document;
    ledger.delete(id, &NoRecords).await.unwrap().unwrap();
    assert!(ledger.delete(id, &NoRecords).await.unwrap().is_none());

    assert_eq!(
        told(&client, id).await,
        [
            "accepted 1",
            "-text_extraction 1",
            "-chunking 1",
            "chunked 1 in embedding",
            "-indexing 1",
            "complete 1",
            "accepted 2",
            "paused 2",
            "resumed 2 in accepted",
            "failed 2",
            "retried 2 in accepted",
            "-text_extraction 2",
            "-chunking 2",
            "chunked 2 in embedding",
            "failed 2",
            "retried 2 in embedding",
            "cancelled 2",
            "accepted 3",
            "superseded 3 in cancelled",
            "accepted 4",
            "deleted 4",
        ]
    );

    // What a relay gets: the public ones, whole.
    let events = relayed(&ledger).await;
    assert_eq!(events.len(), 16);
    assert!(events.is_sorted_by_key(|event| event.event_id));
    assert!(events.is_sorted_by_key(|event| event.occurred_at));
    assert!(events.iter().all(|event| event.document_id == id && event.collection == "harbour"));
    assert!(events.iter().all(|event| event.external_id.as_deref() == Some("x")));
    let begun = &events[0];
    assert_eq!(
        (&*begun.kind, begun.job_id, begun.batch_id),
        ("document.accepted", first.job_id, Some(accepted.batch_id))
    );
    assert_eq!((&*begun.filename, begun.chunks_total, &begun.failure), ("v1.txt", None, &None));
    assert_eq!(begun.correlation_id.as_deref(), Some("c"));
    assert_eq!(events[1].chunks_total, Some(2));
    let failures: Vec<_> = events.iter().filter_map(|event| event.failure.clone()).collect();
    assert_eq!(failures, [given_up("").failure, given_up("").failure]);
    // That of a version that was superseded names that one; the deletion the last.
    let superseded = &events[events.len() - 3];
    assert_eq!((superseded.job_id, superseded.version), (third.job_id, third.version));
    let deleted = events.last().unwrap();
    assert_eq!((deleted.job_id, deleted.version, deleted.batch_id), (fourth.job_id, Version(4), None));
    assert_eq!((&*deleted.filename, &deleted.stage), ("v4.txt", &None));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_a_stage_is_one_event_and_no_change_is_none() {
    let (ledger, client) = ledger().await;
    let document = accept(&ledger, upload("a", None)).await.document;
    let count = async || {
        let row = client.query_one("SELECT count(*) FROM lifecycle_events", &[]).await.unwrap();
        row.get::<_, i64>(0)
    };
    let stages = [
        "accepted",
        "text_extraction",
        "chunking",
        "embedding",
        "indexing",
        "complete",
        "failed",
        "paused",
        "cancelled",
    ];
    let set = async |stage: &str| {
        let set = "UPDATE document_jobs SET stage = $1, updated_at = now() WHERE job_id = $2";
        client.execute(set, &[&stage, &document.job_id.0]).await.unwrap();
    };
    for from in stages {
        for to in stages {
            set(from).await;
            let before = count().await;
            set(to).await;
            assert_eq!(count().await - before, i64::from(from != to), "{from} -> {to}");
        }
    }
    // Other columns are no event; a rollback leaves none.
    let before = count().await;
    client.execute("UPDATE document_jobs SET attempts = attempts + 1, forgotten = true", &[]).await.unwrap();
    client
        .batch_execute(
            "BEGIN; UPDATE document_jobs SET stage = 'paused'; UPDATE document_jobs SET stage = 'failed'; ROLLBACK",
        )
        .await
        .unwrap();
    assert_eq!(count().await, before);
    // A duplicate is none either.
    set("complete").await;
    let before = count().await;
    assert!(accept(&ledger, upload("a", None)).await.duplicate);
    assert_eq!(count().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_keeps_the_order_forgets_nothing_and_works_alone() {
    let (ledger, client) = ledger().await;
    let mut documents = Vec::new();
    for i in 0..6 {
        documents.push(accept(&ledger, upload(&i.to_string(), None)).await.document.document_id.to_string());
    }
    let publisher = MemoryPublisher::default();
    let tell = |event: &LifecycleEvent| vec![record(event.document_id, event.event_id)];
    publisher.fail_next(1);
    assert!(ledger.relay_events(&publisher, &tell, 4).await.unwrap_err().is_unavailable());
    let (waiting, oldest) = ledger.unpublished().await.unwrap();
    assert!(waiting == 6 && oldest.is_some(), "{waiting}");

    // Another gateway is at it: nothing is taken meanwhile, not even out of turn.
    let other = Ledger::clone(&ledger);
    let held = Arc::new(tokio::sync::Barrier::new(2));
    let stalled = Stalled { inner: MemoryPublisher::default(), held: held.clone() };
    let first = tokio::spawn(async move {
        let tell = |event: &LifecycleEvent| vec![record(event.document_id, event.event_id)];
        let relayed = other.relay_events(&stalled, &tell, 4).await.unwrap();
        (relayed, stalled.inner.of_topic("t"))
    });
    held.wait().await;
    assert_eq!(ledger.relay_events(&publisher, &tell, 4).await.unwrap(), 0);
    held.wait().await;
    let (relayed, records) = first.await.unwrap();
    assert_eq!(relayed, 4);
    assert_eq!(ledger.relay_events(&publisher, &tell, 4).await.unwrap(), 2);
    assert_eq!(ledger.relay_events(&publisher, &tell, 4).await.unwrap(), 0);
    let keys: Vec<_> = records.into_iter().chain(publisher.of_topic("t")).map(|record| record.key).collect();
    assert_eq!(keys, documents);
    assert_eq!(ledger.unpublished().await.unwrap(), (0, None));

    // What is old and published goes, what still waits stays, with what is younger.
    accept(&ledger, upload("late", None)).await;
    let kept = accept(&ledger, upload("later", None)).await.document.document_id;
    client
        .execute("UPDATE lifecycle_events SET published = true WHERE document_id = $1", &[&kept.0])
        .await
        .unwrap();
    let tomorrow = Utc::now() + TimeDelta::days(1);
    assert_eq!(ledger.forget_events(Utc::now() - TimeDelta::days(1), 100).await.unwrap(), 0);
    assert_eq!(ledger.forget_events(tomorrow, 4).await.unwrap(), 4);
    assert_eq!(ledger.forget_events(tomorrow, 3).await.unwrap(), 2);
    assert_eq!(ledger.forget_events(tomorrow, 1).await.unwrap(), 0, "behind one that waits");
    assert_eq!(ledger.unpublished().await.unwrap().0, 1);
}

/// Tells when it was asked to append, and waits for leave.
struct Stalled {
    inner: MemoryPublisher,
    held: Arc<tokio::sync::Barrier>,
}

#[async_trait::async_trait]
impl ragstream_core::ports::Probe for Stalled {
    fn component(&self) -> &'static str {
        "kafka"
    }

    async fn probe(&self) -> ragstream_core::fault::Result<()> {
        Ok(())
    }
}

#[async_trait::async_trait]
impl ragstream_core::ports::Publisher for Stalled {
    async fn append(
        &self,
        records: Vec<Outgoing>,
    ) -> ragstream_core::fault::Result<Vec<ragstream_core::ports::Appended>> {
        self.held.wait().await;
        self.held.wait().await;
        self.inner.append(records).await
    }
}

/// Until somebody in this database waits for a lock.
async fn somebody_waits(client: &Client) {
    let waiting = "SELECT count(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while client.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(std::time::Instant::now() < deadline, "nobody waits");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_others_wait_for_is_told_before_theirs() {
    let (ledger, mut client, url) = ledger_at().await;
    let other = connect(&url).await;
    let document = accept(&ledger, upload("v1", Some("x"))).await.document;
    let id = document.document_id;
    // A worker holds the job when an update comes, and another when the document is deleted;
    // each makes its change while the other one waits.
    let hold = "SELECT FROM document_jobs WHERE job_id = $1 FOR UPDATE";
    let set = "UPDATE document_jobs SET stage = $1 WHERE job_id = $2";
    let change = client.transaction().await.unwrap();
    change.execute(hold, &[&document.job_id.0]).await.unwrap();
    let update = tokio::spawn({
        let ledger = ledger.clone();
        async move { accept(&ledger, upload("v2", Some("x"))).await.document }
    });
    somebody_waits(&other).await;
    change.execute(set, &[&"embedding", &document.job_id.0]).await.unwrap();
    change.commit().await.unwrap();
    let second = update.await.unwrap();

    let change = client.transaction().await.unwrap();
    change.execute(hold, &[&second.job_id.0]).await.unwrap();
    let deletion = tokio::spawn({
        let ledger = ledger.clone();
        async move { ledger.delete(id, &NoRecords).await.unwrap().unwrap() }
    });
    somebody_waits(&other).await;
    change.execute(set, &[&"complete", &second.job_id.0]).await.unwrap();
    change.commit().await.unwrap();
    deletion.await.unwrap();
    assert_eq!(
        told(&other, id).await,
        [
            "accepted 1",
            "chunked 1 in embedding",
            "superseded 1 in cancelled",
            "accepted 2",
            "complete 2",
            "deleted 2"
        ]
    );
}

/// Uploads, updates, workers and deletions of the same few documents at once: for each
/// document the ids tell a story that is possible in that order.
#[tokio::test(flavor = "multi_thread")]
async fn ids_tell_the_order_also_of_changes_that_come_at_once() {
    let (ledger, client) = ledger().await;
    let work = (0..4).map(|worker| {
        let ledger = ledger.clone();
        tokio::spawn(async move {
            for round in 0..12 {
                let name = format!("document-{}", round % 3);
                let sha = format!("{worker}-{round}");
                let document = accept(&ledger, upload(&sha, Some(&name))).await.document;
                let (id, version) = (document.document_id, document.version);
                // Each may be superseded or deleted at any point; then it changes nothing.
                let begun = ledger.begin_attempt(id, version).await.unwrap();
                ledger.begin_chunking(id, version).await.unwrap();
                match worker {
                    0 if round % 4 == 3 => drop(ledger.delete(id, &NoRecords).await.unwrap()),
                    1 => {
                        ledger.fail_job(id, version, &given_up("t/0/1"), &|_| Vec::new()).await.unwrap();
                    }
                    2 => drop(ledger.control(document.job_id, JobCommand::Cancel, &NoRecords).await.unwrap()),
                    _ if begun.is_some() => {
                        ledger.record_chunks(id, version, &[], 0, &Lineage::default()).await.unwrap();
                    }
                    _ => {}
                }
            }
        })
    });
    for done in futures::future::join_all(work).await {
        done.unwrap();
    }
    let rows = client.query("SELECT DISTINCT document_id FROM lifecycle_events", &[]).await.unwrap();
    let mut deleted = 0;
    for row in rows {
        let story = told(&client, DocumentId(row.get(0))).await;
        let mut open: Option<String> = None;
        for (i, event) in story.iter().enumerate() {
            let (name, version) = event.split_once(' ').unwrap();
            let version = version.split(' ').next().unwrap().to_owned();
            match name {
                "accepted" => {
                    assert!(open.is_none(), "{version} before {open:?} was over: {story:#?}");
                    open = Some(version);
                }
                "deleted" => {
                    deleted += 1;
                    assert_eq!(i, story.len() - 1, "{story:#?}");
                }
                "failed" | "cancelled" | "superseded" => {
                    assert_eq!(open.take(), Some(version), "{story:#?}");
                }
                _ => assert_eq!(open.as_ref(), Some(&version), "{story:#?}"),
            }
        }
    }
    assert!(deleted > 0);
}

fn webhook(url: &str) -> NewWebhook {
    NewWebhook {
        url: url.into(),
        events: vec!["document.complete".into()],
        collection: Some("harbour".into()),
        description: None,
        secret: "whsec_secret".into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_get_events_from_their_creation_on_that_match() {
    let (ledger, _) = ledger().await;
    accept(&ledger, upload("before", None)).await;
    let one = ledger.add(&webhook("http://one"), 2).await.unwrap().unwrap();
    let all = NewWebhook { events: Vec::new(), collection: None, ..webhook("http://all") };
    let all = ledger.add(&all, 2).await.unwrap().unwrap();
    assert!(ledger.add(&webhook("http://third"), 2).await.unwrap().is_none(), "there may be two");
    assert_eq!(ledger.webhooks().await.unwrap(), [one.clone(), all.clone()]);
    assert_eq!(ledger.webhook(one.webhook_id).await.unwrap(), Some(one.clone()));
    assert!(!format!("{one:?}").contains("secret") && !format!("{one:?}").contains("http"));

    let document = accept(&ledger, upload("after", None)).await.document;
    let chunks = chunked(&ledger, &document).await;
    completed(&ledger, &document, &chunks).await;
    let events = relayed(&ledger).await;
    let of = |webhook: &Webhook| -> Vec<String> {
        events.iter().filter(|event| webhook.is_for(event)).map(|event| event.kind.clone()).collect()
    };
    assert_eq!(of(&one), ["document.complete"]);
    assert_eq!(of(&all), ["document.accepted", "document.chunked", "document.complete"]);
    let elsewhere = LifecycleEvent { collection: "other".into(), ..events.last().unwrap().clone() };
    assert!(!one.is_for(&elsewhere) && all.is_for(&elsewhere));

    ledger.deactivate(one.webhook_id, "answered 410").await.unwrap();
    ledger.deactivate(one.webhook_id, "again").await.unwrap();
    let off = ledger.webhook(one.webhook_id).await.unwrap().unwrap();
    assert_eq!(off.deactivated.as_deref(), Some("answered 410"));
    assert!(of(&off).is_empty());
    assert!(ledger.remove(one.webhook_id).await.unwrap());
    assert!(!ledger.remove(one.webhook_id).await.unwrap());
    assert!(ledger.webhook(one.webhook_id).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_delivered_is_remembered_and_stays_so() {
    let (ledger, client) = ledger().await;
    let [a, b] = [ledger.add(&webhook("a"), 9).await, ledger.add(&webhook("b"), 9).await]
        .map(|added| added.unwrap().unwrap().webhook_id);
    for i in 0..3 {
        accept(&ledger, upload(&i.to_string(), None)).await;
    }
    let events = relayed(&ledger).await;
    let ids: Vec<_> = events.iter().map(|event| event.event_id).collect();
    let attempt = async |webhook: WebhookId, event: usize, error: Option<&str>| {
        let attempt = DeliveryTry {
            event: &events[event],
            http_status: error.is_none().then_some(204),
            error: error.map(Into::into),
        };
        ledger.record_try(webhook, &attempt).await.unwrap();
    };
    attempt(a, 0, Some("no answer")).await;
    attempt(a, 0, None).await;
    attempt(a, 0, Some("late news of an earlier try")).await;
    attempt(a, 1, Some("no answer")).await;
    attempt(b, 1, None).await;
    // Given up for both: that does not undo what was taken. The third was never sent.
    ledger.give_up(&[a, b], &events[1], "gave up").await.unwrap();
    ledger.give_up(&[a], &events[2], "gave up").await.unwrap();
    let delivered = ledger.delivered(&[a, b], &ids).await.unwrap();
    assert_eq!(delivered, [(a, ids[0]), (b, ids[1])].into());

    let list = ledger.deliveries(a, None, 10).await.unwrap();
    let seen: Vec<_> = list.iter().map(|d| (d.event_id, d.status, d.attempts, d.http_status)).collect();
    assert_eq!(
        seen,
        [
            (ids[2], DeliveryStatus::GivenUp, 0, None),
            (ids[1], DeliveryStatus::GivenUp, 1, None),
            (ids[0], DeliveryStatus::Delivered, 2, Some(204)),
        ]
    );
    assert_eq!(
        list.iter().map(|d| d.error.as_deref()).collect::<Vec<_>>(),
        [Some("gave up"), Some("no answer"), None]
    );
    let page = ledger.deliveries(a, Some(ids[2]), 1).await.unwrap();
    assert_eq!(page.iter().map(|d| d.event_id).collect::<Vec<_>>(), [ids[1]]);

    // Sent back from the dead letters.
    attempt(a, 1, None).await;
    assert!(ledger.delivered(&[a], &ids).await.unwrap().contains(&(a, ids[1])));
    attempt(a, 2, Some("no answer")).await;
    ledger.deactivate(a, "answered 410").await.unwrap();
    let open: BTreeSet<_> =
        ledger.deliveries(a, None, 10).await.unwrap().iter().map(|d| d.status.as_str()).collect();
    assert_eq!(open, BTreeSet::from(["delivered", "given_up"]), "nothing is tried any more");

    // A webhook that was removed meanwhile is no error, and leaves nothing.
    ledger.remove(b).await.unwrap();
    attempt(b, 0, None).await;
    assert!(ledger.delivered(&[b], &ids).await.unwrap().is_empty());
    assert_eq!(ledger.forget_deliveries(Utc::now() - TimeDelta::days(1), 10).await.unwrap(), 0);
    assert_eq!(ledger.forget_deliveries(Utc::now() + TimeDelta::days(1), 2).await.unwrap(), 2);
    assert_eq!(ledger.forget_deliveries(Utc::now() + TimeDelta::days(1), 2).await.unwrap(), 1);
    let left = client.query("SELECT FROM webhook_deliveries", &[]).await.unwrap();
    assert!(left.is_empty());
}
