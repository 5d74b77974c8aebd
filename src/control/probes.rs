//! What machines ask: is it alive, is it ready, how is it doing, what can it do.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::ControlState;
use crate::error::{Error, Kind, Result};

/// A good answer of a probe.
#[derive(Serialize, ToSchema)]
pub(super) struct ProbeBody {
    /// Always `ok`.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Whether the process answers at all.
#[utoipa::path(
    get, path = "/healthz", tag = "operation", security(()),
    responses((status = 200, description = "It does", body = ProbeBody))
)]
pub(super) async fn healthz() -> Json<ProbeBody> {
    Json(ProbeBody { status: "ok" })
}

/// Whether the process can do its work: the catalog answers.
#[utoipa::path(
    get, path = "/readyz", tag = "operation", security(()),
    responses(
        (status = 200, description = "It can", body = ProbeBody),
        (status = 503, description = "`unavailable`"),
    )
)]
pub(super) async fn readyz(State(state): State<Arc<ControlState>>) -> Result<Json<ProbeBody>> {
    // Whatever is wrong with the database, not being ready is the answer, not a bug.
    state.catalog.ping().await.map_err(|error| {
        Error::new(Kind::Unavailable, "the catalog does not answer").caused_by(error)
    })?;
    Ok(Json(ProbeBody { status: "ok" }))
}

/// Metrics in the text format of Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "operation", security(()),
    responses((status = 200, description = "The metrics", content_type = "text/plain", body = String))
)]
pub(super) async fn metrics(State(state): State<Arc<ControlState>>) -> Response {
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, content_type)], state.metrics.page()).into_response()
}

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "operation", security(()),
    responses((status = 200, description = "An OpenAPI document", content_type = "application/json", body = Object))
)]
pub(super) async fn openapi_json() -> Json<utoipa::openapi::OpenApi> {
    Json(super::openapi())
}
