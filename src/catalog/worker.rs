//! Runs ingest jobs: a fixed number at a time, woken when one is queued.
//!
//! ```text
//! claim ─▶ ingest ─┬─ done ─────────────▶ complete
//!   ▲              ├─ transient failure ─▶ wait, ingest again (at most 3 times), then fail
//!   │              ├─ other failure ─────▶ fail
//!   └── release ◀──┼─ shutdown
//!                  └─ superseded: dropped, nothing is written
//! ```
//!
//! What an ingest does is passed in; this module knows of sources and indexes only that they take
//! time and fail. Progress is a value in memory that the job overwrites as often as it likes and
//! that is written down now and then; that write also tells when the job was superseded, and ends
//! it. A killed process leaves its jobs claimed: call [`Catalog::recover_jobs`] before
//! [`IngestWorker::run`].

use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use super::{Catalog, IngestJob, Ingested, JobStanding};
use crate::error::Result;
use crate::model::ingest::{FailureCode, IngestFailure, Progress};

/// What a worker is set to.
#[derive(Clone, Debug)]
pub struct WorkerSettings {
    /// The name it claims jobs under.
    pub name: String,
    /// Jobs at a time.
    pub concurrency: NonZeroUsize,
    /// How often progress is written down.
    pub progress_interval: Duration,
    /// The wait before the first repetition after a transient failure; it doubles each time.
    pub first_retry_delay: Duration,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        const CONCURRENCY: NonZeroUsize = NonZeroUsize::new(2).expect("not zero");
        Self {
            name: "packorigin".to_owned(),
            concurrency: CONCURRENCY,
            progress_interval: Duration::from_millis(500),
            first_retry_delay: Duration::from_secs(1),
        }
    }
}

/// Where a running ingest tells how far it is. Cheap: it touches memory alone.
#[derive(Clone, Debug)]
pub struct ProgressSink(watch::Sender<Progress>);

impl ProgressSink {
    /// A sink, and where what is told to it can be seen.
    pub fn new() -> (Self, watch::Receiver<Progress>) {
        let (sender, receiver) = watch::channel(Progress::default());
        (Self(sender), receiver)
    }

    /// Changes the progress; several tasks of one ingest may call it at once.
    pub fn update(&self, change: impl FnOnce(&mut Progress)) {
        self.0.send_modify(change);
    }
}

/// Claims and runs jobs with the ingest function `F`.
#[derive(Debug)]
pub struct IngestWorker<F> {
    catalog: Arc<Catalog>,
    ingest: F,
    settings: WorkerSettings,
}

/// How one claimed job ended.
enum Outcome {
    Done(Ingested),
    Failed(IngestFailure),
    Superseded,
    Shutdown,
}

impl<F, I> IngestWorker<F>
where
    F: Fn(IngestJob, ProgressSink) -> I + Send + Sync + 'static,
    I: Future<Output = Result<Ingested, IngestFailure>> + Send + 'static,
{
    /// A worker over a catalog.
    pub fn new(catalog: Arc<Catalog>, ingest: F, settings: WorkerSettings) -> Self {
        Self { catalog, ingest, settings }
    }

    /// Runs jobs until `shutdown` turns true or its sender is gone; jobs that run then go back to
    /// the queue.
    pub async fn run(self, shutdown: watch::Receiver<bool>) {
        let worker = Arc::new(self);
        let mut lanes = JoinSet::new();
        for _ in 0..worker.settings.concurrency.get() {
            let (worker, shutdown) = (Arc::clone(&worker), shutdown.clone());
            lanes.spawn(async move { worker.lane(shutdown).await });
        }
        while lanes.join_next().await.is_some() {}
    }

    /// Runs one job after the other.
    async fn lane(&self, mut shutdown: watch::Receiver<bool>) {
        while !is_down(&shutdown) {
            let queued = self.catalog.jobs_queued();
            // Never cancelled: a claim that nobody hears of would stay claimed.
            match self.catalog.claim_job(&self.settings.name).await {
                Ok(Some(job)) => self.run_job(&job, &mut shutdown).await,
                Ok(None) => tokio::select! {
                    () = queued => {}
                    () = down(&mut shutdown) => {}
                },
                Err(error) => {
                    tracing::error!(error = %error.chain(), "no ingest job could be claimed");
                    pause(STORE_RETRY_DELAY, &mut shutdown).await;
                }
            }
        }
    }

    async fn run_job(&self, job: &IngestJob, shutdown: &mut watch::Receiver<bool>) {
        let outcome = self.attempt_until_final(job, shutdown).await;
        // The store may be away for a moment; an hour of ingest must not be lost to that.
        loop {
            let written = match &outcome {
                Outcome::Done(ingested) => self.catalog.complete_job(job, ingested.clone()).await,
                Outcome::Failed(failure) => self.catalog.fail_job(job, failure.clone()).await,
                Outcome::Shutdown => self.catalog.release_job(job).await,
                Outcome::Superseded => Ok(JobStanding::Superseded),
            };
            match written {
                Ok(standing) => return log_end(job, &outcome, standing),
                Err(error) => {
                    let (asset, error) = (job.asset.as_str(), error.chain());
                    tracing::error!(asset, error, "the end of an ingest could not be written");
                }
            }
            if is_down(shutdown) {
                return; // The next start finds the job claimed and recovers it.
            }
            pause(STORE_RETRY_DELAY, shutdown).await;
        }
    }

    /// Runs a job, again after transient failures.
    async fn attempt_until_final(
        &self,
        job: &IngestJob,
        shutdown: &mut watch::Receiver<bool>,
    ) -> Outcome {
        for retry in 0..MAX_RETRIES {
            match self.attempt(job, shutdown).await {
                Outcome::Failed(failure) if failure.code.is_transient() => {
                    let (asset, failure) = (job.asset.as_str(), failure.to_string());
                    tracing::warn!(asset, failure, retry, "an ingest failed and will be repeated");
                }
                outcome => return outcome,
            }
            pause(retry_delay(self.settings.first_retry_delay, retry), shutdown).await;
            if is_down(shutdown) {
                return Outcome::Shutdown;
            }
        }
        self.attempt(job, shutdown).await
    }

    /// Runs a job once, writing its progress down meanwhile.
    async fn attempt(&self, job: &IngestJob, shutdown: &mut watch::Receiver<bool>) -> Outcome {
        let (sink, mut progress) = ProgressSink::new();
        // In a task of its own, so that a panic in a parser ends this ingest and not this lane.
        let mut ingest = tokio::spawn((self.ingest)(job.clone(), sink));
        let _abort = AbortOnDrop(ingest.abort_handle());
        let period = self.settings.progress_interval;
        let mut ticks = interval_at(Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                result = &mut ingest => return match result {
                    Ok(Ok(ingested)) => Outcome::Done(ingested),
                    Ok(Err(failure)) => Outcome::Failed(failure),
                    Err(error) => {
                        tracing::error!(asset = job.asset.as_str(), %error, "an ingest broke off");
                        Outcome::Failed(broke_off(job))
                    }
                },
                () = down(shutdown) => return Outcome::Shutdown,
                _ = ticks.tick() => {
                    // An error means that the sink is dropped: the ingest is about to return.
                    if !progress.has_changed().unwrap_or(false) {
                        continue;
                    }
                    let seen = *progress.borrow_and_update();
                    match self.catalog.report_progress(job, seen).await {
                        Ok(JobStanding::Current) => {}
                        Ok(JobStanding::Superseded) => return Outcome::Superseded,
                        Err(error) => {
                            let (asset, error) = (job.asset.as_str(), error.chain());
                            tracing::warn!(asset, error, "progress could not be written");
                        }
                    }
                }
            }
        }
    }
}

/// Stops an ingest that nobody waits for any more.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What an operator reads of a panic. The contract has no code for our own bugs; what triggers one
/// is a container shape that we do not read.
fn broke_off(job: &IngestJob) -> IngestFailure {
    IngestFailure::new(
        FailureCode::UnsupportedContainer,
        format!(
            "{}: reading this source broke off with a bug of packorigin; its log says where. \
             Please report it.",
            job.path
        ),
    )
}

/// The wait before repetition `retry`, which counts from 0.
fn retry_delay(first: Duration, retry: u32) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(retry))
}

fn log_end(job: &IngestJob, outcome: &Outcome, standing: JobStanding) {
    let asset = job.asset.as_str();
    match (standing, outcome) {
        (JobStanding::Superseded, _) | (_, Outcome::Superseded) => {
            tracing::info!(asset, "an ingest was superseded and left nothing");
        }
        (JobStanding::Current, Outcome::Done(ingested)) => {
            tracing::info!(asset, version = ingested.version, "an ingest is done");
        }
        (JobStanding::Current, Outcome::Failed(failure)) => {
            tracing::warn!(asset, %failure, "an ingest failed");
        }
        (JobStanding::Current, Outcome::Shutdown) => {
            tracing::info!(asset, "an ingest was interrupted and is queued again");
        }
    }
}

fn is_down(shutdown: &watch::Receiver<bool>) -> bool {
    *shutdown.borrow() || shutdown.has_changed().is_err()
}

/// Resolves when the process stops.
async fn down(shutdown: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, and with it whoever runs us.
    let _ = shutdown.wait_for(|down| *down).await;
}

/// Waits, but not beyond the stop of the process.
async fn pause(duration: Duration, shutdown: &mut watch::Receiver<bool>) {
    tokio::select! {
        () = sleep(duration) => {}
        () = down(shutdown) => {}
    }
}

const MAX_RETRIES: u32 = 3;
const STORE_RETRY_DELAY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles() {
        let waits = [0, 1, 2].map(|retry| retry_delay(Duration::from_secs(1), retry));
        assert_eq!(waits, [1, 2, 4].map(Duration::from_secs));
    }
}
