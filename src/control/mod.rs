//! The operators' listener: the `/v1` API, its OpenAPI document, health and metrics.
//!
//! ```text
//! request ─▶ problem::answer ─▶ route ─▶ handler ─▶ Catalog
//!              │ request id       path, query, body: each checked, each refusal named
//!              │ access token
//!              ◀── body of an Error, log line
//! ```
//!
//! The JSON forms live here, beside the handlers that read and write them; the checked values that
//! they become are `model`'s and `catalog`'s. What lies on other floors is passed in as
//! [`ControlState`]: this room packages nothing and reads no source, and it neither terminates TLS
//! nor limits rates, which is for a proxy in front of it.

mod assets;
mod auth;
mod body;
mod check;
mod configurations;
mod dash;
mod dry_run;
mod encryption;
mod endpoints;
mod groups;
mod openapi;
mod path;
mod probes;
mod problem;
mod query;
mod report;
mod trick_play;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use self::auth::{AccessToken, require_token};
pub use self::dry_run::{DryRun, DryRunLimits, DryRunResult};
pub use self::endpoints::{EndpointCheck, EndpointFailure, EndpointOffer};
pub use self::openapi::openapi;
use self::problem::{RequestIds, answer};
use crate::catalog::Catalog;
use crate::egress::EgressPolicy;
use crate::error::{Error, Kind, Result};
use crate::keys::Vault;
use crate::telemetry::Metrics;

/// What the control listener works with.
#[derive(Clone, Debug)]
pub struct ControlState {
    /// The catalog.
    pub catalog: Arc<Catalog>,
    /// The names of the configured sources.
    pub sources: BTreeSet<String>,
    /// What playback URLs begin with, such as `http://127.0.0.1:8080`.
    pub public_base_url: String,
    /// What callers must know; `None` lets everyone in who can connect.
    pub access_token: Option<AccessToken>,
    /// Seals the secrets of configurations.
    pub vault: Arc<Vault>,
    /// Which key servers may be named.
    pub egress: EgressPolicy,
    /// Whether an asset can be played through a configuration.
    pub endpoint_check: EndpointCheck,
    /// Reads sources without registering anything.
    pub dry_run: DryRun,
    /// What `/metrics` answers.
    pub metrics: MetricsPage,
    /// Where requests are counted.
    pub counters: Arc<Metrics>,
}

/// Writes the metrics page.
#[derive(Clone)]
pub struct MetricsPage(Arc<dyn Fn() -> String + Send + Sync>);

impl MetricsPage {
    /// A page that a function writes, in the text format of Prometheus.
    pub fn new(page: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(page))
    }

    fn page(&self) -> String {
        (self.0)()
    }
}

impl fmt::Debug for MetricsPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MetricsPage")
    }
}

/// The control API.
pub fn router(state: ControlState) -> Router {
    let state = Arc::new(state);
    Router::new()
        .route("/v1/packaging-groups", get(groups::list).post(groups::create))
        .route(
            "/v1/packaging-groups/{group}",
            get(groups::show).patch(groups::patch).delete(groups::delete),
        )
        .route(
            "/v1/packaging-groups/{group}/packaging-configurations",
            get(configurations::list).post(configurations::create),
        )
        .route(
            "/v1/packaging-groups/{group}/packaging-configurations/{configuration}",
            get(configurations::show).put(configurations::replace).delete(configurations::delete),
        )
        .route("/v1/assets", get(assets::list).post(assets::create))
        .route("/v1/assets:batch", post(assets::create_batch))
        .route(
            "/v1/assets/{asset}",
            get(assets::show).patch(assets::patch).delete(assets::delete).post(assets::reingest),
        )
        .route("/healthz", get(probes::healthz))
        .route("/readyz", get(probes::readyz))
        .route("/metrics", get(probes::metrics))
        .route("/openapi.json", get(probes::openapi_json))
        .method_not_allowed_fallback(async |request: Request| {
            let message = format!("{} is not a method of this path", request.method());
            Error::new(Kind::MethodNotAllowed, message)
        })
        .fallback(async || Error::not_found("there is nothing at this path"))
        .layer(from_fn_with_state((Arc::clone(&state), Arc::new(RequestIds::new())), answer))
        .with_state(state)
}

/// Serves the control API until `shutdown` turns true or its sender is gone, and then until the
/// requests under way are answered.
pub async fn serve(
    listener: TcpListener,
    state: ControlState,
    mut shutdown: watch::Receiver<bool>,
) -> Result<()> {
    axum::serve(listener, router(state))
        .with_graceful_shutdown(async move {
            // An error means that the sender is gone, and with it whoever runs us.
            let _ = shutdown.wait_for(|down| *down).await;
        })
        .await
        .map_err(|error| Error::internal("the control listener stopped").caused_by(error))
}

#[cfg(test)]
mod tests;
