//! Snapshots: what an index holds, in files, so that a start need not read
//! the log from its beginning.
//!
//! The graph is not among them: it is built anew in the background, and exact
//! scans serve until it is there.

mod file;
mod folders;
mod manifest;
mod read;
mod write;

pub(crate) use folders::newest;
pub(crate) use read::read;
pub(crate) use write::write;
