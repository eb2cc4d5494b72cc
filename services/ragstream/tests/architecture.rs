//! The house rules that a compiler does not check: imports point down.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

type Imports = BTreeMap<String, BTreeSet<String>>;

/// What each crate of ours imports of ours, dev-dependencies left out.
fn imports() -> Imports {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let short = |name: &str| name.trim_start_matches("ragstream-").to_owned();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let imports = package["dependencies"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|dependency| dependency["kind"].is_null() && !dependency["path"].is_null())
                .map(|dependency| short(dependency["name"].as_str().unwrap()))
                .collect();
            (short(package["name"].as_str().unwrap()), imports)
        })
        .collect()
}

const ADAPTERS: [&str; 5] = ["kafka", "postgres", "s3", "embedder", "llm"];
const SERVICES: [&str; 4] = ["gateway", "ingestion", "embedding", "query"];

/// What a crate may import; a crate that is not here may import nothing of ours.
fn allowed(name: &str) -> &'static [&'static str] {
    match name {
        "proto" | "api" | "worker" | "chunk" | "extract" | "index" => &["core"],
        "runtime" => &["core", "api"],
        "postgres" | "s3" | "embedder" | "llm" => &["core"],
        "kafka" => &["core", "worker", "proto"],
        "testkit" => &["core", "embedded"],
        "e2e" => &["embedded"],
        "gateway" => &["core", "proto", "worker", "runtime", "api", "extract"],
        "ingestion" => &["core", "proto", "worker", "runtime", "extract", "chunk"],
        "embedding" => &["core", "proto", "worker", "runtime"],
        "query" => &["core", "proto", "worker", "runtime", "api", "index"],
        _ => &[],
    }
}

#[test]
fn imports_point_down() {
    for (name, imports) in imports() {
        if name == "ragstream" {
            continue;
        }
        let wrong: Vec<_> = imports.iter().filter(|i| !allowed(&name).contains(&i.as_str())).collect();
        assert!(wrong.is_empty(), "{name} must not import {wrong:?}");
    }
}

#[test]
fn only_the_binary_ties_adapters_to_services() {
    let imports = imports();
    for both in [&ADAPTERS[..], &SERVICES[..]] {
        for part in both {
            assert!(imports.contains_key(*part), "{part} is gone: this test must follow");
            let users: Vec<_> =
                imports.iter().filter(|(_, i)| i.contains(*part)).map(|(name, _)| name).collect();
            assert_eq!(users, ["ragstream"], "{part}");
        }
    }
}
