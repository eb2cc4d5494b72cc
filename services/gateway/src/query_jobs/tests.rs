//! Questions on a real log and real rows, to a query node of the test's own.
#![allow(clippy::unwrap_used)]

use super::*;
use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use futures::{FutureExt, future::BoxFuture};
use ragstream_core::{
    ports::{
        DeadLetterLog, LogEnds, Outbox, Outgoing, Placement, Publisher, QueryStatus, RawPublisher, RawRecord,
        StoredRecord, ToAsk,
    },
    topics::{QUERY_REQUESTS, dead_letters_of},
    trace::TraceContext,
};
use ragstream_kafka::{
    KafkaConfig, KafkaDeadLetterLog, KafkaDeadLetters, KafkaPublisher, TopicSettings, ensure_topics,
    group_source,
};
use ragstream_postgres::{Ledger, LedgerConfig};
use ragstream_testkit::{execute, fresh_database, unique};
use serde_json::json;
use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Asks until there is an answer; a test that waits this long has failed.
async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, probe: impl Fn() -> F) -> T {
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What a query node was asked: the body, and the request's id.
type Asked = Arc<Mutex<Vec<(Value, String)>>>;

/// A query node that answers by a closure, which is told how often it was asked.
async fn node(
    answer: impl Fn(usize) -> BoxFuture<'static, Response> + Send + Sync + 'static,
) -> (String, Asked) {
    let asked = Asked::default();
    let (kept, answer) = (asked.clone(), Arc::new(answer));
    let handle = move |headers: HeaderMap, body: Bytes| {
        let id = headers["x-request-id"].to_str().unwrap().to_owned();
        let count = {
            let mut kept = kept.lock().unwrap();
            kept.push((serde_json::from_slice(&body).unwrap(), id));
            kept.len()
        };
        answer(count)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handle)).await });
    (url, asked)
}

fn says(status: u16, body: Value) -> BoxFuture<'static, Response> {
    async move { (StatusCode::from_u16(status).unwrap(), body.to_string()).into_response() }.boxed()
}

struct World {
    url: String,
    kafka: KafkaConfig,
    publisher: Arc<KafkaPublisher>,
    ledger: Arc<Ledger>,
    questions: Questions,
    stop: CancellationToken,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl World {
    /// A gateway's worker in a group of its own, in front of this query node.
    async fn new(node: &str) -> Self {
        let kafka = KafkaConfig::new(ragstream_testkit::kafka().await.bootstrap());
        ensure_topics(&kafka, TopicSettings { partitions: 1, replication: 1 }).await.unwrap();
        let url = fresh_database("").await;
        let ledger = Arc::new(Ledger::new(&LedgerConfig::new(url.clone())).unwrap());
        ledger.apply_schema().await.unwrap();
        let publisher = Arc::new(KafkaPublisher::new(&kafka).unwrap());
        // One at a time: who is past a record is past those before it.
        let config = GatewayConfig { query_job_concurrency: 1, ..GatewayConfig::default() };
        let questions = Questions::new(&config, ledger.clone(), Arc::new(Notify::new()));
        let source = group_source(&kafka, &unique(CONSUMER), &[QUERY_REQUESTS]).unwrap();
        let letters = Arc::new(KafkaDeadLetters::new(&publisher));
        let worker = questions.worker(&config, QueryNodes::new(&[node.to_owned()]), source, letters);
        let stop = CancellationToken::new();
        tokio::spawn(worker.run(stop.clone()));
        Self { url, kafka, publisher, ledger, questions, stop }
    }

    async fn submit(&self, request: Value) -> Result<QueryJobId, Problem> {
        let context = RequestContext { correlation_id: "who asks".into(), trace: TraceContext::root() };
        self.questions.submit(request.as_object().unwrap().clone(), &context).await
    }

    /// What the gateway does all the time.
    async fn relay(&self) {
        self.ledger.relay(&*self.publisher, 100).await.unwrap();
    }

    async fn job(&self, job_id: QueryJobId) -> QueryJob {
        self.ledger.query_job(job_id).await.unwrap().unwrap()
    }

    async fn reaches(&self, job_id: QueryJobId, status: QueryStatus) -> QueryJob {
        eventually(&format!("{status}"), || async {
            self.relay().await;
            Some(self.job(job_id).await).filter(|job| job.status == status)
        })
        .await
    }

    async fn answer(&self, job_id: QueryJobId) -> Option<Value> {
        let (_, answer) = self.ledger.query_answer(job_id).await.unwrap().unwrap();
        answer.map(|answer| serde_json::from_slice(&answer).unwrap())
    }

    /// Appends the record of a job once more.
    async fn again(&self, job_id: QueryJobId) {
        let origin = Origin { correlation_id: "c".into(), trace: TraceContext::root() };
        let record = encode::query_requested(&QueryRequested { job_id }, &origin);
        self.publisher.append(vec![record]).await.unwrap();
    }

    /// Asks one more question, and waits until it is answered: the worker is past what came before.
    async fn comes_past(&self) {
        let job_id = self.submit(json!({"question": "and this?"})).await.unwrap();
        self.reaches(job_id, QueryStatus::Complete).await;
    }

    async fn letters(&self) -> Vec<StoredRecord> {
        let topic = dead_letters_of(QUERY_REQUESTS);
        let end = self.publisher.ends(&topic).await.unwrap()[&0].end;
        let mut reader = KafkaDeadLetterLog::new(&self.kafka).open().unwrap();
        reader.read(&topic, 0, 0..end, usize::MAX).await.unwrap().records
    }

    /// The letter of a record with this key.
    async fn letter(&self, key: &str) -> StoredRecord {
        eventually("a letter", || async {
            self.letters().await.into_iter().find(|letter| letter.key.as_deref() == Some(key.as_bytes()))
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_asked_once_however_often_its_record_comes_and_its_answer_expires() {
    let (url, asked) = node(|_| says(200, json!({"answer": "42 [1]"}))).await;
    let world = World::new(&url).await;
    let question = json!({"question": "what is it?", "top_k": 3, "stream": false});
    let job_id = world.submit(question).await.unwrap();
    let job = world.job(job_id).await;
    assert_eq!((job.status, job.attempts, job.started_at), (QueryStatus::Queued, 0, None));
    assert_eq!(world.answer(job_id).await, None);
    let job = world.reaches(job_id, QueryStatus::Complete).await;
    assert!(job.attempts == 1 && job.started_at.is_some() && job.completed_at.is_some(), "{job:?}");
    assert_eq!(world.answer(job_id).await, Some(json!({"answer": "42 [1]"})));
    let expected = (json!({"question": "what is it?", "top_k": 3}), "who asks".to_owned());
    assert_eq!(*asked.lock().unwrap(), [expected]);

    world.again(job_id).await;
    world.again(QueryJobId::generate()).await;
    world.comes_past().await;
    assert_eq!(asked.lock().unwrap().len(), 2, "one for each question");
    assert_eq!(world.job(job_id).await.attempts, 1);

    // A gateway died with it in its hands: the record comes again, and the attempt counts.
    let job_id = world.submit(json!({"question": "and that?"})).await.unwrap();
    assert!(matches!(world.ledger.begin_query(job_id, None).await.unwrap(), Some(ToAsk { attempts: 1, .. })));
    assert_eq!(world.reaches(job_id, QueryStatus::Complete).await.attempts, 2);

    // Time passes.
    execute(&world.url, "UPDATE query_jobs SET expires_at = now()").await;
    assert_eq!(world.job(job_id).await.status, QueryStatus::Expired);
    assert_eq!(world.answer(job_id).await, None);
    assert_eq!(world.ledger.expire_queries(10).await.unwrap(), 3);
    assert_eq!(world.ledger.expire_queries(10).await.unwrap(), 0, "nothing is left of them");
    let soon = chrono::Utc::now() + TimeDelta::seconds(9);
    assert_eq!(world.ledger.forget_queries(soon, 10).await.unwrap(), 3);
    assert!(world.ledger.query_job(job_id).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_cancelled_or_waited_too_long_is_not_asked_and_a_late_answer_is_not_kept() {
    let (gate, begun) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (opened, told) = (gate.clone(), begun.clone());
    let (url, asked) = node(move |count| {
        let (gate, begun) = (opened.clone(), told.clone());
        async move {
            if count == 1 {
                begun.notify_one();
                gate.notified().await;
            }
            json!({"answer": "late"}).to_string().into_response()
        }
        .boxed()
    })
    .await;
    let world = World::new(&url).await;
    let held = world.submit(json!({"question": "held"})).await.unwrap();
    world.relay().await;
    begun.notified().await;
    assert_eq!(world.job(held).await.status, QueryStatus::Running);
    let [queued, expired] = [
        world.submit(json!({"question": "q"})).await.unwrap(),
        world.submit(json!({"question": "e"})).await.unwrap(),
    ];
    for job_id in [held, queued, queued] {
        assert_eq!(world.questions.cancel(job_id).await.unwrap().unwrap().status, QueryStatus::Cancelled);
    }
    execute(
        &world.url,
        &format!("UPDATE query_jobs SET expires_at = now() WHERE query_job_id = '{expired}'"),
    )
    .await;
    gate.notify_one();
    world.relay().await;
    world.comes_past().await;
    for (job_id, status) in
        [(held, QueryStatus::Cancelled), (queued, QueryStatus::Cancelled), (expired, QueryStatus::Expired)]
    {
        assert_eq!((world.job(job_id).await.status, world.answer(job_id).await), (status, None));
    }
    assert_eq!(asked.lock().unwrap().len(), 2, "the one that was held, and the last");
    // One that is over can't be ended, and one that was removed is gone.
    assert!(
        world.ledger.remove_query(queued).await.unwrap() && !world.ledger.remove_query(queued).await.unwrap()
    );
    assert!(world.questions.cancel(queued).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_waited_out_and_a_refusal_ends_the_job_with_its_problem() {
    let problem = Problem::invalid_field("top_k", "is too much");
    let refusal = serde_json::to_value(&problem).unwrap();
    let (url, asked) = node(move |count| match count {
        1..=3 => says(503, json!({})),
        4 => says(422, refusal.clone()),
        _ => says(200, json!({"answer": "yes"})),
    })
    .await;
    let world = World::new(&url).await;
    let refused = world.submit(json!({"question": "q", "top_k": 100_000})).await.unwrap();
    let job = world.reaches(refused, QueryStatus::Failed).await;
    assert_eq!(job.attempts, 1, "what was away is no attempt");
    assert_eq!(serde_json::from_value::<Problem>(job.failure.unwrap()).unwrap(), problem);
    assert_eq!(asked.lock().unwrap().len(), 4);
    world.again(refused).await;
    world.comes_past().await;
    assert_eq!(asked.lock().unwrap().len(), 5, "it is not asked again");
    let letters = world.letters().await;
    assert!(letters.iter().all(|letter| letter.key.as_deref() != Some(refused.to_string().as_bytes())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_can_not_be_read_is_a_letter_with_its_bytes_and_holds_up_nothing() {
    let (url, _) = node(|_| says(200, json!({"answer": "yes"}))).await;
    let world = World::new(&url).await;
    let key = unique("poison");
    let poison = Outgoing {
        topic: QUERY_REQUESTS.into(),
        key: key.clone(),
        value: Some(Bytes::from_static(b"\xff\xfe no message")),
        headers: Vec::new(),
        placement: Placement::ByKey,
    };
    world.publisher.append(vec![poison]).await.unwrap();
    world.comes_past().await;
    let letter = world.letter(&key).await;
    assert_eq!(letter.value.as_deref(), Some(&b"\xff\xfe no message"[..]));
    assert_eq!(letter.header("x-error-class"), Some("undecodable"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_is_given_up_fails_its_job_and_its_letter_brings_it_back() {
    let answers = Arc::new(AtomicUsize::new(0));
    let counted = answers.clone();
    let (url, _) = node(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        says(200, json!({"answer": "at last"}))
    })
    .await;
    let world = World::new(&url).await;
    let job_id = world.submit(json!({"question": "q"})).await.unwrap();
    // Every gateway that had it died.
    execute(&world.url, "UPDATE query_jobs SET attempts = 10").await;
    let job = world.reaches(job_id, QueryStatus::Failed).await;
    assert!(job.failure.unwrap()["type"].as_str().unwrap().ends_with("attempts_exhausted"));
    let letter = world.letter(&job_id.to_string()).await;
    assert_eq!(answers.load(Ordering::SeqCst), 0);
    // The record itself, come again, is none that was sent back.
    world.again(job_id).await;
    world.comes_past().await;
    assert_eq!(world.job(job_id).await.status, QueryStatus::Failed);

    let copy = RawRecord {
        topic: QUERY_REQUESTS.into(),
        key: letter.key.clone(),
        value: letter.value.clone(),
        headers: letter.headers.clone(),
        placement: Placement::At(0),
    };
    world.publisher.append_raw(&[copy]).await.unwrap().pop().unwrap().unwrap();
    let job = world.reaches(job_id, QueryStatus::Complete).await;
    assert!((job.attempts, job.failure) == (1, None));
    assert_eq!(world.answer(job_id).await, Some(json!({"answer": "at last"})));
}

#[test]
fn what_is_no_question_is_refused() {
    let refused =
        |body: Value| checked(body.as_object().unwrap().clone()).err().map(|problem| problem.status);
    assert_eq!(refused(json!({"question": "q", "stream": true})), Some(422));
    assert_eq!(refused(json!({"question": "q", "stream": null})), None);
    assert_eq!(refused(json!({"top_k": 3})), Some(400));
    assert_eq!(refused(json!({"question": "q", "colour": "red"})), Some(400));
}
