//! The commands of the program, checked from outside.

use std::process::{Command, Output};

use serde_json::Value;

use crate::media::{mpd_segments, playlist_uris, resolve};
use crate::origin::{Origin, program, testdata};

fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}

#[test]
fn export_writes_what_the_origin_serves() {
    let (data_dir, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let origin = Origin::over_testdata(data_dir.path());
    origin.set_up(6);
    origin.ingest("change", "codecs-change/master.m3u8");
    for configuration in ["hls", "cmaf", "dash"] {
        let exported = run(program()
            .args(["export", "--asset", "change", "--configuration", configuration, "--to"])
            .arg(folder.path())
            .arg("--data-dir")
            .arg(data_dir.path())
            .args(["--source", &format!("default=file://{}", testdata().display())]));
        assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    }
    let mut paths = vec!["/hls/index.m3u8".to_owned(), "/cmaf/index.m3u8".to_owned()];
    let mut next = 0;
    while let Some(path) = paths.get(next).cloned() {
        next += 1;
        if path.ends_with(".m3u8") {
            let text = std::fs::read_to_string(folder.path().join(&path[1..])).unwrap();
            for uri in playlist_uris(&text) {
                let path = resolve(&path, &uri);
                if !paths.contains(&path) {
                    paths.push(path);
                }
            }
        }
    }
    let mpd = std::fs::read_to_string(folder.path().join("dash/index.mpd")).unwrap();
    let found = mpd_segments("/dash/index.mpd", &mpd);
    paths.extend(found.inits);
    paths.extend(found.media.into_iter().map(|(url, ..)| url));
    paths.push("/dash/index.mpd".to_owned());
    assert!(paths.len() > 20);
    for path in paths {
        let file = std::fs::read(folder.path().join(&path[1..])).unwrap();
        let served = origin.get(&format!("/vod/v1/change{path}"));
        assert_eq!(served.status, 200, "{path}");
        assert!(served.body == file, "{path} is not what is served");
    }
}

#[test]
fn inspect_reports_and_its_exit_code_tells_whether_ingest_would_succeed() {
    let good =
        run(program().arg("inspect").arg(testdata().join("camera/master.m3u8")).arg("--json"));
    assert!(good.status.success());
    let report: Value = serde_json::from_slice(&good.stdout).unwrap();
    assert_eq!(report["periods"].as_array().unwrap().len(), 2);
    assert_eq!(report["streams"][0]["declaredBandwidth"], 100_000);
    let codes: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| w["code"].as_str().unwrap())
        .collect();
    assert!(codes.contains(&"bandwidth_differs"), "{codes:?}");

    let bad = run(program().arg("inspect").arg(testdata().join("bad/live/master.m3u8")));
    assert_eq!(bad.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&bad.stdout).contains("not_vod"));

    let table = run(program().arg("inspect").arg(testdata().join("camera/master.m3u8")));
    assert!(table.status.success());
    let text = String::from_utf8(table.stdout).unwrap();
    for part in ["playable: ", "\nstreams\n", "\npackages\n  HLS  ", "warning bandwidth_differs\n"]
    {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    // No terminal, no colours.
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn openapi_lists_the_calls() {
    let printed = run(program().arg("openapi"));
    let document: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(document["paths"]["/v1/assets"]["post"].is_object());
}

#[test]
fn a_control_listener_for_all_the_world_needs_a_token() {
    let data_dir = tempfile::tempdir().unwrap();
    let refused = run(program()
        .args(["serve", "--listen", "127.0.0.1:0", "--control-listen", "0.0.0.0:0", "--data-dir"])
        .arg(data_dir.path()));
    assert_eq!(refused.status.code(), Some(1));
    let reason = String::from_utf8_lossy(&refused.stderr);
    assert!(reason.contains("token"), "{reason}");
}

#[test]
fn sigterm_drains_and_stops() {
    let data_dir = tempfile::tempdir().unwrap();
    let origin = Origin::over_testdata(data_dir.path());
    assert_eq!(origin.call("GET", "/readyz", None).status, 200);
    assert_eq!(origin.terminate(), Some(0));
}

#[test]
fn the_cdn_secret_is_asked_for_where_one_is_set() {
    let data_dir = tempfile::tempdir().unwrap();
    let url = format!("file://{}", testdata().display());
    let secret = [("PACKORIGIN_PLAYBACK_CDN_SECRETS", "first-secret,second-secret")];
    let origin = Origin::start_with(data_dir.path(), &url, &secret);
    origin.set_up(6);
    origin.ingest("wrap", "wrap/master.m3u8");
    let path = "/vod/v1/wrap/dash/index.mpd";
    assert_eq!(origin.get(path).status, 403);
    let header = "x-packorigin-cdn-secret";
    assert_eq!(origin.get_with(path, &[(header, "wrong-secret")]).status, 403);
    assert_eq!(origin.get_with(path, &[(header, "second-secret")]).status, 200);
}
