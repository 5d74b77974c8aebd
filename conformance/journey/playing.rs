//! The playing journey, checked from outside.

use std::io::Write as _;
use std::net::TcpStream;

use serde_json::json;

use crate::media::{
    attribute, fragment_times, media_playlists, mpd_segments, mpd_trick_segments,
    playlist_segments, playlist_uris, resolve, trick_playlists,
};
use crate::origin::Origin;

/// Assets that differ in what makes segmenting hard.
const ASSETS: [(&str, &str); 6] = [
    ("ladder", "ladder/master.m3u8"),
    ("camera", "camera/master.m3u8"),
    ("change", "codecs-change/master.m3u8"),
    ("wrap", "wrap/master.m3u8"),
    ("midgop", "midgop/master.m3u8"),
    ("unaligned", "unaligned/master.m3u8"),
];

fn origin_with_assets(data_dir: &tempfile::TempDir) -> Origin {
    let origin = Origin::over_testdata(data_dir.path());
    origin.set_up(6);
    for (name, path) in ASSETS {
        let asset = origin.ingest(name, path);
        assert_eq!(asset["status"], "PLAYABLE", "{asset}");
    }
    origin
}

#[test]
fn manifest_times_equal_media_times_and_durations_sum_exactly() {
    let data_dir = tempfile::tempdir().unwrap();
    let origin = origin_with_assets(&data_dir);
    for (name, _) in ASSETS {
        let base = format!("/vod/v1/{name}/dash/index.mpd");
        let mpd = origin.get(&base);
        assert_eq!(mpd.status, 200);
        let found = mpd_segments(&base, mpd.text());
        assert!(!found.media.is_empty());
        for (url, time, duration, _) in &found.media {
            let segment = origin.get(url);
            assert_eq!(segment.status, 200, "{url}");
            assert_eq!(fragment_times(&segment.body), (*time, *duration), "{url}");
        }
        let period_sum: f64 = mpd
            .text()
            .split("<Period")
            .skip(1)
            .map(|period| seconds(attribute(period, "duration").unwrap()))
            .sum();
        let whole = seconds(attribute(mpd.text(), "mediaPresentationDuration").unwrap());
        assert!((period_sum - whole).abs() < 1e-6, "{name}: {period_sum} and {whole}");

        // The main playlist of each packaging lasts exactly as long, but for decimal places.
        for configuration in ["hls", "cmaf"] {
            let master = format!("/vod/v1/{name}/{configuration}/index.m3u8");
            let playlists = media_playlists(&origin, &master);
            let main = playlists.iter().filter(|(path, _)| !path.contains("/audio-"));
            for (path, text) in main {
                let segments = playlist_segments(path, text);
                let micros: i64 = segments.iter().map(|segment| segment.micros).sum();
                let wanted = (whole * 1e6).round() as i64;
                let places = segments.len() as i64;
                assert!((micros - wanted).abs() <= places, "{path}: {micros} and {wanted}");
            }
        }
    }
}

/// `PT12.5S` as 12.5; the checks compare to a microsecond.
fn seconds(duration: &str) -> f64 {
    duration.strip_prefix("PT").unwrap().strip_suffix('S').unwrap().parse().unwrap()
}

#[test]
fn every_uri_answers_with_its_declared_type_and_the_same_bytes_on_two_nodes() {
    let (first_dir, second_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = origin_with_assets(&first_dir);
    let second = origin_with_assets(&second_dir);
    for (name, _) in ASSETS {
        let mut paths = Vec::new();
        let mpd_path = format!("/vod/v1/{name}/dash/index.mpd");
        let mpd = first.get(&mpd_path);
        assert_eq!(mpd.header("content-type"), "application/dash+xml");
        let found = mpd_segments(&mpd_path, mpd.text());
        paths.extend(found.inits);
        paths.extend(found.media.into_iter().map(|(url, ..)| url));
        let found = mpd_trick_segments(&mpd_path, mpd.text());
        assert!(!found.media.is_empty(), "{name} cannot be wound through");
        paths.extend(found.inits);
        paths.extend(found.media.into_iter().map(|(url, ..)| url));
        for configuration in ["hls", "cmaf"] {
            let master = format!("/vod/v1/{name}/{configuration}/index.m3u8");
            let mut playlists = media_playlists(&first, &master);
            playlists.extend(trick_playlists(&first, &master));
            for (path, text) in playlists {
                paths.extend(playlist_uris(&text).iter().map(|uri| resolve(&path, uri)));
                paths.push(path);
            }
        }
        paths.sort();
        paths.dedup();
        for path in paths {
            let answer = first.get(&path);
            assert_eq!(answer.status, 200, "{path}");
            let expected = match path.rsplit('.').next().unwrap() {
                "m3u8" => "application/vnd.apple.mpegurl",
                "ts" => "video/mp2t",
                _ if path.contains("/audio-") => "audio/mp4",
                _ => "video/mp4",
            };
            assert_eq!(answer.header("content-type"), expected, "{path}");
            assert!(answer.header("cache-control").contains("immutable"), "{path}");
            let length = answer.body.len().to_string();
            assert_eq!(first.head(&path).header("content-length"), length, "{path}");
            let other = second.get(&path);
            assert_eq!(other.header("etag"), answer.header("etag"), "{path}");
            assert!(other.body == answer.body, "{path} differs on another node");
        }
    }
}

#[test]
fn dash_and_hls_over_cmaf_share_their_segments() {
    let data_dir = tempfile::tempdir().unwrap();
    let origin = Origin::over_testdata(data_dir.path());
    origin.set_up(6);
    origin.ingest("ladder", "ladder/master.m3u8");
    let mpd_path = "/vod/v1/ladder/dash/index.mpd";
    let mpd = origin.get(mpd_path);
    let found = mpd_segments(mpd_path, mpd.text());
    let mut dash: Vec<String> = found.media.into_iter().map(|(url, ..)| url).collect();
    let mut hls: Vec<String> = media_playlists(&origin, "/vod/v1/ladder/cmaf/index.m3u8")
        .iter()
        .flat_map(|(path, text)| playlist_segments(path, text))
        .map(|segment| segment.url)
        .collect();
    dash.sort();
    hls.sort();
    assert_eq!(dash, hls);
    // Three renditions of six segments, and the audio that all three have in common.
    assert_eq!(hls.len(), 4 * 6);
}

#[test]
fn a_request_dropped_in_mid_build_leaves_the_key_usable() {
    let data_dir = tempfile::tempdir().unwrap();
    let origin = Origin::over_testdata(data_dir.path());
    origin.set_up(6);
    origin.ingest("ladder", "ladder/master.m3u8");
    let playlists = media_playlists(&origin, "/vod/v1/ladder/cmaf/index.m3u8");
    let (path, text) = &playlists[0];
    for segment in playlist_segments(path, text) {
        let host = origin.playback.trim_start_matches("http://");
        let mut socket = TcpStream::connect(host).unwrap();
        write!(socket, "GET {} HTTP/1.1\r\nhost: {host}\r\n\r\n", segment.url).unwrap();
        drop(socket);
        assert_eq!(origin.get(&segment.url).status, 200);
    }
}

#[test]
fn conditions_and_ranges_follow_the_standard() {
    let data_dir = tempfile::tempdir().unwrap();
    let origin = Origin::over_testdata(data_dir.path());
    origin.set_up(6);
    origin.ingest("ladder", "ladder/master.m3u8");
    let playlists = media_playlists(&origin, "/vod/v1/ladder/hls/index.m3u8");
    let segment = &playlist_segments(&playlists[0].0, &playlists[0].1)[2].url;
    // The condition is judged before anything was built.
    let etag = origin.head(segment).header("etag").to_owned();
    let not_modified = origin.get_with(segment, &[("if-none-match", &etag)]);
    assert_eq!((not_modified.status, not_modified.body.len()), (304, 0));
    let whole = origin.get(segment).body;
    let part = origin.get_with(segment, &[("range", "bytes=188-375")]);
    assert_eq!(part.status, 206);
    assert_eq!(part.body, whole[188..376]);
    assert_eq!(part.header("content-range"), format!("bytes 188-375/{}", whole.len()));
    let beyond = origin.get_with(segment, &[("range", &format!("bytes={}-", whole.len()))]);
    assert_eq!(beyond.status, 416);
    assert_eq!(beyond.header("content-range"), format!("bytes */{}", whole.len()));
    assert_eq!(beyond.json()["code"], "range_not_satisfiable");
}

#[test]
fn a_selection_that_leaves_nothing_is_told_to_player_and_operator() {
    let data_dir = tempfile::tempdir().unwrap();
    let origin = Origin::over_testdata(data_dir.path());
    origin.set_up(6);
    let body = json!({
        "name": "none",
        "packageType": "DASH",
        "streamSelection": { "order": "ORIGINAL", "minVideoBitsPerSecond": 90_000_000 },
    });
    let path = "/v1/packaging-groups/web/packaging-configurations";
    assert_eq!(origin.call("POST", path, Some(body)).status, 201);
    let asset = origin.ingest("ladder", "ladder/master.m3u8");
    let endpoints = asset["egressEndpoints"].as_array().unwrap();
    let endpoint = endpoints.iter().find(|e| e["packagingConfiguration"] == "none").unwrap();
    assert_eq!(endpoint["status"], "FAILED", "{endpoint}");
    assert_eq!(endpoint["failure"]["code"], "no_streams");
    let answer = origin.get("/vod/v1/ladder/none/index.mpd");
    assert_eq!(answer.status, 404);
    assert!(answer.json()["detail"].as_str().unwrap().contains("90000000"));
}

#[test]
fn selection_bounds_are_inclusive_and_order_is_kept() {
    let data_dir = tempfile::tempdir().unwrap();
    let origin = Origin::over_testdata(data_dir.path());
    origin.set_up(6);
    let body = json!({
        "name": "two",
        "packageType": "HLS_CMAF",
        "streamSelection": {
            "order": "VIDEO_BITRATE_ASCENDING",
            "minVideoBitsPerSecond": 150_000,
            "maxVideoBitsPerSecond": 210_000,
        },
    });
    let path = "/v1/packaging-groups/web/packaging-configurations";
    assert_eq!(origin.call("POST", path, Some(body)).status, 201);
    origin.ingest("ladder", "ladder/master.m3u8");
    let master = origin.get("/vod/v1/ladder/two/index.m3u8");
    let lines = master.text().lines();
    let variants: Vec<&str> = lines.filter(|line| line.ends_with(".m3u8")).collect();
    let names: Vec<_> = variants.iter().map(|uri| uri.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["video-2.m3u8", "video-1.m3u8"]);
    // The same boundaries: the very same segments as the configuration with all streams has.
    let all = origin.get("/vod/v1/ladder/cmaf/index.m3u8");
    assert!(all.text().contains(variants[0]), "{}", all.text());
}
