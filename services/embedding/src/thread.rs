//! The model's own threads: inference takes all of a core for a long time and
//! has no place among asynchronous tasks.

use crate::metrics;
use ragstream_core::{
    fault::{Fault, Result},
    ports::Embedder,
};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// Calls that wait for the model: the worker bounds the batches under way, so
/// one place each is enough.
const WAITING: usize = 16;

type Outcomes = Result<Vec<Result<Vec<f32>>>>;

struct Call {
    texts: Vec<String>,
    answer: oneshot::Sender<Outcomes>,
}

/// Sends texts to the model's threads, whichever is free. They end when this is dropped.
pub(crate) struct EmbedThreads {
    calls: mpsc::Sender<Call>,
}

impl EmbedThreads {
    /// A thread for each of the embedders: batches of their own, so that none
    /// waits for the other's last text.
    pub(crate) fn start(embedders: Vec<Arc<dyn Embedder>>, nice: i32) -> std::io::Result<Self> {
        let (calls, waiting) = mpsc::channel::<Call>(WAITING);
        let waiting = Arc::new(Mutex::new(waiting));
        for embedder in embedders {
            let waiting = waiting.clone();
            std::thread::Builder::new().name("embed".into()).spawn(move || {
                yield_to_others(nice);
                while let Some(call) = next(&waiting) {
                    let texts: Vec<&str> = call.texts.iter().map(String::as_str).collect();
                    let timer = metrics::BATCH_SECONDS.start_timer();
                    let outcomes = embedder.embed(&texts);
                    timer.observe_duration();
                    metrics::BATCH_SIZE.observe(texts.len() as f64);
                    // A caller that is gone was past its deadline.
                    let _ = call.answer.send(outcomes);
                }
            })?;
        }
        Ok(Self { calls })
    }

    /// One outcome per text, in order.
    pub(crate) async fn embed(&self, texts: Vec<String>) -> Outcomes {
        let gone = || Fault::failed("model_thread", "the model's threads have ended");
        let (answer, outcomes) = oneshot::channel();
        self.calls.send(Call { texts, answer }).await.map_err(|_| gone())?;
        outcomes.await.map_err(|_| gone())?
    }
}

/// The next call; idle threads wait for the lock or, one of them, for the call.
fn next(waiting: &Mutex<mpsc::Receiver<Call>>) -> Option<Call> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv()
}

/// Lowers the priority of this thread and of those that it starts: on Linux
/// niceness belongs to a thread and is inherited (setpriority(2)).
pub fn yield_to_others(nice: i32) {
    // SAFETY: setpriority takes no pointers; 0 means the calling thread.
    let result = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
    if result != 0 {
        let error = std::io::Error::last_os_error();
        tracing::warn!(%error, nice, "a thread of the model keeps its priority");
    }
}
