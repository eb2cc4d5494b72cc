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
    /// Both, fused by a weighted sum of their scores.
    #[default]
    Hybrid,
    /// Vectors alone.
    Vector,
    /// Keywords alone.
    Keyword,
}

/// Which chunks of a document may be passages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PerDocument {
    /// As many as match.
    #[default]
    All,
    /// Its best one alone.
    Best,
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
    /// Only documents that meet these conditions: `{"year": 2020}`, an array for any of its
    /// values, `{"year": {"gte": 2020}}`, and `and`, `or`, `not` around them. `document_id`,
    /// `external_id`, `filename`, `content_type` and `collection` may be named as metadata is.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub filter: serde_json::Map<String, serde_json::Value>,
    /// Which legs.
    #[serde(default)]
    pub mode: SearchMode,
    /// Whether a cross-encoder puts the best passages in order anew, where the server has one.
    #[serde(default)]
    pub rerank: bool,
    /// Which chunks of a document.
    #[serde(default)]
    pub per_document: PerDocument,
    /// How much passages may differ from each other rather than match, 0 to 1, by maximal
    /// marginal relevance; absent is not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diversity: Option<f32>,
    /// Neighbouring chunks to give along on each side of a passage, 3 at most.
    #[serde(default)]
    pub expand: usize,
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
    /// The question in several wordings, what they find put in order together and with its
    /// surroundings, and an analysis of it.
    Deep,
    /// The question in parts that are answered one by one, each with its citations, and an
    /// answer from these.
    SuperDeep,
    /// Passages that differ from each other, and an answer of more freedom.
    Creative,
    /// Nothing leaves the machine: no remote model, and the question is in no log and no cache.
    Private,
    /// By a model that is configured for it, without a system prompt that guards.
    Uncensored,
}

impl QueryMode {
    /// Its name in requests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Deep => "deep",
            Self::SuperDeep => "super_deep",
            Self::Creative => "creative",
            Self::Private => "private",
            Self::Uncensored => "uncensored",
        }
    }
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
    #[serde(default)]
    pub rerank: bool,
    /// As in a search.
    #[serde(default)]
    pub per_document: PerDocument,
    /// As in a search.
    #[serde(default)]
    pub expand: usize,
    /// Whether to answer as Server-Sent Events while the answer is made: `passages` (an array of
    /// them), `step` (a part of a `super_deep` answer), `token` (`{"text"}`, in order), then `done`
    /// with the whole answer, or `error` with a problem.
    #[serde(default)]
    pub stream: bool,
    /// As in a search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_token: Option<String>,
    /// As in a search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
}

/// Longest conversation before a question, in bytes.
pub const MAX_HISTORY_BYTES: usize = 64 * 1024;
/// Longest instructions, in bytes.
pub const MAX_INSTRUCTIONS_BYTES: usize = 16 * 1024;
/// Most neighbours on each side of a passage.
pub const MAX_EXPAND: usize = 3;

/// Who said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The person who asks.
    User,
    /// The answer.
    Assistant,
}

/// What was said before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// By whom.
    pub role: Role,
    /// What.
    pub content: String,
}

/// Between gateway and query node (`POST /internal/ask`): a question within a conversation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskRequest {
    /// The question.
    pub query: QueryRequest,
    /// What was said before it, oldest first.
    #[serde(default)]
    pub history: Vec<Turn>,
    /// Who answers, and in what manner.
    #[serde(default)]
    pub system_prompt: Option<String>,
    /// A model of the configured endpoint, in the place of the configured one.
    #[serde(default)]
    pub model: Option<String>,
    /// The model's temperature, in the place of the mode's.
    #[serde(default)]
    pub temperature: Option<f32>,
    /// Longest answer, in tokens.
    #[serde(default)]
    pub max_tokens: Option<u32>,
}

impl From<QueryRequest> for AskRequest {
    fn from(query: QueryRequest) -> Self {
        Self {
            query,
            history: Vec::new(),
            system_prompt: None,
            model: None,
            temperature: None,
            max_tokens: None,
        }
    }
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
    /// The part of its text that fits the question best, and what of it is in the question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snippet: Option<Snippet>,
    /// The text of its neighbours, where `expand` asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Context>,
}

/// A part of a passage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Snippet {
    /// The text, exactly as the passage has it.
    pub text: String,
    /// Bytes within it that are words of the question, in any form.
    pub highlights: Vec<Span>,
}

/// What surrounds a passage in its document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Context {
    /// Text of the chunks before it; chunks may overlap.
    pub before: Vec<String>,
    /// Text of the chunks after it.
    pub after: Vec<String>,
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
    /// The cross-encoder's, where it put them in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerank: Option<LegScore>,
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
    /// Putting passages in order anew.
    #[serde(default)]
    pub rerank: f64,
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

/// A search on the way to an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// What was searched for.
    pub question: String,
    /// What was answered, with the numbers of citations, where it was answered by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// Passages that it found which are among those of the answer.
    pub passages: usize,
}

/// Answer to a question.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct QueryResponse {
    /// The answer, with `[n]` after what citation n backs.
    pub answer: String,
    /// Whether the documents answer the question. Where not, `answer` says so.
    pub answered: bool,
    /// How the answer was made: `extractive` (sentences of the documents) or `generative`.
    pub method: String,
    /// How it was asked for.
    #[serde(default)]
    pub mode: QueryMode,
    /// The model that wrote it, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The question as it was understood, where that needed the conversation before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standalone_question: Option<String>,
    /// What else was searched for: other wordings, or the parts of the question with their answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// What a reader should know: a model that could not be reached, statements left out
    /// because no passage backs them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Whether this was answered before, and nothing has changed since.
    #[serde(default)]
    pub cached: bool,
    /// What backs it.
    pub citations: Vec<Citation>,
    /// The passages it was made from, best first.
    pub passages: Vec<Passage>,
    /// Where the time went.
    pub timings: Timings,
    /// How fresh this is.
    pub freshness: Freshness,
}

/// Body of `POST /api/v2/query/explain`: a search, and what was or was not found by it. One of
/// `document_id` and `chunk_id` is given.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainRequest {
    /// What was looked for.
    #[serde(alias = "query")]
    pub question: String,
    /// The document that was or was not found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_id: Option<Uuid>,
    /// The chunk that was or was not found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk_id: Option<Uuid>,
    /// As in the search.
    #[serde(default = "default_top_k")]
    pub top_k: usize,
    /// As in the search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<OneOrMany>,
    /// As in the search.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub filter: serde_json::Map<String, serde_json::Value>,
    /// As in the search.
    #[serde(default)]
    pub mode: SearchMode,
}

/// How a document stands in the index of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is among the passages.
    Found,
    /// It ranks below `top_k`.
    RanksBelow,
    /// No leg has it high enough to count, or at all.
    NoMatch,
    /// The filter leaves it out: see `failed_condition`.
    Filtered,
    /// Its chunks are there, and wait for the rest of its version.
    Staged,
    /// It was deleted.
    Deleted,
    /// The node has never seen it.
    Unknown,
}

/// Why a document was or was not found.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ExplainResponse {
    /// In one word.
    pub verdict: Verdict,
    /// In words, with what can be done about it.
    pub explanation: String,
    /// The document, where it is known.
    pub document_id: Option<Uuid>,
    /// The version that searches see.
    pub visible_version: Option<i32>,
    /// Versions whose chunks are held, with how many.
    pub held: BTreeMap<i32, usize>,
    /// The number of this node's index: it grows with each rebuild.
    pub generation: u64,
    /// The condition of the filter that it fails first (`filter.year.gte`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_condition: Option<String>,
    /// Chunks that pass the filter, which ranks are among.
    pub candidates: usize,
    /// How far down a leg counts.
    pub leg_depth: usize,
    /// Its best chunks, best first.
    pub chunks: Vec<ExplainedChunk>,
    /// How fresh this is.
    pub freshness: Freshness,
}

/// How a chunk fared.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ExplainedChunk {
    /// The chunk.
    pub chunk_id: Uuid,
    /// Its place in the document.
    pub position: u32,
    /// Whether searches see it.
    pub visible: bool,
    /// Where each leg has it, however far down.
    pub legs: Legs,
    /// Its rank and score after fusion, where a leg has it within `leg_depth`.
    pub fused: Option<LegScore>,
    /// The terms of the question, rarest first.
    pub terms: Vec<ExplainedTerm>,
}

/// A term of the question.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ExplainedTerm {
    /// In its normal form.
    pub term: String,
    /// Its inverse document frequency.
    pub weight: f32,
    /// Whether the chunk holds it.
    pub found: bool,
}
