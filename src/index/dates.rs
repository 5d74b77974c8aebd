//! `EXT-X-PROGRAM-DATE-TIME` of the source's playlists → the dates of the title.
//!
//! A tag dates the first sample of its segment (RFC 8216 4.3.2.6), so it is taken where a group of
//! pictures, or a run of sound, begins with the segment; dates of other segments follow from those.
//! All variants name the same dates (RFC 8216bis 6.2.4), so one stream is asked: the first with
//! pictures that has dates, or else the first of sound.

use crate::model::presentation::{Group, Medium, Stream};
use crate::model::wall_clock::{Anchor, WallClock};
use crate::time::Timescale;

/// The dates of a title. `dates` has, for each stream, milliseconds since the start of 1970, UTC,
/// of its segments.
pub(super) fn wall_clock(streams: &[Stream], dates: &[Vec<Option<i64>>]) -> WallClock {
    let of = |medium| {
        let all = streams.iter().zip(dates).filter(move |(stream, _)| stream.has(medium));
        all.map(|(stream, dates)| WallClock::new(anchors(stream, dates))).find(WallClock::is_known)
    };
    of(Medium::Video).or_else(|| of(Medium::Audio)).unwrap_or_default()
}

fn anchors(stream: &Stream, dates: &[Option<i64>]) -> Vec<Anchor> {
    let mut anchors = Vec::new();
    for period in &stream.periods {
        let Some(track) = period.video.as_ref().or(period.audio.as_ref()) else { continue };
        let by_object = track.groups.chunk_by(|a, b| a.start.object == b.start.object);
        for first in by_object.filter_map(<[Group]>::first) {
            let date = dates.get(first.start.object as usize).copied().flatten();
            if let Some(unix_milliseconds) = date
                && super::report::is_at_start(stream, first)
            {
                let time = first.time.rescale(track.timescale, Timescale::MPEG);
                anchors.push(Anchor { time, unix_milliseconds });
            }
        }
    }
    anchors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::codec::{CodecConfig, MpegAudioConfig, StreamSyntax};
    use crate::model::presentation::{SourceObject, SourcePosition, StreamPeriod, Track};
    use crate::time::Ticks;

    const SECOND: i64 = 90_000;

    /// Groups as the object, the offset in it and the second at which each begins.
    fn stream(groups: &[(u32, u64, i64)], medium: Medium) -> Stream {
        let track = Track {
            pid: 1,
            syntax: StreamSyntax::MpegAudio,
            codec: CodecConfig::MpegAudio(MpegAudioConfig {
                layer: 2,
                is_mpeg1: true,
                sampling_frequency: 48_000,
                channels: 2,
            }),
            timescale: Timescale::MPEG,
            sample_duration: 1,
            clock_offset: Ticks::ZERO,
            transport_delay: 0,
            groups: groups
                .iter()
                .map(|&(object, offset, second)| Group {
                    start: SourcePosition { object, offset },
                    time: Ticks(second * SECOND),
                    ..Group::default()
                })
                .collect(),
            end: Ticks(100 * SECOND),
        };
        let object = SourceObject {
            path: String::new(),
            start: 0,
            size: 100_000,
            packet_bytes: 188,
            encryption: None,
        };
        let period = match medium {
            Medium::Video => StreamPeriod { video: Some(track), audio: None },
            Medium::Audio => StreamPeriod { video: None, audio: Some(track) },
        };
        Stream { objects: vec![object; 9].into(), periods: vec![period], ..Stream::default() }
    }

    #[test]
    fn segments_that_begin_with_pictures_are_dated() {
        // The second segment begins in the middle of a group, the third has two.
        let video =
            stream(&[(0, 564, 0), (1, 50_000, 6), (2, 564, 8), (2, 60_000, 10)], Medium::Video);
        let sound = stream(&[(0, 0, 0)], Medium::Audio);
        let dates = vec![Some(7_000), Some(11_500), Some(50_000)];
        let clock = wall_clock(&[sound.clone(), video.clone()], &[vec![Some(1)], dates]);
        let anchor =
            |second, unix_milliseconds| Anchor { time: Ticks(second * SECOND), unix_milliseconds };
        assert_eq!(clock.anchors(), [anchor(0, 7_000), anchor(8, 50_000)]);
        let clock = wall_clock(&[video, sound], &[vec![None], vec![Some(1)]]);
        assert_eq!(clock.anchors(), [anchor(0, 1)]);
    }
}
