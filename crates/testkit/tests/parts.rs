//! The shared parts: one instance a process, usable from many runtimes.
#![allow(clippy::unwrap_used)]

use ragstream_testkit::{fresh_database, kafka, postgres, s3, unique};
use tokio_postgres::NoTls;

async fn count(url: &str) -> i64 {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.execute("INSERT INTO things VALUES (1)", &[]).await.unwrap();
    client.query_one("SELECT count(*) FROM things", &[]).await.unwrap().get(0)
}

#[test]
fn a_part_outlives_the_runtime_that_asked_first() {
    let ask = || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            (
                kafka().await.bootstrap(),
                postgres().await.url(),
                s3().await.url(),
                postgres().await.report().pid,
            )
        })
    };
    let first = ask();
    assert_eq!(first, ask());
}

#[tokio::test]
async fn databases_are_fresh() {
    let statements = "CREATE TABLE things (n int); CREATE INDEX ON things (n)";
    let (one, other) = (fresh_database(statements).await, fresh_database(statements).await);
    assert_eq!((count(&one).await, count(&one).await, count(&other).await), (1, 2, 1));
}

#[test]
fn names_are_unique() {
    assert_ne!(unique("a"), unique("a"));
}
