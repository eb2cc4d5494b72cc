//! What goes out to the log when users command jobs and delete documents.

use ragstream_core::{
    document::Document,
    event::{IndexKey, IngestRequested},
    lane::Lane,
    ports::{ControlRecords, Outgoing, Removed},
};
use ragstream_proto::encode::{self, Origin};
use ragstream_runtime::http::RequestContext;

/// Records of one request.
pub(crate) struct Records(Origin);

impl Records {
    pub(crate) fn of(context: &RequestContext) -> Self {
        Self(Origin { correlation_id: context.correlation_id.clone(), trace: context.trace.child() })
    }
}

impl ControlRecords for Records {
    fn request(&self, document: &Document, lane: Lane) -> Outgoing {
        let event = IngestRequested { document: document.reference.clone(), blob: document.blob.clone() };
        encode::ingest_requested(&event, lane, &self.0)
    }

    fn gone(&self, removed: &Removed) -> Vec<Outgoing> {
        let chunks = removed.chunks.iter().map(|id| IndexKey::Chunk(*id));
        let markers = removed.versions.iter().map(|version| IndexKey::Commit(removed.document_id, *version));
        chunks.chain(markers).map(|key| encode::gone(key, removed.document_id, &self.0)).collect()
    }

    /// The deletion first: an index takes the document out of sight in one step.
    fn deleted(&self, removed: &Removed) -> Vec<Outgoing> {
        let mut records = vec![encode::document_deleted(removed.document_id, &self.0)];
        records.extend(self.gone(removed));
        records
    }
}
