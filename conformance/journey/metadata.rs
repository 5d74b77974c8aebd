//! Timed metadata, checked from outside: ID3 tags stay in transport streams and become event messages
//! in fragments, each once, in the segment that its time is in.

use std::process::Command;

use serde_json::json;

use crate::media::{media_playlists, mpd_segments, playlist_segments};
use crate::origin::{Origin, testdata};

/// Time and payload of the PES packets of a PID.
fn tags(stream: &[u8], pid: u16) -> Vec<(i64, Vec<u8>)> {
    let mut packets: Vec<Vec<u8>> = Vec::new();
    for packet in stream.as_chunks::<188>().0 {
        let own = u16::from_be_bytes([packet[1] & 0x1F, packet[2]]);
        if own != pid || packet[3] & 0x10 == 0 {
            continue;
        }
        let field = if packet[3] & 0x20 != 0 { 1 + usize::from(packet[4]) } else { 0 };
        if packet[1] & 0x40 != 0 {
            packets.push(Vec::new());
        }
        packets.last_mut().unwrap().extend_from_slice(&packet[4 + field..]);
    }
    let read = packets.into_iter().filter(|pes| pes[7] & 0x80 != 0).map(|pes| {
        let bits = |byte: usize| i64::from(pes[byte]);
        let time = (bits(9) >> 1 & 7) << 30 | bits(10) << 22 | (bits(11) >> 1) << 15;
        let time = time | bits(12) << 7 | bits(13) >> 1;
        let length = usize::from(pes[4]) << 8 | usize::from(pes[5]);
        assert!(length == pes.len() - 6 || length == 0 && pid == 0x100);
        (time, pes[9 + usize::from(pes[8])..].to_vec())
    });
    read.collect()
}

/// Time, number and payload of the event messages of a segment, all in front of its `moof`.
fn events(segment: &[u8]) -> Vec<(i64, u32, Vec<u8>)> {
    const TEXTS: &[u8] = b"https://aomedia.org/emsg/ID3\x000\0";
    let mut found = Vec::new();
    let mut kinds = Vec::new();
    let mut rest = segment;
    while !rest.is_empty() {
        let size = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        let (one, behind) = rest.split_at(size);
        rest = behind;
        kinds.push(String::from_utf8(one[4..8].to_vec()).unwrap());
        if &one[4..8] == b"emsg" {
            assert_eq!(one[8..16], [1, 0, 0, 0, 0, 1, 0x5F, 0x90], "version 1, 90 kHz");
            let time = i64::from_be_bytes(one[16..24].try_into().unwrap());
            assert_eq!(one[24..28], [0xFF; 4], "duration");
            let number = u32::from_be_bytes(one[28..32].try_into().unwrap());
            found.push((time, number, one[32..].strip_prefix(TEXTS).unwrap().to_vec()));
        }
    }
    kinds.dedup();
    assert!(kinds == ["styp", "emsg", "moof", "mdat"] || kinds == ["styp", "moof", "mdat"]);
    found
}

#[test]
fn tags_are_passed_on_in_the_segment_that_their_time_is_in() {
    let data_dir = tempfile::tempdir().unwrap();
    let origin = Origin::over_testdata(data_dir.path());
    origin.set_up(2);
    let asset = origin.ingest("id3", "quirks/id3/master.m3u8");
    let findings = asset["report"]["findings"].as_array().unwrap();
    let codes: Vec<_> = findings.iter().map(|f| (&f["code"], &f["count"])).collect();
    assert_eq!(codes, [(&json!("metadata_left_out"), &json!(2))], "{asset}");

    let source: Vec<u8> = (0..3)
        .flat_map(|n| std::fs::read(testdata().join(format!("quirks/id3/{n:03}.ts"))).unwrap())
        .collect();
    let wanted: Vec<_> =
        tags(&source, 0x102).into_iter().filter(|(_, tag)| tag.starts_with(b"ID3")).collect();
    assert_eq!(wanted.len(), 13);

    // Transport streams: the same bytes in the same order on one clock.
    let playlists = media_playlists(&origin, "/vod/v1/id3/hls/index.m3u8");
    let [(path, text)] = &playlists[..] else { panic!("{playlists:?}") };
    let listed = playlist_segments(path, text);
    assert_eq!(listed.len(), 3);
    let mut read = Vec::new();
    for segment in &listed {
        let answer = origin.get(&segment.url);
        let length = origin.head(&segment.url).header("content-length").to_owned();
        assert_eq!(length, answer.body.len().to_string());
        let pictures = tags(&answer.body, 0x100);
        let first = pictures.iter().map(|(time, _)| *time).min().unwrap();
        let own = tags(&answer.body, 0x102);
        assert!(own.iter().all(|(time, _)| (first..first + 180_000).contains(time)));
        read.extend(own);
    }
    let payloads =
        |all: &[(i64, Vec<u8>)]| all.iter().map(|(_, tag)| tag.clone()).collect::<Vec<_>>();
    assert_eq!(payloads(&read), payloads(&wanted));
    // The first one, before the pictures, waits for them.
    let moved: Vec<i64> = read.iter().zip(&wanted).map(|(a, b)| a.0 - b.0).collect();
    assert_eq!(moved[0], moved[1] + 9_000);
    assert!(moved[1..].iter().all(|by| *by == moved[1]), "{moved:?}");

    // Fragments: the same tags as messages, with the times of the samples beside them.
    let found =
        mpd_segments("/vod/v1/id3/dash/index.mpd", origin.get("/vod/v1/id3/dash/index.mpd").text());
    let mut messages = Vec::new();
    for (url, time, duration, timescale) in &found.media {
        let answer = origin.get(url);
        let length = origin.head(url).header("content-length").to_owned();
        assert_eq!(length, answer.body.len().to_string());
        let own = events(&answer.body);
        if url.contains("/audio-") {
            assert_eq!(own, []);
            continue;
        }
        assert_eq!(*timescale, 90_000);
        assert!(own.iter().all(|(at, ..)| (*time..time + duration).contains(at)));
        messages.extend(own);
    }
    let numbers: Vec<u32> = messages.iter().map(|(_, number, _)| *number).collect();
    assert_eq!(numbers, (0..13).collect::<Vec<_>>());
    let as_tags: Vec<(i64, Vec<u8>)> =
        messages.into_iter().map(|(time, _, payload)| (time, payload)).collect();
    assert_eq!(payloads(&as_tags), payloads(&wanted));
    let apart: Vec<i64> = as_tags.iter().zip(&read).map(|(a, b)| b.0 - a.0).collect();
    assert!(apart.iter().all(|by| *by == apart[0]), "{apart:?}");
    let mpd = origin.get("/vod/v1/id3/dash/index.mpd");
    let stream = "<InbandEventStream schemeIdUri=\"https://aomedia.org/emsg/ID3\" value=\"0\"/>";
    assert_eq!(mpd.text().matches(stream).count(), 1, "{}", mpd.text());
    assert!(mpd.text().find(stream) < mpd.text().find("audio/mp4"));

    // ffmpeg finds the stream by its descriptors, and every tag in it.
    let folder = tempfile::tempdir().unwrap();
    let whole: Vec<u8> = listed.iter().flat_map(|s| origin.get(&s.url).body).collect();
    std::fs::write(folder.path().join("out.ts"), whole).unwrap();
    let probe = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "d", "-of", "csv=p=0"])
        .args(["-show_entries", "stream=codec_name:packet=pts"])
        .arg(folder.path().join("out.ts"))
        .output();
    let Ok(probe) = probe else {
        println!("skipped: ffprobe is not there");
        return;
    };
    let text = String::from_utf8(probe.stdout).unwrap();
    let lines = text.lines().map(|line| line.trim_end_matches(',').trim_end_matches(",side_data"));
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    let times: Vec<String> = read.iter().map(|(time, _)| time.to_string()).collect();
    assert_eq!(lines.iter().filter(|line| line.parse::<i64>().is_ok()).count(), 13, "{text}");
    assert!(times.iter().all(|time| lines.contains(&time.as_str())), "{text}");
    assert!(lines.contains(&"timed_id3"), "{text}");
}

#[test]
fn what_has_no_tags_announces_none() {
    let data_dir = tempfile::tempdir().unwrap();
    let origin = Origin::over_testdata(data_dir.path());
    origin.set_up(2);
    origin.ingest("plain", "quirks/plain/master.m3u8");
    let mpd = origin.get("/vod/v1/plain/dash/index.mpd");
    assert!(!mpd.text().contains("EventStream"));
    let playlists = media_playlists(&origin, "/vod/v1/plain/hls/index.m3u8");
    let (path, text) = &playlists[0];
    let first = origin.get(&playlist_segments(path, text)[0].url);
    assert!(!first.body.windows(4).any(|bytes| bytes == b"ID3 "));
}
