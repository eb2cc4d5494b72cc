//! What came out, as files: to look at, and for scripts that score it.

use super::{files::Source, reader::Reading};
use anyhow::{Context, Result, ensure};
use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
};

/// A folder of texts.
pub(crate) struct Texts {
    dir: PathBuf,
}

impl Texts {
    /// Makes the folder. It may not lie among the files that are read, and no two of these may share a name.
    pub(crate) fn create(out: &Path, read: &Path, sources: &[Source]) -> Result<Self> {
        let about = || format!("can't use {} for the texts", out.display());
        let mut names = HashMap::with_capacity(sources.len());
        for source in sources {
            let other = names.insert(name(&source.path), &source.path);
            let path = &source.path;
            ensure!(
                other.is_none(),
                "{path} and {} would be written to the same file: rename one of them",
                other.map_or("", String::as_str)
            );
        }
        std::fs::create_dir_all(out).with_context(about)?;
        let inside = out.canonicalize().with_context(about)?.starts_with(read.canonicalize()?);
        ensure!(
            !inside,
            "{} lies in the folder that is read, and would be read the next time: give another one",
            out.display()
        );
        Ok(Self { dir: out.to_path_buf() })
    }

    /// What came of a file. A text of an earlier run goes where there is none now.
    pub(crate) async fn write(&self, reading: &Reading, text: Option<&str>) -> Result<()> {
        let name = name(&reading.path);
        let file = self.dir.join(format!("{name}.txt"));
        let status = match &reading.failure {
            None => "ok\n".to_owned(),
            Some(failure) => format!("failed:{}\n", failure.class),
        };
        let written = async {
            match text {
                Some(text) => tokio::fs::write(&file, text).await?,
                None => match tokio::fs::remove_file(&file).await {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                },
            }
            tokio::fs::write(self.dir.join(format!("{name}.status")), status).await
        };
        written.await.with_context(|| format!("can't write {}", file.display()))
    }
}

/// A path as the name of a file.
fn name(path: &str) -> String {
    path.replace('/', "_")
}

#[cfg(test)]
mod tests {
    use super::{super::reader::reading, *};

    fn sources(paths: &[&str]) -> Vec<Source> {
        let source = |path: &&str| Source { file: path.into(), path: (*path).to_owned(), bytes: 0 };
        paths.iter().map(source).collect()
    }

    #[tokio::test]
    async fn a_text_and_what_came_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let (read, out) = (dir.path().join("in"), dir.path().join("out"));
        std::fs::create_dir(&read).unwrap();
        let texts = Texts::create(&out, &read, &sources(&["a/b.pdf", "c.pdf"])).unwrap();
        let content = |name: &str| std::fs::read_to_string(out.join(name)).ok();

        texts.write(&reading("a/b.pdf", "pdf", 1, Ok(1)), Some("text")).await.unwrap();
        assert_eq!(content("a_b.pdf.txt").as_deref(), Some("text"));
        assert_eq!(content("a_b.pdf.status").as_deref(), Some("ok\n"));

        let failed = reading("a/b.pdf", "pdf", 1, Err("corrupt_document"));
        texts.write(&failed, None).await.unwrap();
        assert_eq!(content("a_b.pdf.txt"), None, "of the run before");
        assert_eq!(content("a_b.pdf.status").as_deref(), Some("failed:corrupt_document\n"));
    }

    #[test]
    fn nothing_is_overwritten_or_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let refused = |out: &Path, paths: &[&str]| {
            format!("{:#}", Texts::create(out, dir.path(), &sources(paths)).err().unwrap())
        };
        assert!(refused(&out, &["a/b.txt", "a_b.txt"]).contains("same file"));
        assert!(refused(&out, &["a.txt"]).contains("lies in the folder"));
    }
}
