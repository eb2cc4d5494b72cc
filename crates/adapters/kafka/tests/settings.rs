//! Topics that somebody made or changed by hand. Alone in its process, and so on a
//! broker of its own: the names of the topics are fixed.
#![allow(clippy::unwrap_used)]

use ragstream_core::{fault::FaultKind, topics};
use ragstream_kafka::{KafkaConfig, TopicSettings, ensure_topics};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier},
    client::DefaultClientContext,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_would_forget_documents_is_refused() {
    let brokers = ragstream_testkit::kafka().await.bootstrap();
    let kafka = KafkaConfig::new(&brokers);
    let settings = TopicSettings { partitions: 1, replication: 1 };
    ensure_topics(&kafka, settings).await.unwrap();
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &brokers).create().unwrap();
    for (policy, refused) in [("compact,delete", true), ("delete", true), ("compact", false)] {
        let change =
            AlterConfig::new(ResourceSpecifier::Topic(topics::EMBEDDINGS)).set("cleanup.policy", policy);
        let changed = admin.alter_configs([&change], &AdminOptions::new()).await.unwrap();
        changed.into_iter().for_each(|result| drop(result.unwrap()));
        match ensure_topics(&kafka, settings).await {
            Ok(()) => assert!(!refused, "{policy}"),
            Err(fault) => {
                assert!(refused, "{fault}");
                assert_eq!((fault.kind, fault.class), (FaultKind::Invalid, "topic_settings"));
                assert!(fault.message.contains(topics::EMBEDDINGS), "{fault}");
            }
        }
    }
}
