//! MP4 and QuickTime: tracks, duration and chapters, from the boxes in memory.
//! A box ends where its bytes end, whatever it says.

use super::{Media, readable, u32_of};

/// Deepest box that is looked into.
const DEPTH: u32 = 8;

/// A file that has no `moov` box says nothing.
pub fn read(bytes: &[u8], media: &mut Media) {
    let Some(moov) = find(bytes, b"moov") else { return };
    if let Some((duration, scale)) = find(moov, b"mvhd").and_then(header_times) {
        media.duration = duration.checked_mul(1000).and_then(|duration| duration.checked_div(scale));
    }
    for (kind, body) in boxes(moov) {
        if kind == b"trak"
            && let Some(line) = track(body)
        {
            media.tracks.push(line);
        }
    }
    if let Some(list) = descend(moov, &[b"udta", b"chpl"], 0) {
        media.chapters.extend(nero_chapters(list));
    }
}

/// The boxes that follow each other in these bytes.
fn boxes(mut rest: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let (size, after) = u32_of(rest)?;
        let (kind, after) = after.split_first_chunk::<4>()?;
        let (header, size) = match size {
            // To the end of the file.
            0 => (8, rest.len()),
            1 => {
                let size = u64::from_be_bytes(*after.first_chunk::<8>()?);
                (16, usize::try_from(size).ok()?)
            }
            size => (8, size as usize),
        };
        // One that is cut off has what is left; none is shorter than its header.
        let end = size.min(rest.len());
        let body = rest.get(header..end)?;
        rest = &rest[end..];
        Some((kind, body))
    })
}

fn find<'a>(bytes: &'a [u8], wanted: &[u8; 4]) -> Option<&'a [u8]> {
    boxes(bytes).find(|(kind, _)| *kind == wanted).map(|(_, body)| body)
}

fn descend<'a>(bytes: &'a [u8], path: &[&[u8; 4]], depth: u32) -> Option<&'a [u8]> {
    match path {
        [] => Some(bytes),
        _ if depth > DEPTH => None,
        [first, rest @ ..] => descend(find(bytes, first)?, rest, depth + 1),
    }
}

/// Duration, and its units in a second, of `mvhd` and `mdhd`.
fn header_times(body: &[u8]) -> Option<(u64, u64)> {
    let (version, rest) = body.split_first()?;
    let rest = rest.get(3..)?;
    if *version == 1 {
        let (scale, rest) = u32_of(rest.get(16..)?)?;
        return Some((u64::from_be_bytes(*rest.first_chunk::<8>()?), u64::from(scale)));
    }
    let (scale, rest) = u32_of(rest.get(8..)?)?;
    Some((u64::from(u32_of(rest)?.0), u64::from(scale)))
}

/// `Video: avc1, 1920x1080`, with the language where one is named.
fn track(trak: &[u8]) -> Option<String> {
    let media = find(trak, b"mdia")?;
    let handler: &[u8; 4] = find(media, b"hdlr")?.get(8..)?.first_chunk()?;
    let description = descend(media, &[b"minf", b"stbl", b"stsd"], 0)?;
    let (codec, entry) = boxes(description.get(8..)?).next()?;
    let codec = codec_name(codec);
    let number = |at: usize| entry.get(at..)?.first_chunk::<2>().map(|two| u16::from_be_bytes(*two));
    let mut line = match handler {
        b"vide" => {
            let (width, height) = (number(24)?, number(26)?);
            format!("Video: {codec}, {width}x{height}")
        }
        b"soun" => {
            let (channels, rate) = (number(16)?, number(24)?);
            format!("Audio: {codec}, {rate} Hz, {channels} channels")
        }
        b"text" | b"sbtl" | b"subt" | b"clcp" => format!("Subtitles: {codec}"),
        _ => return None,
    };
    if let Some(language) = find(media, b"mdhd").and_then(language) {
        line.push_str(&format!(", {language}"));
    }
    Some(line)
}

fn codec_name(code: &[u8; 4]) -> String {
    match code {
        b"avc1" | b"avc3" => "H.264".to_owned(),
        b"hvc1" | b"hev1" => "H.265".to_owned(),
        b"av01" => "AV1".to_owned(),
        b"vp09" => "VP9".to_owned(),
        b"mp4v" => "MPEG-4".to_owned(),
        b"mp4a" => "AAC".to_owned(),
        b"alac" => "ALAC".to_owned(),
        b"ac-3" => "AC-3".to_owned(),
        other => readable(other).unwrap_or_else(|| "unknown codec".to_owned()),
    }
}

/// Three letters of five bits each, after the times.
fn language(mdhd: &[u8]) -> Option<String> {
    let at = if *mdhd.first()? == 1 { 32 } else { 20 };
    let packed = u16::from_be_bytes(*mdhd.get(at..)?.first_chunk::<2>()?);
    let letter = |shift: u16| char::from(b'`' + (packed >> shift & 31) as u8);
    let language: String = [letter(10), letter(5), letter(0)].into_iter().collect();
    (language.chars().all(|c| c.is_ascii_lowercase()) && language != "und").then_some(language)
}

/// The list of Nero: begins in units of 100 ns, and titles with their length before them.
fn nero_chapters(list: &[u8]) -> Vec<(u64, String)> {
    let mut chapters = Vec::new();
    let Some(mut rest) = list.get(9..) else { return chapters };
    while let Some((begin, after)) = rest.split_first_chunk::<8>() {
        let Some((length, after)) = after.split_first() else { break };
        let Some((title, after)) = after.split_at_checked(usize::from(*length)) else { break };
        let title = String::from_utf8_lossy(title).into_owned();
        chapters.push((u64::from_be_bytes(*begin) / 10_000, title));
        rest = after;
    }
    chapters
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32 + 8).to_be_bytes(), &kind[..], body].concat()
    }

    fn film() -> Vec<u8> {
        let mvhd = boxed(b"mvhd", &[&[0; 12][..], &600u32.to_be_bytes(), &37_200u32.to_be_bytes()].concat());
        // "eng" is 5, 14, 7.
        let mdhd =
            boxed(b"mdhd", &[&[0; 20][..], &(5u16 << 10 | 14 << 5 | 7).to_be_bytes(), &[0; 2]].concat());
        let hdlr = boxed(b"hdlr", b"\0\0\0\0\0\0\0\0vide\0\0\0\0");
        let avc1 = boxed(b"avc1", &[&[0; 24][..], &1920u16.to_be_bytes(), &1080u16.to_be_bytes()].concat());
        let stsd = boxed(b"stsd", &[&[0; 8][..], &avc1].concat());
        let minf = boxed(b"minf", &boxed(b"stbl", &stsd));
        let trak = boxed(b"trak", &boxed(b"mdia", &[mdhd, hdlr, minf].concat()));
        let chpl = [&[1, 0, 0, 0, 0, 0, 0, 0, 1][..], &50_000_000u64.to_be_bytes(), b"\x05Intro"].concat();
        let udta = boxed(b"udta", &boxed(b"chpl", &chpl));
        let moov = boxed(b"moov", &[mvhd, trak, udta].concat());
        [boxed(b"ftyp", b"isom\0\0\0\0"), moov].concat()
    }

    #[test]
    fn tracks_duration_and_chapters_are_read() {
        let mut media = Media::default();
        read(&film(), &mut media);
        assert_eq!(media.duration, Some(62_000));
        assert_eq!(media.tracks, ["Video: H.264, 1920x1080, eng"]);
        assert_eq!(media.chapters, [(5000, "Intro".to_owned())]);
    }

    #[test]
    fn whatever_boxes_say_they_come_to_an_end() {
        let film = film();
        for at in 0..film.len() {
            for byte in [0, 1, 7, 0xff] {
                let mut damaged = film.clone();
                damaged[at] = byte;
                read(&damaged, &mut Media::default());
                read(&film[..at], &mut Media::default());
            }
        }
    }
}
