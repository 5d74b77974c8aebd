//! The metrics, with typed functions: a caller cannot misspell a label or invent a value.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter, MeterProvider};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Encoder, IntCounterVec, TextEncoder};

use super::meter::{self, CacheLookups, HttpMeter};
use super::names;
use crate::error::{Blame, Error, Kind, Result};
use crate::model::policy::Container;

/// Upper bounds of the duration histograms, in seconds: from a cache hit to a stuck source.
pub(super) const DURATION_BOUNDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// All instruments. Made once and shared.
pub struct Metrics {
    registry: prometheus::Registry,
    // The instruments work only as long as it lives.
    _provider: SdkMeterProvider,
    http: HttpMeter,
    cache_lookups: IntCounterVec,
    cache_evictions: Counter<u64>,
    cache_bytes: Gauge<u64>,
    build_duration: Histogram<f64>,
    build_bytes: Counter<u64>,
    source_requests: Counter<u64>,
    source_duration: Histogram<f64>,
    source_bytes: Counter<u64>,
    source_retries: Counter<u64>,
    read_ahead: Counter<u64>,
    read_ahead_bytes: Gauge<u64>,
    source_missing: Gauge<u64>,
    healed_segments: Counter<u64>,
    key_lookups: Counter<u64>,
    key_requests: Counter<u64>,
    key_duration: Histogram<f64>,
    key_retries: Counter<u64>,
    key_servers_paused: Gauge<u64>,
    ingest_jobs: Counter<u64>,
    errors: Counter<u64>,
}

/// Which listener a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// Faces players.
    Playback,
    /// Faces operators.
    Control,
}

/// One answered request.
#[derive(Clone, Copy, Debug)]
pub struct HttpRequest {
    /// Where it came in.
    pub listener: Listener,
    /// The kind of URL; a fixed word, never a part of the URL.
    pub route: &'static str,
    /// The status answered.
    pub status: u16,
    /// From the request's head to the last byte of the answer.
    pub duration: Duration,
    /// Bytes of the answer's body.
    pub bytes: u64,
}

/// How a look-up in a cache went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheOutcome {
    /// It was there.
    Hit,
    /// It had to be built.
    Miss,
    /// Somebody was building it already.
    Joined,
}

/// What was asked of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceOperation {
    /// Bytes.
    Read,
    /// Size and identity.
    Stat,
}

/// One request to a source, retries included.
#[derive(Clone, Copy, Debug)]
pub struct SourceRequest<'a> {
    /// The configured name of the root.
    pub source: &'a str,
    /// What was asked.
    pub operation: SourceOperation,
    /// `ok`, or the word for the error.
    pub outcome: &'static str,
    /// From the first attempt to the last byte.
    pub duration: Duration,
    /// Bytes received.
    pub bytes: u64,
}

/// What became of a block that was to be read ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadAheadOutcome {
    /// A player came for it.
    Used,
    /// Nobody came.
    Unused,
    /// A player came before its turn, and it was read for him.
    Late,
    /// It could not be read.
    Failed,
    /// There was no room to hold it; neither it nor the rest of its segment was read.
    NoRoom,
}

/// Where a key set came from, or that there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyLookup {
    /// From memory, and good.
    Fresh,
    /// From memory though a newer one should be asked for: the provider gives none in time.
    Stale,
    /// The provider had to be asked.
    Asked,
    /// Somebody was asking already.
    Joined,
    /// The last failure was a moment ago and was answered again.
    Failed,
    /// From the data directory, on the way of asking.
    Disk,
}

/// How an ingest job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IngestOutcome {
    /// The asset can be played.
    Playable,
    /// It cannot; the asset tells why.
    Failed,
    /// The asset went away in the meantime, or the program stopped.
    Abandoned,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// Instruments of their own, at zero.
    pub fn new() -> Result<Self> {
        let registry = prometheus::Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .without_target_info()
            // One scope: its label would be the same on every line.
            .scope_info_enabled(false)
            .build()
            .map_err(|error| Error::internal("the metrics page").caused_by(error))?;
        let provider = SdkMeterProvider::builder()
            .with_reader(exporter)
            .with_resource(Resource::builder().with_service_name(names::SERVICE).build())
            .build();
        let meter = provider.meter(names::SERVICE);
        let count = |name, what| meter.u64_counter(name).with_description(what).build();
        let bytes =
            |name, what| meter.u64_counter(name).with_unit("By").with_description(what).build();
        Ok(Self {
            http: HttpMeter::new(&registry)?,
            cache_lookups: meter::cache_lookups(&registry)?,
            cache_evictions: count(names::CACHE_EVICTIONS, "Entries dropped to make room"),
            cache_bytes: meter
                .u64_gauge(names::CACHE_BYTES)
                .with_unit("By")
                .with_description("Bytes held by a cache")
                .build(),
            build_duration: seconds(&meter, names::BUILD_DURATION, "Building one segment"),
            build_bytes: bytes(names::BUILD_BYTES, "Bytes of segments built"),
            source_requests: count(names::SOURCE_REQUESTS, "Requests to a source"),
            source_duration: seconds(&meter, names::SOURCE_DURATION, "Source request, retried"),
            source_bytes: bytes(names::SOURCE_BYTES, "Bytes read from a source"),
            source_retries: count(names::SOURCE_RETRIES, "Attempts after the first"),
            read_ahead: count(names::READ_AHEAD, "Blocks read ahead"),
            read_ahead_bytes: meter
                .u64_gauge(names::READ_AHEAD_BYTES)
                .with_unit("By")
                .with_description("Bytes read ahead and not asked for yet")
                .build(),
            source_missing: meter
                .u64_gauge(names::SOURCE_MISSING)
                .with_description("Source objects missing or too short")
                .build(),
            healed_segments: count(names::HEALED_SEGMENTS, "Segments manifests do without"),
            key_lookups: count(names::KEY_LOOKUPS, "Look-ups of key sets"),
            key_requests: count(names::KEY_REQUESTS, "Questions put to key servers"),
            key_duration: seconds(&meter, names::KEY_DURATION, "Key server request, retried"),
            key_retries: count(names::KEY_RETRIES, "Attempts after the first"),
            key_servers_paused: meter
                .u64_gauge(names::KEY_SERVERS_PAUSED)
                .with_description("Key servers left alone because they do not answer")
                .build(),
            ingest_jobs: count(names::INGEST_JOBS, "Finished ingest jobs"),
            errors: count(names::ERRORS, "Errors by kind and blame"),
            registry,
            _provider: provider,
        })
    }

    /// The page for Prometheus, in its text format 0.0.4.
    pub fn render(&self) -> Result<String> {
        let mut page = Vec::new();
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut page)
            .map_err(|error| Error::internal("the metrics page").caused_by(error))?;
        String::from_utf8(page)
            .map_err(|error| Error::internal("the metrics page").caused_by(error))
    }

    /// Counts an answered request.
    pub fn http_request(&self, request: HttpRequest) {
        self.http.count(request);
    }

    /// What counts the look-ups of a cache.
    pub fn cache_lookups(&self, cache: &'static str) -> CacheLookups {
        CacheLookups::new(&self.cache_lookups, cache)
    }

    /// Counts dropped entries.
    pub fn cache_evicted(&self, cache: &'static str, entries: u64) {
        self.cache_evictions.add(entries, &[KeyValue::new(names::LABEL_CACHE, cache)]);
    }

    /// Says what a cache holds now.
    pub fn cache_holds(&self, cache: &'static str, bytes: u64) {
        self.cache_bytes.record(bytes, &[KeyValue::new(names::LABEL_CACHE, cache)]);
    }

    /// Counts a built segment.
    pub fn segment_built(&self, container: Container, duration: Duration, bytes: u64) {
        let container = match container {
            Container::MpegTs => "ts",
            Container::Cmaf => "cmaf",
        };
        let labels = [KeyValue::new(names::LABEL_CONTAINER, container)];
        self.build_duration.record(duration.as_secs_f64(), &labels);
        self.build_bytes.add(bytes, &labels);
    }

    /// Counts a request to a source.
    pub fn source_request(&self, request: SourceRequest<'_>) {
        let operation = match request.operation {
            SourceOperation::Read => "read",
            SourceOperation::Stat => "stat",
        };
        let labels = [
            KeyValue::new(names::LABEL_SOURCE, request.source.to_owned()),
            KeyValue::new(names::LABEL_OPERATION, operation),
            KeyValue::new(names::LABEL_OUTCOME, request.outcome),
        ];
        self.source_requests.add(1, &labels);
        self.source_duration.record(request.duration.as_secs_f64(), &labels[..2]);
        self.source_bytes.add(request.bytes, &labels[..1]);
    }

    /// Counts another attempt at a request to a source.
    pub fn source_retry(&self, source: &str) {
        self.source_retries.add(1, &[KeyValue::new(names::LABEL_SOURCE, source.to_owned())]);
    }

    /// Counts a block that was to be read ahead.
    pub fn read_ahead(&self, outcome: ReadAheadOutcome) {
        let outcome = match outcome {
            ReadAheadOutcome::Used => "used",
            ReadAheadOutcome::Unused => "unused",
            ReadAheadOutcome::Late => "late",
            ReadAheadOutcome::Failed => "failed",
            ReadAheadOutcome::NoRoom => "no_room",
        };
        self.read_ahead.add(1, &[KeyValue::new(names::LABEL_OUTCOME, outcome)]);
    }

    /// Says how many bytes are held for players that may come.
    pub fn read_ahead_holds(&self, bytes: u64) {
        self.read_ahead_bytes.record(bytes, &[]);
    }

    /// Says how many source objects are known to be missing or too short now.
    pub fn missing_objects(&self, objects: u64) {
        self.source_missing.record(objects, &[]);
    }

    /// Counts the segments of a manifest that are gaps, and those that are silent.
    pub fn healed(&self, gaps: u64, silent: u64) {
        for (healing, segments) in [("gap", gaps), ("silence", silent)] {
            self.healed_segments.add(segments, &[KeyValue::new(names::LABEL_HEALING, healing)]);
        }
    }

    /// Counts a look-up of a key set.
    pub fn key_lookup(&self, outcome: KeyLookup) {
        let outcome = match outcome {
            KeyLookup::Fresh => "fresh",
            KeyLookup::Stale => "stale",
            KeyLookup::Asked => "asked",
            KeyLookup::Joined => "joined",
            KeyLookup::Failed => "failed",
            KeyLookup::Disk => "disk",
        };
        self.key_lookups.add(1, &[KeyValue::new(names::LABEL_OUTCOME, outcome)]);
    }

    /// Counts a question put to a key server; `outcome` is `ok`, or the word for the error.
    pub fn key_request(&self, outcome: &'static str, duration: Duration) {
        let labels = [KeyValue::new(names::LABEL_OUTCOME, outcome)];
        self.key_requests.add(1, &labels);
        self.key_duration.record(duration.as_secs_f64(), &labels);
    }

    /// Counts another attempt at a key server.
    pub fn key_retry(&self) {
        self.key_retries.add(1, &[]);
    }

    /// Says how many key servers are left alone now.
    pub fn key_servers_paused(&self, servers: u64) {
        self.key_servers_paused.record(servers, &[]);
    }

    /// Counts a finished ingest job.
    pub fn ingest_finished(&self, outcome: IngestOutcome) {
        let outcome = match outcome {
            IngestOutcome::Playable => "playable",
            IngestOutcome::Failed => "failed",
            IngestOutcome::Abandoned => "abandoned",
        };
        self.ingest_jobs.add(1, &[KeyValue::new(names::LABEL_OUTCOME, outcome)]);
    }

    /// Counts an error, once, at the edge where it is answered or logged.
    pub fn error(&self, kind: Kind, blame: Blame) {
        let kind = KeyValue::new(names::LABEL_KIND, kind.code());
        self.errors.add(1, &[kind, KeyValue::new(names::LABEL_BLAME, blame.label())]);
    }
}

impl Listener {
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Playback => "playback",
            Self::Control => "control",
        }
    }
}

impl CacheOutcome {
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Joined => "joined",
        }
    }
}

fn seconds(meter: &Meter, name: &'static str, what: &'static str) -> Histogram<f64> {
    meter
        .f64_histogram(name)
        .with_unit("s")
        .with_description(what)
        .with_boundaries(DURATION_BOUNDS.to_vec())
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_what_was_counted_under_the_documented_names() {
        let metrics = Metrics::new().unwrap();
        for status in [200, 206, 404] {
            metrics.http_request(HttpRequest {
                listener: Listener::Playback,
                route: "segment",
                status,
                duration: Duration::from_millis(3),
                bytes: 10,
            });
        }
        metrics.cache_lookups("segment").count(CacheOutcome::Hit);
        metrics.cache_holds("segment", 77);
        metrics.cache_evicted("segment", 2);
        metrics.segment_built(Container::Cmaf, Duration::from_millis(20), 1000);
        metrics.source_request(SourceRequest {
            source: "default",
            operation: SourceOperation::Read,
            outcome: "ok",
            duration: Duration::from_millis(1),
            bytes: 188,
        });
        metrics.source_retry("default");
        metrics.read_ahead(ReadAheadOutcome::NoRoom);
        metrics.read_ahead_holds(188);
        metrics.missing_objects(4);
        metrics.healed(3, 1);
        metrics.key_lookup(KeyLookup::Stale);
        metrics.key_request("timeout", Duration::from_secs(1));
        metrics.key_retry();
        metrics.key_servers_paused(2);
        metrics.ingest_finished(IngestOutcome::Failed);
        metrics.error(Kind::SourceFailed, Blame::Source);

        let page = metrics.render().unwrap();
        for line in [
            r#"packorigin_http_requests_total{listener="playback",route="segment",status="2xx"} 2"#,
            r#"packorigin_http_requests_total{listener="playback",route="segment",status="4xx"} 1"#,
            r#"packorigin_http_response_size_bytes_total{listener="playback",route="segment"} 30"#,
            r#"packorigin_http_request_duration_seconds_count{listener="playback",route="segment"} 3"#,
            r#"packorigin_http_request_duration_seconds_bucket{listener="playback",route="segment",le="0.005"} 3"#,
            r#"packorigin_cache_lookups_total{cache="segment",outcome="hit"} 1"#,
            r#"packorigin_cache_size_bytes{cache="segment"} 77"#,
            r#"packorigin_cache_evictions_total{cache="segment"} 2"#,
            r#"packorigin_build_output_bytes_total{container="cmaf"} 1000"#,
            r#"packorigin_source_requests_total{operation="read",outcome="ok",source="default"} 1"#,
            r#"packorigin_source_read_bytes_total{source="default"} 188"#,
            r#"packorigin_source_retries_total{source="default"} 1"#,
            r#"packorigin_source_read_ahead_total{outcome="no_room"} 1"#,
            r#"packorigin_source_read_ahead_size_bytes 188"#,
            r#"packorigin_source_missing_objects 4"#,
            r#"packorigin_healed_segments_total{healing="gap"} 3"#,
            r#"packorigin_healed_segments_total{healing="silence"} 1"#,
            r#"packorigin_keys_lookups_total{outcome="stale"} 1"#,
            r#"packorigin_keys_requests_total{outcome="timeout"} 1"#,
            r#"packorigin_keys_request_duration_seconds_count{outcome="timeout"} 1"#,
            r#"packorigin_keys_retries_total 1"#,
            r#"packorigin_keys_servers_paused 2"#,
            r#"packorigin_ingest_jobs_total{outcome="failed"} 1"#,
            r#"packorigin_errors_total{blame="source",kind="source_failed"} 1"#,
        ] {
            assert!(page.lines().any(|found| found == line), "missing {line} in\n{page}");
        }
    }
}
