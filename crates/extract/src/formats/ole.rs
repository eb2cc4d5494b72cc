//! Documents in the container of Office 97: DOC and PPT by `undoc`, XLS by
//! `calamine`; and what encrypts or wraps a newer document.

use super::{
    embedded, mail,
    ooxml::Properties,
    sheets,
    writer::{Block, Writer, one_line},
};
use crate::{contained::Context, error::ExtractError, format::Format};
use cfb::CompoundFile;
use ragstream_core::text::{DocumentText, Markup};
use std::{
    io::{Cursor, Read},
    panic::{AssertUnwindSafe, catch_unwind},
};
use undoc::{
    Document,
    doc::DocParser,
    model::{self, RevisionType},
    ppt::PptParser,
};

/// How such a container begins.
pub const MAGIC: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

/// Streams by which the program is known that wrote the container.
const STREAMS: &[(&str, Kind)] = &[
    ("EncryptedPackage", Kind::Encrypted),
    ("WordDocument", Kind::Word),
    ("Workbook", Kind::Excel),
    ("Book", Kind::Excel),
    ("PowerPoint Document", Kind::PowerPoint),
    (mail::PROPERTIES, Kind::Message),
    ("VisioDocument", Kind::Other("a Visio drawing; save it as PDF")),
    ("Quill", Kind::Other("a Publisher document; save it as PDF")),
];

/// Streams that hold a whole document, with its bytes as they are.
const WRAPPED: &[&str] = &["Package", "CONTENTS"];

/// The stream that holds a document behind its name.
const NATIVE: &str = "\u{1}Ole10Native";

/// Longest path in such a stream.
const MAX_PATH_BYTES: usize = 1000;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Encrypted,
    Word,
    Excel,
    PowerPoint,
    Message,
    Other(&'static str),
}

type Container<'a> = CompoundFile<Cursor<&'a [u8]>>;

/// Any document in such a container, whatever its name says.
pub fn extract(bytes: &[u8], context: &Context<'_>) -> Result<DocumentText, ExtractError> {
    let Some(container) = open(bytes) else {
        // A container that is damaged still shows the name of what was encrypted.
        let name: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
        return Err(match bytes.windows(name.len()).any(|window| window == name) {
            true => ExtractError::Encrypted,
            false => ExtractError::corrupt(Format::Doc, "the container of the document can't be read"),
        });
    };
    let kind = STREAMS.iter().find(|(name, _)| container.exists(name));
    match kind.map(|(_, kind)| *kind) {
        Some(Kind::Encrypted) => Err(ExtractError::Encrypted),
        Some(Kind::Word) => word(bytes, context),
        Some(Kind::Excel) => sheets::legacy(bytes, context),
        Some(Kind::PowerPoint) => presentation(bytes, context),
        Some(Kind::Message) => mail::msg(bytes, context),
        Some(Kind::Other(what)) => Err(ExtractError::Unsupported { reason: format!("the file is {what}") }),
        None => Err(ExtractError::Unsupported {
            reason: "the file is of an old program; save it as .docx, .xlsx, .pptx or PDF".to_owned(),
        }),
    }
}

/// Name and bytes of a document that such a container wraps to show it in another.
pub fn attachment(bytes: &[u8]) -> Option<(String, Vec<u8>)> {
    let mut container = open(bytes)?;
    if STREAMS.iter().any(|(name, _)| container.exists(name)) {
        return None;
    }
    let wrapped = WRAPPED.iter().find(|name| container.is_stream(name));
    if let Some(name) = wrapped {
        return Some(((*name).to_owned(), stream(&mut container, name)?));
    }
    native(&stream(&mut container, NATIVE)?)
}

fn open(bytes: &[u8]) -> Option<Container<'_>> {
    if !bytes.starts_with(MAGIC) {
        return None;
    }
    catch_unwind(|| CompoundFile::open(Cursor::new(bytes)).ok()).ok()?
}

fn stream(container: &mut Container<'_>, name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    // What is cut off by this is damaged to its reader.
    let read = catch_unwind(AssertUnwindSafe(|| {
        let stream = container.open_stream(name).ok()?;
        stream.take(embedded::MAX_BYTES).read_to_end(&mut bytes).ok()
    }));
    read.ok()??;
    Some(bytes)
}

/// Sizes, a label, a path, another path, and then the document.
fn native(stream: &[u8]) -> Option<(String, Vec<u8>)> {
    let word = |at: usize| Some(u32::from_le_bytes(stream.get(at..at + 4)?.try_into().ok()?) as usize);
    let text_end = |at: usize| {
        let text = stream.get(at..)?;
        Some(at + text.iter().take(MAX_PATH_BYTES).position(|&byte| byte == 0)?)
    };
    let label = 6;
    let label_end = text_end(label)?;
    let path_end = text_end(label_end + 1)?;
    // Two marks of two bytes, and the length of the second path.
    let second = path_end + 1 + 4;
    let data = second.checked_add(4)?.checked_add(word(second)?)?;
    let length = word(data)?;
    let bytes = stream.get(data + 4..)?;
    let name = String::from_utf8_lossy(&stream[label..label_end]).into_owned();
    Some((name, bytes[..length.min(bytes.len())].to_vec()))
}

fn parsed(format: Format, parse: impl FnOnce() -> undoc::Result<Document>) -> Result<Document, ExtractError> {
    match catch_unwind(AssertUnwindSafe(parse)) {
        Ok(Ok(document)) => Ok(document),
        Ok(Err(undoc::Error::Encrypted)) => Err(ExtractError::Encrypted),
        Ok(Err(_)) => Err(ExtractError::corrupt(format, "a part of the document can't be read")),
        Err(_) => Err(ExtractError::corrupt(format, "the reader gave up on it")),
    }
}

fn word(bytes: &[u8], context: &Context<'_>) -> Result<DocumentText, ExtractError> {
    let document = parsed(Format::Doc, || DocParser::from_bytes(bytes.to_vec())?.parse())?;
    let mut writer = Writer::new(context.limits);
    for section in &document.sections {
        let header = section.header.iter().flatten().map(paragraph);
        header.chain(section.content.iter().flat_map(blocks)).try_for_each(|block| writer.write(block))?;
        section.footer.iter().flatten().map(paragraph).try_for_each(|block| writer.write(block))?;
    }
    Ok(described(document, writer, "doc-undoc-0.27/1"))
}

fn presentation(bytes: &[u8], context: &Context<'_>) -> Result<DocumentText, ExtractError> {
    let document = parsed(Format::Ppt, || PptParser::from_bytes(bytes.to_vec())?.parse())?;
    let mut writer = Writer::new(context.limits);
    let mut number = 0;
    for section in &document.sections {
        number += 1;
        writer.page(number);
        let mut content: Vec<Block> = section.content.iter().flat_map(blocks).collect();
        let is_title = |block: &Block| matches!(block, Block::Heading(_, text) if !text.trim().is_empty());
        let title = content.iter().position(is_title).map(|at| content.remove(at));
        let notes: Vec<String> = section.notes.iter().flatten().map(words).collect();
        let notes = notes.join("\n");
        let has_text = |block: &Block| !matches!(block, Block::Paragraph(text) | Block::Item(_, _, text) if text.trim().is_empty());
        match title {
            Some(Block::Heading(_, title)) => writer.heading(2, &title)?,
            _ if content.iter().any(has_text) || !notes.trim().is_empty() => {
                writer.heading(2, &format!("Slide {number}"))?;
            }
            _ => continue,
        }
        content.into_iter().try_for_each(|block| writer.write(block))?;
        if !notes.trim().is_empty() {
            writer.paragraph(&format!("Notes: {}", notes.trim()))?;
        }
    }
    let mut text = described(document, writer, "ppt-undoc-0.27/1");
    text.metadata.insert("slides".to_owned(), number.into());
    text.metadata.remove("pages");
    Ok(text)
}

fn described(document: Document, writer: Writer, extractor: &str) -> DocumentText {
    let mut properties = Properties::default();
    let facts = document.metadata;
    let pages = facts.page_count.map(|count| count.to_string());
    for (name, value) in [
        ("title", facts.title),
        ("author", facts.author),
        ("subject", facts.subject),
        ("description", facts.description),
        ("keywords", Some(facts.keywords.join(", "))),
        ("created", facts.created),
        ("modified", facts.modified),
        ("modified_by", facts.last_modified_by),
        ("pages", pages),
    ] {
        properties.add(name, &value.unwrap_or_default());
    }
    let (text, pages) = writer.finish();
    let mut text = DocumentText {
        text,
        pages,
        markup: Markup::Markdown,
        extractor: extractor.to_owned(),
        ..DocumentText::default()
    };
    properties.describe(&mut text);
    text
}

fn blocks(block: &model::Block) -> Vec<Block> {
    match block {
        model::Block::Paragraph(text) => vec![paragraph(text)],
        model::Block::Table(table) => vec![Block::Table(rows(table))],
        model::Block::Note { label, content } => {
            let lines: Vec<String> = content.iter().map(words).collect();
            vec![Block::Note(label.clone(), lines.join("\n"))]
        }
        model::Block::Image { alt_text: Some(words), .. } if !words.trim().is_empty() => {
            vec![Block::Paragraph(format!("Image: {}", one_line(words)))]
        }
        _ => Vec::new(),
    }
}

fn paragraph(paragraph: &model::Paragraph) -> Block {
    let text = words(paragraph);
    match (paragraph.heading.level(), &paragraph.list_info) {
        (0, Some(list)) => {
            let marker = list.number.map_or_else(|| "-".to_owned(), |number| format!("{number}."));
            Block::Item(usize::from(list.level), marker, text)
        }
        (0, None) => Block::Paragraph(text),
        (level, _) => Block::Heading(level, text),
    }
}

fn words(paragraph: &model::Paragraph) -> String {
    let mut words = String::new();
    for run in paragraph.runs.iter().filter(|run| run.revision != RevisionType::Deleted) {
        match run.hyperlink.as_deref().filter(|link| link.contains(':') && *link != run.text.trim()) {
            Some(link) if !run.text.trim().is_empty() => {
                words.push_str(&format!("[{}]({link})", run.text.trim()));
            }
            _ => words.push_str(&run.text),
        }
        if let Some(label) = &run.note {
            words.push_str(&Writer::note_mark(label));
        }
        if run.line_break {
            words.push('\n');
        }
    }
    words
}

fn rows(table: &model::Table) -> Vec<Vec<String>> {
    let cell = |cell: &model::Cell| {
        let lines = cell.content.iter().map(words);
        let nested = cell.nested_tables.iter().flat_map(rows).map(|row| row.join(" | "));
        lines.chain(nested).collect::<Vec<_>>().join("\n")
    };
    table.rows.iter().map(|row| row.cells.iter().map(cell).collect()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write;

    fn container(streams: &[(&str, &[u8])]) -> Vec<u8> {
        let mut container = CompoundFile::create(Cursor::new(Vec::new())).unwrap();
        for (name, bytes) in streams {
            container.create_stream(name).unwrap().write_all(bytes).unwrap();
        }
        container.flush().unwrap();
        container.into_inner().into_inner()
    }

    #[test]
    fn containers_are_told_by_their_streams() {
        let limits = crate::Limits::default();
        let class = |streams: &[(&str, &[u8])]| {
            extract(&container(streams), &Context::new("", 0, &limits)).unwrap_err().class()
        };
        assert_eq!(class(&[("EncryptionInfo", b"x"), ("EncryptedPackage", b"x")]), "encrypted_document");
        assert_eq!(class(&[("WordDocument", b"x")]), "corrupt_document");
        assert_eq!(class(&[("Workbook", b"x")]), "corrupt_document");
        assert_eq!(class(&[("PowerPoint Document", b"x")]), "corrupt_document");
        assert_eq!(class(&[("VisioDocument", b"x")]), "unsupported_format");
        assert_eq!(class(&[("something", b"x")]), "unsupported_format");
        assert_eq!(extract(MAGIC, &Context::new("", 0, &limits)).unwrap_err().class(), "corrupt_document");
    }

    #[test]
    fn wrapped_documents_come_out() {
        assert_eq!(
            attachment(&container(&[("Package", b"PK...")])).unwrap(),
            ("Package".to_owned(), b"PK...".to_vec())
        );
        let mut native =
            b"\x40\0\0\0\x02\0a.txt\0C:\\tmp\\a.txt\0\0\0\x03\0\x04\0\0\0C:\\\0\x05\0\0\0helloMORE".to_vec();
        assert_eq!(
            attachment(&container(&[(NATIVE, &native)])).unwrap(),
            ("a.txt".to_owned(), b"hello".to_vec())
        );
        native.truncate(30);
        assert_eq!(attachment(&container(&[(NATIVE, &native)])), None);
        assert_eq!(attachment(&container(&[("Workbook", b"x"), ("Package", b"x")])), None);
        assert_eq!(attachment(b"no container"), None);
    }
}
