//! A message of Outlook (MS-OXMSG): properties as streams of an OLE container.

use super::{Mail, address, best_body, lzfu};
use crate::{
    charset::decode,
    contained::{Contents, Context, Listed},
    error::ExtractError,
    format::Format,
    formats::{ole, tidy},
};
use cfb::CompoundFile;
use encoding_rs::Encoding;
use mail_parser::DateTime;
use ragstream_core::text::DocumentText;
use std::io::{Cursor, Read};

const EXTRACTOR: &str = "msg-cfb-0.15/1";

/// The stream of properties of fixed size, and how long its header is in the
/// message itself, in a message inside of one, and elsewhere.
pub const FIXED: &str = "__properties_version1.0";
const FIXED_HEADERS: (usize, usize, usize) = (32, 24, 8);

/// Properties by their number.
const SUBJECT: u16 = 0x0037;
const SENT: u16 = 0x0039;
const DELIVERED: u16 = 0x0e06;
const RECIPIENT_TYPE: u16 = 0x0c15;
const SENDER_NAME: u16 = 0x0c1a;
const SENDER_ADDRESS: u16 = 0x0c1f;
const SENDER_SMTP: u16 = 0x5d01;
const DISPLAY_CC: u16 = 0x0e03;
const DISPLAY_TO: u16 = 0x0e04;
const BODY: u16 = 0x1000;
const RTF: u16 = 0x1009;
const HTML: u16 = 0x1013;
const MESSAGE_ID: u16 = 0x1035;
const DISPLAY_NAME: u16 = 0x3001;
const ADDRESS: u16 = 0x3003;
const DATA: u16 = 0x3701;
const SHORT_NAME: u16 = 0x3704;
const LONG_NAME: u16 = 0x3707;
const SMTP: u16 = 0x39fe;
const CODE_PAGE: u16 = 0x3ffd;

/// Types of properties.
const STRING8: u16 = 0x001e;
const UNICODE: u16 = 0x001f;
const BINARY: u16 = 0x0102;
const OBJECT: u16 = 0x000d;

/// Seconds from 1601, where dates of Windows begin, to 1970.
const WINDOWS_EPOCH: i64 = 11_644_473_600;

type Ole<'a> = CompoundFile<Cursor<&'a [u8]>>;

/// `Corrupt` where the container is damaged. One of another program is read as what it is.
pub fn extract(bytes: &[u8], context: &Context<'_>) -> Result<DocumentText, ExtractError> {
    let mut ole = CompoundFile::open(Cursor::new(bytes))
        .map_err(|error| ExtractError::corrupt(Format::Msg, error.to_string()))?;
    if !ole.exists(format!("/{FIXED}")) {
        return ole::extract(bytes, context);
    }
    message(&mut ole, "", FIXED_HEADERS.0, context)
}

fn message(
    ole: &mut Ole<'_>,
    path: &str,
    header: usize,
    context: &Context<'_>,
) -> Result<DocumentText, ExtractError> {
    let most = context.limits.input_bytes;
    let mut folder = Folder::open(ole, path, header, None, most);
    let page = folder.number(CODE_PAGE);
    folder.code_page = page;
    let mut mail = Mail {
        subject: folder.text(SUBJECT),
        message_id: folder.text(MESSAGE_ID),
        date: folder.date(SENT).or_else(|| folder.date(DELIVERED)),
        ..Default::default()
    };
    let smtp = folder.text(SENDER_SMTP).or_else(|| folder.text(SENDER_ADDRESS).filter(|a| a.contains('@')));
    mail.from.extend(address(folder.text(SENDER_NAME).as_deref(), smtp.as_deref()));
    let html = match folder.text(HTML) {
        Some(html) => html,
        None => folder.bytes(HTML, BINARY).map(|bytes| decode(&bytes, None).text).unwrap_or_default(),
    };
    mail.body = best_body(&tidy(folder.text(BODY).unwrap_or_default()), &html)?;
    let rtf = match mail.body.trim().is_empty() {
        true => folder.bytes(RTF, BINARY).and_then(|bytes| lzfu::decompress(&bytes)),
        false => None,
    };
    let shown = (folder.text(DISPLAY_TO), folder.text(DISPLAY_CC));

    let (recipients, attached) = children(ole, path);
    for recipient in recipients {
        let mut folder = Folder::open(ole, &recipient, FIXED_HEADERS.2, page, most);
        let kind = folder.number(RECIPIENT_TYPE);
        let smtp = folder.text(SMTP).or_else(|| folder.text(ADDRESS).filter(|a| a.contains('@')));
        let one = address(folder.text(DISPLAY_NAME).as_deref(), smtp.as_deref());
        match kind {
            Some(3) => {} // blind
            Some(2) => mail.cc.extend(one),
            _ => mail.to.extend(one),
        }
    }
    if mail.to.is_empty() {
        mail.to.extend(shown.0.filter(|to| !to.trim().is_empty()));
    }
    if mail.cc.is_empty() {
        mail.cc.extend(shown.1.filter(|cc| !cc.trim().is_empty()));
    }

    let mut contents = Contents::new(context);
    if let Some(rtf) = rtf {
        contents.add(&Listed { name: "body.rtf", size: Some(rtf.len() as u64) }, || Ok(&rtf))?;
    }
    for (number, attachment) in attached.iter().enumerate() {
        let mut folder = Folder::open(ole, attachment, FIXED_HEADERS.2, page, most);
        let name = folder.text(LONG_NAME).or_else(|| folder.text(SHORT_NAME));
        let name = name.or_else(|| folder.text(DISPLAY_NAME)).filter(|name| !name.trim().is_empty());
        let inner = stream(attachment, DATA, OBJECT);
        if ole.is_storage(&inner) {
            let name = name.unwrap_or_else(|| format!("message-{}.msg", number + 1));
            contents.add_mail(&Listed { name: &name, size: None }, |context| {
                context.descend(&name, Format::Msg, |context| message(ole, &inner, FIXED_HEADERS.1, context))
            })?;
            continue;
        }
        let name = name.unwrap_or_else(|| format!("attachment-{}", number + 1));
        let size = ole.entry(stream(attachment, DATA, BINARY)).ok().map(|entry| entry.len());
        contents.add(&Listed { name: &name, size }, || {
            let mut folder = Folder::open(ole, attachment, FIXED_HEADERS.2, page, most);
            let missing = || ExtractError::corrupt(Format::Msg, "its bytes are not there");
            folder.bytes(DATA, BINARY).ok_or_else(missing)
        })?;
    }
    mail.into_text(&contents, EXTRACTOR)
}

/// Folders of recipients and of attachments.
fn children(ole: &Ole<'_>, path: &str) -> (Vec<String>, Vec<String>) {
    let mut found = (Vec::new(), Vec::new());
    let Ok(entries) = ole.read_storage(format!("/{path}")) else { return found };
    for entry in entries.filter(|entry| entry.is_storage()) {
        let of_kind = |kind: &str| entry.name().starts_with(kind).then(|| format!("{path}/{}", entry.name()));
        found.0.extend(of_kind("__recip_version1.0_"));
        found.1.extend(of_kind("__attach_version1.0_"));
    }
    found
}

fn stream(path: &str, property: u16, kind: u16) -> String {
    format!("{path}/__substg1.0_{property:04X}{kind:04X}")
}

/// Properties of a message, a recipient or an attachment.
struct Folder<'f, 'a> {
    ole: &'f mut Ole<'a>,
    path: &'f str,
    /// Entries of 16 bytes: type, number, flags, value.
    fixed: Vec<u8>,
    code_page: Option<u32>,
    /// Longest property that is read, in bytes.
    most: u64,
}

impl<'f, 'a> Folder<'f, 'a> {
    fn open(ole: &'f mut Ole<'a>, path: &'f str, header: usize, code_page: Option<u32>, most: u64) -> Self {
        let fixed = read(ole, &format!("{path}/{FIXED}"), most).unwrap_or_default();
        let fixed = fixed.get(header..).unwrap_or_default().to_vec();
        Self { ole, path, fixed, code_page, most }
    }

    fn bytes(&mut self, property: u16, kind: u16) -> Option<Vec<u8>> {
        read(self.ole, &stream(self.path, property, kind), self.most)
    }

    fn text(&mut self, property: u16) -> Option<String> {
        let text = match self.bytes(property, UNICODE) {
            Some(bytes) => encoding_rs::UTF_16LE.decode_without_bom_handling(&bytes).0.into_owned(),
            None => decode(&self.bytes(property, STRING8)?, self.code_page.and_then(encoding)).text,
        };
        let text = text.trim_end_matches('\0');
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn value(&self, property: u16) -> Option<[u8; 8]> {
        let entries = self.fixed.as_chunks::<16>().0;
        let entry = entries.iter().find(|entry| entry[2..4] == property.to_le_bytes())?;
        entry.last_chunk::<8>().copied()
    }

    fn number(&self, property: u16) -> Option<u32> {
        self.value(property).map(|value| u64::from_le_bytes(value) as u32)
    }

    /// As people write it, and as machines do.
    fn date(&self, property: u16) -> Option<(String, String)> {
        let ticks = i64::from_le_bytes(self.value(property)?);
        let date = DateTime::from_timestamp(ticks / 10_000_000 - WINDOWS_EPOCH);
        (ticks > 0 && date.is_valid()).then(|| (date.to_rfc822(), date.to_rfc3339()))
    }
}

fn read(ole: &mut Ole<'_>, path: &str, most: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    ole.open_stream(format!("/{path}")).ok()?.take(most).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// The encoding of a code page of Windows.
fn encoding(code_page: u32) -> Option<&'static Encoding> {
    let label = match code_page {
        932 => "shift_jis".to_owned(),
        936 => "gbk".to_owned(),
        949 => "euc-kr".to_owned(),
        950 => "big5".to_owned(),
        65001 => "utf-8".to_owned(),
        28591..=28606 => format!("iso-8859-{}", code_page - 28590),
        other => format!("windows-{other}"),
    };
    Encoding::for_label(label.as_bytes())
}
