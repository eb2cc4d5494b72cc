//! The child process and its limits, on children that misbehave for real.
//!
//! No test harness: this executable is the child, too.
#![allow(clippy::unwrap_used)]

mod samples;

use ragstream_core::fault::{Fault, FaultKind};
use ragstream_extract::{ChildExtractor, DocumentText, Limits, child_main, detect, extract};
use std::{
    fs,
    future::Future,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

const CHILD: &str = "extract-child";
const MISBEHAVING: &str = "misbehave:";
/// A bound on every wait: far above what is needed.
const DEADLINE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(CHILD) {
        let path = PathBuf::from(std::env::args_os().next_back().unwrap());
        let content = fs::read_to_string(&path).unwrap_or_default();
        if let Some(how) = content.strip_prefix(MISBEHAVING) {
            return misbehave(how.trim(), &path);
        }
        return child_main();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        run("a file is read", a_file_is_read()).await;
        run("office documents are read", office_documents_are_read()).await;
        run("failures are told apart", failures_are_told_apart()).await;
        run("limits hold", limits_hold()).await;
        run("other ends", other_ends()).await;
        run("the child is shut in", the_child_is_shut_in()).await;
        run("an abandoned child is killed", an_abandoned_child_is_killed()).await;
        run("a program that is not there", a_program_that_is_not_there()).await;
    });
    ExitCode::SUCCESS
}

async fn run(name: &str, test: impl Future<Output = ()>) {
    tokio::time::timeout(DEADLINE, test).await.unwrap_or_else(|_| panic!("{name}: no end"));
    println!("test {name} ... ok");
}

/// The child's side of the tests.
fn misbehave(how: &str, path: &Path) -> ExitCode {
    match how {
        "eat" => {
            let mut eaten = Vec::new();
            loop {
                eaten.push(vec![1u8; 1 << 24]);
            }
        }
        "spin" => loop {
            std::hint::spin_loop();
        },
        "sleep" => loop {
            fs::write(path.with_extension("pid"), std::process::id().to_string()).unwrap();
            std::thread::sleep(Duration::from_secs(1));
        },
        "print" => loop {
            let _ = std::io::stdout().write_all(&[b'x'; 1 << 16]);
        },
        "chatter" => {
            for _ in 0..64 {
                let _ = std::io::stderr().write_all(&[b'x'; 1 << 16]);
            }
            fs::write(path, "said enough").unwrap();
            child_main()
        }
        "panic" => panic!("a secret of the document"),
        "overflow" => {
            fn deeper(depth: u64) -> u64 {
                if depth == std::hint::black_box(u64::MAX) { 0 } else { deeper(depth + 1) + 1 }
            }
            deeper(0);
            ExitCode::SUCCESS
        }
        "silent" => ExitCode::SUCCESS,
        "killed" => {
            // SAFETY: a plain system call on this very process.
            unsafe { libc::raise(libc::SIGKILL) };
            ExitCode::FAILURE
        }
        "write" => {
            let mut file = fs::File::create(path.with_extension("big")).unwrap();
            loop {
                file.write_all(&[0; 1 << 16]).unwrap();
            }
        }
        "open" => {
            let files: Vec<_> = (0..1000).map_while(|_| fs::File::open(path).ok()).collect();
            let opened = files.len();
            drop(files);
            fs::write(path, format!("opened {opened}")).unwrap();
            child_main()
        }
        "describe" => {
            let stdin = std::io::read_to_string(std::io::stdin()).unwrap();
            let mut names: Vec<String> = std::env::vars().map(|(name, _)| name).collect();
            names.sort();
            // SAFETY: plain system calls.
            let own_group = unsafe { libc::getpgrp() == libc::getpid() };
            fs::write(path, format!("{names:?} {} {own_group}", stdin.len())).unwrap();
            child_main()
        }
        other => panic!("unknown: {other}"),
    }
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    async fn extract(&self, limits: Limits, content: impl AsRef<[u8]>) -> Result<DocumentText, Fault> {
        extractor(limits).extract(&self.file("document.txt", content), "document.txt").await
    }

    async fn misbehave(&self, limits: Limits, how: &str) -> Result<DocumentText, Fault> {
        self.extract(limits, format!("{MISBEHAVING}{how}")).await
    }
}

fn extractor(limits: Limits) -> ChildExtractor {
    ChildExtractor { program: std::env::current_exe().unwrap(), args: vec![CHILD.to_owned()], limits }
}

async fn a_file_is_read() {
    let folder = Folder::new();
    let text = folder.extract(Limits::default(), "Grüße\r\n\"quoted\" \u{1F600}\n").await.unwrap();
    assert_eq!(text.text, "Grüße\n\"quoted\" \u{1F600}\n");
    assert_eq!(text.extractor, "text/1");
    // Many at once.
    let extractor = extractor(Limits::default());
    let path = folder.file("page.html", "<html><title>t</title><p>x");
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (extractor, path) = (extractor.clone(), path.clone());
        all.spawn(async move { extractor.extract(&path, "page.html").await });
    }
    for text in all.join_all().await {
        assert_eq!(text.unwrap().title.as_deref(), Some("t"));
    }
}

/// Within the limits of the child each format is read as it is without.
async fn office_documents_are_read() {
    use samples::{legacy, zip};
    let folder = Folder::new();
    let documents = [
        ("a.docx", zip(&samples::docx())),
        ("a.pptx", zip(&samples::pptx())),
        ("a.xlsx", zip(&samples::xlsx())),
        ("a.odt", zip(&samples::odt())),
        ("a.epub", zip(&samples::epub())),
        ("a.doc", legacy::doc(false)),
        ("a.ppt", legacy::ppt()),
        ("a.xls", legacy::xls(false)),
        ("a.rtf", samples::RTF.as_bytes().to_vec()),
        ("a.csv", samples::TEXTS[0].1.as_bytes().to_vec()),
    ];
    for (name, bytes) in documents {
        let path = folder.file(name, &bytes);
        let text = extractor(Limits::default()).extract(&path, name).await.unwrap();
        let format = detect(name, &bytes).unwrap();
        assert_eq!(text, extract(format, &path, &Limits::default()).unwrap(), "{name}");
    }
}

async fn failures_are_told_apart() {
    let folder = Folder::new();
    for (name, content, class) in [
        ("a.txt", &b" \n\t\n"[..], "empty_document"),
        ("a.txt", b"", "empty_document"),
        ("a.pdf", b"%PDF-1.7\nand nothing more", "corrupt_document"),
        ("a.bin", b"\x01\x02\x03\x04\x05\x90\x91", "unsupported_format"),
    ] {
        let fault =
            extractor(Limits::default()).extract(&folder.file(name, content), name).await.unwrap_err();
        assert_eq!((fault.kind, fault.class), (FaultKind::Invalid, class), "{fault}");
    }
    let missing = extractor(Limits::default()).extract(Path::new("/nonexistent"), "a.txt").await.unwrap_err();
    assert_eq!((missing.kind, missing.class), (FaultKind::Failed, "extraction_io"));
}

async fn limits_hold() {
    let folder = Folder::new();
    let limits = Limits {
        memory_bytes: 512 << 20,
        cpu: Duration::from_secs(30),
        wall: Duration::from_secs(30),
        ..Limits::default()
    };
    let small = Limits { text_bytes: 100_000, input_bytes: 1_000_000, written_bytes: 1 << 20, ..limits };
    for (limits, how, class) in [
        (limits, "eat", "extraction_out_of_memory"),
        (Limits { cpu: Duration::from_secs(1), ..limits }, "spin", "extraction_timeout"),
        (Limits { wall: Duration::from_millis(300), ..limits }, "sleep", "extraction_timeout"),
        (small, "print", "document_too_large"),
        (small, "write", "document_too_large"),
    ] {
        let fault = folder.misbehave(limits, how).await.unwrap_err();
        assert_eq!((fault.kind, fault.class), (FaultKind::Invalid, class), "{how}: {fault}");
    }
    let long = folder.extract(small, "x".repeat(100_001)).await.unwrap_err();
    assert_eq!(long.class, "document_too_large");
    assert!(folder.extract(small, "x".repeat(100_000)).await.is_ok());
    let large = folder.extract(small, "x".repeat(1_000_001)).await.unwrap_err();
    assert_eq!(large.class, "document_too_large");
    // Every character becomes six in the answer.
    let swollen = folder.extract(Limits { text_bytes: 1 << 20, ..limits }, "\u{1b}".repeat(1 << 20)).await;
    assert_eq!(swollen.unwrap_err().class, "document_too_large");
    let opened = folder.misbehave(Limits { open_files: 20, ..limits }, "open").await.unwrap();
    let opened: u32 = opened.text.strip_prefix("opened ").unwrap().parse().unwrap();
    assert!(opened < 20, "{opened}");
}

async fn other_ends() {
    let folder = Folder::new();
    for (how, kind, class) in [
        ("panic", FaultKind::Invalid, "extraction_crashed"),
        ("overflow", FaultKind::Invalid, "extraction_crashed"),
        ("silent", FaultKind::Invalid, "extraction_crashed"),
        ("killed", FaultKind::Failed, "extractor_killed"),
    ] {
        let fault = folder.misbehave(Limits::default(), how).await.unwrap_err();
        assert_eq!((fault.kind, fault.class), (kind, class), "{how}: {fault}");
        assert!(!fault.to_string().contains("secret"), "{fault}");
    }
    // Four megabytes on standard error fill no pipe.
    assert_eq!(folder.misbehave(Limits::default(), "chatter").await.unwrap().text, "said enough");
}

async fn the_child_is_shut_in() {
    let text = Folder::new().misbehave(Limits::default(), "describe").await.unwrap().text;
    assert_eq!(text, "[\"MALLOC_ARENA_MAX\", \"RAGSTREAM_PARENT\", \"RAYON_NUM_THREADS\"] 0 true");
}

async fn an_abandoned_child_is_killed() {
    let folder = Folder::new();
    let path = folder.file("document.txt", format!("{MISBEHAVING}sleep"));
    let pid_file = path.with_extension("pid");
    let extractor = extractor(Limits::default());
    let task = tokio::spawn(async move { extractor.extract(&path, "document.txt").await });
    let pid: i32 = until(|| fs::read_to_string(&pid_file).ok()?.parse().ok()).await;
    task.abort();
    // Gone, and reaped: no process has the id.
    // SAFETY: signal 0 asks only.
    until(|| (unsafe { libc::kill(pid, 0) } != 0).then_some(())).await;
}

async fn until<T>(mut ready: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(begin.elapsed() < DEADLINE, "never");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn a_program_that_is_not_there() {
    let folder = Folder::new();
    let path = folder.file("a.txt", "text");
    let extractor = ChildExtractor { program: "/nonexistent/program".into(), ..extractor(Limits::default()) };
    let fault = extractor.extract(&path, "a.txt").await.unwrap_err();
    assert_eq!((fault.kind, fault.class), (FaultKind::Failed, "extractor_spawn"));
}
