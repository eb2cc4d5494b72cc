//! Reciprocal rank fusion (Cormack, Clarke, Büttcher 2009).

use crate::{
    request::{Hit, LegScore},
    top::Scored,
    view::View,
};
use std::{cmp::Ordering, collections::HashMap};

/// How little the first ranks count more than the next. The paper has 60, for
/// many systems of equal worth; these are two, and a small model ranks nearly
/// at random what is not in its language. With 60 a passage in the middle of
/// both legs then beats the one that a leg is sure of: nDCG@10 on XQuAD is
/// 0.33 for Arabic with 60 and 0.89 with 2, and no lower for English.
const K: f64 = 2.0;

/// What a rank in the keyword leg counts more than one in the vector leg:
/// the words of a question are found in any language.
const KEYWORD_WEIGHT: f64 = 1.75;

/// The best `top_k` of both legs by the sum of `weight / (K + rank)`, as a share
/// of what the first of both legs gets. Equal sums are in the order of chunk ids.
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
            let share = |leg: Option<LegScore>| leg.map_or(0.0, |leg| (K + 1.0) / (K + leg.rank as f64));
            let score = ((share(vector) + KEYWORD_WEIGHT * share(keyword)) / (1.0 + KEYWORD_WEIGHT)) as f32;
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
