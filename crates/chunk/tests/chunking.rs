//! Chunks by the real tokenizer.
#![allow(clippy::unwrap_used)]

mod common;

use common::{DOCUMENT, check, chunker, cut, random_text, tokenizer, tokenizer_json};
use ragstream_chunk::{Chunker, ChunkerConfig, Unit};
use ragstream_core::{
    id::{ChunkId, Version},
    text::{DocumentText, Markup, PageStart},
};
use rand::{SeedableRng, rngs::StdRng};

#[test]
fn any_text_is_cut_without_loss_and_to_size() {
    let tokenizer = tokenizer();
    let configs = [
        ChunkerConfig::model(),
        ChunkerConfig::tokens_500_50(),
        ChunkerConfig::chars_1000_200(),
        ChunkerConfig { size: 7, overlap: 3, ..ChunkerConfig::model() },
        ChunkerConfig { size: 30, overlap: 0, ..ChunkerConfig::model() },
    ];
    for config in configs {
        let chunker = chunker(config);
        for seed in 0..24 {
            let mut rng = StdRng::seed_from_u64(seed);
            let length = [10, 300, 3_000, 20_000][seed as usize % 4];
            let text = random_text(&mut rng, length);
            for markup in [Markup::Plain, Markup::Markdown] {
                let chunks = cut(&chunker, markup, &text);
                check(&tokenizer, config, &text, &chunks);
                assert_eq!(chunks, cut(&chunker, markup, &text), "seed {seed}");
            }
        }
    }
}

#[test]
fn several_sections_are_cut_without_loss() {
    let (tokenizer, config) = (tokenizer(), ChunkerConfig::model());
    let chunker = chunker(config);
    for (seed, markup) in [(100, Markup::Plain), (101, Markup::Markdown)] {
        let text = random_text(&mut StdRng::seed_from_u64(seed), 150_000);
        check(&tokenizer, config, &text, &cut(&chunker, markup, &text));
    }
}

#[test]
fn whitespace_has_no_chunks() {
    let chunker = chunker(ChunkerConfig::model());
    for text in ["", " ", "\n\n\t \u{a0}\u{2003}", &" \n".repeat(50_000)] {
        assert!(cut(&chunker, Markup::Plain, text).is_empty());
        assert!(cut(&chunker, Markup::Markdown, text).is_empty());
    }
}

#[test]
fn a_word_without_end_is_cut_by_characters() {
    let (tokenizer, config) = (tokenizer(), ChunkerConfig::model());
    let chunker = chunker(config);
    for word in ["a", "é", "中", "😀", "ก", "\u{301}", "=", "Ab3"] {
        let text = word.repeat(100_000 / word.len());
        let chunks = cut(&chunker, Markup::Plain, &text);
        assert!(chunks.len() > 10, "{word:?}: {}", chunks.len());
        check(&tokenizer, config, &text, &chunks);
    }
}

#[test]
fn chunks_end_with_sentences_and_overlap() {
    let text = "The ferry leaves at noon. It carries cars and people across the sound. ".repeat(200);
    let chunks = cut(&chunker(ChunkerConfig::model()), Markup::Plain, &text);
    assert!(chunks.len() > 5);
    for pair in chunks.windows(2) {
        assert!(pair[0].text.ends_with('.'), "{:?}", pair[0].text);
        assert!(pair[0].tokens > 150, "chunks are filled");
        assert!(pair[1].span.start < pair[0].span.end, "neighbours share a sentence");
    }
    let apart = ChunkerConfig { overlap: 0, ..ChunkerConfig::model() };
    for pair in cut(&chunker(apart), Markup::Plain, &text).windows(2) {
        assert!(pair[1].span.start >= pair[0].span.end);
    }
}

#[test]
fn pages_and_headings_are_known() {
    let body = "Some words that fill the page until a chunk is full of them. ".repeat(30);
    let text = format!("# One\n\n{body}\n\n## Two\n\n{body}\n\n# Three\n\n{body}");
    let second = text.find("## Two").unwrap() as u64;
    let pages = vec![PageStart { page: 1, byte_offset: 0 }, PageStart { page: 2, byte_offset: second }];
    let document = DocumentText { text, pages, markup: Markup::Markdown, ..DocumentText::default() };
    let chunks = chunker(ChunkerConfig::model()).chunks(&document, DOCUMENT, Version(1)).unwrap();
    for chunk in &chunks {
        assert_eq!(chunk.page, Some(if chunk.span.start < second { 1 } else { 2 }));
        let expected: &[&str] = match chunk.span.start {
            at if at < second => &["One"],
            at if (at as usize) < document.text.find("# Three").unwrap() => &["One", "Two"],
            _ => &["Three"],
        };
        assert_eq!(chunk.headings, expected);
    }
    assert_eq!(
        chunks.iter().filter(|chunk| chunk.text.starts_with('#')).count(),
        3,
        "a heading begins a chunk"
    );
}

#[test]
fn ids_follow_from_document_version_name_and_position() {
    let chunker = chunker(ChunkerConfig::model());
    assert_eq!(chunker.name(), "tokens-200-20-v2");
    let chunk = cut(&chunker, Markup::Plain, "text").remove(0);
    assert_eq!(chunk.id, ChunkId::derive(DOCUMENT, Version(1), "tokens-200-20-v2", 0));
    let name = |preset: &str| common::chunker(preset.parse().unwrap()).name().to_owned();
    assert_eq!(name("tokens_500_50"), "tokens-500-50-max254-v2");
    assert_eq!(name("chars_1000_200"), "chars-1000-200-max254tokens-v2");
    assert!("x".parse::<ChunkerConfig>().is_err());
    assert_eq!(name("tokens:300:30"), "tokens-300-30-max254-v2");
}

#[test]
fn size_and_overlap_may_be_told() {
    let model = ChunkerConfig::model();
    let parse = |name: &str| name.parse::<ChunkerConfig>();
    assert_eq!(parse("tokens:120:12").unwrap(), ChunkerConfig { size: 120, overlap: 12, ..model });
    let characters = ChunkerConfig { unit: Unit::Characters, size: 1500, overlap: 100, ..model };
    assert_eq!(parse("chars:1500:100").unwrap(), characters);
    for (bad, why) in [
        ("tokens", "as in `tokens:300:30`"),
        ("words:3:1", "as in `tokens:300:30`"),
        ("tokens:300", "as in `tokens:300:30`"),
        ("tokens:many:1", "as in `tokens:300:30`"),
        ("tokens:-5:1", "as in `tokens:300:30`"),
        ("tokens:0:0", "can't be 0"),
        ("chars:100:100", "leaves no room"),
        ("tokens:500:254", "leaves no room"),
    ] {
        let error = parse(bad).unwrap_err().to_string();
        assert!(error.contains(why), "{bad}: {error}");
    }
}

/// Sentences that differ, so that what is repeated can be told.
fn sentences(count: usize) -> String {
    (0..count).map(|n| format!("Ferry number {n} leaves at noon and carries people. ")).collect()
}

#[test]
fn presets_fill_their_chunks_and_repeat_what_they_promise() {
    let text = sentences(400);
    for (name, least, overlap) in [
        ("model", 180, 20),
        ("tokens_500_50", 230, 50),
        ("chars_1000_200", 180, 60),
        ("tokens:100:40", 85, 40),
    ] {
        let config: ChunkerConfig = name.parse().unwrap();
        let chunks = cut(&chunker(config), Markup::Plain, &text);
        check(&tokenizer(), config, &text, &chunks);
        for pair in chunks.windows(2) {
            assert!(pair[0].tokens >= least, "{name}: {} tokens", pair[0].tokens);
            assert!(pair[0].text.ends_with('.') && pair[1].text.starts_with("Ferry"), "{name}");
            let shared = &text[pair[1].span.start as usize..pair[0].span.end as usize];
            let tokens = tokenizer().encode(shared, false).unwrap().len();
            assert!(tokens <= overlap, "{name} repeats {tokens} tokens");
            assert!(tokens + 1 >= overlap / 2, "{name} repeats only {tokens} tokens");
        }
    }
}

#[test]
fn little_is_repeated_where_the_model_reads_less_than_was_asked_for() {
    let text = "他说今天天气很好，我们去公园散步吧。".repeat(200);
    let config = ChunkerConfig::chars_1000_200();
    let chunks = cut(&chunker(config), Markup::Plain, &text);
    check(&tokenizer(), config, &text, &chunks);
    let all: usize = chunks.iter().map(|chunk| chunk.text.len()).sum();
    assert!(all < text.len() * 4 / 3, "{all} of {}", text.len());
}

#[test]
fn nothing_is_repeated_below_another_heading() {
    let section = |n: usize| format!("## Part {n}\n\n{}\n\n", sentences(3 + n % 30));
    let text: String = (0..40).map(section).collect();
    let config = ChunkerConfig::tokens_500_50();
    let chunks = cut(&chunker(config), Markup::Markdown, &text);
    check(&tokenizer(), config, &text, &chunks);
    let mut repeated = 0;
    for pair in chunks.windows(2) {
        if pair[1].span.start < pair[0].span.end {
            let shared = &text[pair[1].span.start as usize..pair[0].span.end as usize];
            assert!(
                !shared.trim_start_matches(|c| c != '#').contains("##") || shared.starts_with("##"),
                "{shared}"
            );
            repeated += 1;
        }
        let above = text[..pair[1].span.start as usize + 3].rfind("## ").unwrap();
        assert!(text[above + 3..].starts_with(&pair[1].headings[0]), "{:?}", pair[1].headings);
    }
    assert!(repeated > 5);
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let model = ChunkerConfig::model();
    for bad in [
        ChunkerConfig { size: 0, ..model },
        ChunkerConfig { model_tokens: 0, ..model },
        ChunkerConfig { overlap: 200, ..model },
        ChunkerConfig { size: 500, overlap: 254, ..model },
    ] {
        assert!(Chunker::new(tokenizer_json(), bad).is_err(), "{bad:?}");
    }
    let missing = Chunker::new("/nonexistent/tokenizer.json", model).map(|_| ()).unwrap_err();
    assert!(missing.to_string().contains("/nonexistent/tokenizer.json"));
}
