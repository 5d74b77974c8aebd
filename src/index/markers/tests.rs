use super::*;
use crate::model::codec::{AvcConfig, CodecConfig, PictureFormat, StreamSyntax};
use crate::model::presentation::{Period, SourceObject, SourcePosition};
use crate::model::wall_clock::{Anchor, WallClock};
use crate::ts::splice::{Segmentation, SpliceCommand, SpliceInfo, SpliceInsert, write_splice};

const SECOND: i64 = 90_000;
/// What the source's clock shows when the title begins: it wraps after five seconds.
const CLOCK: i64 = (1 << 33) - 5 * SECOND;

/// A minute of pictures with a keyframe every two seconds and segments of ten, at 25 per second.
fn stream(uri: &str) -> Stream {
    let group = |index: i64| Group {
        start: SourcePosition { object: (index / 5) as u32, offset: (index % 5) as u64 * 18_800 },
        end: SourcePosition { object: (index / 5) as u32, offset: (index % 5 + 1) as u64 * 18_800 },
        time: Ticks(index * 2 * SECOND),
        ..Group::default()
    };
    let config = AvcConfig {
        profile_idc: 66,
        constraints: 0,
        level_idc: 30,
        picture: PictureFormat::default(),
        sequence_parameter_sets: Vec::new(),
        picture_parameter_sets: Vec::new(),
    };
    let video = Track {
        pid: 256,
        syntax: StreamSyntax::H264,
        codec: CodecConfig::Avc(config),
        timescale: Timescale::MPEG,
        sample_duration: 3_600,
        clock_offset: Ticks(CLOCK),
        transport_delay: 0,
        groups: (0..30).map(group).collect(),
        end: Ticks(60 * SECOND),
    };
    let object = SourceObject {
        path: String::new(),
        start: 0,
        size: 94_000,
        packet_bytes: 188,
        encryption: None,
    };
    Stream {
        uri: uri.to_owned(),
        objects: vec![object; 6].into(),
        periods: vec![StreamPeriod { video: Some(video), audio: None }],
        ..Stream::default()
    }
}

fn title() -> Presentation {
    let anchor = Anchor { time: Ticks::ZERO, unix_milliseconds: 1_600_000_000_000 };
    Presentation {
        periods: vec![Period { start: Ticks::ZERO, duration: Ticks(60 * SECOND) }],
        streams: vec![stream("a"), stream("b")],
        wall_clock: WallClock::new(vec![anchor]),
        ..Presentation::default()
    }
}

fn clock(second: i64) -> u64 {
    (CLOCK + second * SECOND).rem_euclid(1 << 33) as u64
}

/// A section that came at one second and is about another.
fn splice(arrived: i64, command: SpliceCommand, segmentations: Vec<Segmentation>) -> RawSplice {
    let section = format!("{command:?} {segmentations:?}").into_bytes();
    RawSplice {
        place: ((arrived as u64 / 10) << 40) + (arrived as u64 % 10) * 9_400,
        arrived: Some(clock(arrived)),
        info: SpliceInfo { command, segmentations },
        section,
    }
}

fn insert(
    arrived: i64,
    event: u32,
    is_out: bool,
    at: Option<i64>,
    length: Option<i64>,
) -> RawSplice {
    let command = SpliceCommand::Insert(SpliceInsert {
        event,
        is_cancelled: false,
        is_out,
        time: at.map(clock),
        duration: length.map(|seconds| (seconds * SECOND) as u64),
    });
    splice(arrived, command, Vec::new())
}

fn segment(event: u32, type_id: u8, length: Option<i64>) -> Segmentation {
    Segmentation {
        event,
        is_cancelled: false,
        duration: length.map(|seconds| (seconds * SECOND) as u64),
        upid_type: 0,
        upid: Vec::new(),
        type_id,
    }
}

fn signal(arrived: i64, at: i64, segmentations: Vec<Segmentation>) -> RawSplice {
    splice(arrived, SpliceCommand::TimeSignal(Some(clock(at))), segmentations)
}

/// ID, start, duration and planned duration in seconds, and which of out, in, command are there.
type Shown = (String, i64, Option<i64>, Option<i64>, String);

fn shown(markers: &[Marker]) -> Vec<Shown> {
    let seconds = |ticks: Ticks| ticks.0 / SECOND;
    let show = |marker: &Marker| {
        let sections = [(&marker.out, 'o'), (&marker.back, 'i'), (&marker.command, 'c')];
        let letters = sections.iter().filter(|(section, _)| section.is_some());
        (
            marker.id.clone(),
            seconds(marker.time),
            marker.duration.map(seconds),
            marker.planned_duration.map(seconds),
            letters.map(|(_, letter)| letter).collect(),
        )
    };
    markers.iter().map(show).collect()
}

fn expect(id: &str, at: i64, length: Option<i64>, planned: Option<i64>, letters: &str) -> Shown {
    (id.to_owned(), at, length, planned, letters.to_owned())
}

/// The markers and the codes of what is told beside.
fn placed(read: &[StreamMarkers]) -> (Vec<Shown>, Vec<(&'static str, u64)>) {
    let mut findings = Findings::new();
    let markers = place(&title(), read, &mut findings);
    let numbers: Vec<u32> = markers.iter().map(|marker| marker.number).collect();
    assert!(numbers.into_iter().eq(0..markers.len() as u32));
    let codes = findings.into_sorted().into_iter();
    (shown(&markers), codes.map(|finding| (finding.code.as_str(), finding.count)).collect())
}

fn splices(splices: Vec<RawSplice>) -> StreamMarkers {
    StreamMarkers { splices, tags: Vec::new() }
}

fn tags(marks: Vec<(usize, Mark)>) -> StreamMarkers {
    let tags = marks.into_iter().zip(1..);
    let tag = |((segment, mark), line)| MarkerTag { line, segment, mark };
    StreamMarkers { splices: Vec::new(), tags: tags.map(tag).collect() }
}

#[test]
fn a_break_is_one_marker_however_often_it_is_told() {
    let all = vec![
        insert(4, 7, true, Some(10), Some(20)),
        insert(6, 7, true, Some(10), Some(20)),
        // Nobody said before when it ends.
        insert(26, 7, false, Some(28), None),
    ];
    let (markers, codes) = placed(&[splices(all.clone()), splices(all)]);
    assert_eq!(markers, [expect("splice-7", 10, Some(18), Some(20), "oi")]);
    assert_eq!(codes, []);
}

#[test]
fn what_is_put_off_or_cancelled_is_not_there_twice() {
    let cancelled = SpliceCommand::Insert(SpliceInsert {
        event: 8,
        is_cancelled: true,
        is_out: false,
        time: None,
        duration: None,
    });
    let (markers, _) = placed(&[splices(vec![
        insert(1, 7, true, Some(10), None),
        insert(2, 8, true, Some(20), None),
        insert(3, 7, true, Some(14), None),
        splice(5, cancelled, Vec::new()),
        // The same event ID again, when the first is over.
        insert(30, 7, true, Some(40), None),
    ])]);
    let expected =
        [expect("splice-7", 14, None, None, "o"), expect("splice-7.2", 40, None, None, "o")];
    assert_eq!(markers, expected);
}

#[test]
fn descriptors_are_markers_of_their_own() {
    let (markers, _) = placed(&[splices(vec![
        signal(1, 4, vec![segment(1, 0x10, Some(50)), segment(2, 0x22, None)]),
        signal(5, 8, vec![segment(2, 0x23, None), segment(1, 0x11, None)]),
        signal(9, 12, Vec::new()),
    ])]);
    let expected = [
        expect("segment-10-1", 4, None, Some(50), "c"),
        expect("segment-22-2", 4, Some(4), None, "oi"),
        expect("segment-11-1", 8, None, None, "c"),
        expect("command", 12, None, None, "c"),
    ];
    assert_eq!(markers, expected);
}

#[test]
fn what_happens_at_once_is_where_its_packet_is() {
    let (markers, codes) = placed(&[splices(vec![insert(13, 1, true, None, Some(4))])]);
    assert_eq!(markers, [expect("splice-1", 13, None, Some(4), "o")]);
    // In both renditions, out and in.
    assert_eq!(codes, [("marker_off_keyframe", 2), ("marker_off_keyframe", 2)]);
}

#[test]
fn times_outside_the_title_are_told() {
    let far = insert(30, 1, true, Some(600), None);
    let beyond = insert(50, 2, true, Some(63), None);
    let (markers, codes) = placed(&[splices(vec![far, beyond])]);
    assert_eq!(markers, []);
    assert_eq!(codes, [("markers_unplaced", 1), ("markers_unplaced", 1)]);
}

#[test]
fn tags_count_where_their_segments_begin() {
    let out = Mark::Out { duration: Some(20_000), section: None, id: None };
    let back = || Mark::In { section: None, id: None };
    let goes_on = Mark::Continues { elapsed: Some(10_000), duration: Some(20_000), section: None };
    let all = tags(vec![(1, out), (2, goes_on), (3, back()), (6, back())]);
    let mut findings = Findings::new();
    let markers = place(&title(), &[all.clone(), all], &mut findings);
    // Where all is over nothing goes on.
    assert_eq!(shown(&markers), [expect("break", 10, Some(20), Some(20), "oi")]);
    assert_eq!(markers[0].out, Some(write_splice(1, true, Some(20 * SECOND as u64))));
    assert_eq!(markers[0].back, Some(write_splice(1, false, None)));
}

#[test]
fn a_section_beside_a_tag_is_about_the_same_break() {
    let section = write_splice(44, true, None);
    let out = Mark::Out { duration: Some(20_000), section: None, id: None };
    let read = tags(vec![(1, Mark::Section(section.clone())), (1, out)]);
    let mut findings = Findings::new();
    let markers = place(&title(), &[read], &mut findings);
    assert_eq!(shown(&markers), [expect("splice-44", 10, None, Some(20), "o")]);
    assert_eq!(markers[0].out.as_ref(), Some(&section));
    // And about the same as that in the segments.
    let both = StreamMarkers {
        splices: vec![insert(8, 44, true, Some(12), None)],
        ..tags(vec![(1, Mark::Section(section))])
    };
    assert_eq!(placed(&[both]).0, [expect("splice-44", 12, None, None, "o")]);
    let broken = tags(vec![(1, Mark::Section(vec![1, 2, 3]))]);
    assert_eq!(placed(&[broken]), (vec![], vec![("markers_broken", 1)]));
}

#[test]
fn date_ranges_are_placed_by_dates() {
    let range = |id: &str, second: i64| DateRange {
        id: id.to_owned(),
        start: Some(1_600_000_000_000 + second * 1_000),
        ..DateRange::default()
    };
    let section = write_splice(7, true, None);
    let marks = vec![
        DateRange { planned_duration: Some(30_000), ..range("plain", 5) },
        DateRange { out: Some(section.clone()), ..range("ad", 20) },
        DateRange { end: range("ad", 36).start, start: None, ..range("ad", 0) },
        DateRange { duration: Some(3_000), ..range("early", -2) },
        DateRange { others: vec![("CUE".to_owned(), "\"PRE\"".to_owned())], ..range("roll", -9) },
        range("late", 61),
        DateRange { start: None, ..range("nowhere", 0) },
    ];
    let marks = marks.into_iter().map(|range| (0, Mark::DateRange(range)));
    let mut read = tags(marks.collect());
    // What a section in the segments says, too.
    read.splices
        .push(RawSplice { section: section.clone(), ..insert(15, 7, true, Some(20), None) });
    let expected = [
        expect("roll", -9, None, None, ""),
        expect("early", -2, Some(3), None, ""),
        expect("plain", 5, None, Some(30), ""),
        expect("ad", 20, Some(16), None, "o"),
    ];
    let (markers, codes) = placed(&[read.clone(), read.clone()]);
    assert_eq!(markers, expected);
    assert_eq!(codes, [("markers_unplaced", 1), ("markers_unplaced", 1)]);
    let mut findings = Findings::new();
    let undated = Presentation { wall_clock: WallClock::default(), ..title() };
    read.splices.clear();
    assert_eq!(place(&undated, &[read], &mut findings), []);
    assert!(
        findings.into_sorted().iter().all(|finding| finding.code == FindingCode::MarkersUnplaced)
    );
}

#[test]
fn markers_of_all_kinds_have_names_of_their_own() {
    let range = |id: &str| DateRange {
        id: id.to_owned(),
        start: Some(1_600_000_050_000),
        ..DateRange::default()
    };
    let out = || Mark::Out { duration: None, section: None, id: None };
    let named = |id: &str| Mark::DateRange(range(id));
    let read = tags(vec![(0, named("break")), (0, named("break.2")), (1, out()), (2, out())]);
    let (markers, _) = placed(&[read]);
    let ids: Vec<&str> = markers.iter().map(|marker| marker.0.as_str()).collect();
    assert_eq!(ids, ["break.2.2", "break.3", "break", "break.2"]);
}

#[test]
fn times_of_millions_of_years_break_nothing() {
    let long = Some(i64::MAX);
    let goes_on = |elapsed| Mark::Continues { elapsed, duration: long, section: None };
    let out = Mark::Out { duration: long, section: None, id: None };
    let mut read = tags(vec![(1, goes_on(long)), (2, goes_on(Some(0))), (3, out)]);
    let outs = |read: &StreamMarkers| {
        let markers = place(&title(), std::slice::from_ref(read), &mut Findings::new());
        markers.iter().filter(|marker| marker.out.is_some()).count()
    };
    assert_eq!(outs(&read), 3);
    // What began before all time is told after what began later.
    read.tags.reverse();
    assert_eq!(outs(&read), 3);
}

#[test]
fn a_title_has_so_many_markers_and_no_more() {
    let range = |stream: usize, id: usize| {
        let start = Some(1_600_000_001_000);
        Mark::DateRange(DateRange { id: format!("{stream}-{id}"), start, ..DateRange::default() })
    };
    let count = MAX_MARKERS / 2 + 1;
    let read = |stream| tags((0..count).map(|id| (0, range(stream, id))).collect());
    let (markers, codes) = placed(&[read(0), read(1)]);
    assert_eq!((markers.len(), codes), (MAX_MARKERS, vec![("markers_broken", 2)]));
}
