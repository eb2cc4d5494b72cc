//! Chapters in ID3 tags (`CHAP` frames), as podcasts have them.

use super::{Media, u32_of};
use lofty::{config::ParseOptions, file::AudioFile, id3::v2::Frame, mpeg::MpegFile};
use std::{
    io::Cursor,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// A file that is no MP3 has none.
pub fn of_id3(bytes: &[u8], media: &mut Media) {
    if !bytes.starts_with(b"ID3") {
        return;
    }
    let read = || {
        let options = ParseOptions::new().read_properties(false).read_cover_art(false);
        MpegFile::read_from(&mut Cursor::new(bytes), options).ok()
    };
    let Ok(Some(file)) = catch_unwind(AssertUnwindSafe(read)) else { return };
    let frames = file.id3v2().into_iter().flatten();
    let chapters = frames.filter_map(|frame| match frame {
        Frame::Binary(chapter) if frame.id().as_str() == "CHAP" => parse(&chapter.data),
        _ => None,
    });
    media.chapters.extend(chapters);
    media.chapters.sort();
}

/// An id that ends in NUL; begin and end in milliseconds; two offsets; frames.
fn parse(data: &[u8]) -> Option<(u64, String)> {
    let after_id = data.iter().position(|&byte| byte == 0)? + 1;
    let (begin, rest) = u32_of(&data[after_id..])?;
    let mut frames = rest.get(12..)?;
    while let Some((id, rest)) = frames.split_first_chunk::<4>() {
        let (size, rest) = u32_of(rest)?;
        let (body, rest) = rest.get(2..)?.split_at_checked(size as usize)?;
        if id == b"TIT2" {
            return Some((u64::from(begin), title(body)?));
        }
        frames = rest;
    }
    None
}

/// A byte for the encoding, and the text.
fn title(body: &[u8]) -> Option<String> {
    let (encoding, text) = body.split_first()?;
    let text = match encoding {
        0 => encoding_rs::mem::decode_latin1(text).into_owned(),
        1 => encoding_rs::UTF_16LE.decode(text).0.into_owned(),
        2 => encoding_rs::UTF_16BE.decode(text).0.into_owned(),
        _ => String::from_utf8_lossy(text).into_owned(),
    };
    Some(text.trim_end_matches('\0').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chapter_has_a_begin_and_a_title() {
        let mut data = b"ch0\0".to_vec();
        data.extend([0, 0, 0x75, 0x30, 0, 0, 0xff, 0xff]);
        data.extend([0xff; 8]);
        data.extend(b"TIT2\0\0\0\x06\0\0\x03Intro");
        assert_eq!(parse(&data), Some((30_000, "Intro".to_owned())));
        for cut in 0..data.len() {
            assert_eq!(parse(&data[..cut]), None);
        }
    }
}
