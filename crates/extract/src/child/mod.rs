//! Extraction in a process of its own.

mod entry;
mod frame;
mod parent;
mod resources;
mod sandbox;
mod verdict;

pub use entry::child_main;
pub use parent::{ChildExtractor, Extraction};
