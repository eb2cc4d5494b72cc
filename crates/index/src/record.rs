//! What the index holds of a chunk besides its vector.

use ragstream_core::{chunk::Chunk, document::DocumentRef};
use std::sync::Arc;

/// A chunk as searches return it: everything that an answer cites.
#[derive(Clone, Debug, PartialEq)]
pub struct ChunkRecord {
    /// Id, text, span, page, headings.
    pub chunk: Chunk,
    /// Document, version, file name, collection, metadata: shared by the chunks of a version.
    pub document: Arc<DocumentRef>,
    /// The model that made the vector.
    pub model: Arc<str>,
}
