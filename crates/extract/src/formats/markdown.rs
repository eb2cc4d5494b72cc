//! Markdown: text that is kept as it is, with a title.

use super::plain;
use crate::{error::ExtractError, extract::Source, outlet::Outlet};
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use ragstream_core::text::{Markup, TextFacts};

const EXTRACTOR: &str = "markdown/1";

/// As plain text, with the title that its beginning gives.
pub fn flow(source: &mut dyn Source, outlet: &mut Outlet<'_>) -> Result<TextFacts, ExtractError> {
    outlet.head(Markup::Markdown, EXTRACTOR, None);
    let metadata = plain::pour(source, outlet, |_| {})?;
    let title = outlet.markdown_title();
    Ok(TextFacts { title, metadata, extractor: EXTRACTOR.to_owned(), ..Default::default() })
}

/// The first heading of the first level.
pub fn title(text: &str) -> Option<String> {
    let mut title = None;
    for event in Parser::new_ext(text, Options::all()) {
        match event {
            Event::Start(Tag::Heading { level: HeadingLevel::H1, .. }) => title = Some(String::new()),
            Event::End(TagEnd::Heading(_)) if title.is_some() => break,
            Event::Text(part) | Event::Code(part) => {
                if let Some(title) = &mut title {
                    title.push_str(&part);
                }
            }
            _ => {}
        }
    }
    title.map(|title| title.trim().to_owned()).filter(|title| !title.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_title_is_the_first_heading_of_the_first_level() {
        assert_eq!(
            title("## Sub\n\n```\n# code\n```\n\n# The `real` *one*\n\n# Next").as_deref(),
            Some("The real one")
        );
        assert_eq!(title("no heading"), None);
        assert_eq!(title("#\n\ntext"), None);
    }
}
