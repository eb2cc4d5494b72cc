//! What was computed before.
//!
//! A vector is that of a text for ever. An answer holds for what the node shows when it is made:
//! its key has the checksum of all that the search may see, which is the collections that it
//! names, or else everything, so that the first change of any of it leaves the answer behind.
//! How rare a word is among all collections may change meanwhile, which alone is no reason
//! to answer anew. Questions in the mode `private` are in neither.

use moka::sync::Cache;
use ragstream_api::search::{AskRequest, QueryMode, QueryResponse};
use sha2::{Digest, Sha256};
use std::{sync::Arc, time::Duration};

/// Vectors kept: 1.5 KiB each.
const VECTORS: u64 = 8_192;
/// Bytes of answers kept, passages included.
const ANSWER_BYTES: u64 = 64 << 20;
/// How long an answer is kept that nobody asks for.
const IDLE: Duration = Duration::from_secs(3_600);

type Key = [u8; 32];

/// Vectors of questions, and answers.
pub(crate) struct Caches {
    vectors: Cache<Key, Arc<[f32]>>,
    answers: Cache<Key, Arc<QueryResponse>>,
}

impl Caches {
    pub(crate) fn new() -> Self {
        let weight = |_: &Key, response: &Arc<QueryResponse>| {
            let passages: usize = response.passages.iter().map(|p| 2 * p.text.len() + 1_024).sum();
            u32::try_from(passages + response.answer.len()).unwrap_or(u32::MAX)
        };
        Self {
            vectors: Cache::new(VECTORS),
            answers: Cache::builder().max_capacity(ANSWER_BYTES).weigher(weight).time_to_idle(IDLE).build(),
        }
    }

    /// The vector of a text.
    pub(crate) fn vector(&self, text: &str) -> Option<Arc<[f32]>> {
        self.vectors.get(&digest(&[text.as_bytes()]))
    }

    pub(crate) fn keep_vector(&self, text: &str, vector: Arc<[f32]>) {
        self.vectors.insert(digest(&[text.as_bytes()]), vector);
    }

    /// Where the answer to a request is kept, while what it may see has this checksum; `None`: it is
    /// none that may be kept, or that would come out the same.
    pub(crate) fn key(request: &AskRequest, seen: u64) -> Option<Key> {
        let mut request = request.clone();
        let query = &mut request.query;
        let varies = matches!(query.mode, QueryMode::Creative | QueryMode::Uncensored);
        if query.mode == QueryMode::Private || varies || request.temperature.is_some_and(|t| t > 0.0) {
            return None;
        }
        (query.min_token, query.wait_ms, query.stream) = (None, None, false);
        query.question = query.question.trim().to_owned();
        let request = serde_json::to_vec(&request).ok()?;
        Some(digest(&[&seen.to_be_bytes(), &request]))
    }

    pub(crate) fn answer(&self, key: &Key) -> Option<Arc<QueryResponse>> {
        self.answers.get(key)
    }

    pub(crate) fn keep_answer(&self, key: Key, response: &QueryResponse) {
        self.answers.insert(key, Arc::new(response.clone()));
    }
}

fn digest(parts: &[&[u8]]) -> Key {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
