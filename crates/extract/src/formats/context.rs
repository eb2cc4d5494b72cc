//! What the readers of one upload share: its limits, and what of them is left
//! for the documents inside of it.

use super::zipped::Budget;
use crate::limits::Limits;

/// Documents inside of documents inside of documents are read so deep.
const MAX_NESTED: u32 = 8;

/// So many documents inside of an upload are read.
const MAX_EMBEDDED: u64 = 200;

/// For one document. [`Context::inside`] is for one inside of it.
#[derive(Clone, Debug)]
pub struct Context<'l> {
    /// Those of the upload.
    pub limits: &'l Limits,
    /// What may still be unpacked.
    pub budget: Budget,
    nested: u32,
    embedded: Budget,
}

impl<'l> Context<'l> {
    /// For an upload.
    pub fn new(limits: &'l Limits) -> Self {
        Self { limits, budget: Budget::default(), nested: 0, embedded: Budget::new(MAX_EMBEDDED) }
    }

    /// For a document inside of this one; `None` where that is too deep, or one too many.
    pub fn inside(&self) -> Option<Self> {
        (self.nested < MAX_NESTED && self.embedded.take(1))
            .then(|| Self { nested: self.nested + 1, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_and_number_have_an_end() {
        let limits = Limits::default();
        let top = Context::new(&limits);
        let mut depth = 0;
        let mut inner = top.inside();
        while let Some(context) = inner {
            depth += 1;
            inner = context.inside();
        }
        assert_eq!(depth, MAX_NESTED);
        let others = std::iter::from_fn(|| top.inside()).take(10_000).count() as u64;
        assert_eq!(others + u64::from(MAX_NESTED), MAX_EMBEDDED);
    }
}
