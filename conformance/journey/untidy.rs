//! Sources as they are found: encrypted, with copies, gaps and streams that are not there.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::media::{media_playlists, mpd_segments, playlist_segments, playlist_uris, resolve};
use crate::origin::{Origin, testdata};

const KEYS: [&str; 2] = ["00112233445566778899aabbccddeeff", "0f1e2d3c4b5a69788796a5b4c3d2e1f0"];
const IV: &str = "000102030405060708090a0b0c0d0e0f";

/// A sample's folder with its playlists and segments, where a test may change them.
fn copy(sample: &str, into: &Path) {
    std::fs::create_dir_all(into).unwrap();
    for entry in std::fs::read_dir(testdata().join(sample)).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), into.join(entry.file_name()));
        if from.is_dir() {
            let name = entry.file_name().into_string().unwrap();
            copy(&format!("{sample}/{name}"), &to);
        } else {
            std::fs::copy(from, to).unwrap();
        }
    }
}

fn rewrite(path: &Path, change: impl FnOnce(String) -> String) {
    let text = std::fs::read_to_string(path).unwrap();
    std::fs::write(path, change(text)).unwrap();
}

/// Encrypts a file with another program than ours; false where this machine has none.
fn encrypt(path: &Path, key: &str, iv: &str) -> bool {
    let out = path.with_extension("enc");
    let openssl = Command::new("openssl")
        .args(["enc", "-aes-128-cbc", "-K", key, "-iv", iv, "-in"])
        .args([path, Path::new("-out"), &out])
        .stderr(Stdio::null())
        .status();
    if !openssl.is_ok_and(|status| status.success()) {
        println!("openssl is not here to encrypt the sample with");
        return false;
    }
    std::fs::rename(out, path).unwrap();
    true
}

/// Everything that an asset's manifests lead to, as bytes: by what stands behind the fingerprints,
/// which differ where the sources do.
fn everything(origin: &Origin, asset: &str) -> Vec<(String, Vec<u8>)> {
    let mpd_path = format!("/vod/v1/{asset}/dash/index.mpd");
    let mpd = origin.get(&mpd_path);
    let found = mpd_segments(&mpd_path, mpd.text());
    let mut paths: Vec<String> =
        found.inits.into_iter().chain(found.media.into_iter().map(|(url, ..)| url)).collect();
    for configuration in ["hls", "cmaf"] {
        let master = format!("/vod/v1/{asset}/{configuration}/index.m3u8");
        for (path, text) in media_playlists(origin, &master) {
            paths.extend(playlist_uris(&text).iter().map(|uri| resolve(&path, uri)));
        }
    }
    let mut all: Vec<(String, Vec<u8>)> = paths
        .into_iter()
        .map(|path| {
            let answer = origin.get(&path);
            assert_eq!(answer.status, 200, "{path}");
            let name: Vec<&str> = path.rsplit('/').take(3).collect();
            (name.join("/"), answer.body)
        })
        .collect();
    all.sort();
    all
}

fn findings<'a>(asset: &'a Value, code: &str) -> Vec<&'a Value> {
    let list = asset["report"]["findings"].as_array().unwrap();
    list.iter().filter(|finding| finding["code"] == code).collect()
}

#[test]
fn an_encrypted_source_plays_byte_for_byte_like_its_clear_twin() {
    let (data_dir, media) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    copy("wrap", &media.path().join("clear"));
    let folder = media.path().join("encrypted");
    copy("wrap", &folder);
    std::fs::create_dir(folder.join("keys")).unwrap();
    for (name, key) in ["first key", "second"].iter().zip(KEYS) {
        let bytes: Vec<u8> =
            (0..16).map(|at| u8::from_str_radix(&key[2 * at..2 * at + 2], 16).unwrap()).collect();
        std::fs::write(folder.join("keys").join(name), bytes).unwrap();
    }
    // The first two by sequence number, the third clear, the last with another key and an IV.
    let number = |number: u32| format!("{number:032x}");
    let encrypted = encrypt(&folder.join("000.ts"), KEYS[0], &number(70_000))
        && encrypt(&folder.join("001.ts"), KEYS[0], &number(70_001))
        && encrypt(&folder.join("003.ts"), KEYS[1], IV);
    if !encrypted {
        return;
    }
    rewrite(&folder.join("media.m3u8"), |text| {
        let key = |rest: &str| format!("#EXT-X-KEY:METHOD={rest}\r\n");
        text.replace("#EXT-X-MEDIA-SEQUENCE:0", "#EXT-X-MEDIA-SEQUENCE: 70000")
            .replace('\n', "\r\n")
            .replacen("#EXTINF", &(key("AES-128,URI=\"keys/first%20key\"") + "#EXTINF"), 1)
            .replace("001.ts\r\n", &format!("001.ts\r\n{}", key("NONE")))
            .replace(
                "002.ts\r\n",
                &format!("002.ts\r\n{}", key(&format!("AES-128,URI=\"keys/second\",IV=0X{IV}"))),
            )
    });
    let url = format!("file://{}", media.path().display());
    let origin = Origin::start(data_dir.path(), &url);
    origin.set_up(6);
    for name in ["clear", "encrypted"] {
        let asset = origin.ingest(name, &format!("{name}/master.m3u8"));
        assert_eq!(asset["status"], "PLAYABLE", "{asset}");
        assert!(!asset.to_string().contains(KEYS[0]));
    }
    let clear = everything(&origin, "clear");
    assert!(clear.len() > 12);
    assert!(clear == everything(&origin, "encrypted"), "the twins differ");

    // A wrong key is found when the source is read in.
    std::fs::copy(folder.join("keys/second"), folder.join("keys/first key")).unwrap();
    let asset = origin.ingest("wrong", "encrypted/master.m3u8");
    assert_eq!(asset["failure"]["code"], "corrupt_segment", "{asset}");
    let detail = asset["failure"]["detail"].as_str().unwrap();
    assert!(detail.contains("000.ts") && detail.contains("first key"), "{detail}");
}

#[test]
fn streams_that_are_missing_leave_the_others_or_fail_the_asset() {
    let (data_dir, media) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    copy("ladder", media.path());
    std::fs::remove_file(media.path().join("240p/002.ts")).unwrap();
    std::fs::remove_file(media.path().join("144p/media.m3u8")).unwrap();
    let url = format!("file://{}", media.path().display());
    let origin = Origin::start(data_dir.path(), &url);
    origin.set_up(6);
    let asset = origin.ingest("some", "master.m3u8");
    assert_eq!(asset["status"], "PLAYABLE", "{asset}");
    assert_eq!(asset["report"]["streams"].as_array().unwrap().len(), 1);
    let missing = findings(&asset, "variant_missing");
    let text = format!("{missing:?}");
    assert!(text.contains("144p/media.m3u8") && text.contains("240p/002.ts"), "{text}");
    assert_eq!(origin.get("/vod/v1/some/dash/index.mpd").status, 200);

    let strict_dir = tempfile::tempdir().unwrap();
    let strict = [("PACKORIGIN_INGEST_MISSING_VARIANTS", "fail")];
    let origin = Origin::start_with(strict_dir.path(), &url, &strict);
    origin.set_up(6);
    let asset = origin.ingest("some", "master.m3u8");
    assert_eq!(asset["failure"]["code"], "source_not_found", "{asset}");

    // Nothing is left: the first stream's failure counts.
    std::fs::remove_file(media.path().join("360p/media.m3u8")).unwrap();
    let lenient_dir = tempfile::tempdir().unwrap();
    let origin = Origin::start(lenient_dir.path(), &url);
    origin.set_up(6);
    let asset = origin.ingest("none", "master.m3u8");
    assert_eq!(asset["failure"]["code"], "source_not_found", "{asset}");
    assert!(asset["failure"]["detail"].as_str().unwrap().starts_with("360p/"), "{asset}");
}

#[test]
fn copies_of_streams_are_read_once_and_used_when_the_first_is_not_there() {
    let (data_dir, media) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    copy("wrap", &media.path().join("a"));
    copy("wrap", &media.path().join("b"));
    let inf = "#EXT-X-STREAM-INF:BANDWIDTH=900000,CODECS=\"avc1.64001e,mp4a.40.2\"";
    let master = format!(
        "\u{feff}#EXTM3U\r\n{inf},PATHWAY-ID=\"x\"\r\na/media.m3u8\r\n{inf}\r\n./b/media.m3u8 \r\n\
         #EXT-X-STREAM-INF:BANDWIDTH=1\r\na/../a/media.m3u8?again\r\n"
    );
    std::fs::write(media.path().join("master.m3u8"), master).unwrap();
    let url = format!("file://{}", media.path().display());
    let origin = Origin::start(data_dir.path(), &url);
    origin.set_up(6);
    let asset = origin.ingest("both", "master.m3u8");
    assert_eq!(asset["report"]["streams"].as_array().unwrap().len(), 1, "{asset}");
    assert_eq!(asset["report"]["streams"][0]["uri"], "a/media.m3u8");
    assert_eq!(findings(&asset, "duplicate_variant").len(), 1, "{asset}");
    assert_eq!(findings(&asset, "redundant_variant").len(), 1, "{asset}");
    let both = everything(&origin, "both");

    std::fs::remove_file(media.path().join("a/003.ts")).unwrap();
    let asset = origin.ingest("copy", "master.m3u8");
    assert_eq!(asset["report"]["streams"][0]["uri"], "./b/media.m3u8", "{asset}");
    let taken = format!("{:?}", findings(&asset, "redundant_variant"));
    assert!(taken.contains("is used") && taken.contains("a/003.ts"), "{taken}");
    assert!(both == everything(&origin, "copy"), "the copies differ");
}

#[test]
fn gaps_are_not_asked_for_and_the_rest_plays() {
    let (data_dir, media) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    copy("wrap", media.path());
    std::fs::remove_file(media.path().join("001.ts")).unwrap();
    rewrite(&media.path().join("media.m3u8"), |text| text.replace("001.ts", "#EXT-X-GAP\n001.ts"));
    let origin = Origin::start(data_dir.path(), &format!("file://{}", media.path().display()));
    origin.set_up(6);
    let asset = origin.ingest("gap", "master.m3u8");
    assert_eq!(asset["status"], "PLAYABLE", "{asset}");
    let gaps = findings(&asset, "segment_gap");
    assert_eq!((gaps.len(), &gaps[0]["places"][0]["line"]), (1, &serde_json::json!(10)), "{asset}");
    for (path, text) in media_playlists(&origin, "/vod/v1/gap/cmaf/index.m3u8") {
        assert!(text.contains("#EXT-X-DISCONTINUITY\n"), "{text}");
        for segment in playlist_segments(&path, &text) {
            assert_eq!(origin.get(&segment.url).status, 200, "{}", segment.url);
        }
    }
}
