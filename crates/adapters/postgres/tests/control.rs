//! Commands of users on a real PostgreSQL: each is whole or not there, and no late
//! work undoes one, in whatever order it comes.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use ragstream_core::{
    chunk::{Chunk, ChunkStatus},
    document::{Document, DocumentRef, text_key},
    id::{JobId, Version},
    job::JobStage,
    lane::Lane,
    ports::{
        ControlRecords, Controlled, EmbeddingLedger, IndexLedger, IngestionLedger, Intake, JobCommand,
        JobControl, JobFilter, JobStatus, Lineage, Outbox, Outgoing, Placement, Removed, Trash, Wanted,
    },
};
use ragstream_postgres::Ledger;
use ragstream_testkit::MemoryPublisher;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};

/// Records that tell what they are by their keys.
struct Records;

impl ControlRecords for Records {
    fn request(&self, document: &Document, lane: Lane) -> Outgoing {
        record(&document.reference, lane)
    }

    fn gone(&self, removed: &Removed) -> Vec<Outgoing> {
        let gone = |key: String| Outgoing {
            topic: "log".into(),
            key,
            value: None,
            headers: Vec::new(),
            placement: Placement::By(removed.document_id.to_string()),
        };
        removed.chunks.iter().map(|id| gone(id.to_string())).collect()
    }

    fn deleted(&self, removed: &Removed) -> Vec<Outgoing> {
        let mut records = vec![Outgoing {
            topic: "log".into(),
            key: "deleted".into(),
            value: Some("deleted".into()),
            headers: Vec::new(),
            placement: Placement::ByKey,
        }];
        records.extend(self.gone(removed));
        records
    }
}

async fn command(ledger: &Ledger, job: JobId, command: JobCommand) -> Controlled {
    ledger.control(job, command, &Records).await.unwrap()
}

async fn done(ledger: &Ledger, job: JobId, with: JobCommand) -> JobStatus {
    match command(ledger, job, with).await {
        Controlled::Done(job) => *job,
        other => panic!("{with:?}: {other:?}"),
    }
}

async fn refused(ledger: &Ledger, job: JobId, with: JobCommand) -> JobStage {
    match command(ledger, job, with).await {
        Controlled::Refused(stage) => stage,
        other => panic!("{with:?}: {other:?}"),
    }
}

/// What the outbox holds, taken out.
async fn sent(ledger: &Ledger) -> Vec<Outgoing> {
    let publisher = MemoryPublisher::default();
    while ledger.relay(&publisher, 1000).await.unwrap() > 0 {}
    publisher.records().into_iter().map(|(record, _)| record).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_job_waits_and_a_resumed_one_is_asked_for_again() {
    let ledger = ledger().await;
    let document = accept(&ledger, upload("a", None)).await.document;
    let (id, version, job) = (document.document_id, document.version, document.job_id);
    let all = chunked(&ledger, &document, 2).await;
    let at = |chunk: &Chunk| (chunk.id, id, version);
    sent(&ledger).await;

    for _ in 0..2 {
        assert_eq!(done(&ledger, job, JobCommand::Pause).await.stage, JobStage::Paused);
    }
    assert_eq!(ledger.wanted(&[at(&all[0])]).await.unwrap(), [Wanted::No]);
    assert!(!ledger.is_wanted(id, version).await.unwrap());
    // What was in the model meanwhile is in the log, and stays.
    assert!(ledger.mark_embedded(&[(all[0].id, 0, 1)], "m").await.unwrap().is_empty());
    assert!(EmbeddingLedger::fail_chunk(&ledger, all[1].id, &given_up("t/0/9")).await.unwrap());
    assert!(ledger.begin_commit(&[(id, version)]).await.unwrap().is_empty());
    assert_eq!(stage(&ledger, &document).await, JobStage::Paused);
    assert_eq!(refused(&ledger, job, JobCommand::Retry).await, JobStage::Paused);
    assert!(sent(&ledger).await.is_empty());

    assert_eq!(done(&ledger, job, JobCommand::Resume).await.stage, JobStage::Accepted);
    assert_eq!(sent(&ledger).await, [record(&document, Lane::Express)]);
    chunked(&ledger, &document, 2).await;
    let wanted = ledger.wanted(&[at(&all[0]), at(&all[1])]).await.unwrap();
    assert_eq!(
        wanted,
        [Wanted::Embedded, Wanted::Yes],
        "nothing is embedded twice, what failed is tried again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_job_is_retried_with_its_failed_chunks() {
    let ledger = ledger().await;
    let document = accept(&ledger, upload("a", None)).await.document;
    let job = document.job_id;
    assert_eq!(refused(&ledger, job, JobCommand::Retry).await, JobStage::Accepted);
    let all = chunked(&ledger, &document, 2).await;
    EmbeddingLedger::fail_chunk(&ledger, all[1].id, &given_up("t/0/9")).await.unwrap();
    sent(&ledger).await;
    let retried = done(&ledger, job, JobCommand::Retry).await;
    assert_eq!((retried.stage, retried.attempts, retried.failure), (JobStage::Accepted, 0, None));
    assert_eq!(retried.chunks[&ChunkStatus::Pending], 2);
    assert_eq!(sent(&ledger).await, [record(&document, Lane::Express)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_was_sent_back_reopens_what_it_failed_and_only_that() {
    let ledger = ledger().await;
    let document = accept(&ledger, upload("a", None)).await.document;
    let (id, version) = (document.document_id, document.version);
    assert!(ledger.fail_job(id, version, &given_up("t/0/1"), &leaves_nothing).await.unwrap());
    // The same record again, after a crash before its offset was committed.
    assert!(!ledger.reopen_job(id, version, "t/0/1").await.unwrap());
    assert_eq!(stage(&ledger, &document).await, JobStage::Failed);
    assert!(ledger.reopen_job(id, version, "t/0/5").await.unwrap());
    assert_eq!(stage(&ledger, &document).await, JobStage::Accepted);

    let all = chunked(&ledger, &document, 3).await;
    for chunk in &all[..2] {
        assert!(EmbeddingLedger::fail_chunk(&ledger, chunk.id, &given_up("c/1/1")).await.unwrap());
    }
    ledger.reopen_chunks(&[(all[0].id, "c/1/1".into())]).await.unwrap();
    assert_eq!(ledger.wanted(&[(all[0].id, id, version)]).await.unwrap(), [Wanted::No]);
    ledger.reopen_chunks(&[(all[0].id, "c/1/8".into())]).await.unwrap();
    assert_eq!(ledger.wanted(&[(all[0].id, id, version)]).await.unwrap(), [Wanted::Yes]);
    assert_eq!(stage(&ledger, &document).await, JobStage::Failed, "another chunk has failed still");
    ledger.reopen_chunks(&[(all[1].id, "c/1/9".into())]).await.unwrap();
    assert_eq!(stage(&ledger, &document).await, JobStage::Embedding);

    let rows: Vec<_> = all.iter().map(|chunk| (chunk.id, 0, 1)).collect();
    ledger.mark_embedded(&rows, "m").await.unwrap();
    assert_eq!(ledger.begin_commit(&[(id, version)]).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_about_to_be_visible_is_not_called_back() {
    let ledger = ledger().await;
    let document = accept(&ledger, upload("a", None)).await.document;
    let (id, version, job) = (document.document_id, document.version, document.job_id);
    let all = chunked(&ledger, &document, 1).await;
    ledger.mark_embedded(&[(all[0].id, 0, 1)], "m").await.unwrap();
    assert_eq!(ledger.begin_commit(&[(id, version)]).await.unwrap().len(), 1);
    for late in [JobCommand::Pause, JobCommand::Cancel] {
        assert_eq!(refused(&ledger, job, late).await, JobStage::Indexing);
    }
    ledger.mark_indexed(&[all[0].id], &[(id, version)]).await.unwrap();
    assert_eq!(refused(&ledger, job, JobCommand::Cancel).await, JobStage::Complete);

    // Its record can go, the document stays.
    assert!(matches!(ledger.forget(job).await.unwrap(), Controlled::Done(_)));
    assert!(ledger.job(job).await.unwrap().is_none());
    assert!(matches!(ledger.forget(job).await.unwrap(), Controlled::NotFound));
    assert!(ledger.document(id).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_listed_newest_first_and_page_by_page() {
    let ledger = ledger().await;
    let mut jobs = Vec::new();
    for i in 0..5 {
        jobs.push(accept(&ledger, upload(&i.to_string(), None)).await.document);
    }
    ledger.fail_job(jobs[1].document_id, Version(1), &given_up("t/0/1"), &leaves_nothing).await.unwrap();
    let list = |filter: JobFilter| {
        let ledger = &ledger;
        async move { ledger.jobs(&filter).await.unwrap().iter().map(|job| job.job_id).collect::<Vec<_>>() }
    };
    let page = |before, limit| JobFilter { before, limit, ..JobFilter::default() };
    let ids: Vec<_> = jobs.iter().rev().map(|document| document.job_id).collect();
    assert_eq!(list(page(None, 3)).await, ids[..3]);
    assert_eq!(list(page(Some(ids[2]), 3)).await, ids[3..]);
    assert_eq!(list(JobFilter { active: true, ..page(None, 9) }).await, [ids[0], ids[1], ids[2], ids[4]]);
    assert_eq!(list(JobFilter { stage: Some(JobStage::Failed), ..page(None, 9) }).await, [ids[3]]);
    assert_eq!(list(JobFilter { document_id: Some(jobs[0].document_id), ..page(None, 9) }).await, [ids[4]]);
    assert!(matches!(ledger.forget(ids[0]).await.unwrap(), Controlled::Refused(JobStage::Accepted)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_takes_rows_blobs_and_records_in_one_step() {
    let ledger = ledger().await;
    let document = accept(&ledger, upload("a", Some("x"))).await.document;
    let all = chunked(&ledger, &document, 2).await;
    sent(&ledger).await;
    let removed = ledger.delete(document.document_id, &Records).await.unwrap().unwrap();
    assert_eq!((removed.chunks.len(), removed.versions.clone()), (2, vec![Version(1)]));
    let keys: Vec<_> =
        sent(&ledger).await.into_iter().map(|record| (record.key, record.value.is_some())).collect();
    assert_eq!(keys[0], ("deleted".into(), true));
    assert!(all.iter().all(|chunk| keys.contains(&(chunk.id.to_string(), false))));
    let mut discarded = ledger.discarded(9).await.unwrap();
    discarded.sort();
    assert_eq!(discarded, [text_key(document.document_id, Version(1)), "uploads/a".into()]);
    assert!(ledger.document(document.document_id).await.unwrap().is_none());
    assert!(ledger.job(document.job_id).await.unwrap().is_none());
    assert!(ledger.delete(document.document_id, &Records).await.unwrap().is_none());
    assert!(matches!(command(&ledger, document.job_id, JobCommand::Cancel).await, Controlled::NotFound));
    // The same bytes and the same id are a new document.
    let again = accept(&ledger, upload("a", Some("x"))).await;
    assert!(!again.duplicate && again.document.document_id != document.document_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bytes_of_a_cancelled_job_uploaded_again_are_its_next_version() {
    let ledger = ledger().await;
    let first = accept(&ledger, upload("a", None)).await.document;
    done(&ledger, first.job_id, JobCommand::Cancel).await;
    let again: Vec<_> = futures::future::join_all((0..8).map(|_| accept(&ledger, upload("a", None)))).await;
    let new: Vec<_> = again.iter().filter(|accepted| !accepted.duplicate).collect();
    assert_eq!(new.len(), 1, "one of many that come at once");
    assert_eq!((new[0].document.document_id, new[0].document.version), (first.document_id, Version(2)));
    assert!(matches!(command(&ledger, first.job_id, JobCommand::Cancel).await, Controlled::Superseded));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_update_takes_along_what_it_superseded_half_done() {
    let ledger = ledger().await;
    let mut whole = Vec::new();
    for (name, count, embedded) in [("half", 2, 1), ("whole", 1, 1)] {
        let first = accept(&ledger, upload(&format!("{name}-1"), Some(name))).await.document;
        let (id, version) = (first.document_id, first.version);
        let old = chunked(&ledger, &first, count).await;
        let rows: Vec<_> = old.iter().take(embedded).map(|chunk| (chunk.id, 0, 1)).collect();
        ledger.mark_embedded(&rows, "m").await.unwrap();
        whole.push(ledger.begin_commit(&[(id, version)]).await.unwrap().len() == 1);
        let second = accept(&ledger, upload(&format!("{name}-2"), Some(name))).await.document;
        let new = chunked(&ledger, &second, 1).await;
        sent(&ledger).await;
        done(&ledger, second.job_id, JobCommand::Cancel).await;

        let mut expected = vec![new[0].id.to_string()];
        let mut wanted = Wanted::No;
        if name == "half" {
            expected.extend(old.iter().map(|chunk| chunk.id.to_string()));
            wanted = Wanted::Gone;
        }
        let mut keys: Vec<_> = sent(&ledger).await.into_iter().map(|record| record.key).collect();
        expected.sort();
        keys.sort();
        assert_eq!(keys, expected, "{name}");
        assert_eq!(ledger.wanted(&[(old[0].id, id, version)]).await.unwrap(), [wanted], "{name}");
    }
    // What may have its marker is shown once an index has read that.
    assert_eq!(whole, [false, true]);
}

/// Everything that workers do to a version, in an order of its own.
async fn late_work(ledger: &Ledger, document: &DocumentRef, all: &[Chunk], rng: &mut StdRng) {
    let (id, version) = (document.document_id, document.version);
    let rows: Vec<_> = all.iter().map(|chunk| (chunk.id, 0, 1)).collect();
    let ids: Vec<_> = all.iter().map(|chunk| chunk.id).collect();
    let mut steps: Vec<u8> = (0..11).collect();
    steps.shuffle(rng);
    for step in steps {
        match step {
            0 => drop(ledger.begin_attempt(id, version).await.unwrap()),
            1 => drop(ledger.begin_chunking(id, version).await.unwrap()),
            2 => drop(
                ledger.record_chunks(id, version, all, all.len() as u32, &Lineage::default()).await.unwrap(),
            ),
            3 => drop(ledger.mark_embedded(&rows, "m").await.unwrap()),
            4 => {
                let plans = ledger.begin_commit(&[(id, version)]).await.unwrap();
                ledger.finish_commit(&plans, &|_| Vec::new()).await.unwrap();
            }
            5 => ledger.mark_indexed(&ids, &[(id, version)]).await.unwrap(),
            6 => drop(EmbeddingLedger::fail_chunk(ledger, ids[0], &given_up("c/0/1")).await.unwrap()),
            7 => drop(ledger.fail_job(id, version, &given_up("t/0/1"), &|_| Vec::new()).await.unwrap()),
            8 => drop(ledger.reopen_job(id, version, "t/0/2").await.unwrap()),
            9 => ledger.reopen_chunks(&[(ids[0], "c/0/2".into())]).await.unwrap(),
            _ => drop(ledger.is_wanted(id, version).await.unwrap()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cancelled_deleted_or_superseded_stays_so_whatever_comes_late_and_in_whatever_order() {
    let ledger = ledger().await;
    for seed in 0..60_u64 {
        let mut rng = StdRng::seed_from_u64(seed);
        let name = format!("late-{seed}");
        let document = accept(&ledger, upload(&name, Some(&name))).await.document;
        let (id, version) = (document.document_id, document.version);
        let all = chunks(&document, 3);
        // Some of the work is done in time.
        if rng.random_bool(0.7) {
            chunked(&ledger, &document, 3).await;
            let some: Vec<_> =
                all.iter().take(rng.random_range(0..3)).map(|chunk| (chunk.id, 0, 1)).collect();
            ledger.mark_embedded(&some, "m").await.unwrap();
        }
        let end = seed % 3;
        let next = match end {
            0 => {
                assert_eq!(
                    done(&ledger, document.job_id, JobCommand::Cancel).await.stage,
                    JobStage::Cancelled
                );
                None
            }
            1 => {
                ledger.delete(id, &Records).await.unwrap().unwrap();
                None
            }
            _ => Some(accept(&ledger, upload(&format!("{name}-2"), Some(&name))).await.document),
        };
        late_work(&ledger, &document, &all, &mut rng).await;
        late_work(&ledger, &document, &all, &mut rng).await;

        let job = ledger.job(document.job_id).await.unwrap();
        let wanted = ledger.wanted(&[(all[0].id, id, version)]).await.unwrap();
        match end {
            1 => {
                assert!(job.is_none() && ledger.document(id).await.unwrap().is_none(), "seed {seed}");
                assert_eq!(wanted, [Wanted::Gone], "seed {seed}");
            }
            _ => assert_eq!(job.unwrap().stage, JobStage::Cancelled, "seed {seed}"),
        }
        if end == 0 {
            assert_eq!(wanted, [Wanted::Gone], "seed {seed}");
            let (_, rows) = ledger.chunks(id, 0, 10).await.unwrap();
            assert!(rows.is_empty(), "seed {seed}: {rows:?}");
        }
        if let Some(next) = next {
            assert_ne!(wanted, [Wanted::Yes], "seed {seed}");
            assert_eq!(stage(&ledger, &next).await, JobStage::Accepted, "seed {seed}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_and_workers_at_once_leave_nothing_half_done() {
    let ledger = ledger().await;
    for round in 0..30_u64 {
        let name = format!("race-{round}");
        let document = accept(&ledger, upload(&name, None)).await.document;
        let (id, version) = (document.document_id, document.version);
        let all = chunks(&document, 5);
        let rows: Vec<_> = all.iter().map(|chunk| (chunk.id, 0, 1)).collect();
        let work = async {
            ledger.begin_attempt(id, version).await?;
            ledger.begin_chunking(id, version).await?;
            ledger.record_chunks(id, version, &all, all.len() as u32, &Lineage::default()).await?;
            ledger.mark_embedded(&rows, "m").await?;
            ledger.begin_commit(&[(id, version)]).await
        };
        let end = async {
            tokio::time::sleep(std::time::Duration::from_micros(400 * round)).await;
            if round % 2 == 0 {
                ledger.delete(id, &Records).await.map(|_| true)
            } else {
                let outcome = ledger.control(document.job_id, JobCommand::Cancel, &Records).await?;
                Ok(matches!(outcome, Controlled::Done(_)))
            }
        };
        let (plans, ended) = futures::join!(work, end);
        let (_, left) = ledger.chunks(id, 0, 10).await.unwrap();
        match ended.unwrap() {
            true => assert!(left.is_empty(), "round {round}: {left:?}"),
            // It was too late: the version is about to be visible, and all of it is there.
            false => assert_eq!((plans.unwrap().len(), left.len()), (1, 5), "round {round}"),
        }
    }
}
