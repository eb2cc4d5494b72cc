//! The embedded database, on real PostgreSQL: what is committed stays, whatever dies.
//! The folders are temporary ones, which only their owner may enter: run as root,
//! these tests cover the change of user as well.
#![allow(clippy::unwrap_used)]

mod common;

use common::{HELPER_DIR, PATIENCE, helper, kill, runs, stay, until};
use ragstream_embedded::{EmbeddedError, PartState, Postgres, PostgresOptions};
use std::{
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::Path,
    process::{Child, Command},
};
use tokio_postgres::{Client, NoTls};

fn options(dir: &Path) -> PostgresOptions {
    PostgresOptions { dir: dir.to_owned(), port: None }
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn insert(url: &str, value: &str) {
    connect(url).await.execute("INSERT INTO survivors VALUES ($1)", &[&value]).await.unwrap();
}

async fn values(url: &str) -> Vec<String> {
    let rows = connect(url).await.query("SELECT value FROM survivors ORDER BY value", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_survive_a_stop_and_the_death_of_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let postgres = Postgres::start(options(dir.path())).await.unwrap();
    let url = postgres.url();
    connect(&url).await.execute("CREATE TABLE survivors (value text)", &[]).await.unwrap();
    insert(&url, "1 before the stop").await;

    let second = Postgres::start(options(dir.path())).await;
    assert!(matches!(second, Err(EmbeddedError::Locked { .. })), "a folder has one owner");

    let pid = postgres.report().pid.unwrap();
    postgres.stop(PATIENCE).await;
    assert!(!runs(pid));

    let postgres = Postgres::start(options(dir.path())).await.unwrap();
    assert_eq!(postgres.url(), url, "port and password are kept");
    insert(&url, "2 after the stop").await;

    let pid = postgres.report().pid.unwrap();
    kill(pid);
    // The first tries may find the killed server's shared memory still in use.
    until("the server is restarted", || {
        let report = postgres.report();
        report.restarts >= 1 && report.state == PartState::Running
    });
    insert(&url, "3 after its death").await;
    assert_eq!(values(&url).await, ["1 before the stop", "2 after the stop", "3 after its death"]);

    let pid = postgres.report().pid.unwrap();
    drop(postgres);
    assert!(!runs(pid), "a server that is dropped ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_leaves_no_server_behind_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut node, ready) = helper("helper_node", dir.path());
    let (pid, url) = ready.split_once(' ').unwrap();
    let pid: u32 = pid.parse().unwrap();
    connect(url).await.execute("CREATE TABLE survivors (value text)", &[]).await.unwrap();
    insert(url, "committed").await;
    assert!(runs(pid));

    node.kill().unwrap();
    node.wait().unwrap();
    until("the server has ended with its node", || !runs(pid));

    let postgres = Postgres::start(options(dir.path())).await.unwrap();
    assert_eq!(values(&postgres.url()).await, ["committed"]);
}

/// Ends with the test, however that ends.
struct Sleeper(Child);

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_lock_file_that_names_somebody_else_is_no_obstacle() {
    let dir = tempfile::tempdir().unwrap();
    Postgres::start(options(dir.path())).await.unwrap().stop(PATIENCE).await;
    // The process id of a killed server, by now another process's of the same
    // user: PostgreSQL itself would refuse to start as long as that one runs.
    let data = dir.path().join("data");
    let user = std::fs::metadata(&data).unwrap().uid();
    let mut sleeper = Sleeper(Command::new("sleep").arg("1000").uid(user).spawn().unwrap());
    let other = sleeper.0.id();
    std::fs::write(
        data.join("postmaster.pid"),
        format!("{other}\n{}\n1\n1\n\n127.0.0.1\n0 0\nready\n", data.display()),
    )
    .unwrap();
    let postgres = Postgres::start(options(dir.path())).await.unwrap();
    connect(&postgres.url()).await.execute("SELECT 1", &[]).await.unwrap();
    assert!(sleeper.0.try_wait().unwrap().is_none(), "somebody else's process is left alone");
}

#[tokio::test]
async fn a_server_that_can_not_start_says_why() {
    let dir = tempfile::tempdir().unwrap();
    Postgres::start(options(dir.path())).await.unwrap().stop(PATIENCE).await;
    std::fs::remove_file(dir.path().join("data/global/pg_control")).unwrap();
    let error = Postgres::start(options(dir.path())).await.err().expect("a broken folder").to_string();
    assert!(error.contains("postgres did not start") && error.contains("pg_control"), "{error}");
}

/// Not a test: the node that is killed. Does nothing unless run as a helper.
#[test]
fn helper_node() {
    if let Some(dir) = std::env::var_os(HELPER_DIR) {
        let postgres = Postgres::start_blocking(options(Path::new(&dir))).unwrap();
        stay(&format!("{} {}", postgres.report().pid.unwrap(), postgres.url()));
    }
}
