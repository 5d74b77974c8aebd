//! The queue of ingest jobs, without a worker.

use super::*;
use crate::model::ingest::Progress;

const SOME: Progress = Progress { segments_done: 10, segments_total: 60, bytes_read: 123 };

#[tokio::test]
async fn a_first_ingest_goes_from_queuing_to_playable() {
    let fixture = fixture().await;
    let asset = fixture.asset("bbb").await;
    assert_eq!((asset.status, asset.progress), (AssetStatus::Queuing, Some(Progress::default())));
    let job = fixture.claim().await;
    assert_eq!((&*job.source, &*job.path), ("default", "bbb/master.m3u8"));
    assert_eq!(fixture.show("bbb").await.status, AssetStatus::Ingesting);
    let standing = fixture.catalog.report_progress(&job, SOME).await.unwrap();
    assert_eq!(standing, JobStanding::Current);
    assert_eq!(fixture.show("bbb").await.progress, Some(SOME));
    fixture.clock.advance(Duration::minutes(1));
    let standing = fixture.catalog.complete_job(&job, ingested("v1")).await.unwrap();
    assert_eq!(standing, JobStanding::Current);
    let asset = fixture.show("bbb").await;
    assert_eq!((asset.status, asset.progress), (AssetStatus::Playable, None));
    assert_eq!(asset.report, Some(ingested("v1").report));
    assert_eq!(asset.playable_at, Some(fixture.clock.now()));
    assert_eq!(asset.updated_at, fixture.clock.now());
    assert_eq!(fixture.catalog.claim_job("w").await.unwrap(), None);
}

#[tokio::test]
async fn a_first_ingest_that_fails_can_be_asked_for_again() {
    let fixture = fixture().await;
    fixture.asset("bbb").await;
    let job = fixture.claim().await;
    let why = failure(FailureCode::NotVod);
    let standing = fixture.catalog.fail_job(&job, why.clone()).await.unwrap();
    assert_eq!(standing, JobStanding::Current);
    let asset = fixture.show("bbb").await;
    assert_eq!((asset.status, asset.failure), (AssetStatus::Failed, Some(why)));
    assert_eq!((asset.progress, asset.playable_at), (None, None));
    let asset = fixture.catalog.reingest(&name("bbb")).await.unwrap();
    assert_eq!((asset.status, asset.failure), (AssetStatus::Queuing, None));
    fixture.ingest("v1").await;
    assert_eq!(fixture.show("bbb").await.status, AssetStatus::Playable);
}

#[tokio::test]
async fn a_playable_asset_plays_through_its_reingest_and_its_failure() {
    let fixture = fixture().await;
    fixture.asset("bbb").await;
    fixture.ingest("v1").await;
    let playable_at = fixture.show("bbb").await.playable_at;
    fixture.clock.advance(Duration::minutes(1));
    let asset = fixture.catalog.reingest(&name("bbb")).await.unwrap();
    assert_eq!((asset.status, asset.progress), (AssetStatus::Playable, Some(Progress::default())));
    let job = fixture.claim().await;
    assert_eq!(fixture.catalog.report_progress(&job, SOME).await.unwrap(), JobStanding::Current);
    let asset = fixture.show("bbb").await;
    assert_eq!((asset.status, asset.progress), (AssetStatus::Playable, Some(SOME)));
    let why = failure(FailureCode::SourceNotFound);
    assert_eq!(fixture.catalog.fail_job(&job, why.clone()).await.unwrap(), JobStanding::Current);
    let asset = fixture.show("bbb").await;
    assert_eq!((asset.status, asset.failure), (AssetStatus::Playable, Some(why.clone())));
    assert_eq!((asset.progress, asset.playable_at), (None, playable_at));
    let view = fixture.view("bbb").await.unwrap();
    assert_eq!(view.current_version().unwrap().version, "v1");
    assert_eq!((view.status, &view.failure), (AssetStatus::Playable, &Some(why)));
    // A good one clears the failure.
    fixture.catalog.reingest(&name("bbb")).await.unwrap();
    fixture.ingest("v2").await;
    assert_eq!(fixture.show("bbb").await.failure, None);
}

/// What makes a claimed job one of the past.
#[derive(Clone, Copy, Debug)]
enum Supersede {
    Reingest,
    ReingestAndClaim,
    Delete,
    DeleteAndCreate,
    DeleteCreateAndClaim,
}

#[tokio::test]
async fn a_superseded_job_writes_nothing() {
    use Supersede::*;
    for how in [Reingest, ReingestAndClaim, Delete, DeleteAndCreate, DeleteCreateAndClaim] {
        let fixture = fixture().await;
        fixture.asset("bbb").await;
        let old = fixture.claim().await;
        match how {
            Reingest | ReingestAndClaim => {
                fixture.catalog.reingest(&name("bbb")).await.unwrap();
            }
            Delete => fixture.catalog.delete_asset(&name("bbb")).await.unwrap(),
            DeleteAndCreate | DeleteCreateAndClaim => {
                fixture.catalog.delete_asset(&name("bbb")).await.unwrap();
                fixture.asset("bbb").await;
            }
        }
        let new = match how {
            ReingestAndClaim | DeleteCreateAndClaim => Some(fixture.claim().await),
            Reingest | Delete | DeleteAndCreate => None,
        };
        let before = fixture.catalog.asset(&name("bbb")).await.ok();
        let catalog = &fixture.catalog;
        let standings = [
            catalog.report_progress(&old, SOME).await.unwrap(),
            catalog.release_job(&old).await.unwrap(),
            catalog.fail_job(&old, failure(FailureCode::NotVod)).await.unwrap(),
            catalog.complete_job(&old, ingested("old")).await.unwrap(),
        ];
        assert_eq!(standings, [JobStanding::Superseded; 4], "{how:?}");
        assert_eq!(catalog.asset(&name("bbb")).await.ok(), before, "{how:?}");
        let versions = fixture.view("bbb").await.map(|view| view.versions.len());
        assert_eq!(versions, before.map(|_| 0), "{how:?}");
        if let Some(new) = new {
            assert!(new.generation > old.generation);
            let standing = catalog.complete_job(&new, ingested("new")).await.unwrap();
            assert_eq!(standing, JobStanding::Current, "{how:?}");
        }
    }
}

#[tokio::test]
async fn a_job_ends_once() {
    let fixture = fixture().await;
    fixture.asset("bbb").await;
    let job = fixture.ingest("v1").await;
    let standing = fixture.catalog.fail_job(&job, failure(FailureCode::NotVod)).await.unwrap();
    assert_eq!(standing, JobStanding::Superseded);
    assert_eq!(fixture.show("bbb").await.status, AssetStatus::Playable);
}

#[tokio::test]
async fn jobs_of_a_killed_process_are_recovered() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog.db");
    let first = over(SqliteStore::open(&file).await.unwrap());
    first.group("web").await;
    for asset in ["plays", "runs", "waits"] {
        first.asset(asset).await;
    }
    first.ingest("v1").await;
    let running = first.claim().await;
    first.catalog.reingest(&name("plays")).await.unwrap();
    assert_eq!(first.claim().await.asset, name("waits"));
    let reingest = first.claim().await;
    assert_eq!(first.catalog.report_progress(&running, SOME).await.unwrap(), JobStanding::Current);
    // The process is gone here: nothing is released, nothing is closed.

    let second = over(SqliteStore::open(&file).await.unwrap());
    assert_eq!(second.catalog.claim_job("w").await.unwrap(), None);
    assert_eq!(second.catalog.recover_jobs().await.unwrap(), 3);
    let runs = second.show("runs").await;
    assert_eq!((runs.status, runs.progress), (AssetStatus::Queuing, Some(Progress::default())));
    let plays = second.show("plays").await;
    assert_eq!(plays.status, AssetStatus::Playable);
    assert_eq!(second.claim().await, running);
    assert_eq!(second.claim().await.asset, name("waits"));
    assert_eq!(second.claim().await, reingest);
    assert_eq!(second.catalog.claim_job("w").await.unwrap(), None);
    assert_eq!(second.catalog.recover_jobs().await.unwrap(), 3);
}

#[tokio::test]
async fn a_released_job_is_queued_again() {
    let fixture = fixture().await;
    fixture.asset("bbb").await;
    let job = fixture.claim().await;
    assert_eq!(fixture.catalog.report_progress(&job, SOME).await.unwrap(), JobStanding::Current);
    assert_eq!(fixture.catalog.release_job(&job).await.unwrap(), JobStanding::Current);
    let asset = fixture.show("bbb").await;
    assert_eq!((asset.status, asset.progress), (AssetStatus::Queuing, Some(Progress::default())));
    // It is nobody's now, so its former worker cannot end it.
    let standing = fixture.catalog.complete_job(&job, ingested("v1")).await.unwrap();
    assert_eq!(standing, JobStanding::Superseded);
    assert_eq!(fixture.claim().await, job);
}
