//! Measures of a ranking, as `trec_eval` and BEIR compute them.

use serde::Serialize;
use std::collections::HashMap;

/// Of one question, or the mean of many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Measures {
    /// `ndcg_cut_10` of trec_eval: linear gain, `score / log2(rank + 1)`, as a share of the ideal.
    #[serde(rename = "ndcg@10")]
    pub(crate) ndcg_10: f64,
    #[serde(rename = "recall@10")]
    pub(crate) recall_10: f64,
    #[serde(rename = "recall@100")]
    pub(crate) recall_100: f64,
    #[serde(rename = "mrr@10")]
    pub(crate) mrr_10: f64,
}

impl Measures {
    /// Of `ranked`, best first, where `judged` has the documents with a score above 0.
    pub(crate) fn of(ranked: &[&str], judged: &HashMap<String, u32>) -> Self {
        let score = |id: &str| judged.get(id).copied().unwrap_or(0);
        let gain = |(index, score): (usize, u32)| f64::from(score) / (index as f64 + 2.0).log2();
        let mut ideal: Vec<u32> = judged.values().copied().collect();
        ideal.sort_unstable_by(|a, b| b.cmp(a));
        let ideal: f64 = ideal.into_iter().take(10).enumerate().map(gain).sum();
        let found: f64 = ranked.iter().take(10).map(|id| score(id)).enumerate().map(gain).sum();
        let hits = |depth: usize| ranked.iter().take(depth).filter(|id| score(id) > 0).count() as f64;
        let all = judged.values().filter(|score| **score > 0).count() as f64;
        let first = ranked.iter().take(10).position(|id| score(id) > 0);
        Self {
            ndcg_10: found / ideal,
            recall_10: hits(10) / all,
            recall_100: hits(100) / all,
            mrr_10: first.map_or(0.0, |index| 1.0 / (index as f64 + 1.0)),
        }
    }

    pub(crate) fn mean(all: &[Self]) -> Self {
        let mean = |of: fn(&Self) -> f64| all.iter().map(of).sum::<f64>() / all.len() as f64;
        Self {
            ndcg_10: mean(|m| m.ndcg_10),
            recall_10: mean(|m| m.recall_10),
            recall_100: mean(|m| m.recall_100),
            mrr_10: mean(|m| m.mrr_10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-4
    }

    #[test]
    fn by_hand() {
        let judged = [("a", 2), ("b", 1), ("c", 1)].map(|(id, score)| (id.to_owned(), score)).into();
        // b at 2, a at 3: (1/log2 3 + 2/log2 4) / (2/log2 2 + 1/log2 3 + 1/log2 4) = 1.6309 / 3.1309.
        let m = Measures::of(&["x", "b", "a", "y"], &judged);
        assert!(close(m.ndcg_10, 0.5209), "{m:?}");
        assert!(close(m.recall_10, 2.0 / 3.0) && close(m.recall_100, 2.0 / 3.0) && close(m.mrr_10, 0.5));
        // c at 11 counts for recall@100 alone.
        let mut ranked = vec!["x"; 10];
        ranked.push("c");
        let m = Measures::of(&ranked, &judged);
        assert!(m.ndcg_10 == 0.0 && m.recall_10 == 0.0 && m.mrr_10 == 0.0 && close(m.recall_100, 1.0 / 3.0));
        let best = Measures::of(&["a", "b", "c"], &judged);
        assert_eq!(best, Measures { ndcg_10: 1.0, recall_10: 1.0, recall_100: 1.0, mrr_10: 1.0 });
        assert!(close(Measures::mean(&[best, Measures::default()]).ndcg_10, 0.5));
    }
}
