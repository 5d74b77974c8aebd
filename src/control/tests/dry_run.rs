//! Dry runs: what they answer, and that they leave nothing behind.

use std::future::pending;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::*;
use crate::model::ingest::{FailureCode, FindingCode, Findings, IngestFailure, Place};

const LONG: DryRunLimits = DryRunLimits { concurrency: 1, timeout: Duration::from_secs(600) };

/// An API with the group `web`, whose dry runs do this.
async fn running(dry_run: DryRun) -> Api {
    let store = SqliteStore::in_memory().await.unwrap();
    let api = with_dry_run(store, None, EgressPolicy::default(), dry_run);
    api.post("/v1/packaging-groups", json!({"name": "web"})).await.expect_status(201);
    api
}

/// Dry runs of `good/…` find something; all others fail.
fn reading() -> DryRun {
    DryRun::new(LONG, |source, path| {
        async move {
            if !path.starts_with("good/") {
                let code = FailureCode::NotVod;
                return Err(IngestFailure::new(code, format!("{source}: {path} goes on")));
            }
            let mut findings = Findings::new();
            findings.add(FindingCode::PacketsLost, Place::stream("v.m3u8").byte(188), "one");
            let findings = findings.into_sorted();
            Ok(Report { duration_milliseconds: 4321, findings, ..Report::default() })
        }
        .boxed()
    })
}

fn asset(path: &str) -> Value {
    json!({"name": "bbb", "packagingGroup": "web", "path": path, "description": "d"})
}

const DRY: &str = "/v1/assets?dryRun=true";

#[tokio::test]
async fn it_answers_the_asset_that_would_be_and_registers_nothing() {
    let api = running(reading()).await;
    let shown = api.post(DRY, asset("good/master.m3u8")).await.expect_status(200).body;
    assert_eq!(shown["status"], "PLAYABLE");
    assert_eq!(shown["report"]["durationMilliseconds"], 4321);
    assert_eq!(
        shown["report"]["findings"][0],
        json!({
            "severity": "warning", "code": "packets_lost", "count": 1, "detail": "one",
            "places": [{"stream": "v.m3u8", "byte": 188}],
            "remedy": FindingCode::PacketsLost.remedy(),
        })
    );
    for field in ["failure", "progress", "playableAt"] {
        assert_eq!(shown[field], Value::Null, "{field}");
    }
    assert_eq!((&shown["egressEndpoints"], &shown["description"]), (&json!([]), &json!("d")));

    let shown = api.post(DRY, asset("bad/master.m3u8")).await.expect_status(200).body;
    let failure = json!({
        "code": "not_vod", "detail": "default: bad/master.m3u8 goes on",
        "remedy": FailureCode::NotVod.remedy(),
    });
    assert_eq!((&shown["status"], &shown["failure"]), (&json!("FAILED"), &failure));
    assert_eq!(shown["report"], Value::Null);

    api.get("/v1/assets/bbb").await.expect_problem(404, "not_found", None);
    assert!(api.catalog.claim_job("w").await.unwrap().is_none());
    // Not even the name is taken.
    api.post("/v1/assets?dryRun=false", asset("good/master.m3u8")).await.expect_status(202);
}

#[tokio::test]
async fn it_is_refused_as_the_real_call_would_be() {
    let api = running(reading()).await;
    api.post("/v1/assets", asset("good/a.m3u8")).await.expect_status(202);
    let both = [DRY, "/v1/assets"];
    for path in both {
        let taken = api.post(path, asset("good/b.m3u8")).await;
        let taken = taken.expect_problem(409, "already_exists", None);
        assert!(taken.body["detail"].as_str().unwrap().contains("bbb"), "{taken:#?}");
        let nowhere = json!({"name": "b", "packagingGroup": "no", "path": "good/a"});
        api.post(path, nowhere).await.expect_problem(404, "not_found", None);
        for (field, value) in [("name", "a b"), ("path", ""), ("source", "no")] {
            let mut body = json!({"name": "b", "packagingGroup": "web", "path": "good/a"});
            body[field] = json!(value);
            api.post(path, body).await.expect_problem(400, "invalid_argument", Some(field));
        }
    }
    let off = furnished().await.post(DRY, asset("good/a")).await;
    off.expect_problem(409, "failed_precondition", None);
    let call = |path| api.post(path, asset("good/a"));
    call("/v1/assets?dryRun=1").await.expect_problem(400, "invalid_argument", Some("dryRun"));
    call("/v1/assets?dry=true").await.expect_problem(400, "invalid_argument", Some("dry"));
}

#[tokio::test]
async fn one_that_takes_too_long_ends() {
    let limits = DryRunLimits { timeout: Duration::ZERO, ..LONG };
    let endless = DryRun::new(limits, |_, _| pending().boxed());
    let answer = endless.run("default".to_owned(), "good/a".to_owned()).await.unwrap_err();
    assert_eq!(answer.kind(), Kind::TooLarge);
    assert!(answer.message().contains("ingest.dry_run_timeout_seconds"), "{answer}");
}

/// Tells when it is dropped.
struct Ended(Arc<Notify>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[tokio::test]
async fn it_ends_when_the_client_hangs_up_and_leaves_its_place_to_others() {
    let (began, ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, guard) = (began.clone(), ended.clone());
    let endless = DryRun::new(LONG, move |_, _| {
        let (tell, guard) = (tell.clone(), Ended(guard.clone()));
        async move {
            let _guard = guard;
            tell.notify_one();
            pending().await
        }
        .boxed()
    });
    let api = running(endless).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(axum::serve(listener, api.router.clone()).into_future());
    for _ in 0..2 {
        let mut client = TcpStream::connect(address).await.unwrap();
        let body = asset("good/a").to_string();
        let request = format!(
            "POST {DRY} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        client.write_all(request.as_bytes()).await.unwrap();
        began.notified().await;
        // While it runs there is no room for another.
        let second = api.post(DRY, asset("good/a")).await;
        let second = second.expect_problem(429, "rate_limited", None);
        assert!(second.body["detail"].as_str().unwrap().contains("ingest.dry_runs"));
        drop(client);
        ended.notified().await;
    }
    served.abort();
}
