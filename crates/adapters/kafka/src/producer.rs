//! The producer that publisher and dead letters share.

use crate::{
    bootstrap::Bootstrap,
    cluster::{self, Counts},
    config::{DELIVERY_TIMEOUT, KafkaConfig, REQUEST_TIMEOUT},
    context::QuietContext,
    fault::fault,
};
use ragstream_core::{
    fault::{Fault, Result},
    ports::Appended,
};
use rdkafka::{
    error::KafkaError,
    message::{Header, OwnedHeaders},
    producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer as _},
    types::RDKafkaErrorCode,
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, sleep};

type Native = FutureProducer<QuietContext>;

/// How long to wait for room in the producer's queue before looking again: less
/// than a delivery takes.
const QUEUE_PAUSE: Duration = Duration::from_millis(5);

/// A record, as the producer takes it.
pub(crate) struct Record<'a> {
    pub topic: &'a str,
    pub partition: Option<i32>,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
}

#[derive(Clone)]
pub(crate) struct Producer {
    config: Arc<KafkaConfig>,
    native: Arc<Mutex<Native>>,
    bootstrap: Arc<Bootstrap>,
    counts: Arc<Counts>,
}

impl Producer {
    /// Needs no broker to be there.
    pub(crate) fn new(config: &KafkaConfig) -> Result<Self> {
        let native = Arc::new(Mutex::new(create(config)?));
        let bootstrap = Arc::new(Bootstrap::of(config));
        Ok(Self { config: Arc::new(config.clone()), native, bootstrap, counts: Arc::default() })
    }

    fn native(&self) -> Native {
        self.native.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs something that blocks for a round trip, where blocking is allowed.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Native) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (native, bootstrap) = (self.native(), self.bootstrap.clone());
        let ask = move || {
            let answer = question(&native);
            if answer.as_ref().is_err_and(Fault::is_unavailable) {
                bootstrap.again(native.client());
            }
            answer
        };
        tokio::task::spawn_blocking(ask)
            .await
            .unwrap_or_else(|error| Err(Fault::failed("kafka_client", "a request panicked").caused_by(error)))
    }

    /// How many partitions a topic has.
    pub(crate) async fn partition_count(&self, topic: &str) -> Result<i32> {
        if let Some(count) = self.counts.get(topic) {
            return Ok(count);
        }
        let name = topic.to_owned();
        let found =
            self.ask(move |native| cluster::partitions(native.client(), &name, REQUEST_TIMEOUT)).await?;
        let count = i32::try_from(found.len())
            .map_err(|error| Fault::failed("kafka_client", "too many partitions").caused_by(error))?;
        self.counts.put(topic, count);
        Ok(count)
    }

    /// Appends in the order given and waits for every acknowledgement. The first
    /// error is returned once all records have an outcome.
    pub(crate) async fn append(&self, records: &[Record<'_>]) -> Result<Vec<Appended>> {
        let native = self.native();
        let mut deliveries = Vec::with_capacity(records.len());
        let mut refused = None;
        for record in records {
            match enqueue(&native, record).await {
                Ok(delivery) => deliveries.push((record.topic, delivery)),
                Err(error) => {
                    refused = Some((record.topic, error));
                    break;
                }
            }
        }
        let mut appended = Vec::with_capacity(records.len());
        let mut failed = None;
        for (topic, delivery) in deliveries {
            match acknowledged(delivery).await {
                Ok(done) => appended.push(done),
                Err(error) => failed = failed.or(Some((topic, error))),
            }
        }
        match failed.or(refused) {
            None => Ok(appended),
            Some((topic, error)) => Err(self.failed(&native, topic, error)),
        }
    }

    /// The same with an outcome for each: one that is refused fails no other.
    pub(crate) async fn append_each(&self, records: &[Record<'_>]) -> Vec<Result<Appended>> {
        let native = self.native();
        let mut deliveries = Vec::with_capacity(records.len());
        for record in records {
            deliveries.push((record.topic, enqueue(&native, record).await));
        }
        let mut outcomes = Vec::with_capacity(records.len());
        let mut ended: Option<Fault> = None;
        for (topic, delivery) in deliveries {
            let outcome = match delivery {
                Ok(delivery) => acknowledged(delivery).await,
                Err(error) => Err(error),
            };
            outcomes.push(outcome.map_err(|error| match &ended {
                Some(fault) => fault.clone(),
                None => {
                    let fault = self.failed(&native, topic, error);
                    // A producer that has ended is replaced once.
                    ended = native.client().fatal_error().map(|_| fault.clone());
                    fault
                }
            }));
        }
        outcomes
    }

    /// A fatal error (the broker forgot this producer, say) ends a producer, not us:
    /// the next append has a new one.
    fn failed(&self, native: &Native, topic: &str, error: KafkaError) -> Fault {
        let doing = format!("appending to {topic}");
        if native.client().fatal_error().is_none() {
            let fault = fault(&doing, error);
            if fault.is_unavailable() {
                self.bootstrap.again(native.client());
            }
            return fault;
        }
        tracing::warn!(%error, "the producer ended by a fatal error, a new one takes its place");
        match create(&self.config) {
            Ok(new) => {
                *self.native.lock().unwrap_or_else(PoisonError::into_inner) = new;
                Fault::unavailable("kafka_unavailable", doing).caused_by(error)
            }
            Err(fault) => fault,
        }
    }
}

fn create(config: &KafkaConfig) -> Result<Native> {
    config
        .producer()
        .create_with_context(QuietContext)
        .map_err(|error| fault("creating a Kafka producer", error))
}

async fn acknowledged(delivery: DeliveryFuture) -> Result<Appended, KafkaError> {
    match delivery.await {
        Ok(Ok(done)) => Ok(Appended { partition: done.partition, offset: done.offset }),
        Ok(Err((error, _))) => Err(error),
        Err(_) => Err(KafkaError::Canceled),
    }
}

async fn enqueue(native: &Native, record: &Record<'_>) -> Result<DeliveryFuture, KafkaError> {
    let deadline = Instant::now() + DELIVERY_TIMEOUT;
    loop {
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for (key, value) in record.headers {
            headers = headers.insert(Header { key, value: *value });
        }
        let mut outgoing = FutureRecord::<[u8], [u8]>::to(record.topic).headers(headers);
        outgoing.partition = record.partition;
        outgoing.key = record.key;
        outgoing.payload = record.value;
        match native.send_result(outgoing) {
            Ok(delivery) => return Ok(delivery),
            Err((error, _)) => {
                let full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
                if !full || Instant::now() >= deadline {
                    return Err(error);
                }
            }
        }
        sleep(QUEUE_PAUSE).await;
    }
}
