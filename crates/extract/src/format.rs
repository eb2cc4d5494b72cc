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
    /// Word, Office Open XML.
    Docx,
    /// PowerPoint, Office Open XML.
    Pptx,
    /// Excel, Office Open XML or binary.
    Xlsx,
    /// Word 97 to 2003.
    Doc,
    /// PowerPoint 97 to 2003.
    Ppt,
    /// Excel 97 to 2003.
    Xls,
    /// OpenDocument text.
    Odt,
    /// OpenDocument spreadsheet.
    Ods,
    /// OpenDocument presentation.
    Odp,
    /// Rich text.
    Rtf,
    /// Books.
    Epub,
    /// XML of any kind.
    Xml,
    /// Rows of cells with separators.
    Csv,
    /// Rows of cells with tabs.
    Tsv,
    /// JSON.
    Json,
    /// JSON, a value a line.
    Jsonl,
    /// YAML.
    Yaml,
    /// TOML.
    Toml,
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
        Self::Docx,
        Self::Pptx,
        Self::Xlsx,
        Self::Doc,
        Self::Ppt,
        Self::Xls,
        Self::Odt,
        Self::Ods,
        Self::Odp,
        Self::Rtf,
        Self::Epub,
        Self::Xml,
        Self::Csv,
        Self::Tsv,
        Self::Json,
        Self::Jsonl,
        Self::Yaml,
        Self::Toml,
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
    pub const SUPPORTED: &'static str = "PDF, DOCX, PPTX, XLSX, DOC, PPT, XLS, ODT, ODS, ODP, RTF, EPUB, \
        HTML, XML, Markdown, CSV, TSV, JSON, JSONL, YAML, TOML, plain text in any encoding, source code, \
        mail (EML, MBOX, MSG), subtitles (VTT, SRT), images, audio, video, and archives (ZIP, TAR, GZ, 7Z)";

    /// Short stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Markdown => "markdown",
            Self::Html => "html",
            Self::Pdf => "pdf",
            Self::Docx => "docx",
            Self::Pptx => "pptx",
            Self::Xlsx => "xlsx",
            Self::Doc => "doc",
            Self::Ppt => "ppt",
            Self::Xls => "xls",
            Self::Odt => "odt",
            Self::Ods => "ods",
            Self::Odp => "odp",
            Self::Rtf => "rtf",
            Self::Epub => "epub",
            Self::Xml => "xml",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Yaml => "yaml",
            Self::Toml => "toml",
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
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Self::Pptx => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Doc => "application/msword",
            Self::Ppt => "application/vnd.ms-powerpoint",
            Self::Xls => "application/vnd.ms-excel",
            Self::Odt => "application/vnd.oasis.opendocument.text",
            Self::Ods => "application/vnd.oasis.opendocument.spreadsheet",
            Self::Odp => "application/vnd.oasis.opendocument.presentation",
            Self::Rtf => "application/rtf",
            Self::Epub => "application/epub+zip",
            Self::Xml => "application/xml",
            Self::Csv => "text/csv",
            Self::Tsv => "text/tab-separated-values",
            Self::Json => "application/json",
            Self::Jsonl => "application/jsonl",
            Self::Yaml => "application/yaml",
            Self::Toml => "application/toml",
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
                | Self::Docx
                | Self::Pptx
                | Self::Xlsx
                | Self::Doc
                | Self::Ppt
                | Self::Xls
                | Self::Odt
                | Self::Ods
                | Self::Odp
                | Self::Epub
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
            "docx" | "docm" | "dotx" | "dotm" => Some(Self::Docx),
            "pptx" | "pptm" | "potx" | "potm" | "ppsx" | "ppsm" => Some(Self::Pptx),
            "xlsx" | "xlsm" | "xltx" | "xltm" | "xlsb" | "xlam" => Some(Self::Xlsx),
            "doc" => Some(Self::Doc),
            "ppt" | "pps" => Some(Self::Ppt),
            "xls" | "xlt" => Some(Self::Xls),
            "odt" | "ott" | "fodt" => Some(Self::Odt),
            "ods" | "ots" | "fods" => Some(Self::Ods),
            "odp" | "otp" | "fodp" => Some(Self::Odp),
            "rtf" => Some(Self::Rtf),
            "epub" => Some(Self::Epub),
            "xml" | "rss" | "atom" | "xsd" | "wsdl" | "opml" | "dita" | "kml" | "gpx" | "tei" => {
                Some(Self::Xml)
            }
            "csv" => Some(Self::Csv),
            "tsv" | "tab" => Some(Self::Tsv),
            "json" | "geojson" | "ipynb" => Some(Self::Json),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "yaml" | "yml" => Some(Self::Yaml),
            "toml" => Some(Self::Toml),
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
