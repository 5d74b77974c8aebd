//! Paths of the key server, and what stands around each answer: CORS, log line, faults.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::{StreamExt, stream};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use serde::Deserialize;

use super::answer::Provider;
use super::clearkey::licence;
use super::document::DocumentError;
use super::fault::Fault;
use super::player::PAGE;
use super::refusal::Refusal;
use super::request::{KeyRequest, speke_version};
use super::{PlayerStream, Settings};
use crate::model::encryption::SpekeVersion;
use crate::model::protection::KeyId;

/// The largest request: eight keys with six systems take some sixty kilobytes.
const MAX_BODY: usize = 1024 * 1024;

const SPEKE_VERSION: HeaderName = HeaderName::from_static("x-speke-version");
const SPEKE_USER_AGENT: HeaderName = HeaderName::from_static("x-speke-user-agent");
/// The name of SPEKE 1.0.
const OLD_USER_AGENT: HeaderName = HeaderName::from_static("speke-user-agent");
const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("packorigin-key-server/", env!("CARGO_PKG_VERSION")));

type Shared = State<Arc<Settings>>;

/// All paths.
pub fn router(settings: Arc<Settings>) -> Router {
    let for_players = Router::new()
        .route("/keys/{kid}", get(plain_key).options(preflight))
        .route("/clearkey", post(clear_key).options(preflight))
        .layer(from_fn(allow_all_origins));
    Router::new()
        .route("/speke", post(speke))
        .route("/speke/{*rest}", post(speke).get(speke_heartbeat))
        .merge(for_players)
        .layer(from_fn_with_state(Arc::clone(&settings), spoil))
        .route("/healthz", get(heartbeat))
        .route("/heartbeat", get(heartbeat))
        .route("/player", get(async || Html(PAGE)))
        .route("/player/streams.json", get(streams))
        .fallback(async || (StatusCode::NOT_FOUND, "there is nothing at this path\n"))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn(log))
        .with_state(settings)
}

async fn heartbeat() -> &'static str {
    "ok\n"
}

/// SPEKE 1.0 puts the heartbeat beside the path of key requests.
async fn speke_heartbeat(Path(rest): Path<String>) -> Response {
    match rest.rsplit('/').next() {
        Some("heartbeat") => heartbeat().await.into_response(),
        _ => (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST")]).into_response(),
    }
}

async fn streams(State(settings): Shared) -> Json<Vec<PlayerStream>> {
    Json(settings.streams.clone())
}

async fn speke(State(settings): Shared, headers: HeaderMap, body: Bytes) -> Response {
    // A header that is no text names no version either.
    let given = headers.get(&SPEKE_VERSION).map(|value| value.to_str().unwrap_or("?"));
    let version = match speke_version(given) {
        Ok(version) => version,
        Err(refusal) => return refuse(refusal),
    };
    let mut response = match speke_answer(&settings, version, &headers, &body) {
        Ok(document) => {
            let not_xml = settings.faults.contains(&Fault::NotXml);
            let body = if not_xml { "<cpix:CPIX".to_owned() } else { document };
            let headers =
                [(header::CONTENT_TYPE, "application/xml"), (header::CACHE_CONTROL, "no-store")];
            (headers, body).into_response()
        }
        Err(refusal) => refuse(refusal),
    };
    let headers = response.headers_mut();
    if version == SpekeVersion::V1 {
        headers.insert(OLD_USER_AGENT, USER_AGENT);
    } else {
        let is_wrong = settings.faults.contains(&Fault::WrongVersion);
        let said = if is_wrong { "9.9" } else { version.as_str() };
        headers.insert(SPEKE_VERSION, HeaderValue::from_static(said));
        headers.insert(SPEKE_USER_AGENT, USER_AGENT);
    }
    response
}

fn refuse(refusal: Refusal) -> Response {
    tracing::info!(%refusal, "a key request is refused");
    refusal.into_response()
}

fn speke_answer(
    settings: &Settings,
    version: SpekeVersion,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<String, Refusal> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|text| text.split(';').next()).unwrap_or_default();
    if !media_type.trim().eq_ignore_ascii_case("application/xml") {
        return Err(Refusal::ContentType);
    }
    let text = std::str::from_utf8(body)
        .map_err(|_| DocumentError::Malformed("it is not UTF-8".to_owned()))?;
    let request = KeyRequest::read(version, text)?;
    let base_url = base_url(settings, headers)?;
    tracing::info!(
        content_id = request.content_id,
        version = version.as_str(),
        scheme = ?request.scheme,
        keys = ?request.keys.iter().map(|key| key.id).collect::<Vec<_>>(),
        encrypted = request.recipient.is_some(),
        "keys are asked for"
    );
    let provider = Provider {
        seed: &settings.seed,
        base_url: &base_url,
        encryption: settings.encryption,
        faults: &settings.faults,
    };
    provider.answer(request)
}

/// What URLs begin with: the setting, or the host that the client used.
fn base_url(settings: &Settings, headers: &HeaderMap) -> Result<String, Refusal> {
    if let Some(base) = &settings.base_url {
        return Ok(base.trim_end_matches('/').to_owned());
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = host.and_then(|host| host.parse::<http::uri::Authority>().ok());
    let authority = authority.filter(|authority| !authority.as_str().contains('@'));
    authority.map(|authority| format!("http://{authority}")).ok_or(Refusal::NoHost)
}

/// `?key=wrong` gives a key that does not fit, for the page's switch.
#[derive(Deserialize)]
struct KeyQuery {
    key: Option<String>,
}

impl KeyQuery {
    fn is_wrong(&self, settings: &Settings) -> bool {
        self.key.as_deref() == Some("wrong") || settings.faults.contains(&Fault::WrongKey)
    }
}

async fn plain_key(
    State(settings): Shared,
    Path(kid): Path<String>,
    Query(query): Query<KeyQuery>,
) -> Response {
    let Some(id) = KeyId::parse(&kid) else {
        return (StatusCode::NOT_FOUND, "this is no key ID\n").into_response();
    };
    let wrong = query.is_wrong(&settings);
    tracing::info!(key = %id, wrong, "a plain key is asked for");
    let key = if wrong { settings.seed.wrong_key(id) } else { settings.seed.key(id) };
    let headers =
        [(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, "no-store")];
    (headers, key.expose().to_vec()).into_response()
}

async fn clear_key(
    State(settings): Shared,
    Query(query): Query<KeyQuery>,
    body: Bytes,
) -> Response {
    let wrong = query.is_wrong(&settings);
    match licence(&settings.seed, &body, wrong) {
        Ok((licence, keys)) => {
            tracing::info!(?keys, wrong, "a licence is asked for");
            ([(header::CACHE_CONTROL, "no-store")], Json(licence)).into_response()
        }
        Err(error) => {
            tracing::info!(%error, "a licence request is refused");
            (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response()
        }
    }
}

/// CORS preflight (Fetch, 4.8): players send JSON with headers of their own.
async fn preflight(headers: HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let answer = response.headers_mut();
    let methods = HeaderValue::from_static("GET, HEAD, POST, OPTIONS");
    answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    if let Some(wanted) = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    answer.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

async fn allow_all_origins(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let all = HeaderValue::from_static("*");
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, all);
    response
}

/// The path as far as it is ours; what follows may be a token.
fn route_name(path: &str) -> &'static str {
    const ROUTES: [&str; 6] = ["speke", "keys", "clearkey", "player", "healthz", "heartbeat"];
    let first = path.split('/').nth(1).unwrap_or_default();
    ROUTES.into_iter().find(|route| *route == first).unwrap_or("none")
}

/// One line for each request.
async fn log(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = route_name(request.uri().path());
    let response = next.run(request).await;
    tracing::info!(
        %method,
        route,
        status = response.status().as_u16(),
        milliseconds = started.elapsed().as_millis() as u64,
        "key server"
    );
    response
}

/// Tells the listener to close the connection without an answer.
#[derive(Clone, Debug)]
pub(super) struct Hangup;

impl fmt::Display for Hangup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is closed on purpose")
    }
}

impl std::error::Error for Hangup {}

impl From<Infallible> for Hangup {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// Faults of the connection.
async fn spoil(State(settings): Shared, request: Request, next: Next) -> Response {
    if request.method() == Method::OPTIONS {
        return next.run(request).await;
    }
    let mut early = None;
    for fault in &settings.faults {
        match fault {
            Fault::Slow(time) => tokio::time::sleep(*time).await,
            Fault::Status(status) => early = Some((*status, "as asked for\n").into_response()),
            Fault::Reset => {
                let mut response = Response::new(Body::empty());
                response.extensions_mut().insert(Hangup);
                early = Some(response);
            }
            _ => {}
        }
    }
    let response = match early {
        Some(response) => response,
        None => next.run(request).await,
    };
    if settings.faults.contains(&Fault::Truncate) { truncated(response).await } else { response }
}

/// Promises the whole body and breaks off in its middle.
async fn truncated(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(whole) = axum::body::to_bytes(body, MAX_BODY).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(whole.len()));
    let half = whole.slice(..whole.len() / 2);
    // An error right behind the first half would overtake it.
    let break_off = stream::once(async {
        tokio::task::yield_now().await;
        Err(Hangup)
    });
    let pieces = stream::iter([Ok(half)]).chain(break_off);
    Response::from_parts(parts, Body::from_stream(pieces))
}
