//! The real model over the real runtime, against vectors of an independent implementation.
#![allow(clippy::unwrap_used)]

use ragstream_core::{
    fault::FaultKind,
    ports::{Embedder, ModelInfo},
};
use ragstream_embedder::{EmbedderConfig, EmbedderError, FastEmbedder, MINILM_SHA256};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

fn part(variable: &str, default: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).unwrap();
    let path =
        std::env::var_os(variable).map_or_else(|| root.join(".ragstream/parts").join(default), PathBuf::from);
    assert!(path.exists(), "{} is not there: run `make parts`, or set {variable}", path.display());
    path
}

fn config() -> EmbedderConfig {
    EmbedderConfig::new(
        part("RAGSTREAM_MODEL_DIR", "model"),
        part("RAGSTREAM_ONNXRUNTIME", "onnxruntime/libonnxruntime.so"),
    )
}

static MODEL: LazyLock<FastEmbedder> = LazyLock::new(|| FastEmbedder::load(&config()).unwrap());

fn vectors(model: &FastEmbedder, texts: &[&str]) -> Vec<Vec<f32>> {
    model.embed(texts).unwrap().into_iter().map(Result::unwrap).collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn references() -> Vec<(String, u64, Vec<f32>)> {
    let file: Value = serde_json::from_str(include_str!("../src/reference.json")).unwrap();
    assert_eq!(file["sha256"], MINILM_SHA256);
    let sentences = file["sentences"].as_array().unwrap();
    sentences
        .iter()
        .map(|s| {
            let vector = serde_json::from_value(s["vector"].clone()).unwrap();
            (s["text"].as_str().unwrap().to_owned(), s["tokens"].as_u64().unwrap(), vector)
        })
        .collect()
}

#[test]
fn vectors_equal_those_of_an_independent_implementation() {
    let references = references();
    let texts: Vec<&str> = references.iter().map(|(text, ..)| text.as_str()).collect();
    let info = ModelInfo { name: "all-MiniLM-L6-v2".into(), dimension: 384, max_tokens: 254 };
    assert_eq!(MODEL.model(), &info);
    for ((text, tokens, expected), vector) in references.iter().zip(vectors(&MODEL, &texts)) {
        assert_eq!(MODEL.tokens(text).unwrap() as u64, *tokens);
        let cosine = cosine(&vector, expected);
        assert!(cosine > 0.99999, "cosine {cosine} for {text:?}");
        for (got, want) in vector.iter().zip(expected) {
            assert!((got - want).abs() < 1e-4, "{got} for {want} in {text:?}");
        }
    }
}

#[test]
fn a_vector_does_not_depend_on_its_batch_and_order_is_kept() {
    let words = ["river", "ledger", "copper", "monsoon", "violin"];
    let texts: Vec<String> =
        (0..23).map(|i| format!("{} ", words[i % words.len()]).repeat(1 + (i * 37) % 90)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let alone: Vec<Vec<f32>> = texts.iter().flat_map(|&text| vectors(&MODEL, &[text])).collect();
    let two_sessions = FastEmbedder::load(&EmbedderConfig { sessions: 2, batch: 8, ..config() }).unwrap();
    for together in [vectors(&MODEL, &texts), vectors(&two_sessions, &texts)] {
        for (alone, together) in alone.iter().zip(&together) {
            let cosine = cosine(alone, together);
            assert!(cosine > 0.9999, "{cosine}");
        }
    }
    assert!(MODEL.embed(&[]).unwrap().is_empty());
    assert!(two_sessions.embed(&[]).unwrap().is_empty());
}

#[test]
fn what_is_too_long_is_refused_alone() {
    let longest = "word ".repeat(254);
    let too_long = "word ".repeat(255);
    let outcomes = MODEL.embed(&["short", &too_long, &longest]).unwrap();
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
    let fault = outcomes[1].as_ref().unwrap_err();
    assert_eq!((fault.kind, fault.class), (FaultKind::Invalid, "chunk_too_long"));
    assert!(fault.message.contains("255"), "{fault}");
    // All of the longest text is read: its last word matters.
    let changed = format!("{}galaxy", "word ".repeat(253));
    let pair = vectors(&MODEL, &[&longest, &changed]);
    assert!(cosine(&pair[0], &pair[1]) < 0.9999);
}

#[test]
fn a_question_may_be_longer_than_the_model_reads() {
    let about = |sentence: &str| sentence.repeat(30);
    let (harbour, bread) =
        (about("Ships leave the harbour at high tide. "), about("Bread needs flour and yeast. "));
    let both = format!("{harbour}{bread}");
    assert!(MODEL.tokens(&both).is_err());
    let whole = MODEL.embed_question(&both).unwrap();
    assert!((cosine(&whole, &whole) - 1.0).abs() < 1e-3);
    // Its beginning and its end: each is nearer to it than to the other.
    let ends = vectors(&MODEL, &["Ships leave the harbour at high tide.", "Bread needs flour and yeast."]);
    let apart = cosine(&ends[0], &ends[1]);
    assert!(ends.iter().all(|end| cosine(&whole, end) > apart + 0.2), "{apart}");
    let short = "Which ships leave?";
    assert_eq!(MODEL.embed_question(short).unwrap(), vectors(&MODEL, &[short])[0]);
    for odd in
        ["", "x".repeat(5_000).as_str(), "数据库".repeat(400).as_str(), "a\u{301}".repeat(2_000).as_str()]
    {
        assert_eq!(MODEL.embed_question(odd).unwrap().len(), 384);
    }
}

#[test]
fn near_in_meaning_is_near_in_space() {
    let texts = [
        "How do I reset my password?",
        "I forgot my login credentials and need to change them.",
        "The recipe needs two eggs and a cup of flour.",
        "Bake the dough for twenty minutes.",
    ];
    let v = vectors(&MODEL, &texts);
    for (near, far) in [((0, 1), (0, 2)), ((0, 1), (1, 3)), ((2, 3), (0, 3))] {
        let (near, far) = (cosine(&v[near.0], &v[near.1]), cosine(&v[far.0], &v[far.1]));
        assert!(near > far + 0.1, "{near} {far}");
    }
}

#[test]
fn odd_texts_are_embedded() {
    let texts = ["", " \n\t", "\u{0}\u{1}", "😀😀😀", "[CLS] [PAD] [SEP]", "مرحبا", "a\u{301}", "\u{fffd}"];
    for vector in vectors(&MODEL, &texts) {
        assert!((cosine(&vector, &vector) - 1.0).abs() < 1e-4);
    }
}

/// A copy of the model folder, its weights as a link.
fn copy() -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in ["tokenizer.json", "config.json", "tokenizer_config.json", "special_tokens_map.json"] {
        fs::copy(config().model_dir.join(file), copy.path().join(file)).unwrap();
    }
    let weights = config().model_dir.join("model.safetensors").canonicalize().unwrap();
    std::os::unix::fs::symlink(weights, copy.path().join("model.safetensors")).unwrap();
    copy
}

fn error(dir: &Path) -> EmbedderError {
    FastEmbedder::load(&EmbedderConfig { model_dir: dir.to_owned(), ..config() }).map(|_| ()).unwrap_err()
}

#[test]
fn a_broken_installation_says_what_is_wrong() {
    let missing = EmbedderConfig { onnxruntime: "/nonexistent/libonnxruntime.so".into(), ..config() };
    let missing = FastEmbedder::load(&missing).map(|_| ()).unwrap_err();
    assert!(matches!(missing, EmbedderError::Runtime { .. }), "{missing}");

    let pinned = EmbedderConfig { sha256: Some(MINILM_SHA256.into()), ..config() };
    assert!(FastEmbedder::load(&pinned).is_ok());
    let other = EmbedderConfig { sha256: Some("00".into()), ..config() };
    let other = FastEmbedder::load(&other).map(|_| ()).unwrap_err();
    assert!(matches!(other, EmbedderError::Checksum { .. }), "{other}");

    for bad in [
        EmbedderConfig { max_tokens: 511, ..config() },
        EmbedderConfig { batch: 9, ..config() },
        EmbedderConfig { sessions: 0, ..config() },
    ] {
        let bad = FastEmbedder::load(&bad).map(|_| ()).unwrap_err();
        assert!(matches!(bad, EmbedderError::Config(_)), "{bad}");
    }

    let dir = copy();
    fs::remove_file(dir.path().join("tokenizer.json")).unwrap();
    assert!(matches!(error(dir.path()), EmbedderError::File { .. }));
    fs::write(dir.path().join("tokenizer.json"), "{}").unwrap();
    assert!(matches!(error(dir.path()), EmbedderError::Model(_)));

    let dir = copy();
    fs::remove_file(dir.path().join("model.safetensors")).unwrap();
    assert!(error(dir.path()).to_string().contains("model.safetensors"));
    fs::write(dir.path().join("model.safetensors"), "cut").unwrap();
    assert!(matches!(error(dir.path()), EmbedderError::Model(_)));
    fs::write(dir.path().join("model.onnx"), "not a graph").unwrap();
    assert!(matches!(error(dir.path()), EmbedderError::Model(_)));
}

#[test]
fn the_wrong_tokenizer_for_known_weights_is_found_out() {
    let dir = copy();
    let path = dir.path().join("tokenizer.json");
    // Two words change places in the vocabulary.
    let mut tokenizer: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let vocabulary = &mut tokenizer["model"]["vocab"];
    for (a, b) in [("fox", "ledger"), ("dog", "violin"), ("brown", "tax"), ("lazy", "monday")] {
        let (at_a, at_b) = (vocabulary[a].clone(), vocabulary[b].clone());
        vocabulary[a] = at_b;
        vocabulary[b] = at_a;
    }
    fs::write(&path, tokenizer.to_string()).unwrap();
    assert!(matches!(error(dir.path()), EmbedderError::SelfCheck(_)));
}
