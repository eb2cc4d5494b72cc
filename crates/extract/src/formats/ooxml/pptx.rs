//! PPTX: a page a slide, with its title, texts, tables, charts, comments and
//! speaker's notes.

use super::{Package, Relationships, drawing};
use crate::{
    contained::Context,
    error::ExtractError,
    format::Format,
    formats::{
        embedded::{self, Embedded},
        pull::{Node, Pull, Tag},
        rows::MAX_COLUMNS,
        writer::{Block, Writer, one_line},
    },
};
use ragstream_core::{
    document::Metadata,
    text::{DocumentText, Markup},
};
use std::{
    collections::{HashMap, HashSet},
    io::BufRead,
};

/// Slides that are read.
const MAX_SLIDES: usize = 20_000;

/// Placeholders with what is the same on every slide, or a number.
const NO_TEXT: &[&str] = &["sldNum", "dt", "sldImg"];

/// Reads the presentation.
pub fn extract(
    package: &mut Package<'_>,
    main: &str,
    context: &Context<'_>,
    inside: &mut Embedded,
) -> Result<DocumentText, ExtractError> {
    let relationships = package.relationships(main)?;
    let slides = slides(package, main, &relationships)?;
    let authors = authors(package, &relationships)?;
    let mut writer = Writer::new(context.limits);
    let mut footers = HashSet::new();
    let mut number = 0;
    for slide in &slides {
        number += 1;
        writer.page(number);
        let relationships = package.relationships(slide)?;
        let mut content = Slide::new(package.clone(), &relationships);
        content.read(package, slide)?;
        let notes = notes(package, &relationships)?;
        let comments = comments(package, &relationships, &authors)?;
        content.blocks.retain(|block| !is_blank(block));
        let footer = content.footer.take().filter(|footer| footers.insert(footer.clone()));
        let is_empty = content.blocks.is_empty() && notes.is_empty() && comments.is_empty();
        match content.title {
            Some(title) => writer.heading(2, &title)?,
            None if is_empty && footer.is_none() => continue,
            None => writer.heading(2, &format!("Slide {number}"))?,
        }
        content.blocks.into_iter().try_for_each(|block| writer.write(block))?;
        footer.into_iter().try_for_each(|footer| writer.paragraph(&footer))?;
        if !notes.is_empty() {
            writer.paragraph(&format!("Notes: {notes}"))?;
        }
        comments.iter().try_for_each(|comment| writer.quote(comment))?;
        for part in relationships.parts("package").chain(relationships.parts("oleObject")) {
            match package.bytes(part, embedded::MAX_BYTES) {
                Ok(Some(bytes)) => inside.add(part, bytes),
                Err(error @ ExtractError::TooLarge { .. }) => return Err(error),
                _ => inside.skip(),
            }
        }
    }
    // What stands on the slides because it stands on their masters: once.
    for master in &masters(package, &relationships)? {
        writer.paragraph(master)?;
    }
    inside.write(&mut writer, context)?;
    let (text, pages) = writer.finish();
    let metadata = Metadata::from_iter([("slides".to_owned(), number.into())]);
    Ok(DocumentText {
        text,
        pages,
        markup: Markup::Markdown,
        metadata,
        extractor: "pptx/1".to_owned(),
        ..Default::default()
    })
}

/// Text on masters and layouts that is no placeholder for that of slides.
fn masters(package: &mut Package<'_>, presentation: &Relationships) -> Result<Vec<String>, ExtractError> {
    let mut texts = Vec::new();
    for master in presentation.parts("slideMaster") {
        let relationships = package.relationships(master)?;
        for part in std::iter::once(master).chain(relationships.parts("slideLayout")) {
            let own = package.relationships(part)?;
            let mut content = Slide::new(package.clone(), &own);
            content.placeholders = false;
            content.read(package, part)?;
            for block in content.blocks {
                match block {
                    Block::Paragraph(text) | Block::Item(_, _, text)
                        if text.chars().any(char::is_alphabetic) && !texts.contains(&text) =>
                    {
                        texts.push(text);
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(texts)
}

fn is_blank(block: &Block) -> bool {
    match block {
        Block::Heading(_, text)
        | Block::Paragraph(text)
        | Block::Item(_, _, text)
        | Block::Quote(text)
        | Block::Note(_, text) => text.trim().is_empty(),
        Block::Table(rows) => rows.iter().flatten().all(|cell| cell.trim().is_empty()),
    }
}

/// The parts of the slides, in the order in which they are shown.
fn slides(
    package: &mut Package<'_>,
    main: &str,
    relationships: &Relationships,
) -> Result<Vec<String>, ExtractError> {
    let mut slides = Vec::new();
    let Some(mut pull) = package.xml(main)? else {
        return Err(ExtractError::corrupt(Format::Pptx, "it has no presentation"));
    };
    loop {
        match pull.next()? {
            Node::Open(tag) if tag.name() == "sldId" && slides.len() < MAX_SLIDES => {
                let target = tag.prefixed_attr("id").and_then(|id| relationships.target(&id));
                slides.extend(target.map(|target| target.target.clone()));
            }
            Node::End => return Ok(slides),
            _ => {}
        }
    }
}

/// What is read of a slide.
struct Slide<'a, 'r> {
    /// For parts that are read while the slide is.
    package: Package<'a>,
    relationships: &'r Relationships,
    title: Option<String>,
    blocks: Vec<Block>,
    footer: Option<String>,
    /// Placeholders hold text, and not what is to be written in them.
    placeholders: bool,
}

/// A shape's paragraph.
#[derive(Default)]
struct Paragraph {
    text: String,
    level: usize,
    /// It says itself whether it is an item of a list.
    bullet: Option<bool>,
}

impl<'a, 'r> Slide<'a, 'r> {
    fn new(package: Package<'a>, relationships: &'r Relationships) -> Self {
        Self { package, relationships, title: None, blocks: Vec::new(), footer: None, placeholders: true }
    }

    fn read(&mut self, package: &mut Package<'a>, part: &str) -> Result<(), ExtractError> {
        let Some(mut pull) = package.xml(part)? else { return Ok(()) };
        loop {
            match pull.next()? {
                Node::Open(tag) if tag.name() == "spTree" => self.shapes(&mut pull)?,
                Node::End => return Ok(()),
                _ => {}
            }
        }
    }

    fn shapes(&mut self, pull: &mut Pull<impl BufRead>) -> Result<(), ExtractError> {
        let inside = pull.depth();
        let mut chosen = false;
        while let Some(tag) = pull.child(inside)? {
            match tag.name() {
                "sp" | "cxnSp" => self.shape(pull)?,
                "pic" => self.picture(pull)?,
                "grpSp" | "AlternateContent" => self.shapes(pull)?,
                "Choice" | "Fallback" if !chosen => {
                    chosen = true;
                    self.shapes(pull)?;
                }
                "graphicFrame" => self.frame(pull)?,
                _ => pull.skip()?,
            }
        }
        Ok(())
    }

    fn shape(&mut self, pull: &mut Pull<impl BufRead>) -> Result<(), ExtractError> {
        let (mut kind, mut paragraphs) = (None, Vec::new());
        let inside = pull.depth();
        while let Some(tag) = pull.child(inside)? {
            match tag.name() {
                "nvSpPr" => kind = placeholder(pull)?,
                "txBody" => paragraphs = self.paragraphs(pull)?,
                _ => pull.skip()?,
            }
        }
        paragraphs.retain(|paragraph| !paragraph.text.trim().is_empty());
        let all = |paragraphs: Vec<Paragraph>| {
            paragraphs.into_iter().map(|paragraph| paragraph.text).collect::<Vec<_>>().join("\n")
        };
        match kind.as_deref() {
            Some(kind) if NO_TEXT.contains(&kind) || !self.placeholders => {}
            Some("title" | "ctrTitle") if self.title.is_none() && !paragraphs.is_empty() => {
                self.title = Some(one_line(&all(paragraphs)));
            }
            Some("ftr" | "hdr") => self.footer = Some(all(paragraphs)).filter(|text| !text.trim().is_empty()),
            kind => {
                // The text of a body has bullets unless it says otherwise, that of a box has none.
                let listed = matches!(kind, Some("body" | "obj")) && paragraphs.len() > 1;
                self.blocks.extend(paragraphs.into_iter().map(|paragraph| {
                    match paragraph.bullet.unwrap_or(listed) {
                        true => Block::Item(paragraph.level, "-".to_owned(), paragraph.text),
                        false => Block::Paragraph(paragraph.text),
                    }
                }));
            }
        }
        Ok(())
    }

    fn picture(&mut self, pull: &mut Pull<impl BufRead>) -> Result<(), ExtractError> {
        let outside = pull.depth() - 1;
        while pull.depth() > outside {
            match pull.next()? {
                Node::Open(tag) if tag.name() == "cNvPr" => {
                    let words = one_line(&tag.attr("descr").unwrap_or_default());
                    if !words.is_empty() {
                        self.blocks.push(Block::Paragraph(format!("Image: {words}")));
                    }
                }
                Node::End => break,
                _ => {}
            }
        }
        Ok(())
    }

    /// A table, a chart, a diagram, or a document that is shown.
    fn frame(&mut self, pull: &mut Pull<impl BufRead>) -> Result<(), ExtractError> {
        let inside = pull.depth();
        while let Some(tag) = pull.child(inside)? {
            match tag.name() {
                "tbl" => self.table(pull)?,
                "chart" | "relIds" => {
                    let id = tag.prefixed_attr(if tag.name() == "chart" { "id" } else { "dm" });
                    let part = id.and_then(|id| Some(self.relationships.target(&id)?.target.clone()));
                    if let Some(part) = part {
                        self.blocks.extend(drawing::part(&mut self.package, &part)?);
                    }
                    pull.skip()?;
                }
                "Fallback" | "pic" => pull.skip()?,
                _ => self.frame(pull)?,
            }
        }
        Ok(())
    }

    fn table(&mut self, pull: &mut Pull<impl BufRead>) -> Result<(), ExtractError> {
        let mut rows: Vec<Vec<String>> = Vec::new();
        let outside = pull.depth() - 1;
        while pull.depth() > outside {
            match pull.next()? {
                Node::Open(tag) if tag.name() == "tr" => rows.push(Vec::new()),
                Node::Open(tag) if tag.name() == "txBody" => {
                    let text: Vec<String> = self.paragraphs(pull)?.into_iter().map(|p| p.text).collect();
                    if let Some(row) = rows.last_mut().filter(|row| row.len() < MAX_COLUMNS) {
                        row.push(text.join("\n"));
                    }
                }
                Node::End => break,
                _ => {}
            }
        }
        self.blocks.push(Block::Table(rows));
        Ok(())
    }

    fn paragraphs(&mut self, pull: &mut Pull<impl BufRead>) -> Result<Vec<Paragraph>, ExtractError> {
        let mut paragraphs = Vec::new();
        let inside = pull.depth();
        while let Some(tag) = pull.child(inside)? {
            match tag.name() {
                "p" => {
                    let mut paragraph = Paragraph::default();
                    self.inline(pull, &mut paragraph)?;
                    paragraphs.push(paragraph);
                }
                _ => pull.skip()?,
            }
        }
        Ok(paragraphs)
    }

    fn inline(
        &mut self,
        pull: &mut Pull<impl BufRead>,
        paragraph: &mut Paragraph,
    ) -> Result<(), ExtractError> {
        let inside = pull.depth();
        let start = paragraph.text.len();
        let mut address = None;
        while let Some(tag) = pull.child(inside)? {
            match tag.name() {
                "t" => paragraph.text.push_str(&pull.text()?),
                "br" => {
                    paragraph.text.push('\n');
                    pull.skip()?;
                }
                "tab" => {
                    paragraph.text.push('\t');
                    pull.skip()?;
                }
                "pPr" => {
                    paragraph.level = tag.number("lvl").unwrap_or(0);
                    let inside = pull.depth();
                    while let Some(tag) = pull.child(inside)? {
                        match tag.name() {
                            "buNone" => paragraph.bullet = Some(false),
                            "buChar" | "buAutoNum" | "buBlip" => paragraph.bullet = Some(true),
                            _ => {}
                        }
                        pull.skip()?;
                    }
                }
                "rPr" => address = self.address(pull)?,
                "fld" if tag.attr("type").is_some_and(|kind| kind == "slidenum") => pull.skip()?,
                "endParaRPr" | "Fallback" => pull.skip()?,
                _ => self.inline(pull, paragraph)?,
            }
        }
        let words = paragraph.text[start..].trim().to_owned();
        if let Some(address) = address.filter(|address| *address != words && !words.is_empty()) {
            paragraph.text.truncate(start);
            paragraph.text.push_str(&format!("[{words}]({address})"));
        }
        Ok(())
    }

    /// Where a run leads to.
    fn address(&self, pull: &mut Pull<impl BufRead>) -> Result<Option<String>, ExtractError> {
        let mut address = None;
        let inside = pull.depth();
        while let Some(tag) = pull.child(inside)? {
            if tag.name() == "hlinkClick" {
                let target = tag.prefixed_attr("id").and_then(|id| self.relationships.target(&id));
                address = target.filter(|target| target.external).map(|target| target.target.clone());
            }
            pull.skip()?;
        }
        Ok(address)
    }
}

/// The kind of a placeholder, `obj` where it says none; `None` where the shape is none.
fn placeholder(pull: &mut Pull<impl BufRead>) -> Result<Option<String>, ExtractError> {
    let mut kind = None;
    let outside = pull.depth() - 1;
    while pull.depth() > outside {
        match pull.next()? {
            Node::Open(tag) if tag.name() == "ph" => {
                kind = Some(tag.attr("type").unwrap_or_else(|| "obj".to_owned()));
            }
            Node::End => break,
            _ => {}
        }
    }
    Ok(kind)
}

/// What the speaker says to a slide.
fn notes(package: &mut Package<'_>, slide: &Relationships) -> Result<String, ExtractError> {
    let Some(part) = slide.part("notesSlide") else { return Ok(String::new()) };
    let relationships = package.relationships(part)?;
    let mut notes = Slide::new(package.clone(), &relationships);
    notes.read(package, part)?;
    let mut lines = Vec::new();
    for block in notes.blocks {
        match block {
            Block::Paragraph(text) | Block::Item(_, _, text) if !text.trim().is_empty() => lines.push(text),
            _ => {}
        }
    }
    Ok(lines.join("\n"))
}

/// Names of those who comment, by their ids.
fn authors(
    package: &mut Package<'_>,
    presentation: &Relationships,
) -> Result<HashMap<String, String>, ExtractError> {
    let mut authors = HashMap::new();
    for part in ["commentAuthors", "authors"].into_iter().filter_map(|kind| presentation.part(kind)) {
        let Some(mut pull) = package.xml(part)? else { continue };
        loop {
            match pull.next()? {
                Node::Open(tag) if matches!(tag.name(), "cmAuthor" | "author") => {
                    authors.extend(tag.attr("id").zip(tag.attr("name")));
                }
                Node::End => break,
                _ => {}
            }
        }
    }
    Ok(authors)
}

/// The comments on a slide, those of old and of new programs.
fn comments(
    package: &mut Package<'_>,
    slide: &Relationships,
    authors: &HashMap<String, String>,
) -> Result<Vec<String>, ExtractError> {
    let mut comments = Vec::new();
    for part in slide.parts("comments") {
        let Some(mut pull) = package.xml(part)? else { continue };
        let mut author = None;
        let mut is_text = |tag: &Tag| {
            if matches!(tag.name(), "cm" | "reply") {
                author = tag.attr("authorId").and_then(|id| authors.get(&id)).map(|name| one_line(name));
            }
            matches!(tag.name(), "text" | "txBody").then(|| author.clone())
        };
        loop {
            match pull.next()? {
                Node::Open(tag) => {
                    let Some(author) = is_text(&tag) else { continue };
                    let text = pull.text()?;
                    if text.trim().is_empty() {
                        continue;
                    }
                    comments.push(match author {
                        Some(author) => format!("Comment ({author}): {}", text.trim()),
                        None => format!("Comment: {}", text.trim()),
                    });
                }
                Node::End => break,
                Node::Close | Node::Text(_) => {}
            }
        }
    }
    Ok(comments)
}
