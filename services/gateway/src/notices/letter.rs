//! What a mail says.

use ragstream_core::ports::{About, FailedFile, HowItEnded};
use std::fmt::Write;

/// Failed files that a mail names; the rest are a number.
pub(super) const MAX_FAILURES: u32 = 50;
/// Longest reason that a mail quotes, in characters.
const MAX_REASON: usize = 300;

/// A subject and a text.
pub(super) struct Letter {
    pub(super) subject: String,
    pub(super) text: String,
}

/// The mail about an end. `public_url` is where links lead to, without a slash at its end.
pub(super) fn letter(about: About, ended: &HowItEnded, public_url: Option<&str>) -> Letter {
    let HowItEnded { files, searchable, failed, .. } = *ended;
    let cancelled = ended.cancelled();
    let mut subject = match (files, searchable, failed) {
        (1, 1, _) => "Ragstream: your document is searchable".to_owned(),
        (1, _, 1) => "Ragstream: your document failed".to_owned(),
        (1, ..) => "Ragstream: your document was cancelled".to_owned(),
        (_, _, 0) => format!("Ragstream: {searchable} of {files} documents are searchable"),
        _ => format!("Ragstream: {failed} of {files} documents failed"),
    };
    if files > 1 && cancelled > 0 {
        let _ = write!(subject, ", {cancelled} cancelled");
    }

    let mut text = String::new();
    if let Some(name) = &ended.name {
        let _ = writeln!(text, "{}\n", line(name));
    }
    for (count, what) in [(searchable, "searchable"), (failed, "failed"), (cancelled, "cancelled")] {
        if count > 0 {
            let _ = writeln!(text, "{count} of {files}: {what}");
        }
    }
    if failed > 0 {
        text.push_str("\nFailed:\n");
        for FailedFile { filename, reason } in &ended.failures {
            let _ = writeln!(text, "- {}: {}", line(filename), line(reason));
        }
        let more = failed.saturating_sub(ended.failures.len() as u32);
        if more > 0 {
            let _ = writeln!(text, "- and {more} more");
        }
    }
    if let Some(url) = public_url {
        let page = match (about, ended.document_id) {
            (About::Batch(batch_id), _) => format!("/#/batches/{batch_id}"),
            (About::Job(_), Some(document_id)) => format!("/#/documents/{document_id}"),
            (About::Job(job_id), None) => format!("/api/v2/documents/status/{job_id}"),
        };
        let _ = writeln!(text, "\n{url}{page}");
    }
    Letter { subject, text }
}

/// What others wrote, as a piece of one line.
fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_REASON).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ragstream_core::id::BatchId;

    fn ended(files: u32, searchable: u32, failed: u32) -> HowItEnded {
        let failure = |n| FailedFile { filename: format!("f{n}.pdf"), reason: "it is encrypted".into() };
        HowItEnded {
            files,
            searchable,
            failed,
            failures: (0..failed.min(MAX_FAILURES)).map(failure).collect(),
            ..HowItEnded::default()
        }
    }

    #[test]
    fn a_subject_says_how_it_ended() {
        let about = About::Batch(BatchId::generate());
        for (files, searchable, failed, subject) in [
            (12, 12, 0, "12 of 12 documents are searchable"),
            (12, 10, 2, "2 of 12 documents failed"),
            (12, 10, 0, "10 of 12 documents are searchable, 2 cancelled"),
            (12, 4, 7, "7 of 12 documents failed, 1 cancelled"),
            (1, 1, 0, "your document is searchable"),
            (1, 0, 1, "your document failed"),
            (1, 0, 0, "your document was cancelled"),
        ] {
            let letter = letter(about, &ended(files, searchable, failed), None);
            assert_eq!(letter.subject, format!("Ragstream: {subject}"));
        }
    }

    #[test]
    fn at_most_fifty_failures_are_named_and_what_others_wrote_stays_on_its_line() {
        let about = About::Batch(BatchId::generate());
        let mut ended = ended(80, 18, 62);
        ended.name = Some("Reports\r\nBcc: x@example.org".into());
        ended.failures[0].reason = "broken\n.\nQUIT".repeat(100);
        let Letter { text, .. } = letter(about, &ended, Some("https://r.example.org"));
        assert!(text.starts_with("Reports  Bcc: x@example.org\n\n18 of 80: searchable\n62 of 80: failed\n"));
        assert_eq!(text.matches("- f").count(), 50);
        assert!(text.contains("\n- and 12 more\n"), "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() < 330 && line != "." && line != "QUIT"),
            "{text}"
        );
        assert!(text.contains("\nhttps://r.example.org/#/batches/"), "{text}");
    }
}
