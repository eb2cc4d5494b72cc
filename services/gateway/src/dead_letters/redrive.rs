//! Sending letters back to where they came from.
//!
//! First the letters are chosen and judged, of which only their places are held;
//! then they are read once more in the order of their offsets, appended byte for
//! byte to the partition they came from, and put on record, some megabytes at a
//! time. Append first, record second: a process that dies in between leaves
//! letters that may be sent a second time, which changes nothing, for consumers are
//! idempotent. The other way round some would never be sent.

use super::{
    DeadLetters,
    judge::{Approved, Candidate, Skipped, judge},
    letter::Story,
    named::Named,
    request::Chosen,
    scan::{Scan, Sighting},
};
use crate::metrics;
use bytes::Bytes;
use ragstream_api::{dead_letters::RedriveResponse, problem::Problem};
use ragstream_core::{
    fault::{Fault, Result},
    id::RedriveId,
    ports::{DeadLetterReader, Place, Placement, RawRecord, Redrive, RedrivenLetter, StoredRecord},
    topics::header,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A request to send letters back.
pub(crate) struct Order {
    pub(crate) chosen: Chosen,
    /// The filter in the request's own words.
    pub(crate) filter: serde_json::Value,
    pub(crate) dry_run: bool,
    pub(crate) max: usize,
    pub(crate) force: bool,
    pub(crate) correlation_id: String,
}

/// What was looked at, and what of it was asked for.
struct Choice {
    candidates: Vec<Candidate>,
    matched: usize,
    scanned: u64,
    next: Option<String>,
    reader: Box<dyn DeadLetterReader>,
}

impl DeadLetters {
    /// Sends letters back. An outage on the way is a problem that says how far it
    /// came: asking again goes on there.
    pub(crate) async fn redrive(&self, order: Order) -> Result<RedriveResponse, Problem> {
        // Two at once would both find the same letters not yet sent.
        let _turn = self.redriving.lock().await;
        let _seat = self.seat().await?;
        let mut skipped = Skipped::default();
        let mut choice = self.choose(&order, &mut skipped).await?;
        let approved = judge(choice.candidates, order.force, &*self.ports.ends, &mut skipped).await?;
        let mut redrive = Redrive {
            id: RedriveId::generate(),
            at: chrono::Utc::now(),
            correlation_id: order.correlation_id,
            filter: order.filter,
            force: order.force,
            matched: choice.matched as u32,
            redriven: 0,
            skipped: BTreeMap::new(),
        };
        if order.dry_run {
            redrive.redriven = approved.len() as u32;
        } else {
            let sent = self.send(approved, &mut *choice.reader, &mut redrive, &mut skipped).await;
            redrive.skipped = skipped.counts();
            // What was sent is on record already; the counts are now final.
            let recorded = self.ports.ledger.record_redrive(&redrive, &[]).await;
            tracing::info!(
                redrive_id = %redrive.id, correlation_id = redrive.correlation_id, filter = %redrive.filter,
                force = redrive.force, matched = redrive.matched, redriven = redrive.redriven,
                skipped = ?redrive.skipped, "dead letters sent back"
            );
            sent.and(recorded).map_err(|fault| interrupted(fault, redrive.redriven))?;
        }
        Ok(RedriveResponse {
            redrive_id: (!order.dry_run).then_some(redrive.id.0),
            dry_run: order.dry_run,
            matched: redrive.matched,
            redriven: redrive.redriven,
            skipped: skipped.into_answer(),
            scanned: choice.scanned,
            next: choice.next,
        })
    }

    async fn choose(&self, order: &Order, skipped: &mut Skipped) -> Result<Choice> {
        match &order.chosen {
            Chosen::By { filter, cursor } => {
                let (reader, ledger) = (self.ports.log.open()?, &*self.ports.ledger);
                let keep = |_: &StoredRecord, story, _| story;
                let mut scan = Scan::open(reader, &*self.ports.ends, ledger, filter, cursor, keep).await?;
                let found = scan.take(order.max).await?;
                let candidate = |sighting: Sighting<Story>| {
                    Candidate::new(sighting.place, sighting.kept, sighting.redriven)
                };
                Ok(Choice {
                    matched: found.len(),
                    candidates: found.into_iter().map(candidate).collect(),
                    scanned: scan.scanned(),
                    next: scan.cursor().map(|cursor| cursor.encode()),
                    reader: scan.into_reader(),
                })
            }
            Chosen::Named(places) => {
                let places: BTreeSet<Place> = places.iter().cloned().collect();
                let mut reader = self.ports.log.open()?;
                let mut named = Named::new(places.iter().cloned());
                let mut stories = BTreeMap::new();
                while let Some(records) = named.next(&mut *reader).await? {
                    stories.extend(records.iter().map(|record| (record.place.clone(), Story::of(record))));
                }
                for place in places.iter().filter(|place| !stories.contains_key(place)) {
                    skipped.add("not_found", || format!("there is no letter at {place} (any more)"));
                }
                let originals: Vec<Place> = stories.values().filter_map(|s| s.original.clone()).collect();
                let redriven = self.ports.ledger.redriven(&originals).await?;
                let scanned = stories.len() as u64;
                let candidate = |(place, story): (Place, Story)| {
                    let known = story.original.as_ref().and_then(|original| redriven.get(original).copied());
                    Candidate::new(place, story, known)
                };
                let candidates = stories.into_iter().map(candidate).collect();
                Ok(Choice { candidates, matched: places.len(), scanned, next: None, reader })
            }
        }
    }

    async fn send(
        &self,
        mut approved: HashMap<Place, Approved>,
        reader: &mut dyn DeadLetterReader,
        redrive: &mut Redrive,
        skipped: &mut Skipped,
    ) -> Result<()> {
        let mut named = Named::new(approved.keys().cloned());
        while let Some(letters) = named.next(reader).await? {
            let going: Vec<(Place, Approved, RawRecord)> = letters
                .into_iter()
                .filter_map(|letter| {
                    let approved = approved.remove(&letter.place)?;
                    let place = letter.place.clone();
                    let record = sent_back(letter, &approved);
                    Some((place, approved, record))
                })
                .collect();
            let records: Vec<RawRecord> = going.iter().map(|(.., record)| record.clone()).collect();
            let outcomes = self.ports.publisher.append_raw(&records).await?;
            let mut sent = Vec::new();
            let mut outage = None;
            for ((place, approved, _), outcome) in going.into_iter().zip(outcomes) {
                match outcome {
                    Ok(appended) => {
                        metrics::REDRIVEN.with_label_values(&[&approved.original.topic]).inc();
                        sent.push(RedrivenLetter {
                            original: approved.original,
                            letter: place,
                            sent_offset: appended.offset,
                        });
                    }
                    Err(fault) if fault.is_unavailable() => outage = outage.or(Some(fault)),
                    Err(fault) => skipped.add(fault.class, || format!("{place} was refused: {fault}")),
                }
            }
            redrive.redriven += sent.len() as u32;
            redrive.skipped = skipped.counts();
            self.ports.ledger.record_redrive(redrive, &sent).await?;
            if let Some(outage) = outage {
                return Err(outage);
            }
        }
        for place in approved.into_keys() {
            skipped.add("not_found", || format!("there is no letter at {place} any more"));
        }
        Ok(())
    }
}

/// The letter as it goes back: key, value and headers as they are, its story too, by
/// which consumers know what it is, and counted.
fn sent_back(letter: StoredRecord, approved: &Approved) -> RawRecord {
    let mut headers = letter.headers;
    headers.retain(|(name, _)| name != header::REDRIVES);
    headers.push((header::REDRIVES.to_owned(), Some(Bytes::from(approved.redrives.to_string()))));
    RawRecord {
        topic: approved.original.topic.clone(),
        key: letter.key,
        value: letter.value,
        headers,
        placement: Placement::At(approved.original.partition),
    }
}

fn interrupted(fault: Fault, redriven: u32) -> Problem {
    let mut problem = Problem::from(fault);
    if redriven > 0 {
        problem.detail = format!(
            "{redriven} letters were sent back, then: {}. Ask again: those that are on record are not sent twice",
            problem.detail
        );
    }
    problem
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{
        super::{
            Ports,
            cursor::Cursor,
            fakes::{MemoryLetters, MemoryRedrives},
            filter::Filter,
            letter::tests::record,
        },
        *,
    };
    use std::sync::Arc;

    const A: &str = "doc-ingest-requests.dlq";
    const B: &str = "chunk-embeddings.dlq";

    struct Rig {
        log: MemoryLetters,
        ledger: Arc<MemoryRedrives>,
        letters: DeadLetters,
    }

    fn rig() -> Rig {
        let (log, ledger) = (MemoryLetters::default(), Arc::new(MemoryRedrives::default()));
        let letters = DeadLetters::new(Ports {
            log: Arc::new(log.clone()),
            ends: Arc::new(log.clone()),
            publisher: Arc::new(log.clone()),
            ledger: ledger.clone(),
        });
        Rig { log, ledger, letters }
    }

    fn order(filter: Filter) -> Order {
        Order {
            chosen: Chosen::By { filter, cursor: Cursor::default() },
            filter: serde_json::json!({}),
            dry_run: false,
            max: 1_000,
            force: false,
            correlation_id: "c".into(),
        }
    }

    fn all() -> Order {
        order(Filter::default())
    }

    fn reasons(answer: &RedriveResponse) -> Vec<(&str, u32)> {
        answer.skipped.iter().map(|skipped| (skipped.reason.as_str(), skipped.count)).collect()
    }

    fn letter_of(topic: &str, partition: &str, offset: &str, more: &[(&str, &str)]) -> StoredRecord {
        let mut headers = vec![
            (header::ORIGINAL_TOPIC, topic),
            (header::ORIGINAL_PARTITION, partition),
            (header::ORIGINAL_OFFSET, offset),
        ];
        headers.extend(more);
        record("t/0/0", offset, b"value", &headers)
    }

    #[tokio::test]
    async fn a_letter_goes_back_byte_for_byte_to_its_partition_counted_and_on_record() {
        let Rig { log, ledger, letters } = rig();
        let mut odd = letter_of("doc-ingest-requests", "1", "7", &[(header::REDRIVES, "1")]);
        odd.key = Some(Bytes::from_static(b"\xff\x00"));
        odd.value = Some(Bytes::from_static(b"\x00\x80"));
        odd.headers.push(("bytes".into(), Some(Bytes::from_static(b"\xfe"))));
        odd.headers.push(("none".into(), None));
        log.put(A, 1, odd.clone());
        let mut bare = letter_of("doc-ingest-requests", "0", "8", &[]);
        (bare.key, bare.value) = (None, None);
        log.put(A, 2, bare);

        let dry = letters.redrive(Order { dry_run: true, ..all() }).await.unwrap();
        assert_eq!((dry.matched, dry.redriven, dry.redrive_id), (2, 2, None));
        assert!(log.appended().is_empty() && ledger.redrives.lock().unwrap().is_empty());

        let answer = letters.redrive(all()).await.unwrap();
        assert_eq!((answer.matched, answer.redriven, reasons(&answer)), (2, 2, vec![]));
        let sent = log.appended();
        assert_eq!((&*sent[0].topic, &sent[0].placement), ("doc-ingest-requests", &Placement::At(1)));
        assert_eq!((&sent[0].key, &sent[0].value), (&odd.key, &odd.value));
        let kept: Vec<_> = odd.headers.iter().filter(|(name, _)| name != header::REDRIVES).cloned().collect();
        let counted = (header::REDRIVES.to_owned(), Some(Bytes::from_static(b"2")));
        assert_eq!(sent[0].headers, [kept, vec![counted]].concat());
        assert_eq!((&sent[1].key, &sent[1].value, &sent[1].placement), (&None, &None, &Placement::At(0)));

        let (redrive, recorded) = ledger.redrives.lock().unwrap()[0].clone();
        assert_eq!(Some(redrive.id.0), answer.redrive_id);
        assert_eq!((redrive.matched, redrive.redriven, recorded.len()), (2, 2, 2));
        assert_eq!(recorded[0].original.to_string(), "doc-ingest-requests/1/7");
        assert_eq!(recorded[0].letter.to_string(), "doc-ingest-requests.dlq/0/0");
    }

    #[tokio::test]
    async fn a_letter_goes_back_once_unless_it_is_forced() {
        let Rig { log, letters, .. } = rig();
        log.add(A, 1, 10);
        letters.redrive(all()).await.unwrap();
        let again = letters.redrive(all()).await.unwrap();
        assert_eq!((again.matched, again.redriven), (1, 0));
        assert_eq!(reasons(&again), [("already_redriven", 1)]);
        let forced = letters.redrive(Order { force: true, ..all() }).await.unwrap();
        assert_eq!(forced.redriven, 1);
        let counts: Vec<_> =
            log.appended().iter().map(|record| record.headers.last().unwrap().1.clone().unwrap()).collect();
        assert_eq!(counts, ["1", "2"], "each time counts, forced or not");
    }

    #[tokio::test]
    async fn the_fourth_time_is_refused_unless_it_is_forced() {
        let Rig { log, letters, .. } = rig();
        for (offset, redrives) in [("1", "2"), ("2", "3"), ("3", "17")] {
            log.put(A, 1, letter_of("doc-ingest-requests", "0", offset, &[(header::REDRIVES, redrives)]));
        }
        let answer = letters.redrive(all()).await.unwrap();
        assert_eq!((answer.redriven, reasons(&answer)), (1, vec![("too_many_redrives", 2)]));
        let forced = letters.redrive(Order { force: true, ..all() }).await.unwrap();
        assert_eq!((forced.redriven, reasons(&forced)), (3, vec![]));
    }

    #[tokio::test]
    async fn letters_that_several_nodes_wrote_of_one_record_are_one() {
        let Rig { log, letters, .. } = rig();
        for second in 0..3 {
            log.put(B, second, letter_of("chunk-embeddings", "1", "7", &[]));
        }
        log.put(B, 4, letter_of("chunk-embeddings", "0", "7", &[]));
        let answer = letters.redrive(Order { force: true, ..all() }).await.unwrap();
        assert_eq!((answer.matched, answer.redriven), (4, 2));
        assert_eq!(reasons(&answer), [("same_record", 2)]);
        let later = letters.redrive(all()).await.unwrap();
        assert_eq!(reasons(&later), [("already_redriven", 4)], "whichever letter was sent");
    }

    #[tokio::test]
    async fn what_can_not_go_back_says_why_and_holds_up_nothing() {
        let Rig { log, letters, .. } = rig();
        log.put(A, 1, record("t/0/0", "k", b"", &[]));
        log.put(A, 2, letter_of("document-lifecycle", "0", "1", &[]));
        log.put(A, 3, letter_of("doc-ingest-requests", "9", "1", &[]));
        log.put(A, 4, letter_of("doc-ingest-requests", "0", "2", &[(header::VALUE_OMITTED, "9000000")]));
        log.put(A, 5, letter_of("doc-ingest-requests", "0", "too-large", &[]));
        log.put(A, 6, letter_of("doc-ingest-requests", "0", "3", &[]));
        log.put(A, 7, letter_of("doc-ingest-requests", "0", "4", &[]));
        log.refuse("3", Fault::invalid("record_too_large", "appending"));
        let answer = letters.redrive(Order { force: true, ..all() }).await.unwrap();
        assert_eq!((answer.matched, answer.redriven), (7, 1));
        let expected = [
            ("no_origin", 2),
            ("partition_missing", 1),
            ("record_too_large", 1),
            ("value_omitted", 1),
            ("wrong_origin", 1),
        ];
        assert_eq!(reasons(&answer), expected);
        assert!(answer.skipped.iter().all(|skipped| skipped.detail.contains(".dlq/0/")), "{answer:?}");
    }

    #[tokio::test]
    async fn the_newest_that_match_are_taken_and_sent_oldest_first() {
        let Rig { log, letters, .. } = rig();
        for second in 0..10 {
            log.add_of_class(A, second, 10, if second == 9 { "other" } else { "broken" });
        }
        let filter = Filter { error_class: Some("broken".into()), ..Filter::default() };
        let answer = letters.redrive(Order { max: 3, ..order(filter.clone()) }).await.unwrap();
        assert_eq!((answer.matched, answer.redriven), (3, 3));
        let keys = || -> Vec<_> {
            log.appended()
                .iter()
                .map(|r| String::from_utf8(r.key.clone().unwrap().to_vec()).unwrap())
                .collect()
        };
        assert_eq!(keys(), ["6", "7", "8"]);
        let cursor = Cursor::decode(&answer.next.unwrap()).unwrap();
        let rest = Order { chosen: Chosen::By { filter: filter.clone(), cursor }, ..order(filter) };
        let answer = letters.redrive(rest).await.unwrap();
        assert_eq!((answer.matched, answer.redriven, answer.next), (6, 6, None));
        assert_eq!(keys()[3..], ["0", "1", "2", "3", "4", "5"]);
    }

    #[tokio::test]
    async fn named_letters_go_back_and_those_that_are_gone_are_told() {
        let Rig { log, letters, .. } = rig();
        for second in 0..10 {
            log.add(A, second, 10);
        }
        let place = |offset| Place { topic: A.into(), partition: 0, offset };
        let chosen = Chosen::Named(vec![place(7), place(2), place(2), place(99)]);
        let answer = letters.redrive(Order { chosen, ..all() }).await.unwrap();
        assert_eq!((answer.matched, answer.redriven, reasons(&answer)), (3, 2, vec![("not_found", 1)]));
        assert_eq!(log.appended().len(), 2);
    }

    #[tokio::test]
    async fn an_outage_on_the_way_is_told_and_what_was_sent_is_on_record() {
        let Rig { log, ledger, letters } = rig();
        for second in 0..4 {
            log.add(A, second, 10);
        }
        log.refuse("2", Fault::unavailable("kafka_unavailable", "no broker"));
        let problem = letters.redrive(all()).await.unwrap_err();
        assert_eq!(problem.status, 503);
        assert!(problem.detail.contains("3 letters were sent back"), "{}", problem.detail);
        let (redrive, recorded) = ledger.redrives.lock().unwrap()[0].clone();
        assert_eq!((redrive.redriven, recorded.len()), (3, 3));
    }
}
