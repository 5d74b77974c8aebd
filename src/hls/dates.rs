//! `EXT-X-PROGRAM-DATE-TIME` (RFC 8216 4.3.2.6): before the first segment of a playlist, behind each
//! discontinuity, and where the source's clock goes on from another time.
//!
//! If one playlist of a title has dates then all of them have (draft-pantos-hls-rfc8216bis 6.2.4).
//! They say when a segment begins, but all playlists give a period the date of the period itself:
//! sound begins up to half a frame apart from pictures, and players that align playlists by their
//! dates (Shaka Player 5.2) would shift one against the other.

use std::fmt::Write as _;

use super::date::iso8601;
use crate::model::manifest::Manifest;
use crate::model::wall_clock::Dates;
use crate::time::Ticks;

/// Sound begins a segment up to half a frame before the pictures that a date is of, and is of the
/// same time: 50 ms.
const BEFORE: Ticks = Ticks(4_500);
const BEFORE_MILLISECONDS: i64 = 50;
const TICKS_PER_MILLISECOND: i64 = 90;

/// Writes the dates of one playlist.
pub(super) struct DateLines<'a> {
    dates: Option<&'a Dates>,
    /// When the period begins.
    begins: Ticks,
    /// The last line; `None` where one is due.
    line: Option<Line>,
}

/// A line that was written.
#[derive(Clone, Copy)]
struct Line {
    /// When the segment behind it begins.
    time: Ticks,
    /// What it says, milliseconds since the start of 1970.
    date: i64,
    /// How many of the source's dates it counted from.
    counted: usize,
}

impl<'a> DateLines<'a> {
    pub(super) fn new(manifest: &'a Manifest) -> Self {
        Self { dates: manifest.dates.as_deref(), begins: Ticks::ZERO, line: None }
    }

    /// A period begins, at a time on the segments' timeline, [`crate::time::Timescale::MPEG`] ticks: players
    /// forget.
    pub(super) fn begin(&mut self, period: Ticks) {
        self.begins = period;
        self.line = None;
    }

    /// The line before a segment, if it needs one. `time` is when it begins on the segments'
    /// timeline, [`crate::time::Timescale::MPEG`] ticks.
    pub(super) fn before(&mut self, out: &mut String, time: Ticks) {
        let Some(Dates { clock, start }) = self.dates else { return };
        let is_start = self.line.is_none() && self.begins.minus(time).0.abs() <= BEFORE.0;
        let nearly = if is_start { self.begins } else { time }.plus(BEFORE);
        // Before the first date time is counted back from it.
        let counted = clock.anchors().partition_point(|anchor| anchor.time <= nearly).max(1);
        let date = match self.line {
            Some(line) if line.counted == counted => {
                // hls.js 1.7 takes the date 0 for none when it counts on from a segment.
                if line.date != 0 {
                    return;
                }
                line.date.saturating_add(time.minus(line.time).0 / TICKS_PER_MILLISECOND)
            }
            _ => clock.date_at(nearly, *start).saturating_sub(BEFORE_MILLISECONDS),
        };
        self.line = Some(Line { time, date, counted });
        let _ = writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{}", iso8601(date));
    }
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
        let mut lines = DateLines { dates: Some(&dates), begins: Ticks::ZERO, line: None };
        let mut out = Vec::new();
        for time in times {
            let Some(time) = time else {
                lines.begin(Ticks::ZERO);
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
        // Lines agree with the durations between them, whatever the first segment's own time is.
        let dates = Dates { clock: WallClock::default(), start: Ticks(SECOND) };
        let begins = Ticks(SECOND);
        let mut lines = DateLines { dates: Some(&dates), begins, line: None };
        let mut out = String::new();
        lines.before(&mut out, Ticks(SECOND - 1_800));
        lines.before(&mut out, Ticks(7 * SECOND - 1_755));
        assert!(out.contains("T00:00:00.000Z") && out.contains("T00:00:06.000Z"), "{out}");
    }

    #[test]
    fn sound_has_the_date_of_its_pictures_where_a_period_begins() {
        let anchor = Anchor { time: Ticks(SECOND), unix_milliseconds: 10_000 };
        let dates = Dates { clock: WallClock::new(vec![anchor]), start: Ticks::ZERO };
        for (sound, date) in [(-900, "10.000"), (1_800, "10.000"), (SECOND, "11.000")] {
            let begins = Ticks(SECOND);
            let mut lines = DateLines { dates: Some(&dates), begins, line: None };
            let mut line = String::new();
            lines.before(&mut line, Ticks(SECOND + sound));
            assert!(line.trim_end().ends_with(&format!("{date}Z")), "{sound}: {line}");
        }
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
