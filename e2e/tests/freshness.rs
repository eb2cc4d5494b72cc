//! Two query nodes, one of which is killed again and again, or builds its index anew, while
//! documents come in: what was uploaded is found by whoever has its token, and no question
//! goes unanswered.
#![allow(clippy::unwrap_used)]

use ragstream_e2e::{
    api::{Api, text},
    eventually,
    process::blob_store_of,
    role::Role,
};
use ragstream_testkit::{fresh_database, kafka, s3};
use serde_json::{Value, json};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};
use tokio::task::JoinHandle;

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
        let common = [
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
        this.in_use().await;
        this
    }

    /// Waits until the gateway takes both nodes for ready.
    async fn in_use(&self) {
        eventually("both nodes in use", || async {
            let ready = self.gateway.api.metric("ragstream_gateway_query_nodes_ready", "").await;
            (ready == 2.0).then_some(())
        })
        .await;
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

/// Clients that upload, look and ask all the time.
struct Clients {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    looking: Vec<JoinHandle<usize>>,
    asking: Vec<JoinHandle<()>>,
}

impl Clients {
    fn start(api: &Api) -> Self {
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let look = |i| tokio::spawn(upload_and_look(api.clone(), i, stop.clone()));
        let ask = |path| tokio::spawn(ask_on(api.clone(), path, asked.clone(), stop.clone()));
        let looking = (0..UPLOADERS).map(look).collect();
        let asking = ["/api/v2/search", "/api/v2/query"].map(ask).into();
        Self { stop, asked, looking, asking }
    }

    /// Waits for more questions, or the end of a client.
    async fn go_on(&self) {
        let before = self.asked.load(Ordering::Relaxed);
        eventually("questions, or the end of a client", || async {
            let ended = self.looking.iter().any(JoinHandle::is_finished)
                || self.asking.iter().any(JoinHandle::is_finished);
            (ended || self.asked.load(Ordering::Relaxed) >= before + QUESTIONS).then_some(())
        })
        .await;
    }

    /// Each has got all that it asked for.
    async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.asking {
            task.await.unwrap();
        }
        for task in self.looking {
            assert!(task.await.unwrap() > 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_die_and_build_their_indexes_anew_and_nobody_notices() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(dir.path()).await;
    let api = cluster.gateway.api.clone();
    let clients = Clients::start(&api);
    for kill in 0..KILLS {
        clients.go_on().await;
        let node = &mut cluster.nodes[kill % 2];
        node.process.kill();
        node.restart();
        // The other one is not killed before this one is back.
        node.ready().await;
        cluster.in_use().await;
    }
    let mut missed = 0.0;
    for outcome in ["unreachable", "broken", "unavailable"] {
        missed += api.metric("ragstream_gateway_query_attempts_total", outcome).await;
    }
    assert!(missed > 0.0, "no request met a dead node: this has tested nothing");

    let refused = api.metric("ragstream_gateway_query_attempts_total", "unavailable").await;
    let begun = api.post("/api/v2/admin/rebuild", &Value::Null).await;
    assert_eq!((begun.status.as_u16(), begun.body["running"].as_bool()), (202, Some(true)), "{begun:?}");
    let nodes = eventually("both indexes", || async {
        let rebuild = api.get("/api/v2/admin/rebuild").await.body;
        let of = |i: usize| text(&rebuild["nodes"][i], "state");
        let at_work = (0..2).filter(|i| ["replaying", "reporting"].contains(&of(*i).as_str())).count();
        assert!(at_work <= 1, "one after the other: {rebuild:#}");
        (rebuild["running"] == false).then(|| rebuild["nodes"].clone())
    })
    .await;
    clients.go_on().await;
    clients.stop().await;
    for (node, role) in nodes.as_array().unwrap().iter().zip(&cluster.nodes) {
        assert_eq!(node["node"], role.api.base);
        assert_eq!(
            (text(node, "state").as_str(), node["agrees"].as_bool()),
            ("done", Some(true)),
            "{node:#}"
        );
        assert!(node["after"]["chunks"].as_u64().unwrap() > 0);
        // Nothing was given up for it.
        assert_eq!(role.api.metric("ragstream_worker_dead_letters_total", "").await, 0.0);
    }
    assert_eq!(api.metric("ragstream_gateway_query_attempts_total", "unavailable").await, refused);
    let answer = api.post("/api/v2/admin/verify", &json!({})).await.body;
    assert_eq!(answer["consistent"], true, "{answer:#}");
    assert_eq!(answer["index"].as_array().unwrap().len(), 2);
}
