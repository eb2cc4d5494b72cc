//! Files that are damaged in thousands of ways: whatever they hold, each
//! gives a text or a reason, and nothing is left anywhere.
//!
//! `RAGSTREAM_MUTATIONS` says how many (default 2,000); each comes from a seed
//! and its number alone, so that a finding can be had again. One in fifty goes
//! through a child process each, as in production, the others through workers
//! that read one after the other and say which one they are at: a worker that
//! dies is counted, and the next goes on behind it.
//!
//! No test harness: this executable is the child and the worker, too.
#![allow(clippy::unwrap_used)]

mod made;

use ragstream_core::fault::FaultKind;
use ragstream_extract::{ChildExtractor, HEAD_BYTES, Limits, child_main, detect, extract_named};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

const CHILD: &str = "extract-child";
const WORKER: &str = "mutation-worker";
const SEED: u64 = 0x5eed_2026;
const DEFAULT_MUTATIONS: u64 = 2000;
/// One in so many goes through a child of its own.
const OWN_CHILD: u64 = 50;
/// Largest file of the public collection that is damaged, in bytes.
const PUBLIC_BYTES: u64 = 60_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some(CHILD) => return child_main(),
        Some(WORKER) => {
            return worker(&arguments[2], arguments[3].parse().unwrap(), arguments[4].parse().unwrap());
        }
        _ => {}
    }
    let mutations =
        std::env::var("RAGSTREAM_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(DEFAULT_MUTATIONS);
    let folder = tempfile::tempdir().unwrap();
    let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
    let died = with_workers(folder.path(), mutations, &mut outcomes);
    with_children(folder.path(), mutations, &mut outcomes);
    println!("{mutations} mutations: {outcomes:?}; workers died at {died:?}");
    let known = outcomes.keys().all(|class| CLASSES.contains(&class.as_str()));
    assert!(known, "an outcome that is none: {outcomes:?}");
    assert!(outcomes["text"] > 0 && outcomes["corrupt_document"] > 0, "{outcomes:?}");
    // Panics are caught; what is left is stacks and memory, and is rare.
    assert!(died.len() as u64 * 1000 <= mutations, "too many workers died: {died:?}");
    ExitCode::SUCCESS
}

const CLASSES: &[&str] = &[
    "text",
    "panic",
    "encrypted_document",
    "corrupt_document",
    "empty_document",
    "needs_ocr",
    "unsupported_format",
    "document_too_large",
    "extraction_timeout",
    "extraction_out_of_memory",
    "extraction_crashed",
];

/// What is damaged: samples of our own, and small files of the public collection.
fn sources() -> Vec<(String, Vec<u8>)> {
    let mut sources: Vec<(String, Vec<u8>)> =
        made::all().into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).unwrap();
    let folder =
        std::env::var_os("RAGSTREAM_TESTDATA").map_or_else(|| root.join("shared/testdata"), PathBuf::from);
    let files = fs::read_dir(folder.join("documents/files")).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = files
        .filter(|file| file.metadata().is_ok_and(|m| m.len() <= PUBLIC_BYTES))
        .map(|file| file.path())
        .collect();
    files.sort();
    sources.extend(
        files
            .into_iter()
            .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap())),
    );
    sources
}

/// The mutation of this number: bits and bytes changed, pieces cut out,
/// doubled, or taken from elsewhere, sizes made huge, ends cut off.
fn mutated(sources: &[(String, Vec<u8>)], number: u64) -> (String, Vec<u8>) {
    let mut random = SmallRng::seed_from_u64(SEED ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let (name, bytes) = &sources[number as usize % sources.len()];
    let mut bytes = bytes.clone();
    for _ in 0..random.random_range(1..=8) {
        if bytes.is_empty() {
            break;
        }
        let at = random.random_range(0..bytes.len());
        let length = random.random_range(1..=(bytes.len() - at).min(64));
        match random.random_range(0..8) {
            0 => bytes[at] ^= 1 << random.random_range(0..8),
            1 => bytes[at] = random.random(),
            2 => bytes[at..at + length].fill([0, 0xff, b'9', b'<'][random.random_range(0..4)]),
            3 => drop(bytes.drain(at..at + length)),
            4 => {
                let piece = bytes[at..at + length].to_vec();
                let to = random.random_range(0..=bytes.len());
                bytes.splice(to..to, piece.repeat(random.random_range(1..20)));
            }
            5 => {
                let (_, other) = &sources[random.random_range(0..sources.len())];
                let from = random.random_range(0..=other.len());
                let piece = other[from..].iter().take(length).copied();
                bytes.splice(at..at + length, piece.collect::<Vec<_>>());
            }
            6 => {
                let huge = [u32::MAX, i32::MAX as u32, 0x4000_0000, 0][random.random_range(0..4)];
                let value = if random.random() { huge.to_be_bytes() } else { huge.to_le_bytes() };
                for (place, byte) in bytes[at..].iter_mut().zip(value) {
                    *place = byte;
                }
            }
            _ if random.random_range(0..4) == 0 => bytes.truncate(at),
            _ => {
                let other = random.random_range(0..bytes.len());
                bytes.swap(at, other);
            }
        }
    }
    (name.clone(), bytes)
}

fn limits() -> Limits {
    Limits {
        memory_bytes: 1 << 30,
        cpu: Duration::from_secs(20),
        wall: Duration::from_secs(60),
        ..Limits::default()
    }
}

/// Runs the workers; the numbers at which one died, and how.
fn with_workers(folder: &Path, mutations: u64, outcomes: &mut BTreeMap<String, u64>) -> Vec<(u64, String)> {
    let (mut died, mut next) = (Vec::new(), 0);
    let (home, scratch) = (folder.join("home"), folder.join("scratch"));
    fs::create_dir(&home).unwrap();
    fs::create_dir(&scratch).unwrap();
    while next < mutations {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .arg(WORKER)
            .arg(scratch.join("document"))
            .args([next.to_string(), mutations.to_string()])
            .current_dir(&home)
            .env("TMPDIR", &home)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut worker = command.spawn().unwrap();
        for line in BufReader::new(worker.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let (number, class) = line.split_once(' ').unwrap();
            next = number.parse::<u64>().unwrap() + 1;
            *outcomes.entry(class.to_owned()).or_default() += 1;
        }
        let status = worker.wait().unwrap();
        if next < mutations {
            while is_for_own_child(next) {
                next += 1;
            }
            died.push((next, status.to_string()));
            next += 1;
        }
        assert_eq!(fs::read_dir(&home).unwrap().count(), 0, "files were left at {next}");
        assert!(
            fs::read_dir(&scratch).unwrap().count() <= 1,
            "files were left beside the document at {next}"
        );
    }
    died
}

fn is_for_own_child(number: u64) -> bool {
    number.is_multiple_of(OWN_CHILD)
}

/// Says the number and the outcome of each, a line each.
fn worker(path: &str, from: u64, to: u64) -> ExitCode {
    let (sources, limits) = (sources(), limits());
    let limit = libc::rlimit { rlim_cur: limits.memory_bytes, rlim_max: limits.memory_bytes };
    // SAFETY: `limit` outlives the call.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
    std::panic::set_hook(Box::new(|_| {}));
    // As the child does: nested documents are read by recursion.
    let work = move |path: &Path| {
        for number in (from..to).filter(|number| !is_for_own_child(*number)) {
            // Each has its own processor time: a loop without end is a death.
            let mut used = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            // SAFETY: both outlive the calls.
            unsafe {
                libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut used);
                let soft = used.tv_sec as u64 + limits.cpu.as_secs();
                let limit = libc::rlimit { rlim_cur: soft, rlim_max: libc::RLIM_INFINITY };
                assert_eq!(libc::setrlimit(libc::RLIMIT_CPU, &limit), 0);
            }
            let (name, bytes) = mutated(&sources, number);
            fs::write(path, &bytes).unwrap();
            let class = match detect(&name, &bytes[..bytes.len().min(HEAD_BYTES)]) {
                Err(_) => "unsupported_format",
                Ok(format) => {
                    match catch_unwind(AssertUnwindSafe(|| extract_named(format, path, &name, &limits))) {
                        Ok(Ok(text)) if text.text.trim().is_empty() => "an empty success",
                        Ok(Ok(_)) => "text",
                        Ok(Err(error)) => error.class(),
                        Err(_) => "panic",
                    }
                }
            };
            println!("{number} {class}");
            std::io::stdout().flush().unwrap();
        }
    };
    std::thread::scope(|threads| {
        let path = Path::new(path);
        let stack = std::thread::Builder::new().stack_size(64 << 20);
        stack.spawn_scoped(threads, || work(path)).unwrap().join().unwrap();
    });
    ExitCode::SUCCESS
}

/// The real thing, many at once.
fn with_children(folder: &Path, mutations: u64, outcomes: &mut BTreeMap<String, u64>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let sources = sources();
    let extractor = ChildExtractor {
        program: std::env::current_exe().unwrap(),
        args: vec![CHILD.to_owned()],
        limits: limits(),
    };
    let mut numbers = (0..mutations).filter(|number| is_for_own_child(*number)).peekable();
    while numbers.peek().is_some() {
        let mut running = tokio::task::JoinSet::new();
        for number in numbers.by_ref().take(4) {
            let (name, bytes) = mutated(&sources, number);
            let path = folder.join(format!("document-{number}"));
            fs::write(&path, &bytes).unwrap();
            let extractor = extractor.clone();
            running.spawn_on(
                async move {
                    let outcome = extractor.extract(&path, &name).await;
                    fs::remove_file(&path).unwrap();
                    (number, outcome)
                },
                runtime.handle(),
            );
        }
        for (number, outcome) in runtime.block_on(running.join_all()) {
            let class = match outcome {
                Ok(text) => {
                    assert!(!text.text.trim().is_empty(), "an empty success at {number}");
                    "text"
                }
                Err(fault) => {
                    assert_eq!(fault.kind, FaultKind::Invalid, "at {number}: {fault}");
                    fault.class
                }
            };
            *outcomes.entry(class.to_owned()).or_default() += 1;
        }
    }
    // The folders of the workers.
    assert_eq!(fs::read_dir(folder).unwrap().count(), 2, "files were left behind");
}
