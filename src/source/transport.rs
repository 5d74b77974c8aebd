//! The HTTP below OpenDAL: one [`Exchange`] for each operation of ours.
//!
//! OpenDAL's HTTP service knows neither queries nor servers that ignore `Range`. This transport
//! adds the query to the URL, holds the egress rule, and makes ranges honest:
//!
//! - a 206 must hold the range that was asked for, or it is an error;
//! - a 200 to a request with `Range` is the whole object (RFC 9110 14.2 allows it): it is cut to
//!   the range, at the cost of the bytes before it;
//! - an answer that goes on after a broken one must be of the same entity tag, or two versions of
//!   an object would be spliced;
//! - an answer with a content coding is an error, for its offsets are not those of the object;
//! - an answer without `Content-Length` is read whole, within `max_read_bytes`, because OpenDAL
//!   refuses to read without one.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, OnceLock};

use futures_util::{Stream, StreamExt, future, stream};
use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, RANGE, TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use opendal::{Buffer, Error, ErrorKind, HttpBody, HttpTransport, HttpTransporter, Result};
use url::Url;

use crate::egress::{self, EgressPolicy};

type BodyStream = Box<dyn Stream<Item = Result<Buffer>> + Send + Sync + Unpin + 'static>;

/// What all exchanges of a root share.
#[derive(Clone)]
pub(super) struct Transport {
    pub(super) inner: HttpTransporter,
    /// The egress rule, for roots whose address is not the operator's word alone.
    pub(super) egress: Option<EgressPolicy>,
    /// Bound of answers that are read whole.
    pub(super) max_read_bytes: u64,
}

/// One operation: what to add to its requests, and what came back.
pub(super) struct Exchange {
    transport: Transport,
    query: Option<String>,
    status: AtomicU16,
    /// Entity tag of the first answer with a body.
    version: OnceLock<HeaderValue>,
}

impl Exchange {
    pub(super) fn new(transport: &Transport, query: Option<&str>) -> Arc<Self> {
        Arc::new(Self {
            transport: transport.clone(),
            query: query.map(str::to_owned),
            status: AtomicU16::new(0),
            version: OnceLock::new(),
        })
    }

    /// The status of the last answer, if there was one.
    pub(super) fn status(&self) -> Option<StatusCode> {
        StatusCode::from_u16(self.status.load(Ordering::Relaxed)).ok()
    }

    async fn exchange(&self, mut request: Request<Buffer>) -> Result<Response<HttpBody>> {
        // An earlier attempt's status says nothing about this one.
        self.status.store(0, Ordering::Relaxed);
        if let Some(query) = &self.query {
            *request.uri_mut() = with_query(request.uri(), query)?;
        }
        if let Some(policy) = &self.transport.egress {
            let url = Url::parse(&request.uri().to_string())
                .map_err(|error| permanent("the URL is malformed").set_source(error))?;
            policy.check_url(&url).map_err(refused)?;
        }
        let wanted = wanted_range(request.headers());
        let is_get = request.method() == Method::GET;
        let response = self.transport.inner.fetch(request).await.map_err(|error| {
            // Asking again would not change the answer, and would take its time.
            match egress::refusal(&error) {
                Some(reason) => refused(reason.clone()),
                None => error,
            }
        })?;
        self.status.store(response.status().as_u16(), Ordering::Relaxed);
        if is_get && response.status().is_success() {
            return self.honest(response, wanted).await;
        }
        Ok(response)
    }

    async fn honest(
        &self,
        response: Response<HttpBody>,
        wanted: Option<(u64, Option<u64>)>,
    ) -> Result<Response<HttpBody>> {
        let coded = response.headers().get(CONTENT_ENCODING).is_some_and(|coding| {
            !coding.as_bytes().eq_ignore_ascii_case(b"identity") && !coding.is_empty()
        });
        if coded {
            return Err(permanent("the server compresses the object; turn Content-Encoding off"));
        }
        if let Some(version) = response.headers().get(ETAG)
            && self.version.get_or_init(|| version.clone()) != version
        {
            return Err(permanent("the object was replaced while it was read"));
        }
        let response = self.with_length(response).await?;
        let Some((start, end)) = wanted else { return Ok(response) };
        match response.status() {
            StatusCode::PARTIAL_CONTENT => match content_range_start(response.headers()) {
                Some(found) if found == start => Ok(response),
                _ => Err(permanent("the server sent another range than it was asked for")),
            },
            StatusCode::OK => cut(response, start, end),
            _ => Ok(response),
        }
    }

    /// Gives an answer that has no length one, by reading it.
    async fn with_length(&self, response: Response<HttpBody>) -> Result<Response<HttpBody>> {
        if response.headers().contains_key(CONTENT_LENGTH) {
            return Ok(response);
        }
        let (mut parts, body) = response.into_parts();
        let mut body = into_stream(body);
        let mut chunks = Vec::new();
        let mut length = 0;
        while let Some(chunk) = body.next().await.transpose()? {
            length += chunk.len() as u64;
            if length > self.transport.max_read_bytes {
                return Err(permanent(
                    "the server sends more than source.max_read_bytes without a Content-Length",
                ));
            }
            chunks.push(Ok(chunk));
        }
        parts.headers.remove(TRANSFER_ENCODING);
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        Ok(Response::from_parts(parts, HttpBody::new(stream::iter(chunks), Some(length))))
    }
}

/// What OpenDAL is given for one operation.
pub(super) struct ExchangeTransport(pub(super) Arc<Exchange>);

impl HttpTransport for ExchangeTransport {
    async fn fetch(&self, request: Request<Buffer>) -> Result<Response<HttpBody>> {
        self.0.exchange(request).await
    }
}

/// Cuts a whole object to `start..=end` of it and makes the answer the 206 that was asked for.
fn cut(response: Response<HttpBody>, start: u64, end: Option<u64>) -> Result<Response<HttpBody>> {
    let (mut parts, body) = response.into_parts();
    let Some(size) = content_length(&parts.headers) else {
        return Err(permanent("the server's Content-Length is no number"));
    };
    if start >= size {
        parts.status = StatusCode::RANGE_NOT_SATISFIABLE;
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(0));
        return Ok(Response::from_parts(parts, HttpBody::new(stream::empty(), None)));
    }
    let last = end.unwrap_or(u64::MAX).min(size - 1);
    let length = last - start + 1;
    let range = HeaderValue::from_str(&format!("bytes {start}-{last}/{size}"))
        .map_err(|error| permanent("the range is no header value").set_source(error))?;
    parts.status = StatusCode::PARTIAL_CONTENT;
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    parts.headers.insert(CONTENT_RANGE, range);

    // (bytes still to skip, bytes still to give)
    let window = into_stream(body).scan((start, length), |(skip, give), chunk| {
        future::ready(match chunk {
            Err(error) => Some(Err(error)),
            // The end; dropping the body closes the connection instead of reading the rest.
            Ok(_) if *give == 0 => None,
            Ok(chunk) => {
                let from = (*skip).min(chunk.len() as u64);
                let taken = (chunk.len() as u64 - from).min(*give);
                *skip -= from;
                *give -= taken;
                // Both are at most the length of a buffer in memory.
                Some(Ok(chunk.slice(from as usize..(from + taken) as usize)))
            }
        })
    });
    // OpenDAL takes an empty buffer for the end.
    let window = window.filter(|chunk| future::ready(!matches!(chunk, Ok(b) if b.is_empty())));
    Ok(Response::from_parts(parts, HttpBody::new(window, Some(length))))
}

fn into_stream(body: HttpBody) -> BodyStream {
    let mut taken: BodyStream = Box::new(stream::empty());
    drop(body.map_inner(|inner| std::mem::replace(&mut taken, inner)));
    taken
}

/// `bytes=start-` or `bytes=start-end`, the forms that OpenDAL writes.
fn wanted_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let range = headers.get(RANGE)?.to_str().ok()?;
    let (start, end) = range.strip_prefix("bytes=")?.split_once('-')?;
    Some((start.parse().ok()?, end.parse().ok()))
}

/// `bytes start-end/size` (RFC 9110 14.4).
fn content_range_start(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok()
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn with_query(uri: &Uri, query: &str) -> Result<Uri> {
    let malformed =
        |error: http::Error| permanent("the URL is malformed with its query").set_source(error);
    let mut parts = uri.clone().into_parts();
    let target = format!("{}?{query}", uri.path());
    parts.path_and_query =
        Some(target.parse().map_err(|error| malformed(http::Error::from(error)))?);
    Uri::from_parts(parts).map_err(|error| malformed(http::Error::from(error)))
}

fn permanent(message: &str) -> Error {
    Error::new(ErrorKind::Unsupported, message)
}

fn refused(reason: egress::EgressRefused) -> Error {
    Error::new(ErrorKind::PermissionDenied, "refused by egress.allow_hosts").set_source(reason)
}
