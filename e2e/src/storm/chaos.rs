//! The weather: who is killed when, which part goes away for how long.

use crate::cluster::{Away, Cluster, Part};
use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};
use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// Pauses between two blows, in milliseconds: a dozen a minute.
const PAUSE_MS: std::ops::Range<u64> = 2_000..8_000;
/// How long a killed role stays away, in milliseconds: from an orchestrator's best to its worst.
const DOWN_MS: std::ops::Range<u64> = 0..6_000;
/// How long a part stays away, in seconds.
const AWAY_S: std::ops::Range<u64> = 5..30;
/// How often it is looked whether something is due.
const TICK: Duration = Duration::from_millis(100);

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// `kill -9` by role.
    pub kills: BTreeMap<String, usize>,
    /// Outages by part.
    pub outages: BTreeMap<String, usize>,
    /// Roles that ended though nobody killed them, with the end of their logs.
    pub deaths: Vec<String>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = |counts: &BTreeMap<String, usize>| counts.values().sum::<usize>();
        let list = |counts: &BTreeMap<String, usize>| {
            counts.iter().map(|(name, n)| format!("{name} {n}")).collect::<Vec<_>>().join(", ")
        };
        writeln!(f, "kills        {} ({})", total(&self.kills), list(&self.kills))?;
        writeln!(f, "outages      {} ({})", total(&self.outages), list(&self.outages))?;
        write!(f, "own deaths   {}", self.deaths.len())
    }
}

enum Due {
    Start(String),
    Restart(Part),
}

/// The weather of a seed.
pub(super) struct Chaos {
    rng: StdRng,
    due: Vec<(Instant, Due)>,
    tally: Tally,
}

impl Chaos {
    pub(super) fn new(rng: StdRng) -> Self {
        Self { rng, due: Vec::new(), tally: Tally::default() }
    }

    /// Strikes until then.
    pub(super) async fn rage(&mut self, cluster: &mut Cluster, until: Instant) {
        let mut next = self.after(PAUSE_MS);
        while Instant::now() < until {
            sleep(TICK).await;
            self.bring_back(cluster, Some(Instant::now())).await;
            self.raise_the_dead(cluster);
            if Instant::now() >= next {
                self.strike(cluster, until).await;
                next = self.after(PAUSE_MS);
            }
        }
    }

    /// Brings everything back.
    pub(super) async fn heal(&mut self, cluster: &mut Cluster) {
        self.bring_back(cluster, None).await;
        self.raise_the_dead(cluster);
    }

    pub(super) fn tally(self) -> Tally {
        self.tally
    }

    fn after(&mut self, ms: std::ops::Range<u64>) -> Instant {
        Instant::now() + Duration::from_millis(self.rng.random_range(ms))
    }

    async fn strike(&mut self, cluster: &mut Cluster, until: Instant) {
        let away = self.due.iter().any(|(_, due)| matches!(due, Due::Restart(_)));
        // One part at a time, and most of the time none.
        if !away && self.rng.random_bool(0.12) {
            let part = *Part::ALL.choose(&mut self.rng).expect("there are parts");
            let how = match (part, self.rng.random_range(0..3)) {
                (_, 0) | (Part::S3, _) => Away::Stopped,
                (_, 1) => Away::Killed,
                _ => Away::Frozen,
            };
            let back = Instant::now() + Duration::from_secs(self.rng.random_range(AWAY_S));
            *self
                .tally
                .outages
                .entry(format!("{part} {}", format!("{how:?}").to_lowercase()))
                .or_default() += 1;
            cluster.stop(part, how).await;
            self.due.push((back.min(until), Due::Restart(part)));
            return;
        }
        let names: Vec<String> =
            cluster.roles().filter(|role| role.is_started()).map(|role| role.name.clone()).collect();
        if let Some(name) = names.choose(&mut self.rng) {
            *self.tally.kills.entry(name.clone()).or_default() += 1;
            cluster.role(name).kill();
            let back = self.after(DOWN_MS);
            self.due.push((back, Due::Start(name.clone())));
        }
    }

    /// Brings back what is due at `now`, or all of it.
    async fn bring_back(&mut self, cluster: &mut Cluster, now: Option<Instant>) {
        let due: Vec<_> = self.due.extract_if(.., |(at, _)| now.is_none_or(|now| *at <= now)).collect();
        for (_, due) in due {
            match due {
                Due::Start(name) => cluster.role(&name).start(&[]),
                Due::Restart(part) => cluster.restart(part).await,
            }
        }
    }

    /// What ended by itself is started again, as an orchestrator would, and remembered.
    pub(super) fn raise_the_dead(&mut self, cluster: &mut Cluster) {
        for role in cluster.roles() {
            if role.has_died() {
                let log = role.log();
                let last: Vec<&str> = log.lines().rev().take(5).collect();
                self.tally.deaths.push(format!("{}: {}", role.name, last.join("\n")));
                role.kill();
                role.start(&[]);
            }
        }
    }
}
