//! Documents in containers, told by what is in these: Office Open XML,
//! OpenDocument and EPUB are zips, what is older or encrypted is in the
//! container of Office 97. A wrong name changes nothing: what turns out to be
//! an archive is read as one.

use super::{archive, epub, odf, ole, ooxml, zipped::Zipped};
use crate::{contained::Context, error::ExtractError, format::Format};
use ragstream_core::text::DocumentText;

/// How zips begin: with a member, or with their end where there is none.
const ZIP: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// What stands before the name of a member.
const MEMBER_NAME_AT: usize = 30;

/// Members and folders by which a document is known.
const MEMBERS: &[(&str, Format)] = &[
    ("word/", Format::Docx),
    ("ppt/", Format::Pptx),
    ("xl/", Format::Xlsx),
    ("META-INF/container.xml", Format::Epub),
];

/// Media types that stand at the beginning of a document.
const MEDIA_TYPES: &[(&str, Format)] = &[
    ("application/epub+zip", Format::Epub),
    ("application/vnd.oasis.opendocument.text", Format::Odt),
    ("application/vnd.oasis.opendocument.spreadsheet", Format::Ods),
    ("application/vnd.oasis.opendocument.presentation", Format::Odp),
];

/// The format of a container from its first bytes; where these leave a choice,
/// as it is named. `None` where it is none, or a zip that is no document.
pub fn told(head: &[u8], named: Option<Format>) -> Option<Format> {
    let named = named.filter(|format| is_office(*format));
    if head.starts_with(ole::MAGIC) {
        return Some(named.unwrap_or(told_by_streams(head)?));
    }
    if !ZIP.iter().any(|magic| head.starts_with(magic)) {
        return None;
    }
    let members = members(head);
    let known = |name: &&[u8]| MEMBERS.iter().find(|(known, _)| name.starts_with(known.as_bytes()));
    if let Some((_, format)) = members.iter().find_map(known) {
        return Some(*format);
    }
    if members.first() == Some(&&b"mimetype"[..]) {
        let after = &head[MEMBER_NAME_AT..];
        // Templates have the type of their documents and a word more.
        let told =
            MEDIA_TYPES.iter().find(|(kind, _)| contains(&after[..after.len().min(200)], kind.as_bytes()));
        return told.map(|(_, format)| *format).or(named);
    }
    // A package whose first parts say nothing of it is read as what it is, whatever it is called here.
    let is_package = members.iter().any(|name| [&b"[Content_Types].xml"[..], b"_rels/.rels"].contains(name));
    named.or(is_package.then_some(Format::Docx))
}

/// Whether an open container is one of a document, and no mere archive.
pub fn is_document(zip: &Zipped<'_>) -> bool {
    odf::is_package(zip) || epub::is_package(zip) || ooxml::is_package(zip)
}

/// Whether its files are containers, which `extract` reads.
fn is_office(format: Format) -> bool {
    matches!(
        format,
        Format::Docx
            | Format::Pptx
            | Format::Xlsx
            | Format::Doc
            | Format::Ppt
            | Format::Xls
            | Format::Odt
            | Format::Ods
            | Format::Odp
            | Format::Epub
    )
}

/// By the names of streams, where these are among the first bytes; else as
/// the oldest of these formats: the reader looks again.
fn told_by_streams(head: &[u8]) -> Option<Format> {
    let has = |name: &str| {
        let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        contains(head, &name)
    };
    if has("__substg1.0_") || has("__properties_version1.0") {
        return None;
    }
    let known =
        [("WordDocument", Format::Doc), ("Workbook", Format::Xls), ("PowerPoint Document", Format::Ppt)];
    Some(known.into_iter().find(|(name, _)| has(name)).map_or(Format::Doc, |(_, format)| format))
}

/// Names of the members that begin among these bytes.
fn members(head: &[u8]) -> Vec<&[u8]> {
    let starts = head.windows(4).enumerate().filter(|(_, bytes)| *bytes == ZIP[0]);
    let name = |start: usize| {
        let length = head.get(start + 26..start + 28)?;
        let length = usize::from(u16::from_le_bytes([length[0], length[1]]));
        head.get(start + MEMBER_NAME_AT..)?.get(..length)
    };
    starts.filter_map(|(start, _)| name(start)).collect()
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// Reads any of these, whatever it was taken for.
pub fn extract(format: Format, bytes: &[u8], context: &Context<'_>) -> Result<DocumentText, ExtractError> {
    if bytes.starts_with(ole::MAGIC) {
        return ole::extract(bytes, context);
    }
    if !bytes.starts_with(b"PK") {
        return Err(ExtractError::corrupt(format, "it does not begin as one"));
    }
    let zip = Zipped::open(bytes, format, &context.budget)?;
    if odf::is_package(&zip) {
        return odf::extract(zip, format, context);
    }
    if epub::is_package(&zip) {
        return epub::extract(zip, context);
    }
    if !ooxml::is_package(&zip) {
        return archive::members(zip, bytes, context);
    }
    if zip.entries().iter().any(|entry| entry.encrypted) {
        return Err(ExtractError::Encrypted);
    }
    match ooxml::extract(bytes, zip.clone(), context)? {
        Some(text) => Ok(text),
        None if ooxml::is_rest_of_one(&zip) => {
            Err(ExtractError::corrupt(format, "its container holds no document"))
        }
        // Programs pack much else in the same way.
        None => archive::members(zip, bytes, context),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::{Cursor, Write};
    use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

    fn zip(members: &[(&str, &str)]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        for (name, text) in members {
            writer.start_file(*name, stored).unwrap();
            writer.write_all(text.as_bytes()).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn containers_are_told_by_their_members() {
        let types = ("[Content_Types].xml", "<Types/>");
        for (members, named, told_as) in [
            (&[types, ("word/document.xml", "")][..], None, Some(Format::Docx)),
            (&[types, ("ppt/presentation.xml", "")], Some(Format::Docx), Some(Format::Pptx)),
            (&[("_rels/.rels", ""), ("xl/workbook.xml", "")], Some(Format::Odt), Some(Format::Xlsx)),
            (&[types], Some(Format::Xlsx), Some(Format::Xlsx)),
            (&[types], None, Some(Format::Docx)),
            (&[("mimetype", "application/epub+zip")], None, Some(Format::Epub)),
            (&[("mimetype", "application/vnd.oasis.opendocument.text-template")], None, Some(Format::Odt)),
            (&[("mimetype", "application/vnd.oasis.opendocument.spreadsheet")], None, Some(Format::Ods)),
            (
                &[("mimetype", "application/vnd.oasis.opendocument.presentation")],
                Some(Format::Odt),
                Some(Format::Odp),
            ),
            (&[("a.txt", "word/")], None, None),
            (&[("a.txt", "")], Some(Format::Text), None),
        ] {
            assert_eq!(told(&zip(members), named), told_as, "{members:?}");
        }
        assert_eq!(told(b"PK but no zip", None), None);
        assert_eq!(told(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Some(Format::Xls)), Some(Format::Xls));
        assert_eq!(
            told(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1W\0o\0r\0k\0b\0o\0o\0k\0", None),
            Some(Format::Xls)
        );
        assert_eq!(told(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", None), Some(Format::Doc));
    }
}
