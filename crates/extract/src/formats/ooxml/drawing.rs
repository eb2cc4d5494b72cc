//! Charts and diagrams: parts of their own that documents and slides refer to.

use super::Package;
use crate::{
    error::ExtractError,
    formats::{
        pull::{Node, Pull},
        writer::{Block, one_line},
    },
};
use std::{collections::BTreeMap, io::BufRead};

/// Points of a series that are read.
const MAX_POINTS: usize = 2000;

/// Series of a chart that are read.
const MAX_SERIES: usize = 100;

/// Labels of a diagram that are read.
const MAX_LABELS: usize = 2000;

/// What a chart or a diagram says; nothing where it is neither, or damaged.
pub fn part(package: &mut Package<'_>, part: &str) -> Result<Vec<Block>, ExtractError> {
    let Some(mut pull) = package.xml(part)? else { return Ok(Vec::new()) };
    let blocks = loop {
        break match pull.next() {
            Ok(Node::Open(tag)) => match tag.name() {
                "chartSpace" => chart(&mut pull),
                "dataModel" => diagram(&mut pull),
                _ => Ok(Vec::new()),
            },
            Ok(Node::End) => Ok(Vec::new()),
            Ok(_) => continue,
            Err(error) => Err(error),
        };
    };
    match blocks {
        Err(ExtractError::Corrupt { .. }) => Ok(Vec::new()),
        other => other,
    }
}

#[derive(Default)]
struct Series {
    name: String,
    categories: BTreeMap<usize, String>,
    values: BTreeMap<usize, String>,
}

/// A chart is its title and the table that it was drawn from.
fn chart(pull: &mut Pull<impl BufRead>) -> Result<Vec<Block>, ExtractError> {
    let (mut titles, mut series) = (Vec::new(), Vec::new());
    loop {
        match pull.next()? {
            Node::Open(tag) => match tag.name() {
                "title" => titles.push(one_line(&words(pull)?)),
                "ser" if series.len() < MAX_SERIES => series.push(one_series(pull)?),
                "externalData" | "style" | "clrMapOvr" | "txPr" | "spPr" | "AlternateContent" => {
                    pull.skip()?
                }
                _ => {}
            },
            Node::End => break,
            Node::Close | Node::Text(_) => {}
        }
    }
    let mut blocks: Vec<Block> = Vec::new();
    let titles: Vec<String> = titles.into_iter().filter(|title| !title.is_empty()).collect();
    if !titles.is_empty() {
        blocks.push(Block::Paragraph(format!("Chart: {}", titles.join("; "))));
    }
    let mut header = vec![String::new()];
    header.extend(series.iter().map(|series: &Series| series.name.clone()));
    let mut rows = vec![header];
    let mut points: Vec<usize> = series.iter().flat_map(|s| s.values.keys().copied()).collect();
    points.sort_unstable();
    points.dedup();
    for point in points {
        let category = series.iter().find_map(|series| series.categories.get(&point));
        let mut row = vec![category.cloned().unwrap_or_else(|| (point + 1).to_string())];
        row.extend(series.iter().map(|series| series.values.get(&point).cloned().unwrap_or_default()));
        rows.push(row);
    }
    if rows.len() > 1 {
        blocks.push(Block::Table(rows));
    }
    Ok(blocks)
}

fn one_series(pull: &mut Pull<impl BufRead>) -> Result<Series, ExtractError> {
    let mut series = Series::default();
    let inside = pull.depth();
    while let Some(tag) = pull.child(inside)? {
        match tag.name() {
            "tx" => series.name = one_line(&words(pull)?),
            "cat" | "xVal" => series.categories = points(pull)?,
            "val" | "yVal" => series.values = points(pull)?,
            _ => pull.skip()?,
        }
    }
    Ok(series)
}

/// Values by their places.
fn points(pull: &mut Pull<impl BufRead>) -> Result<BTreeMap<usize, String>, ExtractError> {
    let mut points = BTreeMap::new();
    let outside = pull.depth() - 1;
    let mut at = 0;
    while pull.depth() > outside {
        match pull.next()? {
            Node::Open(tag) if tag.name() == "pt" => at = tag.number("idx").unwrap_or(0),
            Node::Open(tag) if tag.name() == "v" => {
                let value = pull.text()?;
                if points.len() < MAX_POINTS {
                    points.insert(at, value);
                }
            }
            Node::End => break,
            _ => {}
        }
    }
    Ok(points)
}

/// Text and values below the element that began last.
fn words(pull: &mut Pull<impl BufRead>) -> Result<String, ExtractError> {
    let mut words = String::new();
    let outside = pull.depth() - 1;
    while pull.depth() > outside {
        match pull.next()? {
            Node::Open(tag) if matches!(tag.name(), "t" | "v") => words.push_str(&pull.text()?),
            Node::Open(tag) if matches!(tag.name(), "p" | "br") => words.push(' '),
            Node::End => break,
            _ => {}
        }
    }
    Ok(words)
}

/// A diagram is what stands in its boxes.
fn diagram(pull: &mut Pull<impl BufRead>) -> Result<Vec<Block>, ExtractError> {
    let mut blocks = Vec::new();
    loop {
        match pull.next()? {
            Node::Open(tag) if tag.name() == "pt" => {
                let text = one_line(&words(pull)?);
                if !text.is_empty() && blocks.len() < MAX_LABELS {
                    blocks.push(Block::Item(0, "-".to_owned(), text));
                }
            }
            Node::End => return Ok(blocks),
            _ => {}
        }
    }
}
