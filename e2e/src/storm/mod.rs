//! The storm: documents come, change and go, and searches run, while roles are killed
//! and parts go away, all by a seed. Then everything is healed, and counted.

mod chaos;
mod clients;
mod ledger;
mod verdict;

pub use verdict::Report;

use crate::{
    api::Api,
    cluster::{Cluster, Kind},
};
use chaos::Chaos;
use clients::Client;
use ledger::Document;
use rand::{SeedableRng, rngs::StdRng};
use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// Clients that change documents, each its own.
const CLIENTS: u64 = 3;
/// Clients that search.
const SEARCHERS: u64 = 2;
/// Roles of the cluster: two of each, for that is where races are.
const ROLES: [(Kind, &str); 8] = [
    (Kind::Query, "query-0"),
    (Kind::Query, "query-1"),
    (Kind::Gateway, "gateway-0"),
    (Kind::Gateway, "gateway-1"),
    (Kind::Ingestion, "ingestion-0"),
    (Kind::Ingestion, "ingestion-1"),
    (Kind::Embedding, "embedding-0"),
    (Kind::Embedding, "embedding-1"),
];

/// What the tasks of a storm share.
struct Sky {
    gateways: Vec<Api>,
    over: AtomicBool,
    /// What should not have been answered.
    wrong: Mutex<Vec<String>>,
}

impl Sky {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn wrong(&self, what: String) {
        self.wrong.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(what);
    }
}

/// Runs a storm of this length in a folder.
///
/// # Panics
/// Where the parts can't be started or do not come back.
pub async fn run(dir: &Path, seed: u64, time: Duration) -> Report {
    let mut cluster = Cluster::start(dir).await.common(&[("RAGSTREAM_PARTITIONS", "6".to_owned())]);
    for (kind, name) in ROLES {
        cluster.add(kind, name, &[]);
    }
    cluster.ready().await;
    let sky = Arc::new(Sky {
        gateways: cluster.apis(Kind::Gateway),
        over: AtomicBool::new(false),
        wrong: Mutex::default(),
    });
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(Client::new(number, seed, sky.clone()).run());
    }
    let mut searchers = JoinSet::new();
    for number in 0..SEARCHERS {
        searchers.spawn(clients::search(sky.clone(), seed, number));
    }
    let mut chaos = Chaos::new(StdRng::seed_from_u64(seed));
    chaos.rage(&mut cluster, Instant::now() + time).await;

    let calm = Instant::now();
    sky.over.store(true, Ordering::Relaxed);
    chaos.heal(&mut cluster).await;
    let documents: Vec<Document> = clients.join_all().await.into_iter().flatten().collect();
    let searches = searchers.join_all().await.into_iter().sum();
    let wrong = std::mem::take(&mut *sky.wrong.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    let rows = verdict::drain(&mut cluster, &mut chaos).await;
    let drained = calm.elapsed();
    verdict::judge(&mut cluster, rows, &documents, wrong, chaos.tally(), searches, drained).await
}
