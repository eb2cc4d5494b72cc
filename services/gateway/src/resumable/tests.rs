//! Uploads in pieces, on PostgreSQL, with the blob store in memory.
#![allow(clippy::unwrap_used)]

use super::*;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use ragstream_core::ports::{About, BlobStore, Notices, PART_BYTES};
use ragstream_postgres::{Ledger, LedgerConfig};
use ragstream_testkit::{MemoryBlobs, collect, execute, fresh_database};
use sha2::{Digest, Sha256};
use tokio::sync::Notify;

struct Fixture {
    url: String,
    uploads: Resumables,
    ledger: Arc<Ledger>,
    blobs: Arc<MemoryBlobs>,
}

impl Fixture {
    async fn new() -> Self {
        let url = fresh_database("").await;
        let ledger = Arc::new(Ledger::new(&LedgerConfig::new(url.clone())).unwrap());
        ledger.apply_schema().await.unwrap();
        Self::with(url, ledger, Arc::new(MemoryBlobs::new()))
    }

    /// Another gateway on the same rows and blobs.
    fn with(url: String, ledger: Arc<Ledger>, blobs: Arc<MemoryBlobs>) -> Self {
        Self::sending(url, ledger, blobs, GatewayConfig::default())
    }

    fn sending(url: String, ledger: Arc<Ledger>, blobs: Arc<MemoryBlobs>, config: GatewayConfig) -> Self {
        let ports = Ports {
            uploads: ledger.clone(),
            batches: ledger.clone(),
            intake: ledger.clone(),
            store: blobs.clone(),
            acceptor: Acceptor::new(ledger.clone(), Arc::new(Notify::new())),
            notifier: notices::Notifier::new(ledger.clone(), notices::Mailer::of(&config).unwrap()),
            slots: Arc::new(Semaphore::new(8)),
        };
        let uploads = Resumables::new(&config, ports, CancellationToken::new());
        Self { url, uploads, ledger, blobs }
    }

    fn another(&self) -> Self {
        Self::with(self.url.clone(), self.ledger.clone(), self.blobs.clone())
    }

    async fn begin(&self, kind: UploadKind, length: Option<u64>) -> UploadId {
        let said =
            Said::parse(&format!("filename {}", STANDARD.encode("long.txt"))).map_err(|p| p.detail).unwrap();
        let begin = Begin { kind, said, concat_said: None, length };
        self.uploads.begin(begin, &context()).await.unwrap().began.upload_id
    }

    async fn append(&self, id: UploadId, offset: usize, pieces: Vec<Piece>) -> Result<Resumable, Problem> {
        let body = stream::iter(pieces).map(|piece| piece.map_err(BodyError::from)).boxed();
        self.uploads.append(id, offset as u64, None, None, body, &context()).await
    }

    async fn offset(&self, id: UploadId) -> usize {
        self.uploads.find(id).await.unwrap().progress.offset as usize
    }

    /// Waits until so many blobs are left: what is not needed any more goes in the background.
    async fn comes_to(&self, blobs: usize) {
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
        while self.blobs.keys().len() != blobs {
            assert!(tokio::time::Instant::now() < deadline, "{:?}", self.blobs.keys());
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    async fn stored(&self, upload: &Resumable) -> Vec<u8> {
        let outcome = upload.outcome.as_ref().unwrap();
        let document = self.ledger.document(outcome.document_id).await.unwrap().unwrap();
        assert_eq!(document.blob.sha256, outcome.sha256);
        collect(self.blobs.get(&document.blob.key, None).await.unwrap()).await.unwrap()
    }
}

type Piece = Result<Bytes, &'static str>;

fn context() -> RequestContext {
    RequestContext::of_work("c")
}

/// Text that is nowhere the same.
fn text(bytes: usize) -> Bytes {
    let mut text: Vec<u8> = (0u64..).flat_map(|n| format!("{n:x} ").into_bytes()).take(bytes).collect();
    text.shrink_to_fit();
    text.into()
}

fn pieces(bytes: &Bytes, size: usize) -> Vec<Piece> {
    (0..bytes.len()).step_by(size).map(|at| Ok(bytes.slice(at..bytes.len().min(at + size)))).collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes))
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_off_wherever_it_ends_as_the_same_bytes() {
    let first = Fixture::new().await;
    // Less than a part, exactly parts, and more; broken off inside parts and at their ends.
    for (bytes, breaks) in [
        (5, vec![]),
        (5_000, vec![1, 4_999]),
        (PART_BYTES, vec![100]),
        (PART_BYTES + 1, vec![PART_BYTES]),
        (2 * PART_BYTES, vec![PART_BYTES, PART_BYTES + 7]),
        (3 * PART_BYTES + 12_345, vec![9_000, 9_001, PART_BYTES + 1, 3 * PART_BYTES - 1, 3 * PART_BYTES + 1]),
    ] {
        let whole = text(bytes);
        let whole = [whole, Bytes::from(format!(" {bytes}"))].concat();
        let whole = Bytes::from(whole);
        let id = first.begin(UploadKind::Whole, Some(whole.len() as u64)).await;
        let mut at = 0;
        for until in breaks {
            let mut part = pieces(&whole.slice(at..until), 100_003);
            part.push(Err("the network is gone"));
            // Another gateway each time.
            let problem = first.another().append(id, at, part).await.err().unwrap();
            assert_eq!(
                problem.kind, "/problems/upload_broken_off",
                "{bytes} bytes, at {until}: {}",
                problem.detail
            );
            at = first.offset(id).await;
            assert_eq!(at, until, "of {bytes}: all that came is kept");
        }
        let ended = first.append(id, at, pieces(&whole.slice(at..), 1 << 20)).await.unwrap();
        assert_eq!(ended.outcome.as_ref().unwrap().sha256, sha256(&whole), "{bytes}");
        assert!(first.stored(&ended).await == whole, "{bytes}");
    }
    // Nothing but the documents' bytes is left, once what was not needed any more is gone.
    first.comes_to(6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_later_goes_on_and_who_was_there_is_refused() {
    let fixture = Fixture::new().await;
    let whole = text(3 * PART_BYTES);
    let id = fixture.begin(UploadKind::Whole, Some(whole.len() as u64)).await;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Piece>(1);
    let slow = fixture.another();
    let first = tokio::spawn(async move {
        let body = stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|piece| (piece, receiver))
        });
        slow.uploads
            .append(id, 0, None, None, body.map(|piece| piece.map_err(BodyError::from)).boxed(), &context())
            .await
    });
    for piece in pieces(&whole.slice(..PART_BYTES + 10), 1 << 20) {
        sender.send(piece).await.unwrap();
    }
    // Its client is gone, which it does not know. The next one begins where the row is.
    let at = fixture.offset(id).await;
    let ended = fixture.append(id, at, pieces(&whole.slice(at..), 1 << 20)).await.unwrap();
    // What the first was still sent changes nothing.
    let _ = sender.send(Ok(Bytes::from_static(b"other bytes"))).await;
    drop(sender);
    let problem = first.await.unwrap().err().unwrap();
    assert!([423, 503].contains(&problem.status), "{}", problem.detail);
    assert!(fixture.stored(&ended).await == whole);
    // At another offset there is nothing to go on with.
    let problem = fixture.append(id, 7, vec![]).await.err().unwrap();
    assert_eq!(problem.status, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_with_a_wrong_checksum_are_not_kept() {
    let fixture = Fixture::new().await;
    let whole = text(2 * PART_BYTES + 100);
    let id = fixture.begin(UploadKind::Whole, Some(whole.len() as u64)).await;
    let send = |from: usize, pieces: Vec<Piece>, sum: Vec<u8>| {
        let checksum =
            Checksum::parse(&format!("sha256 {}", STANDARD.encode(sum))).map_err(|p| p.detail).unwrap();
        let body = stream::iter(pieces).map(|piece| piece.map_err(BodyError::from)).boxed();
        let uploads = fixture.uploads.clone();
        async move { uploads.append(id, from as u64, None, Some(checksum), body, &context()).await }
    };
    let first = whole.slice(..PART_BYTES + 50);
    let sum = Sha256::digest(&first).to_vec();
    let damaged = Bytes::from([&first[..10], b"?", &first[11..]].concat());
    let problem = send(0, pieces(&damaged, 1 << 20), sum.clone()).await.err().unwrap();
    assert_eq!((problem.status, fixture.offset(id).await), (460, 0));
    let mut broken = pieces(&first.slice(..PART_BYTES + 1), 1 << 20);
    broken.push(Err("the network is gone"));
    assert_eq!(send(0, broken, sum.clone()).await.err().unwrap().status, 503);
    assert_eq!(fixture.offset(id).await, 0, "it could be damaged");
    send(0, pieces(&first, 1 << 20), sum).await.unwrap();
    let rest = whole.slice(first.len()..);
    let ended = send(first.len(), pieces(&rest, 1 << 20), Sha256::digest(&rest).to_vec()).await.unwrap();
    assert!(fixture.stored(&ended).await == whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_gateway_left_complete_is_ended_once() {
    let fixture = Fixture::new().await;
    let whole = text(PART_BYTES + 5);
    let id = fixture.begin(UploadKind::Whole, Some(whole.len() as u64)).await;
    // All bytes are on record, and then the gateway dies.
    let upload = fixture.ledger.claim(id, 0).await.unwrap().unwrap();
    let body = stream::iter(pieces(&whole, 1 << 20)).map(|piece| piece.map_err(BodyError::from)).boxed();
    let upload = Writer::open(&fixture.uploads, upload).await.unwrap().write(body, None).await.unwrap();
    assert!(upload.is_complete() && upload.outcome.is_none());
    assert_eq!(fixture.ledger.unfinished(Utc::now() + TimeDelta::hours(1), 10).await.unwrap(), [id]);
    // Its document was put on record, but not that it was.
    let upload = fixture.ledger.claim(id, whole.len() as u64).await.unwrap().unwrap();
    let ended = fixture.uploads.end(upload.clone(), &context()).await.unwrap();
    execute(&fixture.url, "UPDATE uploads SET outcome = NULL").await;
    let again = fixture.uploads.end(Resumable { is_stored: true, ..upload }, &context()).await.unwrap();
    assert_eq!(again.outcome, ended.outcome, "it is no duplicate of itself");
    assert!(fixture.stored(&again).await == whole);
    assert!(fixture.ledger.unfinished(Utc::now() + TimeDelta::hours(1), 10).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_again_are_a_duplicate_and_leave_nothing() {
    let fixture = Fixture::new().await;
    let whole = text(1_000);
    let mut outcomes = Vec::new();
    for _ in 0..2 {
        let id = fixture.begin(UploadKind::Whole, None).await;
        // The length comes with the last bytes.
        fixture.append(id, 0, pieces(&whole.slice(..600), 100)).await.unwrap();
        let body = stream::iter(pieces(&whole.slice(600..), 100))
            .map(|piece| piece.map_err(BodyError::from))
            .boxed();
        let ended = fixture.uploads.append(id, 600, Some(1_000), None, body, &context()).await.unwrap();
        outcomes.push(ended.outcome.unwrap());
    }
    assert_eq!((outcomes[0].duplicate, outcomes[1].duplicate), (false, true));
    assert_eq!(outcomes[0].document_id, outcomes[1].document_id);
    fixture.comes_to(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_of_partial_uploads() {
    let fixture = Fixture::new().await;
    let whole = text(2 * PART_BYTES + 77);
    let mut parts = Vec::new();
    for part in [whole.slice(..100), whole.slice(100..PART_BYTES + 5), whole.slice(PART_BYTES + 5..)] {
        let id = fixture.begin(UploadKind::Partial, Some(part.len() as u64)).await;
        fixture.append(id, 0, pieces(&part, 65_536)).await.unwrap();
        parts.push(id);
    }
    let said =
        Said::parse(&format!("filename {}", STANDARD.encode("whole.txt"))).map_err(|p| p.detail).unwrap();
    let begin = Begin { kind: UploadKind::Final, said, concat_said: Some("final;a b".into()), length: None };
    let ended = fixture.uploads.concatenate(begin, &parts, &context()).await.unwrap();
    assert!(fixture.stored(&ended).await == whole);
    // One that lacks bytes makes no document.
    let open = fixture.begin(UploadKind::Partial, Some(10)).await;
    let said = Said::parse("").map_err(|p| p.detail).unwrap();
    let begin = Begin { kind: UploadKind::Final, said, concat_said: None, length: None };
    let refused = fixture.uploads.concatenate(begin, &[parts[0], open], &context()).await.err().unwrap();
    assert_eq!(refused.kind, "/problems/partial_incomplete");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_or_given_up_leaves_nothing() {
    let fixture = Fixture::new().await;
    let id = fixture.begin(UploadKind::Whole, Some(20_000)).await;
    let program = Bytes::from([b"\x7fELF\x02\x01\x01\0".to_vec(), vec![0; 19_992]].concat());
    let refused = fixture.append(id, 0, pieces(&program, 1_000)).await.err().unwrap();
    assert_eq!(refused.status, 415, "{}", refused.detail);
    assert_eq!(fixture.uploads.find(id).await.err().unwrap().status, 404);

    let whole = text(2 * PART_BYTES);
    let id = fixture.begin(UploadKind::Whole, Some(whole.len() as u64)).await;
    fixture.append(id, 0, pieces(&whole.slice(..PART_BYTES + 9), 1 << 20)).await.unwrap();
    fixture.uploads.terminate(id).await.unwrap();
    assert_eq!(fixture.uploads.terminate(id).await.err().unwrap().status, 404);
    assert!(fixture.blobs.keys().is_empty(), "{:?}", fixture.blobs.keys());

    // More than it was to be.
    let id = fixture.begin(UploadKind::Whole, Some(10)).await;
    let refused = fixture.append(id, 0, vec![Ok(Bytes::from_static(b"twelve bytes"))]).await.err().unwrap();
    assert_eq!((refused.status, fixture.offset(id).await), (413, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_to_be_told_is_on_record_for_the_job_that_the_bytes_have() {
    let off = Fixture::new().await;
    let config = GatewayConfig {
        smtp_url: Some("smtp://127.0.0.1:1".into()),
        smtp_from: Some("rag@example.org".into()),
        ..GatewayConfig::default()
    };
    let on = Fixture::sending(off.url.clone(), off.ledger.clone(), off.blobs.clone(), config);
    let said = |address: &str| {
        let [name, address] = ["long.txt", address].map(|value| STANDARD.encode(value));
        Said::parse(&format!("filename {name},notify {address}")).map_err(|p| p.detail).unwrap()
    };
    let begin = |address| Begin {
        kind: UploadKind::Whole,
        said: said(address),
        concat_said: None,
        length: Some(5_000),
    };
    let problem = off.uploads.begin(begin("me@example.org"), &context()).await.err().unwrap();
    assert_eq!(problem.kind, "/problems/mail_off");
    let problem = on.uploads.begin(begin("me@elsewhere.org"), &context()).await.err().unwrap();
    assert_eq!(problem.kind, "/problems/invalid_field");

    let mut jobs = Vec::new();
    for address in ["me@example.org", "you@example.org"] {
        let id = on.uploads.begin(begin(address), &context()).await.unwrap().began.upload_id;
        let ended = on.append(id, 0, pieces(&text(5_000), 999)).await.unwrap();
        jobs.push((ended.began.job_id, ended.outcome.unwrap().job_id));
    }
    assert!(jobs[0].0 == jobs[0].1 && jobs[1].1 == jobs[0].0 && jobs[1].0 != jobs[0].0, "{jobs:?}");
    let told = on.ledger.told(About::Job(jobs[0].0), 10).await.unwrap();
    let addresses: Vec<_> = told.iter().map(|told| told.address.as_str()).collect();
    assert_eq!(addresses, ["me@example.org", "you@example.org"]);
    assert!(on.ledger.told(About::Job(jobs[1].0), 10).await.unwrap().is_empty());
}
