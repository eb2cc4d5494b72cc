//! Where the parts are that the roles are tied to.

use crate::faults::Faults;
use clap::Args;
use ragstream_embedded::Parts;
use ragstream_llm::{ChatConfig, DEFAULT_CONTEXT_TOKENS};
use ragstream_runtime::config::ConfigError;
use std::{ffi::OsString, path::PathBuf};

/// Addresses of existing servers, and where the model lies.
#[derive(Args, Clone)]
pub(crate) struct Addresses {
    /// Kafka: `host:port`, several separated by commas.
    ///
    /// Settings of librdkafka are variables: RAGSTREAM_KAFKA_CLIENT_SASL_PASSWORD is `sasl.password`
    /// of every client, RAGSTREAM_KAFKA_CONSUMER_* and RAGSTREAM_KAFKA_PRODUCER_* are for these alone.
    #[arg(long, env = "RAGSTREAM_KAFKA", value_name = "BROKERS")]
    pub(crate) kafka: Option<String>,
    /// PostgreSQL: `postgres://user:password@host:port/database`.
    #[arg(long, env = "RAGSTREAM_POSTGRES", value_name = "URL", hide_env_values = true)]
    pub(crate) postgres: Option<String>,
    /// Blob storage: `http://ACCESS:SECRET@host:port/bucket`.
    #[arg(long, env = "RAGSTREAM_S3", value_name = "URL", hide_env_values = true)]
    pub(crate) s3: Option<String>,
    /// Folder of the embedding model.
    #[arg(long, env = "RAGSTREAM_MODEL_DIR", value_name = "DIR")]
    model_dir: Option<PathBuf>,
    /// The ONNX Runtime library, `libonnxruntime.so`.
    #[arg(long, env = "RAGSTREAM_ONNXRUNTIME", value_name = "FILE")]
    onnxruntime: Option<PathBuf>,
    /// Folder of a cross-encoder that reranks: `model.onnx`, `tokenizer.json`, `config.json`,
    /// `special_tokens_map.json` and `tokenizer_config.json`; without one nothing is reranked.
    /// Its name is the folder's.
    // Not a path: that may not be empty.
    #[arg(long, env = "RAGSTREAM_RERANKER_DIR", value_name = "DIR")]
    reranker_dir: Option<OsString>,
    /// An OpenAI-compatible endpoint whose model writes answers (`http://127.0.0.1:11434/v1`); without one they are
    /// quotes. Questions and passages are sent there, but for those of the mode `private` where it is another machine.
    #[arg(long, env = "LLM_BASE_URL", value_name = "URL")]
    llm_base_url: Option<String>,
    /// Name of the model there.
    #[arg(long, env = "LLM_MODEL", value_name = "NAME")]
    llm_model: Option<String>,
    /// Key of that endpoint.
    #[arg(long, env = "LLM_API_KEY", value_name = "KEY", hide_env_values = true)]
    llm_api_key: Option<String>,
    /// Tokens that the model reads, its answer included.
    #[arg(long, env = "LLM_CONTEXT_TOKENS", value_name = "N", default_value_t = DEFAULT_CONTEXT_TOKENS)]
    llm_context_tokens: usize,
    /// The endpoint of the mode `uncensored`.
    #[arg(long, env = "LLM_UNCENSORED_BASE_URL", value_name = "URL")]
    llm_uncensored_base_url: Option<String>,
    /// Name of the model there.
    #[arg(long, env = "LLM_UNCENSORED_MODEL", value_name = "NAME")]
    llm_uncensored_model: Option<String>,
    /// Key of that endpoint.
    #[arg(long, env = "LLM_UNCENSORED_API_KEY", value_name = "KEY", hide_env_values = true)]
    llm_uncensored_api_key: Option<String>,
    /// Partitions of each topic, where it has to be created.
    #[arg(long, env = "RAGSTREAM_PARTITIONS", value_name = "N", default_value_t = 12)]
    pub(crate) partitions: i32,
    /// Copies of each record, where a topic has to be created.
    #[arg(long, env = "RAGSTREAM_REPLICATION", value_name = "N", default_value_t = 1)]
    pub(crate) replication: i32,
    /// Faults between the roles and their parts, for tests; see `faults/mod.rs`.
    #[arg(long, env = "RAGSTREAM_FAULTS", value_name = "PLAN", hide = true)]
    pub(crate) faults: Option<Faults>,
}

impl Addresses {
    /// An address that a role can't do without.
    pub(crate) fn required(value: &Option<String>, flag: &str) -> Result<String, ConfigError> {
        value.clone().ok_or_else(|| {
            let env = flag.to_uppercase();
            ConfigError(format!("give --{flag} or RAGSTREAM_{env}: where this role finds it"))
        })
    }

    /// The model that writes answers, where one is named.
    pub(crate) fn writer(&self) -> Result<Option<ChatConfig>, ConfigError> {
        let model = self.chat("LLM", &self.llm_base_url, &self.llm_model)?;
        Ok(model.map(|model| ChatConfig { api_key: key(&self.llm_api_key), ..model }))
    }

    /// The model of the mode `uncensored`, where one is named.
    pub(crate) fn uncensored(&self) -> Result<Option<ChatConfig>, ConfigError> {
        let model = self.chat("LLM_UNCENSORED", &self.llm_uncensored_base_url, &self.llm_uncensored_model)?;
        Ok(model.map(|model| ChatConfig { api_key: key(&self.llm_uncensored_api_key), ..model }))
    }

    fn chat(
        &self,
        name: &str,
        url: &Option<String>,
        model: &Option<String>,
    ) -> Result<Option<ChatConfig>, ConfigError> {
        // Compose files pass on what is not set as empty.
        let given = |value: &Option<String>| value.clone().filter(|value| !value.trim().is_empty());
        match (given(url), given(model)) {
            (None, None) => Ok(None),
            (Some(url), Some(model)) => {
                let config = ChatConfig::new(&url, model)
                    .map_err(|error| ConfigError(format!("{name}_BASE_URL: {error}")))?;
                Ok(Some(ChatConfig { context_tokens: self.llm_context_tokens, ..config }))
            }
            _ => Err(ConfigError(format!("give both {name}_BASE_URL and {name}_MODEL, or neither"))),
        }
    }

    /// The model's folder: as given, or what `make parts` fetched.
    pub(crate) fn model_dir(&self) -> Result<PathBuf, ConfigError> {
        match &self.model_dir {
            Some(dir) => Ok(dir.clone()),
            None => {
                let found = Parts::locate().and_then(|parts| parts.model());
                found.map_err(|e| ConfigError(format!("give --model-dir or RAGSTREAM_MODEL_DIR: {e}")))
            }
        }
    }

    /// The reranker's folder, where one is named.
    pub(crate) fn reranker_dir(&self) -> Option<PathBuf> {
        // Compose files pass on what is not set as empty.
        self.reranker_dir.as_ref().filter(|dir| !dir.is_empty()).map(PathBuf::from)
    }

    /// The ONNX Runtime library: as given, or what `make parts` fetched.
    pub(crate) fn onnxruntime(&self) -> Result<PathBuf, ConfigError> {
        match &self.onnxruntime {
            Some(file) => Ok(file.clone()),
            None => {
                let found = Parts::locate().and_then(|parts| parts.onnxruntime());
                found.map_err(|e| ConfigError(format!("give --onnxruntime or RAGSTREAM_ONNXRUNTIME: {e}")))
            }
        }
    }
}

/// A key, where it is one.
fn key(given: &Option<String>) -> Option<String> {
    given.as_ref().map(|key| key.trim().to_owned()).filter(|key| !key.is_empty())
}
