//! Errors as `application/problem+json` (RFC 9457), and the request id that they carry.
//!
//! A handler answers an [`Error`]; [`answer`] is the one place that turns it into a body and that
//! logs it. The text of an error leaves the house where the blame is the client's; a 5xx says no
//! more than its code and the request id under which the log has the cause.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body::Body as _;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::ControlState;
use crate::error::{Error, Kind};
use crate::telemetry::{HttpRequest, Listener};

/// An error as clients read it (RFC 9457).
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub(super) struct ProblemBody {
    /// Always `about:blank`: `code` tells kinds of problems apart.
    #[serde(rename = "type")]
    type_uri: &'static str,
    /// The meaning of `status`.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// A stable word for programs, such as `invalid_argument`.
    #[schema(example = "invalid_argument")]
    code: &'static str,
    /// What is wrong and what to do, for people.
    detail: String,
    /// The field or parameter that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<String>,
    /// Finds the request in the log.
    request_id: String,
}

impl ProblemBody {
    /// What a client may know of an error.
    pub(super) fn new(error: &Error, request_id: &RequestId) -> Self {
        let status = error.kind().http_status();
        let ours = status >= 500;
        Self {
            type_uri: "about:blank",
            title: StatusCode::from_u16(status)
                .ok()
                .and_then(|status| status.canonical_reason())
                .unwrap_or("Error"),
            status,
            code: error.kind().code(),
            detail: if ours { OUR_FAULT.to_owned() } else { error.message().to_owned() },
            field: error.field().filter(|_| !ours).map(str::to_owned),
            request_id: request_id.0.clone(),
        }
    }
}

/// Carries an error from a handler or extractor to `answer`, which writes the body.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status(&self);
        response.extensions_mut().insert(self);
        response
    }
}

/// The id of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestId(String);

impl RequestId {
    /// The id that the client gave, if it is fit for a log and a header.
    fn given(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(&REQUEST_ID)?.to_str().ok()?;
        let well_formed = (1..=128).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        well_formed.then(|| Self(text.to_owned()))
    }
}

/// Makes ids that no other request of this process has, and hardly one of another.
#[derive(Debug)]
pub(super) struct RequestIds {
    start: i128,
    count: AtomicU64,
}

impl RequestIds {
    pub(super) fn new() -> Self {
        let start = OffsetDateTime::now_utc().unix_timestamp_nanos() / 1000;
        Self { start, count: AtomicU64::new(0) }
    }

    fn next(&self) -> RequestId {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        RequestId(format!("{:x}-{count:x}", self.start))
    }
}

/// Around every request: its id, the access token, the body of an error, one line in the log.
pub(super) async fn answer(
    State((state, ids)): State<(Arc<ControlState>, Arc<RequestIds>)>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let id = RequestId::given(request.headers()).unwrap_or_else(|| ids.next());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    request.extensions_mut().insert(id.clone());
    let mut response = match admit(&state, &request) {
        Err(error) => error.into_response(),
        // A panic must cost one answer, not the connection without a word.
        Ok(()) => AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|_| {
            Error::internal("a handler panicked; the lines above say where").into_response()
        }),
    };
    let error = response.extensions_mut().remove::<Error>();
    if let Some(error) = &error {
        write_problem(&mut response, error, &id);
        state.counters.error(error.kind(), error.blame());
    }
    state.counters.http_request(HttpRequest {
        listener: Listener::Control,
        route: if path.starts_with("/v1/") { "api" } else { "probe" },
        status: response.status().as_u16(),
        duration: started.elapsed(),
        bytes: response.body().size_hint().exact().unwrap_or(0),
    });
    let (status, id_text) = (response.status().as_u16(), id.0.as_str());
    let milliseconds = started.elapsed().as_millis();
    match error {
        Some(error) if status >= 500 => {
            let error = error.chain();
            tracing::error!(%method, path, status, milliseconds, request_id = id_text, error, "request");
        }
        Some(error) => {
            let error = error.chain();
            tracing::info!(%method, path, status, milliseconds, request_id = id_text, error, "request");
        }
        None => {
            tracing::debug!(%method, path, status, milliseconds, request_id = id_text, "request")
        }
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(id_text) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Everything but the listed paths needs the token, so a path that is forgotten here is closed.
fn admit(state: &ControlState, request: &Request) -> Result<(), Error> {
    match &state.access_token {
        Some(token) if !OPEN_PATHS.contains(&request.uri().path()) => {
            token.admit(request.headers())
        }
        _ => Ok(()),
    }
}

/// Replaces the body of a response; headers that it has already, such as `Allow`, stay.
fn write_problem(response: &mut Response, error: &Error, id: &RequestId) {
    let body = serde_json::to_vec(&ProblemBody::new(error, id)).unwrap_or_default();
    *response.status_mut() = status(error);
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    match error.kind() {
        Kind::Unauthenticated => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Kind::KeysUnavailable | Kind::Unavailable => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
        }
        _ => {}
    }
    *response.body_mut() = Body::from(body);
}

fn status(error: &Error) -> StatusCode {
    StatusCode::from_u16(error.kind().http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The content type of errors.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";
const OUR_FAULT: &str =
    "packorigin could not answer this request; its log has the cause under the request id";
/// Probes, what monitoring reads, and the document that tells how to get in.
const OPEN_PATHS: [&str; 4] = ["/healthz", "/readyz", "/metrics", "/openapi.json"];
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// A busy database is usually free again by then.
const RETRY_AFTER_SECONDS: &str = "2";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_stays_in_the_house() {
        let id = RequestId("r-1".to_owned());
        let error = Error::invalid("x", "secret path /srv").blamed_on(crate::error::Blame::Us);
        assert_eq!(ProblemBody::new(&error, &id).detail, "secret path /srv");
        for kind in [Kind::Internal, Kind::Unavailable, Kind::SourceFailed, Kind::SourceTimeout] {
            let body = ProblemBody::new(&Error::new(kind, "secret path /srv"), &id);
            assert!(!body.detail.contains("secret"), "{body:?}");
            assert_eq!((body.code, body.request_id.as_str()), (kind.code(), "r-1"));
        }
    }

    #[test]
    fn request_ids_are_taken_if_well_formed() {
        let given = |text: &[u8]| {
            let value = HeaderValue::from_bytes(text).unwrap();
            RequestId::given(&HeaderMap::from_iter([(REQUEST_ID, value)]))
        };
        assert_eq!(given(b"a-B_9.z"), Some(RequestId("a-B_9.z".to_owned())));
        for bad in [&b""[..], b"a b", b"a\"b", b"\xff", &[b'a'; 129]] {
            assert_eq!(given(bad), None);
        }
        let ids = RequestIds::new();
        assert_ne!(ids.next(), ids.next());
    }
}
