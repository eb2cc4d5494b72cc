//! The real tokenizer, random texts, and what holds for all chunks.
#![allow(dead_code, clippy::unwrap_used)]

use ragstream_chunk::{Chunker, ChunkerConfig};
use ragstream_core::{
    chunk::Chunk,
    id::{DocumentId, Version},
    text::{DocumentText, Markup, TextHead, TextPart},
};
use rand::{RngExt, rngs::StdRng};
use std::path::{Path, PathBuf};
use tokenizers::Tokenizer;

pub fn tokenizer_json() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let folder = std::env::var_os("RAGSTREAM_MODEL_DIR")
        .map_or_else(|| root.join(".ragstream/parts/model"), PathBuf::from);
    let path = folder.join("tokenizer.json");
    assert!(path.exists(), "{} is not there: run `make parts`, or set RAGSTREAM_MODEL_DIR", path.display());
    path
}

pub fn chunker(config: ChunkerConfig) -> Chunker {
    Chunker::new(tokenizer_json(), config).unwrap()
}

/// An independent count.
pub fn tokenizer() -> Tokenizer {
    let mut tokenizer = Tokenizer::from_file(tokenizer_json()).unwrap();
    tokenizer.with_truncation(None).unwrap();
    tokenizer.with_padding(None);
    tokenizer
}

pub const DOCUMENT: DocumentId = DocumentId(uuid::Uuid::nil());

pub fn cut(chunker: &Chunker, markup: Markup, text: &str) -> Vec<Chunk> {
    let text = DocumentText { text: text.to_owned(), markup, ..DocumentText::default() };
    chunker.chunks(&text, DOCUMENT, Version(1)).unwrap()
}

pub fn cut_code(chunker: &Chunker, language: &str, text: &str) -> Vec<Chunk> {
    let head = TextHead { language: Some(language.to_owned()), ..TextHead::default() };
    let mut cutting = chunker.begin(&head, DOCUMENT, Version(1));
    let mut chunks = cutting.push(TextPart { text: text.to_owned(), pages: Vec::new() }).unwrap();
    chunks.extend(cutting.finish().unwrap());
    chunks
}

/// What holds for all chunks of all texts.
pub fn check(tokenizer: &Tokenizer, config: ChunkerConfig, text: &str, chunks: &[Chunk]) {
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
pub const PIECES: &[&str] = &[
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
pub const BLANKS: &[&str] = &["", " ", " ", " ", "\n", "\n\n", "\r\n", "\t", "\u{a0}", "\u{2028}", "   \n  "];

pub fn random_text(rng: &mut StdRng, length: usize) -> String {
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
