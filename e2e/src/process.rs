//! The binary under test, as processes.

use crate::{api::Api, eventually};
use serde_json::Value;
use std::{
    fs::File,
    net::TcpListener,
    ops::Range,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

/// Where ports are looked for: below Linux's ephemeral range (32,768 and up), from
/// which any outgoing connection could take the port of a role that is down for a moment.
const PORTS: Range<u16> = 20_000..32_000;
/// How many random ports are tried.
const PORT_TRIES: usize = 200;
/// Lines of a process's log that a failed test shows.
const LAST_LINES: usize = 60;

/// The binary that was built beside this test (`target/<profile>/deps`) or this
/// program (`target/<profile>`).
///
/// # Panics
/// Where there is none.
pub fn binary() -> PathBuf {
    let this = std::env::current_exe().expect("a running program has a file");
    let beside = this.ancestors().skip(1).take(2).map(|dir| dir.join("ragstream"));
    let found = beside.into_iter().find(|binary| binary.is_file());
    found.unwrap_or_else(|| panic!("no `ragstream` beside {}: run `cargo build --workspace`", this.display()))
}

/// A port that was free a moment ago, and that no connection takes by chance.
///
/// # Panics
/// Where the machine has none.
pub fn free_port() -> u16 {
    let mut random = (0..PORT_TRIES).map(|_| rand::random_range(PORTS));
    random.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("loopback has free ports")
}

/// A running `ragstream`; killed when dropped.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `ragstream ARGS` with these variables; its log goes to `log`, appended.
    ///
    /// # Panics
    /// Where it can't be started.
    pub fn start(args: &[&str], env: &[(&str, String)], log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log).expect("the log can be written");
        let mut command = Command::new(binary());
        // SAFETY: prctl sets a flag of the new process and touches no memory.
        unsafe {
            command.pre_exec(|| {
                // A test that is killed leaves nothing behind.
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            });
        }
        let child = command
            .args(args)
            .envs(env.iter().map(|(name, value)| (name, value)))
            .env_remove("RUST_LOG")
            .current_dir(repository())
            .stdin(Stdio::null())
            .stdout(Stdio::from(file.try_clone().expect("a file has handles")))
            .stderr(Stdio::from(file))
            .spawn()
            .expect("the binary can be started");
        Self { child, log: log.to_owned() }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits for it to end by itself.
    ///
    /// # Panics
    /// Where it does not.
    pub async fn end(&mut self) -> ExitStatus {
        eventually("the end of the process", || {
            let ended = self.ended();
            async move { ended }
        })
        .await
    }

    /// How it ended, where it has.
    ///
    /// # Panics
    /// Where the operating system does not say.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// A line of `/proc/<pid>/status` in bytes: `VmHWM` is the most memory that was
    /// ever resident, `VmRSS` what is now.
    ///
    /// # Panics
    /// Where the process is gone.
    pub fn memory(&self, line: &str) -> u64 {
        memory_of(self.pid(), line)
    }

    /// `kill -9`, and waits for its end.
    pub fn kill(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What a Ctrl-C sends, and waits for a clean end.
    ///
    /// # Panics
    /// Where the process ends with an error or not at all.
    pub async fn interrupt(&mut self) {
        let pid = i32::try_from(self.child.id()).expect("process ids fit");
        // SAFETY: a signal to a child that has not been waited for.
        unsafe { libc::kill(pid, libc::SIGINT) };
        let status = self.end().await;
        assert!(status.success(), "ended with {status}; its log:\n{}", self.log());
    }
}

/// A line of a process's `/proc/<pid>/status`, in bytes.
///
/// # Panics
/// Where the process or the line is not there.
pub fn memory_of(pid: u32, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let value =
        status.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(':')).expect("the line is there");
    let kib: u64 = value.trim().trim_end_matches(" kB").parse().expect("a number of kB");
    kib * 1024
}

/// The processes that a process started and that still run.
pub fn children_of(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
    tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|children| {
            children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}

impl Drop for Process {
    /// Ends it. Where its test has failed, the end of its log is what tells why.
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let last: Vec<&str> = log.lines().rev().take(LAST_LINES).collect();
            eprintln!("--- the end of {}", self.log.display());
            last.iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}

/// The top of the repository, where `.ragstream/parts` is found.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("e2e lies in the repository").to_owned()
}

/// The blob store of a node over `dir`: a bucket of its own in the server that
/// `RAGSTREAM_TEST_S3` names (`http://ACCESS:SECRET@host:port/any`), where it
/// names one. Else the node serves its own folder.
///
/// # Panics
/// Where the variable holds no such address.
pub fn blob_store_of(dir: &Path) -> Option<String> {
    let url = std::env::var("RAGSTREAM_TEST_S3").ok().filter(|url| !url.is_empty())?;
    let (server, _) = url.rsplit_once('/').expect("an address ends in a bucket");
    let name = dir.file_name().expect("a folder has a name").to_string_lossy().to_lowercase();
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    Some(format!("{server}/e2e-{name}"))
}

/// `ragstream standalone` over a folder.
pub struct Standalone {
    /// The process.
    pub process: Process,
    /// Its API.
    pub api: Api,
    data: PathBuf,
}

impl Standalone {
    /// Starts it, and waits until it is ready.
    pub async fn start(dir: &Path) -> Self {
        Self::start_with(dir, &[]).await
    }

    /// The same, with more variables.
    pub async fn start_with(dir: &Path, env: &[(&str, String)]) -> Self {
        Self::start_at(dir, &format!("127.0.0.1:{}", free_port()), env).await
    }

    /// The same, on a given address.
    ///
    /// # Panics
    /// Where it ends instead of getting ready.
    pub async fn start_at(dir: &Path, listen: &str, env: &[(&str, String)]) -> Self {
        let data = dir.join("data");
        let args = ["standalone", "--data-dir", data.to_str().expect("a UTF-8 path"), "--listen", listen];
        let mut env = env.to_vec();
        env.extend(blob_store_of(dir).map(|url| ("RAGSTREAM_S3", url)));
        let process = Process::start(&args, &env, &dir.join("ragstream.log"));
        let mut this = Self { process, api: Api::new(format!("http://{listen}")), data };
        this.ready().await;
        this
    }

    async fn ready(&mut self) {
        let Self { process, api, .. } = self;
        eventually("readiness", || {
            let ended = process.child.try_wait().expect("a child can be waited for");
            assert!(ended.is_none(), "ended with {ended:?}; its log:\n{}", process.log());
            let api = api.clone();
            async move { api.is_ready().await.then_some(()) }
        })
        .await;
    }

    /// Where its PostgreSQL is, by the file that the embedded server keeps its port and
    /// password in.
    ///
    /// # Panics
    /// Where there is no such file.
    pub fn postgres(&self) -> String {
        let file = self.data.join("postgres/access.json");
        let access = std::fs::read(&file).expect("the embedded PostgreSQL has a folder");
        let access: Value = serde_json::from_slice(&access).expect("it is JSON");
        let password = access["password"].as_str().expect("it has a password");
        format!("postgres://ragstream:{password}@127.0.0.1:{}/ragstream", access["port"])
    }

    /// Where its Kafka is, by its own log.
    ///
    /// # Panics
    /// Where the log does not say.
    pub fn kafka(&self) -> String {
        let log = self.process.log();
        let line = log.lines().rev().find(|line| line.contains("kafka=")).expect("it says when it is ready");
        let rest = line.split("kafka=").nth(1).expect("it says where Kafka is");
        rest.split_whitespace().next().expect("an address").trim_matches('"').to_owned()
    }
}
