//! The keyword leg of a search: BM25 over any of the question's terms.

use super::index::{ROW, Vocabulary};
use crate::{
    request::PerDocument,
    rows::RowSet,
    top::{Scored, Top},
    view::View,
};
use tantivy::{
    Score, Term,
    query::{BooleanQuery, EnableScoring, Occur, Query, TermQuery},
    schema::IndexRecordOption,
};

/// More terms than this are not looked up: a text pasted as a question keeps
/// its rarest ones.
const MAX_TERMS: usize = 64;

/// The best `limit` of the rows in `allowed`.
///
/// Rows are filtered while they are collected, so that a selective filter
/// never leaves fewer hits than there are. Blocks of postings that can't reach
/// the worst hit kept are skipped.
pub(crate) fn search(
    view: &View,
    vocabulary: &Vocabulary,
    text: &str,
    allowed: &RowSet,
    limit: usize,
    per_document: PerDocument,
) -> tantivy::Result<Vec<Scored>> {
    let searcher = &view.searcher;
    let mut terms = vocabulary.question(text);
    if terms.is_empty() || limit == 0 || allowed.len() == 0 || searcher.num_docs() == 0 {
        return Ok(Vec::new());
    }
    if terms.len() > MAX_TERMS {
        let weighted = vocabulary.weights(searcher, &terms)?;
        terms = weighted.into_iter().take(MAX_TERMS).map(|(term, _)| term).collect();
    }
    let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::new();
    for term in &terms {
        for field in vocabulary.fields.searched() {
            let term = Term::from_field_text(field, term);
            clauses.push((Occur::Should, Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs))));
        }
    }
    let weight = BooleanQuery::new(clauses).weight(EnableScoring::enabled_from_searcher(searcher))?;
    // Postings that only equal the worst hit must still be seen: the tie is
    // decided by chunk id.
    let below = |top: &Top| top.threshold().next_down().max(Score::MIN);
    let mut top = Top::new(view, limit, per_document);
    for segment in searcher.segment_readers() {
        let rows = segment.fast_fields().u64(ROW)?;
        weight.for_each_pruning(below(&top), segment, &mut |document, score| {
            if let Some(row) = rows.first(document).and_then(|row| u32::try_from(row).ok())
                && allowed.contains(row)
            {
                top.offer(row, score);
            }
            below(&top)
        })?;
    }
    Ok(top.into_sorted())
}
