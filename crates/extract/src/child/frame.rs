//! What the child says on its standard output: frames, each of them a letter, a
//! length, and so many bytes. First the head, then pieces of the text, at the
//! end the facts; or, at any moment, why there is no text. An answer that was
//! cut off is told from a whole one by its last frame.
//!
//! The child may have been taken over by what it reads: nothing of what it says
//! is believed that is not checked here, and no frame is longer than its kind allows.

use crate::{error::ExtractError, outlet::PART_BYTES};
use ragstream_core::text::{TextFacts, TextHead, TextPart};
use serde::Serialize;
use std::io::{self, Write};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Longest head or failure: a few names, a reason.
const SHORT_BYTES: u32 = 64 << 10;

/// Longest piece, with the places of its pages.
const LONGEST_PART: u32 = PART_BYTES as u32 + (1 << 20);

/// Longest facts: a thousand files of a container are described by some 500 KiB, and images say
/// up to 1 MiB of themselves.
const FACTS_BYTES: u32 = 16 << 20;

/// Longest reason of a failure, in characters.
const REASON_CHARACTERS: usize = 4000;

/// A frame that was read.
#[derive(Debug, PartialEq)]
pub enum Frame {
    /// What the text is.
    Head(TextHead),
    /// The next piece.
    Part(TextPart),
    /// That was all.
    Facts(TextFacts),
    /// It is none.
    Failure(ExtractError),
}

const HEAD: u8 = b'h';
const PART: u8 = b'p';
const FACTS: u8 = b'e';
const FAILURE: u8 = b'f';

/// Says what the text is.
pub fn send_head(to: &mut impl Write, head: &TextHead) -> io::Result<()> {
    send(to, HEAD, SHORT_BYTES, &json(head)?)
}

/// Says the next piece: the length of what is said of its pages, that, and the text as it is.
pub fn send_part(to: &mut impl Write, part: &TextPart) -> io::Result<()> {
    let pages = if part.pages.is_empty() { Vec::new() } else { json(&part.pages)? };
    let mut bytes = Vec::with_capacity(size_of::<u32>() + pages.len() + part.text.len());
    bytes.extend(u32::try_from(pages.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend(&pages);
    bytes.extend(part.text.as_bytes());
    send(to, PART, LONGEST_PART, &bytes)
}

/// Says the end; an error of kind `FileTooLarge` where there are too many facts.
pub fn send_facts(to: &mut impl Write, facts: &TextFacts) -> io::Result<()> {
    send(to, FACTS, FACTS_BYTES, &json(facts)?)
}

/// Says why there is no text.
pub fn send_failure(to: &mut impl Write, failure: &ExtractError) -> io::Result<()> {
    send(to, FAILURE, SHORT_BYTES, &json(&in_bounds(failure.clone()))?)
}

/// Libraries may quote a document in what they say of it.
fn in_bounds(mut failure: ExtractError) -> ExtractError {
    if let ExtractError::Corrupt { reason, .. }
    | ExtractError::Unsupported { reason }
    | ExtractError::TooLarge { reason }
    | ExtractError::Crashed { reason }
    | ExtractError::Io { reason } = &mut failure
        && let Some((end, _)) = reason.char_indices().nth(REASON_CHARACTERS)
    {
        reason.truncate(end);
    }
    failure
}

fn json(value: &impl Serialize) -> io::Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(io::Error::from)
}

fn send(to: &mut impl Write, kind: u8, most: u32, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= most);
    let length = length.ok_or(io::ErrorKind::FileTooLarge)?;
    to.write_all(&[kind])?;
    to.write_all(&length.to_be_bytes())?;
    to.write_all(bytes)
}

/// Reads the next frame; `None` where there is no whole one, an error of kind `InvalidData` where
/// it is no frame.
pub async fn receive(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Frame>> {
    let mut start = [0; 1 + size_of::<u32>()];
    if !filled(from, &mut start).await? {
        return Ok(None);
    }
    let [kind, length @ ..] = start;
    let length = u32::from_be_bytes(length);
    let most = match kind {
        HEAD | FAILURE => SHORT_BYTES,
        PART => LONGEST_PART,
        FACTS => FACTS_BYTES,
        _ => 0,
    };
    if length > most || length == 0 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; length as usize];
    if !filled(from, &mut bytes).await? {
        return Ok(None);
    }
    decode(kind, bytes).map(Some).ok_or(io::ErrorKind::InvalidData.into())
}

fn decode(kind: u8, mut bytes: Vec<u8>) -> Option<Frame> {
    match kind {
        HEAD => serde_json::from_slice(&bytes).ok().map(Frame::Head),
        FACTS => serde_json::from_slice(&bytes).ok().map(Frame::Facts),
        FAILURE => serde_json::from_slice(&bytes).ok().map(Frame::Failure),
        PART => {
            let (length, rest) = bytes.split_first_chunk()?;
            let length = u32::from_be_bytes(*length) as usize;
            let pages = match rest.get(..length)? {
                [] => Vec::new(),
                pages => serde_json::from_slice(pages).ok()?,
            };
            let text = String::from_utf8(bytes.split_off(size_of::<u32>() + length)).ok()?;
            Some(Frame::Part(TextPart { text, pages }))
        }
        _ => None,
    }
}

/// Whether there were so many bytes.
async fn filled(from: &mut (impl AsyncRead + Unpin), bytes: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(bytes).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use ragstream_core::text::PageStart;

    #[tokio::test]
    async fn whole_frames_come_through_and_cut_ones_do_not() {
        let head = TextHead { language: Some("rust".to_owned()), ..TextHead::default() };
        let pages = vec![PageStart { page: 1, byte_offset: 7 }];
        let part = TextPart { text: "a\"\n\u{1}é".to_owned(), pages };
        let facts = TextFacts { pages: Some(3), ..TextFacts::default() };
        let failure = ExtractError::NeedsOcr { pages: 3 };
        let mut bytes = Vec::new();
        send_head(&mut bytes, &head).unwrap();
        send_part(&mut bytes, &part).unwrap();
        send_part(&mut bytes, &TextPart::default()).unwrap();
        send_facts(&mut bytes, &facts).unwrap();
        send_failure(&mut bytes, &failure).unwrap();
        let frames = [
            Frame::Head(head),
            Frame::Part(part),
            Frame::Part(TextPart::default()),
            Frame::Facts(facts),
            Frame::Failure(failure),
        ];
        let mut whole = &bytes[..];
        for frame in &frames {
            assert_eq!(receive(&mut whole).await.unwrap().as_ref(), Some(frame));
        }
        assert_eq!(receive(&mut whole).await.unwrap(), None);
        for cut in 0..bytes.len() {
            let (mut cut, mut read) = (&bytes[..cut], 0);
            while receive(&mut cut).await.unwrap().is_some() {
                read += 1;
            }
            assert!(read < frames.len());
        }
    }

    #[tokio::test]
    async fn what_is_no_frame_is_refused() {
        let part = |pages: u32, text: &[u8]| {
            let length = (4 + text.len()) as u32;
            [&b"p"[..], &length.to_be_bytes(), &pages.to_be_bytes(), text].concat()
        };
        for bytes in [
            b"xxxxxxxxxx".to_vec(),
            b"h\0\0\0\0".to_vec(),
            b"h\x7f\0\0\0".to_vec(),
            b"p\xff\xff\xff\xff".to_vec(),
            b"e\0\0\0\x02{]".to_vec(),
            b"p\0\0\0\x01a".to_vec(),
            part(0, b"\xff"),
            part(9, b"[]"),
            part(2, b"{}"),
        ] {
            let error = receive(&mut &bytes[..]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{bytes:?}");
        }
        let long = ExtractError::Unsupported { reason: "é".repeat(100_000) };
        let mut bytes = Vec::new();
        send_failure(&mut bytes, &long).unwrap();
        assert!(matches!(receive(&mut &bytes[..]).await.unwrap(), Some(Frame::Failure(_))));
    }
}
