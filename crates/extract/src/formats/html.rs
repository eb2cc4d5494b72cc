//! HTML, turned into Markdown: headings, lists and tables stay, scripts,
//! styles and images go; addresses of links go out of the text.

use super::{plain, tables, tidy};
use crate::{charset::decode, error::ExtractError, format::Format, outline::Links};
use encoding_rs::Encoding;
use htmd::{
    Element, HtmlToMarkdown,
    element_handler::{HandlerResult, Handlers},
    options::{BulletListMarker, Options},
};
use ragstream_core::{
    document::Metadata,
    text::{DocumentText, Markup},
};
use std::sync::{Arc, Mutex, PoisonError};

/// A page declares its encoding in so many first bytes, by the HTML standard.
const DECLARATION_WITHIN: usize = 1024;

/// Elements without text of the page.
const SKIPPED: &[&str] = &[
    "script", "style", "template", "svg", "iframe", "object", "canvas", "audio", "video", "select", "button",
];

/// Names of `<meta>` that are kept.
const KEPT_META: &[&str] = &["author", "description", "keywords", "date"];

/// Reads a page; `Corrupt` where the converter gives up.
pub fn extract(bytes: &[u8]) -> Result<DocumentText, ExtractError> {
    let decoded = decode(bytes, declared(bytes));
    let mut metadata = plain::metadata(&decoded);
    let (mut text, mut head) = markdown(&decoded.text)?;
    metadata.append(&mut head.metadata);
    // A page that has its title in its head alone would be found by it no more.
    if let Some(title) = &head.title
        && !text.trim().is_empty()
        && !text.lines().any(|line| line.starts_with("# "))
    {
        text.insert_str(0, &format!("# {title}\n\n"));
    }
    let mut text = DocumentText {
        text,
        markup: Markup::Markdown,
        title: head.title,
        metadata,
        extractor: "html-htmd-0.5/2".to_owned(),
        ..Default::default()
    };
    head.links.describe(&mut text.metadata);
    Ok(text)
}

/// A page or a part of one as Markdown, and what it says about itself;
/// `Corrupt` as [`extract`].
pub fn markdown(html: &str) -> Result<(String, Head), ExtractError> {
    let head = Arc::new(Mutex::new(Head::default()));
    let markdown =
        converter(&head).convert(html).map_err(|e| ExtractError::corrupt(Format::Html, e.to_string()))?;
    let head = std::mem::take(&mut *head.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((tables::with_headers(tidy(markdown))?, head))
}

/// What the page says about itself.
#[derive(Default)]
pub struct Head {
    pub title: Option<String>,
    pub metadata: Metadata,
    pub links: Links,
}

fn converter(head: &Arc<Mutex<Head>>) -> HtmlToMarkdown {
    let (titled, described, linked) = (Arc::clone(head), Arc::clone(head), Arc::clone(head));
    HtmlToMarkdown::builder()
        .options(Options {
            bullet_list_marker: BulletListMarker::Dash,
            ul_bullet_spacing: 1,
            ol_number_spacing: 1,
            ..Options::default()
        })
        .scripting_enabled(false)
        .skip_tags(SKIPPED.to_vec())
        .add_handler(
            vec!["title"],
            move |handlers: &dyn Handlers, element: Element| -> Option<HandlerResult> {
                let title = unescape(handlers.walk_children(element.node).content.trim());
                let mut head = titled.lock().unwrap_or_else(PoisonError::into_inner);
                if head.title.is_none() && !title.is_empty() {
                    head.title = Some(title.split_whitespace().collect::<Vec<_>>().join(" "));
                }
                None
            },
        )
        .add_handler(vec!["meta"], move |_: &dyn Handlers, element: Element| -> Option<HandlerResult> {
            let attribute = |wanted: &str| {
                let mut all = element.attrs.iter();
                all.find(|a| &*a.name.local == wanted).map(|a| a.value.to_string())
            };
            if let (Some(name), Some(content)) = (attribute("name"), attribute("content"))
                && let Some(name) = KEPT_META.iter().find(|kept| name.eq_ignore_ascii_case(kept))
            {
                let mut head = described.lock().unwrap_or_else(PoisonError::into_inner);
                head.metadata.insert((*name).to_owned(), tidy(content).into());
            }
            None
        })
        .add_handler(vec!["a"], move |handlers: &dyn Handlers, element: Element| {
            if let Some(address) = element.attrs.iter().find(|a| &*a.name.local == "href") {
                linked.lock().unwrap_or_else(PoisonError::into_inner).links.add(&address.value);
            }
            Some(handlers.walk_children(element.node))
        })
        .add_handler(vec!["img"], |_: &dyn Handlers, element: Element| {
            let alt = element.attrs.iter().find(|a| &*a.name.local == "alt")?.value.trim().to_owned();
            (!alt.is_empty()).then(|| HandlerResult::from(alt))
        })
        .build()
}

/// Markdown to text, for a line without markup.
fn unescape(markdown: &str) -> String {
    let mut text = String::with_capacity(markdown.len());
    let mut characters = markdown.chars().peekable();
    while let Some(character) = characters.next() {
        match characters.peek() {
            Some(next) if character == '\\' && next.is_ascii_punctuation() => {}
            _ => text.push(character),
        }
        if character == '\\'
            && let Some(escaped) = characters.next_if(char::is_ascii_punctuation)
        {
            text.push(escaped);
        }
    }
    text
}

/// The encoding that a page declares: `<meta charset=x>` or `content="text/html; charset=x"`.
fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(DECLARATION_WITHIN)]).to_ascii_lowercase();
    let meta = &head[head.find("<meta")?..];
    let label = meta[meta.find("charset")? + "charset".len()..].trim_start().strip_prefix('=')?;
    let label = label.trim_start().trim_start_matches(['"', '\'']);
    let end = label.find(|c: char| !(c.is_ascii_alphanumeric() || "-_:.".contains(c))).unwrap_or(label.len());
    let encoding = Encoding::for_label(&label.as_bytes()[..end])?;
    // One that can be read as ASCII is not UTF-16, whatever it says.
    Some(encoding.output_encoding()).filter(|encoding| encoding.is_ascii_compatible())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn structure_stays_and_noise_goes() {
        let html = r#"<!doctype html><html><head><title> A_b
            &amp; c </title><meta name="Author" content="Ada"><style>p{color:red}</style></head>
            <body><script>var cool = 1;</script><h2>Part</h2><p>See <a href="https://x.example/y?z">the page</a>
            <img src="data:image/png;base64,AAAA" alt="a cat"><img src="x.png"></p>
            <ul><li>one</li><li>two</li></ul><table><tr><th>k</th><th>v</th></tr><tr><td>1</td><td>2</td></tr></table>
            <noscript>without script</noscript></body></html>"#;
        let text = extract(html.as_bytes()).unwrap();
        assert_eq!(text.title.as_deref(), Some("A_b & c"));
        assert_eq!(text.metadata["author"], "Ada");
        assert_eq!(text.metadata["links"], serde_json::json!(["https://x.example/y?z"]));
        assert!(
            text.text.starts_with("# A_b & c\n\n## Part\n\nSee the page a cat\n\n- one\n- two"),
            "{}",
            text.text
        );
        assert!(text.text.contains("| 1 "), "{}", text.text);
        assert!(text.text.contains("without script"));
        for noise in ["cool", "color", "x.example", "base64"] {
            assert!(!text.text.contains(noise), "{}", text.text);
        }
    }

    #[test]
    fn a_page_says_how_it_is_encoded() {
        for meta in
            ["<meta charset=\"iso-8859-2\">", "<meta http-equiv=x content='text/html; charset=ISO-8859-2'>"]
        {
            let page = [meta.as_bytes(), b"<p>\xb3\xf3d\xbc"].concat();
            assert_eq!(extract(&page).unwrap().text.trim(), "łódź");
        }
        assert_eq!(extract("<meta charset=nonsense><p>łódź".as_bytes()).unwrap().text.trim(), "łódź");
        assert_eq!(extract("<p>łódź".as_bytes()).unwrap().text.trim(), "łódź");
    }

    #[test]
    fn escapes_are_undone_in_titles() {
        assert_eq!(unescape(r"a\_b \\ c\d"), r"a_b \ c\d");
    }
}
