//! The HTTP contract: what goes in and out of `/api/v2`, for the roles that
//! serve it and the clients (command line, benchmark) that use it.
//!
//! Errors are [`problem::Problem`]s (RFC 9457); which fault is which status is
//! decided in one function there.

pub mod admin;
pub mod batches;
pub mod dead_letters;
pub mod documents;
pub mod embeddings;
pub mod openai;
pub mod outage;
pub mod personas;
pub mod problem;
pub mod query_jobs;
pub mod search;
pub mod system;
pub mod webhooks;
