//! Settings of the gateway.

use serde::{Deserialize, Deserializer, Serialize};

/// `RAGSTREAM_GATEWAY_*`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct GatewayConfig {
    /// Base addresses of query nodes (`http://host:8010`); tried in turn.
    pub query_urls: Vec<String>,
    /// Largest file, in bytes. 5 GiB: what one S3 object may be without special care.
    pub max_file_bytes: u64,
    /// Most files of one request.
    pub max_files: usize,
    /// Uploads whose bodies are read at once; more wait. Bounds memory: each
    /// may hold a few parts of a multipart upload.
    pub max_concurrent_uploads: usize,
    /// How long a resumable upload waits for its next bytes before it is given up, in hours; a week at most.
    pub upload_expiry_hours: u32,
    /// How long the records of jobs and batches that are over are kept, and conversations with personas
    /// after their last message, in days. Documents stay.
    pub keep_records_days: u32,
    /// Buckets that documents may be imported from, as `http://ACCESS:SECRET@HOST:PORT/BUCKET`.
    pub import_s3: Vec<String>,
    /// Whether webhooks and imports may be addresses that are not public: for those in one's own
    /// network, where all users are trusted.
    pub allow_private_addresses: bool,
    /// How often an event is tried for a webhook before it becomes a dead letter.
    pub webhook_attempts: u32,
    /// First pause between two tries, in milliseconds; each is twice as long as the one before,
    /// and up to twice that again by chance. Eight tries take two to four minutes.
    pub webhook_retry_min_ms: u64,
    /// Longest pause, without its chance.
    pub webhook_retry_max_ms: u64,
    /// How long the answer of a query job is kept, and how long its question may wait for one, in hours.
    pub query_job_hours: u32,
    /// Questions that this gateway asks for query jobs at a time. They share the query nodes with
    /// those who wait: as many as keep a small model or a few cores busy.
    pub query_job_concurrency: usize,
    /// The server that mail goes to: `smtp://host`, `smtps://user:password@host`, or
    /// `smtp://host:587?tls=required`. None: no mail is sent.
    pub smtp_url: Option<String>,
    /// Whom mail is from: `Ragstream <ragstream@example.org>`.
    pub smtp_from: Option<String>,
    /// Who may be sent mail: addresses, `@example.org` for all of a domain, `*` for everybody. A list, or
    /// text with commas. None: the domain of `smtp_from`.
    #[serde(deserialize_with = "one_or_many")]
    pub smtp_recipients: Vec<String>,
    /// Where people reach this gateway, for links in mail: `https://ragstream.example.org`.
    pub public_url: Option<String>,
    /// Names under which agents reach `/mcp`, besides those of loopback and of `public_url`; `*` for all. Others
    /// are refused: a page in a browser could have had its own name lead here (DNS rebinding). A list, or text
    /// with commas.
    #[serde(deserialize_with = "one_or_many")]
    pub mcp_hosts: Vec<String>,
}

/// A list, or text with commas between.
fn one_or_many<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(value)? {
        OneOrMany::One(text) => {
            text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect()
        }
        OneOrMany::Many(list) => list,
    })
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            query_urls: vec!["http://127.0.0.1:8010".into()],
            max_file_bytes: 5 << 30,
            max_files: 1_000,
            max_concurrent_uploads: 256,
            upload_expiry_hours: 24,
            keep_records_days: 90,
            import_s3: Vec::new(),
            allow_private_addresses: false,
            webhook_attempts: 8,
            webhook_retry_min_ms: 1_000,
            webhook_retry_max_ms: 300_000,
            query_job_hours: 24,
            query_job_concurrency: 4,
            smtp_url: None,
            smtp_from: None,
            smtp_recipients: Vec::new(),
            public_url: None,
            mcp_hosts: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_are_a_list_or_text_with_commas() {
        for said in [r#""me@example.org, @example.com,""#, r#"["me@example.org", "@example.com"]"#] {
            let config: GatewayConfig =
                serde_json::from_str(&format!("{{\"smtp_recipients\": {said}}}")).expect("is read");
            assert_eq!(config.smtp_recipients, ["me@example.org", "@example.com"], "{said}");
        }
    }
}
