//! Rows: documents, jobs, chunk statuses and the outbox, in PostgreSQL.
//!
//! [`Ledger`] implements every ledger port of [`ragstream_core::ports`]. All
//! statements are single round trips where they can be; each write is fenced
//! by the document's version and moves a status forward only, so that doing
//! it twice, or late, changes nothing.

mod batches;
mod chats;
mod control;
mod dead_letters;
mod embedding;
mod error;
mod imports;
mod index;
mod ingestion;
mod intake;
mod lane;
mod lifecycle;
mod notices;
mod outbox;
mod personas;
mod pool;
mod progress;
mod query_jobs;
mod status;
mod trash;
mod uploads;
mod verify;
mod webhooks;

pub use pool::{Ledger, LedgerConfig};
