//! Tests of the control API: the router is driven without sockets, over a catalog in memory.

mod assets;
mod document;
mod dry_run;
mod encryption;
mod groups;
mod problems;

use axum::body::{Body, to_bytes};
use http::{HeaderMap, Method, Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::catalog::{CatalogSettings, IngestJob, Ingested, SqliteStore, SystemClock};
use crate::config::{SealingKey, Secrets};
use crate::model::ingest::{LeftOut, Report};
use crate::telemetry::Metrics;

struct Api {
    router: Router,
    catalog: Arc<Catalog>,
    store: SqliteStore,
}

#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

async fn api() -> Api {
    with_token(None).await
}

/// An API over an empty catalog. Configurations called `nothing` leave no stream.
async fn with_token(token: Option<&str>) -> Api {
    over(SqliteStore::in_memory().await.unwrap(), token)
}

fn over(store: SqliteStore, token: Option<&str>) -> Api {
    built(store, token, EgressPolicy::default())
}

fn built(store: SqliteStore, token: Option<&str>, egress: EgressPolicy) -> Api {
    with_dry_run(store, token, egress, no_dry_run())
}

fn no_dry_run() -> DryRun {
    let limits = DryRunLimits { concurrency: 0, timeout: std::time::Duration::ZERO };
    DryRun::new(limits, |_, _| unreachable!("none may run"))
}

fn with_dry_run(
    store: SqliteStore,
    token: Option<&str>,
    egress: EgressPolicy,
    dry_run: DryRun,
) -> Api {
    let settings = CatalogSettings::default();
    let catalog = Arc::new(Catalog::new(Arc::new(store.clone()), Arc::new(SystemClock), settings));
    let state = ControlState {
        catalog: Arc::clone(&catalog),
        sources: ["default", "archive"].map(str::to_owned).into(),
        public_base_url: "https://cdn.example.com/".to_owned(),
        access_token: token.map(|token| AccessToken::new(token).unwrap()),
        vault: vault(),
        egress,
        endpoint_check: EndpointCheck::new(|view, configuration| {
            Box::pin(async move {
                assert!(view.current_version().is_some(), "only asked of playable assets");
                let is_nothing = configuration.name.as_str() == "nothing";
                let left_out = LeftOut {
                    stream: "a.m3u8".to_owned(),
                    what: "MP3".to_owned(),
                    reason: "no word for it".to_owned(),
                };
                EndpointOffer {
                    failure: is_nothing.then(|| EndpointFailure {
                        code: "no_streams",
                        detail: "no stream is left".to_owned(),
                    }),
                    left_out: (configuration.name.as_str() == "cmaf")
                        .then_some(left_out)
                        .into_iter()
                        .collect(),
                }
            })
        }),
        dry_run,
        metrics: MetricsPage::new(|| "packorigin_up 1\n".to_owned()),
        counters: Arc::new(Metrics::new().unwrap()),
    };
    Api { router: router(state), catalog, store }
}

fn vault() -> Arc<Vault> {
    let key = Some(SealingKey::new(zeroize::Zeroizing::new([7; 32])));
    let directory = Some("/nowhere".into());
    let secrets = Secrets { key, directory, ..Secrets::default() };
    Arc::new(Vault::new(&secrets, std::path::Path::new("/nowhere")).unwrap())
}

/// An API with the group `web` and in it the configuration `dash`.
async fn furnished() -> Api {
    let api = api().await;
    api.post("/v1/packaging-groups", json!({"name": "web"})).await.expect_status(201);
    api.post(CONFIGURATIONS, json!({"name": "dash", "packageType": "DASH"}))
        .await
        .expect_status(201);
    api
}

impl Api {
    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let text = || Value::String(String::from_utf8(bytes.to_vec()).unwrap());
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| text());
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = Request::builder().method(method).uri(path);
        let request = match body {
            None => request.body(Body::empty()),
            Some(body) => request
                .header("content-type", "application/json")
                .body(Body::from(body.to_string())),
        };
        self.send(request.unwrap()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    async fn put(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PUT, path, Some(body)).await
    }

    async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, Some(body)).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await
    }

    async fn asset(&self, name: &str) -> Answer {
        let body = json!({"name": name, "packagingGroup": "web", "path": "a/master.m3u8"});
        self.post("/v1/assets", body).await
    }

    async fn claim(&self) -> IngestJob {
        self.catalog.claim_job("w").await.unwrap().expect("a job is queued")
    }

    async fn ingest(&self) {
        let job = self.claim().await;
        let report = Report { duration_milliseconds: 1234, ..Report::default() };
        let ingested =
            Ingested { version: "00ff".to_owned(), index_key: "index/00ff".to_owned(), report };
        let _ = self.catalog.complete_job(&job, ingested).await.unwrap();
    }
}

impl Answer {
    /// Checks the status.
    fn expect_status(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{self:#?}");
        self
    }

    /// Checks that this is a whole problem body.
    fn expect_problem(self, status: u16, code: &str, field: Option<&str>) -> Self {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:#?}");
        assert_eq!(self.body["status"], status, "{self:#?}");
        assert_eq!(self.body["code"], code, "{self:#?}");
        assert_eq!(self.body.get("field").and_then(Value::as_str), field, "{self:#?}");
        assert_eq!(self.body["type"], "about:blank");
        assert_eq!(self.body["requestId"], self.headers["x-request-id"].to_str().unwrap());
        assert!(self.body["detail"].as_str().is_some_and(|text| !text.is_empty()));
        assert!(self.body["title"].as_str().is_some_and(|text| !text.is_empty()));
        self.expect_status(status)
    }

    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// The names of the items of a list.
    fn names(&self) -> Vec<&str> {
        let items = self.body["items"].as_array().unwrap();
        items.iter().map(|item| item["name"].as_str().unwrap()).collect()
    }
}

const CONFIGURATIONS: &str = "/v1/packaging-groups/web/packaging-configurations";
const DASH: &str = "/v1/packaging-groups/web/packaging-configurations/dash";
