//! The end-to-end suite: Ragstream as its users meet it. It starts the binary,
//! talks HTTP, reads topics, and kills processes.

pub mod api;
pub mod audit;
pub mod cluster;
pub mod events;
pub mod process;
pub mod raw;
pub mod role;
pub mod rows;
pub mod storm;
pub mod text;
pub mod topic;

use std::{future::Future, time::Duration};
use tokio::time::{Instant, sleep};

/// How long anything may take before a test gives up waiting for it: far more
/// than it takes on a slow, shared machine.
pub const PATIENCE: Duration = Duration::from_secs(300);
/// How often it is looked.
const POLL: Duration = Duration::from_millis(100);

/// Asks `probe` until it gives something.
///
/// # Panics
/// Where that takes longer than [`PATIENCE`].
pub async fn eventually<T, F, Fut>(what: &str, mut probe: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain for {what}");
        sleep(POLL).await;
    }
}
