//! The tasks of a process. The unexpected end of any of them ends all.

use futures::FutureExt;
use std::{future::Future, panic::AssertUnwindSafe, time::Duration};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A task ended that should have gone on, or did not end in time.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// It returned an error.
    #[error("{task} failed: {error}")]
    Failed {
        /// Its name.
        task: &'static str,
        /// Its error.
        error: String,
    },
    /// It ended before it was asked to.
    #[error("{task} ended unexpectedly")]
    Ended {
        /// Its name.
        task: &'static str,
    },
    /// It panicked.
    #[error("{task} panicked")]
    Panicked {
        /// Its name.
        task: &'static str,
    },
    /// Work was still under way at the deadline; the log has it, so nothing is lost.
    #[error("not everything was finished within {0:?}")]
    Deadline(Duration),
}

/// Named tasks that live and end together.
pub struct Tasks {
    set: JoinSet<Result<(), TaskError>>,
    token: CancellationToken,
}

impl Tasks {
    /// Tasks that end when `token` is cancelled.
    pub fn new(token: CancellationToken) -> Self {
        Self { set: JoinSet::new(), token }
    }

    /// The token that tells the tasks to end.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Runs `task` until the token is cancelled; sooner is an error.
    pub fn spawn<F, E>(&mut self, name: &'static str, task: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display,
    {
        let token = self.token.clone();
        self.set.spawn(async move {
            match AssertUnwindSafe(task).catch_unwind().await {
                Err(_) => Err(TaskError::Panicked { task: name }),
                Ok(Err(error)) => Err(TaskError::Failed { task: name, error: error.to_string() }),
                Ok(Ok(())) if !token.is_cancelled() => Err(TaskError::Ended { task: name }),
                Ok(Ok(())) => Ok(()),
            }
        });
    }

    /// Waits for the token, or for a task to end on its own; then cancels the
    /// token and gives all of them `drain` to end. The first error is the result.
    pub async fn join(mut self, drain: Duration) -> Result<(), TaskError> {
        let mut result = Ok(());
        loop {
            tokio::select! {
                () = self.token.cancelled() => break,
                ended = self.set.join_next() => match ended {
                    None => break,
                    Some(ended) => {
                        result = flatten(ended);
                        if result.is_err() { break }
                    }
                }
            }
        }
        self.token.cancel();
        let rest = async {
            let mut first = Ok(());
            while let Some(ended) = self.set.join_next().await {
                first = first.and(flatten(ended));
            }
            first
        };
        let drained = tokio::time::timeout(drain, rest).await.unwrap_or(Err(TaskError::Deadline(drain)));
        result.and(drained)
    }
}

fn flatten(ended: Result<Result<(), TaskError>, tokio::task::JoinError>) -> Result<(), TaskError> {
    ended.unwrap_or(Err(TaskError::Panicked { task: "a task" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAIN: Duration = Duration::from_secs(5);

    fn tasks() -> Tasks {
        Tasks::new(CancellationToken::new())
    }

    #[tokio::test]
    async fn one_that_fails_ends_all() {
        let mut tasks = tasks();
        let token = tasks.token();
        tasks.spawn("steady", async move {
            token.cancelled().await;
            Ok::<_, String>(())
        });
        tasks.spawn("broken", async { Err("no luck") });
        let error = tasks.join(DRAIN).await.expect_err("fails");
        assert_eq!(error.to_string(), "broken failed: no luck");
    }

    #[tokio::test]
    async fn an_early_end_and_a_panic_are_errors() {
        let mut tasks1 = tasks();
        tasks1.spawn("early", async { Ok::<_, String>(()) });
        assert!(matches!(tasks1.join(DRAIN).await, Err(TaskError::Ended { task: "early" })));
        let mut tasks2 = tasks();
        tasks2.spawn("bad", async { if true { panic!("on purpose") } else { Ok::<_, String>(()) } });
        assert!(matches!(tasks2.join(DRAIN).await, Err(TaskError::Panicked { task: "bad" })));
    }

    #[tokio::test]
    async fn the_token_ends_all_quietly() {
        let mut tasks = tasks();
        let token = tasks.token();
        let inner = token.clone();
        tasks.spawn("steady", async move {
            inner.cancelled().await;
            Ok::<_, String>(())
        });
        token.cancel();
        assert!(tasks.join(DRAIN).await.is_ok());
    }
}
