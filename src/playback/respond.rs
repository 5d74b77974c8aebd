//! What is known of an answer → HTTP: validators, ranges, cache control, CORS, problems.
//!
//! RFC 9110 (conditions 13.1, ranges 14), RFC 9111 (cache control), RFC 9457 (problems), the
//! Fetch standard (CORS). Answers are values until the very end; nothing here waits or logs.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE, ORIGIN, RANGE, RETRY_AFTER, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use super::content::{Body, Content};
use crate::config;
use crate::error::{Blame, Error, Kind};

/// How long answers live in caches, and who may use them.
#[derive(Clone, Debug)]
pub struct ResponsePolicy {
    entry_cache_control: HeaderValue,
    not_found_cache_control: HeaderValue,
    /// `None` means everyone.
    allowed_origins: Option<Vec<String>>,
}

/// How long an answer may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Changes when the configuration does.
    Entry,
    /// Never changes.
    Immutable,
}

/// A resource as far as headers go.
#[derive(Clone, Debug)]
pub struct Head {
    /// Media type.
    pub content_type: &'static str,
    /// Strong validator without quotes.
    pub etag: Arc<str>,
    /// Size of the whole body.
    pub length: u64,
    /// How long it may be kept.
    pub freshness: Freshness,
    /// Whether parts of it may be asked for.
    pub ranges: bool,
    /// What it is sent in.
    pub coding: Coding,
}

/// The content coding of a resource (RFC 9110 8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// As it is; it has no other.
    Only,
    /// As it is; who accepts gzip gets that.
    GzipElsewhere,
    /// gzip; who does not accept that gets it as it is.
    Gzip,
}

/// What a request wants of a resource, judged from its head alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The client has it already.
    NotModified,
    /// All of it.
    Whole,
    /// These bytes.
    Part(std::ops::Range<u64>),
    /// Bytes that it does not have.
    Unsatisfiable,
}

const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Content-Length, Content-Range, Content-Type, Date, ETag, X-Request-Id",
);
/// Of a good answer: room for all of them at once.
const MOST_HEADERS: usize = 12;
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

impl ResponsePolicy {
    /// The policy that the settings ask for.
    pub fn new(settings: &config::Playback) -> Self {
        let value = |text: String| HeaderValue::try_from(text).unwrap_or(NO_STORE);
        let origins = &settings.cors_allow_origins;
        Self {
            entry_cache_control: value(format!(
                "public, max-age={}, must-revalidate",
                settings.manifest_max_age.as_secs()
            )),
            not_found_cache_control: value(format!(
                "public, max-age={}",
                settings.not_found_max_age.as_secs()
            )),
            allowed_origins: (!origins.iter().any(|origin| origin == "*")).then(|| origins.clone()),
        }
    }

    /// The answer to a request for a resource whose body is at hand, or is not wanted (`None`, for
    /// `HEAD`).
    pub fn resource(
        &self,
        head: &Head,
        verdict: &Verdict,
        body: Option<Content>,
    ) -> Response<Body> {
        let mut response = Response::new(Body::default());
        let headers = response.headers_mut();
        headers.reserve(MOST_HEADERS);
        if let Ok(etag) = HeaderValue::from_maybe_shared(quoted(&head.etag)) {
            headers.insert(ETAG, etag);
        }
        if head.coding != Coding::Only {
            headers.insert(VARY, HeaderValue::from_name(ACCEPT_ENCODING));
        }
        headers.insert(
            CACHE_CONTROL,
            match head.freshness {
                Freshness::Entry => self.entry_cache_control.clone(),
                Freshness::Immutable => IMMUTABLE,
            },
        );
        if head.ranges {
            headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        }
        if *verdict == Verdict::NotModified {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(head.content_type));
        if head.coding == Coding::Gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let body_length = match verdict {
            Verdict::Part(range) => range.end - range.start,
            _ => head.length,
        };
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body_length));
        if let Verdict::Part(range) = verdict {
            let text = format!("bytes {}-{}/{}", range.start, range.end - 1, head.length);
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(CONTENT_RANGE, value);
            }
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        if let Some(body) = body {
            let range = match verdict {
                Verdict::Part(range) => range.clone(),
                _ => 0..body.len(),
            };
            *response.body_mut() = body.into_body(range);
        }
        response
    }

    /// The answer to a range that the resource does not have.
    pub fn unsatisfiable(&self, head: &Head, request_id: &str) -> Response<Body> {
        let message = format!("the resource has {} bytes; ask for a range inside", head.length);
        let mut response =
            self.problem(&Error::new(Kind::RangeNotSatisfiable, message), request_id);
        if let Ok(value) = HeaderValue::try_from(format!("bytes */{}", head.length)) {
            response.headers_mut().insert(CONTENT_RANGE, value);
        }
        response
    }

    /// The answer to an error. Its sentence is told where the client is to blame.
    pub fn problem(&self, error: &Error, request_id: &str) -> Response<Body> {
        let kind = error.kind();
        let status =
            StatusCode::from_u16(kind.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut problem = serde_json::json!({
            "type": "about:blank",
            "title": status.canonical_reason().unwrap_or("Error"),
            "status": status.as_u16(),
            "code": kind.code(),
            "requestId": request_id,
        });
        if error.blame() == Blame::Client
            && let Some(problem) = problem.as_object_mut()
        {
            problem.insert("detail".to_owned(), error.message().into());
        }
        let body = Bytes::from(problem.to_string());
        let mut response = Response::new(Body::default());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        // Only here: other answers are the same for everyone who asks.
        if let Ok(request_id) = HeaderValue::try_from(request_id) {
            headers.insert(REQUEST_ID, request_id);
        }
        headers.insert(
            CACHE_CONTROL,
            match kind {
                Kind::NotFound | Kind::UnsupportedCodec => self.not_found_cache_control.clone(),
                _ => NO_STORE,
            },
        );
        if matches!(kind, Kind::KeysUnavailable | Kind::Unavailable | Kind::SourceTimeout) {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("2"));
        }
        if kind == Kind::MethodNotAllowed {
            headers.insert(ALLOW, METHODS);
        }
        *response.body_mut() = body.into();
        response
    }

    /// The answer to a CORS preflight, or to `OPTIONS` at large.
    pub fn preflight(&self, request: &HeaderMap) -> Response<Body> {
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(ALLOW, METHODS);
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        // Nothing is read from unknown headers, so any may be sent.
        if let Some(wanted) = request.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        }
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400"));
        response
    }

    /// Adds what every answer has.
    pub fn finish(&self, request: &HeaderMap, is_head: bool, response: &mut Response<Body>) {
        if is_head {
            *response.body_mut() = Body::default();
        }
        let headers = response.headers_mut();
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        match &self.allowed_origins {
            None => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
                headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
            }
            Some(allowed) => {
                headers.append(VARY, HeaderValue::from_static("Origin"));
                let origin = request.get(ORIGIN).filter(|origin| {
                    origin.to_str().is_ok_and(|origin| allowed.iter().any(|known| known == origin))
                });
                if let Some(origin) = origin {
                    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
                }
            }
        }
    }
}

/// Judges conditions and ranges of a request against a resource (RFC 9110 13.2.2).
pub fn judge(method: &Method, request: &HeaderMap, head: &Head) -> Verdict {
    let has_it = request.get_all(IF_NONE_MATCH).iter().any(|value| {
        value.to_str().is_ok_and(|list| {
            list.split(',').map(str::trim).any(|tag| tag == "*" || is_weakly(tag, &head.etag))
        })
    });
    if has_it {
        return Verdict::NotModified;
    }
    if !head.ranges || *method != Method::GET {
        return Verdict::Whole;
    }
    let Some(range) = request.get(RANGE).and_then(|value| value.to_str().ok()) else {
        return Verdict::Whole;
    };
    let condition = request.get(IF_RANGE);
    if condition.is_some_and(|tag| tag.as_bytes() != quoted(&head.etag)) {
        return Verdict::Whole;
    }
    judge_range(range, head.length)
}

/// An entity tag as headers have it.
fn quoted(etag: &str) -> Bytes {
    let mut quoted = BytesMut::with_capacity(etag.len() + 2);
    quoted.put_u8(b'"');
    quoted.put_slice(etag.as_bytes());
    quoted.put_u8(b'"');
    quoted.freeze()
}

/// Weak comparison, as `If-None-Match` wants it (RFC 9110 13.1.2).
fn is_weakly(tag: &str, etag: &str) -> bool {
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')) == Some(etag)
}

/// A `Range` header (RFC 9110 14.1.2). What is malformed, and what asks for several ranges, is
/// answered whole.
fn judge_range(header: &str, length: u64) -> Verdict {
    let Some((first, last)) =
        header.strip_prefix("bytes=").and_then(|range| range.trim().split_once('-'))
    else {
        return Verdict::Whole;
    };
    let number = |text: &str| -> Option<u64> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse().unwrap_or(u64::MAX))
    };
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first > last => Verdict::Whole,
        (Some(first), last) if last.is_some() || last_is_open(header) => {
            if first >= length {
                return Verdict::Unsatisfiable;
            }
            let end = last.map_or(length, |last| last.saturating_add(1).min(length));
            Verdict::Part(first..end)
        }
        (None, Some(0)) if first.is_empty() => Verdict::Unsatisfiable,
        (None, Some(suffix)) if first.is_empty() => {
            if length == 0 {
                return Verdict::Unsatisfiable;
            }
            Verdict::Part(length.saturating_sub(suffix)..length)
        }
        _ => Verdict::Whole,
    }
}

fn last_is_open(header: &str) -> bool {
    header.trim_end().ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        Head {
            content_type: "video/mp4",
            etag: "abc".into(),
            length: 100,
            freshness: Freshness::Immutable,
            ranges: true,
            coding: Coding::Only,
        }
    }

    fn with(name: HeaderName, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn ranges_are_judged_as_rfc_9110_says() {
        for (range, verdict) in [
            ("bytes=0-0", Verdict::Part(0..1)),
            ("bytes=10-19", Verdict::Part(10..20)),
            ("bytes=90-", Verdict::Part(90..100)),
            ("bytes=90-1000", Verdict::Part(90..100)),
            ("bytes=-10", Verdict::Part(90..100)),
            ("bytes=-1000", Verdict::Part(0..100)),
            ("bytes=100-", Verdict::Unsatisfiable),
            ("bytes=99999999999999999999-", Verdict::Unsatisfiable),
            ("bytes=-0", Verdict::Unsatisfiable),
            ("bytes=20-10", Verdict::Whole),
            ("bytes=0-1,5-6", Verdict::Whole),
            ("bytes=a-b", Verdict::Whole),
            ("bytes=-", Verdict::Whole),
            ("bytes=+1-2", Verdict::Whole),
            ("items=0-1", Verdict::Whole),
        ] {
            assert_eq!(judge(&Method::GET, &with(RANGE, range), &head()), verdict, "{range}");
        }
        assert_eq!(judge(&Method::HEAD, &with(RANGE, "bytes=0-0"), &head()), Verdict::Whole);
    }

    #[test]
    fn conditions_come_before_ranges() {
        for (tags, verdict) in [
            ("\"abc\"", Verdict::NotModified),
            ("\"x\", W/\"abc\"", Verdict::NotModified),
            ("*", Verdict::NotModified),
            ("abc", Verdict::Part(0..1)),
            ("\"x\"", Verdict::Part(0..1)),
        ] {
            let mut headers = with(IF_NONE_MATCH, tags);
            headers.insert(RANGE, HeaderValue::from_static("bytes=0-0"));
            assert_eq!(judge(&Method::GET, &headers, &head()), verdict, "{tags}");
        }
    }

    #[test]
    fn if_range_wants_the_strong_tag() {
        for (tag, verdict) in [("\"abc\"", Verdict::Part(0..1)), ("W/\"abc\"", Verdict::Whole)] {
            let mut headers = with(IF_RANGE, tag);
            headers.insert(RANGE, HeaderValue::from_static("bytes=0-0"));
            assert_eq!(judge(&Method::GET, &headers, &head()), verdict, "{tag}");
        }
    }
}
