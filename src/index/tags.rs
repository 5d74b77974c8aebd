//! ID3 tags on the timeline: which period each is in, and when.
//!
//! A tag belongs to the period around whose bytes it lies; at a join, where it may stand in front of
//! the pictures that it goes with or behind them, its time decides.

use super::scan::{RawTag, position};
use crate::model::presentation::{StreamPeriod, Track};
use crate::model::timed_metadata::TimedMetadata;
use crate::time::{Ticks, Timescale, Unwrapper};

/// A tag this far from its period has nothing to do with it: ten seconds.
const UNRELATED: i64 = 10 * 90_000;

/// Where and when a period is.
pub(super) struct Span {
    period: u32,
    place: (u32, u64),
    last_object: u32,
    start: Ticks,
    end: Ticks,
    clock_offset: Ticks,
}

impl Span {
    fn of(period: usize, entry: &StreamPeriod) -> Option<Self> {
        let track: &Track = entry.video.as_ref().or(entry.audio.as_ref())?;
        let first = track.groups.first()?;
        let mpeg = |time: Ticks| time.rescale(track.timescale, Timescale::MPEG);
        Some(Self {
            period: u32::try_from(period).ok()?,
            place: (first.start.object, first.start.offset),
            last_object: track.groups.last()?.end.object,
            start: mpeg(track.start()),
            end: mpeg(track.end),
            clock_offset: track.clock_offset,
        })
    }

    /// A time of the 33-bit clock on the timeline, and how far that is from the period.
    pub fn time(&self, time: u64) -> (Ticks, i64) {
        let on_clock = Unwrapper::near(self.start.plus(self.clock_offset));
        let time = { on_clock }.unwrap_timestamp(time).minus(self.clock_offset);
        let outside = (self.start.0 - time.0).max(time.0 - self.end.0).max(0);
        (time, outside)
    }
}

/// The periods of a stream in which there is something.
pub(super) struct Spans(Vec<Span>);

impl Spans {
    pub fn of(periods: &[StreamPeriod]) -> Self {
        let all = periods.iter().enumerate();
        let mut spans: Vec<Span> =
            all.filter_map(|(period, entry)| Span::of(period, entry)).collect();
        let mut last = None;
        for span in &mut spans {
            // What stands in front of the pictures in an object of its own goes with them.
            if last != Some(span.place.0) {
                span.place.1 = 0;
            }
            last = Some(span.last_object);
        }
        Self(spans)
    }

    /// The period of what lies at a place of the source and has a time of the 33-bit clock; `None`
    /// where it belongs to none.
    pub fn find(&self, place: u64, time: u64) -> Option<&Span> {
        let at = position(place);
        let behind = self.0.partition_point(|span| span.place <= (at.object, at.offset));
        // The period around it, then the next, then the one before: of equals the first counts.
        let near = [behind.checked_sub(1), Some(behind), behind.checked_sub(2)];
        let candidates = near.into_iter().flatten().filter_map(|index| self.0.get(index));
        let nearest = candidates.min_by_key(|span| span.time(time).1);
        nearest.filter(|span| span.time(time).1 <= UNRELATED)
    }
}

/// The tags of a stream in order of time, and how many are in none of its periods.
pub(super) fn place(tags: &[RawTag], periods: &[StreamPeriod]) -> (Vec<TimedMetadata>, u64) {
    let spans = Spans::of(periods);
    let mut placed = Vec::with_capacity(tags.len());
    let mut unplaced = 0;
    for tag in tags {
        let Some(span) = spans.find(tag.place, tag.time) else {
            unplaced += 1;
            continue;
        };
        let latest = span.end.minus(Ticks(1)).max(span.start);
        placed.push(TimedMetadata {
            period: span.period,
            time: span.time(tag.time).0.max(span.start).min(latest),
            payload: tag.payload.clone(),
        });
    }
    placed.sort_by_key(|tag| (tag.period, tag.time));
    (placed, unplaced)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::codec::{AvcConfig, CodecConfig, PictureFormat, StreamSyntax};
    use crate::model::presentation::{Group, SourcePosition};

    /// A period of pictures in one object, on the timeline from `start` to `end`.
    fn period(object: u32, offset: u64, start: i64, end: i64, clock_offset: i64) -> StreamPeriod {
        let config = AvcConfig {
            profile_idc: 66,
            constraints: 0,
            level_idc: 30,
            picture: PictureFormat::default(),
            sequence_parameter_sets: Vec::new(),
            picture_parameter_sets: Vec::new(),
        };
        let first = SourcePosition { object, offset };
        let video = Track {
            pid: 256,
            syntax: StreamSyntax::H264,
            codec: CodecConfig::Avc(config),
            timescale: Timescale::MPEG,
            sample_duration: 3_600,
            clock_offset: Ticks(clock_offset),
            transport_delay: 0,
            groups: vec![Group {
                start: first,
                end: first,
                time: Ticks(start),
                ..Group::default()
            }]
            .into(),
            end: Ticks(end),
        };
        StreamPeriod { video: Some(video), audio: None }
    }

    const SECOND: i64 = 90_000;

    #[test]
    fn tags_are_placed_by_where_they_lie_and_when_they_are() {
        let wrap = 1_i64 << 33;
        // The clock of the first period wraps in it; that of the second starts at an hour.
        let periods = [
            period(0, 564, 0, 10 * SECOND, wrap - 5 * SECOND),
            StreamPeriod::default(),
            period(3, 564, 10 * SECOND, 20 * SECOND, 3_600 * SECOND),
        ];
        let tag = |object: u64, offset: u64, time: i64| RawTag {
            place: object << 40 | offset,
            time: time.rem_euclid(wrap) as u64,
            payload: Vec::new(),
        };
        let placed = |raw: RawTag| {
            let (tags, unplaced) = place(&[raw], &periods);
            assert_eq!(tags.len() as u64 + unplaced, 1);
            tags.first().map(|tag| (tag.period, tag.time.0))
        };
        let hour = 3_600 * SECOND;
        assert_eq!(placed(tag(0, 900, wrap - 4 * SECOND)), Some((0, SECOND)));
        assert_eq!(placed(tag(2, 900, 3 * SECOND)), Some((0, 8 * SECOND)));
        // In front of the pictures, and a little too early.
        assert_eq!(placed(tag(0, 188, wrap - 6 * SECOND)), Some((0, 0)));
        assert_eq!(placed(tag(3, 188, hour + 12 * SECOND)), Some((2, 12 * SECOND)));
        // Behind the join, with the time of before.
        assert_eq!(placed(tag(3, 900, 4 * SECOND)), Some((0, 9 * SECOND)));
        // A little too late.
        assert_eq!(placed(tag(5, 0, hour + 25 * SECOND)), Some((2, 20 * SECOND - 1)));
        assert_eq!(placed(tag(5, 0, hour + 31 * SECOND)), None);
        assert_eq!(place(&[tag(0, 0, 0)], &[]).1, 1);
        // A clock that starts anew: only the place tells.
        let again = [period(0, 564, 0, 10, 0), period(1, 564, 10, 20, -10)];
        let of = |at| place(&[at], &again).0[0].period;
        assert_eq!(
            [tag(0, 188, 5), tag(0, 900, 5), tag(1, 188, 5), tag(1, 900, 5)].map(of),
            [0, 0, 1, 1]
        );
    }
}
