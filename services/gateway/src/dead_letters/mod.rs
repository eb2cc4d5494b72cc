//! Dead letters: what consumers gave up, listed, shown and sent back.
//!
//! [`scan`] walks through them from the newest on, [`filter`] says which are asked
//! for, [`letter`] understands one and [`shown`] puts it into an answer;
//! [`redrive`] sends them back, as far as [`judge`] lets it.

mod cursor;
#[cfg(test)]
mod fakes;
mod filter;
mod judge;
mod letter;
mod named;
mod redrive;
mod request;
mod scan;
mod shown;

pub(crate) use cursor::Cursor;
pub(crate) use filter::{Filter, kind_of, topic_of};
pub(crate) use request::order_of;

use letter::{Content, Story};
use ragstream_api::dead_letters::DeadLetter;
use ragstream_core::{
    fault::{Fault, Result},
    ports::{DeadLetterLog, LogEnds, Place, RawPublisher, RedriveLedger},
};
use scan::{Scan, WINDOW_BYTES};
use shown::Extent;
use std::sync::Arc;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

/// Requests that read letters at once; more wait. Each holds a consumer of its own
/// and a window of some megabytes.
const READERS: usize = 4;

/// What dead letters are tied to.
pub struct Ports {
    /// Reads them.
    pub log: Arc<dyn DeadLetterLog>,
    /// Where topics end, and which partitions they have.
    pub ends: Arc<dyn LogEnds>,
    /// Appends what is sent back.
    pub publisher: Arc<dyn RawPublisher>,
    /// Keeps what was sent back.
    pub ledger: Arc<dyn RedriveLedger>,
}

/// Dead letters, as the routes see them.
pub(crate) struct DeadLetters {
    ports: Ports,
    reading: Semaphore,
    redriving: Mutex<()>,
}

/// Letters of one answer.
pub(crate) struct Page {
    pub(crate) letters: Vec<DeadLetter>,
    pub(crate) scanned: u64,
    /// Where to go on, where there is more.
    pub(crate) next: Option<Cursor>,
}

impl DeadLetters {
    pub(crate) fn new(ports: Ports) -> Self {
        Self { ports, reading: Semaphore::new(READERS), redriving: Mutex::new(()) }
    }

    pub(crate) fn ledger(&self) -> &dyn RedriveLedger {
        &*self.ports.ledger
    }

    async fn seat(&self) -> Result<SemaphorePermit<'_>> {
        let closed =
            |error| Fault::failed("dead_letters_closed", "nothing is read any more").caused_by(error);
        self.reading.acquire().await.map_err(closed)
    }

    /// The newest letters that match, from the cursor on.
    pub(crate) async fn list(&self, filter: &Filter, cursor: &Cursor, limit: usize) -> Result<Page> {
        let _seat = self.seat().await?;
        let (reader, ledger) = (self.ports.log.open()?, &*self.ports.ledger);
        let keep = |record: &_, story, content: Option<_>| {
            let content = content.unwrap_or_else(|| Content::of(record));
            shown::shown(record, story, content, Extent::Short)
        };
        let mut scan = Scan::open(reader, &*self.ports.ends, ledger, filter, cursor, keep).await?;
        let letters = scan.take(limit).await?.into_iter().map(shown::line).collect();
        Ok(Page { letters, scanned: scan.scanned(), next: scan.cursor() })
    }

    /// The letter at a place, in full.
    pub(crate) async fn get(&self, place: &Place) -> Result<Option<DeadLetter>> {
        let _seat = self.seat().await?;
        let ends = self.ports.ends.ends(&place.topic).await?;
        if !ends.get(&place.partition).is_some_and(|range| range.contains(&place.offset)) {
            return Ok(None);
        }
        let range = place.offset..place.offset + 1;
        let stretch = self.ports.log.open()?.read(&place.topic, place.partition, range, WINDOW_BYTES).await?;
        let Some(record) = stretch.records.into_iter().find(|record| record.place == *place) else {
            return Ok(None);
        };
        let story = Story::of(&record);
        let original = story.original.clone();
        let redriven = self.ports.ledger.redriven(original.as_slice()).await?;
        let letter = shown::shown(&record, story, Content::of(&record), Extent::Full);
        let known = original.and_then(|original| redriven.get(&original).copied());
        Ok(Some(shown::with_redrives(letter, known)))
    }
}
