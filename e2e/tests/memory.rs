//! What one file can do to the memory of those that take it in: gigabytes, and files that
//! are made to be large when they are read. Each bound is the growth over the idle process.
#![allow(clippy::unwrap_used)]

use flate2::{Compression, write::ZlibEncoder};
use futures::{StreamExt, stream};
use ragstream_e2e::{
    api::{Answer, Api, text},
    cluster::{Cluster, Kind},
    text,
};
use reqwest::{
    Body,
    multipart::{Form, Part},
};
use serde_json::Value;
use std::io::Write;

const MIB: u64 = 1 << 20;
/// The size of the large upload.
const LARGE: u64 = 2048 * MIB;
/// Bytes of one piece of it.
const PIECE: usize = 1 << 20;
/// An upload holds three parts of 8 MiB on their way to the store; the rest is for what the
/// store's client, sockets and the allocator keep of them, and for the requests meanwhile.
const GATEWAY: u64 = 96 * MIB;
/// Ingestion copies the file to the disk piece by piece, and what a child process makes of it
/// counts in the child; a failure is a sentence. The rest is for the allocator, and for the
/// documents that go on meanwhile, which are small.
const INGESTION: u64 = 64 * MIB;
/// What the content of the bomb's only page is when it is read, of a file of a thousandth.
const BOMB: u64 = 2048 * MIB;
/// Elements within elements.
const DEPTH: usize = 2_000_000;

/// A text file of this size, made as it is sent.
async fn upload_large(api: &Api, size: u64) -> Answer {
    let line = b"A line of a file that is far too large to be a document of anybody's.\n";
    let piece: Vec<u8> = line.iter().copied().cycle().take(PIECE).collect();
    let piece = bytes::Bytes::from(piece);
    let pieces = stream::iter(0..size / PIECE as u64).map(move |_| Ok::<_, std::io::Error>(piece.clone()));
    let part = Part::stream_with_length(Body::wrap_stream(pieces), size).file_name("large.txt");
    let form = Form::new().part("file", part);
    api.send(api.client.post(format!("{}/api/v2/documents/upload", api.base)).multipart(form)).await
}

/// A PDF of one page whose content is [`BOMB`] bytes of text operators, deflated.
fn bomb() -> Vec<u8> {
    let operators = b"(storm) Tj T* ".repeat(64 * 1024);
    let mut content = ZlibEncoder::new(Vec::new(), Compression::fast());
    content.write_all(b"BT /F1 12 Tf 14 TL ").unwrap();
    for _ in 0..BOMB / operators.len() as u64 {
        content.write_all(&operators).unwrap();
    }
    content.write_all(b"ET").unwrap();
    let content = content.finish().unwrap();
    let mut pdf = b"%PDF-1.4\n".to_vec();
    let mut places = Vec::new();
    let mut object = |pdf: &mut Vec<u8>, body: &[&[u8]]| {
        places.push(pdf.len());
        writeln!(pdf, "{} 0 obj", places.len()).unwrap();
        body.iter().for_each(|part| pdf.extend_from_slice(part));
        pdf.extend_from_slice(b"\nendobj\n");
    };
    object(&mut pdf, &[b"<< /Type /Catalog /Pages 2 0 R >>"]);
    object(&mut pdf, &[b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"]);
    object(
        &mut pdf,
        &[b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>"],
    );
    let head = format!("<< /Length {} /Filter /FlateDecode >>\nstream\n", content.len());
    object(&mut pdf, &[head.as_bytes(), &content, b"\nendstream"]);
    object(&mut pdf, &[b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]);
    let start = pdf.len();
    write!(pdf, "xref\n0 {}\n0000000000 65535 f \n", places.len() + 1).unwrap();
    for place in &places {
        writeln!(pdf, "{place:010} 00000 n ").unwrap();
    }
    write!(pdf, "trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n", places.len() + 1)
        .unwrap();
    pdf
}

/// A page whose elements lie in each other.
fn tower() -> Vec<u8> {
    let mut html = b"<!DOCTYPE html><html><body>".to_vec();
    (0..DEPTH).for_each(|_| html.extend_from_slice(b"<div>"));
    html.extend_from_slice(b"storm");
    html
}

/// What a failed job says: a class and a sentence.
fn reason(job: &Value) -> String {
    format!("{}: {}", text(&job["failure"], "class"), text(&job["failure"], "message"))
}

/// Uploads a small document, which has to become complete whatever else is under way.
async fn another(api: &Api, name: &str) {
    let answer = api.upload(&format!("{name}.md"), text::document(name, 2), &[]).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(api.finished(&text(&answer.body, "job_id")).await["stage"], "complete", "{name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_and_hostile_files_stay_within_bounds_and_delay_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(dir.path()).await.common(&[
        ("RAGSTREAM_PARTITIONS", "3".to_owned()),
        // A hostile file may come to its end by memory, by text or by time.
        ("RAGSTREAM_INGESTION_EXTRACT_SECONDS", "30".to_owned()),
    ]);
    cluster.add_all().await;
    let api = cluster.gateway();
    another(&api, "first").await;
    let idle: Vec<u64> =
        ["gateway", "ingestion"].iter().map(|role| cluster.role(role).process().memory("VmHWM")).collect();

    let (large, ()) = tokio::join!(upload_large(&api, LARGE), another(&api, "while it is uploaded"));
    assert_eq!(large.status, 202, "{large:?}");
    let large = text(&large.body, "job_id");
    let mut jobs = Vec::new();
    for (name, bytes) in [("bomb.pdf", bomb()), ("tower.html", tower())] {
        let (uploaded, size) = (api.upload(name, bytes.clone(), &[]).await, bytes.len());
        assert_eq!(uploaded.status, 202, "{uploaded:?}");
        jobs.push((name, size, text(&uploaded.body, "job_id")));
    }
    another(&api, "while they are read").await;
    jobs.push(("large.txt", LARGE as usize, large));
    for (name, size, job) in &jobs {
        let job = api.finished(job).await;
        println!(
            "{name} of {size} bytes: {} {}",
            job["stage"],
            if job["stage"] == "failed" { reason(&job) } else { String::new() }
        );
        // Whoever reads it may be able to; where not, it says why.
        assert!(job["stage"] == "complete" || reason(&job).len() > 20, "{job:#}");
    }
    let job = api.finished(&jobs[2].2).await;
    assert_eq!(text(&job["failure"], "class"), "document_too_large", "{job:#}");
    another(&api, "last").await;

    for ((role, before), bound) in ["gateway", "ingestion"].iter().zip(idle).zip([GATEWAY, INGESTION]) {
        let grown = cluster.role(role).process().memory("VmHWM").saturating_sub(before);
        println!("{role}: {} MiB idle, grown by {} MiB of {} MiB", before / MIB, grown / MIB, bound / MIB);
        assert!(grown < bound, "{role} has grown by {} MiB", grown / MIB);
    }
    assert!(cluster.apis(Kind::Ingestion)[0].metric("ragstream_worker_dead_letters_total", "").await <= 3.0);
}
