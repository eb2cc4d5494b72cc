//! Search and questions.

use crate::documents::Span;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use uuid::Uuid;

/// Passages of an answer where the request does not say.
pub const DEFAULT_TOP_K: usize = 8;
/// Most passages a request may ask for.
pub const MAX_TOP_K: usize = 1_000;
/// Longest question, in bytes: far past what the model reads of it.
pub const MAX_QUESTION_BYTES: usize = 16 * 1024;
/// Longest that a request waits for its token: below the usual timeouts of proxies.
pub const MAX_WAIT_MS: u64 = 30_000;

/// How long a request with a token waits where it does not say: past the usual trip of
/// a small document.
pub const DEFAULT_WAIT_MS: u64 = 5_000;

/// Header by which a query node tells the gateway whether it has applied the token:
/// `true` or `false`; absent where there was none.
pub const TOKEN_APPLIED: &str = "x-ragstream-token-applied";

/// How long a request waits.
pub fn wait_ms(has_token: bool, asked: Option<u64>) -> u64 {
    asked.unwrap_or(if has_token { DEFAULT_WAIT_MS } else { 0 })
}

fn default_top_k() -> usize {
    DEFAULT_TOP_K
}

/// One name, or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Any of these.
    Many(Vec<String>),
}

impl From<OneOrMany> for Vec<String> {
    fn from(names: OneOrMany) -> Self {
        match names {
            OneOrMany::One(name) => vec![name],
            OneOrMany::Many(names) => names,
        }
    }
}

/// Which legs of retrieval to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SearchMode {
    /// Both, fused by reciprocal rank.
    #[default]
    Hybrid,
    /// Vectors alone.
    Vector,
    /// Keywords alone.
    Keyword,
}

/// Body of `POST /api/v2/search`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchRequest {
    /// What to look for.
    #[serde(alias = "question")]
    pub query: String,
    /// How many passages, 1 to 1,000.
    #[serde(default = "default_top_k")]
    pub top_k: usize,
    /// Only these collections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<OneOrMany>,
    /// Only documents whose metadata has these values; an array means any of them.
    /// `document_id` and `external_id` may be named too.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub filter: serde_json::Map<String, serde_json::Value>,
    /// Which legs.
    #[serde(default)]
    pub mode: SearchMode,
    /// The `consistency_token` of an upload that the search must have applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_token: Option<String>,
    /// How long to wait for that, in milliseconds, 30,000 at most. Where it is absent,
    /// 5,000; 0 is not at all. `freshness.token_applied` says whether it was enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
}

/// How a question is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum QueryMode {
    /// Hybrid retrieval, one answer.
    #[default]
    Basic,
}

/// Body of `POST /api/v2/query`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QueryRequest {
    /// The question.
    #[serde(alias = "query")]
    pub question: String,
    /// How many passages to answer from, 1 to 1,000.
    #[serde(default = "default_top_k")]
    pub top_k: usize,
    /// Only these collections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<OneOrMany>,
    /// As in a search.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub filter: serde_json::Map<String, serde_json::Value>,
    /// How to answer.
    #[serde(default)]
    pub mode: QueryMode,
    /// As in a search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_token: Option<String>,
    /// As in a search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
}

/// A chunk that was found.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Passage {
    /// Its document.
    pub document_id: Uuid,
    /// The uploader's id of the document.
    pub external_id: Option<String>,
    /// The chunk.
    pub chunk_id: Uuid,
    /// Its fused score: only the order means something.
    pub score: f32,
    /// Its text.
    pub text: String,
    /// The page it starts on, where the format has pages.
    pub page: Option<u32>,
    /// Its bytes in the extracted text.
    pub span: Span,
    /// Name of the file.
    pub filename: String,
    /// The document's collection.
    pub collection: String,
    /// The document's version.
    pub version: i32,
    /// The headings above it.
    pub headings: Vec<String>,
    /// The document's metadata.
    #[schema(value_type = Object)]
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// Where each leg had it.
    pub legs: Legs,
}

/// Rank and score of a passage in each leg that found it.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Legs {
    /// Cosine similarity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vector: Option<LegScore>,
    /// BM25.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyword: Option<LegScore>,
}

/// A passage in one leg.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct LegScore {
    /// 1 is best.
    pub rank: usize,
    /// The leg's own score.
    pub score: f32,
}

/// How long each step took, in milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Timings {
    /// Waiting for `min_token`.
    pub wait: f64,
    /// Embedding the question.
    pub embed: f64,
    /// The vector leg.
    pub vector: f64,
    /// The keyword leg.
    pub keyword: f64,
    /// Fusion.
    pub fusion: f64,
    /// The answer.
    pub answer: f64,
    /// In all, on the query node.
    pub total: f64,
}

/// How much of the log the answer knows.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Freshness {
    /// The next offset that the node will apply, by partition of `chunk-embeddings`.
    pub applied: BTreeMap<i32, i64>,
    /// Records in the log that it has not applied yet, as far as it knows.
    pub lag: i64,
    /// Whether the upload of `min_token` was searchable when this was answered;
    /// absent where none was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_applied: Option<bool>,
}

/// Answer to a search.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SearchResponse {
    /// Best first.
    pub passages: Vec<Passage>,
    /// Where the time went.
    pub timings: Timings,
    /// How fresh this is.
    pub freshness: Freshness,
}

/// A piece of the answer, and where it is from.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Citation {
    /// Its number in the answer: `[1]`.
    pub number: usize,
    /// The document.
    pub document_id: Uuid,
    /// The uploader's id of it.
    pub external_id: Option<String>,
    /// Name of the file.
    pub filename: String,
    /// The page of the passage.
    pub page: Option<u32>,
    /// Bytes of the quote in the extracted text.
    pub span: Span,
    /// The quote: exactly those bytes.
    pub quote: String,
    /// The chunk it is from.
    pub chunk_id: Uuid,
}

/// Answer to a question.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct QueryResponse {
    /// The answer, with `[n]` after what citation n backs.
    pub answer: String,
    /// Whether the documents answer the question. Where not, `answer` says so.
    pub answered: bool,
    /// How the answer was made: `extractive`.
    pub method: String,
    /// What backs it.
    pub citations: Vec<Citation>,
    /// The passages it was made from, best first.
    pub passages: Vec<Passage>,
    /// Where the time went.
    pub timings: Timings,
    /// How fresh this is.
    pub freshness: Freshness,
}
