//! Tests of the catalog over SQLite in memory, or in a file where a restart is played.
//!
//! They drive [`Catalog`], so the store, the views and the clock are tested as they are used.

mod encryption;
mod history;
mod jobs;
mod lists;
mod resources;
mod views;
mod worker;

use std::num::NonZeroUsize;
use std::sync::atomic::Ordering;

use super::clock::manual::ManualClock;
use super::*;
use crate::error::Kind;
use crate::model::ingest::{FailureCode, Report};
use crate::model::policy::{PackageType, SegmentDuration, StreamSelection};

const GRACE: Duration = Duration::hours(6);

struct Fixture {
    catalog: Arc<Catalog>,
    clock: ManualClock,
    store: SqliteStore,
}

/// A catalog with the group `web` and in it the configuration `dash`.
async fn fixture() -> Fixture {
    let fixture = over(SqliteStore::in_memory().await.unwrap());
    fixture.group("web").await;
    fixture.configuration("web", "dash", 6).await;
    fixture
}

fn over(store: SqliteStore) -> Fixture {
    let clock = ManualClock::new();
    let settings = CatalogSettings { grace: GRACE, views: NonZeroUsize::new(64).unwrap() };
    let catalog = Catalog::new(Arc::new(store.clone()), Arc::new(clock.clone()), settings);
    Fixture { catalog: Arc::new(catalog), clock, store }
}

impl Fixture {
    async fn group(&self, group: &str) -> Group {
        let new = NewGroup { name: name(group), description: String::new() };
        self.catalog.create_group(new).await.unwrap()
    }

    async fn configuration(&self, group: &str, configuration: &str, seconds: u32) {
        let new = new_configuration(group, configuration, seconds);
        self.catalog.create_configuration(new).await.unwrap();
    }

    async fn asset(&self, asset: &str) -> Asset {
        self.catalog.create_asset(new_asset("web", asset)).await.unwrap()
    }

    async fn claim(&self) -> IngestJob {
        self.catalog.claim_job("w").await.unwrap().expect("a job is queued")
    }

    /// Runs the next job to `version`.
    async fn ingest(&self, version: &str) -> IngestJob {
        let job = self.claim().await;
        let standing = self.catalog.complete_job(&job, ingested(version)).await.unwrap();
        assert_eq!(standing, JobStanding::Current);
        job
    }

    async fn show(&self, asset: &str) -> Asset {
        self.catalog.asset(&name(asset)).await.unwrap()
    }

    async fn view(&self, asset: &str) -> Option<Arc<AssetView>> {
        self.catalog.asset_view(&name(asset)).await.unwrap()
    }
}

/// Waits for what should happen soon. Only a failing test waits so long.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    let patience = std::time::Duration::from_secs(20);
    tokio::time::timeout(patience, what).await.expect("it does not happen")
}

/// Lets other tasks run until `done` holds.
async fn until(done: impl Fn() -> bool) {
    soon(async {
        while !done() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn new_asset(group: &str, asset: &str) -> NewAsset {
    NewAsset {
        name: name(asset),
        group: name(group),
        source: "default".to_owned(),
        path: format!("{asset}/master.m3u8"),
        content_id: None,
        description: String::new(),
    }
}

fn new_configuration(group: &str, configuration: &str, seconds: u32) -> NewConfiguration {
    NewConfiguration {
        group: name(group),
        configuration: Configuration {
            name: name(configuration),
            package_type: PackageType::Dash,
            segment_duration: SegmentDuration::new(seconds).unwrap(),
            manifest_name: Name::default_manifest(),
            stream_selection: StreamSelection::default(),
            encryption: None,
            on_source_error: Default::default(),
            trick_play: Default::default(),
            filter: None,
            audio_layout: Default::default(),
            dash_subtitles: Default::default(),
            program_date_time: Default::default(),
            mpd: Default::default(),
        },
        description: String::new(),
    }
}

fn ingested(version: &str) -> Ingested {
    Ingested {
        version: version.to_owned(),
        index_key: format!("index/{version}"),
        report: Report { duration_milliseconds: 1234, ..Report::default() },
    }
}

fn failure(code: FailureCode) -> IngestFailure {
    IngestFailure::new(code, "master.m3u8 line 3 …")
}
