//! A worker's life: start the poll threads, dispatch, drain, end.

use crate::{
    burial::{Burials, Undertaker},
    config::Config,
    dead_letter::DeadLetters,
    dispatch::{Dispatcher, End},
    error::WorkerError,
    handler::Handler,
    health::HealthHandle,
    metrics,
    reader::Reader,
    shared::{Phase, Shared},
    source::Source,
};
use ragstream_core::{fault::Fault, lane::Lane};
use std::{sync::Arc, time::Duration};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// How long a poll thread may take, after all work has ended, for its last
/// commit and for leaving the group: a broker that is down answers neither.
const LEAVE_DEADLINE: Duration = Duration::from_secs(15);

/// A consumer: a source for each lane, a handler, and the loop between them.
pub struct Worker {
    config: Arc<Config>,
    source: Box<dyn Source>,
    bulk_source: Option<Box<dyn Source>>,
    handler: Arc<dyn Handler>,
    dead_letters: Arc<dyn DeadLetters>,
    health: HealthHandle,
}

impl Worker {
    /// A worker that does nothing until it is [run](Self::run).
    pub fn new(
        config: Config,
        source: Box<dyn Source>,
        handler: Arc<dyn Handler>,
        dead_letters: Arc<dyn DeadLetters>,
    ) -> Self {
        let config = Arc::new(config.normalized());
        let health = HealthHandle::new(&config.name);
        Self { config, source, bulk_source: None, handler, dead_letters, health }
    }

    /// The same with a second source, whose messages give way to those of the first: they
    /// wait in a queue of their own, and are served by what those leave, never by nothing.
    pub fn with_bulk(self, source: Box<dyn Source>) -> Self {
        Self { bulk_source: Some(source), ..self }
    }

    /// How it is, now and later.
    pub fn health(&self) -> HealthHandle {
        self.health.clone()
    }

    /// Consumes until `shutdown` is cancelled; then begins nothing more, waits up
    /// to [`Config::shutdown_deadline`] for what is in the handler, commits, leaves.
    ///
    /// `Err` where it ended by itself: the process should end too. Where the
    /// future is dropped the poll threads still commit what is settled and leave.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), WorkerError> {
        let health = self.health.clone();
        let result = self.run_inner(shutdown).await;
        match &result {
            Ok(()) => tracing::info!(consumer = %health.name(), "worker stopped"),
            Err(error) => tracing::error!(consumer = %health.name(), %error, "worker stopped by itself"),
        }
        health.stopped(result.as_ref().err().map(ToString::to_string));
        result
    }

    async fn run_inner(self, shutdown: CancellationToken) -> Result<(), WorkerError> {
        let Self { config, source, bulk_source, handler, dead_letters, health } = self;
        let consumer = config.name.clone();
        let shared = Arc::new(Shared::new());
        let undertaker = Undertaker {
            config: config.clone(),
            shared: shared.clone(),
            health: health.clone(),
            handler: handler.clone(),
            dead_letters,
            stopping: CancellationToken::new(),
        };
        let gone = CancellationToken::new();
        let mut threads = Vec::with_capacity(Lane::ALL.len());
        for (lane, source) in Lane::ALL.into_iter().zip([Some(source), bulk_source]) {
            let Some(source) = source else { continue };
            let reader = Reader::new(lane, source, shared.clone(), config.clone(), health.clone());
            let thread = PollThread::start(reader, shared.clone(), gone.clone()).map_err(|error| {
                WorkerError::PollThread { consumer: consumer.clone(), what: error.to_string() }
            })?;
            threads.push(thread);
        }
        health.running();
        metrics::STARTED.with_label_values(&[&consumer]).set(chrono::Utc::now().timestamp());
        metrics::ERROR_BUDGET_USED.with_label_values(&[&consumer]).set(0.0);
        let dispatcher = Dispatcher::new(config, shared.clone(), health, handler, Burials::new(undertaker));
        let end = dispatcher.run(shutdown, gone).await;
        shared.enter(Phase::Finished);
        let mut left = Vec::with_capacity(threads.len());
        for thread in threads {
            left.push(thread.finish().await);
        }
        if let End::Budget(in_a_row, last) = end {
            return Err(WorkerError::ErrorBudget { consumer, in_a_row, last });
        }
        for left in left {
            match left {
                Ok(Ok(())) => {}
                Ok(Err(fault)) => return Err(WorkerError::Source { consumer, fault }),
                Err(what) => return Err(WorkerError::PollThread { consumer, what }),
            }
        }
        Ok(())
    }
}

/// The running poll thread. Told to commit and leave when this is dropped.
struct PollThread {
    shared: Arc<Shared>,
    result: oneshot::Receiver<Result<(), Fault>>,
}

impl PollThread {
    fn start(reader: Reader, shared: Arc<Shared>, gone: CancellationToken) -> std::io::Result<Self> {
        let (sender, result) = oneshot::channel();
        std::thread::Builder::new().name("worker-poll".to_owned()).spawn(move || {
            // Also where the thread panics.
            let _gone = gone.drop_guard();
            // Nobody listens where `run` was dropped.
            let _ = sender.send(reader.run());
        })?;
        Ok(Self { shared, result })
    }

    /// `Err` says what the thread did instead of ending.
    async fn finish(mut self) -> Result<Result<(), Fault>, String> {
        self.shared.enter(Phase::Finished);
        match tokio::time::timeout(LEAVE_DEADLINE, &mut self.result).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(_)) => Err("panicked".to_owned()),
            Err(_) => Err(format!("did not leave within {} s", LEAVE_DEADLINE.as_secs())),
        }
    }
}

impl Drop for PollThread {
    fn drop(&mut self) {
        self.shared.enter(Phase::Finished);
    }
}
