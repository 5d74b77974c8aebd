//! Captions inside the pictures, checked from outside: found, signalled, and passed on untouched.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::media::{media_playlists, mpd_segments, playlist_segments, playlist_uris, resolve};
use crate::origin::{Origin, testdata};

/// Everything of a media playlist in one file: what `EXT-X-MAP` names, then the segments.
fn whole(origin: &Origin, path: &str, text: &str) -> Vec<u8> {
    let init = text.lines().find(|line| line.starts_with("#EXT-X-MAP"));
    let init = init.map(|line| resolve(path, &playlist_uris(line)[0]));
    let segments = playlist_segments(path, text).into_iter().map(|segment| segment.url);
    init.into_iter().chain(segments).flat_map(|url| origin.get(&url).body).collect()
}

/// The messages of ATSC A/53 in a fragmented file, in their order.
fn messages(file: &[u8]) -> Vec<&[u8]> {
    let starts = file.windows(8).enumerate().filter(|(_, w)| *w == b"\xB5\0\x31GA94\x03");
    // The byte before is the size of the message.
    starts.map(|(at, _)| &file[at..at + usize::from(file[at - 1])]).collect()
}

/// What ffmpeg reads in a field's channels; `None` where ffmpeg is not there.
fn decoded(folder: &Path, name: &str, bytes: &[u8], field: &str) -> Option<String> {
    std::fs::write(folder.join(name), bytes).unwrap();
    let movie = format!("movie={name}[out0+subcc]");
    let output = Command::new("ffmpeg")
        .current_dir(folder)
        .args(["-v", "error", "-data_field", field, "-f", "lavfi", "-i", &movie])
        .args(["-map", "0:s", "-f", "srt", "-"])
        .output()
        .ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn captions_are_found_signalled_and_passed_on() {
    let data_dir = tempfile::tempdir().unwrap();
    let origin = Origin::over_testdata(data_dir.path());
    origin.set_up(2);
    let asset = origin.ingest("captions", "quirks/captions/master.m3u8");
    let caption = |channel: &str, name: Value, language: Value, declared: bool| json!({ "channel": channel, "name": name, "language": language, "declared": declared });
    let expected = json!([
        caption("CC1", json!("English"), json!("en-US"), true),
        caption("CC3", Value::Null, Value::Null, false),
        caption("SERVICE1", json!("English, digital"), json!("en"), true),
    ]);
    assert_eq!(asset["report"]["streams"][0]["captions"], expected, "{asset}");

    let group = "#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"cc\"";
    let lines = [
        format!(
            "{group},NAME=\"English\",LANGUAGE=\"en-US\",DEFAULT=YES,AUTOSELECT=YES,INSTREAM-ID=\"CC1\""
        ),
        format!("{group},NAME=\"CC3\",DEFAULT=NO,AUTOSELECT=YES,INSTREAM-ID=\"CC3\""),
        format!(
            "{group},NAME=\"English, digital\",LANGUAGE=\"en\",DEFAULT=NO,AUTOSELECT=YES,INSTREAM-ID=\"SERVICE1\""
        ),
    ];
    let mut files = Vec::new();
    for configuration in ["hls", "cmaf"] {
        let path = format!("/vod/v1/captions/{configuration}/index.m3u8");
        let master = origin.get(&path);
        let captions: Vec<&str> =
            master.text().lines().filter(|line| line.contains("TYPE=CLOSED-CAPTIONS")).collect();
        assert_eq!(captions, lines, "{configuration}");
        let variants = master.text().lines().filter(|line| line.starts_with("#EXT-X-STREAM-INF"));
        for variant in variants {
            assert!(variant.contains(",CLOSED-CAPTIONS=\"cc\""), "{variant}");
        }
        let playlists = media_playlists(&origin, &path);
        let (path, text) = playlists.iter().find(|(path, _)| !path.contains("/audio-")).unwrap();
        files.push(whole(&origin, path, text));
    }
    let mpd = origin.get("/vod/v1/captions/dash/index.mpd");
    for descriptor in [
        "<Accessibility schemeIdUri=\"urn:scte:dash:cc:cea-608:2015\" value=\"CC1=eng;CC3=und\"/>",
        "<Accessibility schemeIdUri=\"urn:scte:dash:cc:cea-708:2015\" value=\"1=lang:eng\"/>",
    ] {
        assert_eq!(mpd.text().matches(descriptor).count(), 1, "{}", mpd.text());
    }
    let found = mpd_segments("/vod/v1/captions/dash/index.mpd", mpd.text());
    let media = found.media.iter().map(|(url, ..)| url).filter(|url| url.contains("/video-"));
    let dash: Vec<u8> = media.flat_map(|url| origin.get(url).body).collect();

    // Each picture has a message, in whichever container.
    let [hls, cmaf] = &files[..] else { panic!() };
    assert_eq!(messages(cmaf).len(), 150);
    assert_eq!(messages(cmaf), messages(&dash));
    let folder = tempfile::tempdir().unwrap();
    let source = (0..3).flat_map(|n| {
        std::fs::read(testdata().join(format!("quirks/captions/{n:03}.ts"))).unwrap()
    });
    let source: Vec<u8> = source.collect();
    for field in ["first", "second"] {
        let Some(wanted) = decoded(folder.path(), "source.ts", &source, field) else {
            println!("skipped: ffmpeg is not there");
            return;
        };
        assert!(wanted.contains("from CC1") == (field == "first"), "{wanted}");
        assert_eq!(decoded(folder.path(), "hls.ts", hls, field).unwrap(), wanted);
        assert_eq!(decoded(folder.path(), "cmaf.mp4", cmaf, field).unwrap(), wanted);
    }
}

#[test]
fn where_there_are_no_captions_the_master_playlist_says_so() {
    let data_dir = tempfile::tempdir().unwrap();
    let origin = Origin::over_testdata(data_dir.path());
    origin.set_up(2);
    origin.ingest("ladder", "ladder/master.m3u8");
    for configuration in ["hls", "cmaf"] {
        let master = origin.get(&format!("/vod/v1/ladder/{configuration}/index.m3u8"));
        let mut variants =
            master.text().lines().filter(|line| line.starts_with("#EXT-X-STREAM-INF"));
        assert!(variants.all(|line| line.ends_with(",CLOSED-CAPTIONS=NONE")), "{}", master.text());
        assert!(!master.text().contains("TYPE=CLOSED-CAPTIONS"));
    }
    let mpd = origin.get("/vod/v1/ladder/dash/index.mpd");
    assert!(!mpd.text().contains("Accessibility"));
}

#[test]
fn captions_of_real_media_are_those_that_their_playlist_declares() {
    let stated = std::env::var_os("PACKORIGIN_TEST_MEDIA").map(std::path::PathBuf::from);
    let media = stated.unwrap_or(Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/media"));
    if !media.join("presentations/media3-cea608").is_dir() {
        println!("skipped: no media at PACKORIGIN_TEST_MEDIA or ../shared/media");
        return;
    }
    let data_dir = tempfile::tempdir().unwrap();
    let media = media.canonicalize().unwrap();
    let origin = Origin::start(data_dir.path(), &format!("file://{}", media.display()));
    origin.set_up(6);
    let asset = origin.ingest("captions", "presentations/media3-cea608/manifest.m3u8");
    let captions = asset["report"]["streams"][0]["captions"].as_array().unwrap();
    let told: Vec<_> = captions.iter().map(|c| (&c["channel"], &c["declared"])).collect();
    assert_eq!(told, [(&json!("CC1"), &json!(true))], "{asset}");
}
