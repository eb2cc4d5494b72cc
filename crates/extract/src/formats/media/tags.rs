//! Tags and properties of sound, by lofty.

use super::Media;
use lofty::{
    config::{ParseOptions, ParsingMode},
    file::{AudioFile, FileType, TaggedFile, TaggedFileExt},
    probe::Probe,
    properties::FileProperties,
    tag::ItemKey,
};
use std::{
    io::Cursor,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Tags, and what they are called here. A picture of the cover is no text.
const KEPT: &[(ItemKey, &str)] = &[
    (ItemKey::TrackTitle, "Title"),
    (ItemKey::TrackSubtitle, "Subtitle"),
    (ItemKey::TrackArtist, "Artist"),
    (ItemKey::TrackArtists, "Artist"),
    (ItemKey::AlbumTitle, "Album"),
    (ItemKey::AlbumArtist, "Album artist"),
    (ItemKey::ShowName, "Show"),
    (ItemKey::Composer, "Composer"),
    (ItemKey::Lyricist, "Lyricist"),
    (ItemKey::Writer, "Writer"),
    (ItemKey::Conductor, "Conductor"),
    (ItemKey::Performer, "Performer"),
    (ItemKey::Director, "Director"),
    (ItemKey::Producer, "Producer"),
    (ItemKey::Publisher, "Publisher"),
    (ItemKey::Label, "Label"),
    (ItemKey::Work, "Work"),
    (ItemKey::Movement, "Movement"),
    (ItemKey::DiscNumber, "Disc"),
    (ItemKey::TrackNumber, "Track"),
    (ItemKey::RecordingDate, "Date"),
    (ItemKey::ReleaseDate, "Date"),
    (ItemKey::Year, "Date"),
    (ItemKey::Genre, "Genre"),
    (ItemKey::Language, "Language"),
    (ItemKey::Isrc, "ISRC"),
    (ItemKey::CopyrightMessage, "Copyright"),
    (ItemKey::License, "License"),
    (ItemKey::Description, "Description"),
    (ItemKey::PodcastDescription, "Description"),
    (ItemKey::PodcastKeywords, "Keywords"),
    (ItemKey::Comment, "Comment"),
    (ItemKey::Lyrics, "Lyrics"),
    (ItemKey::UnsyncLyrics, "Lyrics"),
];

/// A file that lofty does not know says nothing.
pub fn read(bytes: &[u8], media: &mut Media) {
    // It panics on some damage; the tags are then not known.
    if let Ok(Some(file)) = catch_unwind(AssertUnwindSafe(|| tagged(bytes))) {
        for tag in file.tags() {
            for (key, label) in KEPT {
                let values: Vec<&str> = tag.get_strings(*key).collect();
                media.facts.add(label, &values.join(", "));
            }
        }
        properties(file.file_type(), file.properties(), media);
    }
}

fn tagged(bytes: &[u8]) -> Option<TaggedFile> {
    let options = |properties| {
        let mut options = ParseOptions::new().parsing_mode(ParsingMode::Relaxed);
        options.read_cover_art(false).read_properties(properties)
    };
    let read = |properties| {
        let probe = Probe::new(Cursor::new(bytes)).options(options(properties));
        probe.guess_file_type().ok()?.read().ok()
    };
    // A file that is cut off has tags at its beginning.
    read(true).or_else(|| read(false))
}

fn properties(kind: FileType, properties: &FileProperties, media: &mut Media) {
    let duration = properties.duration().as_millis() as u64;
    media.duration = media.duration.or((duration > 0).then_some(duration));
    let codec = match kind {
        FileType::Aac => "AAC",
        FileType::Aiff => "AIFF",
        FileType::Ape => "Monkey's Audio",
        FileType::Flac => "FLAC",
        FileType::Mpeg => "MPEG audio",
        FileType::Mpc => "Musepack",
        FileType::Opus => "Opus",
        FileType::Vorbis => "Vorbis",
        FileType::Speex => "Speex",
        FileType::Wav => "WAV",
        FileType::WavPack => "WavPack",
        // Its tracks are told by its boxes.
        _ => return,
    };
    let mut track = format!("Audio: {codec}");
    let mut detail = |value: Option<u32>, unit: &str| {
        if let Some(value) = value.filter(|value| *value > 0) {
            track.push_str(&format!(", {value} {unit}"));
        }
    };
    detail(properties.sample_rate(), "Hz");
    detail(properties.channels().map(u32::from), "channels");
    detail(properties.bit_depth().map(u32::from), "bits");
    detail(properties.audio_bitrate(), "kbit/s");
    media.tracks.push(track);
}
