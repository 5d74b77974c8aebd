//! Reading below one root.

use std::num::NonZero;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use http::StatusCode;
use opendal::{ErrorKind, HttpTransporter, Operator};
use tokio::sync::Semaphore;

use super::error::SourceError;
use super::file::Folder;
use super::key::KeyRing;
use super::local::Pieces;
use super::open::LONGEST_BACKOFF;
use super::path::{RootUrl, SourcePath};
use super::transport::{Exchange, ExchangeTransport, Transport};
use crate::config::SourceLimits;
use crate::egress;
use crate::model::policy::Name;
use crate::telemetry::{Metrics, SourceOperation, SourceRequest};

/// A read as a whole may take as long as this rate needs for it, beside the configured timeouts.
/// Each silence is bounded by those; this bounds a source that drips.
const SLOWEST_BYTES_PER_SECOND: u64 = 64 * 1024;

/// One configured root. All reads go through here.
pub struct Root {
    name: Name,
    url: RootUrl,
    operator: Operator,
    backend: Backend,
    limits: SourceLimits,
    // Ours instead of OpenDAL's layer, so that the wait for a permit does not count as slowness of
    // the source.
    permits: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    pieces: Pieces,
    keys: KeyRing,
    metrics: Arc<Metrics>,
}

/// What differs below OpenDAL.
pub(super) enum Backend {
    Folder(Folder),
    Http(Transport),
}

/// What a root tells of an object without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectStat {
    /// Bytes.
    pub size: u64,
    /// Changes when the bytes do: an entity tag, or the time of the last change. `None` where the
    /// storage has neither.
    pub identity: Option<String>,
}

/// One operation on its way: where OpenDAL finds the object, and what HTTP said.
struct Call {
    operator: Operator,
    path: String,
    exchange: Option<Arc<Exchange>>,
    stat: Option<ObjectStat>,
}

impl Root {
    pub(super) fn new(
        name: Name,
        url: RootUrl,
        operator: Operator,
        backend: Backend,
        limits: SourceLimits,
        keys: KeyRing,
        metrics: Arc<Metrics>,
    ) -> Self {
        let permits = Arc::new(Semaphore::new(limits.concurrency));
        let pieces = Pieces::default();
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        let turns = Arc::new(Semaphore::new(processors));
        Self { name, url, operator, backend, limits, permits, turns, pieces, keys, metrics }
    }

    /// The configured name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The address that URIs in playlists are resolved against.
    pub fn url(&self) -> &RootUrl {
        &self.url
    }

    pub(super) fn folder(&self) -> Option<&Folder> {
        match &self.backend {
            Backend::Folder(folder) => Some(folder),
            Backend::Http(_) => None,
        }
    }

    /// For work that is done where it is asked for.
    pub(super) fn turns(&self) -> &Semaphore {
        &self.turns
    }

    pub(super) fn permits(&self) -> Arc<Semaphore> {
        self.permits.clone()
    }

    pub(super) fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    pub(super) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    pub(super) fn keys(&self) -> &KeyRing {
        &self.keys
    }

    /// Exactly the bytes of `range`, or an error: an object that ends before is
    /// [`SourceError::Truncated`], a range above `source.max_read_bytes` is
    /// [`SourceError::TooLarge`].
    pub async fn read_range(
        &self,
        path: &SourcePath,
        range: Range<u64>,
    ) -> Result<Bytes, SourceError> {
        let length = range.end.saturating_sub(range.start);
        let limit = self.limits.max_read_bytes;
        if length > limit {
            return Err(SourceError::TooLarge { path: path.as_str().to_owned(), limit });
        }
        if length == 0 {
            return Ok(Bytes::new());
        }
        self.measured(path, SourceOperation::Read, length, |bytes: &Bytes| bytes.len(), async {
            let call = self.call(path).await?;
            if let Some(size) = call.stat.as_ref().map(|stat| stat.size).filter(|s| *s < range.end)
            {
                let (path, wanted) = (path.as_str().to_owned(), range.end);
                return Err(SourceError::Truncated { path, wanted, size: Some(size) });
            }
            match self.collect(&call, path, Some(range.clone()), length).await {
                Ok(bytes) if bytes.len() as u64 == length => Ok(bytes),
                Ok(_) => Err(self.truncated(path, range.end).await),
                // OpenDAL has no kind of its own for an object that is too short, and servers
                // answer it in several ways; the size tells.
                Err(SourceError::Unavailable { path: shown, detail }) => {
                    match self.size(path).await {
                        Some(size) if size < range.end => {
                            let (wanted, size) = (range.end, Some(size));
                            Err(SourceError::Truncated { path: shown, wanted, size })
                        }
                        _ => Err(SourceError::Unavailable { path: shown, detail }),
                    }
                }
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// The whole object, if it has at most `limit` bytes.
    pub async fn read_all(&self, path: &SourcePath, limit: u64) -> Result<Bytes, SourceError> {
        self.measured(path, SourceOperation::Read, limit, |bytes: &Bytes| bytes.len(), async {
            let call = self.call(path).await?;
            if call.stat.as_ref().is_some_and(|stat| stat.size > limit) {
                return Err(SourceError::TooLarge { path: path.as_str().to_owned(), limit });
            }
            // Memory is asked for as much as a range may have.
            let range = call.stat.as_ref().map(|stat| 0..stat.size);
            self.collect(&call, path, range, limit).await
        })
        .await
    }

    /// Size and identity. A web server must answer `HEAD`, with a `Content-Length`.
    pub async fn stat(&self, path: &SourcePath) -> Result<ObjectStat, SourceError> {
        self.measured(path, SourceOperation::Stat, 0, |_: &ObjectStat| 0, self.stat_now(path)).await
    }

    async fn stat_now(&self, path: &SourcePath) -> Result<ObjectStat, SourceError> {
        let call = self.call(path).await?;
        if let Some(stat) = call.stat {
            return Ok(stat);
        }
        let metadata = call
            .operator
            .stat(&call.path)
            .await
            .map_err(|error| self.explain(path, &error, call.exchange.as_deref()))?;
        let identity = match metadata.etag() {
            Some(etag) => Some(etag.to_owned()),
            None => metadata.last_modified().map(|at| at.to_string()),
        };
        Ok(ObjectStat { size: metadata.content_length(), identity })
    }

    /// Puts a permit before `work`, a deadline over it, and its outcome into the metrics.
    async fn measured<T>(
        &self,
        path: &SourcePath,
        operation: SourceOperation,
        most_bytes: u64,
        bytes_of: impl Fn(&T) -> usize,
        work: impl Future<Output = Result<T, SourceError>>,
    ) -> Result<T, SourceError> {
        let unavailable = |_| SourceError::Unavailable {
            path: path.as_str().to_owned(),
            detail: "the source is closed".to_owned(),
        };
        let _permit = self.permits.acquire().await.map_err(unavailable)?;
        let started = Instant::now();
        let after = self.deadline(most_bytes);
        let result = match tokio::time::timeout(after, work).await {
            Ok(result) => result,
            Err(_) => Err(SourceError::Timeout { path: path.as_str().to_owned(), after }),
        };
        self.metrics.source_request(SourceRequest {
            source: self.name.as_str(),
            operation,
            outcome: result.as_ref().map_or_else(SourceError::label, |_| "ok"),
            duration: started.elapsed(),
            bytes: result.as_ref().map_or(0, |value| bytes_of(value) as u64),
        });
        result
    }

    /// Every attempt's silence, every wait between attempts, and a slow line.
    pub(super) fn deadline(&self, most_bytes: u64) -> Duration {
        let retries = u32::try_from(self.limits.retries).unwrap_or(u32::MAX);
        let attempts = self.limits.timeout.saturating_mul(retries.saturating_add(2));
        let waits = LONGEST_BACKOFF.saturating_mul(retries);
        let transfer = Duration::from_secs(most_bytes / SLOWEST_BYTES_PER_SECOND);
        attempts.saturating_add(waits).saturating_add(transfer)
    }

    async fn call(&self, path: &SourcePath) -> Result<Call, SourceError> {
        match &self.backend {
            Backend::Folder(folder) => {
                // A network file system may hang like any server.
                let after = self.limits.timeout;
                let confined =
                    tokio::time::timeout(after, folder.confine(path)).await.map_err(|_| {
                        SourceError::Timeout { path: path.as_str().to_owned(), after }
                    })??;
                Ok(Call {
                    operator: self.operator.clone(),
                    path: confined.path,
                    exchange: None,
                    stat: Some(confined.stat),
                })
            }
            Backend::Http(transport) => {
                let exchange = Exchange::new(transport, path.query());
                let context = self
                    .operator
                    .base_context()
                    .with_http_transport(HttpTransporter::new(ExchangeTransport(exchange.clone())));
                Ok(Call {
                    operator: self.operator.clone().with_context(context),
                    path: path.as_str().to_owned(),
                    exchange: Some(exchange),
                    stat: None,
                })
            }
        }
    }

    /// Reads `range`, or everything, and no more than `limit`.
    async fn collect(
        &self,
        call: &Call,
        path: &SourcePath,
        range: Option<Range<u64>>,
        limit: u64,
    ) -> Result<Bytes, SourceError> {
        let explain = |error: opendal::Error| self.explain(path, &error, call.exchange.as_deref());
        let reader = call.operator.reader(&call.path).await.map_err(explain)?;
        let length = range.as_ref().map(|range| range.end.saturating_sub(range.start) as usize);
        let mut stream = match range {
            Some(range) => reader.into_stream(range).await,
            None => reader.into_stream(..).await,
        }
        .map_err(explain)?;

        let too_large = || SourceError::TooLarge { path: path.as_str().to_owned(), limit };
        let within = |length: usize| length as u64 <= limit;
        let Some(first) = stream.try_next().await.map_err(explain)? else {
            return Ok(Bytes::new());
        };
        let first = first.to_bytes();
        let Some(second) = stream.try_next().await.map_err(explain)? else {
            // One chunk, as files mostly come, is handed on as it is.
            return if within(first.len()) { Ok(first) } else { Err(too_large()) };
        };
        // Chunks are let go of as they come: kept to the end, they would take as much again.
        let mut whole = BytesMut::with_capacity(length.unwrap_or(first.len() + second.len()));
        whole.extend_from_slice(&first);
        drop(first);
        let mut next = Some(second);
        while let Some(chunk) = next {
            if !within(whole.len() + chunk.len()) {
                return Err(too_large());
            }
            for part in chunk {
                whole.extend_from_slice(&part);
            }
            next = stream.try_next().await.map_err(explain)?;
        }
        Ok(whole.freeze())
    }

    async fn truncated(&self, path: &SourcePath, wanted: u64) -> SourceError {
        let size = self.size(path).await;
        SourceError::Truncated { path: path.as_str().to_owned(), wanted, size }
    }

    async fn size(&self, path: &SourcePath) -> Option<u64> {
        self.stat_now(path).await.ok().map(|stat| stat.size)
    }

    /// What an error of OpenDAL means. Its own text is not used: it quotes URLs and answers.
    fn explain(
        &self,
        path: &SourcePath,
        error: &opendal::Error,
        exchange: Option<&Exchange>,
    ) -> SourceError {
        let path = path.as_str().to_owned();
        if let Some(refused) = egress::refusal(error) {
            return SourceError::Forbidden { path, detail: refused.to_string() };
        }
        let status = exchange.and_then(Exchange::status).filter(|status| !status.is_success());
        let said = status.map(|status| format!("the server answered {status}"));
        match (error.kind(), status) {
            (ErrorKind::NotFound, _)
            | (ErrorKind::NotADirectory | ErrorKind::IsADirectory, _)
            | (_, Some(StatusCode::GONE)) => {
                SourceError::NotFound { path, detail: said.unwrap_or_default() }
            }
            (ErrorKind::PermissionDenied, _)
            | (_, Some(StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED)) => {
                SourceError::Forbidden { path, detail: said.unwrap_or_default() }
            }
            _ if is_timeout(error) => SourceError::Timeout { path, after: self.limits.timeout },
            // Written by our transport: it says what is wrong and quotes nothing.
            (ErrorKind::Unsupported, _) => {
                SourceError::Unavailable { path, detail: error.message().to_owned() }
            }
            _ => {
                let detail = said.unwrap_or_else(|| transport_detail(error));
                SourceError::Unavailable { path, detail }
            }
        }
    }
}

/// OpenDAL's timeouts have no kind of their own, only this text; a test holds it.
fn is_timeout(error: &opendal::Error) -> bool {
    error.message().ends_with("timeout reached")
        || causes(error).any(|cause| {
            cause.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_timeout)
        })
}

/// The operating system's word on a broken connection; anything else might quote a URL.
fn transport_detail(error: &opendal::Error) -> String {
    let io = causes(error).filter_map(|cause| cause.downcast_ref::<std::io::Error>()).last();
    match io {
        Some(error) => format!("the connection failed: {}", error.kind()),
        None if causes(error).any(|cause| cause.is::<reqwest::Error>()) => {
            "the connection failed".to_owned()
        }
        None => "the request could not be signed or sent, or the answer not be read".to_owned(),
    }
}

fn causes<'a>(
    error: &'a opendal::Error,
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(std::error::Error::source(error), |cause| cause.source())
}
