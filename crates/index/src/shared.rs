//! What searches, `apply` and the builder thread share.

use crate::{vector::graph::Graph, view::View};
use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock},
    time::{Duration, Instant},
};

#[derive(Default)]
struct Signal {
    work: bool,
    stop: bool,
    idle: bool,
}

/// The current view, the current graph, and the builder's bell.
pub(crate) struct Shared {
    view: RwLock<Arc<View>>,
    graph: RwLock<Option<Arc<Graph>>>,
    signal: Mutex<Signal>,
    bell: Condvar,
}

/// One moment of the index.
pub(crate) struct Moment {
    pub(crate) graph: Option<(Arc<Graph>, u32)>,
    pub(crate) view: Arc<View>,
}

impl Shared {
    pub(crate) fn new(view: View) -> Self {
        // The builder looks at it once before it waits.
        let signal = Signal { work: true, ..Signal::default() };
        Self {
            view: RwLock::new(Arc::new(view)),
            graph: RwLock::default(),
            signal: Mutex::new(signal),
            bell: Condvar::new(),
        }
    }

    /// What a search works on.
    ///
    /// The graph and its watermark are read before the view. The builder
    /// leaves rows out that are dead in the view it works on; that view is
    /// not newer than the one read here, and the dead never come back: every
    /// row that is visible here and below the watermark is in the graph.
    pub(crate) fn moment(&self) -> Moment {
        let graph = self.graph().map(|graph| {
            let watermark = graph.watermark();
            (graph, watermark)
        });
        Moment { graph, view: self.view() }
    }

    pub(crate) fn view(&self) -> Arc<View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn graph(&self) -> Option<Arc<Graph>> {
        self.graph.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes `view` the one that searches see and wakes the builder.
    pub(crate) fn publish(&self, view: View) {
        let next = Arc::new(view);
        let before = std::mem::replace(&mut *self.view.write().unwrap_or_else(PoisonError::into_inner), next);
        drop(before);
        self.signal().work = true;
        self.bell.notify_all();
    }

    /// Puts `graph` in the place of the one before, which is returned.
    pub(crate) fn replace_graph(&self, graph: Option<Arc<Graph>>) -> Option<Arc<Graph>> {
        std::mem::replace(&mut *self.graph.write().unwrap_or_else(PoisonError::into_inner), graph)
    }

    fn signal(&self) -> MutexGuard<'_, Signal> {
        self.signal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the builder: waits for work, at most `patience`. `false`: stop.
    pub(crate) fn wait_for_work(&self, patience: Option<Duration>) -> bool {
        let mut signal = self.signal();
        if !signal.work {
            signal.idle = true;
            self.bell.notify_all();
        }
        while !signal.work && !signal.stop {
            signal = match patience {
                None => self.bell.wait(signal).unwrap_or_else(PoisonError::into_inner),
                Some(patience) => {
                    let woken = self.bell.wait_timeout(signal, patience);
                    let (signal, timeout) = woken.unwrap_or_else(PoisonError::into_inner);
                    if timeout.timed_out() {
                        return !signal.stop;
                    }
                    signal
                }
            };
        }
        signal.work = false;
        signal.idle = false;
        !signal.stop
    }

    /// Whether the builder is to end.
    pub(crate) fn is_stopping(&self) -> bool {
        self.signal().stop
    }

    /// Tells the builder to end.
    pub(crate) fn stop(&self) {
        self.signal().stop = true;
        self.bell.notify_all();
    }

    /// Waits until the builder has nothing to do, at most `patience`; whether it is so.
    pub(crate) fn wait_until_idle(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let mut signal = self.signal();
        while signal.work || !signal.idle {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || signal.stop {
                return false;
            }
            signal = self.bell.wait_timeout(signal, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}
