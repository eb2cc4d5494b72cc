//! Source code: text that is kept as it is, with the name of its language.

use super::{characters::Characters, plain};
use crate::{error::ExtractError, extract::Source, outlet::Outlet};
use ragstream_core::text::{Markup, TextFacts};
use std::collections::HashMap;

/// Languages by the endings of their files.
const BY_EXTENSION: &[(&str, &[&str])] = &[
    ("Ada", &["adb", "ads"]),
    ("Assembly", &["asm", "s"]),
    ("Awk", &["awk"]),
    ("Batch", &["bat", "cmd"]),
    ("C", &["c", "h"]),
    ("C#", &["cs", "csx"]),
    ("C++", &["cc", "cpp", "cxx", "c++", "hh", "hpp", "hxx", "ipp", "tpp"]),
    ("CMake", &["cmake"]),
    ("COBOL", &["cbl", "cob", "cpy"]),
    ("CSS", &["css"]),
    ("CUDA", &["cu", "cuh"]),
    ("Clojure", &["clj", "cljc", "cljs", "edn"]),
    ("CoffeeScript", &["coffee"]),
    ("Common Lisp", &["cl", "lisp", "lsp"]),
    ("Crystal", &["cr"]),
    ("D", &["d"]),
    ("Dart", &["dart"]),
    ("Elixir", &["ex", "exs"]),
    ("Elm", &["elm"]),
    ("Emacs Lisp", &["el"]),
    ("Erlang", &["erl", "hrl"]),
    ("F#", &["fs", "fsi", "fsx"]),
    ("Fish", &["fish"]),
    ("Fortran", &["f", "f03", "f08", "f77", "f90", "f95", "for"]),
    ("GLSL", &["frag", "glsl", "vert"]),
    ("Go", &["go"]),
    ("GraphQL", &["gql", "graphql"]),
    ("Groovy", &["gradle", "groovy"]),
    ("HCL", &["hcl", "tf", "tfvars"]),
    ("HLSL", &["hlsl"]),
    ("Haskell", &["hs", "lhs"]),
    ("Java", &["java"]),
    ("JavaScript", &["cjs", "js", "jsx", "mjs"]),
    ("Julia", &["jl"]),
    ("Kotlin", &["kt", "kts"]),
    ("Less", &["less"]),
    ("Lua", &["lua"]),
    ("Makefile", &["mak", "mk"]),
    ("Nim", &["nim", "nims"]),
    ("Nix", &["nix"]),
    ("OCaml", &["ml", "mli"]),
    ("Objective-C", &["m", "mm"]),
    ("PHP", &["php", "phtml"]),
    ("Pascal", &["dpr", "lpr", "pas", "pp"]),
    ("Perl", &["pl", "pm", "t"]),
    ("PowerShell", &["ps1", "psd1", "psm1"]),
    ("Prolog", &["pro"]),
    ("Protocol Buffers", &["proto"]),
    ("Python", &["py", "pyi", "pyw"]),
    ("R", &["r"]),
    ("Racket", &["rkt"]),
    ("Ruby", &["gemspec", "rake", "rb"]),
    ("Rust", &["rs"]),
    ("SCSS", &["sass", "scss"]),
    ("SQL", &["sql"]),
    ("Scala", &["sbt", "sc", "scala"]),
    ("Scheme", &["scm", "ss"]),
    ("Shell", &["bash", "ksh", "sh", "zsh"]),
    ("Solidity", &["sol"]),
    ("Starlark", &["bzl", "star"]),
    ("Svelte", &["svelte"]),
    ("Swift", &["swift"]),
    ("SystemVerilog", &["sv", "svh"]),
    ("Tcl", &["tcl"]),
    ("TeX", &["cls", "sty", "tex"]),
    ("Thrift", &["thrift"]),
    ("TypeScript", &["cts", "mts", "ts", "tsx"]),
    ("VHDL", &["vhd", "vhdl"]),
    ("Verilog", &["v", "vh"]),
    ("Vim Script", &["vim"]),
    ("Visual Basic", &["bas", "frm", "vb", "vbs"]),
    ("Vue", &["vue"]),
    ("WGSL", &["wgsl"]),
    ("WebAssembly", &["wat"]),
    ("Zig", &["zig"]),
];

/// Languages by whole names of files.
const BY_NAME: &[(&str, &[&str])] = &[
    ("CMake", &["cmakelists.txt"]),
    ("Dockerfile", &["containerfile", "dockerfile"]),
    ("Groovy", &["jenkinsfile"]),
    ("Makefile", &["gnumakefile", "makefile"]),
    ("Ruby", &["gemfile", "podfile", "rakefile", "vagrantfile"]),
    ("Shell", &[".bash_profile", ".bashrc", ".profile", ".zshrc", "apkbuild", "pkgbuild"]),
    ("Starlark", &["build.bazel", "workspace.bazel"]),
];

/// Languages by the programs that run them; a version may follow the name.
const BY_INTERPRETER: &[(&str, &str)] = &[
    ("ash", "Shell"),
    ("awk", "Awk"),
    ("bash", "Shell"),
    ("bun", "TypeScript"),
    ("dash", "Shell"),
    ("deno", "TypeScript"),
    ("elixir", "Elixir"),
    ("fish", "Fish"),
    ("gawk", "Awk"),
    ("groovy", "Groovy"),
    ("julia", "Julia"),
    ("ksh", "Shell"),
    ("lua", "Lua"),
    ("make", "Makefile"),
    ("node", "JavaScript"),
    ("perl", "Perl"),
    ("php", "PHP"),
    ("pwsh", "PowerShell"),
    ("pypy", "Python"),
    ("python", "Python"),
    ("racket", "Racket"),
    ("rscript", "R"),
    ("ruby", "Ruby"),
    ("runhaskell", "Haskell"),
    ("scala", "Scala"),
    ("sh", "Shell"),
    ("tclsh", "Tcl"),
    ("ts-node", "TypeScript"),
    ("wish", "Tcl"),
    ("zsh", "Shell"),
];

const EXTRACTOR: &str = "source/1";

/// So much of the beginning is looked at for the language, in bytes.
const TELLING_BYTES: usize = 64 << 10;

/// As plain text, with the language that the name or the beginning tells.
pub fn flow(
    source: &mut dyn Source,
    filename: &str,
    outlet: &mut Outlet<'_>,
) -> Result<TextFacts, ExtractError> {
    let mut head = String::new();
    {
        let mut characters = Characters::open(source)?;
        while head.len() < TELLING_BYTES && characters.fill(&mut head)? {}
    }
    let language = language(filename, head.as_bytes());
    drop(head);
    outlet.head(Markup::Plain, EXTRACTOR, language);
    let (mut ends, mut after_end) = (0u64, true);
    let mut metadata = plain::pour(source, outlet, |piece| {
        ends += piece.bytes().filter(|&byte| byte == b'\n').count() as u64;
        if !piece.is_empty() {
            after_end = piece.ends_with('\n');
        }
    })?;
    if let Some(language) = language {
        metadata.insert("language".to_owned(), language.into());
    }
    metadata.insert("lines".to_owned(), (ends + u64::from(!after_end)).into());
    Ok(TextFacts { metadata, extractor: EXTRACTOR.to_owned(), ..Default::default() })
}

/// The programming language of a file, by its name, or the interpreter that its first line names.
pub fn language(filename: &str, head: &[u8]) -> Option<&'static str> {
    let name = filename.rsplit(['/', '\\']).next().unwrap_or_default().to_ascii_lowercase();
    let find = |table: &[(&'static str, &[&str])], wanted: &str| {
        table.iter().find(|(_, keys)| keys.contains(&wanted)).map(|(language, _)| *language)
    };
    if let Some(language) = find(BY_NAME, &name) {
        return Some(language);
    }
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => match find(BY_EXTENSION, extension) {
            Some("Objective-C") if extension == "m" && !is_objective(head) => Some("MATLAB"),
            Some("C") if extension == "h" && is_cplusplus(head) => Some("C++"),
            // `Dockerfile.dev`, `Makefile.am`
            None if ["dockerfile", "makefile"].contains(&stem) => find(BY_NAME, stem),
            None => shebang(head),
            known => known,
        },
        _ => shebang(head),
    }
}

fn shebang(head: &[u8]) -> Option<&'static str> {
    let line = head.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split_whitespace();
    let mut program = words.next()?.rsplit('/').next()?;
    if program == "env" {
        program = words.find(|word| !word.starts_with('-') && !word.contains('='))?;
    }
    let program = program.rsplit('/').next()?.to_ascii_lowercase();
    let bare = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let known: HashMap<_, _> = BY_INTERPRETER.iter().copied().collect();
    known.get(bare).copied()
}

fn is_objective(head: &[u8]) -> bool {
    contains_any(head, &["@interface", "@implementation", "@end", "#import", "@class", "#include"])
}

fn is_cplusplus(head: &[u8]) -> bool {
    contains_any(
        head,
        &["\nclass ", "\nnamespace ", "\ntemplate", "std::", "\nusing ", "public:", "private:"],
    )
}

fn contains_any(head: &[u8], words: &[&str]) -> bool {
    words.iter().any(|word| head.windows(word.len()).any(|bytes| bytes == word.as_bytes()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::outlet::collect;
    use std::io::Cursor;

    #[test]
    fn the_language_is_told_by_name_then_by_interpreter() {
        for (name, head, wanted) in [
            ("src/Main.JAVA", "", Some("Java")),
            ("a.h", "struct a {};", Some("C")),
            ("a.h", "#pragma once\nnamespace a {", Some("C++")),
            ("a.m", "x = 1;\n", Some("MATLAB")),
            ("a.m", "#import <x.h>", Some("Objective-C")),
            ("Dockerfile", "FROM x", Some("Dockerfile")),
            ("Dockerfile.dev", "FROM x", Some("Dockerfile")),
            ("CMakeLists.txt", "", Some("CMake")),
            ("run", "#!/bin/sh\nexit", Some("Shell")),
            ("run", "#!/usr/bin/env -S FOO=1 python3.12 -u\n", Some("Python")),
            ("run.local", "#!/usr/bin/perl -w\n", Some("Perl")),
            ("notes", "python is a language", None),
            ("notes.txt", "#!", None),
            (".rs", "", None),
        ] {
            assert_eq!(language(name, head.as_bytes()), wanted, "{name}: {head}");
        }
    }

    #[test]
    fn text_is_kept_as_it_is() {
        let code = "fn main() {\n\tlet a = \"# no heading\";   \n}\n\n\n// end";
        let text = collect(1000, |outlet| flow(&mut Cursor::new(code), "main.rs", outlet)).unwrap();
        assert_eq!((text.text.as_str(), text.language.as_deref()), (code, Some("rust")));
        assert_eq!((&text.metadata["language"], &text.metadata["lines"]), (&"Rust".into(), &6.into()));
    }
}
