//! Text that flows out of a child: pieces that are the whole, flat memory,
//! patience with slow consumers, and every end that may come midway.
//!
//! No test harness: this executable is the child, too.
#![allow(clippy::unwrap_used)]

mod children;
mod made;
mod samples;

use children::{CHILD, Folder, extractor, misbehaving, misbehaviour, run, tell_pid, until};
use ragstream_core::fault::{Fault, FaultKind};
use ragstream_extract::{
    DocumentText, Extraction, HEAD_BYTES, Limits, Markup, TextFacts, child_main_after, detect, extract_named,
};
use std::{
    fs,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

/// A bound on every wait: far above what is needed.
const DEADLINE: Duration = Duration::from_secs(400);
/// Of the files that must not be held.
const LARGE_BYTES: u64 = 100 << 20;
/// Most memory of this process, and of each child, until those were read.
const MEMORY_BYTES: u64 = 80 << 20;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(CHILD) {
        return child_main_after(|path| {
            let mut head = [0; 64];
            let read = fs::File::open(path).and_then(|mut file| std::io::Read::read(&mut file, &mut head));
            let head = String::from_utf8_lossy(&head[..read.unwrap_or(0)]).into_owned();
            Some(misbehave(misbehaviour(&head)?, path))
        });
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        // First: what memory was used is a maximum since the start.
        run("large files take little memory", DEADLINE, large_files_take_little_memory()).await;
        run("pieces are the whole", DEADLINE, pieces_are_the_whole()).await;
        run("a book flows page by page", DEADLINE, a_book_flows_page_by_page()).await;
        run("a slow consumer is waited for", DEADLINE, a_slow_consumer_is_waited_for()).await;
        run("an end midway has its class", DEADLINE, an_end_midway_has_its_class()).await;
        run("a dropped extraction leaves no child", DEADLINE, a_dropped_extraction_leaves_no_child()).await;
        run("public documents give what they hold", DEADLINE, public_documents_give_what_they_hold()).await;
    });
    ExitCode::SUCCESS
}

/// A frame as a child says it.
fn say(kind: u8, bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    let frame = [&[kind][..], &(bytes.len() as u32).to_be_bytes(), bytes].concat();
    stdout.write_all(&frame).and_then(|()| stdout.flush()).unwrap();
}

fn say_head() {
    say(b'h', br#"{"markup":"plain","extractor":"x/1","language":null}"#);
}

fn say_part(text: &str) {
    say(b'p', &[&[0; 4][..], text.as_bytes()].concat());
}

/// The child's side of the tests: begins well.
fn misbehave(how: &str, path: &Path) -> ExitCode {
    if how != "garbage" && how != "no head" {
        say_head();
    }
    say_part("well begun");
    match how {
        "sleep" => children::sleep(path),
        "flood" => loop {
            tell_pid(path);
            say_part(&"x".repeat(1 << 16));
        },
        "garbage" => print!("what a library prints"),
        "panic" => panic!("a secret of the document"),
        "abort" => std::process::abort(),
        "eat" => children::eat(),
        "spin" => children::spin(),
        "killed" => children::be_killed(),
        "two heads" => say_head(),
        "failure" => say(b'f', br#"{"kind":"corrupt","format":"text","reason":"the end is missing"}"#),
        "cut off" => std::io::stdout().write_all(b"p\0\0\0\x09\0\0\0\0abc").unwrap(),
        "no head" => say(b'e', br#"{"title":null,"metadata":{},"extractor":"x/1","pages":null}"#),
        "nothing" => {}
        other => panic!("unknown: {other}"),
    }
    ExitCode::SUCCESS
}

/// Most memory that this process has used, and the largest of its children that ended.
fn memory() -> (u64, u64) {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let own: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    // SAFETY: all zeros are a value, and it outlives the call.
    let children = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage), 0);
        usage.ru_maxrss as u64
    };
    (own << 10, children << 10)
}

/// Checks a text line by line, keeping none of it.
struct Lines<F> {
    rest: String,
    check: F,
}

impl<F: FnMut(&str)> Lines<F> {
    fn push(&mut self, text: &str) {
        self.rest.push_str(text);
        let end = self.rest.rfind('\n').map_or(0, |at| at + 1);
        self.rest[..end].lines().for_each(&mut self.check);
        self.rest.drain(..end);
    }
}

fn written(path: &Path, mut line: impl FnMut(u64) -> String) -> u64 {
    let mut file = BufWriter::new(fs::File::create(path).unwrap());
    let (mut size, mut number) = (0, 0);
    while size < LARGE_BYTES {
        let line = line(number);
        file.write_all(line.as_bytes()).unwrap();
        (size, number) = (size + line.len() as u64, number + 1);
    }
    number
}

async fn flown(path: &Path, name: &str, mut check: impl FnMut(&str)) -> (Markup, TextFacts, u64) {
    let mut extraction = extractor(Limits::default()).start(path, name).await.unwrap();
    let (markup, mut length) = (extraction.head().markup, 0);
    let mut lines = Lines { rest: String::new(), check: &mut check };
    while let Some(part) = extraction.next().await.unwrap() {
        assert!(part.text.len() <= 1 << 20, "a piece of {}", part.text.len());
        length += part.text.len() as u64;
        lines.push(&part.text);
    }
    lines.push("\n");
    (markup, extraction.facts().unwrap(), length)
}

async fn large_files_take_little_memory() {
    let folder = Folder::new();
    let log = folder.0.path().join("log");
    let line = |number: u64| format!("line {number}: the größte Tide of the year came in at noon\r\n");
    let lines = written(&log, line);
    let mut seen = 0;
    let (markup, facts, length) = flown(&log, "a.log", |found| {
        if seen < lines {
            assert_eq!(found, line(seen).trim_end());
        }
        seen += 1;
    })
    .await;
    // One more is the check's own end.
    assert_eq!((markup, seen - 1, &facts.metadata["encoding"]), (Markup::Plain, lines, &"utf-8".into()));
    assert!(length > LARGE_BYTES - 2 * lines - 100);
    fs::remove_file(&log).unwrap();

    let csv = folder.0.path().join("csv");
    let row = |number: u64| match number {
        0 => "Berth,Pilot,Depth\n".to_owned(),
        _ => format!("berth {number},\"Lovelace, Ada\",{} fathoms\n", number % 100),
    };
    let rows = written(&csv, row);
    let (mut found, mut header_before) = (0, 0);
    let (markup, facts, _) = flown(&csv, "a.csv", |line| match line {
        "| Berth | Pilot | Depth |" => header_before = 0,
        "" | "| - | - | - |" => {}
        line => {
            (found, header_before) = (found + 1, header_before + 1);
            assert_eq!(line, format!("| berth {found} | Lovelace, Ada | {} fathoms |", found % 100));
            // Each of them says its header within a chunk's length.
            assert!(header_before < 30, "{line}");
        }
    })
    .await;
    assert_eq!((markup, found + 1, &facts.metadata["rows"]), (Markup::Markdown, rows, &rows.into()));
    let (own, child) = memory();
    println!("{} MiB here and {} MiB in a child", own >> 20, child >> 20);
    assert!(own < MEMORY_BYTES, "{own} bytes here");
    assert!(child < MEMORY_BYTES, "{child} bytes in a child");
}

fn samples() -> Vec<(String, Vec<u8>)> {
    use samples::{legacy, zip};
    let owned = |(name, bytes): (&str, Vec<u8>)| (name.to_owned(), bytes);
    let mut all: Vec<(String, Vec<u8>)> = made::all().into_iter().map(owned).collect();
    all.extend(samples::TEXTS.iter().map(|(name, text)| owned((name, text.as_bytes().to_vec()))));
    all.extend(
        [
            ("a.docx", zip(&samples::docx())),
            ("a.pptx", zip(&samples::pptx())),
            ("a.xlsx", zip(&samples::xlsx())),
            ("a.odt", zip(&samples::odt())),
            ("a.ods", zip(&samples::ods())),
            ("a.odp", zip(&samples::odp())),
            ("a.epub", zip(&samples::epub())),
            ("a.doc", legacy::doc(false)),
            ("a.ppt", legacy::ppt()),
            ("a.xls", legacy::xls(false)),
            ("a.rtf", samples::RTF.as_bytes().to_vec()),
        ]
        .map(owned),
    );
    // Longer than a piece, in each of the formats that flow and one that does not.
    let words = "Größe: some words of a longer text, \u{1F600}\r\n";
    all.push(owned(("long.txt", words.repeat(20_000).into_bytes())));
    all.push(owned(("long.py", "def größe():\n    return 1\n\n".repeat(40_000).into_bytes())));
    all.push(owned(("long.md", format!("# One\n\n{}", "## Two\n\nwords\n\n".repeat(50_000)).into_bytes())));
    all.push(owned(("long.csv", format!("Name,Größe\n{}", "a,1\nb,2\n".repeat(60_000)).into_bytes())));
    all.push(owned(("long.jsonl", "{\"größe\": 1, \"b\": [2, 3]}\nno value\n".repeat(20_000).into_bytes())));
    all.push(owned(("long.mbox", "From a\nSubject: Tide\n\nHigh at noon\n\n".repeat(20_000).into_bytes())));
    all.push(owned(("long.xml", format!("<a>{}</a>", "<b>größe</b>".repeat(60_000)).into_bytes())));
    all
}

async fn pieces_are_the_whole() {
    let folder = Folder::new();
    let mut in_pieces = 0;
    for (name, bytes) in samples() {
        let path = folder.file("document", &bytes);
        let format = detect(&name, &bytes[..bytes.len().min(HEAD_BYTES)]).unwrap();
        let whole = extract_named(format, &path, &name, &Limits::default());
        let extraction = match (extractor(Limits::default()).start(&path, &name).await, &whole) {
            (Ok(extraction), _) => extraction,
            (Err(fault), Err(error)) => {
                assert_eq!(fault.class, error.class(), "{name}");
                continue;
            }
            (Err(fault), Ok(_)) => panic!("{name}: {fault}"),
        };
        let (mut extraction, mut joined, mut parts) = (extraction, DocumentText::default(), 0);
        (joined.markup, joined.language) = (extraction.head().markup, extraction.head().language.clone());
        while let Some(part) = extraction.next().await.unwrap() {
            let begin = joined.text.len() as u64;
            joined.text.push_str(&part.text);
            let piece = begin..=joined.text.len() as u64;
            assert!(part.pages.iter().all(|page| piece.contains(&page.byte_offset)), "{name}");
            joined.pages.extend(part.pages);
            parts += 1;
        }
        assert!(extraction.next().await.unwrap().is_none());
        let facts = extraction.facts().unwrap();
        let pages = joined.pages.len() as u32;
        assert_eq!(facts.pages, (pages > 0).then_some(pages), "{name}");
        (joined.title, joined.metadata, joined.extractor) = (facts.title, facts.metadata, facts.extractor);
        assert_eq!(joined, whole.unwrap(), "{name}");
        assert_eq!(parts > 1, name.starts_with("long"), "{name}: {parts} pieces");
        in_pieces += usize::from(parts > 1);
    }
    assert_eq!(in_pieces, 7);
}

/// A PDF of so many pages of a line each.
fn book(pages: usize) -> Vec<u8> {
    let mut pdf = String::from("%PDF-1.4\n");
    let mut objects = Vec::new();
    let kids: String = (0..pages).map(|page| format!("{} 0 R ", 4 + 2 * page)).collect();
    let mut bodies = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Count {pages} /Kids [{kids}] >>"),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    for page in 0..pages {
        let lines: String =
            (0..40).map(|line| format!("(Page {page}, line {line}: the tide of that day.) Tj T* ")).collect();
        let stream = format!("BT /F1 9 Tf 12 TL 20 700 Td {lines}ET");
        bodies.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 720] /Contents {} 0 R /Resources << /Font << /F1 3 0 R >> >> >>",
            5 + 2 * page
        ));
        bodies.push(format!("<< /Length {} >>\nstream\n{stream}\nendstream", stream.len()));
    }
    for (number, body) in bodies.iter().enumerate() {
        objects.push(pdf.len());
        pdf.push_str(&format!("{} 0 obj\n{body}\nendobj\n", number + 1));
    }
    let (begin, size) = (pdf.len(), objects.len() + 1);
    pdf.push_str(&format!("xref\n0 {size}\n0000000000 65535 f \n"));
    objects.iter().for_each(|at| pdf.push_str(&format!("{at:010} 00000 n \n")));
    pdf.push_str(&format!("trailer << /Size {size} /Root 1 0 R >>\nstartxref\n{begin}\n%%EOF\n"));
    pdf.into_bytes()
}

async fn a_book_flows_page_by_page() {
    let folder = Folder::new();
    let path = folder.file("document", book(400));
    let mut extraction = extractor(Limits::default()).start(&path, "book.pdf").await.unwrap();
    let (mut text, mut pages, mut parts) = (String::new(), Vec::new(), 0);
    while let Some(part) = extraction.next().await.unwrap() {
        text.push_str(&part.text);
        pages.extend(part.pages);
        parts += 1;
    }
    assert!(parts > 1, "{parts} pieces of {} bytes", text.len());
    assert_eq!(pages.len(), 400);
    for (at, page) in pages.iter().enumerate() {
        let begins = &text[page.byte_offset as usize..];
        assert!(begins.starts_with(&format!("Page {at}, line 0:")), "{at}: {}", &begins[..40]);
    }
    assert_eq!(extraction.facts().unwrap().pages, Some(400));
}

/// Much longer than the time by the clock that a child has, which is far more than it needs.
async fn a_slow_consumer_is_waited_for() {
    let limits = Limits { wall: Duration::from_secs(4), ..Limits::default() };
    let text = "some words\n".repeat(300_000);
    let mut extraction = Folder::new().start(limits, &text).await.unwrap();
    let mut joined = String::new();
    joined.push_str(&extraction.next().await.unwrap().unwrap().text);
    assert!(joined.len() < text.len() / 2);
    tokio::time::sleep(limits.wall * 2).await;
    while let Some(part) = extraction.next().await.unwrap() {
        joined.push_str(&part.text);
    }
    assert!(joined == text);
    // One that says nothing more is not waited for.
    let short = Limits { wall: Duration::from_secs(1), ..limits };
    let folder = Folder::new();
    let mut extraction = folder.start(short, misbehaving("sleep")).await.unwrap();
    assert_eq!(extraction.next().await.unwrap().unwrap().text, "well begun");
    assert_eq!(extraction.next().await.unwrap_err().class, "extraction_timeout");
}

async fn an_end_midway_has_its_class() {
    let limits = Limits { memory_bytes: 512 << 20, cpu: Duration::from_secs(1), ..Limits::default() };
    let folder = Folder::new();
    for (how, kind, class) in [
        ("panic", FaultKind::Invalid, "extraction_crashed"),
        ("abort", FaultKind::Invalid, "extraction_crashed"),
        ("eat", FaultKind::Invalid, "extraction_out_of_memory"),
        ("spin", FaultKind::Invalid, "extraction_timeout"),
        ("killed", FaultKind::Failed, "extractor_killed"),
        ("two heads", FaultKind::Invalid, "extraction_crashed"),
        ("failure", FaultKind::Invalid, "corrupt_document"),
        ("cut off", FaultKind::Invalid, "extraction_crashed"),
        ("nothing", FaultKind::Invalid, "extraction_crashed"),
    ] {
        let mut extraction = folder.start(limits, misbehaving(how)).await.unwrap();
        assert_eq!(extraction.head().extractor, "x/1");
        assert_eq!(extraction.next().await.unwrap().unwrap().text, "well begun", "{how}");
        let fault = extraction.next().await.unwrap_err();
        assert_eq!((fault.kind, fault.class), (kind, class), "{how}: {fault}");
        assert!(!fault.to_string().contains("secret"), "{fault}");
        assert!(extraction.facts().is_none());
    }
    for how in ["garbage", "no head"] {
        let fault = folder.start(limits, misbehaving(how)).await.unwrap_err();
        assert_eq!((fault.kind, fault.class), (FaultKind::Invalid, "extraction_crashed"), "{how}");
    }
    // A child that does not count is counted.
    let small = Limits { text_bytes: 1 << 20, ..Limits::default() };
    assert_eq!(ended(folder.start(small, misbehaving("flood")).await).await, "document_too_large");
    // Real ones, after pieces that were good.
    assert_eq!(ended(folder.start(small, "x".repeat((1 << 20) + 1)).await).await, "document_too_large");
    assert_eq!(ended(folder.start(small, " \r\n".repeat(500_000)).await).await, "empty_document");
    let path = folder.file("csv", format!("a,b\n{}", "1,2\n".repeat(200_000)));
    assert_eq!(ended(extractor(small).start(&path, "a.csv").await).await, "document_too_large");
}

/// The class of the fault that ends it, after a piece.
async fn ended(extraction: Result<Extraction, Fault>) -> &'static str {
    let mut extraction = extraction.unwrap();
    assert!(extraction.next().await.unwrap().is_some());
    loop {
        match extraction.next().await {
            Ok(part) => assert!(part.is_some(), "it ended well"),
            Err(fault) => return fault.class,
        }
    }
}

async fn a_dropped_extraction_leaves_no_child() {
    // One waits for its consumer, the other does not.
    for how in ["flood", "sleep"] {
        let folder = Folder::new();
        let mut extraction = folder.start(Limits::default(), misbehaving(how)).await.unwrap();
        extraction.next().await.unwrap();
        let pid: i32 =
            until(|| fs::read_to_string(folder.0.path().join("document.pid")).ok()?.parse().ok()).await;
        // SAFETY: signal 0 asks only.
        let is_there = || unsafe { libc::kill(pid, 0) } == 0;
        assert!(is_there());
        drop(extraction);
        // Gone, and reaped: no process has the id.
        until(|| (!is_there()).then_some(())).await;
    }
}

/// Those of `../shared/testdata` (or `RAGSTREAM_TESTDATA`), as production reads them. With
/// `RAGSTREAM_EXTRACTED` what came of them is written to that folder, as
/// `check_extraction.py` of the collection wants it.
async fn public_documents_give_what_they_hold() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).unwrap();
    let folder =
        std::env::var_os("RAGSTREAM_TESTDATA").map_or_else(|| root.join("shared/testdata"), PathBuf::from);
    let Ok(manifest) = fs::read_to_string(folder.join("documents/manifest.tsv")) else {
        println!("no public documents in {}: none were read", folder.display());
        return;
    };
    let kept = std::env::var_os("RAGSTREAM_EXTRACTED").map(PathBuf::from);
    let mut lines = manifest.lines();
    let columns: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let (mut found, mut wanted) = (0, 0);
    for line in lines {
        let row: Vec<&str> = line.split('\t').collect();
        let field = |name: &str| row[columns.iter().position(|column| *column == name).unwrap()];
        let path = folder.join("documents").join(field("path"));
        let name = path.file_name().unwrap().to_str().unwrap();
        let outcome = extractor(Limits::default()).extract(&path, name).await;
        if let Some(kept) = &kept {
            let file = |ending: &str| kept.join(field("path").replace('/', "_") + ending);
            match &outcome {
                Ok(text) => fs::write(file(".txt"), &text.text).unwrap(),
                Err(fault) => fs::write(file(".status"), format!("failed:{}", fault.class)).unwrap(),
            }
        }
        let must: Vec<String> = serde_json::from_str(field("must_include")).unwrap();
        match outcome {
            Ok(text) => {
                assert!(!text.text.trim().is_empty(), "{name}");
                if field("expect").starts_with("ok") {
                    let text = bare(&text.text);
                    wanted += must.len();
                    found += must.iter().filter(|string| text.contains(&bare(string))).count();
                }
            }
            Err(fault) => {
                assert_ne!(field("expect"), "ok", "{name}: {fault}");
                assert_eq!(fault.kind, FaultKind::Invalid, "{name}: {fault}");
            }
        }
    }
    println!("{found} of {wanted} strings found through a child");
    assert!(found * 100 >= wanted * 95, "{found} of {wanted}");
}

/// Without what layout adds: blanks, ligatures, case.
fn bare(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_whitespace() && *c != '\u{ad}').collect();
    text.to_lowercase().replace('ﬁ', "fi").replace('ﬂ', "fl").replace('ﬀ', "ff").replace('…', "...")
}
