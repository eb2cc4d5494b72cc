//! Connections and the schema.

use crate::error::{fault, pool_fault};
use async_trait::async_trait;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts};
use ragstream_core::{
    fault::{Fault, Result},
    ports::Probe,
};
use std::time::Duration;
use tokio_postgres::NoTls;

/// The schema, as the file at the top of the repository states it.
const SCHEMA: &str = include_str!("../../../../init-db.sql");

/// Held while the schema is applied, so that roles that start together take turns.
const SCHEMA_LOCK: i64 = 0x7261_6773_7472_6561;

/// Longest that a statement may take on the server; then it is cancelled and
/// the caller waits and tries again.
const STATEMENT_TIMEOUT: &str = "30s";

/// A server whose machine acknowledges nothing of a request for this long is gone: the
/// network would go on trying for a quarter of an hour.
const NO_ACKNOWLEDGEMENT: Duration = Duration::from_secs(30);

/// How to reach the database.
#[derive(Clone, Debug)]
pub struct LedgerConfig {
    /// `postgres://user:password@host:port/database`
    pub url: String,
    /// Connections at most.
    pub max_connections: usize,
    /// How long a caller waits for a free or new connection.
    pub wait: Duration,
}

impl LedgerConfig {
    /// Defaults for `url`: 16 connections, 5 s.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), max_connections: 16, wait: Duration::from_secs(5) }
    }
}

/// The rows, behind a pool of connections. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    pool: Pool,
}

impl Ledger {
    /// A pool that connects when first used.
    ///
    /// # Errors
    /// `Invalid` of class `bad_configuration` where the URL can't be read.
    pub fn new(config: &LedgerConfig) -> Result<Self> {
        let bad = |e: &dyn std::fmt::Display| {
            Fault::invalid("bad_configuration", format!("the PostgreSQL address can't be used: {e}"))
        };
        let mut pg: tokio_postgres::Config = config.url.parse().map_err(|e| bad(&e))?;
        pg.application_name("ragstream")
            .options(format!("-c statement_timeout={STATEMENT_TIMEOUT}"))
            .connect_timeout(config.wait)
            .keepalives_idle(Duration::from_secs(30))
            .tcp_user_timeout(NO_ACKNOWLEDGEMENT);
        let manager =
            Manager::from_config(pg, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let pool = Pool::builder(manager)
            .max_size(config.max_connections)
            .runtime(Runtime::Tokio1)
            .timeouts(Timeouts {
                wait: Some(config.wait),
                create: Some(config.wait),
                recycle: Some(config.wait),
            })
            .build()
            .map_err(|e| bad(&e))?;
        Ok(Self { pool })
    }

    /// Applies the schema; harmless where it is there.
    pub async fn apply_schema(&self) -> Result<()> {
        let client = self.client().await?;
        client.execute("SELECT pg_advisory_lock($1)", &[&SCHEMA_LOCK]).await.map_err(fault)?;
        let applied = client.batch_execute(&format!("SET client_min_messages = warning; {SCHEMA}")).await;
        client.execute("SELECT pg_advisory_unlock($1)", &[&SCHEMA_LOCK]).await.map_err(fault)?;
        applied.map_err(fault)
    }

    pub(crate) async fn client(&self) -> Result<Object> {
        self.pool.get().await.map_err(pool_fault)
    }
}

#[async_trait]
impl Probe for Ledger {
    fn component(&self) -> &'static str {
        "postgres"
    }

    async fn probe(&self) -> Result<()> {
        self.client().await?.simple_query("SELECT 1").await.map(drop).map_err(fault)
    }
}
