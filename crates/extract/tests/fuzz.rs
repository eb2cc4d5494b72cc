//! Fuzz targets, one for each boundary at which a reader takes bytes: files
//! that are damaged in thousands of ways. Whatever they hold, each gives a
//! text or a reason, and nothing is left anywhere.
//!
//! `RAGSTREAM_MUTATIONS` says how many (default 4,000, dealt out to the targets
//! in turn), `RAGSTREAM_FUZZ_TARGETS` names some (`rtf,zip`), and
//! `RAGSTREAM_FUZZ_SEED` begins elsewhere. Each mutation comes from the seed
//! and its number alone, so that a finding can be had again. One in fifty goes
//! through a child process each, as in production, the others through workers
//! that read one after the other and say which one they are at: a worker that
//! dies is counted, and the next goes on behind it.
//!
//! A panic in a library is caught where it is called and is an error of the
//! document; one in code of ours is a failure here.
//!
//! No test harness: this executable is the child and the worker, too.
#![allow(clippy::unwrap_used)]

mod children;
mod made;
mod samples;

use children::CHILD;
use ragstream_core::fault::FaultKind;
use ragstream_extract::{DocumentText, HEAD_BYTES, Limits, child_main, detect, extract_named};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use samples::{Members, legacy};
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    sync::Mutex,
    time::Duration,
};

const WORKER: &str = "mutation-worker";
const SEED: u64 = 0x5eed_2026;
const DEFAULT_MUTATIONS: u64 = 4000;
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
    let mutations = number("RAGSTREAM_MUTATIONS").unwrap_or(DEFAULT_MUTATIONS);
    let folder = tempfile::tempdir().unwrap();
    let mut outcomes = Outcomes::default();
    let died = with_workers(folder.path(), mutations, &mut outcomes);
    with_children(folder.path(), mutations, &mut outcomes);
    for (target, classes) in &outcomes.0 {
        println!("{target}: {classes:?}");
    }
    println!("{mutations} mutations of {} targets; workers died at {died:?}", outcomes.0.len());
    for (target, classes) in &outcomes.0 {
        for class in classes.keys() {
            assert!(CLASSES.contains(&class.as_str()), "an outcome that is none, of {target}: {class}");
        }
        // A target whose every mutation fails at once tests nothing.
        assert!(classes.contains_key("text") || classes.values().sum::<u64>() < 20, "{target}: {classes:?}");
    }
    // Panics are caught; what is left is stacks and memory, and is rare.
    assert!(died.len() as u64 * 1000 <= mutations, "too many workers died: {died:?}");
    ExitCode::SUCCESS
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// How often what came of the mutations of a target.
#[derive(Default)]
struct Outcomes(BTreeMap<String, BTreeMap<String, u64>>);

impl Outcomes {
    fn count(&mut self, target: &str, class: &str) {
        *self.0.entry(target.to_owned()).or_default().entry(class.to_owned()).or_default() += 1;
    }
}

const CLASSES: &[&str] = &[
    "text",
    "panic of a library",
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

/// A boundary, and what is damaged to get over it.
struct Target {
    name: &'static str,
    seeds: Vec<(String, Seed)>,
}

enum Seed {
    File(Vec<u8>),
    /// A container of which a part is damaged: what is wrong with it is for its reader to see, not
    /// for that of the container.
    Parts(Members),
}

fn targets() -> Vec<Target> {
    let wanted = std::env::var("RAGSTREAM_FUZZ_TARGETS").unwrap_or_default();
    let wanted: Vec<&str> = wanted.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let mut targets = own();
    targets.push(Target { name: "public", seeds: public() });
    targets.retain(|target| !target.seeds.is_empty() && (wanted.is_empty() || wanted.contains(&target.name)));
    assert!(!targets.is_empty(), "no target is called {wanted:?}");
    targets
}

fn own() -> Vec<Target> {
    let mut made: BTreeMap<&str, Vec<u8>> = made::all().into_iter().collect();
    made.extend(samples::TEXTS.iter().map(|(name, text)| (*name, text.as_bytes().to_vec())));
    let mut target = |name: &'static str, files: &[&'static str]| {
        let seeds = files.iter().map(|file| ((*file).to_owned(), Seed::File(made.remove(*file).unwrap())));
        Target { name, seeds: seeds.collect() }
    };
    let mut targets = vec![
        target("pdf", &["report.pdf", "owner.pdf", "scanned.pdf", "scan.pdf"]),
        target("html", &["page.html"]),
        target("source", &["main.rs"]),
        target("subtitles", &["talk.vtt", "talk.srt"]),
        target("mail", &["letter.eml"]),
        target("mailbox", &["inbox.mbox"]),
        target("outlook", &["letter.msg"]),
        target("image", &["photo.jpg", "drawing.png", "tagged.png"]),
        target("audio", &["song.mp3"]),
        target("video", &["film.mp4", "film.avi", "film.mkv"]),
        target("zip", &["files.zip"]),
        target("tar", &["files.tar"]),
        target("gzip", &["files.tgz", "notes.md.gz"]),
        target("7z", &["archive.7z"]),
        target("csv", &["fees.csv", "fees.tsv"]),
        target("json", &["fees.json", "fees.jsonl"]),
        target("yaml", &["fees.yaml"]),
        target("toml", &["fees.toml"]),
        target("xml", &["fees.xml"]),
    ];
    assert!(made.is_empty(), "no target for {:?}", made.keys());
    let text = "Größe, naïve and façade: 12 € each\n\n# Heading\n\n- item\n```\ncode\n";
    let utf_16 = text.encode_utf16().flat_map(u16::to_le_bytes);
    let utf_32 = text.chars().flat_map(|c| (c as u32).to_be_bytes());
    let files = |name, seeds: Vec<(&str, Vec<u8>)>| Target {
        name,
        seeds: seeds.into_iter().map(|(name, bytes)| (name.to_owned(), Seed::File(bytes))).collect(),
    };
    let parts =
        |name, file: &str, members| Target { name, seeds: vec![(file.to_owned(), Seed::Parts(members))] };
    targets.extend([
        files(
            "text",
            vec![
                ("a.txt", text.as_bytes().to_vec()),
                ("b.txt", utf_16.collect()),
                ("c.txt", [vec![0, 0, 0xfe, 0xff], utf_32.collect()].concat()),
                ("d.md", text.as_bytes().to_vec()),
            ],
        ),
        files("rtf", vec![("a.rtf", samples::RTF.as_bytes().to_vec())]),
        files("doc", vec![("a.doc", legacy::doc(false))]),
        files("ppt", vec![("a.ppt", legacy::ppt())]),
        files("xls", vec![("a.xls", legacy::xls(false))]),
        parts("docx", "a.docx", samples::docx()),
        parts("pptx", "a.pptx", samples::pptx()),
        parts("xlsx", "a.xlsx", samples::xlsx()),
        parts("odt", "a.odt", samples::odt()),
        parts("ods", "a.ods", samples::ods()),
        parts("odp", "a.odp", samples::odp()),
        parts("epub", "a.epub", samples::epub()),
    ]);
    targets
}

/// Small files of the public collection, where it is at hand.
fn public() -> Vec<(String, Seed)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).unwrap();
    let folder =
        std::env::var_os("RAGSTREAM_TESTDATA").map_or_else(|| root.join("shared/testdata"), PathBuf::from);
    let files = fs::read_dir(folder.join("documents/files")).into_iter().flatten().flatten();
    let small = files.filter(|file| file.metadata().is_ok_and(|m| m.len() <= PUBLIC_BYTES));
    let mut files: Vec<PathBuf> = small.map(|file| file.path()).collect();
    files.sort();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    files.iter().map(|path| (name(path), Seed::File(fs::read(path).unwrap()))).collect()
}

/// What parsers trip over.
const WORDS: &[&[u8]] = &[
    b"<![CDATA[",
    b"]]>",
    b"<!--",
    b"-->",
    b"&#0;",
    b"&#x110000;",
    b"&a;",
    b"<?xml version='1.0' encoding='utf-16'?>",
    b"<!DOCTYPE a [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>",
    b"{\\rtf1",
    b"\\bin2147483647 ",
    b"\\u-32768?",
    b"\\'zz",
    b"{\\*\\",
    b"}}}}}}",
    b"[[[[[[[[",
    b"{\"a\":",
    b"\\ud800",
    b"1e999",
    b"- - - - - ",
    b"&a *a",
    b"!!binary ",
    b"[[a]]\n",
    b"\"\"\"",
    b"'''",
    b"\r",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\n\n",
    b"\t",
    b"---\n",
    b"endobj",
    b" 0 R",
    b"/Kids [1 0 R]",
    b"stream\r\n",
    b"/Length 99999999999",
    b"startxref\n0",
    b"<</Prev 0>>",
    b"Content-Type: message/rfc822\n\n",
    b"boundary=\"\"",
    b"=?utf-8?b?",
    b"begin 644 a\n",
    b"From a\n",
    b"../../../../etc/passwd",
    b"00:00:00.000 --> 99999999999:00:00.000\n",
    b"PK\x01\x02",
    b"PK\x05\x06",
    b"\x1f\x8b\x08",
    b"\xd0\xcf\x11\xe0",
    b"moov",
    b"LIST",
    b"999999999999999999999",
    b"-1",
    b"0.00000000000000000001",
];

/// The mutation of this number: its target, its name and its bytes.
fn mutation(targets: &[Target], number: u64) -> (&'static str, String, Vec<u8>) {
    let seed = self::number("RAGSTREAM_FUZZ_SEED").unwrap_or(SEED);
    let mut random = SmallRng::seed_from_u64(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let target = &targets[number as usize % targets.len()];
    let (name, seed) = &target.seeds[random.random_range(0..target.seeds.len())];
    let bytes = match seed {
        Seed::File(bytes) => damaged(bytes, targets, &mut random),
        // One in four is damaged as a container.
        Seed::Parts(members) if random.random_range(0..4) == 0 => {
            damaged(&samples::zip(members), targets, &mut random)
        }
        Seed::Parts(members) => {
            let mut members = members.clone();
            let at = random.random_range(0..members.len());
            members[at].1 = damaged(&members[at].1, targets, &mut random);
            samples::zip(&members)
        }
    };
    (target.name, name.clone(), bytes)
}

/// Bits and bytes changed, pieces cut out, doubled, or taken from elsewhere,
/// words put in, sizes made huge, ends cut off.
fn damaged(bytes: &[u8], targets: &[Target], random: &mut SmallRng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..random.random_range(1..=8) {
        if bytes.is_empty() {
            break;
        }
        let at = random.random_range(0..bytes.len());
        let length = random.random_range(1..=(bytes.len() - at).min(64));
        match random.random_range(0..9) {
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
                let target = &targets[random.random_range(0..targets.len())];
                let other = match &target.seeds[random.random_range(0..target.seeds.len())].1 {
                    Seed::File(bytes) => bytes,
                    Seed::Parts(members) => &members[random.random_range(0..members.len())].1,
                };
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
            7 => {
                let word = WORDS[random.random_range(0..WORDS.len())];
                bytes.splice(at..at, word.repeat([1, 1, 1, 2, 100][random.random_range(0..5)]));
            }
            _ if random.random_range(0..4) == 0 => bytes.truncate(at),
            _ => {
                let other = random.random_range(0..bytes.len());
                bytes.swap(at, other);
            }
        }
    }
    bytes
}

fn limits() -> Limits {
    Limits {
        memory_bytes: 1 << 30,
        cpu: Duration::from_secs(20),
        wall: Duration::from_secs(60),
        ..Limits::default()
    }
}

/// What every text keeps to, whatever it was read from.
fn is_sound(text: &DocumentText) -> bool {
    let starts = text.pages.iter().map(|page| page.byte_offset as usize);
    let contents = text.metadata.get("contents").and_then(|contents| contents.as_array());
    let mut spans = contents.into_iter().flatten().filter_map(|entry| entry.get("span"));
    let are_there = spans.all(|span| {
        let [begin, end] = serde_json::from_value::<[usize; 2]>(span.clone()).unwrap();
        text.text.get(begin..end).is_some()
    });
    are_there
        && !text.text.trim().is_empty()
        && !text.text.contains(['\0', '\r'])
        && starts.clone().is_sorted()
        && starts.into_iter().all(|start| text.text.is_char_boundary(start))
}

/// Runs the workers; the numbers at which one died, and how.
fn with_workers(folder: &Path, mutations: u64, outcomes: &mut Outcomes) -> Vec<(u64, String)> {
    let targets = targets();
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
            let number: u64 = number.parse().unwrap();
            next = number + 1;
            let target = targets[number as usize % targets.len()].name;
            assert!(!class.starts_with(OURS), "{target}, mutation {number}: {class}");
            outcomes.count(target, class);
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

/// How the outcome of a panic in this crate begins.
const OURS: &str = "panic at ";

/// Where a panic of this mutation was, if it was in this crate: even one that was caught.
static PANICKED_AT: Mutex<Option<String>> = Mutex::new(None);

/// Says the number and the outcome of each, a line each.
fn worker(path: &str, from: u64, to: u64) -> ExitCode {
    let (targets, limits) = (targets(), limits());
    let limit = libc::rlimit { rlim_cur: limits.memory_bytes, rlim_max: limits.memory_bytes };
    // SAFETY: `limit` outlives the call.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
    std::panic::set_hook(Box::new(|panic| {
        let here = panic.location().filter(|place| place.file().starts_with("crates/extract/src"));
        if let Some(place) = here {
            *PANICKED_AT.lock().unwrap() = Some(format!("{OURS}{place}"));
        }
    }));
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
            let (_, name, bytes) = mutation(&targets, number);
            fs::write(path, &bytes).unwrap();
            let class = match detect(&name, &bytes[..bytes.len().min(HEAD_BYTES)]) {
                Err(_) => "unsupported_format",
                Ok(format) => {
                    match catch_unwind(AssertUnwindSafe(|| extract_named(format, path, &name, &limits))) {
                        Ok(Ok(text)) if is_sound(&text) => "text",
                        Ok(Ok(_)) => "a text that is none",
                        Ok(Err(error)) => error.class(),
                        Err(_) => "panic of a library",
                    }
                }
            };
            let ours = PANICKED_AT.lock().unwrap().take();
            println!("{number} {}", ours.as_deref().unwrap_or(class));
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
fn with_children(folder: &Path, mutations: u64, outcomes: &mut Outcomes) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let targets = targets();
    let extractor = children::extractor(limits());
    let mut numbers = (0..mutations).filter(|number| is_for_own_child(*number)).peekable();
    while numbers.peek().is_some() {
        let mut running = tokio::task::JoinSet::new();
        for number in numbers.by_ref().take(4) {
            let (target, name, bytes) = mutation(&targets, number);
            let path = folder.join(format!("document-{number}"));
            fs::write(&path, &bytes).unwrap();
            let extractor = extractor.clone();
            running.spawn_on(
                async move {
                    let outcome = extractor.extract(&path, &name).await;
                    fs::remove_file(&path).unwrap();
                    (target, number, outcome)
                },
                runtime.handle(),
            );
        }
        for (target, number, outcome) in runtime.block_on(running.join_all()) {
            let class = match outcome {
                Ok(text) => {
                    assert!(is_sound(&text), "a text that is none at {number}");
                    "text"
                }
                Err(fault) => {
                    assert_eq!(fault.kind, FaultKind::Invalid, "at {number}: {fault}");
                    fault.class
                }
            };
            outcomes.count(target, class);
        }
    }
    // The folders of the workers.
    assert_eq!(fs::read_dir(folder).unwrap().count(), 2, "files were left behind");
}
