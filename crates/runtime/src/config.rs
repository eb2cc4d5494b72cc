//! Settings of a service: its defaults, overridden by the environment.

use figment::{
    Figment,
    providers::{Env, Serialized},
};
use serde::{Serialize, de::DeserializeOwned};

/// The exit code of a process that was given a bad configuration (`EX_USAGE` of sysexits.h).
pub const EXIT_BAD_CONFIGURATION: u8 = 64;

/// Something in the configuration can't be used.
#[derive(Debug, thiserror::Error)]
#[error("bad configuration: {0}")]
pub struct ConfigError(pub String);

/// The settings of `service`: `T::default()`, overridden by
/// `RAGSTREAM_<SERVICE>_<FIELD>` (`RAGSTREAM_EMBEDDING_BATCH_MAX=64`).
pub fn load<T>(service: &str) -> Result<T, ConfigError>
where
    T: Default + Serialize + DeserializeOwned,
{
    let prefix = format!("RAGSTREAM_{}_", service.to_uppercase());
    Figment::from(Serialized::defaults(T::default()))
        .merge(Env::prefixed(&prefix))
        .extract()
        .map_err(|e| ConfigError(format!("{prefix}*: {e}")))
}
