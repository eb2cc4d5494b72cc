//! Attempts that an outage interrupted: on record, and to be gone on with rather than counted again.

use ragstream_core::{
    fault::{Fault, Result},
    id::{DocumentId, Version},
};
use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Most of them that are remembered: far more than a worker has under way. Past it
/// some attempts are counted twice, which is no harm.
const MAX: usize = 4096;

/// What was begun here and has not come to an end. A new process begins with nothing,
/// so what took the last one down is counted.
#[derive(Default)]
pub(crate) struct OpenAttempts(Mutex<HashSet<(DocumentId, Version)>>);

impl OpenAttempts {
    /// Whether the attempt at a version is on record already.
    pub(crate) fn has(&self, document_id: DocumentId, version: Version) -> bool {
        self.lock().contains(&(document_id, version))
    }

    /// An attempt was put on record.
    pub(crate) fn begun(&self, document_id: DocumentId, version: Version) {
        let mut open = self.lock();
        if open.len() >= MAX {
            open.clear();
        }
        open.insert((document_id, version));
    }

    /// It ended, unless it only waits for a dependency.
    pub(crate) fn ended<T>(&self, document_id: DocumentId, version: Version, outcome: &Result<T>) {
        if !outcome.as_ref().is_err_and(Fault::is_unavailable) {
            self.lock().remove(&(document_id, version));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<(DocumentId, Version)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_leaves_an_attempt_open_and_every_other_end_does_not() {
        let (open, id) = (OpenAttempts::default(), DocumentId::generate());
        let ends = [
            (Err(Fault::unavailable("kafka_unavailable", "away")), true),
            (Err(Fault::failed("blob_truncated", "half of it")), false),
            (Err(Fault::invalid("corrupt_document", "no PDF")), false),
            (Ok(()), false),
        ];
        for (end, stays) in ends {
            open.begun(id, Version(1));
            assert!(open.has(id, Version(1)) && !open.has(id, Version(2)));
            open.ended(id, Version(1), &end);
            assert_eq!(open.has(id, Version(1)), stays, "{end:?}");
        }
    }

    #[test]
    fn memory_is_bounded() {
        let open = OpenAttempts::default();
        for _ in 0..2 * MAX {
            open.begun(DocumentId::generate(), Version(1));
        }
        assert!(open.lock().len() <= MAX);
    }
}
