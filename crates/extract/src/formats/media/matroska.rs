//! Matroska and WebM: info, tracks, chapters and tags, from the elements in
//! memory. An element ends where its bytes end, whatever it says.

use super::{Media, PARTS};
use std::fmt::Write;

/// Elements by their ids (RFC 9559).
mod id {
    pub const SEGMENT: u32 = 0x1853_8067;
    pub const INFO: u32 = 0x1549_a966;
    pub const TIMESTAMP_SCALE: u32 = 0x2a_d7b1;
    pub const DURATION: u32 = 0x4489;
    pub const TITLE: u32 = 0x7ba9;
    pub const TRACKS: u32 = 0x1654_ae6b;
    pub const TRACK_ENTRY: u32 = 0xae;
    pub const TRACK_TYPE: u32 = 0x83;
    pub const TRACK_NAME: u32 = 0x536e;
    pub const CODEC_ID: u32 = 0x86;
    pub const LANGUAGE: u32 = 0x22_b59c;
    pub const VIDEO: u32 = 0xe0;
    pub const WIDTH: u32 = 0xb0;
    pub const HEIGHT: u32 = 0xba;
    pub const AUDIO: u32 = 0xe1;
    pub const SAMPLING: u32 = 0xb5;
    pub const CHANNELS: u32 = 0x9f;
    pub const CHAPTERS: u32 = 0x1043_a770;
    pub const EDITION: u32 = 0x45b9;
    pub const CHAPTER: u32 = 0xb6;
    pub const CHAPTER_START: u32 = 0x91;
    pub const CHAPTER_DISPLAY: u32 = 0x80;
    pub const CHAPTER_TITLE: u32 = 0x85;
    pub const TAGS: u32 = 0x1254_c367;
    pub const TAG: u32 = 0x7373;
    pub const SIMPLE_TAG: u32 = 0x67c8;
    pub const TAG_NAME: u32 = 0x45a3;
    pub const TAG_STRING: u32 = 0x4487;
    pub const ATTACHMENTS: u32 = 0x1941_a469;
    pub const ATTACHED: u32 = 0x61a7;
    pub const FILE_NAME: u32 = 0x466e;
    pub const CLUSTER: u32 = 0x1f43_b675;
    pub const CUES: u32 = 0x1c53_bb6b;
}

/// Nanoseconds of a tick, where the file does not say.
const DEFAULT_SCALE: u64 = 1_000_000;

/// Chapters in chapters are looked for so deep.
const CHAPTER_DEPTH: u32 = 8;

/// Names of tags that programs write for themselves.
const TECHNICAL: &[&str] =
    &["BPS", "DURATION", "NUMBER_OF", "_STATISTICS", "ENCODER", "HANDLER_NAME", "VENDOR_ID"];

/// A file without a segment says nothing.
pub fn read(bytes: &[u8], media: &mut Media) {
    for (element, body) in elements(bytes) {
        if element == id::SEGMENT {
            for (element, body) in elements(body) {
                match element {
                    id::INFO => info(body, media),
                    id::TRACKS => media.tracks.extend(all(body, id::TRACK_ENTRY).filter_map(track)),
                    id::CHAPTERS => {
                        for edition in all(body, id::EDITION) {
                            chapters(edition, media, 0);
                        }
                    }
                    id::TAGS => {
                        for simple in all(body, id::TAG).flat_map(|tag| all(tag, id::SIMPLE_TAG)) {
                            tag(simple, media);
                        }
                    }
                    id::ATTACHMENTS => {
                        let names = all(body, id::ATTACHED).filter_map(|file| text(file, id::FILE_NAME));
                        media.facts.add("Attachments", &names.take(PARTS).collect::<Vec<_>>().join(", "));
                    }
                    _ => {}
                }
            }
        }
    }
}

/// The elements that follow each other in these bytes.
fn elements(mut rest: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let id_length = rest.first()?.leading_zeros() as usize + 1;
        let (id, after) = rest.split_at_checked(id_length).filter(|_| id_length <= 4)?;
        let id = id.iter().fold(0u32, |id, &byte| id << 8 | u32::from(byte));
        let size_length = after.first()?.leading_zeros() as usize + 1;
        let (size, after) = after.split_at_checked(size_length).filter(|_| size_length <= 8)?;
        let mask = 0xffu64 >> size_length;
        let (first, others) = size.split_first()?;
        let known = others.iter().fold(u64::from(*first) & mask, |size, &byte| size << 8 | u64::from(byte));
        let unknown = known == (1u64 << (7 * size_length)) - 1;
        let end = match unknown {
            // A stream: a cluster of unknown size ends where the next element of the segment begins.
            true if id == id::CLUSTER => next_of_segment(after),
            true => after.len(),
            false => usize::try_from(known).unwrap_or(usize::MAX).min(after.len()),
        };
        let (body, after) = after.split_at(end);
        rest = after;
        Some((id, body))
    })
}

/// Where in the bytes of a cluster the next element of its segment begins.
fn next_of_segment(bytes: &[u8]) -> usize {
    let tops = [id::CLUSTER, id::CUES, id::TAGS, id::CHAPTERS, id::ATTACHMENTS, id::INFO, id::TRACKS];
    let is_top =
        |window: &[u8]| window.first_chunk::<4>().is_some_and(|id| tops.contains(&u32::from_be_bytes(*id)));
    bytes.windows(4).position(is_top).unwrap_or(bytes.len())
}

fn all(bytes: &[u8], wanted: u32) -> impl Iterator<Item = &[u8]> {
    elements(bytes).filter(move |(id, _)| *id == wanted).map(|(_, body)| body)
}

fn number(bytes: &[u8], wanted: u32) -> Option<u64> {
    let body = all(bytes, wanted).next().filter(|body| body.len() <= 8)?;
    Some(body.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

fn float(bytes: &[u8], wanted: u32) -> Option<f64> {
    let body = all(bytes, wanted).next()?;
    match body.len() {
        4 => body.first_chunk().map(|four| f64::from(f32::from_be_bytes(*four))),
        8 => body.first_chunk().map(|eight| f64::from_be_bytes(*eight)),
        _ => None,
    }
}

fn text(bytes: &[u8], wanted: u32) -> Option<String> {
    let text = String::from_utf8_lossy(all(bytes, wanted).next()?).into_owned();
    let text = text.trim_end_matches('\0').trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn info(body: &[u8], media: &mut Media) {
    media.facts.add("Title", &text(body, id::TITLE).unwrap_or_default());
    let scale = number(body, id::TIMESTAMP_SCALE).unwrap_or(DEFAULT_SCALE);
    if let Some(ticks) = float(body, id::DURATION).filter(|ticks| ticks.is_finite() && *ticks > 0.0) {
        media.duration = Some((ticks * scale as f64 / 1e6) as u64);
    }
}

/// `Video: V_VP9, 1920x1080`, with language and name where there are any.
fn track(entry: &[u8]) -> Option<String> {
    let mut line = match number(entry, id::TRACK_TYPE)? {
        1 => "Video: ".to_owned(),
        2 => "Audio: ".to_owned(),
        17 => "Subtitles: ".to_owned(),
        _ => return None,
    };
    let codec = text(entry, id::CODEC_ID).unwrap_or_else(|| "unknown codec".to_owned());
    line.push_str(match codec.as_str() {
        "V_MPEG4/ISO/AVC" => "H.264",
        "V_MPEGH/ISO/HEVC" => "H.265",
        "V_VP8" => "VP8",
        "V_VP9" => "VP9",
        "V_AV1" => "AV1",
        "A_OPUS" => "Opus",
        "A_VORBIS" => "Vorbis",
        "A_FLAC" => "FLAC",
        "A_MPEG/L3" => "MP3",
        other if other.starts_with("A_AAC") => "AAC",
        other => other,
    });
    if let Some(video) = all(entry, id::VIDEO).next()
        && let (Some(width), Some(height)) = (number(video, id::WIDTH), number(video, id::HEIGHT))
    {
        let _ = write!(line, ", {width}x{height}"); // a string takes all
    }
    if let Some(audio) = all(entry, id::AUDIO).next() {
        let (rate, channels) =
            (float(audio, id::SAMPLING).unwrap_or(8000.0), number(audio, id::CHANNELS).unwrap_or(1));
        let _ = write!(line, ", {rate:.0} Hz, {channels} channels");
    }
    for detail in [id::LANGUAGE, id::TRACK_NAME] {
        if let Some(value) = text(entry, detail).filter(|value| value != "und") {
            let _ = write!(line, ", {value}");
        }
    }
    Some(line)
}

fn chapters(parent: &[u8], media: &mut Media, depth: u32) {
    for chapter in all(parent, id::CHAPTER) {
        let title = all(chapter, id::CHAPTER_DISPLAY).find_map(|display| text(display, id::CHAPTER_TITLE));
        if let (Some(start), Some(title)) = (number(chapter, id::CHAPTER_START), title)
            && media.chapters.len() < PARTS
        {
            media.chapters.push((start / 1_000_000, title));
        }
        if depth < CHAPTER_DEPTH {
            chapters(chapter, media, depth + 1);
        }
    }
}

/// `DATE_RELEASED` becomes `Date released`.
fn tag(simple: &[u8], media: &mut Media) {
    let (Some(name), Some(value)) = (text(simple, id::TAG_NAME), text(simple, id::TAG_STRING)) else {
        return;
    };
    if TECHNICAL.iter().any(|technical| name.to_uppercase().starts_with(technical)) {
        return;
    }
    let name = name.to_lowercase().replace('_', " ");
    let mut letters = name.chars();
    let label: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    media.facts.add(&label, &value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(id: u32, body: &[u8]) -> Vec<u8> {
        let id = id.to_be_bytes();
        let from = id.iter().position(|&byte| byte != 0).unwrap_or(3);
        let size = (body.len() as u64 | 1 << 56).to_be_bytes();
        [&id[from..], &size, body].concat()
    }

    fn film(cluster: &[u8]) -> Vec<u8> {
        let info = [element(id::TITLE, b"A talk"), element(id::DURATION, &61_500f64.to_be_bytes())].concat();
        let video =
            element(id::VIDEO, &[element(id::WIDTH, &[7, 128]), element(id::HEIGHT, &[4, 56])].concat());
        let entry = [element(id::TRACK_TYPE, &[1]), element(id::CODEC_ID, b"V_VP9"), video].concat();
        let display = element(id::CHAPTER_DISPLAY, &element(id::CHAPTER_TITLE, b"Intro"));
        let start = element(id::CHAPTER_START, &5_000_000_000u64.to_be_bytes());
        let edition = element(id::EDITION, &element(id::CHAPTER, &[start, display].concat()));
        let simple = |name: &[u8], value: &[u8]| {
            let tag = [element(id::TAG_NAME, name), element(id::TAG_STRING, value)].concat();
            element(id::TAG, &element(id::SIMPLE_TAG, &tag))
        };
        let tags = [simple(b"DATE_RELEASED", b"2026"), simple(b"BPS-eng", b"9")].concat();
        let parts = [
            element(id::INFO, &info),
            element(id::TRACKS, &element(id::TRACK_ENTRY, &entry)),
            cluster.to_vec(),
            element(id::CHAPTERS, &edition),
            element(id::TAGS, &tags),
        ];
        [element(0x1a45_dfa3, b""), element(id::SEGMENT, &parts.concat())].concat()
    }

    #[test]
    fn what_it_says_is_read_past_clusters_of_any_size() {
        let unknown = b"\x1f\x43\xb6\x75\x01\xff\xff\xff\xff\xff\xff\xffframes".to_vec();
        for cluster in [element(id::CLUSTER, b"frames"), unknown] {
            let mut media = Media::default();
            read(&film(&cluster), &mut media);
            assert_eq!(media.duration, Some(61_500));
            assert_eq!(media.tracks, ["Video: VP9, 1920x1080"]);
            assert_eq!(media.chapters, [(5000, "Intro".to_owned())]);
            assert_eq!(media.facts.text(), "Title: A talk\nDate released: 2026\n");
        }
    }

    #[test]
    fn whatever_elements_say_they_come_to_an_end() {
        let film = film(b"");
        for at in 0..film.len() {
            for byte in [0, 1, 0x80, 0xff] {
                let mut damaged = film.clone();
                damaged[at] = byte;
                read(&damaged, &mut Media::default());
                read(&film[..at], &mut Media::default());
            }
        }
    }
}
