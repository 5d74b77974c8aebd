//! Large segments, which are sent while they are made.

use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::media::{Listed, media_playlists, playlist_segments};
use crate::origin::{Answer, Origin};
use crate::slow_source::SlowSource;

/// The system that hands out keys as they are.
const PLAIN_KEYS: &str = "3ea8778f-7742-4bf9-b18b-e834b2acbd47";

/// Three source segments of 4 s in which nothing can be compressed, which become one; `None` where
/// ffmpeg is not there.
fn title() -> Option<TempDir> {
    let folder = tempfile::tempdir().unwrap();
    let noise = "nullsrc=size=320x240:rate=25:duration=12,geq=lum='random(1)*255':cb=128:cr=128";
    let tone = "sine=frequency=440:duration=12";
    let ffmpeg = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", noise, "-f", "lavfi", "-i", tone])
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-qp", "30", "-g", "25", "-c:a", "aac"])
        .args(["-f", "hls", "-hls_time", "4", "-hls_playlist_type", "vod"])
        .args(["-hls_segment_filename", "%d.ts", "media.m3u8"])
        .current_dir(&folder)
        .status();
    let Ok(status) = ffmpeg else {
        println!("skipped: there is no ffmpeg");
        return None;
    };
    assert!(status.success());
    let master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=4000000\nmedia.m3u8\n";
    std::fs::write(folder.path().join("master.m3u8"), master).unwrap();
    Some(folder)
}

/// Ingests the title, clear and with AES-128. `cache` is the size of the cache of segments.
fn start(source: &str, cache: &str) -> (Origin, TempDir) {
    let data_dir = tempfile::tempdir().unwrap();
    let environment =
        [("PACKORIGIN_EGRESS_ALLOW_HOSTS", "127.0.0.1"), ("PACKORIGIN_CACHE_SEGMENT_BYTES", cache)];
    let origin = Origin::start_with(data_dir.path(), source, &environment);
    origin.set_up(12);
    let body = json!({
        "name": "aes",
        "packageType": "HLS",
        "segmentDurationSeconds": 12,
        "encryption": {
            "systemIds": [PLAIN_KEYS],
            "method": "AES_128",
            "staticKeys": [{
                "trackType": "ALL",
                "keyId": "43215678-1234-1234-1234-123456789012",
                "key": "00112233445566778899aabbccddeeff",
                "uri": "http://127.0.0.1:9/key",
            }],
        },
    });
    let path = "/v1/packaging-groups/web/packaging-configurations";
    let created = origin.call("POST", path, Some(body));
    assert_eq!(created.status, 201, "{}", created.text());
    let body = json!({
        "name": "noise", "packagingGroup": "web", "path": "master.m3u8", "contentId": "noise",
    });
    assert_eq!(origin.call("POST", "/v1/assets", Some(body)).status, 202);
    let asset = origin
        .wait_for("noise", |asset| asset["status"] == "PLAYABLE" || asset["status"] == "FAILED");
    assert_eq!(asset["status"], "PLAYABLE", "{asset}");
    (origin, data_dir)
}

fn from_file(folder: &Path, cache: &str) -> (Origin, TempDir) {
    start(&format!("file://{}", folder.display()), cache)
}

/// The one segment of a configuration.
fn segment(origin: &Origin, configuration: &str) -> Listed {
    let entry = format!("/vod/v1/noise/{configuration}/index.m3u8");
    let playlists = media_playlists(origin, &entry);
    let (path, text) = playlists.first().unwrap();
    let segments = playlist_segments(path, text);
    assert_eq!(segments.len(), 1, "{text}");
    segments[0].clone()
}

fn whole(origin: &Origin, segment: &Listed) -> Answer {
    let answer = origin.get(&segment.url);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.body.len() > 2_000_000, "{} bytes", answer.body.len());
    answer
}

/// The line of a metric with a label, as soon as it is there: an answer breaks off a moment
/// earlier.
fn wait_for_metric(origin: &Origin, name: &str, label: &str) -> String {
    let started = Instant::now();
    loop {
        let metrics = origin.call("GET", "/metrics", None);
        let mut lines = metrics.text().lines();
        if let Some(line) = lines.find(|line| line.starts_with(name) && line.contains(label)) {
            return line.to_owned();
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{}", metrics.text());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_start_of_a_segment_is_sent_before_its_end_is_read() {
    let Some(folder) = title() else { return };
    let (plain, _data) = from_file(folder.path(), "0");
    for (configuration, cache) in [("hls", "64MiB"), ("hls", "0"), ("aes", "64MiB"), ("aes", "0")] {
        let expected = whole(&plain, &segment(&plain, configuration)).body;
        let source = SlowSource::over(folder.path().to_owned(), "none");
        let (origin, _data) = start(&format!("http://{}/", source.address), cache);
        let segment = segment(&origin, configuration);
        source.hold("2.ts");
        let ask = || origin.client.get(origin.url(&segment.url)).send().unwrap();
        let mut first = ask();
        assert_eq!(first.content_length(), Some(expected.len() as u64));
        let mut start = vec![0; expected.len() / 4];
        first.read_exact(&mut start).unwrap();
        source.wait_until_asked();
        // Another player comes, for a part of it.
        let range = format!("bytes=100-{}", expected.len() - 101);
        let part = origin.client.get(origin.url(&segment.url)).header("range", range);
        let mut part = part.send().unwrap();
        source.let_go();
        first.read_to_end(&mut start).unwrap();
        assert!(start == expected, "{configuration} with a cache of {cache}");
        assert_eq!(part.status(), 206);
        let mut bytes = Vec::new();
        part.read_to_end(&mut bytes).unwrap();
        assert!(bytes == expected[100..expected.len() - 100]);
        // From the cache, or made again.
        assert!(whole(&origin, &segment).body == expected);
    }
}

#[test]
fn an_answer_breaks_off_where_its_source_does_and_the_next_one_is_whole() {
    let Some(folder) = title() else { return };
    let source = SlowSource::over(folder.path().to_owned(), "none");
    for cache in ["0", "64MiB"] {
        let (origin, _data) = start(&format!("http://{}/", source.address), cache);
        let segment = segment(&origin, "hls");
        let last = folder.path().join("2.ts");
        let kept = std::fs::read(&last).unwrap();
        source.hold("2.ts");
        let mut answer = origin.client.get(origin.url(&segment.url)).send().unwrap();
        assert_eq!(answer.status(), 200);
        source.wait_until_asked();
        std::fs::remove_file(&last).unwrap();
        source.let_go();
        let mut bytes = Vec::new();
        assert!(answer.read_to_end(&mut bytes).is_err());
        assert!(bytes.len() > 500_000, "{}", bytes.len());
        let counted = wait_for_metric(&origin, "packorigin_errors_total", "source_failed");
        assert!(counted.ends_with(" 1"), "{counted}");
        std::fs::write(&last, kept).unwrap();
        whole(&origin, &segment);
    }
}

#[test]
fn nobody_gets_a_part_of_what_ingest_did_not_see() {
    let Some(folder) = title() else { return };
    let (origin, _data) = from_file(folder.path(), "0");
    let segment = segment(&origin, "hls");
    // As many pictures at the same times, with other bytes.
    std::fs::copy(folder.path().join("1.ts"), folder.path().join("0.ts")).unwrap();
    let answer = origin.get_with(&segment.url, &[("range", "bytes=0-999")]);
    assert_eq!(answer.status, 502, "{}", answer.text());
}

#[test]
fn a_player_that_hangs_up_leaves_the_segment_to_others() {
    let Some(folder) = title() else { return };
    let source = SlowSource::over(folder.path().to_owned(), "none");
    let (origin, _data) = start(&format!("http://{}/", source.address), "64MiB");
    let segment = segment(&origin, "hls");
    source.asked();
    source.hold("2.ts");
    let mut first = origin.client.get(origin.url(&segment.url)).send().unwrap();
    first.read_exact(&mut [0; 1000]).unwrap();
    source.wait_until_asked();
    drop(first);
    let second = origin.client.get(origin.url(&segment.url)).send().unwrap();
    source.let_go();
    let bytes = second.bytes().unwrap();
    let (plain, _data) = from_file(folder.path(), "0");
    assert!(whole(&plain, &self::segment(&plain, "hls")).body == bytes);
    // Each file once, in blocks.
    let asked = source.asked();
    let mut blocks = 0;
    for file in ["0.ts", "1.ts", "2.ts"] {
        blocks += std::fs::metadata(folder.path().join(file)).unwrap().len().div_ceil(188 * 8192);
    }
    assert_eq!(asked.len() as u64, blocks, "{asked:?}");
}
