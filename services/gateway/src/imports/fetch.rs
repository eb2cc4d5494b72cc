//! One file from where it lies, or the names of those under a prefix.

use super::Importer;
use crate::outbound::{USER_AGENT, Unanswered};
use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, StatusCode, body::Incoming, header};
use ragstream_api::problem::Problem;
use ragstream_core::fault::Fault;
use std::{error::Error, time::Duration};
use tokio::time::timeout;
use url::Url;

/// Redirects that are followed; browsers follow 20, honest servers need one or two.
const REDIRECTS: usize = 5;
/// How long a server may take for the head of its answer, and for the next piece of its body.
const ANSWERED: Duration = Duration::from_secs(30);
/// Files under one prefix; more are imported prefix by prefix.
const MAX_FILES: usize = 100_000;

type BoxError = Box<dyn Error + Send + Sync>;

/// What lies at an address.
pub(super) enum Fetched {
    File {
        /// What its server calls it.
        name: Option<String>,
        bytes: BoxStream<'static, Result<Bytes, BoxError>>,
    },
    Prefix(Vec<String>),
}

/// Why it can't be had.
pub(super) enum Unfetched {
    /// Nor later.
    Never(Problem),
    /// Its server is away, or fails.
    Later(Problem),
    /// A bucket is away.
    Unavailable(Fault),
}

pub(super) async fn fetch(importer: &Importer, source: &str) -> Result<Fetched, Unfetched> {
    match source.strip_prefix("s3://") {
        Some(place) => from_bucket(importer, place).await,
        None => from_web(importer, source).await,
    }
}

async fn from_bucket(importer: &Importer, place: &str) -> Result<Fetched, Unfetched> {
    let (name, key) = place.split_once('/').unwrap_or((place, ""));
    let bucket = importer.bucket(name).map_err(Unfetched::Never)?;
    let fault = |fault: Fault| match fault.is_unavailable() {
        true => Unfetched::Unavailable(fault),
        false => Unfetched::Never(fault.into()),
    };
    if !key.is_empty() && !key.ends_with('/') {
        let bytes = bucket.get(key, None).await.map_err(fault)?;
        let bytes = bytes.map(|piece| piece.map_err(BoxError::from)).boxed();
        return Ok(Fetched::File { name: None, bytes });
    }
    let mut sources = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = bucket.list(key, after.as_deref()).await.map_err(fault)?;
        let Some(last) = page.last() else { break };
        after = Some(last.key.clone());
        // Folders are keys that end like one, and hold nothing.
        let files = page.into_iter().filter(|file| !file.key.ends_with('/'));
        sources.extend(files.map(|file| format!("s3://{name}/{}", file.key)));
        if sources.len() > MAX_FILES {
            let detail = format!(
                "there are more than {MAX_FILES} files under s3://{place}: import them prefix by prefix"
            );
            return Err(Unfetched::Never(Problem::unprocessable("too_many_files", detail)));
        }
    }
    if sources.is_empty() {
        let detail = format!("there is no file under s3://{place}");
        return Err(Unfetched::Never(Problem::not_found(detail)));
    }
    Ok(Fetched::Prefix(sources))
}

async fn from_web(importer: &Importer, source: &str) -> Result<Fetched, Unfetched> {
    let bad = |why: String| Unfetched::Never(Problem::unprocessable("address_refused", why));
    let mut url = url_of(source).map_err(Unfetched::Never)?;
    for _ in 0..=REDIRECTS {
        importer.check_url(&url).await.map_err(Unfetched::Never)?;
        let answer = ask(importer, &url).await?;
        let status = answer.status();
        if status.is_success() {
            let name = disposition(&answer)
                .or_else(|| (url.as_str() != source).then(|| super::filename_of(url.as_str())));
            return Ok(Fetched::File { name, bytes: pieces(answer) });
        }
        if !status.is_redirection() {
            let detail = format!("{source} answered {status}");
            let passes = status.is_server_error()
                || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
            return Err(match passes {
                true => Unfetched::Later(Problem::unavailable("source_failed", detail)),
                false => Unfetched::Never(Problem::unprocessable("source_refused", detail)),
            });
        }
        let target = answer.headers().get(header::LOCATION).and_then(|target| target.to_str().ok());
        let target = target.and_then(|target| url.join(target).ok());
        url = target.ok_or_else(|| bad(format!("{source} leads on to nowhere ({status})")))?;
    }
    Err(bad(format!("{source} leads on more than {REDIRECTS} times")))
}

/// An address of the web.
pub(super) fn url_of(source: &str) -> Result<Url, Problem> {
    let bad = |e| Problem::unprocessable("address_refused", format!("{source:?} is no address: {e}"));
    source.parse().map_err(bad)
}

async fn ask(importer: &Importer, url: &Url) -> Result<Response<Incoming>, Unfetched> {
    let request = Request::get(url.as_str())
        .header(header::HOST, host(url))
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, "*/*")
        .body(Full::default())
        .map_err(|e| Unfetched::Never(Problem::unprocessable("address_refused", e.to_string())))?;
    let away =
        |why: String| Unfetched::Later(Problem::unavailable("source_unreachable", format!("{url}: {why}")));
    match timeout(ANSWERED, importer.outbound.send(request)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(Unanswered::Refused(refused))) => {
            let detail = format!("the host of {url} {refused}");
            Err(Unfetched::Never(Problem::unprocessable("address_refused", detail)))
        }
        Ok(Err(Unanswered::Unreachable(why))) => Err(away(why)),
        Err(_) => Err(away(format!("no answer within {} s", ANSWERED.as_secs()))),
    }
}

fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The name in `Content-Disposition`, in its plain form.
fn disposition(answer: &Response<Incoming>) -> Option<String> {
    let header = answer.headers().get(header::CONTENT_DISPOSITION)?.to_str().ok()?;
    let name = header.split(';').find_map(|part| part.trim().strip_prefix("filename="))?;
    Some(name.trim_matches('"').to_owned()).filter(|name| !name.is_empty())
}

/// The body, until it is silent for too long.
fn pieces(answer: Response<Incoming>) -> BoxStream<'static, Result<Bytes, BoxError>> {
    let body = answer.into_body().into_data_stream();
    futures::stream::unfold(Some(body), |body| async move {
        let mut body = body?;
        match timeout(ANSWERED, body.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(piece))) => Some((Ok(piece), Some(body))),
            Ok(Some(Err(error))) => Some((Err(error.into()), None)),
            Err(_) => Some((Err("its server fell silent".into()), None)),
        }
    })
    .boxed()
}
