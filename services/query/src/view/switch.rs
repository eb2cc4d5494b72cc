//! One generation in the place of another.
//!
//! The one beside follows the live one record by record. To switch, the live one is held
//! for a moment: it applies nothing, searches go on. Once the one beside has reached it
//! both stand at the same place of the log, so that their contents can be compared and
//! nothing is applied twice or left out.

use super::{Generation, View, feed::Feed};
use ragstream_index::Contents;
use std::{collections::BTreeMap, ops::Range, sync::Arc, time::Duration};
use tokio::{sync::watch, time::timeout};

/// How long the live generation is held at most: searches are as much behind by then.
const HOLD: Duration = Duration::from_secs(3);

/// What was in the place before, and what is in it now.
pub(crate) struct Switched {
    pub(crate) before: Contents,
    pub(crate) after: Contents,
}

impl View {
    /// Puts what `feed` feeds in the place of the live generation. `None`: it was too far
    /// behind; try again.
    pub(crate) async fn try_switch(
        &self,
        feed: &Feed,
        leads: &watch::Sender<Option<Arc<Generation>>>,
        log: &BTreeMap<i32, Range<i64>>,
    ) -> Option<Switched> {
        let live = self.live();
        let mut over = live.hold().await;
        let before = live.contents();
        let next = &feed.generation;
        let mut news = self.news();
        let reaches = async {
            while behind(&next.contents(), &before, log) > 0 {
                if news.changed().await.is_err() {
                    std::future::pending().await
                }
            }
        };
        timeout(HOLD, reaches).await.ok()?;
        let mut own = next.hold().await;
        let after = next.contents();
        next.take_over(&mut own, &mut over);
        self.switch_to(feed);
        leads.send_replace(None);
        Some(Switched { before, after })
    }
}

/// How many records one is behind another, in the partitions that the log has.
pub(crate) fn behind(one: &Contents, other: &Contents, log: &BTreeMap<i32, Range<i64>>) -> i64 {
    let position = |contents: &Contents, partition: i32, start: i64| {
        contents.positions.get(&partition).copied().unwrap_or(start).max(start)
    };
    let each = log.iter().map(|(partition, range)| {
        position(other, *partition, range.start) - position(one, *partition, range.start)
    });
    each.map(|behind| behind.max(0)).sum()
}
