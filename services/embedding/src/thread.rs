//! The model's own thread: inference takes all of a core for a long time and
//! has no place among asynchronous tasks.

use crate::metrics;
use ragstream_core::{
    fault::{Fault, Result},
    ports::Embedder,
};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Calls that wait for the model: the worker bounds the batches under way, so
/// one place each is enough.
const WAITING: usize = 16;

type Outcomes = Result<Vec<Result<Vec<f32>>>>;

struct Call {
    texts: Vec<String>,
    answer: oneshot::Sender<Outcomes>,
}

/// Sends texts to the model's thread. The thread ends when this is dropped.
pub(crate) struct EmbedThread {
    calls: mpsc::Sender<Call>,
}

impl EmbedThread {
    pub(crate) fn start(embedder: Arc<dyn Embedder>, nice: i32) -> std::io::Result<Self> {
        let (calls, mut waiting) = mpsc::channel::<Call>(WAITING);
        std::thread::Builder::new().name("embed".into()).spawn(move || {
            yield_to_others(nice);
            while let Some(call) = waiting.blocking_recv() {
                let texts: Vec<&str> = call.texts.iter().map(String::as_str).collect();
                let timer = metrics::BATCH_SECONDS.start_timer();
                let outcomes = embedder.embed(&texts);
                timer.observe_duration();
                metrics::BATCH_SIZE.observe(texts.len() as f64);
                // A caller that is gone was past its deadline.
                let _ = call.answer.send(outcomes);
            }
        })?;
        Ok(Self { calls })
    }

    /// One outcome per text, in order.
    pub(crate) async fn embed(&self, texts: Vec<String>) -> Outcomes {
        let gone = || Fault::failed("model_thread", "the model's thread has ended");
        let (answer, outcomes) = oneshot::channel();
        self.calls.send(Call { texts, answer }).await.map_err(|_| gone())?;
        outcomes.await.map_err(|_| gone())?
    }
}

/// Lowers the priority of this thread and of those that it starts: on Linux
/// niceness belongs to a thread and is inherited (setpriority(2)).
fn yield_to_others(nice: i32) {
    // SAFETY: setpriority takes no pointers; 0 means the calling thread.
    let result = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
    if result != 0 {
        let error = std::io::Error::last_os_error();
        tracing::warn!(%error, nice, "the model's thread keeps its priority");
    }
}
