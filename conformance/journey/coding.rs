//! Manifests come compressed to who accepts it, media never.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::media::{media_playlists, playlist_segments};
use crate::origin::Origin;

/// What the gzip of the system unpacks.
fn unpacked(body: &[u8]) -> Vec<u8> {
    let mut gzip = Command::new("gzip")
        .arg("-dc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("gzip is installed");
    // Manifests of the tests fit into a pipe.
    gzip.stdin.take().unwrap().write_all(body).unwrap();
    let output = gzip.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout
}

const GZIP: (&str, &str) = ("accept-encoding", "gzip, br");

#[test]
fn manifests_are_compressed_for_who_accepts_it() {
    let data_dir = tempfile::tempdir().unwrap();
    let origin = Origin::over_testdata(data_dir.path());
    origin.set_up(6);
    origin.ingest("ladder", "ladder/master.m3u8");
    let playlists = media_playlists(&origin, "/vod/v1/ladder/cmaf/index.m3u8");
    let clip = media_playlists(&origin, "/vod/v1/ladder/cmaf/index.m3u8?end=12");
    let mut paths = vec![
        "/vod/v1/ladder/dash/index.mpd".to_owned(),
        "/vod/v1/ladder/dash/index.mpd?token=x".to_owned(),
        "/vod/v1/ladder/dash/index.mpd?filter=video_height:0-1000".to_owned(),
        "/vod/v1/ladder/cmaf/index.m3u8".to_owned(),
    ];
    paths.extend(playlists.iter().chain(&clip).map(|(path, _)| path.clone()));
    let mut compressed = 0;
    for path in paths {
        // Once as it is first made, once as it is kept.
        for _ in 0..2 {
            let plain = origin.get(&path);
            let packed = origin.get_with(&path, &[GZIP]);
            assert_eq!((plain.status, packed.status), (200, 200), "{path}");
            assert_eq!(plain.header("content-encoding"), "");
            if plain.body.len() < 1024 {
                assert_eq!(packed.body, plain.body, "{path}");
                assert_eq!((packed.header("vary"), packed.header("content-encoding")), ("", ""));
                continue;
            }
            compressed += 1;
            assert_eq!(packed.header("content-encoding"), "gzip", "{path}");
            assert!(packed.body.len() < plain.body.len() / 2, "{path}");
            assert_eq!(unpacked(&packed.body), plain.body, "{path}");
            for name in ["content-type", "cache-control", "vary"] {
                assert_eq!(packed.header(name), plain.header(name), "{path}");
            }
            assert_eq!(packed.header("vary").to_lowercase(), "accept-encoding", "{path}");
            // Strong validators, one for each representation (RFC 9110 8.8.3.3).
            let (own, other) = (packed.header("etag"), plain.header("etag"));
            assert!(own.starts_with('"') && other.starts_with('"') && own != other, "{path}");
            let head = origin.client.head(origin.url(&path)).header(GZIP.0, GZIP.1).send().unwrap();
            for name in ["etag", "content-length", "content-encoding", "vary"] {
                assert_eq!(head.headers()[name], packed.headers[name], "{path}");
            }
            for (etag, headers, status) in
                [(own, &[GZIP][..], 304), (other, &[GZIP], 200), (other, &[], 304), (own, &[], 200)]
            {
                let mut headers = headers.to_vec();
                headers.push(("if-none-match", etag));
                let answer = origin.get_with(&path, &headers);
                assert_eq!(answer.status, status, "{path}");
                assert_eq!(answer.header("vary").to_lowercase(), "accept-encoding", "{path}");
            }
            let refused = origin.get_with(&path, &[("accept-encoding", "gzip;q=0, br")]);
            assert_eq!(refused.body, plain.body, "{path}");
        }
    }
    assert!(compressed >= 6, "{compressed}");
    for (path, text) in playlists {
        let segment = &playlist_segments(&path, &text)[0].url;
        for _ in 0..2 {
            let answer = origin.get_with(segment, &[GZIP]);
            assert_eq!((answer.header("content-encoding"), answer.header("vary")), ("", ""));
        }
    }
}

/// What a node has in memory is gone for players as soon as the catalog does not name it.
#[test]
fn nothing_is_answered_out_of_memory_that_is_not_there_any_more() {
    let data_dir = tempfile::tempdir().unwrap();
    let origin = Origin::over_testdata(data_dir.path());
    origin.set_up(6);
    origin.ingest("ladder", "ladder/master.m3u8");
    let master = "/vod/v1/ladder/cmaf/index.m3u8";
    let playlists = media_playlists(&origin, master);
    let segment = playlist_segments(&playlists[0].0, &playlists[0].1)[0].url.clone();
    let paths = [master, &playlists[0].0, &segment];
    for path in paths {
        let (first, second) = (origin.get(path), origin.get(path));
        assert_eq!((first.status, second.status), (200, 200), "{path}");
        assert_eq!(first.header("etag"), second.header("etag"), "{path}");
        assert_eq!(first.body, second.body, "{path}");
        assert_eq!(origin.get(&format!("{path}?start=x")).status, 400, "{path}");
    }
    // Of the same packaging, but not in it.
    let wrong = [segment.replace(".m4s", ".ts"), segment.replace("/0/", "/1/")];
    for path in wrong {
        assert_eq!(origin.get(&path).status, 404, "{path}");
    }
    let ranged = origin.get_with(&segment, &[("range", "bytes=5-9")]);
    assert_eq!((ranged.status, ranged.body.len()), (206, 5));
    let beyond = origin.get_with(&segment, &[("range", "bytes=99999999-")]);
    assert_eq!(beyond.json()["code"], "range_not_satisfiable");
    assert_eq!(origin.call("DELETE", "/v1/assets/ladder", None).status, 204);
    for path in paths {
        assert_eq!(origin.get(path).status, 404, "{path}");
    }
}
