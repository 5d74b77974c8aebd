use proptest::prelude::*;

use super::sample::{TextSample, samples};
use super::*;
use crate::model::text::{Cue, TextHeader};

fn cue(start: i64, end: i64, payload: &str) -> Cue {
    Cue {
        start: Ticks(start * 90),
        end: Ticks(end * 90),
        payload: payload.to_owned(),
        ..Cue::default()
    }
}

fn texts(file: &TextFile) -> Vec<&str> {
    file.cues.iter().map(|cue| cue.payload.as_str()).collect()
}

#[test]
fn a_file_with_everything_is_read() {
    let text = "\u{FEFF}WEBVTT - a title\r\nKind: captions\r\n\
        X-TIMESTAMP-MAP=LOCAL:00:00:01.000,MPEGTS:8589934593\r\n\r\n\
        STYLE\r\n::cue { color: lime }\r\n::cue(b) { color: red }\r\n\r\n\
        NOTE a comment\r\nof two lines\r\n\r\n\
        REGION \t\r\nid:fred\r\n\r\n\
        one\r\n01:02:03.456 --> 101:02:04.000\t line:0  align:start \r\n<v Fred>Hi,\r\n there\r\n\r\n\
        00:00.500-->00:01.000\r\nNo spaces\r\n\r\n\
        STYLE\r\n::cue { color: blue }\r\n";
    let file = read(text.as_bytes()).unwrap();
    assert_eq!(file.header.lines, ["Kind: captions"]);
    let styles = "STYLE\n::cue { color: lime }\n::cue(b) { color: red }";
    assert_eq!(file.header.blocks, [styles, "REGION\nid:fred"], "a late style counts for nothing");
    assert_eq!(file.map, Some(TimestampMap { local: Ticks(90_000), clock: 1 }));
    let first = Cue {
        id: "one".to_owned(),
        settings: "line:0  align:start".to_owned(),
        ..cue(3_723_456, 363_724_000, "<v Fred>Hi,\n there")
    };
    assert_eq!(file.cues, [first, cue(500, 1_000, "No spaces")]);
    assert_eq!((file.broken_cues, file.broken_bytes, file.map_is_broken), (0, 0, false));
}

#[test]
fn line_ends_do_not_matter() {
    let text = "WEBVTT\nX: y\n\nid\n00:00.000 --> 00:01.000\na\nb\n\n00:01.000 --> 00:02.000\nc\n";
    let expected = read(text.as_bytes()).unwrap();
    assert_eq!(texts(&expected), ["a\nb", "c"]);
    for end in ["\r\n", "\r"] {
        assert_eq!(read(text.replace('\n', end).as_bytes()).unwrap(), expected);
    }
    assert_eq!(read(text.trim_end().as_bytes()).unwrap(), expected);
}

#[test]
fn only_webvtt_is_read() {
    for (text, is_vtt) in [
        ("WEBVTT", true),
        ("WEBVTT\tx", true),
        ("WEBVTT\n00:00.000 --> 00:01.000\nno blank line", true),
        ("WEBVTTX", false),
        (" WEBVTT", false),
        ("", false),
        ("1\n00:00:00,000 --> 00:00:01,000\nSubRip\n", false),
        ("<tt xmlns=\"http://www.w3.org/ns/ttml\"/>", false),
    ] {
        assert_eq!(read(text.as_bytes()).is_ok(), is_vtt, "{text:?}");
    }
}

#[test]
fn broken_cues_are_passed_over_and_counted() {
    for times in [
        "00:00 --> 00:01.000",
        "00:00.00 --> 00:01.000",
        "00:00.0000 --> 00:01.000",
        "00:00,000 --> 00:01,000",
        "0:00.000 --> 0:01.000",
        "00:60.000 --> 00:61.000",
        "60:00.000 --> 60:01.000",
        "00:0:00.000 --> 00:0:01.000",
        "00:01.000 --> 00:01.000",
        "00:02.000 --> 00:01.000",
        "00:00.000 --> ",
        "99999999999999999999:00:00.000 --> 99999999999999999999:00:01.000",
    ] {
        let text = format!(
            "WEBVTT\n\n00:00.000 --> 00:01.000\na\n\n{times}\nb\n\n00:01.000 --> 00:02.000\nc"
        );
        let file = read(text.as_bytes()).unwrap();
        assert_eq!(texts(&file), ["a", "c"], "{times}");
        assert_eq!(file.broken_cues, 1, "{times}");
        assert_eq!(file.first_broken, Some((6, times.to_owned())));
    }
}

#[test]
fn a_cue_may_begin_without_a_blank_line() {
    let text = "WEBVTT\n\n00:00.000 --> 00:01.000\na\n00:01.000 --> 00:02.000\nb\nid\n";
    let file = read(text.as_bytes()).unwrap();
    assert_eq!(texts(&file), ["a", "b\nid"]);
}

#[test]
fn both_orders_of_the_map_are_read_and_bad_ones_told() {
    let map = |line: &str| {
        let file = read(format!("WEBVTT\n{line}\n\n").as_bytes()).unwrap();
        (file.map.map(|map| (map.local.0, map.clock)), file.map_is_broken)
    };
    assert_eq!(map("X-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000").0, Some((0, 900_000)));
    assert_eq!(map("X-TIMESTAMP-MAP=LOCAL:01:00.000,MPEGTS:7").0, Some((5_400_000, 7)));
    assert_eq!(map("\nX-TIMESTAMP-MAP=LOCAL:01:00.000,MPEGTS:7").0, Some((5_400_000, 7)));
    for bad in ["MPEGTS:900000", "MPEGTS:-1,LOCAL:00:00.000", "MPEGTS:x,LOCAL:00:00.000", "", "a"] {
        assert_eq!(map(&format!("X-TIMESTAMP-MAP={bad}")), (None, true), "{bad}");
    }
    assert_eq!(map("Kind: captions"), (None, false));
}

#[test]
fn bytes_that_are_no_text_are_replaced_and_counted() {
    let file = read(b"WEBVTT\n\n00:00.000 --> 00:01.000\na\xFFb\0c\xC3").unwrap();
    assert_eq!(texts(&file), ["a\u{FFFD}b\u{FFFD}c\u{FFFD}"]);
    assert_eq!(file.broken_bytes, 2);
}

#[test]
fn times_within_the_text_move_with_the_cue() {
    let text = "<00:01.000>one <c.x><00:00:02.500>two</c> <i>3</i> <4> <00:05.000";
    assert!(has_timestamps(text) && !has_timestamps("a <b>b</b> < 00:01.000>"));
    let moved = shifted(text, Ticks(90 * 60_000));
    let expected = "<00:01:01.000>one <c.x><00:01:02.500>two</c> <i>3</i> <4> <00:05.000";
    assert_eq!(moved, expected);
    assert_eq!(shifted(text, Ticks::ZERO), text);
}

#[test]
fn a_segment_is_written_as_players_expect() {
    let header = TextHeader {
        lines: vec!["Kind: captions".to_owned()],
        blocks: vec!["STYLE\n::cue { color: lime }".to_owned()],
    };
    let mut named = cue(3_600_000, 3_601_500, "Hi,\nthere");
    (named.id, named.settings) = ("7".to_owned(), "line:0 align:start".to_owned());
    let map = TimestampMap { local: Ticks::ZERO, clock: 900_000 };
    let bytes = file(&header, Some(map), [&named].into_iter(), Ticks::ZERO);
    let expected = "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000\nKind: captions\n\n\
        STYLE\n::cue { color: lime }\n\n7\n01:00:00.000 --> 01:00:01.500 line:0 align:start\n\
        Hi,\nthere\n\n";
    assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    let relative = file(&TextHeader::default(), None, [&named].into_iter(), named.start);
    let expected = "WEBVTT\n\n7\n00:00:00.000 --> 00:00:01.500 line:0 align:start\nHi,\nthere\n\n";
    assert_eq!(String::from_utf8(relative).unwrap(), expected);
}

#[test]
fn overlapping_cues_share_samples() {
    let (long, short) = (cue(1_000, 4_000, "long"), cue(2_000, 3_000, "s"));
    let cues = [(4, &long), (5, &short)];
    let found = samples(&cues, Ticks(0), Ticks(360_000));
    let times: Vec<i64> = found.iter().map(|sample| sample.start.0 / 90_000).collect();
    assert_eq!(times, [0, 1, 2, 3]);
    let mut bytes = Vec::new();
    sample::write(&mut bytes, &cues, &found);
    let vttc = |place: u8, payload: &str| {
        let size = 8 + 12 + 8 + payload.len() as u8;
        let header = [0, 0, 0, size, b'v', b't', b't', b'c', 0, 0, 0, 12, b'v', b's', b'i', b'd'];
        let payl = [0, 0, 0, place, 0, 0, 0, 8 + payload.len() as u8, b'p', b'a', b'y', b'l'];
        [&header[..], &payl, payload.as_bytes()].concat()
    };
    let expected = [
        b"\0\0\0\x08vtte".to_vec(),
        vttc(4, "long"),
        vttc(4, "long"),
        vttc(5, "s"),
        vttc(4, "long"),
    ];
    assert_eq!(bytes, expected.concat());
}

/// Text as the reader gives it back: no blank lines, no arrows.
fn line() -> impl Strategy<Value = String> {
    "[a-zäß<>&:.0-9]([a-zäß<>&:.0-9 ]{0,12}[a-zäß<>&:.0-9])?"
}

fn any_cue() -> impl Strategy<Value = Cue> {
    let payload = proptest::collection::vec(line(), 0..3).prop_map(|lines| lines.join("\n"));
    let id = proptest::option::of(line()).prop_map(Option::unwrap_or_default);
    let settings =
        proptest::option::of("[a-z]{1,8}:[0-9]{1,3}%").prop_map(Option::unwrap_or_default);
    (0_i64..100_000, 1_i64..20_000, id, settings, payload).prop_map(
        |(start, length, id, settings, payload)| Cue {
            id,
            settings,
            ..cue(start, start + length, &payload)
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        cues in proptest::collection::vec(any_cue(), 0..20),
        lines in proptest::collection::vec("[A-Z][a-z]{0,5}: [a-z]{1,5}", 0..3),
        blocks in proptest::collection::vec("(STYLE|REGION)(\n[a-z:{}]{1,9}){1,3}", 0..3),
        clock in proptest::option::of(0_u64..1 << 33),
    ) {
        let header = TextHeader { lines, blocks };
        let map = clock.map(|clock| TimestampMap { local: Ticks(clock as i64 % 1_000 * 90), clock });
        let bytes = file(&header, map, cues.iter(), Ticks::ZERO);
        prop_assert_eq!(bytes.len() as u64, file_bytes(&header, map, cues.iter(), Ticks::ZERO));
        let back = read(&bytes).unwrap();
        prop_assert_eq!(back.header, header);
        prop_assert_eq!(back.map, map);
        prop_assert_eq!(back.cues, cues);
    }

    #[test]
    fn nothing_is_too_broken(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes);
        let mut file = b"WEBVTT\n".to_vec();
        file.extend(bytes.iter().map(|byte| b"\n\r 0123456789:.->\0\xFFaSTYLE<"[usize::from(*byte) % 26]));
        let _ = read(&file).unwrap();
    }

    #[test]
    fn samples_cover_the_stretch_and_show_each_cue_for_its_time(
        cues in proptest::collection::vec(any_cue(), 0..12),
        from in 0_i64..100_000,
        length in 1_i64..30_000,
    ) {
        let (from, to) = (Ticks(from * 90), Ticks((from + length) * 90));
        let shown: Vec<(usize, &Cue)> =
            cues.iter().enumerate().filter(|(_, cue)| cue.start < to && cue.end > from).collect();
        let found = samples(&shown, from, to);
        prop_assert_eq!(found.first().unwrap().start, from);
        prop_assert_eq!(found.last().unwrap().end, to);
        prop_assert!(found.iter().all(|sample| sample.start < sample.end));
        prop_assert!(found.windows(2).all(|pair| pair[0].end == pair[1].start));
        let mut bytes = Vec::new();
        sample::write(&mut bytes, &shown, &found);
        prop_assert_eq!(bytes.len() as u64, found.iter().map(|s| u64::from(s.size)).sum::<u64>());
        for (place, cue) in &shown {
            let time = |sample: &TextSample| sample.end.minus(sample.start).0;
            let mut rest = &bytes[..];
            let mut seen = 0;
            for sample in &found {
                let (own, behind) = rest.split_at(sample.size as usize);
                rest = behind;
                let id = [b"vsid", &(*place as u32).to_be_bytes()[..]].concat();
                if own.windows(8).any(|window| window == id) {
                    seen += time(sample);
                }
            }
            prop_assert_eq!(seen, cue.end.min(to).minus(cue.start.max(from)).0);
        }
    }
}

/// Real files, good and bad; what is expected of the bad ones is what browsers do.
#[test]
fn real_files_are_read() {
    let root = std::env::var("PACKORIGIN_TEST_MEDIA")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/media").to_owned());
    let folder = std::path::Path::new(&root).join("subtitles");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: there is no folder {}", folder.display());
        return;
    };
    let mut seen = 0;
    for entry in entries.flatten() {
        let name = entry.file_name().into_string().unwrap();
        let bytes = std::fs::read(entry.path()).unwrap();
        let read = read(&bytes);
        let found = read.as_ref().map(|file| (file.cues.len(), file.broken_cues)).ok();
        let expected = match name.as_str() {
            "media3_empty.vtt" => None,
            "media3_typical.vtt" | "media3_with_bom.vtt" => Some((2, 0)),
            "media3_typical_with_identifiers.vtt" => Some((2, 0)),
            "media3_typical_with_comments.vtt" => Some((2, 0)),
            "media3_typical_with_bad_timestamps.vtt" => Some((0, 6)),
            "media3_with_bad_cue_header.vtt" => Some((2, 1)),
            "media3_with_overlapping_timestamps.vtt" => Some((4, 0)),
            _ => {
                let file = read.unwrap_or_else(|_| panic!("{name} is refused"));
                assert!(!file.cues.is_empty() && file.broken_cues == 0, "{name}");
                let bytes = super::file(&file.header, file.map, file.cues.iter(), Ticks::ZERO);
                let back = super::read(&bytes).unwrap();
                assert_eq!((back.cues, back.header), (file.cues, file.header), "{name}");
                continue;
            }
        };
        assert_eq!(found, expected, "{name}");
        seen += 1;
    }
    assert!(seen > 0, "{} has none of the files", folder.display());
}
