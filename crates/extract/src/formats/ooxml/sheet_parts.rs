//! What a sheet of a workbook has beside its cells: comments, links, headers
//! and footers, text boxes, titles of charts, documents inside of it.

use super::{Package, Relationships, drawing};
use crate::{
    error::ExtractError,
    formats::{
        embedded::{self, Embedded},
        pull::{Node, Pull},
        writer::{Block, one_line},
    },
};
use std::{collections::HashMap, io::BufRead};

/// Comments and text boxes of a sheet that are read.
const MAX_NOTES: usize = 20_000;

/// The sheets of a workbook and their parts, by name.
#[derive(Debug, Default)]
pub struct SheetParts(HashMap<String, String>);

impl SheetParts {
    /// Reads the workbook; a binary one has names of its own for its parts and none here.
    pub fn read(package: &mut Package<'_>, workbook: &str) -> Result<Self, ExtractError> {
        let relationships = package.relationships(workbook)?;
        let mut sheets = HashMap::new();
        if !workbook.to_ascii_lowercase().ends_with(".xml") {
            return Ok(Self(sheets));
        }
        let Some(mut pull) = package.xml(workbook)? else { return Ok(Self(sheets)) };
        loop {
            match pull.next()? {
                Node::Open(tag) if tag.name() == "sheet" => {
                    let target = tag.prefixed_attr("id").and_then(|id| relationships.target(&id));
                    sheets.extend(tag.attr("name").zip(target.map(|target| target.target.clone())));
                }
                Node::End => return Ok(Self(sheets)),
                _ => {}
            }
        }
    }

    /// What stands beside the cells of a sheet.
    pub fn beside(
        &self,
        package: &mut Package<'_>,
        sheet: &str,
        inside: &mut Embedded,
    ) -> Result<Vec<Block>, ExtractError> {
        let Some(part) = self.0.get(sheet) else { return Ok(Vec::new()) };
        let relationships = package.relationships(part)?;
        let mut blocks = comments(package, &relationships)?;
        blocks.extend(around(package, part, &relationships)?);
        for part in relationships.parts("drawing") {
            blocks.extend(drawn(package, part)?);
        }
        for part in relationships.parts("package").chain(relationships.parts("oleObject")) {
            match package.bytes(part, embedded::MAX_BYTES) {
                Ok(Some(bytes)) => inside.add(part, bytes),
                Err(error @ ExtractError::TooLarge { .. }) => return Err(error),
                _ => inside.skip(),
            }
        }
        Ok(blocks)
    }
}

/// Conversations hold what comments hold, with all answers.
fn comments(package: &mut Package<'_>, sheet: &Relationships) -> Result<Vec<Block>, ExtractError> {
    let mut blocks = Vec::new();
    let conversations = sheet.parts("threadedComment").next().is_some();
    let (kind, element) =
        if conversations { ("threadedComment", "threadedComment") } else { ("comments", "comment") };
    for part in sheet.parts(kind) {
        let Some(mut pull) = package.xml(part)? else { continue };
        loop {
            match pull.next()? {
                Node::Open(tag) if tag.name() == element => {
                    let text = words(&mut pull)?;
                    let cell = tag.attr("ref").unwrap_or_default();
                    if !text.is_empty() && blocks.len() < MAX_NOTES {
                        blocks.push(Block::Quote(format!("Comment on {cell}: {text}")));
                    }
                }
                Node::End => break,
                _ => {}
            }
        }
    }
    Ok(blocks)
}

/// Links of cells, header and footer: what stands behind the rows.
fn around(
    package: &mut Package<'_>,
    part: &str,
    relationships: &Relationships,
) -> Result<Vec<Block>, ExtractError> {
    let (mut links, mut margins) = (Vec::new(), Vec::new());
    let Some(mut pull) = package.xml(part)? else { return Ok(links) };
    loop {
        match pull.next()? {
            Node::Open(tag) => match tag.name() {
                "sheetData" => pull.skip()?,
                "hyperlink" if links.len() < MAX_NOTES => {
                    let target = tag.prefixed_attr("id").and_then(|id| relationships.target(&id));
                    if let Some(target) = target.filter(|target| target.external) {
                        let cell = tag.attr("ref").unwrap_or_default();
                        links.push(Block::Paragraph(format!("Link in {cell}: {}", one_line(&target.target))));
                    }
                }
                "oddHeader" | "oddFooter" | "evenHeader" | "evenFooter" | "firstHeader" | "firstFooter" => {
                    let text = margin(&pull.text()?);
                    let block = Block::Paragraph(text.clone());
                    if text.chars().any(char::is_alphabetic) && !margins.contains(&block) {
                        margins.push(block);
                    }
                }
                _ => {}
            },
            Node::End => break,
            Node::Close | Node::Text(_) => {}
        }
    }
    links.append(&mut margins);
    Ok(links)
}

/// A header without the codes for its places, fonts, numbers of pages and the like.
fn margin(coded: &str) -> String {
    let mut text = String::new();
    let mut rest = coded.chars().peekable();
    while let Some(character) = rest.next() {
        if character != '&' {
            text.push(character);
            continue;
        }
        match rest.next() {
            Some('&') => text.push('&'),
            // The name of a font.
            Some('"') => while rest.next().is_some_and(|character| character != '"') {},
            // The size of a font.
            Some('0'..='9') => while rest.next_if(char::is_ascii_digit).is_some() {},
            // A colour.
            Some('K') => {
                for _ in 0..6 {
                    rest.next_if(char::is_ascii_hexdigit);
                }
            }
            Some('L' | 'C' | 'R') => text.push('\n'),
            _ => {}
        }
    }
    text.lines().map(one_line).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Text boxes; and of charts, whose values are in cells, the titles.
fn drawn(package: &mut Package<'_>, part: &str) -> Result<Vec<Block>, ExtractError> {
    let relationships = package.relationships(part)?;
    let mut blocks = Vec::new();
    if let Some(mut pull) = package.xml(part)? {
        loop {
            match pull.next()? {
                Node::Open(tag) if tag.name() == "txBody" => {
                    let text = words(&mut pull)?;
                    if !text.is_empty() && blocks.len() < MAX_NOTES {
                        blocks.push(Block::Paragraph(text));
                    }
                }
                Node::Open(tag) if tag.name() == "Fallback" => pull.skip()?,
                Node::End => break,
                _ => {}
            }
        }
    }
    for chart in relationships.parts("chart") {
        let chart = drawing::part(package, chart)?;
        blocks.extend(chart.into_iter().filter(|block| matches!(block, Block::Paragraph(_))));
    }
    Ok(blocks)
}

fn words(pull: &mut Pull<impl BufRead>) -> Result<String, ExtractError> {
    let mut words = String::new();
    let outside = pull.depth() - 1;
    while pull.depth() > outside {
        match pull.next()? {
            // How a Japanese word is read stands beside it.
            Node::Open(tag) if matches!(tag.name(), "rPh" | "mentions") => pull.skip()?,
            Node::Open(tag) if matches!(tag.name(), "t" | "text") => {
                let text = words_of(pull)?;
                words.push_str(&text);
            }
            Node::Open(tag) if matches!(tag.name(), "p" | "br") => words.push('\n'),
            Node::End => break,
            _ => {}
        }
    }
    Ok(words.lines().map(one_line).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n"))
}

/// Text below the element that began last, however deep.
fn words_of(pull: &mut Pull<impl BufRead>) -> Result<String, ExtractError> {
    let mut words = String::new();
    let outside = pull.depth() - 1;
    while pull.depth() > outside {
        match pull.next()? {
            Node::Open(tag) if tag.name() == "rPh" => pull.skip()?,
            Node::Text(text) => words.push_str(&text),
            Node::End => break,
            _ => {}
        }
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_lose_their_codes() {
        assert_eq!(
            margin("&LLeft&C&\"Arial,Bold\"&12&KFF0000Report && more&RPage &P of &N"),
            "Left\nReport & more\nPage of"
        );
        assert_eq!(margin("&C&A &D &\"open"), "");
        assert_eq!(margin("R&D"), "R");
    }
}
