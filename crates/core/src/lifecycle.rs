//! What happened to documents, as others are told: the events of the public
//! topic `document-lifecycle` and of webhooks. Never document text.
//!
//! An event's id grows with every event. Those of one document come in the order
//! of their ids; a consumer that sees an id again, or one below the highest that it
//! has seen of that document, has had it: delivery is at least once.

use crate::{
    id::{BatchId, DocumentId, JobId, Version},
    ports::JobFailure,
};
use chrono::{DateTime, Utc};

/// A version was taken: its bytes are stored.
pub const ACCEPTED: &str = "document.accepted";
/// It is cut into chunks; from now on `chunks_total` is known.
pub const CHUNKED: &str = "document.chunked";
/// It is searchable.
pub const COMPLETE: &str = "document.complete";
/// It was given up, with a reason.
pub const FAILED: &str = "document.failed";
/// Its user holds it.
pub const PAUSED: &str = "document.paused";
/// A paused one goes on.
pub const RESUMED: &str = "document.resumed";
/// A failed one is done again.
pub const RETRIED: &str = "document.retried";
/// Its user ended it.
pub const CANCELLED: &str = "document.cancelled";
/// A newer version came before it was complete.
pub const SUPERSEDED: &str = "document.superseded";
/// The document is gone, with all of its versions. Nothing of it follows.
pub const DELETED: &str = "document.deleted";

/// All types that are public.
pub const TYPES: [&str; 10] =
    [ACCEPTED, CHUNKED, COMPLETE, FAILED, PAUSED, RESUMED, RETRIED, CANCELLED, SUPERSEDED, DELETED];

/// Something that happened to a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifecycleEvent {
    /// Unique, and higher than that of any earlier event of the document.
    pub event_id: i64,
    /// One of [`TYPES`]; a text, so that a consumer lives on when a newer release
    /// has one more.
    pub kind: String,
    /// When.
    pub occurred_at: DateTime<Utc>,
    /// To which document.
    pub document_id: DocumentId,
    /// To which version; of a deletion, the last.
    pub version: Version,
    /// The job of that version.
    pub job_id: JobId,
    /// The upload request that the job came in; a deletion has none.
    pub batch_id: Option<BatchId>,
    /// The document's collection.
    pub collection: String,
    /// The uploader's own id of the document.
    pub external_id: Option<String>,
    /// Name of the file.
    pub filename: String,
    /// The job's stage from now on, by [`crate::job::JobStage::as_str`]; a deletion has none.
    pub stage: Option<String>,
    /// Chunks of the version in all, once it is chunked.
    pub chunks_total: Option<u32>,
    /// Why it failed.
    pub failure: Option<JobFailure>,
    /// The id under which the log lines of the upload are found.
    pub correlation_id: Option<String>,
}

/// Whether an event's type is what `filter` asks for: the type itself, or a prefix
/// that ends before a dot (`document`, `document.` and `document.*` are the same).
pub fn matches(filter: &str, kind: &str) -> bool {
    let prefix = filter.trim_end_matches('*').trim_end_matches('.');
    match kind.strip_prefix(prefix) {
        Some("") => true,
        Some(rest) => rest.starts_with('.') && !prefix.is_empty(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_names_or_prefixes() {
        for filter in ["document.complete", "document", "document.", "document.*"] {
            assert!(matches(filter, COMPLETE), "{filter}");
        }
        for filter in ["document.com", "doc", "", "*", ".", "document.completed", "document.complete.x"] {
            assert!(!matches(filter, COMPLETE), "{filter}");
        }
    }
}
