//! What went wrong, said so that the caller knows what to do about it.

use serde::{Deserialize, Serialize};
use std::{error::Error, fmt, sync::Arc};

/// What the caller must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// A dependency is down: wait and try again for ever. Nothing is wrong
    /// with the work, so no attempt is used up.
    Unavailable,
    /// The work itself is bad and always will be: give it up now.
    Invalid,
    /// It failed and may succeed another time: try again, a counted number of times.
    Failed,
}

impl FaultKind {
    /// The name in headers, rows and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Invalid => "invalid",
            Self::Failed => "failed",
        }
    }
}

/// An error of a port or of a step: a kind for the machine, a class for
/// grouping, a message for a person, and the source.
#[derive(Clone)]
pub struct Fault {
    /// What the caller must do.
    pub kind: FaultKind,
    /// A stable, short, snake_case name of the cause (`blob_missing`,
    /// `corrupt_document`): a metric label and a dead-letter header, never an id.
    pub class: &'static str,
    /// What a person needs to know, without document text.
    pub message: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl Fault {
    /// A dependency is down.
    pub fn unavailable(class: &'static str, message: impl Into<String>) -> Self {
        Self::new(FaultKind::Unavailable, class, message)
    }

    /// The work is bad.
    pub fn invalid(class: &'static str, message: impl Into<String>) -> Self {
        Self::new(FaultKind::Invalid, class, message)
    }

    /// It failed this time.
    pub fn failed(class: &'static str, message: impl Into<String>) -> Self {
        Self::new(FaultKind::Failed, class, message)
    }

    fn new(kind: FaultKind, class: &'static str, message: impl Into<String>) -> Self {
        Self { kind, class, message: message.into(), source: None }
    }

    /// The same fault, with what caused it.
    pub fn caused_by(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Whether waiting is the answer.
    pub fn is_unavailable(&self) -> bool {
        self.kind == FaultKind::Unavailable
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut source = self.source.as_deref().map(|e| e as &dyn Error);
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}: {self}", self.kind.as_str(), self.class)
    }
}

impl Error for Fault {}

/// The result of a port.
pub type Result<T, E = Fault> = std::result::Result<T, E>;
