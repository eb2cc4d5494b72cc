//! Documents that are damaged in every way: an error or a text, never a panic,
//! and never an empty success.
#![allow(clippy::unwrap_used)]

mod samples;

use ragstream_extract::{HEAD_BYTES, Limits, detect, extract};
use samples::{Members, legacy, zip};
use std::{fs, path::Path};

/// The same damage in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        // Marsaglia's xorshift.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }

    /// Some bytes other, gone, or there twice.
    fn damage(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..1 + self.below(4) {
            let (from, length) = (self.below(bytes.len()), 1 + self.below(40));
            let end = (from + length).min(bytes.len());
            match self.below(6) {
                0 => bytes.truncate(from),
                1 => drop(bytes.drain(from..end)),
                2 => {
                    let piece = bytes[from..end].to_vec();
                    bytes.splice(from..from, piece);
                }
                3 => bytes[from..end].fill(0),
                4 => bytes[from..end].fill(0xff),
                _ => {
                    if let Some(byte) = bytes.get_mut(from) {
                        *byte ^= 1 << self.below(8);
                    }
                }
            }
        }
        bytes
    }
}

const TIMES: usize = 300;

fn check(folder: &Path, name: &str, bytes: &[u8]) {
    let limits = Limits { text_bytes: 1 << 20, ..Limits::default() };
    let path = folder.join("damaged");
    let Ok(format) = detect(name, &bytes[..bytes.len().min(HEAD_BYTES)]) else { return };
    fs::write(&path, bytes).unwrap();
    if let Ok(text) = extract(format, &path, &limits) {
        assert!(!text.text.trim().is_empty() && text.text.len() <= 1 << 20, "{name}");
        assert!(!text.text.contains(['\0', '\r']), "{name}");
        let starts = text.pages.iter().map(|page| page.byte_offset as usize);
        assert!(
            starts.is_sorted()
                && text.pages.iter().all(|page| text.text.is_char_boundary(page.byte_offset as usize))
        );
    }
}

#[test]
fn damaged_files_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let mut files: Vec<(&str, Vec<u8>)> = vec![
        ("a.rtf", samples::RTF.as_bytes().to_vec()),
        ("a.xls", legacy::xls(false)),
        ("a.doc", legacy::doc(false)),
        ("a.ppt", legacy::ppt()),
    ];
    files.extend(samples::TEXTS.iter().map(|(name, text)| (*name, text.as_bytes().to_vec())));
    let mut dice = Dice(0x5eed);
    for (name, whole) in files {
        for _ in 0..TIMES {
            check(folder.path(), name, &dice.damage(&whole));
        }
    }
}

/// A damaged part in a whole container: what is wrong with it is for its
/// reader to see, not for that of the container.
#[test]
fn damaged_parts_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let documents: Vec<(&str, Members)> = vec![
        ("a.docx", samples::docx()),
        ("a.pptx", samples::pptx()),
        ("a.xlsx", samples::xlsx()),
        ("a.odt", samples::odt()),
        ("a.ods", samples::ods()),
        ("a.odp", samples::odp()),
        ("a.epub", samples::epub()),
    ];
    let mut dice = Dice(0xda3a6ed);
    for (name, members) in documents {
        for _ in 0..TIMES {
            let mut members = members.clone();
            let damaged = dice.below(members.len());
            members[damaged].1 = dice.damage(&members[damaged].1);
            let bytes = zip(&members);
            check(folder.path(), name, &bytes);
            check(folder.path(), name, &dice.damage(&bytes));
        }
    }
}
