//! The roles as processes, with the environment that `docker-compose.yml` gives them.
#![allow(clippy::unwrap_used)]

use ragstream_e2e::{
    api::text,
    cluster::{Cluster, Kind},
    eventually,
};
use std::collections::BTreeSet;

const DOCUMENTS: usize = 120;

#[tokio::test(flavor = "multi_thread")]
async fn every_role_as_a_process_of_its_own_and_two_of_the_pool() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(dir.path()).await;
    cluster.add_all().await;
    cluster.add(Kind::Embedding, "embedding-1", &[]).ready().await;
    // Both members of the pool have partitions before there is work.
    for member in ["embedding", "embedding-1"] {
        let member = cluster.role(member);
        eventually("an assignment", || async { member.log().contains("assigned").then_some(()) }).await;
    }

    let gateway = cluster.gateway();
    let names: Vec<String> = (0..DOCUMENTS).map(|i| format!("ship-{i}.txt")).collect();
    let mut jobs = Vec::new();
    for names in names.chunks(60) {
        let files = names
            .iter()
            .map(|name| (name.as_str(), format!("The log of {name} tells of calm seas.").into_bytes()));
        let answer = gateway.upload_many(files, &[]).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        jobs.extend(answer.body["files"].as_array().unwrap().iter().map(|file| text(file, "job_id")));
    }
    assert_eq!(jobs.len(), DOCUMENTS);
    for job in &jobs {
        assert_eq!(gateway.finished(job).await["stage"], "complete");
    }
    let question = serde_json::json!({"query": "the log of ship-77.txt", "top_k": 3});
    let found = gateway.post("/api/v2/search", &question).await;
    assert_eq!(found.body["passages"][0]["filename"], "ship-77.txt", "{found:?}");

    let chunks = cluster.records("chunk-embeddings");
    let keys: BTreeSet<_> = chunks.iter().map(|r| &r.key).filter(|key| !key.contains(':')).collect();
    assert_eq!(keys.len(), DOCUMENTS);
    let mut shares = Vec::new();
    for member in cluster.apis(Kind::Embedding) {
        shares.push(member.metric("ragstream_embedding_chunks_total", "").await);
    }
    assert!(shares.iter().all(|share| *share > 0.0), "the pool shares the work: {shares:?}");
    assert_eq!(shares.iter().sum::<f64>() as usize, DOCUMENTS);

    for role in cluster.roles() {
        role.interrupt().await;
        let complaints = role.complaints();
        let alarming: Vec<_> = complaints.iter().filter(|line| line.contains(r#""level":"ERROR""#)).collect();
        assert!(alarming.is_empty(), "{alarming:#?}");
    }
}
