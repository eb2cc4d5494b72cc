//! What binary files and mail begin with.

use crate::{format::Format, formats::ole};

/// Where a TAR header says that it is one.
const USTAR_AT: usize = 257;

/// First bytes that no text has.
const BEGINNINGS: &[(&[u8], Format)] = &[
    (b"\x89PNG\r\n\x1a\n", Format::Image),
    (b"\xff\xd8\xff", Format::Image),
    (b"GIF87a", Format::Image),
    (b"GIF89a", Format::Image),
    (b"II*\0", Format::Image),
    (b"MM\0*", Format::Image),
    (b"\0\0\0\x0cjP  \r\n\x87\n", Format::Image),
    (b"fLaC\0", Format::Audio),
    (b"OggS\0", Format::Audio),
    (b"ID3\x02", Format::Audio),
    (b"ID3\x03", Format::Audio),
    (b"ID3\x04", Format::Audio),
    (b"MAC ", Format::Audio),
    (b"wvpk", Format::Audio),
    (b"\x1a\x45\xdf\xa3", Format::Video),
    (b"PK\x03\x04", Format::Zip),
    (b"PK\x05\x06", Format::Zip),
    (b"\x1f\x8b\x08", Format::Gzip),
    (b"7z\xbc\xaf\x27\x1c", Format::SevenZip),
];

/// The binary format that these bytes, the first of a file, begin.
pub fn of(head: &[u8]) -> Option<Format> {
    if let Some((_, format)) = BEGINNINGS.iter().find(|(bytes, _)| head.starts_with(bytes)) {
        return Some(*format);
    }
    let at = |at: usize, bytes: &[u8]| head.get(at..at + bytes.len()) == Some(bytes);
    if at(USTAR_AT, b"ustar") {
        return Some(Format::Tar);
    }
    match head.first_chunk::<12>()? {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P'] => Some(Format::Image),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E'] => Some(Format::Audio),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', b' '] => Some(Format::Video),
        [b'F', b'O', b'R', b'M', _, _, _, _, b'A', b'I', b'F', b'F' | b'C'] => Some(Format::Audio),
        // A box of the ISO base media format, and what the file is first of all.
        [0, 0, _, _, b'f', b't', b'y', b'p', brand @ ..] => Some(match brand {
            b"heic" | b"heix" | b"heim" | b"hevc" | b"hevx" | b"mif1" | b"msf1" | b"avif" | b"avis" => {
                Format::Image
            }
            b"M4A " | b"M4B " | b"M4P " => Format::Audio,
            _ => Format::Video,
        }),
        [0, 0, _, _, b'm', b'o', b'o', b'v', ..] | [0, 0, _, _, b'w', b'i', b'd', b'e', ..] => {
            Some(Format::Video)
        }
        _ => None,
    }
}

/// A message of Outlook: its container names its properties early in most
/// files, and the name of the file tells the others.
pub fn outlook(head: &[u8], named: Option<Format>) -> Option<Format> {
    const PROPERTIES: &str = "__substg1.0_";
    let name: Vec<u8> = PROPERTIES.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let is_told = named == Some(Format::Msg) || head.windows(name.len()).any(|bytes| bytes == name);
    (head.starts_with(ole::MAGIC) && is_told).then_some(Format::Msg)
}

/// The format of binary data that begins in no certain way: by what is usual.
pub fn likely(head: &[u8]) -> Option<Format> {
    let kind = infer::get(head)?;
    match kind.mime_type() {
        "image/bmp" => Some(Format::Image),
        "audio/mpeg" | "audio/aac" | "audio/x-wav" | "audio/ogg" => Some(Format::Audio),
        _ => None,
    }
}

/// Header fields that mail has and that other texts seldom begin with.
const MAIL_FIELDS: &[&str] = &[
    "bcc",
    "cc",
    "content-type",
    "date",
    "delivered-to",
    "dkim-signature",
    "from",
    "in-reply-to",
    "message-id",
    "mime-version",
    "received",
    "references",
    "reply-to",
    "return-path",
    "sender",
    "subject",
    "to",
];

/// So many different ones make a text a mail.
const MAIL_FIELDS_NEEDED: usize = 4;

/// Whether these bytes, the first of a text, are those of a mail or a mailbox.
pub fn mail(head: &[u8]) -> Option<Format> {
    let is_mailbox = head.starts_with(b"From ");
    let mut seen = [false; MAIL_FIELDS.len()];
    for line in head.split(|&byte| byte == b'\n').skip(usize::from(is_mailbox)) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            continue;
        }
        // The head may end within a line.
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { break };
        let name = line[..colon].to_ascii_lowercase();
        if name.is_empty() || !name.iter().all(|b| b.is_ascii_graphic()) {
            return None;
        }
        if let Some(at) = MAIL_FIELDS.iter().position(|field| field.as_bytes() == name) {
            seen[at] = true;
        }
    }
    (seen.iter().filter(|seen| **seen).count() >= MAIL_FIELDS_NEEDED).then_some(match is_mailbox {
        true => Format::Mbox,
        false => Format::Eml,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_is_told_by_its_header() {
        let mail_head = b"Received: from a\r\n by b\r\nDate: x\r\nFrom: y\r\nTo: z\r\n\r\nbody: x";
        assert_eq!(mail(mail_head), Some(Format::Eml));
        assert_eq!(mail(&[&b"From x@y Mon Jan 1\n"[..], mail_head].concat()), Some(Format::Mbox));
        for text in [
            &b"From: me\nTo: you\n\nDate: x\nSubject: y\n"[..],
            b"From here on: it goes\nand on\n",
            b"Dear all: this is\nSubject: x\nDate: y\nTo: z\nFrom: a\n",
            b"",
        ] {
            assert_eq!(mail(text), None, "{}", String::from_utf8_lossy(text));
        }
    }
}
