//! What a source's master playlist says of a title as a whole is told again; its dates name clips
//! and, where that is wanted, segments; and what is in manifests keeps its name.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::media::{attribute, media_playlists, playlist_segments, resolve};
use crate::origin::Origin;

const CONFIGURATIONS: &str = "/v1/packaging-groups/web/packaging-configurations";

fn configure(origin: &Origin, body: Value) {
    let created = origin.call("POST", CONFIGURATIONS, Some(body));
    assert_eq!(created.status, 201, "{}", created.text());
}

fn origin(data_dir: &tempfile::TempDir) -> (Origin, Value) {
    let origin = Origin::over_testdata(data_dir.path());
    origin.set_up(4);
    let dated = |name, package_type| {
        json!({
            "name": name, "packageType": package_type, "segmentDurationSeconds": 4,
            "programDateTime": "FROM_SOURCE",
        })
    };
    configure(&origin, dated("hls-dated", "HLS"));
    configure(&origin, dated("cmaf-dated", "HLS_CMAF"));
    let asset = origin.ingest("clock", "clock/master.m3u8");
    (origin, asset)
}

fn entry(configuration: &str) -> String {
    format!("/vod/v1/clock/{configuration}/index.m3u8")
}

/// The lines of a tag.
fn lines<'a>(text: &'a str, tag: &str) -> Vec<&'a str> {
    let prefix = format!("#{tag}:");
    text.lines().filter_map(|line| line.strip_prefix(prefix.as_str())).collect()
}

/// A quoted attribute of a tag.
fn quoted<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, behind) =
        format!(",{line}").find(&format!(",{name}=\"")).map(|at| line.split_at(at))?;
    behind.split('"').nth(1)
}

#[test]
fn what_is_said_of_the_title_is_told_again() {
    let data_dir = tempfile::tempdir().unwrap();
    let (origin, asset) = origin(&data_dir);
    let findings = asset["report"]["findings"].as_array().unwrap();
    let left_out: Vec<&Value> =
        findings.iter().filter(|finding| finding["code"] == "session_data_left_out").collect();
    let told = left_out.iter().map(|finding| finding["count"].as_u64().unwrap()).sum::<u64>();
    assert_eq!(told, 3, "{left_out:?}");
    for configuration in ["hls", "cmaf"] {
        let master = origin.get(&entry(configuration));
        let text = master.text();
        assert_eq!(lines(text, "EXT-X-START"), ["TIME-OFFSET=2.500000,PRECISE=YES"]);
        let data = lines(text, "EXT-X-SESSION-DATA");
        let values: Vec<&str> =
            data.iter().filter(|line| line.contains("VALUE=")).copied().collect();
        assert_eq!(
            values,
            [
                "DATA-ID=\"com.example.title\",VALUE=\"The clock, striking\",LANGUAGE=\"en\"",
                "DATA-ID=\"com.example.title\",VALUE=\"Die Uhr schlägt\",LANGUAGE=\"de\"",
            ]
        );
        let uri = |id: &str| {
            let line = data.iter().find(|line| line.contains(id)).unwrap();
            quoted(line, "URI").unwrap().to_owned()
        };
        assert_eq!(uri("com.example.page"), "https://www.example.com/page.json");
        assert!(!text.contains("gone.json") && !text.contains("never told"), "{text}");
        for (id, file, content_type) in [
            ("com.apple.hls.chapters", "chapters.json", "application/json"),
            ("com.example.poster", "poster.bin", "application/octet-stream"),
        ] {
            let url = resolve(&entry(configuration), &uri(id));
            let found = origin.get(&url);
            let wanted = std::fs::read(crate::origin::testdata().join("clock").join(file)).unwrap();
            assert_eq!((found.status, found.header("content-type")), (200, content_type), "{url}");
            assert!(found.body == wanted && found.header("cache-control").contains("immutable"));
            let etag = found.header("etag").to_owned();
            assert_eq!(origin.get_with(&url, &[("if-none-match", &etag)]).status, 304);
            // A clip leads to the same file.
            let clip = origin.get(&format!("{}?start=4", entry(configuration)));
            assert!(clip.text().contains(&format!("URI=\"{}\"", uri(id))), "{}", clip.text());
        }
        let base = resolve(&entry(configuration), &uri("com.apple.hls.chapters"));
        for odd in [
            "session-data-3.bin",
            "session-data-4.json",
            "session-data-1.json",
            "session-data-9.json",
        ] {
            assert_eq!(origin.get(&resolve(&base, odd)).status, 404, "{odd}");
        }
    }
    assert!(!origin.get("/vod/v1/clock/dash/index.mpd").text().contains("session-data"));
}

#[test]
fn variants_keep_their_scores_and_ids() {
    let data_dir = tempfile::tempdir().unwrap();
    let (origin, _) = origin(&data_dir);
    let master = origin.get(&entry("cmaf"));
    let variants: BTreeSet<(String, String, String)> = lines(master.text(), "EXT-X-STREAM-INF")
        .iter()
        .map(|line| {
            // FRAME-RATE and VIDEO-RANGE are on every variant.
            assert!(line.contains(",FRAME-RATE=25.000") && line.contains(",VIDEO-RANGE=SDR"));
            let score = line.split(",SCORE=").nth(1).unwrap().split(',').next().unwrap();
            let named = |name| quoted(line, name).unwrap().to_owned();
            (named("STABLE-VARIANT-ID"), named("AUDIO"), score.to_owned())
        })
        .collect();
    let expected = [
        ("high", "dolby", "4.0"),
        ("high", "stereo", "3.0"),
        ("low", "dolby", "2.0"),
        ("low", "stereo", "1.25"),
    ]
    .map(|(id, group, score)| (id.to_owned(), group.to_owned(), score.to_owned()));
    assert_eq!(variants, BTreeSet::from(expected));
    for line in lines(master.text(), "EXT-X-I-FRAME-STREAM-INF") {
        let score = if line.contains("trick-1") { ",SCORE=3.0" } else { ",SCORE=1.25" };
        assert!(line.contains(",VIDEO-RANGE=SDR") && line.contains(score), "{line}");
    }
    let stable: Vec<&str> = lines(master.text(), "EXT-X-MEDIA")
        .into_iter()
        .filter(|line| line.contains("STABLE-RENDITION-ID=\"en-aac\""))
        .collect();
    assert!(matches!(stable[..], [line] if line.contains("audio-")), "{stable:?}");
}

/// The dates of a playlist, each with the number of the segment behind it.
fn dates(text: &str) -> Vec<(usize, String)> {
    let mut segments = 0;
    let mut dates = Vec::new();
    for line in text.lines() {
        segments += usize::from(line.starts_with("#EXTINF:"));
        if let Some(date) = line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:") {
            dates.push((segments, date.to_owned()));
        }
    }
    dates
}

#[test]
fn dates_are_written_where_they_are_wanted() {
    let data_dir = tempfile::tempdir().unwrap();
    let (origin, _) = origin(&data_dir);
    for configuration in ["hls", "cmaf"] {
        for (_, text) in media_playlists(&origin, &entry(configuration)) {
            assert_eq!(dates(&text), []);
        }
        let playlists = media_playlists(&origin, &entry(&format!("{configuration}-dated")));
        assert!(playlists.len() >= 3);
        for (url, text) in playlists {
            let dates = dates(&text);
            let places: Vec<usize> = dates.iter().map(|(place, _)| *place).collect();
            assert_eq!(places, [0, 2], "{url}");
            if url.contains("/video-") {
                assert_eq!(dates[0].1, "2026-01-31T09:00:00.000Z");
                assert_eq!(dates[1].1, "2026-01-31T09:30:00.000Z");
            }
            // Sound begins its segments within half a frame of the pictures.
            assert!(
                dates[1].1.starts_with("2026-01-31T09:30:00.0")
                    || dates[1].1.starts_with("2026-01-31T09:29:59.9"),
                "{url}: {dates:?}"
            );
        }
        // Segments are the same.
        let urls = |name: &str| -> Vec<String> {
            let playlists = media_playlists(&origin, &entry(name));
            let segments = playlists.iter().flat_map(|(url, text)| playlist_segments(url, text));
            segments.map(|segment| segment.url).collect()
        };
        assert_eq!(urls(configuration), urls(&format!("{configuration}-dated")));
    }
    // A clip begins with the date of its own start.
    let clip = format!("{}?start=4", entry("hls-dated"));
    for (url, text) in media_playlists(&origin, &clip) {
        let dates = dates(&text);
        assert!(
            dates[0].1.starts_with("2026-01-31T09:00:04.0")
                || dates[0].1.starts_with("2026-01-31T09:00:03.9"),
            "{url}: {dates:?}"
        );
        assert_eq!((dates[0].0, dates[1].0), (0, 1));
    }
}

#[test]
fn clips_are_named_by_date() {
    let data_dir = tempfile::tempdir().unwrap();
    let (origin, _) = origin(&data_dir);
    let wanted = origin.get(&format!("{}?start=4&end=8", entry("hls")));
    for query in [
        "start=2026-01-31T09:00:04Z&end=2026-01-31T09:00:08Z",
        "start=2026-01-31T10:00:04.000%2B01:00&end=2026-01-31T09:30:00Z",
        "start=2026-01-31T10:00:04%2001:00&end=2026-01-31T09:10:00Z",
        "start=2026-01-31T10:00:04+0100&end=8",
    ] {
        let found = origin.get(&format!("{}?{query}", entry("hls")));
        assert_eq!(found.status, 200, "{query}: {}", found.text());
        assert_eq!(found.text(), wanted.text(), "{query}");
    }
    let behind = origin.get(&format!("{}?start=2026-01-31T09:30:00Z", entry("hls")));
    assert_eq!(behind.text(), origin.get(&format!("{}?start=8", entry("hls"))).text());
    origin.ingest("ladder", "ladder/master.m3u8");
    for (path, words) in [
        (format!("{}?start=2026-01-31T08:00:00Z", entry("hls")), "2026-01-31T09:00:00.000Z"),
        (format!("{}?end=2026-01-31T09:40:00Z", entry("hls")), "the title lasts 12.000 s"),
        (format!("{}?start=2026-01-31T09:00:04", entry("hls")), "without its zone"),
        (
            "/vod/v1/ladder/hls/index.m3u8?start=2026-01-31T09:00:04Z".to_owned(),
            "EXT-X-PROGRAM-DATE-TIME",
        ),
    ] {
        let refused = origin.get(&path);
        assert_eq!(refused.status, 400, "{path}");
        assert_eq!(refused.json()["code"], "invalid_argument");
        assert!(refused.text().contains(words), "{path}: {}", refused.text());
    }
}

/// The AdaptationSet of each Representation of an MPD.
fn sets_by_rendition(mpd: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for set in mpd.split("<AdaptationSet").skip(1) {
        let number = attribute(set, "id").unwrap().to_owned();
        for rendition in set.split("<Representation").skip(1) {
            let id = attribute(rendition, "id").unwrap();
            assert_eq!(all.insert(id.to_owned(), number.clone()), None, "{id}");
        }
    }
    all
}

/// The group and name of each rendition of sound of a master playlist.
fn groups_by_rendition(master: &str) -> BTreeSet<(String, String, String)> {
    let media = lines(master, "EXT-X-MEDIA").into_iter();
    media
        .filter_map(|line| {
            let uri = quoted(line, "URI")?.rsplit_once('/')?.1.to_owned();
            let named = |name| quoted(line, name).map(str::to_owned);
            Some((named("GROUP-ID")?, named("NAME")?, uri))
        })
        .collect()
}

#[test]
fn names_do_not_depend_on_configurations() {
    let data_dir = tempfile::tempdir().unwrap();
    let (origin, _) = origin(&data_dir);
    let settings = [
        json!({"segmentDurationSeconds": 2}),
        json!({"streamSelection": {"order": "VIDEO_BITRATE_ASCENDING"}}),
        json!({"streamSelection": {"maxVideoBitsPerSecond": 100000}}),
        json!({"streamSelection": {"minVideoBitsPerSecond": 100000}}),
        json!({"filter": "video_height:144;audio_language:de"}),
        json!({"filter": "audio_codec:ac-3"}),
        json!({"trickPlay": {"renditions": ["video-2"]}}),
        json!({"onSourceError": "heal"}),
    ];
    origin.ingest("subtitles", "subtitles/master.m3u8");
    for (number, change) in settings.into_iter().enumerate() {
        for (word, package_type) in [("dash", "DASH"), ("cmaf", "HLS_CMAF")] {
            let mut body = json!({"name": format!("{word}-{number}"), "packageType": package_type});
            body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            configure(&origin, body);
        }
        for asset in ["clock", "subtitles"] {
            let mpd = |name: &str| {
                let found = origin.get(&format!("/vod/v1/{asset}/{name}/index.mpd"));
                sets_by_rendition(found.text())
            };
            let master = |name: &str| {
                let found = origin.get(&format!("/vod/v1/{asset}/{name}/index.m3u8"));
                groups_by_rendition(found.text())
            };
            let (whole, part) = (mpd("dash"), mpd(&format!("dash-{number}")));
            for (id, set) in &part {
                assert_eq!(whole.get(id), Some(set), "{asset}, {change}: {id}");
            }
            let numbers: BTreeSet<&String> = whole.values().collect();
            assert!(!part.is_empty() && numbers.len() > 3, "{asset}, {change}");
            let (whole, part) = (master("cmaf"), master(&format!("cmaf-{number}")));
            assert!(part.is_subset(&whole), "{asset}, {change}: {part:?} of {whole:?}");
        }
    }
}
