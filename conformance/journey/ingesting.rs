//! The ingesting journey, checked from outside.

use serde_json::{Value, json};

use crate::media::{media_playlists, playlist_segments};
use crate::origin::{Origin, testdata};
use crate::slow_source::SlowSource;

#[test]
fn each_bad_source_gets_its_code_and_a_sentence_that_names_the_file() {
    let data_dir = tempfile::tempdir().unwrap();
    let origin = Origin::over_testdata(data_dir.path());
    origin.set_up(6);
    let expected = std::fs::read(testdata().join("bad/expected.json")).unwrap();
    let expected: Value = serde_json::from_slice(&expected).unwrap();
    for (name, wanted) in expected.as_object().unwrap() {
        let asset = origin.ingest(name, &format!("bad/{name}/master.m3u8"));
        assert_eq!(asset["status"], "FAILED", "{asset}");
        let codes = wanted["codes"].as_array().unwrap();
        assert!(codes.contains(&asset["failure"]["code"]), "{name}: {}", asset["failure"]);
        let detail = asset["failure"]["detail"].as_str().unwrap();
        let files = wanted["names"].as_str().unwrap();
        assert!(files.split('|').any(|file| detail.contains(file)), "{name}: {detail}");
        let answer = origin.get(&format!("/vod/v1/{name}/dash/index.mpd"));
        assert_eq!((answer.status, &answer.json()["code"]), (409, &json!("failed_precondition")));
    }
}

#[test]
fn a_dry_run_says_what_ingest_would_and_registers_nothing() {
    let data_dir = tempfile::tempdir().unwrap();
    let origin = Origin::over_testdata(data_dir.path());
    origin.set_up(6);
    for (name, path) in [("camera", "camera/master.m3u8"), ("live", "bad/live/master.m3u8")] {
        let body = json!({ "name": name, "packagingGroup": "web", "path": path });
        let dry = origin.call("POST", "/v1/assets?dryRun=true", Some(body));
        assert_eq!(dry.status, 200, "{}", dry.text());
        assert_eq!(origin.call("GET", &format!("/v1/assets/{name}"), None).status, 404);
        let (dry, real) = (dry.json(), origin.ingest(name, path));
        for field in ["name", "packagingGroup", "path", "status", "report", "failure"] {
            assert_eq!(dry[field], real[field], "{name}: {field}");
        }
        assert_eq!(dry["egressEndpoints"], json!([]));
        let fields = |asset: &Value| asset.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(fields(&dry), fields(&real));
    }
}

#[test]
fn an_ingest_that_is_killed_goes_on_after_the_restart() {
    let data_dir = tempfile::tempdir().unwrap();
    let source = SlowSource::holding("/ladder/240p/002.ts");
    let url = format!("http://{}/", source.address);
    let allow = [("PACKORIGIN_EGRESS_ALLOW_HOSTS", "127.0.0.1")];
    let origin = Origin::start_with(data_dir.path(), &url, &allow);
    origin.set_up(6);
    origin.register("ladder", "ladder/master.m3u8");
    source.wait_until_asked();
    let asset = origin.wait_for("ladder", |asset| asset["progress"]["segmentsTotal"] == 12);
    assert_eq!(asset["status"], "INGESTING", "{asset}");
    assert!(asset["egressEndpoints"][0].get("url").is_none());
    assert_eq!(origin.get("/vod/v1/ladder/dash/index.mpd").status, 409);
    origin.kill();

    let origin = Origin::start_with(data_dir.path(), &url, &allow);
    source.let_go();
    let asset = origin.wait_for("ladder", |asset| asset["status"] == "PLAYABLE");
    assert_eq!(asset["report"]["streams"].as_array().unwrap().len(), 3);
    assert_eq!(origin.get("/vod/v1/ladder/dash/index.mpd").status, 200);
}

#[test]
fn http_sources_on_private_addresses_are_refused_unless_allowed() {
    let data_dir = tempfile::tempdir().unwrap();
    let source = SlowSource::holding("nothing is held");
    let url = format!("http://localhost:{}/", source.address.port());
    let origin = Origin::start(data_dir.path(), &url);
    origin.set_up(6);
    let asset = origin.ingest("ladder", "ladder/master.m3u8");
    assert_eq!(asset["failure"]["code"], "source_forbidden", "{asset}");
}

#[test]
fn a_changed_configuration_shows_at_once_and_old_urls_go_on() {
    let data_dir = tempfile::tempdir().unwrap();
    let origin = Origin::over_testdata(data_dir.path());
    origin.set_up(6);
    origin.ingest("ladder", "ladder/master.m3u8");
    let master = "/vod/v1/ladder/cmaf/index.m3u8";
    let before = media_playlists(&origin, master);
    let body = json!({ "packageType": "HLS_CMAF", "segmentDurationSeconds": 2 });
    let path = "/v1/packaging-groups/web/packaging-configurations/cmaf";
    let changed = origin.call("PUT", path, Some(body));
    assert_eq!(changed.status, 200, "{}", changed.text());
    let after = media_playlists(&origin, master);
    let count = |playlists: &[(String, String)]| {
        playlists.iter().map(|(path, text)| playlist_segments(path, text).len()).sum::<usize>()
    };
    assert_eq!((count(&before), count(&after)), (4 * 6, 4 * 17));
    for (path, text) in &before {
        assert_eq!(origin.get(path).status, 200, "{path}");
        for segment in playlist_segments(path, text) {
            assert_eq!(origin.get(&segment.url).status, 200, "{}", segment.url);
        }
    }
}

#[test]
fn a_reingest_of_the_same_source_keeps_every_url() {
    let data_dir = tempfile::tempdir().unwrap();
    let origin = Origin::over_testdata(data_dir.path());
    origin.set_up(6);
    let asset = origin.ingest("wrap", "wrap/master.m3u8");
    let manifest = origin.get("/vod/v1/wrap/dash/index.mpd");
    let answer = origin.call("POST", "/v1/assets/wrap:reingest", None);
    assert_eq!(answer.status, 202, "{}", answer.text());
    let first_playable = asset["playableAt"].clone();
    origin.wait_for("wrap", |asset| {
        asset["progress"].is_null() && asset["playableAt"] != first_playable
    });
    assert_eq!(origin.get("/vod/v1/wrap/dash/index.mpd").body, manifest.body);
}

#[test]
fn a_source_that_is_gone_is_a_502_and_one_that_changed_too() {
    let (data_dir, media) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sample = testdata().join("wrap");
    for entry in std::fs::read_dir(&sample).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), media.path().join(entry.file_name())).unwrap();
    }
    let url = format!("file://{}", media.path().display());
    // Nothing may come from memory.
    let uncached =
        [("PACKORIGIN_CACHE_SEGMENT_BYTES", "0"), ("PACKORIGIN_CACHE_SOURCE_BYTES", "0")];
    let origin = Origin::start_with(data_dir.path(), &url, &uncached);
    origin.set_up(6);
    origin.ingest("wrap", "master.m3u8");
    let playlists = media_playlists(&origin, "/vod/v1/wrap/hls/index.m3u8");
    let segments = playlist_segments(&playlists[0].0, &playlists[0].1);
    let (first, last) = (&segments[0].url, &segments[segments.len() - 1].url);
    assert_eq!(origin.get(first).status, 200);

    std::fs::remove_file(media.path().join("000.ts")).unwrap();
    let gone = origin.get(first);
    assert_eq!((gone.status, &gone.json()["code"]), (502, &json!("source_failed")));
    assert!(gone.json().get("detail").is_none(), "{}", gone.text());

    let changed = media.path().join("003.ts");
    let size = std::fs::metadata(&changed).unwrap().len() as usize;
    std::fs::write(&changed, vec![0x47; size]).unwrap();
    assert_eq!(origin.get(last).status, 502);
}
