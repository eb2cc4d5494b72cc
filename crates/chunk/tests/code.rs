//! Source code is cut at items and knows what it is in.
#![allow(clippy::unwrap_used)]

mod common;

use common::{check, chunker, cut, cut_code, tokenizer};
use ragstream_chunk::ChunkerConfig;
use ragstream_core::{chunk::Chunk, text::Markup};

fn small() -> ChunkerConfig {
    ChunkerConfig { size: 120, overlap: 20, ..ChunkerConfig::model() }
}

fn cut_small(language: &str, code: &str) -> Vec<Chunk> {
    let chunks = cut_code(&chunker(small()), language, code);
    check(&tokenizer(), small(), code, &chunks);
    chunks
}

/// Statements that fill about half a chunk.
fn body(indent: &str, end: &str) -> String {
    (0..6).map(|n| format!("{indent}total = total + weight * {n}{end}\n")).collect()
}

/// Each chunk that has the beginning of a function begins with what documents it.
fn begins_with_documentation(chunks: &[Chunk], declaration: &str, documentation: &str) {
    let mut seen = 0;
    for chunk in chunks.iter().filter(|chunk| chunk.text.contains(declaration)) {
        let first = chunk.text.find(declaration).unwrap();
        assert!(chunk.text[..first].contains(documentation), "{:?}", chunk.text);
        seen += 1;
    }
    assert!(seen > 2);
}

#[test]
fn rust() {
    let methods: String = (0..8)
        .map(|n| format!("    /// Weighs number {n}.\n    ///\n    /// With care.\n    #[inline]\n    pub fn weigh{n}(&mut self) {{\n{}    }}\n\n", body("        ", ";")))
        .collect();
    let code = format!(
        "use std::fmt;\n\n/// A scale.\npub struct Scale;\n\nimpl fmt::Debug for Scale {{\n{methods}}}\n"
    );
    let chunks = cut_small("rust", &code);
    begins_with_documentation(&chunks, "pub fn weigh", "/// Weighs");
    for n in 1..8 {
        let name = format!("fn weigh{n}");
        let chunk = chunks.iter().find(|chunk| chunk.text.contains(&name)).unwrap();
        assert!(chunk.text.contains("weight * 5"), "a function that fits is whole: {:?}", chunk.text);
        assert_eq!(chunk.headings, ["impl fmt::Debug for Scale", &name], "{:?}", chunk.text);
    }
}

#[test]
fn python() {
    let methods: String = (0..6)
        .map(|n| format!("    # Weighs number {n}.\n    @cached\n    def weigh{n}(self, weight):\n{}        return total\n\n", body("        ", "")))
        .collect();
    let code = format!(
        "import os\n\n\nclass Scale:\n    \"\"\"A scale.\"\"\"\n\n{methods}\n\ndef main():\n    pass\n"
    );
    let chunks = cut_small("python", &code);
    begins_with_documentation(&chunks, "def weigh", "# Weighs");
    for n in 1..5 {
        let chunk = chunks.iter().find(|chunk| chunk.text.contains(&format!("def weigh{n}"))).unwrap();
        assert_eq!(chunk.headings[0], "class Scale");
        assert!(chunk.text.contains("return total"), "{:?}", chunk.text);
    }
}

#[test]
fn a_function_larger_than_a_chunk_is_cut_between_statements_and_named_in_all() {
    let code = format!(
        "class A {{\n    public static long sum(int weight) {{\n{}        return total;\n    }}\n}}\n",
        body("        ", ";").repeat(8)
    );
    let chunks = cut_small("java", &code);
    assert!(chunks.len() > 3);
    for chunk in &chunks {
        assert_eq!(
            chunk.headings,
            ["class A", "long sum"][..if chunk.position == 0 { 1 } else { 2 }],
            "{:?}",
            chunk.text
        );
        let last = chunk.text.lines().next_back().unwrap();
        assert!(last.ends_with([';', '{', '}']), "{last:?}");
        assert!(
            chunk.text.lines().next().unwrap().trim_start().starts_with(['t', 'c', 'r']),
            "{:?}",
            chunk.text
        );
    }
    assert!(chunks.windows(2).any(|pair| pair[1].span.start < pair[0].span.end), "statements are repeated");
}

#[test]
fn items_are_known_in_every_grammar() {
    for (language, code, path) in [
        (
            "go",
            "package a\n\nfunc (c *Cutting) Push(p int) error {\n\treturn nil\n}\n",
            vec!["func (c *Cutting) Push"],
        ),
        ("javascript", "export class A {\n  async push(part) {\n    go();\n  }\n}\n", vec!["class A"]),
        ("typescript", "export const push = (part: string): void => {\n  go(part);\n};\n", vec!["push"]),
        ("c", "static int *push(int part)\n{\n\treturn 0;\n}\n", vec!["*push"]),
        (
            "c++",
            "namespace a {\ntemplate <typename T>\nclass B {\n  int c;\n};\n}\n",
            vec!["namespace a", "class B"],
        ),
        (
            "c#",
            "namespace A {\n  public class B {\n    int C() {\n      return 1;\n    }\n  }\n}\n",
            vec!["namespace A", "class B", "int C"],
        ),
        (
            "ruby",
            "module A\n  class B\n    def c\n      1\n    end\n  end\nend\n",
            vec!["module A", "class B"],
        ),
        ("php", "<?php\nclass A {\n  public function b() {\n    return 1;\n  }\n}\n", vec!["class A"]),
        ("shell", "#!/bin/sh\npush() {\n  echo 1\n}\n", vec!["push"]),
    ] {
        let config = ChunkerConfig { size: 8, overlap: 0, ..ChunkerConfig::model() };
        let chunks = cut_code(&chunker(config), language, code);
        check(&tokenizer(), config, code, &chunks);
        let deepest =
            chunks.iter().map(|chunk| &chunk.headings).max_by_key(|headings| headings.len()).unwrap();
        assert!(
            deepest.starts_with(&path.iter().map(|s| s.to_string()).collect::<Vec<_>>()),
            "{language}: {deepest:?}"
        );
    }
}

#[test]
fn a_very_large_file_keeps_the_path() {
    let methods: String =
        (0..6_000).map(|n| format!("    void method{n}() {{\n        call({n});\n    }}\n\n")).collect();
    let code = format!(
        "package a;\n\nclass Large {{\n{methods}}}\n\nclass Small {{\n    void last() {{\n        done();\n    }}\n}}\n"
    );
    assert!(code.len() > 300_000);
    let chunks = cut_small("java", &code);
    let end = code.find("class Small").unwrap() as u64;
    for chunk in chunks.iter().filter(|chunk| chunk.text.contains("void method") && chunk.span.end < end) {
        if !chunk.text.contains("class Large") {
            assert_eq!(chunk.headings.first().map(String::as_str), Some("class Large"), "{:?}", chunk.text);
        }
        assert!(
            ["    void", "package"].iter().any(|start| chunk.text.starts_with(start)),
            "{:?}",
            chunk.text
        );
    }
    assert!(chunks.last().unwrap().headings.iter().all(|heading| !heading.contains("Large")));
}

#[test]
fn code_of_a_language_without_grammar_is_cut_between_blocks() {
    let code: String = (0..20)
        .map(|n| {
            format!(
                "-- Weighs number {n}.\nfunction weigh{n}(weight)\n{}  return total\nend\n\n",
                body("  ", "")
            )
        })
        .collect();
    let chunks = cut_small("lua", &code);
    for chunk in &chunks {
        assert!(chunk.text.starts_with("-- Weighs") && chunk.text.ends_with("end"), "{:?}", chunk.text);
    }
}

#[test]
fn code_in_markdown_is_cut_between_its_items() {
    let functions: String = (0..10)
        .map(|n| format!("# Weighs number {n}.\ndef weigh{n}(weight):\n{}\n", body("    ", "")))
        .collect();
    for fence in ["```python", "```", "~~~ lua"] {
        let text =
            format!("# Scales\n\nHow to weigh:\n\n{fence}\n{functions}{}\n\nThat is all.\n", &fence[..3]);
        let chunks = cut(&chunker(small()), Markup::Markdown, &text);
        check(&tokenizer(), small(), &text, &chunks);
        for chunk in &chunks {
            assert_eq!(chunk.headings, ["Scales"]);
        }
        let inside =
            chunks.iter().filter(|chunk| chunk.text.contains("def ") && !chunk.text.contains("Scales"));
        for chunk in inside {
            assert!(chunk.text.starts_with("# Weighs"), "{fence}: {:?}", chunk.text);
        }
    }
}
