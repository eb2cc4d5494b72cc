//! Chunks by the real tokenizer.
#![allow(clippy::unwrap_used)]

use ragstream_chunk::{Chunker, ChunkerConfig};
use ragstream_core::{
    chunk::Chunk,
    id::{ChunkId, DocumentId, Version},
    text::{DocumentText, Markup, PageStart},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::path::{Path, PathBuf};
use tokenizers::Tokenizer;

fn tokenizer_json() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let folder = std::env::var_os("RAGSTREAM_MODEL_DIR")
        .map_or_else(|| root.join(".ragstream/parts/model"), PathBuf::from);
    let path = folder.join("tokenizer.json");
    assert!(path.exists(), "{} is not there: run `make parts`, or set RAGSTREAM_MODEL_DIR", path.display());
    path
}

fn chunker(config: ChunkerConfig) -> Chunker {
    Chunker::new(tokenizer_json(), config).unwrap()
}

/// An independent count.
fn tokenizer() -> Tokenizer {
    let mut tokenizer = Tokenizer::from_file(tokenizer_json()).unwrap();
    tokenizer.with_truncation(None).unwrap();
    tokenizer.with_padding(None);
    tokenizer
}

const DOCUMENT: DocumentId = DocumentId(uuid::Uuid::nil());

fn cut(chunker: &Chunker, markup: Markup, text: &str) -> Vec<Chunk> {
    let text = DocumentText { text: text.to_owned(), markup, ..DocumentText::default() };
    chunker.chunks(&text, DOCUMENT, Version(1)).unwrap()
}

/// What holds for all chunks of all texts.
fn check(tokenizer: &Tokenizer, config: ChunkerConfig, text: &str, chunks: &[Chunk]) {
    let mut covered = 0;
    let mut last_start = 0;
    for (position, chunk) in chunks.iter().enumerate() {
        let (start, end) = (chunk.span.start as usize, chunk.span.end as usize);
        assert_eq!(chunk.text, text[start..end]);
        assert!(!chunk.text.trim().is_empty());
        assert_eq!(chunk.position as usize, position);
        assert!(
            position == 0 || start > last_start,
            "chunks are in order and none begins where another does"
        );
        if start > covered {
            assert!(text[covered..start].trim().is_empty(), "lost {:?}", &text[covered..start]);
        }
        assert!(end > covered, "a chunk adds something");
        (covered, last_start) = (end, start);
        let tokens = tokenizer.encode(chunk.text.as_str(), false).unwrap().len();
        assert_eq!(tokens, chunk.tokens as usize);
        assert!(tokens <= config.model_tokens, "{tokens} tokens");
        match config.unit {
            ragstream_chunk::Unit::Tokens => assert!(tokens <= config.size, "{tokens} tokens"),
            ragstream_chunk::Unit::Characters => assert!(chunk.text.chars().count() <= config.size),
        }
        assert!(chunk.text.len() <= 16 * config.model_tokens, "{} bytes", chunk.text.len());
    }
    assert!(text[covered..].trim().is_empty(), "lost {:?}", &text[covered..]);
}

/// Words of many scripts, marks, blanks, and things that are hard on tokenizers.
const PIECES: &[&str] = &[
    "the",
    "retrieval",
    "antidisestablishmentarianism",
    "a",
    "Straße",
    "naïve",
    "e\u{301}te\u{301}",
    "北京是中国的首都",
    "。",
    "مرحبا",
    "بالعالم",
    "שלום",
    "สวัสดีครับ",
    "日本語のテキスト",
    "한국어",
    "😀",
    "👨‍👩‍👧‍👦",
    "🇩🇪",
    "\u{200b}",
    "\u{0}",
    "\u{feff}",
    "3.14159",
    "foo_bar(baz);",
    "[SEP]",
    "[UNK]",
    ".",
    ",",
    "!?",
    "…",
    "#",
    "##",
    "# Heading",
    "- item",
    "| a | b |",
    "```",
    "> quote",
    "---",
    "$x^2$",
    "<b>",
    "https://example.org/a?b=c",
    "\u{1f}",
    "ﬀ",
    "İ",
    "ǅ",
];
const BLANKS: &[&str] = &["", " ", " ", " ", "\n", "\n\n", "\r\n", "\t", "\u{a0}", "\u{2028}", "   \n  "];

fn random_text(rng: &mut StdRng, length: usize) -> String {
    let mut text = String::new();
    while text.len() < length {
        let piece = PIECES[rng.random_range(0..PIECES.len())];
        // Now and then something endless.
        let times = if rng.random_bool(0.01) { rng.random_range(1..400) } else { 1 };
        text.push_str(&piece.repeat(times));
        text.push_str(BLANKS[rng.random_range(0..BLANKS.len())]);
    }
    text
}

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
    assert_eq!(chunker.name(), "tokens-200-20-v1");
    let chunk = cut(&chunker, Markup::Plain, "text").remove(0);
    assert_eq!(chunk.id, ChunkId::derive(DOCUMENT, Version(1), "tokens-200-20-v1", 0));
    let name = |preset| self::chunker(ChunkerConfig::preset(preset).unwrap()).name().to_owned();
    assert_eq!(name("tokens_500_50"), "tokens-500-50-max254-v1");
    assert_eq!(name("chars_1000_200"), "chars-1000-200-max254tokens-v1");
    assert_eq!(ChunkerConfig::preset("x"), None);
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
