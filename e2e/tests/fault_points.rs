//! Each consumer, at each point where it can be met, by a crash, a rebalance and an
//! outage: every chunk is there once in the end, and nothing became a dead letter.
#![allow(clippy::unwrap_used)]

use ragstream_e2e::{
    api::Api,
    audit::audit,
    cluster::{Cluster, Kind},
    eventually, text,
};
use std::time::Instant;

/// A fault, and how it is told that the consumer has survived it.
#[derive(Clone, Copy, Debug)]
enum Met {
    /// The process aborts and is started again.
    Crash,
    /// It is held while a second member joins: its partitions move away, its results come late.
    Rebalance,
    /// It is held for longer than a consumer may go without polling: it is put out of its group.
    Eviction,
    /// Its port is unavailable for a while.
    Outage,
}

/// The shortest that Kafka takes by default: a killed member is missed this long.
const SESSION_MS: &str = "6000";
/// Longer than a revocation waits for work in flight (5 s), joining included.
const HOLD: &str = "hold:9s";
/// Long enough to be noticed, short enough to be waited for.
const OUTAGE: &str = "unavailable:2s";
/// Documents of a case.
const DOCUMENTS: u32 = 6;
/// Documents that a rebalance meets, all of them held at once: enough for one of them to
/// lie in the partition that moves, whichever that is. The chunks of one batch lie in all.
const HELD: u32 = 14;

/// Role, point, passing, fault.
const CASES: &[(Kind, &str, u32, Met)] = &[
    (Kind::Ingestion, "before_handle", 2, Met::Crash),
    // What a document makes it write: attempt, chunking, chunks.
    (Kind::Ingestion, "after_effect", 1, Met::Crash),
    (Kind::Ingestion, "after_effect", 3, Met::Crash),
    (Kind::Ingestion, "after_publish", 2, Met::Crash),
    (Kind::Ingestion, "before_commit", 1, Met::Crash),
    (Kind::Ingestion, "before_handle", 1, Met::Rebalance),
    (Kind::Ingestion, "after_effect", 1, Met::Rebalance),
    (Kind::Ingestion, "after_publish", 1, Met::Rebalance),
    (Kind::Ingestion, "before_commit", 1, Met::Eviction),
    (Kind::Ingestion, "before_handle", 1, Met::Outage),
    (Kind::Ingestion, "after_effect", 2, Met::Outage),
    (Kind::Ingestion, "after_publish", 1, Met::Outage),
    (Kind::Ingestion, "before_commit", 1, Met::Outage),
    (Kind::Embedding, "before_handle", 3, Met::Crash),
    (Kind::Embedding, "embed", 1, Met::Crash),
    // Chunks, then markers.
    (Kind::Embedding, "after_publish", 1, Met::Crash),
    (Kind::Embedding, "after_publish", 2, Met::Crash),
    // Chunks embedded, versions claimed, old versions let go.
    (Kind::Embedding, "after_effect", 1, Met::Crash),
    (Kind::Embedding, "after_effect", 2, Met::Crash),
    (Kind::Embedding, "before_commit", 1, Met::Crash),
    (Kind::Embedding, "before_handle", 1, Met::Rebalance),
    (Kind::Embedding, "embed", 1, Met::Rebalance),
    (Kind::Embedding, "after_publish", 1, Met::Rebalance),
    (Kind::Embedding, "after_effect", 1, Met::Rebalance),
    (Kind::Embedding, "before_commit", 1, Met::Eviction),
    (Kind::Embedding, "before_handle", 1, Met::Outage),
    (Kind::Embedding, "embed", 1, Met::Outage),
    (Kind::Embedding, "after_publish", 1, Met::Outage),
    (Kind::Embedding, "after_effect", 2, Met::Outage),
    (Kind::Embedding, "before_commit", 1, Met::Outage),
    // A query node is in no group: nobody takes its partitions.
    (Kind::Query, "before_handle", 2, Met::Crash),
    (Kind::Query, "after_effect", 1, Met::Crash),
    (Kind::Query, "before_commit", 1, Met::Crash),
    (Kind::Query, "before_handle", 1, Met::Outage),
    (Kind::Query, "after_effect", 1, Met::Outage),
    (Kind::Query, "before_commit", 1, Met::Outage),
    // What comes before: records that are in the log and still in the outbox.
    (Kind::Gateway, "after_publish", 1, Met::Crash),
    (Kind::Gateway, "after_publish", 1, Met::Outage),
];

fn plan(kind: Kind, point: &str, nth: u32, met: Met) -> String {
    match met {
        Met::Crash => format!("{point}=crash@{nth}"),
        Met::Outage => format!("{point}={OUTAGE}@{nth}"),
        Met::Eviction => format!("{point}={HOLD}@{nth}"),
        Met::Rebalance => {
            // All that is in work, so that whatever moves away is held.
            let held = if kind == Kind::Ingestion && point != "before_handle" { HELD } else { 1 };
            let each: Vec<_> = (nth..nth + held).map(|nth| format!("{point}={HOLD}@{nth}")).collect();
            each.join(",")
        }
    }
}

/// Uploads new documents and updates of old ones.
async fn upload(gateway: Api, case: usize, documents: u32) {
    for i in 0..documents {
        let name = format!("case-{case}-{i}");
        let external_id = format!("log-{i}");
        let fields = [("external_id", external_id.as_str())];
        // Two that are updated in every case, and new ones.
        let fields = if i < 2 { &fields[..] } else { &[] };
        let answer = gateway
            .upload_patiently(
                &format!("{name}.md"),
                text::document(&name, 1 + i as usize % 6).as_bytes(),
                fields,
            )
            .await;
        // A gateway that was killed may have taken it: then it is a duplicate now.
        assert!(answer.status.is_success(), "{answer:?}");
    }
}

/// How many lines of a role's log hold this.
fn told(cluster: &mut Cluster, role: &str, what: &str) -> usize {
    cluster.role(role).log().matches(what).count()
}

/// How often partitions were taken from a role whose work is held: those of the express lane.
fn moved(cluster: &mut Cluster, role: &str) -> usize {
    let log = cluster.role(role).log();
    log.lines().filter(|line| line.contains(r#""revoked""#) && !line.contains(".bulk/")).count()
}

async fn run(cluster: &mut Cluster, number: usize, kind: Kind, point: &str, nth: u32, met: Met) {
    let name = kind.as_str();
    let begun = Instant::now();
    let before = cluster.rows().await.jobs;
    let (injected, revoked) = (told(cluster, name, "fault injected"), moved(cluster, name));
    cluster.ready().await;
    cluster.role(name).interrupt().await;
    let mut env = vec![("RAGSTREAM_FAULTS", plan(kind, point, nth, met))];
    // One after the other, so that passings can be counted, or all at once.
    let concurrency = if matches!(met, Met::Rebalance) { HELD } else { 1 };
    env.push(("RAGSTREAM_INGESTION_CONCURRENCY", concurrency.to_string()));
    if let Met::Eviction = met {
        env.push(("RAGSTREAM_KAFKA_CONSUMER_MAX_POLL_INTERVAL_MS", SESSION_MS.to_owned()));
    }
    cluster.role(name).start(&env);
    let documents = if matches!(met, Met::Rebalance) { HELD } else { DOCUMENTS };
    let uploads = tokio::spawn(upload(cluster.gateway(), number, documents));
    eventually("the fault", || {
        let now = told(cluster, name, "fault injected");
        async move { (now > injected).then_some(()) }
    })
    .await;
    let second = format!("{name}-second");
    if let Met::Crash = met {
        eventually("the end of the process", || {
            let died = cluster.role(name).has_died();
            async move { died.then_some(()) }
        })
        .await;
        cluster.role(name).kill();
        cluster.role(name).start(&[]);
    }
    uploads.await.unwrap();
    if matches!(met, Met::Rebalance | Met::Eviction) {
        cluster.add(kind, &second, &[]);
        eventually("partitions that move", || {
            let now = moved(cluster, name);
            async move { (now > revoked).then_some(()) }
        })
        .await;
    }
    cluster.drained().await;
    if let Met::Rebalance = met
        && point != "before_handle"
    {
        // The late results arrive, and are dropped.
        let api = cluster.role(name).api.clone();
        eventually("late results", || async {
            (api.metric("ragstream_worker_stale_results_total", "").await > 0.0).then_some(())
        })
        .await;
    }
    let findings = audit(cluster).await;
    assert!(findings.all().is_empty(), "{kind:?} {point}@{nth} {met:?}: {findings:#?}");
    if let Met::Outage = met {
        let rows = cluster.rows().await;
        let more: Vec<_> =
            rows.jobs.values().filter(|j| !before.contains_key(&j.id) && j.attempts > 1).collect();
        assert!(more.is_empty(), "attempts used up by an outage: {more:#?}");
    }
    if matches!(met, Met::Rebalance | Met::Eviction) {
        cluster.role(&second).interrupt().await;
        cluster.remove(&second);
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("{name:>9} {point:>13}@{nth} {:>9}: {seconds:.1} s", format!("{met:?}").to_lowercase());
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_meets_a_consumer_wherever_each_chunk_is_there_once() {
    let only = std::env::var("RAGSTREAM_TEST_FAULTS").unwrap_or_default();
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(dir.path()).await.common(&[
        ("RAGSTREAM_PARTITIONS", "2".to_owned()),
        ("RAGSTREAM_KAFKA_CONSUMER_SESSION_TIMEOUT_MS", SESSION_MS.to_owned()),
        ("RAGSTREAM_KAFKA_CONSUMER_HEARTBEAT_INTERVAL_MS", "500".to_owned()),
    ]);
    cluster.add_all().await;
    for (number, (kind, point, nth, met)) in CASES.iter().enumerate() {
        if format!("{} {point} {met:?}", kind.as_str()).contains(&only) {
            run(&mut cluster, number, *kind, point, *nth, *met).await;
        }
    }
    // None of it was an outage to anybody's document.
    let rows = cluster.rows().await;
    let failed: Vec<_> = rows.jobs.values().filter(|job| job.stage == "failed").collect();
    assert!(failed.is_empty(), "{failed:#?}");
}
