//! Progress on a terminal: a bar for each file that is under way, and one for all.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::sync::Arc;

/// Bars while files are sent.
pub(super) struct Bars {
    all: MultiProgress,
    total: ProgressBar,
    files: ProgressBar,
}

/// A line of the terminal: a bar that has come to `{pos}` of `{len}`.
pub(super) fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates here are right").progress_chars("━╸─")
}

impl Bars {
    pub(super) fn new(files: usize, bytes: u64) -> Self {
        let all = MultiProgress::new();
        let count = all.add(ProgressBar::new(files as u64).with_style(style("sending {pos} of {len} files")));
        let total = all.add(
            ProgressBar::new(bytes)
                .with_style(style("  {bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} to go")),
        );
        count.tick();
        Self { all, total, files: count }
    }

    /// The bar of one file, gone once the last copy of it is.
    pub(super) fn file(&self, name: &str, bytes: u64) -> FileBar {
        let bar = ProgressBar::new(bytes).with_style(style("  {bar:30} {bytes}/{total_bytes}  {wide_msg}"));
        let bar = self.all.insert_before(&self.total, bar);
        bar.set_message(name.to_owned());
        FileBar { bar: Arc::new(Cleared(bar)), total: self.total.clone() }
    }

    /// One file more is sent, or failed.
    pub(super) fn sent(&self) {
        self.files.inc(1);
    }

    pub(super) fn clear(&self) {
        // A terminal that can't be written to shows nothing anyway.
        let _ = self.all.clear();
    }
}

/// The bar of one file; what it counts, the total counts too.
#[derive(Clone)]
pub(super) struct FileBar {
    bar: Arc<Cleared>,
    total: ProgressBar,
}

/// A bar that goes with its last owner.
struct Cleared(ProgressBar);

impl Drop for Cleared {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

impl FileBar {
    pub(super) fn inc(&self, bytes: u64) {
        self.bar.0.inc(bytes);
        self.total.inc(bytes);
    }

    /// The file has come to so many bytes: forward, or back to what the server has.
    pub(super) fn set(&self, bytes: u64) {
        let was = self.bar.0.position();
        self.bar.0.set_position(bytes);
        self.total.set_position((self.total.position() + bytes).saturating_sub(was));
    }
}
