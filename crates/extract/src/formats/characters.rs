//! The characters of a file, piece by piece, whatever its encoding and its size:
//! lines end in `\n`, and there is no NUL.

use super::tidy;
use crate::{
    charset::{Charset, Decoding, PIECE_BYTES},
    error::ExtractError,
    extract::Source,
};
use ragstream_core::document::Metadata;
use std::io::SeekFrom;

/// A file that is read from its beginning once more.
pub struct Characters<'s> {
    source: &'s mut dyn Source,
    decoding: Decoding,
    bytes: Vec<u8>,
    /// The last character was a carriage return, which has become the end of its line.
    after_return: bool,
    is_done: bool,
}

impl<'s> Characters<'s> {
    /// Goes through all of the file to tell its encoding.
    pub fn open(source: &'s mut dyn Source) -> Result<Self, ExtractError> {
        source.seek(SeekFrom::Start(0)).map_err(ExtractError::io)?;
        let charset = Charset::of(&mut *source).map_err(ExtractError::io)?;
        source.seek(SeekFrom::Start(0)).map_err(ExtractError::io)?;
        Ok(Self {
            source,
            decoding: charset.decoding(),
            bytes: vec![0; PIECE_BYTES],
            after_return: false,
            is_done: false,
        })
    }

    /// Appends the next characters; `false` where there are no more.
    pub fn fill(&mut self, text: &mut String) -> Result<bool, ExtractError> {
        if self.is_done {
            return Ok(false);
        }
        let read = self.source.read(&mut self.bytes).map_err(ExtractError::io)?;
        self.is_done = read == 0;
        let mut piece = String::new();
        self.decoding.push(&self.bytes[..read], self.is_done, &mut piece);
        if self.after_return && piece.starts_with('\n') {
            piece.remove(0);
            self.after_return = false;
        }
        if !piece.is_empty() {
            self.after_return = piece.ends_with('\r');
        }
        text.push_str(&tidy(piece));
        Ok(true)
    }

    /// What is known of the encoding.
    pub fn metadata(&self) -> Metadata {
        let mut metadata = Metadata::new();
        metadata.insert("encoding".to_owned(), self.decoding.encoding.as_str().into());
        if self.decoding.lossy {
            metadata.insert("encoding_errors".to_owned(), true.into());
        }
        metadata
    }
}

/// A line is no longer than this; more of it is a line of its own.
pub const LINE_BYTES: usize = 4 << 20;

/// The lines of a file.
pub struct Lines<'s> {
    characters: Characters<'s>,
    text: String,
    /// Where in it the next line begins.
    at: usize,
    most: usize,
}

impl<'s> Lines<'s> {
    /// From the first.
    pub fn new(characters: Characters<'s>) -> Self {
        Self { characters, text: String::new(), at: 0, most: LINE_BYTES }
    }

    /// The next line, without its end.
    pub fn next(&mut self) -> Result<Option<&str>, ExtractError> {
        let mut searched = self.at;
        let (end, next) = loop {
            let unsearched = &self.text[searched..];
            match unsearched.find('\n').map(|end| searched + end) {
                Some(end) if end - self.at <= self.most => break (end, end + 1),
                None if self.text.len() - self.at < self.most => {
                    searched = self.text.len() - self.at;
                    self.text.drain(..self.at);
                    self.at = 0;
                    if !self.characters.fill(&mut self.text)? {
                        if self.text.is_empty() {
                            return Ok(None);
                        }
                        break (self.text.len(), self.text.len());
                    }
                }
                _ => {
                    let end = self.text.floor_char_boundary(self.at + self.most);
                    break (end, end);
                }
            }
        };
        let line = self.at..end;
        self.at = next;
        Ok(Some(&self.text[line]))
    }

    /// What is known of the encoding.
    pub fn metadata(&self) -> Metadata {
        self.characters.metadata()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::{Cursor, Read, Seek};

    /// Gives a byte at a time.
    struct Slow(Cursor<Vec<u8>>);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let most = buffer.len().min(1);
            self.0.read(&mut buffer[..most])
        }
    }

    impl Seek for Slow {
        fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
            self.0.seek(to)
        }
    }

    #[test]
    fn pieces_are_tidied_as_the_whole_is() {
        for text in ["a\r\nb\rc\n\0d", "\r\n\r\r\n\n\r", "\r\0\n", "é\r", "\0"] {
            let mut slow = Slow(Cursor::new(text.into()));
            let mut characters = Characters::open(&mut slow).unwrap();
            let mut pieces = String::new();
            while characters.fill(&mut pieces).unwrap() {}
            assert_eq!(pieces, tidy(text.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn lines_are_whole_unless_they_are_too_long() {
        for (text, lines) in [
            ("a\n\nbc\r\nd", &["a", "", "bc", "d"][..]),
            ("a\n", &["a"]),
            ("", &[]),
            ("éééééé\nb", &["éé", "éé", "éé", "b"]),
        ] {
            let mut slow = Slow(Cursor::new(text.into()));
            let mut read = Lines { most: 5, ..Lines::new(Characters::open(&mut slow).unwrap()) };
            let mut found = Vec::new();
            while let Some(line) = read.next().unwrap() {
                found.push(line.to_owned());
            }
            assert_eq!(found, lines, "{text:?}");
        }
    }
}
