//! The vector leg of a search: which way is the cheaper one, and never fewer
//! hits than there are.

use super::{dot::Dot, graph::Graph, scan::scan};
use crate::{
    config::IndexConfig,
    request::{PerDocument, VectorPath},
    rows::RowSet,
    top::{Scored, Top},
    view::View,
};

/// Nodes asked of the graph, for each that is expected to pass the filter, at the first try.
const OVERFETCH: f64 = 1.5;

/// How much wider each further try is.
const WIDENING: usize = 4;

/// The graph as a search found it, before it took its view.
pub(crate) struct Walk<'g> {
    pub(crate) graph: &'g Graph,
    /// Rows from here on are not (all) in the graph.
    pub(crate) watermark: u32,
}

/// The best `limit` of the rows in `allowed`.
///
/// Up to `exact_below` rows are all compared. Beyond that the graph is asked
/// for more nodes than needed, and what the filter leaves of them counts;
/// where that is too little, for more still, until looking at every row is
/// cheaper.
#[allow(clippy::too_many_arguments)]
pub(crate) fn search(
    view: &View,
    walk: Option<Walk>,
    config: &IndexConfig,
    dot: Dot,
    question: &[f32],
    allowed: &RowSet,
    limit: usize,
    per_document: PerDocument,
) -> (Vec<Scored>, VectorPath) {
    let walked = match walk {
        Some(walk) if allowed.len() > config.exact_below => {
            let top = Top::new(view, limit, per_document);
            approximate(view, walk, config, dot, question, allowed, limit, top)
        }
        _ => None,
    };
    if let Some(top) = walked {
        return (top.into_sorted(), VectorPath::Graph);
    }
    let mut top = Top::new(view, limit, per_document);
    scan(view, allowed, 0, question, dot, &mut top);
    (top.into_sorted(), VectorPath::Exact)
}

#[allow(clippy::too_many_arguments)]
fn approximate<'v>(
    view: &'v View,
    walk: Walk,
    config: &IndexConfig,
    dot: Dot,
    question: &[f32],
    allowed: &RowSet,
    limit: usize,
    mut top: Top<'v>,
) -> Option<Top<'v>> {
    // By the definition of `exact_below`, a walk of `ef_search` nodes costs as
    // much as a scan of so many rows; the cost of both is about linear.
    let rows_a_node = (config.exact_below / config.hnsw.ef_search).max(1);
    let mut budget = allowed.len();
    let (_, graph_rows, _) = walk.graph.sizes();
    let share = allowed.len_below(walk.watermark) as f64 / graph_rows.max(1) as f64;
    let expected =
        (limit as f64 * OVERFETCH / share.max(f64::MIN_POSITIVE)).min(f64::from(u32::MAX)) as usize;
    let mut fetch = expected.max(config.hnsw.ef_search);
    loop {
        budget = budget.checked_sub(fetch.saturating_mul(rows_a_node))?;
        let near = walk.graph.near(question, fetch).ok()?;
        let passes = |row: &u32| *row < walk.watermark && allowed.contains(*row);
        if top.can_be_filled_by(near.rows.iter().copied().filter(passes)) {
            for row in near.rows.into_iter().chain(near.lost).filter(passes) {
                if let Some(vector) = view.vector(row) {
                    top.offer(row, dot.of(question, vector));
                }
            }
            scan(view, allowed, walk.watermark, question, dot, &mut top);
            return Some(top);
        }
        if near.nodes < fetch {
            return None;
        }
        fetch = fetch.saturating_mul(WIDENING);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{keyword, record::ChunkRecord};
    use ragstream_core::{
        chunk::Chunk,
        document::DocumentRef,
        id::{ChunkId, DocumentId, JobId, Version},
    };
    use std::sync::Arc;

    /// Points on a quarter of the unit circle, in order.
    fn vector(n: u32, of: u32) -> [f32; 2] {
        let (a, b) = (n as f32 / of as f32 * std::f32::consts::FRAC_PI_2).sin_cos();
        [a, b]
    }

    fn record(n: u32) -> Arc<ChunkRecord> {
        let document = DocumentRef {
            document_id: DocumentId::generate(),
            version: Version(1),
            job_id: JobId::generate(),
            collection: "c".into(),
            external_id: None,
            filename: "f".into(),
            content_type: "t".into(),
            metadata: Default::default(),
        };
        let id = ChunkId::derive(document.document_id, Version(1), "t", n);
        let text = String::new();
        let chunk = Chunk { id, position: n, text, span: 0..0, page: None, headings: vec![], tokens: 0 };
        Arc::new(ChunkRecord { chunk, document: Arc::new(document), model: "m".into() })
    }

    #[test]
    fn lost_nodes_and_rows_behind_the_watermark_are_found_with_the_graph_and_others_are_not() {
        const ROWS: u32 = 2_000;
        const IN_GRAPH: u32 = 1_900;
        let config = IndexConfig { dimension: 2, exact_below: 64, ..IndexConfig::default() };
        let mut view = {
            let (mut keywords, _) = keyword::index::open(&config).unwrap();
            View::empty(2, 0.25, keywords.searcher().unwrap())
        };
        for n in 0..ROWS {
            let row = view.append(record(n), &vector(n, ROWS)).unwrap();
            view.show("c", &[row]);
        }
        let dot = Dot::detect();
        let graph = Graph::new(config.hnsw, dot, ROWS as usize);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let rows: Vec<(u32, &[f32])> = (0..IN_GRAPH).map(|row| (row, view.vector(row).unwrap())).collect();
        graph.insert(&rows, IN_GRAPH, true, &pool).unwrap();
        graph.lose(vec![7, 500, 1_899]);
        let mut allowed = view.visible.clone();
        allowed.remove(300);
        for question in [7, 500, 1_899, 1_900, 1_950, 1_999, 300, 1_000] {
            let walk = Walk { graph: &graph, watermark: IN_GRAPH };
            let near = vector(question, ROWS);
            let (found, path) = search(&view, Some(walk), &config, dot, &near, &allowed, 5, PerDocument::All);
            assert_eq!(path, VectorPath::Graph);
            assert_eq!(found.len(), 5);
            assert_eq!(found.iter().any(|scored| scored.row == question), question != 300, "{question}");
        }
    }
}
