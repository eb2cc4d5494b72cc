//! Bytes to characters, for text of any encoding.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// Most of a text that the guess of a legacy encoding looks at: more makes it
/// slower, not better.
const GUESS_BYTES: usize = 1 << 20;

/// A text is no binary data if at most one byte in so many is a control
/// character. One in nine is in random bytes.
const CONTROL_SHARE: usize = 100;

/// An encoding that needs no guess.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Unicode {
    Encoding(&'static Encoding),
    Utf32 { big_endian: bool },
}

/// Decoded text.
pub struct Decoded {
    /// The characters, without byte order mark.
    pub text: String,
    /// Name of the encoding, in lower case.
    pub encoding: String,
    /// Some bytes were no characters of it and were replaced by U+FFFD.
    pub lossy: bool,
}

/// Whether these bytes, the first of a file, are text in some encoding.
pub fn is_text(head: &[u8]) -> bool {
    if unicode(head).is_some() {
        return true;
    }
    let control = |byte: u8| matches!(byte, 0..=0x07 | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f);
    head.iter().filter(|&&byte| control(byte)).count() * CONTROL_SHARE <= head.len()
}

/// Decodes by byte order mark, `declared` encoding (what the document says of
/// itself), UTF-8 if it is that, or else the most likely legacy encoding.
pub fn decode(bytes: &[u8], declared: Option<&'static Encoding>) -> Decoded {
    match unicode(bytes) {
        Some((Unicode::Utf32 { big_endian }, mark)) => utf_32(&bytes[mark..], big_endian),
        Some((Unicode::Encoding(encoding), mark)) => with(encoding, &bytes[mark..]),
        None => match declared {
            Some(encoding) => with(encoding, bytes),
            None if std::str::from_utf8(bytes).is_ok() => with(UTF_8, bytes),
            None => with(guess(bytes), bytes),
        },
    }
}

fn with(encoding: &'static Encoding, bytes: &[u8]) -> Decoded {
    let (text, lossy) = encoding.decode_without_bom_handling(bytes);
    Decoded { text: text.into_owned(), encoding: encoding.name().to_lowercase(), lossy }
}

fn utf_32(bytes: &[u8], big_endian: bool) -> Decoded {
    let mut lossy = !bytes.len().is_multiple_of(4);
    let text = bytes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|&unit| {
            char::from_u32(if big_endian { u32::from_be_bytes(unit) } else { u32::from_le_bytes(unit) })
        })
        .map(|character| {
            lossy |= character.is_none();
            character.unwrap_or(char::REPLACEMENT_CHARACTER)
        })
        .collect();
    let encoding = if big_endian { "utf-32be" } else { "utf-32le" };
    Decoded { text, encoding: encoding.to_owned(), lossy }
}

/// The encoding by its byte order mark and the length of that, or UTF-16
/// without a mark by where its zero bytes are.
fn unicode(bytes: &[u8]) -> Option<(Unicode, usize)> {
    // Before UTF-16, whose little-endian mark is the beginning of this one.
    for (mark, big_endian) in [([0xff, 0xfe, 0, 0], false), ([0, 0, 0xfe, 0xff], true)] {
        if bytes.starts_with(&mark) {
            return Some((Unicode::Utf32 { big_endian }, mark.len()));
        }
    }
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return Some((Unicode::Encoding(encoding), mark));
    }
    let pairs = &bytes.as_chunks::<2>().0[..(bytes.len() / 2).min(GUESS_BYTES)];
    let zeros = |at: usize| pairs.iter().filter(|pair| pair[at] == 0).count();
    let (first, second) = (zeros(0), zeros(1));
    // Most scripts but the East Asian have one high byte; that of Latin is zero.
    let mostly =
        |zeros: usize, others: usize| pairs.len() > 1 && zeros * 2 > pairs.len() && others * 20 < pairs.len();
    match (mostly(second, first), mostly(first, second)) {
        (true, _) => Some((Unicode::Encoding(UTF_16LE), 0)),
        (_, true) => Some((Unicode::Encoding(UTF_16BE), 0)),
        _ => None,
    }
}

fn guess(bytes: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(&bytes[..bytes.len().min(GUESS_BYTES)], true);
    detector.guess(None, Utf8Detection::Deny)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_gives_the_same_text() {
        let text = "Größe, naïve and façade: 12 € each";
        let utf_16 =
            |to_bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(to_bytes).collect::<Vec<u8>>();
        let utf_32 =
            |to_bytes: fn(u32) -> [u8; 4]| text.chars().flat_map(|c| to_bytes(c as u32)).collect::<Vec<u8>>();
        let cases = [
            (text.as_bytes().to_vec(), "utf-8"),
            ([b"\xef\xbb\xbf", text.as_bytes()].concat(), "utf-8"),
            ([vec![0xff, 0xfe], utf_16(u16::to_le_bytes)].concat(), "utf-16le"),
            ([vec![0xfe, 0xff], utf_16(u16::to_be_bytes)].concat(), "utf-16be"),
            (utf_16(u16::to_le_bytes), "utf-16le"),
            (utf_16(u16::to_be_bytes), "utf-16be"),
            ([vec![0xff, 0xfe, 0, 0], utf_32(u32::to_le_bytes)].concat(), "utf-32le"),
            ([vec![0, 0, 0xfe, 0xff], utf_32(u32::to_be_bytes)].concat(), "utf-32be"),
            (encoding_rs::WINDOWS_1252.encode(text).0.into_owned(), "windows-1252"),
        ];
        for (bytes, encoding) in cases {
            assert!(is_text(&bytes), "{encoding}");
            let decoded = decode(&bytes, None);
            assert_eq!((decoded.text.as_str(), decoded.encoding.as_str()), (text, encoding));
            assert!(!decoded.lossy);
        }
    }

    #[test]
    fn legacy_encodings_are_guessed() {
        for (encoding, text) in [
            (encoding_rs::SHIFT_JIS, "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。"),
            (encoding_rs::GBK, "学而时习之，不亦说乎？有朋自远方来，不亦乐乎？"),
            (
                encoding_rs::WINDOWS_1251,
                "Все счастливые семьи похожи друг на друга, каждая несчастлива по-своему.",
            ),
        ] {
            let bytes = encoding.encode(text).0;
            assert!(is_text(&bytes));
            assert_eq!(decode(&bytes, None).text, text);
            assert_eq!(decode(&bytes, Some(encoding)).text, text);
        }
    }

    #[test]
    fn binary_data_is_no_text() {
        let noise: Vec<u8> = (0..2000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        assert!(!is_text(&noise));
        assert!(!is_text(&[0; 100]));
        assert!(!is_text(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"));
        assert!(is_text(b""));
        assert!(is_text(b"\x1b[31mred\x1b[0m\n"));
    }

    #[test]
    fn what_is_no_character_is_replaced_and_told() {
        let decoded = decode(&[0xff, 0xfe, 0, 0, 0x41, 0, 0, 0, 0, 0xd8, 0, 0, 1], None);
        assert_eq!(decoded.text, "A\u{fffd}");
        assert!(decoded.lossy);
    }
}
