//! `ragstream dlq`: dead letters, listed, shown and sent back.

use super::{Api, Server};
use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use ragstream_api::dead_letters::{
    DeadLetter, DeadLettersResponse, LetterHeader, RedriveRequest, RedriveResponse,
};
use ragstream_core::ports::Place;
use ragstream_runtime::config::ConfigError;
use reqwest::Url;
use serde::{Serialize, de::DeserializeOwned};
use std::io::{IsTerminal, Write};
use uuid::Uuid;

/// Longest reason in a table, in characters.
const REASON_CHARS: usize = 70;

#[derive(Args)]
pub(crate) struct DlqArgs {
    #[command(subcommand)]
    command: DlqCommand,
}

#[derive(Subcommand)]
enum DlqCommand {
    /// List what was given up, newest first.
    List(ListArgs),
    /// Show one letter in full.
    Show(ShowArgs),
    /// Send letters back to where they came from.
    Redrive(RedriveArgs),
}

/// Which letters.
#[derive(Args)]
struct FilterArgs {
    /// Only letters of this topic: the one the records came from, or its `.dlq`.
    #[arg(long)]
    topic: Option<String>,
    /// Only this class of error.
    #[arg(long, value_name = "CLASS")]
    error_class: Option<String>,
    /// Only this kind of error: `invalid` or `failed`.
    #[arg(long, value_name = "KIND")]
    error_kind: Option<String>,
    /// Only letters about this document.
    #[arg(long, value_name = "ID")]
    document_id: Option<Uuid>,
    /// Only letters stored at this time (2026-01-31T12:00:00Z) or later.
    #[arg(long, value_name = "TIME")]
    since: Option<DateTime<Utc>>,
    /// Only letters stored before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<DateTime<Utc>>,
    /// Only letters that were sent back already, or only those that were not.
    #[arg(long, value_name = "true|false")]
    redriven: Option<bool>,
    /// Go on where an earlier call ended, which says what to give here.
    #[arg(long, value_name = "CURSOR")]
    before: Option<String>,
}

impl FilterArgs {
    fn request(self) -> RedriveRequest {
        let Self { topic, error_class, error_kind, document_id, since, until, redriven, before } = self;
        let named =
            RedriveRequest { topic, error_class, error_kind, document_id, ..RedriveRequest::default() };
        RedriveRequest { since, until, redriven, before, ..named }
    }
}

#[derive(Args)]
struct ListArgs {
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    filter: FilterArgs,
    /// At most so many, 1 to 1000.
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u32,
    /// Print the whole answer as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct ShowArgs {
    #[command(flatten)]
    server: Server,
    /// Print the whole answer as JSON.
    #[arg(long)]
    json: bool,
    /// The letter, as the list names it: `topic/partition/offset`.
    #[arg(value_name = "TOPIC/PARTITION/OFFSET")]
    letter: Place,
}

#[derive(Args)]
struct RedriveArgs {
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    filter: FilterArgs,
    /// This letter, instead of a filter; may be given several times.
    #[arg(long = "letter", value_name = "TOPIC/PARTITION/OFFSET")]
    letters: Vec<Place>,
    /// Take at most so many of the newest that match, 1 to 10000.
    #[arg(long, value_name = "N")]
    max: Option<u32>,
    /// Also letters that were sent back already, or three times in all.
    #[arg(long)]
    force: bool,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do it without asking.
    #[arg(long)]
    yes: bool,
    /// Print the whole answer as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: DlqArgs) -> Result<()> {
    match args.command {
        DlqCommand::List(args) => list(args).await,
        DlqCommand::Show(args) => show(args).await,
        DlqCommand::Redrive(args) => redrive(args).await,
    }
}

impl Api {
    async fn dead_letters<T: DeserializeOwned>(&self, path: &str, query: &impl Serialize) -> Result<T> {
        let mut url: Url = format!("{}/api/v2/dead-letters{path}", self.base)
            .parse()
            .with_context(|| format!("{} is no address", self.base))?;
        if let Some(fields) = serde_json::to_value(query)?.as_object() {
            for (name, value) in fields {
                let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
                url.query_pairs_mut().append_pair(name, &text);
            }
        }
        self.answer(self.client.get(url).send().await).await
    }

    async fn redrive(&self, request: &RedriveRequest) -> Result<RedriveResponse> {
        let url = format!("{}/api/v2/dead-letters/redrive", self.base);
        self.answer(self.client.post(url).json(request).send().await).await
    }
}

/// The query string of a list.
#[derive(Serialize)]
struct ListQuery {
    limit: u32,
    #[serde(flatten)]
    filter: serde_json::Map<String, serde_json::Value>,
}

async fn list(args: ListArgs) -> Result<()> {
    let words = serde_json::to_value(args.filter.request())?;
    let mut filter = words.as_object().cloned().unwrap_or_default();
    // What only a redrive has.
    filter.retain(|name, _| !matches!(name.as_str(), "dry_run" | "force"));
    let query = ListQuery { limit: args.limit, filter };
    let page: DeadLettersResponse = Api::new(&args.server.url)?.dead_letters("", &query).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&page)?);
        return Ok(());
    }
    if page.letters.is_empty() {
        println!("no dead letters among {} that were looked at", page.scanned);
    } else {
        println!("{}", table(&page.letters));
    }
    if let Some(before) = page.next.as_deref().and_then(cursor_of) {
        println!("there may be more: --before {before}");
    }
    Ok(())
}

/// The cursor in a link to the next page.
fn cursor_of(next: &str) -> Option<String> {
    let (_, query) = next.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix("before=")).map(ToOwned::to_owned)
}

fn table(letters: &[DeadLetter]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["letter", "stored", "error", "tries", "document", "sent back", "reason"]);
    for letter in letters {
        let reason: String =
            letter.error_message.as_deref().unwrap_or("").chars().take(REASON_CHARS).collect();
        let redriven = match (letter.redriven_at, letter.redrives) {
            (Some(at), times) => format!("{times}, last {}", time(at)),
            (None, 0) => String::new(),
            (None, times) => format!("{times} before"),
        };
        table.add_row([
            format!("{}/{}/{}", letter.topic, letter.partition, letter.offset),
            letter.stored_at.map(time).unwrap_or_default(),
            letter.error_class.clone().unwrap_or_else(|| "unknown".to_owned()),
            letter.attempts.map(|attempts| attempts.to_string()).unwrap_or_default(),
            letter.document_id.map(|id| id.to_string()).unwrap_or_default(),
            redriven,
            printable(&reason),
        ]);
    }
    table
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// Letters hold what anybody wrote: no control character of theirs reaches the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

async fn show(args: ShowArgs) -> Result<()> {
    let path = format!("/{}", args.letter);
    let none = serde_json::json!({});
    let letter: DeadLetter = Api::new(&args.server.url)?.dead_letters(&path, &none).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&letter)?);
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            table.add_row([name.to_owned(), printable(&value)]);
        }
    };
    let of = |id: Option<Uuid>| id.map(|id| id.to_string());
    line("letter", Some(args.letter.to_string()));
    line("stored", letter.stored_at.map(time));
    line("record", letter.original.map(|o| format!("{}/{}/{}", o.topic, o.partition, o.offset)));
    line("error", letter.error_class.map(|c| format!("{c} ({})", letter.error_kind.unwrap_or_default())));
    line("reason", letter.error_message);
    line("tries", letter.attempts.map(|attempts| attempts.to_string()));
    line("first failure", letter.first_failure.map(time));
    line("last failure", letter.last_failure.map(time));
    line("consumer", letter.consumer);
    line("correlation id", letter.correlation_id);
    line("document", of(letter.document_id));
    line("version", letter.version.map(|version| version.to_string()));
    line("job", of(letter.job_id));
    line("chunk", of(letter.chunk_id));
    line("key", letter.key.or(letter.key_base64.map(|key| format!("base64 {key}"))));
    line("sent back", Some(format!("{} times", letter.redrives)));
    line("last sent back", letter.redriven_at.map(time));
    line("value", letter.value_bytes.map(|bytes| format!("{bytes} bytes")));
    line("undecodable", letter.undecodable_reason);
    println!("{table}\n\nheaders");
    for LetterHeader { name, value, base64 } in letter.headers {
        let value = value.or(base64.map(|bytes| format!("base64 {bytes}"))).unwrap_or_else(|| "-".to_owned());
        println!("  {}: {}", printable(&name), printable(&value));
    }
    match (letter.value, letter.value_base64) {
        // JSON escapes control characters.
        (Some(value), _) => println!("\nvalue\n{}", serde_json::to_string_pretty(&value)?),
        (None, Some(bytes)) => println!("\nvalue in base64\n{bytes}"),
        (None, None) => {}
    }
    Ok(())
}

async fn redrive(args: RedriveArgs) -> Result<()> {
    let api = Api::new(&args.server.url)?;
    let letters: Vec<_> = args.letters.into_iter().map(Into::into).collect();
    let request = RedriveRequest {
        letters: (!letters.is_empty()).then_some(letters),
        max: args.max,
        force: args.force,
        dry_run: args.dry_run,
        ..args.filter.request()
    };
    if !args.dry_run && !args.yes && !agreed(&api, &request).await? {
        return Ok(());
    }
    let answer = api.redrive(&request).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&answer)?);
    } else {
        print(&answer);
    }
    Ok(())
}

/// Shows what would be done, and asks.
async fn agreed(api: &Api, request: &RedriveRequest) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        let hint = "nobody can be asked here: give --yes to send letters back, or --dry-run to see which";
        return Err(ConfigError(hint.to_owned()).into());
    }
    let plan = api.redrive(&RedriveRequest { dry_run: true, ..request.clone() }).await?;
    print(&plan);
    if plan.redriven == 0 {
        return Ok(false);
    }
    print!("send {} letters back? [y/N] ", plan.redriven);
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn print(answer: &RedriveResponse) {
    let left_out: u32 = answer.skipped.iter().map(|skipped| skipped.count).sum();
    let verb = if answer.dry_run { "would be sent back" } else { "sent back" };
    println!("{} letters match, {} {verb}, {left_out} left out", answer.matched, answer.redriven);
    for skipped in &answer.skipped {
        println!("  {} {}: {}", skipped.count, skipped.reason, printable(&skipped.detail));
    }
    if let Some(id) = answer.redrive_id {
        println!("on record as redrive {id}");
    }
    if let Some(before) = &answer.next {
        println!("there may be more: --before {before}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_is_taken_from_the_link() {
        let link = "/api/v2/dead-letters?before=WyJh&limit=20&topic=chunk-processing";
        assert_eq!(cursor_of(link).as_deref(), Some("WyJh"));
        assert_eq!(cursor_of("/api/v2/dead-letters"), None);
    }

    #[test]
    fn nothing_that_a_letter_holds_steers_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\nc"), "a [2Jb c");
    }
}
