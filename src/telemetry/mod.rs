//! Logs, traces and metrics: their names in one place, and their set-up.
//!
//! Log lines go to standard error through `tracing`. Spans go to an OpenTelemetry collector where
//! one is configured. Metrics are always counted, and read by whoever asks for
//! [`Metrics::render`]; they are handed around as an `Arc`, so that a test can count its own.
//!
//! What this room does not do: it sets no metrics provider of the process, it decides no log level
//! but the configured filter, and nothing in it may see a key, a token or a query string.

mod export;
mod meter;
mod metrics;
pub mod names;

use std::io::IsTerminal;
use std::sync::Arc;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

pub use self::meter::CacheLookups;
pub use self::metrics::{CacheOutcome, HttpRequest, IngestOutcome, KeyLookup, Listener, Metrics};
pub use self::metrics::{ReadAheadOutcome, SourceOperation, SourceRequest};
use crate::config;
use crate::error::{Blame, Error, Result};

/// What runs between start and stop of the program.
pub struct Telemetry {
    /// Where everything is counted.
    pub metrics: Arc<Metrics>,
    tracer: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Sets the process's log subscriber. Must run inside the runtime, and once in a process: a
    /// second call is an error.
    pub fn start(settings: &config::Telemetry) -> Result<Self> {
        let metrics = Arc::new(Metrics::new()?);
        let tracer = match &settings.otlp_endpoint {
            Some(endpoint) => Some(export::tracer_provider(endpoint)?),
            None => None,
        };
        let spans = tracer.as_ref().map(|provider| {
            tracing_opentelemetry::layer().with_tracer(provider.tracer(names::SERVICE))
        });
        tracing_subscriber::registry()
            .with(filter(&settings.log)?)
            .with(lines(settings.log_format))
            .with(spans)
            .try_init()
            .map_err(|error| Error::internal("the log subscriber is set twice").caused_by(error))?;
        Ok(Self { metrics, tracer })
    }

    /// Sends what is not sent yet. A collector that is away costs a few seconds and no error:
    /// nobody could act on it at this point.
    pub async fn shutdown(self) {
        let Some(tracer) = self.tracer else { return };
        // It blocks until the exporter's thread is done, and that thread needs this runtime.
        let stopped = tokio::task::spawn_blocking(move || tracer.shutdown()).await;
        if let Ok(Err(error)) = stopped {
            tracing::warn!(%error, "the last spans could not be sent");
        }
    }
}

fn filter(directives: &str) -> Result<EnvFilter> {
    EnvFilter::try_new(directives).map_err(|error| {
        let message = format!(
            "telemetry.log = {directives:?}: this is no log filter ({error}); write a level such \
             as info, or targets such as info,packorigin::source=debug"
        );
        Error::invalid("telemetry.log", message).blamed_on(Blame::Us)
    })
}

type Lines<S> = Box<dyn Layer<S> + Send + Sync>;

fn lines<S>(format: config::LogFormat) -> Lines<S>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        config::LogFormat::Text => layer.with_ansi(std::io::stderr().is_terminal()).boxed(),
        config::LogFormat::Json => layer.json().flatten_event(true).boxed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_filter_says_what_to_write() {
        assert!(filter("info,packorigin::source=debug").is_ok());
        let error = filter("packorigin=loud").err().unwrap();
        assert_eq!(error.field(), Some("telemetry.log"));
        assert!(error.message().contains("packorigin=loud"), "{error}");
    }
}
