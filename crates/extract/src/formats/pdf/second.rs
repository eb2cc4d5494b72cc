//! The second reader, by hayro: interprets a page as for drawing it, and keeps
//! the characters with their places.

use super::{
    About, PageText, guarded,
    layout::{Glyph, text_of},
};
use crate::{charset::decode, error::ExtractError, format::Format, formats::tidy};
use hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageData, ImageDrawProps,
    InterpreterCache, InterpreterSettings, SoftMask, TransformExt,
    font::{Glyph as FontGlyph, GlyphRun},
    hayro_cmap::{BfString, WritingMode},
    hayro_syntax::{
        DecryptionError, LoadPdfError, Pdf,
        object::{Dict, String as PdfString},
        page::Page,
    },
    interpret_page,
    kurbo::{Affine, BezPath, Point, Rect},
};
use ragstream_core::document::Metadata;

/// Glyphs have so many units to the size of their font.
const UNITS_PER_EM: f64 = 1000.0;

/// Most characters of a page that are looked at; a dense newspaper page has some 30,000.
const PAGE_GLYPHS: usize = 1_000_000;

/// Largest picture that is decoded, in pixels: a page of A3 at 600 dpi has 70 million.
const PICTURE_PIXELS: u64 = 100_000_000;

/// Smallest share of a page that a picture of a page has.
const PICTURE_SHARE: f64 = 0.02;

/// An open file.
pub(super) struct Second {
    pdf: Pdf,
}

/// A picture on a page, upright, in shades of grey.
pub(super) struct Picture {
    pub width: u32,
    pub height: u32,
    pub grey: Vec<u8>,
    pub dpi: u32,
    /// Where it begins, from the top.
    top: f64,
}

impl Second {
    /// `Encrypted` or `Corrupt`.
    pub(super) fn open(bytes: &[u8]) -> Result<Self, ExtractError> {
        let opened = guarded(|| Pdf::new(bytes.to_vec()))?;
        let pdf = opened.map_err(|error| match error {
            LoadPdfError::Decryption(
                DecryptionError::PasswordProtected | DecryptionError::UnsupportedAlgorithm,
            ) => ExtractError::Encrypted,
            _ => ExtractError::corrupt(Format::Pdf, "no reader can make out its structure"),
        })?;
        Ok(Self { pdf })
    }

    pub(super) fn pages(&self) -> usize {
        guarded(|| self.pdf.pages().len()).unwrap_or_default()
    }

    /// What the file says about itself.
    pub(super) fn about(&self) -> About {
        let (title, metadata) = guarded(|| self.information()).unwrap_or_default();
        About { title, metadata, ..About::default() }
    }

    /// The text of a page, counted from 0.
    pub(super) fn text<'a>(&'a self, at: usize, cache: &InterpreterCache<'a>) -> PageText {
        match guarded(|| self.page(at, cache, false).map(|page| text_of(page.glyphs))) {
            Ok(Some(text)) => PageText::of(&tidy(text)),
            _ => PageText::Unreadable,
        }
    }

    /// The pictures of a page that could be those of a scan, from the top.
    pub(super) fn pictures(&self, at: usize) -> Vec<Picture> {
        let cache = InterpreterCache::new();
        let page = guarded(|| self.page(at, &cache, true)).ok().flatten();
        let mut pictures = page.map(|page| page.pictures).unwrap_or_default();
        pictures.sort_by(|a, b| a.top.total_cmp(&b.top));
        pictures
    }

    fn page<'a>(&'a self, at: usize, cache: &InterpreterCache<'a>, with_pictures: bool) -> Option<Collected> {
        let page: &Page<'a> = self.pdf.pages().get(at)?;
        let (width, height) = page.render_dimensions();
        let (width, height) = (f64::from(width), f64::from(height));
        let transform = page.initial_transform(true).to_kurbo();
        let bounds = Rect::new(0.0, 0.0, width, height);
        let mut context =
            Context::new(transform, bounds, cache, self.pdf.xref(), InterpreterSettings::default());
        let mut collected = Collected { page_area: width * height, with_pictures, ..Default::default() };
        interpret_page(page, &mut context, &mut collected);
        Some(collected)
    }

    fn information(&self) -> (Option<String>, Metadata) {
        let info = self.pdf.metadata();
        let text = |value: &Option<Box<[u8]>>| {
            let text = tidy(text_string(value.as_deref()?)).trim().to_owned();
            (!text.is_empty()).then_some(text)
        };
        let mut metadata = Metadata::new();
        for (name, value) in
            [("author", &info.author), ("subject", &info.subject), ("keywords", &info.keywords)]
        {
            if let Some(value) = text(value) {
                metadata.insert(name.to_owned(), value.into());
            }
        }
        (text(&info.title), metadata)
    }
}

/// A text string of PDF: UTF-16 or UTF-8 with a mark, or else bytes that are mostly Latin-1.
fn text_string(bytes: &[u8]) -> String {
    decode(bytes, Some(encoding_rs::WINDOWS_1252)).text
}

/// Takes down what is drawn.
#[derive(Default)]
struct Collected {
    glyphs: Vec<Glyph>,
    pictures: Vec<Picture>,
    page_area: f64,
    with_pictures: bool,
    /// What open sequences say that they really are, and whether it was taken down.
    actual: Vec<Option<(String, bool)>>,
    /// Place and length of the last run that was filled.
    filled: Option<(Point, usize)>,
}

impl Collected {
    fn push(&mut self, glyph: &FontGlyph<'_>, place: Affine, vertical: bool) {
        let text = match glyph.as_unicode() {
            Some(BfString::Char(character)) => character.to_string(),
            Some(BfString::String(text)) => text,
            None => char::REPLACEMENT_CHARACTER.to_string(),
        };
        let advance = match glyph {
            FontGlyph::Outline(outline) => outline.advance_width(),
            FontGlyph::Type3(drawn) => drawn.advance_width(),
        };
        let advance = advance.map_or(UNITS_PER_EM / 2.0, f64::from);
        // Down the page in vertical writing: as wide as the font is high.
        let step = if vertical { Point::new(0.0, -UNITS_PER_EM) } else { Point::new(advance, 0.0) };
        let text = match self.actual.iter_mut().rev().find_map(Option::as_mut) {
            Some((_, true)) => String::new(),
            Some((actual, taken)) => {
                *taken = true;
                actual.clone()
            }
            None => text,
        };
        let up = place * Point::new(0.0, UNITS_PER_EM) - place * Point::ORIGIN;
        self.glyphs.push(Glyph::new(text, place * Point::ORIGIN, place * step, up.hypot()));
    }
}

impl<'a> Device<'a> for Collected {
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, mode: &DrawMode) {
        let Some(first) = run.glyphs().first() else { return };
        let begin = props.transform * first.transform() * Point::ORIGIN;
        let same = (begin, run.glyphs().len());
        // What is filled and then stroked comes twice.
        if matches!(mode, DrawMode::Stroke(_)) && self.filled.take() == Some(same) {
            return;
        }
        self.filled = Some(same);
        let vertical = matches!(run.writing_mode(), WritingMode::Vertical);
        for glyph in run.glyphs() {
            if self.glyphs.len() < PAGE_GLYPHS {
                self.push(glyph, props.transform * glyph.transform(), vertical);
            }
        }
    }

    fn begin_marked_content(&mut self, _: &[u8], properties: Option<&Dict<'_>>) {
        let actual = properties.and_then(|properties| properties.get::<PdfString<'_>>(b"ActualText"));
        self.actual.push(actual.map(|text| (text_string(text.as_bytes()), false)));
    }

    fn end_marked_content(&mut self) {
        self.actual.pop();
    }

    fn draw_image(&mut self, image: Image<'a, '_>, props: ImageDrawProps<'a>) {
        let (width, height) = (image.width(), image.height());
        let pixels = u64::from(width) * u64::from(height);
        let area = props.transform.determinant().abs() * pixels as f64;
        if !self.with_pictures || pixels > PICTURE_PIXELS || area < self.page_area * PICTURE_SHARE {
            return;
        }
        let mut grey = None;
        match &image {
            // Ink where the mask is set.
            Image::Stencil(stencil) => stencil.with_stencil(
                |luma, _| {
                    let ink = luma.data.iter().map(|value| 255 - value).collect();
                    grey = Some((luma.width, luma.height, ink));
                },
                None,
            ),
            Image::Raster(raster) => raster.with_rgba(
                |data, _| {
                    let size = (data.width(), data.height());
                    let values = match data {
                        ImageData::Luma(luma) => luma.data,
                        ImageData::Rgb(rgb) => rgb.data.as_chunks::<3>().0.iter().map(luminance).collect(),
                    };
                    grey = Some((size.0, size.1, values));
                },
                None,
            ),
        }
        if let Some((width, height, values)) = grey {
            self.pictures.extend(upright(width, height, values, props.transform));
        }
    }

    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'a>, _: &DrawMode) {}
    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'a>>, _: BlendMode) {}
    fn pop_clip(&mut self) {}
    fn pop_transparency_group(&mut self) {}
}

fn luminance([red, green, blue]: &[u8; 3]) -> u8 {
    ((u32::from(*red) * 77 + u32::from(*green) * 151 + u32::from(*blue) * 28) >> 8) as u8
}

/// Turns a picture as it is turned on the page, by right angles.
fn upright(width: u32, height: u32, values: Vec<u8>, transform: Affine) -> Option<Picture> {
    let [a, b, c, d, _, _] = transform.as_coeffs();
    let (columns, rows) = (width as usize, height as usize);
    if values.len() != columns.checked_mul(rows)? || values.is_empty() {
        return None;
    }
    let bounds = transform.transform_rect_bbox(Rect::new(0.0, 0.0, f64::from(width), f64::from(height)));
    let is_turned = b.abs() > a.abs();
    let (across, down) = if is_turned { (rows, columns) } else { (columns, rows) };
    let grey = if !is_turned && a > 0.0 && d > 0.0 {
        values
    } else {
        let flip = |at: usize, of: usize, forwards: bool| if forwards { at } else { of - 1 - at };
        let value = |x: usize, y: usize| {
            let (column, row) = match is_turned {
                true => (flip(y, columns, b > 0.0), flip(x, rows, c > 0.0)),
                false => (flip(x, columns, a > 0.0), flip(y, rows, d > 0.0)),
            };
            values[row * columns + column]
        };
        (0..down).flat_map(|y| (0..across).map(move |x| (x, y))).map(|(x, y)| value(x, y)).collect()
    };
    const POINTS_PER_INCH: f64 = 72.0;
    let dpi = (across as f64 / (bounds.width() / POINTS_PER_INCH)).clamp(70.0, 1200.0);
    Some(Picture { width: across as u32, height: down as u32, grey, dpi: dpi as u32, top: bounds.y0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_turned_as_on_the_page() {
        // 1 2 3
        // 4 5 6
        let turned = |a: f64, b: f64, c: f64, d: f64| {
            upright(3, 2, vec![1, 2, 3, 4, 5, 6], Affine::new([a, b, c, d, 0.0, 0.0]))
                .map(|p| (p.width, p.grey))
        };
        assert_eq!(turned(1.0, 0.0, 0.0, 1.0), Some((3, vec![1, 2, 3, 4, 5, 6])));
        assert_eq!(turned(1.0, 0.0, 0.0, -1.0), Some((3, vec![4, 5, 6, 1, 2, 3])));
        assert_eq!(turned(-1.0, 0.0, 0.0, -1.0), Some((3, vec![6, 5, 4, 3, 2, 1])));
        assert_eq!(turned(0.0, 1.0, -1.0, 0.0), Some((2, vec![4, 1, 5, 2, 6, 3])));
        assert!(upright(3, 2, vec![1], Affine::IDENTITY).is_none());
    }
}
