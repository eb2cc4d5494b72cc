//! Bytes of RTF as characters: by the character set of the font, or the code
//! page of the document; and units of UTF-16, which come one by one.

use encoding_rs::{
    BIG5, EUC_KR, Encoding, GBK, MACINTOSH, SHIFT_JIS, UTF_8, WINDOWS_874, WINDOWS_1250, WINDOWS_1251,
    WINDOWS_1252, WINDOWS_1253, WINDOWS_1254, WINDOWS_1255, WINDOWS_1256, WINDOWS_1257, WINDOWS_1258,
};
use std::collections::HashMap;

/// Code pages that are known.
const CODEPAGES: &[(i32, &Encoding)] = &[
    (874, WINDOWS_874),
    (932, SHIFT_JIS),
    (936, GBK),
    (949, EUC_KR),
    (950, BIG5),
    (1250, WINDOWS_1250),
    (1251, WINDOWS_1251),
    (1252, WINDOWS_1252),
    (1253, WINDOWS_1253),
    (1254, WINDOWS_1254),
    (1255, WINDOWS_1255),
    (1256, WINDOWS_1256),
    (1257, WINDOWS_1257),
    (1258, WINDOWS_1258),
    (10000, MACINTOSH),
    (65001, UTF_8),
];

/// Character sets of fonts, and their code pages.
const CHARSETS: &[(i32, i32)] = &[
    (0, 1252),
    (77, 10000),
    (128, 932),
    (129, 949),
    (134, 936),
    (136, 950),
    (161, 1253),
    (162, 1254),
    (163, 1258),
    (177, 1255),
    (178, 1256),
    (186, 1257),
    (204, 1251),
    (222, 874),
    (238, 1250),
];

/// The character set of signs that are no text.
const SYMBOLS: i32 = 2;

/// The character set that says nothing.
const DEFAULT: i32 = 1;

/// What has been read and is not yet text.
pub struct Characters {
    default: &'static Encoding,
    /// Those of fonts that have one; `None` for signs.
    fonts: HashMap<i32, Option<&'static Encoding>>,
    chosen: Option<&'static Encoding>,
    bytes: Vec<u8>,
    units: Vec<u16>,
}

impl Default for Characters {
    fn default() -> Self {
        Self {
            default: WINDOWS_1252,
            fonts: HashMap::new(),
            chosen: Some(WINDOWS_1252),
            bytes: Vec::new(),
            units: Vec::new(),
        }
    }
}

impl Characters {
    /// The code page of the document.
    pub fn default_codepage(&mut self, codepage: i32) {
        self.default = encoding(codepage).unwrap_or(WINDOWS_1252);
        self.chosen = Some(self.default);
    }

    /// The character set of a font.
    pub fn charset(&mut self, font: i32, charset: i32) {
        if charset == SYMBOLS {
            self.fonts.insert(font, None);
            return;
        }
        let codepage = CHARSETS.iter().find(|(known, _)| *known == charset && charset != DEFAULT);
        if let Some(encoding) = codepage.and_then(|(_, codepage)| encoding(*codepage)) {
            self.fonts.insert(font, Some(encoding));
        }
    }

    /// The code page of a font.
    pub fn codepage(&mut self, font: i32, codepage: i32) {
        if let Some(encoding) = encoding(codepage) {
            self.fonts.insert(font, Some(encoding));
        }
    }

    /// The font of what comes.
    pub fn choose(&mut self, font: i32) {
        self.chosen = self.fonts.get(&font).copied().unwrap_or(Some(self.default));
    }

    /// Bytes of text. Characters of two bytes may come one by one.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// A unit of UTF-16. Characters of two units come one by one.
    pub fn unit(&mut self, unit: u16) {
        if !self.bytes.is_empty() {
            // In order: bytes before it are text by now.
            let text = self.decoded();
            self.units.extend(text.encode_utf16());
        }
        self.units.push(unit);
    }

    /// The units so far, as text.
    pub fn end_units(&mut self) -> String {
        let text = String::from_utf16_lossy(&self.units);
        self.units.clear();
        text
    }

    /// All so far, as text.
    pub fn take(&mut self) -> String {
        let mut text = self.end_units();
        if !self.bytes.is_empty() {
            text.push_str(&self.decoded());
        }
        text
    }

    fn decoded(&mut self) -> String {
        let text = match self.chosen {
            Some(encoding) => encoding.decode_without_bom_handling(&self.bytes).0.into_owned(),
            // Signs: what is a letter by its number is one most often, others are bullets.
            None => {
                let sign = |byte: &u8| if byte.is_ascii() { char::from(*byte) } else { '•' };
                self.bytes.iter().map(sign).collect()
            }
        };
        self.bytes.clear();
        text
    }
}

fn encoding(codepage: i32) -> Option<&'static Encoding> {
    CODEPAGES.iter().find(|(known, _)| *known == codepage).map(|(_, encoding)| *encoding)
}
