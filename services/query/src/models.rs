//! Which model writes in which mode, and how freely.

use ragstream_api::{problem::Problem, search::QueryMode};
use ragstream_core::ports::{LanguageModel, Reranker};
use std::sync::Arc;

/// The models of a query node; without any, answers are quotes.
#[derive(Clone, Default)]
pub struct Models {
    /// Writes answers.
    pub writer: Option<Arc<dyn LanguageModel>>,
    /// Writes them in the mode `uncensored`.
    pub uncensored: Option<Arc<dyn LanguageModel>>,
    /// Puts passages in order anew.
    pub reranker: Option<Arc<dyn Reranker>>,
}

impl Models {
    /// Who writes in this mode; `None`: answers are quotes.
    pub(crate) fn writer_for(&self, mode: QueryMode) -> Result<Option<Arc<dyn LanguageModel>>, Problem> {
        match mode {
            // Nothing leaves the machine.
            QueryMode::Private => Ok(self.writer.clone().filter(|model| model.info().is_local)),
            QueryMode::Uncensored => match &self.uncensored {
                Some(model) => Ok(Some(model.clone())),
                None => Err(Problem::unprocessable(
                    "mode_not_configured",
                    "this server has no model for the mode \"uncensored\": its operator sets \
                     LLM_UNCENSORED_BASE_URL and LLM_UNCENSORED_MODEL",
                )),
            },
            QueryMode::Basic | QueryMode::Deep | QueryMode::SuperDeep | QueryMode::Creative => {
                Ok(self.writer.clone())
            }
        }
    }

    /// Who puts passages in order, where the request wants that.
    pub(crate) fn reranker(&self, wanted: bool) -> Result<Option<Arc<dyn Reranker>>, Problem> {
        match (wanted, &self.reranker) {
            (false, _) => Ok(None),
            (true, Some(reranker)) => Ok(Some(reranker.clone())),
            (true, None) => Err(Problem::unprocessable(
                "rerank_not_configured",
                "this server has no model that reranks: leave `rerank` out, or have its operator set \
                 RAGSTREAM_RERANKER_DIR to a folder with one",
            )),
        }
    }
}

/// How a mode goes about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Manner {
    /// Temperature, where the request names none. 0 is what repeats best.
    pub(crate) temperature: f32,
    /// Longest answer, in tokens.
    pub(crate) max_tokens: u32,
    /// Diversity of the passages.
    pub(crate) diversity: Option<f32>,
    /// Neighbours on each side of a passage, at least.
    pub(crate) expand: usize,
    /// Whether to rerank where a model for it is there.
    pub(crate) reranks: bool,
    /// Sentences of an answer that is quoted.
    pub(crate) quotes: usize,
    /// Whether each of them is of another passage.
    pub(crate) spread: bool,
    /// Whether statements that no passage backs stay in the answer, without a citation.
    pub(crate) free: bool,
    /// Whether the model is told to keep to the passages.
    pub(crate) guarded: bool,
}

impl Manner {
    pub(crate) fn of(mode: QueryMode) -> Self {
        let basic = Self {
            temperature: 0.0,
            max_tokens: 800,
            diversity: None,
            expand: 0,
            reranks: false,
            quotes: 3,
            spread: false,
            free: false,
            guarded: true,
        };
        match mode {
            QueryMode::Basic | QueryMode::Private => basic,
            QueryMode::Deep => Self { max_tokens: 1_600, expand: 1, reranks: true, quotes: 6, ..basic },
            QueryMode::SuperDeep => Self { max_tokens: 2_000, expand: 1, reranks: true, ..basic },
            QueryMode::Creative => Self {
                temperature: 0.9,
                max_tokens: 1_200,
                diversity: Some(0.5),
                quotes: 5,
                spread: true,
                free: true,
                ..basic
            },
            QueryMode::Uncensored => Self { temperature: 0.7, free: true, guarded: false, ..basic },
        }
    }
}
