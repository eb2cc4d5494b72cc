//! A cluster under test: Kafka, PostgreSQL and S3 in a folder, each of which can be
//! stopped and started again where it was, and roles as processes, each of which
//! can be killed and started again on its port.

use crate::{
    api::Api,
    eventually,
    process::{Process, blob_store_of, children_of, free_port, repository},
    rows::Rows,
    topic::{self, Record},
};
use ragstream_embedded::{Kafka, KafkaOptions, Parts, Postgres, PostgresOptions, S3Options, S3Server};
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

/// How long a part may take to end politely.
const STOP: Duration = Duration::from_secs(15);

/// Variables of a process.
pub type Env = Vec<(&'static str, String)>;

/// What the roles stand on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The log.
    Kafka,
    /// The rows.
    Postgres,
    /// The blobs.
    S3,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Kafka, Self::Postgres, Self::S3];

    /// Its line in `/readyz`.
    pub fn component(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Postgres => "postgres",
            Self::S3 => "blobs",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.component())
    }
}

/// How a part goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Away {
    /// It is stopped politely.
    Stopped,
    /// It is killed.
    Killed,
    /// It takes connections and never answers. S3, which is in the test's own process, stays.
    Frozen,
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Takes uploads, answers clients.
    Gateway,
    /// Extracts and chunks.
    Ingestion,
    /// Embeds.
    Embedding,
    /// Keeps an index.
    Query,
}

impl Kind {
    /// The subcommand.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Ingestion => "ingestion",
            Self::Embedding => "embedding",
            Self::Query => "query",
        }
    }
}

/// A role on a port of its own, running or not.
pub struct Role {
    /// What it does.
    pub kind: Kind,
    /// Its name in this cluster, such as `embedding-1`.
    pub name: String,
    /// Its HTTP.
    pub api: Api,
    env: Env,
    log: PathBuf,
    process: Option<Process>,
}

impl Role {
    /// Starts it where it does not run, with further variables for this life.
    pub fn start(&mut self, more: &[(&'static str, String)]) {
        if self.process.is_none() {
            let env: Vec<(&str, String)> = self.env.iter().chain(more).cloned().collect();
            self.process = Some(Process::start(&[self.kind.as_str()], &env, &self.log));
        }
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// What a Ctrl-C sends, and waits for a clean end.
    pub async fn interrupt(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.interrupt().await;
        }
    }

    /// The process.
    ///
    /// # Panics
    /// Where it was killed.
    pub fn process(&self) -> &Process {
        self.process.as_ref().unwrap_or_else(|| panic!("{} was killed", self.name))
    }

    /// Whether it was started and ended by itself.
    pub fn has_died(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.ended().is_some())
    }

    /// Whether it was started and not killed.
    pub fn is_started(&self) -> bool {
        self.process.is_some()
    }

    /// All that it logged, in all of its lives.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Lines of its log of a level or more, with this in them.
    pub fn complaints(&self) -> Vec<String> {
        let loud = |line: &&str| line.contains(r#""level":"WARN""#) || line.contains(r#""level":"ERROR""#);
        self.log().lines().filter(loud).map(str::to_owned).collect()
    }

    /// Waits until it is ready.
    ///
    /// # Panics
    /// Where it ends instead.
    pub async fn ready(&mut self) {
        let Self { process, api, name, log, .. } = self;
        eventually(&format!("readiness of {name}"), || {
            let ended = process.as_mut().and_then(Process::ended);
            let log = || std::fs::read_to_string(&log).unwrap_or_default();
            assert!(ended.is_none(), "{name} ended with {ended:?}; its log:\n{}", log());
            let api = api.clone();
            async move { api.is_ready().await.then_some(()) }
        })
        .await;
    }
}

/// The parts, and any number of roles on them.
pub struct Cluster {
    dir: PathBuf,
    kafka: Option<Kafka>,
    postgres: Option<Postgres>,
    s3: Option<S3Server>,
    brokers: String,
    database: String,
    blobs: String,
    roles: BTreeMap<String, Role>,
    common: Env,
}

impl Cluster {
    /// Starts the parts in a folder. The blob store is the one that `RAGSTREAM_TEST_S3` names, where it names one.
    ///
    /// # Panics
    /// Where one of them does not start.
    pub async fn start(dir: &Path) -> Self {
        let external = blob_store_of(dir);
        let s3 = async {
            match external {
                Some(_) => None,
                None => Some(start_s3(dir).await),
            }
        };
        let (kafka, postgres, s3) = tokio::join!(start_kafka(dir), start_postgres(dir), s3);
        let blobs = match (&s3, external) {
            (Some(s3), _) => s3.url(),
            (None, external) => external.expect("one of the two is there"),
        };
        let (brokers, database) = (kafka.bootstrap(), postgres.url());
        Self {
            dir: dir.to_owned(),
            kafka: Some(kafka),
            postgres: Some(postgres),
            s3,
            brokers,
            database,
            blobs,
            roles: BTreeMap::new(),
            common: Vec::new(),
        }
    }

    /// Variables of every process that is added from now on.
    pub fn common(mut self, env: &[(&'static str, String)]) -> Self {
        self.common.extend(env.iter().cloned());
        self
    }

    /// `host:port` of Kafka.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Takes a part away. Its port and folder stay.
    pub async fn stop(&mut self, part: Part, how: Away) {
        let deadline = match how {
            Away::Stopped => STOP,
            Away::Killed => Duration::ZERO,
            Away::Frozen => return self.signal(part, libc::SIGSTOP),
        };
        match part {
            Part::Kafka => {
                if let Some(kafka) = self.kafka.take() {
                    kafka.stop(deadline).await;
                }
            }
            Part::Postgres => {
                if let Some(postgres) = self.postgres.take() {
                    postgres.stop(deadline).await;
                }
            }
            Part::S3 => {
                if let Some(s3) = self.s3.take() {
                    s3.stop(deadline).await;
                }
            }
        }
    }

    /// Signals all processes of a part.
    fn signal(&self, part: Part, signal: i32) {
        let pid = match part {
            Part::Kafka => self.kafka.as_ref().and_then(|kafka| kafka.report().pid),
            Part::Postgres => self.postgres.as_ref().and_then(|postgres| postgres.report().pid),
            Part::S3 => None,
        };
        for pid in pid.into_iter().flat_map(|pid| [vec![pid], children_of(pid)].concat()) {
            let pid = i32::try_from(pid).expect("process ids fit");
            // SAFETY: a signal to processes that this test has started.
            unsafe { libc::kill(pid, signal) };
        }
    }

    /// Brings a part back, where it was.
    ///
    /// # Panics
    /// Where it does not start, or not on its port.
    pub async fn restart(&mut self, part: Part) {
        self.signal(part, libc::SIGCONT);
        let (was, is) = match part {
            Part::Kafka if self.kafka.is_none() => {
                let kafka = start_kafka(&self.dir).await;
                let is = kafka.bootstrap();
                self.kafka = Some(kafka);
                (&self.brokers, is)
            }
            Part::Postgres if self.postgres.is_none() => {
                let postgres = start_postgres(&self.dir).await;
                let is = postgres.url();
                self.postgres = Some(postgres);
                (&self.database, is)
            }
            Part::S3 if self.s3.is_none() && blob_store_of(&self.dir).is_none() => {
                let s3 = start_s3(&self.dir).await;
                let is = s3.url();
                self.s3 = Some(s3);
                (&self.blobs, is)
            }
            _ => return,
        };
        assert_eq!(was, &is, "{part} came back elsewhere");
    }

    /// Adds a role and starts it: `name` is its kind, or its kind and a number.
    /// Query nodes have to come before the gateway that asks them.
    pub fn add(&mut self, kind: Kind, name: &str, own: &[(&'static str, String)]) -> &mut Role {
        let listen = format!("127.0.0.1:{}", free_port());
        let mut env: Env = vec![
            ("RAGSTREAM_KAFKA", self.brokers.clone()),
            ("RAGSTREAM_POSTGRES", self.database.clone()),
            ("RAGSTREAM_S3", self.blobs.clone()),
            ("RAGSTREAM_LISTEN", listen.clone()),
            ("RAGSTREAM_LOG_FORMAT", "json".to_owned()),
        ];
        match kind {
            Kind::Gateway => {
                let nodes: Vec<_> = self.of(Kind::Query).map(|node| format!("{:?}", node.api.base)).collect();
                env.push(("RAGSTREAM_GATEWAY_QUERY_URLS", format!("[{}]", nodes.join(","))));
            }
            Kind::Ingestion => {
                env.push(("RAGSTREAM_INGESTION_WORK_DIR", self.folder(&format!("work-{name}"))))
            }
            // One thread each: the machine is shared.
            Kind::Embedding => env.push(("RAGSTREAM_EMBEDDING_SESSIONS", "1".to_owned())),
            Kind::Query => env.push(("RAGSTREAM_QUERY_SNAPSHOT_DIR", self.folder(&format!("index-{name}")))),
        }
        env.extend(self.common.iter().chain(own).cloned());
        let role = Role {
            kind,
            name: name.to_owned(),
            api: Api::new(format!("http://{listen}")),
            env,
            log: self.dir.join(format!("{name}.log")),
            process: None,
        };
        let role = self.roles.entry(name.to_owned()).insert_entry(role).into_mut();
        role.start(&[]);
        role
    }

    /// Adds one of each kind, named after it; returns when all are ready.
    pub async fn add_all(&mut self) {
        for kind in [Kind::Query, Kind::Gateway, Kind::Ingestion, Kind::Embedding] {
            self.add(kind, kind.as_str(), &[]);
        }
        self.ready().await;
    }

    /// A role by its name.
    ///
    /// # Panics
    /// Where there is none.
    pub fn role(&mut self, name: &str) -> &mut Role {
        self.roles.get_mut(name).unwrap_or_else(|| panic!("there is no role {name}"))
    }

    /// Takes a role out: it is killed.
    pub fn remove(&mut self, name: &str) {
        self.roles.remove(name);
    }

    /// All roles.
    pub fn roles(&mut self) -> impl Iterator<Item = &mut Role> {
        self.roles.values_mut()
    }

    fn of(&self, kind: Kind) -> impl Iterator<Item = &Role> {
        self.roles.values().filter(move |role| role.kind == kind)
    }

    /// APIs of all roles of a kind.
    pub fn apis(&self, kind: Kind) -> Vec<Api> {
        self.of(kind).map(|role| role.api.clone()).collect()
    }

    /// The API of the first gateway.
    ///
    /// # Panics
    /// Where there is none.
    pub fn gateway(&self) -> Api {
        self.apis(Kind::Gateway).into_iter().next().expect("there is a gateway")
    }

    /// Waits until all roles that were started are ready.
    pub async fn ready(&mut self) {
        for role in self.roles.values_mut().filter(|role| role.is_started()) {
            role.ready().await;
        }
    }

    /// The rows as they are now; waits for the database.
    pub async fn rows(&self) -> Rows {
        eventually("the rows", || async { Rows::read(&self.database).await.ok() }).await
    }

    /// Waits until nothing more will happen by itself; the rows then.
    /// On a machine that has much else to do that takes its time: what counts is that it goes on.
    pub async fn drained(&self) -> Rows {
        loop {
            let left = self.left().await.map(|rows| rows.unfinished().count());
            let went_on = eventually("an end of all jobs, or of one more", || async {
                let rows = self.left().await?;
                let now = rows.unfinished().count();
                (rows.is_drained() || left.is_none_or(|left| now < left)).then_some(rows)
            })
            .await;
            if went_on.is_drained() {
                return went_on;
            }
        }
    }

    /// The rows; `None` while the database is away.
    async fn left(&self) -> Option<Rows> {
        Rows::read(&self.database).await.ok()
    }

    /// All records of a topic.
    pub fn records(&self, topic: &str) -> Vec<Record> {
        topic::records(&self.brokers, topic)
    }

    /// All dead letters.
    pub fn dead_letters(&self) -> Vec<Record> {
        let topics = [
            "doc-ingest-requests.dlq",
            "doc-ingest-requests.bulk.dlq",
            "chunk-processing.dlq",
            "chunk-processing.bulk.dlq",
            "chunk-embeddings.dlq",
        ];
        topics.iter().flat_map(|topic| self.records(topic)).collect()
    }

    fn folder(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }
}

async fn start_kafka(dir: &Path) -> Kafka {
    // Tests run in their crate's folder, programs wherever they were started.
    let parts = Parts::locate().unwrap_or_else(|_| Parts::at(repository().join(".ragstream/parts")));
    let options = KafkaOptions { dir: dir.join("kafka"), parts, port: None };
    Kafka::start(options).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn start_postgres(dir: &Path) -> Postgres {
    let options = PostgresOptions { dir: dir.join("postgres"), port: None };
    Postgres::start(options).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn start_s3(dir: &Path) -> S3Server {
    let options = S3Options { dir: dir.join("s3"), port: None };
    S3Server::start(options).await.unwrap_or_else(|error| panic!("{error}"))
}
