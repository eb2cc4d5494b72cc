//! The child process and its limits, on children that misbehave for real.
//!
//! No test harness: this executable is the child, too.
#![allow(clippy::unwrap_used)]

mod children;
mod made;
mod samples;

use children::{CHILD, Folder, extractor, misbehaving, misbehaviour, run, tell_pid, until};
use ragstream_core::fault::{Fault, FaultKind};
use ragstream_extract::{ChildExtractor, DocumentText, Limits, child_main_after, detect, extract};
use std::{fs, io::Write, path::Path, process::ExitCode, time::Duration};

const PARENT: &str = "parent-of-a-child";
/// A bound on every wait: far above what is needed.
const DEADLINE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(CHILD) {
        return child_main_after(|path| {
            let content = fs::read_to_string(path).unwrap_or_default();
            misbehave(misbehaviour(&content)?, path)
        });
    }
    if std::env::args().nth(1).as_deref() == Some(PARENT) {
        return parent(Path::new(&std::env::args().nth(2).unwrap()));
    }
    let tools = tempfile::tempdir().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    // SAFETY: no other thread is there yet.
    unsafe { std::env::set_var("PATH", format!("{}:{path}", tools.path().join("bin").display())) };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        run("a file is read", DEADLINE, a_file_is_read()).await;
        run("office documents are read", DEADLINE, office_documents_are_read()).await;
        run("failures are told apart", DEADLINE, failures_are_told_apart()).await;
        run("limits hold", DEADLINE, limits_hold()).await;
        run("other ends", DEADLINE, other_ends()).await;
        run("the child is shut in", DEADLINE, the_child_is_shut_in()).await;
        run("every kind of file is read", DEADLINE, every_kind_of_file_is_read()).await;
        run("pictures are read", DEADLINE, pictures_are_read(tools.path())).await;
        run("what a child starts is shut in too", DEADLINE, what_a_child_starts_is_shut_in_too(tools.path()))
            .await;
        run("a picture has its time", DEADLINE, a_picture_has_its_time(tools.path())).await;
        run("hostile files fail alone", DEADLINE, hostile_files_fail_alone()).await;
        run("an abandoned child is killed", DEADLINE, an_abandoned_child_is_killed()).await;
        run("a program that is not there", DEADLINE, a_program_that_is_not_there()).await;
        run("a dead server is replaced", DEADLINE, a_dead_server_is_replaced()).await;
        run("a dead parent leaves nothing", DEADLINE, a_dead_parent_leaves_nothing()).await;
        run("many at once are each their own", DEADLINE, many_at_once_are_each_their_own()).await;
        run("nothing of a document is left", DEADLINE, nothing_of_a_document_is_left()).await;
        run("no descriptor is inherited", DEADLINE, no_descriptor_is_inherited()).await;
    });
    ExitCode::SUCCESS
}

/// The reader's side of the tests; `None` goes on to read.
fn misbehave(how: &str, path: &Path) -> Option<ExitCode> {
    match how {
        "eat" => children::eat(),
        "spin" => children::spin(),
        "sleep" => children::sleep(path),
        "wait" => {
            tell_pid(path);
            while !path.with_extension("go").exists() {
                std::thread::sleep(Duration::from_millis(5));
            }
            None
        }
        "descriptors" => {
            let all = fs::read_dir("/proc/self/fd").unwrap();
            let mut all: Vec<_> = all.map(|entry| entry.unwrap().file_name()).collect();
            all.sort();
            fs::write(path, format!("{all:?}")).unwrap();
            None
        }
        seek if seek.starts_with("seek ") => {
            fs::write(path, if is_in_memory(&seek.as_bytes()[5..]) { "found" } else { "clean" }).unwrap();
            None
        }
        "print" => loop {
            let _ = std::io::stdout().write_all(&[b'x'; 1 << 16]);
        },
        "chatter" => {
            for _ in 0..64 {
                let _ = std::io::stderr().write_all(&[b'x'; 1 << 16]);
            }
            fs::write(path, "said enough").unwrap();
            None
        }
        "panic" => panic!("a secret of the document"),
        "overflow" => {
            fn deeper(depth: u64) -> u64 {
                if depth == std::hint::black_box(u64::MAX) { 0 } else { deeper(depth + 1) + 1 }
            }
            deeper(0);
            Some(ExitCode::SUCCESS)
        }
        "silent" => Some(ExitCode::SUCCESS),
        "killed" => {
            children::be_killed();
            Some(ExitCode::FAILURE)
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
            None
        }
        "describe" => {
            let stdin = std::io::read_to_string(std::io::stdin()).unwrap();
            let mut names: Vec<String> = std::env::vars().map(|(name, _)| name).collect();
            names.sort();
            // SAFETY: plain system calls.
            let own_group = unsafe { libc::getpgrp() == libc::getpid() };
            fs::write(path, format!("{names:?} {} {own_group}", stdin.len())).unwrap();
            None
        }
        other => panic!("unknown: {other}"),
    }
}

/// Whether these bytes are somewhere in what this process may write, in the other direction: so that it does
/// not find what it is told to look for.
fn is_in_memory(reversed: &[u8]) -> bool {
    use std::os::unix::fs::FileExt;
    let (last, memory) = (reversed[reversed.len() - 1], fs::File::open("/proc/self/mem").unwrap());
    // Large, and so in places of their own: on the heap they would overwrite what was freed there.
    let (mut maps, mut bytes) = (vec![0; 4 << 20], vec![0; 16 << 20]);
    let mut file = fs::File::open("/proc/self/maps").unwrap();
    let mut length = 0;
    while let read @ 1.. = std::io::Read::read(&mut file, &mut maps[length..]).unwrap() {
        length += read;
    }
    let maps = std::str::from_utf8(&maps[..length]).unwrap();
    let writable = maps.lines().filter(|line| line.split(' ').nth(1).unwrap().starts_with("rw"));
    writable.into_iter().any(|line| {
        let (begin, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let address = |hex: &str| u64::from_str_radix(hex, 16).unwrap();
        let size = bytes.len().min((address(end) - address(begin)) as usize);
        let read = memory.read_at(&mut bytes[..size], address(begin)).unwrap_or(0);
        let mut windows = bytes[..read].windows(reversed.len());
        windows.any(|window| window[0] == last && window.iter().rev().eq(reversed))
    })
}

/// A process that reads a file, for a test that kills it.
fn parent(path: &Path) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let _ = runtime.block_on(extractor(Limits::default()).extract(path, "document.txt"));
    ExitCode::FAILURE
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
    let small = Limits { text_bytes: 100_000, flowing_bytes: 1_000_000, written_bytes: 1 << 20, ..limits };
    for (limits, how, class) in [
        (limits, "eat", "extraction_out_of_memory"),
        (Limits { cpu: Duration::from_secs(1), ..limits }, "spin", "extraction_timeout"),
        (Limits { wall: Duration::from_millis(300), ..limits }, "sleep", "extraction_timeout"),
        (small, "print", "extraction_crashed"),
        (small, "write", "document_too_large"),
    ] {
        let fault = folder.extract(limits, misbehaving(how)).await.unwrap_err();
        assert_eq!((fault.kind, fault.class), (FaultKind::Invalid, class), "{how}: {fault}");
    }
    let long = folder.extract(small, "x".repeat(100_001)).await.unwrap_err();
    assert_eq!(long.class, "document_too_large");
    assert!(folder.extract(small, "x".repeat(100_000)).await.is_ok());
    let large = folder.extract(small, "x".repeat(1_000_001)).await.unwrap_err();
    assert_eq!(large.class, "document_too_large");
    let held = folder.file("large.json", format!("[\"{}\"]", "x".repeat(1_000_000)));
    for tight in [Limits { input_bytes: 1_000_000, ..limits }, Limits { held_text_bytes: 100_000, ..limits }]
    {
        let fault = extractor(tight).extract(&held, "large.json").await.unwrap_err();
        assert_eq!(fault.class, "document_too_large");
    }
    let opened = folder.extract(Limits { open_files: 20, ..limits }, misbehaving("open")).await.unwrap();
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
        let fault = folder.extract(Limits::default(), misbehaving(how)).await.unwrap_err();
        assert_eq!((fault.kind, fault.class), (kind, class), "{how}: {fault}");
        assert!(!fault.to_string().contains("secret"), "{fault}");
    }
    // Four megabytes on standard error fill no pipe.
    assert_eq!(folder.extract(Limits::default(), misbehaving("chatter")).await.unwrap().text, "said enough");
}

async fn the_child_is_shut_in() {
    let text = Folder::new().extract(Limits::default(), misbehaving("describe")).await.unwrap().text;
    assert_eq!(text, "[\"MALLOC_ARENA_MAX\", \"PATH\", \"RAGSTREAM_PARENT\", \"RAYON_NUM_THREADS\"] 0 true");
}

async fn every_kind_of_file_is_read() {
    let folder = Folder::new();
    for (name, bytes) in made::all() {
        let path = folder.file("document", &bytes);
        let outcome = extractor(Limits::default()).extract(&path, name).await;
        assert!(outcome.is_ok() || name.starts_with("scan"), "{name}: {outcome:?}");
    }
    // The child knows the file by the name of the upload.
    let path = folder.file("document", "fn main() {}\n");
    let text = extractor(Limits::default()).extract(&path, "a \"name\"\n.rs").await.unwrap();
    assert_eq!(text.metadata["language"], "Rust");
}

/// Puts a program in the place of Tesseract, which says what `script` prints.
fn tesseract(tools: &Path, script: &str) {
    use std::os::unix::fs::PermissionsExt;
    let program = tools.join("bin/tesseract");
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    let script = format!(
        "#!/bin/bash\nif [ \"$1\" = --list-langs ]; then echo List; echo osd; echo eng; exit; fi\n\
         say() {{ printf '5\\t1\\t1\\t1\\t1\\t1\\t0\\t0\\t1\\t1\\t95\\t%s\\n' \"$1\"; }}\n{script}\n"
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
}

async fn picture() -> Result<DocumentText, Fault> {
    let folder = Folder::new();
    let path = folder.file("document", made::drawing(&[]));
    extractor(Limits::default()).extract(&path, "a.png").await
}

async fn pictures_are_read(tools: &Path) {
    tesseract(tools, "bytes=$(wc -c); say \"$* $bytes\"");
    let size = made::drawing(&[]).len();
    let text = picture().await.unwrap();
    assert!(text.text.ends_with(&format!("\n\nstdin stdout -l eng tsv {size}\n")), "{}", text.text);
    assert_eq!(
        (text.extractor.as_str(), &text.metadata["ocr_confidence"]),
        ("image-exif-0.6-tesseract/1", &95.into())
    );
    // Pages of a scan, upright and in grey.
    tesseract(tools, "read -r header; say \"$header $(head -c 24) $6\"");
    let folder = Folder::new();
    let pdf = |bytes: Vec<u8>| {
        let path = folder.file("document", bytes);
        async move { extractor(Limits::default()).extract(&path, "a.pdf").await }
    };
    let text = pdf(made::scan()).await.unwrap();
    assert_eq!(text.text, "P5 4 6 255 smgatnhbuoicvpjdwqkexrlf 70");
    assert_eq!((text.extractor.as_str(), &text.metadata["ocr_pages"]), ("pdf-tesseract/2", &1.into()));
    // What is drawn without pictures can't be read.
    assert_eq!(pdf(made::data("scanned.pdf")).await.unwrap_err().class, "needs_ocr");
    tesseract(tools, "exit 1");
    assert_eq!(picture().await.unwrap_err().class, "needs_ocr");
    tesseract(tools, "echo no table");
    assert_eq!(picture().await.unwrap_err().class, "empty_document");
}

/// Whether this kernel can lock files away from a process.
fn has_landlock() -> bool {
    const ASK_FOR_VERSION: u32 = 1;
    // SAFETY: with this flag the call takes no attributes, and gives the version.
    unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0usize, ASK_FOR_VERSION) > 0
    }
}

async fn what_a_child_starts_is_shut_in_too(tools: &Path) {
    let folder = Folder::new();
    let secret = folder.file("secret", "word");
    let new = folder.0.path().join("new");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let parent = std::process::id();
    tesseract(
        tools,
        &format!(
            "exec 2>/dev/null\n(exec 3<>/dev/tcp/127.0.0.1/{port}) && say connected\n\
             grep -q 'NoNewPrivs:.1' /proc/self/status || read -r x </proc/self/status && say proc\n\
             (read -r x <{secret}) && say read\n(echo x >{new}) && say wrote\n\
             kill -0 {parent} && say signalled\nulimit -Hn | grep -q '^64$' && say limited\nsay done",
            secret = secret.display(),
            new = new.display(),
        ),
    );
    let text = picture().await.unwrap().text;
    let said: Vec<&str> = text.lines().last().unwrap().split(' ').collect();
    assert!(said.contains(&"done") && said.contains(&"limited"), "{said:?}");
    assert!(!said.contains(&"connected"), "{said:?}");
    if has_landlock() {
        assert_eq!(said, ["limited", "done"]);
        assert!(!new.exists());
    } else {
        println!("this kernel has no Landlock: files are not locked away");
    }
}

async fn a_picture_has_its_time(tools: &Path) {
    tesseract(tools, "exec sleep 1000");
    let folder = Folder::new();
    let path = folder.file("document", made::drawing(&[]));
    let limits = Limits { ocr: Duration::from_millis(200), ..Limits::default() };
    assert_eq!(extractor(limits).extract(&path, "a.png").await.unwrap_err().class, "needs_ocr");
    // One that has no time left says the same, and begins nothing.
    let limits = Limits { ocr: Duration::ZERO, ..Limits::default() };
    assert_eq!(extractor(limits).extract(&path, "a.png").await.unwrap_err().class, "needs_ocr");
    fs::remove_file(tools.join("bin/tesseract")).unwrap();
}

/// Each fails with a reason that names what is wrong; none is an empty success.
async fn hostile_files_fail_alone() {
    let limits = Limits {
        memory_bytes: 1 << 30,
        cpu: Duration::from_secs(20),
        wall: Duration::from_secs(40),
        ..Limits::default()
    };
    let pdf = |body: &str| {
        format!("%PDF-1.7\n{body}\ntrailer << /Root 1 0 R /Size 9 >>\nstartxref\n0\n%%EOF\n").into_bytes()
    };
    let pages = |kids: &str| {
        pdf(&format!(
            "1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj\n2 0 obj << /Type /Pages {kids} >> endobj"
        ))
    };
    let mut looped = made::outlook();
    // The table of sectors says that each is followed by itself.
    let table = 512 + u32::from_le_bytes(looped[76..80].try_into().unwrap()) as usize * 512;
    for sector in 0..16u32 {
        let at = table + sector as usize * 4;
        looped[at..at + 4].copy_from_slice(&sector.to_le_bytes());
    }
    const NOTHING: &str = "nothing at all";
    let cases: Vec<(&str, Vec<u8>, &[&str])> = vec![
        ("xref.pdf", pdf("xref\n0 99999999\n"), &["corrupt_document"]),
        ("self.pdf", pages("/Kids [2 0 R] /Count 1"), &["corrupt_document", "needs_ocr"]),
        ("count.pdf", pages("/Kids [] /Count 2000000000"), &["corrupt_document"]),
        ("deep.pdf", pages(&format!("/Kids {}", "[".repeat(200_000))), &["corrupt_document", "extraction_crashed"]),
        ("prev.pdf", b"%PDF-1.7\nxref\n0 1\n0000000000 65535 f \ntrailer << /Prev 9 /Root 1 0 R >>\nstartxref\n9\n%%EOF".to_vec(), &["corrupt_document"]),
        ("loop.msg", looped, &["corrupt_document", NOTHING]),
        ("huge.png", [&made::drawing(&[])[..16], &[0x7f; 8], &[0; 5000]].concat(), &["needs_ocr"]),
        ("huge.7z", [&b"7z\xbc\xaf\x27\x1c\0\x04"[..], &[0xff; 24]].concat(), &["corrupt_document"]),
        ("bomb.7z", made::data("bomb.7z"), &["document_too_large"]),
        ("bomb.gz", made::gzip(&vec![0; 300 << 20]), &["document_too_large"]),
        ("deep.html", "<div>".repeat(2_000_000).into_bytes(), &["extraction_crashed", "empty_document", "extraction_timeout", "extraction_out_of_memory"]),
        ("many.mbox", "From a\na: b\n\n".repeat(1000).into_bytes(), &[NOTHING]),
    ];
    let folder = Folder::new();
    for (name, bytes, classes) in cases {
        let path = folder.file("document", &bytes);
        match extractor(limits).extract(&path, name).await {
            Ok(text) => {
                assert!(classes.contains(&NOTHING) && !text.text.trim().is_empty(), "{name}: {text:?}")
            }
            Err(fault) => {
                assert!(classes.contains(&fault.class), "{name}: {} {fault}", fault.class);
                assert_eq!(fault.kind, FaultKind::Invalid, "{name}: {fault}");
            }
        }
    }
    assert_eq!(fs::read_dir(folder.0.path()).unwrap().count(), 1, "files were left behind");
    assert_eq!(folder.extract(limits, "all is well").await.unwrap().text, "all is well");
}

async fn an_abandoned_child_is_killed() {
    let folder = Folder::new();
    let path = folder.file("document.txt", misbehaving("sleep"));
    let pid_file = path.with_extension("pid");
    let extractor = extractor(Limits::default());
    let task = tokio::spawn(async move { extractor.extract(&path, "document.txt").await });
    let pid: i32 = until(|| fs::read_to_string(&pid_file).ok()?.parse().ok()).await;
    task.abort();
    // Gone, and reaped: no process has the id.
    // SAFETY: signal 0 asks only.
    until(|| (unsafe { libc::kill(pid, 0) } != 0).then_some(())).await;
}

async fn a_program_that_is_not_there() {
    let folder = Folder::new();
    let path = folder.file("a.txt", "text");
    let extractor = ChildExtractor::new("/nonexistent/program".into(), Vec::new(), Limits::default());
    let fault = extractor.extract(&path, "a.txt").await.unwrap_err();
    assert_eq!((fault.kind, fault.class), (FaultKind::Failed, "extractor_spawn"));
}

/// Processes that have this parent and have not ended.
fn children(parent: u32) -> Vec<i32> {
    let all =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    all.filter(|id: &i32| stat(*id).is_some_and(|(state, of)| state != "Z" && of == parent)).collect()
}

/// State and parent of a process.
fn stat(id: i32) -> Option<(String, u32)> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

fn is_there(id: i32) -> bool {
    stat(id).is_some_and(|(state, _)| state != "Z")
}

fn signal(id: i32, signal: i32) {
    // SAFETY: a plain system call; the process is a child of this one.
    assert_eq!(unsafe { libc::kill(id, signal) }, 0);
}

/// The only child of this process.
async fn server() -> i32 {
    until(|| match *children(std::process::id()) {
        [server] => Some(server),
        _ => None,
    })
    .await
}

async fn a_dead_server_is_replaced() {
    let folder = Folder::new();
    let path = folder.file("a.txt", "a text");
    let extractor = extractor(Limits::default());
    let read = async || extractor.extract(&path, "a.txt").await.unwrap().text;
    assert_eq!(read().await, "a text");
    let first = server().await;
    assert_eq!(read().await, "a text");
    assert_eq!(server().await, first, "it is started once");
    // A file that is being read is read to its end.
    let waiting = folder.file("waiting.txt", misbehaving("wait"));
    let task = tokio::spawn({
        let (extractor, waiting) = (extractor.clone(), waiting.clone());
        async move { extractor.extract(&waiting, "waiting.txt").await }
    });
    until(|| waiting.with_extension("pid").exists().then_some(())).await;
    signal(first, libc::SIGKILL);
    assert_eq!(read().await, "a text");
    assert!(!is_there(first));
    fs::write(waiting.with_extension("go"), "").unwrap();
    assert_eq!(task.await.unwrap().unwrap().text, misbehaving("wait"));
    // One that dies while it is asked.
    let second = server().await;
    assert_ne!(second, first);
    signal(second, libc::SIGSTOP);
    until(|| stat(second).is_some_and(|(state, _)| state == "T").then_some(())).await;
    let (text, ()) = tokio::join!(read(), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        signal(second, libc::SIGKILL);
    });
    assert_eq!(text, "a text");
    // One that always dies.
    let broken = ChildExtractor::new("/bin/false".into(), Vec::new(), Limits::default());
    let fault = broken.extract(&path, "a.txt").await.unwrap_err();
    assert_eq!((fault.kind, fault.class), (FaultKind::Failed, "extractor_spawn"));
    // The last one is gone with its extractors.
    let last = until(|| children(std::process::id()).first().copied()).await;
    drop(extractor);
    until(|| stat(last).is_none().then_some(())).await;
}

async fn a_dead_parent_leaves_nothing() {
    let folder = Folder::new();
    let path = folder.file("document.txt", misbehaving("sleep"));
    let program = std::env::current_exe().unwrap();
    let mut parent = std::process::Command::new(program).arg(PARENT).arg(&path).spawn().unwrap();
    let reader: i32 = until(|| fs::read_to_string(path.with_extension("pid")).ok()?.parse().ok()).await;
    let all = children(parent.id());
    assert!(all.len() == 2 && all.contains(&reader), "a server and a reader: {all:?}");
    parent.kill().unwrap();
    parent.wait().unwrap();
    until(|| (!all.iter().any(|id| is_there(*id))).then_some(())).await;
}

async fn many_at_once_are_each_their_own() {
    let folder = Folder::new();
    let extractor = extractor(Limits::default());
    let mut all = tokio::task::JoinSet::new();
    for number in 0..100 {
        let content = match number % 5 {
            0 => misbehaving("panic"),
            1 => misbehaving("killed"),
            _ => format!("text {number}\n").repeat(number * 500),
        };
        let path = folder.file(&format!("{number}.txt"), &content);
        let extractor = extractor.clone();
        all.spawn(async move { (number, content, extractor.extract(&path, "a.txt").await) });
    }
    for (number, content, outcome) in all.join_all().await {
        match (number % 5, outcome) {
            (0, Err(fault)) => assert_eq!(fault.class, "extraction_crashed"),
            (1, Err(fault)) => assert_eq!(fault.class, "extractor_killed"),
            (0 | 1, Ok(text)) => panic!("{number}: {} bytes", text.text.len()),
            (_, outcome) => assert!(outcome.unwrap().text == content, "{number}"),
        }
    }
    server().await;
}

async fn nothing_of_a_document_is_left() {
    let folder = Folder::new();
    let extractor = extractor(Limits::default());
    // Behind so much that the next request is too short to overwrite it.
    let upload = format!("{}a-word-of-its-own.txt", "a".repeat(500));
    for (name, upload) in [("a-word-of-its-own", "a.txt"), ("a", upload.as_str())] {
        let path = folder.file(name, "a-word-of-its-own in a text");
        extractor.extract(&path, upload).await.unwrap();
    }
    let seek = |word: &str| {
        let reversed: String = word.chars().rev().collect();
        let path = folder.file("b.txt", misbehaving(&format!("seek {reversed}")));
        let extractor = extractor.clone();
        async move { extractor.extract(&path, "b.txt").await.unwrap().text }
    };
    assert_eq!(seek("a-word-of-its-own").await, "clean");
    // It finds what is there: the path of its own document.
    let own = format!("{}/b", folder.0.path().display());
    assert_eq!(seek(&own).await, "found");
}

async fn no_descriptor_is_inherited() {
    // SAFETY: a plain system call; the new descriptor is one that programs inherit.
    let open = unsafe { libc::dup(2) };
    assert!(open > 2);
    let said = Folder::new().extract(Limits::default(), misbehaving("descriptors")).await.unwrap().text;
    // The last is that of the folder that was looked at.
    assert_eq!(said, r#"["0", "1", "2", "3"]"#);
    // SAFETY: it is this test's own.
    unsafe { libc::close(open) };
}
