//! The worker with ingests that the test steers.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::time::Duration as StdDuration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

use super::*;
use crate::catalog::worker::{IngestWorker, ProgressSink, WorkerSettings};
use crate::model::ingest::Progress;

struct Running {
    shutdown: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    async fn stop(self) {
        self.shutdown.send(true).unwrap();
        soon(self.task).await.unwrap();
    }
}

fn start<F, I>(fixture: &Fixture, concurrency: usize, ingest: F) -> Running
where
    F: Fn(IngestJob, ProgressSink) -> I + Send + Sync + 'static,
    I: Future<Output = Result<Ingested, IngestFailure>> + Send + 'static,
{
    let settings = WorkerSettings {
        name: "w".to_owned(),
        concurrency: NonZeroUsize::new(concurrency).unwrap(),
        progress_interval: StdDuration::from_millis(1),
        first_retry_delay: StdDuration::ZERO,
    };
    let (shutdown, receiver) = watch::channel(false);
    let worker = IngestWorker::new(Arc::clone(&fixture.catalog), ingest, settings);
    Running { shutdown, task: tokio::spawn(worker.run(receiver)) }
}

/// Asks for an asset until it is as wanted.
async fn becomes(fixture: &Fixture, asset: &str, wanted: impl Fn(&Asset) -> bool) -> Asset {
    soon(async {
        loop {
            let asset = fixture.show(asset).await;
            if wanted(&asset) {
                return asset;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test]
async fn jobs_queued_before_and_after_the_start_are_run() {
    let fixture = fixture().await;
    fixture.asset("before").await;
    let running = start(&fixture, 2, |job, _| async move { Ok(ingested(job.asset.as_str())) });
    becomes(&fixture, "before", |asset| asset.status == AssetStatus::Playable).await;
    fixture.asset("after").await;
    becomes(&fixture, "after", |asset| asset.status == AssetStatus::Playable).await;
    fixture.catalog.reingest(&name("after")).await.unwrap();
    becomes(&fixture, "after", |asset| asset.progress.is_none()).await;
    running.stop().await;
    let view = fixture.view("after").await.unwrap();
    assert_eq!(view.current_version().unwrap().version, "after");
}

#[tokio::test]
async fn idle_lanes_are_woken() {
    let fixture = fixture().await;
    let change = fixture.catalog.changes.settled().unwrap_or_default();
    let running = start(&fixture, 2, |_, _| async { Ok(ingested("v1")) });
    // Each of the two lanes has asked for a job and found none.
    until(|| fixture.catalog.changes.settled().is_some_and(|now| now >= change + 2)).await;
    fixture.asset("bbb").await;
    becomes(&fixture, "bbb", |asset| asset.status == AssetStatus::Playable).await;
    running.stop().await;
}

#[tokio::test]
async fn as_many_jobs_run_at_a_time_as_are_allowed() {
    let fixture = fixture().await;
    let (started, mut starts) = mpsc::unbounded_channel();
    let gate = Arc::new(Semaphore::new(0));
    let inside = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    for number in 0..7 {
        fixture.asset(&format!("a{number}")).await;
    }
    let running = start(&fixture, 3, {
        let (gate, inside, most) = (Arc::clone(&gate), Arc::clone(&inside), Arc::clone(&most));
        move |job, _| {
            let (gate, inside, most) = (Arc::clone(&gate), Arc::clone(&inside), Arc::clone(&most));
            let started = started.clone();
            async move {
                let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(now, Ordering::SeqCst);
                started.send(job.asset.to_string()).unwrap();
                gate.acquire().await.unwrap().forget();
                inside.fetch_sub(1, Ordering::SeqCst);
                Ok(ingested("v"))
            }
        }
    });
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(soon(starts.recv()).await.unwrap());
    }
    gate.add_permits(7);
    for _ in 0..4 {
        seen.push(soon(starts.recv()).await.unwrap());
    }
    becomes(&fixture, "a6", |asset| asset.status == AssetStatus::Playable).await;
    running.stop().await;
    seen.sort();
    assert_eq!(seen, ["a0", "a1", "a2", "a3", "a4", "a5", "a6"]);
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn progress_is_written_down_while_the_ingest_runs() {
    let fixture = fixture().await;
    fixture.asset("bbb").await;
    let gate = Arc::new(Semaphore::new(0));
    let running = start(&fixture, 1, {
        let gate = Arc::clone(&gate);
        move |_, progress: ProgressSink| {
            let gate = Arc::clone(&gate);
            async move {
                for _ in 0..2 {
                    progress.update(|progress| {
                        progress.segments_total = 2;
                        progress.segments_done += 1;
                        progress.bytes_read += 100;
                    });
                    gate.acquire().await.unwrap().forget();
                }
                Ok(ingested("v1"))
            }
        }
    });
    let progress =
        |done| Some(Progress { segments_done: done, segments_total: 2, bytes_read: done * 100 });
    let asset = becomes(&fixture, "bbb", |asset| asset.progress == progress(1)).await;
    assert_eq!(asset.status, AssetStatus::Ingesting);
    gate.add_permits(1);
    becomes(&fixture, "bbb", |asset| asset.progress == progress(2)).await;
    gate.add_permits(1);
    becomes(&fixture, "bbb", |asset| asset.progress.is_none()).await;
    running.stop().await;
}

/// Runs one asset through failures; answers it and how often ingest was tried.
async fn tries(failures: Vec<FailureCode>) -> (Asset, usize) {
    let fixture = fixture().await;
    fixture.asset("bbb").await;
    let tried = Arc::new(AtomicUsize::new(0));
    let failures = Arc::new(failures);
    let running = start(&fixture, 1, {
        let tried = Arc::clone(&tried);
        move |_, _| {
            let code = failures.get(tried.fetch_add(1, Ordering::SeqCst)).copied();
            async move { code.map_or_else(|| Ok(ingested("v1")), |code| Err(failure(code))) }
        }
    });
    let asset = becomes(&fixture, "bbb", |asset| asset.progress.is_none()).await;
    running.stop().await;
    (asset, tried.load(Ordering::SeqCst))
}

#[tokio::test]
async fn transient_failures_are_tried_three_times_more() {
    use FailureCode::{CorruptSegment, SourceUnavailable};
    let (asset, tried) = tries(vec![SourceUnavailable; 3]).await;
    assert_eq!((asset.status, asset.failure, tried), (AssetStatus::Playable, None, 4));
    let (asset, tried) = tries(vec![SourceUnavailable; 4]).await;
    assert_eq!((asset.status, tried), (AssetStatus::Failed, 4));
    assert_eq!(asset.failure.unwrap().code, SourceUnavailable);
    let (asset, tried) = tries(vec![SourceUnavailable, CorruptSegment]).await;
    assert_eq!((asset.status, tried), (AssetStatus::Failed, 2));
    assert_eq!(asset.failure.unwrap().code, CorruptSegment);
}

#[tokio::test]
async fn a_stop_puts_running_jobs_back_and_drops_their_ingest() {
    struct Dropped(mpsc::UnboundedSender<&'static str>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            let _ = self.0.send("dropped");
        }
    }
    let fixture = fixture().await;
    fixture.asset("bbb").await;
    let (sender, mut events) = mpsc::unbounded_channel();
    let running = start(&fixture, 1, move |_, _| {
        let dropped = Dropped(sender.clone());
        async move {
            dropped.0.send("started").unwrap();
            std::future::pending::<()>().await;
            drop(dropped);
            Ok(ingested("v1"))
        }
    });
    assert_eq!(soon(events.recv()).await, Some("started"));
    running.stop().await;
    assert_eq!(soon(events.recv()).await, Some("dropped"));
    assert_eq!(fixture.show("bbb").await.status, AssetStatus::Queuing);
    assert_eq!(fixture.claim().await.asset, name("bbb"));
}

#[tokio::test]
async fn a_superseded_ingest_is_ended_at_its_next_progress() {
    let fixture = fixture().await;
    fixture.asset("bbb").await;
    let (started, mut starts) = mpsc::unbounded_channel();
    let sinks = Arc::new(Mutex::new(Vec::new()));
    let count = Arc::new(AtomicUsize::new(0));
    let running = start(&fixture, 1, {
        let sinks = Arc::clone(&sinks);
        move |_, progress| {
            sinks.lock().unwrap().push(progress);
            let number = count.fetch_add(1, Ordering::SeqCst);
            started.send(number).unwrap();
            async move {
                if number == 0 {
                    std::future::pending::<()>().await;
                }
                Ok(ingested("v2"))
            }
        }
    });
    assert_eq!(soon(starts.recv()).await, Some(0));
    fixture.catalog.reingest(&name("bbb")).await.unwrap();
    // The one lane is taken by the first ingest, which never ends by itself.
    sinks.lock().unwrap()[0].update(|progress| progress.segments_done = 1);
    assert_eq!(soon(starts.recv()).await, Some(1));
    becomes(&fixture, "bbb", |asset| asset.status == AssetStatus::Playable).await;
    running.stop().await;
}

#[tokio::test]
async fn a_panic_fails_its_asset_and_spares_the_lane() {
    let fixture = fixture().await;
    fixture.asset("bad").await;
    fixture.asset("good").await;
    let running = start(&fixture, 1, |job, _| async move {
        assert_ne!(job.asset.as_str(), "bad", "on purpose");
        Ok(ingested("v1"))
    });
    becomes(&fixture, "good", |asset| asset.status == AssetStatus::Playable).await;
    running.stop().await;
    let bad = fixture.show("bad").await;
    assert_eq!(bad.status, AssetStatus::Failed);
    assert!(bad.failure.unwrap().detail.contains("bad/master.m3u8"));
}
