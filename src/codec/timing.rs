//! Places access units on the timeline of the presentation.
//!
//! A group of pictures is placed by itself, from its own timestamps, its start and the start of the
//! group behind it, so a segment can be made without the one before. Decoding times are moved so
//! that every group is decoded from the moment its first picture is shown:
//!
//! ```text
//! source   DTS  0   1   2   3 │ 4   5         reordering delay 2
//!          PTS  2   5   3   4 │ 6   …
//! ours     DTS  2   3   4   5 │ 6   …         composition offsets 0, +2, −1, −1 │ 0 …
//! ```
//!
//! so `tfdt`, the earliest presentation time and the time in manifests are one and the same number.
//! Where a source's decoding times do not grow or run past the next group, they are spread evenly
//! instead; presentation times are never changed.
//!
//! Transport streams have no negative composition offsets. There, all pictures of a track are
//! decoded earlier by one and the same delay: the largest by which ours would come too late.

use super::{AccessUnit, Timestamps};
use crate::model::presentation::Group;
use crate::model::sample::Sample;
use crate::time::{Ticks, Unwrapper};

/// Timestamps without the 33-bit wrap, 90 kHz.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContinuousTimestamps {
    /// When it is shown.
    pub presentation: Ticks,
    /// When it is decoded.
    pub decode: Ticks,
}

/// Removes the wrap from the timestamps of one track, and fills in the missing ones.
#[derive(Clone, Copy, Debug)]
pub struct TrackClock {
    decode: Unwrapper,
    last: Option<ContinuousTimestamps>,
    /// What the first access unit gets if it has no timestamps.
    first: ContinuousTimestamps,
    step: i64,
}

impl TrackClock {
    /// A clock whose first timestamps lie near these, and are these if they are missing.
    pub const fn near(first: ContinuousTimestamps) -> Self {
        Self { decode: Unwrapper::near(first.decode), last: None, first, step: 0 }
    }

    /// A clock that takes the first timestamps as they are.
    pub fn unset() -> Self {
        let first = ContinuousTimestamps { presentation: Ticks::ZERO, decode: Ticks::ZERO };
        Self { decode: Unwrapper::default(), last: None, first, step: 0 }
    }

    /// A group begins: what was learnt about distances is forgotten, so that a group is placed the
    /// same whether or not the one before is known.
    pub fn begin_group(&mut self) {
        self.step = 0;
    }

    /// The continuous timestamps of the next access unit. One without timestamps follows the one
    /// before at the last known distance.
    pub fn place(&mut self, timestamps: Option<Timestamps>) -> ContinuousTimestamps {
        let placed = match (timestamps, self.last) {
            (Some(Timestamps { presentation, decode }), _) => {
                let decode = self.decode.unwrap_timestamp(decode);
                let presentation = Unwrapper::near(decode).unwrap_timestamp(presentation);
                // Nothing is shown before it is decoded, whatever the source says.
                ContinuousTimestamps { presentation, decode: decode.min(presentation) }
            }
            (None, Some(last)) => ContinuousTimestamps {
                presentation: last.presentation.plus(Ticks(self.step)),
                decode: last.decode.plus(Ticks(self.step)),
            },
            (None, None) => self.first,
        };
        if timestamps.is_some() || self.last.is_some() {
            // The next is placed by this one alone, as it is where a group is placed by itself.
            self.decode = Unwrapper::near(placed.decode);
        }
        if let Some(last) = self.last {
            let step = placed.decode.minus(last.decode).0;
            if step > 0 {
                self.step = step;
            }
        }
        self.last = Some(placed);
        placed
    }
}

/// The samples of one group of pictures.
///
/// `start` is when its first picture is shown, `end` when the next group's is. There are as many
/// `timestamps` as `units`. `transport_delay` is the track's: how much earlier pictures are decoded
/// in transport streams.
pub fn place_pictures(
    units: &[AccessUnit],
    timestamps: &[ContinuousTimestamps],
    start: Ticks,
    end: Ticks,
    transport_delay: u32,
) -> Vec<Sample> {
    let Some(first) = timestamps.first() else { return Vec::new() };
    let shown = |at: &ContinuousTimestamps| start.plus(at.presentation.minus(first.presentation));
    let decoded = decode_times(timestamps, start, end);
    units
        .iter()
        .zip(timestamps)
        .enumerate()
        .map(|(index, (unit, at))| {
            let decode_time = decoded.get(index).copied().unwrap_or(start);
            let next = decoded.get(index + 1).copied().unwrap_or(end);
            let presentation_time = shown(at);
            Sample {
                offset: unit.offset,
                size: unit.size as u32,
                decode_time,
                duration: u32::try_from(next.minus(decode_time).0).unwrap_or(0),
                composition_offset: presentation_time.minus(decode_time).0 as i32,
                transport_decode_time: decode_time.minus(Ticks(i64::from(transport_delay))),
                dependency: unit.dependency,
            }
        })
        .collect()
}

/// Decoding times from `start` on, strictly growing and before `end`.
fn decode_times(timestamps: &[ContinuousTimestamps], start: Ticks, end: Ticks) -> Vec<Ticks> {
    let first = timestamps.first().map_or(Ticks::ZERO, |first| first.decode);
    let moved: Vec<Ticks> =
        timestamps.iter().map(|at| start.plus(at.decode.minus(first))).collect();
    let grows = moved.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
    if grows && moved.last().is_none_or(|last| *last < end) {
        return moved;
    }
    let length = i128::from(end.minus(start).0.max(0));
    let count = timestamps.len() as i128;
    (0..count).map(|index| start.plus(Ticks((length * index / count) as i64))).collect()
}

/// The samples of one run of audio frames of `frame_duration` ticks each; the last lasts until
/// `end`, where the next run begins.
pub fn place_frames(
    units: &[AccessUnit],
    group: &Group,
    frame_duration: u32,
    end: Ticks,
) -> Vec<Sample> {
    let step = i64::from(frame_duration);
    units
        .iter()
        .enumerate()
        .map(|(index, unit)| {
            let decode_time = group.time.plus(Ticks(step * index as i64));
            let next = if index + 1 == units.len() { end } else { decode_time.plus(Ticks(step)) };
            Sample {
                offset: unit.offset,
                size: unit.size as u32,
                decode_time,
                duration: u32::try_from(next.minus(decode_time).0).unwrap_or(0),
                composition_offset: 0,
                transport_decode_time: decode_time,
                dependency: unit.dependency,
            }
        })
        .collect()
}

/// The duration that all samples have, if they agree.
pub fn uniform_duration(samples: &[Sample]) -> Option<u32> {
    let first = samples.first()?.duration;
    samples.iter().all(|sample| sample.duration == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample::{Dependency, RandomAccess};

    fn unit() -> AccessUnit {
        AccessUnit {
            offset: 0,
            size: 1,
            timestamps: None,
            tag: 0,
            skip: 0,
            dependency: Dependency::AUDIO,
            access: RandomAccess::Instant,
            config: 0,
        }
    }

    fn at(presentation: i64, decode: i64) -> ContinuousTimestamps {
        ContinuousTimestamps { presentation: Ticks(presentation), decode: Ticks(decode) }
    }

    #[test]
    fn decoding_starts_when_the_first_picture_is_shown() {
        let stamps = [at(2, 0), at(5, 1), at(3, 2), at(4, 3)];
        let samples = place_pictures(&[unit(); 4], &stamps, Ticks(102), Ticks(106), 1);
        let decode: Vec<_> = samples.iter().map(|s| s.decode_time.0).collect();
        let offsets: Vec<_> = samples.iter().map(|s| s.composition_offset).collect();
        let transport: Vec<_> = samples.iter().map(|s| s.transport_decode_time.0).collect();
        assert_eq!(decode, [102, 103, 104, 105]);
        assert_eq!(offsets, [0, 2, -1, -1]);
        assert_eq!(transport, [101, 102, 103, 104]);
        assert_eq!(uniform_duration(&samples), Some(1));
    }

    #[test]
    fn decoding_times_that_stand_still_are_spread_evenly() {
        let stamps = [at(0, 0), at(10, 0), at(20, 0)];
        let samples = place_pictures(&[unit(); 3], &stamps, Ticks(50), Ticks(80), 0);
        let shown: Vec<_> =
            samples.iter().map(|s| s.decode_time.0 + i64::from(s.composition_offset)).collect();
        assert_eq!(shown, [50, 60, 70]);
        assert_eq!(samples.iter().map(|s| s.duration).collect::<Vec<_>>(), [10, 10, 10]);
    }

    #[test]
    fn presentation_may_wrap_before_decoding_does() {
        let mut clock = TrackClock::unset();
        let end = (1_u64 << 33) - 10;
        let first = clock.place(Some(Timestamps { presentation: 20, decode: end }));
        let second = clock.place(Some(Timestamps { presentation: 50, decode: 5 }));
        assert_eq!(first.presentation.minus(first.decode), Ticks(30));
        assert_eq!(second.decode.minus(first.decode), Ticks(15));
    }

    #[test]
    fn what_is_shown_too_early_is_decoded_earlier() {
        let mut clock = TrackClock::unset();
        let placed = clock.place(Some(Timestamps { presentation: 100, decode: 190 }));
        assert_eq!(placed, at(100, 100));
        // A group that begins with it goes on the same.
        let next = Some(Timestamps { presentation: 200, decode: 100 + (1 << 32) });
        assert_eq!(clock.place(next), TrackClock::near(placed).place(next));
    }

    #[test]
    fn missing_timestamps_follow_at_the_last_distance() {
        let mut clock = TrackClock::unset();
        clock.place(Some(Timestamps { presentation: 100, decode: 90 }));
        clock.place(Some(Timestamps { presentation: 103, decode: 93 }));
        assert_eq!(clock.place(None), at(106, 96));
    }
}
