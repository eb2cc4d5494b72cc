//! Two query nodes, one of which is killed again and again while documents come in: what
//! was uploaded is found by whoever has its token, and no question goes unanswered.
#![allow(clippy::unwrap_used)]

use ragstream_e2e::{
    api::{Api, text},
    eventually,
    process::blob_store_of,
    role::Role,
};
use ragstream_testkit::{fresh_database, kafka, s3};
use serde_json::json;
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// How often one of the nodes is killed.
const KILLS: usize = 5;
/// Clients that upload and look for what they uploaded.
const UPLOADERS: usize = 3;
/// Questions that clients without a token have asked between two kills, at least.
const QUESTIONS: usize = 20;

struct Cluster {
    gateway: Role,
    nodes: [Role; 2],
    _others: [Role; 2],
}

impl Cluster {
    async fn start(dir: &Path) -> Self {
        let blobs = match blob_store_of(dir) {
            Some(url) => url,
            None => s3().await.url(),
        };
        let common = vec![
            ("RAGSTREAM_KAFKA", kafka().await.bootstrap()),
            ("RAGSTREAM_POSTGRES", fresh_database("").await),
            ("RAGSTREAM_S3", blobs),
        ];
        let with = |own: &[(&'static str, String)]| [&common[..], own].concat();
        let nodes = ["a", "b"].map(|name| {
            let folder = dir.join(name).display().to_string();
            let own = [
                ("RAGSTREAM_QUERY_SNAPSHOT_DIR", folder),
                ("RAGSTREAM_QUERY_SNAPSHOT_SECONDS", "2".to_owned()),
            ];
            Role::start("query", dir, &with(&own))
        });
        let urls = format!("[{:?}, {:?}]", nodes[0].api.base, nodes[1].api.base);
        let gateway = Role::start("gateway", dir, &with(&[("RAGSTREAM_GATEWAY_QUERY_URLS", urls)]));
        let work = dir.join("work").display().to_string();
        let others = [
            Role::start("ingestion", dir, &with(&[("RAGSTREAM_INGESTION_WORK_DIR", work)])),
            Role::start("embedding", dir, &with(&[("RAGSTREAM_EMBEDDING_SESSIONS", "1".to_owned())])),
        ];
        for role in nodes.iter().chain(&others).chain([&gateway]) {
            role.ready().await;
        }
        let this = Self { gateway, nodes, _others: others };
        eventually("both nodes in use", || async {
            (this.gateway.api.metric("ragstream_gateway_query_nodes_ready", "").await == 2.0).then_some(())
        })
        .await;
        this
    }
}

/// Uploads a document and asks for it with its token, until told to stop; how often.
async fn upload_and_look(api: Api, client: usize, stop: Arc<AtomicBool>) -> usize {
    let mut found = 0;
    while !stop.load(Ordering::Relaxed) {
        let name = format!("buoy-{client}-{found}.txt");
        let upload = api.upload(&name, format!("Buoy {name} lies {found} miles off the cape."), &[]).await;
        assert_eq!(upload.status, 202, "{upload:?}");
        let upload = upload.body;
        let body = json!({
            "query": format!("where does buoy {name} lie?"),
            "filter": {"document_id": upload["document_id"]},
            "min_token": text(&upload, "consistency_token"),
            "wait_ms": 30_000,
        });
        let answer = api.post("/api/v2/search", &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body["freshness"]["token_applied"], true, "{:#}", answer.body);
        assert_eq!(answer.body["passages"][0]["filename"], name, "{:#}", answer.body);
        found += 1;
    }
    found
}

/// Asks without a token, until told to stop: each time there is an answer.
async fn ask_on(api: Api, path: &'static str, asked: Arc<AtomicUsize>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        let answer = api.post(path, &json!({"query": "how far off the cape?"})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        asked.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_may_die_at_any_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(dir.path()).await;
    let api = cluster.gateway.api.clone();
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let looking: Vec<_> =
        (0..UPLOADERS).map(|i| tokio::spawn(upload_and_look(api.clone(), i, stop.clone()))).collect();
    let asking: Vec<_> = ["/api/v2/search", "/api/v2/query"]
        .map(|path| tokio::spawn(ask_on(api.clone(), path, asked.clone(), stop.clone())))
        .into();

    for kill in 0..KILLS {
        let before = asked.load(Ordering::Relaxed);
        let went_on = || asked.load(Ordering::Relaxed) >= before + QUESTIONS;
        eventually("questions, or the end of a client", || async {
            let ended =
                looking.iter().any(|task| task.is_finished()) || asking.iter().any(|task| task.is_finished());
            (ended || went_on()).then_some(())
        })
        .await;
        let node = &mut cluster.nodes[kill % 2];
        node.process.kill();
        node.restart();
        // The other one is not killed before this one is back.
        node.ready().await;
        eventually("its use", || async {
            (cluster.gateway.api.metric("ragstream_gateway_query_nodes_ready", "").await == 2.0).then_some(())
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);
    for task in asking {
        task.await.unwrap();
    }
    for task in looking {
        assert!(task.await.unwrap() > 0);
    }
    let missed = api.metric("ragstream_gateway_query_attempts_total", "unreachable").await
        + api.metric("ragstream_gateway_query_attempts_total", "broken").await
        + api.metric("ragstream_gateway_query_attempts_total", "unavailable").await;
    assert!(missed > 0.0, "no request met a dead node: this has tested nothing");
    let answer = api.post("/api/v2/admin/verify", &json!({})).await.body;
    assert_eq!(answer["consistent"], true, "{answer:#}");
    assert_eq!(answer["index"].as_array().unwrap().len(), 2);
}
