//! One file, read in this process.

use crate::{
    error::ExtractError,
    format::Format,
    formats::{
        context::Context, delimited, html, json, markdown, office, pdf, plain, rtf, toml_data, xml, yaml,
    },
    limits::Limits,
};
use ragstream_core::text::DocumentText;
use std::{fs::File, io::Read, path::Path};

/// Reads a file of unknown origin? Then through a
/// [`ChildExtractor`](crate::ChildExtractor). Here a parser may take any time
/// and memory, and overflow its stack; panics of the PDF reader are caught.
pub fn extract(format: Format, path: &Path, limits: &Limits) -> Result<DocumentText, ExtractError> {
    let bytes = read(path, limits.input_bytes)?;
    if bytes.is_empty() {
        return Err(ExtractError::Empty);
    }
    dispatch(format, &bytes, &Context::new(limits))
}

/// As [`extract`], of a document in memory: an upload, or one inside of it.
pub fn dispatch(format: Format, bytes: &[u8], context: &Context<'_>) -> Result<DocumentText, ExtractError> {
    let limits = context.limits;
    let text = match format {
        Format::Text => plain::extract(bytes),
        Format::Markdown => markdown::extract(bytes),
        Format::Html => html::extract(bytes)?,
        Format::Pdf => pdf::extract(bytes, limits)?,
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
    };
    if text.text.trim().is_empty() {
        return Err(ExtractError::Empty);
    }
    if text.text.len() as u64 > limits.text_bytes {
        return Err(too_much_text(limits));
    }
    Ok(text)
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
