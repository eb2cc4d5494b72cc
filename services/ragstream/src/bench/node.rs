//! The node that is measured.

use anyhow::{Context, Result, bail};
use std::{
    net::TcpListener,
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio::process::{Child, Command};

/// How long a first start may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long it may take to stop.
const STOP: Duration = Duration::from_secs(40);

/// Somebody's node, or one that was started here and ends with the run.
pub(crate) struct Node {
    url: String,
    own: Option<Own>,
}

struct Own {
    child: Child,
    dir: PathBuf,
}

impl Drop for Own {
    fn drop(&mut self) {
        // Left where it can't be removed: the system clears its temporary folder.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Node {
    pub(crate) async fn start_or_use(url: Option<&str>) -> Result<Self> {
        match url {
            Some(url) => Ok(Self { url: url.to_owned(), own: None }),
            None => Self::start().await,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    async fn start() -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("ragstream-bench-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir_all(&dir)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let listen = format!("127.0.0.1:{port}");
        let child = Command::new(std::env::current_exe()?)
            .args(["standalone", "--listen", &listen, "--log-file"])
            .arg(dir.join("ragstream.log"))
            .arg("--data-dir")
            .arg(dir.join("data"))
            .kill_on_drop(true)
            .spawn()
            .context("the node could not be started")?;
        let mut node = Self { url: format!("http://{listen}"), own: Some(Own { child, dir }) };
        node.ready().await?;
        Ok(node)
    }

    async fn ready(&mut self) -> Result<()> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let answer = client.get(format!("{}/readyz", self.url)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if let Some(own) = &mut self.own
                && let Some(status) = own.child.try_wait()?
            {
                let log = std::fs::read_to_string(own.dir.join("ragstream.log")).unwrap_or_default();
                bail!("the node ended with {status}:\n{log}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("the node was not ready within {PATIENCE:?}")
    }

    /// Ends a node that was started here.
    pub(crate) async fn stop(self) {
        let Some(mut own) = self.own else { return };
        if let Some(pid) = own.child.id().and_then(|pid| i32::try_from(pid).ok()) {
            // SAFETY: a signal to a child that has not been waited for.
            unsafe { libc::kill(pid, libc::SIGINT) };
        }
        // Past this it is killed on drop.
        let _ = tokio::time::timeout(STOP, own.child.wait()).await;
    }
}
