//! Letters that are known by their places, read in runs.

use super::scan::WINDOW_BYTES;
use ragstream_core::{
    fault::Result,
    ports::{DeadLetterReader, Place, StoredRecord},
};
use std::collections::{BTreeSet, VecDeque};

/// Letters of a run, named or in between: those between are read for nothing,
/// which costs less than another round trip.
const RUN: i64 = 500;

/// Letters that are still to be read, in the order of their places.
pub(crate) struct Named {
    wanted: VecDeque<Place>,
}

impl Named {
    pub(crate) fn new(places: impl IntoIterator<Item = Place>) -> Self {
        let places: BTreeSet<Place> = places.into_iter().collect();
        Self { wanted: places.into_iter().collect() }
    }

    /// The next of them that are (still) there; `None` after the last. At most
    /// `WINDOW_BYTES` and one letter are held.
    pub(crate) async fn next(
        &mut self,
        reader: &mut dyn DeadLetterReader,
    ) -> Result<Option<Vec<StoredRecord>>> {
        let Some(first) = self.wanted.front().cloned() else { return Ok(None) };
        let run = |place: &&Place| {
            place.topic == first.topic
                && place.partition == first.partition
                && place.offset.saturating_sub(first.offset) < RUN
        };
        let last = self.wanted.iter().take_while(run).last().map_or(first.offset, |place| place.offset);
        let range = first.offset..last.saturating_add(1);
        let stretch = reader.read(&first.topic, first.partition, range, WINDOW_BYTES).await?;
        let mut wanted = BTreeSet::new();
        while let Some(place) = self.wanted.pop_front_if(|place| {
            place.topic == first.topic && place.partition == first.partition && place.offset < stretch.end
        }) {
            wanted.insert(place.offset);
        }
        Ok(Some(stretch.records.into_iter().filter(|record| wanted.contains(&record.place.offset)).collect()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{super::fakes::MemoryLetters, *};

    const A: &str = "doc-ingest-requests.dlq";

    #[tokio::test]
    async fn each_is_read_once_in_order_however_far_apart_or_large() {
        let mut log = MemoryLetters::default();
        for second in 0..2_000 {
            log.add(A, second, if second < 20 { WINDOW_BYTES / 3 } else { 10 });
        }
        let offsets = [1_999, 3, 4, 5, 6, 7, 8, 3, 900, 901, 1_500, 2_000, 5_000];
        let place = |offset: i64| Place { topic: A.into(), partition: 0, offset };
        let mut named = Named::new(offsets.map(place));
        let mut read = Vec::new();
        while let Some(records) = named.next(&mut log).await.unwrap() {
            read.extend(records.into_iter().map(|record| record.place.offset));
        }
        assert_eq!(read, [3, 4, 5, 6, 7, 8, 900, 901, 1_500, 1_999], "what is not there is left out");
        assert!(log.most_held() <= WINDOW_BYTES, "{}", log.most_held());
    }
}
