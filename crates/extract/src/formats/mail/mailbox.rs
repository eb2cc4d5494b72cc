//! A mailbox: message by message, each under its subject. No more than one of
//! them is held.

use super::mime::{attachments, dismantle, mail, parse};
use crate::{
    contained::{Contents, Context, Entries, Entry},
    error::ExtractError,
    extract::Source,
    format::Format,
    formats::tidy,
    outlet::Outlet,
};
use ragstream_core::{
    document::Metadata,
    text::{Markup, TextFacts},
};
use std::{
    borrow::Cow,
    collections::BTreeSet,
    io::{BufRead, BufReader, Read},
};

const EXTRACTOR: &str = "mbox-mail-parser-0.11/1";

/// How a message begins in a mailbox.
const SEPARATOR: &[u8] = b"From ";

/// Most senders that are kept in mind.
const SENDERS: usize = 10_000;

/// A message that can't be read is counted and left out; `Corrupt` where none can be.
pub fn extract(
    source: &mut dyn Source,
    context: &Context<'_>,
    outlet: &mut Outlet<'_>,
) -> Result<TextFacts, ExtractError> {
    outlet.head(Markup::Markdown, EXTRACTOR, None);
    let (mut count, mut unreadable, mut files) = (0u64, 0u64, 0u64);
    let (mut people, mut entries) = (BTreeSet::new(), Entries::default());
    let mut messages = Messages::new(source, context.limits.input_bytes)?;
    while let Some(source) = messages.next()? {
        count += 1;
        let source = unquoted(source);
        let Ok(mut message) = parse(&source) else {
            unreadable += 1;
            continue;
        };
        let mut contents = Contents::new(context);
        let attached = attachments(&mut message, &source, &mut contents);
        let mail = mail(&message);
        dismantle(message);
        attached?;
        let mail = mail?;
        if people.len() < SENDERS {
            people.extend(mail.from.iter().cloned());
        }
        files += contents.files();
        let name = format!("Message {count}");
        let (composed, place) = mail.compose(&contents, Some(&name));
        let text = tidy(composed);
        let begin = outlet.length();
        outlet.text(&text)?;
        outlet.text("\n")?;
        entries.add(Entry {
            path: name.clone(),
            content_type: Some(Format::Eml.content_type().to_owned()),
            size_bytes: Some(source.len() as u64),
            span: Some([begin, outlet.length()]),
            title: mail.subject.as_deref().map(crate::contained::label),
            ..Entry::default()
        });
        entries.add_within(&name, contents.entries(), |byte| (begin + place.of(byte)).min(outlet.length()));
    }
    if count == unreadable {
        return Err(ExtractError::corrupt(Format::Mbox, "no message in it can be read"));
    }
    let mut metadata = Metadata::new();
    metadata.insert("messages".to_owned(), count.into());
    if unreadable > 0 {
        metadata.insert("unreadable_messages".to_owned(), unreadable.into());
    }
    if files > 0 {
        metadata.insert("files".to_owned(), files.into());
    }
    entries.describe(&mut metadata);
    metadata.insert("from".to_owned(), people.into_iter().take(super::ADDRESSES_SHOWN).collect());
    Ok(TextFacts { metadata, extractor: EXTRACTOR.to_owned(), ..Default::default() })
}

/// The messages without the lines that separate them. Such a line comes first,
/// or after an empty one, and a header follows it.
struct Messages<'s> {
    source: BufReader<&'s mut dyn Source>,
    most: u64,
    message: Vec<u8>,
    line: Vec<u8>,
    /// The line after that; empty at the end.
    next: Vec<u8>,
    after_empty: bool,
    /// What comes is part of a message.
    is_inside: bool,
}

impl<'s> Messages<'s> {
    fn new(source: &'s mut dyn Source, most: u64) -> Result<Self, ExtractError> {
        let mut messages = Self {
            source: BufReader::with_capacity(64 << 10, source),
            most,
            message: Vec::new(),
            line: Vec::new(),
            next: Vec::new(),
            after_empty: true,
            is_inside: false,
        };
        messages.advance()?;
        Ok(messages)
    }

    /// The next message; `TooLarge` where it is more than may be held.
    fn next(&mut self) -> Result<Option<&[u8]>, ExtractError> {
        self.message.clear();
        loop {
            self.advance()?;
            if self.line.is_empty() {
                let was_inside = std::mem::replace(&mut self.is_inside, false);
                return Ok(was_inside.then_some(&self.message[..]));
            }
            let separates = self.after_empty && self.line.starts_with(SEPARATOR) && is_field(&self.next);
            self.after_empty = self.line.trim_ascii().is_empty();
            if separates {
                if std::mem::replace(&mut self.is_inside, true) {
                    return Ok(Some(&self.message));
                }
            } else if self.is_inside {
                self.message.extend_from_slice(&self.line);
                if self.message.len() as u64 > self.most {
                    return Err(self.too_large());
                }
            }
        }
    }

    fn advance(&mut self) -> Result<(), ExtractError> {
        std::mem::swap(&mut self.line, &mut self.next);
        self.next.clear();
        let mut room = self.source.by_ref().take(self.most.saturating_add(1));
        room.read_until(b'\n', &mut self.next).map_err(ExtractError::io)?;
        if self.next.len() as u64 > self.most { Err(self.too_large()) } else { Ok(()) }
    }

    fn too_large(&self) -> ExtractError {
        ExtractError::TooLarge { reason: format!("a message in it is more than {} bytes", self.most) }
    }
}

/// Whether a text begins with a field of a header.
fn is_field(text: &[u8]) -> bool {
    let name = text.iter().take_while(|byte| byte.is_ascii_graphic() && **byte != b':').count();
    name > 0 && text.get(name) == Some(&b':')
}

/// Takes away the `>` before lines that would have separated messages.
fn unquoted(message: &[u8]) -> Cow<'_, [u8]> {
    let is_quoted = |line: &[u8]| {
        let from = line.iter().take_while(|&&byte| byte == b'>').count();
        from > 0 && line[from..].starts_with(SEPARATOR)
    };
    let lines = || message.split_inclusive(|&byte| byte == b'\n');
    if !lines().any(is_quoted) {
        return message.into();
    }
    lines().flat_map(|line| if is_quoted(line) { &line[1..] } else { line }).copied().collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Cursor;

    fn messages(mailbox: &str, most: u64) -> Result<Vec<String>, ExtractError> {
        let mut source = Cursor::new(mailbox);
        let mut messages = Messages::new(&mut source, most)?;
        let mut all = Vec::new();
        while let Some(message) = messages.next()? {
            all.push(String::from_utf8(message.to_vec()).unwrap());
        }
        Ok(all)
    }

    #[test]
    fn messages_begin_after_an_empty_line_and_with_a_header() {
        let mailbox = "lost\n\nFrom a\nA: 1\n\nFrom here on\nFrom b\nB: 2\n\nFrom c\nC: 3";
        assert_eq!(messages(mailbox, 100).unwrap(), ["A: 1\n\nFrom here on\nFrom b\nB: 2\n\n", "C: 3"]);
        assert!(messages("no mailbox\n", 100).unwrap().is_empty());
        assert!(messages("", 100).unwrap().is_empty());
        assert_eq!(messages(mailbox, 20).unwrap_err().class(), "document_too_large");
        assert_eq!(messages(&"x".repeat(30), 20).unwrap_err().class(), "document_too_large");
    }
}
