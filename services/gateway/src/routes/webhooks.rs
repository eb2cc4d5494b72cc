//! Webhooks: who wants to be told of what happens to documents.

use super::{
    documents::page_size,
    extract::{Id, JsonBody, Params},
};
use crate::{
    Gateway,
    webhooks::{Secret, Sender},
};
use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::Utc;
use ragstream_api::{
    problem::Problem,
    webhooks::{
        DeliveriesResponse, EventBody, WebhookRequest, WebhookResponse, WebhookTestResponse, WebhooksResponse,
    },
};
use ragstream_core::{
    document::DEFAULT_COLLECTION,
    id::{DocumentId, JobId, WebhookId},
    lifecycle::{TYPES, matches},
    ports::{NewWebhook, Webhook},
};
use serde::Deserialize;
use std::time::Instant;
use url::Url;
use utoipa::IntoParams;

/// Most webhooks: each may be sent every event.
const MAX_WEBHOOKS: u32 = 100;
/// Longest address, in bytes: more than browsers take.
const MAX_URL: usize = 2_048;
/// Longest description and name of a collection, in bytes.
const MAX_TEXT: usize = 512;
/// The type of an event that tests a webhook.
const TEST: &str = "webhook.test";

/// Checks all but the address, which takes a look into the DNS.
fn checked(request: WebhookRequest) -> Result<(NewWebhook, Url), Problem> {
    let WebhookRequest { url, mut events, collection, description, secret } = request;
    if url.len() > MAX_URL {
        return Err(Problem::invalid_field("url", format_args!("is longer than {MAX_URL} bytes")));
    }
    let mut address: Url = url
        .parse()
        .map_err(|e| Problem::invalid_field("url", format_args!("must be an https:// address: {e}")))?;
    address.set_fragment(None);
    if let Some(unknown) = events.iter().find(|filter| !TYPES.iter().any(|kind| matches(filter, kind))) {
        return Err(Problem::invalid_field(
            "events",
            format_args!("has {unknown:?}, which no event is: there are {}", TYPES.join(", ")),
        ));
    }
    events.sort();
    events.dedup();
    for (field, text) in [("collection", &collection), ("description", &description)] {
        let fits = |text: &String| (1..=MAX_TEXT).contains(&text.len()) && !text.contains('\0');
        if !text.as_ref().is_none_or(fits) {
            return Err(Problem::invalid_field(
                field,
                format_args!("must be 1 to {MAX_TEXT} bytes of text, or left out"),
            ));
        }
    }
    let secret = secret.unwrap_or_else(Secret::generate);
    Secret::parse(&secret).map_err(|why| Problem::invalid_field("secret", why))?;
    Ok((NewWebhook { url: address.to_string(), events, collection, description, secret }, address))
}

async fn find(gateway: &Gateway, webhook_id: WebhookId) -> Result<Webhook, Problem> {
    let webhook = gateway.hooks.ledger.webhook(webhook_id).await?;
    webhook.ok_or_else(|| Problem::not_found(format!("there is no webhook {webhook_id}")))
}

/// Be told of what happens to documents.
///
/// Each event is a `POST` of an `EventBody`, signed by the
/// [Standard Webhooks](https://www.standardwebhooks.com) specification with the secret that
/// this answer holds, and no later one. Any 2xx within 10 seconds takes the event; 410
/// deactivates the webhook; anything else is tried again, later and later, and in the end lies
/// in the topic `document-lifecycle.dlq`. Events from now on are sent.
#[utoipa::path(
    post, path = "/api/v2/webhooks", tag = "webhooks", request_body = WebhookRequest,
    responses(
        (status = 201, body = WebhookResponse, description = "Created; keep the `secret`"),
        (status = 400, body = Problem),
        (status = 409, body = Problem),
        (status = 422, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(crate) async fn create(
    State(gateway): State<Gateway>,
    JsonBody(request): JsonBody<WebhookRequest>,
) -> Result<Response, Problem> {
    let (new, address) = checked(request)?;
    gateway.hooks.outbound.check(&address).await?;
    let Some(webhook) = gateway.hooks.ledger.add(&new, MAX_WEBHOOKS).await? else {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "too_many_webhooks",
            format!("there are {MAX_WEBHOOKS} webhooks already: delete one that is not needed"),
        ));
    };
    tracing::info!(webhook_id = %webhook.webhook_id, "webhook created");
    let location = HeaderValue::try_from(format!("/api/v2/webhooks/{}", webhook.webhook_id));
    let location = location.map_err(|e| Problem::bad_request("bad_path", e.to_string()))?;
    let body = WebhookResponse { secret: Some(new.secret), ..webhook.into() };
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(body)).into_response())
}

/// All webhooks.
#[utoipa::path(
    get, path = "/api/v2/webhooks", tag = "webhooks",
    responses((status = 200, body = WebhooksResponse), (status = 503, body = Problem))
)]
pub(crate) async fn list(State(gateway): State<Gateway>) -> Result<Json<WebhooksResponse>, Problem> {
    let webhooks = gateway.hooks.ledger.webhooks().await?;
    Ok(Json(WebhooksResponse { webhooks: webhooks.into_iter().map(Into::into).collect() }))
}

/// A webhook.
#[utoipa::path(
    get, path = "/api/v2/webhooks/{id}", tag = "webhooks", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = WebhookResponse), (status = 404, body = Problem))
)]
pub(crate) async fn get(
    State(gateway): State<Gateway>,
    Id(id): Id<WebhookId>,
) -> Result<Json<WebhookResponse>, Problem> {
    Ok(Json(find(&gateway, id).await?.into()))
}

/// Be told no longer.
#[utoipa::path(
    delete, path = "/api/v2/webhooks/{id}", tag = "webhooks", params(("id" = uuid::Uuid, Path)),
    responses((status = 204), (status = 404, body = Problem))
)]
pub(crate) async fn delete(
    State(gateway): State<Gateway>,
    Id(id): Id<WebhookId>,
) -> Result<StatusCode, Problem> {
    if !gateway.hooks.ledger.remove(id).await? {
        return Err(Problem::not_found(format!("there is no webhook {id}")));
    }
    tracing::info!(webhook_id = %id, "webhook deleted");
    Ok(StatusCode::NO_CONTENT)
}

/// Send an event of type `webhook.test` now, once.
#[utoipa::path(
    post, path = "/api/v2/webhooks/{id}/test", tag = "webhooks", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = WebhookTestResponse), (status = 404, body = Problem))
)]
pub(crate) async fn test(
    State(gateway): State<Gateway>,
    Id(id): Id<WebhookId>,
) -> Result<Json<WebhookTestResponse>, Problem> {
    let webhook = find(&gateway, id).await?;
    Ok(Json(send_test(&gateway.hooks.sender, webhook.wants).await))
}

async fn send_test(sender: &Sender, webhook: NewWebhook) -> WebhookTestResponse {
    let event = EventBody {
        event_id: 0,
        kind: TEST.to_owned(),
        occurred_at: Utc::now(),
        document_id: DocumentId::generate().0,
        version: 1,
        job_id: JobId::generate().0,
        batch_id: None,
        collection: webhook.collection.clone().unwrap_or_else(|| DEFAULT_COLLECTION.to_owned()),
        external_id: None,
        filename: "test.txt".to_owned(),
        stage: None,
        chunks_total: None,
        error: None,
        correlation_id: None,
    };
    let began = Instant::now();
    let tried = sender.send(&webhook, &format!("test_{}", event.document_id), &event).await;
    WebhookTestResponse {
        delivered: tried.error.is_none(),
        status: tried.status,
        error: tried.error,
        milliseconds: began.elapsed().as_millis() as u64,
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeliveriesParams {
    /// At most so many, 1 to 1,000.
    limit: Option<u32>,
    /// Only events before this one: `next` of the page before has it.
    before: Option<i64>,
}

/// What was sent to a webhook lately, and what became of it: the newest events first.
#[utoipa::path(
    get, path = "/api/v2/webhooks/{id}/deliveries", tag = "webhooks",
    params(("id" = uuid::Uuid, Path), DeliveriesParams),
    responses((status = 200, body = DeliveriesResponse), (status = 404, body = Problem))
)]
pub(crate) async fn deliveries(
    State(gateway): State<Gateway>,
    Id(id): Id<WebhookId>,
    Params(params): Params<DeliveriesParams>,
) -> Result<Json<DeliveriesResponse>, Problem> {
    let limit = page_size(params.limit)?;
    find(&gateway, id).await?;
    let deliveries = gateway.hooks.ledger.deliveries(id, params.before, limit).await?;
    let full = deliveries.len() == limit as usize;
    let next = deliveries
        .last()
        .filter(|_| full)
        .map(|last| format!("/api/v2/webhooks/{id}/deliveries?limit={limit}&before={}", last.event_id));
    Ok(Json(DeliveriesResponse { deliveries: deliveries.into_iter().map(Into::into).collect(), next }))
}
