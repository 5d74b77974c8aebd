use super::*;
use crate::codec::webvtt;
use crate::model::codec::{AacConfig, AacExtension, CodecConfig, StreamSyntax};
use crate::model::description::Description;
use crate::model::groups::Groups;
use crate::model::list::List;
use crate::model::presentation::{Period, Stream, StreamPeriod, StreamRole, Track};
use crate::time::Timescale;

/// Periods by their seconds on the timeline and the clock at their start.
fn presentation(periods: &[(i64, i64, i64)]) -> Presentation {
    let tracks = periods.iter().map(|&(start, end, clock)| Track {
        pid: 257,
        syntax: StreamSyntax::Adts,
        codec: CodecConfig::Aac(AacConfig {
            object_type: 2,
            sampling_frequency: 48_000,
            frequency_index: 3,
            channel_configuration: 2,
            extension: AacExtension::None,
        }),
        timescale: Timescale::MPEG,
        sample_duration: 1_024,
        clock_offset: Ticks((clock - start * 90_000).rem_euclid(CLOCK_PERIOD)),
        transport_delay: 0,
        groups: Groups::default(),
        end: Ticks(end * 90_000),
    });
    Presentation {
        streams: vec![Stream {
            uri: String::new(),
            role: StreamRole::variant(),
            declared_bandwidth: 0,
            objects: List::default(),
            source_identity: [0; 16],
            audio_identity: None,
            captions: Default::default(),
            metadata: Vec::new(),
            periods: tracks.map(|track| StreamPeriod { video: None, audio: Some(track) }).collect(),
        }],
        periods: periods
            .iter()
            .map(|&(start, end, _)| Period {
                start: Ticks(start * 90_000),
                duration: Ticks((end - start) * 90_000),
            })
            .collect(),
        ..Presentation::default()
    }
}

/// Files of ten seconds each.
fn text(files: &[&str]) -> ReadText {
    let files = files.iter().zip(0..).map(|(file, index)| PlacedFile {
        path: format!("{index}.vtt"),
        at: Duration::from_secs(10 * index),
        duration: Some(Duration::from_secs(10)),
        file: webvtt::read(format!("WEBVTT\n{file}\n").as_bytes()).unwrap(),
        document: None,
    });
    let (uri, description) = ("t.m3u8".to_owned(), Description::default());
    ReadText { uri, description, stable_id: None, files: files.collect() }
}

/// Start and end of each cue in milliseconds, and its text; the codes that were found.
fn placed(
    presentation: &Presentation,
    text: &ReadText,
) -> (Vec<(i64, i64, String)>, Vec<FindingCode>) {
    let mut findings = Findings::new();
    let stream = place(presentation, std::slice::from_ref(text), &mut findings).remove(0);
    let cues = stream.cues.into_iter().map(|cue| (cue.start.0 / 90, cue.end.0 / 90, cue.payload));
    (cues.collect(), findings.iter().map(|finding| finding.code).collect())
}

fn cue(start: i64, end: i64, payload: &str) -> (i64, i64, String) {
    (start, end, payload.to_owned())
}

#[test]
fn the_map_puts_text_beside_pictures_across_the_wrap() {
    let clock = CLOCK_PERIOD - 5 * 90_000;
    let presentation = presentation(&[(0, 30, clock)]);
    let at = |local: &str, clock: i64| {
        let map =
            format!("X-TIMESTAMP-MAP=LOCAL:{local},MPEGTS:{}", clock.rem_euclid(CLOCK_PERIOD));
        format!("{map}\n\n00:01.000 --> 00:02.000\n<00:01.500>a")
    };
    for (local, map_clock) in [("00:00.000", clock), ("00:05.000", clock + 5 * 90_000)] {
        let (cues, codes) = placed(&presentation, &text(&[&at(local, map_clock)]));
        assert_eq!(cues, [cue(1_000, 2_000, "<00:01.500>a")]);
        assert_eq!(codes, []);
    }
    // Behind the wrap, in the second file; the time within moves, too.
    let second = at("00:00.000", clock + 11 * 90_000);
    let (cues, _) = placed(&presentation, &text(&["", &second]));
    assert_eq!(cues, [cue(12_000, 13_000, "<00:00:12.500>a")]);
}

#[test]
fn the_playlist_tells_which_period_a_clock_is_of() {
    // Both periods begin at the same clock.
    let presentation = presentation(&[(0, 20, 900_000), (20, 40, 900_000)]);
    let map = "X-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000\n\n";
    let files = [
        format!("{map}00:01.000 --> 00:02.000\na"),
        format!("{map}00:11.000 --> 00:12.000\nb"),
        format!("{map}00:01.000 --> 00:02.000\nc"),
        format!("{map}00:11.000 --> 00:12.000\nd"),
    ];
    let (cues, codes) = placed(&presentation, &text(&files.each_ref().map(String::as_str)));
    let expected = [
        cue(1_000, 2_000, "a"),
        cue(11_000, 12_000, "b"),
        cue(21_000, 22_000, "c"),
        cue(31_000, 32_000, "d"),
    ];
    assert_eq!((cues, codes), (expected.to_vec(), vec![]));
}

#[test]
fn without_a_map_times_count_from_the_start_unless_that_does_not_fit() {
    let presentation = presentation(&[(0, 20, 30 * 90_000)]);
    let (cues, codes) = placed(
        &presentation,
        &text(&["\n00:01.000 --> 00:02.000\na", "\n00:11.000 --> 00:12.000\nb"]),
    );
    assert_eq!(cues, [cue(1_000, 2_000, "a"), cue(11_000, 12_000, "b")]);
    assert_eq!(codes, [FindingCode::TextClockAssumed]);
    let (cues, codes) = placed(
        &presentation,
        &text(&["\n00:31.000 --> 00:32.000\na", "\n00:41.000 --> 00:42.000\nb"]),
    );
    assert_eq!(cues, [cue(1_000, 2_000, "a"), cue(11_000, 12_000, "b")]);
    assert_eq!(codes, [FindingCode::TextClockAssumed]);
}

#[test]
fn repeats_in_neighbouring_files_are_one_cue() {
    let presentation = presentation(&[(0, 30, 0)]);
    let map = "X-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n\nSTYLE\n::cue {}\n\n";
    let long = "00:08.000 --> 00:23.000 line:0\nlong\n\n";
    let files = [
        format!("{map}00:08.000 --> 00:12.000\ntwice\n\n{long}"),
        format!("{map}{long}00:13.000 --> 00:14.000\ntwice\n\n00:13.000 --> 00:14.000\ntwice"),
        format!("{map}{long}00:08.000 --> 00:23.000 line:1\nlong"),
    ];
    let text = text(&files.each_ref().map(String::as_str));
    let (cues, _) = placed(&presentation, &text);
    let expected = [
        cue(8_000, 12_000, "twice"),
        cue(8_000, 23_000, "long"),
        cue(8_000, 23_000, "long"),
        cue(13_000, 14_000, "twice"),
        cue(13_000, 14_000, "twice"),
    ];
    assert_eq!(cues, expected, "within a file, and with other settings, cues are kept apart");
    let stream = on_timeline(&presentation, &text, &mut Findings::new());
    assert_eq!(stream.header.blocks, ["STYLE\n::cue {}"]);
}

#[test]
fn what_is_wrong_is_told() {
    let presentation = presentation(&[(0, 10, 0)]);
    let map = "X-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000";
    let file = format!("{map}\n\n00:61.000 --> 00:62.000\na\n\n00:20.000 --> 00:21.000\nb");
    let (cues, codes) = placed(&presentation, &text(&[&file]));
    assert_eq!(cues, []);
    assert_eq!(codes, [FindingCode::CuesBroken, FindingCode::CuesOutside]);
    let file = "X-TIMESTAMP-MAP=MPEGTS:0\n\n00:01.000 --> 00:02.000\na";
    let (_, codes) = placed(&presentation, &text(&[file]));
    assert_eq!(codes, [FindingCode::TextClockAssumed]);
}
