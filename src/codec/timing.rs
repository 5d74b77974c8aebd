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

use std::cell::LazyCell;

use super::{AccessUnit, Timestamps};
use crate::model::presentation::Group;
use crate::model::sample::Sample;
use crate::time::{Ticks, Unwrapper};

/// A timestamp that is further than this from where the ones before lead is not believed: it is
/// wrong, or the clock has jumped. Ten seconds.
pub const TRUSTED_DISTANCE: i64 = 10 * 90_000;

/// Timestamps without the 33-bit wrap, 90 kHz.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContinuousTimestamps {
    /// When it is shown.
    pub presentation: Ticks,
    /// When it is decoded.
    pub decode: Ticks,
}

/// Where a [`TrackClock`] puts an access unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// Where its timestamps say.
    Dated(ContinuousTimestamps),
    /// It has no timestamps: about where the ones before lead.
    Guessed(ContinuousTimestamps),
    /// Its timestamps are not believed: about where the ones before lead, and what they say.
    Doubted(ContinuousTimestamps, ContinuousTimestamps),
}

impl Placed {
    /// Where it is.
    pub const fn at(self) -> ContinuousTimestamps {
        match self {
            Self::Dated(at) | Self::Guessed(at) | Self::Doubted(at, _) => at,
        }
    }
}

/// Removes the wrap from the timestamps of one track.
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
    pub fn place(&mut self, timestamps: Option<Timestamps>) -> Placed {
        let guess = self.last.map_or(self.first, |last| ContinuousTimestamps {
            presentation: last.presentation.plus(Ticks(self.step)),
            decode: last.decode.plus(Ticks(self.step)),
        });
        let placed = match timestamps {
            None => Placed::Guessed(guess),
            Some(Timestamps { presentation, decode }) => {
                let decode = self.decode.unwrap_timestamp(decode);
                let presentation = Unwrapper::near(decode).unwrap_timestamp(presentation);
                // Nothing is shown before it is decoded, whatever the source says.
                let at = ContinuousTimestamps { presentation, decode: decode.min(presentation) };
                let is_far = |a: Ticks, b: Ticks| a.minus(b).0.abs() > TRUSTED_DISTANCE;
                let jumps = self.last.is_some_and(|last| is_far(at.decode, last.decode));
                if jumps || is_far(presentation, decode) {
                    Placed::Doubted(guess, at)
                } else {
                    Placed::Dated(at)
                }
            }
        };
        let at = placed.at();
        if timestamps.is_some() || self.last.is_some() {
            // The next is placed by this one alone, as it is where a group is placed by itself.
            self.decode = Unwrapper::near(at.decode);
        }
        if let Some(last) = self.last {
            let step = at.decode.minus(last.decode).0;
            if step > 0 {
                self.step = step;
            }
        }
        self.last = Some(at);
        placed
    }
}

/// The timestamps of one group of pictures, whose first picture has the timestamps `first`. It is
/// shown for `span` ticks. A picture without usable timestamps is placed by its picture order,
/// counted from the last one before it that has some.
pub fn date_pictures(
    units: &[AccessUnit],
    first: ContinuousTimestamps,
    span: Ticks,
) -> Vec<ContinuousTimestamps> {
    let mut clock = TrackClock::near(first);
    // The first unit's are known. Those of the packet in which it begins may belong to a unit
    // before it.
    let own = std::iter::once(None).chain(units.iter().skip(1).map(|unit| unit.timestamps));
    let mut anchor = (first, 0_usize, units.first().and_then(|unit| unit.order));
    let frame = span.0 / (units.len() as i64).max(1);
    // Where each picture has timestamps, nobody asks.
    let step = LazyCell::new(|| order_step(units));
    units
        .iter()
        .zip(own)
        .enumerate()
        .map(|(index, (unit, timestamps))| match clock.place(timestamps) {
            Placed::Dated(at) => {
                anchor = (at, index, unit.order);
                at
            }
            Placed::Guessed(_) | Placed::Doubted(..) => {
                let (from, since, order) = anchor;
                let passed = (index - since) as i64;
                let shown = match (order, unit.order) {
                    (Some(then), Some(now)) => (i64::from(now) - i64::from(then)) / *step,
                    _ => passed,
                };
                ContinuousTimestamps {
                    presentation: from.presentation.plus(Ticks(frame.saturating_mul(shown))),
                    decode: from.decode.plus(Ticks(frame.saturating_mul(passed))),
                }
            }
        })
        .collect()
}

/// By how much the picture order grows from one picture to the next that is shown: two in most
/// streams, one in others.
fn order_step(units: &[AccessUnit]) -> i64 {
    let mut orders: Vec<i32> = units.iter().filter_map(|unit| unit.order).collect();
    orders.sort_unstable();
    let steps = orders.windows(2).filter_map(|pair| match pair {
        [a, b] => Some(i64::from(*b) - i64::from(*a)).filter(|&step| step > 0),
        _ => None,
    });
    steps.min().unwrap_or(1)
}

/// The samples of one group of pictures.
///
/// `start` is when the first of them is shown, `end` when the first of the next group is. There are
/// as many `timestamps` as `units`. `transport_delay` is the track's: how much earlier pictures are
/// decoded in transport streams.
pub fn place_pictures(
    units: &[AccessUnit],
    timestamps: &[ContinuousTimestamps],
    start: Ticks,
    end: Ticks,
    transport_delay: u32,
) -> Vec<Sample> {
    let Some(earliest) = timestamps.iter().map(|at| at.presentation).min() else {
        return Vec::new();
    };
    let decoded = decode_times(timestamps, start, end);
    units
        .iter()
        .zip(timestamps)
        .enumerate()
        .map(|(index, (unit, at))| {
            let decode_time = decoded.get(index).copied().unwrap_or(start);
            let next = decoded.get(index + 1).copied().unwrap_or(end);
            let presentation_time = start.plus(at.presentation.minus(earliest));
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
            order: None,
            skipped_at_access: false,
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
        let first = clock.place(Some(Timestamps { presentation: 20, decode: end })).at();
        let second = clock.place(Some(Timestamps { presentation: 50, decode: 5 })).at();
        assert_eq!(first.presentation.minus(first.decode), Ticks(30));
        assert_eq!(second.decode.minus(first.decode), Ticks(15));
    }

    #[test]
    fn what_is_shown_too_early_is_decoded_earlier() {
        let mut clock = TrackClock::unset();
        let placed = clock.place(Some(Timestamps { presentation: 100, decode: 190 })).at();
        assert_eq!(placed, at(100, 100));
        // A group that begins with it goes on the same.
        let next = Some(Timestamps { presentation: 200, decode: 150 });
        assert_eq!(clock.place(next).at(), TrackClock::near(placed).place(next).at());
    }

    #[test]
    fn missing_timestamps_follow_at_the_last_distance() {
        let mut clock = TrackClock::unset();
        clock.place(Some(Timestamps { presentation: 100, decode: 90 }));
        clock.place(Some(Timestamps { presentation: 103, decode: 93 }));
        assert_eq!(clock.place(None), Placed::Guessed(at(106, 96)));
    }

    #[test]
    fn leading_pictures_begin_a_group() {
        // Decoded first, shown third.
        let stamps = [at(6, 0), at(4, 1), at(5, 2), at(9, 3)];
        let samples = place_pictures(&[unit(); 4], &stamps, Ticks(4), Ticks(10), 0);
        let shown: Vec<_> =
            samples.iter().map(|s| s.decode_time.0 + i64::from(s.composition_offset)).collect();
        assert_eq!(shown, [6, 4, 5, 9]);
        assert_eq!(samples[0].decode_time, Ticks(4));
    }

    #[test]
    fn pictures_without_timestamps_are_shown_in_their_order() {
        // I P B B in one packet, the picture order counting fields.
        let units = [0, 6, 2, 4].map(|order| AccessUnit { order: Some(order), ..unit() });
        let dated = date_pictures(&units, at(1_000, 900), Ticks(400));
        let shown: Vec<_> = dated.iter().map(|at| at.presentation.0).collect();
        let decoded: Vec<_> = dated.iter().map(|at| at.decode.0).collect();
        assert_eq!(shown, [1_000, 1_300, 1_100, 1_200]);
        assert_eq!(decoded, [900, 1_000, 1_100, 1_200]);
    }

    #[test]
    fn a_timestamp_out_of_line_is_not_believed() {
        let stamp = |at| Some(Timestamps { presentation: at, decode: at });
        let mut units = [unit(); 4];
        for (index, unit) in units.iter_mut().enumerate() {
            unit.timestamps = stamp(1_000 + 100 * index as u64);
        }
        units[2].timestamps = stamp(1 << 32);
        let dated = date_pictures(&units, at(1_000, 1_000), Ticks(400));
        let shown: Vec<_> = dated.iter().map(|at| at.presentation.0).collect();
        assert_eq!(shown, [1_000, 1_100, 1_200, 1_300]);
    }
}
