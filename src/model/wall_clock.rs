//! The dates of a title: which moment of the calendar each of its moments was, as
//! `EXT-X-PROGRAM-DATE-TIME` (RFC 8216 4.3.2.6) of its source tells.
//!
//! ```text
//! timeline      0 ──────── 6 s ─────── 12 s ──────── 18 s
//! source says   10:00:00               10:30:00              an anchor each
//! date          10:00:00 ─ :06 ─ :11.99│10:30:00 ─── :06
//! ```
//!
//! From an anchor on, dates go on with the media until the next. Before the first they are counted
//! back from it. A title whose source names no date is given one, the same each time: it begins with
//! the year 1970, UTC.

use serde::{Deserialize, Serialize};

use crate::time::{Ticks, Timescale};

/// Milliseconds.
const MILLISECOND: Timescale = Timescale::new(1_000).expect("not zero");

/// A moment of a title, and its date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Anchor {
    /// On the timeline of the presentation, [`Timescale::MPEG`] ticks.
    pub time: Ticks,
    /// Since the start of 1970, UTC.
    pub unix_milliseconds: i64,
}

impl Anchor {
    /// The date of another moment, if the media go on.
    fn date_at(&self, time: Ticks) -> i64 {
        let since = time.minus(self.time).rescale(Timescale::MPEG, MILLISECOND);
        self.unix_milliseconds.saturating_add(since.0)
    }

    /// The moment of another date, if the media go on.
    fn time_at(&self, unix_milliseconds: i64) -> Ticks {
        let since = Ticks(unix_milliseconds.saturating_sub(self.unix_milliseconds));
        self.time.plus(since.rescale(MILLISECOND, Timescale::MPEG))
    }
}

/// The clock of a title, and when the title starts on its timeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dates {
    /// What its source says.
    pub clock: WallClock,
    /// [`Timescale::MPEG`] ticks.
    pub start: Ticks,
}

impl Dates {
    /// The date of a moment of the timeline; see [`WallClock::date_at`].
    pub fn date_at(&self, time: Ticks) -> i64 {
        self.clock.date_at(time, self.start)
    }
}

/// The dates of a title. Empty where its source names none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WallClock {
    /// In order of time, each at a time of its own.
    anchors: Vec<Anchor>,
}

impl WallClock {
    /// The clock that a source's dates make. Those that follow from the ones before, to the
    /// millisecond, are left out; of two for one time the first counts.
    pub fn new(mut dates: Vec<Anchor>) -> Self {
        dates.sort_by_key(|date| date.time);
        let mut anchors: Vec<Anchor> = Vec::new();
        for date in dates {
            let follows = anchors.last().is_some_and(|last| {
                last.time == date.time
                    || last.date_at(date.time).abs_diff(date.unix_milliseconds) <= 1
            });
            if !follows {
                anchors.push(date);
            }
        }
        Self { anchors }
    }

    /// Whether the source names dates.
    pub fn is_known(&self) -> bool {
        !self.anchors.is_empty()
    }

    /// In order of time.
    pub fn anchors(&self) -> &[Anchor] {
        &self.anchors
    }

    /// The date of a moment, milliseconds since the start of 1970, UTC. `start` is when the title
    /// starts, for one without dates; both count [`Timescale::MPEG`] ticks of its timeline.
    pub fn date_at(&self, time: Ticks, start: Ticks) -> i64 {
        let behind = self.anchors.partition_point(|anchor| anchor.time <= time);
        let anchor = self.anchors.get(behind.saturating_sub(1));
        anchor.unwrap_or(&Anchor { time: start, unix_milliseconds: 0 }).date_at(time)
    }

    /// The moment of a date, if the source names dates. Of several moments it is the first. A date
    /// that was left out between two anchors is that of the later; dates before the first and
    /// behind the last are counted on from there.
    pub fn time_at(&self, unix_milliseconds: i64) -> Option<Ticks> {
        let stretches = self.anchors.iter().enumerate();
        let mut inside = stretches.filter_map(|(index, anchor)| {
            let time = anchor.time_at(unix_milliseconds);
            let next = self.anchors.get(index + 1);
            let has_it = time >= anchor.time && next.is_none_or(|next| time < next.time);
            has_it.then_some(time)
        });
        inside.next().or_else(|| {
            let is_later = |anchor: &&Anchor| anchor.unix_milliseconds > unix_milliseconds;
            match self.anchors.first()? {
                first if is_later(&first) => Some(first.time_at(unix_milliseconds)),
                _ => self.anchors.iter().find(is_later).map(|later| later.time),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: i64 = 90_000;

    fn clock(anchors: &[(i64, i64)]) -> WallClock {
        let anchor = |&(second, unix): &(i64, i64)| Anchor {
            time: Ticks(second * SECOND),
            unix_milliseconds: unix * 1_000,
        };
        WallClock::new(anchors.iter().map(anchor).collect())
    }

    fn time_at(clock: &WallClock, unix: i64) -> Option<i64> {
        clock.time_at(unix * 1_000).map(|time| time.0 / SECOND)
    }

    #[test]
    fn dates_go_on_with_the_media() {
        let clock = clock(&[(6, 1_006), (12, 1_012), (18, 5_000), (24, 5_006)]);
        assert_eq!(clock.anchors().len(), 2);
        let date = |second: i64| clock.date_at(Ticks(second * SECOND), Ticks(0)) / 1_000;
        assert_eq!([0, 6, 17, 18, 90].map(date), [1_000, 1_006, 1_017, 5_000, 5_072]);
        let times = [990, 1_000, 1_017, 1_018, 3_000, 5_000, 5_072];
        let expected = [-10, 0, 17, 18, 18, 18, 90].map(Some);
        assert_eq!(times.map(|unix| time_at(&clock, unix)), expected);
    }

    #[test]
    fn a_date_that_comes_twice_is_the_first() {
        let clock = clock(&[(0, 1_000), (10, 1_005)]);
        assert_eq!(time_at(&clock, 1_007), Some(7));
        assert_eq!(time_at(&clock, 1_012), Some(17));
        // Dates of what comes later lie before those of the start.
        let back = self::clock(&[(0, 1_000), (10, 500)]);
        assert_eq!(time_at(&back, 505), Some(15));
    }

    #[test]
    fn without_dates_a_title_begins_with_1970() {
        let clock = WallClock::default();
        assert!(!clock.is_known());
        assert_eq!(clock.date_at(Ticks(5 * SECOND), Ticks(3 * SECOND)), 2_000);
        assert_eq!(clock.time_at(2_000), None);
    }

    proptest! {
        #[test]
        fn what_the_source_says_is_kept(
            steps in proptest::collection::vec((1_i64..20 * SECOND, -90_000_i64..90_000), 1..30),
        ) {
            let mut dates = Vec::new();
            let (mut time, mut unix) = (0, 0);
            for (step, off) in steps {
                time += step;
                unix += step / 90 + off;
                dates.push(Anchor { time: Ticks(time), unix_milliseconds: unix });
            }
            let clock = WallClock::new(dates.clone());
            for date in dates {
                let found = clock.date_at(date.time, Ticks(0));
                prop_assert!(found.abs_diff(date.unix_milliseconds) <= 1);
            }
        }
    }
}
