//! Vectors: made sound, compared, scanned, and walked to.

pub(crate) mod dot;
pub(crate) mod graph;
pub(crate) mod scan;
pub(crate) mod search;
pub(crate) mod unit;
