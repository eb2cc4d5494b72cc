//! Dead letters: what was given up, and sending it back.

use chrono::{DateTime, Utc};
use ragstream_core::ports::{Place, Redrive};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use uuid::Uuid;

/// Letters of a page where the request does not say.
pub const DEFAULT_LETTERS: u32 = 50;
/// Most letters of a page.
pub const MAX_LETTERS: u32 = 1_000;
/// Letters that one request sends back where it does not say.
pub const DEFAULT_REDRIVE: u32 = 1_000;
/// Most letters that one request sends back: some seconds of work.
pub const MAX_REDRIVE: u32 = 10_000;

/// Where a record lies in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LetterPlace {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

impl From<Place> for LetterPlace {
    fn from(place: Place) -> Self {
        Self { topic: place.topic, partition: place.partition, offset: place.offset }
    }
}

impl From<LetterPlace> for Place {
    fn from(place: LetterPlace) -> Self {
        Self { topic: place.topic, partition: place.partition, offset: place.offset }
    }
}

/// A page of dead letters, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeadLettersResponse {
    /// The letters: in a list long texts are shortened, and vectors are their length.
    pub letters: Vec<DeadLetter>,
    /// How many letters were looked at. A request looks at 20,000 at most, so a
    /// page of a narrow filter may hold few letters, or none, and still have a `next`.
    pub scanned: u64,
    /// The link to what comes after, where there is more to look at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A dead letter: a record that a consumer gave up, as it was, and why.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeadLetter {
    /// The dead-letter topic.
    pub topic: String,
    /// The letter's partition there.
    pub partition: i32,
    /// The letter's offset there.
    pub offset: i64,
    /// When it was stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored_at: Option<DateTime<Utc>>,
    /// Where the record lay that was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original: Option<OriginalRecord>,
    /// The record's key, where it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The record's key in base64, where it is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_base64: Option<String>,
    /// `invalid`: it can never work. `failed`: it ran out of attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_kind: Option<String>,
    /// A stable name of the cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_class: Option<String>,
    /// The cause in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// How often it was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// When it first failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_failure: Option<DateTime<Utc>>,
    /// When it last failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<DateTime<Utc>>,
    /// The consumer that gave it up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer: Option<String>,
    /// The id under which all log lines of its upload are found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// The document it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_id: Option<Uuid>,
    /// The job it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_id: Option<Uuid>,
    /// The version of the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<i32>,
    /// The chunk it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk_id: Option<Uuid>,
    /// What the record says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub value: Option<Value>,
    /// Size of the record's value; none of a record without a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_bytes: Option<u64>,
    /// The value can't be read.
    pub undecodable: bool,
    /// Why it can't be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undecodable_reason: Option<String>,
    /// The first bytes of a value that can't be read, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_base64: Option<String>,
    /// All headers, in order.
    pub headers: Vec<LetterHeader>,
    /// How often the record was sent back in all: before it became this letter, and since.
    pub redrives: u32,
    /// When this letter was sent back, where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redriven_at: Option<DateTime<Utc>>,
    /// This letter in full.
    pub link: String,
}

/// Where a record lay that was given up.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OriginalRecord {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// When it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<DateTime<Utc>>,
}

/// A header: its value where it is text, in base64 where it is not, neither where it has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LetterHeader {
    /// Its name.
    pub name: String,
    /// Its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Its value, where it is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
}

/// Body of `POST /api/v2/dead-letters/redrive`: a filter, as of the list, or the
/// letters themselves. An empty one names all letters there are.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RedriveRequest {
    /// These letters, 10,000 at most; then nothing else may name any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub letters: Option<Vec<LetterPlace>>,
    /// Only letters of this topic: the one the records came from, or its `.dlq`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Only this class of error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_class: Option<String>,
    /// Only this kind of error: `invalid` or `failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_kind: Option<String>,
    /// Only letters about this document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_id: Option<Uuid>,
    /// Only letters stored at this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// Only letters stored before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// Only letters that were sent back already, or only those that were not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redriven: Option<bool>,
    /// Go on after an earlier answer: its `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Say what would be done, and do nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Take at most so many of the newest that match, 1 to 10,000; 1,000 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// Also those that were sent back already, or three times in all.
    #[serde(default)]
    pub force: bool,
}

/// What became of a redrive.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RedriveResponse {
    /// Its id in the audit; none of a dry run, which leaves no trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redrive_id: Option<Uuid>,
    /// Nothing was done.
    pub dry_run: bool,
    /// Letters that the request names, `max` at most.
    pub matched: u32,
    /// Letters that were sent back; of a dry run, that would be.
    pub redriven: u32,
    /// Letters that were not, by reason.
    pub skipped: Vec<SkippedLetters>,
    /// How many letters were looked at: 20,000 at most.
    pub scanned: u64,
    /// Where to go on, as `before`: there was more than `max`, or more to look at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Letters that were not sent back for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SkippedLetters {
    /// `already_redriven`, `too_many_redrives` (`force` overrules these two), `same_record`,
    /// `no_origin`, `wrong_origin`, `partition_missing`, `value_omitted`, `not_found`, or the
    /// class of what the log said.
    pub reason: String,
    /// How many.
    pub count: u32,
    /// In words, about one of them.
    pub detail: String,
}

/// The audit of redrives, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RedrivesResponse {
    /// The redrives.
    pub redrives: Vec<RedriveEntry>,
    /// The link to the next page, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One redrive in the audit.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RedriveEntry {
    /// Its id.
    pub redrive_id: Uuid,
    /// When it was asked for.
    pub at: DateTime<Utc>,
    /// The `x-request-id` of the request: its log lines are found under it.
    pub correlation_id: String,
    /// What was asked for, as in the request.
    #[schema(value_type = Object)]
    pub filter: Value,
    /// Whether the guards were overruled.
    pub force: bool,
    /// Letters that the request named.
    pub matched: u32,
    /// Letters that were sent back.
    pub redriven: u32,
    /// Letters that were not: reason to count.
    pub skipped: BTreeMap<String, u32>,
    /// The same with its letters.
    pub link: String,
    /// The letters that were sent back; only where one redrive is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub letters: Vec<RedrivenLetterEntry>,
}

impl From<Redrive> for RedriveEntry {
    fn from(redrive: Redrive) -> Self {
        Self {
            redrive_id: redrive.id.0,
            at: redrive.at,
            correlation_id: redrive.correlation_id,
            filter: redrive.filter,
            force: redrive.force,
            matched: redrive.matched,
            redriven: redrive.redriven,
            skipped: redrive.skipped,
            link: format!("/api/v2/dead-letters/redrives/{}", redrive.id),
            letters: Vec::new(),
        }
    }
}

/// A letter that was sent back.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RedrivenLetterEntry {
    /// The letter.
    pub letter: LetterPlace,
    /// The record that the letter is of.
    pub original: LetterPlace,
    /// The record that it became.
    pub sent_to: LetterPlace,
}
