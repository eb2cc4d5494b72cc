//! The durable parts of a standalone node: Apache Kafka and PostgreSQL as
//! supervised child processes, and an S3 server over a folder inside this one.
//!
//! What holds for each of them:
//!
//! - `start` returns when the part answers, or says why it does not, with the
//!   end of its log.
//! - A child that dies is started again on the same port, so that clients
//!   reconnect by themselves.
//! - A child never outlives this process. It does not see a terminal's Ctrl-C
//!   (own process group), it is signalled by the kernel when this process ends
//!   however it ends, and what is left over all the same is found by its pid
//!   file at the next start.
//! - After `kill -9` of anything, the next start has every acknowledged write.
//! - One folder belongs to one process at a time ([`FolderLock`]).
//!
//! Nothing here needs a tokio runtime of the caller's: supervision runs on
//! threads, so a part that a test starts lives longer than that test's runtime.

mod child;
mod error;
mod files;
mod folder;
mod kafka;
mod parts;
mod ports;
mod postgres;
mod s3;

pub use child::{PartReport, PartState};
pub use error::EmbeddedError;
pub use folder::FolderLock;
pub use kafka::{Kafka, KafkaOptions};
pub use parts::Parts;
pub use postgres::{Postgres, PostgresOptions};
pub use s3::{S3Options, S3Server};

/// The result of this crate.
pub type Result<T, E = EmbeddedError> = std::result::Result<T, E>;
