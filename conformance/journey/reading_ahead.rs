//! Sources that are far away: what is read of them, when, and how often.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use tempfile::TempDir;

use crate::media::{Listed, media_playlists, playlist_segments};
use crate::origin::Origin;
use crate::slow_source::SlowSource;

/// Ingests the ladder, whose source segments last 10 s; forgets what the source was asked for.
fn start(source: &SlowSource, seconds: u32, environment: &[(&str, &str)]) -> (Origin, TempDir) {
    let data_dir = tempfile::tempdir().unwrap();
    let url = format!("http://{}/", source.address);
    let mut all = vec![("PACKORIGIN_EGRESS_ALLOW_HOSTS", "127.0.0.1")];
    all.extend_from_slice(environment);
    let origin = Origin::start_with(data_dir.path(), &url, &all);
    origin.set_up(seconds);
    assert_eq!(origin.ingest("ladder", "ladder/master.m3u8")["status"], "PLAYABLE");
    source.asked();
    (origin, data_dir)
}

/// The segments of a stream's pictures.
fn segments(origin: &Origin, rendition: &str) -> Vec<Listed> {
    let playlists = media_playlists(origin, "/vod/v1/ladder/cmaf/index.m3u8");
    let (path, text) = playlists.iter().find(|(path, _)| path.contains(rendition)).unwrap();
    playlist_segments(path, text)
}

fn get(origin: &Origin, segment: &Listed) {
    let answer = origin.get(&segment.url);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn count(asked: &[String], file: &str) -> usize {
    asked.iter().filter(|asked| asked.contains(file)).count()
}

#[test]
fn the_next_segments_source_is_read_ahead_and_all_of_it_once() {
    let source = SlowSource::open();
    let (origin, _data_dir) = start(&source, 10, &[]);
    let segments = segments(&origin, "video-2");
    get(&origin, &segments[0]);
    source.wait_until_asked_for("240p/001.ts");
    get(&origin, &segments[1]);
    source.wait_until_asked_for("240p/002.ts");
    // Nobody goes on to the third, so nothing is read behind it.
    let asked = source.asked();
    assert_eq!(count(&asked, "240p/003.ts"), 0, "{asked:?}");
    assert!(asked.iter().all(|asked| asked.starts_with("GET /ladder/240p/00")), "{asked:?}");
    for file in ["000.ts", "001.ts", "002.ts"] {
        assert_eq!(count(&asked, file), 1, "{asked:?}");
    }
    get(&origin, &segments[2]);
    let asked = source.asked();
    assert_eq!(count(&asked, "002.ts"), 0, "{asked:?}");
    let metrics = origin.call("GET", "/metrics", None);
    let used = "packorigin_source_read_ahead_total{outcome=\"used\"} 2";
    assert!(metrics.text().lines().any(|line| line == used), "{}", metrics.text());
}

#[test]
fn what_needs_no_media_or_a_part_of_it_reads_nothing_ahead() {
    let source = SlowSource::open();
    let (origin, _data_dir) = start(&source, 10, &[]);
    let still = segments(&origin, "video-1");
    assert_eq!(origin.head(&still[0].url).status, 200);
    let etag = origin.head(&still[0].url).header("etag").to_owned();
    assert_eq!(origin.get_with(&still[0].url, &[("if-none-match", &etag)]).status, 304);
    assert_eq!(source.asked(), [""; 0]);
    assert_eq!(origin.get_with(&still[0].url, &[("range", "bytes=0-99")]).status, 206);
    // Time for a read that should not be: another player's is behind it.
    get(&origin, &segments(&origin, "video-2")[0]);
    source.wait_until_asked_for("240p/001.ts");
    let asked = source.asked();
    assert_eq!(count(&asked, "360p/000.ts"), 1, "{asked:?}");
    assert_eq!(count(&asked, "360p/001.ts"), 0, "{asked:?}");
    // The last part does: behind it comes the next segment.
    assert_eq!(origin.get_with(&still[1].url, &[("range", "bytes=100-")]).status, 206);
    source.wait_until_asked_for("360p/002.ts");
}

#[test]
fn a_player_that_hangs_up_walks_no_further() {
    let source = SlowSource::open();
    let (origin, _data_dir) = start(&source, 10, &[]);
    let segment = segments(&origin, "video-2").remove(0);
    source.hold("240p/000.ts");
    let address = origin.playback.strip_prefix("http://").unwrap();
    let mut player = TcpStream::connect(address).unwrap();
    write!(player, "GET {} HTTP/1.1\r\nhost: a\r\n\r\n", segment.url).unwrap();
    source.wait_until_asked();
    player.shutdown(Shutdown::Write).unwrap();
    assert_eq!(player.read(&mut [0]).unwrap_or(0), 0, "the origin hangs up too");
    source.let_go();
    // What it wanted itself is made all the same, for those who may want it too.
    assert_eq!(origin.get_with(&segment.url, &[("range", "bytes=0-99")]).status, 206);
    another_player_walks(&origin, &source);
    let asked = source.asked();
    assert_eq!((count(&asked, "240p/000.ts"), count(&asked, "240p/001.ts")), (1, 0), "{asked:?}");
}

#[test]
fn nothing_is_read_ahead_of_a_segment_that_is_not_there_yet() {
    let source = SlowSource::open();
    let (origin, _data_dir) = start(&source, 10, &[]);
    let segment = segments(&origin, "video-2").remove(0);
    source.hold("240p/000.ts");
    std::thread::scope(|scope| {
        let player = scope.spawn(|| origin.get(&segment.url));
        source.wait_until_asked();
        another_player_walks(&origin, &source);
        assert_eq!(count(&source.asked(), "240p/001.ts"), 0);
        source.let_go();
        assert_eq!(player.join().unwrap().status, 200);
    });
    source.wait_until_asked_for("240p/001.ts");
}

/// Time for a read that should not be: another player's is behind it.
fn another_player_walks(origin: &Origin, source: &SlowSource) {
    get(origin, &segments(origin, "video-1")[0]);
    source.wait_until_asked_for("360p/001.ts");
}

#[test]
fn where_there_is_no_room_nothing_is_read_ahead() {
    let source = SlowSource::open();
    let (origin, _data_dir) = start(&source, 10, &[("PACKORIGIN_SOURCE_READ_AHEAD_BYTES", "1000")]);
    get(&origin, &segments(&origin, "video-2")[0]);
    let metrics = origin.call("GET", "/metrics", None);
    let no_room = "packorigin_source_read_ahead_total{outcome=\"no_room\"} 1";
    assert!(metrics.text().lines().any(|line| line == no_room), "{}", metrics.text());
    assert_eq!(source.asked(), ["GET /ladder/240p/000.ts"]);
}

#[test]
fn the_source_of_a_segment_is_read_in_parallel_and_not_otherwise_asked_for() {
    let source = SlowSource::open();
    let (origin, _data_dir) = start(&source, 20, &[("PACKORIGIN_SOURCE_READ_AHEAD_BYTES", "0")]);
    let segment = segments(&origin, "video-2").remove(0);
    source.hold("240p/");
    std::thread::scope(|scope| {
        let player = scope.spawn(|| origin.get(&segment.url));
        // None is answered before both have been asked for.
        source.wait_until_waiting(2);
        source.let_go();
        assert_eq!(player.join().unwrap().status, 200);
    });
    let mut asked = source.asked();
    asked.sort();
    assert_eq!(asked, ["GET /ladder/240p/000.ts", "GET /ladder/240p/001.ts"]);
}
