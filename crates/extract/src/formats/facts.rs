//! What a file without text of its own says about itself: labels and values.

use super::tidy;
use ragstream_core::document::Metadata;

/// Longest value that is kept, in characters: some keep whole settings in a comment, others a song.
const VALUE_CHARACTERS: usize = 100_000;

/// Most values that are kept.
const VALUES: usize = 1000;

/// Labels and values, in order. What is said first counts.
#[derive(Default)]
pub struct Facts(Vec<(String, String)>);

impl Facts {
    /// Adds a value where it is not empty and its label is not there yet.
    pub fn add(&mut self, label: &str, value: &str) {
        let value: String = value.chars().filter(|c| *c != '\0').take(VALUE_CHARACTERS).collect();
        let value = value.trim();
        if !value.is_empty() && self.get(label).is_none() && self.0.len() < VALUES {
            self.0.push((label.to_owned(), tidy(value.to_owned())));
        }
    }

    /// The value of a label.
    pub fn get(&self, wanted: &str) -> Option<&str> {
        self.0.iter().find(|(label, _)| label == wanted).map(|(_, value)| value.as_str())
    }

    /// Whether there is one beside those of these labels.
    pub fn has_others_than(&self, labels: &[&str]) -> bool {
        self.0.iter().any(|(label, _)| !labels.contains(&label.as_str()))
    }

    /// A line a value.
    pub fn text(&self) -> String {
        self.0.iter().map(|(label, value)| format!("{label}: {value}\n")).collect()
    }

    /// The same, keyed by labels in lower case. Longer texts are in the text alone.
    pub fn metadata(&self) -> Metadata {
        const SHORT: usize = 1000;
        let short = self.0.iter().filter(|(_, value)| value.len() <= SHORT);
        short.map(|(label, value)| (label.to_lowercase().replace(' ', "_"), value.as_str().into())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_first_counts() {
        let mut facts = Facts::default();
        facts.add("Size", "1x1");
        assert!(!facts.has_others_than(&["Size"]));
        facts.add("Album Title", " a\0 ");
        facts.add("Album Title", "b");
        facts.add("Author", "  ");
        assert!(facts.has_others_than(&["Size"]));
        assert_eq!(facts.text(), "Size: 1x1\nAlbum Title: a\n");
        assert_eq!(facts.metadata()["album_title"], "a");
    }
}
