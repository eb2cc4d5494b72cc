//! The thread that keeps the graph: builds it once it pays, adds new rows,
//! and builds it anew when too much of it is dead. Searches never wait for it:
//! rows that are not in the graph yet are compared one by one.

use crate::{
    config::IndexConfig,
    metrics,
    shared::Shared,
    vector::{
        dot::Dot,
        graph::{Graph, Panicked},
    },
    view::View,
};
use rayon::ThreadPool;
use std::{sync::Arc, thread::JoinHandle, time::Duration};
use tracing::{error, info, warn};

/// Rows inserted at a time: about 0.7 s of one core, how long a shutdown waits at most.
const BATCH: usize = 512;

/// How often the thread looks whether the last search has let go of a graph
/// that was replaced. It is freed here, for that takes a while.
const GRAVEYARD_ROUND: Duration = Duration::from_millis(500);

/// More lost nodes than this share make every search slow: worth a warning.
const MANY_LOST: f64 = 0.05;

/// All nodes are looked up again once there are so many times more of them than
/// at the last time: ten look-ups a node in all, while nothing else is to do.
const GROWTH_BEFORE_CHECK: f64 = 1.1;

/// Niceness of the threads that build: a search is waited for, the graph is not.
const NICE: libc::c_int = 10;

/// Lowers the priority of this thread and of those that it starts: on Linux niceness
/// belongs to a thread and is inherited (setpriority(2)).
fn yield_to_searches() {
    // SAFETY: setpriority takes no pointers; 0 means the calling thread.
    if unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) } != 0 {
        warn!(error = %std::io::Error::last_os_error(), "the thread that builds the graph keeps its priority");
    }
}

/// Starts the thread.
pub(crate) fn start(shared: Arc<Shared>, config: IndexConfig, dot: Dot) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("index-graph".into()).spawn(move || {
        let mut builder = Builder {
            shared,
            config,
            dot,
            pool: None,
            replaced: Vec::new(),
            broken: false,
            check: Check::default(),
        };
        yield_to_searches();
        builder.run();
    })
}

struct Builder {
    shared: Arc<Shared>,
    config: IndexConfig,
    dot: Dot,
    pool: Option<ThreadPool>,
    /// Graphs that searches may still be walking.
    replaced: Vec<Arc<Graph>>,
    check: Check,
    /// The graph library panicked: exact scans serve from then on.
    broken: bool,
}

/// How far all nodes have been looked up.
#[derive(Default)]
struct Check {
    /// Nodes that there were when all of them had been.
    nodes: usize,
    /// The next one to look up.
    next: usize,
}

/// What a round came to.
enum Round {
    More,
    Done,
}

impl Builder {
    fn run(&mut self) {
        loop {
            let patience = (!self.replaced.is_empty()).then_some(GRAVEYARD_ROUND);
            if !self.shared.wait_for_work(patience) {
                return;
            }
            self.replaced.retain(|graph| Arc::strong_count(graph) > 1);
            while !self.broken && !self.shared.is_stopping() {
                match self.round() {
                    Ok(Round::More) => {}
                    Ok(Round::Done) => break,
                    Err(Panicked) => {
                        error!("the vector graph failed; searches compare every row until a restart");
                        metrics::METRICS.graph_builds.with_label_values(&["failed"]).inc();
                        self.broken = true;
                        self.replace(None);
                    }
                }
            }
        }
    }

    fn round(&mut self) -> Result<Round, Panicked> {
        let view = self.shared.view();
        let live = view.live.len();
        match self.shared.graph() {
            None if live >= self.config.exact_below => self.build(&view),
            None => Ok(Round::Done),
            // Half, so that a size that wavers does not build and drop in turn.
            Some(_) if live < self.config.exact_below / 2 => {
                self.replace(None);
                Ok(Round::Done)
            }
            Some(graph) if self.is_worn(&graph, &view) => self.build(&view),
            Some(graph) => self.extend(&graph, &view),
        }
    }

    fn is_worn(&self, graph: &Graph, view: &View) -> bool {
        let (_, rows, _) = graph.sizes();
        let dead = rows.saturating_sub(view.live.len_below(graph.watermark()));
        dead as f32 > self.config.rebuild_dead_share * rows as f32
    }

    /// Adds the next rows to the graph that searches use.
    fn extend(&mut self, graph: &Graph, view: &View) -> Result<Round, Panicked> {
        if graph.watermark() >= view.next_row() {
            return self.check(graph, view);
        }
        self.insert(graph, view, true)?;
        Ok(Round::More)
    }

    /// Inserts the next batch of live rows and moves the watermark over it.
    fn insert(&mut self, graph: &Graph, view: &View, check: bool) -> Result<(), Panicked> {
        let rows = view.live.iter_from(graph.watermark());
        let batch: Vec<(u32, &[f32])> =
            rows.filter_map(|row| Some((row, view.vector(row)?))).take(BATCH).collect();
        let end = if batch.len() < BATCH { None } else { batch.last().map(|(row, _)| row + 1) };
        graph.insert(&batch, end.unwrap_or(view.next_row()), check, self.pool()?)
    }

    /// Builds a graph of the live rows of `view` and lets searches use it.
    fn build(&mut self, view: &View) -> Result<Round, Panicked> {
        let timer = metrics::METRICS.graph_build_seconds.start_timer();
        let graph = Graph::new(self.config.hnsw, self.dot, view.live.len());
        while graph.watermark() < view.next_row() {
            if self.shared.is_stopping() {
                timer.stop_and_discard();
                return Ok(Round::Done);
            }
            self.insert(&graph, view, false)?;
        }
        // Only now, for later insertions may cut the links to nodes that were found at first.
        self.check = Check::default();
        while let Round::More = self.check(&graph, view)? {
            if self.shared.is_stopping() {
                timer.stop_and_discard();
                return Ok(Round::Done);
            }
        }
        let seconds = timer.stop_and_record();
        metrics::METRICS.graph_builds.with_label_values(&["ok"]).inc();
        let (nodes, rows, lost) = graph.sizes();
        info!(nodes, rows, lost, seconds, "vector graph built");
        if lost as f64 > MANY_LOST * nodes as f64 {
            warn!(nodes, lost, "many vectors can't be reached in the graph and are compared one by one");
        }
        self.replace(Some(Arc::new(graph)));
        Ok(Round::More)
    }

    /// Looks the next batch of nodes up, once the graph has grown enough for that to be worth it.
    fn check(&mut self, graph: &Graph, view: &View) -> Result<Round, Panicked> {
        let (nodes, _, _) = graph.sizes();
        if self.check.next == 0 && (nodes as f64) < self.check.nodes as f64 * GROWTH_BEFORE_CHECK {
            return Ok(Round::Done);
        }
        let batch = graph.nodes(self.check.next, BATCH, |row| view.vector(row));
        graph.check(&batch, self.pool()?)?;
        self.check.next += BATCH;
        if self.check.next < nodes {
            return Ok(Round::More);
        }
        self.check = Check { nodes, next: 0 };
        Ok(Round::Done)
    }

    fn replace(&mut self, graph: Option<Arc<Graph>>) {
        self.replaced.extend(self.shared.replace_graph(graph));
    }

    fn pool(&mut self) -> Result<&ThreadPool, Panicked> {
        if self.pool.is_none() {
            let threads = rayon::ThreadPoolBuilder::new()
                .num_threads(self.config.build_threads)
                .thread_name(|n| format!("index-graph-{n}"))
                .build();
            self.pool = threads.inspect_err(|error| error!(%error, "threads for the vector graph")).ok();
        }
        self.pool.as_ref().ok_or(Panicked)
    }
}
