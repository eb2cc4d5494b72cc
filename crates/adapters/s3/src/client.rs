//! The client: how long it waits and how often it tries.

use crate::S3Config;
use aws_sdk_s3::{
    Client,
    config::{
        Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
        StalledStreamProtectionConfig, retry::RetryConfig, timeout::TimeoutConfig,
    },
};
use aws_smithy_http_client::{Builder, tls};
use std::time::Duration;

/// A store that does not take a connection for this long is away.
const CONNECT: Duration = Duration::from_secs(3);

/// From a sent request to the head of its answer. Putting the parts of an upload
/// of several GiB together takes a store on one disk this long.
const ANSWER: Duration = Duration::from_secs(120);

/// A whole attempt of an ordinary request, a part of 8 MiB over a slow line included.
const ATTEMPT: Duration = Duration::from_secs(150);

/// Tries of a request in all. Together with the waits in between they bridge
/// a hiccup; for an outage the caller waits, and sees it in the meantime.
const TRIES: u32 = 4;

/// The first wait between tries; doubles, with jitter.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);

/// The longest wait between tries.
const MAX_BACKOFF: Duration = Duration::from_secs(2);

/// A client for one store.
pub(crate) fn build(config: &S3Config) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .read_timeout(ANSWER)
        .operation_attempt_timeout(ATTEMPT)
        .build();
    let retries = RetryConfig::standard()
        .with_max_attempts(TRIES)
        .with_initial_backoff(FIRST_BACKOFF)
        .with_max_backoff(MAX_BACKOFF);
    // Without TLS there is no need for the system's certificates, which a small image may lack.
    let http = match config.endpoint.starts_with("https:") {
        true => Builder::new()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .build_https(),
        false => Builder::new().build_http(),
    };
    let built = aws_sdk_s3::Config::builder()
        .behavior_version_latest()
        .region(Region::new(config.region.clone()))
        .endpoint_url(&config.endpoint)
        .force_path_style(config.path_style)
        .credentials_provider(Credentials::new(
            &config.access_key,
            &config.secret_key,
            None,
            None,
            "configuration",
        ))
        .http_client(http)
        .timeout_config(timeouts)
        .retry_config(retries)
        // Bodies are signed by their SHA-256 already; older stores refuse the newer checksums.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        // It takes a slow reader of ours for a stalled store. `S3Blobs::get` watches the store itself.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build();
    Client::from_conf(built)
}
