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
    outline,
};
use ragstream_core::text::DocumentText;
use serde_json::Value;
use std::{fs::File, io::Read, path::Path};

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
    let bytes = read(path, limits.input_bytes)?;
    let mut text = dispatch(format, &bytes, &Context::new(filename, bytes.len() as u64, limits))?;
    outline::describe(&mut text);
    Ok(text)
}

/// Reads what is in memory: an upload, or a file inside of one.
pub fn dispatch(format: Format, bytes: &[u8], context: &Context<'_>) -> Result<DocumentText, ExtractError> {
    let limits = context.limits;
    if bytes.is_empty() {
        return Err(ExtractError::Empty);
    }
    let text = match format {
        Format::Text => plain::extract(bytes),
        Format::Markdown => markdown::extract(bytes),
        Format::Html => html::extract(bytes)?,
        Format::Docx | Format::Pptx | Format::Xlsx => office::extract(format, bytes, context)?,
        Format::Doc | Format::Ppt | Format::Xls => office::extract(format, bytes, context)?,
        Format::Odt | Format::Ods | Format::Odp => office::extract(format, bytes, context)?,
        Format::Epub => office::extract(format, bytes, context)?,
        Format::Rtf => rtf::extract(bytes, limits)?,
        Format::Xml => xml::extract(bytes, context)?,
        Format::Csv => delimited::extract(bytes, false, limits)?,
        Format::Tsv => delimited::extract(bytes, true, limits)?,
        Format::Json => json::extract(bytes, limits)?,
        Format::Jsonl => json::lines(bytes, limits)?,
        Format::Yaml => yaml::extract(bytes, limits)?,
        Format::Toml => toml_data::extract(bytes, limits)?,
        Format::Pdf => pdf::extract(bytes, context)?,
        Format::Source => source::extract(bytes, context.name),
        Format::Vtt | Format::Srt => subtitles::extract(bytes, format)?,
        Format::Eml => mail::eml(bytes, context)?,
        Format::Mbox => mail::mbox(bytes, context)?,
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
        return Err(too_much_text(limits));
    }
    Ok(without_nuls(text))
}

/// No database takes a NUL, and files say about themselves what they like. The text has none.
fn without_nuls(mut text: DocumentText) -> DocumentText {
    fn clean(value: &mut Value) {
        match value {
            Value::String(text) if text.contains('\0') => *text = text.replace('\0', ""),
            Value::Array(values) => values.iter_mut().for_each(clean),
            _ => {}
        }
    }
    text.title = text.title.map(|title| title.replace('\0', "")).filter(|title| !title.trim().is_empty());
    text.metadata.values_mut().for_each(clean);
    text
}

/// The text is over its limit.
pub fn too_much_text(limits: &Limits) -> ExtractError {
    ExtractError::TooLarge { reason: format!("its text is more than {} bytes", limits.text_bytes) }
}

fn read(path: &Path, most: u64) -> Result<Vec<u8>, ExtractError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(ExtractError::io)?;
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(ExtractError::io)?;
    if bytes.len() as u64 > most {
        return Err(ExtractError::TooLarge { reason: format!("the file is more than {most} bytes") });
    }
    Ok(bytes)
}
