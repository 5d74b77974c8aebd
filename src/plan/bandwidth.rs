//! Bit rates as RFC 8216 defines them, from exact segment sizes.

use crate::model::manifest::ManifestSegment;
use crate::time::{Ticks, Timescale, bits_per_second};

/// Sizes and durations of a rendition's segments, collected over periods.
#[derive(Clone, Debug, Default)]
pub(super) struct Rates {
    /// Bytes, and duration at 90 kHz.
    segments: Vec<(u64, Ticks)>,
}

impl Rates {
    pub fn add<'a>(
        &mut self,
        segments: impl IntoIterator<Item = &'a ManifestSegment>,
        timescale: Timescale,
    ) {
        let at_90_khz = |time: Ticks| time.rescale(timescale, Timescale::MPEG);
        let segments = segments.into_iter();
        self.segments.extend(segments.map(|segment| (segment.bytes, at_90_khz(segment.duration))));
    }

    /// The peak segment bit rate: the largest rate of any row of segments that lasts between half
    /// and one and a half target durations (RFC 8216 4.1).
    pub fn peak(&self) -> u64 {
        let longest = self.segments.iter().map(|(_, duration)| duration.0).max().unwrap_or(0);
        let hertz = i64::from(Timescale::MPEG.hertz());
        // The target duration is the longest duration rounded to whole seconds.
        let target = (longest + hertz / 2) / hertz * hertz;
        let target = if target == 0 { longest } else { target };
        let mut peak = 0;
        for first in 0..self.segments.len() {
            let (mut bytes, mut duration) = (0, 0);
            for (segment_bytes, segment_duration) in self.segments.iter().skip(first) {
                bytes += segment_bytes;
                duration += segment_duration.0;
                if 2 * duration > 3 * target {
                    break;
                }
                if 2 * duration >= target {
                    peak = peak.max(bits_per_second(bytes, Ticks(duration), Timescale::MPEG));
                }
            }
        }
        if peak == 0 { self.average() } else { peak }
    }

    /// The rate over everything.
    pub fn average(&self) -> u64 {
        let bytes = self.segments.iter().map(|(bytes, _)| bytes).sum();
        let duration = self.segments.iter().map(|(_, duration)| duration.0).sum();
        bits_per_second(bytes, Ticks(duration), Timescale::MPEG)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(segments: &[(u64, i64)]) -> Rates {
        let segments = segments.iter().map(|&(bytes, seconds)| (bytes, Ticks(seconds * 90_000)));
        Rates { segments: segments.collect() }
    }

    #[test]
    fn a_short_last_segment_does_not_make_the_peak() {
        let rates = rates(&[(6_000, 6), (9_000, 6), (6_000, 1)]);
        // Alone the last would be 48,000 bit/s; with its neighbour it lasts 7 s.
        assert_eq!(rates.peak(), 15_000_u64 * 8 / 7 + 1);
        assert_eq!(rates.average(), 21_000_u64 * 8 / 13 + 1);
    }

    #[test]
    fn one_segment_is_its_own_peak() {
        assert_eq!(rates(&[(1_000, 2)]).peak(), 4_000);
        assert_eq!(rates(&[]).peak(), 0);
    }
}
