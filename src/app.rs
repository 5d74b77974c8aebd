//! Builds everything once, in one function that reads top to bottom, and stops it gracefully.

mod packages;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::FutureExt;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::cache::Cache;
use crate::catalog::worker::{IngestWorker, ProgressSink, WorkerSettings};
use crate::catalog::{
    AssetView, Catalog, CatalogSettings, IngestJob, Ingested, SqliteStore, SystemClock,
};
use crate::config::Config;
use crate::control::{
    self, AccessToken, ControlState, DryRun, DryRunLimits, EndpointCheck, EndpointFailure,
    EndpointOffer, MetricsPage,
};
use crate::egress::EgressPolicy;
use crate::error::{Error, Kind, Result};
use crate::index::{self, IngestLimits, Store};
use crate::keys::{Keys, Vault};
use crate::model::ingest::{FailureCode, IngestFailure, Progress, Report};
use crate::model::policy::Configuration;
use crate::package::BufferPool;
use crate::playback::{self, Access, Library, Playback, ReadAhead, ResponsePolicy, Room, Survey};
use crate::source::{Root, Sources};
use crate::telemetry::{IngestOutcome, Metrics};

/// The parts that serving and export have in common.
pub struct Parts {
    /// Groups, configurations, assets.
    pub catalog: Arc<Catalog>,
    /// The handler of playback requests.
    pub playback: Arc<Playback>,
    vault: Arc<Vault>,
    database: Arc<SqliteStore>,
    indexes: Store,
}

impl Parts {
    /// Opens the data directory and the sources.
    pub async fn open(config: &Config, metrics: &Arc<Metrics>) -> Result<Self> {
        std::fs::create_dir_all(&config.data_dir).map_err(|error| {
            let path = config.data_dir.display();
            let message = format!("the data directory {path} cannot be created; set data_dir");
            Error::invalid("data_dir", message).caused_by(error)
        })?;
        let database = Arc::new(SqliteStore::open(&config.data_dir.join("catalog.sqlite")).await?);
        let grace = time::Duration::try_from(config.playback.grace).unwrap_or(time::Duration::MAX);
        let settings = CatalogSettings { grace, ..CatalogSettings::default() };
        let catalog = Arc::new(Catalog::new(database.clone(), Arc::new(SystemClock), settings));
        let vault = Arc::new(Vault::new(&config.secrets, &config.data_dir)?);
        let indexes = Store::open(&config.data_dir)?;
        let sources = Sources::open(&config.sources, &config.source, &config.egress, metrics)?;
        let keys = Keys::new(
            config.keys,
            &config.data_dir,
            vault.clone(),
            EgressPolicy::new(&config.egress),
            metrics.clone(),
        )?;
        let library = Library::new(indexes.clone(), config.cache.index_bytes, keys, metrics);
        let playback = Arc::new(Playback {
            access: Access::new(&config.playback),
            policy: ResponsePolicy::new(&config.playback),
            catalog: catalog.clone(),
            library,
            sources: Arc::new(sources),
            survey: Survey::new(config.playback.heal_survey, metrics.clone()),
            room: Arc::new(Room::new(config.cache.segment_bytes, config.playback.build_bytes)),
            buffers: BufferPool::with_first_buffer(),
            ahead: ReadAhead::new(
                Cache::new("source", config.cache.source_bytes, metrics.clone()),
                config.source.read_ahead_bytes,
                config.source.concurrency,
                metrics.clone(),
            ),
            underway: Arc::default(),
            segments: Cache::new("segment", config.cache.segment_bytes, metrics.clone()),
            metrics: metrics.clone(),
            traces: config.telemetry.otlp_endpoint.is_some(),
            next_request: AtomicU64::new(request_number_seed()),
        });
        Ok(Self { catalog, playback, vault, database, indexes })
    }
}

/// A running origin.
pub struct App {
    /// Groups, configurations, assets.
    pub catalog: Arc<Catalog>,
    /// Where players connect.
    pub playback_address: SocketAddr,
    /// Where operators connect.
    pub control_address: SocketAddr,
    /// The base of playback URLs.
    pub base_url: String,
    shutdown: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    database: Arc<SqliteStore>,
}

impl App {
    /// Starts everything. Both listeners accept when this returns.
    pub async fn start(config: &Config, metrics: &Arc<Metrics>) -> Result<Self> {
        let Parts { catalog, playback, vault, database, indexes } =
            Parts::open(config, metrics).await?;

        let playback_listener = bind(config.playback.listen, "playback.listen").await?;
        let control_listener = bind(config.control.listen, "control.listen").await?;
        let playback_address = local_address(&playback_listener)?;
        let control_address = local_address(&control_listener)?;
        let base_url = config.playback.base_url(playback_address);
        let token = match &config.control.access_token {
            Some(token) => Some(AccessToken::new(token.expose())?),
            None => None,
        };
        control::require_token(control_address, token.as_ref())?;

        let (shutdown, stop) = watch::channel(false);
        let recovered = catalog.recover_jobs().await?;
        if recovered > 0 {
            tracing::info!(jobs = recovered, "ingest goes on where it was interrupted");
        }
        let ingest = ingest_function(playback.sources.clone(), indexes, config, metrics);
        let concurrency = NonZeroUsize::new(config.ingest.concurrency).unwrap_or(NonZeroUsize::MIN);
        let settings = WorkerSettings { concurrency, ..WorkerSettings::default() };
        let worker = IngestWorker::new(catalog.clone(), ingest, settings);
        let state = ControlState {
            catalog: catalog.clone(),
            sources: playback.sources.names().map(ToString::to_string).collect(),
            public_base_url: base_url.clone(),
            access_token: token,
            vault,
            egress: EgressPolicy::new(&config.egress),
            endpoint_check: endpoint_check(playback.library.clone()),
            dry_run: dry_run(playback.sources.clone(), config, stop.clone()),
            metrics: metrics_page(metrics.clone()),
            counters: metrics.clone(),
        };
        let control_stop = stop.clone();
        let tasks = vec![
            tokio::spawn(worker.run(stop.clone())),
            tokio::spawn(async move {
                if let Err(error) = control::serve(control_listener, state, control_stop).await {
                    tracing::error!("the control listener failed: {}", error.chain());
                }
            }),
            tokio::spawn(playback::serve(playback_listener, playback, stop, config.playback.drain)),
        ];
        Ok(Self { catalog, playback_address, control_address, base_url, shutdown, tasks, database })
    }

    /// Finishes open requests, puts running ingest jobs back into the queue, closes the catalog.
    pub async fn stop(self) {
        self.shutdown.send_replace(true);
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a part of the program ended badly");
            }
        }
        self.database.close().await;
    }
}

async fn bind(address: SocketAddr, setting: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let message = format!("{setting} = {address}: cannot listen there; is the port taken?");
        Error::invalid(setting, message).caused_by(error)
    })
}

fn local_address(listener: &TcpListener) -> Result<SocketAddr> {
    listener
        .local_addr()
        .map_err(|error| Error::internal("a listener has no address").caused_by(error))
}

/// Request IDs of two runs should not be the same; nothing else hangs on it.
fn request_number_seed() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    since_epoch.map_or(0, |since| since.as_micros() as u64) << 8
}

/// Limits of ingest as the settings say.
pub fn ingest_limits(config: &Config) -> IngestLimits {
    IngestLimits {
        max_segments: config.ingest.max_segments,
        max_playlist_bytes: config.ingest.max_playlist_bytes,
        max_segment_bytes: config.ingest.max_segment_bytes,
        missing_variants: config.ingest.missing_variants,
    }
}

/// What the worker runs for each job: read, index, store.
fn ingest_function(
    sources: Arc<Sources>,
    indexes: Store,
    config: &Config,
    metrics: &Arc<Metrics>,
) -> impl Fn(IngestJob, ProgressSink) -> IngestFuture + Send + Sync + 'static {
    let limits = ingest_limits(config);
    let metrics = metrics.clone();
    move |job, progress| {
        let (sources, indexes) = (sources.clone(), indexes.clone());
        let outcome =
            OutcomeCounter { metrics: metrics.clone(), outcome: IngestOutcome::Abandoned };
        let read = async move {
            let root = root_of(&sources, &job.source)?;
            let tell = move |now| progress.update(|progress| *progress = now);
            let ingested = index::ingest(root, &job.path, limits, tell).await?;
            let (id, bytes) = indexes.put(&ingested.presentation).await.map_err(|error| {
                // A full disk is not the source's fault, but trying again is what helps.
                IngestFailure::new(FailureCode::SourceUnavailable, error.chain())
            })?;
            Ok(Ingested {
                version: id.to_string(),
                index_key: id.to_string(),
                report: finished_report(ingested, bytes),
            })
        };
        async move {
            let mut outcome = outcome;
            let result = read.await;
            outcome.outcome =
                if result.is_ok() { IngestOutcome::Playable } else { IngestOutcome::Failed };
            result
        }
        .boxed()
    }
}

fn root_of(sources: &Sources, name: &str) -> std::result::Result<Arc<Root>, IngestFailure> {
    sources.get(name).ok_or_else(|| {
        IngestFailure::new(
            FailureCode::SourceNotFound,
            format!("source {name:?} is not configured any more"),
        )
    })
}

/// The report with what ingest itself cannot know: the size of the index as it is stored, and what
/// package types make of the title.
fn finished_report(ingested: index::Ingested, index_bytes: u64) -> Report {
    let mut report = ingested.report;
    report.index_bytes = index_bytes;
    report.set_packages(packages::package_reports(&Arc::new(ingested.presentation)));
    report
}

/// Reads a master playlist as ingest would, and stores nothing.
pub async fn read_only(
    root: Arc<Root>,
    path: &str,
    limits: IngestLimits,
    progress: impl Fn(Progress) + Send + Sync + 'static,
) -> std::result::Result<Report, IngestFailure> {
    let ingested = index::ingest(root, path, limits, progress).await?;
    let encoded = index::format::encode(&ingested.presentation);
    let index_bytes = encoded.map_or(0, |(bytes, _)| bytes.len() as u64);
    Ok(finished_report(ingested, index_bytes))
}

/// What the control API runs for `dryRun=true`. It ends when the program stops, which would else
/// wait for it.
fn dry_run(sources: Arc<Sources>, config: &Config, stop: watch::Receiver<bool>) -> DryRun {
    let limits = ingest_limits(config);
    let allowed = DryRunLimits {
        concurrency: config.ingest.dry_runs,
        timeout: config.ingest.dry_run_timeout,
    };
    DryRun::new(allowed, move |source, path| {
        let (sources, mut stop) = (sources.clone(), stop.clone());
        async move {
            let root = root_of(&sources, &source)?;
            tokio::select! {
                result = read_only(root, &path, limits, |_| ()) => result,
                // An error means that whoever could stop us is gone.
                _ = stop.wait_for(|down| *down) => Err(IngestFailure::new(
                    FailureCode::SourceUnavailable,
                    format!("{path}: packorigin stops; ask again"),
                )),
            }
        }
        .boxed()
    })
}

/// Counts how an ingest ended, also where it was dropped half-way.
struct OutcomeCounter {
    metrics: Arc<Metrics>,
    outcome: IngestOutcome,
}

impl Drop for OutcomeCounter {
    fn drop(&mut self) {
        self.metrics.ingest_finished(self.outcome);
    }
}

type IngestFuture =
    futures_util::future::BoxFuture<'static, std::result::Result<Ingested, IngestFailure>>;

/// Shows at an asset's endpoint that a stream selection leaves nothing, and what is left out.
fn endpoint_check(library: Arc<Library>) -> EndpointCheck {
    EndpointCheck::new(move |view: Arc<AssetView>, configuration: Arc<Configuration>| {
        let library = library.clone();
        async move {
            let error = match library.check_offer(&view, &configuration).await {
                Ok(left_out) => return EndpointOffer { failure: None, left_out },
                Err(error) => error,
            };
            let code = match error.kind() {
                Kind::NotFound => "no_streams",
                Kind::UnsupportedCodec => "unsupported_codec",
                _ => "internal",
            };
            let failure = EndpointFailure { code, detail: error.message().to_owned() };
            EndpointOffer { failure: Some(failure), left_out: Vec::new() }
        }
        .boxed()
    })
}

fn metrics_page(metrics: Arc<Metrics>) -> MetricsPage {
    MetricsPage::new(move || {
        metrics.render().unwrap_or_else(|error| format!("# {}\n", error.chain()))
    })
}
