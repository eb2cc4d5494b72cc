//! Real files: small ones of our own, and a collection of public ones where it
//! is at hand (`../shared/testdata`, or `RAGSTREAM_TESTDATA`).
#![allow(clippy::unwrap_used)]

use ragstream_extract::{
    DocumentText, ExtractError, Format, HEAD_BYTES, Limits, Markup, PageStart, detect, extract,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

fn read(path: &Path) -> Result<DocumentText, ExtractError> {
    let bytes = fs::read(path).unwrap();
    let format = detect(path.file_name().unwrap().to_str().unwrap(), &bytes[..bytes.len().min(HEAD_BYTES)])?;
    extract(format, path, &Limits::default())
}

fn own(name: &str) -> Result<DocumentText, ExtractError> {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name))
}

#[test]
fn a_pdf_has_pages_and_says_who_made_it() {
    for name in ["three_pages.pdf", "owner_password.pdf"] {
        let text = own(name).unwrap();
        assert_eq!(
            text.text,
            "Harbour fees rose in May.\n\nThey are due in June.\n\nThe lighthouse was repainted."
        );
        let third = text.text.find("The lighthouse").unwrap() as u64;
        let page = |page, byte_offset| PageStart { page, byte_offset };
        assert_eq!(text.pages[0], page(1, 0));
        assert_eq!(text.pages[2], page(3, third));
        assert_eq!((text.page_at(0), text.page_at(third)), (Some(1), Some(3)));
        assert_eq!(text.title.as_deref(), Some("A small report"));
        assert_eq!((&text.metadata["author"], &text.metadata["pages"]), (&"Nobody".into(), &3.into()));
        assert_eq!(text.markup, Markup::Plain);
    }
}

#[test]
fn a_pdf_without_text_says_why() {
    assert_eq!(own("encrypted.pdf").unwrap_err(), ExtractError::Encrypted);
    assert_eq!(own("scanned.pdf").unwrap_err(), ExtractError::NeedsOcr { pages: 2 });
    assert_eq!(own("truncated.pdf").unwrap_err().class(), "corrupt_document");
}

#[test]
fn text_of_any_encoding_is_read() {
    let markdown = own("latin1.md").unwrap();
    assert_eq!(markdown.text, "# Straßenfest\n\nÄpfel, Öl und süße Brötchen für alle Gäste.\n");
    assert_eq!((markdown.title.as_deref(), markdown.markup), (Some("Straßenfest"), Markup::Markdown));
    let text = own("utf16.txt").unwrap();
    assert_eq!(text.text, "Ünïcode in two bytes\nand a second line\n");
    assert_eq!(text.metadata["encoding"], "utf-16le");
}

#[test]
fn html_becomes_markdown() {
    let text = own("page.html").unwrap();
    assert_eq!((text.title.as_deref(), text.markup), (Some("Tide tables"), Markup::Markdown));
    assert!(text.text.contains("## Monday\n\nHigh water at **noon**, see the table."), "{}", text.text);
    assert!(text.text.contains("| 12:00 | 4.1"), "{}", text.text);
    assert!(!text.text.contains("hidden") && !text.text.contains("color"));
}

#[test]
fn limits_on_input_and_text_hold() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/three_pages.pdf");
    let small = [
        Limits { input_bytes: 1000, ..Limits::default() },
        Limits { text_bytes: 30, ..Limits::default() },
        Limits { text_bytes: 60, ..Limits::default() },
    ];
    for limits in small {
        assert_eq!(extract(Format::Pdf, &path, &limits).unwrap_err().class(), "document_too_large");
    }
}

/// Damage of every kind gives an error or a text, never a panic.
#[test]
fn damaged_files_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged");
    for name in ["three_pages.pdf", "owner_password.pdf", "page.html"] {
        let whole = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap();
        let format = detect(name, &whole).unwrap();
        for at in (0..whole.len()).step_by(13) {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x15;
            for damaged in [&whole[..at], &flipped] {
                fs::write(&path, damaged).unwrap();
                if let Ok(text) = extract(format, &path, &Limits::default()) {
                    assert!(!text.text.trim().is_empty());
                }
            }
        }
    }
}

#[test]
fn public_documents_give_what_they_hold() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).unwrap();
    let folder =
        std::env::var_os("RAGSTREAM_TESTDATA").map_or_else(|| root.join("shared/testdata"), PathBuf::from);
    let Ok(manifest) = fs::read_to_string(folder.join("documents/manifest.tsv")) else {
        println!("no public documents in {}: only the small ones are tested", folder.display());
        return;
    };
    let mut lines = manifest.lines();
    let columns: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let (mut read_well, mut strings_found) = (0, (0, 0));
    for line in lines {
        let row: Vec<&str> = line.split('\t').collect();
        let field = |name: &str| row[columns.iter().position(|column| *column == name).unwrap()];
        let path = field("path");
        let strings = |name: &str| serde_json::from_str::<Vec<String>>(field(name)).unwrap();
        let result = read(&folder.join("documents").join(path));
        match field("expect") {
            "ok" | "ok-best-effort" | "ok-or-unsupported" | "metadata-only" => {
                let text = bare(&result.unwrap_or_else(|e| panic!("{path}: {e}")).text);
                let (wanted, unwanted) = (strings("must_include"), strings("must_not_include"));
                let found = wanted.iter().filter(|string| text.contains(&bare(string))).count();
                assert!(found * 5 >= wanted.len() * 4, "{path}: {found} of {} strings", wanted.len());
                strings_found = (strings_found.0 + found, strings_found.1 + wanted.len());
                assert!(!unwanted.iter().any(|string| text.contains(&bare(string))), "{path}");
                read_well += 1;
            }
            // Where Tesseract is installed the words are found.
            "needs-ocr" => match result {
                Ok(text) => {
                    let text = bare(&text.text);
                    assert!(
                        strings("must_include").iter().any(|string| text.contains(&bare(string))),
                        "{path}"
                    );
                }
                Err(error) => assert_eq!(error.class(), "needs_ocr", "{path}"),
            },
            "reject-encrypted" => assert_eq!(result.unwrap_err(), ExtractError::Encrypted, "{path}"),
            "reject-unsupported" => assert_eq!(result.unwrap_err().class(), "unsupported_format", "{path}"),
            "reject-bomb" => assert_eq!(result.unwrap_err().class(), "document_too_large", "{path}"),
            _ => drop(result),
        }
    }
    assert!(read_well >= 30, "{read_well}");
    let (found, wanted) = strings_found;
    println!("{found} of {wanted} strings found in {read_well} documents");
    assert!(found * 100 >= wanted * 95, "{found} of {wanted}");
}

/// Without what layout adds: blanks, ligatures, case.
fn bare(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_whitespace() && *c != '\u{ad}').collect();
    text.to_lowercase().replace('ﬁ', "fi").replace('ﬂ', "fl").replace('ﬀ', "ff").replace('…', "...")
}
