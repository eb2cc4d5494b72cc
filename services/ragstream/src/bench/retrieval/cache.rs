//! Embeddings by their text, in memory and, where asked for, in a file.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, BufWriter, Write},
    path::Path,
};

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct Line {
    model: String,
    text: String,
    vector: Vec<f32>,
}

pub(crate) struct Cache {
    model: String,
    known: HashMap<String, Vec<f32>>,
    file: Option<BufWriter<File>>,
}

impl Cache {
    /// With what `file` has of `model`.
    pub(crate) fn open(file: Option<&Path>, model: &str) -> Result<Self> {
        let mut cache = Self { model: model.to_owned(), known: HashMap::new(), file: None };
        let Some(path) = file else { return Ok(cache) };
        let about = || format!("the cache {}", path.display());
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).open(path).with_context(about)?;
        for line in BufReader::new(&file).lines() {
            // A line that a killed run left half-written is made again.
            if let Ok(line) = serde_json::from_str::<Line>(&line.with_context(about)?)
                && line.model == model
            {
                cache.known.insert(line.text, line.vector);
            }
        }
        let mut file = BufWriter::new(file);
        // Ends such a line.
        file.write_all(b"\n").with_context(about)?;
        cache.file = Some(file);
        Ok(cache)
    }

    pub(crate) fn get(&self, text: &str) -> Option<&[f32]> {
        self.known.get(text).map(Vec::as_slice)
    }

    pub(crate) fn put(&mut self, text: &str, vector: Vec<f32>) -> Result<()> {
        if let Some(file) = &mut self.file {
            let line = Line { model: self.model.clone(), text: text.to_owned(), vector: vector.clone() };
            serde_json::to_writer(&mut *file, &line)?;
            file.write_all(b"\n").context("can't write the cache")?;
        }
        self.known.insert(text.to_owned(), vector);
        Ok(())
    }

    pub(crate) fn flush(&mut self) -> Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush).context("can't write the cache")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_there_again_for_the_same_model_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("cache");
        let mut cache = Cache::open(Some(&file), "m").unwrap();
        cache.put("a\n\"b\"", vec![0.1, -1e-9]).unwrap();
        cache.flush().unwrap();
        drop(cache);
        OpenOptions::new().append(true).open(&file).unwrap().write_all(b"{\"model\": \"m\", \"te").unwrap();
        let mut again = Cache::open(Some(&file), "m").unwrap();
        assert_eq!(again.get("a\n\"b\""), Some(&[0.1, -1e-9][..]));
        again.put("c", vec![2.0]).unwrap();
        drop(again);
        assert_eq!(Cache::open(Some(&file), "m").unwrap().get("c"), Some(&[2.0][..]));
        assert_eq!(Cache::open(Some(&file), "other").unwrap().get("c"), None);
    }
}
