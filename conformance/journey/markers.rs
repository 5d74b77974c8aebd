//! Markers, checked from outside: SCTE-35 of the source's segments is in every playlist and in MPDs,
//! segments begin where breaks do, and a part of a title has what reaches into it.

use crate::media::media_playlists;
use crate::origin::{Origin, testdata};

/// The sections on the PID of markers, in hexadecimal; each is in one packet.
fn stored_sections(folder: &str) -> Vec<String> {
    let files = (0..4).map(|n| testdata().join(format!("markers/{folder}/{n:03}.ts")));
    let mut sections = Vec::new();
    for bytes in files.map(|file| std::fs::read(file).unwrap()) {
        for packet in bytes.as_chunks::<188>().0 {
            if u16::from_be_bytes([packet[1] & 0x1F, packet[2]]) == 0x1F0 {
                let length = usize::from(packet[6] & 0x0F) << 8 | usize::from(packet[7]);
                sections.push(hex::encode_upper(&packet[5..8 + length]));
            }
        }
    }
    sections
}

fn lines<'a>(text: &'a str, start: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().filter(move |line| line.starts_with(start))
}

/// What stands between two words in each place of a text.
fn between<'a>(text: &'a str, before: &'a str, behind: &'a str) -> Vec<&'a str> {
    text.split(before).skip(1).map(|rest| rest.split(behind).next().unwrap()).collect()
}

#[test]
fn breaks_are_told_to_players_and_begin_segments() {
    let data_dir = tempfile::tempdir().unwrap();
    let origin = Origin::over_testdata(data_dir.path());
    origin.set_up(6);
    let asset = origin.ingest("marked", "markers/master.m3u8");
    let findings = asset["report"]["findings"].to_string();
    assert!(!findings.contains("marker"), "{findings}");
    let stored = stored_sections("180p");
    assert_eq!(stored, stored_sections("90p"));
    assert_eq!(stored.len(), 11);

    let playlists = media_playlists(&origin, "/vod/v1/marked/hls/index.m3u8");
    let ranges: Vec<&str> = lines(&playlists[0].1, "#EXT-X-DATERANGE:").collect();
    assert_eq!(ranges.len(), 3);
    assert!(ranges[0].starts_with(
        "#EXT-X-DATERANGE:ID=\"splice-1001\",START-DATE=\"1970-01-01T00:00:07.000Z\",\
         DURATION=8.000,PLANNED-DURATION=8.000,SCTE35-OUT=0xFC"
    ));
    for (path, text) in &playlists {
        assert!(lines(text, "#EXT-X-DATERANGE:").eq(ranges.iter().copied()), "{path}");
        let dates: Vec<&str> = lines(text, "#EXT-X-PROGRAM-DATE-TIME:").collect();
        // hls.js counts on from the second.
        let expected = ["00.000Z", "07.000Z"];
        let expected = expected.map(|at| format!("#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:{at}"));
        assert_eq!(dates, expected, "{path}");
        let durations: Vec<&str> = between(text, "#EXTINF:", ",");
        assert_eq!(durations[..3], ["7.000000", "6.000000", "2.000000"], "{path}");
    }
    // All but the signs of life, each once; nothing that was not there.
    let mut told: Vec<&str> = ranges.iter().flat_map(|range| between(range, "=0x", ",")).collect();
    told.sort_unstable();
    told.dedup();
    assert_eq!(told.len(), 5);
    assert!(told.iter().all(|section| stored.iter().any(|other| other == section)));

    let mpd = origin.get("/vod/v1/marked/dash/index.mpd").text().to_owned();
    assert_eq!(between(&mpd, "<scte35:Binary>", "<").len(), 5);
    // From the middle of the break on: that it is one, and when the program goes on.
    let clip = origin.get("/vod/v1/marked/dash/index.mpd?start=12&end=20").text().to_owned();
    let offset: i64 =
        between(&clip, "timescale=\"90000\" presentationTimeOffset=\"", "\"")[0].parse().unwrap();
    let times = between(&clip, "<Event presentationTime=\"", "\"").into_iter();
    let seconds: Vec<i64> =
        times.map(|time| (time.parse::<i64>().unwrap() - offset) / 90_000).collect();
    // The clip begins with the segment at 13 s and ends at 19.
    assert_eq!(seconds, [-6, 2]);
}
