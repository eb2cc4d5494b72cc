//! The model, ready to embed.

use crate::{
    bert::{self, BertConfig},
    config::{EmbedderConfig, MAX_BATCH},
    error::EmbedderError,
    reference, runtime,
    tokens::TokenCounter,
    weights,
};
use fastembed::{InitOptionsUserDefined, Pooling, TextEmbedding, TokenizerFiles, UserDefinedEmbeddingModel};
use ragstream_core::{
    fault::{Fault, Result},
    ports::{Embedder, ModelInfo},
};
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

/// `[CLS]` and `[SEP]`, which the tokenizer puts around a text.
const SPECIAL_TOKENS: usize = 2;

/// How far the length of a vector may be from 1.
const UNIT_TOLERANCE: f32 = 1e-3;

/// One model in memory. Calls from several threads are safe; they share its sessions.
pub struct FastEmbedder {
    info: ModelInfo,
    counter: TokenCounter,
    sessions: Vec<Mutex<TextEmbedding>>,
    /// Whose turn it is where all are busy.
    turn: AtomicUsize,
    batch: usize,
}

impl FastEmbedder {
    /// Loads the runtime, the weights and the tokenizer, and checks by a fixed
    /// sentence that the vectors are right where the weights are known
    /// ([`MINILM_SHA256`](crate::MINILM_SHA256)). Takes a second or so.
    pub fn load(config: &EmbedderConfig) -> Result<Self, EmbedderError> {
        let files = tokenizer_files(config)?;
        let bert = BertConfig::parse(&files.config_file)?;
        check_settings(config, &bert)?;
        let environment = runtime::environment(&config.onnxruntime)?;
        // fastembed would tokenize a batch on rayon's global pool, where it
        // waits behind whatever else runs there (an index being built), to
        // share out a few microseconds of work.
        tokenizers::utils::parallelism::set_parallelism(false);
        let (onnx, known) = onnx_file(config, &bert)?;
        let model = UserDefinedEmbeddingModel::new(onnx, files).with_pooling(Pooling::Mean);
        // Threads that spin while they wait take the cores from the other sessions.
        let options = InitOptionsUserDefined::new()
            .with_environment(environment)
            .with_intra_threads(config.threads)
            .with_session_config("session.intra_op.allow_spinning", "0")
            .with_max_length(config.max_tokens + SPECIAL_TOKENS);
        let unusable = |e: fastembed::Error| EmbedderError::Model(e.to_string());
        let session = || TextEmbedding::try_new_from_user_defined(model.clone(), options.clone());
        let sessions: Vec<_> =
            (0..config.sessions).map(|_| session()).collect::<Result<_, _>>().map_err(unusable)?;
        let tokenizer =
            &sessions.first().ok_or_else(|| EmbedderError::Config("no session".into()))?.tokenizer;
        let embedder = Self {
            info: ModelInfo {
                name: config.name.clone(),
                dimension: bert.hidden_size,
                max_tokens: config.max_tokens,
            },
            counter: TokenCounter::new(tokenizer, config.max_tokens)?,
            sessions: sessions.into_iter().map(Mutex::new).collect(),
            turn: AtomicUsize::new(0),
            batch: config.batch,
        };
        if known {
            reference::check(|text| embedder.run_one(&embedder.sessions[0], text))?;
        }
        tracing::info!(model = %config.name, dimension = bert.hidden_size, self_check = known, "model loaded");
        Ok(embedder)
    }

    /// All sessions, first one that is free, else the next in turn: calls of a batch each share them.
    fn sessions(&self) -> impl Iterator<Item = &Mutex<TextEmbedding>> {
        let count = self.sessions.len();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let is_free = |n: &usize| self.sessions[turn.wrapping_add(*n) % count].try_lock().is_ok();
        let first = turn.wrapping_add((0..count).find(is_free).unwrap_or(0));
        (0..count).map(move |n| &self.sessions[first.wrapping_add(n) % count])
    }

    /// Runs a few texts. Where the model refuses them together, each is tried
    /// alone, so that the one at fault does not fail the others.
    fn run(&self, session: &Mutex<TextEmbedding>, texts: &[&str]) -> Vec<Result<Vec<f32>>> {
        let vectors =
            session.lock().unwrap_or_else(PoisonError::into_inner).embed(texts, Some(texts.len().max(1)));
        match vectors {
            Ok(vectors) if vectors.len() == texts.len() => {
                vectors.into_iter().map(|v| self.checked(v)).collect()
            }
            Ok(vectors) => {
                let message = format!("the model gave {} vectors for {} texts", vectors.len(), texts.len());
                vec![Err(Fault::failed("model_output", message)); texts.len()]
            }
            Err(error) if texts.len() == 1 => {
                vec![Err(Fault::failed("inference", "the model failed").caused_by(error))]
            }
            Err(_) => texts.iter().map(|text| self.run_one(session, text)).collect(),
        }
    }

    fn run_one(&self, session: &Mutex<TextEmbedding>, text: &str) -> Result<Vec<f32>> {
        self.run(session, &[text]).pop().unwrap_or_else(|| Err(Fault::failed("model_output", "no vector")))
    }

    fn checked(&self, vector: Vec<f32>) -> Result<Vec<f32>> {
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        // NaN and infinity fail the comparison too.
        if vector.len() == self.info.dimension && (length - 1.0).abs() <= UNIT_TOLERANCE {
            return Ok(vector);
        }
        let message = format!("the model gave a vector of {} numbers and length {length}", vector.len());
        Err(Fault::failed("model_output", message))
    }
}

impl Embedder for FastEmbedder {
    fn model(&self) -> &ModelInfo {
        &self.info
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Result<Vec<f32>>>> {
        let mut outcomes: Vec<Option<Result<Vec<f32>>>> = Vec::with_capacity(texts.len());
        let mut readable = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            match self.counter.count(text) {
                Ok(tokens) => {
                    readable.push((tokens, index));
                    outcomes.push(None);
                }
                Err(fault) => outcomes.push(Some(Err(fault))),
            }
        }
        // By length, since a batch is padded to its longest text.
        readable.sort_unstable();
        let batches: Vec<&[(usize, usize)]> = readable.chunks(self.batch).collect();
        let next = AtomicUsize::new(0);
        let work = |session: &Mutex<TextEmbedding>| {
            let mut done = Vec::new();
            // Longest first, so that the sessions end at about the same time.
            while let Some(batch) = batches.iter().rev().nth(next.fetch_add(1, Ordering::Relaxed)) {
                let texts: Vec<&str> = batch.iter().map(|&(_, index)| texts[index]).collect();
                done.extend(batch.iter().map(|&(_, index)| index).zip(self.run(session, &texts)));
            }
            done
        };
        let done = match self.sessions().take(batches.len()).collect::<Vec<_>>().as_slice() {
            [session] => work(session),
            sessions => std::thread::scope(|scope| {
                let threads: Vec<_> = sessions.iter().map(|s| scope.spawn(|| work(s))).collect();
                threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
            }),
        };
        for (index, outcome) in done {
            outcomes[index] = Some(outcome);
        }
        let lost = || Err(Fault::failed("inference", "the model's thread ended"));
        Ok(outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(lost)).collect())
    }

    fn tokens(&self, text: &str) -> Result<usize> {
        self.counter.count(text)
    }

    fn embed_question(&self, question: &str) -> Result<Vec<f32>> {
        let pieces = self.counter.pieces(question)?;
        let texts: Vec<&str> = match pieces.as_slice() {
            // As it stands, so that it is the same as that of a chunk of these words.
            [] | [_] => vec![question],
            pieces => pieces.iter().map(|(piece, _)| *piece).collect(),
        };
        let mut vectors: Vec<Vec<f32>> = self.embed(&texts)?.into_iter().collect::<Result<_>>()?;
        if vectors.len() == 1 {
            return Ok(vectors.swap_remove(0));
        }
        let mut mean = vec![0.0; self.info.dimension];
        for (vector, (_, tokens)) in vectors.iter().zip(&pieces) {
            mean.iter_mut().zip(vector).for_each(|(sum, x)| *sum += x * *tokens as f32);
        }
        let length = mean.iter().map(|x| x * x).sum::<f32>().sqrt();
        self.checked(mean.into_iter().map(|x| x / length).collect())
    }
}

fn check_settings(config: &EmbedderConfig, bert: &BertConfig) -> Result<(), EmbedderError> {
    let most = bert.max_position_embeddings.saturating_sub(SPECIAL_TOKENS);
    let wrong = if config.max_tokens == 0 || config.max_tokens > most {
        format!("max_tokens is {}, this model takes 1 to {most}", config.max_tokens)
    } else if config.batch == 0 || config.batch > MAX_BATCH {
        format!("batch is {}, it can be 1 to {MAX_BATCH}", config.batch)
    } else if config.threads == 0 || config.sessions == 0 {
        "threads and sessions can't be 0".to_owned()
    } else {
        return Ok(());
    };
    Err(EmbedderError::Config(wrong))
}

fn tokenizer_files(config: &EmbedderConfig) -> Result<TokenizerFiles, EmbedderError> {
    let file = |name| weights::read(&config.model_dir.join(name));
    Ok(TokenizerFiles {
        tokenizer_file: file("tokenizer.json")?,
        config_file: file("config.json")?,
        special_tokens_map_file: file("special_tokens_map.json")?,
        tokenizer_config_file: file("tokenizer_config.json")?,
    })
}

/// The ONNX file as found or as built, and whether its vectors are known.
fn onnx_file(config: &EmbedderConfig, bert: &BertConfig) -> Result<(Vec<u8>, bool), EmbedderError> {
    let ready = config.model_dir.join("model.onnx");
    let found = ready.exists();
    let path = if found { ready } else { config.model_dir.join("model.safetensors") };
    let bytes = weights::read(&path)?;
    let actual = weights::sha256(&bytes);
    if let Some(expected) = config.sha256.as_ref().filter(|expected| **expected != actual) {
        return Err(EmbedderError::Checksum { path, expected: expected.clone(), actual });
    }
    match found {
        true => Ok((bytes, false)),
        false => Ok((bert::build(bert, &bytes)?, actual == reference::MINILM_SHA256)),
    }
}
