//! Asks, and reads the answer as it is written.

use crate::{
    config::ChatConfig,
    protocol::{Chunk, DONE, Request},
};
use async_trait::async_trait;
use backon::{BackoffBuilder, ExponentialBuilder};
use bytes::Bytes;
use eventsource_stream::Eventsource;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use http_body_util::{BodyExt, Full};
use hyper::{
    Response, StatusCode,
    body::Incoming,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use ragstream_core::{
    fault::{Fault, Result},
    ports::{LanguageModel, LanguageModelInfo, Prompt},
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, ring},
};
use std::{sync::Arc, time::Duration};

/// How long the server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection is kept for the next question.
const IDLE: Duration = Duration::from_secs(60);
/// The longest that `Retry-After` is followed: somebody waits for the answer.
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// Longest event of a stream. A word is some hundred bytes.
const MAX_EVENT_BYTES: usize = 1 << 20;

/// A model on a server. Connections are kept and shared.
pub struct ChatModel {
    info: LanguageModelInfo,
    config: ChatConfig,
    uri: hyper::Uri,
    authorization: Option<HeaderValue>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// Why a try brought no answer.
struct Refused {
    fault: Fault,
    /// Whether it may be otherwise in a moment, and after what time, where the server said.
    again: Option<Option<Duration>>,
}

impl Refused {
    fn final_because(fault: Fault) -> Self {
        Self { fault, again: None }
    }

    fn for_now(fault: Fault) -> Self {
        Self { fault, again: Some(None) }
    }
}

impl ChatModel {
    /// A client of the model. Nothing is asked yet.
    ///
    /// # Errors
    /// `Invalid`: the address or the key can't be sent, or there are no certificate authorities
    /// for an `https://` address.
    pub fn new(config: ChatConfig) -> Result<Self> {
        let bad = |what: String| Fault::invalid("llm_settings", what);
        let uri = format!("{}/chat/completions", config.base_url.as_str().trim_end_matches('/'));
        let uri = uri.parse().map_err(|_| bad(format!("{uri} is no address")))?;
        let authorization = config
            .api_key
            .as_ref()
            .map(|key| {
                let mut value = HeaderValue::try_from(format!("Bearer {key}"))
                    .map_err(|_| bad("the key has characters that no header can have".into()))?;
                value.set_sensitive(true);
                Ok(value)
            })
            .transpose()?;
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECT_TIMEOUT));
        http.set_nodelay(true);
        let provider = Arc::new(ring::default_provider());
        let tls = match HttpsConnectorBuilder::new().with_provider_and_native_roots(provider.clone()) {
            Ok(tls) => tls,
            Err(error) if config.base_url.scheme() == "https" => {
                return Err(
                    bad("no certificate authorities were found on this machine".into()).caused_by(error)
                );
            }
            Err(_) => HttpsConnectorBuilder::new().with_tls_config(without_authorities(provider)),
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(tls.https_or_http().enable_http1().wrap_connector(http));
        let info = LanguageModelInfo {
            name: config.model.clone(),
            context_tokens: config.context_tokens,
            is_local: config.is_local(),
        };
        Ok(Self { info, config, uri, authorization, client })
    }

    async fn send(&self, body: Bytes) -> Result<Response<Incoming>, Refused> {
        let mut request = hyper::Request::post(self.uri.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("ragstream/", env!("CARGO_PKG_VERSION")));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let request = request.body(Full::new(body)).map_err(|e| {
            Refused::final_because(Fault::failed("llm_request", "the request can't be made").caused_by(e))
        })?;
        match self.client.request(request).await {
            Ok(answer) if answer.status().is_success() => Ok(answer),
            Ok(answer) => Err(refusal(&answer)),
            Err(error) => Err(Refused::for_now(unavailable("it can't be reached").caused_by(error))),
        }
    }

    /// One try: the stream, once its first words are there.
    async fn begin(&self, body: Bytes) -> Result<BoxStream<'static, Result<String>>, Refused> {
        let first = async {
            let answer = self.send(body).await?;
            let mut words = words(answer).boxed();
            match words.next().await {
                Some(Ok(first)) => Ok(Some((first, words))),
                Some(Err(fault)) => Err(Refused::for_now(fault)),
                None => Ok(None),
            }
        };
        let late = |_| Refused::for_now(unavailable("it does not begin to answer in time"));
        let begun = tokio::time::timeout(self.config.first_word, first).await.map_err(late)??;
        let Some((first, rest)) = begun else {
            return Err(Refused::for_now(Fault::failed("llm_silent", "the model's answer is empty")));
        };
        let patience = self.config.next_word;
        let rest = futures::stream::try_unfold(rest, move |mut rest| async move {
            match tokio::time::timeout(patience, rest.next()).await {
                Ok(Some(word)) => word.map(|word| Some((word, rest))),
                Ok(None) => Ok(None),
                Err(_) => Err(unavailable("it fell silent in the middle of its answer")),
            }
        });
        Ok(futures::stream::once(async { Ok(first) }).chain(rest).boxed())
    }
}

#[async_trait]
impl LanguageModel for ChatModel {
    fn info(&self) -> &LanguageModelInfo {
        &self.info
    }

    async fn write(&self, prompt: &Prompt) -> Result<BoxStream<'static, Result<String>>> {
        let body = serde_json::to_vec(&Request::new(prompt, &self.config.model))
            .map_err(|e| Fault::failed("llm_request", "the prompt can't be sent").caused_by(e))?;
        let body = Bytes::from(body);
        let mut pauses = ExponentialBuilder::new()
            .with_min_delay(self.config.pause)
            .with_max_delay(MAX_PAUSE)
            .with_max_times(self.config.attempts.saturating_sub(1))
            .with_jitter()
            .build();
        loop {
            let refused = match self.begin(body.clone()).await {
                Ok(words) => return Ok(words),
                Err(refused) => refused,
            };
            let Some(asked) = refused.again else { return Err(refused.fault) };
            let Some(pause) = pauses.next() else { return Err(refused.fault) };
            match asked {
                Some(asked) if asked > MAX_PAUSE => return Err(refused.fault),
                asked => tokio::time::sleep(asked.unwrap_or(pause)).await,
            }
        }
    }
}

fn unavailable(why: &str) -> Fault {
    Fault::unavailable("llm_unavailable", format!("the language model is unavailable: {why}"))
}

/// For a server that is spoken to without encryption.
fn without_authorities(provider: Arc<CryptoProvider>) -> ClientConfig {
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has the cipher suites of the default versions")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth()
}

/// What a status asks for. The body may quote the prompt: it is not read.
fn refusal(answer: &Response<Incoming>) -> Refused {
    let status = answer.status();
    let seconds =
        answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Refused::final_because(Fault::invalid(
            "llm_denied",
            format!("the language model's server answers {status}: check LLM_API_KEY"),
        )),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Refused {
            fault: unavailable(&format!("its server answers {status}")),
            again: Some(seconds.map(Duration::from_secs)),
        },
        _ if status.is_server_error() => Refused {
            fault: unavailable(&format!("its server answers {status}")),
            again: Some(seconds.map(Duration::from_secs)),
        },
        _ => Refused::final_because(Fault::invalid(
            "llm_refused",
            format!("the language model's server answers {status}: check LLM_BASE_URL and LLM_MODEL"),
        )),
    }
}

/// The words of an answer, events without any left out.
fn words(answer: Response<Incoming>) -> impl futures::Stream<Item = Result<String>> + Send + use<> {
    let mut since_event = 0;
    let bytes = answer.into_body().into_data_stream().map(move |bytes| {
        let bytes = bytes.map_err(|e| unavailable("its answer broke off").caused_by(e))?;
        match bytes.iter().rposition(|b| *b == b'\n') {
            Some(end) => since_event = bytes.len() - end,
            None => since_event += bytes.len(),
        }
        if since_event > MAX_EVENT_BYTES {
            return Err(Fault::failed("llm_nonsense", "the language model's answer has no end of line"));
        }
        Ok(bytes)
    });
    let events = bytes.eventsource().map_err(|error| match error {
        eventsource_stream::EventStreamError::Transport(fault) => fault,
        _ => Fault::failed("llm_nonsense", "the language model's answer is no stream of events"),
    });
    let pieces = events.map(|event| {
        let event = event?;
        if event.data == DONE {
            return Ok(None);
        }
        let chunk: Chunk = serde_json::from_str(&event.data)
            .map_err(|_| Fault::failed("llm_nonsense", "the language model's answer can't be read"))?;
        match chunk.error {
            Some(_) => Err(unavailable("its server reports an error")),
            None => Ok(Some(chunk.into_text())),
        }
    });
    pieces
        .take_while(|piece| futures::future::ready(!matches!(piece, Ok(None))))
        .try_filter_map(|piece| futures::future::ready(Ok(piece.filter(|text| !text.is_empty()))))
}
