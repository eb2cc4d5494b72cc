//! Dead letters in memory, for the tests of this module.
#![allow(clippy::unwrap_used)]

use super::letter::tests::record;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use ragstream_core::{
    fault::{Fault, Result},
    id::RedriveId,
    ports::{
        Appended, DeadLetterLog, DeadLetterReader, LogEnds, Place, RawPublisher, RawRecord, Redrive,
        RedriveLedger, Redriven, RedrivenLetter, StoredRecord, Stretch,
    },
    topics::{header, original_of},
};
use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::{Arc, Mutex},
};

/// Partitions of every topic that is no dead-letter topic.
pub(crate) const PARTITIONS: i32 = 2;

#[derive(Default)]
struct Log {
    letters: BTreeMap<String, Vec<StoredRecord>>,
    appended: Vec<RawRecord>,
    most_held: usize,
    faults: BTreeMap<Vec<u8>, Fault>,
}

/// A log with dead letters, and what was sent back to it.
#[derive(Clone, Default)]
pub(crate) struct MemoryLetters(Arc<Mutex<Log>>);

impl MemoryLetters {
    pub(crate) fn time(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
    }

    pub(crate) fn add(&self, topic: &str, second: i64, bytes: usize) {
        self.add_of_class(topic, second, bytes, "broken");
    }

    /// A letter of the record that lies at the same offset of partition 0.
    pub(crate) fn add_of_class(&self, topic: &str, second: i64, bytes: usize, class: &str) {
        let offset = self.0.lock().unwrap().letters.get(topic).map_or(0, Vec::len).to_string();
        let headers = [
            (header::ORIGINAL_TOPIC, original_of(topic).unwrap()),
            (header::ORIGINAL_PARTITION, "0"),
            (header::ORIGINAL_OFFSET, &offset),
            (header::ERROR_CLASS, class),
        ];
        self.put(topic, second, record("t/0/0", &offset, &vec![0; bytes], &headers));
    }

    pub(crate) fn put(&self, topic: &str, second: i64, mut record: StoredRecord) {
        let mut log = self.0.lock().unwrap();
        let letters = log.letters.entry(topic.to_owned()).or_default();
        record.place = Place { topic: topic.to_owned(), partition: 0, offset: letters.len() as i64 };
        record.stored_at = Some(Self::time(second));
        letters.push(record);
    }

    /// The most bytes that one read gave.
    pub(crate) fn most_held(&self) -> usize {
        self.0.lock().unwrap().most_held
    }

    pub(crate) fn appended(&self) -> Vec<RawRecord> {
        self.0.lock().unwrap().appended.clone()
    }

    /// Records of this key are refused.
    pub(crate) fn refuse(&self, key: &str, fault: Fault) {
        self.0.lock().unwrap().faults.insert(key.as_bytes().to_vec(), fault);
    }
}

impl DeadLetterLog for MemoryLetters {
    fn open(&self) -> Result<Box<dyn DeadLetterReader>> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl DeadLetterReader for MemoryLetters {
    async fn read(&mut self, topic: &str, _: i32, range: Range<i64>, max_bytes: usize) -> Result<Stretch> {
        let mut log = self.0.lock().unwrap();
        let mut stretch = Stretch { records: Vec::new(), end: range.start };
        let mut held = 0;
        for record in log.letters.get(topic).into_iter().flatten() {
            if !range.contains(&record.place.offset) {
                continue;
            }
            if held + record.weight() > max_bytes && !stretch.records.is_empty() {
                log.most_held = log.most_held.max(held);
                return Ok(stretch);
            }
            held += record.weight();
            stretch.end = record.place.offset + 1;
            stretch.records.push(record.clone());
        }
        log.most_held = log.most_held.max(held);
        stretch.end = range.end;
        Ok(stretch)
    }

    async fn offset_at(&mut self, topic: &str, _: i32, time: DateTime<Utc>) -> Result<i64> {
        let log = self.0.lock().unwrap();
        let letters = log.letters.get(topic).map_or(&[][..], Vec::as_slice);
        Ok(letters.partition_point(|record| record.stored_at < Some(time)) as i64)
    }
}

#[async_trait]
impl LogEnds for MemoryLetters {
    async fn ends(&self, topic: &str) -> Result<BTreeMap<i32, Range<i64>>> {
        if original_of(topic).is_none() {
            return Ok((0..PARTITIONS).map(|partition| (partition, 0..0)).collect());
        }
        let letters = self.0.lock().unwrap().letters.get(topic).map_or(0, Vec::len);
        Ok(BTreeMap::from([(0, 0..letters as i64)]))
    }
}

#[async_trait]
impl RawPublisher for MemoryLetters {
    async fn append_raw(&self, records: &[RawRecord]) -> Result<Vec<Result<Appended>>> {
        let mut log = self.0.lock().unwrap();
        let outcomes = records.iter().map(|record| {
            let key = record.key.as_ref().map(|key| key.to_vec()).unwrap_or_default();
            if let Some(fault) = log.faults.get(&key) {
                return Err(fault.clone());
            }
            log.appended.push(record.clone());
            Ok(Appended { partition: 0, offset: 1_000 + log.appended.len() as i64 })
        });
        Ok(outcomes.collect())
    }
}

/// What is on record of letters that were sent back.
#[derive(Default)]
pub(crate) struct MemoryRedrives {
    redriven: Mutex<HashMap<Place, Redriven>>,
    pub(crate) redrives: Mutex<Vec<(Redrive, Vec<RedrivenLetter>)>>,
}

impl MemoryRedrives {
    pub(crate) fn mark(&self, original: Place) {
        let mut redriven = self.redriven.lock().unwrap();
        let entry = redriven.entry(original).or_insert(Redriven { times: 0, at: MemoryLetters::time(0) });
        entry.times += 1;
    }
}

#[async_trait]
impl RedriveLedger for MemoryRedrives {
    async fn redriven(&self, originals: &[Place]) -> Result<HashMap<Place, Redriven>> {
        let redriven = self.redriven.lock().unwrap();
        Ok(originals.iter().filter_map(|o| Some((o.clone(), *redriven.get(o)?))).collect())
    }

    async fn record_redrive(&self, redrive: &Redrive, letters: &[RedrivenLetter]) -> Result<()> {
        letters.iter().for_each(|letter| self.mark(letter.original.clone()));
        let mut redrives = self.redrives.lock().unwrap();
        match redrives.iter_mut().find(|(known, _)| known.id == redrive.id) {
            Some((known, sent)) => {
                *known = redrive.clone();
                sent.extend_from_slice(letters);
            }
            None => redrives.push((redrive.clone(), letters.to_vec())),
        }
        Ok(())
    }

    async fn redrives(&self, _: Option<RedriveId>, _: u32) -> Result<Vec<Redrive>> {
        Ok(self.redrives.lock().unwrap().iter().map(|(redrive, _)| redrive.clone()).collect())
    }

    async fn redrive(&self, id: RedriveId) -> Result<Option<(Redrive, Vec<RedrivenLetter>)>> {
        Ok(self.redrives.lock().unwrap().iter().find(|(redrive, _)| redrive.id == id).cloned())
    }
}
