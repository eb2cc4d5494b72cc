//! Large files by the tus protocol 1.0, in pieces. Written here: it is three requests, and no client
//! crate is kept up that leaves the HTTP client and the bytes read to its user.

use super::{bars::FileBar, remembered::Remembered};
use crate::client::{self, Api};
use anyhow::{Context, Result, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use ragstream_api::{
    documents::{ResumableResponse, UploadedFile},
    problem::Problem,
};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use std::{io::SeekFrom, path::Path};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt},
    time::sleep,
};

/// Bytes of one request: what an interruption costs at most.
const PIECE: u64 = 8 << 20;

/// Uploads a file, or goes on with it.
pub(super) async fn send(
    api: &Api,
    path: &Path,
    name: &str,
    fields: &[(&'static str, String)],
    remembered: &Remembered,
    bar: &FileBar,
) -> Result<UploadedFile> {
    let key = Remembered::key(&api.base, path);
    let mut file = File::open(path).await.with_context(|| format!("can't read {}", path.display()))?;
    let size = file.metadata().await?.len();
    let mut url = remembered.get(&key);
    let mut pauses = client::pauses();
    loop {
        match attempt(api, &mut file, size, name, fields, &mut url, bar, |url| remembered.set(&key, url))
            .await
        {
            Ok(uploaded) => {
                remembered.set(&key, None);
                return Ok(uploaded);
            }
            Err(Broken::ForGood(error)) => {
                remembered.set(&key, None);
                return Err(error);
            }
            Err(Broken::OffAfter(progress, error)) => {
                if progress {
                    pauses = client::pauses();
                }
                let Some(pause) = pauses.next() else {
                    return Err(error.context("the same command goes on where it was"));
                };
                sleep(pause).await;
            }
        }
    }
}

/// Why an upload did not come to its end.
enum Broken {
    /// The server will never take it.
    ForGood(anyhow::Error),
    /// It may go on; whether anything arrived since the last time.
    OffAfter(bool, anyhow::Error),
}

#[expect(clippy::too_many_arguments, reason = "one call, of what one upload is made of")]
async fn attempt(
    api: &Api,
    file: &mut File,
    size: u64,
    name: &str,
    fields: &[(&'static str, String)],
    url: &mut Option<String>,
    bar: &FileBar,
    remember: impl Fn(Option<&str>),
) -> Result<UploadedFile, Broken> {
    let mut progress = false;
    let off = |progress: bool| move |error: anyhow::Error| Broken::OffAfter(progress, error);
    let mut offset = match url.as_deref() {
        Some(known) => match ask(api, known).await.map_err(off(false))? {
            Some(offset) => offset,
            // It expired, or was given up.
            None => {
                *url = None;
                0
            }
        },
        None => 0,
    };
    let url = match url {
        Some(url) => url.clone(),
        None => {
            let created = create(api, size, name, fields).await?;
            remember(Some(&created));
            url.insert(created).clone()
        }
    };
    bar.set(offset);
    while offset < size {
        let mut piece = vec![0; PIECE.min(size - offset) as usize];
        let read = async {
            file.seek(SeekFrom::Start(offset)).await?;
            file.read_exact(&mut piece).await
        };
        read.await
            .map_err(|error| Broken::ForGood(anyhow::Error::from(error).context("the file can't be read")))?;
        let request = tus(api, Method::PATCH, &url).header("upload-offset", offset);
        let request = request.header("content-type", "application/offset+octet-stream").body(piece);
        let answer = answered(request.send().await, progress).await?;
        offset = number(&answer, "upload-offset").map_err(off(progress))?;
        progress = true;
        bar.set(offset);
    }
    let state = api.client.get(format!("{}{url}", api.base)).send().await;
    let state: ResumableResponse =
        answered(state, progress).await?.json().await.map_err(anyhow::Error::from).map_err(off(progress))?;
    state.file.context("the server has all bytes, and has not taken the file yet").map_err(off(progress))
}

fn tus(api: &Api, method: Method, url: &str) -> RequestBuilder {
    api.client.request(method, format!("{}{url}", api.base)).header("tus-resumable", "1.0.0")
}

async fn create(
    api: &Api,
    size: u64,
    name: &str,
    fields: &[(&'static str, String)],
) -> Result<String, Broken> {
    let pair = |name: &str, value: &str| format!("{name} {}", STANDARD.encode(value));
    let named = [pair("filename", name)].into_iter();
    let metadata: Vec<String> = named.chain(fields.iter().map(|(name, value)| pair(name, value))).collect();
    let request = tus(api, Method::POST, "/api/v2/uploads").header("upload-length", size);
    let answer = answered(request.header("upload-metadata", metadata.join(",")).send().await, false).await?;
    let location = answer.headers().get("location").and_then(|value| value.to_str().ok());
    let location = location.context("the server does not say where the upload is");
    location.map(str::to_owned).map_err(|error| Broken::OffAfter(false, error))
}

/// How far an upload is; `None`: there is none (any more).
async fn ask(api: &Api, url: &str) -> Result<Option<u64>> {
    let answer = tus(api, Method::HEAD, url).send().await.context("no answer")?;
    match answer.status() {
        StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
        status if status.is_success() => number(&answer, "upload-offset").map(Some),
        status => bail!("the server answered {status}"),
    }
}

fn number(answer: &Response, name: &str) -> Result<u64> {
    let value = answer.headers().get(name).and_then(|value| value.to_str().ok()?.parse().ok());
    value.with_context(|| format!("the server does not say its {name}"))
}

/// An answer that is a success. What a later try may change is not for good.
async fn answered(sent: reqwest::Result<Response>, progress: bool) -> Result<Response, Broken> {
    let answer = match sent {
        Ok(answer) => answer,
        Err(error) => {
            return Err(Broken::OffAfter(progress, anyhow::Error::from(error).context("no answer")));
        }
    };
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let problem = answer.json::<Problem>().await;
    let error = problem.map_or_else(
        |_| anyhow::anyhow!("the server answered {status}"),
        |p| anyhow::anyhow!("{} ({status})", p.detail),
    );
    let passes = status.is_server_error()
        || matches!(
            status,
            StatusCode::CONFLICT | StatusCode::LOCKED | StatusCode::TOO_MANY_REQUESTS | StatusCode::NOT_FOUND
        );
    Err(if passes { Broken::OffAfter(progress, error) } else { Broken::ForGood(error) })
}
