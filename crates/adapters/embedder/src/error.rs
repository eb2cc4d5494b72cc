//! Why a model can't be loaded.

use std::path::PathBuf;

/// Loading failed. None of these passes by itself: the installation or the
/// configuration has to change.
#[derive(Debug, thiserror::Error)]
pub enum EmbedderError {
    /// ONNX Runtime can't be loaded: not there, not a library of it, or older than 1.24.
    #[error("can't load ONNX Runtime from {}: {reason}", path.display())]
    Runtime {
        /// The path as configured.
        path: PathBuf,
        /// What the loader says.
        reason: String,
    },
    /// Another ONNX Runtime library is loaded; a process can have one only.
    #[error("ONNX Runtime is already loaded from {}, a process can't load another", path.display())]
    OtherRuntime {
        /// The path that is loaded.
        path: PathBuf,
    },
    /// A file of the model folder can't be read.
    #[error("can't read {} of the model: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// The weights are not the ones that the configuration pins.
    #[error("{} has SHA-256 {actual}, expected {expected}", path.display())]
    Checksum {
        /// The weights file.
        path: PathBuf,
        /// As configured.
        expected: String,
        /// As read.
        actual: String,
    },
    /// A file can be read but is not what it should be.
    #[error("the model is not usable: {0}")]
    Model(String),
    /// The model runs, and gives other vectors than it should.
    #[error("the model gives wrong vectors: {0}")]
    SelfCheck(String),
    /// The settings contradict themselves or the model.
    #[error("bad settings of a model: {0}")]
    Config(String),
}
