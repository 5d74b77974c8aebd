//! Spans to an OpenTelemetry collector: OTLP over HTTP, in protobuf.

use std::time::Duration;

use opentelemetry_http::{Bytes, HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use url::Url;

use super::names;
use crate::error::{Blame, Error, Result};

/// How long one batch may take to be sent.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Sends batches of spans to `endpoint` + `v1/traces`. Must run inside the runtime.
pub(super) fn tracer_provider(endpoint: &Url) -> Result<SdkTracerProvider> {
    let problem = |message: &str| {
        let message = format!("telemetry.otlp_endpoint: {message}");
        Error::invalid("telemetry.otlp_endpoint", message).blamed_on(Blame::Us)
    };
    let runtime = tokio::runtime::Handle::try_current().map_err(|error| {
        Error::internal("spans are exported outside a runtime").caused_by(error)
    })?;
    let client = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .build()
        .map_err(|error| problem("no HTTP client could be made").caused_by(error))?;
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(RuntimeClient { runtime, client })
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", endpoint.as_str().trim_end_matches('/')))
        .with_timeout(TIMEOUT)
        .build()
        .map_err(|error| problem("spans cannot be sent there").caused_by(error))?;
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(Resource::builder().with_service_name(names::SERVICE).build())
        .build())
}

/// The SDK exports from a thread of its own, where no reactor runs; the client needs ours.
#[derive(Debug)]
struct RuntimeClient {
    runtime: tokio::runtime::Handle,
    client: reqwest::Client,
}

#[async_trait::async_trait]
impl HttpClient for RuntimeClient {
    async fn send_bytes(
        &self,
        request: http::Request<Bytes>,
    ) -> std::result::Result<http::Response<Bytes>, HttpError> {
        let client = self.client.clone();
        self.runtime.spawn(async move { client.send_bytes(request).await }).await?
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use axum::http::HeaderMap;
    use axum::routing::post;
    use opentelemetry::trace::{Tracer, TracerProvider};
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn spans_reach_the_collector_before_shutdown_ends() {
        let (arrived, mut arrivals) = mpsc::unbounded_channel();
        let arrived = Arc::new(arrived);
        let app = Router::new().route(
            "/otlp/v1/traces",
            post(move |headers: HeaderMap, body: axum::body::Bytes| {
                let kind = headers.get("content-type").cloned();
                arrived.send((kind, body)).unwrap();
                async {}
            }),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/otlp/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });

        let provider = tracer_provider(&endpoint.parse().unwrap()).unwrap();
        provider.tracer("test").in_span("a-span-of-ours", |_| {});
        tokio::task::spawn_blocking(move || provider.shutdown()).await.unwrap().unwrap();

        let (kind, body) = arrivals.try_recv().unwrap();
        assert_eq!(kind.unwrap(), "application/x-protobuf");
        let name = b"a-span-of-ours";
        assert!(body.windows(name.len()).any(|window| window == name));
    }
}
