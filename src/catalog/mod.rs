//! The catalog: packaging groups, configurations and assets, their history, and ingest jobs.
//!
//! ```text
//! control ──writes──▶ Catalog ──▶ CatalogStore (SQLite)
//!                        │  ▲
//!         change counter │  │ claim, progress, complete, fail
//!                        ▼  │
//! playback ◀─AssetView─ views     IngestWorker
//! ```
//!
//! [`Catalog`] gives a store its clock, its grace time and its memory of views. Every write that
//! can alter what players get bumps a counter before it answers, so the next request sees it; any
//! number of requests between two writes read memory alone. What a change or a re-ingest replaced
//! stays in the views for the grace time and is then purged at the next such write.
//!
//! Whatever is asked of the store runs to its end although the caller hangs up: a write could else
//! be committed and the notice of it be lost, and a read that is cut off costs its connection.
//!
//! This room reads no source and packages nothing. The change counter lives in this process: two
//! processes on one database would need another notice.

mod asset;
mod change;
mod clock;
mod configuration;
mod group;
mod job;
mod page;
mod sqlite;
mod store;
pub mod timestamp;
mod view;
pub mod worker;

use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::Arc;

use ::time::{Duration, OffsetDateTime};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

pub use self::asset::{Asset, AssetFilter, AssetPatch, AssetStatus, AssetVersion, NewAsset};
use self::change::Changes;
pub use self::clock::{Clock, SystemClock};
pub use self::configuration::{ConfigurationRecord, NewConfiguration};
pub use self::group::{Group, GroupPatch, NewGroup};
pub use self::job::{IngestJob, Ingested, JobStanding};
pub use self::page::{
    Cursor, DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, Order, OrderBy, Page, PageRequest, PageScope,
};
pub use self::sqlite::SqliteStore;
pub use self::store::CatalogStore;
use self::view::ViewCache;
pub use self::view::{AssetView, ConfigurationView, RetiredContentId};
use crate::error::{Error, Result};
use crate::model::ingest::{IngestFailure, Progress};
use crate::model::policy::{Configuration, Name};

/// What a catalog is set to.
#[derive(Clone, Copy, Debug)]
pub struct CatalogSettings {
    /// How long URLs from replaced settings and versions go on answering. Default 6 hours.
    pub grace: Duration,
    /// How many asset views are kept in memory. Default 10 000, some 20 MB of usual ones.
    pub views: NonZeroUsize,
}

impl Default for CatalogSettings {
    fn default() -> Self {
        const VIEWS: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");
        Self { grace: Duration::hours(6), views: VIEWS }
    }
}

/// The catalog as the rest of the program uses it; see the module's page.
#[derive(Debug)]
pub struct Catalog {
    store: Arc<dyn CatalogStore>,
    clock: Arc<dyn Clock>,
    grace: Duration,
    views: ViewCache,
    changes: Changes,
    queued: Arc<Notify>,
}

impl Catalog {
    /// A catalog over a store.
    pub fn new(
        store: Arc<dyn CatalogStore>,
        clock: Arc<dyn Clock>,
        settings: CatalogSettings,
    ) -> Self {
        Self {
            store,
            clock,
            grace: settings.grace,
            views: ViewCache::new(settings.views, settings.grace),
            changes: Changes::default(),
            queued: Arc::default(),
        }
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        self.read(|store| async move { store.ping().await }).await
    }

    /// Creates a group.
    pub async fn create_group(&self, new: NewGroup) -> Result<Group> {
        self.write(|store, now| async move { store.create_group(new, now).await }).await
    }

    /// One group.
    pub async fn group(&self, name: &Name) -> Result<Group> {
        let name = name.clone();
        self.read(|store| async move { store.group(&name).await }).await
    }

    /// A page of all groups.
    pub async fn groups(&self, page: &PageRequest) -> Result<Page<Group>> {
        let page = page.clone();
        self.read(|store| async move { store.groups(&page).await }).await
    }

    /// Changes a group.
    pub async fn update_group(&self, name: &Name, patch: GroupPatch) -> Result<Group> {
        let name = name.clone();
        self.write(|store, now| async move { store.update_group(&name, patch, now).await }).await
    }

    /// Deletes a group that holds neither configurations nor assets.
    pub async fn delete_group(&self, name: &Name) -> Result<()> {
        let name = name.clone();
        self.write(|store, _| async move { store.delete_group(&name).await }).await
    }

    /// Creates a configuration.
    pub async fn create_configuration(&self, new: NewConfiguration) -> Result<ConfigurationRecord> {
        self.write(|store, now| async move { store.create_configuration(new, now).await }).await
    }

    /// One configuration of a group.
    pub async fn configuration(&self, group: &Name, name: &Name) -> Result<ConfigurationRecord> {
        let (group, name) = (group.clone(), name.clone());
        self.read(|store| async move { store.configuration(&group, &name).await }).await
    }

    /// A page of the configurations of a group.
    pub async fn configurations(
        &self,
        group: &Name,
        page: &PageRequest,
    ) -> Result<Page<ConfigurationRecord>> {
        let (group, page) = (group.clone(), page.clone());
        self.read(|store| async move { store.configurations(&group, &page).await }).await
    }

    /// Replaces a configuration; the settings that were in force are kept for the grace time.
    pub async fn replace_configuration(
        &self,
        new: NewConfiguration,
    ) -> Result<ConfigurationRecord> {
        self.replace(new, None).await
    }

    /// Like [`Catalog::replace_configuration`], but refused if the configuration is not `from` any
    /// more: for new settings that hold parts of it.
    pub async fn replace_configuration_from(
        &self,
        from: Configuration,
        new: NewConfiguration,
    ) -> Result<ConfigurationRecord> {
        self.replace(new, Some(from)).await
    }

    async fn replace(
        &self,
        new: NewConfiguration,
        from: Option<Configuration>,
    ) -> Result<ConfigurationRecord> {
        let grace = self.grace;
        self.write(|store, now| async move {
            let record = store.replace_configuration(new, from, now).await?;
            purge(&*store, now, grace).await;
            Ok(record)
        })
        .await
    }

    /// Deletes a configuration and its history.
    pub async fn delete_configuration(&self, group: &Name, name: &Name) -> Result<()> {
        let (group, name) = (group.clone(), name.clone());
        self.write(|store, _| async move { store.delete_configuration(&group, &name).await }).await
    }

    /// Creates an asset and queues its ingest.
    pub async fn create_asset(&self, new: NewAsset) -> Result<Asset> {
        let mut results = self.create_assets(vec![new]).await?;
        results.pop().unwrap_or_else(|| Err(Error::internal("the store answered no result")))
    }

    /// Creates assets and queues their ingest; the results stand in the order of `new`, and one
    /// that fails leaves the others alone.
    pub async fn create_assets(&self, new: Vec<NewAsset>) -> Result<Vec<Result<Asset>>> {
        let queued = Arc::clone(&self.queued);
        self.write(|store, now| async move {
            let results = store.create_assets(new, now).await?;
            queued.notify_waiters();
            Ok(results)
        })
        .await
    }

    /// Fails as [`Catalog::create_asset`] would, and creates nothing.
    pub async fn check_asset(&self, new: &NewAsset) -> Result<()> {
        let new = new.clone();
        self.read(|store| async move { store.check_asset(&new).await }).await
    }

    /// One asset.
    pub async fn asset(&self, name: &Name) -> Result<Asset> {
        let name = name.clone();
        self.read(|store| async move { store.asset(&name).await }).await
    }

    /// A page of the assets that pass a filter.
    pub async fn assets(&self, filter: &AssetFilter, page: &PageRequest) -> Result<Page<Asset>> {
        let (filter, page) = (filter.clone(), page.clone());
        self.read(|store| async move { store.assets(&filter, &page).await }).await
    }

    /// Changes an asset.
    pub async fn update_asset(&self, name: &Name, patch: AssetPatch) -> Result<Asset> {
        let name = name.clone();
        self.write(|store, now| async move { store.update_asset(&name, patch, now).await }).await
    }

    /// Deletes an asset, its versions and its job.
    pub async fn delete_asset(&self, name: &Name) -> Result<()> {
        let name = name.clone();
        self.write(|store, _| async move { store.delete_asset(&name).await }).await
    }

    /// Queues an ingest of an asset, superseding one that is queued or runs.
    pub async fn reingest(&self, name: &Name) -> Result<Asset> {
        let (name, queued) = (name.clone(), Arc::clone(&self.queued));
        self.write(|store, now| async move {
            let asset = store.reingest(&name, now).await?;
            queued.notify_waiters();
            Ok(asset)
        })
        .await
    }

    /// What playback needs of an asset; `None` if there is none of that name. Reads memory alone
    /// where nothing changed since the view was last read.
    pub async fn asset_view(&self, name: &Name) -> Result<Option<Arc<AssetView>>> {
        if let Some(view) = self.kept_view(name) {
            return Ok(Some(view));
        }
        let _loading = self.views.loading(name).await;
        if let Some(view) = self.kept_view(name) {
            return Ok(Some(view));
        }
        // Asked before the store is read: a write that begins after this line outdates what is
        // read here.
        let (settled, now) = (self.changes.settled(), self.clock.now());
        let (name, since) = (name.clone(), now - self.grace);
        let read = self.read(|store| async move { store.asset_view(&name, since).await });
        let Some(view) = read.await? else { return Ok(None) };
        let view = Arc::new(view);
        if let Some(change) = settled {
            self.views.keep(change, Arc::clone(&view));
        }
        Ok(Some(view))
    }

    /// What [`Catalog::asset_view`] answers, where that is in memory and nothing has outdated it.
    pub fn kept_view(&self, name: &Name) -> Option<Arc<AssetView>> {
        self.views.view(name, self.changes.settled()?, || self.clock.now())
    }

    /// Resolves when jobs are queued after this call. Ask before claiming, then wait for it.
    pub fn jobs_queued(&self) -> Notified<'_> {
        self.queued.notified()
    }

    /// Hands the oldest queued job to a worker.
    pub async fn claim_job(&self, worker: &str) -> Result<Option<IngestJob>> {
        let worker = worker.to_owned();
        self.write(|store, _| async move { store.claim_job(&worker).await }).await
    }

    /// Puts the jobs of a killed process back into the queue and counts them. To be called once,
    /// before any worker of this process runs.
    pub async fn recover_jobs(&self) -> Result<u64> {
        self.write(|store, _| async move { store.recover_jobs().await }).await
    }

    /// Puts a claimed job back into the queue.
    pub async fn release_job(&self, job: &IngestJob) -> Result<JobStanding> {
        let (job, queued) = (job.clone(), Arc::clone(&self.queued));
        self.write(|store, _| async move {
            let standing = store.release_job(&job).await?;
            queued.notify_waiters();
            Ok(standing)
        })
        .await
    }

    /// Shows how far a claimed job is. Alters nothing that players get, so it keeps the views.
    pub async fn report_progress(
        &self,
        job: &IngestJob,
        progress: Progress,
    ) -> Result<JobStanding> {
        let job = job.clone();
        self.read(|store| async move { store.report_progress(&job, progress).await }).await
    }

    /// Ends a claimed job: its version becomes the current one; the one before is kept for the
    /// grace time.
    pub async fn complete_job(&self, job: &IngestJob, ingested: Ingested) -> Result<JobStanding> {
        let (job, grace) = (job.clone(), self.grace);
        self.write(|store, now| async move {
            let standing = store.complete_job(&job, ingested, now).await?;
            purge(&*store, now, grace).await;
            Ok(standing)
        })
        .await
    }

    /// Ends a claimed job in failure. An asset that has a version stays playable.
    pub async fn fail_job(&self, job: &IngestJob, failure: IngestFailure) -> Result<JobStanding> {
        let job = job.clone();
        self.write(|store, now| async move { store.fail_job(&job, failure, now).await }).await
    }

    /// Asks something of the store that leaves the views as they are.
    async fn read<T, F, W>(&self, work: F) -> Result<T>
    where
        F: FnOnce(Arc<dyn CatalogStore>) -> W,
        W: Future<Output = Result<T>> + Send + 'static,
        T: Send + 'static,
    {
        to_the_end(work(Arc::clone(&self.store))).await
    }

    /// Runs a write and outdates the views after it.
    async fn write<T, F, W>(&self, work: F) -> Result<T>
    where
        F: FnOnce(Arc<dyn CatalogStore>, OffsetDateTime) -> W,
        W: Future<Output = Result<T>> + Send + 'static,
        T: Send + 'static,
    {
        let work = work(Arc::clone(&self.store), self.clock.now());
        let write = self.changes.begin();
        to_the_end(async move {
            let result = work.await;
            drop(write);
            result
        })
        .await
    }
}

/// Runs `work` to its end, whatever becomes of the caller.
async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    tokio::spawn(work)
        .await
        .map_err(|error| Error::internal("the catalog broke off").caused_by(error))?
}

/// Deletes what outlived its grace time. The views leave it out anyway, so a failure costs only
/// space and must not fail the write it follows.
async fn purge(store: &dyn CatalogStore, now: OffsetDateTime, grace: Duration) {
    if let Err(error) = store.purge_retired(now - grace).await {
        tracing::warn!(error = %error.chain(), "retired versions and settings were not purged");
    }
}

#[cfg(test)]
mod tests;
