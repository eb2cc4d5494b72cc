//! Characters with their places to lines of text in the order of reading.
//!
//! Files give characters in the order of drawing, which is that of reading for
//! nearly all of them, but from left to right within lines for some that are
//! written from right to left. So lines are kept in the order of the file, and
//! within a line with letters of such a script the places decide, by the
//! rules of Unicode (UAX #9) backwards.

use super::quality::is_right_to_left;
use hayro_interpret::kurbo::{Point, Vec2};
use unicode_bidi::{BidiInfo, Level};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Another base line is more than so many sizes of the font away; less is an index or an exponent.
const SAME_LINE: f64 = 0.4;

/// A gap of so many sizes is a blank.
const BLANK: f64 = 0.18;

/// Going back by so many sizes begins a line, on whatever base line.
const BACK: f64 = 1.0;

/// Lines further apart than so many sizes are different paragraphs.
const PARAGRAPH: f64 = 1.9;

/// A character, or what is drawn as one, and its place.
pub(super) struct Glyph {
    text: String,
    /// Where it begins and ends in the direction of the line.
    begin: f64,
    end: f64,
    /// How far down its base line is.
    base: f64,
    size: f64,
    /// Direction of the line in whole degrees.
    direction: i32,
}

impl Glyph {
    /// `from` and `to` are points on the base line, with y downwards.
    pub(super) fn new(text: String, from: Point, to: Point, size: f64) -> Self {
        let along = to - from;
        let length = along.hypot();
        let along = if length > 1e-9 && length.is_finite() { along / length } else { Vec2::new(1.0, 0.0) };
        let direction = (along.y.atan2(along.x).to_degrees().round() as i32).rem_euclid(360);
        // Angles that differ by rounding have one frame.
        let angle = f64::from(direction).to_radians();
        let (along, across) = (Vec2::new(angle.cos(), angle.sin()), Vec2::new(-angle.sin(), angle.cos()));
        let finite = |value: f64| if value.is_finite() { value } else { 0.0 };
        let place = |point: Point| finite(along.dot(point.to_vec2()));
        Self {
            text,
            begin: place(from),
            end: place(to),
            base: finite(across.dot(from.to_vec2())),
            size: finite(size).abs().max(0.1),
            direction,
        }
    }

    fn is_blank(&self) -> bool {
        self.text.chars().all(char::is_whitespace)
    }

    fn is_right_to_left(&self) -> bool {
        self.text.chars().any(is_right_to_left)
    }
}

struct Line {
    glyphs: Vec<Glyph>,
    base: f64,
    size: f64,
    direction: i32,
}

/// The text of a page.
pub(super) fn text_of(glyphs: Vec<Glyph>) -> String {
    let counted = |wanted: fn(char) -> bool| -> usize {
        glyphs.iter().flat_map(|glyph| glyph.text.chars()).filter(|c| c.is_alphabetic() && wanted(*c)).count()
    };
    let is_rtl_page = counted(is_right_to_left) > counted(|c| !is_right_to_left(c));
    let mut text = String::new();
    let mut before: Option<(f64, f64, i32)> = None;
    for line in lines(glyphs, is_rtl_page) {
        let content = content(line.glyphs, is_rtl_page);
        let content = content.trim();
        if content.is_empty() {
            continue;
        }
        if let Some((base, size, direction)) = before {
            let down = line.base - base;
            let far = down > PARAGRAPH * size.max(line.size) || down < -SAME_LINE * line.size;
            text.push_str(if far || direction != line.direction { "\n\n" } else { "\n" });
        }
        text.push_str(content);
        before = Some((line.base, line.size, line.direction));
    }
    text
}

fn lines(glyphs: Vec<Glyph>, is_rtl_page: bool) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for glyph in glyphs {
        if let Some(line) = lines.last_mut() {
            let size = line.size.max(glyph.size);
            let is_near =
                glyph.direction == line.direction && (glyph.base - line.base).abs() <= SAME_LINE * size;
            let goes_back = line.glyphs.last().is_some_and(|last| glyph.begin < last.begin - BACK * size);
            if is_near && (!goes_back || is_rtl_page || glyph.is_right_to_left()) {
                line.size = size;
                line.glyphs.push(glyph);
                continue;
            }
        }
        let (base, size, direction) = (glyph.base, glyph.size, glyph.direction);
        lines.push(Line { glyphs: vec![glyph], base, size, direction });
    }
    lines
}

fn content(glyphs: Vec<Glyph>, is_rtl_page: bool) -> String {
    if !glyphs.iter().any(Glyph::is_right_to_left) {
        return spaced(&glyphs).into_iter().collect();
    }
    let mut glyphs = with_marks(glyphs);
    glyphs.sort_by(|a, b| a.begin.total_cmp(&b.begin));
    logical(spaced(&glyphs), is_rtl_page)
}

/// The texts of glyphs, with blanks where there are gaps.
fn spaced(glyphs: &[Glyph]) -> Vec<String> {
    let mut texts = Vec::with_capacity(glyphs.len());
    let mut before: Option<&Glyph> = None;
    for glyph in glyphs {
        if let Some(before) = before {
            let gap = (glyph.begin - before.end) / before.size.max(glyph.size);
            if gap > BLANK && !glyph.is_blank() && !before.is_blank() {
                texts.push(" ".to_owned());
            }
        }
        texts.push(glyph.text.clone());
        if !glyph.text.is_empty() {
            before = Some(glyph);
        }
    }
    texts
}

/// Marks are drawn over letters, before or after them: they go to the one they are over.
fn with_marks(glyphs: Vec<Glyph>) -> Vec<Glyph> {
    let is_mark = |glyph: &Glyph| !glyph.text.is_empty() && glyph.text.chars().all(is_combining_mark);
    let (marks, mut letters): (Vec<_>, Vec<_>) =
        glyphs.into_iter().enumerate().partition(|(_, glyph)| is_mark(glyph));
    for (at, mark) in marks {
        let middle = (mark.begin + mark.end) / 2.0;
        let distance = |(place, letter): &(usize, Glyph)| {
            let outside = (letter.begin - middle).max(middle - letter.end).max(0.0);
            (outside, place.abs_diff(at))
        };
        let nearest = letters.iter_mut().filter(|(_, letter)| !letter.is_blank()).min_by(|a, b| {
            let (a, b) = (distance(a), distance(b));
            a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
        });
        match nearest {
            Some((_, letter)) => letter.text.push_str(&mark.text),
            None => letters.push((at, mark)),
        }
    }
    letters.into_iter().map(|(_, glyph)| glyph).collect()
}

/// From left to right as on the page to the order of reading.
///
/// What the rules of Unicode do to show a text they undo when they are
/// applied to what is shown.
fn logical(shown: Vec<String>, is_rtl_page: bool) -> String {
    // Letters that are drawn as one stay in their order when all is reversed.
    let units = shown.into_iter().map(|text| {
        let text: String = text.chars().flat_map(plain_forms).collect();
        if text.chars().any(is_right_to_left) { text.chars().rev().collect() } else { text }
    });
    let shown: String = units.collect();
    let base = if is_rtl_page { Level::rtl() } else { Level::ltr() };
    let info = BidiInfo::new(&shown, Some(base));
    let mut logical = String::with_capacity(shown.len());
    for paragraph in &info.paragraphs {
        let (levels, runs) = info.visual_runs(paragraph, paragraph.range.clone());
        for run in runs {
            if levels[run.start].is_rtl() {
                logical.extend(shown[run].chars().rev().map(mirrored));
            } else {
                logical.push_str(&shown[run]);
            }
        }
    }
    logical
}

/// Letters in the forms they have within words are the letters.
fn plain_forms(character: char) -> impl Iterator<Item = char> {
    let is_form = matches!(character, '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}');
    let forms = is_form.then(|| std::iter::once(character).nfkc());
    forms.into_iter().flatten().chain((!is_form).then_some(character))
}

/// Brackets that open are drawn as those that close.
fn mirrored(character: char) -> char {
    match character {
        '(' => ')',
        ')' => '(',
        '[' => ']',
        ']' => '[',
        '{' => '}',
        '}' => '{',
        '<' => '>',
        '>' => '<',
        '«' => '»',
        '»' => '«',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Glyphs of ten points side by side, each five wide; `_` is a gap.
    fn row(texts: &[&str], y: f64) -> Vec<Glyph> {
        let place = |x: usize| Point::new(x as f64 * 5.0, y);
        let placed = texts.iter().enumerate().filter(|(_, text)| **text != "_");
        placed.map(|(x, text)| Glyph::new((*text).to_owned(), place(x), place(x + 1), 10.0)).collect()
    }

    fn letters(text: &str, y: f64) -> Vec<Glyph> {
        let texts: Vec<String> = text.chars().map(String::from).collect();
        row(&texts.iter().map(String::as_str).collect::<Vec<_>>(), y)
    }

    fn page(rows: Vec<Vec<Glyph>>) -> String {
        text_of(rows.into_iter().flatten().collect())
    }

    #[test]
    fn gaps_are_blanks_and_distances_are_paragraphs() {
        let text = page(vec![letters("an_apple", 100.0), letters("a_day", 112.0), letters("next", 150.0)]);
        assert_eq!(text, "an apple\na day\n\nnext");
        // A second column begins further up.
        assert_eq!(page(vec![letters("left", 100.0), letters("right", 20.0)]), "left\n\nright");
        assert_eq!(page(vec![letters("a", 10.0), letters("b", f64::NAN)]), "a\n\nb");
        assert_eq!(page(vec![]), "");
    }

    #[test]
    fn what_goes_back_on_a_line_begins_another() {
        assert_eq!(page(vec![letters("first", 10.0), letters("other", 10.0)]), "first\nother");
    }

    /// Visual order, as on the page from left to right, is turned to that of reading.
    #[test]
    fn right_to_left_is_read_from_the_right() {
        let shown = |text: &str| page(vec![letters(text, 10.0)]);
        assert_eq!(shown("םלוע_םולש"), "שלום עולם");
        assert_eq!(shown("R_و_Python_ةجمربلا_ةغلب"), "بلغة البرمجة Python و R");
        assert_eq!(shown("2026_ماع_(فلأ)"), "(ألف) عام 2026");
        // A word of it in an English line.
        assert_eq!(shown("the_word_םולש_is_old"), "the word שלום is old");
    }

    #[test]
    fn glyphs_in_the_order_of_reading_give_the_same() {
        let mut glyphs = letters("ةغلب", 10.0);
        glyphs.reverse();
        assert_eq!(text_of(glyphs), "بلغة");
    }

    #[test]
    fn two_letters_of_one_glyph_keep_their_order() {
        // A ligature of lam and alef, as two letters and as its own character.
        for ligature in ["\u{644}\u{627}", "\u{fefb}"] {
            assert_eq!(page(vec![row(&["م", ligature, "س"], 10.0)]), "سلام");
        }
    }

    #[test]
    fn marks_stay_on_their_letters() {
        // The mark is drawn over the right letter, before it and after it.
        let letter = |text: &str, x: f64| {
            Glyph::new(text.to_owned(), Point::new(x, 10.0), Point::new(x + 5.0, 10.0), 10.0)
        };
        let mark = || Glyph::new("\u{64b}".to_owned(), Point::new(7.0, 10.0), Point::new(7.0, 10.0), 10.0);
        assert_eq!(text_of(vec![mark(), letter("ب", 5.0), letter("ت", 0.0)]), "ب\u{64b}ت");
        assert_eq!(text_of(vec![letter("ب", 5.0), letter("ت", 0.0), mark()]), "ب\u{64b}ت");
    }
}
