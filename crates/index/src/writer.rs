//! The one writer: applies events to a copy of the current view and publishes it.

use crate::{
    config::IndexConfig,
    error::IndexError,
    keyword::index::KeywordWriter,
    request::{Applied, Positioned},
    shared::Shared,
    transition::Transition,
    view::View,
};
use ragstream_core::id::ChunkId;
use std::collections::HashMap;

/// What only the writer needs.
pub(crate) struct Writer {
    /// The row of each chunk that is held.
    pub(crate) chunks: HashMap<ChunkId, u32>,
    pub(crate) keywords: KeywordWriter,
    /// An `apply` failed half-way: chunks, keywords and view may disagree.
    pub(crate) broken: bool,
}

impl Writer {
    /// See [`Index::apply`](crate::Index::apply).
    pub(crate) fn apply(
        &mut self,
        shared: &Shared,
        config: &IndexConfig,
        events: Vec<Positioned>,
    ) -> Result<Applied, IndexError> {
        if self.broken {
            return Err(IndexError::Broken);
        }
        if events.is_empty() {
            return Ok(Applied::default());
        }
        // Cleared again only when all went well, so that a panic counts as a failure too.
        self.broken = true;
        let before = shared.view();
        let mut view = View::clone(&before);
        let first_new = view.next_row();
        let mut transition = Transition {
            view: &mut view,
            chunks: &mut self.chunks,
            model: config.model.as_deref(),
            dimension: config.dimension,
            applied: Applied::default(),
            retired: Vec::new(),
        };
        for event in events {
            transition.apply(event)?;
        }
        let Transition { applied, retired, .. } = transition;
        // The keywords of new rows are committed before any search can see these rows.
        for row in view.live.iter_from(first_new) {
            if let Some(record) = view.record(row) {
                self.keywords.add(row, record)?;
            }
        }
        for row in retired.into_iter().filter(|row| *row < first_new) {
            self.keywords.remove(row);
        }
        // A commit costs milliseconds: staged rows can wait for the one of their marker.
        let shows_others = view.visible.len() != before.visible.len() || view.checksum != before.checksum;
        if shows_others {
            view.searcher = self.keywords.searcher()?;
        }
        drop(before);
        shared.publish(view);
        self.broken = false;
        Ok(applied)
    }
}
