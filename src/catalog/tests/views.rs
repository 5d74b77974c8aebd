//! Views: seen at once after a write, read once between writes.

use std::pin::pin;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::model::ingest::Progress;
use crate::model::policy::ContentId;

#[tokio::test]
async fn every_write_that_alters_playback_shows_in_the_next_view() {
    let fixture = fixture().await;
    let catalog = &fixture.catalog;
    assert_eq!(fixture.view("bbb").await, None);
    fixture.asset("bbb").await;
    assert_eq!(fixture.view("bbb").await.unwrap().status, AssetStatus::Queuing);
    let job = fixture.claim().await;
    assert_eq!(fixture.view("bbb").await.unwrap().status, AssetStatus::Ingesting);
    assert_eq!(catalog.release_job(&job).await.unwrap(), JobStanding::Current);
    assert_eq!(fixture.view("bbb").await.unwrap().status, AssetStatus::Queuing);
    fixture.claim().await;
    assert_eq!(fixture.view("bbb").await.unwrap().status, AssetStatus::Ingesting);
    catalog.recover_jobs().await.unwrap();
    assert_eq!(fixture.view("bbb").await.unwrap().status, AssetStatus::Queuing);
    let job = fixture.claim().await;
    let why = failure(FailureCode::NoKeyframes);
    assert_eq!(catalog.fail_job(&job, why.clone()).await.unwrap(), JobStanding::Current);
    assert_eq!(fixture.view("bbb").await.unwrap().failure, Some(why));
    catalog.reingest(&name("bbb")).await.unwrap();
    assert_eq!(fixture.view("bbb").await.unwrap().failure, None);
    fixture.ingest("v1").await;
    assert_eq!(fixture.view("bbb").await.unwrap().current_version().unwrap().version, "v1");
    let content_id = Some(ContentId::new("id").unwrap());
    let patch = AssetPatch { content_id: Some(content_id.clone()), ..AssetPatch::default() };
    catalog.update_asset(&name("bbb"), patch).await.unwrap();
    assert_eq!(fixture.view("bbb").await.unwrap().content_id, content_id);
    fixture.configuration("web", "hls", 6).await;
    assert_eq!(fixture.view("bbb").await.unwrap().configurations.len(), 2);
    catalog.replace_configuration(new_configuration("web", "hls", 4)).await.unwrap();
    assert_eq!(fixture.view("bbb").await.unwrap().configurations.len(), 3);
    let current = fixture.view("bbb").await.unwrap();
    let current: Vec<_> = current.current_configurations().map(|c| c.name.as_str()).collect();
    assert_eq!(current, ["dash", "hls"]);
    catalog.delete_configuration(&name("web"), &name("hls")).await.unwrap();
    assert_eq!(fixture.view("bbb").await.unwrap().configurations.len(), 1);
    catalog.delete_asset(&name("bbb")).await.unwrap();
    assert_eq!(fixture.view("bbb").await, None);
}

#[tokio::test]
async fn between_writes_a_view_is_read_once() {
    let fixture = fixture().await;
    fixture.asset("bbb").await;
    let job = fixture.claim().await;
    let view = fixture.view("bbb").await.unwrap();
    // Progress alters nothing that plays.
    let standing = fixture.catalog.report_progress(&job, Progress::default()).await.unwrap();
    assert_eq!(standing, JobStanding::Current);
    fixture.store.close().await;
    for _ in 0..3 {
        assert!(Arc::ptr_eq(&fixture.view("bbb").await.unwrap(), &view));
    }
    // A view that is not in memory shows that the store was really closed.
    assert!(fixture.catalog.asset_view(&name("other")).await.is_err());
}

/// A store whose answer with a view waits for the test.
#[derive(Debug)]
struct SlowViews {
    inner: SqliteStore,
    steps: tokio::sync::Semaphore,
    reads: AtomicUsize,
}

macro_rules! forward {
    ($(fn $method:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        #[async_trait::async_trait]
        impl CatalogStore for SlowViews {
            async fn asset_view(
                &self,
                name: &Name,
                retired_since: OffsetDateTime,
            ) -> Result<Option<AssetView>> {
                self.reads.fetch_add(1, Ordering::SeqCst);
                let view = self.inner.asset_view(name, retired_since).await;
                self.steps.acquire().await.unwrap().forget();
                view
            }

            $(async fn $method(&self, $($argument: $type),*) -> Result<$result> {
                self.inner.$method($($argument),*).await
            })*
        }
    };
}

forward! {
    fn ping() -> ();
    fn create_group(new: NewGroup, now: OffsetDateTime) -> Group;
    fn group(name: &Name) -> Group;
    fn groups(page: &PageRequest) -> Page<Group>;
    fn update_group(name: &Name, patch: GroupPatch, now: OffsetDateTime) -> Group;
    fn delete_group(name: &Name) -> ();
    fn create_configuration(new: NewConfiguration, now: OffsetDateTime) -> ConfigurationRecord;
    fn configuration(group: &Name, name: &Name) -> ConfigurationRecord;
    fn configurations(group: &Name, page: &PageRequest) -> Page<ConfigurationRecord>;
    fn replace_configuration(
        new: NewConfiguration,
        from: Option<Configuration>,
        now: OffsetDateTime
    ) -> ConfigurationRecord;
    fn delete_configuration(group: &Name, name: &Name) -> ();
    fn create_assets(new: Vec<NewAsset>, now: OffsetDateTime) -> Vec<Result<Asset>>;
    fn check_asset(new: &NewAsset) -> ();
    fn asset(name: &Name) -> Asset;
    fn assets(filter: &AssetFilter, page: &PageRequest) -> Page<Asset>;
    fn update_asset(name: &Name, patch: AssetPatch, now: OffsetDateTime) -> Asset;
    fn delete_asset(name: &Name) -> ();
    fn reingest(name: &Name, now: OffsetDateTime) -> Asset;
    fn purge_retired(retired_until: OffsetDateTime) -> ();
    fn claim_job(worker: &str) -> Option<IngestJob>;
    fn recover_jobs() -> u64;
    fn release_job(job: &IngestJob) -> JobStanding;
    fn report_progress(job: &IngestJob, progress: Progress) -> JobStanding;
    fn complete_job(job: &IngestJob, ingested: Ingested, now: OffsetDateTime) -> JobStanding;
    fn fail_job(job: &IngestJob, failure: IngestFailure, now: OffsetDateTime) -> JobStanding;
}

async fn slow() -> (Arc<SlowViews>, Arc<Catalog>) {
    let inner = SqliteStore::in_memory().await.unwrap();
    let fixture = over(inner.clone());
    fixture.group("web").await;
    fixture.asset("bbb").await;
    let steps = tokio::sync::Semaphore::new(0);
    let store = Arc::new(SlowViews { inner, steps, reads: AtomicUsize::new(0) });
    let catalog = Catalog::new(
        Arc::clone(&store) as Arc<dyn CatalogStore>,
        Arc::new(fixture.clock),
        CatalogSettings::default(),
    );
    (store, Arc::new(catalog))
}

#[tokio::test]
async fn a_view_read_during_a_write_is_not_kept() {
    let (store, catalog) = slow().await;
    let reader = tokio::spawn({
        let catalog = Arc::clone(&catalog);
        async move { catalog.asset_view(&name("bbb")).await.unwrap().unwrap() }
    });
    until(|| store.reads.load(Ordering::SeqCst) > 0).await;
    // The old state may already be read; the write is committed before the reader goes on.
    catalog.claim_job("w").await.unwrap().unwrap();
    store.steps.add_permits(2);
    reader.await.unwrap();
    let view = catalog.asset_view(&name("bbb")).await.unwrap().unwrap();
    assert_eq!(view.status, AssetStatus::Ingesting);
    assert_eq!(store.reads.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn requests_at_one_time_cause_one_read() {
    let (store, catalog) = slow().await;
    let readers: Vec<_> = (0..20)
        .map(|_| {
            let catalog = Arc::clone(&catalog);
            tokio::spawn(async move { catalog.asset_view(&name("bbb")).await.unwrap().unwrap() })
        })
        .collect();
    until(|| store.reads.load(Ordering::SeqCst) > 0).await;
    store.steps.add_permits(20);
    for reader in readers {
        reader.await.unwrap();
    }
    assert_eq!(store.reads.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_reader_that_hangs_up_leaves_the_view_to_others() {
    let (store, catalog) = slow().await;
    let reader = tokio::spawn({
        let catalog = Arc::clone(&catalog);
        async move { catalog.asset_view(&name("bbb")).await }
    });
    until(|| store.reads.load(Ordering::SeqCst) > 0).await;
    reader.abort();
    assert!(reader.await.unwrap_err().is_cancelled());
    // One for the read that nobody waits for any more.
    store.steps.add_permits(2);
    assert!(soon(catalog.asset_view(&name("bbb"))).await.unwrap().is_some());
}

#[tokio::test]
async fn a_write_whose_caller_hangs_up_is_noticed() {
    let fixture = fixture().await;
    fixture.asset("bbb").await;
    let before = fixture.view("bbb").await.unwrap();
    let change = fixture.catalog.changes.settled().unwrap_or_default();
    {
        let name = name("bbb");
        let mut delete = pin!(fixture.catalog.delete_asset(&name));
        let waiting = delete.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(waiting, Poll::Pending));
    }
    until(|| fixture.catalog.changes.settled().is_some_and(|now| now > change)).await;
    assert_eq!(before.status, AssetStatus::Queuing);
    assert_eq!(fixture.view("bbb").await, None);
}
