//! Snapshots: what an index holds, in files, so that a start need not read
//! the log from its beginning.
//!
//! The graph is not among them: it is built anew in the background, and exact
//! scans serve until it is there.

mod file;
mod fit;
mod folders;
mod incoming;
mod manifest;
mod read;
mod write;

pub use fit::{Fit, MAX_SNAPSHOT_AGE};
pub use folders::{put_aside, snapshots};
pub use incoming::Incoming;
pub use manifest::SNAPSHOT_FILES;

pub(crate) use read::read;
pub(crate) use write::write;
