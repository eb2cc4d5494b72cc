//! Serving HTTP: the layers that every server has, and a graceful end.

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, header::HeaderName},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    serve::ListenerExt,
};
use ragstream_api::problem::Problem;
use ragstream_core::{topics::header, trace::TraceContext};
use std::{any::Any, future::Future, time::Instant};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;

/// The header under which a client may name its request, and finds the name in the answer.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static(header::TRACEPARENT);

/// Longest request id that is taken from a client.
const MAX_REQUEST_ID: usize = 128;

/// What a request carries through the pipeline: into log lines, record headers and rows.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// The client's `x-request-id`, or a new one.
    pub correlation_id: String,
    /// The trace it belongs to: the client's, or a new one.
    pub trace: TraceContext,
}

impl RequestContext {
    /// Of work that goes on without its request, under the name of that.
    pub fn of_work(correlation_id: &str) -> Self {
        Self { correlation_id: correlation_id.to_owned(), trace: TraceContext::root() }
    }
}

/// Serves `router` until the token is cancelled, then finishes what is under way.
pub fn serve(
    listener: TcpListener,
    router: Router,
    token: CancellationToken,
) -> impl Future<Output = std::io::Result<()>> + Send {
    let router = router
        .fallback(|request: Request| async move {
            Problem::not_found(format!("there is no {}; see /docs", request.uri().path()))
        })
        .method_not_allowed_fallback(|request: Request| async move {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                format!("{} is not done with {}; see /docs", request.uri().path(), request.method()),
            )
        })
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(with_context));
    // Small answers must not wait 40 ms for the client's acknowledgement (Nagle, RFC 896).
    // Without it they are slow, not wrong.
    let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
    async move { axum::serve(listener, router).with_graceful_shutdown(token.cancelled_owned()).await }
}

/// The context that a request's headers give it.
fn context_of(headers: &HeaderMap) -> RequestContext {
    let header = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    RequestContext {
        correlation_id: header(REQUEST_ID)
            .filter(|id| !id.is_empty() && id.len() <= MAX_REQUEST_ID)
            .map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned),
        trace: header(TRACEPARENT)
            .and_then(TraceContext::parse)
            .map_or_else(TraceContext::root, |parent| parent.child()),
    }
}

/// Gives the request its context, and logs its end.
async fn with_context(mut request: Request, next: Next) -> Response {
    let context = context_of(request.headers());
    let RequestContext { correlation_id, trace } = context.clone();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    request.extensions_mut().insert(context);

    let span = tracing::info_span!("request", correlation_id, trace_id = trace.trace_id());
    let begun = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    span.in_scope(|| {
        tracing::debug!(%method, path, status = response.status().as_u16(), ms = begun.elapsed().as_millis(), "request served");
    });
    for (name, value) in [(REQUEST_ID, correlation_id), (TRACEPARENT, trace.to_string())] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn panicked(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("a request handler panicked");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "the server failed to handle this request; its log has the reason under this request's x-request-id",
    )
    .into_response()
}
