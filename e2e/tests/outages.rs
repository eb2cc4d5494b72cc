//! Kafka, PostgreSQL, blob storage, and all of them at once, away for a while under load.
#![allow(clippy::unwrap_used)]

use ragstream_e2e::{
    api::{Answer, Api, text},
    audit::audit,
    cluster::{Away, Cluster, Kind, Part},
    eventually, text,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

/// Clients that upload without a pause.
const UPLOADERS: usize = 3;
/// Documents that are uploaded at once just before an outage.
const BURST: usize = 40;
/// The longest that any answer may take, whatever is away: what an upload waits for is the
/// tries of the blob store's client (3 s) and then a database that does not answer (10 s).
const LONGEST_ANSWER: Duration = Duration::from_secs(15);
/// Lines of WARN and above that one role may log over an outage, for each part that is away and
/// each minute that it begins: the connection, the consumer, the request that met it first, each
/// once and once more.
const LINES: usize = 6;

/// What the clients saw.
#[derive(Default)]
struct Seen {
    /// Documents by the id that the answer gave them, and their jobs.
    accepted: Mutex<BTreeMap<String, String>>,
    /// Longest answer of this phase.
    longest: Mutex<Duration>,
    /// Answers of this phase by status.
    statuses: Mutex<BTreeMap<String, usize>>,
    /// What was not as it should be.
    wrong: Mutex<Vec<String>>,
    next: AtomicUsize,
    pause: AtomicBool,
}

impl Seen {
    async fn answer(
        &self,
        kind: &str,
        request: impl Future<Output = reqwest::Result<Answer>>,
    ) -> Option<Answer> {
        let begun = Instant::now();
        let answer = tokio::time::timeout(2 * LONGEST_ANSWER, request).await;
        let mut longest = self.longest.lock().unwrap();
        *longest = longest.max(begun.elapsed());
        let (status, answer) = match answer {
            Ok(Ok(answer)) => (answer.status.as_u16().to_string(), Some(answer)),
            Ok(Err(error)) => (format!("error {error:?}"), None),
            Err(_) => ("none".to_owned(), None),
        };
        *self.statuses.lock().unwrap().entry(format!("{kind} {status}")).or_default() += 1;
        if answer.is_none() {
            self.wrong.lock().unwrap().push(format!("{kind}: {status} after {:?}", begun.elapsed()));
        }
        answer
    }

    fn wrong(&self, what: String) {
        self.wrong.lock().unwrap().push(what);
    }

    async fn while_paused(&self) {
        while self.pause.load(Ordering::Relaxed) {
            sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn uploads(api: Api, seen: Arc<Seen>) {
    loop {
        seen.while_paused().await;
        let i = seen.next.fetch_add(1, Ordering::Relaxed);
        let name = format!("outage-{i}");
        let body = text::document(&name, 1 + i % 3).into_bytes();
        loop {
            let request = api.upload_request([(name.as_str(), body.clone())], &[]);
            let Some(answer) = seen.answer("upload", api.try_send(request)).await else { continue };
            match answer.status.as_u16() {
                200 | 202 => {
                    let (document, job) = (text_of(&answer, "document_id"), text_of(&answer, "job_id"));
                    seen.accepted.lock().unwrap().insert(document, job);
                    break;
                }
                503 => answer.assert_try_again(),
                _ => seen.wrong(format!("{answer:?}")),
            }
            sleep(Duration::from_millis(200)).await;
        }
        // A few a second from each: the machine has to embed them too.
        sleep(Duration::from_millis(300)).await;
    }
}

fn text_of(answer: &Answer, field: &str) -> String {
    text(&answer.body, field)
}

async fn searches(api: Api, seen: Arc<Seen>) {
    let body = json!({"query": "millimetres of rain in the storm", "top_k": 5});
    loop {
        let request = api.client.post(format!("{}/api/v2/search", api.base)).json(&body);
        if let Some(answer) = seen.answer("search", api.try_send(request)).await
            && answer.status != 200
        {
            // Neither the log, nor rows, nor blobs are on a question's way.
            seen.wrong(format!("a search: {answer:?}"));
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Components that `/readyz` of a role calls down.
async fn down(api: &Api) -> BTreeSet<String> {
    let report = api.get("/readyz").await.body;
    let components = report["components"].as_array().unwrap().iter();
    components.filter(|c| c["status"] == "down").map(|c| text(c, "component")).collect()
}

fn outage_seconds() -> u64 {
    let given = std::env::var("RAGSTREAM_TEST_OUTAGE_SECONDS").ok();
    given.map_or(15, |seconds| seconds.parse().expect("RAGSTREAM_TEST_OUTAGE_SECONDS is a number"))
}

async fn outage(cluster: &mut Cluster, seen: &Arc<Seen>, parts: &[Part], how: Away) {
    let what = parts.iter().map(ToString::to_string).collect::<Vec<_>>().join("+");
    *seen.longest.lock().unwrap() = Duration::ZERO;
    seen.statuses.lock().unwrap().clear();
    let complained: Vec<_> = cluster.roles().map(|role| role.complaints().len()).collect();

    // Work for everybody, at every step of it.
    let burst = seen.next.fetch_add(BURST, Ordering::Relaxed);
    let names: Vec<_> = (burst..burst + BURST).map(|i| format!("burst-{i}")).collect();
    let files = names.iter().map(|name| (name.as_str(), text::document(name, 4).into_bytes()));
    let answer = cluster.gateway().upload_many(files, &[]).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    for file in answer.body["files"].as_array().unwrap() {
        seen.accepted.lock().unwrap().insert(text(file, "document_id"), text(file, "job_id"));
    }
    for part in parts {
        cluster.stop(*part, how).await;
    }
    let begun = Instant::now();
    for (kind, needs) in [
        (Kind::Gateway, &[Part::Kafka, Part::Postgres, Part::S3][..]),
        (Kind::Ingestion, &[Part::Kafka, Part::Postgres, Part::S3]),
        (Kind::Embedding, &[Part::Kafka, Part::Postgres]),
    ] {
        let api = &cluster.apis(kind)[0];
        for part in parts.iter().filter(|part| needs.contains(part)) {
            eventually(&format!("{kind:?} to name {part}"), || async {
                down(api).await.contains(part.component()).then_some(())
            })
            .await;
        }
    }
    sleep(Duration::from_secs(outage_seconds()).saturating_sub(begun.elapsed())).await;
    for part in parts {
        cluster.restart(*part).await;
    }
    let back = Instant::now();
    for role in cluster.roles() {
        assert!(!role.has_died(), "{} ended:\n{}", role.name, role.log());
    }
    for role in cluster.roles() {
        let api = role.api.clone();
        eventually("nothing is down any more", || async { down(&api).await.is_empty().then_some(()) }).await;
    }
    let ready = back.elapsed();
    seen.pause.store(true, Ordering::Relaxed);
    cluster.drained().await;
    seen.pause.store(false, Ordering::Relaxed);
    let longest = *seen.longest.lock().unwrap();
    let statuses = seen.statuses.lock().unwrap().clone();
    println!(
        "{what} {how:?} for {} s: longest answer {:.1} s, ready after {:.1} s, drained after {:.1} s, {statuses:?}",
        outage_seconds(),
        longest.as_secs_f64(),
        ready.as_secs_f64(),
        back.elapsed().as_secs_f64()
    );
    let mut wrong = std::mem::take(&mut *seen.wrong.lock().unwrap());
    for (role, before) in cluster.roles().zip(complained) {
        let lines = role.complaints().split_off(before);
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        for line in &lines {
            let line: Value = serde_json::from_str(line).unwrap();
            *kinds.entry(text(&line, "message")).or_default() += 1;
        }
        println!("  {:>9}: {} lines {kinds:?}", role.name, lines.len());
        if lines.len() > LINES * parts.len() * (1 + outage_seconds() as usize / 60) {
            wrong.push(format!("{} floods its log: {kinds:#?}", role.name));
        }
    }
    assert!(longest < LONGEST_ANSWER, "an answer took {longest:?}");
    assert!(wrong.is_empty(), "while {what} was away: {wrong:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_anything_is_waited_out_by_everybody() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(dir.path()).await.common(&[("RAGSTREAM_PARTITIONS", "3".to_owned())]);
    cluster.add_all().await;
    let seen = Arc::new(Seen::default());
    let mut clients = JoinSet::new();
    for _ in 0..UPLOADERS {
        clients.spawn(uploads(cluster.gateway(), seen.clone()));
    }
    clients.spawn(searches(cluster.gateway(), seen.clone()));
    eventually("some documents", || async { (seen.accepted.lock().unwrap().len() > 10).then_some(()) }).await;

    outage(&mut cluster, &seen, &[Part::Kafka], Away::Stopped).await;
    outage(&mut cluster, &seen, &[Part::Postgres], Away::Stopped).await;
    outage(&mut cluster, &seen, &[Part::S3], Away::Stopped).await;
    outage(&mut cluster, &seen, &Part::ALL, Away::Killed).await;
    outage(&mut cluster, &seen, &[Part::Postgres], Away::Frozen).await;
    outage(&mut cluster, &seen, &[Part::Kafka], Away::Frozen).await;

    clients.shutdown().await;
    let rows = cluster.drained().await;
    let findings = audit(&cluster).await;
    assert!(findings.all().is_empty(), "{findings:#?}");
    let accepted = seen.accepted.lock().unwrap();
    for (document, job) in &*accepted {
        let job = rows.jobs.get(job).unwrap_or_else(|| panic!("job {job} of {document} is lost"));
        // A second one where the record was read again because its partition had been lost, or
        // where the answer that the attempt is on record was lost: once in an outage.
        assert!(job.stage == "complete" && job.attempts <= 2, "{job:?}");
    }
    println!("{} documents, {} chunks", accepted.len(), rows.chunks.len());
}
