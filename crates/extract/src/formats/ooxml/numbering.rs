//! Lists: what stands before their items.

use super::Package;
use crate::{error::ExtractError, formats::pull::Node};
use std::collections::HashMap;

/// Levels of a list.
const LEVELS: usize = 9;

/// Longest marker that is written, in bytes.
const MAX_MARKER_BYTES: usize = 40;

#[derive(Clone, Debug, Default)]
struct Level {
    start: u32,
    /// `decimal`, `bullet`, `lowerRoman` and so on.
    format: String,
    /// `%1.%2` for the numbers of the first two levels.
    text: String,
}

#[derive(Clone, Debug, Default)]
struct Abstract {
    levels: [Level; LEVELS],
    /// The style that has the list, where this is a mere link to it.
    linked: Option<String>,
    style: Option<String>,
}

/// The lists of a document, and how far each has been counted.
#[derive(Debug, Default)]
pub struct Numbering {
    abstracts: HashMap<String, Abstract>,
    /// Lists, and those that they are made after.
    lists: HashMap<String, String>,
    /// Where lists begin to count otherwise.
    starts: HashMap<(String, usize), u32>,
    counters: HashMap<String, [Option<u32>; LEVELS]>,
    /// Lists that have had an item.
    begun: std::collections::HashSet<String>,
}

impl Numbering {
    /// Reads the part; none where there is no part.
    pub fn read(package: &mut Package<'_>, part: Option<&str>) -> Result<Self, ExtractError> {
        let mut numbering = Self::default();
        let Some(part) = part else { return Ok(numbering) };
        let Some(mut pull) = package.xml(part)? else { return Ok(numbering) };
        let (mut made, mut list, mut level) = (String::new(), String::new(), 0usize);
        let mut in_list = false;
        loop {
            let tag = match pull.next()? {
                Node::Open(tag) => tag,
                Node::End => break,
                _ => continue,
            };
            let id = |name| tag.attr(name).unwrap_or_default();
            match tag.name() {
                "abstractNum" => {
                    (made, in_list) = (id("abstractNumId"), false);
                    numbering.abstracts.insert(made.clone(), Abstract::default());
                }
                "num" => (list, in_list) = (id("numId"), true),
                "abstractNumId" if in_list => {
                    numbering.lists.insert(list.clone(), id("val"));
                }
                "lvl" | "lvlOverride" => level = tag.number("ilvl").unwrap_or(0).min(LEVELS - 1),
                "startOverride" if in_list => {
                    numbering.starts.insert((list.clone(), level), tag.number("val").unwrap_or(1));
                }
                name if !in_list => {
                    if let Some(made) = numbering.abstracts.get_mut(&made) {
                        match name {
                            "start" => made.levels[level].start = tag.number("val").unwrap_or(1),
                            "numFmt" => made.levels[level].format = id("val"),
                            "lvlText" => made.levels[level].text = id("val"),
                            "numStyleLink" => made.linked = tag.attr("val"),
                            "styleLink" => made.style = tag.attr("val"),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(numbering)
    }

    /// The marker of the next item of a list: `-`, `3.`, `(b)`, `2.1`; `None`
    /// where the list has none on this level, or is none.
    pub fn next(&mut self, list: &str, level: usize) -> Option<String> {
        let level = level.min(LEVELS - 1);
        let made = self.made_after(list)?.to_owned();
        let levels = &self.abstracts.get(&made)?.levels;
        // A list that is new and says where it begins starts anew; others go on
        // where the last one made after the same has ended.
        let restarts = self.starts.contains_key(&(list.to_owned(), level)) && !self.begun.contains(list);
        if level == 0 || restarts {
            self.begun.insert(list.to_owned());
        }
        let counters = self.counters.entry(made).or_default();
        let start = |at: usize| {
            let own = self.starts.get(&(list.to_owned(), at)).copied();
            own.unwrap_or(if levels[at].format.is_empty() { 1 } else { levels[at].start })
        };
        let next = match counters[level] {
            Some(number) if !restarts => number.saturating_add(1),
            _ => start(level),
        };
        counters[level] = Some(next);
        counters[level + 1..].fill(None);
        let Level { format, text, .. } = &levels[level];
        match format.as_str() {
            "bullet" => return Some("-".to_owned()),
            "none" => return None,
            _ => {}
        }
        let mut marker = String::new();
        let mut pattern = text.chars();
        while let Some(character) = pattern.next() {
            let of = match character {
                '%' => pattern.next().and_then(|digit| digit.to_digit(10)).map(|digit| digit as usize),
                other => {
                    marker.push(other);
                    continue;
                }
            };
            if let Some(at) = of.and_then(|of| of.checked_sub(1)).filter(|at| *at < LEVELS) {
                let number = counters[at].unwrap_or_else(|| start(at));
                marker.push_str(&numbered(number, &levels[at].format));
            }
            if marker.len() > MAX_MARKER_BYTES {
                break;
            }
        }
        let marker = marker.trim().to_owned();
        (!marker.is_empty()).then_some(marker)
    }

    fn made_after(&self, list: &str) -> Option<&str> {
        let made = self.lists.get(list)?;
        let linked = self.abstracts.get(made)?.linked.as_ref();
        let with_style = linked.and_then(|style| {
            let mut all = self.abstracts.iter();
            all.find(|(_, made)| made.style.as_ref() == Some(style))
        });
        Some(with_style.map_or(made, |(id, _)| id))
    }
}

/// A number as lists write it.
pub fn numbered(number: u32, format: &str) -> String {
    let letters = |first: u8| {
        // 27 is aa, 28 is bb.
        let (times, letter) = ((number.max(1) - 1) / 26 + 1, (number.max(1) - 1) % 26);
        char::from(first + letter as u8).to_string().repeat(times.min(5) as usize)
    };
    match format {
        "lowerLetter" => letters(b'a'),
        "upperLetter" => letters(b'A'),
        "lowerRoman" => roman(number).to_lowercase(),
        "upperRoman" => roman(number),
        "decimalZero" if number < 10 => format!("0{number}"),
        _ => number.to_string(),
    }
}

fn roman(mut number: u32) -> String {
    const DIGITS: &[(u32, &str)] = &[
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    if number >= 4000 {
        return number.to_string();
    }
    let mut roman = String::new();
    for &(value, digit) in DIGITS {
        while number >= value {
            roman.push_str(digit);
            number -= value;
        }
    }
    roman
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_lists_do() {
        let cases = [
            (3, "decimal", "3"),
            (3, "lowerLetter", "c"),
            (28, "upperLetter", "BB"),
            (1994, "upperRoman", "MCMXCIV"),
            (4, "lowerRoman", "iv"),
            (0, "lowerLetter", "a"),
            (u32::MAX, "upperRoman", "4294967295"),
            (u32::MAX, "lowerLetter", "uuuuu"),
            (7, "decimalZero", "07"),
        ];
        for (number, format, written) in cases {
            assert_eq!(numbered(number, format), written);
        }
    }
}
