//! The counters that every request moves, bound to their labels beforehand.
//!
//! An OpenTelemetry counter sorts and hashes its labels each time it is moved, which takes longer
//! than finding a segment in the cache. These are handles of the page's own registry: one atomic
//! addition. They stand on the page under the names that OpenTelemetry would give them.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use prometheus::{HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry};

use super::metrics::{CacheOutcome, DURATION_BOUNDS, HttpRequest, Listener};
use super::names;
use crate::error::{Error, Result};

/// What requests to the listeners move.
pub(super) struct HttpMeter {
    requests: IntCounterVec,
    duration: HistogramVec,
    bytes: IntCounterVec,
    /// A dozen at most: routes are a closed set of words.
    bound: RwLock<Vec<Arc<BoundRoute>>>,
}

struct BoundRoute {
    listener: Listener,
    route: &'static str,
    duration: prometheus::Histogram,
    bytes: IntCounter,
    /// By status class; bound at the first answer, so that the page shows no class that never was.
    requests: [OnceLock<IntCounter>; 5],
}

impl HttpMeter {
    pub(super) fn new(registry: &Registry) -> Result<Self> {
        let route = [names::LABEL_LISTENER, names::LABEL_ROUTE];
        let [listener, word] = route;
        let status = [listener, word, names::LABEL_STATUS];
        let duration =
            HistogramOpts::new(page_name(names::HTTP_DURATION, "_seconds"), "Request to last byte");
        let duration = duration.buckets(DURATION_BOUNDS.to_vec());
        let duration = HistogramVec::new(duration, &route).map_err(cannot)?;
        registry.register(Box::new(duration.clone())).map_err(cannot)?;
        Ok(Self {
            requests: counter(registry, names::HTTP_REQUESTS, "", "Requests answered", &status)?,
            duration,
            bytes: counter(registry, names::HTTP_BYTES, "_bytes", "Bytes of bodies sent", &route)?,
            bound: RwLock::default(),
        })
    }

    pub(super) fn count(&self, request: HttpRequest) {
        let bound = self.bound(request.listener, request.route);
        let (class, label) = status_class(request.status);
        if let Some(requests) = bound.requests.get(class) {
            let labels = [request.listener.label(), request.route, label];
            requests.get_or_init(|| self.requests.with_label_values(&labels)).inc();
        }
        bound.duration.observe(request.duration.as_secs_f64());
        bound.bytes.inc_by(request.bytes);
    }

    fn bound(&self, listener: Listener, route: &'static str) -> Arc<BoundRoute> {
        let is_it = |bound: &&Arc<BoundRoute>| bound.listener == listener && bound.route == route;
        let known = self.bound.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(bound) = known.iter().find(is_it) {
            return bound.clone();
        }
        drop(known);
        let mut known = self.bound.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(bound) = known.iter().find(is_it) {
            return bound.clone();
        }
        let labels = [listener.label(), route];
        let bound = Arc::new(BoundRoute {
            listener,
            route,
            duration: self.duration.with_label_values(&labels),
            bytes: self.bytes.with_label_values(&labels),
            requests: Default::default(),
        });
        known.push(bound.clone());
        bound
    }
}

/// Counts the look-ups of one cache.
#[derive(Clone)]
pub struct CacheLookups {
    hit: IntCounter,
    miss: IntCounter,
    joined: IntCounter,
}

impl CacheLookups {
    pub(super) fn new(all: &IntCounterVec, cache: &str) -> Self {
        let of = |outcome: CacheOutcome| all.with_label_values(&[cache, outcome.label()]);
        Self {
            hit: of(CacheOutcome::Hit),
            miss: of(CacheOutcome::Miss),
            joined: of(CacheOutcome::Joined),
        }
    }

    /// Counts one.
    pub fn count(&self, outcome: CacheOutcome) {
        match outcome {
            CacheOutcome::Hit => self.hit.inc(),
            CacheOutcome::Miss => self.miss.inc(),
            CacheOutcome::Joined => self.joined.inc(),
        }
    }
}

/// The look-ups of all caches.
pub(super) fn cache_lookups(registry: &Registry) -> Result<IntCounterVec> {
    let labels = [names::LABEL_CACHE, names::LABEL_OUTCOME];
    counter(registry, names::CACHE_LOOKUPS, "", "Look-ups in a cache", &labels)
}

fn counter(
    registry: &Registry,
    name: &str,
    unit: &str,
    what: &str,
    labels: &[&str],
) -> Result<IntCounterVec> {
    let name = page_name(name, unit) + "_total";
    let counter = IntCounterVec::new(Opts::new(name, what), labels).map_err(cannot)?;
    registry.register(Box::new(counter.clone())).map_err(cannot)?;
    Ok(counter)
}

/// What the page calls a metric, without the `_total` of counters.
fn page_name(name: &str, unit: &str) -> String {
    name.replace('.', "_") + unit
}

fn cannot(error: prometheus::Error) -> Error {
    Error::internal("the metrics page").caused_by(error)
}

const fn status_class(status: u16) -> (usize, &'static str) {
    match status {
        100..=199 => (0, "1xx"),
        200..=299 => (1, "2xx"),
        300..=399 => (2, "3xx"),
        400..=499 => (3, "4xx"),
        _ => (4, "5xx"),
    }
}
