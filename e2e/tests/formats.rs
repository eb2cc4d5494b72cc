//! Documents of many formats, and those that can't be read: each becomes
//! searchable and tells its facts, or fails its own job with its own reason.
#![allow(clippy::unwrap_used)]

use ragstream_e2e::{api::text, process::Standalone};
use serde_json::{Value, json};
use std::{
    io::{Cursor, Write},
    path::Path,
};
use zip::{ZipWriter, write::SimpleFileOptions};

/// One of the small files that the readers are tested with.
fn sample(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/extract/tests/data");
    std::fs::read(folder.join(name)).unwrap()
}

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A DOCX with this body.
fn docx(body: &str) -> Vec<u8> {
    const KIND: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let relationships = format!(
        "<Relationships><Relationship Id='1' Type='{KIND}/officeDocument' Target='word/document.xml'/>\
         <Relationship Id='2' Type='{KIND}/core-properties' Target='core.xml'/></Relationships>"
    );
    let core = "<cp:coreProperties xmlns:cp='c' xmlns:dc='d'><dc:title>Harbour fees</dc:title><dc:creator>Ada</dc:creator></cp:coreProperties>";
    let document = format!("<w:document xmlns:w='w'><w:body>{body}</w:body></w:document>");
    zip(&[
        ("[Content_Types].xml", b"<Types/>"),
        ("_rels/.rels", relationships.as_bytes()),
        ("core.xml", core.as_bytes()),
        ("word/document.xml", document.as_bytes()),
    ])
}

/// UTF-16 with its mark.
fn encoded(text: &str) -> Vec<u8> {
    "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_file_gives_its_text_and_its_facts_or_its_own_reason() {
    let dir = tempfile::tempdir().unwrap();
    let node = Standalone::start(dir.path()).await;
    let api = &node.api;
    let upload = async |name: &str, bytes: Vec<u8>| {
        let answer = api.upload(name, bytes, &[]).await;
        assert_eq!(answer.status, 202, "{name}: {answer:?}");
        (text(&answer.body, "document_id"), text(&answer.body, "job_id"))
    };

    let fees = docx("<w:p><w:r><w:t>The pilot of Zanzibar asks for nine guilders.</w:t></w:r></w:p>");
    let mail = b"From: Ada <ada@example.org>\nTo: bob@example.org\nDate: Fri, 16 Dec 2022 17:04:16 -0500\n\
        Subject: Buoys\n\nThe red buoy off Valparaiso has lost its bell.\n";
    let table = "Berth,Depth\nReykjavik quay,eleven fathoms\n";
    let text_of = |text: &str| text.as_bytes().to_vec();
    // A row far from its header, in a table longer than any chunk.
    let row = |pier: u32| match pier {
        200 => "Hammerfest pier,ninety kroner\n".to_owned(),
        _ => format!("Pier {pier},{} guilders\n", 7000 + pier),
    };
    let rows: String = (1..=400).map(row).collect();
    let inner = zip(&[
        ("inner/bells.md", b"# Bells\n\nThe bell of Trondheim rings at dusk."),
        ("x.bin", &[0, 1, 2, 0x90]),
    ]);
    // What each is called says nothing of three of them.
    let good = [
        ("fees.bin", fees.clone(), "pilot guilders", "nine guilders", "author", json!("Ada")),
        ("letter", mail.to_vec(), "red buoy bell", "lost its bell", "from", json!(["Ada <ada@example.org>"])),
        ("table.csv", table.into(), "depth of the quay", "eleven fathoms", "columns", json!(2)),
        (
            "long.csv",
            format!("Pier,Toll\n{rows}").into(),
            "toll of the Hammerfest pier",
            "| Hammerfest pier |",
            "rows",
            json!(401),
        ),
        ("report.txt", sample("three_pages.pdf"), "lighthouse", "repainted", "pages", json!(3)),
        ("all.zip", zip(&[("outer.zip", &inner)]), "bell at dusk", "Trondheim", "contents_total", json!(3)),
        (
            "notes.md.gz",
            gzip(b"# Ferry\n\nThe ferry to Gotland leaves from quay six."),
            "ferry to Gotland",
            "quay six",
            "headings",
            json!(["Ferry"]),
        ),
        (
            "tide.jsonl",
            text_of("{\"port\": \"Ostend\", \"tide\": \"high at nine\"}\n"),
            "tide of Ostend",
            "high at nine",
            "records",
            json!(1),
        ),
        (
            "talk.vtt",
            text_of("WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ada>The dredger of Bergen is late.\n"),
            "dredger of Bergen",
            "is late",
            "speakers",
            json!(["Ada"]),
        ),
        (
            "page.html",
            text_of("<html lang=en><title>Locks</title><p>The lock of Corinth opens at four.</p>"),
            "lock of Corinth",
            "opens at four",
            "encoding",
            json!("utf-8"),
        ),
        (
            "main.rs",
            text_of("/// The crane of Antwerp lifts ninety tons.\nfn main() {}\n"),
            "crane of Antwerp",
            "ninety tons",
            "language",
            json!("Rust"),
        ),
        (
            "log.txt",
            encoded("Der Lotse von Brunsbüttel ist überfällig."),
            "Lotse von Brunsbüttel",
            "überfällig",
            "encoding",
            json!("utf-16le"),
        ),
        (
            "inbox.mbox",
            text_of("From a\nSubject: Ice\nFrom: b@example.org\n\nThe icebreaker of Turku is out.\n"),
            "icebreaker of Turku",
            "is out",
            "messages",
            json!(1),
        ),
    ];
    let entity =
        "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY f SYSTEM 'file:///etc/passwd'>]><a>no &f; here</a>";
    let bad = [
        ("encrypted_document", "secret.pdf", sample("encrypted.pdf")),
        ("encrypted_document", "secret.7z", sample("encrypted.7z")),
        ("needs_ocr", "scan.pdf", sample("scanned.pdf")),
        ("corrupt_document", "half.docx", fees[..fees.len() / 2].to_vec()),
        ("empty_document", "blank.docx", docx("<w:p/>")),
        ("document_too_large", "bomb.7z", sample("bomb.7z")),
        ("unsupported_format", "programs.zip", zip(&[("a.bin", &[0, 1, 2, 0x90])])),
    ];
    let mut jobs = Vec::new();
    for (class, name, bytes) in bad {
        jobs.push((class, name, upload(name, bytes).await));
    }
    let outside = upload("entity.xml", entity.into()).await;
    for (name, bytes, question, answer, property, value) in good {
        let (document, job) = upload(name, bytes).await;
        let status = api.finished(&job).await;
        assert_eq!(status["stage"], "complete", "{name}: {status:#}");
        let found = api.post("/api/v2/search", &json!({"query": question, "top_k": 3})).await.body;
        let passages = found["passages"].as_array().unwrap();
        let is_it = |passage: &&Value| {
            passage["document_id"] == document.as_str() && text(passage, "text").contains(answer)
        };
        let passage = passages.iter().find(is_it);
        let passage = passage.unwrap_or_else(|| panic!("{name}: {found:#}"));
        if name == "long.csv" {
            assert!(
                text(passage, "text").contains("| Pier | Toll |"),
                "a row without its header: {passage:#}"
            );
        }
        let facts = api.get(&format!("/api/v2/documents/{document}")).await.body;
        assert_eq!(facts["extracted"]["properties"][property], value, "{name}: {facts:#}");
        if name == "all.zip" {
            let contents = &facts["extracted"]["properties"]["contents"];
            let paths: Vec<String> =
                contents.as_array().unwrap().iter().map(|file| text(file, "path")).collect();
            assert_eq!(paths, ["outer.zip", "outer.zip/inner/bells.md", "outer.zip/x.bin"]);
            assert_eq!(contents[1]["content_type"], "text/markdown");
            assert_eq!(contents[2]["failure"]["class"], "unsupported_format");
            let whole = api.text(&format!("/api/v2/documents/{document}/text")).await;
            let [begin, end] = serde_json::from_value::<[usize; 2]>(contents[1]["span"].clone()).unwrap();
            assert!(whole[begin..end].ends_with("The bell of Trondheim rings at dusk."), "{whole}");
            // A passage is told which file it comes from by its place.
            let place = |edge: &str| passage["span"][edge].as_u64().unwrap() as usize;
            assert!(place("start") < end && place("end") > begin, "{passage:#}");
        }
    }
    for (class, name, (document, job)) in jobs {
        let status = api.finished(&job).await;
        let failure = &status["failure"];
        assert_eq!((&status["stage"], &failure["class"]), (&json!("failed"), &json!(class)), "{name}");
        assert!(text(failure, "message").len() > 20, "{name}: {failure}");
        assert_eq!(api.get(&format!("/api/v2/documents/{document}/text")).await.status, 404, "{name}");
    }
    assert_eq!(api.finished(&outside.1).await["stage"], "complete");
    let read = api.text(&format!("/api/v2/documents/{}/text", outside.0)).await;
    assert_eq!(read, "a: no &f; here");
}
