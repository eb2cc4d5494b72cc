//! The fields of an upload form besides its files.

use super::malformed;
use axum::extract::multipart::Field;
use ragstream_api::problem::Problem;
use ragstream_core::{
    document::{DEFAULT_COLLECTION, Metadata},
    id::BatchId,
};

/// Longest value of a field: metadata travels with every chunk of the document.
const MAX_FIELD_BYTES: usize = 64 * 1024;
/// Longest name of a collection.
const MAX_COLLECTION: usize = 128;
/// Longest external id.
pub(crate) const MAX_EXTERNAL_ID: usize = 512;
/// Longest name of a file that is kept, in bytes; file systems stop at 255.
const MAX_FILENAME: usize = 255;
/// The name of a file that has none.
const UNNAMED: &str = "unnamed";
/// Priority of an upload that names none.
const DEFAULT_PRIORITY: i16 = 5;

/// The fields as they came; checked once all are in.
#[derive(Default)]
pub(crate) struct Form {
    collection: Option<String>,
    metadata: Option<String>,
    priority: Option<String>,
    batch_id: Option<String>,
    notify: Option<String>,
    external_ids: Vec<String>,
}

/// What the fields say.
pub(crate) struct Details {
    pub(crate) collection: String,
    pub(crate) metadata: Metadata,
    pub(crate) priority: i16,
    /// The files that these belong to.
    pub(crate) batch_id: Option<BatchId>,
    /// Who is to be told how it ended; not checked.
    pub(crate) notify: Option<String>,
    /// One for each file.
    pub(crate) external_ids: Vec<Option<String>>,
}

impl Form {
    /// Takes one field.
    pub(super) async fn read(&mut self, name: &str, mut field: Field<'_>) -> Result<(), Problem> {
        let mut bytes = Vec::new();
        while let Some(more) = field.chunk().await.map_err(malformed)? {
            if bytes.len() + more.len() > MAX_FIELD_BYTES {
                return Err(Problem::invalid_field(name, format!("is longer than {MAX_FIELD_BYTES} bytes")));
            }
            bytes.extend_from_slice(&more);
        }
        let value = String::from_utf8(bytes).map_err(|_| Problem::invalid_field(name, "is not UTF-8"))?;
        self.set(name, value)
    }

    /// Takes one field's value.
    pub(crate) fn set(&mut self, name: &str, value: String) -> Result<(), Problem> {
        match name {
            "collection" => self.collection = Some(value),
            "metadata" => self.metadata = Some(value),
            "priority" => self.priority = Some(value),
            "batch_id" => self.batch_id = Some(value),
            "notify" => self.notify = Some(value),
            "external_id" => self.external_ids.push(value),
            other => {
                return Err(Problem::unprocessable(
                    "unknown_field",
                    format!(
                        "there is no field {other:?}: send `file` (once or more), and optionally \
                         `collection`, `metadata`, `priority`, `batch_id`, `notify` and `external_id`"
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Checks the fields of a request of so many files.
    pub(crate) fn check(self, files: usize) -> Result<Details, Problem> {
        let collection = self.collection.unwrap_or_else(|| DEFAULT_COLLECTION.to_owned());
        check_collection(&collection)?;
        let metadata = match self.metadata.as_deref() {
            None | Some("") => Metadata::new(),
            Some(json) => serde_json::from_str(json).map_err(|e| {
                Problem::invalid_field(
                    "metadata",
                    format!("must be a JSON object such as {{\"lang\":\"de\"}}: {e}"),
                )
            })?,
        };
        let priority = match self.priority.as_deref() {
            None | Some("") => DEFAULT_PRIORITY,
            Some(text) => text.parse().ok().filter(|n| (0..=9).contains(n)).ok_or_else(|| {
                Problem::invalid_field("priority", "must be a whole number from 0 (last) to 9 (first)")
            })?,
        };
        let batch_id = match self.batch_id.as_deref() {
            None | Some("") => None,
            Some(text) => Some(text.parse().map_err(|_| {
                Problem::invalid_field("batch_id", "must be the id that `POST /api/v2/batches` gave")
            })?),
        };
        let external_ids = match self.external_ids.len() {
            0 => vec![None; files],
            n if n == files => self.external_ids.into_iter().map(external_id).collect::<Result<_, _>>()?,
            n => {
                return Err(Problem::invalid_field(
                    "external_id",
                    format!(
                        "came {n} times for {files} files: give none, or one for each file in their order"
                    ),
                ));
            }
        };
        let notify = self.notify.filter(|address| !address.is_empty());
        Ok(Details { collection, metadata, priority, batch_id, notify, external_ids })
    }
}

/// Refuses what is no name of a collection.
pub(crate) fn check_collection(name: &str) -> Result<(), Problem> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > MAX_COLLECTION || !name.chars().all(allowed) {
        return Err(Problem::invalid_field(
            "collection",
            format!("must be 1 to {MAX_COLLECTION} letters, digits, '.', '_' or '-'"),
        ));
    }
    Ok(())
}

fn external_id(id: String) -> Result<Option<String>, Problem> {
    if id.trim().is_empty() || id.len() > MAX_EXTERNAL_ID || id.contains('\0') {
        return Err(Problem::invalid_field(
            "external_id",
            format!("must be 1 to {MAX_EXTERNAL_ID} bytes of text"),
        ));
    }
    Ok(Some(id))
}

/// The last component of a file's name, without control characters. A name is
/// shown and sniffed, never used as a path.
pub(crate) fn clean_filename(name: Option<&str>) -> String {
    let name = name.unwrap_or_default();
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut clean: String = last.chars().filter(|c| !c.is_control()).collect();
    while clean.len() > MAX_FILENAME {
        clean.pop();
    }
    match clean.trim() {
        "" | "." | ".." => UNNAMED.to_owned(),
        trimmed => trimmed.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> Form {
        Form::default()
    }

    #[test]
    fn defaults() {
        let details = form().check(2).map_err(|p| p.detail).expect("valid");
        assert_eq!((details.collection.as_str(), details.priority), ("default", 5));
        assert_eq!(details.external_ids, [None, None]);
    }

    #[test]
    fn each_bad_field_says_which() {
        let bad = [
            ("collection", Form { collection: Some("a b".into()), ..form() }),
            ("collection", Form { collection: Some(String::new()), ..form() }),
            ("metadata", Form { metadata: Some("[1]".into()), ..form() }),
            ("metadata", Form { metadata: Some("{".into()), ..form() }),
            ("priority", Form { priority: Some("10".into()), ..form() }),
            ("external_id", Form { external_ids: vec!["a".into(), "b".into()], ..form() }),
            ("external_id", Form { external_ids: vec![" ".into()], ..form() }),
        ];
        for (field, form) in bad {
            let problem = form.check(1).err().expect("refused");
            assert!(problem.detail.contains(field), "{}", problem.detail);
            assert_eq!(problem.status, 422);
        }
    }

    #[test]
    fn an_empty_field_tells_nobody() {
        let notify = |value: &str| {
            let mut form = Form::default();
            form.set("notify", value.to_owned()).expect("is a field");
            form.check(1).ok().and_then(|details| details.notify)
        };
        assert_eq!(notify(""), None);
        assert_eq!(notify("me@example.org").as_deref(), Some("me@example.org"));
    }

    #[test]
    fn names_lose_their_paths() {
        assert_eq!(clean_filename(Some("../../etc/passwd")), "passwd");
        assert_eq!(clean_filename(Some("C:\\docs\\a.txt")), "a.txt");
        assert_eq!(clean_filename(Some("..")), "unnamed");
        assert_eq!(clean_filename(None), "unnamed");
        assert_eq!(clean_filename(Some("a\r\nb.md")), "ab.md");
        assert!(clean_filename(Some(&"ü".repeat(300))).len() <= MAX_FILENAME);
    }
}
