//! What was measured, as a table and as JSON.

use super::{
    BenchArgs,
    load::{Pipeline, Uploads},
    queries::Queries,
    stats::Spread,
};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::{path::Path, time::Duration};

/// The whole run.
pub(crate) struct Report(Value);

impl Report {
    pub(crate) fn new(
        args: &BenchArgs,
        bare: [f64; 2],
        pipeline: &Pipeline,
        uploads: &Uploads,
        freshness: &[Duration],
        chunks: usize,
        queries: &Queries,
    ) -> Self {
        let rate = pipeline.chunks as f64 / pipeline.took.as_secs_f64();
        let bare_mean = (bare[0] + bare[1]) / 2.0;
        Self(json!({
            "version": env!("CARGO_PKG_VERSION"),
            "machine": machine(),
            "settings": {
                "documents": args.documents, "clients": args.clients, "uploads": args.uploads,
                "chunks": args.chunks, "queries": args.queries, "seed": args.seed, "url": args.url,
            },
            "bare_model": {"chunks_per_second": bare},
            "pipeline": {
                "chunks": pipeline.chunks, "seconds": pipeline.took.as_secs_f64(),
                "chunks_per_second": rate, "share_of_bare_model": rate / bare_mean,
            },
            "uploads": {
                "clients": args.clients, "taken": uploads.taken, "refused": uploads.refused,
                "per_second": uploads.taken as f64 / uploads.took.as_secs_f64(), "ms": uploads.latency,
            },
            "freshness_ms": Spread::of(freshness),
            "queries": {"chunks": chunks, "ms": queries},
        }))
    }

    pub(crate) fn print(&self) {
        let value = &self.0;
        let number = |pointer: &str| value.pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::NAN);
        let line = |name: &str, text: String| println!("{name:<34} {text}");
        let spread = |pointer: &str| {
            let at = |p: &str| number(&format!("{pointer}/{p}"));
            format!(
                "p50 {:>7.1}   p95 {:>7.1}   p99 {:>7.1}   max {:>7.1} ms",
                at("p50"),
                at("p95"),
                at("p99"),
                at("max")
            )
        };
        line(
            "bare model, before and after",
            format!(
                "{:.1} and {:.1} chunks/s",
                number("/bare_model/chunks_per_second/0"),
                number("/bare_model/chunks_per_second/1")
            ),
        );
        line(
            "pipeline",
            format!(
                "{:.1} chunks/s ({} chunks in {:.1} s), {:.0} % of the bare model",
                number("/pipeline/chunks_per_second"),
                number("/pipeline/chunks"),
                number("/pipeline/seconds"),
                100.0 * number("/pipeline/share_of_bare_model")
            ),
        );
        line(&format!("upload to 202, {} clients", number("/uploads/clients")), spread("/uploads/ms"));
        line(
            "  a second",
            format!("{:.0} ({} refused)", number("/uploads/per_second"), number("/uploads/refused")),
        );
        line("upload to searchable, idle node", spread("/freshness_ms"));
        line(&format!("query, {} chunks", number("/queries/chunks")), spread("/queries/ms/query"));
        line("search", spread("/queries/ms/search"));
        line(&format!("query, {} clients", number("/queries/ms/clients")), spread("/queries/ms/several"));
        line("  a second", format!("{:.0}", number("/queries/ms/per_second")));
        let steps = ["embed", "vector", "keyword", "answer", "total"]
            .map(|step| format!("{step} {:.1}", number(&format!("/queries/ms/steps/{step}"))));
        line("  steps on the node, p50", format!("{} ms", steps.join("   ")));
    }

    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.0)?;
        std::fs::write(file, text + "\n").with_context(|| format!("can't write {}", file.display()))
    }
}

/// What the figures depend on.
pub(crate) fn machine() -> Value {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split(':').nth(1).unwrap_or_default().trim().to_owned()
    };
    json!({
        "cores": std::thread::available_parallelism().map_or(1, usize::from),
        "processor": field(&read("/proc/cpuinfo"), "model name"),
        "memory": field(&read("/proc/meminfo"), "MemTotal"),
    })
}
