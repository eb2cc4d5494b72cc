//! The reranker over the real runtime and a real tokenizer, with graphs small enough to know their scores.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "../src/graph.rs"]
mod graph;
#[allow(dead_code)]
#[path = "../src/onnx.rs"]
mod onnx;

use graph::GraphBuilder;
use onnx::{AttributeProto, Dimension, FLOAT, INT64, ValueInfoProto};
use ragstream_core::{fault::FaultKind, ports::Reranker};
use ragstream_embedder::{CrossEncoder, EmbedderError, RerankerConfig};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use tokenizers::Tokenizer;

const QUESTION: &str = "Who pays the invoice?";

fn part(variable: &str, default: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).unwrap();
    let path =
        std::env::var_os(variable).map_or_else(|| root.join(".ragstream/parts").join(default), PathBuf::from);
    assert!(path.exists(), "{} is not there: run `make parts`, or set {variable}", path.display());
    path
}

fn model() -> PathBuf {
    part("RAGSTREAM_MODEL_DIR", "model")
}

/// The ONNX file of a graph that gives `output` the value that `body` makes of the inputs.
fn onnx(inputs: &[&str], output: &str, body: impl FnOnce(&mut GraphBuilder) -> String) -> Vec<u8> {
    let mut graph = GraphBuilder::default();
    let result = body(&mut graph);
    let named = |name: &str| Dimension::Named(name.to_owned());
    let input = |name: &&str| ValueInfoProto::tensor(name, INT64, &[named("batch"), named("sequence")]);
    let shape = [named("batch"), Dimension::Fixed(1)];
    let inputs = inputs.iter().map(input).collect();
    graph.finish(inputs, &result, ValueInfoProto::tensor(output, FLOAT, &shape))
}

/// The sum of a row, as a float: `[batch, 1]`.
fn sum(graph: &mut GraphBuilder, rows: &str) -> String {
    let axis = graph.integers(&[1]);
    let sum = graph.op("ReduceSum", &[rows, &axis]);
    graph.node("Cast", &[&sum], vec![AttributeProto::int("to", FLOAT.into())])
}

/// Its score of a pair is the sum of the passage's token ids, the closing `[SEP]` counted.
fn passage_ids() -> Vec<u8> {
    onnx(&["input_ids", "attention_mask", "token_type_ids"], "logits", |graph| {
        let ids = graph.op("Mul", &["input_ids", "token_type_ids"]);
        let ids = graph.op("Mul", &[&ids, "attention_mask"]);
        sum(graph, &ids)
    })
}

/// Its score of a pair is the number of tokens; it takes no `token_type_ids`.
fn tokens() -> Vec<u8> {
    onnx(&["input_ids", "attention_mask"], "logits", |graph| sum(graph, "attention_mask"))
}

/// The root of 20 less the number of tokens: NaN for a pair of more than 20.
fn root() -> Vec<u8> {
    onnx(&["input_ids", "attention_mask"], "logits", |graph| {
        let tokens = sum(graph, "attention_mask");
        let most = graph.scalar(20.0);
        let left = graph.op("Sub", &[&most, &tokens]);
        graph.op("Sqrt", &[&left])
    })
}

fn folder(onnx: &[u8]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for file in ["tokenizer.json", "config.json", "special_tokens_map.json", "tokenizer_config.json"] {
        fs::copy(model().join(file), dir.path().join(file)).unwrap();
    }
    fs::write(dir.path().join("model.onnx"), onnx).unwrap();
    dir
}

fn config(dir: &Path) -> RerankerConfig {
    RerankerConfig::new(dir, part("RAGSTREAM_ONNXRUNTIME", "onnxruntime/libonnxruntime.so"))
}

fn load(onnx: &[u8]) -> CrossEncoder {
    CrossEncoder::load(&config(folder(onnx).path())).unwrap()
}

fn error(dir: &Path) -> EmbedderError {
    CrossEncoder::load(&config(dir)).map(|_| ()).unwrap_err()
}

/// More texts than a batch has, of lengths and scores that rise and fall.
fn texts() -> Vec<String> {
    let words = ["apple", "invoice", "zebra", "payment", "the", "customer", "ledger"];
    (0..21).map(|i| (0..=(i * 8) % 13).map(|k| words[(i + k) % 7]).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn scores_are_those_of_the_graph_in_the_order_of_the_texts() {
    let mut tokenizer = Tokenizer::from_file(model().join("tokenizer.json")).unwrap();
    tokenizer.with_padding(None);
    let expected = |text: &str| {
        let pair = tokenizer.encode((QUESTION, text), true).unwrap();
        pair.get_ids().iter().zip(pair.get_type_ids()).map(|(id, kind)| id * kind).sum::<u32>() as f32
    };
    let dir = folder(&passage_ids());
    let reranker = CrossEncoder::load(&config(dir.path())).unwrap();
    assert_eq!(reranker.name(), dir.path().file_name().unwrap().to_str().unwrap());

    let texts = texts();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let expected: Vec<f32> = texts.iter().map(|text| expected(text)).collect();
    assert!(!expected.is_sorted() && !expected.iter().rev().is_sorted());
    assert_eq!(reranker.rerank(QUESTION, &texts).unwrap(), expected);
    let alone: Vec<f32> = texts.iter().flat_map(|text| reranker.rerank(QUESTION, &[text]).unwrap()).collect();
    assert_eq!(alone, expected);
    assert_eq!(reranker.rerank(QUESTION, &[]).unwrap(), [0.0; 0]);
}

#[test]
fn the_question_is_read_too_and_what_is_too_long_is_cut_off() {
    let dir = folder(&tokens());
    let score = |max_tokens, question: &str, text: &str| {
        let reranker = CrossEncoder::load(&RerankerConfig { max_tokens, ..config(dir.path()) }).unwrap();
        reranker.rerank(question, &[text]).unwrap()[0]
    };
    // [CLS], [SEP] and [SEP] with them.
    assert_eq!(score(512, "one two", "three four five"), 8.0);
    assert_eq!(score(16, "one two", &"three ".repeat(50)), 16.0);
    // The model has no more positions, whatever is wanted.
    assert_eq!(score(5_000, &"one ".repeat(600), &"three ".repeat(600)), 512.0);
}

#[test]
fn a_score_that_is_no_number_fails_the_call() {
    let reranker = load(&root());
    assert_eq!(reranker.rerank("one", &["two"]).unwrap(), [15f32.sqrt()]);
    let fault = reranker.rerank("one", &["two", &"three ".repeat(30)]).unwrap_err();
    assert_eq!((fault.kind, fault.class), (FaultKind::Failed, "rerank"));
    assert!(fault.to_string().contains("text 2 of 2"), "{fault}");
    assert_eq!(reranker.rerank("one", &["two"]).unwrap(), [15f32.sqrt()]);
}

#[test]
fn what_is_missing_is_named() {
    let missing = error(Path::new("/no/such/reranker"));
    assert!(matches!(&missing, EmbedderError::File { path, .. } if path.ends_with("no/such/reranker")));
    for file in
        ["model.onnx", "tokenizer.json", "config.json", "special_tokens_map.json", "tokenizer_config.json"]
    {
        let dir = folder(&tokens());
        fs::remove_file(dir.path().join(file)).unwrap();
        let missing = error(dir.path());
        assert!(matches!(&missing, EmbedderError::File { path, .. } if path.ends_with(file)), "{missing}");
        assert!(missing.to_string().contains(file), "{missing}");
    }
}

#[test]
fn what_is_no_reranker_is_refused_at_load() {
    let other_output = onnx(&["input_ids", "attention_mask"], "scores", |graph| sum(graph, "attention_mask"));
    let no_table = onnx(&["input_ids", "attention_mask"], "logits", |graph| {
        let table = sum(graph, "attention_mask");
        let axis = graph.integers(&[1]);
        graph.op("Squeeze", &[&table, &axis])
    });
    for onnx in [&b"not a graph"[..], &other_output, &no_table] {
        let dir = folder(onnx);
        let refused = error(dir.path());
        assert!(matches!(refused, EmbedderError::Model(_)), "{refused}");
        assert!(refused.to_string().contains(dir.path().to_str().unwrap()), "{refused}");
    }

    let dir = folder(&tokens());
    fs::write(dir.path().join("config.json"), r#"{"id2label": {"0": "no", "1": "yes"}}"#).unwrap();
    assert!(error(dir.path()).to_string().contains("2 labels"));

    let dir = folder(&tokens());
    let short = RerankerConfig { max_tokens: 7, ..config(dir.path()) };
    let refused = CrossEncoder::load(&short).map(|_| ()).unwrap_err();
    assert!(matches!(refused, EmbedderError::Config(_)), "{refused}");
}
