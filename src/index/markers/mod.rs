//! Markers: SCTE-35 sections in segments and tags in playlists → [`Marker`]s on the timeline.
//!
//! ```text
//! sections ─ clock ─────► points ─┐
//! tags ───── segment ───► points ─┴ join ─► breaks, commands ─┐
//! EXT-X-DATERANGE ─ dates ──────────────────────────────────── ┴─► markers
//! ```
//!
//! A section has a time of the pictures' clock, which is placed as that of ID3 tags is. A tag counts
//! where the segment behind it begins, and a section in it at that time too: packagers that write
//! clocks anew leave the times in sections as they were. Sections are taken from all streams, tags
//! without dates from one, because each stream repeats them; what several say of one event is one
//! marker.

mod join;
mod point;

use std::collections::BTreeMap;

use self::join::joined;
use self::point::{Point, of_section, of_tag};
use super::tags::Spans;
use crate::hls::read::{DateRange, Mark, MarkerTag};
use crate::model::ingest::{FindingCode, Findings, Place};
use crate::model::marker::{MAX_MARKER_BYTES, Marker};
use crate::model::presentation::{Group, Medium, Presentation, Stream, StreamPeriod, Track};
use crate::model::sample::RandomAccess;
use crate::time::{Ticks, Timescale};

use super::scan::RawSplice;

/// What one stream says of markers.
#[derive(Clone, Debug, Default)]
pub(super) struct StreamMarkers {
    /// Sections in its segments.
    pub splices: Vec<RawSplice>,
    /// Tags in its playlist; their places count the segments that are there.
    pub tags: Vec<MarkerTag>,
}

/// Two ways to say the same are this close, 90 kHz: half a second.
const SAME_TIME: i64 = 90_000 / 2;
const MILLISECOND: Timescale = Timescale::new(1_000).expect("not zero");

fn from_milliseconds(milliseconds: i64) -> Ticks {
    Ticks(milliseconds).rescale(MILLISECOND, Timescale::MPEG)
}

/// The markers of a title. `read` has what each stream says.
pub(super) fn place(
    presentation: &Presentation,
    read: &[StreamMarkers],
    findings: &mut Findings,
) -> Vec<Marker> {
    let streams = || presentation.streams.iter().zip(read);
    let mut points: Vec<Point> = Vec::new();
    for (stream, read) in streams() {
        let (of_stream, unplaced) = section_points(stream, &read.splices);
        let words = "their times are not those of pictures or sound around them";
        let at = Place::stream(&stream.uri);
        findings.add_many(FindingCode::MarkersUnplaced, at, unplaced, words);
        point::merge(&mut points, of_stream, SAME_TIME);
    }
    let has_marks =
        |read: &StreamMarkers| read.tags.iter().any(|tag| !matches!(tag.mark, Mark::DateRange(_)));
    let with_pictures = streams().find(|(s, read)| s.has(Medium::Video) && has_marks(read));
    if let Some((stream, read)) = with_pictures.or_else(|| streams().find(|(_, r)| has_marks(r))) {
        let (of_tags, broken) = tag_points(stream, &read.tags);
        for (line, problem) in broken {
            let at = Place::stream(&stream.uri).line(line as u64);
            let detail = format!("line {line} of {}: the section {problem}", stream.uri);
            findings.add(FindingCode::MarkersBroken, at, detail);
        }
        point::merge(&mut points, of_tags, point::SAME_EVENT);
    }
    let mut markers = joined(points);
    let ranges = date_ranges(presentation, read, findings);
    markers.retain(|marker| !ranges.iter().any(|range| is_same(marker, range)));
    markers.extend(ranges);
    finish(presentation, &mut markers, findings);
    find_off_keyframe(presentation, &markers, findings);
    markers
}

/// Sections of one stream as points, and how many are at no time of it.
fn section_points(stream: &Stream, splices: &[RawSplice]) -> (Vec<Point>, u64) {
    let spans = Spans::of(&stream.periods);
    let mut points = Vec::new();
    let mut unplaced = 0;
    for splice in splices {
        let on_timeline = |time: u64| Some(spans.find(splice.place, time)?.time(time).0);
        let arrived = splice.arrived.and_then(on_timeline);
        let time = match point::time_of(&splice.info) {
            Some(time) => on_timeline(time),
            // It says that it happens now, or what is to be cancelled.
            None => arrived.or_else(|| stream.periods.iter().find_map(start_of)),
        };
        let Some(time) = time else {
            unplaced += 1;
            continue;
        };
        let arrived = arrived.unwrap_or(time).min(time);
        let of_splice = of_section(&splice.info, &splice.section, time, arrived);
        of_splice.into_iter().for_each(|next| point::take(&mut points, next));
    }
    (points, unplaced)
}

fn lead(period: &StreamPeriod) -> Option<&Track> {
    period.video.as_ref().or(period.audio.as_ref())
}

fn start_of(period: &StreamPeriod) -> Option<Ticks> {
    let track = lead(period)?;
    Some(track.start().rescale(track.timescale, Timescale::MPEG))
}

/// Tags of one playlist as points, and lines with sections that cannot be read.
fn tag_points(stream: &Stream, tags: &[MarkerTag]) -> (Vec<Point>, Vec<(usize, String)>) {
    let mut points = Vec::new();
    let mut broken = Vec::new();
    for tag in tags {
        let Some(time) = object_time(stream, tag.segment) else { continue };
        match of_tag(&tag.mark, time) {
            Ok(of_tag) => of_tag.into_iter().for_each(|next| point::take(&mut points, next)),
            Err(error) => broken.push((tag.line, error.to_string())),
        }
    }
    (points, broken)
}

/// When a source segment begins: with the first group that begins in it or later. Behind the last it
/// is when the stream ends.
fn object_time(stream: &Stream, object: usize) -> Option<Ticks> {
    let tracks = || stream.periods.iter().filter_map(lead);
    let mpeg = |track: &Track, time: Ticks| time.rescale(track.timescale, Timescale::MPEG);
    let first = tracks().find_map(|track| {
        let before = |group: &Group| (group.start.object as usize) < object;
        let group = track.groups.get(track.groups.partition_point(before))?;
        Some(mpeg(track, group.time))
    });
    first.or_else(|| tracks().next_back().map(|track| mpeg(track, track.end)))
}

/// The date ranges of all playlists, each once, on the timeline.
fn date_ranges(
    presentation: &Presentation,
    read: &[StreamMarkers],
    findings: &mut Findings,
) -> Vec<Marker> {
    let mut ranges: Vec<(DateRange, &str, usize)> = Vec::new();
    let mut known: BTreeMap<&str, usize> = BTreeMap::new();
    for (stream, read) in presentation.streams.iter().zip(read) {
        for tag in &read.tags {
            let Mark::DateRange(range) = &tag.mark else { continue };
            let place = *known.entry(&range.id).or_insert(ranges.len());
            match ranges.get_mut(place) {
                Some((known, ..)) => add_attributes(known, range),
                None => ranges.push((range.clone(), &stream.uri, tag.line)),
            }
        }
    }
    let mut markers = Vec::with_capacity(ranges.len());
    for (range, uri, line) in ranges {
        let place = Place::stream(uri).line(line as u64);
        let time = range.start.and_then(|start| presentation.wall_clock.time_at(start));
        let Some(time) = time else {
            let why = match range.start {
                None => "has no START-DATE",
                Some(_) => "cannot be placed, because there is no EXT-X-PROGRAM-DATE-TIME",
            };
            let detail = format!("line {line} of {uri}: the date range {:?} {why}", range.id);
            findings.add(FindingCode::MarkersUnplaced, place, detail);
            continue;
        };
        let until_end =
            || Some(range.end?.saturating_sub(range.start?)).filter(|length| *length >= 0);
        markers.push(Marker {
            number: 0,
            duration: range.duration.or_else(until_end).map(from_milliseconds),
            planned_duration: range.planned_duration.map(from_milliseconds),
            id: range.id,
            time,
            class: range.class,
            ends_on_next: range.ends_on_next,
            out: range.out,
            back: range.back,
            command: range.command,
            attributes: range.others,
        });
    }
    markers
}

/// What a further tag with the same ID says beside the first (rfc8216bis 4.4.5.1).
fn add_attributes(known: &mut DateRange, more: &DateRange) {
    known.start = known.start.or(more.start);
    known.end = known.end.or(more.end);
    known.duration = known.duration.or(more.duration);
    known.planned_duration = known.planned_duration.or(more.planned_duration);
    known.ends_on_next |= more.ends_on_next;
    known.class = known.class.take().or_else(|| more.class.clone());
    known.out = known.out.take().or_else(|| more.out.clone());
    known.back = known.back.take().or_else(|| more.back.clone());
    known.command = known.command.take().or_else(|| more.command.clone());
    for (name, value) in &more.others {
        if known.others.iter().all(|(other, _)| other != name) {
            known.others.push((name.clone(), value.clone()));
        }
    }
}

/// Whether a date range says what a section or a tag says, too.
fn is_same(marker: &Marker, range: &Marker) -> bool {
    let is_near = marker.time.minus(range.time).0.abs() <= point::SAME_EVENT;
    is_near && {
        let is_break = marker.out.is_some() && range.out.is_some();
        let has_section = marker.sections().any(|one| range.sections().any(|other| one == other));
        has_section || is_break && marker.time.minus(range.time).0.abs() <= SAME_TIME
    }
}

/// Leaves out what is not in the title, puts the others in order and numbers them.
fn finish(presentation: &Presentation, markers: &mut Vec<Marker>, findings: &mut Findings) {
    let start = presentation.periods.first().map_or(Ticks::ZERO, |period| period.start);
    let end = start.plus(presentation.duration());
    let count = markers.len();
    // What is to be played before or after the title has no place in it.
    let is_beside = |marker: &Marker| marker.attributes.iter().any(|(name, _)| name == "CUE");
    markers.retain(|marker| marker.overlaps(start, end) || is_beside(marker));
    let words = "their times are before the title begins or after it ends";
    let outside = (count - markers.len()) as u64;
    findings.add_many(FindingCode::MarkersUnplaced, Place::default(), outside, words);
    markers.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
    let mut bytes = 0;
    let fitting = markers.iter().take_while(|marker| {
        bytes += marker.bytes();
        bytes <= MAX_MARKER_BYTES
    });
    let fitting = fitting.count();
    let words = format!("the title has more than {MAX_MARKER_BYTES} bytes of markers");
    let too_many = (markers.len() - fitting) as u64;
    findings.add_many(FindingCode::MarkersBroken, Place::default(), too_many, words);
    markers.truncate(fitting);
    for (marker, number) in markers.iter_mut().zip(0..) {
        marker.number = number;
    }
}

/// Tells of breaks at which no segment can begin.
fn find_off_keyframe(presentation: &Presentation, markers: &[Marker], findings: &mut Findings) {
    let start = presentation.periods.first().map_or(Ticks::ZERO, |period| period.start);
    let end = start.plus(presentation.duration());
    for stream in presentation.streams.iter().filter(|stream| stream.has(Medium::Video)) {
        let tracks: Vec<&Track> =
            stream.periods.iter().filter_map(|period| period.video.as_ref()).collect();
        let breaks = markers.iter().filter(|marker| marker.is_break());
        let times = breaks.flat_map(Marker::splices);
        let mut missed = times.filter(|&time| {
            time > start && time < end && !tracks.iter().any(|track| begins_at(track, time))
        });
        let Some(first) = missed.next() else { continue };
        let count = 1 + missed.count() as u64;
        let seconds = first.minus(start).seconds(Timescale::MPEG, 3);
        let detail = format!("{} has no keyframe at {seconds} s, where a marker is", stream.uri);
        findings.add_many(
            FindingCode::MarkerOffKeyframe,
            Place::stream(&stream.uri),
            count,
            detail,
        );
    }
}

/// Whether a segment can begin at a time: a random access point is within half a picture of it.
fn begins_at(track: &Track, time: Ticks) -> bool {
    let time = time.rescale(Timescale::MPEG, track.timescale);
    let behind = track.groups.partition_point(|group| group.time < time);
    let near = [behind.checked_sub(1), Some(behind)].into_iter().flatten();
    near.filter_map(|index| track.groups.get(index)).any(|group| {
        let off = group.time.minus(time).0.abs();
        group.access != RandomAccess::None && 2 * off <= i64::from(track.sample_duration)
    })
}

#[cfg(test)]
mod tests;
