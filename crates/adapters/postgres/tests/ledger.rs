//! The ledgers on a real PostgreSQL: idempotent, monotone, fenced.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use ragstream_core::{
    chunk::ChunkStatus,
    document::text_key,
    id::{ChunkId, DocumentId, Version},
    job::JobStage,
    ports::{
        CommitPlan, EmbeddingLedger, IndexLedger, IngestionLedger, Intake, Lineage, Outbox, Outgoing,
        Placement, Publisher, Trash, Wanted,
    },
};
use ragstream_postgres::{Ledger, LedgerConfig};
use ragstream_testkit::MemoryPublisher;

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_are_one_document_however_many_upload_them_at_once() {
    let ledger = ledger().await;
    let uploads = (0..20).map(|_| accept(&ledger, upload("same", None)));
    let accepted = futures::future::join_all(uploads).await;
    let new: Vec<_> = accepted.iter().filter(|a| !a.duplicate).collect();
    assert_eq!(new.len(), 1);
    assert!(accepted.iter().all(|a| a.document == new[0].document && a.batch_id == new[0].batch_id));
    assert_eq!(ledger.backlog().await.unwrap().0, 1, "one record for one document");
    let found = ledger.document(new[0].document.document_id).await.unwrap().unwrap();
    assert_eq!(found.reference, new[0].document);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_file_says_about_itself_is_that_of_the_current_version() {
    let ledger = ledger().await;
    let first = accept(&ledger, upload("v1", Some("x"))).await.document;
    let id = first.document_id;
    assert_eq!(ledger.lineage(id).await.unwrap(), None);
    let said = |title: &str| Lineage {
        extractor: "test/1".to_owned(),
        pages: Some(3),
        title: Some(title.to_owned()),
        properties: [("author".to_owned(), "Ada".into()), ("sheets".to_owned(), 2.into())]
            .into_iter()
            .collect(),
        ..Lineage::default()
    };
    let extracted = async |version: Version, title: &str| {
        ledger.begin_attempt(id, version).await.unwrap();
        assert!(ledger.begin_chunking(id, version).await.unwrap());
        ledger.record_chunks(id, version, &[], 0, &said(title)).await.unwrap()
    };
    assert!(extracted(first.version, "One").await);
    assert_eq!(ledger.lineage(id).await.unwrap(), Some(said("One")));
    let second = accept(&ledger, upload("v2", Some("x"))).await.document;
    assert_eq!(ledger.lineage(id).await.unwrap(), None, "the current version was not read yet");
    assert!(!ledger.record_chunks(id, first.version, &[], 0, &said("late")).await.unwrap());
    assert!(extracted(second.version, "Two").await);
    assert_eq!(ledger.lineage(id).await.unwrap(), Some(said("Two")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_is_the_next_version_and_fences_the_one_before() {
    let ledger = ledger().await;
    let first = accept(&ledger, upload("v1", Some("x"))).await.document;
    let old = chunked(&ledger, &first, 2).await;
    let second = accept(&ledger, upload("v2", Some("x"))).await.document;
    assert_eq!((second.document_id, second.version), (first.document_id, Version(2)));
    assert_eq!(stage(&ledger, &first).await, JobStage::Cancelled);

    // Late work for the first version changes nothing.
    let (id, version) = (first.document_id, first.version);
    assert!(!ledger.is_wanted(id, version).await.unwrap());
    assert!(ledger.begin_attempt(id, version).await.unwrap().is_none());
    assert!(ledger.resume_attempt(id, version).await.unwrap().is_none());
    assert!(!ledger.record_chunks(id, version, &chunks(&first, 5), 5, &Lineage::default()).await.unwrap());
    let failure = given_up("t/0/1");
    assert!(!ledger.fail_job(id, version, &failure, &leaves_nothing).await.unwrap());
    assert_eq!(ledger.wanted(&[(old[0].id, id, version)]).await.unwrap(), [Wanted::No]);
    assert_eq!(stage(&ledger, &first).await, JobStage::Cancelled);

    // The second version retires the chunks of the first.
    let new = chunked(&ledger, &second, 1).await;
    ledger.mark_embedded(&[(new[0].id, 0, 7)], "m").await.unwrap();
    let plans = ledger.begin_commit(&[(id, second.version)]).await.unwrap();
    let mut retired = plans[0].retired.clone();
    retired.sort();
    let mut expected: Vec<_> = old.iter().map(|chunk| (version, chunk.id)).collect();
    expected.sort();
    assert_eq!(retired, expected);
    ledger.finish_commit(&plans, &|_| Vec::new()).await.unwrap();
    // A crash before the marker was appended: whoever does it again is told again.
    let again = ledger.begin_commit(&[(id, second.version)]).await.unwrap();
    assert_eq!((again.len(), again[0].retired.len()), (1, 0));
    ledger.mark_indexed(&[new[0].id], &[(id, second.version)]).await.unwrap();
    assert!(ledger.begin_commit(&[(id, second.version)]).await.unwrap().is_empty());
    assert_eq!(ledger.wanted(&[(old[0].id, id, version)]).await.unwrap(), [Wanted::Gone]);
    let discarded = ledger.discarded(10).await.unwrap();
    assert_eq!(discarded, ["uploads/v1".to_owned(), text_key(id, version)]);
    ledger.emptied(&discarded).await.unwrap();
    assert!(ledger.discarded(10).await.unwrap().is_empty());

    // And the same bytes as another document are that document.
    assert!(accept(&ledger, upload("v2", Some("y"))).await.duplicate);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_marker_and_farewell_leaves_the_old_version_to_whoever_comes_next() {
    let ledger = ledger().await;
    let first = accept(&ledger, upload("v1", Some("x"))).await.document;
    let old = chunked(&ledger, &first, 2).await;
    let second = accept(&ledger, upload("v2", Some("x"))).await.document;
    let version = (second.document_id, second.version);
    let new = chunked(&ledger, &second, 1).await;
    ledger.mark_embedded(&[(new[0].id, 0, 7)], "m").await.unwrap();
    assert_eq!(ledger.begin_commit(&[version]).await.unwrap().len(), 1);
    // The marker is appended, an index shows the version, the worker dies.
    ledger.mark_indexed(&[new[0].id], &[version]).await.unwrap();

    let plans = ledger.begin_commit(&[version]).await.unwrap();
    assert_eq!((plans.len(), plans[0].retired.len()), (1, old.len()));
    assert_eq!((plans[0].job_id, plans[0].chunk_count), (second.job_id, 1));
    ledger.finish_commit(&plans, &|_| Vec::new()).await.unwrap();
    assert_eq!(
        ledger.discarded(10).await.unwrap(),
        ["uploads/v1".to_owned(), text_key(first.document_id, first.version)]
    );
    assert!(ledger.begin_commit(&[version]).await.unwrap().is_empty());
    assert_eq!(stage(&ledger, &second).await, JobStage::Complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_late_worker_appends_of_a_retired_chunk_is_followed_by_a_tombstone() {
    let ledger = ledger().await;
    let log = MemoryPublisher::default();
    let first = accept(&ledger, upload("v1", Some("x"))).await.document;
    let old = chunked(&ledger, &first, 1).await;
    let second = accept(&ledger, upload("v2", Some("x"))).await.document;
    let new = chunked(&ledger, &second, 1).await;
    ledger.mark_embedded(&[(new[0].id, 0, 7)], "m").await.unwrap();
    let plans = ledger.begin_commit(&[(second.document_id, second.version)]).await.unwrap();
    // The marker is appended. A worker that began before the update comes to its end.
    let of_chunk = |chunk: ChunkId, value: Option<&'static str>| Outgoing {
        topic: "log".into(),
        key: chunk.to_string(),
        value: value.map(Into::into),
        headers: Vec::new(),
        placement: Placement::By(first.document_id.to_string()),
    };
    log.append(vec![of_chunk(old[0].id, Some("late"))]).await.unwrap();
    assert!(ledger.mark_embedded(&[(old[0].id, 0, 8)], "m").await.unwrap().is_empty());
    let farewell = |plan: &CommitPlan| plan.retired.iter().map(|(_, id)| of_chunk(*id, None)).collect();
    ledger.finish_commit(&plans, &farewell).await.unwrap();

    while ledger.relay(&log, 100).await.unwrap() > 0 {}
    let last = log.of_topic("log").into_iter().rfind(|record| record.key == old[0].id.to_string()).unwrap();
    assert_eq!(last.value, None);
    // One that comes later still is told to see to it.
    assert_eq!(ledger.mark_embedded(&[(old[0].id, 0, 9)], "m").await.unwrap(), [old[0].id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_ready_once_all_its_chunks_are_in_the_log_and_statuses_never_move_back() {
    let ledger = ledger().await;
    let document = accept(&ledger, upload("a", None)).await.document;
    let all = chunked(&ledger, &document, 3).await;
    // The work is done again after a crash.
    let all_again = chunked(&ledger, &document, 3).await;
    assert_eq!(all, all_again);
    let version = (document.document_id, document.version);
    let job = ledger.job(document.job_id).await.unwrap().unwrap();
    assert_eq!((job.attempts, job.chunks_total), (2, Some(3)));
    let resumed = ledger.resume_attempt(version.0, version.1).await.unwrap().unwrap();
    assert_eq!((resumed.number, resumed.has_chunks), (2, true));
    assert_eq!(job.chunks[&ChunkStatus::Pending], 3);

    ledger.mark_embedded(&[(all[0].id, 1, 10), (all[1].id, 1, 11)], "m").await.unwrap();
    assert!(ledger.begin_commit(&[version]).await.unwrap().is_empty());
    // The index may be faster than the row's own mark.
    ledger.mark_indexed(&[all[2].id], &[]).await.unwrap();
    ledger.mark_embedded(&[(all[2].id, 1, 12)], "m").await.unwrap();
    let plans = ledger.begin_commit(&[version]).await.unwrap();
    assert_eq!((plans.len(), plans[0].chunk_count), (1, 3));
    ledger.finish_commit(&plans, &|_| Vec::new()).await.unwrap();
    let ids: Vec<_> = all.iter().map(|chunk| chunk.id).collect();
    ledger.mark_indexed(&ids, &[version]).await.unwrap();
    assert_eq!(stage(&ledger, &document).await, JobStage::Complete);

    // Late messages of all kinds.
    ledger.mark_embedded(&[(all[0].id, 1, 10)], "m").await.unwrap();
    let failure = given_up("t/0/1");
    assert!(!EmbeddingLedger::fail_chunk(&ledger, all[0].id, &failure).await.unwrap());
    assert!(ledger.begin_attempt(version.0, version.1).await.unwrap().is_none());
    let (_, rows) = ledger.chunks(document.document_id, 0, 10).await.unwrap();
    assert!(rows.iter().all(|row| row.status == ChunkStatus::Indexed));
    assert_eq!(rows[0].headings, ["One, \"two\""]);
    assert_eq!(rows[0].record, Some((1, 10)));
    assert_eq!(stage(&ledger, &document).await, JobStage::Complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_given_up_fails_its_job_with_the_reason() {
    let ledger = ledger().await;
    let document = accept(&ledger, upload("a", None)).await.document;
    let all = chunked(&ledger, &document, 2).await;
    let failure = given_up("t/0/1");
    assert!(EmbeddingLedger::fail_chunk(&ledger, all[0].id, &failure).await.unwrap());
    let job = ledger.job(document.job_id).await.unwrap().unwrap();
    assert_eq!((job.stage, job.failure), (JobStage::Failed, Some(failure.failure)));
    assert_eq!(job.chunks[&ChunkStatus::Failed], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outbox_keeps_what_was_not_acknowledged_and_relays_in_order() {
    let ledger = ledger().await;
    let publisher = MemoryPublisher::default();
    let mut documents = Vec::new();
    for i in 0..5 {
        documents.push(accept(&ledger, upload(&i.to_string(), None)).await.document.document_id.to_string());
    }
    publisher.fail_next(1);
    assert!(ledger.relay(&publisher, 3).await.unwrap_err().is_unavailable());
    let (waiting, oldest) = ledger.backlog().await.unwrap();
    assert!(waiting == 5 && oldest.is_some());

    assert_eq!(ledger.relay(&publisher, 3).await.unwrap(), 3);
    assert_eq!(ledger.relay(&publisher, 3).await.unwrap(), 2);
    assert_eq!(ledger.relay(&publisher, 3).await.unwrap(), 0);
    let keys: Vec<_> =
        publisher.of_topic("doc-ingest-requests").into_iter().map(|record| record.key).collect();
    assert_eq!(keys, documents);
    assert_eq!(ledger.backlog().await.unwrap(), (0, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_unavailable_and_blobs_without_a_row_are_known() {
    let away = Ledger::new(&LedgerConfig::new("postgres://nobody@127.0.0.1:9/none")).unwrap();
    assert!(away.document(DocumentId::generate()).await.unwrap_err().is_unavailable());
    assert!(Ledger::new(&LedgerConfig::new("not an address")).is_err());

    let ledger = ledger().await;
    let document = accept(&ledger, upload("named", None)).await.document;
    let text = text_key(document.document_id, document.version);
    let orphan = text_key(DocumentId::generate(), Version(1));
    let keys = ["uploads/named".to_owned(), "uploads/orphan".to_owned(), text, orphan.clone()];
    assert_eq!(ledger.unreferenced(&keys).await.unwrap(), ["uploads/orphan", orphan.as_str()]);
}
