//! A short storm, always the same one. `make storm` runs longer ones.
#![allow(clippy::unwrap_used)]

use ragstream_e2e::storm;
use std::time::Duration;

/// What it does is decided by this.
const SEED: u64 = 20_261_121;
/// Long enough for a dozen kills and an outage or two.
const TIME: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_stuck_or_doubled_in_a_storm() {
    let dir = tempfile::tempdir().unwrap();
    let report = storm::run(dir.path(), SEED, TIME).await;
    println!("seed         {SEED}\n{report}");
    assert!(report.is_clean(), "{report}");
}
