//! Dead letters: stored whatever the record is, read in pieces, sent back byte for byte.
#![allow(clippy::unwrap_used)]

mod support;

use bytes::Bytes;
use ragstream_core::{
    fault::{Fault, FaultKind},
    ports::{
        DeadLetterLog, DeadLetterReader, LogEnds, Placement, Publisher, RawHeader, RawPublisher, RawRecord,
        StoredRecord,
    },
    topics::{CHUNKS, dead_letters_of, header},
};
use ragstream_kafka::*;
use ragstream_worker::Verdict;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    bindings::{self, rd_kafka_vtype_t},
    client::DefaultClientContext,
    producer::{BaseProducer, FutureProducer, FutureRecord, Producer as _},
};
use std::{ffi::CString, time::Duration};
use support::*;

fn reader(kafka: &KafkaConfig) -> Box<dyn DeadLetterReader> {
    KafkaDeadLetterLog::new(kafka).open().unwrap()
}

/// All of partition 0.
async fn all(kafka: &KafkaConfig, topic: &str) -> Vec<StoredRecord> {
    let end = KafkaPublisher::new(kafka).unwrap().ends(topic).await.unwrap()[&0].end;
    reader(kafka).read(topic, 0, 0..end, usize::MAX).await.unwrap().records
}

fn raw(topic: &str, key: Option<&[u8]>, value: Option<&[u8]>, headers: Vec<RawHeader>) -> RawRecord {
    RawRecord {
        topic: topic.to_owned(),
        key: key.map(Bytes::copy_from_slice),
        value: value.map(Bytes::copy_from_slice),
        headers,
        placement: Placement::At(0),
    }
}

/// Bytes that no codec makes smaller.
fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    StdRng::seed_from_u64(7).fill(&mut noise[..]);
    noise
}

/// Appends a record without a key as a client does that is not Java's: header names
/// are bytes to it.
fn write_with_header(kafka: &KafkaConfig, topic: &str, name: &[u8], value: &[u8]) {
    use rd_kafka_vtype_t::*;
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", &kafka.brokers).create().unwrap();
    let topic = CString::new(topic).unwrap();
    // SAFETY: librdkafka copies names, values and the topic; the headers are its own
    // once the record is queued; the list of arguments ends with its mark.
    unsafe {
        let headers = bindings::rd_kafka_headers_new(1);
        let (name_size, value_size) = (name.len() as isize, value.len() as isize);
        bindings::rd_kafka_header_add(
            headers,
            name.as_ptr().cast(),
            name_size,
            value.as_ptr().cast(),
            value_size,
        );
        bindings::rd_kafka_producev(
            producer.client().native_ptr(),
            RD_KAFKA_VTYPE_TOPIC,
            topic.as_ptr(),
            RD_KAFKA_VTYPE_HEADERS,
            headers,
            RD_KAFKA_VTYPE_END,
        );
    }
    producer.flush(Duration::from_secs(30)).unwrap();
}

/// Runs a consumer that gives up what `verdict` says until it has committed `count`.
async fn consume(
    kafka: &KafkaConfig,
    topic: &str,
    count: i64,
    verdict: impl Fn(&ragstream_worker::Message) -> Verdict + Send + Sync + 'static,
) {
    let group = unique("group");
    let source = group_source(kafka, &group, &[topic]).unwrap();
    let run = start(kafka, config(), source, Recorder::new(verdict));
    until("all committed", || committed(kafka, &group, topic, 1).get(&0) == Some(&count)).await;
    run.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_is_sent_back_is_the_record_byte_for_byte_and_keeps_its_story() {
    let kafka = broker().await;
    let topic = topic(&kafka, "sent-back", 1).await;
    let publisher = KafkaPublisher::new(&kafka).unwrap();
    let odd: Vec<RawHeader> = vec![
        ("bytes".into(), Some(Bytes::from_static(b"\xff\x00"))),
        ("empty".into(), Some(Bytes::new())),
        ("absent".into(), None),
        ("twice".into(), Some(Bytes::from_static(b"1"))),
        ("twice".into(), Some(Bytes::from_static(b"2"))),
        ("ünïcode".into(), Some(Bytes::from_static(b"v"))),
    ];
    let records = [
        raw(&topic, Some(b"\xff\xfe"), Some(b"\x00\x80\xff"), odd.clone()),
        raw(&topic, None, Some(b""), vec![]),
        raw(&topic, Some(b""), None, vec![]),
    ];
    for outcome in publisher.append_raw(&records).await.unwrap() {
        outcome.unwrap();
    }
    consume(&kafka, &topic, 3, |_| invalid()).await;

    let letters = all(&kafka, &dead_letters_of(&topic)).await;
    assert_eq!(letters.len(), 3);
    for letter in &letters {
        // Burials run side by side: letters lie in any order.
        let offset: usize = letter.header(header::ORIGINAL_OFFSET).unwrap().parse().unwrap();
        let record = &records[offset];
        assert_eq!((&letter.key, &letter.value), (&record.key, &record.value), "{offset}");
        assert_eq!(letter.headers[..record.headers.len()], record.headers);
        assert!(letter.stored_at.is_some());
        assert_eq!(letter.header(header::VALUE_OMITTED), None);
    }

    // Back to where they came from, counted, as the gateway does it.
    let back: Vec<RawRecord> = letters
        .iter()
        .map(|letter| {
            let mut headers = letter.headers.clone();
            headers.push((header::REDRIVES.into(), Some(Bytes::from_static(b"1"))));
            RawRecord { headers, ..raw(&topic, letter.key.as_deref(), letter.value.as_deref(), vec![]) }
        })
        .collect();
    for outcome in publisher.append_raw(&back).await.unwrap() {
        assert_eq!(outcome.unwrap().partition, 0);
    }
    let returned = &all(&kafka, &topic).await[3..];
    for (record, letter) in returned.iter().zip(&letters) {
        assert_eq!((&record.key, &record.value), (&letter.key, &letter.value));
        assert_eq!(record.headers[..letter.headers.len()], letter.headers);
    }

    // They fail once more: the first failure and the count stay, the rest is new.
    consume(&kafka, &topic, 6, |message| match message.is_sent_back() {
        true => Verdict::Invalid(Fault::invalid("still_broken", "no better")),
        false => Verdict::Done,
    })
    .await;
    let again = &all(&kafka, &dead_letters_of(&topic)).await[3..];
    assert_eq!(again.len(), 3);
    for letter in again {
        let first = letters.iter().find(|first| (&first.key, &first.value) == (&letter.key, &letter.value));
        let first = first.unwrap();
        assert_eq!(letter.header(header::REDRIVES), Some("1"));
        assert_eq!(letter.header(header::FIRST_FAILURE), first.header(header::FIRST_FAILURE));
        assert_ne!(letter.header(header::ORIGINAL_OFFSET), first.header(header::ORIGINAL_OFFSET));
        assert_eq!(letter.header(header::ERROR_CLASS), Some("still_broken"));
        let times = letter.headers.iter().filter(|(name, _)| name == header::ORIGINAL_OFFSET).count();
        assert_eq!(times, 1, "one story, not one in another");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_whose_name_is_no_text_stops_no_consumer() {
    let kafka = broker().await;
    let topic = topic(&kafka, "header-names", 1).await;
    write_with_header(&kafka, &topic, b"bad-\xff", b"v");
    let publisher = KafkaPublisher::new(&kafka).unwrap();
    publisher.append(vec![record(&topic, "good", "x")]).await.unwrap();
    consume(&kafka, &topic, 2, |message| match message.key_str() {
        Some("good") => Verdict::Done,
        _ => invalid(),
    })
    .await;
    let letters = all(&kafka, &dead_letters_of(&topic)).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].headers[0], ("bad-\u{fffd}".to_owned(), Some(Bytes::from_static(b"v"))));
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_are_read_in_pieces_that_fit_and_only_what_is_still_there() {
    let kafka = broker().await;
    let topic = topic(&kafka, "ranges", 1).await;
    let publisher = KafkaPublisher::new(&kafka).unwrap();
    let value = noise(10_000);
    publisher.append((0..100).map(|i| record(&topic, i, value.clone())).collect()).await.unwrap();
    let mut reader = reader(&kafka);
    let offsets = |records: &[StoredRecord]| -> Vec<i64> { records.iter().map(|r| r.place.offset).collect() };

    let fits = reader.read(&topic, 0, 20..80, usize::MAX).await.unwrap();
    assert_eq!((offsets(&fits.records), fits.end), ((20..80).collect(), 80));
    let part = reader.read(&topic, 0, 20..80, 105_000).await.unwrap();
    assert_eq!((offsets(&part.records), part.end), ((20..30).collect(), 30));
    let one = reader.read(&topic, 0, 20..80, 1).await.unwrap();
    assert_eq!((offsets(&one.records), one.end), (vec![20], 21), "one at least");
    // Backwards, as a list is made, and past the end.
    for range in [90..100, 40..50, 0..10, 95..1_000] {
        let stretch = reader.read(&topic, 0, range.clone(), usize::MAX).await.unwrap();
        assert_eq!(offsets(&stretch.records), (range.start..range.end.min(100)).collect::<Vec<_>>());
        assert_eq!(stretch.end, range.end);
    }
    assert_eq!(reader.read(&topic, 0, 100..200, 1).await.unwrap().records, []);
    assert_eq!(reader.read(&topic, 0, 5..5, 1).await.unwrap().records, []);

    // What retention took is not waited for.
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &kafka.brokers).create().unwrap();
    let mut gone = TopicPartitionList::new();
    gone.add_partition_offset(&topic, 0, Offset::Offset(30)).unwrap();
    admin.delete_records(&gone, &AdminOptions::new()).await.unwrap();
    let stretch = reader.read(&topic, 0, 10..40, usize::MAX).await.unwrap();
    assert_eq!((offsets(&stretch.records), stretch.end), ((30..40).collect(), 40));
    assert_eq!(reader.read(&topic, 0, 0..20, usize::MAX).await.unwrap().records, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_has_an_offset() {
    let kafka = broker().await;
    let topic = topic(&kafka, "times", 1).await;
    let producer: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", &kafka.brokers).create().unwrap();
    let now = chrono::Utc::now();
    for minute in 0..10_i64 {
        let at = now - chrono::TimeDelta::minutes(10 - minute);
        let record = FutureRecord::<str, str>::to(&topic).payload("x").timestamp(at.timestamp_millis());
        producer.send(record, Duration::from_secs(30)).await.unwrap();
    }
    let mut reader = reader(&kafka);
    for (minutes_ago, offset) in [(100, 0), (10, 0), (7, 3), (0, 10)] {
        let time = now - chrono::TimeDelta::minutes(minutes_ago);
        assert_eq!(reader.offset_at(&topic, 0, time).await.unwrap(), offset, "{minutes_ago} minutes ago");
    }
    let before_1970 = chrono::DateTime::from_timestamp(-1, 0).unwrap();
    assert_eq!(reader.offset_at(&topic, 0, before_1970).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_unavailable() {
    // Port 1 of this machine: nothing listens.
    let mut reader = reader(&KafkaConfig::new("127.0.0.1:1"));
    assert!(reader.read("t", 0, 0..10, 1).await.unwrap_err().is_unavailable());
    assert!(reader.offset_at("t", 0, chrono::Utc::now()).await.unwrap_err().is_unavailable());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_as_large_as_its_topic_takes_fits_the_dead_letter_topic() {
    let kafka = broker().await;
    ensure_topics(&kafka, TopicSettings { partitions: 1, replication: 1 }).await.unwrap();
    let foreign: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", &kafka.brokers)
        .set("message.max.bytes", "10000000")
        .create()
        .unwrap();
    // 5 MiB less a batch's framing: more than our own producer appends to a topic.
    let value = noise(5 * 1024 * 1024 - 1024);
    assert!(value.len() > MAX_RECORD_BYTES);
    let record = FutureRecord::<str, [u8]>::to(CHUNKS).payload(&value);
    let offset = foreign.send(record, Duration::from_secs(60)).await.unwrap().offset;
    consume(&kafka, CHUNKS, offset + 1, |_| invalid()).await;
    let letters = all(&kafka, &dead_letters_of(CHUNKS)).await;
    let letter = letters.last().unwrap();
    assert_eq!(letter.value.as_ref().map(Bytes::len), Some(value.len()));
    assert!(letter.value.as_deref() == Some(&value[..]), "byte for byte");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_no_dead_letter_topic_takes_leaves_its_story_and_holds_up_nothing() {
    let kafka = broker().await;
    let topic = unique("huge");
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &kafka.brokers).create().unwrap();
    let letters = dead_letters_of(&topic);
    let new = [
        NewTopic::new(&topic, 1, TopicReplication::Fixed(1)).set("max.message.bytes", "3000000"),
        NewTopic::new(&letters, 1, TopicReplication::Fixed(1)).set("max.message.bytes", "1100000"),
    ];
    for result in admin.create_topics(&new, &AdminOptions::new()).await.unwrap() {
        result.unwrap();
    }
    let publisher = KafkaPublisher::new(&kafka).unwrap();
    let value = noise(2_000_000);
    let header: RawHeader = ("h".into(), Some(Bytes::from_static(b"v")));
    let records = [
        raw(&topic, Some(b"large"), Some(&value), vec![header.clone()]),
        raw(&topic, Some(b"good"), Some(b"x"), vec![]),
    ];
    for outcome in publisher.append_raw(&records).await.unwrap() {
        outcome.unwrap();
    }
    consume(&kafka, &topic, 2, |message| match message.key_str() {
        Some("good") => Verdict::Done,
        _ => invalid(),
    })
    .await;
    let stored = all(&kafka, &letters).await;
    assert_eq!(stored.len(), 1);
    let letter = &stored[0];
    assert_eq!((letter.key.as_deref(), &letter.value), (Some(&b"large"[..]), &None));
    assert_eq!(letter.headers[0], header);
    assert_eq!(letter.header(header::VALUE_OMITTED), Some("2000000"));
    assert_eq!(letter.header(header::ORIGINAL_OFFSET), Some("0"), "the record itself lies there");

    // Raw records fail one by one.
    let outcomes = publisher
        .append_raw(&[raw(&letters, None, Some(&value), vec![]), raw(&letters, None, Some(b"small"), vec![])])
        .await
        .unwrap();
    let refused = outcomes[0].as_ref().unwrap_err();
    assert_eq!((refused.kind, refused.class), (FaultKind::Invalid, "record_too_large"));
    assert!(outcomes[1].is_ok());
}
