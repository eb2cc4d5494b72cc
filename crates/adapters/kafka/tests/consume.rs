//! Groups, views, dead letters.
#![allow(clippy::unwrap_used)]

mod support;

use bytes::Bytes;
use ragstream_core::{
    fault::Fault,
    ports::{LogEnds as _, Outgoing, Publisher},
    topics::{dead_letters_of, header},
};
use ragstream_kafka::*;
use ragstream_worker::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use support::*;

fn at(topic: &str, count: usize) -> Vec<Outgoing> {
    (0..count).map(|i| record(topic, format!("key {i}"), format!("value {i}"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_members_share_the_work_and_lose_nothing_when_they_come_and_go() {
    let kafka = broker().await;
    let (partitions, count) = (4, 600);
    let topic = topic(&kafka, "shared", partitions).await;
    let publisher = KafkaPublisher::new(&kafka).unwrap();
    publisher.append(at(&topic, count)).await.unwrap();
    let group = unique("group");
    let slow = || Recorder::all().pausing(Duration::from_millis(20));
    let member = |handler| {
        let source = group_source(&kafka, &group, &[&topic]).unwrap();
        start(&kafka, Config { batch_max: 2, ..config() }, source, handler)
    };
    let first = member(slow());
    until("the first works", || first.handler.count() > 20).await;
    let second = member(slow());
    until("the second got some", || second.handler.count() > 20).await;
    // The second leaves in the middle of its work, the first takes over.
    let second = second.stop().await;
    let both =
        |first: &Recorder| -> BTreeSet<_> { first.places().into_iter().chain(second.places()).collect() };
    until("all done", || both(&first.handler).len() == count).await;
    let group_committed = || committed(&kafka, &group, &topic, partitions).values().sum::<i64>();
    until("all committed", || group_committed() == count as i64).await;
    let first = first.stop().await;
    // A clean handover: what one has settled is committed before another reads on.
    assert_eq!(first.count() + second.count(), count, "nothing was handled twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_slower_than_max_poll_interval_keeps_its_partitions() {
    let mut kafka = broker().await;
    let topic = topic(&kafka, "slow", 1).await;
    KafkaPublisher::new(&kafka).unwrap().append(at(&topic, 2)).await.unwrap();
    for name in ["session.timeout.ms", "max.poll.interval.ms"] {
        kafka.consumer.insert(name.into(), "6000".into());
    }
    let group = unique("group");
    let source = group_source(&kafka, &group, &[&topic]).unwrap();
    let handler = Recorder::all().pausing(Duration::from_secs(8));
    // The queue is full and the partition paused all the while.
    let run = start(&kafka, Config { batch_max: 1, queue_capacity: 1, ..config() }, source, handler);
    until("both done", || run.handler.count() == 2).await;
    let handler = run.stop().await;
    assert_eq!(handler.places(), [(0, 0), (0, 1)], "no rebalance gave one of them out twice");
    assert_eq!(committed(&kafka, &group, &topic, 1)[&0], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_the_record_and_its_story() {
    let kafka = broker().await;
    let topic = topic(&kafka, "letters", 2).await;
    let publisher = KafkaPublisher::new(&kafka).unwrap();
    let bytes: Bytes = (0..=255_u8).collect::<Vec<_>>().into();
    let bad = Outgoing {
        headers: vec![("traceparent".into(), "00-ab".into())],
        ..record(&topic, "bad", bytes.clone())
    };
    let tombstone = Outgoing { value: None, ..record(&topic, "none", "") };
    // It was a dead letter before and was sent back.
    let again = Outgoing {
        headers: vec![
            (header::FIRST_FAILURE.into(), "2020-01-01T00:00:00.000Z".into()),
            (header::ATTEMPTS.into(), "7".into()),
        ],
        ..record(&topic, "again", "fails")
    };
    let places = publisher.append(vec![bad, tombstone, again, record(&topic, "good", "good")]).await.unwrap();

    let group = unique("group");
    let source = group_source(&kafka, &group, &[&topic]).unwrap();
    let handler = Recorder::new(|message| match message.key_str() {
        Some("good") => Verdict::Done,
        Some("again") => Verdict::Failed(Fault::failed("broken", "it broke")),
        _ => invalid(),
    });
    let run = start(&kafka, config(), source, handler);
    until("all committed", || committed(&kafka, &group, &topic, 2).values().sum::<i64>() == 4).await;
    run.stop().await;

    let letters = view_source(&kafka, &dead_letters_of(&topic), BTreeMap::new(), unique("view")).unwrap();
    let run = start(&kafka, config(), letters, Recorder::all());
    until("three letters", || run.handler.count() == 3).await;
    let letters = run.stop().await.done.lock().unwrap().clone();
    let of = |key: &str| letters.iter().find(|m| m.key_str() == Some(key)).unwrap();

    let bad = of("bad");
    assert_eq!(bad.value, Some(bytes));
    let story = [
        ("traceparent", "00-ab".to_owned()),
        (header::ORIGINAL_TOPIC, topic.clone()),
        (header::ORIGINAL_PARTITION, places[0].partition.to_string()),
        (header::ORIGINAL_OFFSET, places[0].offset.to_string()),
        (header::ERROR_KIND, "invalid".into()),
        (header::ERROR_CLASS, "undecodable".into()),
        (header::ERROR_MESSAGE, "these bytes are no message".into()),
        (header::ATTEMPTS, "1".into()),
        (header::CONSUMER, "test".into()),
    ];
    for (name, value) in story {
        assert_eq!(bad.header(name), Some(value.as_str()), "{name}");
    }
    assert!(bad.header(header::ORIGINAL_TIMESTAMP).unwrap().parse::<i64>().unwrap() > 0);
    assert_eq!(of("none").value, None);
    let again = of("again");
    assert_eq!(again.header(header::FIRST_FAILURE), Some("2020-01-01T00:00:00.000Z"));
    assert!(again.header(header::LAST_FAILURE).unwrap() > "2026");
    assert_eq!(again.header(header::ATTEMPTS), Some("2"));
    let attempts = again.headers.iter().filter(|(name, _)| name == header::ATTEMPTS).count();
    assert_eq!(attempts, 1, "the story before is replaced");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_replays_from_where_it_is_told_and_shares_nothing() {
    let kafka = broker().await;
    let topic = topic(&kafka, "view", 3).await;
    let publisher = KafkaPublisher::new(&kafka).unwrap();
    publisher.append(at(&topic, 90)).await.unwrap();
    let ends: BTreeMap<i32, i64> = publisher
        .ends(&topic)
        .await
        .unwrap()
        .into_iter()
        .map(|(partition, range)| (partition, range.end))
        .collect();
    // One partition from its middle, one from its end, one from the beginning.
    let start_at = BTreeMap::from([(0, ends[&0] / 2), (1, ends[&1])]);
    let expected: BTreeSet<(i32, i64)> =
        (ends[&0] / 2..ends[&0]).map(|o| (0, o)).chain((0..ends[&2]).map(|o| (2, o))).collect();
    let observer = unique("observer");
    for _ in 0..2 {
        // The second time too: what the first committed is for operators only.
        let source = view_source(&kafka, &topic, start_at.clone(), observer.clone()).unwrap();
        let run = start(&kafka, config(), source, Recorder::all());
        until("all read", || run.handler.count() == expected.len()).await;
        let handler = run.stop().await;
        let places = handler.places();
        assert_eq!(places.iter().copied().collect::<BTreeSet<_>>(), expected);
        let of = |partition| places.iter().filter(move |(p, _)| *p == partition).map(|(_, o)| *o);
        assert!(of(0).is_sorted() && of(2).is_sorted());
    }
    let seen = committed(&kafka, &observer, &topic, 3);
    assert_eq!((seen[&0], seen[&2]), (ends[&0], ends[&2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn lag_goes_down_to_nothing() {
    let kafka = broker().await;
    let topic = topic(&kafka, "lag", 1).await;
    KafkaPublisher::new(&kafka).unwrap().append(at(&topic, 50)).await.unwrap();
    let source = group_source(&kafka, &unique("group"), &[&topic]).unwrap();
    let run = start(
        &kafka,
        Config { name: "lagging".into(), ..config() },
        source,
        Recorder::new(|_| Verdict::Unavailable(Fault::unavailable("down", "not now"))),
    );
    let lag = metrics::LAG.with_label_values(&["lagging", &topic, "0"]);
    until("the lag is seen", || lag.get() == 50).await;
    run.stop().await;
}
