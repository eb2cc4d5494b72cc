//! AVI: size, duration, codecs and `INFO` texts, from the chunks in memory.

use super::{Media, readable};
use crate::charset::decode;

/// Texts of an `INFO` list, and what they are called here.
const KEPT: &[(&[u8; 4], &str)] = &[
    (b"INAM", "Title"),
    (b"IART", "Artist"),
    (b"ICOP", "Copyright"),
    (b"ICRD", "Date"),
    (b"IGNR", "Genre"),
    (b"IKEY", "Keywords"),
    (b"ISBJ", "Subject"),
    (b"ICMT", "Comment"),
];

/// Deepest list that is looked into.
const DEPTH: u32 = 4;

/// A file without a header says nothing.
pub fn read(bytes: &[u8], media: &mut Media) {
    list(bytes.get(12..).unwrap_or_default(), media, 0);
}

/// Chunks have an even number of bytes, whatever they say.
fn chunks(mut rest: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let (kind, after) = rest.split_first_chunk::<4>()?;
        let (size, after) = after.split_first_chunk::<4>()?;
        let size = u32::from_le_bytes(*size) as usize;
        let body = &after[..size.min(after.len())];
        rest = after.get(size.next_multiple_of(2)..).unwrap_or_default();
        Some((kind, body))
    })
}

fn list(bytes: &[u8], media: &mut Media, depth: u32) {
    let mut stream = None;
    for (kind, body) in chunks(bytes) {
        let number = |at: usize| body.get(at..)?.first_chunk::<4>().map(|four| u32::from_le_bytes(*four));
        match kind {
            b"LIST" if depth < DEPTH && !body.starts_with(b"movi") => {
                list(body.get(4..).unwrap_or_default(), media, depth + 1);
            }
            b"avih" => {
                let (frame, frames) = (number(0).unwrap_or_default(), number(16).unwrap_or_default());
                media.duration = Some(u64::from(frame) * u64::from(frames) / 1000);
                if let (Some(width), Some(height)) = (number(32), number(36)) {
                    media.facts.add("Size", &format!("{width}x{height}"));
                }
            }
            b"strh" => stream = body.first_chunk::<8>(),
            b"strf" => {
                let codec = stream
                    .and_then(|stream| readable(&stream[4..]))
                    .unwrap_or_else(|| "unknown codec".to_owned());
                match stream.and_then(|stream| stream.first_chunk::<4>()) {
                    Some(b"vids") => media.tracks.push(format!("Video: {codec}")),
                    Some(b"auds") => {
                        let channels = number(0).unwrap_or_default() >> 16;
                        let rate = number(4).unwrap_or_default();
                        media.tracks.push(format!("Audio: {rate} Hz, {channels} channels"));
                    }
                    _ => {}
                }
            }
            _ => {
                if let Some((_, label)) = KEPT.iter().find(|(known, _)| *known == kind) {
                    media.facts.add(label, &decode(body, None).text);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let padding = if body.len() % 2 == 1 { &[0][..] } else { &[] };
        [&kind[..], &(body.len() as u32).to_le_bytes(), body, padding].concat()
    }

    #[test]
    fn streams_and_texts_are_read() {
        let mut avih = vec![0; 40];
        avih[..4].copy_from_slice(&40_000u32.to_le_bytes());
        avih[16..20].copy_from_slice(&1500u32.to_le_bytes());
        avih[32..36].copy_from_slice(&640u32.to_le_bytes());
        avih[36..40].copy_from_slice(&480u32.to_le_bytes());
        let stream = [&b"strl"[..], &chunk(b"strh", b"vidsXVID"), &chunk(b"strf", &[0; 8])].concat();
        let header = [&b"hdrl"[..], &chunk(b"avih", &avih), &chunk(b"LIST", &stream)].concat();
        let info = [&b"INFO"[..], &chunk(b"INAM", b"A film\0")].concat();
        let body = [chunk(b"LIST", &header), chunk(b"LIST", &info), chunk(b"LIST", b"movi")].concat();
        let film = [&b"RIFF\0\0\0\0AVI "[..], &body].concat();
        let mut media = Media::default();
        read(&film, &mut media);
        assert_eq!(media.facts.text(), "Size: 640x480\nTitle: A film\n");
        assert_eq!(
            (media.duration, media.tracks.as_slice()),
            (Some(60_000), &["Video: XVID".to_owned()][..])
        );
        for at in 0..film.len() {
            let mut damaged = film.clone();
            damaged[at] = 0xff;
            read(&damaged, &mut Media::default());
            read(&film[..at], &mut Media::default());
        }
    }
}
