//! Text in the form in which words are compared.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Lower case, compatibility forms unified (full-width letters, ligatures,
/// half-width katakana), accents folded, Arabic spelling variants unified.
///
/// Marks that are part of a letter stay: Indic and Thai vowels, the Japanese
/// voicing marks.
pub(crate) fn normal(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let folded = text.nfkd().filter(|c| !is_accent(*c)).nfc();
    folded.flat_map(char::to_lowercase).filter(|c| !is_accent(*c)).flat_map(unify).collect()
}

/// Accents of Latin, Greek and Cyrillic letters; Arabic vowel signs, hamza
/// above and below, and the stretching stroke.
fn is_accent(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}'
        | '\u{640}' | '\u{64b}'..='\u{655}' | '\u{670}')
}

/// Letters that are written one for the other. The Arabic ones are those that
/// Lucene's `ArabicNormalizer` unifies, less the final teh, which the stemmer
/// wants to see; the Latin ones are of its `ASCIIFoldingFilter`.
fn unify(c: char) -> impl Iterator<Item = char> {
    let (first, second) = match c {
        '\u{2019}' | '\u{2018}' => ('\'', None),
        'ß' => ('s', Some('s')),
        'æ' => ('a', Some('e')),
        'œ' => ('o', Some('e')),
        'ø' => ('o', None),
        'ł' => ('l', None),
        'đ' | 'ð' => ('d', None),
        'ı' => ('i', None),
        '\u{671}' => ('\u{627}', None),
        '\u{649}' | '\u{6cc}' => ('\u{64a}', None),
        '\u{6a9}' => ('\u{643}', None),
        c => (c, None),
    };
    std::iter::once(first).chain(second)
}

/// Whether a word may hold this character besides letters and digits.
pub(crate) fn is_word_part(c: char) -> bool {
    c.is_alphanumeric() || is_combining_mark(c)
}

#[cfg(test)]
mod tests {
    use super::normal;

    #[test]
    fn variants_of_a_word_become_one() {
        for (a, b) in [
            ("Crème Brûlée", "creme brulee"),
            ("ＫＡＦＫＡ１２", "kafka12"),
            ("ｶﾞｲﾄﾞ", "ガイド"),
            ("ﬁle", "file"),
            ("ΆΛΦΑ", "αλφα"),
            ("ёлка", "елка"),
            ("İstanbul", "istanbul"),
            ("Straße", "STRASSE"),
            ("Ærøskøbing Łódź", "aeroskobing lodz"),
            ("don’t", "don't"),
            ("كِتَابٌ", "كتاب"),
            ("أحمد", "احمد"),
        ] {
            assert_eq!(normal(a), normal(b), "{a}");
        }
        assert_eq!(normal("हिन्दी"), "हिन्दी");
        assert_ne!(normal("が"), normal("か"));
    }
}
