//! Chapters in ID3 tags, as podcasts have them.

use super::Media;
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
        Frame::Chapter(chapter) => Some((u64::from(chapter.times.start), chapter.title()?.to_owned())),
        _ => None,
    });
    media.chapters.extend(chapters);
    media.chapters.sort();
}
