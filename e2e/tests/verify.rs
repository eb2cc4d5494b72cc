//! Log, PostgreSQL and index hold the same chunks; where they don't, it is found and named.
#![allow(clippy::unwrap_used)]

use ragstream_core::{
    chunk::Chunk,
    document::DocumentRef,
    event::{ChunkEmbedded, IndexEvent, IndexKey, VersionCommitted},
    id::{ChunkId, DocumentId, JobId, Version},
    ports::Outgoing,
    trace::TraceContext,
};
use ragstream_e2e::{
    api::{Api, text},
    process::{Standalone, binary},
};
use ragstream_index::{Index, IndexConfig, Positioned};
use ragstream_proto::encode::{self, Origin};
use ragstream_testkit::execute;
use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, BaseRecord, Producer},
};
use serde_json::{Value, json};
use std::{path::Path, process::Command, time::Duration};

/// A partition that the log does not have: what an index holds of it no replay changes.
const NO_PARTITION: i32 = 9_999;

async fn upload(api: &Api, name: &str, text_: &str, fields: &[(&str, &str)]) -> Value {
    let answer = api.upload(name, text_.to_owned(), fields).await.body;
    assert_eq!(api.finished(&text(&answer, "job_id")).await["stage"], "complete");
    answer
}

/// Several chunks: each section is one.
fn sections(topic: &str) -> String {
    (1..5)
        .map(|i| format!("# Part {i} of {topic}\n\n{}\n\n", format!("About {topic}, {i}. ").repeat(60)))
        .collect()
}

async fn verify(api: &Api) -> Value {
    let answer = api.post("/api/v2/admin/verify", &json!({})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

/// The chunk ids of a document, by its rows.
async fn chunk_ids(api: &Api, document: &str) -> Vec<String> {
    let chunks = api.get(&format!("/api/v2/documents/{document}/chunks")).await.body;
    chunks["chunks"].as_array().unwrap().iter().map(|chunk| text(chunk, "chunk_id")).collect()
}

/// Kind and chunk of each difference.
fn found(answer: &Value) -> Vec<(String, Option<String>)> {
    let differences = answer["differences"].as_array().unwrap();
    assert_eq!(answer["differences_total"], differences.len());
    assert_eq!(answer["consistent"], differences.is_empty());
    let of = |difference: &Value| {
        assert!(!text(difference, "advice").is_empty());
        (text(difference, "kind"), difference["chunk_id"].as_str().map(str::to_owned))
    };
    let mut found: Vec<_> = differences.iter().map(of).collect();
    found.sort();
    found
}

fn expected(kind: &str, chunks: &[String]) -> Vec<(String, Option<String>)> {
    let mut expected: Vec<_> = chunks.iter().map(|id| (kind.to_owned(), Some(id.clone()))).collect();
    expected.sort();
    expected
}

/// `ragstream verify` or `rebuild`: its exit code and what it says.
fn cli(api: &Api, command: &str) -> (i32, String) {
    let output = Command::new(binary()).args([command, "--url", &api.base]).output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), said)
}

fn origin() -> Origin {
    Origin { correlation_id: "forged".into(), trace: TraceContext::root() }
}

fn append(brokers: &str, record: &Outgoing) {
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    let value = record.value.as_deref();
    let mut new = BaseRecord::<[u8], [u8]>::to(&record.topic).key(record.key.as_bytes()).partition(0);
    if let Some(value) = value {
        new = new.payload(value);
    }
    producer.send(new).map_err(|(error, _)| error).unwrap();
    producer.flush(Duration::from_secs(30)).unwrap();
}

/// Takes chunks out of the newest snapshot of an index, as a faulty disk or program might.
fn lose_from_index(dir: &Path, chunk: &str) {
    let index = Index::restore(IndexConfig::default(), dir).unwrap().unwrap();
    let gone = IndexEvent::Gone(IndexKey::Chunk(chunk.parse().unwrap()));
    index.apply(vec![Positioned { partition: NO_PARTITION, offset: 0, event: gone }]).unwrap();
    index.snapshot(dir).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_found_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Standalone::start(dir.path()).await;
    let api = node.api.clone();
    let empty = verify(&api).await;
    assert_eq!((found(&empty), empty["log"]["chunks"].as_u64()), (vec![], Some(0)));

    let rivers = upload(&api, "rivers.md", &sections("rivers"), &[]).await;
    let winds = upload(&api, "winds.md", &sections("winds"), &[]).await;
    upload(&api, "menu.txt", "Tomato soup with basil.", &[("external_id", "menu")]).await;
    upload(&api, "menu.txt", "Pumpkin soup with ginger.", &[("external_id", "menu")]).await;
    let (rivers, winds) = (text(&rivers, "document_id"), text(&winds, "document_id"));
    let (river_chunks, wind_chunks) = (chunk_ids(&api, &rivers).await, chunk_ids(&api, &winds).await);
    assert!(river_chunks.len() > 2 && wind_chunks.len() > 2, "{river_chunks:?} {wind_chunks:?}");

    // All agree, about the updated document too.
    let answer = verify(&api).await;
    assert_eq!(found(&answer), [], "{answer:#}");
    let chunks = river_chunks.len() + wind_chunks.len() + 1;
    for side in [&answer["log"], &answer["postgres"], &answer["index"][0]] {
        assert_eq!(side["chunks"], chunks, "{answer:#}");
        assert_eq!(side["checksum"], answer["log"]["checksum"]);
    }
    assert_eq!(answer["in_flight"]["chunks"], 0);
    let (code, said) = cli(&api, "verify");
    assert!(code == 0 && said.contains("consistent"), "{code}: {said}");

    // A row is deleted by hand.
    let lost_row = river_chunks[1].clone();
    let postgres = node.postgres();
    execute(&postgres, &format!("CREATE TABLE kept AS SELECT * FROM document_chunks WHERE chunk_id = '{lost_row}'; DELETE FROM document_chunks WHERE chunk_id = '{lost_row}'")).await;
    let answer = verify(&api).await;
    assert_eq!(found(&answer), expected("missing_in_postgres", &[lost_row]), "{answer:#}");
    assert_eq!(answer["postgres"]["chunks"], chunks - 1);
    let (code, said) = cli(&api, "verify");
    assert!(
        code == 1 && said.contains("missing_in_postgres") && said.contains("1 differences"),
        "{code}: {said}"
    );
    execute(&postgres, "INSERT INTO document_chunks SELECT * FROM kept").await;

    // A status is not what it should be.
    let given_up = &wind_chunks[..1];
    execute(
        &postgres,
        &format!("UPDATE document_chunks SET status = 'failed' WHERE chunk_id = '{}'", given_up[0]),
    )
    .await;
    let answer = verify(&api).await;
    assert_eq!(found(&answer), expected("status_mismatch", given_up), "{answer:#}");
    assert_eq!(answer["differences"][0]["postgres"], "failed");
    execute(
        &postgres,
        &format!("UPDATE document_chunks SET status = 'indexed' WHERE chunk_id = '{}'", given_up[0]),
    )
    .await;

    // A row too many.
    let forged = ChunkId::generate().to_string();
    execute(&postgres, &format!(
        "INSERT INTO document_chunks (chunk_id, document_id, version, position, status, span_start, span_end, tokens)
         VALUES ('{forged}', '{winds}', 1, 99, 'indexed', 0, 1, 1)"
    )).await;
    assert_eq!(found(&verify(&api).await), expected("orphan_in_postgres", std::slice::from_ref(&forged)));
    execute(&postgres, &format!("DELETE FROM document_chunks WHERE chunk_id = '{forged}'")).await;
    assert_eq!(found(&verify(&api).await), []);

    // A record too many, a marker without chunks, and a whole document that nobody uploaded.
    let brokers = node.kafka();
    let (stray, whole) = (forged_chunk(), forged_chunk());
    let lonely = marker(DocumentId::generate());
    append(&brokers, &encode::chunk_embedded(&stray, &origin()));
    append(&brokers, &encode::version_committed(&lonely, &origin()));
    append(&brokers, &encode::chunk_embedded(&whole, &origin()));
    append(&brokers, &encode::version_committed(&marker(whole.document.document_id), &origin()));
    let answer = verify(&api).await;
    let ids = [stray.chunk.id.to_string(), whole.chunk.id.to_string()];
    let mut orphans = expected("orphan_in_log", &ids);
    orphans.insert(0, ("orphan_in_log".into(), None));
    assert_eq!(found(&answer), orphans, "{answer:#}");
    // The advice helps.
    for event in [&stray, &whole] {
        append(
            &brokers,
            &encode::gone(IndexKey::Chunk(event.chunk.id), event.document.document_id, &origin()),
        );
    }
    for document in [lonely.document_id, whole.document.document_id] {
        append(&brokers, &encode::gone(IndexKey::Commit(document, Version(1)), document, &origin()));
    }
    let answer = verify(&api).await;
    assert_eq!(found(&answer), [], "{answer:#}");

    // An index lost an entry: a part of a version is never shown, so all of it is missing.
    node.process.interrupt().await;
    lose_from_index(&dir.path().join("data/index"), &wind_chunks[0]);
    let mut node = Standalone::start(dir.path()).await;
    let answer = verify(&node.api).await;
    assert_eq!(found(&answer), expected("missing_in_index", &wind_chunks), "{answer:#}");
    assert_eq!(answer["differences"][0]["not_shown_by"].as_array().unwrap().len(), 1);
    assert_eq!(answer["index"][0]["chunks"], chunks - wind_chunks.len());

    // Built anew it has all of it, and rows that were never told are told.
    let told = format!("UPDATE document_chunks SET status = 'embedded' WHERE document_id = '{rivers}'");
    execute(&postgres, &told).await;
    let api = node.api.clone();
    assert_eq!(found(&verify(&api).await).len(), wind_chunks.len() + river_chunks.len());
    let (code, said) = cli(&api, "rebuild");
    assert!(code == 1 && said.contains("did not hold what the log says"), "{code}: {said}");
    let answer = verify(&api).await;
    assert_eq!(found(&answer), [], "{answer:#}");
    let rebuilt = api.get("/api/v2/admin/rebuild").await.body;
    let of = &rebuilt["nodes"][0];
    assert_eq!((of["state"].as_str(), of["agrees"].as_bool()), (Some("done"), Some(false)), "{rebuilt:#}");
    assert_eq!(of["before"]["chunks"], chunks - wind_chunks.len());
    assert_eq!(of["after"]["checksum"], answer["log"]["checksum"]);
    // Once more: now it finds what it had.
    let (code, said) = cli(&api, "rebuild");
    assert!(code == 0 && said.contains("as before"), "{code}: {said}");
    // And a restart has it from the snapshot that followed.
    node.process.kill();
    let mut node = Standalone::start(dir.path()).await;
    assert_eq!(found(&verify(&node.api).await), []);
    assert!(node.process.log().contains("index restored from its snapshot"));
    node.process.interrupt().await;
}

fn forged_chunk() -> ChunkEmbedded {
    let document_id = DocumentId::generate();
    let mut vector = vec![0.0; 384];
    vector[0] = 1.0;
    ChunkEmbedded {
        document: DocumentRef {
            document_id,
            version: Version(1),
            job_id: JobId::generate(),
            collection: "default".into(),
            external_id: None,
            filename: "forged.txt".into(),
            content_type: "text/plain".into(),
            metadata: Default::default(),
        },
        chunk: Chunk {
            id: ChunkId::derive(document_id, Version(1), "forged", 0),
            position: 0,
            text: "nobody uploaded this".into(),
            span: 0..20,
            page: None,
            headings: vec![],
            tokens: 3,
        },
        model: "all-MiniLM-L6-v2".into(),
        vector,
    }
}

fn marker(document_id: DocumentId) -> VersionCommitted {
    VersionCommitted { document_id, version: Version(1), job_id: JobId::generate(), chunk_count: 1 }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_under_way_are_no_differences() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Standalone::start(dir.path()).await;
    let api = node.api.clone();
    let mut jobs = Vec::new();
    for i in 0..6 {
        let name = format!("tide-{i}.md");
        // The same ids again and again: updates take each other's place all along.
        let id = format!("tide-{}", i % 3);
        let answer = api.upload(&name, sections(&format!("tide {i}")), &[("external_id", &id)]).await.body;
        jobs.push(text(&answer, "job_id"));
        let answer = api.post("/api/v2/admin/verify", &json!({"wait_ms": 0})).await.body;
        assert_eq!(found(&answer), [], "{answer:#}");
    }
    for job in &jobs {
        api.finished(job).await;
    }
    let answer = verify(&api).await;
    assert_eq!(found(&answer), [], "{answer:#}");
    assert_eq!(answer["in_flight"], json!({"chunks": 0, "documents": 0}));
    assert!(answer["log"]["chunks"].as_u64().unwrap() > 3);
    let refused = api.post("/api/v2/admin/verify", &json!({"wait_ms": 300_001})).await;
    assert_eq!(refused.status, 422);
    node.process.interrupt().await;
}
