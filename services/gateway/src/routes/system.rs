//! The state of the system, for people.

use crate::Gateway;
use axum::{Json, extract::State};
use chrono::Utc;
use futures::future::join_all;
use ragstream_api::{
    problem::Problem,
    system::{ComponentStatus, QueryNodeStatus, QueueStatus, Rates, SystemStatus},
};
use ragstream_core::topics::EMBEDDINGS;
use ragstream_runtime::health::{ComponentHealth, Status};

/// How the system is: components, documents, jobs, chunks, queues, query nodes, rates.
#[utoipa::path(
    get, path = "/api/v2/system/status", tag = "operating",
    responses((status = 200, body = SystemStatus), (status = 503, body = Problem))
)]
pub(crate) async fn status(State(gateway): State<Gateway>) -> Result<Json<SystemStatus>, Problem> {
    let (totals, outbox, events, report, query_nodes) = tokio::join!(
        gateway.totalled.totals(),
        gateway.outbox.backlog(),
        gateway.lifecycle.unpublished(),
        gateway.health.report(),
        query_nodes(&gateway)
    );
    let (totals, now) = (totals?, Utc::now());
    Ok(Json(SystemStatus {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: gateway.started_at,
        uptime_seconds: (now - gateway.started_at).num_seconds().max(0) as u64,
        components: report.components.into_iter().map(component).collect(),
        documents: totals.documents,
        storage_bytes: totals.bytes,
        jobs: totals.jobs,
        chunks: totals.chunks,
        outbox: QueueStatus::new(outbox?, now),
        events: QueueStatus::new(events?, now),
        query_nodes,
        rates: Rates {
            documents_per_minute: totals.documents_per_minute,
            chunks_per_second: totals.chunks_per_second,
        },
        watchers: gateway.progress.watchers(),
    }))
}

fn component(health: ComponentHealth) -> ComponentStatus {
    ComponentStatus {
        name: health.component.to_owned(),
        healthy: health.status == Status::Up,
        latency_ms: health.latency_ms,
        detail: health.detail,
    }
}

/// What each query node says, and how far it is behind the log where that is known.
async fn query_nodes(gateway: &Gateway) -> Vec<QueryNodeStatus> {
    let ends = gateway.log_ends.ends(EMBEDDINGS).await.ok();
    let urls: Vec<&str> = gateway.query.urls().collect();
    join_all(urls.into_iter().map(|url| async {
        let summary = gateway.query.index_summary(url).await;
        let lag = summary.as_ref().ok().zip(ends.as_ref()).map(|(summary, ends)| {
            let behind = |(partition, range): (&i32, &std::ops::Range<i64>)| {
                let next = summary.positions.get(partition).copied().unwrap_or(range.start);
                (range.end - next.max(range.start)).max(0)
            };
            ends.iter().map(behind).sum()
        });
        QueryNodeStatus {
            url: url.to_owned(),
            ready: summary.is_ok(),
            chunks: summary.as_ref().ok().map(|summary| summary.chunks),
            applied_lag: lag,
            detail: summary.err(),
        }
    }))
    .await
}
