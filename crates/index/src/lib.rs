//! The searchable view of the `chunk-embeddings` topic: vectors, keywords,
//! filters, the fusion of both legs, version visibility and snapshots.
//!
//! ```text
//! events ──apply──▶ copy of the view ──publish──▶ view ◀── search, snapshot
//!                                                  │
//!                                       builder thread ──▶ graph
//! ```
//!
//! What holds:
//! - The contents are a function of the log; see [`Index::apply`].
//! - A search works on one immutable view of one moment: of a document it
//!   sees the old version or the new one, in both legs. It waits for nothing.
//! - Rows are numbered once and never reused while a process lives, so that a
//!   view, a graph and a keyword segment of different moments fit together.
//! - A filter never makes a search return fewer hits than there are.
//! - Nothing an event or a request holds makes it panic.

mod block;
mod builder;
mod config;
mod diversity;
mod documents;
mod error;
mod explain;
mod filter;
mod fusion;
mod index;
mod keyword;
mod metrics;
mod record;
mod request;
mod rows;
mod shared;
mod snapshot;
mod snippet;
mod top;
mod transition;
mod vector;
mod view;
mod writer;

pub use config::{DEFAULT_EXACT_BELOW, HnswParams, IndexConfig};
pub use error::IndexError;
pub use explain::{ExplainedChunk, Explanation, Target, TermFound};
pub use filter::{Filter, FilterError, MAX_FILTER_CONDITIONS, MAX_FILTER_DEPTH};
pub use index::Index;
pub use record::ChunkRecord;
pub use request::{
    Applied, Contents, DocumentState, GraphStats, Hit, Incomplete, IndexStats, LegScore, Legs, MAX_TOP_K,
    PerDocument, Positioned, Presence, Rejected, SearchHits, SearchRequest, SnapshotInfo, Timings,
    VectorPath,
};
pub use snapshot::{Fit, Incoming, MAX_SNAPSHOT_AGE, SNAPSHOT_FILES, put_aside, snapshots};
pub use snippet::Snippet;
