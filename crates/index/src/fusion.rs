//! Reciprocal rank fusion (Cormack, Clarke, Büttcher 2009).

use crate::{
    request::{Hit, LegScore},
    top::Scored,
    view::View,
};
use std::{cmp::Ordering, collections::HashMap};

/// The constant of the paper: how little the first ranks count more than the next.
const K: f64 = 60.0;

/// The best `top_k` of both legs by the sum of `1 / (60 + rank)`. Equal sums
/// are in the order of chunk ids.
pub(crate) fn fuse(view: &View, vector: &[Scored], keyword: &[Scored], top_k: usize) -> Vec<Hit> {
    let mut ranks: HashMap<u32, [Option<LegScore>; 2]> = HashMap::with_capacity(vector.len() + keyword.len());
    for (leg, scored) in [vector, keyword].into_iter().enumerate() {
        for (index, scored) in scored.iter().enumerate() {
            ranks.entry(scored.row).or_default()[leg] =
                Some(LegScore { rank: index + 1, score: scored.score });
        }
    }
    let mut hits: Vec<Hit> = ranks
        .into_iter()
        .filter_map(|(row, [vector, keyword])| {
            let record = view.record(row)?.clone();
            let share = |leg: Option<LegScore>| leg.map_or(0.0, |leg| 1.0 / (K + leg.rank as f64));
            let score = (share(vector) + share(keyword)) as f32;
            Some(Hit { chunk_id: record.chunk.id, score, vector, keyword, record })
        })
        .collect();
    let order = |a: &Hit, b: &Hit| -> Ordering {
        b.score.total_cmp(&a.score).then_with(|| a.chunk_id.cmp(&b.chunk_id))
    };
    hits.sort_unstable_by(order);
    hits.truncate(top_k);
    hits
}
