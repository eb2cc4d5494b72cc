//! Documents of many formats, and those that can't be read: each becomes
//! searchable and tells its facts, or fails its own job with its own reason.
#![allow(clippy::unwrap_used)]

use ragstream_e2e::{api::text, process::Standalone};
use serde_json::json;
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
    // What each is called says nothing of three of them.
    let good = [
        ("fees.bin", fees.clone(), "pilot guilders", "nine guilders", "author", json!("Ada")),
        ("letter", mail.to_vec(), "red buoy bell", "lost its bell", "from", json!(["Ada <ada@example.org>"])),
        ("table.csv", table.into(), "depth of the quay", "eleven fathoms", "columns", json!(2)),
        ("report.txt", sample("three_pages.pdf"), "lighthouse", "repainted", "pages", json!(3)),
        (
            "all.zip",
            zip(&[
                ("inner/bells.md", b"# Bells\n\nThe bell of Trondheim rings at dusk."),
                ("x.bin", &[0, 1, 2, 0x90]),
            ]),
            "bell at dusk",
            "Trondheim",
            "files",
            json!(2),
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
        let passage = passages.iter().find(|passage| passage["document_id"] == document.as_str());
        let passage = passage.unwrap_or_else(|| panic!("{name}: {found:#}"));
        assert!(text(passage, "text").contains(answer), "{name}: {passage:#}");
        let facts = api.get(&format!("/api/v2/documents/{document}")).await.body;
        assert_eq!(facts["extracted"]["properties"][property], value, "{name}: {facts:#}");
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
