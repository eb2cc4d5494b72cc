//! One file a format: bytes to [`DocumentText`](ragstream_core::text::DocumentText).

pub mod archive;
mod characters;
pub mod delimited;
pub mod embedded;
pub mod epub;
mod facts;
pub mod html;
pub mod image;
pub mod json;
pub mod links;
pub mod mail;
pub mod markdown;
pub mod media;
pub mod odf;
pub mod office;
pub mod ole;
pub mod ooxml;
pub mod pdf;
pub mod plain;
pub mod pull;
pub mod rows;
pub mod rtf;
pub mod sheets;
pub mod source;
pub mod subtitles;
mod tables;
pub mod toml_data;
pub mod tree;
pub mod writer;
pub mod xml;
pub mod yaml;
pub mod zipped;

/// Lines end in `\n`, and there is no NUL, which no database takes in a text.
fn tidy(text: String) -> String {
    if !text.contains(['\r', '\0']) {
        return text;
    }
    text.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "")
}

/// A time in seconds as `01:02:03`.
fn clock(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    #[test]
    fn line_ends_and_nuls_are_tidied() {
        assert_eq!(super::tidy("a\r\nb\rc\n\0d".to_owned()), "a\nb\nc\nd");
    }
}
