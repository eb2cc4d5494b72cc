//! Letters from the newest to the oldest, across topics.
//!
//! A dead-letter topic is one partition that may hold millions of letters of some
//! megabytes each, and the log is read forwards only. So each partition is read
//! in windows from its end, each no larger than what may be held, and the
//! partitions are merged by the time at which their letters were stored. A
//! request looks at so many letters and bytes, and then says where to go on.

use super::{
    cursor::Cursor,
    filter::Filter,
    letter::{Content, Story},
};
use chrono::TimeDelta;
use ragstream_core::{
    fault::Result,
    ports::{DeadLetterReader, LogEnds, Place, RedriveLedger, Redriven, StoredRecord},
};
use std::{collections::VecDeque, ops::Range};

/// Letters of a window: a page, ten times over.
const WINDOW: i64 = 500;
/// Bytes of a window: what a request holds besides its answer.
pub(crate) const WINDOW_BYTES: usize = 8 * 1024 * 1024;
/// Letters that a request looks at: a few seconds' reading.
const SCAN_LETTERS: i64 = 20_000;
/// Bytes that a request reads, for letters that are large.
const SCAN_BYTES: usize = 128 * 1024 * 1024;
/// How far the clocks of consumers may differ: letters lie in the order in which
/// they came, not in that of their times.
const CLOCK_SKEW: TimeDelta = TimeDelta::hours(1);

/// How much a request may look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) letters: i64,
    pub(crate) bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { letters: SCAN_LETTERS, bytes: SCAN_BYTES }
    }
}

impl Budget {
    fn is_spent(self) -> bool {
        self.letters <= 0 || self.bytes == 0
    }
}

/// A letter that matched, and what was kept of it.
#[derive(Clone, Debug)]
pub(crate) struct Sighting<T> {
    pub(crate) place: Place,
    pub(crate) stored_at: Option<chrono::DateTime<chrono::Utc>>,
    /// That it was sent back, where it was.
    pub(crate) redriven: Option<Redriven>,
    pub(crate) kept: T,
}

/// One partition on its way from its end to its beginning.
struct Lane<T> {
    topic: String,
    partition: i32,
    /// Nothing before this offset is asked for.
    low: i64,
    /// What lies before this offset was not read yet.
    unread: i64,
    /// Letters that matched, newest first.
    found: VecDeque<Sighting<T>>,
    /// Letters of the next window.
    window: i64,
}

impl<T> Lane<T> {
    fn is_over(&self) -> bool {
        self.found.is_empty() && self.unread <= self.low
    }

    /// Where the rest of it lies.
    fn rest(&self) -> i64 {
        self.found.front().map_or(self.unread, |newest| newest.place.offset + 1)
    }
}

/// Makes of a letter what is kept of it.
pub(crate) type Keep<T> = fn(&StoredRecord, Story, Option<Content>) -> T;

/// A walk through the letters that match a filter.
pub(crate) struct Scan<'a, T> {
    reader: Box<dyn DeadLetterReader>,
    ledger: &'a dyn RedriveLedger,
    filter: &'a Filter,
    keep: Keep<T>,
    lanes: Vec<Lane<T>>,
    budget: Budget,
    scanned: u64,
}

/// What comes next.
pub(crate) enum Next<T> {
    /// A letter.
    Letter(Sighting<T>),
    /// No more letters match.
    End,
    /// The budget is spent; there may be more.
    Spent,
}

impl<'a, T> Scan<'a, T> {
    /// Begins where `cursor` says, or at the end of the log.
    pub(crate) async fn open(
        mut reader: Box<dyn DeadLetterReader>,
        ends: &dyn LogEnds,
        ledger: &'a dyn RedriveLedger,
        filter: &'a Filter,
        cursor: &Cursor,
        keep: Keep<T>,
    ) -> Result<Self> {
        let mut lanes = Vec::new();
        for topic in filter.topics() {
            for (partition, Range { start, end }) in ends.ends(&topic).await? {
                let mut lane = Lane {
                    low: start,
                    unread: cursor.of(&topic, partition).map_or(end, |before| before.min(end)),
                    topic: topic.clone(),
                    partition,
                    found: VecDeque::new(),
                    window: WINDOW,
                };
                if let Some(since) = filter.since {
                    lane.low = lane.low.max(reader.offset_at(&topic, partition, since).await?);
                }
                if let Some(until) = filter.until
                    && lane.unread > lane.low
                {
                    let late = until.checked_add_signed(CLOCK_SKEW).unwrap_or(until);
                    lane.unread = lane.unread.min(reader.offset_at(&topic, partition, late).await?);
                }
                lanes.push(lane);
            }
        }
        Ok(Self { reader, ledger, filter, keep, lanes, budget: Budget::default(), scanned: 0 })
    }

    /// The same with another budget.
    #[cfg(test)]
    pub(crate) fn with_budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// The newest letter that was not given out yet.
    pub(crate) async fn next(&mut self) -> Result<Next<T>> {
        for lane in 0..self.lanes.len() {
            while self.lanes[lane].found.is_empty() && !self.lanes[lane].is_over() {
                if self.budget.is_spent() {
                    // Which letter is the newest is not known without this one.
                    return Ok(Next::Spent);
                }
                self.read_window(lane).await?;
            }
        }
        let newest = self
            .lanes
            .iter_mut()
            .filter(|lane| !lane.found.is_empty())
            .max_by_key(|lane| lane.found.front().and_then(|sighting| sighting.stored_at));
        Ok(newest.and_then(|lane| lane.found.pop_front()).map_or(Next::End, Next::Letter))
    }

    /// The next letters, `limit` at most.
    pub(crate) async fn take(&mut self, limit: usize) -> Result<Vec<Sighting<T>>> {
        let mut letters = Vec::new();
        while letters.len() < limit {
            match self.next().await? {
                Next::Letter(sighting) => letters.push(sighting),
                Next::End | Next::Spent => break,
            }
        }
        Ok(letters)
    }

    /// How many letters were looked at.
    pub(crate) fn scanned(&self) -> u64 {
        self.scanned
    }

    /// Where to go on; `None` where nothing is left to look at.
    pub(crate) fn cursor(&self) -> Option<Cursor> {
        let rest = self.lanes.iter().map(|lane| ((lane.topic.clone(), lane.partition), lane.rest()));
        (!self.lanes.iter().all(Lane::is_over)).then(|| Cursor(rest.collect()))
    }

    /// The reader, for what follows.
    pub(crate) fn into_reader(self) -> Box<dyn DeadLetterReader> {
        self.reader
    }

    async fn read_window(&mut self, lane: usize) -> Result<()> {
        let lane = &mut self.lanes[lane];
        let from = lane.low.max(lane.unread - lane.window.min(self.budget.letters.max(1)));
        let range = from..lane.unread;
        let stretch = self.reader.read(&lane.topic, lane.partition, range.clone(), WINDOW_BYTES).await?;
        let bytes: usize = stretch.records.iter().map(StoredRecord::weight).sum();
        self.budget.bytes = self.budget.bytes.saturating_sub(bytes);
        if stretch.end < range.end {
            // More than may be held: the newest are wanted first, so as many of those
            // as just fitted of the older ones.
            lane.window = (stretch.end - from).min(lane.window - 1).max(1);
            return Ok(());
        }
        if bytes * 2 < WINDOW_BYTES {
            lane.window = (lane.window * 2).min(WINDOW);
        }
        lane.unread = from;
        self.budget.letters -= range.end - range.start;
        self.scanned += stretch.records.len() as u64;
        let mut found = Vec::new();
        for record in stretch.records.iter().rev() {
            let story = Story::of(record);
            if !self.filter.matches_story(&story) {
                continue;
            }
            let content = self.filter.asks_for_content().then(|| Content::of(record));
            if content.as_ref().is_some_and(|content| !self.filter.matches_content(content)) {
                continue;
            }
            found.push((story.original.clone(), (self.keep)(record, story, content), record));
        }
        let originals: Vec<Place> = found.iter().filter_map(|(original, ..)| original.clone()).collect();
        let redriven = self.ledger.redriven(&originals).await?;
        for (original, kept, record) in found {
            let redriven = original.and_then(|original| redriven.get(&original).copied());
            if self.filter.redriven.is_none_or(|wanted| wanted == redriven.is_some()) {
                let (place, stored_at) = (record.place.clone(), record.stored_at);
                lane.found.push_back(Sighting { place, stored_at, redriven, kept });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{
        super::fakes::{MemoryLetters, MemoryRedrives},
        *,
    };

    const A: &str = "doc-ingest-requests.dlq";
    const B: &str = "chunk-processing.dlq";

    async fn scan<'a>(
        log: &MemoryLetters,
        ledger: &'a MemoryRedrives,
        filter: &'a Filter,
        cursor: &Cursor,
    ) -> Scan<'a, String> {
        let reader = Box::new(log.clone());
        Scan::open(reader, log, ledger, filter, cursor, |record, _, _| record.place.to_string())
            .await
            .unwrap()
    }

    async fn places(scan: &mut Scan<'_, String>, limit: usize) -> Vec<String> {
        scan.take(limit).await.unwrap().into_iter().map(|sighting| sighting.kept).collect()
    }

    #[tokio::test]
    async fn pages_follow_each_other_newest_first_across_topics_whatever_comes_meanwhile() {
        let log = MemoryLetters::default();
        // A at even seconds, B at odd ones.
        for second in 0..3_000 {
            log.add(if second % 2 == 0 { A } else { B }, second, 10);
        }
        let (ledger, filter) = (MemoryRedrives::default(), Filter::default());
        let mut all = Vec::new();
        let mut cursor = Cursor::default();
        loop {
            let mut scan = scan(&log, &ledger, &filter, &cursor).await;
            let page = places(&mut scan, 70).await;
            log.add(A, 10_000, 10);
            all.extend(page);
            match scan.cursor() {
                // As a client carries it.
                Some(next) => cursor = Cursor::decode(&next.encode()).unwrap(),
                None => break,
            }
        }
        let expected: Vec<_> = (0..3_000)
            .rev()
            .map(|second| format!("{}/0/{}", if second % 2 == 0 { A } else { B }, second / 2))
            .collect();
        assert_eq!(all, expected);
    }

    #[tokio::test]
    async fn large_letters_are_read_in_windows_that_fit() {
        let log = MemoryLetters::default();
        for second in 0..40 {
            log.add(A, second, if second % 3 == 0 { WINDOW_BYTES / 3 } else { 1_000 });
        }
        // One that is larger than a window.
        log.add(A, 40, WINDOW_BYTES * 2);
        let (ledger, filter) = (MemoryRedrives::default(), Filter::default());
        let plenty = Budget { letters: i64::MAX, bytes: usize::MAX };
        let mut scan = scan(&log, &ledger, &filter, &Cursor::default()).await.with_budget(plenty);
        let all = places(&mut scan, 100).await;
        assert_eq!(all, (0..41).rev().map(|offset| format!("{A}/0/{offset}")).collect::<Vec<_>>());
        assert_eq!((scan.scanned(), scan.cursor()), (41, None));
        assert!(log.most_held() <= WINDOW_BYTES * 2 + 1_000, "{}", log.most_held());
    }

    #[tokio::test]
    async fn a_budget_ends_a_page_and_the_next_one_goes_on_there() {
        let log = MemoryLetters::default();
        for second in 0..5_000 {
            log.add_of_class(A, second, 10, if second == 17 { "rare" } else { "common" });
        }
        let ledger = MemoryRedrives::default();
        let filter = Filter { error_class: Some("rare".into()), ..Filter::default() };
        let budget = Budget { letters: 1_200, bytes: usize::MAX };
        let mut cursor = Cursor::default();
        let mut pages = Vec::new();
        loop {
            let mut scan = scan(&log, &ledger, &filter, &cursor).await.with_budget(budget);
            let found = places(&mut scan, 10).await;
            assert!(scan.scanned() <= 1_200);
            pages.push(found);
            match scan.cursor() {
                Some(next) => cursor = next,
                None => break,
            }
        }
        assert_eq!(pages.len(), 5, "5,000 letters, 1,200 a page");
        assert_eq!(pages.concat(), [format!("{A}/0/17")]);

        let few = Budget { letters: i64::MAX, bytes: 1 };
        let mut scan = scan(&log, &ledger, &filter, &Cursor::default()).await.with_budget(few);
        assert!(matches!(scan.next().await.unwrap(), Next::Spent));
        assert_eq!(scan.scanned(), WINDOW as u64, "one window, for progress");
    }

    #[tokio::test]
    async fn times_are_looked_up_rather_than_scanned_for() {
        let log = MemoryLetters::default();
        for second in 0..100_000 {
            log.add(A, second, 10);
        }
        let ledger = MemoryRedrives::default();
        let time = |second: i64| MemoryLetters::time(second);
        let filter = Filter {
            since: Some(time(10)),
            until: Some(time(20)),
            topic: Some(A.into()),
            ..Filter::default()
        };
        let mut scan = scan(&log, &ledger, &filter, &Cursor::default()).await;
        let found = places(&mut scan, 1_000).await;
        assert_eq!(found, (10..20).rev().map(|offset| format!("{A}/0/{offset}")).collect::<Vec<_>>());
        assert!(scan.scanned() <= 3_600 + 10, "an hour of skew: {}", scan.scanned());
        assert_eq!(scan.cursor(), None);
    }

    #[tokio::test]
    async fn what_was_sent_back_can_be_asked_for_or_left_out() {
        let log = MemoryLetters::default();
        for second in 0..10 {
            log.add(A, second, 10);
        }
        let ledger = MemoryRedrives::default();
        ledger.mark("doc-ingest-requests/0/4".parse().unwrap());
        for (redriven, expected) in [(Some(true), 1), (Some(false), 9), (None, 10)] {
            let filter = Filter { redriven, ..Filter::default() };
            let mut scan = scan(&log, &ledger, &filter, &Cursor::default()).await;
            let found = scan.take(100).await.unwrap();
            assert_eq!(found.len(), expected, "{redriven:?}");
            let marked = found.iter().filter(|sighting| sighting.redriven.is_some()).count();
            assert_eq!(marked, usize::from(redriven != Some(false)));
        }
    }

    #[tokio::test]
    async fn a_cursor_of_other_times_does_no_harm() {
        let log = MemoryLetters::default();
        for second in 0..10 {
            log.add(A, second, 10);
        }
        let (ledger, filter) = (MemoryRedrives::default(), Filter::default());
        for before in [i64::MIN, -1, 11, i64::MAX] {
            let cursor = Cursor([((A.to_owned(), 0), before)].into());
            let mut scan = scan(&log, &ledger, &filter, &cursor).await;
            let found = scan.take(100).await.unwrap();
            assert_eq!(found.len(), if before > 0 { 10 } else { 0 }, "{before}");
        }
    }
}
