//! What is under way to each webhook: so that one that is slow or silent takes its own
//! share of the work and no more.

use ragstream_core::{
    id::{DocumentId, WebhookId},
    ports::Webhook,
};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Mutex as Queue, OwnedMutexGuard, Semaphore, SemaphorePermit};

/// Requests to one webhook at a time: a fast one takes a burst, a slow one no more than
/// a fraction of what is handled at once.
const SLOTS: usize = 16;
/// The same while a webhook does not answer: enough to notice that it does again.
const PROBES: usize = 2;
/// How long an event waits for a slot; then the try has failed, and others go on.
const SLOT_WAIT: Duration = Duration::from_secs(2);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks is whole after each statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The webhooks that something was sent to lately.
#[derive(Default)]
pub(crate) struct Endpoints(Mutex<HashMap<WebhookId, Arc<Endpoint>>>);

impl Endpoints {
    /// The state of one webhook.
    pub(crate) fn of(&self, webhook_id: WebhookId) -> Arc<Endpoint> {
        lock(&self.0).entry(webhook_id).or_default().clone()
    }

    /// Forgets those that are not there any more.
    pub(crate) fn keep(&self, webhooks: &[Webhook]) {
        let mut known = lock(&self.0);
        if known.len() > webhooks.len() {
            known.retain(|id, _| webhooks.iter().any(|webhook| webhook.webhook_id == *id));
        }
    }
}

/// What is under way to one webhook.
pub(crate) struct Endpoint {
    slots: Semaphore,
    /// The last try ran into its timeout.
    silent: AtomicBool,
    /// Documents of which an event is being sent, or waits for that.
    turns: Mutex<HashMap<DocumentId, Arc<Queue<()>>>>,
}

impl Default for Endpoint {
    fn default() -> Self {
        Self {
            slots: Semaphore::new(SLOTS),
            silent: AtomicBool::new(false),
            turns: Mutex::new(HashMap::new()),
        }
    }
}

impl Endpoint {
    /// Waits until no earlier event of the document is on its way: first come, first served.
    pub(crate) async fn turn(&self, document_id: DocumentId) -> Turn<'_> {
        let queue = lock(&self.turns).entry(document_id).or_default().clone();
        // Before the wait: the turn is given back also where that is cut short.
        let mut turn = Turn { endpoint: self, document_id, held: None };
        turn.held = Some(queue.lock_owned().await);
        turn
    }

    /// Leave to send. `None`: too much is under way already.
    pub(crate) async fn slot(&self) -> Option<SemaphorePermit<'_>> {
        if self.silent.load(Ordering::Relaxed) {
            let busy = SLOTS.saturating_sub(self.slots.available_permits());
            return if busy < PROBES { self.slots.try_acquire().ok() } else { None };
        }
        tokio::time::timeout(SLOT_WAIT, self.slots.acquire()).await.ok()?.ok()
    }

    /// Whether the last try was answered, be it with an error.
    pub(crate) fn answered(&self, in_time: bool) {
        self.silent.store(!in_time, Ordering::Relaxed);
    }
}

/// A document's turn; the next one's when it is dropped.
pub(crate) struct Turn<'a> {
    endpoint: &'a Endpoint,
    document_id: DocumentId,
    held: Option<OwnedMutexGuard<()>>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.held = None;
        let mut turns = lock(&self.endpoint.turns);
        // Whoever waits holds the queue too; it was cloned under this lock.
        if turns.get(&self.document_id).is_some_and(|queue| Arc::strong_count(queue) == 1) {
            turns.remove(&self.document_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn events_of_a_document_take_turns_and_leave_nothing_behind() {
        let endpoint = Endpoint::default();
        let (a, b) = (DocumentId::generate(), DocumentId::generate());
        let first = endpoint.turn(a).await;
        assert!(endpoint.turn(b).now_or_never().is_some(), "another document does not wait");
        let mut second = Box::pin(endpoint.turn(a));
        let mut third = Box::pin(endpoint.turn(a));
        assert!(futures::poll!(&mut second).is_pending() && futures::poll!(&mut third).is_pending());
        drop(first);
        assert!(futures::poll!(&mut third).is_pending(), "in the order in which they came");
        drop(second.await);
        drop(third);
        assert!(lock(&endpoint.turns).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_webhook_gets_probes_only_until_it_answers() {
        let endpoint = Endpoint::default();
        let mut held = Vec::new();
        for _ in 0..SLOTS {
            held.push(endpoint.slot().await.expect("a slot"));
        }
        assert!(endpoint.slot().await.is_none(), "waited in vain");
        endpoint.answered(false);
        held.truncate(PROBES);
        assert!(endpoint.slot().now_or_never().expect("does not wait").is_none());
        held.pop();
        assert!(endpoint.slot().now_or_never().expect("does not wait").is_some());
        endpoint.answered(true);
        assert!(endpoint.slot().await.is_some());
    }
}
