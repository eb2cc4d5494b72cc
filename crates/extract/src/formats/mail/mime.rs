//! A message as it goes over the wire (RFC 5322, MIME).

use super::{Mail, address, best_body};
use crate::{
    charset::{self, decode},
    contained::{Contents, Context, Listed},
    error::ExtractError,
    format::Format,
};
use mail_parser::{Address, Message, MessageParser, MimeHeaders, PartType};
use ragstream_core::text::DocumentText;
use std::{borrow::Cow, mem};

const EXTRACTOR: &str = "mail-parser-0.11/1";

/// `Corrupt` where there is no header.
pub fn extract(bytes: &[u8], context: &Context<'_>) -> Result<DocumentText, ExtractError> {
    let bytes = narrow(bytes);
    let mut message = parse(&bytes)?;
    let text = document(&mut message, &bytes, context);
    dismantle(message);
    text
}

/// Mail is made of bytes; some programs save it in UTF-16.
fn narrow(bytes: &[u8]) -> Cow<'_, [u8]> {
    let decoded = decode(bytes, None);
    match charset::is_text(bytes) && decoded.encoding.starts_with("utf-") && decoded.encoding != "utf-8" {
        true => decoded.text.into_bytes().into(),
        false => bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).into(),
    }
}

pub(super) fn parse(bytes: &[u8]) -> Result<Message<'_>, ExtractError> {
    let message = MessageParser::default().parse(bytes);
    message
        .filter(|message| !message.headers().is_empty())
        .ok_or_else(|| ExtractError::corrupt(Format::Eml, "it has no header"))
}

fn document(
    message: &mut Message<'_>,
    raw: &[u8],
    context: &Context<'_>,
) -> Result<DocumentText, ExtractError> {
    let mut contents = Contents::new(context);
    attachments(message, raw, &mut contents)?;
    mail(message)?.into_text(&contents, EXTRACTOR)
}

/// The message without what is attached to it.
pub(super) fn mail(message: &Message<'_>) -> Result<Mail, ExtractError> {
    let date = message.date().filter(|date| date.is_valid());
    let bodies = |ids: &[u32], html: bool| {
        let parts = ids.iter().filter_map(|&id| message.part(id));
        let texts = parts.filter_map(|part| match &part.body {
            PartType::Text(text) if !html => Some(text.as_ref()),
            PartType::Html(text) if html => Some(text.as_ref()),
            _ => None,
        });
        texts.collect::<Vec<_>>().join("\n\n")
    };
    Ok(Mail {
        subject: message.subject().map(str::to_owned),
        from: addresses(message.from()),
        to: addresses(message.to()),
        cc: addresses(message.cc()),
        date: date.map(|date| (date.to_rfc822(), date.to_rfc3339())),
        message_id: message.message_id().map(str::to_owned),
        // Where there is no plain text the ids of its parts are those of the HTML.
        body: best_body(&bodies(&message.text_body, false), &bodies(&message.html_body, true))?,
    })
}

pub(super) fn attachments(
    message: &mut Message<'_>,
    raw: &[u8],
    contents: &mut Contents<'_>,
) -> Result<(), ExtractError> {
    for (number, id) in mem::take(&mut message.attachments).into_iter().enumerate() {
        let Some(part) = message.parts.get_mut(id as usize) else { continue };
        // HTML that is not the body is the same text once more, or a decoration of it.
        let name = part.attachment_name().map(str::to_owned);
        let name = name.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| {
            let subtype = part.content_type().and_then(|kind| kind.subtype()).unwrap_or("dat");
            let extension = match subtype.to_ascii_lowercase().as_str() {
                "plain" => "txt".to_owned(),
                "rfc822" => "eml".to_owned(),
                "jpeg" => "jpg".to_owned(),
                other => other.to_owned(),
            };
            format!("attachment-{}.{extension}", number + 1)
        });
        match &mut part.body {
            PartType::Message(inner) => {
                let size = (part.offset_end as u64).checked_sub(part.offset_body as u64);
                let listed = Listed { name: &name, size };
                contents.add_mail(&listed, |context| {
                    context.descend(&name, Format::Eml, |context| document(inner, raw, context))
                })?;
            }
            PartType::Text(text) | PartType::Html(text) => {
                contents
                    .add(&Listed { name: &name, size: Some(text.len() as u64) }, || Ok(text.as_bytes()))?;
            }
            PartType::Binary(bytes) | PartType::InlineBinary(bytes) => {
                contents.add(&Listed { name: &name, size: Some(bytes.len() as u64) }, || Ok(&**bytes))?;
            }
            PartType::Multipart(_) => {}
        }
    }
    Ok(())
}

fn addresses(addresses: Option<&Address<'_>>) -> Vec<String> {
    let all = addresses.into_iter().flat_map(|addresses| addresses.iter());
    all.filter_map(|one| address(one.name.as_deref(), one.address.as_deref())).collect()
}

/// Drops a message without recursion: one may hold another a hundred thousand deep.
pub(super) fn dismantle(message: Message<'_>) {
    let mut messages = vec![message];
    while let Some(message) = messages.pop() {
        for part in message.parts {
            if let PartType::Message(inner) = part.body {
                messages.push(inner);
            }
        }
    }
}
