//! Whether what a reader gave is a text.

use super::PageText;

/// A page is garbage if so many of a hundred characters are none.
const GARBAGE_PERCENT: usize = 10;

/// Nobody can read it if so many are.
const HOPELESS_PERCENT: usize = 50;

/// Shorter texts prove nothing.
const TELLING_CHARACTERS: usize = 20;

/// A text with fewer letters and digits than this of a hundred characters is suspicious.
const LETTERS_PERCENT: usize = 20;

/// Text from right to left is so many of a hundred letters: one quoted word does no harm.
const RIGHT_TO_LEFT_PERCENT: usize = 2;

/// What is known of a page's text, in characters that are no blanks.
pub(super) struct Quality {
    readable: bool,
    all: usize,
    /// Replacement characters, private ones, controls, and those of names of glyphs.
    bad: usize,
    letters: usize,
    right_to_left: usize,
}

impl Quality {
    pub(super) fn of(page: &PageText) -> Self {
        let text = page.as_str();
        let mut quality = Self {
            readable: *page != PageText::Unreadable,
            all: 0,
            bad: glyph_names(text),
            letters: 0,
            right_to_left: 0,
        };
        for character in text.chars().filter(|c| !c.is_whitespace()) {
            quality.all += 1;
            if is_bad(character) {
                quality.bad += 1;
            } else if character.is_alphanumeric() {
                quality.letters += 1;
                quality.right_to_left += usize::from(is_right_to_left(character));
            }
        }
        quality
    }

    /// Whether another reader may do better.
    pub(super) fn wants_second(&self) -> bool {
        self.all == 0 || self.is_garbage() || self.right_to_left * 100 > self.letters * RIGHT_TO_LEFT_PERCENT
    }

    fn is_garbage(&self) -> bool {
        let few_letters = self.all >= TELLING_CHARACTERS && self.letters * 100 < self.all * LETTERS_PERCENT;
        few_letters || self.bad * 100 > self.all * GARBAGE_PERCENT
    }

    pub(super) fn is_hopeless(&self) -> bool {
        self.all >= TELLING_CHARACTERS && self.bad * 100 > self.all * HOPELESS_PERCENT
    }

    /// Whether this, of the second reader, goes before `first`.
    pub(super) fn is_better_than(&self, first: &Self) -> bool {
        if self.all == 0 {
            // That there is nothing is more than that one can't know.
            return self.readable && !first.readable;
        }
        if first.all == 0 {
            return true;
        }
        match (self.is_garbage(), first.is_garbage()) {
            (false, true) => true,
            (true, false) => false,
            // Nothing may be lost for the sake of the order.
            (false, false) => self.letters * 10 >= first.letters * 9,
            (true, true) => self.bad * first.all < first.bad * self.all,
        }
    }
}

fn is_bad(character: char) -> bool {
    matches!(character,
        char::REPLACEMENT_CHARACTER | '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}')
        || character.is_control()
}

/// Hebrew, Arabic, Syriac, Thaana and alike.
pub(super) fn is_right_to_left(character: char) -> bool {
    matches!(character, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}')
}

/// Characters in words that are names of glyphs: `(cid:12)`, `/g31`, `glyph<7>`.
fn glyph_names(text: &str) -> usize {
    let is_name = |word: &str| {
        let digits = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
        word.contains("(cid:")
            || word.starts_with("glyph<")
            || word.strip_prefix("/g").is_some_and(digits)
            || word.strip_prefix("/uni").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    text.split_whitespace().filter(|word| is_name(word)).map(|word| word.chars().count()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quality(text: &str) -> Quality {
        Quality::of(&PageText::of(text))
    }

    #[test]
    fn garbage_is_told_from_text() {
        for text in [
            "An ordinary sentence, with a number (42) and a sign: §.",
            "数据分析和机器学习",
            "1.5 2.5 3.5 | 4.5 5.5",
            "• • •",
        ] {
            assert!(!quality(text).wants_second(), "{text}");
        }
        for text in [
            "\u{fffd}\u{fffd}me w\u{fffd}rds are m\u{fffd}ssing",
            "\u{e001}\u{e002}\u{e003}",
            "(cid:12)(cid:44) (cid:3) word",
            "/g31 /g5 /g77",
            "!\"#$%&'()*+,-./:;<=>?@!\"#$%&'()",
            "",
        ] {
            assert!(quality(text).wants_second(), "{text}");
        }
        assert!(quality("بلغة البرمجة").wants_second());
        assert!(!quality(&format!("{} שלום", "many other words ".repeat(50))).wants_second());
        assert!(quality(&"\u{fffd}".repeat(30)).is_hopeless());
        assert!(!quality("words and words \u{fffd}\u{fffd}").is_hopeless());
    }

    #[test]
    fn the_better_text_is_taken() {
        let (good, garbage, nothing) =
            (quality("A good sentence."), quality("\u{fffd}\u{fffd}x"), quality(""));
        let unreadable = Quality::of(&PageText::Unreadable);
        assert!(good.is_better_than(&garbage) && !garbage.is_better_than(&good));
        assert!(garbage.is_better_than(&nothing) && !nothing.is_better_than(&garbage));
        assert!(nothing.is_better_than(&unreadable) && !unreadable.is_better_than(&nothing));
        assert!(!quality("A good").is_better_than(&good));
    }
}
