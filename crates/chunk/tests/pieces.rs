//! A text in pieces is cut as the whole is, in bounded memory, and goes on
//! being what it is.
#![allow(clippy::unwrap_used)]

mod common;

use common::{DOCUMENT, check, chunker, random_text, tokenizer};
use ragstream_chunk::{Chunker, ChunkerConfig};
use ragstream_core::{
    chunk::Chunk,
    id::Version,
    text::{Markup, PageStart, TextHead, TextPart},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

fn head(markup: Markup, language: Option<&str>) -> TextHead {
    TextHead { markup, language: language.map(str::to_owned), ..TextHead::default() }
}

/// Cuts a text whose pieces are of the lengths that `next` tells; a page begins every 5,000 bytes.
fn pieces(chunker: &Chunker, head: &TextHead, text: &str, mut next: impl FnMut() -> usize) -> Vec<Chunk> {
    let mut cutting = chunker.begin(head, DOCUMENT, Version(1));
    let mut chunks = Vec::new();
    let mut at = 0;
    let mut page = 0u32;
    while at < text.len() {
        let end = text.ceil_char_boundary((at + next()).min(text.len()));
        let mut pages = Vec::new();
        while u64::from(page) * 5_000 < end as u64 {
            pages.push(PageStart { page: page + 1, byte_offset: u64::from(page) * 5_000 });
            page += 1;
        }
        chunks.extend(cutting.push(TextPart { text: text[at..end].to_owned(), pages }).unwrap());
        at = end;
    }
    chunks.extend(cutting.finish().unwrap());
    chunks
}

fn prose(sentence: &str, length: usize) -> String {
    let mut text = String::new();
    for n in 0.. {
        if text.len() > length {
            return text;
        }
        text.push_str(&format!("{sentence}{}", if n % 7 == 6 { "\n\n" } else { " " }));
    }
    text
}

fn markdown(length: usize) -> String {
    let mut text = String::new();
    for n in 0.. {
        if text.len() > length {
            return text;
        }
        match n % 6 {
            0 => text.push_str(&format!("# Chapter {n}\n\n## Part {n}\n\n")),
            1 => text
                .push_str(&prose("A *sentence* with a [link](https://example.org) and `code` in it.", 2_000)),
            2 => text.push_str(&"- an item\n  of two lines\n\n      # in code\n".repeat(10)),
            3 => text.push_str(&format!("```sh\n{}```\n", "# a comment\nrun --it\n\n".repeat(40))),
            4 => text.push_str(&format!("| a | b |\n|---|---|\n{}", "| one | two |\n".repeat(60))),
            _ => text.push_str(&"> a quote that goes on\n> and on\n".repeat(20)),
        }
        text.push_str("\n\n");
    }
    text
}

fn rust(length: usize) -> String {
    let mut text = String::new();
    for n in 0.. {
        if text.len() > length {
            return text;
        }
        text.push_str(&format!(
            "/// Adds {n}.\n#[inline]\npub fn add{n}(a: u32) -> u32 {{\n    // carefully\n    a + {n}\n}}\n\n"
        ));
    }
    text
}

#[test]
fn pieces_give_the_chunks_of_the_whole() {
    let (tokenizer, config) = (tokenizer(), ChunkerConfig::model());
    let chunker = chunker(config);
    let mut rng = StdRng::seed_from_u64(7);
    let texts = [
        (head(Markup::Plain, None), prose("The ferry leaves at noon, and it carries people.", 200_000)),
        (head(Markup::Plain, None), prose("他说今天天气很好，我们去公园散步吧。", 150_000)),
        (head(Markup::Plain, None), "ประเทศไทยเป็นประเทศที่สวยงาม ตั้งอยู่ในเอเชีย".repeat(1_500)),
        (head(Markup::Markdown, None), markdown(250_000)),
        (head(Markup::Markdown, None), format!("| a | b |\n|---|---|\n{}", "| one | two |\n".repeat(15_000))),
        (head(Markup::Plain, Some("rust")), rust(600_000)),
        (head(Markup::Plain, Some("lua")), "function f()\n  return 1\nend\n\n".repeat(12_000)),
        (head(Markup::Markdown, None), random_text(&mut rng, 200_000)),
        (head(Markup::Plain, None), random_text(&mut rng, 200_000)),
        (head(Markup::Plain, Some("python")), random_text(&mut rng, 300_000)),
    ];
    for (number, (head, text)) in texts.iter().enumerate() {
        let whole = pieces(&chunker, head, text, || usize::MAX / 2);
        check(&tokenizer, config, text, &whole);
        for chunk in &whole {
            assert_eq!(chunk.page, Some((chunk.span.start / 5_000) as u32 + 1));
        }
        for most in [3_000, 60_000, 400_000] {
            let cut = pieces(&chunker, head, text, || rng.random_range(1..most));
            assert!(cut == whole, "text {number} in pieces of up to {most} bytes is cut otherwise");
        }
    }
    // Character by character.
    let text = markdown(70_000);
    let head = head(Markup::Markdown, None);
    let whole = pieces(&chunker, &head, &text, || usize::MAX / 2);
    assert!(pieces(&chunker, &head, &text, || 1) == whole);
}

#[test]
fn chunks_come_while_the_text_flows() {
    let chunker = chunker(ChunkerConfig::model());
    for (head, piece) in [
        (head(Markup::Plain, None), "no end ".repeat(10_000)),
        (head(Markup::Plain, None), "\n ".repeat(40_000)),
        (head(Markup::Markdown, None), format!("```\n{}", "a line\n".repeat(10_000))),
        (head(Markup::Markdown, None), "<!-- \n".repeat(10_000)),
        (head(Markup::Markdown, None), "- item\n".repeat(10_000)),
        (head(Markup::Plain, Some("java")), "class A { void b() { c(); }\n".repeat(3_000)),
    ] {
        let mut cutting = chunker.begin(&head, DOCUMENT, Version(1));
        let (mut pushed, mut done) = (0, 0);
        for _ in 0..12 {
            pushed += piece.len() as u64;
            let chunks = cutting.push(TextPart { text: piece.clone(), pages: Vec::new() }).unwrap();
            done = chunks.last().map_or(done, |chunk| chunk.span.end);
            let blank = piece.trim().is_empty();
            assert!(blank || pushed - done <= 300_000, "{} bytes are held", pushed - done);
        }
    }
}

#[test]
fn a_block_larger_than_a_window_keeps_its_nature() {
    let chunker = chunker(ChunkerConfig::model());
    let code: String = (0..20_000).map(|n| format!("# comment {n}\nrun {n}\n\n")).collect();
    let rows: String = (0..12_000).map(|n| format!("| {n} | number {n} | # {n} |\n")).collect();
    let text = format!(
        "# Before\n\n```sh\n{code}```\n\n## Between\n\n| n | name | mark |\n|---|---|---|\n{rows}\n\n# After\n\nwords"
    );
    let chunks = pieces(&chunker, &head(Markup::Markdown, None), &text, || 50_000);
    check(&tokenizer(), ChunkerConfig::model(), &text, &chunks);
    let (between, after) = (text.find("## Between").unwrap(), text.find("# After").unwrap());
    for chunk in &chunks {
        let expected: &[&str] = match chunk.span.start as usize {
            at if at < between => &["Before"],
            at if at < after => &["Before", "Between"],
            _ => &["After"],
        };
        assert_eq!(chunk.headings, expected, "{:?}", chunk.text);
        if chunk.span.start as usize > between && chunk.span.end as usize <= after {
            let whole = chunk.text.lines().all(|line| line.starts_with('|') && line.ends_with('|'));
            assert!(whole || chunk.text.starts_with("## Between"), "rows are whole: {:?}", chunk.text);
        }
        if chunk.text.contains("run") && !chunk.text.starts_with("# Before") {
            assert!(
                chunk.text.starts_with("# comment"),
                "a comment stays with its command: {:?}",
                chunk.text
            );
        }
    }
}
