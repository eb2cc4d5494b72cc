//! What PostgreSQL says, read past the API.

use std::collections::BTreeMap;
use tokio_postgres::{Client, NoTls, Row};

/// A row of `documents`.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its id.
    pub id: String,
    /// Its current version.
    pub version: i32,
    /// The newest version that an index shows.
    pub visible: Option<i32>,
    /// The job of its current version.
    pub job: String,
}

/// A row of `document_jobs`.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// Its document.
    pub document: String,
    /// The version that it processes.
    pub version: i32,
    /// How far it is.
    pub stage: String,
    /// How often extraction was begun.
    pub attempts: i32,
    /// Chunks in all, once they are known.
    pub chunks: Option<i32>,
    /// Class and message of its failure.
    pub failure: Option<String>,
}

impl Job {
    /// Whether nothing more will happen to it by itself.
    pub fn is_final(&self) -> bool {
        matches!(self.stage.as_str(), "complete" | "failed" | "cancelled")
    }
}

/// A row of `document_chunks`.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Its id.
    pub id: String,
    /// Its document.
    pub document: String,
    /// Its version.
    pub version: i32,
    /// Its status.
    pub status: String,
    /// Class and message of its failure.
    pub failure: Option<String>,
}

/// All of it, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// Documents by id.
    pub documents: BTreeMap<String, Document>,
    /// Jobs by id.
    pub jobs: BTreeMap<String, Job>,
    /// Chunks by id.
    pub chunks: BTreeMap<String, Chunk>,
    /// Records that wait for their way to the log.
    pub outbox: i64,
}

impl Rows {
    /// Reads them in one snapshot.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn read(url: &str) -> Result<Self, tokio_postgres::Error> {
        let (mut client, connection) = tokio_postgres::connect(url, NoTls).await?;
        let connection = tokio::spawn(connection);
        let rows = Self::read_with(&mut client).await;
        drop(client);
        // Ends once the client is gone.
        let _ = connection.await;
        rows
    }

    async fn read_with(client: &mut Client) -> Result<Self, tokio_postgres::Error> {
        let snapshot = client
            .build_transaction()
            .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await?;
        let documents = snapshot
            .query("SELECT document_id::text, version, visible_version, job_id::text FROM documents", &[])
            .await?;
        let jobs = snapshot
            .query(
                "SELECT job_id::text, document_id::text, version, stage, attempts, chunks_total, error_class,
                        error_message FROM document_jobs",
                &[],
            )
            .await?;
        let chunks = snapshot
            .query(
                "SELECT chunk_id::text, document_id::text, version, status, error_class, error_message
                   FROM document_chunks",
                &[],
            )
            .await?;
        let outbox = snapshot.query_one("SELECT count(*) FROM outbox", &[]).await?.get(0);
        Ok(Self {
            documents: documents.iter().map(document).map(|d| (d.id.clone(), d)).collect(),
            jobs: jobs.iter().map(job).map(|j| (j.id.clone(), j)).collect(),
            chunks: chunks.iter().map(chunk).map(|c| (c.id.clone(), c)).collect(),
            outbox,
        })
    }

    /// The job of a document's current version.
    pub fn current_job(&self, document: &str) -> Option<&Job> {
        self.jobs.get(&self.documents.get(document)?.job)
    }

    /// The chunks of a version.
    pub fn chunks_of<'a>(&'a self, document: &'a str, version: i32) -> impl Iterator<Item = &'a Chunk> {
        self.chunks.values().filter(move |c| c.document == document && c.version == version)
    }

    /// Whether nothing more will happen by itself.
    pub fn is_drained(&self) -> bool {
        self.outbox == 0 && self.unfinished().next().is_none()
    }

    /// Jobs that something is yet to happen to: all that are not final, nor held by a user.
    pub fn unfinished(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values().filter(|job| !job.is_final() && job.stage != "paused")
    }
}

fn failure(row: &Row) -> Option<String> {
    let class: Option<String> = row.get("error_class");
    let message: Option<String> = row.get("error_message");
    class.map(|class| format!("{class}: {}", message.unwrap_or_default()))
}

fn document(row: &Row) -> Document {
    Document {
        id: row.get("document_id"),
        version: row.get("version"),
        visible: row.get("visible_version"),
        job: row.get("job_id"),
    }
}

fn job(row: &Row) -> Job {
    Job {
        id: row.get("job_id"),
        document: row.get("document_id"),
        version: row.get("version"),
        stage: row.get("stage"),
        attempts: row.get("attempts"),
        chunks: row.get("chunks_total"),
        failure: failure(row),
    }
}

fn chunk(row: &Row) -> Chunk {
    Chunk {
        id: row.get("chunk_id"),
        document: row.get("document_id"),
        version: row.get("version"),
        status: row.get("status"),
        failure: failure(row),
    }
}
