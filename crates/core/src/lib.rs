//! The vocabulary of Ragstream: ids, documents, chunks, jobs, events, and the
//! ports through which services reach the outside.
//!
//! No IO and no runtime here. Everything that touches a broker, a database, a
//! blob store or a model implements a trait of [`ports`] in its own crate.

pub mod checksum;
pub mod chunk;
pub mod contents;
pub mod document;
pub mod event;
pub mod fault;
pub mod id;
pub mod job;
pub mod lane;
pub mod lifecycle;
pub mod ports;
pub mod seldom;
pub mod text;
pub mod token;
pub mod topics;
pub mod trace;
