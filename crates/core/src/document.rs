//! A document and the facts of one of its versions.

use crate::id::{DocumentId, JobId, Version};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The collection of a document that names none.
pub const DEFAULT_COLLECTION: &str = "default";

/// Free metadata that the uploader gave: a JSON object.
pub type Metadata = serde_json::Map<String, serde_json::Value>;

/// What every event of a version carries about its document, so that the
/// index can filter and cite without asking Postgres.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DocumentRef {
    /// The document.
    pub document_id: DocumentId,
    /// The version of it.
    pub version: Version,
    /// The job that processes this version.
    pub job_id: JobId,
    /// The namespace it was uploaded to; duplicates are detected within one.
    pub collection: String,
    /// The uploader's own id of the document, if it gave one.
    pub external_id: Option<String>,
    /// The name of the file as uploaded.
    pub filename: String,
    /// The media type, as told from the content first and the name second.
    pub content_type: String,
    /// The uploader's metadata.
    pub metadata: Metadata,
}

/// Where the bytes of a version lie, and what they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    /// Key in the blob store.
    pub key: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the bytes, in lower-case hex.
    pub sha256: String,
}

/// A document as its users see it: the current version's facts.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// What it is.
    pub reference: DocumentRef,
    /// Its bytes.
    pub blob: Blob,
    /// When the first version was uploaded.
    pub created_at: DateTime<Utc>,
    /// When the current version was uploaded.
    pub updated_at: DateTime<Utc>,
}

/// What keys of extracted texts begin with.
pub const TEXT_PREFIX: &str = "texts/";

/// Key of the text extracted from one version, in the blob store.
pub fn text_key(document: DocumentId, version: Version) -> String {
    format!("{TEXT_PREFIX}{document}/{version}.txt")
}

/// Whose text lies under this key; `None` where it is no such key.
pub fn text_of_key(key: &str) -> Option<(DocumentId, Version)> {
    let (document, version) = key.strip_prefix(TEXT_PREFIX)?.strip_suffix(".txt")?.split_once('/')?;
    Some((document.parse().ok()?, Version(version.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_texts_round_trip() {
        let (document, version) = (DocumentId::generate(), Version(12));
        assert_eq!(text_of_key(&text_key(document, version)), Some((document, version)));
        for other in ["texts/x/1.txt", "uploads/x", "texts/", ""] {
            assert_eq!(text_of_key(other), None, "{other}");
        }
    }
}
