//! EXIF: what the camera says.

use crate::{charset::decode, formats::facts::Facts};
use exif::{Exif, In, Rational, Reader, Tag, Value};
use std::io::Cursor;

/// Before the text of a comment: its encoding, in so many bytes.
const ENCODING_BYTES: usize = 8;

/// A picture without EXIF, or with a damaged one, says nothing.
pub fn read(bytes: &[u8], facts: &mut Facts) {
    let mut reader = Reader::new();
    reader.continue_on_error(true);
    let exif = match reader.read_from_container(&mut Cursor::new(bytes)) {
        Ok(exif) => exif,
        Err(exif::Error::PartialResult(partial)) => partial.into_inner().0,
        Err(_) => return,
    };
    let text = |tag| text(&exif, tag);
    for (label, tag) in [
        ("Title", XP_TITLE),
        ("Description", Tag::ImageDescription),
        ("Subject", XP_SUBJECT),
        ("Keywords", XP_KEYWORDS),
        ("Comment", Tag::UserComment),
        ("Comment", XP_COMMENT),
        ("Author", Tag::Artist),
        ("Author", XP_AUTHOR),
        ("Copyright", Tag::Copyright),
        ("Date", Tag::DateTimeOriginal),
        ("Date", Tag::DateTimeDigitized),
        ("Date", Tag::DateTime),
        ("Lens", Tag::LensModel),
        ("Software", Tag::Software),
    ] {
        if let Some(value) = text(tag) {
            facts.add(label, &value);
        }
    }
    let (make, model) = (text(Tag::Make).unwrap_or_default(), text(Tag::Model).unwrap_or_default());
    // Many models begin with the name of the maker.
    let repeated = make.split_whitespace().next().is_some_and(|word| model.starts_with(word));
    facts.add("Camera", &if repeated { model } else { format!("{make} {model}") });
    let shown = |tag| Some(exif.get_field(tag, In::PRIMARY)?.display_value().with_unit(&exif).to_string());
    let exposure: Vec<String> =
        [Tag::ExposureTime, Tag::FNumber, Tag::FocalLength].into_iter().filter_map(shown).collect();
    facts.add("Exposure", &exposure.join(", "));
    if let Some(place) = place(&exif) {
        facts.add("Place", &place);
    }
}

/// Fields of Windows, in UTF-16.
const XP_TITLE: Tag = Tag(exif::Context::Tiff, 0x9c9b);
const XP_COMMENT: Tag = Tag(exif::Context::Tiff, 0x9c9c);
const XP_AUTHOR: Tag = Tag(exif::Context::Tiff, 0x9c9d);
const XP_KEYWORDS: Tag = Tag(exif::Context::Tiff, 0x9c9e);
const XP_SUBJECT: Tag = Tag(exif::Context::Tiff, 0x9c9f);

fn text(exif: &Exif, tag: Tag) -> Option<String> {
    let text = match &exif.get_field(tag, In::PRIMARY)?.value {
        Value::Ascii(parts) => {
            let parts = parts.iter().map(|part| decode(part, None).text.trim().to_owned());
            parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
        }
        Value::Byte(bytes) if tag.number() >= XP_TITLE.number() => {
            encoding_rs::UTF_16LE.decode_without_bom_handling(bytes).0.into_owned()
        }
        Value::Undefined(bytes, _) => {
            let (encoding, text) = bytes.split_at_checked(ENCODING_BYTES)?;
            match encoding {
                b"UNICODE\0" if exif.little_endian() => {
                    encoding_rs::UTF_16LE.decode_with_bom_removal(text).0.into_owned()
                }
                b"UNICODE\0" => encoding_rs::UTF_16BE.decode_with_bom_removal(text).0.into_owned(),
                b"ASCII\0\0\0" | b"\0\0\0\0\0\0\0\0" => decode(text, None).text,
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(text)
}

/// Latitude and longitude in degrees, north and east, and altitude.
fn place(exif: &Exif) -> Option<String> {
    let rationals = |tag| match &exif.get_field(tag, In::PRIMARY)?.value {
        Value::Rational(values) => Some(values.clone()),
        _ => None,
    };
    let degrees = |tag, side, negative: char| {
        let value: f64 = rationals(tag)?
            .iter()
            .take(3)
            .zip([1.0, 60.0, 3600.0])
            .map(|(part, unit)| part.to_f64() / unit)
            .sum();
        let sign = if text(exif, side)?.starts_with(negative) { -1.0 } else { 1.0 };
        Some(sign * value)
    };
    let latitude = degrees(Tag::GPSLatitude, Tag::GPSLatitudeRef, 'S')?;
    let longitude = degrees(Tag::GPSLongitude, Tag::GPSLongitudeRef, 'W')?;
    if !(latitude.abs() <= 90.0 && longitude.abs() <= 180.0) {
        return None;
    }
    let altitude = rationals(Tag::GPSAltitude).and_then(|values| values.first().map(Rational::to_f64));
    let altitude = altitude.filter(|metres| metres.is_finite());
    Some(match altitude {
        Some(metres) => format!("{latitude:.6}, {longitude:.6}, {metres:.0} m"),
        None => format!("{latitude:.6}, {longitude:.6}"),
    })
}
