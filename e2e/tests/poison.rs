//! Poison: bytes, files and chunks that can't be processed. Each ends in its dead-letter
//! topic as it was, and holds up nothing behind it.
#![allow(clippy::unwrap_used)]

use ragstream_core::ports::BlobStore;
use ragstream_e2e::{
    api::{Api, text},
    eventually,
    process::{Process, Standalone, blob_store_of, free_port},
    raw::{self, Record},
};
use ragstream_s3::S3Blobs;
use ragstream_testkit::{fresh_database, kafka, parts_dir, s3};
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::Path};

const CONSUMED: [&str; 5] = [
    "doc-ingest-requests",
    "doc-ingest-requests.bulk",
    "chunk-processing",
    "chunk-processing.bulk",
    "chunk-embeddings",
];
/// The loop's count of tries.
const MAX_ATTEMPTS: i64 = 5;

/// The letter is the record: key, value and headers first, then its story.
fn assert_is_letter_of(letter: &Record, topic: &str, record: &Record) {
    assert_eq!((&letter.key, &letter.value), (&record.key, &record.value));
    assert_eq!(letter.headers[..record.headers.len()], record.headers);
    assert_eq!(letter.header("x-original-topic"), topic);
    assert_eq!(letter.header("x-original-partition"), record.partition.to_string());
    assert_eq!(letter.header("x-original-offset"), record.offset.to_string());
    let attempts: i64 = letter.header("x-attempts").parse().unwrap();
    assert!((1..=MAX_ATTEMPTS).contains(&attempts), "{attempts} tries");
    for time in ["x-first-failure", "x-last-failure"] {
        assert!(letter.header(time).contains('T'), "{time}: {:?}", letter.header(time));
    }
}

fn poison() -> Vec<Record> {
    let record = |key: Option<&[u8]>, value: Option<&[u8]>, headers: &[(&str, Option<&[u8]>)]| Record {
        key: key.map(<[u8]>::to_vec),
        value: value.map(<[u8]>::to_vec),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec)))
            .collect(),
        ..Record::default()
    };
    vec![
        record(
            Some(b"\xff\xfe\x00"),
            Some(b"\xff\xff\xff\x00poison"),
            &[("h", Some(b"\xff")), ("none", None)],
        ),
        record(None, Some(b""), &[]),
        record(Some(b""), None, &[("x-correlation-id", Some(b"poison"))]),
        // What a replay of somebody else's letter would look like.
        record(
            Some(b"k"),
            Some(b"\x0a\x02\x0a"),
            &[("x-original-topic", Some(b"elsewhere")), ("x-redrives", Some(b"x"))],
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_nobody_can_read_delay_nothing_and_are_kept_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let node = Standalone::start_with(dir.path(), &[("RAGSTREAM_PARTITIONS", "1".to_owned())]).await;
    let (api, brokers) = (&node.api, node.kafka());
    let mut written: BTreeMap<&str, Vec<Record>> = BTreeMap::new();
    for topic in CONSUMED {
        // A compacted topic takes no record without a key.
        let keyed = |record: &Record| topic != "chunk-embeddings" || record.key.is_some();
        for record in poison().into_iter().filter(keyed) {
            let offset = raw::append(&brokers, topic, &record).await;
            written.entry(topic).or_default().push(Record { offset, ..record });
        }
    }
    // Behind all of it, in the only partition of each topic.
    for (priority, good) in
        [("9", "The herring gull nests on the cliff."), ("0", "The tern nests on the beach.")]
    {
        let good = api.upload("good.txt", good, &[("priority", priority)]).await.body;
        assert_eq!(api.finished(&text(&good, "job_id")).await["stage"], "complete");
    }

    for (topic, records) in &written {
        let dlq = format!("{topic}.dlq");
        let letters = raw::records(&brokers, &dlq);
        assert_eq!(letters.len(), records.len(), "{topic}");
        for record in records {
            let of = |letter: &&Record| letter.header("x-original-offset") == record.offset.to_string();
            // A story that came with the record is replaced by the true one.
            let ours: Vec<_> =
                record.headers.iter().filter(|(name, _)| name != "x-original-topic").cloned().collect();
            let letter = letters.iter().find(of).unwrap();
            assert_is_letter_of(letter, topic, &Record { headers: ours, ..record.clone() });
            assert_eq!(
                (letter.header("x-error-class"), letter.header("x-error-kind")),
                ("undecodable".into(), "invalid".into())
            );
            assert_eq!(letter.header("x-attempts"), "1");
        }
        let listed = api.get(&format!("/api/v2/dead-letters?topic={topic}")).await.body;
        let listed = listed["letters"].as_array().unwrap();
        assert_eq!(listed.len(), records.len());
        for letter in listed {
            assert_eq!(letter["undecodable"], true, "{letter:#}");
            assert!(text(letter, "undecodable_reason").contains("can't be decoded"));
            let full = api.get(&text(letter, "link")).await.body;
            assert_eq!(full["value_bytes"], letter["value_bytes"]);
        }
    }
    the_loop_guard(api, &brokers).await;

    let spec = api.get("/openapi.json").await.body;
    for (path, method) in [
        ("/api/v2/dead-letters", "get"),
        ("/api/v2/dead-letters/{topic}/{partition}/{offset}", "get"),
        ("/api/v2/dead-letters/redrive", "post"),
        ("/api/v2/dead-letters/redrives", "get"),
        ("/api/v2/dead-letters/redrives/{redrive_id}", "get"),
    ] {
        assert!(spec["paths"][path][method].is_object(), "{method} {path} is not in the specification");
    }
    for (path, class) in [
        ("/api/v2/dead-letters?topic=secrets", "unknown_topic"),
        ("/api/v2/dead-letters?limit=1001", "bad_limit"),
        ("/api/v2/dead-letters?before=x", "bad_cursor"),
        ("/api/v2/dead-letters?error_kind=unavailable", "unknown_error_kind"),
    ] {
        let answer = api.get(path).await;
        assert_eq!((answer.status.as_u16(), text(&answer.body, "type")), (422, format!("/problems/{class}")));
    }
    let slip = api.post("/api/v2/dead-letters/redrive", &json!({"error_clas": "undecodable"})).await;
    assert_eq!((slip.status.as_u16(), text(&slip.body, "type")), (400, "/problems/invalid_json".into()));
}

/// Poison that is sent back fails again; the third time is the last.
async fn the_loop_guard(api: &Api, brokers: &str) {
    let (topic, poison) = ("chunk-processing", poison().len());
    let body = json!({"topic": topic, "error_class": "undecodable"});
    for round in 1..=3 {
        let done = api.post("/api/v2/dead-letters/redrive", &body).await.body;
        assert_eq!(done["redriven"].as_u64(), Some(poison as u64), "round {round}: {done:#}");
        eventually("their new letters", || async {
            let letters = raw::records(brokers, "chunk-processing.dlq");
            let back =
                letters.iter().filter(|letter| letter.header("x-redrives") == round.to_string()).count();
            (letters.len() == poison * (round + 1) && back == poison).then_some(())
        })
        .await;
    }
    let refused = api.post("/api/v2/dead-letters/redrive", &body).await.body;
    let skipped: BTreeMap<String, u64> = refused["skipped"]
        .as_array()
        .unwrap()
        .iter()
        .map(|skipped| (text(skipped, "reason"), skipped["count"].as_u64().unwrap()))
        .collect();
    let expected =
        [("already_redriven".to_owned(), 3 * poison as u64), ("too_many_redrives".to_owned(), poison as u64)];
    assert_eq!((refused["redriven"].as_u64(), skipped), (Some(0), BTreeMap::from(expected)));
    // Bytes are bytes, three rounds later.
    let sent = raw::records(brokers, topic);
    for record in self::poison() {
        let same = sent.iter().filter(|r| (&r.key, &r.value) == (&record.key, &record.value)).count();
        assert_eq!(same, 4, "{record:?}");
    }
}

struct Role {
    process: Process,
    api: Api,
}

impl Role {
    fn start(name: &str, dir: &Path, env: &[(&str, String)]) -> Self {
        let listen = format!("127.0.0.1:{}", free_port());
        let mut env = env.to_vec();
        env.push(("RAGSTREAM_LISTEN", listen.clone()));
        let process = Process::start(&[name], &env, &dir.join(format!("{name}.log")));
        Self { process, api: Api::new(format!("http://{listen}")) }
    }
}

/// Elements in elements: the parser looks through all that are open for each new one.
fn takes_minutes() -> Vec<u8> {
    format!("<html><body><p>Down we go.</p>{}", "<div>".repeat(400_000)).into_bytes()
}

/// A tree of a quarter of a GiB.
fn takes_memory() -> Vec<u8> {
    format!("<html><body><p>Wide we go.</p>{}", "<i></i>".repeat(1_000_000)).into_bytes()
}

/// A tokenizer to which each word is one token.
fn model_of_words(dir: &Path) -> String {
    let dir = dir.join("words");
    std::fs::create_dir(&dir).unwrap();
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"},
    });
    std::fs::write(dir.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    dir.display().to_string()
}

/// The model with every weight not a number: it loads, and its vectors are none.
fn broken_model(dir: &Path) -> String {
    let (model, dir) = (parts_dir().join("model"), dir.join("broken"));
    std::fs::create_dir(&dir).unwrap();
    for file in std::fs::read_dir(model).unwrap().map(|file| file.unwrap().path()) {
        let copy = dir.join(file.file_name().unwrap());
        if file.ends_with("model.safetensors") {
            let mut bytes = std::fs::read(file).unwrap();
            let (length, rest) = bytes.split_at_mut(8);
            let header = u64::from_le_bytes(length.try_into().unwrap()) as usize;
            for weight in rest[header..].chunks_exact_mut(4) {
                weight.copy_from_slice(&f32::NAN.to_le_bytes());
            }
            std::fs::write(copy, bytes).unwrap();
        } else {
            std::os::unix::fs::symlink(std::fs::canonicalize(file).unwrap(), copy).unwrap();
        }
    }
    dir.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_file_and_chunk_fails_alone_with_its_reason_and_its_letter() {
    let dir = tempfile::tempdir().unwrap();
    let brokers = kafka().await.bootstrap();
    let blobs = match blob_store_of(dir.path()) {
        Some(url) => url,
        None => s3().await.url(),
    };
    let common = vec![
        ("RAGSTREAM_KAFKA", brokers.clone()),
        ("RAGSTREAM_POSTGRES", fresh_database("").await),
        ("RAGSTREAM_S3", blobs.clone()),
        ("RAGSTREAM_PARTITIONS", "1".to_owned()),
    ];
    let gateway = Role::start("gateway", dir.path(), &common);
    let api = &gateway.api;
    eventually("an answer", || async {
        api.try_send(api.client.get(format!("{}/livez", api.base))).await.ok()
    })
    .await;

    // All of it waits in one partition, the good one last. Nobody reads yet.
    let upload = async |name: &str, bytes: Vec<u8>| {
        let answer = api.upload(name, bytes, &[]).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        text(&answer.body, "job_id")
    };
    let store = S3Blobs::new(&blobs.parse().unwrap());
    let mut bad = Vec::new();
    bad.push(("blob_missing", upload("gone.txt", b"Nobody will read this.".to_vec()).await));
    let stored = store.list("uploads/", None).await.unwrap();
    assert_eq!(stored.len(), 1, "{stored:?}");
    store.delete(&stored[0].key).await.unwrap();
    bad.push(("extraction_timeout", upload("deep.html", takes_minutes()).await));
    bad.push(("extraction_out_of_memory", upload("wide.html", takes_memory()).await));
    bad.push(("corrupt_document", upload("broken.pdf", b"%PDF-1.7\nthis is no PDF at all".to_vec()).await));
    // The pool is started with a model whose weights are broken.
    let victim = upload("victim.txt", b"The tide table lists every hour of the day.".to_vec()).await;

    let mut limits = common.clone();
    limits.push(("RAGSTREAM_INGESTION_EXTRACT_SECONDS", "10".to_owned()));
    limits.push(("RAGSTREAM_INGESTION_EXTRACT_MEMORY", (200_u64 << 20).to_string()));
    limits.push(("RAGSTREAM_MODEL_DIR", model_of_words(dir.path())));
    let ingestion = Role::start("ingestion", dir.path(), &limits);
    let mut broken = common.clone();
    broken.push(("RAGSTREAM_MODEL_DIR", broken_model(dir.path())));
    let mut pool = Role::start("embedding", dir.path(), &broken);
    let snapshots = dir.path().join("snapshots").display().to_string();
    let mut node = common.clone();
    node.push(("RAGSTREAM_QUERY_SNAPSHOT_DIR", snapshots));
    let query = Role::start("query", dir.path(), &node);
    bad.push(("model_output", victim.clone()));
    for (class, job) in &bad {
        let job = api.finished(job).await;
        assert_eq!(
            (job["stage"].as_str(), job["failure"]["class"].as_str()),
            (Some("failed"), Some(*class)),
            "{job:#}"
        );
    }

    // A pool whose model works, and chunks that it refuses: cut by a tokenizer that is
    // not its own. The good one lies behind everything.
    pool.process.interrupt().await;
    let pool = Role::start("embedding", dir.path(), &common);
    let long = "zyxwvutsrqponml ".repeat(150);
    bad.push(("chunk_too_long", upload("long.txt", long.into_bytes()).await));
    let good = upload("good.txt", b"The herring gull nests on the cliff above the bay.".to_vec()).await;
    assert_eq!(api.finished(&good).await["stage"], "complete");
    assert_eq!(api.finished(&bad[5].1).await["failure"]["class"], "chunk_too_long");

    for (topic, classes) in [
        (
            "doc-ingest-requests",
            &["blob_missing", "extraction_timeout", "extraction_out_of_memory", "corrupt_document"][..],
        ),
        ("chunk-processing", &["model_output", "chunk_too_long"][..]),
    ] {
        let originals = raw::records(&brokers, topic);
        let letters = raw::records(&brokers, &format!("{topic}.dlq"));
        for class in classes {
            let of: Vec<_> = letters.iter().filter(|l| l.header("x-error-class") == *class).collect();
            assert!(!of.is_empty(), "no letter of class {class} in {topic}.dlq");
            for letter in of {
                let offset: i64 = letter.header("x-original-offset").parse().unwrap();
                let original = originals.iter().find(|record| record.offset == offset).unwrap();
                assert_is_letter_of(letter, topic, original);
                // What may work another time was tried as often as it may be, the rest once.
                let (kind, tries) = if *class == "model_output" { ("failed", "5") } else { ("invalid", "1") };
                assert_eq!(
                    (letter.header("x-error-kind").as_str(), letter.header("x-attempts").as_str()),
                    (kind, tries)
                );
            }
        }
        assert!(
            letters.iter().all(|l| classes.contains(&l.header("x-error-class").as_str())),
            "{letters:#?}"
        );
    }
    // Each is found by its job's document, with what it is about.
    let listed = api.get("/api/v2/dead-letters?limit=1000").await.body;
    let listed = listed["letters"].as_array().unwrap();
    for (class, job) in &bad {
        let letter: Vec<&Value> = listed.iter().filter(|letter| letter["job_id"] == job.as_str()).collect();
        assert!(!letter.is_empty() && letter.iter().all(|letter| letter["error_class"] == *class), "{class}");
        let chunk = letter[0].get("chunk_id").is_some();
        assert_eq!(chunk, ["model_output", "chunk_too_long"].contains(class));
    }
    // The chunk whose cause is gone goes on; the one that this model refuses does not.
    let body = json!({"topic": "chunk-processing"});
    let done = api.post("/api/v2/dead-letters/redrive", &body).await.body;
    assert_eq!(done["redriven"], done["matched"], "{done:#}");
    eventually("completion", || async {
        let job = api.get(&format!("/api/v2/documents/status/{victim}")).await.body;
        (job["stage"] == "complete").then_some(())
    })
    .await;
    let refused = "/api/v2/dead-letters?topic=chunk-processing&error_class=chunk_too_long&redriven=false";
    eventually("another letter", || async {
        let letters = api.get(refused).await.body["letters"].clone();
        letters.as_array().unwrap().iter().any(|letter| letter["redrives"] == 1).then_some(())
    })
    .await;
    for role in [&gateway, &ingestion, &pool, &query] {
        eventually("readiness", || async { role.api.is_ready().await.then_some(()) }).await;
    }
}
