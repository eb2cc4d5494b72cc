//! Why a worker ended by itself.

use ragstream_core::fault::Fault;

/// A worker ended without being asked to. The process should end too, and say why.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Message after message ran out of attempts: more likely a fault of this
    /// release or its configuration than of the data.
    #[error(
        "{consumer}: {in_a_row} messages in a row ran out of attempts and none succeeded in between; stopped \
         before more of them become dead letters. The last one failed with {}: {last}", last.class
    )]
    ErrorBudget {
        /// The consumer.
        consumer: String,
        /// How many.
        in_a_row: u32,
        /// Why the last of them failed.
        last: Fault,
    },
    /// The source failed for good.
    #[error("{consumer}: reading from the log failed: {fault}")]
    Source {
        /// The consumer.
        consumer: String,
        /// Why.
        fault: Fault,
    },
    /// The poll thread did not end in time, or could not be started, or panicked.
    #[error("{consumer}: the poll thread {what}")]
    PollThread {
        /// The consumer.
        consumer: String,
        /// What it did.
        what: String,
    },
}
