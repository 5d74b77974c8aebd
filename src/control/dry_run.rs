//! Dry runs: what ingest would say of a source, with nothing registered and nothing stored.
//!
//! A dry run reads as much as an ingest does, while a client waits. So few of them run at a time,
//! each has an end, and one whose client went away ends at once: its future is dropped.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

use crate::error::{Error, Kind, Result};
use crate::model::ingest::{IngestFailure, Report};

/// Reads sources as ingest does. Cheap to clone; all clones share the limit.
#[derive(Clone)]
pub struct DryRun {
    read: Arc<ReadFunction>,
    limits: DryRunLimits,
    free: Arc<Semaphore>,
}

/// What dry runs may take from ingest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DryRunLimits {
    /// Dry runs at a time.
    pub concurrency: usize,
    /// How long one may take.
    pub timeout: Duration,
}

/// What ingest says of a source: a report, or why it would fail.
pub type DryRunResult = std::result::Result<Report, IngestFailure>;

type ReadFunction = dyn Fn(String, String) -> BoxFuture<'static, DryRunResult> + Send + Sync;

impl DryRun {
    /// Dry runs by a function of a source's name and a path in it. It must end what it began when
    /// its future is dropped.
    pub fn new<F>(limits: DryRunLimits, read: F) -> Self
    where
        F: Fn(String, String) -> BoxFuture<'static, DryRunResult> + Send + Sync + 'static,
    {
        Self { read: Arc::new(read), limits, free: Arc::new(Semaphore::new(limits.concurrency)) }
    }

    /// Reads the master playlist at `path` and all that it leads to.
    ///
    /// Fails with [`Kind::FailedPrecondition`] where there are no dry runs at all, with
    /// [`Kind::RateLimited`] where others are under way, and with [`Kind::TooLarge`] where it takes
    /// too long.
    pub(super) async fn run(&self, source: String, path: String) -> Result<DryRunResult> {
        if self.limits.concurrency == 0 {
            let message = "dry runs are switched off (ingest.dry_runs = 0); use packorigin inspect";
            return Err(Error::new(Kind::FailedPrecondition, message));
        }
        let _turn = self.free.try_acquire().map_err(|_| {
            let message = format!(
                "no more than {} dry runs are read at a time (ingest.dry_runs); try again when \
                 one has ended, or use packorigin inspect",
                self.limits.concurrency
            );
            Error::new(Kind::RateLimited, message)
        })?;
        let read = (self.read)(source, path.clone());
        tokio::time::timeout(self.limits.timeout, read).await.map_err(|_| {
            let message = format!(
                "{path} was not read within {} s; raise ingest.dry_run_timeout_seconds, ingest it, \
                 or use packorigin inspect",
                self.limits.timeout.as_secs()
            );
            Error::new(Kind::TooLarge, message)
        })
    }
}

impl fmt::Debug for DryRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DryRun").field("limits", &self.limits).finish_non_exhaustive()
    }
}
