//! Maximal marginal relevance: Carbonell & Goldstein, "The Use of MMR, Diversity-Based
//! Reranking for Reordering Documents and Producing Summaries", SIGIR 1998.

use crate::{fusion::Fused, vector::dot::Dot, view::View};

/// Candidates for each hit wanted: so many are enough to find other things among them,
/// and keep the comparisons, of which there are `top_k` for each, below those of a scan.
const POOL_FACTOR: usize = 4;

/// Candidates, at least.
const MIN_POOL: usize = 64;

/// The `top_k` of `fused` that are chosen one by one, each by `lambda` times its score less
/// `1 - lambda` times the cosine similarity to the nearest chosen before. Of equals, the
/// one with the higher score.
pub(crate) fn choose(view: &View, dot: Dot, mut fused: Vec<Fused>, top_k: usize, lambda: f32) -> Vec<Fused> {
    fused.truncate((top_k * POOL_FACTOR).max(MIN_POOL));
    // Similarity to the nearest that was chosen; nothing is near at first.
    let mut waiting: Vec<(Fused, f32)> = fused.into_iter().map(|fused| (fused, 0.0)).collect();
    let mut chosen: Vec<Fused> = Vec::with_capacity(top_k.min(waiting.len()));
    while chosen.len() < top_k {
        let worth = |(fused, near): &(Fused, f32)| lambda * fused.hit.score - (1.0 - lambda) * near;
        let best =
            (0..waiting.len()).reduce(|a, b| if worth(&waiting[b]) > worth(&waiting[a]) { b } else { a });
        let Some(best) = best else { break };
        let (next, _) = waiting.remove(best);
        if let Some(vector) = view.vector(next.row) {
            for (other, near) in &mut waiting {
                let similarity = view.vector(other.row).map_or(0.0, |other| dot.of(vector, other));
                *near = if chosen.is_empty() { similarity } else { near.max(similarity) };
            }
        }
        chosen.push(next);
    }
    chosen
}
