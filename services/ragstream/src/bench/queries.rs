//! Queries: latency one at a time, throughput of several at once.

use super::{corpus::Corpus, load::Target, stats::Spread};
use anyhow::Result;
use futures::{StreamExt, TryStreamExt, stream};
use ragstream_api::search::Timings;
use serde::Serialize;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Clients that ask at once.
const CLIENTS: usize = 4;
/// Queries before any is measured.
const WARM_UP: usize = 20;

/// What was measured.
#[derive(Serialize)]
pub(crate) struct Queries {
    /// `/api/v2/query`, one at a time.
    pub(crate) query: Spread,
    /// `/api/v2/search`, one at a time.
    pub(crate) search: Spread,
    /// Median of each step of a query, by the node's own account, in milliseconds.
    pub(crate) steps: Value,
    /// `/api/v2/query` from several clients.
    pub(crate) several: Spread,
    /// Of these, a second.
    pub(crate) per_second: f64,
    /// So many clients.
    pub(crate) clients: usize,
}

pub(crate) async fn measure(target: &Target, corpus: &Corpus, count: usize) -> Result<Queries> {
    let question = |i: usize| json!({"question": corpus.question(i), "collection": target.collection});
    for i in 0..WARM_UP {
        target.api.query_with(&question(i)).await?;
    }
    let mut times = Vec::with_capacity(count);
    let mut timings = Vec::with_capacity(count);
    for i in 0..count {
        let (time, answer) = timed(target.api.query_with(&question(WARM_UP + i))).await?;
        times.push(time);
        timings.push(answer.timings);
    }
    let mut searches = Vec::with_capacity(count);
    for i in 0..count {
        searches.push(timed(target.api.search_with(&question(count + i))).await?.0);
    }
    let begun = Instant::now();
    let several: Vec<Duration> = stream::iter(0..count)
        .map(|i| {
            let body = question(2 * count + i);
            async move { timed(target.api.query_with(&body)).await.map(|(time, _)| time) }
        })
        .buffer_unordered(CLIENTS)
        .try_collect()
        .await?;
    let per_second = several.len() as f64 / begun.elapsed().as_secs_f64();
    Ok(Queries {
        query: Spread::of(&times),
        search: Spread::of(&searches),
        steps: medians(&timings),
        several: Spread::of(&several),
        per_second,
        clients: CLIENTS,
    })
}

async fn timed<T>(request: impl Future<Output = Result<T>>) -> Result<(Duration, T)> {
    let sent = Instant::now();
    let answer = request.await?;
    Ok((sent.elapsed(), answer))
}

fn medians(timings: &[Timings]) -> Value {
    let median = |step: fn(&Timings) -> f64| {
        let times: Vec<Duration> = timings.iter().map(|t| Duration::from_secs_f64(step(t) / 1e3)).collect();
        Spread::of(&times).p50
    };
    json!({
        "embed": median(|t| t.embed),
        "vector": median(|t| t.vector),
        "keyword": median(|t| t.keyword),
        "fusion": median(|t| t.fusion),
        "answer": median(|t| t.answer),
        "total": median(|t| t.total),
    })
}
