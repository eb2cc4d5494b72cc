//! Subtitles: what is said, when, and by whom; a line a cue.

use super::{plain, tidy};
use crate::{charset::decode, error::ExtractError, format::Format};
use ragstream_core::text::DocumentText;
use std::fmt::Write;

/// Between the start and the end of a cue.
const ARROW: &str = "-->";

/// Silence between two cues that begins a new paragraph, in seconds.
const PAUSE_SECONDS: u64 = 4;

/// Most speakers that are named in the metadata.
const SPEAKERS_NAMED: usize = 100;

struct Cue {
    /// In milliseconds.
    start: u64,
    end: u64,
    speaker: Option<String>,
    text: String,
}

/// `Corrupt` where there is no cue.
pub fn extract(bytes: &[u8], format: Format) -> Result<DocumentText, ExtractError> {
    let decoded = decode(bytes, None);
    let mut metadata = plain::metadata(&decoded);
    let source = tidy(decoded.text);
    let cues = cues(&source);
    let Some(last) = cues.iter().map(|cue| cue.end).max() else {
        return Err(ExtractError::corrupt(format, "it has no cues"));
    };
    let (mut speakers, mut text, mut heard): (Vec<&str>, _, Option<&Cue>) = (Vec::new(), String::new(), None);
    for cue in &cues {
        // Captions that roll repeat what is still on the screen.
        if cue.text.is_empty() || heard.is_some_and(|heard| heard.text == cue.text) {
            continue;
        }
        if let Some(heard) = heard
            && cue.start.saturating_sub(heard.end) >= PAUSE_SECONDS * 1000
        {
            text.push('\n');
        }
        let _ = write!(text, "[{}] ", super::clock(cue.start / 1000)); // a string takes all
        if let Some(speaker) = &cue.speaker {
            let _ = write!(text, "{speaker}: ");
            if !speakers.contains(&speaker.as_str()) && speakers.len() < SPEAKERS_NAMED {
                speakers.push(speaker);
            }
        }
        text.push_str(&cue.text);
        text.push('\n');
        heard = Some(cue);
    }
    metadata.insert("cues".to_owned(), cues.len().into());
    metadata.insert("duration".to_owned(), super::clock(last / 1000).into());
    if !speakers.is_empty() {
        metadata.insert("speakers".to_owned(), speakers.into());
    }
    let title = header(&source, "Title");
    if let Some(language) = header(&source, "Language") {
        metadata.insert("language".to_owned(), language.into());
    }
    Ok(DocumentText { text, title, metadata, extractor: "subtitles/1".to_owned(), ..Default::default() })
}

/// A field of the block that a WebVTT file begins with.
fn header(source: &str, name: &str) -> Option<String> {
    let block = source.split("\n\n").next()?;
    let mut lines = block.lines().filter(|_| block.starts_with("WEBVTT"));
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

fn cues(source: &str) -> Vec<Cue> {
    let mut cues = Vec::new();
    let mut lines = source.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((start, end)) = timing(line) else { continue };
        let mut payload = String::new();
        // A cue ends at an empty line, and where another one begins without one.
        while let Some(line) = lines.next_if(|line| !line.trim().is_empty() && timing(line).is_none()) {
            payload.push_str(line);
            payload.push('\n');
        }
        let mut payload = payload.as_str();
        // The number of the cue that follows without an empty line.
        if lines.peek().is_some_and(|line| timing(line).is_some())
            && let Some((rest, number)) = payload.trim_end().rsplit_once('\n')
            && number.trim().bytes().all(|byte| byte.is_ascii_digit())
        {
            payload = rest;
        }
        let (speaker, text) = spoken(payload);
        cues.push(Cue { start, end, speaker, text });
    }
    cues
}

/// `00:01:02.500 --> 00:01:04.000 align:start`, in milliseconds.
fn timing(line: &str) -> Option<(u64, u64)> {
    let (start, rest) = line.split_once(ARROW)?;
    Some((instant(start)?, instant(rest.split_whitespace().next()?)?))
}

/// `01:02:03.004`, `02:03,004` and `2:03`.
fn instant(text: &str) -> Option<u64> {
    let (whole, fraction) = match text.trim().split_once(['.', ',']) {
        Some((whole, fraction)) => (whole, format!("{fraction:0<3}").get(..3)?.parse::<u64>().ok()?),
        None => (text.trim(), 0),
    };
    let mut seconds = 0u64;
    for part in whole.split(':') {
        seconds = seconds.checked_mul(60)?.checked_add(part.trim().parse().ok()?)?;
    }
    seconds.checked_mul(1000)?.checked_add(fraction)
}

/// Speaker and text of a cue, without tags, in one line.
fn spoken(payload: &str) -> (Option<String>, String) {
    let (mut speaker, mut text, mut rest) = (None, String::with_capacity(payload.len()), payload);
    while let Some(at) = rest.find(['<', '&', '{']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        // `{\an8}` is a position of SubStation; other braces are text.
        let close = match rest.as_bytes() {
            [b'<', b'a'..=b'z' | b'A'..=b'Z' | b'/' | b'0'..=b'9', ..] => rest.find('>'),
            [b'{', b'\\', ..] => rest.find('}'),
            _ => None,
        };
        if let Some(close) = close {
            let tag = &rest[1..close];
            let mut words = tag.splitn(2, char::is_whitespace);
            let is_voice = words.next().is_some_and(|name| name == "v" || name.starts_with("v."));
            if let Some(name) = words.next().filter(|_| is_voice) {
                let name = entities(name.trim());
                match &speaker {
                    None => speaker = Some(name),
                    Some(first) if *first != name => {
                        let _ = write!(text, " {name}: "); // a string takes all
                    }
                    Some(_) => {}
                }
            }
            rest = &rest[close + 1..];
        } else {
            let length = rest.chars().next().map_or(0, char::len_utf8);
            text.push_str(&rest[..length]);
            rest = &rest[length..];
        }
    }
    text.push_str(rest);
    let text = entities(&text).split_whitespace().collect::<Vec<_>>().join(" ");
    (speaker.filter(|name| !name.is_empty()), text)
}

/// Undoes the escapes of WebVTT. The last is that of the sign itself.
fn entities(text: &str) -> String {
    const ENTITIES: [(&str, &str); 6] =
        [("&lt;", "<"), ("&gt;", ">"), ("&nbsp;", " "), ("&lrm;", ""), ("&rlm;", ""), ("&amp;", "&")];
    if !text.contains('&') {
        return text.to_owned();
    }
    ENTITIES.iter().fold(text.to_owned(), |text, (escape, character)| text.replace(escape, character))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn webvtt_gives_times_speakers_and_words() {
        let vtt = "WEBVTT - talk\nLanguage: en\n\nSTYLE\n::cue { color: red }\n\nNOTE nobody says this\n\n\
            intro\n00:01.000 --> 00:02.500 align:start\n<v.loud Ada Lovelace>Good <i>morning</i>\nall &amp; sundry</v>\n\n\
            2\n01:00:02.000 --> 01:00:04.000\n- 1 < 2 {sic}\n\n3\n01:00:04.000 --> 01:00:05.000\n- 1 < 2 {sic}\n";
        let text = extract(vtt.as_bytes(), Format::Vtt).unwrap();
        assert_eq!(
            text.text,
            "[00:00:01] Ada Lovelace: Good morning all & sundry\n\n[01:00:02] - 1 < 2 {sic}\n"
        );
        assert_eq!(text.metadata["cues"], 3);
        assert_eq!(text.metadata["duration"], "01:00:05");
        assert_eq!(text.metadata["speakers"][0], "Ada Lovelace");
        assert_eq!(text.metadata["language"], "en");
    }

    #[test]
    fn subrip_gives_its_words_in_any_encoding() {
        let srt = "1\r\n00:00:01,000 --> 00:00:02,000\r\n{\\an8}<font color=\"red\">Gr\u{fc}\u{df}e</font>\r\n2\r\n\
            00:00:02,000 --> 00:00:03,000\r\n42\r\nand more\r\n";
        let bytes = encoding_rs::WINDOWS_1252.encode(srt).0;
        let text = extract(&bytes, Format::Srt).unwrap();
        assert_eq!(text.text, "[00:00:01] Grüße\n[00:00:02] 42 and more\n");
    }

    #[test]
    fn what_has_no_cues_says_so() {
        assert_eq!(extract(b"WEBVTT\n\nno cues", Format::Vtt).unwrap_err().class(), "corrupt_document");
        assert_eq!(timing("99999999999999999999:00 --> 1"), None);
        assert_eq!(instant("18446744073709551615:59.9"), None);
    }
}
