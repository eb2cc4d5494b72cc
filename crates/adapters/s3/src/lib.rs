//! Documents' bytes in S3, or in what speaks its protocol (MinIO, Ceph, the
//! standalone node's folder).
//!
//! [`S3Blobs`] is a [`BlobStore`](ragstream_core::ports::BlobStore) and a
//! [`PartStore`](ragstream_core::ports::PartStore). Its calls retry
//! transient errors for a few seconds; what is left is the caller's to wait for:
//!
//! - `Unavailable` / `blob_store_unreachable`: no answer, a timeout, an error of the server, or overload.
//! - `Unavailable` / `blob_store_misconfigured`: no such bucket, or the credentials
//!   may not use it. Waiting is right here too: nothing is wrong with the work.
//! - `Invalid` / `blob_missing`: there is no such key.
//! - `Invalid` / `blob_refused`: the store will never take it (key or body too long).
//! - `Invalid` / `parts_gone`: it has nothing (any more) of a blob that was written in parts.
//! - `Failed` / `blob_store_refused`: any other refusal.

mod blobs;
mod client;
mod config;
mod faults;
mod parts;
mod resumable;
mod upload;

pub use blobs::S3Blobs;
pub use config::{S3Config, S3ConfigError};
