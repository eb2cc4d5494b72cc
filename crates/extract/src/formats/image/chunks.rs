//! Texts in the structure of the file itself: PNG's text chunks, comments of JPEG and GIF.

use crate::{charset::decode, formats::facts::Facts};
use flate2::read::ZlibDecoder;
use std::io::Read;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const JPEG: &[u8] = b"\xff\xd8";

/// Longest text that is unpacked, in bytes.
const TEXT_BYTES: u64 = 1 << 20;

/// Keywords of PNG (W3C PNG, 11.3.3.2), and what they are called here.
const KEPT: &[(&str, &str)] = &[
    ("Title", "Title"),
    ("Author", "Author"),
    ("Description", "Description"),
    ("Copyright", "Copyright"),
    ("Creation Time", "Date"),
    ("Comment", "Comment"),
    ("Disclaimer", "Disclaimer"),
    ("Warning", "Warning"),
    ("Source", "Source"),
    ("Software", "Software"),
];

/// A damaged file says what comes before the damage.
pub fn read(bytes: &[u8], facts: &mut Facts) {
    if let Some(rest) = bytes.strip_prefix(PNG) {
        png(rest, facts);
    } else if let Some(rest) = bytes.strip_prefix(JPEG) {
        jpeg(rest, facts);
    }
}

fn png(mut rest: &[u8], facts: &mut Facts) {
    while let Some((kind, body, next)) = chunk(rest) {
        if kind == b"IEND" {
            return;
        }
        rest = next;
        let Some((keyword, value)) = split(body) else { continue };
        let text = match kind {
            b"tEXt" => Some(latin(value)),
            b"zTXt" => value.split_first().map(|(_, packed)| latin(&inflate(packed))),
            // Whether it is packed, how, its language, its translated keyword, and the text.
            b"iTXt" => value.split_at_checked(2).and_then(|(flags, value)| {
                let (_, value) = split(split(value)?.1)?;
                let value = if flags[0] == 1 { inflate(value) } else { value.to_vec() };
                Some(String::from_utf8_lossy(&value).into_owned())
            }),
            _ => None,
        };
        let Some(text) = text else { continue };
        if keyword == b"XML:com.adobe.xmp" {
            super::xmp::read(text.as_bytes(), facts);
        }
        let kept = KEPT.iter().find(|(known, _)| known.as_bytes() == keyword);
        if let Some((_, label)) = kept {
            facts.add(label, &text);
        }
    }
}

/// Kind and body of the first chunk, and what follows it.
fn chunk(bytes: &[u8]) -> Option<(&[u8; 4], &[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (kind, rest) = rest.split_first_chunk::<4>()?;
    let (body, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    Some((kind, body, rest.get(4..)?))
}

/// What is before and after the first NUL.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|&byte| byte == 0)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

/// Many write UTF-8 where Latin-1 is meant to be.
fn latin(bytes: &[u8]) -> String {
    decode(bytes, None).text
}

fn inflate(packed: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    // What could be unpacked before an error is text, too.
    let _ = ZlibDecoder::new(packed).take(TEXT_BYTES).read_to_end(&mut text);
    text
}

/// Comments are in segments before the picture itself.
fn jpeg(mut rest: &[u8], facts: &mut Facts) {
    const COMMENT: u8 = 0xfe;
    const START_OF_SCAN: u8 = 0xda;
    while let [0xff, kind, high, low, ..] = *rest {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some(body) = rest.get(4..2 + length) else { return };
        match kind {
            COMMENT => facts.add("Comment", &latin(body)),
            START_OF_SCAN => return,
            _ => {}
        }
        rest = &rest[2 + length..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(bytes: &[u8]) -> String {
        let mut facts = Facts::default();
        read(bytes, &mut facts);
        facts.text()
    }

    fn png_with(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut bytes = PNG.to_vec();
        for (kind, body) in chunks {
            bytes.extend((body.len() as u32).to_be_bytes());
            bytes.extend(*kind);
            bytes.extend(*body);
            bytes.extend([0; 4]);
        }
        bytes
    }

    #[test]
    fn texts_of_png_are_read() {
        let png = png_with(&[
            (b"tEXt", b"Title\0caf\xe9"),
            (b"iTXt", b"Description\0\0\0en\0\0a \xc3\xa9t\xc3\xa9"),
            (b"zTXt", b"Comment\0\0\x78\x9c\x4b\x04\x00\x00\x62\x00\x62"),
            (b"tEXt", b"parameters\0unknown"),
            (b"IEND", b""),
            (b"tEXt", b"Author\0too late"),
        ]);
        assert_eq!(text_of(&png), "Title: café\nDescription: a été\nComment: a\n");
        for cut in 0..png.len() {
            text_of(&png[..cut]);
        }
    }

    #[test]
    fn comments_of_jpeg_are_read() {
        assert_eq!(text_of(b"\xff\xd8\xff\xe0\0\x04ab\xff\xfe\0\x07hello\xff\xda\0\x02"), "Comment: hello\n");
        assert_eq!(text_of(b"\xff\xd8\xff\xfe\0\0\xff\xfe\0\x01"), "");
    }
}
