//! Groups and configurations.

use super::*;

#[tokio::test]
async fn a_group_lives_and_dies() {
    let api = api().await;
    let body = json!({"name": "web", "description": "for browsers"});
    let created = api.post("/v1/packaging-groups", body).await.expect_status(201);
    assert_eq!(created.header("location"), "/v1/packaging-groups/web");
    assert_eq!(created.body["description"], "for browsers");
    assert_eq!(created.body["createdAt"], created.body["updatedAt"]);
    assert!(created.body["createdAt"].as_str().unwrap().ends_with('Z'));
    let shown = api.get("/v1/packaging-groups/web").await.expect_status(200);
    assert_eq!(shown.body, created.body);
    let patch = |body| api.patch("/v1/packaging-groups/web", body);
    assert_eq!(patch(json!({})).await.expect_status(200).body["description"], "for browsers");
    assert_eq!(
        patch(json!({"description": "x"})).await.expect_status(200).body["description"],
        "x"
    );
    assert_eq!(
        patch(json!({"description": null})).await.expect_status(200).body["description"],
        ""
    );
    assert_eq!(api.get("/v1/packaging-groups").await.expect_status(200).names(), ["web"]);
    assert_eq!(api.delete("/v1/packaging-groups/web").await.expect_status(204).body, "");
    api.get("/v1/packaging-groups/web").await.expect_problem(404, "not_found", None);
}

#[tokio::test]
async fn a_group_is_refused_with_reasons() {
    let api = furnished().await;
    let create = |body| api.post("/v1/packaging-groups", body);
    for bad in ["", "a.b", "a b", "ü", "a/b", &"a".repeat(129)] {
        create(json!({"name": bad})).await.expect_problem(400, "invalid_argument", Some("name"));
    }
    create(json!({})).await.expect_problem(400, "invalid_argument", Some("name"));
    create(json!({"name": "web"})).await.expect_problem(409, "already_exists", None);
    let long = "d".repeat(1025);
    let body = json!({"name": "a", "description": long});
    create(body).await.expect_problem(400, "invalid_argument", Some("description"));
    let delete = || api.delete("/v1/packaging-groups/web");
    delete().await.expect_problem(409, "failed_precondition", None);
    api.delete(DASH).await.expect_status(204);
    api.asset("bbb").await.expect_status(202);
    delete().await.expect_problem(409, "failed_precondition", None);
    api.delete("/v1/assets/bbb").await.expect_status(204);
    delete().await.expect_status(204);
    delete().await.expect_problem(404, "not_found", None);
    let patch = api.patch("/v1/packaging-groups/web", json!({})).await;
    patch.expect_problem(404, "not_found", None);
    // A name that nothing can have names nothing.
    api.get("/v1/packaging-groups/a.b").await.expect_problem(404, "not_found", None);
    api.get("/v1/packaging-groups/%FF").await.expect_problem(404, "not_found", None);
}

#[tokio::test]
async fn a_configuration_takes_its_defaults() {
    let api = furnished().await;
    let shown = api.get(DASH).await.expect_status(200);
    let mut body = shown.body.clone();
    for time in ["createdAt", "updatedAt"] {
        assert!(body.as_object_mut().unwrap().remove(time).is_some());
    }
    let expected = json!({
        "name": "dash", "packagingGroup": "web", "description": "", "packageType": "DASH",
        "segmentDurationSeconds": 6, "manifestName": "index",
        "streamSelection": {
            "order": "ORIGINAL", "minVideoBitsPerSecond": 0, "maxVideoBitsPerSecond": 2147483647,
        },
        "filter": null, "encryption": null, "onSourceError": "fail",
        "trickPlay": {"renditions": "ALL"}, "audioLayout": "SEPARATE",
        "dashSubtitles": "WVTT", "programDateTime": null,
        "dash": {
            "segmentTemplateFormat": "TIME_WITH_TIMELINE", "minBufferTimeSeconds": null,
            "profile": "CMAF",
        },
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_configuration_is_replaced_as_a_whole() {
    let api = furnished().await;
    let full = json!({
        "name": "dash", "description": "d", "packageType": "HLS_CMAF",
        "segmentDurationSeconds": 30, "manifestName": "main",
        "streamSelection": {
            "order": "VIDEO_BITRATE_DESCENDING",
            "minVideoBitsPerSecond": 5, "maxVideoBitsPerSecond": 5,
        },
        "filter": "Video_Height:240-720; audio_codec:AACL",
        "encryption": null, "onSourceError": "heal",
        "trickPlay": {"renditions": ["video-2", "video-11"]},
    });
    let replaced = api.put(DASH, full.clone()).await.expect_status(200);
    for (field, value) in full.as_object().unwrap() {
        assert_eq!(&replaced.body[field], value, "{field}");
    }
    assert_eq!(api.get(DASH).await.expect_status(200).body, replaced.body);
    // What is left out goes back to its default, and the name may be left out.
    let replaced = api.put(DASH, json!({"packageType": "HLS"})).await.expect_status(200);
    assert_eq!(replaced.body["segmentDurationSeconds"], 6);
    assert_eq!(replaced.body["streamSelection"]["minVideoBitsPerSecond"], 0);
    assert_eq!(replaced.body["description"], "");
    assert_eq!(replaced.body["onSourceError"], "fail");
    assert_eq!(replaced.body["trickPlay"]["renditions"], "ALL");
    let names = json!(["video-3", "video-1", "video-3"]);
    let trick = json!({"packageType": "HLS", "trickPlay": {"renditions": names}});
    let replaced = api.put(DASH, trick).await.expect_status(200);
    assert_eq!(replaced.body["trickPlay"]["renditions"], json!(["video-1", "video-3"]));
    let none = json!({"packageType": "HLS", "trickPlay": {"renditions": "NONE"}});
    let replaced = api.put(DASH, none).await.expect_status(200);
    assert_eq!(replaced.body["trickPlay"]["renditions"], "NONE");
    assert_eq!(replaced.body["filter"], json!(null));
    assert_eq!(replaced.body["audioLayout"], "AS_SOURCE");
    let separate = json!({"packageType": "HLS", "audioLayout": "SEPARATE"});
    let replaced = api.put(DASH, separate).await.expect_status(200);
    assert_eq!(replaced.body["audioLayout"], "SEPARATE");
    let inside = json!({"packageType": "DASH", "audioLayout": "AS_SOURCE"});
    api.put(DASH, inside).await.expect_problem(400, "invalid_argument", Some("audioLayout"));
    let beside = json!({"packageType": "DASH", "dashSubtitles": "SIDECAR"});
    let replaced = api.put(DASH, beside.clone()).await.expect_status(200);
    assert_eq!(replaced.body["dashSubtitles"], "SIDECAR");
    for (name, value) in [("packageType", "HLS"), ("onSourceError", "heal")] {
        let mut wrong = beside.clone();
        wrong[name] = json!(value);
        api.put(DASH, wrong).await.expect_problem(400, "invalid_argument", Some("dashSubtitles"));
    }
    let dated = json!({"packageType": "HLS", "programDateTime": "FROM_SOURCE"});
    let replaced = api.put(DASH, dated.clone()).await.expect_status(200);
    assert_eq!(replaced.body["programDateTime"], "FROM_SOURCE");
    assert_eq!(api.get(DASH).await.expect_status(200).body["programDateTime"], "FROM_SOURCE");
    let mut wrong = dated;
    wrong["packageType"] = json!("DASH");
    api.put(DASH, wrong).await.expect_problem(400, "invalid_argument", Some("programDateTime"));
    let replaced = api.put(DASH, json!({"packageType": "HLS_CMAF"})).await.expect_status(200);
    assert_eq!(replaced.body["programDateTime"], "NONE");
    let other = json!({"name": "other", "packageType": "HLS"});
    api.put(DASH, other).await.expect_problem(400, "invalid_argument", Some("name"));
    assert_eq!(api.get(CONFIGURATIONS).await.expect_status(200).names(), ["dash"]);
    api.delete(DASH).await.expect_status(204);
    api.delete(DASH).await.expect_problem(404, "not_found", None);
    api.get(DASH).await.expect_problem(404, "not_found", None);
    // PUT replaces; it does not create.
    let put = api.put(DASH, json!({"packageType": "HLS"})).await;
    put.expect_problem(404, "not_found", None);
}

#[tokio::test]
async fn a_configuration_is_refused_with_reasons() {
    let api = furnished().await;
    let selection = "streamSelection";
    for (name, value, field) in [
        ("name", json!(null), "name"),
        ("name", json!("a.b"), "name"),
        ("packageType", json!("CMAF"), "packageType"),
        ("packageType", json!(null), "packageType"),
        ("packageType", json!(1), "packageType"),
        ("packageType", json!({"HLS": null}), "packageType"),
        ("segmentDurationSeconds", json!(0), "segmentDurationSeconds"),
        ("segmentDurationSeconds", json!(31), "segmentDurationSeconds"),
        ("segmentDurationSeconds", json!(-6), "segmentDurationSeconds"),
        ("segmentDurationSeconds", json!(6.5), "segmentDurationSeconds"),
        ("segmentDurationSeconds", json!("6"), "segmentDurationSeconds"),
        ("manifestName", json!("a/b"), "manifestName"),
        ("manifestName", json!(""), "manifestName"),
        ("description", json!(7), "description"),
        ("onSourceError", json!("skip"), "onSourceError"),
        ("onSourceError", json!(true), "onSourceError"),
        ("trickPlay", json!({"renditions": "SOME"}), "trickPlay.renditions"),
        ("trickPlay", json!({"renditions": []}), "trickPlay.renditions"),
        ("trickPlay", json!({"renditions": ["audio-1"]}), "trickPlay.renditions"),
        ("trickPlay", json!({"renditions": ["video-0"]}), "trickPlay.renditions"),
        ("trickPlay", json!({"renditions": 1}), "trickPlay.renditions"),
        ("trickPlay", json!("ALL"), "trickPlay"),
        ("filter", json!("donut_type:rhododendron"), "filter"),
        ("filter", json!("video_height:2-1"), "filter"),
        ("filter", json!(""), "filter"),
        ("filter", json!(720), "filter"),
        ("audioLayout", json!("MUXED"), "audioLayout"),
        ("audioLayout", json!(1), "audioLayout"),
        ("dashSubtitles", json!("TTML"), "dashSubtitles"),
        ("dashSubtitles", json!(1), "dashSubtitles"),
        ("programDateTime", json!("ALWAYS"), "programDateTime"),
        ("programDateTime", json!(true), "programDateTime"),
        ("encryption", json!({}), "encryption.systemIds"),
        ("encryption", json!(false), "encryption"),
        (selection, json!({"order": "RANDOM"}), "streamSelection.order"),
        (selection, json!({"order": 1}), "streamSelection.order"),
        (selection, json!("ORIGINAL"), "streamSelection"),
        (selection, json!({"minVideoBitsPerSecond": -1}), "streamSelection.minVideoBitsPerSecond"),
        (
            selection,
            json!({"maxVideoBitsPerSecond": 2147483648_u32}),
            "streamSelection.maxVideoBitsPerSecond",
        ),
        (
            selection,
            json!({"minVideoBitsPerSecond": 2, "maxVideoBitsPerSecond": 1}),
            "streamSelection.minVideoBitsPerSecond",
        ),
    ] {
        let mut body = json!({"name": "hls", "packageType": "HLS"});
        body[name] = value.clone();
        let answer = api.post(CONFIGURATIONS, body.clone()).await;
        answer.expect_problem(400, "invalid_argument", Some(field));
        if name != "name" {
            let path = DASH;
            body["name"] = json!("dash");
            let answer = api.put(path, body).await;
            answer.expect_problem(400, "invalid_argument", Some(field));
        }
    }
    let dash = json!({"name": "dash", "packageType": "HLS"});
    api.post(CONFIGURATIONS, dash.clone()).await.expect_problem(409, "already_exists", None);
    api.post("/v1/packaging-groups", json!({"name": "tv"})).await.expect_status(201);
    // Unique across groups.
    let tv = "/v1/packaging-groups/tv/packaging-configurations";
    api.post(tv, dash.clone()).await.expect_problem(409, "already_exists", None);
    api.get(&format!("{tv}/dash")).await.expect_problem(404, "not_found", None);
    let no = "/v1/packaging-groups/no/packaging-configurations";
    api.post(no, dash).await.expect_problem(404, "not_found", None);
    api.get(no).await.expect_problem(404, "not_found", None);
}
