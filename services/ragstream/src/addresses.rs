//! Where the parts are that the roles are tied to.

use crate::faults::Faults;
use clap::Args;
use ragstream_embedded::Parts;
use ragstream_runtime::config::ConfigError;
use std::path::PathBuf;

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
