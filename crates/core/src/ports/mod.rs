//! What the services need from outside, as traits.
//!
//! Every error is a [`Fault`](crate::fault::Fault): its kind tells the caller
//! whether to wait, to give the work up, or to count an attempt.

mod blobs;
mod control;
mod dead_letters;
mod embedder;
mod imports;
mod language;
mod ledger;
mod lifecycle;
mod notices;
mod personas;
mod progress;
mod publisher;
mod query_jobs;
mod uploads;
mod verify;

pub use blobs::{BlobInfo, BlobStore, ByteStream, MAX_PARTS, PART_BYTES, PartStore, StoredPart, fill_part};
pub use control::{ControlRecords, Controlled, JobCommand, JobControl, JobFilter, Removed, Trash};
pub use dead_letters::{
    DeadLetterLog, DeadLetterReader, Place, RawHeader, RawPublisher, RawRecord, Redrive, RedriveLedger,
    Redriven, RedrivenLetter, StoredRecord, Stretch,
};
pub use embedder::{Embedder, ModelInfo};
pub use imports::{Import, Imports, NewImport};
pub use language::{LanguageModel, LanguageModelInfo, Prompt, Reranker, Speaker};
pub use ledger::{
    Accepted, Attempt, ChunkRow, CommitPlan, CommitRecords, DocumentFilter, EmbeddingLedger, GivenUp,
    IndexLedger, IngestionLedger, Intake, JobFailure, JobStatus, Lineage, NewUpload, Outbox, RequestOf,
    Tombstones, Wanted,
};
pub use lifecycle::{
    Delivery, DeliveryStatus, DeliveryTry, LifecycleLog, NewWebhook, RecordsOf, Webhook, Webhooks,
};
pub use notices::{About, FailedFile, HowItEnded, Notice, Notices, Told};
pub use personas::{
    ChatMessage, ChatSession, ChatSessions, CollectionState, Exchange, NewPersona, Persona, Personas, Role,
    SaidBefore,
};
pub use progress::{
    BatchStatus, Batches, Jobless, NewBatch, Outcomes, ProgressLog, StageEntered, Totals, Watched, Why,
};
pub use publisher::{Appended, LogEnds, Outgoing, Placement, Publisher};
pub use query_jobs::{NewQueryJob, QueryJob, QueryJobs, QueryStatus, ToAsk};
pub use uploads::{NewResumable, Outcome, Progress, Resumable, ResumableUploads, UploadKind};
pub use verify::{Census, CensusRow, LogScan, RowState, Suspect};

use crate::fault::Result;
use async_trait::async_trait;

/// Something whose health can be asked: a line of `/readyz` and `/health`.
#[async_trait]
pub trait Probe: Send + Sync {
    /// The component's name in answers (`kafka`, `postgres`, `blobs`).
    fn component(&self) -> &'static str;

    /// `Ok` where the component answers a minimal request now.
    async fn probe(&self) -> Result<()>;
}
