//! Whole playlists: what is read, what is refused, real ones of other parsers, and printed ones.

use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::model::description::Description;

const MASTER: &str = "#EXTM3U\n#EXT-X-STREAM-INF:PROGRAM-ID=1,BANDWIDTH=100000,\
    CODECS=\"mp4a.40.2,avc1.64001e\",RESOLUTION=640x302\nvideo/player-ld.m3u8";
const MEDIA: &str = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-MEDIA-SEQUENCE:1\n\
    #EXT-X-TARGETDURATION:17\n#EXTINF:15.500,\n1723518810_120.ts\n#EXT-X-DISCONTINUITY\n\
    #EXTINF:16.666,\n1723518884_121.ts\n#EXTINF:2.533,\n1723518886_122.ts\n#EXT-X-ENDLIST\n";

fn read_master(text: &str) -> Result<MasterPlaylist, ReadError> {
    master_playlist(text.as_bytes(), None)
}

fn read_bytes(bytes: &[u8]) -> Result<MediaPlaylist, ReadError> {
    let variables = Variables::default();
    media_playlist(
        bytes,
        &MediaContext { variables: &variables, query: None, max_segments: 100_000 },
    )
}

fn read_media(text: &str) -> Result<MediaPlaylist, ReadError> {
    read_bytes(text.as_bytes())
}

/// A media playlist of these lines, with what all of them have.
fn media_of(lines: &str) -> Result<MediaPlaylist, ReadError> {
    read_media(&format!("#EXTM3U\n#EXT-X-TARGETDURATION:6\n{lines}\n#EXT-X-ENDLIST"))
}

fn kinds(notes: &[Note]) -> Vec<(NoteKind, usize)> {
    notes.iter().map(|note| (note.kind, note.line)).collect()
}

#[test]
fn the_usual_pair_is_read() {
    let master = read_master(MASTER).unwrap();
    let [listed] = &master.streams[..] else { panic!("{master:?}") };
    assert_eq!((listed.line, &master.notes[..]), (2, &[][..]));
    assert_eq!(
        listed.entry,
        StreamEntry {
            uri: "video/player-ld.m3u8".to_owned(),
            bandwidth: 100_000,
            average_bandwidth: None,
            codecs: Some("mp4a.40.2,avc1.64001e".to_owned()),
            resolution: Some((640, 302)),
            frame_rate_thousandths: None,
            ..StreamEntry::default()
        }
    );
    let media = read_media(MEDIA).unwrap();
    let segments: Vec<_> = media
        .segments
        .iter()
        .map(|s| (s.uri.as_str(), s.line, s.duration, s.discontinuity, s.media_sequence))
        .collect();
    let ms = |milliseconds| Some(Duration::from_millis(milliseconds));
    assert_eq!(
        segments,
        [
            ("1723518810_120.ts", 6, ms(15_500), false, 1),
            ("1723518884_121.ts", 9, ms(16_666), true, 2),
            ("1723518886_122.ts", 11, ms(2_533), false, 3),
        ]
    );
    assert_eq!((media.notes, media.target_duration), (vec![], ms(17_000)));
}

#[test]
fn white_space_around_a_uri_is_no_part_of_it() {
    let master = read_master(&format!("{MASTER} \t")).unwrap();
    assert_eq!(master.streams[0].entry.uri, "video/player-ld.m3u8");
    let media = read_media(&MEDIA.replace(".ts\n", ".ts \t\n")).unwrap();
    assert_eq!(media.segments[1].uri, "1723518884_121.ts");
}

#[test]
fn the_wrong_kind_is_named_with_its_line() {
    assert_eq!(
        read_master(MEDIA),
        Err(ReadError::NotAMasterPlaylist { line: 3, tag: "EXT-X-MEDIA-SEQUENCE" })
    );
    assert_eq!(
        read_media(MASTER),
        Err(ReadError::NotAMediaPlaylist { line: 2, tag: "EXT-X-STREAM-INF" })
    );
    for bytes in [&b"<!DOCTYPE html><html>"[..], b"", &[0xFF, 0x00]] {
        let error = master_playlist(bytes, None);
        assert!(matches!(error, Err(ReadError::NotAPlaylist { line: 1, .. })), "{error:?}");
    }
}

#[test]
fn what_is_not_played_is_refused_by_name_and_line() {
    let live = MEDIA.replace("#EXT-X-ENDLIST\n", "");
    assert_eq!(read_media(&live), Err(ReadError::NotEnded { lines: 11 }));
    for (tag, expected) in [
        ("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"", "line 7 (EXT-X-KEY): "),
        ("#EXT-X-MAP:URI=\"i.mp4\"", "line 7 (EXT-X-MAP): the segments are fragmented MP4"),
        ("#EXT-X-I-FRAMES-ONLY", "line 7 (EXT-X-I-FRAMES-ONLY): "),
        ("#EXT-X-SKIP:SKIPPED-SEGMENTS=3", "line 7 (EXT-X-SKIP): this is a delta update"),
        ("#EXT-X-MEDIA-SEQUENCE:x", "line 7 (EXT-X-MEDIA-SEQUENCE): \"x\" is no whole number"),
        ("#EXT-X-BYTERANGE:5@-1", "line 7 (EXT-X-BYTERANGE): "),
        ("#EXT-X-BYTERANGE:5@18446744073709551615", "line 7 (EXT-X-BYTERANGE): "),
        ("#EXT-X-BYTERANGE:0@5", "line 7 (EXT-X-BYTERANGE): "),
        ("x/{$y}.ts", "line 7 (URI): the variable \"y\" is not defined"),
    ] {
        let before = "#EXT-X-DISCONTINUITY\n#EXTINF:16.666";
        let text = MEDIA.replace(before, &format!("{tag}\n#EXTINF:16.666"));
        let error = read_media(&text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    assert_eq!(read_media("#EXTM3U\n"), Err(ReadError::NoSegments { lines: 1 }));
    let variables = Variables::default();
    let few = MediaContext { variables: &variables, query: None, max_segments: 2 };
    let error = media_playlist(MEDIA.as_bytes(), &few).unwrap_err();
    assert_eq!(error, ReadError::TooManySegments { line: 11, limit: 2 });
}

#[test]
fn byte_ranges_without_offset_follow_the_one_before() {
    let media = media_of(
        "#EXTINF:6,\n#EXT-X-BYTERANGE:100@50\na.ts\n#EXTINF:6,\n#EXT-X-BYTERANGE: 70\na.ts\n\
         #EXT-X-BYTERANGE:30@\n#EXTINF:6,\nb.ts\n#EXTINF:6\na.ts\n#EXTINF:6\n#EXT-X-BYTERANGE:9\na.ts",
    )
    .unwrap();
    let ranges: Vec<_> = media.segments.iter().map(|s| s.byte_range).collect();
    assert_eq!(ranges, [Some((50, 100)), Some((150, 70)), Some((0, 30)), None, Some((0, 9))]);
    assert_eq!(kinds(&media.notes), [(NoteKind::RangeWithoutOffset, 9)]);
    assert_eq!(media.notes[0].count, 2);
}

#[test]
fn claims_that_cannot_be_understood_are_left_out_with_a_note() {
    let media = media_of(
        "#EXTINF:NaN,\na.ts\n#EXTINF:-1,\nb.ts\n#EXTINF:1e300\nc.ts\nd.ts\n#EXTINF:6.6, t,u\ne.ts\n\
         #EXT-X-PROGRAM-DATE-TIME:now\n#EXTINF:1\n#EXTINF:6.4\nf.ts\n#EXT-X-MEDIA-SEQUENCE:4",
    )
    .unwrap();
    let durations: Vec<_> =
        media.segments.iter().map(|s| s.duration.map(|d| d.as_millis())).collect();
    assert_eq!(durations, [None, None, None, None, Some(6600), Some(6400)]);
    assert_eq!(
        kinds(&media.notes),
        [
            (NoteKind::DurationUnreadable, 3),
            (NoteKind::DurationMissing, 9),
            (NoteKind::DurationAboveTarget, 11),
            (NoteKind::DateUnreadable, 12),
            (NoteKind::UriMissing, 13),
            (NoteKind::TagLate, 16),
        ]
    );
    assert_eq!((media.notes[0].count, media.notes[2].text.as_str()), (3, "6.6"));
    assert_eq!(media.media_sequence, 0);
    let without = read_media("#EXTM3U\n#EXTINF:1,\na.ts\n#EXT-X-ENDLIST").unwrap();
    assert_eq!(kinds(&without.notes), [(NoteKind::TargetMissing, 4)]);
}

#[test]
fn keys_gaps_and_dates_belong_to_the_segments_behind_them() {
    let media = media_of(
        "#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-DISCONTINUITY-SEQUENCE:2\n#EXT-X-START:TIME-OFFSET=-1.5\n\
         #EXT-X-PROGRAM-DATE-TIME:2010-02-19T14:54:23.031+08:00\n#EXTINF:6\na.ts\n\
         #EXT-X-KEY:METHOD=AES-128,URI=\"k,1\"\n#EXTINF:6\nb.ts\n#EXT-X-GAP\n#EXTINF:6\nc.ts\n\
         #EXTINF:6\nd.ts\n#EXT-X-KEY:METHOD=AES-128,URI=\"k2\",IV=0Xa0\n#EXTINF:6\ne.ts\n\
         #EXT-X-KEY:METHOD=NONE\n#EXTINF:6\nf.ts",
    )
    .unwrap();
    let keys: Vec<_> = media
        .segments
        .iter()
        .map(|s| (s.media_sequence, s.gap, s.key.as_ref().map(|key| (&key.uri[..], key.iv))))
        .collect();
    let mut iv = [0; 16];
    iv[15] = 0xA0;
    assert_eq!(
        keys,
        [
            (7, false, None),
            (8, false, Some(("k,1", None))),
            (9, true, None),
            (10, false, Some(("k,1", None))),
            (11, false, Some(("k2", Some(iv)))),
            (12, false, None),
        ]
    );
    assert_eq!((media.media_sequence, media.discontinuity_sequence), (7, 2));
    assert_eq!(media.start, Some(StartOffset { milliseconds: -1_500, precise: false }));
    let date = ProgramDateTime { unix_milliseconds: 1_266_562_463_031, offset_minutes: Some(480) };
    let dates: Vec<_> = media.segments.iter().map(|s| s.program_date_time).collect();
    assert_eq!(dates, [Some(date), None, None, None, None, None]);
}

#[test]
fn variables_of_the_master_reach_its_media_playlists() {
    let master = "#EXTM3U\n#EXT-X-DEFINE:NAME=\"dir\",VALUE=\"v1\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"{$dir}\"\n{$dir}/a.m3u8?t={$dir}\n";
    let master = read_master(master).unwrap();
    assert_eq!(master.streams[0].entry.uri, "v1/a.m3u8?t=v1");
    assert_eq!(master.streams[0].entry.codecs.as_deref(), Some("v1"));
    let media = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-DEFINE:IMPORT=\"dir\"\n\
        #EXT-X-DEFINE:QUERYPARAM=\"t\"\n#EXT-X-KEY:METHOD=AES-128,URI=\"{$t}.key\"\n\
        #EXTINF:6,\n{$dir}.ts\n#EXT-X-ENDLIST";
    let context =
        MediaContext { variables: &master.variables, query: Some("a=b&t=%41"), max_segments: 9 };
    let media = media_playlist(media.as_bytes(), &context).unwrap();
    assert_eq!(media.segments[0].uri, "v1.ts");
    assert_eq!(media.segments[0].key.as_ref().unwrap().uri, "A.key");
}

#[test]
fn date_ranges_with_variables_that_nobody_defines_are_left_out() {
    let text = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-DEFINE:NAME=\"a\",VALUE=\"x\"\n\
        #EXT-X-DATERANGE:ID=\"{$a}\",X-A=\"{$a}\"\n#EXT-X-DATERANGE:ID=\"b\",X-A=\"{$b}\"\n\
        #EXTINF:6,\na.ts\n#EXT-X-ENDLIST";
    let media = read_media(text).unwrap();
    let ids: Vec<_> = media.markers.iter().map(|tag| &tag.mark).collect();
    let [Mark::DateRange(range)] = ids[..] else { panic!("one is left: {ids:?}") };
    assert_eq!((range.id.as_str(), range.others[0].1.as_str()), ("x", "\"x\""));
    assert_eq!(kinds(&media.notes), [(NoteKind::MarkerUnreadable, 5)]);
}

#[test]
fn masters_keep_what_they_can() {
    let text = "# by hand\n#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,NAME=\"de\",URI=\"d.m3u8\"\n\
        #EXT-X-MEDIA:TYPE=AUDIO,NAME=\"en\"\n#EXT-X-STREAM-INF:BANDWIDTH=x,FRAME-RATE=29.97\n\
        #EXT-X-STREAM-INF:RESOLUTION= 16x9 ,CODECS=avc1.64001e,mp4a.40.2\n\n#EXT-X-NEW:1\n\
        # comment\na.m3u8\nlost.m3u8\n#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i.m3u8\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=3,PATHWAY-ID=\"B\"\nb.m3u8\n\
        #EXT-X-STREAM-INF:PATHWAY-ID=\"A\",BANDWIDTH=\"3\"\nc.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=1";
    let master = read_master(text).unwrap();
    let uris: Vec<_> = master.streams.iter().map(|s| s.entry.uri.as_str()).collect();
    assert_eq!(uris, ["a.m3u8", "b.m3u8", "c.m3u8"]);
    assert_eq!(master.streams[0].entry.resolution, Some((16, 9)));
    assert_eq!(master.streams[0].entry.codecs.as_deref(), Some("avc1.64001e,mp4a.40.2"));
    assert_eq!(master.streams[1].attributes, master.streams[2].attributes);
    assert_eq!(master.renditions, []);
    assert_eq!(
        kinds(&master.notes),
        [
            (NoteKind::HeaderLate, 2),
            (NoteKind::ValueUnreadable, 3),
            (NoteKind::UriMissing, 5),
            (NoteKind::UriUnannounced, 11),
        ]
    );
    assert_eq!(read_master("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1"), Err(ReadError::NoStreams));
    let many = "#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n".repeat(1001);
    let error = read_master(&format!("#EXTM3U\n{many}")).unwrap_err().to_string();
    assert!(error.starts_with("line 2002 (EXT-X-STREAM-INF): "), "{error}");
}

/// The sample playlists of other parsers, where this machine has them.
fn samples() -> Vec<(String, Vec<u8>)> {
    let media = std::env::var_os("PACKORIGIN_TEST_MEDIA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/media"),
        PathBuf::from,
    );
    let mut found = Vec::new();
    let mut folders = vec![media.join("playlists")];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "m3u8") {
                found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
            }
        }
    }
    if found.is_empty() {
        println!("no sample playlists of other parsers here; PACKORIGIN_TEST_MEDIA names them");
    }
    found.sort();
    found
}

/// Lines that are neither blank, comment nor tag, and the durations, by text search alone.
fn counted(text: &str) -> (Vec<&str>, Vec<f64>) {
    let uris =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let durations = text.lines().filter_map(|line| {
        let value = line.trim().strip_prefix("#EXTINF:")?;
        value.split(',').next()?.trim().parse().ok()
    });
    (uris.collect(), durations.collect())
}

/// m3u8-rs wants more of a playlist than we do; what it reads we read alike.
fn agrees_with_another_reader(name: &str, bytes: &[u8], media: &MediaPlaylist) {
    let Ok(other) = m3u8_rs::parse_media_playlist_res(bytes) else { return };
    if media.segments.len() != other.segments.len() {
        // It takes a tag that it does not know for a URI; ours were counted already.
        return;
    }
    assert_eq!(media.media_sequence, other.media_sequence, "{name}");
    assert_eq!(media.discontinuity_sequence, other.discontinuity_sequence, "{name}");
    for (ours, theirs) in media.segments.iter().zip(&other.segments) {
        assert_eq!(ours.uri, theirs.uri.trim(), "{name}");
        assert_eq!(ours.discontinuity, theirs.discontinuity, "{name}: {}", ours.uri);
        let distance = ours.duration.unwrap().as_secs_f32() - theirs.duration;
        assert!(distance.abs() < 1e-3, "{name}: {}", ours.uri);
        let length = theirs.byte_range.as_ref().map(|range| range.length);
        assert_eq!(ours.byte_range.map(|(_, length)| length), length, "{name}: {}", ours.uri);
        if let Some(date) = theirs.program_date_time {
            let at = ours.program_date_time.unwrap().unix_milliseconds;
            assert_eq!(at, date.timestamp_millis(), "{name}: {}", ours.uri);
        }
    }
}

#[test]
fn sample_playlists_of_other_parsers_are_read_or_refused_with_a_place() {
    let samples = samples();
    let (mut masters, mut media_playlists) = (0, 0);
    for (name, bytes) in &samples {
        let text = String::from_utf8_lossy(bytes);
        let (uris, durations) = counted(&text);
        // Live ones are read as if they had ended: what is judged is the reading.
        let ended = [&bytes[..], b"\n#EXT-X-ENDLIST\n"].concat();
        match (master_playlist(bytes, None), read_bytes(&ended)) {
            (Ok(master), Err(ReadError::NotAMediaPlaylist { .. })) => {
                masters += 1;
                let read: Vec<_> = master.streams.iter().map(|s| &s.entry.uri[..]).collect();
                let lost = master.notes.iter().find(|n| n.kind == NoteKind::UriUnannounced);
                assert!(read == uris || lost.is_some(), "{name}: {read:?}");
            }
            (Err(ReadError::NotAMasterPlaylist { .. }), Ok(media)) => {
                media_playlists += 1;
                let read: Vec<_> = media.segments.iter().map(|s| &s.uri[..]).collect();
                assert_eq!(read, uris, "{name}");
                let sum: f64 =
                    media.segments.iter().flat_map(|s| s.duration).map(|d| d.as_secs_f64()).sum();
                let wanted: f64 = durations.iter().sum();
                let lost = media.notes.iter().find(|n| n.kind == NoteKind::UriMissing);
                agrees_with_another_reader(name, &ended, &media);
                assert!((sum - wanted).abs() < 1e-3 || lost.is_some(), "{name}: {sum} {wanted}");
            }
            (master, media) => {
                let errors = [master.unwrap_err(), media.unwrap_err()];
                for error in errors.map(|error| error.to_string()) {
                    let says = ["line ", "nothing to play"].iter().any(|word| error.contains(word));
                    assert!(says, "{name}: {error}");
                }
            }
        }
    }
    if !samples.is_empty() {
        println!("{masters} master and {media_playlists} media playlists of {}", samples.len());
        assert!(masters >= 20 && media_playlists >= 25, "{masters} and {media_playlists}");
    }
}

/// A media playlist as somebody untidy might print it.
fn printed(segments: &[MediaSegment], style: u8) -> String {
    let end = if style & 1 == 0 { "\n" } else { " \r\n" };
    let gap = if style & 2 == 0 { "" } else { " \t" };
    let mut text = format!("#EXTM3U{end}#EXT-X-TARGETDURATION:{gap}4294967295{end}");
    let mut key: Option<&std::sync::Arc<KeyTag>> = None;
    for segment in segments {
        if style & 4 != 0 {
            text += &format!("{end}# comment{end}#EXT-X-UNKNOWN:a,b=\"{end}");
        }
        if segment.key.as_ref() != key {
            key = segment.key.as_ref();
            let tag = match key {
                None => "METHOD=NONE".to_owned(),
                Some(key) => {
                    let iv = key.iv.map(|iv| format!("{gap},{gap}IV=0x{}", hex::encode(iv)));
                    let uri = format!("URI{gap}={gap}\"{}\"", key.uri);
                    format!("METHOD=AES-128{gap},{uri}{}", iv.unwrap_or_default())
                }
            };
            text += &format!("#EXT-X-KEY:{gap}{tag}{end}");
        }
        if segment.discontinuity {
            text += &format!("#EXT-X-DISCONTINUITY{end}");
        }
        if segment.gap {
            text += &format!("#EXT-X-GAP{end}");
        }
        if let Some((start, length)) = segment.byte_range {
            text += &format!("#EXT-X-BYTERANGE:{gap}{length}@{start}{end}");
        }
        let duration = segment.duration.unwrap();
        let title = if style & 8 == 0 { ",Ü,\"" } else { "" };
        let (seconds, nanoseconds) = (duration.as_secs(), duration.subsec_nanos());
        text += &format!("#EXTINF:{gap}{seconds}.{nanoseconds:09}{gap}{title}{end}");
        text += &format!("{gap}{}{end}", segment.uri);
    }
    text += "#EXT-X-ENDLIST";
    if style & 16 == 0 { format!("\u{feff}{text}") } else { text }
}

fn segments() -> impl Strategy<Value = Vec<MediaSegment>> {
    let key = proptest::option::of(("[a-z/?=,.%20-9]{1,12}", any::<Option<[u8; 16]>>()));
    let range = proptest::option::of((0_u64..1 << 40, 1_u64..1 << 40));
    let entry = ("[a-z][a-z/?=,.%20-9]{0,12}", any::<(bool, bool)>(), range, 0_u64..1 << 61, key);
    proptest::collection::vec(entry, 1..12).prop_map(|entries| {
        let entries = entries.into_iter().zip(0..);
        let segment = |((uri, (discontinuity, gap), byte_range, nanoseconds, key), number)| {
            let key: Option<(String, Option<[u8; 16]>)> = key;
            let key = key.map(|(uri, iv)| KeyTag { line: 0, uri, iv });
            MediaSegment {
                uri,
                line: 0,
                duration: Some(Duration::from_nanos(nanoseconds)),
                discontinuity,
                gap,
                byte_range,
                program_date_time: None,
                key: key.filter(|_| !gap).map(Into::into),
                media_sequence: number,
            }
        };
        entries.map(segment).collect()
    })
}

/// Without lines, which printing decides.
fn unplaced(mut segments: Vec<MediaSegment>) -> Vec<MediaSegment> {
    for segment in &mut segments {
        segment.line = 0;
        if let Some(key) = &mut segment.key {
            *key = KeyTag { line: 0, ..KeyTag::clone(key) }.into();
        }
    }
    segments
}

/// Pieces that playlists are made of, for texts that look like some.
fn piece() -> impl Strategy<Value = String> {
    let tags = prop::sample::select(vec![
        "#EXTM3U",
        "#EXTINF:",
        "#EXT-X-KEY:METHOD=",
        "AES-128",
        "NONE",
        ",URI=\"",
        "\"",
        ",IV=0x",
        "#EXT-X-BYTERANGE:",
        "@",
        "#EXT-X-DEFINE:NAME=\"a\",VALUE=\"",
        "{$a}",
        "{$",
        "}",
        "=",
        ",",
        "\n",
        "\r\n",
        " ",
        "#EXT-X-STREAM-INF:BANDWIDTH=",
        "#EXT-X-GAP",
        "#EXT-X-ENDLIST",
        "a.ts",
        "#EXT-X-MEDIA-SEQUENCE:",
        "18446744073709551615",
        "9",
        ".",
        "-",
        "é",
        "#EXT-X-START:",
        "TIME-OFFSET=",
        "#EXT-X-PROGRAM-DATE-TIME:",
        "2010-02-19T14:54:23.031+08:00",
        "#EXT-X-TARGETDURATION:",
        "#EXT-X-DISCONTINUITY-SEQUENCE:",
        "#EXT-X-MEDIA:TYPE=",
    ]);
    prop_oneof![9 => tags.prop_map(str::to_owned), 1 => "\\PC{0,4}"]
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(segments in segments(), style in 0_u8..32) {
        let read = read_media(&printed(&segments, style)).unwrap();
        prop_assert_eq!(unplaced(read.segments), unplaced(segments));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let headed = [b"#EXTM3U\n", &bytes[..]].concat();
        for bytes in [bytes, headed] {
            let _ = (master_playlist(&bytes, Some("a=b")), read_bytes(&bytes));
        }
    }

    #[test]
    fn any_pieces_of_playlists_are_read_or_refused(
        pieces in proptest::collection::vec(piece(), 0..60)
    ) {
        let text = format!("#EXTM3U\n{}\n#EXT-X-ENDLIST", pieces.concat());
        let _ = (master_playlist(text.as_bytes(), Some("a=b")), read_media(&text));
    }

    #[test]
    fn damaged_samples_are_read_or_refused(
        which in any::<prop::sample::Index>(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_usize..4), 1..20),
    ) {
        let samples = samples();
        let made = [MASTER, MEDIA].map(|text| (String::new(), text.as_bytes().to_vec()));
        let all: Vec<_> = samples.into_iter().chain(made).collect();
        let mut bytes = all[which.index(all.len())].1.clone();
        for (at, byte, kind) in edits {
            if bytes.is_empty() { break }
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => { bytes.remove(at); }
                _ => bytes.truncate(at.max(10)),
            }
        }
        let ended = [&bytes[..], b"\n#EXT-X-ENDLIST\n"].concat();
        let _ = (master_playlist(&bytes, None), read_bytes(&bytes), read_bytes(&ended));
    }
}

#[test]
fn renditions_keep_what_people_are_told() {
    let text = "#EXTM3U\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aac\",NAME=\"Deutsch, Kommentar\",LANGUAGE=\"de\",\
        ASSOC-LANGUAGE=\"gsw\",DEFAULT=YES,CHANNELS=\"2\",URI=\"de.m3u8\",\
        CHARACTERISTICS=\"public.a, public.b\"\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aac\",LANGUAGE=\"en\",AUTOSELECT=YES\n\
        #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"t\",NAME=\"x\",FORCED=YES,URI=\"x.m3u8\"\n\
        #EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"c\",NAME=\"y\",INSTREAM-ID=\"CC1\"\n\
        #EXT-X-MEDIA:TYPE=SMELL,GROUP-ID=\"c\",NAME=\"y\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"aac\",SUBTITLES=\"t\",CLOSED-CAPTIONS=NONE\na.m3u8";
    let master = read_master(text).unwrap();
    let [german, english, text, captions] = &master.renditions[..] else { panic!("{master:?}") };
    assert_eq!(german.kind, RenditionType::Audio);
    assert_eq!((german.line, german.group.as_str()), (2, "aac"));
    assert_eq!(german.uri.as_deref(), Some("de.m3u8"));
    assert_eq!(german.channels.as_deref(), Some("2"));
    let described = Description {
        name: "Deutsch, Kommentar".to_owned(),
        language: Some("de".to_owned()),
        associated_language: Some("gsw".to_owned()),
        is_default: true,
        is_autoselected: true,
        is_forced: false,
        characteristics: vec!["public.a".to_owned(), "public.b".to_owned()],
    };
    assert_eq!(german.description, described);
    assert_eq!((english.uri.as_deref(), english.description.name.as_str()), (None, "en"));
    assert!(english.description.is_autoselected && !english.description.is_default);
    assert!(text.kind == RenditionType::Subtitles && text.description.is_forced);
    assert_eq!(captions.instream_id.as_deref(), Some("CC1"));
    assert_eq!(kinds(&master.notes), [(NoteKind::ValueUnreadable, 6)]);
    let stream = &master.streams[0].entry;
    assert_eq!(stream.audio.as_deref(), Some("aac"));
    assert_eq!(stream.subtitles.as_deref(), Some("t"));
    assert_eq!(stream.closed_captions.as_deref(), Some("NONE"));
}

#[test]
fn captions_go_to_the_streams_that_name_their_group() {
    let media = |attributes: &str| format!("#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,{attributes}\n");
    let stream =
        |uri: &str, attribute: &str| format!("#EXT-X-STREAM-INF:BANDWIDTH=1{attribute}\n{uri}\n");
    let text = [
        "#EXTM3U\n".to_owned(),
        stream("a", ",CLOSED-CAPTIONS=\"g\""),
        stream("b", ",CLOSED-CAPTIONS=NONE"),
        stream("c", ""),
        stream("d", ",CLOSED-CAPTIONS=\"nowhere\""),
        media("GROUP-ID=\"g\",NAME=\"English\",LANGUAGE=\"en\",DEFAULT=YES,INSTREAM-ID=\"CC1\""),
        media("GROUP-ID=\"g\",NAME=\"again\",INSTREAM-ID=\"CC1\""),
        media("GROUP-ID=\"h\",NAME=\"Svenska\",CHARACTERISTICS=\"x,y\",INSTREAM-ID=\"SERVICE2\""),
        media("GROUP-ID=\"g\",NAME=\"what\",INSTREAM-ID=\"CC7\""),
    ];
    let master = read_master(&text.concat()).unwrap();
    let told: Vec<_> = master
        .streams
        .iter()
        .map(|stream| {
            let captions = &stream.entry.captions;
            let words = captions.services.iter().filter_map(|caption| caption.description.as_ref());
            let names: Vec<_> = words.map(|words| words.name.clone()).collect();
            (captions.are_there, names.join(" "))
        })
        .collect();
    let row = |there, names: &str| (there, names.to_owned());
    let expected = [
        row(Some(true), "English"),
        row(Some(false), ""),
        row(None, "English Svenska"),
        row(None, ""),
    ];
    assert_eq!(told, expected);
    assert_eq!(master.streams[0].entry.captions.services[0].language(), Some("en"));
}
