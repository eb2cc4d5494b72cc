//! Appending, placing, topics, ends.
#![allow(clippy::unwrap_used)]

mod support;

use ragstream_core::{
    fault::FaultKind,
    ports::{LogEnds, Outgoing, Placement, Probe, Publisher},
    topics,
};
use ragstream_kafka::*;
use std::collections::BTreeMap;
use support::*;

#[tokio::test(flavor = "multi_thread")]
async fn records_come_back_as_they_were_appended() {
    let kafka = broker().await;
    let topic = topic(&kafka, "round-trip", 3).await;
    let publisher = KafkaPublisher::new(&kafka).unwrap();
    let records: Vec<_> = (0..200)
        .map(|i| Outgoing {
            headers: vec![("x-number".into(), i.to_string()), ("x-empty".into(), String::new())],
            value: (i % 10 != 9).then(|| format!("value {i}").into()),
            ..record(&topic, format!("key {i}"), "")
        })
        .collect();
    let appended = publisher.append(records.clone()).await.unwrap();
    assert_eq!(appended.len(), 200);

    let source = group_source(&kafka, &unique("group"), &[&topic]).unwrap();
    let run = start(&kafka, config(), source, Recorder::all());
    until("all read", || run.handler.count() == 200).await;
    let handler = run.stop().await;
    let read: BTreeMap<_, _> =
        handler.done.lock().unwrap().iter().map(|m| ((m.partition, m.offset), m.clone())).collect();
    for (record, place) in records.iter().zip(appended) {
        let message = &read[&(place.partition, place.offset)];
        assert_eq!(message.key_str(), Some(record.key.as_str()));
        assert_eq!(message.value, record.value);
        assert_eq!(message.header("x-number"), Some(record.headers[0].1.as_str()));
        assert_eq!(message.header("x-empty"), Some(""));
        assert_eq!(place.partition, partition_of(record.key.as_bytes(), 3), "librdkafka and we agree");
        assert!(message.timestamp_ms > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn placement_by_another_key_keeps_order_and_partition() {
    let kafka = broker().await;
    let topic = topic(&kafka, "placed", 7).await;
    let publisher = KafkaPublisher::new(&kafka).unwrap();
    for document in ["a", "b", "c", "d"] {
        let records = (0..20)
            .map(|i| Outgoing { placement: Placement::By(document.into()), ..record(&topic, i, "x") })
            .collect();
        let appended = publisher.append(records).await.unwrap();
        let partition = partition_of(document.as_bytes(), 7);
        assert!(appended.iter().all(|place| place.partition == partition));
        assert!(appended.windows(2).all(|pair| pair[0].offset < pair[1].offset));
    }
    let ends = publisher.ends(&topic).await.unwrap();
    assert_eq!(ends.len(), 7);
    assert_eq!(ends.values().map(|range| range.end - range.start).sum::<i64>(), 80);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_queue_holds_waits_for_room() {
    let mut kafka = broker().await;
    let topic = topic(&kafka, "flood", 1).await;
    kafka.producer.insert("queue.buffering.max.messages".into(), "10".into());
    let publisher = KafkaPublisher::new(&kafka).unwrap();
    let appended = publisher.append((0..300).map(|i| record(&topic, i, "x")).collect()).await.unwrap();
    let offsets: Vec<_> = appended.iter().map(|place| place.offset).collect();
    assert_eq!(offsets, (0..300).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_too_large_is_invalid_and_one_that_just_fits_goes() {
    let kafka = broker().await;
    ensure_topics(&kafka, TopicSettings { partitions: 2, replication: 1 }).await.unwrap();
    let publisher = KafkaPublisher::new(&kafka).unwrap();
    let of = |bytes: usize| vec![record(topics::CHUNKS, "k", vec![7; bytes])];
    let fault = publisher.append(of(MAX_RECORD_BYTES)).await.unwrap_err();
    assert_eq!((fault.kind, fault.class), (FaultKind::Invalid, "record_too_large"));
    publisher.append(of(MAX_RECORD_BYTES - 1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_topic_is_waited_for_not_blamed_on_the_record() {
    let kafka = broker().await;
    let publisher = KafkaPublisher::new(&kafka).unwrap();
    let missing = unique("missing");
    let placed = Outgoing { placement: Placement::By("x".into()), ..record(&missing, "k", "v") };
    assert!(publisher.append(vec![placed]).await.unwrap_err().is_unavailable());
    assert!(publisher.ends(&missing).await.unwrap_err().is_unavailable());
    publisher.probe().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_made_once_by_any_number_of_processes() {
    let kafka = broker().await;
    let settings = TopicSettings { partitions: 2, replication: 1 };
    let made = futures::future::join_all((0..4).map(|_| ensure_topics(&kafka, settings))).await;
    made.into_iter().for_each(|result| result.unwrap());
    let publisher = KafkaPublisher::new(&kafka).unwrap();
    for spec in topics::ALL {
        assert_eq!(publisher.ends(spec.name).await.unwrap().len(), 2, "{}", spec.name);
        if spec.consumed {
            assert_eq!(publisher.ends(&topics::dead_letters_of(spec.name)).await.unwrap().len(), 1);
        }
    }
    ensure_topics(&kafka, TopicSettings { partitions: 5, replication: 1 }).await.unwrap();
    assert_eq!(publisher.ends(topics::CHUNKS).await.unwrap().len(), 2, "what exists is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_librdkafka_does_not_know_are_refused() {
    let mut kafka = KafkaConfig::default();
    kafka.extra.insert("no.such.setting".into(), "1".into());
    assert_eq!(KafkaPublisher::new(&kafka).err().unwrap().kind, FaultKind::Invalid);
    assert_eq!(group_source(&kafka, "g", &["t"]).err().unwrap().kind, FaultKind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_unavailable() {
    // Port 1 of this machine: nothing listens.
    let kafka = KafkaConfig::new("127.0.0.1:1");
    let publisher = KafkaPublisher::new(&kafka).unwrap();
    assert!(publisher.probe().await.unwrap_err().is_unavailable());
}
