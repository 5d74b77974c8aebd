//! The source loses objects: what configurations that fail and that heal make of it, from outside.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::media::{fragment_times, media_playlists, mpd_segments, playlist_segments, resolve};
use crate::origin::{Origin, testdata};

/// Everything is seen within this; a survey is a second old at most.
const PATIENCE: Duration = Duration::from_secs(20);

/// An origin over a copy of the ladder, with a configuration of each package type that heals
/// beside those that fail.
struct Title {
    origin: Origin,
    media: tempfile::TempDir,
    _data_dir: tempfile::TempDir,
}

impl Title {
    fn new() -> Self {
        let (data_dir, media) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let sample = testdata().join("ladder");
        std::fs::copy(sample.join("master.m3u8"), media.path().join("master.m3u8")).unwrap();
        for stream in ["144p", "240p", "360p"] {
            std::fs::create_dir(media.path().join(stream)).unwrap();
            for entry in std::fs::read_dir(sample.join(stream)).unwrap() {
                let entry = entry.unwrap();
                let to = media.path().join(stream).join(entry.file_name());
                std::fs::copy(entry.path(), to).unwrap();
            }
        }
        let url = format!("file://{}", media.path().display());
        let environment = [
            ("PACKORIGIN_PLAYBACK_HEAL_SURVEY_SECONDS", "1"),
            ("PACKORIGIN_CACHE_SEGMENT_BYTES", "0"),
            ("PACKORIGIN_CACHE_SOURCE_BYTES", "0"),
        ];
        let origin = Origin::start_with(data_dir.path(), &url, &environment);
        origin.set_up(6);
        let title = Self { origin, media, _data_dir: data_dir };
        title.configure("healing-hls", json!({ "packageType": "HLS" }));
        title.configure("healing-dash", json!({ "packageType": "DASH" }));
        title.configure("healing-cmaf", json!({ "packageType": "HLS_CMAF" }));
        let body = json!({
            "name": "ladder", "packagingGroup": "web", "path": "master.m3u8",
            "contentId": "ladder-1",
        });
        let created = title.origin.call("POST", "/v1/assets", Some(body));
        assert_eq!(created.status, 202, "{}", created.text());
        title.origin.wait_for("ladder", |asset| asset["status"] == "PLAYABLE");
        title
    }

    fn configure(&self, name: &str, mut body: serde_json::Value) {
        body["name"] = json!(name);
        body["onSourceError"] = json!("heal");
        let path = "/v1/packaging-groups/web/packaging-configurations";
        let created = self.origin.call("POST", path, Some(body));
        assert_eq!(created.status, 201, "{}", created.text());
        assert_eq!(created.json()["onSourceError"], "heal");
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.media.path().join(name)).unwrap();
    }

    fn bring_back(&self, name: &str) {
        let from = testdata().join("ladder").join(name);
        std::fs::copy(from, self.media.path().join(name)).unwrap();
    }

    fn master(configuration: &str) -> String {
        format!("/vod/v1/ladder/{configuration}/index.m3u8")
    }

    /// The media playlists of a configuration, as soon as they are as wanted.
    fn playlists(
        &self,
        configuration: &str,
        wanted: impl Fn(&[(String, String)]) -> bool,
    ) -> Vec<(String, String)> {
        let started = Instant::now();
        loop {
            let playlists = media_playlists(&self.origin, &Self::master(configuration));
            if wanted(&playlists) {
                return playlists;
            }
            assert!(started.elapsed() < PATIENCE, "{configuration} stays {playlists:#?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The MPD of the configuration that heals, as soon as it is as wanted.
    fn mpd(&self, wanted: impl Fn(&str) -> bool) -> String {
        let started = Instant::now();
        loop {
            let mpd = self.origin.get(MPD);
            if mpd.status == 200 && wanted(mpd.text()) {
                return mpd.text().to_owned();
            }
            assert!(started.elapsed() < PATIENCE, "the MPD stays {}", mpd.text());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

const MPD: &str = "/vod/v1/ladder/healing-dash/index.mpd";
const GAP: &str = "#EXT-X-GAP";

fn has_gaps(playlists: &[(String, String)]) -> bool {
    playlists.iter().any(|(_, text)| text.contains(GAP))
}

/// A playlist by the rendition that it is of.
fn of<'a>(playlists: &'a [(String, String)], rendition: &str) -> &'a (String, String) {
    let name = format!("/{rendition}.m3u8");
    playlists.iter().find(|(path, _)| path.ends_with(&name)).unwrap()
}

/// The URLs behind a gap tag.
fn gaps((path, text): &(String, String)) -> Vec<String> {
    let gaps = text.split(GAP).skip(1);
    gaps.flat_map(|behind| playlist_segments(path, behind.trim_start()).into_iter().next())
        .map(|segment| segment.url)
        .collect()
}

/// The bytes of 16-bit samples that ffmpeg decodes from an init segment and fragments.
fn decoded(parts: &[&[u8]]) -> Option<Vec<u8>> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), parts.concat()).unwrap();
    let ffmpeg = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(file.path())
        .args(["-f", "s16le", "-"])
        .output();
    let Ok(output) = ffmpeg else {
        println!("skipped: there is no ffmpeg");
        return None;
    };
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    Some(output.stdout)
}

#[test]
fn playlists_that_heal_have_gaps_and_silence_and_get_over_it() {
    let title = Title::new();
    let origin = &title.origin;
    let whole = title.playlists("healing-cmaf", |_| true);
    let failing = title.playlists("cmaf", |_| true);
    let muxed = title.playlists("healing-hls", |_| true);
    assert!(!has_gaps(&whole) && !has_gaps(&muxed));
    // The same segments, whatever becomes of errors.
    for ((path, text), (failing_path, failing_text)) in whole.iter().zip(&failing) {
        assert_ne!(path, failing_path);
        assert_eq!(text, failing_text);
    }
    let mut sound = Vec::new();
    let (audio_path, audio) = of(&whole, "audio-1");
    for segment in playlist_segments(audio_path, audio) {
        sound.push(fragment_times(&origin.get(&segment.url).body));
    }

    title.remove("360p/001.ts");
    let healed = title.playlists("healing-cmaf", has_gaps);
    // Pictures of the one rendition are gaps, at URLs as before, which cannot be had.
    let (before, after) = (of(&whole, "video-1"), of(&healed, "video-1"));
    assert_eq!(after.1.replace("#EXT-X-GAP\n", ""), before.1);
    let gone = gaps(after);
    assert!(!gone.is_empty() && gone.len() < 4, "{gone:?}");
    for segment in playlist_segments(&after.0, &after.1) {
        let answer = origin.get(&segment.url);
        if gone.contains(&segment.url) {
            assert_eq!((answer.status, &answer.json()["code"]), (502, &json!("source_failed")));
        } else {
            assert_eq!(answer.status, 200, "{}", segment.url);
        }
    }
    assert_eq!(of(&healed, "video-2"), of(&whole, "video-2"));
    // Sound is silent for so long, at URLs of its own.
    let (audio_path, audio) = of(&healed, "audio-1");
    assert!(!audio.contains(GAP), "{audio}");
    let mut silent = Vec::new();
    for (segment, times) in playlist_segments(audio_path, audio).iter().zip(&sound) {
        let answer = origin.get(&segment.url);
        assert_eq!(answer.status, 200, "{}", segment.url);
        assert_eq!(fragment_times(&answer.body), *times, "{}", segment.url);
        if segment.url.contains("/silence/") {
            assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
            assert_eq!(
                origin.head(&segment.url).header("content-length"),
                answer.body.len().to_string()
            );
            silent.push(answer.body);
        }
    }
    assert!(!silent.is_empty() && silent.len() < sound.len());
    let map = audio.lines().find_map(|line| line.strip_prefix("#EXT-X-MAP:")).unwrap();
    let init = map.trim_start_matches("URI=").trim_matches('"');
    let init = origin.get(&resolve(audio_path, init));
    let parts: Vec<&[u8]> =
        [&init.body].into_iter().chain(&silent).map(|body| body.as_ref()).collect();
    if let Some(samples) = decoded(&parts) {
        assert!(!samples.is_empty() && samples.iter().all(|byte| *byte == 0));
    }
    // Such a playlist may change again.
    let cache_control = origin.get(audio_path).header("cache-control").to_owned();
    assert!(!cache_control.contains("immutable"), "{cache_control}");

    let healed_muxed = title.playlists("healing-hls", has_gaps);
    let (before, after) = (of(&muxed, "av-1"), of(&healed_muxed, "av-1"));
    assert_eq!(after.1.replace("#EXT-X-GAP\n", ""), before.1);
    assert_eq!(of(&healed_muxed, "av-2"), of(&muxed, "av-2"));

    // Who fails says nothing in playlists.
    assert_eq!(title.playlists("cmaf", |_| true), failing);
    let metrics = origin.call("GET", "/metrics", None);
    let metrics = metrics.text();
    assert!(metrics.lines().any(|line| line == "packorigin_source_missing_objects 1"), "{metrics}");
    for healing in ["gap", "silence"] {
        let name = format!("packorigin_healed_segments_total{{healing=\"{healing}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&name)).unwrap();
        assert!(line.parse::<u64>().unwrap() > 0, "{line}");
    }

    title.bring_back("360p/001.ts");
    assert_eq!(title.playlists("healing-cmaf", |now| !has_gaps(now)), whole);
    assert_eq!(title.playlists("healing-hls", |now| !has_gaps(now)), muxed);
}

#[test]
fn an_mpd_that_heals_has_periods_without_what_is_missing() {
    let title = Title::new();
    let whole = title.mpd(|_| true);
    let periods = |mpd: &str| mpd.matches("<Period ").count();
    assert_eq!(periods(&whole), 1);

    title.remove("360p/001.ts");
    let healed = title.mpd(|mpd| periods(mpd) > 1);
    assert_eq!(periods(&healed), 3, "{healed}");
    let parts: Vec<&str> = healed.split("<Period ").collect();
    let has = |part: usize, what: &str| parts[part].contains(what);
    for part in [1, 3] {
        assert!(has(part, "\"video-1\"") && !has(part, "/silence/"), "{}", parts[part]);
    }
    assert!(!has(2, "\"video-1\"") && has(2, "\"video-2\"") && has(2, "/silence/$Time$"));
    let listed = mpd_segments(MPD, &healed);
    for url in listed.inits.iter().chain(listed.media.iter().map(|(url, ..)| url)) {
        assert_eq!(title.origin.get(url).status, 200, "{url}");
    }

    // Without pictures for a while, and cut short instead of gone.
    title.remove("240p/001.ts");
    let cut = title.media.path().join("144p/001.ts");
    let file = std::fs::OpenOptions::new().write(true).open(cut).unwrap();
    file.set_len(188).unwrap();
    let healed = title.mpd(|mpd| periods(mpd) == 2);
    assert!(!healed.contains("/silence/"), "{healed}");
    let listed = mpd_segments(MPD, &healed);
    for (url, ..) in &listed.media {
        assert_eq!(title.origin.get(url).status, 200, "{url}");
    }
    // The second period begins where pictures end, and ends where the title does.
    let parts: Vec<&str> = healed.split("<Period ").collect();
    assert!(parts[2].contains("start=\"PT6S\" duration=\"PT28S\""), "{}", parts[2]);

    for name in ["144p/001.ts", "240p/001.ts", "360p/001.ts"] {
        title.bring_back(name);
    }
    assert_eq!(title.mpd(|mpd| periods(mpd) == 1), whole);
}

#[test]
fn sound_of_an_encrypted_rendition_is_silent_only_where_it_may_be_clear() {
    let title = Title::new();
    let encryption = |clear_lead: u32| {
        json!({
            "systemIds": [WIDEVINE],
            "scheme": "cenc",
            "clearLeadSegments": clear_lead,
            "staticKeys": [{ "trackType": "ALL", "keyId": KEY_ID, "key": KEY }],
        })
    };
    for (name, clear_lead) in [("encrypted", 0), ("led", 1)] {
        let body = json!({ "packageType": "HLS_CMAF", "encryption": encryption(clear_lead) });
        title.configure(name, body);
    }
    title.remove("360p/003.ts");
    let encrypted = title.playlists("encrypted", has_gaps);
    let (_, audio) = of(&encrypted, "audio-1");
    assert!(audio.contains(GAP) && !audio.contains("/silence/"), "{audio}");
    let led = title.playlists("led", has_gaps);
    let (path, audio) = of(&led, "audio-1");
    assert!(!audio.contains(GAP) && audio.contains("/silence/"), "{audio}");
    let before: Vec<&str> = audio.lines().take_while(|line| !line.contains("/silence/")).collect();
    let key = before.iter().rev().find(|line| line.starts_with("#EXT-X-KEY:"));
    assert_eq!(key, Some(&"#EXT-X-KEY:METHOD=NONE"), "{audio}");
    let silent = playlist_segments(path, audio);
    let silent = silent.iter().find(|segment| segment.url.contains("/silence/")).unwrap();
    assert_eq!(title.origin.get(&silent.url).status, 200);
    // The name stands for nothing where silence is not to be had.
    let (path, audio) = of(&encrypted, "audio-1");
    let url = &playlist_segments(path, audio)[0].url;
    let (folder, file) = url.rsplit_once('/').unwrap();
    assert_eq!(title.origin.get(&format!("{folder}/silence/{file}")).status, 404);
}

const WIDEVINE: &str = "edef8ba9-79d6-4ace-a3c8-27dcd51d21ed";
const KEY_ID: &str = "11111111-2222-3333-4444-555555555555";
const KEY: &str = "00112233445566778899aabbccddeeff";
