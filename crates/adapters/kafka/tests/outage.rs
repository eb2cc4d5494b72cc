//! The broker goes away and comes back.
#![allow(clippy::unwrap_used)]

mod support;

use ragstream_core::{
    ports::{LogEnds, Probe, Publisher},
    topics::dead_letters_of,
};
use ragstream_embedded::{Kafka, KafkaOptions, Parts};
use ragstream_kafka::*;
use ragstream_worker::{Component, Config, Health};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};
use support::*;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{Layer, layer::Context, prelude::*};

/// What was logged as a warning or worse.
#[derive(Clone, Default)]
struct Loud(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber> Layer<S> for Loud {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() <= Level::WARN {
            self.0.lock().unwrap().push(format!("{event:?}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_waits_and_goes_on_and_nothing_is_dead_lettered() {
    let loud = Loud::default();
    tracing_subscriber::registry().with(loud.clone()).init();
    let dir = tempfile::tempdir().unwrap();
    let start_broker = || {
        let parts = Parts::locate().unwrap();
        Kafka::start(KafkaOptions { dir: dir.path().to_owned(), parts, port: None })
    };
    let broker = start_broker().await.unwrap();
    let kafka = KafkaConfig::new(broker.bootstrap());
    let topic = topic(&kafka, "outage", 2).await;
    let mut impatient = kafka.clone();
    impatient.producer.insert("delivery.timeout.ms".into(), "3000".into());
    let publisher = KafkaPublisher::new(&impatient).unwrap();
    let records = |from: usize| (from..from + 200).map(|i| record(&topic, i, "x")).collect::<Vec<_>>();
    publisher.append(records(0)).await.unwrap();
    let group = unique("group");
    let source = group_source(&kafka, &group, &[&topic]).unwrap();
    let handler = Recorder::all().pausing(Duration::from_millis(5));
    let run = start(
        &kafka,
        Config { batch_max: 1, queue_capacity: 20, name: "outage".into(), ..config() },
        source,
        handler,
    );
    until("it works", || run.handler.count() > 20).await;

    broker.stop(Duration::from_secs(30)).await;
    until("it waits", || matches!(run.health.now(), Health::Waiting { component: Component::Source(_), .. }))
        .await;
    let fault = publisher.append(records(200)).await.unwrap_err();
    assert!(fault.is_unavailable(), "{fault:?}");
    assert!(publisher.probe().await.unwrap_err().is_unavailable());

    let broker = start_broker().await.unwrap();
    assert_eq!(broker.bootstrap(), kafka.brokers);
    publisher.append(records(200)).await.unwrap();
    let ends = publisher.ends(&topic).await.unwrap();
    let end: i64 = ends.values().map(|range| range.end).sum();
    let distinct = || run.handler.places().into_iter().collect::<BTreeSet<_>>().len() as i64;
    until("all done", || distinct() == end).await;
    until("running", || run.health.check().is_ok()).await;
    until("all committed", || committed(&kafka, &group, &topic, 2).values().sum::<i64>() == end).await;
    run.stop().await;
    let loud = loud.0.lock().unwrap().clone();
    let of = |what: &str| loud.iter().filter(|line| line.contains(what)).count();
    assert_eq!(of("outage"), 1, "said once: {loud:#?}");
    assert_eq!(of("librdkafka"), 0, "{loud:#?}");
    let letters = publisher.ends(&dead_letters_of(&topic)).await.unwrap();
    assert_eq!(letters[&0].end, 0, "no dead letter");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_starts_before_its_broker_waits_and_can_be_stopped() {
    // Port 1 of this machine: nothing listens.
    let kafka = KafkaConfig::new("127.0.0.1:1");
    for source in [
        group_source(&kafka, "group", &["topic"]).unwrap(),
        view_source(&kafka, "topic", Default::default(), "observer".into()).unwrap(),
    ] {
        let run = start(&kafka, config(), source, Recorder::all());
        until("it waits", || {
            matches!(run.health.now(), Health::Waiting { component: Component::Source(_), .. })
        })
        .await;
        run.stop().await;
    }
}
