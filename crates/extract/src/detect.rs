//! What a file is, by its first bytes and then by its name.

use crate::{
    charset::is_text,
    error::ExtractError,
    format::Format,
    formats::{office, source},
    magic,
};

/// How much of a file is enough to tell.
pub const HEAD_BYTES: usize = 8 << 10;

/// PDF readers look for the header in so many first bytes.
const PDF_HEADER_WITHIN: usize = 1024;

/// A file that nothing here can read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}; supported are {}", Format::SUPPORTED)]
pub struct Unsupported {
    /// What it is, as far as one can tell.
    pub what: String,
}

impl From<Unsupported> for ExtractError {
    fn from(unsupported: Unsupported) -> Self {
        Self::Unsupported { reason: unsupported.what }
    }
}

/// The format of a file from its first bytes ([`HEAD_BYTES`] of them, or all)
/// and, where these leave a choice, the name it was given.
///
/// Text of any kind is [`Format::Text`] unless it is known better. An empty
/// head is taken by the name: that there is no text is for the extraction to say.
pub fn detect(filename: &str, head: &[u8]) -> Result<Format, Unsupported> {
    let head = &head[..head.len().min(HEAD_BYTES)];
    let extension = extension(filename);
    let named = Format::of_extension(&extension);
    if start(head).starts_with(b"%PDF-") {
        return Ok(Format::Pdf);
    }
    let container = magic::outlook(head, named).or_else(|| office::told(head, named));
    if let Some(format) = container.or_else(|| magic::of(head)) {
        return Ok(format);
    }
    if !is_text(head) {
        let early = &head[..head.len().min(PDF_HEADER_WITHIN)];
        if early.windows(5).any(|bytes| bytes == b"%PDF-") || named == Some(Format::Pdf) {
            return Ok(Format::Pdf);
        }
        if let Some(format) = named.filter(|format| format.is_binary()).or_else(|| magic::likely(head)) {
            return Ok(format);
        }
        let what = match infer::get(head) {
            Some(kind) => format!("the file is {}", kind.mime_type()),
            None => "the file is binary data of no known format".to_owned(),
        };
        return Err(Unsupported { what });
    }
    if head.is_empty() {
        return Ok(named.unwrap_or(Format::Text));
    }
    Ok(text(filename, head, named))
}

/// The format of a text. Where it is named as something that is no text, the name is wrong.
fn text(filename: &str, head: &[u8], named: Option<Format>) -> Format {
    let content = start(head);
    if named == Some(Format::Pdf) && contains(head, b" obj") {
        return Format::Pdf; // without its beginning
    }
    if content.starts_with(b"{\\rtf") {
        return Format::Rtf;
    }
    if is_html(head) {
        return Format::Html;
    }
    if is_xml(head) && named != Some(Format::Html) {
        return Format::Xml;
    }
    if content.starts_with(b"WEBVTT") {
        return Format::Vtt;
    }
    match named.filter(|format| !format.is_binary()) {
        None | Some(Format::Text) => {
            let code = || source::language(filename, head).map(|_| Format::Source);
            // What is named as a text is read as it stands.
            let json = || (named != Some(Format::Text) && is_json(head)).then_some(Format::Json);
            magic::mail(content).or_else(code).or_else(json).unwrap_or(Format::Text)
        }
        Some(format) => format,
    }
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// The media type of a file of this format, by its first bytes where the format leaves a choice.
pub fn content_type(format: Format, head: &[u8]) -> &'static str {
    let general = match format {
        Format::Image => "image/",
        Format::Audio => "audio/",
        Format::Video => "video/",
        _ => return format.content_type(),
    };
    let told = infer::get(head).map(|kind| kind.mime_type());
    told.filter(|told| told.starts_with(general)).unwrap_or_else(|| format.content_type())
}

/// The ending of a name in lower case, empty where it has none.
fn extension(filename: &str) -> String {
    let (stem, extension) = filename.rsplit_once('.').unwrap_or_default();
    if stem.is_empty() { String::new() } else { extension.to_ascii_lowercase() }
}

/// Without byte order mark and leading whitespace.
fn start(head: &[u8]) -> &[u8] {
    head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start()
}

/// Whether a text is a whole HTML page. Markdown may begin with a `<p>` or a
/// comment, so these prove nothing.
fn is_html(head: &[u8]) -> bool {
    let text: Vec<u8> = head.iter().filter(|&&byte| byte != 0).map(u8::to_ascii_lowercase).collect();
    let text = text.strip_prefix(b"\xff\xfe").or(text.strip_prefix(b"\xfe\xff")).unwrap_or(&text);
    let mut text = start(text);
    // Past declarations and comments.
    for (open, close) in [(&b"<?xml"[..], &b"?>"[..]), (b"<!--", b"-->")] {
        if text.starts_with(open)
            && let Some(end) = text.windows(close.len()).position(|bytes| bytes == close)
        {
            text = text[end + close.len()..].trim_ascii_start();
        }
    }
    [&b"<!doctype html"[..], b"<html", b"<head", b"<body"].iter().any(|tag| text.starts_with(tag))
}

/// Whether a text says that it is XML.
fn is_xml(head: &[u8]) -> bool {
    let text: Vec<u8> = head.iter().take(64).filter(|&&byte| byte != 0).copied().collect();
    let text = text.strip_prefix(b"\xff\xfe").or(text.strip_prefix(b"\xfe\xff")).unwrap_or(&text);
    start(text).starts_with(b"<?xml")
}

/// Whether a text begins as JSON does. One that goes on otherwise is read as text all the same.
fn is_json(head: &[u8]) -> bool {
    let text = start(head);
    let next = text.get(1..).unwrap_or_default().trim_ascii_start().first();
    match text.first() {
        Some(b'{') => next == Some(&b'"'),
        Some(b'[') => next.is_some_and(|next| b"{[\"".contains(next)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ELF: &[u8] =
        b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0\0\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\0\
        \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

    #[test]
    fn content_goes_before_name() {
        let cases: &[(&str, &[u8], Format)] = &[
            ("a.txt", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", Format::Pdf),
            ("a.pdf", b"\n%PDF-1.4\n", Format::Pdf),
            ("a", b"\0\0\0garbage\0\0%PDF-1.4\n\0\0", Format::Pdf),
            ("broken.pdf", b"\0\x01\x02\x03", Format::Pdf),
            ("broken.pdf", b"no header\n1 0 obj\n", Format::Pdf),
            ("renamed.pdf", b"no header", Format::Text),
            ("notes.md", b"see %PDF-1.4", Format::Markdown),
            ("page.txt", b"<!DOCTYPE html><title>x</title>", Format::Html),
            ("page", b"\xef\xbb\xbf\n<?xml version=\"1.0\"?>\n<!-- x -->\n<html>", Format::Html),
            ("page.htm", b"<p>fragment", Format::Html),
            ("page", b"\xff\xfe<\0h\0t\0m\0l\0>\0", Format::Html),
            ("README.md", b"<p align=center>logo</p>\n# Title", Format::Markdown),
            ("README.MD", b"# Title", Format::Markdown),
            ("main.rs", b"fn main() {}", Format::Source),
            ("run", b"#!/usr/bin/env python3\nprint()", Format::Source),
            ("Makefile", b"all:\n\techo\n", Format::Source),
            ("talk.txt", b"WEBVTT\n\n00:01.000 --> 00:02.000\nx", Format::Vtt),
            ("talk.srt", b"1\n00:00:01,000 --> 00:00:02,000\nx", Format::Srt),
            ("a.eml", b"Subject: x\n\nhello", Format::Eml),
            ("noname", b"From: a\nTo: b\nDate: c\nSubject: d\n\nhello", Format::Eml),
            ("a.zip", b"From: a\nTo: b\nDate: c\nSubject: d\n\nhello", Format::Eml),
            ("inbox", b"From a Mon\nFrom: a\nTo: b\nDate: c\nSubject: d\n\nhello", Format::Mbox),
            ("a.txt", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0", Format::Image),
            ("photo", b"\0\0\0\x18ftypheic\0\0\0\0", Format::Image),
            ("film", b"\0\0\0\x18ftypisom\0\0\0\0", Format::Video),
            ("sound.bin", b"ID3\x04\0\0\0\0\0\0", Format::Audio),
            ("old.mp3", b"\0\0\0\0\xff\xfb\x90", Format::Audio),
            ("a", b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0", Format::Zip),
            ("a.tgz", b"\x1f\x8b\x08\0\0\0\0\0", Format::Gzip),
            ("data.csv", b"a,b\n1,2", Format::Csv),
            ("data.tsv", b"a\tb\n1\t2", Format::Tsv),
            ("a.json", b"// no", Format::Json),
            ("a", b" {\n\"a\": 1}", Format::Json),
            ("a", b"[see below]", Format::Text),
            ("a.ndjson", b"{}", Format::Jsonl),
            ("a.yml", b"a: b", Format::Yaml),
            ("Cargo.toml", b"[a]", Format::Toml),
            ("feed", b"\xef\xbb\xbf<?xml version='1.0'?><rss/>", Format::Xml),
            ("feed.txt", b"\xff\xfe<\0?\0x\0m\0l\0 \0", Format::Xml),
            ("a.fodt", b"<?xml version='1.0'?><office:document/>", Format::Xml),
            ("a.doc", b"<html>", Format::Html),
            ("a.xhtml", b"<?xml version='1.0'?><x/>", Format::Html),
            ("a.doc", b"{\\rtf1\\ansi hello}", Format::Rtf),
            (
                "a.pdf",
                b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\0\0\0word/",
                Format::Docx,
            ),
            ("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", Format::Docx),
            ("a.msg", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", Format::Msg),
            ("broken.docx", b"\0\x01\x02\x03", Format::Docx),
            ("broken.zip", b"\0\x01\x02\x03", Format::Zip),
            ("empty.xlsx", b"", Format::Xlsx),
            ("a.odt", b"this is no archive", Format::Text),
            ("a.zip", b"no archive", Format::Text),
            ("a.xlsm", b"a,b", Format::Text),
            ("noname", b"just text", Format::Text),
            (".md", b"just text", Format::Text),
            ("BM.txt", b"BM is how bitmaps begin, and MZ programs", Format::Text),
            ("umlauts.txt", b"k\xf6nnen", Format::Text),
            ("empty.txt", b"", Format::Text),
            ("empty.pdf", b"", Format::Pdf),
        ];
        for (name, head, format) in cases {
            assert_eq!(detect(name, head).as_ref(), Ok(format), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_what_can() {
        let cases: &[(&str, &[u8], &str)] = &[
            ("a.txt", ELF, "executable"),
            ("a.rar", b"Rar!\x1a\x07\0\0\0\0\0\0\0\0", "rar"),
            ("a.csv", b"\0\x01\x02\x03", "binary"),
            ("a.bin", b"\x01\x02\x03\x04\x05\x90\x91", "binary"),
        ];
        for (name, head, what) in cases {
            let message = detect(name, head).map_err(|e| e.to_string());
            assert!(
                message.as_ref().is_err_and(|m| m.contains(what) && m.contains("Markdown")),
                "{message:?}"
            );
        }
    }
}
