//! Shared by the tests on real parts.
#![allow(dead_code, clippy::unwrap_used)]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Where a helper process finds its folder.
pub const HELPER_DIR: &str = "RAGSTREAM_TEST_HELPER_DIR";

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until a condition holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a process runs; one that only waits to be reaped does not.
pub fn runs(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !matches!(
            stat.rsplit_once(')').map(|(_, rest)| rest.trim_start().chars().next()),
            Some(Some('Z' | 'X'))
        )
    })
}

/// `kill -9`.
pub fn kill(pid: u32) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

/// Runs the test `name` of this very binary as a process of its own, which acts
/// as a standalone node; returns it with the first line it prints after `ready `.
pub fn helper(name: &str, dir: &Path) -> (Child, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(HELPER_DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = lines
        .map_while(Result::ok)
        .find_map(|line| line.split_once("ready ").map(|(_, rest)| rest.to_owned()));
    (child, ready.expect("the helper becomes ready"))
}

/// In a helper: says that it is ready and stays until killed.
pub fn stay(ready: &str) -> ! {
    println!("\nready {ready}");
    loop {
        std::thread::park();
    }
}
