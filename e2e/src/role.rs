//! The roles as processes, tied to the parts of the test.

use crate::{
    api::Api,
    eventually,
    process::{Process, free_port},
};
use std::path::{Path, PathBuf};

/// A role in a process of its own.
pub struct Role {
    /// The process.
    pub process: Process,
    /// What it serves.
    pub api: Api,
    name: String,
    listen: String,
    env: Vec<(String, String)>,
    log: PathBuf,
}

impl Role {
    /// Starts `ragstream NAME` with these variables on a free port; it is not ready yet.
    pub fn start(name: &str, dir: &Path, env: &[(&str, String)]) -> Self {
        let listen = format!("127.0.0.1:{}", free_port());
        let log = dir.join(format!("{name}-{listen}.log"));
        let env: Vec<_> = env.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let process = run(name, &listen, &env, &log);
        let api = Api::new(format!("http://{listen}"));
        Self { process, api, name: name.to_owned(), listen, env, log }
    }

    /// The same role again, on the same address and with the same log, once this one has ended.
    pub fn restart(&mut self) {
        self.process = run(&self.name, &self.listen, &self.env, &self.log);
    }

    /// Waits until it is ready.
    pub async fn ready(&self) {
        eventually("readiness", || async { self.api.is_ready().await.then_some(()) }).await;
    }
}

fn run(name: &str, listen: &str, env: &[(String, String)], log: &Path) -> Process {
    let mut env: Vec<(&str, String)> =
        env.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    env.push(("RAGSTREAM_LISTEN", listen.to_owned()));
    Process::start(&[name], &env, log)
}
