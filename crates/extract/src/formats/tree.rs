//! Data with names and values (JSON, YAML, TOML) as text: a line a value, with
//! the path that leads to it, and a paragraph a record.

use super::writer::{Writer, escaped};
use crate::error::ExtractError;

/// A list of short values is one line of so many bytes, and then another one.
const LIST_LINE_BYTES: usize = 200;

/// A value in a list that is longer has a line to itself.
const SHORT_BYTES: usize = 60;

/// What is deeper is told by the end of its path.
const MAX_PATH_PARTS: usize = 32;

/// Longest name of a part of a path, in bytes.
const MAX_NAME_BYTES: usize = 200;

/// One step from the top to a value.
enum Step {
    /// An object, and the name of the value that comes next.
    Map(String),
    /// A list, and the place of the value that comes next.
    List(usize),
}

/// Takes names and values in order, and writes them as they come.
pub struct Tree<'w> {
    writer: &'w mut Writer,
    steps: Vec<Step>,
    /// Short values of the list that is open.
    values: Vec<String>,
    value_bytes: usize,
    /// The next line begins a paragraph.
    fresh: bool,
    /// Objects in the outermost list, or on the outermost level.
    records: u64,
    /// Nothing has come since the object or list that is open began.
    is_empty: bool,
}

impl<'w> Tree<'w> {
    /// Nothing so far.
    pub fn new(writer: &'w mut Writer) -> Self {
        Self {
            writer,
            steps: Vec::new(),
            values: Vec::new(),
            value_bytes: 0,
            fresh: true,
            records: 0,
            is_empty: false,
        }
    }

    /// How many records there were.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// An object begins.
    pub fn map(&mut self) -> Result<(), ExtractError> {
        self.flush()?;
        let is_record = matches!(self.steps.last(), None | Some(Step::List(_)));
        if is_record || self.steps.len() == 1 {
            self.fresh = true;
        }
        if self.steps.is_empty() || matches!(self.steps.as_slice(), [Step::List(_)]) {
            self.records += 1;
        }
        self.steps.push(Step::Map(String::new()));
        self.is_empty = true;
        Ok(())
    }

    /// The name of the next value of the object that is open.
    pub fn name(&mut self, name: &str) {
        if let Some(Step::Map(next)) = self.steps.last_mut() {
            next.clear();
            next.push_str(&name[..name.floor_char_boundary(MAX_NAME_BYTES)]);
        }
        self.is_empty = false;
    }

    /// A list begins.
    pub fn list(&mut self) -> Result<(), ExtractError> {
        self.flush()?;
        self.steps.push(Step::List(0));
        self.is_empty = true;
        Ok(())
    }

    /// The object or list that is open ends.
    pub fn end(&mut self) -> Result<(), ExtractError> {
        self.flush()?;
        let ended = self.steps.pop();
        // That there is nothing under a name is something, too.
        if std::mem::take(&mut self.is_empty) && matches!(self.steps.last(), Some(Step::Map(_))) {
            self.line(if matches!(ended, Some(Step::Map(_))) { "{}" } else { "[]" })?;
        }
        if matches!(self.steps.last(), None | Some(Step::List(_))) {
            self.fresh = true;
        }
        self.done();
        Ok(())
    }

    /// A value. A blank one has nothing to say.
    pub fn value(&mut self, value: &str) -> Result<(), ExtractError> {
        self.is_empty = false;
        let in_list = matches!(self.steps.last(), Some(Step::List(_)));
        let is_short = value.len() <= SHORT_BYTES && !value.contains('\n');
        if value.trim().is_empty() {
        } else if in_list && is_short {
            self.value_bytes += value.len() + 2;
            self.values.push(value.to_owned());
            if self.value_bytes > LIST_LINE_BYTES {
                self.flush()?;
            }
        } else {
            self.flush()?;
            self.line(value)?;
        }
        self.done();
        Ok(())
    }

    /// The next value of a list has the next place.
    fn done(&mut self) {
        if let Some(Step::List(place)) = self.steps.last_mut() {
            *place += 1;
        }
    }

    fn flush(&mut self) -> Result<(), ExtractError> {
        if self.values.is_empty() {
            return Ok(());
        }
        self.value_bytes = 0;
        let values = std::mem::take(&mut self.values).join(", ");
        self.line(&values)
    }

    fn line(&mut self, value: &str) -> Result<(), ExtractError> {
        let path = self.path();
        let text = if path.is_empty() { value.to_owned() } else { format!("{path}: {value}") };
        if std::mem::take(&mut self.fresh) {
            return self.writer.paragraph(&text);
        }
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.try_for_each(|line| self.writer.continue_markdown(&escaped(line)))
    }

    /// `users[2].name`; the outermost list is known by its paragraphs, and the
    /// values of a list by the list.
    fn path(&self) -> String {
        let mut path = String::new();
        let from = self.steps.len().saturating_sub(MAX_PATH_PARTS);
        for (depth, step) in self.steps.iter().enumerate().skip(from) {
            let is_last = depth + 1 == self.steps.len();
            match step {
                Step::Map(name) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(name.trim());
                }
                Step::List(place) if depth > 0 && !is_last => path.push_str(&format!("[{place}]")),
                Step::List(_) => {}
            }
        }
        path
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{formats::json, limits::Limits};

    fn written(json: &str) -> String {
        let mut writer = Writer::new(&Limits::default());
        json::write(json, &mut writer).unwrap().unwrap();
        writer.finish().0
    }

    #[test]
    fn values_have_their_paths() {
        let json = r##"{"name": "tides", "server": {"host": "a", "ports": [80, 443], "tls": true, "proxy": null},
            "users": [{"name": "Ada", "tags": []}, {"name": "Bob", "notes": ["# one\ntwo"]}], "empty": ""}"##;
        assert_eq!(
            written(json),
            "name: tides\n\nserver.host: a\nserver.ports: 80, 443\nserver.tls: true\nserver.proxy: null\n\n\
             users[0].name: Ada\nusers[0].tags: []\n\nusers[1].name: Bob\nusers[1].notes: # one\ntwo"
        );
    }

    #[test]
    fn records_are_paragraphs() {
        let json = r#"[{"id": 1, "at": {"x": 1.5}}, {"id": 2, "at": {"x": -3}}]"#;
        assert_eq!(written(json), "id: 1\nat.x: 1.5\n\nid: 2\nat.x: -3");
        assert_eq!(written("[1, 2, [3, 4], \"x\"]"), "1, 2\n3, 4\n\nx");
        assert_eq!(written("\"alone\""), "alone");
    }

    #[test]
    fn long_lists_have_many_lines() {
        let values: Vec<String> = (0..100).map(|i| format!("{i:03}")).collect();
        let text = written(&format!("{{\"a\": [\"{}\"]}}", values.join("\",\"")));
        assert!(text.lines().count() > 2 && text.lines().all(|line| line.starts_with("a: ")), "{text}");
        assert!(text.contains("000, 001") && text.ends_with("099"));
    }
}
