//! A cross-encoder: reads a question and a passage together and says how well they go together.
//!
//! What holds:
//! - A score for each text, in the order of the texts, and every score is finite.
//! - A score does not depend on the other texts of a call, but for rounding.
//! - A model that does not give one `logits` value a pair is found at load, not at the first question.

use crate::{config::RerankerConfig, error::EmbedderError, runtime, weights};
use fastembed::{RerankInitOptionsUserDefined, TextRerank, TokenizerFiles, UserDefinedRerankingModel};
use ragstream_core::{
    fault::{Fault, Result},
    ports::Reranker,
};
use serde::Deserialize;
use std::{
    collections::HashMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

/// Pairs that go through the model together: more fall out of a processor's caches.
const BATCH: usize = 8;

/// Least `max_tokens`: the four special tokens of a pair in RoBERTa, and two of each text.
const MIN_PAIR_TOKENS: usize = 8;

/// One cross-encoder in memory. Calls from several threads are safe and go one after another.
pub struct CrossEncoder {
    name: String,
    session: Mutex<TextRerank>,
}

/// The fields of `config.json` that bear on scores; models of all families have them or leave them out.
#[derive(Deserialize)]
struct ModelConfig {
    max_position_embeddings: Option<usize>,
    id2label: Option<HashMap<String, String>>,
}

impl CrossEncoder {
    /// Loads the runtime, the model and its tokenizer, and scores one pair to see that it can.
    ///
    /// The folder has `model.onnx` (inputs `input_ids`, `attention_mask` and, where it wants them,
    /// `token_type_ids`, all `[batch, sequence]` of 64-bit integers; output `logits`, `[batch, 1]`
    /// of 32-bit floats), `tokenizer.json`, `config.json`, `special_tokens_map.json` and
    /// `tokenizer_config.json`. Files are looked for before the runtime is loaded.
    pub fn load(config: &RerankerConfig) -> Result<Self, EmbedderError> {
        let (onnx, files) = model_files(config)?;
        let max_tokens = pair_tokens(config, &files.config_file)?;
        let environment = runtime::environment(&config.onnxruntime)?;
        // As for the embedder: no waiting behind what else runs on rayon's global pool.
        tokenizers::utils::parallelism::set_parallelism(false);
        // By its path, so that weights in a file beside it are found.
        let model = UserDefinedRerankingModel::new(onnx, files);
        let options = RerankInitOptionsUserDefined::new()
            .with_environment(environment)
            .with_intra_threads(1)
            .with_session_config("session.intra_op.allow_spinning", "0")
            .with_max_length(max_tokens);
        let load = || -> Result<Self, EmbedderError> {
            let session = TextRerank::try_new_from_user_defined(model, options)
                .map_err(|e| unusable(config, &e.to_string()))?;
            let encoder = Self { name: config.name.clone(), session: Mutex::new(session) };
            encoder.scores("question", &["passage"]).map_err(|e| unusable(config, &e))?;
            Ok(encoder)
        };
        // fastembed panics at an output that is not a table, and at a tokenizer of no length.
        let encoder = catch_unwind(AssertUnwindSafe(load)).unwrap_or_else(|_| {
            Err(unusable(config, "it gives no table `logits` with a row for each question and passage"))
        })?;
        tracing::info!(model = %encoder.name, max_tokens, "reranker loaded");
        Ok(encoder)
    }

    /// A finite score for each text, in order, or what is wrong.
    fn scores(&self, question: &str, texts: &[&str]) -> Result<Vec<f32>, String> {
        // By length, since a batch is padded to its longest text.
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|&index| texts[index].len());
        let sorted: Vec<&str> = order.iter().map(|&index| texts[index]).collect();
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let results = session.rerank(question, sorted, false, Some(BATCH)).map_err(|e| e.to_string())?;
        drop(session);
        let mut scores = vec![f32::NAN; texts.len()];
        for result in results {
            if let Some(&index) = order.get(result.index) {
                scores[index] = result.score;
            }
        }
        match scores.iter().position(|score| !score.is_finite()) {
            Some(index) => Err(format!("text {} of {} has no finite score", index + 1, texts.len())),
            None => Ok(scores),
        }
    }
}

impl Reranker for CrossEncoder {
    fn name(&self) -> &str {
        &self.name
    }

    fn rerank(&self, question: &str, texts: &[&str]) -> Result<Vec<f32>> {
        self.scores(question, texts)
            .map_err(|reason| Fault::failed("rerank", format!("the reranker {} failed: {reason}", self.name)))
    }
}

/// What the folder has, `File` for what it has not.
fn model_files(config: &RerankerConfig) -> Result<(PathBuf, TokenizerFiles), EmbedderError> {
    let missing = |path: PathBuf| move |source| EmbedderError::File { path, source };
    let dir = &config.model_dir;
    fs::read_dir(dir).map_err(missing(dir.clone()))?;
    let onnx = dir.join("model.onnx");
    fs::File::open(&onnx).map_err(missing(onnx.clone()))?;
    let file = |name| weights::read(&dir.join(name));
    let files = TokenizerFiles {
        tokenizer_file: file("tokenizer.json")?,
        config_file: file("config.json")?,
        special_tokens_map_file: file("special_tokens_map.json")?,
        tokenizer_config_file: file("tokenizer_config.json")?,
    };
    Ok((onnx, files))
}

/// Tokens of a pair that are wanted and that the model has positions for.
fn pair_tokens(config: &RerankerConfig, json: &[u8]) -> Result<usize, EmbedderError> {
    let model: ModelConfig = serde_json::from_slice(json)
        .map_err(|e| unusable(config, &format!("config.json is not one of a model: {e}")))?;
    if let Some(labels) = model.id2label.map(|labels| labels.len()).filter(|labels| *labels != 1) {
        return Err(unusable(config, &format!("it tells {labels} labels apart, a reranker gives one score")));
    }
    let tokens = config.max_tokens.min(model.max_position_embeddings.unwrap_or(usize::MAX));
    match tokens >= MIN_PAIR_TOKENS {
        true => Ok(tokens),
        false => Err(EmbedderError::Config(format!(
            "{tokens} tokens are too few for a question and a passage, give {MIN_PAIR_TOKENS} or more"
        ))),
    }
}

fn unusable(config: &RerankerConfig, reason: &str) -> EmbedderError {
    EmbedderError::Model(format!("{}: {reason}", config.model_dir.display()))
}
