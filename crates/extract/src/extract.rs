//! One file, read in this process.

use crate::{
    contained::Context,
    error::ExtractError,
    format::Format,
    formats::{
        archive, delimited, html, image, json, mail, markdown, media, office, pdf, plain, rtf, source,
        subtitles, toml_data, xml, yaml,
    },
    limits::Limits,
    outlet::{Outlet, Sink, collect},
    outline,
};
use ragstream_core::text::{DocumentText, Markup, TextFacts};
use std::{
    fs::File,
    io::{Cursor, Read, Seek},
    path::Path,
};

/// What a reader may go through more than once, holding none of it.
pub trait Source: Read + Seek {}

impl<T: Read + Seek> Source for T {}

/// Reads a file of unknown origin? Then through a
/// [`ChildExtractor`](crate::ChildExtractor). Here a parser may take any time
/// and memory, and overflow its stack; panics of the PDF reader are caught.
pub fn extract(format: Format, path: &Path, limits: &Limits) -> Result<DocumentText, ExtractError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    extract_named(format, path, &name, limits)
}

/// [`extract`] for a file that lies under another name than it was uploaded with.
pub fn extract_named(
    format: Format,
    path: &Path,
    filename: &str,
    limits: &Limits,
) -> Result<DocumentText, ExtractError> {
    let mut whole = DocumentText::default();
    let TextFacts { title, metadata, extractor, .. } = flow(format, path, filename, limits, &mut whole)?;
    Ok(DocumentText { title, metadata, extractor, ..whole })
}

/// Reads a file into a sink, piece by piece where its format allows that.
/// After an error what the sink has is void.
pub fn flow(
    format: Format,
    path: &Path,
    filename: &str,
    limits: &Limits,
    sink: &mut dyn Sink,
) -> Result<TextFacts, ExtractError> {
    let mut file = File::open(path).map_err(ExtractError::io)?;
    let size = file.metadata().map_err(ExtractError::io)?.len();
    if size == 0 {
        return Err(ExtractError::Empty);
    }
    let held = limits.held();
    let context = Context::new(filename, size, &held);
    let mut outlet = Outlet::new(sink, limits.text_bytes);
    let facts = if format.flows() {
        if size > limits.flowing_bytes {
            return Err(too_large(limits.flowing_bytes));
        }
        // UTF-32 has four bytes where the text has one; nothing has more but a mailbox.
        if format != Format::Mbox && size / 4 > limits.text_bytes {
            return Err(too_much_text(limits.text_bytes));
        }
        flowing(format, &mut file, &context, &mut outlet)?
    } else {
        let bytes = read(file, limits.input_bytes)?;
        if format == Format::Pdf {
            pdf::flow(&bytes, &context, &mut outlet)?
        } else {
            let mut text = dispatch(format, &bytes, &context)?;
            drop(bytes);
            if text.markup == Markup::Markdown {
                outline::describe(&text.text, &mut text.metadata);
            }
            outlet.whole(text)?
        }
    };
    outlet.finish(facts)
}

impl Format {
    /// Whether its readers hold no more of a file than a piece, or a message of it.
    pub fn flows(self) -> bool {
        matches!(
            self,
            Self::Text | Self::Markdown | Self::Source | Self::Csv | Self::Tsv | Self::Jsonl | Self::Mbox
        )
    }
}

/// Reads one of those that flow.
fn flowing(
    format: Format,
    source: &mut dyn Source,
    context: &Context<'_>,
    outlet: &mut Outlet<'_>,
) -> Result<TextFacts, ExtractError> {
    match format {
        Format::Markdown => markdown::flow(source, outlet),
        Format::Source => source::flow(source, context.name, outlet),
        Format::Csv => delimited::flow(source, false, outlet),
        Format::Tsv => delimited::flow(source, true, outlet),
        Format::Jsonl => json::flow_lines(source, context.limits, outlet),
        Format::Mbox => mail::mbox(source, context, outlet),
        _ => plain::flow(source, outlet),
    }
}

/// Reads what is in memory: an upload, or a file inside of one.
pub fn dispatch(format: Format, bytes: &[u8], context: &Context<'_>) -> Result<DocumentText, ExtractError> {
    let limits = context.limits;
    if bytes.is_empty() {
        return Err(ExtractError::Empty);
    }
    let text = match format {
        Format::Text
        | Format::Markdown
        | Format::Source
        | Format::Csv
        | Format::Tsv
        | Format::Jsonl
        | Format::Mbox => {
            return collect(limits.text_bytes, |outlet| {
                flowing(format, &mut Cursor::new(bytes), context, outlet)
            });
        }
        Format::Pdf => return collect(limits.text_bytes, |outlet| pdf::flow(bytes, context, outlet)),
        Format::Html => html::extract(bytes)?,
        Format::Docx | Format::Pptx | Format::Xlsx => office::extract(format, bytes, context)?,
        Format::Doc | Format::Ppt | Format::Xls => office::extract(format, bytes, context)?,
        Format::Odt | Format::Ods | Format::Odp => office::extract(format, bytes, context)?,
        Format::Epub => office::extract(format, bytes, context)?,
        Format::Rtf => rtf::extract(bytes, limits)?,
        Format::Xml => xml::extract(bytes, context)?,
        Format::Json => json::extract(bytes, limits)?,
        Format::Yaml => yaml::extract(bytes, limits)?,
        Format::Toml => toml_data::extract(bytes, limits)?,
        Format::Vtt | Format::Srt => subtitles::extract(bytes, format)?,
        Format::Eml => mail::eml(bytes, context)?,
        Format::Msg => mail::msg(bytes, context)?,
        Format::Image => image::extract(bytes, context)?,
        Format::Audio | Format::Video => media::extract(bytes, format)?,
        Format::Zip => archive::zip(bytes, context)?,
        Format::Tar => archive::tar(bytes, context)?,
        Format::Gzip => archive::gzip(bytes, context)?,
        Format::SevenZip => archive::seven_zip(bytes, context)?,
    };
    if text.text.trim().is_empty() {
        return Err(ExtractError::Empty);
    }
    if text.text.len() as u64 > limits.text_bytes {
        return Err(too_much_text(limits.text_bytes));
    }
    Ok(text)
}

/// The text is over its limit.
pub fn too_much_text(most: u64) -> ExtractError {
    ExtractError::TooLarge { reason: format!("its text is more than {most} bytes") }
}

fn too_large(most: u64) -> ExtractError {
    ExtractError::TooLarge { reason: format!("the file is more than {most} bytes") }
}

/// All of a stream, `TooLarge` where that is more than `most` bytes.
pub fn read(stream: impl Read, most: u64) -> Result<Vec<u8>, ExtractError> {
    let mut bytes = Vec::new();
    stream.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(ExtractError::io)?;
    if bytes.len() as u64 > most {
        return Err(too_large(most));
    }
    Ok(bytes)
}
