//! A mailbox: message by message, each under its subject.

use super::mime::{attachments, dismantle, mail, parse};
use crate::{
    contained::{Contents, Context},
    error::ExtractError,
    extract::too_much_text,
    format::Format,
    formats::tidy,
};
use ragstream_core::{
    document::Metadata,
    text::{DocumentText, Markup},
};
use std::{borrow::Cow, collections::BTreeSet};

/// How a message begins in a mailbox.
const SEPARATOR: &[u8] = b"From ";

/// A message that can't be read is counted and left out; `Corrupt` where none can be.
pub fn extract(bytes: &[u8], context: &Context<'_>) -> Result<DocumentText, ExtractError> {
    let (mut text, mut count, mut unreadable, mut files) = (String::new(), 0u64, 0u64, 0u64);
    let mut people = BTreeSet::new();
    for source in messages(bytes) {
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
        people.extend(mail.from.iter().cloned());
        files += contents.files();
        text.push_str(&tidy(mail.compose(&contents, Some(&format!("Message {count}")))));
        text.push('\n');
        if text.len() as u64 > context.limits.text_bytes {
            return Err(too_much_text(context.limits));
        }
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
    metadata.insert("from".to_owned(), people.into_iter().take(super::ADDRESSES_SHOWN).collect());
    Ok(DocumentText {
        text,
        markup: Markup::Markdown,
        metadata,
        extractor: "mbox-mail-parser-0.11/1".to_owned(),
        ..Default::default()
    })
}

/// The messages without the lines that separate them. Such a line comes first,
/// or after an empty one, and a header follows it.
fn messages(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut starts = Vec::new();
    let (mut at, mut after_empty) = (0, true);
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let next = at + line.len();
        if after_empty && line.starts_with(SEPARATOR) && is_field(&bytes[next..]) {
            starts.push((at, next));
        }
        after_empty = line.trim_ascii().is_empty();
        at = next;
    }
    let ends: Vec<usize> = starts.iter().skip(1).map(|&(at, _)| at).chain([bytes.len()]).collect();
    starts.into_iter().zip(ends).map(|((_, start), end)| &bytes[start..end])
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
