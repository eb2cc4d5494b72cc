//! Mail on PostgreSQL, to a mail server of the test's own.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::GatewayConfig;
use ragstream_core::{
    document::{Blob, DocumentRef},
    id::DocumentId,
    lane::Lane,
    ports::{Batches, Intake, Jobless, NewBatch, NewUpload, Outgoing, Placement, Why},
    topics,
};
use ragstream_postgres::{Ledger, LedgerConfig};
use ragstream_testkit::{execute, fresh_database};
use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A mail server (RFC 5321) that keeps what it is sent, and answers recipients as a test wants.
struct Server {
    port: u16,
    mails: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Server {
    /// `recipient` is the answer to `RCPT TO`.
    async fn start(recipient: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (mails, connections) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let (kept, count) = (mails.clone(), connections.clone());
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(talk(socket, recipient, kept.clone()));
            }
        });
        Self { port, mails, connections, task }
    }

    fn mails(&self) -> Vec<String> {
        self.mails.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn talk(socket: TcpStream, recipient: &str, mails: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let (read, mut write) = socket.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 test\r\n").await.ok()?;
    while let Some(line) = lines.next_line().await.ok()? {
        let word = line.split(' ').next().unwrap_or_default().to_uppercase();
        let answer = match word.as_str() {
            "EHLO" => "250-test\r\n250 8BITMIME",
            "RCPT" => recipient,
            "DATA" => {
                write.write_all(b"354 go on\r\n").await.ok()?;
                let mut mail = format!("{line}\n");
                loop {
                    let line = lines.next_line().await.ok()??;
                    if line == "." {
                        break;
                    }
                    mail.push_str(line.strip_prefix('.').unwrap_or(&line));
                    mail.push('\n');
                }
                mails.lock().unwrap().push(mail);
                "250 taken"
            }
            "QUIT" => "221 bye",
            _ => "250 ok",
        };
        write.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
    }
    Some(())
}

struct Fixture {
    url: String,
    ledger: Arc<Ledger>,
}

impl Fixture {
    async fn new() -> Self {
        let url = fresh_database("").await;
        let ledger = Arc::new(Ledger::new(&LedgerConfig::new(url.clone())).unwrap());
        ledger.apply_schema().await.unwrap();
        Self { url, ledger }
    }

    /// A gateway that sends mail to this port.
    fn notifier(&self, port: u16) -> Notifier {
        let config = GatewayConfig {
            smtp_url: Some(format!("smtp://127.0.0.1:{port}")),
            smtp_from: Some("Ragstream <rag@example.org>".into()),
            public_url: Some("https://rag.example.org/".into()),
            ..GatewayConfig::default()
        };
        Notifier::new(self.ledger.clone(), Mailer::of(&config).unwrap())
    }

    /// A batch of these files, each with its stage, and who is to be told of it.
    async fn batch(&self, files: &[(&str, &str)], address: &str) -> BatchId {
        let batch_id = BatchId::generate();
        let batch = NewBatch {
            batch_id,
            name: Some("A\r\nBcc: evil@example.org".into()),
            files_total: files.len() as u32,
        };
        // As routes do: first the notice.
        self.ledger.tell(About::Batch(batch_id), address).await.unwrap();
        self.ledger.announce(&batch).await.unwrap();
        for (name, stage) in files {
            self.file(batch_id, name, stage).await;
        }
        batch_id
    }

    async fn file(&self, batch_id: BatchId, name: &str, stage: &str) -> JobId {
        let upload = NewUpload {
            document_id: DocumentId::generate(),
            job_id: JobId::generate(),
            batch_id,
            collection: "default".into(),
            external_id: None,
            filename: name.into(),
            content_type: "text/plain".into(),
            metadata: Default::default(),
            priority: 5,
            blob: Blob {
                key: format!("uploads/{batch_id}/{name}"),
                size: 3,
                sha256: format!("{batch_id}{name}"),
            },
            correlation_id: "c".into(),
        };
        let job_id = upload.job_id;
        self.ledger.accept(upload, &record).await.unwrap();
        self.becomes(job_id, stage).await;
        job_id
    }

    async fn becomes(&self, job_id: JobId, stage: &str) {
        execute(
            &self.url,
            &format!(
                "UPDATE document_jobs SET stage = '{stage}', error_message = 'it is encrypted: send it without'
                  WHERE job_id = '{job_id}'"
            ),
        )
        .await;
    }

    /// Pauses are left out.
    async fn all_due(&self) {
        execute(&self.url, "UPDATE notices SET due_at = now() WHERE settled_at IS NULL").await;
    }

    async fn told(&self, about: About) -> Vec<(bool, Option<String>)> {
        let told = self.ledger.told(about, 10).await.unwrap();
        told.into_iter().map(|told| (told.settled_at.is_some(), told.error)).collect()
    }
}

fn record(document: &DocumentRef, lane: Lane) -> Outgoing {
    Outgoing {
        topic: topics::ingest_requests(lane).into(),
        key: document.document_id.to_string(),
        value: None,
        headers: Vec::new(),
        placement: Placement::ByKey,
    }
}

async fn round(notifier: &Notifier) -> Duration {
    notifier.round(notifier.mailer.as_ref().unwrap(), &mut 0).await
}

/// The text of a mail that is encoded line by line (quoted-printable, RFC 2045) or not at all.
fn text(mail: &str) -> String {
    mail.replace("=\n", "").replace("=3D", "=")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_with_a_failed_file_is_told_once_when_all_of_it_is_over_though_two_gateways_look() {
    let fixture = Fixture::new().await;
    let server = Server::start("250 ok").await;
    let (one, other) = (fixture.notifier(server.port), fixture.notifier(server.port));
    let files = [("a.txt", "complete"), ("geheim.pdf", "failed"), ("c.txt", "embedding")];
    let batch_id = fixture.batch(&files, "me@example.org").await;
    // Every file of a folder may ask; and nothing came of this job.
    fixture.ledger.tell(About::Batch(batch_id), "me@example.org").await.unwrap();
    fixture.ledger.tell(About::Job(JobId::generate()), "me@example.org").await.unwrap();
    round(&one).await;
    fixture.all_due().await;
    round(&one).await;
    assert_eq!(server.connections.load(Ordering::SeqCst), 0, "a file is under way");

    execute(&fixture.url, "UPDATE document_jobs SET stage = 'complete' WHERE stage = 'embedding'").await;
    fixture.all_due().await;
    tokio::join!(round(&one), round(&other));
    fixture.all_due().await;
    tokio::join!(round(&one), round(&other));
    let mails = server.mails();
    assert_eq!(mails.len(), 1, "{mails:?}");
    let mail = text(&mails[0]);
    let (head, body) = mail.split_once("\n\n").unwrap();
    let has = |line: &str| assert!(head.lines().any(|l| l == line), "{line}: {head}");
    has("Subject: Ragstream: 1 of 3 documents failed");
    has("From: Ragstream <rag@example.org>");
    has("To: me@example.org");
    has("Auto-Submitted: auto-generated");
    assert!(head.contains("\nMessage-ID: <") && head.contains("@example.org>\n"), "{head}");
    assert!(!head.contains("Bcc") && body.contains("A  Bcc: evil@example.org"), "{mail}");
    assert!(body.contains("2 of 3: searchable") && body.contains("1 of 3: failed"), "{body}");
    assert!(body.contains("- geheim.pdf: it is encrypted: send it without"), "{body}");
    assert!(body.contains(&format!("https://rag.example.org/#/batches/{batch_id}")), "{body}");
    assert_eq!(fixture.told(About::Batch(batch_id)).await, [(true, None)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_is_away_is_waited_for_and_a_try_again_is_the_same_message() {
    let fixture = Fixture::new().await;
    // Nobody listens there.
    let notifier = fixture.notifier(1);
    let about = About::Batch(fixture.batch(&[("a.txt", "complete")], "me@example.org").await);
    let mut outages = 0;
    let mut pauses = Vec::new();
    for _ in 0..12 {
        fixture.all_due().await;
        pauses.push(notifier.round(notifier.mailer.as_ref().unwrap(), &mut outages).await);
    }
    assert_eq!((pauses[0], pauses[1], pauses[11]), (FIRST_OUTAGE, FIRST_OUTAGE * 2, LONGEST_OUTAGE));
    assert_eq!(fixture.attempts().await, 0, "no attempt is used up");
    assert_eq!(fixture.told(about).await, [(false, None)]);

    // It is back, but closes at once what is about a mail: an outage too.
    let closing = Server::start("421 closing").await;
    let notifier = fixture.notifier(closing.port);
    fixture.all_due().await;
    notifier.round(notifier.mailer.as_ref().unwrap(), &mut outages).await;
    assert_eq!((fixture.attempts().await, fixture.told(about).await), (0, vec![(false, None)]));

    let server = Server::start("250 ok").await;
    let notifier = fixture.notifier(server.port);
    fixture.all_due().await;
    assert_eq!(notifier.round(notifier.mailer.as_ref().unwrap(), &mut outages).await, Duration::ZERO);
    assert_eq!((outages, fixture.told(about).await), (0, vec![(true, None)]));
    // The gateway died before it could say so.
    execute(&fixture.url, "UPDATE notices SET settled_at = NULL").await;
    fixture.all_due().await;
    round(&notifier).await;
    let id = |mail: &String| mail.lines().find(|line| line.starts_with("Message-ID")).unwrap().to_owned();
    let ids: Vec<_> = server.mails().iter().map(id).collect();
    assert!(ids.len() == 2 && ids[0] == ids[1], "{ids:?}");
}

impl Fixture {
    /// Attempts of the only notice.
    async fn attempts(&self) -> u32 {
        self.all_due().await;
        let taken = self.ledger.claim_notices(1, TimeDelta::zero()).await.unwrap();
        taken[0].attempts
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_for_good_is_given_up_with_its_reason_and_not_now_is_tried_again() {
    let fixture = Fixture::new().await;
    let server = Server::start("550 there is no such person").await;
    let notifier = fixture.notifier(server.port);
    let batch_id = BatchId::generate();
    let job_id = fixture.file(batch_id, "a.txt", "complete").await;
    let about = About::Job(job_id);
    fixture.ledger.tell(about, "gone@example.org").await.unwrap();
    round(&notifier).await;
    let told = fixture.told(about).await;
    assert!(matches!(&told[..], [(true, Some(why))] if why.contains("no such person")), "{told:?}");
    let shown = notifier.told(about).await.unwrap();
    assert!(shown[0].sent_at.is_none() && shown[0].error.is_some());
    fixture.all_due().await;
    let before = server.connections.load(Ordering::SeqCst);
    round(&notifier).await;
    assert_eq!(server.connections.load(Ordering::SeqCst), before, "it is not tried again");

    let busy = Server::start("451 greylisted").await;
    let notifier = fixture.notifier(busy.port);
    fixture.ledger.tell(about, "later@example.org").await.unwrap();
    for tried in 1..=3 {
        fixture.all_due().await;
        round(&notifier).await;
        assert_eq!(fixture.attempts().await, tried);
    }
    execute(&fixture.url, &format!("UPDATE notices SET attempts = {}", ATTEMPTS - 1)).await;
    fixture.all_due().await;
    round(&notifier).await;
    let told = fixture.told(about).await;
    assert!(matches!(&told[1], (true, Some(why)) if why.contains("greylisted")), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_are_told_of_with_what_became_of_the_first_and_records_take_notices_along() {
    let fixture = Fixture::new().await;
    let server = Server::start("250 ok").await;
    let notifier = fixture.notifier(server.port);
    let first = fixture.file(BatchId::generate(), "a.txt", "embedding").await;
    // A single file that is here already.
    let second = JobId::generate();
    notifier.tell(About::Job(second), Some("me@example.org")).await.unwrap();
    notifier.tell_instead(second, first).await.unwrap();
    // And one in a batch, beside one that was not taken.
    let batch_id = BatchId::generate();
    fixture.ledger.tell(About::Batch(batch_id), "me@example.org").await.unwrap();
    let batch = NewBatch { batch_id, name: None, files_total: 2 };
    fixture.ledger.announce(&batch).await.unwrap();
    let jobless = [
        Jobless { filename: "a.txt".into(), why: Why::Duplicate(DocumentId::generate(), first) },
        crate::upload::rejected("b.exe", &Problem::unprocessable("unsupported_format", "it is a program")),
    ];
    fixture.ledger.add_jobless(batch_id, &jobless).await.unwrap();
    round(&notifier).await;
    assert_eq!(server.mails().len(), 0, "the first is under way");
    fixture.becomes(first, "complete").await;
    fixture.all_due().await;
    round(&notifier).await;
    let mut subjects: Vec<_> = server
        .mails()
        .iter()
        .map(|mail| mail.lines().find(|line| line.starts_with("Subject")).unwrap().to_owned())
        .collect();
    subjects.sort();
    assert_eq!(
        subjects,
        ["Subject: Ragstream: 1 of 2 documents failed", "Subject: Ragstream: your document is searchable"]
    );
    assert!(server.mails().iter().any(|mail| text(mail).contains("- b.exe: it is a program")));

    execute(&fixture.url, &format!("UPDATE document_jobs SET forgotten = true WHERE job_id = '{first}'"))
        .await;
    execute(&fixture.url, &format!("DELETE FROM batches WHERE batch_id = '{batch_id}'")).await;
    for about in [About::Job(first), About::Batch(batch_id)] {
        assert_eq!(fixture.told(about).await, [], "gone with its record");
    }
    fixture.ledger.tell(About::Job(second), "me@example.org").await.unwrap();
    assert_eq!(fixture.ledger.forget_notices(Utc::now() + TimeDelta::seconds(9), 10).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_mail_server_nobody_can_ask_to_be_told() {
    let fixture = Fixture::new().await;
    let off = Notifier::new(fixture.ledger.clone(), None);
    assert!(off.check(None).is_ok());
    let problem = off.check(Some("me@example.org")).unwrap_err();
    assert_eq!((problem.status, problem.kind.as_str()), (422, "/problems/mail_off"));
    assert!(problem.detail.contains("RAGSTREAM_GATEWAY_SMTP_URL"), "{}", problem.detail);
    let on = fixture.notifier(1);
    let problem = on.check(Some("me@elsewhere.org")).unwrap_err();
    assert_eq!((problem.status, problem.kind.as_str()), (422, "/problems/invalid_field"));
    assert!(on.check(Some("me@example.org")).is_ok());
}
