//! Imports from a server and a bucket of the test's own, on PostgreSQL.
#![allow(clippy::unwrap_used)]

use super::*;
use axum::{
    Router,
    http::{StatusCode, header},
    response::Redirect,
    routing::get,
};
use ragstream_core::{
    id::BatchId,
    ports::{BatchStatus, Batches, DocumentFilter, Intake, NewBatch, NewImport},
};
use ragstream_postgres::{Ledger, LedgerConfig};
use ragstream_testkit::{MemoryBlobs, execute, fresh_database, stream_of};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Fixture {
    url: String,
    ledger: Arc<Ledger>,
    importer: Importer,
}

impl Fixture {
    async fn new(allow_private: bool) -> Self {
        let url = fresh_database("").await;
        let ledger = Arc::new(Ledger::new(&LedgerConfig::new(url.clone())).unwrap());
        ledger.apply_schema().await.unwrap();
        let bucket = Arc::new(MemoryBlobs::new());
        for key in ["docs/a.txt", "docs/deep/b.txt", "docs/folder/", "other/c.txt"] {
            bucket.put(key, stream_of(format!("the text of {key}"), 5)).await.unwrap();
        }
        let importer = Importer {
            imports: ledger.clone(),
            acceptor: Acceptor::new(ledger.clone(), Arc::new(Notify::new())),
            blobs: Arc::new(MemoryBlobs::new()),
            outbound: Outbound::new(allow_private),
            buckets: Arc::new(Buckets::from([("files".to_owned(), bucket as Arc<dyn BlobStore>)])),
            max_file_bytes: 10_000,
            begun: Arc::new(Notify::new()),
        };
        Self { url, ledger, importer }
    }

    async fn begin(&self, sources: &[String]) -> BatchId {
        let batch_id = BatchId::generate();
        let wanted = NewImport {
            batch_id,
            collection: "web".into(),
            metadata: Default::default(),
            priority: 2,
            correlation_id: "c".into(),
        };
        let batch = NewBatch { batch_id, name: None, files_total: sources.len() as u32 };
        self.ledger.begin_import(&batch, &wanted, sources).await.unwrap();
        batch_id
    }

    /// Fetches all that is due, pauses left out.
    async fn fetch_all(&self) {
        loop {
            execute(&self.url, "UPDATE imports SET due_at = now()").await;
            let due = self.ledger.claim_imports(3, LEASE).await.unwrap();
            if due.is_empty() {
                break;
            }
            for import in due {
                self.importer.import(import).await;
            }
        }
    }

    async fn batch(&self, batch_id: BatchId) -> BatchStatus {
        self.ledger.batches(&[batch_id]).await.unwrap().pop().unwrap()
    }

    async fn reasons(&self, batch_id: BatchId) -> Vec<(String, String)> {
        let jobless = self.ledger.jobless(batch_id, 0, 100).await.unwrap();
        let reason = |file: Jobless| match file.why {
            Why::Rejected(problem) => (file.filename, problem["type"].as_str().unwrap().to_owned()),
            Why::Duplicate(..) => (file.filename, "duplicate".to_owned()),
        };
        let mut reasons: Vec<_> = jobless.into_iter().map(reason).collect();
        reasons.sort();
        reasons
    }
}

/// A server; how often its failing page was asked for.
async fn server() -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let flaky = move || {
        let asked = counter.fetch_add(1, Ordering::SeqCst);
        async move { if asked < 2 { Err(StatusCode::BAD_GATEWAY) } else { Ok("it works at last") } }
    };
    let named = || async {
        (
            [(header::CONTENT_DISPOSITION, "attachment; filename=\"named.md\"")],
            "# A file with a name of its own",
        )
    };
    let router = Router::new()
        .route("/page", get(|| async { "<html><body><p>A page of the web.</p></body></html>" }))
        .route("/named", get(named))
        .route("/moved", get(|| async { Redirect::permanent("/there.txt") }))
        .route("/there.txt", get(|| async { "where it is now" }))
        .route("/round", get(|| async { Redirect::temporary("/round") }))
        .route("/inside", get(|| async { Redirect::temporary("ftp://127.0.0.1/etc/passwd") }))
        .route("/empty.txt", get(|| async { "" }))
        .route("/large.txt", get(|| async { "a line\n".repeat(5_000) }))
        .route("/program", get(|| async { [&b"\x7fELF\x02\x01\x01\0"[..], &[0; 100]].concat() }))
        .route("/flaky.txt", get(flaky))
        .route("/broken.txt", get(|| async { StatusCode::SERVICE_UNAVAILABLE }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (base, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_source_is_a_document_or_says_why_it_is_none() {
    let fixture = Fixture::new(true).await;
    let (base, asked) = server().await;
    let paths = [
        "page",
        "named",
        "moved",
        "round",
        "inside",
        "empty.txt",
        "large.txt",
        "program",
        "flaky.txt",
        "broken.txt",
        "nothing.txt",
    ];
    let mut sources: Vec<String> = paths.iter().map(|path| format!("{base}/{path}")).collect();
    // Nobody listens there.
    sources.push("http://127.0.0.1:1/away.txt".into());
    let batch_id = fixture.begin(&sources).await;
    fixture.fetch_all().await;
    let batch = fixture.batch(batch_id).await;
    assert_eq!((batch.files_total, batch.outcomes.active, batch.outcomes.rejected), (12, 4, 8), "{batch:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 3, "tried again until it worked");
    let filter = DocumentFilter { limit: 100, ..Default::default() };
    let documents = fixture.ledger.documents(&filter).await.unwrap();
    let mut names: Vec<_> = documents.iter().map(|document| document.reference.filename.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["flaky.txt", "named.md", "page", "there.txt"]);
    assert!(documents.iter().all(|document| document.reference.collection == "web"));
    let reasons = fixture.reasons(batch_id).await;
    let of = |name: &str| reasons.iter().find(|(file, _)| file == name).unwrap().1.clone();
    for (name, reason) in [
        ("round", "address_refused"),
        ("inside", "address_refused"),
        ("empty.txt", "empty_file"),
        ("large.txt", "file_too_large"),
        ("program", "unsupported_format"),
        ("broken.txt", "source_failed"),
        ("nothing.txt", "source_refused"),
        ("away.txt", "source_unreachable"),
    ] {
        assert_eq!(of(name), format!("/problems/{reason}"), "{name}");
    }

    // Again: nothing has changed.
    let batch_id = fixture.begin(&[format!("{base}/page"), format!("{base}/moved")]).await;
    fixture.fetch_all().await;
    let batch = fixture.batch(batch_id).await;
    assert_eq!((batch.outcomes.duplicate, batch.is_over()), (2, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn private_addresses_are_refused_when_they_are_fetched() {
    let fixture = Fixture::new(false).await;
    let (base, asked) = server().await;
    let port = base.rsplit(':').next().unwrap();
    let sources = [
        format!("{base}/flaky.txt"),
        format!("http://localhost:{port}/flaky.txt"),
        "file:///etc/passwd".into(),
    ];
    let batch_id = fixture.begin(&sources).await;
    fixture.fetch_all().await;
    let reasons = fixture.reasons(batch_id).await;
    assert!(reasons.iter().all(|(_, reason)| reason == "/problems/address_refused"), "{reasons:?}");
    assert_eq!((reasons.len(), asked.load(Ordering::SeqCst)), (3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_is_all_files_below_it_and_only_of_a_configured_bucket() {
    let fixture = Fixture::new(false).await;
    let sources = ["s3://files/docs/", "s3://files/other/c.txt", "s3://files/nothing/", "s3://secret/x"];
    let batch_id = fixture.begin(&sources.map(str::to_owned)).await;
    fixture.fetch_all().await;
    let batch = fixture.batch(batch_id).await;
    assert_eq!((batch.files_total, batch.outcomes.active, batch.outcomes.rejected), (5, 3, 2), "{batch:?}");
    let filter = DocumentFilter {
        external_id: Some("s3://files/docs/deep/b.txt".into()),
        limit: 9,
        ..Default::default()
    };
    let document = fixture.ledger.documents(&filter).await.unwrap().pop().unwrap();
    assert_eq!(document.reference.filename, "b.txt");
    let reasons = fixture.reasons(batch_id).await;
    assert_eq!(reasons.iter().filter(|(_, reason)| reason == "/problems/bucket_refused").count(), 1);

    // One that was taken, and whose gateway died before it could say so, is no duplicate of itself.
    let batch_id = fixture.begin(&["s3://files/docs/a.txt".to_owned()]).await;
    execute(
        &fixture.url,
        "DELETE FROM document_jobs; DELETE FROM documents; UPDATE imports SET due_at = now()",
    )
    .await;
    let import = fixture.ledger.claim_imports(1, LEASE).await.unwrap().pop().unwrap();
    for _ in 0..2 {
        assert!(matches!(fixture.importer.try_import(&import, "a.txt").await, Ok(Ended::Taken)));
    }
    fixture.importer.import(import).await;
    let batch = fixture.batch(batch_id).await;
    assert_eq!((batch.outcomes.active, batch.outcomes.duplicate, batch.files_total), (1, 0, 1));
}
