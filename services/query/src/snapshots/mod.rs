//! Snapshots of the index: what makes a start a short one, here and on other nodes.
//!
//! - [`restore()`]: the start. The newest snapshot on disk that is whole and fits, else
//!   the newest in blob storage, else an empty index: the log has it all.
//! - [`Snapshots`]: one on disk now and then, and at the end.
//! - [`uploading`]: copies of these in blob storage, for nodes that lost their disk or
//!   are new. Blob storage is never waited for: without it a start takes longer, that
//!   is all.

mod restore;
mod store;
mod upload;
mod write;

pub(crate) use restore::restore;
pub(crate) use store::Store;
pub(crate) use upload::uploading;
pub(crate) use write::Snapshots;
