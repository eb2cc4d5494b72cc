//! Both legs as one: a weighted sum of their scores (a convex combination: Bruch, Gai, Ingber,
//! "An Analysis of Fusion Functions for Hybrid Retrieval", TOIS 2023).

use crate::{
    request::{Hit, LegScore, PerDocument},
    top::Scored,
    view::View,
};
use ragstream_core::id::DocumentId;
use std::{cmp::Ordering, collections::HashMap};

/// What the keyword leg's best hit counts, where a cosine counts the rest.
///
/// nDCG@10 of documents by both legs, and by each alone (`ragstream bench retrieval DIR`; XQuAD by
/// `cargo test -p ragstream-index --test xquad`). By rank is reciprocal rank fusion with k = 2 and
/// keywords 1.75 times as much, which did best of k from 1 to 60 and weights from 1 to 2:
///
/// | set | vectors | keywords | by rank | by score |
/// | --- | --- | --- | --- | --- |
/// | SciFact | 0.663 | 0.682 | 0.713 | 0.740 |
/// | Cranfield | 0.389 | 0.373 | 0.408 | 0.428 |
/// | XQuAD, English | 0.949 | 0.968 | 0.974 | 0.979 |
/// | XQuAD, German | 0.723 | 0.909 | 0.922 | 0.934 |
/// | XQuAD, Chinese | 0.272 | 0.962 | 0.946 | 0.959 |
/// | XQuAD, Arabic | 0.076 | 0.911 | 0.899 | 0.908 |
///
/// From 0.25 to 0.4 the first three change by less than 0.01. A smaller share lets the vectors of
/// a language that the model can't read have their way: with 0.2 it is 0.851 for Chinese and 0.704
/// for Arabic where 200 candidates of each leg are fused.
const KEYWORD_SHARE: f64 = 1.0 / 3.0;

/// The scores of both legs, made to be added.
///
/// A cosine counts by how far it is above that of the last candidate, for whatever is beyond is
/// taken to be as near as that one: where a model tells little apart, as in a language that
/// it was not made for, all of them are close together and the words decide. BM25 has
/// no upper end of its own: it counts as a share of the best.
struct Scales {
    floor: f64,
    nearest: f64,
    best: f64,
}

impl Scales {
    fn of(vector: &[Scored], keyword: &[Scored], depth: usize) -> Self {
        let last = vector.last().map_or(0.0, |scored| f64::from(scored.score));
        // Of a leg that is not full, nothing is beyond.
        let floor = if vector.len() < depth { last.min(0.0) } else { last };
        let first = |leg: &[Scored], least: f64| leg.first().map_or(least, |scored| f64::from(scored.score));
        Self { floor, nearest: first(vector, floor), best: first(keyword, 0.0) }
    }

    /// As a share of the nearest.
    fn near(&self, score: f32) -> f64 {
        share(f64::from(score) - self.floor, self.nearest - self.floor)
    }

    /// As a share of the best.
    fn worded(&self, score: f32) -> f64 {
        share(f64::from(score), self.best)
    }

    /// The sum, as a share of what the first of both legs has.
    fn sum(&self, near: f64, worded: f64) -> f64 {
        let vectors = (1.0 - KEYWORD_SHARE) * (self.nearest - self.floor);
        let keywords = if self.best > 0.0 { KEYWORD_SHARE } else { 0.0 };
        share(vectors * near + keywords * worded, vectors + keywords)
    }
}

/// `part / whole`, and all of it where the whole is nothing: then nothing tells the parts apart.
fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 1.0 }
}

/// A hit, and its row.
pub(crate) struct Fused {
    pub(crate) row: u32,
    pub(crate) hit: Hit,
}

/// What both legs found, by the sum of their [scores](Scales): chunk by chunk, or document by
/// document. `depth` is how many candidates a leg was asked for. Best first; equal sums
/// are in the order of chunk ids.
pub(crate) fn fuse(
    view: &View,
    vector: &[Scored],
    keyword: &[Scored],
    depth: usize,
    per_document: PerDocument,
) -> Vec<Fused> {
    let scales = Scales::of(vector, keyword, depth);
    let mut ranks: HashMap<Key, [Option<(u32, LegScore)>; 2]> =
        HashMap::with_capacity(vector.len() + keyword.len());
    for (leg, scored) in [vector, keyword].into_iter().enumerate() {
        for (index, scored) in scored.iter().enumerate() {
            let key = match per_document {
                PerDocument::All => Some(Key::Row(scored.row)),
                PerDocument::Best => {
                    view.record(scored.row).map(|record| Key::Document(record.document.document_id))
                }
            };
            let at = LegScore { rank: index + 1, score: scored.score };
            if let Some(key) = key {
                ranks.entry(key).or_default()[leg] = Some((scored.row, at));
            }
        }
    }
    let mut fused: Vec<Fused> = ranks
        .into_values()
        .filter_map(|[vector, keyword]| {
            let near = vector.map_or(0.0, |(_, leg)| scales.near(leg.score));
            let worded = keyword.map_or(0.0, |(_, leg)| scales.worded(leg.score));
            let (row, _) = if near > worded || keyword.is_none() { vector } else { keyword }?;
            let record = view.record(row)?.clone();
            let score = scales.sum(near, worded) as f32;
            let [vector, keyword] = [vector, keyword].map(|leg| leg.map(|(_, score)| score));
            Some(Fused { row, hit: Hit { chunk_id: record.chunk.id, score, vector, keyword, record } })
        })
        .collect();
    let order = |a: &Fused, b: &Fused| -> Ordering {
        b.hit.score.total_cmp(&a.hit.score).then_with(|| a.hit.chunk_id.cmp(&b.hit.chunk_id))
    };
    fused.sort_unstable_by(order);
    fused
}

/// What ranks are of.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Row(u32),
    Document(DocumentId),
}
