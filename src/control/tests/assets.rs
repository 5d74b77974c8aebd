//! Assets, batches, lists and endpoints.

use super::*;
use crate::model::ingest::{FailureCode, IngestFailure, Progress};

#[tokio::test]
async fn an_asset_goes_from_queuing_to_playable() {
    let api = furnished().await;
    let created = api.asset("bbb").await.expect_status(202);
    assert_eq!(created.header("location"), "/v1/assets/bbb");
    let mut body = created.body.clone();
    for time in ["createdAt", "updatedAt"] {
        assert!(body.as_object_mut().unwrap().remove(time).is_some());
    }
    let expected = json!({
        "name": "bbb", "packagingGroup": "web", "source": "default", "path": "a/master.m3u8",
        "contentId": null, "description": "", "status": "QUEUING", "failure": null,
        "progress": {"segmentsDone": 0, "segmentsTotal": 0, "bytesRead": 0},
        "egressEndpoints": [{
            "packagingConfiguration": "dash", "packageType": "DASH", "status": "QUEUING",
        }],
        "report": null, "playableAt": null,
    });
    assert_eq!(body, expected);
    let job = api.claim().await;
    let progress = Progress { segments_done: 10, segments_total: 60, bytes_read: 123 };
    let _ = api.catalog.report_progress(&job, progress).await.unwrap();
    let shown = api.get("/v1/assets/bbb").await.expect_status(200);
    assert_eq!(shown.body["status"], "INGESTING");
    let progress = json!({"segmentsDone": 10, "segmentsTotal": 60, "bytesRead": 123});
    assert_eq!(shown.body["progress"], progress);
    let _ = api.catalog.release_job(&job).await.unwrap();
    api.ingest().await;
    let shown = api.get("/v1/assets/bbb").await.expect_status(200);
    assert_eq!(shown.body["status"], "PLAYABLE");
    assert_eq!(shown.body["progress"], Value::Null);
    assert_eq!(shown.body["report"]["durationMilliseconds"], 1234);
    assert!(shown.body["playableAt"].is_string());
    let endpoints = json!([{
        "packagingConfiguration": "dash", "packageType": "DASH", "status": "PLAYABLE",
        "url": "https://cdn.example.com/vod/v1/bbb/dash/index.mpd",
    }]);
    assert_eq!(shown.body["egressEndpoints"], endpoints);
}

#[tokio::test]
async fn endpoints_follow_the_configurations() {
    let api = furnished().await;
    api.asset("bbb").await.expect_status(202);
    api.ingest().await;
    for (name, package_type) in [("nothing", "HLS"), ("cmaf", "HLS_CMAF")] {
        let body = json!({"name": name, "packageType": package_type, "manifestName": "main"});
        api.post(CONFIGURATIONS, body).await.expect_status(201);
    }
    let endpoints =
        async || api.get("/v1/assets/bbb").await.expect_status(200).body["egressEndpoints"].clone();
    let expected = json!([
        {
            "packagingConfiguration": "cmaf", "packageType": "HLS_CMAF", "status": "PLAYABLE",
            "url": "https://cdn.example.com/vod/v1/bbb/cmaf/main.m3u8",
            "leftOut": [{"stream": "a.m3u8", "what": "MP3", "reason": "no word for it"}],
        },
        {
            "packagingConfiguration": "dash", "packageType": "DASH", "status": "PLAYABLE",
            "url": "https://cdn.example.com/vod/v1/bbb/dash/index.mpd",
        },
        {
            "packagingConfiguration": "nothing", "packageType": "HLS", "status": "FAILED",
            "failure": {"code": "no_streams", "detail": "no stream is left"},
        },
    ]);
    assert_eq!(endpoints().await, expected);
    // Replaced settings are history, not endpoints.
    api.put(DASH, json!({"packageType": "HLS"})).await.expect_status(200);
    for name in ["nothing", "cmaf"] {
        api.delete(&format!("{CONFIGURATIONS}/{name}")).await.expect_status(204);
    }
    let expected = json!([{
        "packagingConfiguration": "dash", "packageType": "HLS", "status": "PLAYABLE",
        "url": "https://cdn.example.com/vod/v1/bbb/dash/index.m3u8",
    }]);
    assert_eq!(endpoints().await, expected);
}

#[tokio::test]
async fn failures_show_and_a_reingest_clears_them() {
    let api = furnished().await;
    api.asset("bbb").await.expect_status(202);
    let job = api.claim().await;
    let failure = IngestFailure::new(FailureCode::NotAMasterPlaylist, "a/master.m3u8 line 2 …");
    let _ = api.catalog.fail_job(&job, failure).await.unwrap();
    let shown = api.get("/v1/assets/bbb").await.expect_status(200);
    assert_eq!(shown.body["status"], "FAILED");
    let remedy = FailureCode::NotAMasterPlaylist.remedy();
    let detail = "a/master.m3u8 line 2 …";
    let failure = json!({"code": "not_a_master_playlist", "detail": detail, "remedy": remedy});
    assert_eq!(shown.body["failure"], failure);
    assert_eq!(shown.body["egressEndpoints"][0]["status"], "FAILED");
    assert_eq!(shown.body["egressEndpoints"][0].get("url"), None);
    let again = api.call(Method::POST, "/v1/assets/bbb:reingest", None).await.expect_status(202);
    assert_eq!((&again.body["status"], &again.body["failure"]), (&json!("QUEUING"), &Value::Null));
    api.ingest().await;
    // Now the version that is there plays on. An encoded colon is a colon.
    let again = api.post("/v1/assets/bbb%3Areingest", json!({})).await.expect_status(202);
    assert_eq!(again.body["status"], "PLAYABLE");
    assert!(again.body["progress"].is_object());
}

#[tokio::test]
async fn actions_are_reingest_and_nothing_else() {
    let api = furnished().await;
    api.asset("bbb").await.expect_status(202);
    let post = |path| api.call(Method::POST, path, None);
    post("/v1/assets/no:reingest").await.expect_problem(404, "not_found", None);
    post("/v1/assets/a.b:reingest").await.expect_problem(404, "not_found", None);
    post("/v1/assets/bbb:reingest:reingest").await.expect_problem(404, "not_found", None);
    post("/v1/assets/bbb:delete").await.expect_problem(404, "not_found", None);
    post("/v1/assets/bbb:").await.expect_problem(404, "not_found", None);
    let plain = post("/v1/assets/bbb").await.expect_problem(405, "method_not_allowed", None);
    assert_eq!(plain.header("allow"), "GET,HEAD,PATCH,DELETE");
    let body = json!({"path": "b/master.m3u8"});
    let answer = api.post("/v1/assets/bbb:reingest", body).await;
    answer.expect_problem(400, "invalid_argument", Some("path"));
}

#[tokio::test]
async fn an_asset_is_changed_and_deleted() {
    let api = furnished().await;
    let body = json!({
        "name": "bbb", "packagingGroup": "web", "path": "b/master.m3u8", "source": "archive",
        "contentId": "bbb-1", "description": "d",
    });
    let created = api.post("/v1/assets", body).await.expect_status(202);
    assert_eq!(created.body["source"], "archive");
    let patch = |body| api.patch("/v1/assets/bbb", body);
    let of =
        |answer: Answer| (answer.body["contentId"].clone(), answer.body["description"].clone());
    assert_eq!(of(patch(json!({})).await.expect_status(200)), (json!("bbb-1"), json!("d")));
    let patched = patch(json!({"contentId": null, "description": "e"})).await.expect_status(200);
    assert_eq!(of(patched), (Value::Null, json!("e")));
    let patched = patch(json!({"contentId": "c", "description": null})).await.expect_status(200);
    assert_eq!(of(patched), (json!("c"), json!("")));
    for (body, field) in [
        (json!({"contentId": "a b"}), "contentId"),
        (json!({"contentId": 1}), "contentId"),
        (json!({"description": "d".repeat(1025)}), "description"),
        (json!({"path": "c"}), "path"),
        (json!({"status": "PLAYABLE"}), "status"),
    ] {
        patch(body).await.expect_problem(400, "invalid_argument", Some(field));
    }
    // The type that RFC 7396 names for it.
    let request = Request::patch("/v1/assets/bbb")
        .header("content-type", "application/merge-patch+json")
        .body(Body::from("{}"));
    api.send(request.unwrap()).await.expect_status(200);
    assert_eq!(api.delete("/v1/assets/bbb").await.expect_status(204).body, "");
    api.delete("/v1/assets/bbb").await.expect_problem(404, "not_found", None);
    patch(json!({})).await.expect_problem(404, "not_found", None);
}

#[tokio::test]
async fn an_asset_is_refused_with_reasons() {
    let api = furnished().await;
    for (name, value, field) in [
        ("name", json!("a:b"), "name"),
        ("name", json!(7), "name"),
        ("packagingGroup", json!("a.b"), "packagingGroup"),
        ("source", json!("other"), "source"),
        ("source", json!(""), "source"),
        ("path", json!(""), "path"),
        ("path", json!("a\0b"), "path"),
        ("path", json!("p".repeat(1025)), "path"),
        ("path", json!(null), "path"),
        ("contentId", json!(""), "contentId"),
        ("contentId", json!("c".repeat(257)), "contentId"),
        ("description", json!("d".repeat(1025)), "description"),
    ] {
        let mut body = json!({"name": "bbb", "packagingGroup": "web", "path": "m.m3u8"});
        body[name] = value;
        let answer = api.post("/v1/assets", body).await;
        answer.expect_problem(400, "invalid_argument", Some(field));
    }
    for field in ["name", "packagingGroup", "path"] {
        let mut body = json!({"name": "bbb", "packagingGroup": "web", "path": "m.m3u8"});
        body.as_object_mut().unwrap().remove(field);
        let answer = api.post("/v1/assets", body).await;
        answer.expect_problem(400, "invalid_argument", Some(field));
    }
    let body = json!({"name": "bbb", "packagingGroup": "no", "path": "m.m3u8"});
    api.post("/v1/assets", body).await.expect_problem(404, "not_found", None);
    api.asset("bbb").await.expect_status(202);
    api.asset("bbb").await.expect_problem(409, "already_exists", None);
    api.get("/v1/assets/no").await.expect_problem(404, "not_found", None);
    let path = "p".repeat(1024);
    let body = json!({"name": "long", "packagingGroup": "web", "path": path});
    api.post("/v1/assets", body).await.expect_status(202);
}

#[tokio::test]
async fn one_bad_asset_of_a_batch_spoils_no_other() {
    let api = furnished().await;
    api.asset("there").await.expect_status(202);
    let body = json!({"packagingGroup": "web", "assets": [
        {"name": "a", "path": "a.m3u8"},
        {"name": "there", "path": "a.m3u8"},
        {"name": "a b", "path": "a.m3u8"},
        {"path": "a.m3u8"},
        {"name": "b", "path": "b.m3u8", "packagingGroup": "web"},
        {"name": "c", "path": 7},
        "d",
        {"name": "a", "path": "a.m3u8"},
        {"name": "e", "path": "e.m3u8", "source": "other"},
        {"name": "f", "path": "f.m3u8", "source": "archive", "contentId": "f-1"},
    ]});
    let answer = api.post("/v1/assets:batch", body).await.expect_status(200);
    let results = answer.body["results"].as_array().unwrap();
    let expected = [
        (json!("a"), None, None),
        (json!("there"), Some("already_exists"), None),
        (json!("a b"), Some("invalid_argument"), Some("name")),
        (json!(null), Some("invalid_argument"), Some("name")),
        (json!("b"), Some("invalid_argument"), Some("packagingGroup")),
        (json!("c"), Some("invalid_argument"), Some("path")),
        (json!(null), Some("invalid_argument"), None),
        (json!("a"), Some("already_exists"), None),
        (json!("e"), Some("invalid_argument"), Some("source")),
        (json!("f"), None, None),
    ];
    assert_eq!(results.len(), expected.len());
    for (result, (name, code, field)) in results.iter().zip(expected) {
        assert_eq!(result["name"], name, "{result}");
        assert_eq!(result["problem"].get("code").and_then(Value::as_str), code, "{result}");
        assert_eq!(result["problem"].get("field").and_then(Value::as_str), field, "{result}");
        assert_eq!(result.get("asset").is_some(), code.is_none(), "{result}");
        if code.is_none() {
            assert_eq!(result["asset"]["name"], name);
            assert_eq!(result["asset"]["packagingGroup"], "web");
        } else {
            assert_eq!(result["problem"]["requestId"], answer.header("x-request-id"));
        }
    }
    assert_eq!(results[9]["asset"]["contentId"], "f-1");
    assert_eq!(api.get("/v1/assets?orderBy=name").await.names(), ["a", "f", "there"]);
}

#[tokio::test]
async fn a_batch_as_a_whole_can_be_refused() {
    let api = furnished().await;
    let post = |body| api.post("/v1/assets:batch", body);
    let answer = post(json!({"packagingGroup": "no", "assets": []})).await;
    answer.expect_problem(404, "not_found", None);
    let answer = post(json!({"packagingGroup": "web", "assets": {}})).await;
    answer.expect_problem(400, "invalid_argument", Some("assets"));
    let answer = post(json!({"packagingGroup": "web"})).await;
    answer.expect_problem(400, "invalid_argument", Some("assets"));
    let answer = post(json!({"packagingGroup": "web", "assets": [], "source": "x"})).await;
    answer.expect_problem(400, "invalid_argument", Some("source"));
    let many: Vec<_> =
        (0..1001).map(|n| json!({"name": format!("a{n}"), "path": "a.m3u8"})).collect();
    let answer = post(json!({"packagingGroup": "web", "assets": many})).await;
    answer.expect_problem(413, "too_large", None);
    let answer =
        post(json!({"packagingGroup": "web", "assets": many[..1000]})).await.expect_status(200);
    let results = answer.body["results"].as_array().unwrap();
    assert_eq!(results.iter().filter(|result| result.get("asset").is_some()).count(), 1000);
}

#[tokio::test]
async fn lists_are_walked_by_token_while_assets_come() {
    for query in ["", "&orderBy=name", "&order=desc", "&orderBy=name&order=desc"] {
        let api = furnished().await;
        let assets: Vec<_> = (0..120)
            .map(|n| json!({"name": format!("a{:03}", n * 7 % 120), "path": "a"}))
            .collect();
        let body = json!({"packagingGroup": "web", "assets": assets});
        api.post("/v1/assets:batch", body).await.expect_status(200);
        let first = format!("/v1/assets?pageSize=50{query}");
        let (mut seen, mut sizes, mut path) = (Vec::new(), Vec::new(), first.clone());
        loop {
            let page = api.get(&path).await.expect_status(200);
            sizes.push(page.names().len());
            seen.extend(page.names().iter().map(|name| name.to_string()));
            let Some(token) = page.body.get("nextPageToken") else { break };
            path = format!("{first}&pageToken={}", token.as_str().unwrap());
            api.asset(&format!("new{}", sizes.len())).await.expect_status(202);
        }
        assert_eq!(&sizes[..2], [50, 50], "{query}");
        let total = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), total, "{query}: repeats");
        let old = seen.iter().filter(|name| name.starts_with('a')).count();
        assert_eq!(old, 120, "{query}: losses");
    }
}

#[tokio::test]
async fn a_token_belongs_to_its_list() {
    let api = furnished().await;
    for asset in ["a", "b", "c"] {
        api.asset(asset).await.expect_status(202);
    }
    let page = api.get("/v1/assets?pageSize=1&prefix=").await.expect_status(200);
    let token = page.body["nextPageToken"].as_str().unwrap();
    let with = |query: &str| format!("/v1/assets?pageToken={token}&{query}");
    assert_eq!(api.get(&with("pageSize=2&prefix=")).await.expect_status(200).names(), ["b", "c"]);
    for query in ["prefix=a", "prefix=&order=desc", "prefix=&orderBy=name", "status=QUEUING", ""] {
        let answer = api.get(&with(query)).await;
        answer.expect_problem(400, "invalid_argument", Some("pageToken"));
    }
    for path in ["/v1/packaging-groups", CONFIGURATIONS] {
        let answer = api.get(&format!("{path}?pageToken={token}")).await;
        answer.expect_problem(400, "invalid_argument", Some("pageToken"));
    }
}

#[tokio::test]
async fn lists_are_filtered() {
    let api = furnished().await;
    api.post("/v1/packaging-groups", json!({"name": "tv"})).await.expect_status(201);
    for asset in ["a_1", "ab1", "A_2"] {
        api.asset(asset).await.expect_status(202);
    }
    let body = json!({"name": "a_3", "packagingGroup": "tv", "path": "a"});
    api.post("/v1/assets", body).await.expect_status(202);
    api.ingest().await;
    for (query, expected) in [
        ("prefix=a_", &["a_1", "a_3"][..]),
        ("prefix=a%25", &[]),
        ("prefix=%5F", &[]),
        ("packagingGroup=tv", &["a_3"]),
        ("packagingGroup=no", &[]),
        ("packagingConfiguration=dash", &["A_2", "a_1", "ab1"]),
        ("packagingConfiguration=dash&packagingGroup=tv", &[]),
        ("status=PLAYABLE", &["a_1"]),
        ("status=QUEUING&prefix=a", &["a_3", "ab1"]),
        ("status=INGESTING", &[]),
    ] {
        let list = api.get(&format!("/v1/assets?orderBy=name&{query}")).await.expect_status(200);
        assert_eq!(list.names(), expected, "{query}");
    }
    for (query, field) in [
        ("status=playable", "status"),
        ("status=", "status"),
        ("packagingGroup=a.b", "packagingGroup"),
        ("packagingConfiguration=", "packagingConfiguration"),
    ] {
        let answer = api.get(&format!("/v1/assets?{query}")).await;
        answer.expect_problem(400, "invalid_argument", Some(field));
    }
}
