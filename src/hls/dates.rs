//! `EXT-X-PROGRAM-DATE-TIME` (RFC 8216 4.3.2.6): before the first segment of a playlist, behind each
//! discontinuity, and where the source's clock goes on from another time.
//!
//! If one playlist of a title has dates then all of them have (draft-pantos-hls-rfc8216bis 6.2.4),
//! and each names the moment at which its own segment begins.

use std::fmt::Write as _;

use super::date::iso8601;
use crate::model::manifest::{Manifest, ManifestPeriod};
use crate::model::wall_clock::Dates;
use crate::time::{Ticks, Timescale};

/// Sound begins a segment up to half a frame before the pictures that a date is of, and is of the
/// same time: 50 ms.
const BEFORE: Ticks = Ticks(4_500);
const BEFORE_MILLISECONDS: i64 = 50;

/// Writes the dates of one playlist.
pub(super) struct DateLines<'a> {
    dates: Option<&'a Dates>,
    /// How many of the source's dates the last line counted from; `None` where one is due.
    counted: Option<usize>,
}

impl<'a> DateLines<'a> {
    pub(super) fn new(manifest: &'a Manifest) -> Self {
        Self { dates: manifest.dates.as_deref(), counted: None }
    }

    /// Players forget at a discontinuity.
    pub(super) fn discontinuity(&mut self) {
        self.counted = None;
    }

    /// The line before a segment, if it needs one. `time` is when it begins on the segments'
    /// timeline, [`Timescale::MPEG`] ticks.
    pub(super) fn before(&mut self, out: &mut String, time: Ticks) {
        let Some(Dates { clock, start }) = self.dates else { return };
        let nearly = time.plus(BEFORE);
        // Before the first date time is counted back from it.
        let counted = clock.anchors().partition_point(|anchor| anchor.time <= nearly).max(1);
        if self.counted != Some(counted) {
            let date = clock.date_at(nearly, *start).saturating_sub(BEFORE_MILLISECONDS);
            // hls.js 1.7 takes the date 0 for none when it counts on from a segment.
            self.counted = Some(counted).filter(|_| date != 0);
            let _ = writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{}", iso8601(date));
        }
    }
}

/// When a period starts on the segments' timeline, [`Timescale::MPEG`] ticks.
pub(super) fn start_of(period: &ManifestPeriod) -> Option<Ticks> {
    let rendition = period.sets.iter().flat_map(|set| &set.renditions).next()?;
    Some(rendition.presentation_time_offset.rescale(rendition.timescale, Timescale::MPEG))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::wall_clock::{Anchor, WallClock};

    const SECOND: i64 = 90_000;

    fn lines(anchors: &[(i64, i64)], times: &[Option<i64>]) -> Vec<String> {
        let anchors = anchors.iter().map(|&(second, unix)| Anchor {
            time: Ticks(second * SECOND),
            unix_milliseconds: unix * 1_000,
        });
        let dates = Dates { clock: WallClock::new(anchors.collect()), start: Ticks(SECOND) };
        let mut lines = DateLines { dates: Some(&dates), counted: None };
        let mut out = Vec::new();
        for time in times {
            let Some(time) = time else {
                lines.discontinuity();
                continue;
            };
            let mut line = String::new();
            lines.before(&mut line, Ticks(*time));
            let line = line.replace("#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:", "");
            out.push(line.trim_end().to_owned());
        }
        out
    }

    #[test]
    fn dates_are_written_at_the_start_at_discontinuities_and_jumps() {
        let times = [0, 6, 12, 18].map(|second| Some(second * SECOND));
        assert_eq!(lines(&[(6, 106), (12, 500)], &times), ["01:40.000Z", "", "08:20.000Z", ""]);
        let broken = [Some(0), None, Some(6 * SECOND), Some(12 * SECOND)];
        assert_eq!(lines(&[(0, 10)], &broken), ["00:10.000Z", "00:16.000Z", ""]);
        // Without dates of the source a title begins with 1970.
        assert_eq!(lines(&[], &[Some(3 * SECOND)]), ["00:02.000Z"]);
        // Players that take the first of all dates for none have the second.
        let times = [1, 7, 13].map(|second| Some(second * SECOND));
        assert_eq!(lines(&[], &times), ["00:00.000Z", "00:06.000Z", ""]);
    }

    #[test]
    fn sound_that_begins_a_little_earlier_is_of_the_same_time() {
        let early = 12 * SECOND - 900;
        let late = 12 * SECOND + 900;
        let anchors = [(0, 10), (12, 500)];
        assert_eq!(lines(&anchors, &[Some(0), Some(early)]), ["00:10.000Z", "08:19.990Z"]);
        assert_eq!(lines(&anchors, &[Some(0), Some(late)]), ["00:10.000Z", "08:20.010Z"]);
    }
}
