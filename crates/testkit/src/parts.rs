//! The real parts, shared by the tests of a process.

use crate::{scratch, unique};
use ragstream_embedded::{Kafka, KafkaOptions, Parts, Postgres, PostgresOptions, S3Options, S3Server};
use std::{path::PathBuf, sync::OnceLock};
use tokio_postgres::NoTls;

/// The folder that `make parts` fills.
///
/// # Panics
/// Where there is none.
pub fn parts_dir() -> PathBuf {
    parts().dir().to_owned()
}

fn parts() -> Parts {
    Parts::locate().unwrap_or_else(|error| panic!("run `make parts` first: {error}"))
}

/// A Kafka broker. Use [`unique`] names for topics and consumer groups.
pub async fn kafka() -> &'static Kafka {
    static KAFKA: OnceLock<Kafka> = OnceLock::new();
    shared(&KAFKA, || {
        Kafka::start_blocking(KafkaOptions { dir: scratch::folder("kafka"), parts: parts(), port: None })
    })
    .await
}

/// A PostgreSQL server. Tests take a [`fresh_database`] in it.
pub async fn postgres() -> &'static Postgres {
    static POSTGRES: OnceLock<Postgres> = OnceLock::new();
    shared(&POSTGRES, || {
        Postgres::start_blocking(PostgresOptions { dir: scratch::folder("postgres"), port: None })
    })
    .await
}

/// An S3 server with a bucket. Use [`unique`] prefixes for keys.
pub async fn s3() -> &'static S3Server {
    static S3: OnceLock<S3Server> = OnceLock::new();
    shared(&S3, || S3Server::start_blocking(S3Options { dir: scratch::folder("s3"), port: None })).await
}

/// The URL of a new database on [`postgres`], after these statements have run in it.
///
/// # Panics
/// Where the statements fail.
pub async fn fresh_database(statements: &str) -> String {
    let server = postgres().await.url();
    let name = unique("test").replace('-', "_");
    execute(&server, &format!("CREATE DATABASE {name}")).await;
    let (address, _) = server.rsplit_once('/').expect("the URL ends with a database");
    let url = format!("{address}/{name}");
    execute(&url, statements).await;
    url
}

/// Runs statements in a database.
///
/// # Panics
/// Where they fail.
pub async fn execute(url: &str, statements: &str) {
    let (client, connection) =
        tokio_postgres::connect(url, NoTls).await.expect("the server takes connections");
    let connection = tokio::spawn(connection);
    client.batch_execute(statements).await.unwrap_or_else(|error| panic!("{error:?} in: {statements}"));
    drop(client);
    // Ends once the client is gone.
    let _ = connection.await;
}

/// The one of this process, started by the first who asks. It does not depend on
/// the runtime of that test, which ends before others do.
async fn shared<T: Send + Sync + 'static>(
    cell: &'static OnceLock<T>,
    start: fn() -> ragstream_embedded::Result<T>,
) -> &'static T {
    let started = tokio::task::spawn_blocking(move || {
        cell.get_or_init(|| start().unwrap_or_else(|error| panic!("{error}")))
    });
    match started.await {
        Ok(part) => part,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
