//! Bytes to characters, for text of any encoding and any length: the encoding
//! is decided by all of the bytes, and then they are decoded piece by piece.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use std::io::{self, Read};

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
    let charset = match (unicode(bytes), declared) {
        (Some((unicode, mark)), _) => Charset { unicode, mark },
        (None, Some(encoding)) => Charset { unicode: Unicode::Encoding(encoding), mark: 0 },
        (None, None) => {
            let mut census = Census::default();
            census.add(bytes);
            let encoding = if census.is_utf_8() { UTF_8 } else { guess(bytes) };
            Charset { unicode: Unicode::Encoding(encoding), mark: 0 }
        }
    };
    let (mut decoding, mut text) = (charset.decoding(), String::new());
    decoding.push(bytes, true, &mut text);
    Decoded { text, encoding: decoding.encoding, lossy: decoding.lossy }
}

/// Appends whole characters, and tells whether some are none.
fn utf_32(bytes: &[u8], big_endian: bool, text: &mut String) -> bool {
    let mut lossy = false;
    let units = bytes.as_chunks::<4>().0.iter();
    let units =
        units.map(|&unit| if big_endian { u32::from_be_bytes(unit) } else { u32::from_le_bytes(unit) });
    text.extend(units.map(|unit| {
        let character = char::from_u32(unit);
        lossy |= character.is_none();
        character.unwrap_or(char::REPLACEMENT_CHARACTER)
    }));
    lossy
}

/// How a text is encoded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Charset {
    unicode: Unicode,
    /// Length of its byte order mark.
    mark: usize,
}

impl Charset {
    /// Goes through all of a text: where its beginning does not say how it is
    /// encoded, a byte at its end may.
    pub fn of(mut text: impl Read) -> io::Result<Self> {
        let mut head = Vec::new();
        text.by_ref().take(2 * GUESS_BYTES as u64).read_to_end(&mut head)?;
        if let Some((unicode, mark)) = unicode(&head) {
            return Ok(Self { unicode, mark });
        }
        let mut census = Census::default();
        census.add(&head);
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            match text.read(&mut piece)? {
                0 => break,
                read => census.add(&piece[..read]),
            }
        }
        let encoding = if census.is_utf_8() { UTF_8 } else { guess(&head) };
        Ok(Self { unicode: Unicode::Encoding(encoding), mark: 0 })
    }

    /// To decode the text from its beginning.
    pub fn decoding(self) -> Decoding {
        let (kind, encoding) = match self.unicode {
            Unicode::Encoding(encoding) => {
                (Kind::Decoder(encoding.new_decoder_without_bom_handling()), encoding.name().to_lowercase())
            }
            Unicode::Utf32 { big_endian } => {
                let name = if big_endian { "utf-32be" } else { "utf-32le" };
                (Kind::Utf32 { big_endian, rest: Vec::new() }, name.to_owned())
            }
        };
        Decoding { kind, mark: self.mark, encoding, lossy: false }
    }
}

/// How much is read at once.
pub const PIECE_BYTES: usize = 256 << 10;

/// Decodes a text piece by piece.
pub struct Decoding {
    kind: Kind,
    /// What is left of the byte order mark.
    mark: usize,
    /// Name of the encoding, in lower case.
    pub encoding: String,
    /// Some bytes were no characters of it and were replaced by U+FFFD.
    pub lossy: bool,
}

enum Kind {
    Decoder(Decoder),
    Utf32 {
        big_endian: bool,
        /// Bytes of a character that is not whole yet.
        rest: Vec<u8>,
    },
}

impl Decoding {
    /// Appends the characters of the next bytes; those of one that is not whole yet come later.
    pub fn push(&mut self, bytes: &[u8], is_last: bool, text: &mut String) {
        let marked = self.mark.min(bytes.len());
        self.mark -= marked;
        let bytes = &bytes[marked..];
        match &mut self.kind {
            Kind::Decoder(decoder) => {
                let mut from = 0;
                loop {
                    let left = &bytes[from..];
                    text.reserve(decoder.max_utf8_buffer_length(left.len()).unwrap_or(left.len()));
                    let (result, read, lossy) = decoder.decode_to_string(left, text, is_last);
                    self.lossy |= lossy;
                    from += read;
                    if result == encoding_rs::CoderResult::InputEmpty {
                        break;
                    }
                }
            }
            Kind::Utf32 { big_endian, rest } => {
                rest.extend_from_slice(bytes);
                let whole = rest.len() / 4 * 4;
                self.lossy |= utf_32(&rest[..whole], *big_endian, text);
                rest.drain(..whole);
                self.lossy |= is_last && !rest.is_empty();
            }
        }
    }
}

/// One damaged character in so many that are not of one byte does not make a
/// text one of another encoding: no other looks like UTF-8 so often.
const UTF_8_DAMAGE: u64 = 20;

/// Counts what of a text is UTF-8.
#[derive(Default)]
struct Census {
    /// Characters of more than one byte.
    long: u64,
    damaged: u64,
    /// The beginning of a character that is not whole yet.
    rest: Vec<u8>,
}

impl Census {
    fn add(&mut self, bytes: &[u8]) {
        // The rest is a few bytes, and so is what is taken to complete it.
        while !self.rest.is_empty() {
            let Some(next) = bytes.get(..1) else { return };
            match std::str::from_utf8(&[&self.rest, next].concat()) {
                Ok(_) => {
                    self.long += 1;
                    self.rest.clear();
                    return self.count(&bytes[1..]);
                }
                Err(error) if error.error_len().is_none() => {
                    self.rest.extend_from_slice(next);
                    return self.add(&bytes[1..]);
                }
                Err(_) => {
                    self.damaged += 1;
                    self.rest.clear();
                }
            }
        }
        self.count(bytes);
    }

    fn count(&mut self, mut bytes: &[u8]) {
        loop {
            let (valid, error) = match std::str::from_utf8(bytes) {
                Ok(_) => (bytes.len(), None),
                Err(error) => (error.valid_up_to(), Some(error)),
            };
            // Of each character but those of one byte the first byte has these bits.
            self.long += bytes[..valid].iter().filter(|&&byte| byte >= 0xc0).count() as u64;
            let Some(error) = error else { return };
            match error.error_len() {
                Some(length) => {
                    self.damaged += 1;
                    bytes = &bytes[valid + length..];
                }
                None => {
                    self.rest = bytes[valid..].to_vec();
                    return;
                }
            }
        }
    }

    fn is_utf_8(&self) -> bool {
        let damaged = self.damaged + u64::from(!self.rest.is_empty());
        damaged == 0 || self.long > damaged * UTF_8_DAMAGE
    }
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
    #![allow(clippy::unwrap_used)]
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
            // In pieces of any length.
            let charset = Charset::of(&bytes[..]).unwrap();
            for length in 1..9 {
                let (mut decoding, mut pieces) = (charset.decoding(), String::new());
                bytes.chunks(length).for_each(|piece| decoding.push(piece, false, &mut pieces));
                decoding.push(b"", true, &mut pieces);
                assert_eq!((pieces.as_str(), decoding.lossy), (text, false), "{encoding} by {length}");
            }
        }
    }

    #[test]
    fn a_damaged_byte_makes_no_other_encoding() {
        let mut bytes = "Größe für Äpfel und Öl. ".repeat(10).into_bytes();
        bytes.insert(50, 0xff);
        // Cut off in the last character.
        bytes.extend(b"\xe2\x82");
        let decoded = decode(&bytes, None);
        assert_eq!((decoded.encoding.as_str(), decoded.lossy), ("utf-8", true));
        assert!(decoded.text.starts_with("Größe") && decoded.text.ends_with("Öl. \u{fffd}"));
        // However the pieces are cut the count is the same.
        for length in 1..9 {
            let mut census = Census::default();
            bytes.chunks(length).for_each(|piece| census.add(piece));
            assert_eq!((census.long, census.damaged, census.rest.len()), (50, 1, 2), "by {length}");
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
