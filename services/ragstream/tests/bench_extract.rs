//! `ragstream bench extract` on a folder of small files: what it measures, writes and refuses.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

/// Three pages with text.
const PDF: &[u8] = include_bytes!("../../../crates/extract/tests/data/three_pages.pdf");

fn bench_extract(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ragstream"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("RAGSTREAM_")) {
        command.env_remove(name);
    }
    // The address of a node is not for this, and does no harm.
    command.env("RAGSTREAM_URL", "http://127.0.0.1:9");
    command.args(["bench", "extract"]).args(args).output().unwrap()
}

fn make_files(dir: &Path) {
    fs::create_dir(dir.join("below")).unwrap();
    fs::write(dir.join("three.pdf"), PDF).unwrap();
    fs::write(dir.join("below/again.pdf"), PDF).unwrap();
    fs::write(dir.join("below/damaged.pdf"), &PDF[..200]).unwrap();
    fs::write(dir.join("notes.txt"), "The ferry leaves at seven.\n").unwrap();
    fs::write(dir.join("blank.md"), " \n").unwrap();
    fs::write(dir.join("data.bin"), [1, 2, 3, 0, 0x90, 0xff]).unwrap();
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn files_are_read_counted_and_written() {
    let dir = tempfile::tempdir().unwrap();
    let (read, out) = (dir.path().join("in"), dir.path().join("out"));
    fs::create_dir(&read).unwrap();
    make_files(&read);
    let (read, out_arg) = (read.to_str().unwrap(), out.to_str().unwrap());

    for in_process in [&[][..], &["--in-process"]] {
        let output =
            bench_extract(&[&[read, "--out", out_arg, "--json", "--jobs", "2"], in_process].concat());
        assert!(output.status.success(), "{}", said(&output));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&report["jobs"], &report["in_process"]), (&2.into(), &(!in_process.is_empty()).into()));
        assert_eq!((&report["total"]["files"], &report["total"]["read"]), (&6.into(), &3.into()));
        assert_eq!(report["total"]["pages"], 6);
        assert_eq!(report["total"]["bytes"], 2 * PDF.len() + 27);
        assert!(report["peak_memory_bytes"].as_u64() > Some(1 << 20), "{report}");
        let pdf = report["formats"].as_array().unwrap().iter().find(|row| row["format"] == "pdf").unwrap();
        assert_eq!((&pdf["files"], &pdf["read"], &pdf["pages"]), (&3.into(), &2.into(), &6.into()));
        assert!(pdf["pages_per_second"].as_f64() > Some(0.0), "{pdf}");
        let classes: Vec<_> =
            report["failures"].as_array().unwrap().iter().map(|row| &row["class"]).collect();
        assert_eq!(classes, ["corrupt_document", "empty_document", "unsupported_format"]);
        let paths: Vec<_> = report["files"].as_array().unwrap().iter().map(|file| &file["path"]).collect();
        let expected =
            ["below/again.pdf", "below/damaged.pdf", "blank.md", "data.bin", "notes.txt", "three.pdf"];
        assert_eq!(paths, expected);

        let content = |name: &str| fs::read_to_string(out.join(name)).unwrap();
        assert_eq!(content("notes.txt.txt"), "The ferry leaves at seven.\n");
        assert_eq!(content("notes.txt.status").trim(), "ok");
        assert_eq!(content("below_damaged.pdf.status").trim(), "failed:corrupt_document");
        assert!(!out.join("below_damaged.pdf.txt").exists());
        assert_eq!(content("below_again.pdf.txt"), content("three.pdf.txt"));
        fs::remove_dir_all(&out).unwrap();
    }
}

#[test]
fn a_person_reads_tables() {
    let dir = tempfile::tempdir().unwrap();
    make_files(dir.path());
    let output = bench_extract(&[dir.path().to_str().unwrap()]);
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    for part in ["3 of 6 files read", "6 pages", "pages/s", "slowest", "unsupported_format", "data.bin"] {
        assert!(text.contains(part), "no {part} in {text}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    fs::create_dir_all(path("empty")).unwrap();
    fs::create_dir_all(path("full/a")).unwrap();
    fs::write(path("full/a/b.txt"), "text").unwrap();
    fs::write(path("full/a_b.txt"), "text").unwrap();
    let (file, absent, empty, full) = (path("full/a_b.txt"), path("absent"), path("empty"), path("full"));
    let (below, within, other) = (path("full/a"), path("full/a/out"), path("out"));
    for (args, code, hint) in [
        (&[][..], 64, "<DIR>"),
        (&[full.as_str(), "--jobs", "0"], 64, "--jobs"),
        (&[absent.as_str()], 1, "can't read"),
        (&[file.as_str()], 1, "is not a folder"),
        (&[empty.as_str()], 1, "no files"),
        (&[full.as_str(), "--out", other.as_str()], 1, "same file"),
        (&[below.as_str(), "--out", within.as_str()], 1, "lies in the folder"),
    ] {
        let output = bench_extract(args);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(hint), "{args:?}: {said}");
    }
    // Nodes and files are not measured at once.
    let mut command = Command::new(env!("CARGO_BIN_EXE_ragstream"));
    let output = command.args(["bench", "--queries", "5", "extract", full.as_str()]).output().unwrap();
    assert_eq!(output.status.code(), Some(64), "{}", said(&output));
}
