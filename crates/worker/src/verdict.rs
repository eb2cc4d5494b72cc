//! What became of a message.

use ragstream_core::fault::{Fault, FaultKind, Result};

/// A handler's answer for one message.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Its effects are in place: its offset may be committed.
    Done,
    /// It is bad and always will be: a dead letter now. Undecodable bytes too.
    Invalid(Fault),
    /// A dependency is down: all wait, nothing is counted.
    Unavailable(Fault),
    /// It failed this time: tried again, a counted number of times.
    Failed(Fault),
}

impl Verdict {
    /// The name in metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Invalid(_) => FaultKind::Invalid.as_str(),
            Self::Unavailable(_) => FaultKind::Unavailable.as_str(),
            Self::Failed(_) => FaultKind::Failed.as_str(),
        }
    }
}

impl From<Fault> for Verdict {
    fn from(fault: Fault) -> Self {
        match fault.kind {
            FaultKind::Invalid => Self::Invalid(fault),
            FaultKind::Unavailable => Self::Unavailable(fault),
            FaultKind::Failed => Self::Failed(fault),
        }
    }
}

impl From<Result<()>> for Verdict {
    fn from(result: Result<()>) -> Self {
        match result {
            Ok(()) => Self::Done,
            Err(fault) => fault.into(),
        }
    }
}
