//! The wire: protobuf types of `ragstream/v1/*.proto`, and the only conversions
//! between them and the domain.
//!
//! [`encode`] makes the records that services append; [`decode`] reads what
//! consumers get. Bytes that are not what they should be are
//! [`Fault`](ragstream_core::fault::Fault)s of kind `Invalid`, class `undecodable`.

mod convert;
pub mod decode;
pub mod encode;
mod lifecycle;

/// The generated types.
pub mod v1 {
    #![allow(missing_docs, clippy::all)]
    include!(concat!(env!("OUT_DIR"), "/ragstream.v1.rs"));
}

/// The schema version that [`encode`] writes into the header `x-schema-version`.
pub const SCHEMA_VERSION: &str = "1";
