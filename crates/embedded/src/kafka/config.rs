//! Kafka's settings for a single small node. What is not set here has Kafka's default.

use super::Ports;
use std::path::Path;

/// The broker's settings.
pub(super) const SERVER: &str = "server.properties";
/// The settings of its log.
pub(super) const LOG4J: &str = "log4j2.properties";
/// The folder of topics and metadata.
pub(super) const DATA: &str = "data";
/// The folder of its log.
pub(super) const LOGS: &str = "logs";
/// Its log.
pub(super) const LOG_FILE: &str = "logs/kafka.log";

/// The broker's settings.
///
/// - The voters are static, so that the ports may differ from start to start.
/// - Few partitions for internal topics: each costs files and start-up time,
///   and one broker gains nothing from more.
/// - The cleaner's buffer (16 MiB) maps about 600,000 keys in one pass; the default
///   of 128 MiB would be a third of the heap.
/// - No fsync per record, as everywhere with Kafka: what it has acknowledged survives
///   its own death in the page cache, and losing power where it is replicated.
pub(super) fn server(data: &Path, ports: Ports) -> String {
    let Ports { broker, controller } = ports;
    let data = escape(data);
    format!(
        "# Written at every start.
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=BROKER://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=BROKER://127.0.0.1:{broker}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
log.dirs={data}
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
num.network.threads=2
num.io.threads=4
background.threads=4
num.recovery.threads.per.data.dir=2
log.cleaner.dedupe.buffer.size=16777216
"
    )
}

/// The settings of its log: a file of at most 10 MB and four older ones.
pub(super) fn log4j(dir: &Path) -> String {
    let log = escape(&dir.join(LOG_FILE));
    format!(
        "# Written at every start.
status = error
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = {log}
appender.file.filePattern = {log}.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{{yyyy-MM-dd'T'HH:mm:ss.SSSXXX}} %-5p %c{{1}} %m%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 10MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 4
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
"
    )
}

/// A path as a value of a Java properties file, which is read as Latin-1.
fn escape(path: &Path) -> String {
    let mut escaped = String::new();
    for unit in path.display().to_string().encode_utf16() {
        match u8::try_from(unit).map(char::from) {
            Ok('\\') => escaped.push_str("\\\\"),
            Ok(plain) if plain.is_ascii() && !plain.is_ascii_control() => escaped.push(plain),
            _ => escaped.push_str(&format!("\\u{unit:04x}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_survive_a_properties_file() {
        assert_eq!(escape(Path::new("/a b/c=d:e")), "/a b/c=d:e");
        assert_eq!(escape(Path::new("/a\\b")), "/a\\\\b");
        assert_eq!(escape(Path::new("/größe/文")), "/gr\\u00f6\\u00dfe/\\u6587");
    }
}
