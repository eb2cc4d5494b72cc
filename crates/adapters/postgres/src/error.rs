//! Which database error asks the caller to do what.

use deadpool_postgres::PoolError;
use ragstream_core::fault::{Fault, Result};
use tokio_postgres::{Error, error::SqlState};

/// The class of a transaction that lost against another and is to be tried again.
pub(crate) const CONFLICT: &str = "database_conflict";

/// How often a transaction is tried that loses against others.
const RACES: usize = 5;

/// Tries a transaction again that lost against another.
pub(crate) async fn again<T, F: Future<Output = Result<T>>>(transaction: impl Fn() -> F) -> Result<T> {
    for _ in 1..RACES {
        match transaction().await {
            Err(lost) if lost.class == CONFLICT => {}
            outcome => return outcome,
        }
    }
    transaction().await
}

/// A statement failed. What the server or the driver refuses is `Failed` (a
/// fault of ours or of the data, counted); a server that can't be reached, is
/// starting or stopping, or is out of resources is nobody's fault.
pub(crate) fn fault(error: Error) -> Fault {
    match error.code() {
        Some(code) if is_conflict(code) => {
            Fault::unavailable(CONFLICT, "the database asks to try again").caused_by(error)
        }
        Some(code) if !is_transient(code) => {
            Fault::failed("database_refused", "the database refused a statement").caused_by(error)
        }
        None if !is_disconnect(&error) => {
            Fault::failed("database_refused", "a database row or statement is not as expected")
                .caused_by(error)
        }
        _ => Fault::unavailable("postgres_unavailable", "PostgreSQL can't be reached").caused_by(error),
    }
}

fn is_disconnect(error: &Error) -> bool {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(e) = source {
        if e.is::<std::io::Error>() {
            return true;
        }
        source = e.source();
    }
    error.is_closed()
}

/// No connection could be had from the pool.
pub(crate) fn pool_fault(error: PoolError) -> Fault {
    match error {
        PoolError::Backend(error) => fault(error),
        other => Fault::unavailable("postgres_unavailable", "no connection to PostgreSQL").caused_by(other),
    }
}

/// Class 40 (the transaction was rolled back) and a lock that was not to be had.
fn is_conflict(code: &SqlState) -> bool {
    code.code().starts_with("40") || *code == SqlState::LOCK_NOT_AVAILABLE
}

/// Classes 08 (connection), 53 (out of resources), 57 (shutdown, starting up,
/// statement timeout) and 58 (system error); see appendix A of PostgreSQL's manual.
fn is_transient(code: &SqlState) -> bool {
    ["08", "53", "57", "58"].iter().any(|class| code.code().starts_with(class))
}

/// Whether a unique index refused the row.
pub(crate) fn is_unique_violation(error: &Error) -> bool {
    error.code() == Some(&SqlState::UNIQUE_VIOLATION)
}
