//! What every role serves about itself: `/livez`, `/readyz`, `/health`, `/metrics`.

use crate::health::{Health, Status};
use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use prometheus::{Encoder, TextEncoder};

/// The routes.
///
/// - `/livez`: 200 while the process turns; it asks nothing of anybody, so
///   that an outage elsewhere restarts no process.
/// - `/readyz`: 200 where every component is up, else 503, with each.
/// - `/health`: the same report, always 200.
/// - `/metrics`: Prometheus text format.
pub fn routes(health: Health) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/health", get(|State(health): State<Health>| async move { Json(health.report().await) }))
        .with_state(health)
        .route("/metrics", get(metrics))
}

async fn readyz(State(health): State<Health>) -> impl IntoResponse {
    let report = health.report().await;
    let status = match report.status {
        Status::Up => StatusCode::OK,
        Status::Down => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(report))
}

async fn metrics() -> impl IntoResponse {
    let encoder = TextEncoder::new();
    let mut body = Vec::new();
    match encoder.encode(&prometheus::gather(), &mut body) {
        Ok(()) => (StatusCode::OK, [("content-type", encoder.format_type().to_owned())], body),
        Err(error) => {
            tracing::error!(%error, "metrics can't be encoded");
            (StatusCode::INTERNAL_SERVER_ERROR, [("content-type", "text/plain".to_owned())], Vec::new())
        }
    }
}
