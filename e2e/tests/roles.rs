//! The roles as processes, with the environment that `docker-compose.yml` gives them.
#![allow(clippy::unwrap_used)]

use ragstream_e2e::{
    api::{Api, text},
    eventually,
    process::{Process, blob_store_of, free_port},
    topic,
};
use ragstream_testkit::{fresh_database, kafka, s3};
use std::{collections::BTreeSet, path::Path};

const DOCUMENTS: usize = 120;

struct Role {
    process: Process,
    api: Api,
}

impl Role {
    fn start(name: &str, dir: &Path, common: &[(&str, String)], own: &[(&str, String)]) -> Self {
        let listen = format!("127.0.0.1:{}", free_port());
        let mut env = common.to_vec();
        env.extend(own.to_vec());
        env.push(("RAGSTREAM_LISTEN", listen.clone()));
        let log = dir.join(format!("{name}-{listen}.log"));
        Self { process: Process::start(&[name], &env, &log), api: Api::new(format!("http://{listen}")) }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_as_a_process_of_its_own_and_two_of_the_pool() {
    let dir = tempfile::tempdir().unwrap();
    let brokers = kafka().await.bootstrap();
    let blobs = match blob_store_of(dir.path()) {
        Some(url) => url,
        None => s3().await.url(),
    };
    let common = [
        ("RAGSTREAM_KAFKA", brokers.clone()),
        ("RAGSTREAM_POSTGRES", fresh_database("").await),
        ("RAGSTREAM_S3", blobs),
        ("RAGSTREAM_LOG_FORMAT", "json".to_owned()),
    ];
    let snapshots = dir.path().join("snapshots").display().to_string();
    let query = Role::start("query", dir.path(), &common, &[("RAGSTREAM_QUERY_SNAPSHOT_DIR", snapshots)]);
    let query_urls = format!("[{:?}]", query.api.base);
    let gateway =
        Role::start("gateway", dir.path(), &common, &[("RAGSTREAM_GATEWAY_QUERY_URLS", query_urls)]);
    let ingestion = Role::start("ingestion", dir.path(), &common, &[]);
    let one_session = [("RAGSTREAM_EMBEDDING_SESSIONS", "1".to_owned())];
    let pool = [0, 1].map(|_| Role::start("embedding", dir.path(), &common, &one_session));
    let all = [&query, &gateway, &ingestion, &pool[0], &pool[1]];
    for role in all {
        eventually("readiness", || async { role.api.is_ready().await.then_some(()) }).await;
    }
    // Both members of the pool have partitions before there is work.
    for member in &pool {
        eventually("an assignment", || async { member.process.log().contains("assigned").then_some(()) })
            .await;
    }

    let names: Vec<String> = (0..DOCUMENTS).map(|i| format!("ship-{i}.txt")).collect();
    let mut jobs = Vec::new();
    for names in names.chunks(60) {
        let files = names
            .iter()
            .map(|name| (name.as_str(), format!("The log of {name} tells of calm seas.").into_bytes()));
        let answer = gateway.api.upload_many(files, &[]).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        jobs.extend(answer.body["files"].as_array().unwrap().iter().map(|file| text(file, "job_id")));
    }
    assert_eq!(jobs.len(), DOCUMENTS);
    for job in &jobs {
        assert_eq!(gateway.api.finished(job).await["stage"], "complete");
    }
    let question = serde_json::json!({"query": "the log of ship-77.txt", "top_k": 3});
    let found = gateway.api.post("/api/v2/search", &question).await;
    assert_eq!(found.body["passages"][0]["filename"], "ship-77.txt", "{found:?}");

    let chunks = topic::records(&brokers, "chunk-embeddings");
    let keys: BTreeSet<_> = chunks.iter().map(|r| &r.key).filter(|key| !key.starts_with("commit:")).collect();
    assert_eq!(keys.len(), DOCUMENTS);
    let mut shares = Vec::new();
    for member in &pool {
        shares.push(member.api.metric("ragstream_embedding_chunks_total", "").await);
    }
    assert!(shares.iter().all(|share| *share > 0.0), "the pool shares the work: {shares:?}");
    assert_eq!(shares.iter().sum::<f64>() as usize, DOCUMENTS);

    for mut role in [query, gateway, ingestion].into_iter().chain(pool) {
        role.process.interrupt().await;
        let log = role.process.log();
        let alarming: Vec<_> = log.lines().filter(|line| line.contains("\"level\":\"ERROR\"")).collect();
        assert!(alarming.is_empty(), "{alarming:#?}");
    }
}
