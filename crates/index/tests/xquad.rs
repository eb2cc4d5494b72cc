//! How well questions find their passages: XQuAD in four languages, cut by the
//! chunker and embedded by the real model, against floors of nDCG@10.
//!
//! The data (240 passages and 1,190 questions a language, deepmind/xquad in
//! BEIR layout) is read from the folder that `RAGSTREAM_XQUAD` names, or from
//! `shared/testdata/xquad` beside the working tree; without it nothing is measured.
#![allow(clippy::unwrap_used)]

mod common;

use common::{at, commit, document, reference};
use ragstream_chunk::{Chunker, ChunkerConfig};
use ragstream_core::{
    event::{ChunkEmbedded, IndexEvent},
    id::Version,
    ports::Embedder,
    text::DocumentText,
};
use ragstream_embedder::{EmbedderConfig, FastEmbedder};
use ragstream_index::{Index, IndexConfig, Legs, SearchRequest};
use serde_json::Value;
use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

fn part(variable: &str, default: &str) -> PathBuf {
    let path = std::env::var_os(variable)
        .map_or_else(|| root().join(".ragstream/parts").join(default), PathBuf::from);
    assert!(path.exists(), "{} is not there: run `make parts`, or set {variable}", path.display());
    path
}

fn data(language: &str) -> Option<PathBuf> {
    let folder = match std::env::var_os("RAGSTREAM_XQUAD") {
        Some(folder) => Some(PathBuf::from(folder)),
        None => root().ancestors().map(|above| above.join("shared/testdata/xquad")).find(|f| f.is_dir()),
    };
    let found = folder.map(|folder| folder.join(language)).filter(|folder| folder.is_dir());
    if found.is_none() {
        println!("xquad {language}: not measured, the data is not here (RAGSTREAM_XQUAD names its folder)");
    }
    found
}

static MODEL: LazyLock<FastEmbedder> = LazyLock::new(|| {
    let mut config = EmbedderConfig::new(
        part("RAGSTREAM_MODEL_DIR", "model"),
        part("RAGSTREAM_ONNXRUNTIME", "onnxruntime/libonnxruntime.so"),
    );
    config.sessions = 2;
    FastEmbedder::load(&config).unwrap()
});

fn embed(texts: &[&str]) -> Vec<Vec<f32>> {
    MODEL.embed(texts).unwrap().into_iter().map(Result::unwrap).collect()
}

/// Id and text of each line.
fn lines(path: &Path) -> Vec<(String, String)> {
    let read = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        (value["_id"].as_str().unwrap().to_owned(), value["text"].as_str().unwrap().to_owned())
    };
    fs::read_to_string(path).unwrap().lines().map(read).collect()
}

/// The only right passage of each question.
fn answers(path: &Path) -> HashMap<String, String> {
    let text = fs::read_to_string(path).unwrap();
    let pairs = text.lines().skip(1).map(|line| {
        let mut fields = line.split('\t');
        (fields.next().unwrap().to_owned(), fields.next().unwrap().to_owned())
    });
    pairs.collect()
}

/// A passage is a document of its own; the index has all chunks of all of them.
fn index(passages: &[(String, String)]) -> Index {
    let chunker = Arc::new(
        Chunker::new(part("RAGSTREAM_MODEL_DIR", "model").join("tokenizer.json"), ChunkerConfig::model())
            .unwrap(),
    );
    let mut chunks = Vec::new();
    let mut events = Vec::new();
    for (number, (_, text)) in passages.iter().enumerate() {
        let text = DocumentText { text: text.clone(), ..DocumentText::default() };
        let cut = chunker.chunks(&text, document(number as u128), Version(1)).unwrap();
        events.push(commit(number as u128, 1, cut.len() as u32));
        chunks.extend(cut.into_iter().map(|chunk| (number as u128, chunk)));
    }
    let texts: Vec<&str> = chunks.iter().map(|(_, chunk)| chunk.text.as_str()).collect();
    let vectors = embed(&texts);
    let embedded = chunks.into_iter().zip(vectors).map(|((number, chunk), vector)| {
        let document = reference(number, 1);
        IndexEvent::Chunk(Box::new(ChunkEmbedded { document, chunk, model: "m".into(), vector }))
    });
    let events = at(0, embedded.collect::<Vec<_>>().into_iter().chain(events));
    let index = Index::new(IndexConfig { dimension: 384, ..IndexConfig::default() }).unwrap();
    index.apply(events).unwrap();
    index
}

/// nDCG@10 of one leg or both; one passage is right, so that the ideal is 1.
fn ndcg(
    index: &Index,
    passages: &[(String, String)],
    questions: &[(String, String)],
    vectors: &[Vec<f32>],
    answers: &HashMap<String, String>,
    mode: Legs,
) -> f64 {
    let mut sum = 0.0;
    for ((id, text), vector) in questions.iter().zip(vectors) {
        let request = SearchRequest {
            text: text.clone(),
            vector: Some(vector.clone()),
            top_k: 40,
            mode,
            ..SearchRequest::default()
        };
        let mut ranked: Vec<&str> = Vec::new();
        for hit in index.search(&request).unwrap().hits {
            let passage = passages[hit.record.document.document_id.0.as_u128() as usize].0.as_str();
            if !ranked.contains(&passage) {
                ranked.push(passage);
            }
        }
        let rank = ranked.iter().take(10).position(|passage| *passage == answers[id]);
        sum += rank.map_or(0.0, |rank| 1.0 / ((rank + 2) as f64).log2());
    }
    sum / questions.len() as f64
}

fn measure(language: &str, floor: f64) {
    let Some(folder) = data(language) else { return };
    let passages = lines(&folder.join("corpus.jsonl"));
    let questions = lines(&folder.join("queries.jsonl"));
    let answers = answers(&folder.join("qrels.tsv"));
    let index = index(&passages);
    let texts: Vec<&str> = questions.iter().map(|(_, text)| text.as_str()).collect();
    let vectors = embed(&texts);
    let [keyword, vector, hybrid] = [Legs::Keyword, Legs::Vector, Legs::Hybrid]
        .map(|mode| ndcg(&index, &passages, &questions, &vectors, &answers, mode));
    println!(
        "xquad {language}: nDCG@10 keyword {keyword:.4} vector {vector:.4} hybrid {hybrid:.4} ({} chunks)",
        index.stats().visible
    );
    assert!(hybrid >= floor, "{language}: hybrid nDCG@10 {hybrid:.4} is below {floor}");
}

#[test]
fn english_passages_are_found() {
    measure("en", 0.97);
}

#[test]
fn chinese_passages_are_found() {
    measure("zh", 0.95);
}

#[test]
fn arabic_passages_are_found() {
    measure("ar", 0.90);
}

#[test]
fn german_passages_are_found() {
    measure("de", 0.92);
}
