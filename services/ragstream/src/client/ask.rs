//! `ragstream ask`: a question, its answer, and what backs it.

use super::{Api, Server};
use anyhow::Result;
use clap::Args;
use ragstream_api::search::QueryResponse;

#[derive(Args)]
pub(crate) struct AskArgs {
    #[command(flatten)]
    server: Server,
    /// Only this collection.
    #[arg(long)]
    collection: Option<String>,
    /// Passages to answer from.
    #[arg(long, value_name = "N")]
    top_k: Option<usize>,
    /// Print the whole answer as JSON.
    #[arg(long)]
    json: bool,
    /// The question.
    #[arg(required = true)]
    question: Vec<String>,
}

pub(crate) async fn run(args: AskArgs) -> Result<()> {
    let mut body = serde_json::json!({ "question": args.question.join(" ") });
    if let Some(collection) = args.collection {
        body["collection"] = collection.into();
    }
    if let Some(top_k) = args.top_k {
        body["top_k"] = top_k.into();
    }
    let answer = Api::new(&args.server.url)?.query_with(&body).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&answer)?);
    } else {
        print(&answer);
    }
    Ok(())
}

/// The answer, then its citations.
pub(crate) fn print(answer: &QueryResponse) {
    println!("  {}\n", answer.answer);
    for citation in &answer.citations {
        let page = citation.page.map(|page| format!(", page {page}")).unwrap_or_default();
        println!(
            "  [{}] {}{page}, bytes {}-{}",
            citation.number, citation.filename, citation.span.start, citation.span.end
        );
    }
    println!("\n  {} passages in {:.1} ms", answer.passages.len(), answer.timings.total);
}
