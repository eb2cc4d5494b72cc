//! Documents, questions and judgements in the layout of BEIR.

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

/// A line of corpus.jsonl.
#[derive(Debug, Deserialize)]
pub(crate) struct Document {
    #[serde(rename = "_id")]
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) title: String,
    pub(crate) text: String,
}

/// A question that was judged.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) id: String,
    pub(crate) text: String,
    /// Scores above 0 of documents.
    pub(crate) judged: HashMap<String, u32>,
}

/// The whole folder; questions without a relevant document left out, as BEIR does.
#[derive(Debug)]
pub(crate) struct Data {
    pub(crate) documents: Vec<Document>,
    pub(crate) questions: Vec<Question>,
}

impl Data {
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let documents: Vec<Document> = json_lines(&dir.join("corpus.jsonl"))?;
        let ids: HashSet<&str> = documents.iter().map(|document| document.id.as_str()).collect();
        ensure!(ids.len() == documents.len(), "corpus.jsonl has an `_id` twice");
        let file =
            ["qrels/test.tsv", "qrels.tsv"].map(|name| dir.join(name)).into_iter().find(|f| f.exists());
        let Some(file) = file else {
            bail!("{} has neither qrels/test.tsv nor qrels.tsv", dir.display());
        };
        let mut judgements = judgements(&file)?;
        let asked: Vec<Document> = json_lines(&dir.join("queries.jsonl"))?;
        let questions = asked.into_iter().filter_map(|Document { id, text, .. }| {
            let judged = judgements.remove(&id)?;
            Some(Question { id, text, judged })
        });
        let questions: Vec<Question> = questions.collect();
        ensure!(!questions.is_empty(), "no question of queries.jsonl is judged in {}", file.display());
        Ok(Self { documents, questions })
    }
}

fn lines(file: &Path) -> Result<impl Iterator<Item = Result<(usize, String)>>> {
    let about = format!("can't read {}", file.display());
    let open = File::open(file).with_context(|| about.clone())?;
    let lines = BufReader::new(open).lines().enumerate();
    Ok(lines.map(move |(index, line)| Ok((index + 1, line.with_context(|| about.clone())?))))
}

fn json_lines<T: for<'de> Deserialize<'de>>(file: &Path) -> Result<Vec<T>> {
    let mut all = Vec::new();
    for line in lines(file)? {
        let (number, line) = line?;
        if !line.trim().is_empty() {
            let about = || format!("{}, line {number}", file.display());
            all.push(serde_json::from_str(&line).with_context(about)?);
        }
    }
    Ok(all)
}

fn judgements(file: &Path) -> Result<HashMap<String, HashMap<String, u32>>> {
    let mut all: HashMap<String, HashMap<String, u32>> = HashMap::new();
    for line in lines(file)?.skip(1) {
        let (number, line) = line?;
        if line.trim().is_empty() {
            continue;
        }
        let fields: Vec<&str> = line.trim_end_matches('\r').split('\t').collect();
        let score = fields.get(2).and_then(|score| score.trim().parse::<i64>().ok());
        let (&[question, document, _], Some(score)) = (&fields[..], score) else {
            bail!(
                "{}, line {number}: give the ids of a question and of a document and a whole number, separated \
                 by tabs",
                file.display()
            );
        };
        if let Ok(score @ 1..) = u32::try_from(score) {
            all.entry(question.to_owned()).or_default().insert(document.to_owned(), score);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn folder(corpus: &str, queries: &str, qrels: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("qrels")).unwrap();
        fs::write(dir.path().join("corpus.jsonl"), corpus).unwrap();
        fs::write(dir.path().join("queries.jsonl"), queries).unwrap();
        fs::write(dir.path().join("qrels/test.tsv"), qrels).unwrap();
        dir
    }

    const CORPUS: &str = "{\"_id\": \"d\", \"text\": \"t\"}\n";
    const QUERIES: &str = "{\"_id\": \"q\", \"text\": \"t\"}\n{\"_id\": \"r\", \"text\": \"u\"}\n";

    #[test]
    fn only_questions_with_a_relevant_document_are_read() {
        let dir = folder(CORPUS, QUERIES, "query-id\tcorpus-id\tscore\nq\td\t2\nr\td\t0\nq\te\t-1\n");
        let data = Data::read(dir.path()).unwrap();
        assert_eq!((data.documents.len(), data.questions.len()), (1, 1));
        assert_eq!(data.questions[0].judged, [("d".to_owned(), 2)].into());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (corpus, qrels, told) in [
            ("{\"_id\": \"d\", \"text\": \"t\"}\nnonsense\n", "h\nq\td\t1\n", "corpus.jsonl, line 2"),
            (CORPUS, "h\nq\td\t1\nq d 1\n", "test.tsv, line 3"),
            (CORPUS, "h\nq\td\tmuch\n", "test.tsv, line 2"),
            (CORPUS, "h\nother\td\t1\n", "no question"),
        ] {
            let dir = folder(corpus, QUERIES, qrels);
            let message = format!("{:#}", Data::read(dir.path()).unwrap_err());
            assert!(message.contains(told), "{message}");
        }
        let empty = tempfile::tempdir().unwrap();
        assert!(format!("{:#}", Data::read(empty.path()).unwrap_err()).contains("corpus.jsonl"));
    }
}
