//! Sound and moving pictures: what they say of themselves is their text.

mod avi;
mod chapters;
mod matroska;
mod mp4;
mod tags;

use super::{clock, facts::Facts};
use crate::{error::ExtractError, format::Format};
use ragstream_core::text::DocumentText;
use std::fmt::Write;

/// Most chapters and tracks that are kept.
const PARTS: usize = 10_000;

/// What a file says of itself.
#[derive(Default)]
struct Media {
    facts: Facts,
    /// In milliseconds.
    duration: Option<u64>,
    /// A line a track.
    tracks: Vec<String>,
    /// Begin in milliseconds, and title.
    chapters: Vec<(u64, String)>,
}

/// `Corrupt` where no track can be found. What can be read is never empty: it has a duration or a codec.
pub fn extract(bytes: &[u8], format: Format) -> Result<DocumentText, ExtractError> {
    let mut media = Media::default();
    let extractor = match bytes {
        [0x1a, 0x45, 0xdf, 0xa3, ..] => {
            matroska::read(bytes, &mut media);
            "matroska/1"
        }
        [_, _, _, _, b'f', b't', b'y', b'p', ..]
        | [_, _, _, _, b'm', b'o', b'o', b'v', ..]
        | [_, _, _, _, b'w', b'i', b'd', b'e', ..] => {
            mp4::read(bytes, &mut media);
            tags::read(bytes, &mut media);
            "mp4-lofty-0.25/1"
        }
        [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', b' ', ..] => {
            avi::read(bytes, &mut media);
            "avi/1"
        }
        _ => {
            tags::read(bytes, &mut media);
            chapters::of_id3(bytes, &mut media);
            "lofty-0.25/1"
        }
    };
    if media.tracks.is_empty() && media.chapters.is_empty() && media.facts.text().is_empty() {
        return Err(ExtractError::corrupt(format, "no track and no tag in it can be read"));
    }
    Ok(media.into_text(bytes, extractor))
}

impl Media {
    fn into_text(mut self, bytes: &[u8], extractor: &str) -> DocumentText {
        if let Some(duration) = self.duration.filter(|duration| *duration > 0) {
            // A second that has begun counts.
            self.facts.add("Duration", &clock(duration.div_ceil(1000)));
        }
        if let Some(kind) = infer::get(bytes) {
            self.facts.add("Type", kind.mime_type());
        }
        let mut text = self.facts.text();
        for track in self.tracks.iter().take(PARTS) {
            let _ = writeln!(text, "{track}"); // a string takes all
        }
        if !self.chapters.is_empty() {
            text.push_str("\nChapters:\n");
            for (begin, title) in self.chapters.iter().take(PARTS) {
                let _ = writeln!(text, "[{}] {}", clock(begin / 1000), title.trim());
            }
        }
        let mut metadata = self.facts.metadata();
        if !self.tracks.is_empty() {
            metadata.insert("tracks".to_owned(), self.tracks.into_iter().take(PARTS).collect());
        }
        if !self.chapters.is_empty() {
            metadata.insert("chapters".to_owned(), self.chapters.len().into());
        }
        DocumentText {
            text: super::tidy(text),
            title: self.facts.get("Title").map(str::to_owned),
            metadata,
            extractor: extractor.to_owned(),
            ..Default::default()
        }
    }
}

/// The first four bytes, as a number, and the rest.
fn u32_of(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*number), rest))
}

/// A code of four characters, if it can be read by people.
fn readable(code: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(code).ok()?.trim();
    (!text.is_empty() && text.chars().all(|c| c.is_ascii_graphic())).then(|| text.to_owned())
}
