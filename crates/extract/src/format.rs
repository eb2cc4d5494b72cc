//! The formats that can be read.

use std::{fmt, str::FromStr};

const IMAGES: &[&str] =
    &["avif", "bmp", "gif", "heic", "heif", "jpeg", "jpg", "jp2", "png", "tif", "tiff", "webp"];
const AUDIO: &[&str] = &[
    "aac", "aif", "aiff", "ape", "flac", "m4a", "m4b", "mp3", "mpc", "oga", "ogg", "opus", "spx", "wav", "wv",
];
const VIDEO: &[&str] = &["3gp", "avi", "m4v", "mka", "mkv", "mov", "mp4", "webm"];

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Text in any encoding, whatever it is about: notes, logs, source code, data.
    Text,
    /// Markdown.
    Markdown,
    /// HTML and XHTML.
    Html,
    /// PDF, by its text layer or by OCR.
    Pdf,
    /// Source code.
    Source,
    /// WebVTT subtitles.
    Vtt,
    /// SubRip subtitles.
    Srt,
    /// A mail message.
    Eml,
    /// A mailbox file.
    Mbox,
    /// A message of Outlook.
    Msg,
    /// A picture: what it says of itself, and OCR.
    Image,
    /// Sound: what it says of itself.
    Audio,
    /// Moving pictures: what they say of themselves.
    Video,
    /// ZIP archive.
    Zip,
    /// TAR archive.
    Tar,
    /// One file, or a TAR archive, packed by gzip.
    Gzip,
    /// 7-Zip archive.
    SevenZip,
}

impl Format {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Text,
        Self::Markdown,
        Self::Html,
        Self::Pdf,
        Self::Source,
        Self::Vtt,
        Self::Srt,
        Self::Eml,
        Self::Mbox,
        Self::Msg,
        Self::Image,
        Self::Audio,
        Self::Video,
        Self::Zip,
        Self::Tar,
        Self::Gzip,
        Self::SevenZip,
    ];

    /// What a person is told can be uploaded.
    pub const SUPPORTED: &'static str = "PDF, HTML, Markdown, plain text in any encoding, source code, \
        mail (EML, MBOX, MSG), subtitles (VTT, SRT), images, audio, video, and archives (ZIP, TAR, GZ, 7Z)";

    /// Short stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Markdown => "markdown",
            Self::Html => "html",
            Self::Pdf => "pdf",
            Self::Source => "source",
            Self::Vtt => "vtt",
            Self::Srt => "srt",
            Self::Eml => "eml",
            Self::Mbox => "mbox",
            Self::Msg => "msg",
            Self::Image => "image",
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Zip => "zip",
            Self::Tar => "tar",
            Self::Gzip => "gzip",
            Self::SevenZip => "7z",
        }
    }

    /// Media type; that of a picture, sound or film is told by its first bytes
    /// ([`content_type`](crate::content_type)).
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain",
            Self::Markdown => "text/markdown",
            Self::Html => "text/html",
            Self::Pdf => "application/pdf",
            Self::Source => "text/plain",
            Self::Vtt => "text/vtt",
            Self::Srt => "application/x-subrip",
            Self::Eml => "message/rfc822",
            Self::Mbox => "application/mbox",
            Self::Msg => "application/vnd.ms-outlook",
            Self::Image | Self::Audio | Self::Video => "application/octet-stream",
            Self::Zip => "application/zip",
            Self::Tar => "application/x-tar",
            Self::Gzip => "application/gzip",
            Self::SevenZip => "application/x-7z-compressed",
        }
    }

    /// Whether its files are no text, so that a name can speak for bytes that don't.
    pub(crate) fn is_binary(self) -> bool {
        matches!(
            self,
            Self::Pdf
                | Self::Msg
                | Self::Image
                | Self::Audio
                | Self::Video
                | Self::Zip
                | Self::Tar
                | Self::Gzip
                | Self::SevenZip
        )
    }

    /// The format that the ending of a file's name speaks for.
    pub(crate) fn of_extension(extension: &str) -> Option<Self> {
        match extension {
            "txt" | "text" | "log" => Some(Self::Text),
            "md" | "markdown" | "mdown" | "mkd" => Some(Self::Markdown),
            "html" | "htm" | "xhtml" | "xht" => Some(Self::Html),
            "pdf" => Some(Self::Pdf),
            "vtt" => Some(Self::Vtt),
            "srt" => Some(Self::Srt),
            "eml" => Some(Self::Eml),
            "mbox" | "mbx" => Some(Self::Mbox),
            "msg" => Some(Self::Msg),
            "zip" => Some(Self::Zip),
            "tar" => Some(Self::Tar),
            "gz" | "tgz" => Some(Self::Gzip),
            "7z" => Some(Self::SevenZip),
            _ if IMAGES.contains(&extension) => Some(Self::Image),
            _ if AUDIO.contains(&extension) => Some(Self::Audio),
            _ if VIDEO.contains(&extension) => Some(Self::Video),
            _ => None,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        Self::ALL
            .iter()
            .copied()
            .find(|format| format.as_str() == s)
            .ok_or_else(|| format!("unknown format {s:?}"))
    }
}
