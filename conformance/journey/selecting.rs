//! What players ask for at play time, filters and clips, checked from outside.

use std::collections::BTreeSet;

use serde_json::json;

use crate::media::{
    attribute, media_playlists, mpd_segments, playlist_segments, playlist_uris, resolve,
};
use crate::origin::{Answer, Origin};

const CONFIGURATIONS: &str = "/v1/packaging-groups/web/packaging-configurations";
const ENTRIES: [&str; 3] = ["hls/index.m3u8", "cmaf/index.m3u8", "dash/index.mpd"];

fn origin(data_dir: &tempfile::TempDir, assets: &[(&str, &str)]) -> Origin {
    let origin = Origin::over_testdata(data_dir.path());
    origin.set_up(6);
    for (name, path) in assets {
        let asset = origin.ingest(name, path);
        assert_eq!(asset["status"], "PLAYABLE", "{asset}");
    }
    origin
}

fn ladder(data_dir: &tempfile::TempDir) -> Origin {
    origin(data_dir, &[("ladder", "ladder/master.m3u8")])
}

fn entry(name: &str) -> String {
    format!("/vod/v1/ladder/{name}")
}

/// The media segments that an entry manifest leads to, with playlists in between if there are some.
fn segments(origin: &Origin, path: &str) -> BTreeSet<String> {
    if path.contains(".mpd") {
        let mpd = origin.get(path);
        assert_eq!(mpd.status, 200, "{path}: {}", mpd.text());
        let base = path.split('?').next().unwrap();
        return mpd_segments(base, mpd.text()).media.into_iter().map(|(url, ..)| url).collect();
    }
    let playlists = media_playlists(origin, path);
    let segments = playlists.iter().flat_map(|(path, text)| playlist_segments(path, text));
    segments.map(|segment| segment.url).collect()
}

fn refused(answer: &Answer, wanted: &str, query: &str) {
    assert_eq!(answer.status, 400, "{query}: {}", answer.text());
    let problem = answer.json();
    assert_eq!(problem["code"], "invalid_argument", "{query}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(wanted), "{query}: {detail}");
}

#[test]
fn filters_answer_with_the_statuses_that_players_know() {
    let data_dir = tempfile::tempdir().unwrap();
    let origin = ladder(&data_dir);
    for name in ENTRIES {
        for parameter in ["filter", "aws.manifestfilter"] {
            for good in [
                "video_height:0-2147483647",
                "VIDEO_CODEC:H264;audio_codec:aacl",
                "video_height%3A144%2C240-360",
                "video_framerate:23.976-24",
                "audio_language:und,dahlia",
                "subtitle_language:en-US,%20hi",
                "trickplay_type:iframe;trickplay_height:0-100",
                "audio_channels:1-8;audio_sample_rate:48000;audio_bitrate:0-2147483647",
                "video_dynamic_range:sdr;video_bitrate:0-2147483647",
            ] {
                let path = format!("{}?token=x&{parameter}={good}", entry(name));
                let answer = origin.get(&path);
                assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            }
            for (bad, wanted) in [
                ("", "no condition"),
                ("video_height", "no condition"),
                ("donut_type:rhododendron", "\"donut_type\" cannot be filtered by"),
                ("audio_sample_rate:300-0", "ends before it begins"),
                ("audio_sample_rate:0-2147483648", "2147483647"),
                ("audio_sample_rate:is:0-44100", "no condition"),
                ("video_codec:h264;video_codec:h265", "twice"),
                ("video_codec:vp8", "h264, h265"),
                ("video_height:1;audio_codec:ec-3", "leaves nothing"),
            ] {
                let path = format!("{}?{parameter}={bad}", entry(name));
                refused(&origin.get(&path), wanted, &path);
            }
            let long = format!("audio_language:{}", "a".repeat(1_010));
            let path = format!("{}?{parameter}={long}", entry(name));
            refused(&origin.get(&path), "at most 1024 characters", &path);
        }
        let both = "filter=video_height:1&aws.manifestfilter=video_height:1";
        refused(&origin.get(&format!("{}?{both}", entry(name))), "twice", both);
    }
    // A language that no sound has is no mistake, and pictures are left.
    let silent = origin.get(&format!("{}?filter=audio_language:dahlia", entry("cmaf/index.m3u8")));
    assert_eq!(silent.status, 200);
    assert!(!silent.text().contains("audio-1"), "{}", silent.text());
    // Only entry manifests are filtered.
    let playlists = media_playlists(&origin, &entry("cmaf/index.m3u8"));
    let (playlist, text) = &playlists[0];
    let mut paths = vec![playlist.clone(), playlist_segments(playlist, text)[0].url.clone()];
    paths.extend(playlist_uris(text).first().map(|uri| resolve(playlist, uri)));
    for path in paths {
        for query in ["filter=video_codec:h264", "aws.manifestfilter=x", "start=0", "precise=1"] {
            refused(&origin.get(&format!("{path}?{query}")), "entry manifest", query);
        }
        assert_eq!(origin.get(&format!("{path}?Filter=x&_HLS_msn=3")).status, 200);
    }
}

#[test]
fn filtered_manifests_lead_to_the_same_segments() {
    let data_dir = tempfile::tempdir().unwrap();
    let origin = ladder(&data_dir);
    for name in ENTRIES {
        let whole = segments(&origin, &entry(name));
        let path = format!("{}?filter=video_height:0-240", entry(name));
        let left = segments(&origin, &path);
        assert!(left.is_subset(&whole), "{name}");
        // Two of three renditions; sound apart from them stays.
        let has_sound = whole.iter().any(|url| url.contains("/audio-"));
        assert_eq!(left.len(), if has_sound { 18 } else { 12 }, "{name}");
        assert!(left.iter().all(|url| !url.contains("/video-1/") && !url.contains("/av-1/")));

        let (whole, left) = (origin.get(&entry(name)), origin.get(&path));
        assert_eq!(left.header("cache-control"), whole.header("cache-control"));
        assert_eq!(left.header("content-type"), whole.header("content-type"));
        assert_ne!(left.header("etag"), whole.header("etag"));
        assert!(left.header("etag").starts_with('"'), "{}", left.header("etag"));
        let again = origin.get_with(&path, &[("if-none-match", left.header("etag"))]);
        assert_eq!((again.status, again.body.len()), (304, 0));
        assert_eq!(origin.head(&path).header("content-length"), left.body.len().to_string());
        // What filters nothing is the whole.
        let all = origin.get(&format!("{}?filter=video_codec:h264", entry(name)));
        assert_eq!(all.text(), whole.text());
    }
    let mpd = origin.get(&format!("{}?filter=video_height:0-240", entry("dash/index.mpd")));
    assert_eq!(attribute(mpd.text(), "maxHeight"), Some("240"));
    // A set keeps its number though the one before it is gone.
    let sound = origin.get(&format!("{}?filter=video_height:1", entry("dash/index.mpd")));
    assert_eq!(
        attribute(sound.text().split("<AdaptationSet").nth(1).unwrap(), "id"),
        Some("10001")
    );
    let sound = origin.get(&format!("{}?filter=video_height:1", entry("cmaf/index.m3u8")));
    assert_eq!(sound.text().matches("#EXT-X-STREAM-INF").count(), 1, "{}", sound.text());
    assert_eq!(
        segments(&origin, &format!("{}?filter=video_height:1", entry("cmaf/index.m3u8"))).len(),
        6
    );
}

#[test]
fn the_filter_of_a_configuration_comes_first() {
    let data_dir = tempfile::tempdir().unwrap();
    let origin = ladder(&data_dir);
    let body =
        |filter: &str| json!({ "name": "small", "packageType": "HLS_CMAF", "filter": filter });
    let created = origin.call("POST", CONFIGURATIONS, Some(body("Video_Height:0-240")));
    assert_eq!(created.status, 201, "{}", created.text());
    assert_eq!(created.json()["filter"], "Video_Height:0-240");
    let small = entry("small/index.m3u8");
    let names = |path: &str| -> Vec<String> {
        let master = origin.get(path);
        assert_eq!(master.status, 200, "{}", master.text());
        let lines = master.text().lines().filter(|line| !line.starts_with('#'));
        lines.map(|uri| uri.rsplit('/').next().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&small), ["video-2.m3u8", "video-3.m3u8"]);
    assert_eq!(
        names(&format!("{small}?filter=video_height:144-360")),
        ["video-2.m3u8", "video-3.m3u8"]
    );
    assert_eq!(names(&format!("{small}?filter=video_height:144")), ["video-3.m3u8"]);
    let all = segments(&origin, &entry("cmaf/index.m3u8"));
    assert!(segments(&origin, &small).is_subset(&all));
    // What the operator's filter leaves out is not to be had by another one.
    let nothing = origin.get(&format!("{small}?filter=video_height:360;audio_codec:ec-3"));
    refused(&nothing, "leaves nothing", "360");

    let path = format!("{CONFIGURATIONS}/small");
    let refusal = origin.call("PUT", &path, Some(body("video_height:2-1")));
    assert_eq!((refusal.status, &refusal.json()["code"]), (400, &json!("invalid_argument")));
    // A filter that leaves nothing is told to player and operator, as a selection is.
    assert_eq!(
        origin.call("PUT", &path, Some(body("video_height:1;audio_channels:9"))).status,
        200
    );
    let answer = origin.get(&small);
    assert_eq!(answer.status, 404);
    assert!(answer.json()["detail"].as_str().unwrap().contains("audio_channels:9"));
    let asset = origin.call("GET", "/v1/assets/ladder", None).json();
    let endpoints = asset["egressEndpoints"].as_array().unwrap();
    let endpoint = endpoints.iter().find(|e| e["packagingConfiguration"] == "small").unwrap();
    assert_eq!(endpoint["failure"]["code"], "no_streams", "{endpoint}");
}

#[test]
fn configurations_that_differ_in_what_they_show_alone_are_told_apart() {
    let data_dir = tempfile::tempdir().unwrap();
    let origin = ladder(&data_dir);
    let more = [
        json!({ "name": "other-1", "packageType": "HLS" }),
        json!({ "name": "other-2", "packageType": "HLS", "audioLayout": "SEPARATE" }),
        json!({ "name": "other-3", "packageType": "HLS", "filter": "video_height:240" }),
    ];
    for body in more {
        assert_eq!(origin.call("POST", CONFIGURATIONS, Some(body)).status, 201);
    }
    let etag = |name: &str| {
        let answer = origin.get(&entry(&format!("{name}/index.m3u8")));
        assert_eq!(answer.status, 200);
        answer.header("etag").to_owned()
    };
    let found = ["hls", "other-1", "other-2", "other-3"].map(etag);
    assert_eq!(found[0], found[1]);
    assert_eq!(BTreeSet::from(found).len(), 3);
}

#[test]
fn languages_are_chosen_in_playlists_and_mpds() {
    let data_dir = tempfile::tempdir().unwrap();
    let origin = origin(&data_dir, &[("languages", "languages/master.m3u8")]);
    let get = |path: &str| {
        let answer = origin.get(&format!("/vod/v1/languages/{path}"));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.text().to_owned()
    };
    let in_playlist = |text: &str| -> BTreeSet<String> {
        let media = text.lines().filter(|line| line.starts_with("#EXT-X-MEDIA:TYPE=AUDIO"));
        let languages = media.filter_map(|line| {
            let (_, behind) = line.split_once(",LANGUAGE=\"")?;
            Some(behind.split('"').next()?.to_owned())
        });
        languages.collect()
    };
    let in_mpd = |text: &str| -> BTreeSet<String> {
        let sets = text.split("<AdaptationSet").skip(1);
        sets.filter_map(|set| attribute(set.split('>').next()?, "lang"))
            .map(str::to_owned)
            .collect()
    };
    let all = in_playlist(&get("cmaf/index.m3u8"));
    assert!(all.len() > 1, "{all:?}");
    assert_eq!(in_mpd(&get("dash/index.mpd")), all);
    for language in &all {
        let only = BTreeSet::from([language.clone()]);
        let query = format!("filter=audio_language:{},dahlia", language.to_uppercase());
        let master = get(&format!("cmaf/index.m3u8?{query}"));
        assert_eq!(in_playlist(&master), only);
        assert_eq!(in_mpd(&get(&format!("dash/index.mpd?{query}"))), only);
        // Every variant has sound, of which it finds the group.
        for line in master.lines().filter(|line| line.starts_with("#EXT-X-STREAM-INF")) {
            let (_, group) = line.split_once(",AUDIO=").unwrap();
            let group = group.split(',').next().unwrap();
            assert!(master.contains(&format!("GROUP-ID={group}")), "{master}");
        }
    }
}

/// The parts of a title as its MPD lists them: URL, and start and end in seconds of the whole.
fn whole_segments(origin: &Origin, path: &str) -> Vec<(String, f64, f64)> {
    let mpd = origin.get(path);
    let origin_of = |url: &str| {
        let set = if url.contains("/audio-") { 2 } else { 1 };
        let set = mpd.text().split("<AdaptationSet").nth(set).unwrap();
        attribute(set, "presentationTimeOffset").unwrap().parse::<f64>().unwrap()
    };
    let media = mpd_segments(path, mpd.text()).media.into_iter();
    media
        .map(|(url, time, duration, hertz)| {
            let start = (time as f64 - origin_of(&url)) / hertz as f64;
            (url, start, start + duration as f64 / hertz as f64)
        })
        .collect()
}

#[test]
fn clips_lead_to_the_same_segments() {
    let data_dir = tempfile::tempdir().unwrap();
    let origin = ladder(&data_dir);
    let whole = whole_segments(&origin, &entry("dash/index.mpd"));
    for (query, from, to) in [
        ("start=6&end=18", 6.0, 18.0),
        ("start=5.5&end=18.5", 6.0, 18.0),
        ("start=13", 18.0, 34.0),
        ("end=33.9", 0.0, 30.0),
        ("start=7&end=17&precise=true", 6.0, 18.0),
        ("start=0&end=34", 0.0, 34.0),
    ] {
        let wanted: BTreeSet<String> = whole
            .iter()
            .filter(|(_, start, end)| *start > from - 0.1 && *end < to + 0.1)
            .map(|(url, ..)| url.clone())
            .collect();
        assert!(!wanted.is_empty());
        for name in ["dash/index.mpd", "cmaf/index.m3u8"] {
            let found = segments(&origin, &format!("{}?{query}", entry(name)));
            assert_eq!(found, wanted, "{name} {query}");
        }
        let path = entry("hls/index.m3u8");
        let clip = segments(&origin, &format!("{path}?{query}"));
        assert!(clip.is_subset(&segments(&origin, &path)));
        assert_eq!(clip.len(), wanted.len() / 4 * 3, "{query}");
    }
    let both = segments(
        &origin,
        &format!("{}?start=6&end=18&filter=video_height:240", entry("dash/index.mpd")),
    );
    assert_eq!(both.len(), 4);
}

#[test]
fn clipped_playlists_are_parts_of_the_whole_ones_and_never_change() {
    let data_dir = tempfile::tempdir().unwrap();
    let origin = ladder(&data_dir);
    for name in ["hls/index.m3u8", "cmaf/index.m3u8"] {
        let whole = media_playlists(&origin, &entry(name));
        let clip = media_playlists(&origin, &format!("{}?start=6&end=18.2", entry(name)));
        assert_eq!(clip.len(), whole.len());
        for ((path, text), (whole_path, whole_text)) in clip.iter().zip(&whole) {
            assert_eq!(path.replace("/clip-540000-1620000", ""), *whole_path);
            let parts = playlist_segments(path, text);
            let all = playlist_segments(whole_path, whole_text);
            let of = |list: &[crate::media::Listed]| -> Vec<_> {
                list.iter().map(|segment| (segment.url.clone(), segment.micros)).collect()
            };
            assert_eq!(of(&parts), of(&all)[1..3]);
            // The numbers are those of the whole: they are IVs.
            assert!(text.contains("#EXT-X-MEDIA-SEQUENCE:1\n"), "{text}");
            assert!(text.ends_with("#EXT-X-ENDLIST\n"));
            let answer = origin.get(path);
            assert!(answer.header("cache-control").contains("immutable"), "{path}");
            for uri in playlist_uris(text) {
                assert_eq!(origin.get(&resolve(path, &uri)).status, 200, "{uri}");
            }
            for odd in ["clip-540001-1620000", "clip-0540000-1620000", "clip-1620000-540000"] {
                let odd = path.replace("clip-540000-1620000", odd);
                assert_eq!(origin.get(&odd).status, 404, "{odd}");
            }
        }
    }
    // Clips of one place share their playlists.
    let master = |query: &str| origin.get(&format!("{}?{query}", entry("cmaf/index.m3u8")));
    let (a, b) = (master("start=6&end=18.2"), master("end=18&start=2.000"));
    assert_eq!(a.header("etag"), b.header("etag"));
}

#[test]
fn exact_points_are_signalled() {
    let data_dir = tempfile::tempdir().unwrap();
    let origin = ladder(&data_dir);
    let get = |name: &str, query: &str| {
        let answer = origin.get(&format!("{}?{query}", entry(name)));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text().to_owned()
    };
    let exact = "start=7.25&end=16&precise=true";
    for name in ["hls/index.m3u8", "cmaf/index.m3u8"] {
        let master = get(name, exact);
        assert!(master.contains("#EXT-X-START:TIME-OFFSET=1.250000,PRECISE=YES\n"), "{master}");
        assert!(!get(name, "start=7.25&end=20").contains("EXT-X-START"));
        assert!(!get(name, "start=6&end=16&precise=true").contains("EXT-X-START"));
    }
    let mpd = get("dash/index.mpd", exact);
    assert_eq!(attribute(&mpd, "mediaPresentationDuration"), Some("PT8.75S"));
    let period = mpd.split("<Period").nth(1).unwrap();
    assert_eq!(
        (attribute(period, "start"), attribute(period, "duration")),
        (Some("PT0S"), Some("PT8.75S"))
    );
    let whole = get("dash/index.mpd", "");
    for set in [1, 2] {
        let number = |mpd: &str, name: &str| -> i64 {
            attribute(mpd.split("<AdaptationSet").nth(set).unwrap(), name).unwrap().parse().unwrap()
        };
        let offset =
            number(&mpd, "presentationTimeOffset") - number(&whole, "presentationTimeOffset");
        assert_eq!(offset * 4, 29 * number(&mpd, "timescale"));
    }
    // Cut inwards, the period begins with its first segment.
    let mpd = get("dash/index.mpd", "start=5&end=20");
    assert_eq!(attribute(&mpd, "mediaPresentationDuration"), Some("PT12S"));
}

#[test]
fn impossible_clips_are_refused() {
    let data_dir = tempfile::tempdir().unwrap();
    let origin = ladder(&data_dir);
    for name in ENTRIES {
        for (query, wanted) in [
            ("start=34", "start lies beyond the end; the title lasts 34.000 s"),
            ("start=99&end=100", "start lies beyond the end"),
            ("start=6&end=34.1", "end lies beyond the end"),
            ("start=18&end=6", "start must be before end"),
            ("start=6&end=6", "start must be before end"),
            ("start=-1", "not negative"),
            ("end=-1", "not negative"),
            ("start=NaN", "seconds"),
            ("start=1e1", "seconds"),
            ("start=7&end=17", "no whole segment"),
            ("start=6&start=6", "twice"),
            ("precise=true", "needs start or end"),
            ("start=2026-01-31T20:15:00Z", "source name none"),
        ] {
            refused(&origin.get(&format!("{}?{query}", entry(name))), wanted, query);
        }
    }
}

#[test]
fn clips_of_titles_with_several_periods_drop_and_cut_them() {
    let data_dir = tempfile::tempdir().unwrap();
    let assets = [("change", "codecs-change/master.m3u8"), ("camera", "camera/master.m3u8")];
    let origin = origin(&data_dir, &assets);
    // Two periods of 8 s, each of a segment of 6 s and one of 2 s.
    let path = |query: &str| format!("/vod/v1/change/dash/index.mpd?{query}");
    let whole = segments(&origin, &path(""));
    for (query, periods) in [("end=8", 1), ("start=8", 1), ("start=6", 2), ("start=6&end=14", 2)] {
        let mpd = origin.get(&path(query));
        assert_eq!(mpd.text().matches("<Period ").count(), periods, "{query}: {}", mpd.text());
        assert_eq!(attribute(mpd.text().split("<Period").nth(1).unwrap(), "start"), Some("PT0S"));
        let clip = segments(&origin, &path(query));
        assert!(clip.is_subset(&whole) && clip.len() < whole.len(), "{query}");
    }
    let halves = [segments(&origin, &path("end=8")), segments(&origin, &path("start=8"))];
    assert!(halves[0].is_disjoint(&halves[1]));
    assert_eq!(halves[0].union(&halves[1]).cloned().collect::<BTreeSet<_>>(), whole);
    for configuration in ["hls", "cmaf"] {
        let path = format!("/vod/v1/change/{configuration}/index.m3u8?start=8");
        for (_, text) in media_playlists(&origin, &path) {
            assert!(!text.contains("#EXT-X-DISCONTINUITY\n"), "{text}");
            assert!(!text.contains("#EXT-X-MEDIA-SEQUENCE:0\n"), "{text}");
        }
    }
}
