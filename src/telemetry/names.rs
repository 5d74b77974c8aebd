//! Every name that leaves the program: spans, metrics, labels. Dashboards and alerts rely on them.
//!
//! Metric names are given as OpenTelemetry takes them; `/metrics` shows them with `_` for `.`, the
//! unit, and `_total` on counters: `packorigin.http.requests` is
//! `packorigin_http_requests_total`.

/// Who sends.
pub const SERVICE: &str = "packorigin";

/// Span of one request to a listener.
pub const SPAN_REQUEST: &str = "request";
/// Span of one segment being built.
pub const SPAN_BUILD: &str = "build_segment";
/// Span of one read from a source.
pub const SPAN_SOURCE: &str = "source_read";
/// Span of one ingest job.
pub const SPAN_INGEST: &str = "ingest";
/// Span of one request to a key server.
pub const SPAN_KEYS: &str = "key_request";

/// Counter: requests answered. Labels: listener, route, status class.
pub const HTTP_REQUESTS: &str = "packorigin.http.requests";
/// Histogram, seconds: request to last byte. Labels: listener, route.
pub const HTTP_DURATION: &str = "packorigin.http.request.duration";
/// Counter, bytes: bodies sent. Labels: listener, route.
pub const HTTP_BYTES: &str = "packorigin.http.response.size";
/// Counter: look-ups. Labels: cache, outcome.
pub const CACHE_LOOKUPS: &str = "packorigin.cache.lookups";
/// Counter: entries dropped to make room. Labels: cache.
pub const CACHE_EVICTIONS: &str = "packorigin.cache.evictions";
/// Gauge, bytes: what a cache holds. Labels: cache.
pub const CACHE_BYTES: &str = "packorigin.cache.size";
/// Histogram, seconds: one segment built. Labels: container.
pub const BUILD_DURATION: &str = "packorigin.build.duration";
/// Counter, bytes: segments built. Labels: container.
pub const BUILD_BYTES: &str = "packorigin.build.output";
/// Counter: requests to sources. Labels: source, operation, outcome.
pub const SOURCE_REQUESTS: &str = "packorigin.source.requests";
/// Histogram, seconds: request to last byte, with retries. Labels: source, operation.
pub const SOURCE_DURATION: &str = "packorigin.source.request.duration";
/// Counter, bytes: read from sources. Labels: source.
pub const SOURCE_BYTES: &str = "packorigin.source.read";
/// Counter: attempts after the first. Labels: source.
pub const SOURCE_RETRIES: &str = "packorigin.source.retries";
/// Counter: blocks read ahead. Labels: outcome.
pub const READ_AHEAD: &str = "packorigin.source.read.ahead";
/// Gauge, bytes: what was read ahead, or is to be, and nobody has asked for yet.
pub const READ_AHEAD_BYTES: &str = "packorigin.source.read.ahead.size";
/// Gauge: source objects that are missing or too short, as far as this node knows.
pub const SOURCE_MISSING: &str = "packorigin.source.missing.objects";
/// Counter: segments that manifests were written without. Labels: healing.
pub const HEALED_SEGMENTS: &str = "packorigin.healed.segments";
/// Counter: look-ups of key sets. Labels: outcome.
pub const KEY_LOOKUPS: &str = "packorigin.keys.lookups";
/// Counter: questions put to key servers, retries included. Labels: outcome.
pub const KEY_REQUESTS: &str = "packorigin.keys.requests";
/// Histogram, seconds: one question put to a key server, with retries. Labels: outcome.
pub const KEY_DURATION: &str = "packorigin.keys.request.duration";
/// Counter: attempts after the first.
pub const KEY_RETRIES: &str = "packorigin.keys.retries";
/// Gauge: key servers that are left alone because they do not answer.
pub const KEY_SERVERS_PAUSED: &str = "packorigin.keys.servers.paused";
/// Counter: finished ingest jobs. Labels: outcome.
pub const INGEST_JOBS: &str = "packorigin.ingest.jobs";
/// Counter: errors answered or logged. Labels: kind, blame.
pub const ERRORS: &str = "packorigin.errors";

/// `playback` or `control`.
pub const LABEL_LISTENER: &str = "listener";
/// The kind of URL, never the URL.
pub const LABEL_ROUTE: &str = "route";
/// `2xx`, `3xx`, `4xx`, `5xx`.
pub const LABEL_STATUS: &str = "status";
/// Which cache.
pub const LABEL_CACHE: &str = "cache";
/// How it went; each metric has its own closed set.
pub const LABEL_OUTCOME: &str = "outcome";
/// `ts` or `cmaf`.
pub const LABEL_CONTAINER: &str = "container";
/// The configured name of a source root.
pub const LABEL_SOURCE: &str = "source";
/// What was asked of a source.
pub const LABEL_OPERATION: &str = "operation";
/// `gap` or `silence`.
pub const LABEL_HEALING: &str = "healing";
/// Code of an error kind.
pub const LABEL_KIND: &str = "kind";
/// Whose fault.
pub const LABEL_BLAME: &str = "blame";
